//! Durations by buckets, for status and metrics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of buckets for what takes moments, microseconds; the last bucket has none.
pub const MOMENTS_US: &[u64] = &[
    25, 50, 75, 100, 150, 200, 250, 300, 400, 500, 750, 1_000, 1_500, 2_500, 3_500, 5_000, 7_500, 10_000, 15_000,
    25_000, 50_000, 100_000, 500_000, 2_500_000,
];

/// The same for what takes a while: getting a session, coming back after losing one.
pub const WHILES_US: &[u64] = &[
    25_000,
    50_000,
    100_000,
    200_000,
    400_000,
    800_000,
    1_500_000,
    3_000_000,
    6_000_000,
    12_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
    1_800_000_000,
];

/// How long something took, again and again.
#[derive(Debug)]
pub struct Histogram {
    bounds_us: &'static [u64],
    buckets: Vec<AtomicU64>,
    sum_us: AtomicU64,
    min_us: AtomicU64,
    max_us: AtomicU64,
}

impl Histogram {
    /// With buckets up to these bounds, and one beyond them.
    pub fn new(bounds_us: &'static [u64]) -> Self {
        let buckets = (0..=bounds_us.len()).map(|_| AtomicU64::new(0)).collect();
        let nought = || AtomicU64::new(0);
        Self { bounds_us, buckets, sum_us: nought(), min_us: AtomicU64::new(u64::MAX), max_us: nought() }
    }

    /// Upper bounds of all buckets but the last, microseconds.
    pub fn bounds_us(&self) -> &'static [u64] {
        self.bounds_us
    }

    /// Counts one duration.
    pub fn record(&self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let place = self.bounds_us.partition_point(|bound| *bound < us);
        self.buckets[place].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
        self.min_us.fetch_min(us, Ordering::Relaxed);
        self.max_us.fetch_max(us, Ordering::Relaxed);
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

    /// Durations counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).sum()
    }

    /// The longest one.
    pub fn max(&self) -> Option<Duration> {
        (self.count() > 0).then(|| Duration::from_micros(self.max_us.load(Ordering::Relaxed)))
    }

    /// The duration that this part of all (0 to 1) does not exceed: within its bucket by proportion, and never below
    /// the shortest one or above the longest. `None` without any.
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        let max = self.max()?;
        let counts = self.read().0;
        let wanted = float(*counts.last()?) * part.clamp(0.0, 1.0);
        let place = counts.iter().position(|count| *count > 0 && float(*count) >= wanted)?;
        let Some(high) = self.bounds_us.get(place) else { return Some(max) };
        let (low, below) = place.checked_sub(1).map_or((0, 0), |before| (self.bounds_us[before], counts[before]));
        let within = (wanted - float(below)) / float(counts[place] - below);
        let us = float(low) + float(high - low) * within;
        let min = Duration::from_micros(self.min_us.load(Ordering::Relaxed));
        Some(Duration::from_secs_f64(us / 1e6).max(min).min(max))
    }
}

#[allow(clippy::cast_precision_loss, reason = "an estimate")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let histogram = Histogram::new(&[100, 250]);
        for us in [100, 101, 3_000_000] {
            histogram.record(Duration::from_micros(us));
        }
        let (counts, sum_s) = histogram.read();
        assert_eq!(counts, [1, 2, 3]);
        assert!((sum_s - 3.000_201).abs() < 1e-9);
    }

    #[test]
    fn quantiles_lie_in_their_bucket_and_nothing_has_none() {
        let histogram = Histogram::new(MOMENTS_US);
        assert_eq!((histogram.quantile(0.5), histogram.max()), (None, None));
        for us in [110, 120, 130, 140, 9_000_000] {
            histogram.record(Duration::from_micros(us));
        }
        let median = histogram.quantile(0.5).unwrap();
        assert!((100..=150).contains(&median.as_micros()), "{median:?}");
        assert_eq!(
            histogram.quantile(1.0),
            Some(Duration::from_secs(9)),
            "beyond the last bound only the longest is known"
        );
        let one = Histogram::new(MOMENTS_US);
        one.record(Duration::from_micros(26));
        assert_eq!(one.quantile(0.99), Some(Duration::from_micros(26)), "never above the longest");
        let one = Histogram::new(MOMENTS_US);
        one.record(Duration::from_micros(48_700));
        let all = [0.0, 0.5, 0.99, 1.0].map(|part| one.quantile(part));
        assert_eq!(all, [Some(Duration::from_micros(48_700)); 4], "of one it is that one");
        one.record(Duration::from_micros(49_000));
        let few = [0.1, 0.5, 0.9].map(|part| one.quantile(part).unwrap().as_micros());
        assert!(few.iter().all(|us| (48_700..=49_000).contains(us)), "{few:?}");
    }
}
