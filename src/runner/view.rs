//! What the daemon shows of its desk: a snapshot for status, heartbeat and summary.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::desk::{Desk, Difference, ForeignPolicy, Mode};
use crate::domain::book::{Book, Counts, Disarm, Fact, Lock, LockCause, LockScope, Record};
use crate::domain::broker::BrokerOrder;
use crate::domain::order::{OrderState, Role};
use crate::domain::{ContractId, MarketTime, Price, Shares, Symbol, Usd};
use crate::feed::pulse::session;

/// One symbol.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SymbolView {
    /// Which.
    pub symbol: Symbol,
    /// End of its last closed bar.
    pub last_bar_end: Option<MarketTime>,
    /// Its close, USD a share.
    pub last_close_usd: Option<Price>,
    /// Its accepted target, -1 to 1.
    pub target: Option<f64>,
    /// Why it may not be entered, if so.
    pub disarmed: Option<Disarm>,
    /// Signed shares held by the book.
    pub held_shares: Shares,
    /// Average price of the held shares, USD a share.
    pub average_price_usd: Option<Price>,
    /// Live orders.
    pub working_orders: u64,
    /// When the regular session that is open now began; `None` while it is closed.
    pub open_since: Option<MarketTime>,
}

/// A lock in force.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct LockView {
    /// `account`, or the symbol.
    pub what: String,
    /// Who or what set it.
    pub cause: LockCause,
    /// Why, with its numbers.
    pub why: String,
    /// Since when, market time.
    pub since: MarketTime,
    /// How it ends.
    pub ends: String,
    /// Whether it ends by itself, without a human.
    pub ends_itself: bool,
}

impl LockView {
    /// Every lock that a book has in force.
    pub fn all(book: &Book) -> Vec<Self> {
        book.locks().map(|(scope, cause, lock)| lock_view(book, scope, cause, lock)).collect()
    }
}

impl fmt::Display for LockView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

/// Where broker and book differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DifferenceView {
    /// The symbol, or the contract's number.
    pub symbol: String,
    /// Signed shares that the broker states.
    pub at_broker_shares: Shares,
    /// Signed shares of the book.
    pub held_shares: Shares,
    /// Signed shares on record as others'.
    pub foreign_shares: Shares,
    /// The split that would explain it, as new:old.
    pub split: Option<String>,
    /// Whether everything in it stands still.
    pub locked: bool,
}

impl DifferenceView {
    /// A difference with what the book says of its contract.
    pub fn of(book: &Book, difference: Difference) -> Self {
        Self {
            symbol: difference.symbol.map_or_else(|| difference.contract.to_string(), |symbol| symbol.to_string()),
            at_broker_shares: difference.at_broker,
            held_shares: difference.held,
            foreign_shares: difference.foreign,
            split: difference.split.map(|(new, old)| format!("{new}:{old}")),
            locked: book.unexplained(difference.contract).is_some(),
        }
    }
}

/// An order of somebody else in the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ForeignOrderView {
    /// Its client; 0 for one placed by hand in TWS.
    pub client_id: i32,
    /// Side, quantity and symbol.
    pub order: String,
}

/// Shares in the account that are not the book's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ForeignHoldingView {
    /// The symbol, or the contract's number.
    pub symbol: String,
    /// Signed shares.
    pub quantity_shares: Shares,
}

/// Something that a human may want to know about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct IncidentView {
    /// When, market time.
    pub at: MarketTime,
    /// Its symbol, where it has one.
    pub symbol: Option<Symbol>,
    /// A stable short name.
    pub name: String,
    /// What happened.
    pub text: String,
    /// Milliseconds that it took to notice.
    pub detect_ms: Option<u64>,
    /// Milliseconds that it took to recover.
    pub recover_ms: Option<u64>,
}

