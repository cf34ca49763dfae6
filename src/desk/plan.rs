//! The plan: what the desk is told to trade and how, fixed for the life of the process.

use std::collections::BTreeMap;
use std::time::Duration;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::calendar::Calendar;
use crate::domain::broker::AccountId;
use crate::domain::{BarSize, Symbol};
use crate::risk::{Limits, Sizing};

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
    /// How a full target is sized.
    pub sizing: Sizing,
    /// Its protective stop.
    pub stop: StopPolicy,
    /// Take-profit, a fraction of the entry's reference price away.
    pub take_profit: Option<Decimal>,
    /// How its orders are priced.
    pub style: OrderStyle,
    /// What becomes of entries decided outside its session.
    pub after_close: AfterClose,
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
    /// Live trading without a stop is allowed.
    pub allow_unprotected: bool,
}
