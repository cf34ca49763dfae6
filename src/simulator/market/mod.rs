//! The simulator's market: synthetic or replayed prices behind one door.
//!
//! Whatever is asked about an instant, the answer contains nothing that happened after it, and a
//! synthetic answer depends only on seed, symbol and instant, never on what was asked before.

use std::time::Duration;

use crate::calendar::Calendar;
use crate::domain::{Bar, BarSize, ContractId, MarketTime, Shares, Symbol};
use crate::tape::Step;

mod listing;
mod replay;
mod synthetic;
#[cfg(test)]
mod tests;
mod trades;
mod walk;

pub use listing::Listing;
pub(super) use listing::{AFTER, BEFORE};
pub use replay::Series;
pub use trades::{Around, Trade};

use listing::Listings;
use replay::Replay;
use synthetic::Synthetic;

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
    /// Two files of a symbol and size hold the same time.
    #[error("{symbol}: two of the {size} bars overlap at {at}; keep each time in one file only")]
    Overlap {
        /// Of what.
        symbol: Symbol,
        /// Of what size.
        size: BarSize,
        /// Open of the later bar.
        at: MarketTime,
    },
}

/// Symbols that a synthetic market does not know, so that "unknown symbol" can be seen: these, and
/// all that begin with `ZZ`.
const UNKNOWN: [&str; 3] = ["NOSUCH", "UNKNOWN", "INVALID"];

/// Symbols that a search in a synthetic market finds without having been told of them.
const KNOWN: [&str; 24] = [
    "AAPL", "ABNB", "AMD", "AMGN", "AMZN", "BAC", "DIA", "GLD", "GOOG", "GOOGL", "INTC", "IWM", "JPM", "META", "MSFT",
    "MU", "NFLX", "NVDA", "QQQ", "SPY", "TLT", "TSLA", "VOO", "XOM",
];

#[derive(Debug)]
enum Source {
    Synthetic(Synthetic),
    Replay(Replay),
}

/// The market.
#[derive(Debug)]
pub struct Market {
    source: Source,
    listings: Listings,
    clock: MarketTime,
}

impl Market {
    /// A market of seeded random walks, for any symbol on demand.
    pub fn synthetic(config: SyntheticConfig) -> Self {
        let start = synthetic::floor(config.start);
        let source = Source::Synthetic(Synthetic::new(SyntheticConfig { start, ..config }));
        Self { source, listings: Listings::default(), clock: start }
    }

    /// A market that repeats what files say. Its clock stands before the first bar of all.
    ///
    /// # Errors
    /// There is nothing to replay, or a symbol's bars overlap.
    pub fn replay(series: Vec<Series>, calendar: Calendar) -> Result<Self, MarketError> {
        let joined = replay::join(series)?;
        let mut listings = Listings::default();
        let mut contracts = std::collections::BTreeMap::new();
        for (symbol, sizes) in joined {
            let first = sizes.values().next().and_then(|bars| bars.first()).map_or(MarketTime::MIN, |bar| bar.time);
            contracts.insert(listings.list(&symbol, calendar, first).contract.id, sizes);
        }
        let replay = Replay::new(calendar, contracts);
        let clock = replay.first_instant(replay.contracts()).ok_or(MarketError::Empty)?;
        Ok(Self { source: Source::Replay(replay), listings, clock })
    }

    /// Whether it repeats files.
    pub fn is_replay(&self) -> bool {
        matches!(self.source, Source::Replay(_))
    }

    /// Its calendar.
    pub fn calendar(&self) -> Calendar {
        match &self.source {
            Source::Synthetic(synthetic) => synthetic.calendar(),
            Source::Replay(replay) => replay.calendar(),
        }
    }

    /// The session of a date as this market keeps it; `None` where it is closed. Where the
    /// calendar does not reach, weekdays trade their usual hours.
    pub fn session(&self, date: chrono::NaiveDate) -> Option<crate::domain::Window> {
        self.calendar().session(date)
    }

    /// Replay: the clock stands before the first bar of all these symbols' tapes, so that earlier
    /// history can be asked for. Nothing once a symbol is active, and for a synthetic market.
    pub fn stand_before(&mut self, symbols: &[Symbol]) {
        let Source::Replay(replay) = &self.source else { return };
        let calendar = replay.calendar();
        let ids = symbols.iter().filter_map(|symbol| self.listings.find(symbol));
        if let Some(first) = replay.first_instant(ids).filter(|_| replay.is_still()) {
            self.clock = first;
            self.listings.refresh(calendar, first);
        }
    }

