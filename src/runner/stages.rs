//! The stages of the time from tick to order. They follow one another without a gap: of one order they add up to it.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;

use super::histogram::{Histogram, MOMENTS_US};
use super::measured::LatencyView;
use crate::feed::Tick;

/// The instants of an order that follows from a bar, until its release.
#[derive(Debug, Clone, Copy)]
pub struct Course {
    /// When the bar came, and when what follows from it was handed to the desk.
    pub tick: Tick,
    /// When the desk had decided on everything that waited with it.
    pub decided: Instant,
    /// When the facts were durable.
    pub kept: Instant,
}

/// How long each stage takes, of the entries and exits that tick to order counts.
#[derive(Debug)]
pub struct Stages {
    /// From the arrival of a closed bar in its feed until the target that follows from it is handed to the desk.
    pub strategy: Histogram,
    /// Until the desk has decided: its queue, sizing, risk, and whatever is decided in the same batch.
    pub desk: Histogram,
    /// Until the facts are durable, as the setting `JOURNAL_DURABILITY` has it.
    pub journal: Histogram,
    /// From its release until the order has been handed to the gateway's socket: the outbox, the message limit,
    /// encoding.
    pub send: Histogram,
}

impl Default for Stages {
    fn default() -> Self {
        let empty = || Histogram::new(MOMENTS_US);
        Self { strategy: empty(), desk: empty(), journal: empty(), send: empty() }
    }
}

impl Stages {
    /// Counts an order that has been sent now; how long it took, all in all.
    pub(super) fn sent(&self, course: Course, now: Instant) -> Duration {
        let Course { tick, decided, kept } = course;
        let stages = [
            (&self.strategy, tick.came, tick.handed),
            (&self.desk, tick.handed, decided),
            (&self.journal, decided, kept),
            (&self.send, kept, now),
        ];
        for (histogram, from, to) in stages {
            histogram.record(to.saturating_duration_since(from));
        }
        now.saturating_duration_since(tick.came)
    }

    /// Each with its name, in their order.
    pub fn named(&self) -> [(&'static str, &Histogram); 4] {
        [("strategy", &self.strategy), ("desk", &self.desk), ("journal", &self.journal), ("send", &self.send)]
    }
}

/// The stages of the time from tick to order, which follow one another without a gap.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct StagesView {
    /// From a closed bar's arrival in its feed until the target that follows from it is handed to the desk.
    pub strategy: LatencyView,
    /// Until the desk has decided: its queue, sizing, risk, and whatever is decided in the same batch.
    pub desk: LatencyView,
    /// Until the facts are durable.
    pub journal: LatencyView,
    /// Until the order is handed to the gateway's socket: the outbox, the message limit, encoding.
    pub send: LatencyView,
}

impl From<&Stages> for StagesView {
    fn from(stages: &Stages) -> Self {
        Self {
            strategy: (&stages.strategy).into(),
            desk: (&stages.desk).into(),
            journal: (&stages.journal).into(),
            send: (&stages.send).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stages_of_an_order_add_up() {
        let (stages, begin) = (Stages::default(), Instant::now());
        let at = |us| begin + Duration::from_micros(us);
        let course = Course { tick: Tick { came: at(0), handed: at(10) }, decided: at(60), kept: at(360) };
        assert_eq!(stages.sent(course, at(1_360)), Duration::from_micros(1_360));
        let each = stages.named().map(|(name, histogram)| (name, histogram.max().unwrap().as_micros()));
        assert_eq!(each, [("strategy", 10), ("desk", 50), ("journal", 300), ("send", 1_000)]);
    }
}
