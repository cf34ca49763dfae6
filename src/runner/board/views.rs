//! What the board shows: orders, fills, signals and the like, with units in their names. Prices and
//! money are decimals as text, exactly as the journal has them; unknown is null.

use std::sync::Arc;

use std::hash::{DefaultHasher, Hash, Hasher};

use compact_str::CompactString;
use schemars::JsonSchema;
use serde::Serialize;

use crate::config::{Layers, Source};
use crate::domain::book::{Book, FillRecord, OrderRecord, Record, RefusedFact, TargetFact};
use crate::domain::order::{OrderEvent, OrderState, Role, TrailBy};
use crate::domain::{Bar, MarketTime, OrderKind, Price, Shares, Symbol, Usd};
use crate::runner::layers::LayerView;
use crate::strategy::script::file_of;

/// A step of an order's life.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct StepView {
    /// Market time.
    pub at: MarketTime,
    /// What happened.
    pub what: &'static str,
    /// The words that came with it.
    pub note: String,
}

/// An order of ours with its life.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct OrderView {
    /// Its number in the ledger.
    pub intent: u64,
    /// Its name at the broker.
    pub order_ref: String,
    /// Its number in the session it was sent in.
    pub order_id: i32,
    /// The broker's permanent number, once known.
    pub perm_id: Option<i64>,
    /// What it trades.
    pub symbol: Option<Symbol>,
    /// The strategy that wanted it.
    #[schemars(with = "Option<String>")]
    pub strategy: Option<CompactString>,
    /// `entry`, `exit`, `stop` or `target`.
    pub role: &'static str,
    /// `BUY` or `SELL`.
    pub side: &'static str,
    /// IBKR's word for its type.
    pub order_type: &'static str,
    /// IBKR's word for how long it works.
    pub tif: &'static str,
    /// Shares ordered.
    pub quantity_shares: Shares,
    /// Shares filled.
    pub filled_shares: Shares,
    /// Limit, USD a share.
    pub limit_usd: Option<Price>,
    /// Trigger of a stop, USD a share.
    pub trigger_usd: Option<Price>,
    /// Percent by which a trailing stop follows.
    pub trail_pct: Option<String>,
    /// Where it stands.
    pub state: &'static str,
    /// Whether it may still trade.
    pub is_live: bool,
    /// When it was intended, market time.
    pub at: MarketTime,
    /// The price it was decided at, USD a share.
    pub reference_usd: Price,
    /// The latest words about it.
    pub note: String,
    /// What has happened to it, oldest first.
    pub life: Vec<StepView>,
}

/// An order's state in one word.
pub(super) fn state(state: OrderState) -> &'static str {
    match state {
        OrderState::Sent => "sent",
        OrderState::Working => "working",
        OrderState::Cancelling => "cancelling",
        OrderState::Unknown => "unknown",
        OrderState::Filled => "filled",
        OrderState::Cancelled => "cancelled",
        OrderState::Rejected => "rejected",
        OrderState::NeverSent => "never_sent",
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Entry => "entry",
        Role::Exit => "exit",
        Role::Stop => "stop",
        Role::Target => "target",
    }
}

/// Limit and trigger of an order, USD a share.
fn prices(kind: OrderKind) -> (Option<Price>, Option<Price>) {
    match kind {
        OrderKind::Market => (None, None),
        OrderKind::Limit { limit } => (Some(limit), None),
        OrderKind::Stop { trigger } => (None, Some(trigger)),
        OrderKind::StopLimit { trigger, limit } => (Some(limit), Some(trigger)),
        OrderKind::Trail { trigger, .. } => (None, trigger),
    }
}

impl OrderView {
    /// An order of the book; its life is what was told of it so far.
    pub(super) fn of(order: &OrderRecord, life: Vec<StepView>) -> Self {
        let ticket = &order.ticket;
        let (limit_usd, trigger_usd) = prices(ticket.kind);
        let trail_pct = match ticket.kind {
            OrderKind::Trail { by: TrailBy::Percent(percent), .. } => Some(percent.to_string()),
            _ => None,
        };
        Self {
            intent: ticket.order_ref.intent,
            order_ref: ticket.order_ref.to_string(),
            order_id: ticket.order_id,
            perm_id: order.perm_id,
            symbol: order.symbol,
            strategy: order.strategy.clone(),
            role: role(ticket.role),
            side: ticket.side.as_str(),
            order_type: ticket.kind.as_str(),
            tif: ticket.tif.as_str(),
            quantity_shares: ticket.quantity,
            filled_shares: order.filled,
            limit_usd,
            trigger_usd,
            trail_pct,
            state: state(order.state),
            is_live: order.state.is_live(),
            at: order.at,
            reference_usd: order.reference,
            note: order.note.clone(),
            life,
        }
    }
}

