//! The generic cell rate algorithm: a limit that needs one number per caller.
//!
//! Source: ITU-T I.371, annex A, in its virtual scheduling form.

use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;

use crate::{Timestamp, Unavailable, UserId};

/// A steady rate with a burst on top.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    interval: Duration,
    burst: u32,
    per_period: u32,
    period: Duration,
}

impl Quota {
    /// Allows `count` in `period`, at most `burst` of them at once. Zero of either allows one.
    pub fn new(count: u32, period: Duration, burst: u32) -> Self {
        let count = count.max(1);
        Self { interval: period / count, burst: burst.max(1), per_period: count, period }
    }

    /// How many are allowed in a period.
    pub const fn per_period(&self) -> u32 {
        self.per_period
    }

    /// The period.
    pub const fn period(&self) -> Duration {
        self.period
    }

    fn tolerance(&self) -> Duration {
        self.interval * (self.burst - 1)
    }
}

/// The state of one caller: when its bucket will be empty again (the theoretical arrival time).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival(Timestamp);

impl Arrival {
    /// Tells whether this state says no more than having none, so that it may be dropped.
    pub fn is_idle(self, now: Timestamp) -> bool {
        self.0 <= now
    }
}

/// The answer to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Let through.
    Allowed {
        /// How many more would be let through at this moment.
        remaining: u32,
        /// Until the whole burst is available again.
        reset: Duration,
    },
    /// Refused; the state does not change.
    Refused {
        /// Until one would be let through.
        retry_after: Duration,
    },
}

/// Decides one request at `now` and gives the state to keep.
pub fn check(quota: &Quota, state: Option<Arrival>, now: Timestamp) -> (Option<Arrival>, Verdict) {
    let arrival = state.map_or(now, |Arrival(at)| at.max(now));
    let ahead = arrival.since(now);
    if ahead > quota.tolerance() {
        return (state, Verdict::Refused { retry_after: ahead.saturating_sub(quota.tolerance()) });
    }
    let next = arrival + quota.interval;
    let verdict = Verdict::Allowed { remaining: remaining(quota, next.since(now)), reset: next.since(now) };
    (Some(Arrival(next)), verdict)
}

/// Tells, without taking one, whether a request would be let through at `now`.
pub fn peek(quota: &Quota, state: Option<Arrival>, now: Timestamp) -> Verdict {
    check(quota, state, now).1
}

/// Whom a limit counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A signed-in user.
    User(UserId),
    /// A client address.
    Address(IpAddr),
    /// Sign-ins to one account from one address: a stranger elsewhere cannot lock the owner out.
    SignIn {
        /// The username in its comparison form, whether or not anybody has it.
        username: String,
        /// The client address.
        address: IpAddr,
    },
}

/// Keeps one [`Arrival`] for each policy and subject.
///
/// # Contract
/// - `take` MUST be atomic: concurrent calls let through exactly as many as [`check`] in some order would.
/// - `give_back` MUST undo exactly one `take` that was let through.
/// - Policies MUST NOT share state.
/// - Memory MUST be bounded by the subjects that are not idle.
#[async_trait]
pub trait Limiter: Send + Sync + 'static {
    /// Counts one request and decides it.
    async fn take(
        &self,
        policy: &'static str,
        quota: &Quota,
        subject: &Subject,
        now: Timestamp,
    ) -> Result<Verdict, Unavailable>;

    /// Takes back one request that was let through.
    async fn give_back(&self, policy: &'static str, quota: &Quota, subject: &Subject) -> Result<(), Unavailable>;
}

/// Takes a counted request back, as if it had not been made.
pub fn refund(quota: &Quota, state: Arrival) -> Arrival {
    Arrival(state.0 - quota.interval)
}

fn remaining(quota: &Quota, ahead: Duration) -> u32 {
    let free = (quota.interval * quota.burst).saturating_sub(ahead);
    let interval = quota.interval.as_nanos().max(1);
    u32::try_from(free.as_nanos() / interval).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_unix_seconds(1_000).unwrap() + Duration::from_millis(millis)
    }

    fn run(quota: &Quota, arrivals: &[u64]) -> Vec<bool> {
        let mut state = None;
        arrivals
            .iter()
            .map(|&millis| {
                let (next, verdict) = check(quota, state, at(millis));
                state = next;
                matches!(verdict, Verdict::Allowed { .. })
            })
            .collect()
    }

    #[test]
    fn a_burst_passes_and_the_next_is_refused() {
        let quota = Quota::new(60, Duration::from_mins(1), 3);
        assert_eq!(run(&quota, &[0, 0, 0, 0]), [true, true, true, false]);
    }

    #[test]
    fn a_request_given_back_may_be_made_again() {
        let quota = Quota::new(60, Duration::from_mins(1), 1);
        let state = check(&quota, None, at(0)).0.map(|state| refund(&quota, state));
        assert!(matches!(peek(&quota, state, at(0)), Verdict::Allowed { remaining: 0, .. }));
    }

    #[test]
    fn remaining_counts_down_to_zero() {
        let quota = Quota::new(60, Duration::from_mins(1), 3);
        let mut state = None;
        let mut seen = Vec::new();
        for _ in 0..3 {
            let (next, verdict) = check(&quota, state, at(0));
            state = next;
            if let Verdict::Allowed { remaining, .. } = verdict {
                seen.push(remaining);
            }
        }
        assert_eq!(seen, [2, 1, 0]);
    }

    proptest! {
        #[test]
        fn waiting_as_told_is_enough_and_a_millisecond_less_is_not(
            count in 1_u32..600, burst in 1_u32..100, taken in 1_usize..200,
        ) {
            let quota = Quota::new(count, Duration::from_mins(1), burst);
            let mut state = None;
            for _ in 0..taken {
                state = check(&quota, state, at(0)).0;
            }
            if let Verdict::Refused { retry_after } = peek(&quota, state, at(0)) {
                let then = at(0) + retry_after + Duration::from_micros(1);
                let allowed = matches!(peek(&quota, state, then), Verdict::Allowed { .. });
                prop_assert!(allowed);
                if retry_after > Duration::from_millis(1) {
                    let early = at(0) + retry_after.checked_sub(Duration::from_millis(1)).unwrap();
                    let refused = matches!(peek(&quota, state, early), Verdict::Refused { .. });
                    prop_assert!(refused);
                }
            }
        }

        #[test]
        fn no_window_lets_more_than_rate_and_burst_through(
            mut arrivals in proptest::collection::vec(0_u64..10_000, 1..400),
            count in 1_u32..600, burst in 1_u32..50,
        ) {
            arrivals.sort_unstable();
            let quota = Quota::new(count, Duration::from_mins(1), burst);
            let passed: Vec<u64> = arrivals
                .iter()
                .zip(run(&quota, &arrivals))
                .filter_map(|(&millis, passed)| passed.then_some(millis))
                .collect();
            for (first, &from) in passed.iter().enumerate() {
                for (last, &to) in passed.iter().enumerate().skip(first) {
                    let most = u64::from(burst) + (to - from) * u64::from(count) / 60_000 + 1;
                    prop_assert!((last - first + 1) as u64 <= most);
                }
            }
        }
    }
}
