//! What a backtest has come to: plain values that metrics, reports and sweeps read.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::NaiveDate;

use super::trades::Trades;

use crate::domain::{Bar, BarSize, MarketTime, Price, Shares, Side, Symbol, Usd};

/// Why a round trip ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExitReason {
    /// The strategy asked for it.
    Signal,
    /// Its protective stop.
    Stop,
    /// Its take-profit.
    Target,
    /// It was held for as long as it may be.
    Time,
    /// A limit or the session's end closed it.
    Flattened,
}

impl ExitReason {
    /// Its word in files and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::Stop => "stop",
            Self::Target => "target",
            Self::Time => "time",
            Self::Flattened => "flattened",
        }
    }
}

/// A round trip: from flat to flat (or through zero) in one symbol.
#[derive(Debug, Clone, PartialEq)]
pub struct Trade {
    /// Of what.
    pub symbol: Symbol,
    /// The first fill of it.
    pub entry_time: MarketTime,
    /// Average price of what opened it, USD a share.
    pub entry_price: Price,
    /// The last fill of it.
    pub exit_time: MarketTime,
    /// Average price of what closed it, USD a share.
    pub exit_price: Price,
    /// Shares opened in all; below zero: sold short.
    pub quantity: Shares,
    /// Profit after fees, USD.
    pub pnl: Usd,
    /// Fees of all its fills, USD.
    pub fees: Usd,
    /// Why it ended.
    pub reason: ExitReason,
    /// Decision bars from entry to exit.
    pub bars: u32,
}

/// The account at one instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EquityPoint {
    /// When.
    pub at: MarketTime,
    /// Cash and positions at the last prices, USD.
    pub equity: f64,
    /// Worth of all positions, absolute values added, USD.
    pub exposure: f64,
}

/// The account at an exchange day's last bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DayPoint {
    /// Which day.
    pub date: NaiveDate,
    /// Cash and positions at the day's last prices, USD.
    pub equity: f64,
    /// Worth of equal parts of the symbols bought at their first open and held, on the same cash,
    /// USD; `None` before the first price of any.
    pub benchmark: Option<f64>,
}

/// A fill for a chart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FillMark {
    /// When.
    pub at: MarketTime,
    /// Bought or sold.
    pub side: Side,
    /// Shares, positive.
    pub quantity: Shares,
    /// USD a share.
    pub price: Price,
}

/// One symbol's prices and fills for a chart; thinned (neighbouring bars joined) where there are
/// many.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// Of what.
    pub symbol: Symbol,
    /// Bars, joined to at most a few thousand.
    pub bars: Vec<Bar>,
    /// Fills; at most a few thousand, the first ones.
    pub fills: Vec<FillMark>,
    /// Fills that are not among them.
    pub fills_left_out: u64,
}

/// Running sums over every decision bar, whatever is kept of the curve.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Running {
    /// Instants at which equity was measured.
    pub instants: u64,
    /// Instants at which anything was held.
    pub exposed: u64,
    /// Sum over the instants of exposure / equity.
    pub leverage_sum: f64,
    /// Highest exposure / equity.
    pub leverage_most: f64,
    /// Deepest fall of equity below its highest so far, as a fraction of that.
    pub drawdown: f64,
    /// The same in USD.
    pub drawdown_usd: f64,
    /// From the highest equity to the next equity as high (or the end), longest, seconds.
    pub drawdown_seconds: u64,
    /// Worth of everything bought and sold, USD.
    pub traded: f64,
    /// What slippage and spread have cost against the prices without them, USD.
    pub slippage: f64,
}

/// What a run was told, in words for the report's head: name and value, in order.
pub type Described = Vec<(String, String)>;

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// What the run was told.
    pub described: Described,
    /// What whoever reads the results has to know first: optimistic fills, jumps in the data,
    /// refused entries.
    pub warnings: Vec<String>,
    /// The symbols, in order.
    pub symbols: Vec<Symbol>,
    /// Size of the bars that strategies saw.
    pub bar_size: BarSize,
    /// Sizes of the bars that were played inside those; empty: those themselves were played.
    pub inside: BTreeSet<BarSize>,
    /// Bars played, of all symbols.
    pub bars: u64,
    /// First bar's open and last bar's end.
    pub span: Option<(MarketTime, MarketTime)>,
    /// Cash at the beginning, USD.
    pub cash: Usd,
    /// Cash and positions at the last prices, USD.
    pub final_equity: Usd,
    /// Realized profit before fees, USD.
    pub realized: Usd,
    /// Unrealized profit, USD.
    pub unrealized: Usd,
    /// Fees, USD.
    pub fees: Usd,
    /// Closed round trips.
    pub trades: Trades,
    /// Positions that are open at the end.
    pub open_positions: u32,
    /// Orders sent.
    pub orders: u64,
    /// Fills.
    pub fills: u64,
    /// Entries refused, by reason.
    pub refusals: BTreeMap<String, u64>,
    /// Bars that touched both a stop and the target beside it: the stop was taken.
    pub ambiguous: u64,
    /// The curve, thinned to at most some thousand instants where it has more.
    pub equity: Vec<EquityPoint>,
    /// Every exchange day's end.
    pub days: Vec<DayPoint>,
    /// Sums over every instant.
    pub running: Running,
    /// Charts, by symbol.
    pub charts: Vec<Chart>,
    /// Time to read the bars.
    pub load: Duration,
    /// Time to play them.
    pub run: Duration,
}

impl Outcome {
    /// Sizes of the bars that were played: what `bars` counts.
    pub fn played_sizes(&self) -> Vec<&'static str> {
        if self.inside.is_empty() {
            return vec![self.bar_size.as_str()];
        }
        self.inside.iter().map(|size| size.as_str()).collect()
    }

    /// The same in words, with the size that was decided on where it is another.
    pub fn sizes_in_words(&self) -> String {
        let played = self.played_sizes().join(" and ");
        if self.inside.is_empty() { played } else { format!("{played} inside bars of {}", self.bar_size) }
    }
}
