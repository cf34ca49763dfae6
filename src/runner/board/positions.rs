//! What the board shows of the desk: each symbol, the account, the limits with their use.

use std::time::Duration;

use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::Serialize;

use crate::desk::{Desk, Mode};
use crate::domain::book::{Counts, Disarm};
use crate::domain::order::Role;
use crate::domain::{ContractId, MarketTime, OrderKind, Price, Shares, Symbol, Usd};
use crate::runner::view::DeskView;

/// One symbol of the plan, or one that is held without it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PositionView {
    /// Which.
    pub symbol: Symbol,
    /// Its strategy; null where it is not in the plan.
    pub strategy: Option<String>,
    /// Signed shares of the book.
    pub held_shares: Shares,
    /// Average price of them, USD a share.
    pub average_price_usd: Option<Price>,
    /// Close of the last closed bar, USD a share.
    pub last_close_usd: Option<Price>,
    /// Its end, market time.
    pub last_bar_end: Option<MarketTime>,
    /// Worth of the shares at the last close, USD.
    pub market_value_usd: Option<Usd>,
    /// USD.
    pub unrealized_usd: Option<Usd>,
    /// USD, fees not deducted.
    pub realized_usd: Usd,
    /// USD.
    pub fees_usd: Usd,
    /// The accepted target, -1 to 1.
    pub target: Option<f64>,
    /// The same in signed shares.
    pub target_shares: Option<Shares>,
    /// Why it may not be entered before its target changes.
    pub disarmed: Option<Disarm>,
    /// Live orders.
    pub working_orders: u64,
    /// Trigger of its protective stop at the broker, USD a share.
    pub stop_usd: Option<Price>,
    /// Limit of its take-profit at the broker, USD a share.
    pub take_profit_usd: Option<Price>,
    /// Why its entries are locked.
    pub locked: Option<String>,
}

/// A limit with its use.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct LimitView {
    /// Its name.
    pub name: &'static str,
    /// `usd`, `fraction`, `multiple` or `count`.
    pub unit: &'static str,
    /// How much of it is used; null: unknown.
    #[schemars(with = "Option<String>")]
    pub used: Option<Decimal>,
    /// The limit.
    #[schemars(with = "String")]
    pub limit: Decimal,
}

/// The account's money, its limits, and what the desk is doing.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct AccountView {
    /// Market time of the newest event.
    pub market_time: MarketTime,
    /// The account; null before the ledger's first fact.
    pub account: Option<String>,
    /// Whether orders may be sent.
    pub ready: bool,
    /// `observe`, `paper` or `live`.
    pub mode: Mode,
    /// Size of the bars decided on, seconds.
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
    /// Worth of all positions, magnitudes added, USD.
    pub exposure_usd: Option<Usd>,
    /// The highest equity so far, USD.
    pub peak_usd: Option<Usd>,
    /// Loss since it, as a fraction of it.
    #[schemars(with = "Option<String>")]
    pub drawdown: Option<Decimal>,
    /// What has happened since the ledger began.
    pub counts: Counts,
    /// Live orders.
    pub working_orders: u64,
    /// Orders in doubt.
    pub unknown_orders: u64,
    /// Cash as the broker stated it last, USD.
    pub broker_cash_usd: Option<Usd>,
    /// Limits with their use.
    pub limits: Vec<LimitView>,
}

/// Every symbol of the plan that is resolved, and whatever else is held or is `shown` already: what is flat again is
/// shown as flat.
pub fn positions(desk: &Desk, shown: impl Fn(&Symbol) -> bool) -> Vec<PositionView> {
    let book = desk.book();
    let listed = || desk.marks().listed();
    let shown = |id: ContractId| book.symbol(id).is_some_and(&shown);
    let others = book.positions().filter(|(id, position)| !position.quantity().is_zero() || shown(*id));
    let others = others.map(|(id, _)| id);
    let others = others.filter(|id| !listed().any(|listed| listed == *id));
    listed().chain(others).filter_map(|id| position(desk, id)).collect()
}

fn position(desk: &Desk, id: ContractId) -> Option<PositionView> {
    let book = desk.book();
    let symbol = desk.marks().symbol(id).or_else(|| book.symbol(id).cloned())?;
    let strategy = desk.plan().symbols.get(&symbol).map(|plan| plan.strategy.as_str());
    let target = strategy.and_then(|strategy| book.target(id, strategy));
    let (held, price) = (book.position(id), desk.marks().price(id));
    let mut view = PositionView {
        strategy: strategy.map(str::to_owned),
        held_shares: book.held(id),
        average_price_usd: held.and_then(|held| held.average_price()),
        last_close_usd: price,
        last_bar_end: desk.marks().mark(id).and_then(|mark| mark.end),
        market_value_usd: held.zip(price).map(|(held, price)| held.market_value(price)),
        unrealized_usd: held.zip(price).map(|(held, price)| held.unrealized(price)),
        realized_usd: held.map_or(Usd::ZERO, |held| held.realized),
        fees_usd: held.map_or(Usd::ZERO, |held| held.fees),
        target: target.map(|target| target.value),
        target_shares: target.map(|target| target.size),
        disarmed: target.and_then(|target| target.disarmed.clone()),
        working_orders: 0,
        stop_usd: None,
        take_profit_usd: None,
        locked: book.lock_on(id).map(|lock| lock.why.clone()),
        symbol,
    };
    for order in book.live_in(id) {
        view.working_orders += 1;
        match (order.ticket.role, order.ticket.kind) {
            (Role::Stop, OrderKind::Stop { trigger } | OrderKind::StopLimit { trigger, .. }) => {
                view.stop_usd = Some(trigger);
            }
            (Role::Stop, OrderKind::Trail { trigger, .. }) => view.stop_usd = trigger,
            (Role::Target, OrderKind::Limit { limit }) => view.take_profit_usd = Some(limit),
            _ => {}
        }
    }
    Some(view)
}

