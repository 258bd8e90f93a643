//! The real clock and the real randomness.

use frontdesk_kernel::{Clock, Entropy, Timestamp};
use rand::Rng;

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the time comes in")]
    fn now(&self) -> Timestamp {
        Timestamp::new(chrono::Utc::now())
    }
}

/// Randomness seeded by the operating system: a generator of each thread (reseeded now and then), so that a
/// request costs no system call.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    #[expect(clippy::disallowed_methods, reason = "the one place where randomness comes in")]
    fn fill(&self, buffer: &mut [u8]) {
        rand::rng().fill_bytes(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        let now = SystemClock.now();
        assert_ne!(OsEntropy.uuid_v7(now), OsEntropy.uuid_v7(now));
    }
}