    /// Goes on from an earlier run that had taken the steps of `at`, before anything is active. A
    /// synthetic market's clock moves only forward.
    pub fn resume_at(&mut self, at: MarketTime) {
        match &mut self.source {
            Source::Synthetic(_) => self.clock = self.clock.max(synthetic::floor(at)),
            Source::Replay(replay) if replay.is_still() => {
                replay.resume_at(at);
                self.clock = at;
            }
            Source::Replay(_) => {}
        }
    }

    /// The contract of a symbol, with its hours as of the clock; `None` where the market does not
    /// know it. A synthetic market knows every symbol but a few, a replay those with files.
    pub fn lookup(&mut self, symbol: &Symbol) -> Option<Listing> {
        let (calendar, clock) = (self.calendar(), self.clock);
        match &mut self.source {
            Source::Synthetic(synthetic) => {
                if UNKNOWN.contains(&symbol.as_str()) || symbol.as_str().starts_with("ZZ") {
                    return None;
                }
                let listing = self.listings.list(symbol, calendar, clock);
                synthetic.know(listing.contract.id, symbol);
                Some(listing.clone())
            }
            Source::Replay(_) => {
                self.listings.find(symbol)?;
                Some(self.listings.list(symbol, calendar, clock).clone())
            }
        }
    }

    /// A contract that was looked up (replay: any), as it was then.
    pub fn listing(&self, contract: ContractId) -> Option<&Listing> {
        self.listings.get(contract)
    }

    /// From now on the contract is part of the tape, from its next open on (an open at the very
    /// instant of the clock included). Nothing for one that is, or that is not listed.
    pub fn activate(&mut self, contract: ContractId) {
        let Some(listing) = self.listings.get(contract) else { return };
        let symbol = listing.contract.symbol;
        match &mut self.source {
            Source::Synthetic(synthetic) => synthetic.activate(contract, symbol),
            Source::Replay(replay) => replay.activate(contract, symbol, self.clock),
        }
    }

    /// Market time reached.
    pub fn clock(&self) -> MarketTime {
        self.clock
    }

    /// When the next step happens; `None` while nothing is active, and at the tape's end.
    pub fn next_instant(&self) -> Option<MarketTime> {
        match &self.source {
            Source::Synthetic(synthetic) => synthetic.next_instant(self.clock),
            Source::Replay(replay) => replay.next_instant(),
        }
    }

    /// Whether the active tapes are at their end (never for a synthetic market, nor while nothing
    /// is active).
    pub fn finished(&self) -> bool {
        match &self.source {
            Source::Synthetic(_) => false,
            Source::Replay(replay) => !replay.is_still() && replay.next_instant().is_none(),
        }
    }

    /// Takes all steps of the next instant, and moves the clock there.
    pub fn steps_at(&mut self) -> Vec<Step> {
        let Some(at) = self.next_instant() else { return Vec::new() };
        self.clock = at;
        match &mut self.source {
            Source::Synthetic(synthetic) => synthetic.steps(at),
            Source::Replay(replay) => replay.steps(),
        }
    }

    /// The base bar being formed at `at`, as far as it has formed: its open at first, then one
    /// extreme after the other (the one farther from the close first), at last its close.
    pub fn forming(&self, contract: ContractId, at: MarketTime) -> Option<Bar> {
        let bar = match &self.source {
            Source::Synthetic(synthetic) => synthetic.base_bar(contract, at),
            Source::Replay(replay) => replay.base_bar(contract, at),
        }?;
        Some(formed(&bar, at))
    }

    /// The size of the bars on the tape.
    pub fn base_size(&self, contract: ContractId) -> BarSize {
        match &self.source {
            Source::Synthetic(_) => BarSize::Secs5,
            Source::Replay(replay) => replay.base_size(contract).unwrap_or(BarSize::Min1),
        }
    }

