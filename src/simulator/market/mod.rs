//! The simulator's market: synthetic or replayed prices behind one door.

use std::time::Duration;

use crate::calendar::Calendar;
use crate::domain::{Bar, BarSize, Contract, ContractId, MarketTime, Shares, Symbol};
use crate::tape::Step;

/// What a synthetic market is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct SyntheticConfig {
    /// Every price follows from it.
    pub seed: u64,
    /// Where its clock begins (moved down to a multiple of 5 s).
    pub start: MarketTime,
    /// Whether it trades at any hour of any day; otherwise in the regular sessions of XNYS.
    pub always_open: bool,
    /// How much past exists before the start.
    pub history: Duration,
}

/// One file's, or several files', bars of one symbol and size.
#[derive(Debug, Clone)]
pub struct Series {
    /// Of what.
    pub symbol: Symbol,
    /// Size of the bars.
    pub size: BarSize,
    /// The bars, ascending.
    pub bars: Vec<Bar>,
}

/// What the exchange lists.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// The contract.
    pub contract: Contract,
    /// The company's name.
    pub long_name: String,
    /// IBKR's word for the kind of stock (`COMMON`, `ETF`).
    pub stock_type: String,
}

/// Best prices, last price and the day's volume.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quote {
    /// Best bid, USD a share.
    pub bid: f64,
    /// Best offer, USD a share.
    pub ask: f64,
    /// Last trade, USD a share.
    pub last: f64,
    /// Shares wanted at the bid.
    pub bid_size: Shares,
    /// Shares offered at the ask.
    pub ask_size: Shares,
    /// Shares traded this day.
    pub volume: u64,
}

/// Why series cannot be replayed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MarketError {
    /// There is nothing to replay.
    #[error("no bars to replay; give a folder with files named SYMBOL-1min-*.csv or SYMBOL-1day*.csv")]
    Empty,
}

/// The market.
#[derive(Debug)]
pub struct Market {
    clock: MarketTime,
}

impl Market {
    /// A market of seeded random walks, for any symbol on demand.
    pub fn synthetic(config: SyntheticConfig) -> Self {
        Self { clock: config.start }
    }

    /// A market that repeats what files say.
    ///
    /// # Errors
    /// There is nothing to replay, or a symbol's bars overlap.
    pub fn replay(_series: Vec<Series>, _calendar: Calendar) -> Result<Self, MarketError> {
        Err(MarketError::Empty)
    }

    /// Whether it repeats files.
    pub fn is_replay(&self) -> bool {
        false
    }

    /// Its calendar.
    pub fn calendar(&self) -> Calendar {
        Calendar::Always
    }

    /// Replay: the clock stands before the first bar of all these symbols' tapes, so that their
    /// earlier history can be asked for. Nothing once a symbol is active or the clock has moved.
    pub fn stand_before(&mut self, _symbols: &[Symbol]) {}

    /// Goes on from an earlier run: the clock moves to `at`, where it is later.
    pub fn resume_at(&mut self, _at: MarketTime) {}

    /// The contract of a symbol; `None` where the market does not know it.
    pub fn lookup(&mut self, _symbol: &Symbol) -> Option<Listing> {
        None
    }

    /// A contract that was looked up (replay: any).
    pub fn listing(&self, _contract: ContractId) -> Option<&Listing> {
        None
    }

    /// From now on the contract is part of the tape.
    pub fn activate(&mut self, _contract: ContractId) {}

    /// Market time reached.
    pub fn clock(&self) -> MarketTime {
        self.clock
    }

    /// When the next step happens; `None` while nothing is active, and at the tape's end.
    pub fn next_instant(&self) -> Option<MarketTime> {
        None
    }

    /// Whether the active tapes are at their end (never for a synthetic market).
    pub fn finished(&self) -> bool {
        false
    }

    /// Takes all steps of the next instant, and moves the clock there.
    pub fn steps_at(&mut self) -> Vec<Step> {
        Vec::new()
    }

    /// The base bar being formed at `at`, as far as it has formed.
    pub fn forming(&self, _contract: ContractId, _at: MarketTime) -> Option<Bar> {
        None
    }

    /// The size of the bars on the tape.
    pub fn base_size(&self, _contract: ContractId) -> BarSize {
        BarSize::Secs5
    }

    /// Bars whose open lies in `from..to`, as known at `to`.
    pub fn bars(
        &self,
        _contract: ContractId,
        _size: BarSize,
        _from: MarketTime,
        _to: MarketTime,
        _regular_only: bool,
    ) -> Vec<Bar> {
        Vec::new()
    }

    /// Best prices, last price and volume at the clock.
    pub fn quote(&self, _contract: ContractId) -> Option<Quote> {
        None
    }
}
