//! The contract of [`Limiter`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use frontdesk_kernel::Timestamp;
use frontdesk_kernel::gcra::{Limiter, Quota, Subject, Verdict, check};

use super::race;
use crate::builders::{noon, subject, user_id};

/// Runs this contract against a limiter.
#[macro_export]
macro_rules! limiter_contract {
    ($($backend:tt)+) => {
        $crate::contract_tests! { [$($backend)+] limiter:
            take_answers_as_the_rule_does,
            take_lets_a_burst_through_and_refuses_the_next,
            take_tells_how_many_are_left_and_when_all_are,
            take_tells_a_wait_that_is_enough_and_not_too_long,
            a_refused_take_counts_nothing,
            take_lets_no_more_through_when_the_clock_goes_back,
            take_keeps_subjects_apart,
            take_keeps_policies_apart,
            of_64_concurrent_takes_exactly_the_burst_is_let_through,
            of_64_concurrent_takes_by_different_subjects_all_are_let_through,
            give_back_undoes_exactly_one_take,
            give_back_belongs_to_one_policy_and_one_subject,
            give_back_of_what_was_never_taken_allows_no_more_than_the_burst,
            of_64_concurrent_takes_each_given_back_none_is_counted,
        }
    };
}

const POLICY: &str = "policy";

/// One in ten seconds, three at once.
fn quota() -> Quota {
    Quota::new(6, Duration::from_mins(1), 3)
}

async fn take(limiter: &Arc<dyn Limiter>, subject: &Subject, now: Timestamp) -> Verdict {
    limiter.take(POLICY, &quota(), subject, now).await.unwrap()
}

const fn is_allowed(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Allowed { .. })
}

/// How many takes in a row are let through, of ten.
async fn free(limiter: &Arc<dyn Limiter>, policy: &'static str, subject: &Subject, now: Timestamp) -> usize {
    let mut count = 0;
    for _ in 0..10 {
        count += usize::from(is_allowed(limiter.take(policy, &quota(), subject, now).await.unwrap()));
    }
    count
}

pub async fn take_answers_as_the_rule_does(limiter: &Arc<dyn Limiter>) {
    let (subject, mut state) = (subject(), None);
    for second in [0, 0, 0, 0, 5, 9, 10, 11, 19, 20, 20, 60, 60, 60, 60, 600, 599, 601] {
        let now = noon() + Duration::from_secs(second);
        let (next, verdict) = check(&quota(), state, now);
        assert_eq!(take(limiter, &subject, now).await, verdict, "at {second} s");
        state = next;
    }
}

pub async fn take_lets_a_burst_through_and_refuses_the_next(limiter: &Arc<dyn Limiter>) {
    assert_eq!(free(limiter, POLICY, &subject(), noon()).await, 3);
}

pub async fn take_tells_how_many_are_left_and_when_all_are(limiter: &Arc<dyn Limiter>) {
    let subject = subject();
    for (remaining, seconds) in [(2, 10), (1, 20), (0, 30)] {
        let reset = Duration::from_secs(seconds);
        assert_eq!(take(limiter, &subject, noon()).await, Verdict::Allowed { remaining, reset });
    }
}

pub async fn take_tells_a_wait_that_is_enough_and_not_too_long(limiter: &Arc<dyn Limiter>) {
    let subject = subject();
    free(limiter, POLICY, &subject, noon()).await;
    let now = noon() + Duration::from_secs(4);
    let retry_after = Duration::from_secs(6);
    assert_eq!(take(limiter, &subject, now).await, Verdict::Refused { retry_after });
    let early = now + retry_after - Duration::from_micros(1);
    assert!(!is_allowed(take(limiter, &subject, early).await));
    assert!(is_allowed(take(limiter, &subject, now + retry_after).await));
}

pub async fn a_refused_take_counts_nothing(limiter: &Arc<dyn Limiter>) {
    let subject = subject();
    free(limiter, POLICY, &subject, noon()).await;
    for _ in 0..100 {
        take(limiter, &subject, noon()).await;
    }
    assert_eq!(free(limiter, POLICY, &subject, noon() + Duration::from_secs(10)).await, 1);
}

