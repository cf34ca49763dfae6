//! Durations by buckets, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets, microseconds; the last bucket has none.
pub const BOUNDS_US: [u64; 12] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000, 2_500_000];

/// How long something took, again and again.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
}

impl Histogram {
    /// Counts one duration.
    pub fn record(&self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let place = BOUNDS_US.partition_point(|bound| *bound < us);
        self.buckets[place].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// Durations up to each bound (all, at the end), and their sum, seconds.
    pub fn read(&self) -> (Vec<u64>, f64) {
        let mut so_far = 0;
        let add = |bucket: &AtomicU64| {
            so_far += bucket.load(Ordering::Relaxed);
            so_far
        };
        let counts = self.buckets.iter().map(add).collect();
        (counts, Duration::from_micros(self.sum_us.load(Ordering::Relaxed)).as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let histogram = Histogram::default();
        for us in [100, 101, 3_000_000] {
            histogram.record(Duration::from_micros(us));
        }
        let (counts, sum_s) = histogram.read();
        assert_eq!((counts[0], counts[1], counts[11], counts[12]), (1, 2, 2, 3));
        assert!((sum_s - 3.000_201).abs() < 1e-9);
    }
}
