//! The tape: merges series of bars into one ordered stream of steps.
//!
//! At one instant all bars that end there end first, in symbol order; then all bars that begin
//! there open, in symbol order. Nothing that happens at an end can therefore see an open of the
//! same instant.

use std::sync::Arc;

use crate::calendar::Calendar;
use crate::domain::{Bar, BarSize, ContractId, MarketTime, Symbol, Window};
use agenda::{Agenda, Part, Turn};

mod agenda;
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

/// The end of a bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct End<'a> {
    /// The place of its series among all of the tape, by symbol.
    pub place: usize,
    /// The whole bar.
    pub bar: &'a Bar,
    /// Whether its successor opens at this very instant.
    pub followed: bool,
}

/// The open of a bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Open {
    /// The place of its series.
    pub place: usize,
    /// USD a share.
    pub price: f64,
}

/// A market's steps, for one that takes an instant's ends first and then its opens.
pub trait Steps {
    /// The contracts of the series, by place.
    fn contracts(&self) -> Vec<ContractId>;

    /// When the next step happens; `None` at the end.
    fn next_at(&self) -> Option<MarketTime>;

    /// Takes the next step where it is the end of a bar at this instant.
    fn end_at(&mut self, at: MarketTime) -> Option<End<'_>>;

    /// Takes the next step where it is an open at this instant.
    fn open_at(&mut self, at: MarketTime) -> Option<Open>;
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

/// A series that is played.
#[derive(Debug, Clone)]
struct Playing {
    series: Series,
    /// Where the bar is whose step comes next.
    next: usize,
}

/// The merged stream of steps.
#[derive(Debug, Clone, Default)]
pub struct Tape {
    /// By symbol: a series' place says its turn within an instant.
    series: Vec<Playing>,
    /// One step of each series that is not at its end.
    coming: Agenda,
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
        self.coming.next_at()
    }

    fn insert(&mut self, series: Series, bar: usize, part: Part) {
        let place = self.series.partition_point(|other| other.series.symbol <= series.symbol);
        self.coming.make_room(place);
        if let Some(next) = series.bars.get(bar) {
            let at = match part {
                Part::Open => next.time,
                Part::End => next.end,
            };
            self.coming.push(at, Turn::new(part, place));
        }
        self.series.insert(place, Playing { series, next: bar });
    }
}

impl Steps for Tape {
    fn contracts(&self) -> Vec<ContractId> {
        self.series.iter().map(|playing| playing.series.contract).collect()
    }

    #[inline]
    fn next_at(&self) -> Option<MarketTime> {
        Self::next_at(self)
    }

    #[inline]
    fn end_at(&mut self, at: MarketTime) -> Option<End<'_>> {
        let place = self.coming.due(at, Part::End)?;
        let Playing { series, next } = self.series.get_mut(place)?;
        let bar = series.bars.get(*next)?;
        *next += 1;
        let successor = series.bars.get(*next).map(|next| next.time);
        self.coming.go_on(successor.map(|opens| (opens, Turn::new(Part::Open, place))));
        Some(End { place, bar, followed: successor == Some(at) })
    }

    #[inline]
    fn open_at(&mut self, at: MarketTime) -> Option<Open> {
        let place = self.coming.due(at, Part::Open)?;
        let Playing { series, next } = self.series.get(place)?;
        let bar = series.bars.get(*next)?;
        self.coming.go_on(Some((bar.end, Turn::new(Part::End, place))));
        Some(Open { place, price: bar.open })
    }
}

impl Iterator for Tape {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let at = Self::next_at(self)?;
        let ended = self.end_at(at).map(|end| (end.place, *end.bar));
        if let Some((place, bar)) = ended {
            return Some(Step::End { contract: self.series.get(place)?.series.contract, bar });
        }
        let Open { place, price } = self.open_at(at)?;
        Some(Step::Open { contract: self.series.get(place)?.series.contract, at, price })
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
        // Prices are numbers: no more is asked of their order.
        self.high = if next.high > self.high { next.high } else { self.high };
        self.low = if next.low < self.low { next.low } else { self.low };
        self.close = next.close;
        self.volume = match (self.volume, next.volume) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (a, b) => a.or(b),
        };
    }
}