pub async fn take_lets_no_more_through_when_the_clock_goes_back(limiter: &Arc<dyn Limiter>) {
    let subject = subject();
    free(limiter, POLICY, &subject, noon()).await;
    assert_eq!(free(limiter, POLICY, &subject, noon() - Duration::from_hours(1)).await, 0);
    assert_eq!(free(limiter, POLICY, &subject, noon()).await, 0);
}

pub async fn take_keeps_subjects_apart(limiter: &Arc<dyn Limiter>) {
    let (v4, v6) = (IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V6(Ipv6Addr::LOCALHOST));
    let sign_in = |username: &str, address| Subject::SignIn { username: username.to_owned(), address };
    let subjects = [
        Subject::User(user_id()),
        Subject::User(user_id()),
        Subject::Address(v4),
        Subject::Address(v6),
        sign_in("ada", v4),
        sign_in("ada", v6),
        sign_in("eve", v4),
        sign_in("", v4),
    ];
    for subject in &subjects {
        assert_eq!(free(limiter, POLICY, subject, noon()).await, 3, "{subject:?}");
    }
}

pub async fn take_keeps_policies_apart(limiter: &Arc<dyn Limiter>) {
    let subject = subject();
    for policy in ["one", "two", "three"] {
        assert_eq!(free(limiter, policy, &subject, noon()).await, 3, "{policy}");
    }
}

pub async fn of_64_concurrent_takes_exactly_the_burst_is_let_through(limiter: &Arc<dyn Limiter>) {
    let subject = subject();
    let verdicts = race(64, |_| {
        let (limiter, subject) = (Arc::clone(limiter), subject.clone());
        async move { take(&limiter, &subject, noon()).await }
    })
    .await;
    assert_eq!(verdicts.into_iter().filter(|verdict| is_allowed(*verdict)).count(), 3);
}

pub async fn of_64_concurrent_takes_by_different_subjects_all_are_let_through(limiter: &Arc<dyn Limiter>) {
    let verdicts = race(64, |_| {
        let limiter = Arc::clone(limiter);
        async move { take(&limiter, &subject(), noon()).await }
    })
    .await;
    assert!(verdicts.into_iter().all(is_allowed));
}

pub async fn give_back_undoes_exactly_one_take(limiter: &Arc<dyn Limiter>) {
    let subject = subject();
    free(limiter, POLICY, &subject, noon()).await;
    limiter.give_back(POLICY, &quota(), &subject).await.unwrap();
    assert_eq!(free(limiter, POLICY, &subject, noon()).await, 1);
}

pub async fn give_back_belongs_to_one_policy_and_one_subject(limiter: &Arc<dyn Limiter>) {
    let (subject, other) = (subject(), subject());
    free(limiter, POLICY, &subject, noon()).await;
    limiter.give_back(POLICY, &quota(), &other).await.unwrap();
    limiter.give_back("another", &quota(), &subject).await.unwrap();
    assert_eq!(free(limiter, POLICY, &subject, noon()).await, 0);
}

pub async fn give_back_of_what_was_never_taken_allows_no_more_than_the_burst(limiter: &Arc<dyn Limiter>) {
    let subject = subject();
    limiter.give_back(POLICY, &quota(), &subject).await.unwrap();
    take(limiter, &subject, noon()).await;
    for _ in 0..3 {
        limiter.give_back(POLICY, &quota(), &subject).await.unwrap();
    }
    assert_eq!(free(limiter, POLICY, &subject, noon()).await, 3);
}

pub async fn of_64_concurrent_takes_each_given_back_none_is_counted(limiter: &Arc<dyn Limiter>) {
    let (subject, wide) = (subject(), Quota::new(64, Duration::from_mins(1), 64));
    race(64, |_| {
        let (limiter, subject) = (Arc::clone(limiter), subject.clone());
        async move {
            assert!(is_allowed(limiter.take(POLICY, &wide, &subject, noon()).await.unwrap()));
            limiter.give_back(POLICY, &wide, &subject).await.unwrap();
        }
    })
    .await;
    let verdict = limiter.take(POLICY, &wide, &subject, noon()).await.unwrap();
    assert!(matches!(verdict, Verdict::Allowed { remaining: 63, .. }), "{verdict:?}");
}
