//! How long things take: quantiles for status, buckets for metrics.

use std::sync::{Mutex, MutexGuard, PoisonError};
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

/// Decimal figures that a quantile is right to.
const FIGURES: u8 = 3;

/// What is longer counts as this, nanoseconds: a day. It bounds the memory.
const LONGEST_NS: u64 = 86_400_000_000_000;

/// Durations by nanoseconds, each right to three figures.
pub type Counted = hdrhistogram::Histogram<u32>;

/// How long something took, again and again. Its quantiles are right to three figures; the buckets beside them are
/// what metrics tell.
#[derive(Debug)]
pub struct Histogram {
    bounds_us: &'static [u64],
    // Held for moments: whoever reads takes a copy and counts in that.
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    counted: Counted,
    buckets: Vec<u64>,
    sum: Duration,
    min: Duration,
    max: Duration,
}

impl Histogram {
    /// With buckets up to these bounds, and one beyond them.
    pub fn new(bounds_us: &'static [u64]) -> Self {
        let held = Held {
            counted: empty(),
            buckets: vec![0; bounds_us.len() + 1],
            sum: Duration::ZERO,
            min: Duration::MAX,
            max: Duration::ZERO,
        };
        Self { bounds_us, held: Mutex::new(held) }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // Nothing panics while it is held.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Upper bounds of all buckets but the last, microseconds.
    pub fn bounds_us(&self) -> &'static [u64] {
        self.bounds_us
    }

    /// Counts one duration.
    pub fn record(&self, time: Duration) {
        let place = self.bounds_us.partition_point(|bound| Duration::from_micros(*bound) < time);
        let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).clamp(1, LONGEST_NS);
        let mut held = self.held();
        // It grows as it must, up to the longest; there is nothing else that it could refuse.
        held.counted.record(ns).ok();
        held.buckets[place] += 1;
        held.sum = held.sum.saturating_add(time);
        held.min = held.min.min(time);
        held.max = held.max.max(time);
    }

    /// Durations up to each bound (all, at the end), and their sum, seconds.
    pub fn read(&self) -> (Vec<u64>, f64) {
        let held = self.held();
        let mut so_far = 0;
        let add = |bucket: &u64| {
            so_far += bucket;
            so_far
        };
        (held.buckets.iter().map(add).collect(), held.sum.as_secs_f64())
    }

    /// Durations counted.
    pub fn count(&self) -> u64 {
        self.held().buckets.iter().sum()
    }

    /// The longest one.
    pub fn max(&self) -> Option<Duration> {
        let held = self.held();
        (!held.counted.is_empty()).then_some(held.max)
    }

    /// Everything counted so far, by nanoseconds, for whoever wants more of it than quantiles: a later copy less an
    /// earlier one is what came between.
    pub fn copy(&self) -> Counted {
        self.held().counted.clone()
    }

    /// The duration that this part of all (0 to 1) does not exceed, to three figures and never below the shortest one
    /// or above the longest. `None` without any.
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        self.quantiles([part]).map(|[time]| time)
    }

    /// The same of several parts at one moment.
    pub fn quantiles<const N: usize>(&self, parts: [f64; N]) -> Option<[Duration; N]> {
        let (counted, min, max) = {
            let held = self.held();
            (held.counted.clone(), held.min, held.max)
        };
        let of = |part: f64| Duration::from_nanos(counted.value_at_quantile(part.clamp(0.0, 1.0))).max(min).min(max);
        (!counted.is_empty()).then(|| parts.map(of))
    }
}

/// It grows with what it counts: moments take some 50 kB, hours some 130.
fn empty() -> Counted {
    // Only more than five figures would be refused.
    Counted::new(FIGURES).unwrap_or_else(|_| unreachable!("three figures are fine"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_between_two_copies_is_their_difference() {
        let histogram = Histogram::new(MOMENTS_US);
        histogram.record(Duration::from_millis(40));
        let before = histogram.copy();
        for us in [300, 300, 700] {
            histogram.record(Duration::from_micros(us));
        }
        let mut between = histogram.copy();
        between.subtract(&before).unwrap();
        assert_eq!((between.len(), between.value_at_quantile(0.5) / 1_000), (3, 300));
    }

    #[test]
    fn nothing_and_for_ever_are_counted_too() {
        let histogram = Histogram::new(MOMENTS_US);
        histogram.record(Duration::ZERO);
        histogram.record(Duration::MAX);
        assert_eq!((histogram.count(), histogram.max()), (2, Some(Duration::MAX)));
        assert_eq!(histogram.quantile(0.5), Some(Duration::from_nanos(1)));
    }

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
    fn quantiles_are_right_to_three_figures_and_nothing_has_none() {
        let histogram = Histogram::new(MOMENTS_US);
        assert_eq!((histogram.quantile(0.5), histogram.max()), (None, None));
        for us in [110, 120, 130, 140, 9_000_000] {
            histogram.record(Duration::from_micros(us));
        }
        let median = histogram.quantile(0.5).unwrap();
        assert!(median.abs_diff(Duration::from_micros(130)) <= Duration::from_nanos(130), "{median:?}");
        assert_eq!(histogram.quantile(1.0), Some(Duration::from_secs(9)), "the longest is known exactly");
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
