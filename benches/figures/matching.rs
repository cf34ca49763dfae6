//! What a tap has seen, counted.

use hdrhistogram::Histogram;
use robo_trader::simulator::tap::{Matching, Seen};

/// Durations from a microsecond to a minute, nanoseconds, by three digits.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, 60_000_000_000, 3).unwrap()
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

    pub fn hear(&mut self, seen: &Seen) {
        if let Some(took) = self.seen.hear(seen) {
            self.latency.saturating_record(u64::try_from(took.as_nanos()).unwrap());
        }
    }
}
