//! The contract of [`IdempotencyStore`](frontdesk_kernel::idempotency::IdempotencyStore).

use std::sync::Arc;
use std::time::Duration;

use frontdesk_kernel::Timestamp;
use frontdesk_kernel::idempotency::{CLAIM_LEASE, Claim, Completion, KEPT_FOR, Outcome, Scope};

use super::{Stores, race};
use crate::builders::{claim, completion, fingerprint, noon, registered, scope};

/// Runs this contract against a backend.
#[macro_export]
macro_rules! idempotency_store_contract {
    ($($backend:tt)+) => {
        $crate::contract_tests! { [$($backend)+] idempotency_store:
            a_free_scope_is_claimed,
            a_claimed_scope_is_in_progress_whoever_asks_again,
            another_request_with_a_claimed_key_is_told_of_the_reuse,
            another_request_with_an_answered_key_is_told_of_the_reuse,
            an_answer_is_replayed_whoever_asks_again,
            of_64_concurrent_claims_of_one_scope_exactly_one_is_claimed,
            of_64_concurrent_claims_of_a_lapsed_scope_exactly_one_is_claimed,
            scopes_that_differ_in_principal_route_or_key_do_not_see_each_other,
            a_key_of_255_characters_is_a_key,
            a_lease_ends_to_the_microsecond,
            a_lapsed_claim_is_taken_over_by_another_request,
            a_taken_over_lease_begins_anew,
            an_answer_is_kept_for_a_day_to_the_microsecond,
            release_frees_the_scope,
            release_by_a_claim_that_lost_the_scope_frees_nothing,
            release_of_an_answered_claim_frees_nothing,
            release_of_what_nobody_claimed_does_nothing,
            release_frees_one_scope_and_no_other,
            purge_forgets_what_was_claimed_before_the_moment_and_only_that,
        }
    };
}

const MICRO: Duration = Duration::from_micros(1);

async fn claimed(stores: &Stores, claim: &Claim, of: u8, now: Timestamp) -> Outcome {
    stores.idempotency.claim(claim, &fingerprint(of), now).await.unwrap()
}

/// Claims a key at noon, and fulfils the claim.
async fn answered(stores: &Stores, key: &str) -> Completion {
    let first = claim(key);
    assert_eq!(claimed(stores, &first, 1, noon()).await, Outcome::Claimed);
    let completion = completion(&first);
    stores.accounts.create(&registered("ada"), Some(&completion)).await.unwrap();
    completion
}

pub async fn a_free_scope_is_claimed(stores: &Stores) {
    assert_eq!(claimed(stores, &claim("key"), 1, noon()).await, Outcome::Claimed);
}

pub async fn a_claimed_scope_is_in_progress_whoever_asks_again(stores: &Stores) {
    let first = claim("key");
    claimed(stores, &first, 1, noon()).await;
    assert_eq!(claimed(stores, &first, 1, noon()).await, Outcome::InProgress);
    assert_eq!(claimed(stores, &claim("key"), 1, noon()).await, Outcome::InProgress);
}

pub async fn another_request_with_a_claimed_key_is_told_of_the_reuse(stores: &Stores) {
    claimed(stores, &claim("key"), 1, noon()).await;
    assert_eq!(claimed(stores, &claim("key"), 2, noon()).await, Outcome::Reused);
}

pub async fn another_request_with_an_answered_key_is_told_of_the_reuse(stores: &Stores) {
    answered(stores, "key").await;
    assert_eq!(claimed(stores, &claim("key"), 2, noon()).await, Outcome::Reused);
}

pub async fn an_answer_is_replayed_whoever_asks_again(stores: &Stores) {
    let Completion { claim: first, answer } = answered(stores, "key").await;
    for again in [first, claim("key")] {
        assert_eq!(claimed(stores, &again, 1, noon()).await, Outcome::Replay(answer.clone()));
    }
}

pub async fn of_64_concurrent_claims_of_one_scope_exactly_one_is_claimed(stores: &Stores) {
    let outcomes = race(64, |_| {
        let (store, claim) = (Arc::clone(&stores.idempotency), claim("key"));
        async move { store.claim(&claim, &fingerprint(1), noon()).await.unwrap() }
    })
    .await;
    let count = |wanted: &Outcome| outcomes.iter().filter(|outcome| *outcome == wanted).count();
    assert_eq!((count(&Outcome::Claimed), count(&Outcome::InProgress)), (1, 63));
}

pub async fn of_64_concurrent_claims_of_a_lapsed_scope_exactly_one_is_claimed(stores: &Stores) {
    claimed(stores, &claim("key"), 1, noon()).await;
    let outcomes = race(64, |_| {
        let (store, claim) = (Arc::clone(&stores.idempotency), claim("key"));
        async move { store.claim(&claim, &fingerprint(1), noon() + CLAIM_LEASE).await.unwrap() }
    })
    .await;
    let count = |wanted: &Outcome| outcomes.iter().filter(|outcome| *outcome == wanted).count();
    assert_eq!((count(&Outcome::Claimed), count(&Outcome::InProgress)), (1, 63));
}

