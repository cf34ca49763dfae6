//! The tape: merges series of bars into one ordered stream of steps.
//!
//! At one instant all bars that end there end first, in symbol order; then all bars that begin
//! there open, in symbol order. Nothing that happens at an end can therefore see an open of the
//! same instant.

use std::sync::Arc;

use crate::calendar::Calendar;
use crate::domain::{Bar, BarSize, ContractId, MarketTime, Symbol};

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

/// One contract's bars on a tape: ascending, not overlapping.
#[derive(Debug, Clone)]
pub struct Series {
    /// Of what.
    pub contract: ContractId,
    /// Its label, which orders the steps of one instant.
    pub symbol: Symbol,
    /// Its bars.
    pub bars: Arc<[Bar]>,
}

/// The merged stream.
#[derive(Debug, Clone, Default)]
pub struct Tape {}

impl Tape {
    /// Merges series.
    pub fn new(_series: impl IntoIterator<Item = Series>) -> Self {
        Self {}
    }

    /// Adds a series whose bars from `from` on take part.
    pub fn add(&mut self, _series: Series, _from: MarketTime) {}

    /// When the next step happens; `None` at the end.
    pub fn next_at(&self) -> Option<MarketTime> {
        None
    }
}

impl Iterator for Tape {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        None
    }
}

/// Builds bigger bars.
pub fn aggregate<I: IntoIterator<Item = Bar>>(
    bars: I,
    _calendar: Calendar,
    _size: BarSize,
) -> impl Iterator<Item = Bar> {
    bars.into_iter()
}
