//! How long to wait before another try.

use std::time::Duration;

use frontdesk_kernel::Entropy;

/// Waits that double from `first` to `most`, each cut by up to a half at random, so that nodes that were cut off
/// together do not come back together.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    next: Duration,
}

impl Backoff {
    /// Starts with `first`.
    pub const fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, next: first }
    }

    /// The wait before the next try.
    pub fn wait(&mut self, entropy: &dyn Entropy) -> Duration {
        let wait = self.next;
        self.next = wait.saturating_mul(2).min(self.most);
        jittered(wait, entropy)
    }

    /// Starts over.
    pub const fn reset(&mut self) {
        self.next = self.first;
    }
}

/// Between a half and the whole of a wait.
fn jittered(wait: Duration, entropy: &dyn Entropy) -> Duration {
    let mut drawn = [0];
    entropy.fill(&mut drawn);
    let half = wait / 2;
    half + half * u32::from(drawn[0]) / u32::from(u8::MAX)
}

#[cfg(test)]
mod tests {
    use frontdesk_testkit::builders::SeededEntropy;

    use super::*;

    #[test]
    fn waits_double_up_to_the_most_and_start_over() {
        let (entropy, ms) = (SeededEntropy::default(), Duration::from_millis);
        let mut backoff = Backoff::new(ms(100), ms(1_000));
        for _ in 0..2 {
            for whole in [100, 200, 400, 800, 1_000, 1_000] {
                let wait = backoff.wait(&entropy);
                assert!(wait >= ms(whole / 2) && wait <= ms(whole), "{wait:?} of {whole} ms");
            }
            backoff.reset();
        }
    }
}