/// The account as the desk's view has it, and what only the dashboard shows.
pub fn account(desk: &Desk, view: &DeskView) -> AccountView {
    let (book, equity) = (desk.book(), view.equity_usd);
    let open = book.positions().filter(|(_, position)| !position.quantity().is_zero());
    let exposure = open.map(|(id, position)| Some(position.market_value(desk.marks().price(id)?).abs())).sum();
    let peak = book.peak_equity();
    AccountView {
        market_time: view.market_time,
        account: view.account.clone(),
        ready: view.ready,
        mode: desk.plan().mode,
        bar_s: view.bar_s,
        equity_usd: equity,
        cash_usd: view.cash_usd,
        realized_usd: view.realized_usd,
        unrealized_usd: view.unrealized_usd,
        fees_usd: view.fees_usd,
        day_pnl_usd: view.day_pnl_usd,
        exposure_usd: exposure,
        peak_usd: peak,
        drawdown: drawdown(equity, peak),
        counts: view.counts,
        working_orders: view.working_orders,
        unknown_orders: view.unknown_orders,
        broker_cash_usd: view.broker_cash_usd,
        limits: limits(desk, exposure),
    }
}

/// The loss since the peak, as a fraction of it, rounded to a millionth.
fn drawdown(equity: Option<Usd>, peak: Option<Usd>) -> Option<Decimal> {
    let (equity, peak) = equity.zip(peak)?;
    let loss = (peak.decimal() - equity.decimal()).max(Decimal::ZERO);
    loss.checked_div(peak.decimal()).map(|fraction| fraction.round_dp(6))
}

fn limits(desk: &Desk, exposure: Option<Usd>) -> Vec<LimitView> {
    let (book, limits, guards, now) = (desk.book(), &desk.plan().limits, &desk.plan().guards, desk.now());
    let equity = desk.equity();
    let usd = |name, used: Option<Usd>, limit: Usd| LimitView {
        name,
        unit: "usd",
        used: used.map(|usd| usd.decimal()),
        limit: limit.decimal(),
    };
    let count =
        |name, used: u32, limit: u32| LimitView { name, unit: "count", used: Some(used.into()), limit: limit.into() };
    let held = || book.positions().filter(|(_, position)| !position.quantity().is_zero());
    let worths = held().map(|(id, position)| Some(position.market_value(desk.marks().price(id)?).abs()));
    let largest = worths.collect::<Option<Vec<Usd>>>().map(|worths| worths.into_iter().max().unwrap_or_default());
    let multiple = exposure.zip(equity).and_then(|(gross, equity)| gross.decimal().checked_div(equity.decimal()));
    let day_loss = equity
        .zip(book.day())
        .map(|(equity, day)| (day.equity.decimal() + day.adjusted.decimal() - equity.decimal()).max(Decimal::ZERO));
    let most = book.day().map(|day| (day.equity.decimal().abs() * limits.max_daily_loss).round_dp(2));
    let daily_loss = most.map(|limit| LimitView { name: "daily_loss", unit: "usd", used: day_loss, limit });
    let minute = Duration::from_secs(60);
    let mut views = vec![
        usd("daily_notional", book.day().map(|day| day.entered), limits.max_daily_notional),
        usd("position_notional", largest, limits.max_position_notional),
        LimitView {
            name: "leverage",
            unit: "multiple",
            used: multiple.map(|m| m.round_dp(6)),
            limit: limits.max_leverage,
        },
        count("open_positions", u32::try_from(held().count()).unwrap_or(u32::MAX), limits.max_open_positions),
        LimitView {
            name: "drawdown",
            unit: "fraction",
            used: drawdown(equity, book.peak_equity()),
            limit: guards.max_drawdown,
        },
        count("entries_per_minute", book.entries_within_a_minute(now), limits.max_orders_per_minute),
        count("orders_per_minute", book.orders_within(now, minute), guards.max_orders),
        count("losses_in_a_row", book.losses_in_a_row(), guards.max_losses),
        count("rejects", book.rejects_within(now, 10 * minute), guards.max_rejects),
        count("sessions_lost", book.sessions_lost_within(now, 30 * minute), guards.max_sessions_lost),
    ];
    // Before a day has begun, nobody knows what a part of its equity is.
    views.extend(daily_loss);
    views
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Layers, Settings};
    use crate::domain::book::{Book, Fact, LedgerFact, Record};
    use crate::domain::broker::AccountId;

    #[test]
    fn what_is_held_outside_the_plan_is_shown_as_flat_once_it_is() {
        let price = Price::of(Decimal::ONE);
        let mut book = Book::default();
        let mut rows = |change: i64, shown: bool| {
            let (change, reason) = (Shares(change), "story".to_owned());
            let fact = LedgerFact::PositionAccepted { change, from_foreign: Shares::ZERO, price, reason };
            book.apply(&Record {
                at: MarketTime::from_secs(1),
                strategy: None,
                symbol: Some("OLD".parse().unwrap()),
                contract: Some(ContractId(7)),
                fact: Fact::Ledger(fact),
            });
            let plan = Settings::resolve(&Layers::new()).unwrap().plan(AccountId("DU1".into()));
            let rows = positions(&Desk::new(plan, book.clone()), |_| shown);
            rows.iter().map(|row| (row.symbol.to_string(), row.held_shares.0)).collect::<Vec<_>>()
        };
        assert_eq!(rows(100, false), [("OLD".to_owned(), 100)]);
        assert_eq!(rows(-100, true), [("OLD".to_owned(), 0)]);
        assert_eq!(rows(0, false), [], "what was never shown and is not held is nobody's");
    }
}
