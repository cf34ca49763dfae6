//! What a tap has seen, counted.

use hdrhistogram::Histogram;
use robo_trader::simulator::tap::{Matching, Seen};

/// Durations from a microsecond to a minute, nanoseconds, by three digits.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, 60_000_000_000, 3).unwrap()
}

/// The part of all that took no longer, microseconds. Of the rarest there must be one at least: p99 is unknown below a
/// hundred, p99.9 below a thousand.
pub fn quantile(times: &Histogram<u64>, part: f64) -> Option<f64> {
    let enough = times.len() as f64 * (1.0 - part) > 0.999;
    enough.then(|| times.value_at_quantile(part) as f64 / 1e3)
}

/// Orders that follow from bars.
pub struct Orders {
    /// From the last byte of a bar's frame to the first of its order's, nanoseconds.
    pub latency: Histogram<u64>,
    /// What else was counted.
    pub seen: Matching,
}

impl Default for Orders {
    fn default() -> Self {
        Self { latency: histogram(), seen: Matching::default() }
    }
}

impl Orders {
    /// Counts anew.
    pub fn begin(&mut self) {
        self.latency.clear();
        self.seen.begin();
    }

    /// Takes in those of another run.
    pub fn add(&mut self, other: &Self) {
        self.latency.add(&other.latency).unwrap();
        let (seen, more) = (&mut self.seen, &other.seen);
        seen.frames += more.frames;
        seen.bars += more.bars;
        seen.others += more.others;
        seen.timed += more.timed;
        seen.peak = seen.peak.max(more.peak);
    }

    /// The part of orders (0.5: half of them) that took no longer, microseconds; nothing where they are too few to say.
    pub fn us(&self, part: f64) -> Option<f64> {
        quantile(&self.latency, part)
    }

    pub fn hear(&mut self, seen: &Seen) {
        if let Some(took) = self.seen.hear(seen) {
            self.latency.saturating_record(u64::try_from(took.as_nanos()).unwrap());
        }
    }
}