/// The desk at a moment. `None` means unknown, never zero.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DeskView {
    /// The account; `None` before the ledger's first fact.
    pub account: Option<String>,
    /// `ibkr` or `simulator`; `None` likewise.
    pub venue: Option<&'static str>,
    /// When the next regular session opens, by the calendar; `None` where it does not reach so far.
    pub next_open: Option<MarketTime>,
    /// Market time of the newest event.
    pub market_time: MarketTime,
    /// Whether orders may be sent.
    pub ready: bool,
    /// Whether orders are never sent (mode observe).
    pub observes: bool,
    /// Size of the bars, seconds.
    pub bar_s: u64,
    /// USD.
    pub equity_usd: Option<Usd>,
    /// USD.
    pub cash_usd: Option<Usd>,
    /// USD, fees not deducted.
    pub realized_usd: Usd,
    /// USD.
    pub unrealized_usd: Option<Usd>,
    /// USD.
    pub fees_usd: Usd,
    /// Equity less its value when the exchange day began, USD.
    pub day_pnl_usd: Option<Usd>,
    /// What has happened since the ledger began.
    pub counts: Counts,
    /// Whether TWS has its link to IBKR.
    pub link_up: bool,
    /// Days of executions to read back: to the last one known and the oldest order that lives.
    pub days_back: u32,
    /// Live orders.
    pub working_orders: u64,
    /// Live orders that are entries or exits.
    pub working_trades: u64,
    /// Orders without an answer.
    pub unanswered_orders: u64,
    /// Orders in doubt.
    pub unknown_orders: u64,
    /// Every lock in force.
    pub locks: Vec<LockView>,
    /// Comparisons with the broker so far in this process.
    pub reads: u64,
    /// Where broker and book differ, by the last comparison.
    pub differences: Vec<DifferenceView>,
    /// Others' orders in the account, as last read.
    pub foreign_orders: Vec<ForeignOrderView>,
    /// Others' holdings in the account.
    pub foreign_holdings: Vec<ForeignHoldingView>,
    /// Cash as the broker stated it last, USD.
    pub broker_cash_usd: Option<Usd>,
    /// Cash that the broker should state by the ledger, USD.
    pub expected_cash_usd: Option<Usd>,
    /// The latest incidents of this process, newest first.
    pub incidents: Vec<IncidentView>,
    /// Each symbol of the plan that is resolved.
    pub symbols: Vec<SymbolView>,
}

impl DeskView {
    /// Looks at a desk.
    pub fn of(desk: &Desk) -> Self {
        let book = desk.book();
        let live = || book.live_orders();
        let count = |wanted: &dyn Fn(OrderState) -> bool| {
            u64::try_from(live().filter(|order| wanted(order.state)).count()).unwrap_or(u64::MAX)
        };
        let equity = desk.equity();
        let open = || book.positions().filter(|(_, position)| !position.quantity().is_zero());
        let unrealized: Option<Usd> =
            open().map(|(id, position)| Some(position.unrealized(desk.marks().price(id)?))).sum();
        let trades = live().filter(|order| matches!(order.ticket.role, Role::Entry | Role::Exit)).count();
        Self {
            account: book.identity().map(|me| me.account.to_string()),
            venue: book.identity().map(|me| me.venue.as_str()),
            next_open: desk.plan().calendar.next_open(desk.now()),
            market_time: desk.now(),
            ready: desk.is_ready(),
            link_up: desk.link_is_up(),
            days_back: days_back(desk),
            observes: desk.plan().mode == Mode::Observe,
            bar_s: desk.plan().bar_size.duration().as_secs(),
            equity_usd: equity,
            cash_usd: book.cash(),
            realized_usd: book.realized(),
            unrealized_usd: unrealized,
            fees_usd: book.fees(),
            day_pnl_usd: equity.zip(book.day()).map(|(equity, day)| equity - day.equity - day.adjusted),
            counts: book.counts(),
            working_orders: count(&|state| state.is_live()),
            working_trades: u64::try_from(trades).unwrap_or(u64::MAX),
            unanswered_orders: count(&|state| matches!(state, OrderState::Sent | OrderState::Cancelling)),
            unknown_orders: count(&|state| state == OrderState::Unknown),
            locks: LockView::all(book),
            reads: desk.reads(),
            differences: differences(desk),
            foreign_orders: foreign_orders(desk),
            foreign_holdings: foreign_holdings(desk),
            broker_cash_usd: desk.marks().stated().and_then(|stated| stated.state.total_cash),
            expected_cash_usd: book.cash_at_broker(),
            incidents: desk.incidents().map(incident_view).collect(),
            symbols: symbols(desk),
        }
    }
}

/// Most days of executions that TWS serves.
const DAYS_AT_MOST: u32 = 7;

/// Days to read back (rule 18: Friday's stop fill is found on Monday).
fn days_back(desk: &Desk) -> u32 {
    let book = desk.book();
    let now = desk.now();
    let oldest = book.live_orders().map(|order| order.at).chain(book.last_execution()).min().unwrap_or(now);
    let days = now.since(oldest).as_secs().div_ceil(86_400);
    u32::try_from(days).unwrap_or(DAYS_AT_MOST).min(DAYS_AT_MOST)
}

fn name(book: &Book, id: ContractId) -> String {
    book.symbol(id).map_or_else(|| id.to_string(), ToString::to_string)
}

