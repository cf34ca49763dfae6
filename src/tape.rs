//! The tape: merges series of bars into one ordered stream of steps.
//!
//! At one instant all bars that end there end first, in symbol order; then all bars that begin
//! there open, in symbol order. Nothing that happens at an end can therefore see an open of the
//! same instant.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::sync::Arc;

use crate::calendar::Calendar;
use crate::domain::{Bar, BarSize, ContractId, MarketTime, Symbol, Window};

pub mod jumps;
pub mod streamed;
#[cfg(test)]
mod tests;

/// One step of the market.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    /// A bar ends: it may be decided on.
    End {
        /// Of what.
        contract: ContractId,
        /// The whole bar.
        bar: Bar,
    },
    /// A bar opens: its first price trades.
    Open {
        /// Of what.
        contract: ContractId,
        /// The bar's open instant.
        at: MarketTime,
        /// Its open, USD a share.
        price: f64,
    },
}

impl Step {
    /// When it happens.
    pub fn at(&self) -> MarketTime {
        match self {
            Self::End { bar, .. } => bar.end,
            Self::Open { at, .. } => *at,
        }
    }

    /// What it happens to.
    pub fn contract(&self) -> ContractId {
        match self {
            Self::End { contract, .. } | Self::Open { contract, .. } => *contract,
        }
    }
}

/// A market's steps in order.
pub trait Steps: Iterator<Item = Step> {
    /// When the next step happens; `None` at the end.
    fn next_at(&self) -> Option<MarketTime>;
}

/// One contract's bars on a tape: ascending, not overlapping (bar files are checked for it).
#[derive(Debug, Clone)]
pub struct Series {
    /// Of what.
    pub contract: ContractId,
    /// Its label, which orders the steps of one instant.
    pub symbol: Symbol,
    /// Its bars.
    pub bars: Arc<[Bar]>,
}

/// What comes next of a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    End,
    Open,
}

/// A step to come: when, and its turn at that instant.
type Coming = Reverse<(MarketTime, Turn)>;

/// Ends before opens, each by the place of its series: one number, for a heap compares a lot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Turn(u64);

impl Turn {
    const OPEN: u64 = 1 << 63;

    fn new(part: Part, series: usize) -> Self {
        // No tape has so many series.
        let place = series as u64;
        Self(if part == Part::Open { place | Self::OPEN } else { place })
    }

    fn part(self) -> Part {
        if self.0 & Self::OPEN == 0 { Part::End } else { Part::Open }
    }

    fn series(self) -> usize {
        (self.0 & !Self::OPEN) as usize
    }
}

/// The merged stream of steps.
#[derive(Debug, Clone, Default)]
pub struct Tape {
    /// By symbol: a series' place says its turn within an instant.
    series: Vec<Series>,
    /// Where in each series the bar is whose step comes next.
    next: Vec<usize>,
    /// One step of each series that is not at its end.
    coming: BinaryHeap<Coming>,
}

impl Tape {
    /// Merges whole series.
    pub fn new(series: impl IntoIterator<Item = Series>) -> Self {
        let mut tape = Self::default();
        for series in series {
            tape.add(series, MarketTime::MIN);
        }
        tape
    }

    /// Adds a series, of which the bars that open at `from` or later take part.
    pub fn add(&mut self, series: Series, from: MarketTime) {
        let first = series.bars.partition_point(|bar| bar.time < from);
        self.insert(series, first, Part::Open);
    }

    /// Adds a series whose steps at `taken` and before have been taken already, in an earlier run:
    /// of a bar that is open then, only the end is to come.
    pub fn rejoin(&mut self, series: Series, taken: MarketTime) {
        let next = series.bars.partition_point(|bar| bar.time <= taken);
        let open = next.checked_sub(1).filter(|last| series.bars.get(*last).is_some_and(|bar| taken < bar.end));
        match open {
            Some(open) => self.insert(series, open, Part::End),
            None => self.insert(series, next, Part::Open),
        }
    }

    /// When the next step happens; `None` at the end.
    pub fn next_at(&self) -> Option<MarketTime> {
        self.coming.peek().map(|Reverse((at, ..))| *at)
    }

    fn insert(&mut self, series: Series, bar: usize, part: Part) {
        let place = self.series.partition_point(|other| other.symbol <= series.symbol);
        let moved = |Reverse((at, turn)): Coming| {
            let index = turn.series();
            Reverse((at, Turn::new(turn.part(), if index >= place { index + 1 } else { index })))
        };
        self.coming = self.coming.drain().map(moved).collect();
        if let Some(next) = series.bars.get(bar) {
            let at = match part {
                Part::Open => next.time,
                Part::End => next.end,
            };
            self.coming.push(Reverse((at, Turn::new(part, place))));
        }
        self.series.insert(place, series);
        self.next.insert(place, bar);
    }
}

impl Steps for Tape {
    fn next_at(&self) -> Option<MarketTime> {
        Self::next_at(self)
    }
}

impl Iterator for Tape {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        // To put the next step in the place of this one spares the heap half its work.
        let mut top = self.coming.peek_mut()?;
        let Reverse((at, turn)) = *top;
        let place = turn.series();
        let (series, next) = (self.series.get(place)?, self.next.get_mut(place)?);
        let (contract, bar) = (series.contract, series.bars.get(*next)?);
        match turn.part() {
            Part::Open => {
                *top = Reverse((bar.end, Turn::new(Part::End, place)));
                Some(Step::Open { contract, at, price: bar.open })
            }
            Part::End => {
                *next += 1;
                match series.bars.get(*next) {
                    Some(next) => *top = Reverse((next.time, Turn::new(Part::Open, place))),
                    None => {
                        PeekMut::pop(top);
                    }
                }
                Some(Step::End { contract, bar: *bar })
            }
        }
    }
}

/// Builds bigger bars. A bar of the result opens and ends where the calendar says that a bar of
/// this size does (whether or not the smaller bars reach that far), and holds the bars that open
/// inside it. Bars that are that big already come out with their prices as they are.
pub fn aggregate<I>(bars: I, calendar: Calendar, size: BarSize) -> Aggregate<I::IntoIter>
where
    I: IntoIterator<Item = Bar>,
{
    Aggregate { bars: bars.into_iter(), calendar, size, building: None }
}

/// See [`aggregate`].
#[derive(Debug, Clone)]
pub struct Aggregate<I> {
    bars: I,
    calendar: Calendar,
    size: BarSize,
    building: Option<Bar>,
}

impl<I: Iterator<Item = Bar>> Iterator for Aggregate<I> {
    type Item = Bar;

    fn next(&mut self) -> Option<Bar> {
        for bar in self.bars.by_ref() {
            if let Some(whole) = self.building.as_mut().filter(|whole| bar.time < whole.end) {
                whole.absorb(&bar);
                continue;
            }
            let Window { open, close } = self.calendar.bar_window(bar.time, self.size);
            match &mut self.building {
                // An evening belongs to its date's bar, though that has ended with the session.
                Some(whole) if whole.time == open => whole.absorb(&bar),
                building => {
                    if let Some(whole) = building.replace(Bar { time: open, end: close, ..bar }) {
                        return Some(whole);
                    }
                }
            }
        }
        self.building.take()
    }
}

impl Bar {
    /// Takes in the bar after it: their open, extremes, close and volume become this one's. Its
    /// own times stay.
    pub fn absorb(&mut self, next: &Self) {
        self.high = self.high.max(next.high);
        self.low = self.low.min(next.low);
        self.close = next.close;
        self.volume = match (self.volume, next.volume) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (a, b) => a.or(b),
        };
    }
}