pub async fn scopes_that_differ_in_principal_route_or_key_do_not_see_each_other(stores: &Stores) {
    let of = |principal: &str, route: &str, key: &str| Scope {
        principal: principal.to_owned(),
        route: route.to_owned(),
        key: key.to_owned(),
    };
    let scopes = [
        of("user:a", "POST /users", "key"),
        of("user:b", "POST /users", "key"),
        of("user:a", "POST /keys", "key"),
        of("user:a", "POST /users", "other"),
        of("user:a", "POST /users", "KEY"),
        of("user:a", "POST /users", "key "),
        // The same characters one after the other, divided elsewhere.
        of("user:aPOST ", "/users", "key"),
        of("user:a", "POST /usersk", "ey"),
    ];
    for (fingerprint, scope) in (0..).zip(scopes) {
        let claim = Claim { scope, ..claim("") };
        assert_eq!(claimed(stores, &claim, fingerprint, noon()).await, Outcome::Claimed, "{:?}", claim.scope);
    }
}

pub async fn a_key_of_255_characters_is_a_key(stores: &Stores) {
    let (one, other) = (format!("{}1", "~".repeat(254)), format!("{}2", "~".repeat(254)));
    assert_eq!(claimed(stores, &claim(&one), 1, noon()).await, Outcome::Claimed);
    assert_eq!(claimed(stores, &claim(&other), 1, noon()).await, Outcome::Claimed);
    assert_eq!(claimed(stores, &claim(&one), 1, noon()).await, Outcome::InProgress);
}

pub async fn a_lease_ends_to_the_microsecond(stores: &Stores) {
    claimed(stores, &claim("key"), 1, noon()).await;
    let end = noon() + CLAIM_LEASE;
    assert_eq!(claimed(stores, &claim("key"), 1, end - MICRO).await, Outcome::InProgress);
    assert_eq!(claimed(stores, &claim("key"), 1, end).await, Outcome::Claimed);
}

pub async fn a_lapsed_claim_is_taken_over_by_another_request(stores: &Stores) {
    claimed(stores, &claim("key"), 1, noon()).await;
    let end = noon() + CLAIM_LEASE;
    assert_eq!(claimed(stores, &claim("key"), 2, end).await, Outcome::Claimed);
    assert_eq!(claimed(stores, &claim("key"), 1, end).await, Outcome::Reused);
}

pub async fn a_taken_over_lease_begins_anew(stores: &Stores) {
    claimed(stores, &claim("key"), 1, noon()).await;
    let end = noon() + CLAIM_LEASE;
    claimed(stores, &claim("key"), 1, end).await;
    assert_eq!(claimed(stores, &claim("key"), 1, end + CLAIM_LEASE - MICRO).await, Outcome::InProgress);
}

pub async fn an_answer_is_kept_for_a_day_to_the_microsecond(stores: &Stores) {
    let Completion { claim: _, answer } = answered(stores, "key").await;
    let end = noon() + KEPT_FOR;
    assert_eq!(claimed(stores, &claim("key"), 1, end - MICRO).await, Outcome::Replay(answer));
    assert_eq!(claimed(stores, &claim("key"), 2, end).await, Outcome::Claimed);
    assert_eq!(claimed(stores, &claim("key"), 2, end).await, Outcome::InProgress);
}

pub async fn release_frees_the_scope(stores: &Stores) {
    let first = claim("key");
    claimed(stores, &first, 1, noon()).await;
    stores.idempotency.release(&first).await.unwrap();
    assert_eq!(claimed(stores, &claim("key"), 2, noon()).await, Outcome::Claimed);
}

pub async fn release_by_a_claim_that_lost_the_scope_frees_nothing(stores: &Stores) {
    let slow = claim("key");
    claimed(stores, &slow, 1, noon()).await;
    let end = noon() + CLAIM_LEASE;
    claimed(stores, &claim("key"), 1, end).await;
    stores.idempotency.release(&slow).await.unwrap();
    assert_eq!(claimed(stores, &claim("key"), 1, end).await, Outcome::InProgress);
}

pub async fn release_of_an_answered_claim_frees_nothing(stores: &Stores) {
    let Completion { claim: first, answer } = answered(stores, "key").await;
    stores.idempotency.release(&first).await.unwrap();
    assert_eq!(claimed(stores, &claim("key"), 1, noon()).await, Outcome::Replay(answer));
}

pub async fn release_of_what_nobody_claimed_does_nothing(stores: &Stores) {
    stores.idempotency.release(&claim("key")).await.unwrap();
    assert_eq!(claimed(stores, &claim("key"), 1, noon()).await, Outcome::Claimed);
}

pub async fn release_frees_one_scope_and_no_other(stores: &Stores) {
    let first = claim("key");
    // The same token on another key: a token alone names nothing.
    let other = Claim { scope: scope("other"), ..first.clone() };
    claimed(stores, &first, 1, noon()).await;
    claimed(stores, &other, 1, noon()).await;
    stores.idempotency.release(&first).await.unwrap();
    assert_eq!(claimed(stores, &claim("other"), 1, noon()).await, Outcome::InProgress);
}

pub async fn purge_forgets_what_was_claimed_before_the_moment_and_only_that(stores: &Stores) {
    let Completion { claim: _, answer } = answered(stores, "answered at noon").await;
    claimed(stores, &claim("before"), 1, noon() - MICRO).await;
    claimed(stores, &claim("after"), 1, noon() + MICRO).await;
    assert_eq!(stores.idempotency.purge(noon()).await.unwrap(), 1);
    assert_eq!(claimed(stores, &claim("answered at noon"), 1, noon()).await, Outcome::Replay(answer));
    assert_eq!(claimed(stores, &claim("after"), 1, noon()).await, Outcome::InProgress);
    assert_eq!(claimed(stores, &claim("before"), 2, noon()).await, Outcome::Claimed);
}