fn lock_view(book: &Book, scope: &LockScope, cause: LockCause, lock: &Lock) -> LockView {
    let what = match scope {
        LockScope::Account => "account".to_owned(),
        LockScope::Contract(id) | LockScope::Unexplained(id) => name(book, *id),
    };
    let by_time = lock.until_at.map(|at| format!("at {at}"));
    let by_day = lock.until.map(|day| format!("on {day}"));
    let itself = by_time.or(by_day).map(|when| format!("{when}, or robo-trader resume --reason"));
    let ends_itself = itself.is_some();
    let ends = itself.unwrap_or_else(|| cause.remedy().to_owned());
    LockView { what, cause, why: lock.why.clone(), since: lock.since, ends, ends_itself }
}

pub(super) fn incident_view(record: &Record) -> IncidentView {
    let (name, text, detect_ms, recover_ms) = match &record.fact {
        Fact::Incident(fact) => (fact.name.clone(), fact.text.clone(), fact.detect_ms, fact.recover_ms),
        other => (other.kind().to_owned(), String::new(), None, None),
    };
    IncidentView { at: record.at, symbol: record.symbol, name, text, detect_ms, recover_ms }
}

fn differences(desk: &Desk) -> Vec<DifferenceView> {
    desk.differences().into_iter().map(|difference| DifferenceView::of(desk.book(), difference)).collect()
}

fn foreign_orders(desk: &Desk) -> Vec<ForeignOrderView> {
    if desk.plan().guards.foreign == ForeignPolicy::Ignore {
        return Vec::new();
    }
    let view = |order: &BrokerOrder| ForeignOrderView {
        client_id: order.client_id,
        order: format!("{} {} {}", order.side, order.quantity, order.symbol),
    };
    desk.foreign_orders().iter().map(view).collect()
}

fn foreign_holdings(desk: &Desk) -> Vec<ForeignHoldingView> {
    if desk.plan().guards.foreign == ForeignPolicy::Ignore {
        return Vec::new();
    }
    let held = desk.book().foreign_holdings().filter(|(_, quantity)| !quantity.is_zero());
    held.map(|(id, quantity)| ForeignHoldingView { symbol: name(desk.book(), id), quantity_shares: quantity }).collect()
}

fn symbols(desk: &Desk) -> Vec<SymbolView> {
    let book = desk.book();
    let view = |id| {
        let symbol = desk.marks().symbol(id)?;
        let mark = desk.marks().mark(id);
        let strategy = desk.plan().symbols.get(&symbol).map(|plan| plan.strategy.as_str())?;
        let target = book.target(id, strategy);
        Some(SymbolView {
            symbol,
            last_bar_end: mark.and_then(|mark| mark.end),
            last_close_usd: desk.marks().price(id),
            target: target.map(|target| target.value),
            disarmed: target.and_then(|target| target.disarmed.clone()),
            held_shares: book.held(id),
            average_price_usd: book.position(id).and_then(|position| position.average_price()),
            working_orders: u64::try_from(book.live_in(id).count()).unwrap_or(u64::MAX),
            open_since: desk
                .marks()
                .contract(id)
                .and_then(|contract| session(contract, desk.plan().calendar, desk.now()))
                .map(|session| session.open),
        })
    };
    desk.marks().listed().filter_map(view).collect()
}

#[cfg(test)]
fn tests_symbol(name: &str, last_bar_end: Option<i64>) -> SymbolView {
    SymbolView {
        symbol: name.parse().unwrap(),
        last_bar_end: last_bar_end.map(MarketTime::from_secs),
        last_close_usd: None,
        target: Some(1.0),
        disarmed: None,
        held_shares: Shares(10),
        average_price_usd: None,
        working_orders: 0,
        open_since: Some(MarketTime::from_secs(600)),
    }
}

/// A desk that trades, with one symbol of late, one of old and one without a bar.
#[cfg(test)]
pub(super) fn tests_view() -> DeskView {
    DeskView {
        link_up: true,
        days_back: 0,
        market_time: MarketTime::from_secs(1_000),
        ready: true,
        observes: false,
        bar_s: 60,
        equity_usd: Some(Usd::of(1.into())),
        cash_usd: None,
        realized_usd: Usd::of(0.into()),
        unrealized_usd: None,
        fees_usd: Usd::of(0.into()),
        day_pnl_usd: None,
        counts: Default::default(),
        working_orders: 0,
        working_trades: 0,
        unanswered_orders: 0,
        unknown_orders: 0,
        locks: Vec::new(),
        account: None,
        venue: None,
        next_open: None,
        reads: 0,
        differences: Vec::new(),
        foreign_orders: Vec::new(),
        foreign_holdings: Vec::new(),
        broker_cash_usd: None,
        expected_cash_usd: None,
        incidents: Vec::new(),
        symbols: vec![tests_symbol("AAPL", Some(990)), tests_symbol("MSFT", Some(0)), tests_symbol("SPY", None)],
    }
}