/// What can happen to an order, in a word.
pub(super) fn event_word(event: OrderEvent) -> &'static str {
    match event {
        OrderEvent::Acknowledged => "acknowledged",
        OrderEvent::CancelRequested => "cancel_requested",
        OrderEvent::CancelRefused => "cancel_refused",
        OrderEvent::Lost => "lost",
        OrderEvent::Completed => "completed",
        OrderEvent::Cancelled => "cancelled",
        OrderEvent::Rejected => "rejected",
        OrderEvent::NotFound => "not_found",
    }
}

/// `CancelRequested` as `cancel_requested`.
fn snake(words: &str) -> String {
    let mut text = String::new();
    for c in words.chars() {
        if c.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}

/// An execution of ours.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct FillView {
    /// The broker's id of it.
    pub execution: String,
    /// When, market time.
    pub at: MarketTime,
    /// What was traded.
    pub symbol: Symbol,
    /// `BUY` or `SELL`.
    pub side: &'static str,
    /// Shares.
    pub quantity_shares: Shares,
    /// USD a share.
    pub price_usd: Price,
    /// What it cost, USD; null until the broker says.
    pub commission_usd: Option<Usd>,
    /// The order's number in the ledger.
    pub intent: u64,
    /// Why the order was: `entry`, `exit`, `stop` or `target`.
    pub role: Option<&'static str>,
}

impl FillView {
    pub(super) fn of(fill: &FillRecord, book: &Book) -> Self {
        let execution = &fill.execution;
        Self {
            execution: execution.id.0.to_string(),
            at: execution.at,
            symbol: execution.symbol,
            side: execution.side.as_str(),
            quantity_shares: execution.quantity,
            price_usd: execution.price,
            commission_usd: fill.commission,
            intent: fill.intent,
            role: book.order(fill.intent).map(|order| role(order.ticket.role)),
        }
    }
}

/// What a strategy wants.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SignalView {
    /// End of the bar it was decided on, market time.
    pub at: MarketTime,
    /// In what.
    pub symbol: Option<Symbol>,
    /// Who.
    #[schemars(with = "Option<String>")]
    pub strategy: Option<CompactString>,
    /// `accepted`, `disarmed` or `deferred`.
    pub what: &'static str,
    /// -1 to 1 of the allotted size, where accepted.
    pub target: Option<f64>,
    /// Signed shares, where accepted.
    pub size_shares: Option<Shares>,
    /// Why disarmed.
    pub why: Option<String>,
}

impl SignalView {
    pub(super) fn of(record: &Record, fact: &TargetFact) -> Self {
        let (what, target, size_shares, why) = match fact {
            TargetFact::Accepted { value, size, stale } => {
                ("accepted", Some(*value), Some(*size), stale.then(|| "stale".to_owned()))
            }
            TargetFact::Disarmed { why } => ("disarmed", None, None, Some(snake(&format!("{why:?}")))),
            TargetFact::Deferred => ("deferred", None, None, None),
        };
        let strategy = record.strategy.clone();
        Self { at: record.at, symbol: record.symbol, strategy, what, target, size_shares, why }
    }
}

/// An order that risk refused.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RefusalView {
    /// When, market time.
    pub at: MarketTime,
    /// In what.
    pub symbol: Option<Symbol>,
    /// Who wanted it.
    #[schemars(with = "Option<String>")]
    pub strategy: Option<CompactString>,
    /// Signed shares that were wanted.
    pub change_shares: Shares,
    /// The limit's name.
    pub name: &'static str,
    /// Why not, with its numbers.
    pub text: String,
}

impl RefusalView {
    pub(super) fn of(record: &Record, fact: &RefusedFact) -> Self {
        Self {
            at: record.at,
            symbol: record.symbol,
            strategy: record.strategy.clone(),
            change_shares: fact.change,
            name: fact.refusal.name(),
            text: fact.refusal.to_string(),
        }
    }
}

/// A closed bar. Prices are numbers as the market's data has them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct BarView {
    /// Its open instant, milliseconds since 1970 UTC.
    pub time_ms: i64,
    /// Its end, milliseconds since 1970 UTC.
    pub end_ms: i64,
    /// USD a share.
    pub open_usd: f64,
    /// USD a share.
    pub high_usd: f64,
    /// USD a share.
    pub low_usd: f64,
    /// USD a share.
    pub close_usd: f64,
    /// Shares traded.
    pub volume_shares: Option<u64>,
}

