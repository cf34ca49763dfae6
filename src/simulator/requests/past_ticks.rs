//! Single ticks of the past.

use std::time::Duration;

use prost::Message;

use super::contracts::resolve;
use super::history::Refused;
use super::{Handled, code, invalid};
use crate::domain::{ContractId, MarketTime};
use crate::simulator::engine::Engine;
use crate::simulator::market::{Around, Trade};
use crate::simulator::sessions::ConnectionId;
use crate::simulator::wire::ids::answer;
use crate::simulator::wire::ticks::{
    HistoricalTick, HistoricalTickBidAsk, HistoricalTickLast, HistoricalTicks, HistoricalTicksBidAsk,
    HistoricalTicksLast, HistoricalTicksRequest, TickAttribBidAsk, TickAttribLast,
};
use crate::simulator::words;

/// Ticks in one answer, at most (TWS's limit).
pub const MOST_TICKS: usize = 1_000;
/// How far a request looks for ticks.
const REACH: Duration = Duration::from_secs(8 * 86_400);
/// In pieces of this.
const PIECE: Duration = Duration::from_secs(6 * 3_600);

/// Ticks from an instant on, or up to one.
pub fn list(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let request = HistoricalTicksRequest::decode(payload)?;
    let req_id = request.req_id.unwrap_or(-1);
    if let Err((code, text)) = answer_ticks(engine, from, req_id, &request) {
        engine.error(from, req_id, code, text);
    }
    Ok(())
}

fn instant(field: Option<&str>) -> Result<Option<MarketTime>, Refused> {
    let Some(text) = field.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    words::parse_date_time(text).map(Some).ok_or_else(super::history::bad_end_time)
}

fn answer_ticks(
    engine: &mut Engine,
    from: ConnectionId,
    req_id: i32,
    request: &HistoricalTicksRequest,
) -> Result<(), Refused> {
    let listing = resolve(engine, request.contract.as_ref()).map_err(|error| error.message())?;
    let contract = listing.contract.id;
    let refuse = |cause: &str| (code::INVALID, invalid(cause));
    let (start, end) = (instant(request.start_date_time.as_deref())?, instant(request.end_date_time.as_deref())?);
    let count = usize::try_from(request.number_of_ticks.unwrap_or(0)).ok().filter(|n| (1..=MOST_TICKS).contains(n));
    let count = count.ok_or_else(|| refuse("The number of ticks must be between 1 and 1000"))?;
    let regular_only = request.use_rth.unwrap_or(false);
    let show = request.what_to_show.as_deref().unwrap_or_default();
    if !matches!(show, "TRADES" | "MIDPOINT" | "BID_ASK") {
        return Err(refuse(&format!("Incorrect what to show: {show}")));
    }
    super::history::pace(engine, contract, request.contract.as_ref(), show, format!("{start:?} {end:?} {count}"))?;
    let trades = match (start, end) {
        (Some(start), None) => after(engine, contract, start, count, regular_only),
        (None, Some(end)) => before(engine, contract, end, count, regular_only),
        (Some(_), Some(_)) => return Err(refuse("Give either a start or an end time, not both")),
        (None, None) => return Err(refuse("Give a start or an end time")),
    };
    engine.send_past_ticks(from, req_id, contract, show, &trades);
    Ok(())
}

fn after(engine: &Engine, contract: ContractId, start: MarketTime, count: usize, regular_only: bool) -> Vec<Trade> {
    let mut found = Vec::new();
    let mut at = start;
    while found.len() < count && at < engine.now && at.since(start) < REACH {
        let until = (at + PIECE).min(engine.now);
        found.extend(engine.market.trades(contract, at, until, regular_only));
        at = until;
    }
    // All ticks of the last second come, so that the next request can begin after it.
    if let Some(last) = found.get(count.saturating_sub(1)).map(|trade| trade.at.secs()) {
        found.retain(|trade| trade.at.secs() <= last);
    }
    found
}

/// The newest so many trades before an instant.
pub fn before(engine: &Engine, contract: ContractId, end: MarketTime, count: usize, regular_only: bool) -> Vec<Trade> {
    let end = end.min(engine.now);
    let mut found: Vec<Trade> = Vec::new();
    let mut at = end;
    while found.len() < count && end.since(at) < REACH {
        let since = at - PIECE;
        found.splice(0..0, engine.market.trades(contract, since, at, regular_only));
        at = since;
    }
    let surplus = found.len().saturating_sub(count);
    found.split_off(surplus)
}

/// A trade as a tick.
pub fn last(trade: &Trade) -> HistoricalTickLast {
    HistoricalTickLast {
        time: Some(trade.at.secs()),
        tick_attrib_last: Some(TickAttribLast { past_limit: Some(false), unreported: Some(false) }),
        price: Some(trade.price),
        size: Some(trade.size.to_string()),
        exchange: Some("NASDAQ".to_owned()),
        special_conditions: None,
    }
}

/// The best prices around it as a tick.
pub fn bid_ask(trade: &Trade, around: &Around, ignore_size: bool) -> HistoricalTickBidAsk {
    let size = |shares: crate::domain::Shares| Some(if ignore_size { "0".to_owned() } else { shares.to_string() });
    HistoricalTickBidAsk {
        time: Some(trade.at.secs()),
        tick_attrib_bid_ask: Some(TickAttribBidAsk { bid_past_low: Some(false), ask_past_high: Some(false) }),
        price_bid: Some(around.bid),
        price_ask: Some(around.ask),
        size_bid: size(around.bid_size),
        size_ask: size(around.ask_size),
    }
}

/// Their middle as a tick.
pub fn midpoint(trade: &Trade, around: &Around) -> HistoricalTick {
    // Half a cent at the finest: written without the last bits of the sum.
    let middle = ((around.bid + around.ask) * 1_000.0).round() / 2_000.0;
    HistoricalTick { time: Some(trade.at.secs()), price: Some(middle), size: Some("0".to_owned()) }
}

impl Engine {
    fn send_past_ticks(&mut self, to: ConnectionId, req_id: i32, contract: ContractId, show: &str, trades: &[Trade]) {
        let (req_id, is_done) = (Some(req_id), Some(true));
        let around = |trade: &Trade| self.market.around(contract, trade);
        match show {
            "TRADES" => {
                let historical_ticks_last = trades.iter().map(last).collect();
                let message = HistoricalTicksLast { req_id, historical_ticks_last, is_done };
                self.send(to, answer::HISTORICAL_TICKS_LAST, &message);
            }
            "BID_ASK" => {
                let ticks = trades.iter().map(|trade| bid_ask(trade, &around(trade), false)).collect();
                let message = HistoricalTicksBidAsk { req_id, historical_ticks_bid_ask: ticks, is_done };
                self.send(to, answer::HISTORICAL_TICKS_BID_ASK, &message);
            }
            _ => {
                let ticks = trades.iter().map(|trade| midpoint(trade, &around(trade))).collect();
                let message = HistoricalTicks { req_id, historical_ticks: ticks, is_done };
                self.send(to, answer::HISTORICAL_TICKS, &message);
            }
        }
    }
}
