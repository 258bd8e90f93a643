//! Latencies in constant memory.

use std::time::Duration;

/// Buckets for each doubling: a value is told with an error below 1 / 64.
const STEPS: u64 = 64;
/// Doublings above `STEPS` nanoseconds; the last one ends beyond ten minutes.
const DOUBLINGS: u64 = 34;

/// Counts of latencies in buckets that grow with the latency.
#[derive(Clone)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    sum: Duration,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        let len = usize::try_from(STEPS * (DOUBLINGS + 1)).unwrap_or_default();
        Self { counts: vec![0; len], total: 0, sum: Duration::ZERO }
    }

    pub(crate) fn record(&mut self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        let last = self.counts.len().saturating_sub(1);
        let at = usize::try_from(bucket(nanos)).unwrap_or(last).min(last);
        if let Some(count) = self.counts.get_mut(at) {
            *count += 1;
            self.total += 1;
            self.sum = self.sum.saturating_add(latency);
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
        self.sum = self.sum.saturating_add(other.sum);
    }

    pub(crate) const fn total(&self) -> u64 {
        self.total
    }

    /// The mean latency, in milliseconds.
    pub(crate) fn mean(&self) -> f64 {
        let total = u32::try_from(self.total).unwrap_or(u32::MAX).max(1);
        self.sum.as_secs_f64() * 1e3 / f64::from(total)
    }

    /// The latency that `per_cent` of the requests did not exceed, in milliseconds.
    pub(crate) fn percentile(&self, per_cent: u64) -> f64 {
        let rank = (self.total * per_cent).div_ceil(100).max(1);
        let mut seen = 0;
        for (at, count) in (0_u64..).zip(&self.counts) {
            seen += count;
            if seen >= rank {
                return Duration::from_nanos(upper_bound(at)).as_secs_f64() * 1e3;
            }
        }
        0.0
    }
}

/// Below `STEPS` each nanosecond has its own bucket; above, each doubling has `STEPS`.
const fn bucket(nanos: u64) -> u64 {
    if nanos < STEPS {
        return nanos;
    }
    let doubling = nanos.ilog2() - STEPS.ilog2();
    (doubling as u64) * STEPS + (nanos >> doubling)
}

const fn upper_bound(bucket: u64) -> u64 {
    if bucket < STEPS {
        return bucket;
    }
    let doubling = bucket / STEPS - 1;
    ((bucket - doubling * STEPS + 1) << doubling) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_latency_lies_within_a_sixty_fourth_of_its_bucket() {
        for nanos in (0..40).flat_map(|power| [1_u64 << power, (1 << power) + 1, (1 << power) * 3 / 2]) {
            let told = upper_bound(bucket(nanos));
            assert!(told >= nanos && told - nanos <= nanos / 64, "{nanos} was told as {told}");
        }
    }

    #[test]
    fn percentiles_are_ranks() {
        let mut histogram = Histogram::new();
        for millis in 1..=100 {
            histogram.record(Duration::from_millis(millis));
        }
        assert!((histogram.percentile(50) - 50.0).abs() < 1.0);
        assert!((histogram.percentile(99) - 99.0).abs() < 2.0);
    }

    #[test]
    fn an_absurd_latency_is_counted_in_the_last_bucket() {
        let mut histogram = Histogram::new();
        histogram.record(Duration::from_secs(1 << 40));
        assert_eq!(histogram.total(), 1);
    }
}
