//! The plan: what the desk is told to trade and how, fixed for the life of the process.

use std::collections::BTreeMap;
use std::time::Duration;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::Protections;
use crate::calendar::{Calendar, ExpectedWindows};
use crate::domain::broker::AccountId;
use crate::domain::{BarSize, Symbol, Usd};
use crate::risk::{Limits, Sizing};
use crate::strategy::{Asked, Script};

/// Whether orders leave the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Decide and journal, send nothing.
    Observe,
    /// Send to a paper account or the simulator only.
    Paper,
    /// Send to a live account.
    Live,
}

/// Where a protective stop rests (rule 10).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopPolicy {
    /// None, on purpose.
    None,
    /// A fraction of the entry's reference price away.
    Fixed(Decimal),
    /// So many average true ranges away.
    Atr(Decimal),
    /// Trailing the best price by a fraction of it.
    Trailing(Decimal),
}

impl StopPolicy {
    /// Whether it asks for the average true range.
    pub fn by_range(self) -> bool {
        match self {
            Self::Atr(_) => true,
            Self::None | Self::Fixed(_) | Self::Trailing(_) => false,
        }
    }
}

/// What happens when the market has already passed a missing stop (rule 10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum StopBreached {
    /// Lock the symbol and leave the position to the operator.
    #[default]
    Hold,
    /// Close the position.
    Exit,
}

/// How entries and exits are priced (rule 9).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderStyle {
    /// At the market.
    Market,
    /// A limit this fraction beyond the last close, so that it trades at once.
    MarketableLimit(Decimal),
}

/// What becomes of an entry decided outside its session (rule 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AfterClose {
    /// It is dropped; the symbol waits for the next target.
    Drop,
    /// It is reviewed again and sent at the next open.
    RequeueAtOpen,
}

/// How one symbol is traded.
#[derive(Debug, Clone, PartialEq)]
pub struct SymbolPlan {
    /// Name of its strategy.
    pub strategy: String,
    /// Parameters of its strategy.
    pub params: BTreeMap<String, String>,
    /// Its strategy's script, where it is one.
    pub script: Option<Script>,
    /// How a full target is sized.
    pub sizing: Sizing,
    /// Its protective stop.
    pub stop: StopPolicy,
    /// Take-profit, a fraction of the entry's reference price away.
    pub take_profit: Option<Decimal>,
    /// Closed decision bars after which a position is closed, whatever its strategy says; `None`: never.
    pub time_exit: Option<u32>,
    /// How its orders are priced.
    pub style: OrderStyle,
    /// What becomes of entries decided outside its session.
    pub after_close: AfterClose,
}

impl SymbolPlan {
    /// What its rules ask to be measured on its bars.
    pub fn asks(&self) -> Asked {
        Asked { atr: self.stop.by_range() || self.sizing.by_range(), volatility: self.sizing.by_volatility() }
    }
}

/// What the desk is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Whose money.
    pub account: AccountId,
    /// Whether orders leave.
    pub mode: Mode,
    /// What entries may not exceed.
    pub limits: Limits,
    /// How each symbol is traded.
    pub symbols: BTreeMap<Symbol, SymbolPlan>,
    /// Size of the bars that strategies see.
    pub bar_size: BarSize,
    /// Fallback for the contracts' own hours, and the exchange day.
    pub calendar: Calendar,
    /// How old a bar's close may be to trade on it; `None`: one bar.
    pub freshness: Option<Duration>,
    /// What happens when a missing stop's price has been passed.
    pub stop_breached: StopBreached,
    /// No entries within this time after the session's open.
    pub no_entry_after_open: Duration,
    /// No entries within this time before the session's close.
    pub no_entry_before_close: Duration,
    /// Positions are closed this long before the session's close; `None`: they stay.
    pub flat_by_close: Option<Duration>,
    /// Whether an order that is decided on a bar still trades at that bar's close: only an optimistic
    /// backtest says so.
    pub trades_at_close: bool,
    /// Live trading without a stop is allowed.
    pub allow_unprotected: bool,
    /// What stops entries by itself, and what is made of what others do.
    pub guards: Guards,
}

/// What is made of orders and holdings that are not the book's (rule 19).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum ForeignPolicy {
    /// They are kept on record, and nobody is told.
    Ignore,
    /// They are kept on record, shown and told.
    #[default]
    Watch,
    /// Holdings of planned symbols become the book's.
    Adopt,
}

/// Locks that set themselves, and the broker's expected outages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Guards {
    /// What is made of what is not the book's.
    pub foreign: ForeignPolicy,
    /// Cash that may move at once by no trade of ours before entries stop, USD.
    pub cash_limit: Usd,
    /// Loss since the highest equity, as a fraction of it, at which entries stop.
    pub max_drawdown: Decimal,
    /// Losing round trips in a row at which entries pause, and for how long.
    pub max_losses: u32,
    /// See `max_losses`.
    pub loss_pause: Duration,
    /// Orders of all roles within a minute at which entries stop.
    pub max_orders: u32,
    /// Orders rejected by the broker within ten minutes at which entries stop.
    pub max_rejects: u32,
    /// Sessions lost within thirty minutes at which entries pause, and for how long.
    pub max_sessions_lost: u32,
    /// See `max_sessions_lost`.
    pub flapping_pause: Duration,
    /// The broker's expected outages.
    pub expected: ExpectedWindows,
    /// How long before one of them entries are held.
    pub hold_before: Duration,
    /// Locks for a time that answer what has just gone wrong.
    #[serde(default)]
    pub protections: Protections,
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            foreign: ForeignPolicy::Watch,
            cash_limit: Usd::of(Decimal::from(1_000)),
            max_drawdown: Decimal::new(2, 1),
            max_losses: 10,
            loss_pause: Duration::from_secs(1_800),
            max_orders: 600,
            max_rejects: 10,
            max_sessions_lost: 6,
            flapping_pause: Duration::from_secs(600),
            expected: ExpectedWindows::default(),
            hold_before: Duration::from_secs(120),
            protections: Protections::default(),
        }
    }
}

impl Guards {
    /// Guards that never set a lock by themselves: for tests of everything else.
    pub fn wide() -> Self {
        Self {
            cash_limit: Usd::of(Decimal::from(1_000_000_000)),
            max_drawdown: Decimal::ONE_HUNDRED,
            max_losses: u32::MAX,
            max_orders: u32::MAX,
            max_rejects: u32::MAX,
            max_sessions_lost: u32::MAX,
            ..Self::default()
        }
    }
}