impl From<&Bar> for BarView {
    fn from(bar: &Bar) -> Self {
        Self {
            time_ms: bar.time.millis(),
            end_ms: bar.end.millis(),
            open_usd: bar.open,
            high_usd: bar.high,
            low_usd: bar.low,
            close_usd: bar.close,
            volume_shares: bar.volume,
        }
    }
}

/// Bars of a symbol that are not told one by one: `bars` has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HistoryView {
    /// How many are new, or other than before.
    pub bars: usize,
}

/// A point of the equity curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct EquityView {
    /// Market time.
    pub at: MarketTime,
    /// USD.
    pub equity_usd: Usd,
    /// The highest equity until then, moved by money that was paid in or out: what a loss is measured from.
    pub peak_usd: Option<Usd>,
    /// `measured` by this process, in steps; or restored from the journal, which knows only what the exchange days
    /// began with (`day_opened`) and new heights (`peak`), and nothing between them.
    pub source: &'static str,
}

/// The connection and the layers of health.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct LinkView {
    /// `yes`, or the first reason why not.
    pub trading: &'static str,
    /// Since when entries are permitted, or are not for whatever reasons, by this machine's clock.
    pub trading_since: MarketTime,
    /// Since when that reason is the first one, by this machine's clock.
    pub reason_since: MarketTime,
    /// One word for what the connection is doing.
    pub phase: &'static str,
    /// Since when, by this machine's clock.
    pub since: MarketTime,
    /// The breaker's state.
    pub breaker: &'static str,
    /// Attempts since the last session that was held.
    pub attempts: u32,
    /// Sessions got by this process.
    pub sessions: u64,
    /// Sessions lost by this process.
    pub lost: u64,
    /// Attempts to get a session by this process.
    pub dials: u64,
    /// When the next attempt begins, by this machine's clock, where one is waited for.
    pub next_attempt_at: Option<MarketTime>,
    /// The latest failure or loss.
    pub last_error: Option<String>,
    /// The expected outage that is on.
    pub outage: Option<String>,
    /// Halts that wait for the first session, in words.
    pub halts_waiting: Vec<String>,
    /// Health by layers.
    pub layers: Vec<LayerView>,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LogView {
    /// When, by this machine's clock.
    pub at: MarketTime,
    /// `ERROR`, `WARN`, `INFO`, `DEBUG` or `TRACE`.
    pub level: &'static str,
    /// The event.
    pub message: String,
    /// Its fields, as `name=value`.
    pub fields: String,
}

/// Lines of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogLines {
    /// The number of the last one told, from 1 in this process.
    pub last: u64,
    /// Lines before them that were asked for and are kept no more.
    pub missed: u64,
    /// Oldest first.
    pub lines: Vec<Arc<LogView>>,
}

/// A setting, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SettingView {
    /// Its name, with the symbol before it where it is a symbol's own.
    pub name: String,
    /// Its value; secrets are masked.
    pub value: String,
    /// Where it came from.
    pub source: String,
    /// Differs where the value differs, even where it is masked, or names a script whose text has changed.
    #[serde(skip)]
    pub(in crate::runner) stamp: u64,
}

impl SettingView {
    /// Every setting, and every one that a symbol has of its own.
    pub fn all(layers: &Layers) -> Vec<Self> {
        let row = |name: String, value: String, source: Source| Self {
            name,
            stamp: stamp(&value),
            value,
            source: source.to_string(),
        };
        let common = layers.shown().into_iter().map(|(name, value, source)| Self {
            stamp: stamp(&layers.get(name).0),
            ..row(name.to_owned(), value, source)
        });
        let mut rows: Vec<Self> = common.collect();
        for symbol in layers.symbols() {
            let own = layers.shown_for(symbol).into_iter();
            rows.extend(own.map(|(name, value, source)| row(format!("{symbol}.{name}"), value, source)));
        }
        rows
    }
}

/// Of what a value means: itself, and the text of the script that it names.
fn stamp(value: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    // One that cannot be read is refused where settings are resolved.
    file_of(value).and_then(|file| std::fs::read(file).ok()).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_in_snake_case() {
        assert_eq!(snake("CancelRequested"), "cancel_requested");
        assert_eq!(snake("Lost"), "lost");
    }
}
