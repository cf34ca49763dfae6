//! Fills, as they happen and when asked for.

use chrono::{Days, NaiveDate};
use prost::Message;

use super::Handled;
use crate::domain::{MarketTime, Side};
use crate::exchange::Fill;
use crate::simulator::engine::Engine;
use crate::simulator::sessions::ConnectionId;
use crate::simulator::wire::Numbered;
use crate::simulator::wire::executions::{
    CommissionAndFeesReport, Execution, ExecutionDetails, ExecutionFilter, ExecutionRequest,
};
use crate::simulator::wire::ids::answer;
use crate::simulator::words;

/// The most days that can be asked back for (TWS: a week).
const MOST_DAYS: u64 = 7;

/// Fills of the day, or of the days asked for, that pass the filter; each with its cost.
pub fn list(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let request = ExecutionRequest::decode(payload)?;
    let req_id = request.req_id.unwrap_or(-1);
    let filter = request.execution_filter.unwrap_or_default();
    let fills: Vec<Fill> =
        engine.exchange.fills().iter().filter(|fill| passes(engine, &filter, fill)).cloned().collect();
    for fill in &fills {
        engine.send_execution(from, req_id, fill);
        engine.send_commission(from, fill);
    }
    engine.send(from, answer::EXECUTION_DETAILS_END, &Numbered { req_id: Some(req_id) });
    Ok(())
}

/// Whether a fill is asked for. Empty and zero fields filter nothing: IBKR's own client sends
/// them always.
fn passes(engine: &Engine, filter: &ExecutionFilter, fill: &Fill) -> bool {
    let said = |field: &Option<String>| field.clone().filter(|text| !text.is_empty());
    let symbol = || engine.listed.get(&fill.contract).map(ToString::to_string).unwrap_or_default();
    let is = |field: &Option<String>, value: &dyn Fn() -> String| {
        said(field).is_none_or(|text| text.eq_ignore_ascii_case(&value()))
    };
    let side = match said(&filter.side).as_deref() {
        None => true,
        Some("BUY" | "BOT") => fill.side == Side::Buy,
        Some("SELL" | "SLD" | "SSHORT") => fill.side == Side::Sell,
        Some(_) => false,
    };
    let client = filter.client_id.is_none_or(|id| id == 0 || id == fill.key.client_id);
    let since = said(&filter.time).and_then(|text| words::parse_since(&text));
    client
        && side
        && is(&filter.acct_code, &|| fill.account.to_string())
        && is(&filter.symbol, &symbol)
        && is(&filter.sec_type, &|| "STK".to_owned())
        && at_exchange(engine, filter, fill)
        && since.is_none_or(|since| fill.at >= since)
        && on_day(engine, filter, fill.at)
}

/// Orders are routed by SMART and filled at the listing exchange: both names find them.
fn at_exchange(engine: &Engine, filter: &ExecutionFilter, fill: &Fill) -> bool {
    let Some(wanted) = filter.exchange.as_deref().filter(|text| !text.is_empty()) else { return true };
    let primary = engine.market.listing(fill.contract).map(|listing| listing.contract.primary_exchange.as_str());
    ["SMART"].into_iter().chain(primary).any(|name| name.eq_ignore_ascii_case(wanted))
}

fn on_day(engine: &Engine, filter: &ExecutionFilter, at: MarketTime) -> bool {
    let date = engine.calendar.date_of(at);
    if !filter.specific_dates.is_empty() {
        let number = |date: NaiveDate| words::date(date).parse::<i32>().ok();
        return filter.specific_dates.iter().any(|wanted| number(date) == Some(*wanted));
    }
    let days = filter.last_n_days.filter(|n| *n > 0 && *n != i32::MAX);
    let days = days.map_or(0, |n| u64::from(n.unsigned_abs())).min(MOST_DAYS);
    let today = engine.calendar.date_of(engine.now);
    date >= today.checked_sub_days(Days::new(days)).unwrap_or(today)
}

impl Engine {
    /// Sends a fill; `req_id` is -1 as it happens.
    pub fn send_execution(&mut self, to: ConnectionId, req_id: i32, fill: &Fill) {
        let Some(contract) = self.wire_contract(fill.contract) else { return };
        let side = match fill.side {
            Side::Buy => "BOT",
            Side::Sell => "SLD",
        };
        let unbound = fill.key.order_id < 0 && self.exchange.order(fill.key).is_some_and(|order| !order.bound);
        let execution = Execution {
            order_id: Some(if unbound { 0 } else { fill.key.order_id }),
            exec_id: Some(fill.id.to_string()),
            time: Some(words::date_time_zone(fill.at)),
            acct_number: Some(fill.account.to_string()),
            exchange: contract.primary_exch.clone(),
            side: Some(side.to_owned()),
            shares: Some(fill.quantity.to_string()),
            price: Some(fill.price.to_f64()),
            perm_id: Some(fill.perm_id),
            client_id: Some(fill.key.client_id),
            is_liquidation: None,
            cum_qty: Some(fill.cumulative.to_string()),
            avg_price: Some(fill.average_price.to_f64()),
            order_ref: Some(fill.order_ref.to_string()).filter(|text| !text.is_empty()),
            last_liquidity: Some(2),
            ..Execution::default()
        };
        let message = ExecutionDetails { req_id: Some(req_id), contract: Some(contract), execution: Some(execution) };
        self.send(to, answer::EXECUTION_DETAILS, &message);
    }

    /// Sends what a fill cost; always after the fill.
    pub fn send_commission(&mut self, to: ConnectionId, fill: &Fill) {
        let message = CommissionAndFeesReport {
            exec_id: Some(fill.id.to_string()),
            commission_and_fees: Some(fill.commission.to_f64()),
            currency: Some("USD".to_owned()),
            // TWS's "unset" on fills that open.
            realized_pnl: Some(fill.realized.map_or(f64::MAX, crate::domain::Usd::to_f64)),
            bond_yield: None,
            yield_redemption_date: None,
        };
        self.send(to, answer::COMMISSION_AND_FEES, &message);
    }
}
