//! What the daemon shows of its desk: a snapshot for status, heartbeat and summary.

use serde::Serialize;

use crate::desk::{Desk, Mode};
use crate::domain::book::{Counts, Disarm, LockScope};
use crate::domain::order::{OrderState, Role};
use crate::domain::{MarketTime, Price, Shares, Symbol, Usd};
use crate::feed::pulse::session;

/// One symbol.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SymbolView {
    /// Which.
    pub symbol: Symbol,
    /// End of its last closed bar.
    pub last_bar_end: Option<MarketTime>,
    /// Its close, USD a share.
    pub last_close: Option<Price>,
    /// Its accepted target, -1 to 1.
    pub target: Option<f64>,
    /// Why it may not be entered, if so.
    pub disarmed: Option<Disarm>,
    /// Signed shares held by the book.
    pub held: Shares,
    /// Average price of the held shares, USD a share.
    pub average_price: Option<Price>,
    /// Orders working.
    pub working: u64,
    /// When the regular session that is open now began; `None` while it is closed.
    pub open_since: Option<MarketTime>,
}

/// The desk at a moment. `None` means unknown, never zero.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeskView {
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
    /// Why entries are locked, by what is locked.
    pub locks: Vec<String>,
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
            locks: book.locks().map(|(scope, lock)| named(desk, scope, &lock.why)).collect(),
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

fn named(desk: &Desk, scope: &LockScope, why: &str) -> String {
    match scope {
        LockScope::Account => format!("account: {why}"),
        LockScope::Contract(id) | LockScope::Unexplained(id) => {
            let symbol = desk.book().symbol(*id).map_or_else(|| id.to_string(), ToString::to_string);
            format!("{symbol}: {why}")
        }
    }
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
            last_close: desk.marks().price(id),
            target: target.map(|target| target.value),
            disarmed: target.and_then(|target| target.disarmed.clone()),
            held: book.held(id),
            average_price: book.position(id).and_then(|position| position.average_price()),
            working: u64::try_from(book.live_in(id).count()).unwrap_or(u64::MAX),
            open_since: desk
                .marks()
                .contract(id)
                .and_then(|contract| session(contract, desk.plan().calendar, desk.now()))
                .map(|session| session.open),
        })
    };
    desk.marks().listed().filter_map(view).collect()
}
