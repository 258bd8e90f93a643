//! Rate limits.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_kernel::gcra::{Arrival, Limiter, Quota, Subject, Verdict, check, refund};
use frontdesk_kernel::{Timestamp, Unavailable};

use crate::lock::lock;

const SHARDS: usize = 64;

/// How long idle subjects may stay where few new ones come.
const SWEEP_EVERY: Duration = Duration::from_mins(1);

/// The fewest subjects of one policy in one shard that are worth a sweep.
const WORTH_A_SWEEP: usize = 64;

/// Keeps one [`Arrival`] for each policy and subject in memory.
///
/// A decision locks one of 64 shards, hashes the subject twice and, for a known subject, allocates nothing. Idle
/// subjects are swept out of a shard when it has doubled since the last sweep, or a minute after it.
pub struct MemoryLimiter {
    shards: Box<[Shard]>,
    /// Drawn at random: nobody can aim addresses at one shard.
    hasher: RandomState,
}

/// Each on a cache line of its own. A handful of policies at most, so a list finds one faster than a map.
#[derive(Default)]
#[repr(align(128))]
struct Shard(Mutex<Vec<(&'static str, Subjects)>>);

/// The subjects of one policy in one shard.
struct Subjects {
    arrivals: HashMap<Subject, Arrival>,
    sweep_at: usize,
    swept: Timestamp,
}

impl MemoryLimiter {
    /// Knows nobody at first.
    pub fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Shard::default()).collect(), hasher: RandomState::new() }
    }

    #[expect(
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "a remainder of the length is below the length, whatever part of the hash it is of"
    )]
    fn shard_of(&self, subject: &Subject) -> &Mutex<Vec<(&'static str, Subjects)>> {
        let hash = self.hasher.hash_one(subject) as usize;
        &self.shards[hash % self.shards.len()].0
    }
}

impl Subjects {
    fn new(now: Timestamp) -> Self {
        Self { arrivals: HashMap::new(), sweep_at: WORTH_A_SWEEP, swept: now }
    }

    fn take(&mut self, quota: &Quota, subject: &Subject, now: Timestamp) -> Verdict {
        if now.since(self.swept) >= SWEEP_EVERY {
            self.sweep(now);
        }
        if let Some(arrival) = self.arrivals.get_mut(subject) {
            let (next, verdict) = check(quota, Some(*arrival), now);
            *arrival = next.unwrap_or(*arrival);
            return verdict;
        }
        if self.arrivals.len() >= self.sweep_at {
            self.sweep(now);
        }
        let (next, verdict) = check(quota, None, now);
        if let Some(next) = next {
            self.arrivals.insert(subject.clone(), next);
        }
        verdict
    }

    fn sweep(&mut self, now: Timestamp) {
        self.arrivals.retain(|_, arrival| !arrival.is_idle(now));
        self.sweep_at = self.arrivals.len().saturating_mul(2).max(WORTH_A_SWEEP);
        self.arrivals.shrink_to(self.sweep_at);
        self.swept = now;
    }
}

#[async_trait]
impl Limiter for MemoryLimiter {
    async fn take(
        &self,
        policy: &'static str,
        quota: &Quota,
        subject: &Subject,
        now: Timestamp,
    ) -> Result<Verdict, Unavailable> {
        let mut policies = lock(self.shard_of(subject));
        if let Some((_, subjects)) = policies.iter_mut().find(|(name, _)| *name == policy) {
            return Ok(subjects.take(quota, subject, now));
        }
        let mut subjects = Subjects::new(now);
        let verdict = subjects.take(quota, subject, now);
        policies.push((policy, subjects));
        Ok(verdict)
    }

    async fn give_back(&self, policy: &'static str, quota: &Quota, subject: &Subject) -> Result<(), Unavailable> {
        let mut policies = lock(self.shard_of(subject));
        let subjects = policies.iter_mut().find(|(name, _)| *name == policy).map(|(_, subjects)| subjects);
        if let Some(arrival) = subjects.and_then(|subjects| subjects.arrivals.get_mut(subject)) {
            *arrival = refund(quota, *arrival);
        }
        Ok(())
    }
}

impl Default for MemoryLimiter {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryLimiter {
    /// Addresses are nobody's business in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLimiter").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use uuid::Uuid;

    use super::*;

    const EVERY_SECOND: &str = "every second";

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_unix_seconds(0).unwrap() + Duration::from_millis(millis.unsigned_abs())
    }

    fn address(number: u32) -> Subject {
        Subject::Address(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    fn known(limiter: &MemoryLimiter) -> usize {
        let of = |shard: &Shard| lock(&shard.0).iter().map(|(_, subjects)| subjects.arrivals.len()).sum::<usize>();
        limiter.shards.iter().map(of).sum()
    }

    fn allocated(limiter: &MemoryLimiter) -> usize {
        let of = |shard: &Shard| lock(&shard.0).iter().map(|(_, subjects)| subjects.arrivals.capacity()).sum::<usize>();
        limiter.shards.iter().map(of).sum()
    }

    async fn take(limiter: &MemoryLimiter, subject: &Subject, now: Timestamp) {
        let quota = Quota::new(60, Duration::from_mins(1), 1);
        limiter.take(EVERY_SECOND, &quota, subject, now).await.unwrap();
    }

    #[tokio::test]
    async fn a_flood_of_addresses_keeps_no_more_than_twice_those_that_are_not_idle() {
        let limiter = MemoryLimiter::new();
        // 1,000 addresses a second, each idle a second later.
        for number in 0..100_000 {
            take(&limiter, &address(number), at(i64::from(number))).await;
        }
        let at_most = 2 * 1_000 + SHARDS * WORTH_A_SWEEP;
        assert!(known(&limiter) <= at_most, "{} are known", known(&limiter));
    }

    #[tokio::test]
    async fn a_minute_after_a_flood_what_few_calls_touch_is_given_back() {
        let limiter = MemoryLimiter::new();
        for number in 0..100_000 {
            take(&limiter, &address(number), at(0)).await;
        }
        assert_eq!(known(&limiter), 100_000);
        for number in 0..1_000 {
            take(&limiter, &address(number), at(60_000)).await;
        }
        assert_eq!(known(&limiter), 1_000);
        assert!(allocated(&limiter) < 20_000, "{} are allocated", allocated(&limiter));
    }

    #[tokio::test]
    async fn a_sweep_forgets_nobody_who_is_not_idle() {
        let (limiter, user) = (MemoryLimiter::new(), Subject::User(frontdesk_kernel::UserId::new(Uuid::from_u128(1))));
        let slow = Quota::new(1, Duration::from_hours(1), 1);
        limiter.take("slow", &slow, &user, at(0)).await.unwrap();
        let verdict = limiter.take("slow", &slow, &user, at(60_000)).await.unwrap();
        assert_eq!(verdict, Verdict::Refused { retry_after: Duration::from_mins(59) });
    }
}