    /// Bars whose open lies in `from..to`, as known at `to`: the last one may still be forming
    /// (its end is after `to`); it is left out while `to` is the very instant of its open. Sizes
    /// finer than the tape give nothing.
    pub fn bars(
        &self,
        contract: ContractId,
        size: BarSize,
        from: MarketTime,
        to: MarketTime,
        regular_only: bool,
    ) -> Vec<Bar> {
        let forming = self.forming(contract, to).filter(|bar| from <= bar.time && bar.time < to);
        let mut bars = match &self.source {
            Source::Synthetic(synthetic) => synthetic.bars(contract, size, from, to, forming),
            Source::Replay(replay) => replay.bars(contract, size, from, to, forming),
        };
        if regular_only && size.is_intraday() {
            let calendar = self.calendar();
            let mut session = calendar.nominal_session(calendar.date_of(from));
            bars.retain(|bar| {
                if bar.time >= session.close || bar.time < session.open {
                    session = calendar.nominal_session(calendar.date_of(bar.time));
                }
                session.open <= bar.time && bar.time < session.close
            });
        }
        bars
    }

    /// Best prices, last price and volume at the clock; `None` before the contract's first trade.
    pub fn quote(&self, contract: ContractId) -> Option<Quote> {
        self.quote_at(contract, self.clock)
    }

    /// The same as it was at an instant up to the clock.
    pub fn quote_at(&self, contract: ContractId, at: MarketTime) -> Option<Quote> {
        let at = at.min(self.clock);
        let ended = match &self.source {
            Source::Synthetic(synthetic) => synthetic.last_bar(contract, at),
            Source::Replay(replay) => replay.last_bar(contract, at),
        };
        // At the clock the bar that opens there has shown its open.
        let last = self.forming(contract, at).map(|bar| bar.close).or(ended.map(|bar| bar.close))?;
        let day = self.calendar().nominal_session(self.calendar().date_of(at));
        let today = self.bars(contract, BarSize::Day1, day.open, at, false);
        let trades::Around { bid, ask, bid_size, ask_size } = trades::around(contract, at, last);
        let volume = today.last().and_then(|bar| bar.volume).unwrap_or(0);
        Some(Quote { bid, ask, last, bid_size, ask_size, volume })
    }

    /// Symbols that begin with a pattern: of a replay those with files, of an invented market those
    /// that were asked about, a few well-known ones, and the pattern itself.
    pub fn matching(&mut self, pattern: &str) -> Vec<Symbol> {
        let wanted = pattern.trim().to_ascii_uppercase();
        let mut found: Vec<Symbol> =
            self.listings.symbols().filter(|s| s.as_str().starts_with(&wanted)).cloned().collect();
        if !self.is_replay() {
            let known =
                KNOWN.iter().filter(|name| name.starts_with(&wanted)).filter_map(|name| name.parse::<Symbol>().ok());
            found.extend(known);
            found.extend(wanted.parse::<Symbol>());
        }
        found.retain(|symbol| !wanted.is_empty() && self.lookup(symbol).is_some());
        found.sort();
        found.dedup();
        found
    }
}

/// Half the spread in cents: at least one, about two hundredths of a percent of the price in all (one cent each side at USD 100).
fn spread(price: f64) -> f64 {
    (price * 0.01).round().max(1.0)
}

/// A price some cents away, never below one cent.
fn cents_away(price: f64, cents: f64) -> f64 {
    ((price * 100.0).round() + cents).max(1.0) / 100.0
}

/// A bar as far as it has formed at `at`, in four equal parts: open, one extreme, the other, close.
fn formed(bar: &Bar, at: MarketTime) -> Bar {
    let (passed, whole) = (at.since(bar.time).as_millis(), bar.end.since(bar.time).as_millis().max(1));
    let rising = bar.close >= bar.open;
    let (first, second) = if rising { (bar.low, bar.high) } else { (bar.high, bar.low) };
    let shown = match passed * 4 / whole {
        0 => return Bar { high: bar.open, low: bar.open, close: bar.open, volume: bar.volume.map(|_| 0), ..*bar },
        1 => first,
        2 => second,
        _ => bar.close,
    };
    let seen_both = passed * 4 / whole >= 2;
    let (high, low) = if seen_both { (bar.high, bar.low) } else { (bar.open.max(first), bar.open.min(first)) };
    let volume = bar.volume.map(|volume| u64::try_from(u128::from(volume) * passed / whole).unwrap_or(volume));
    Bar { high, low, close: shown, volume, ..*bar }
}
