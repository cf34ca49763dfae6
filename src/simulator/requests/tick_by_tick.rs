//! Single ticks as they happen.

use prost::Message;

use super::contracts::resolve;
use super::history::Refused;
use super::market_data::{line_is_free, unknown};
use super::past_ticks::{self, MOST_TICKS};
use super::{Handled, code, invalid};
use crate::domain::MarketTime;
use crate::simulator::engine::Engine;
use crate::simulator::engine::streams::{TickByTick, TickKind};
use crate::simulator::market::Trade;
use crate::simulator::sessions::ConnectionId;
use crate::simulator::wire::Numbered;
use crate::simulator::wire::ids::answer;
use crate::simulator::wire::ticks::{TickByTickData, TickByTickRequest};

/// Subscriptions to single ticks that one client may have (TWS: 5 for 100 lines).
const MOST: usize = 5;

/// Subscribes to single ticks.
pub fn subscribe(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let request = TickByTickRequest::decode(payload)?;
    let req_id = request.req_id.unwrap_or(-1);
    if let Err((code, text)) = begin(engine, from, req_id, &request) {
        engine.error(from, req_id, code, text);
    }
    Ok(())
}

fn begin(engine: &mut Engine, from: ConnectionId, req_id: i32, request: &TickByTickRequest) -> Result<(), Refused> {
    let listing = resolve(engine, request.contract.as_ref()).map_err(|error| error.message())?;
    let contract = listing.contract.id;
    let refuse = |cause: String| (code::INVALID, invalid(&cause));
    let kind = match request.tick_type.as_deref().unwrap_or_default() {
        "Last" => TickKind::Last,
        "AllLast" => TickKind::AllLast,
        "BidAsk" => TickKind::BidAsk,
        "MidPoint" => TickKind::MidPoint,
        other => return Err(refuse(format!("Invalid tick-by-tick type: \"{other}\""))),
    };
    let past = usize::try_from(request.number_of_ticks.unwrap_or(0)).ok().filter(|n| *n <= MOST_TICKS);
    let past = past.ok_or_else(|| refuse("The number of ticks must be between 0 and 1000".to_owned()))?;
    let entitled = engine.config.live_data;
    let Some(client) = engine.clients.get(from) else { return Ok(()) };
    if client.wishes.tick_by_tick.contains_key(&req_id) {
        return Err(refuse("Duplicate ticker id".to_owned()));
    }
    if !(entitled && client.wishes.live) {
        let text = "Failed to request tick-by-tick data.No market data permissions for STK";
        return Err((code::NO_TICK_BY_TICK, text.to_owned()));
    }
    let open = client.wishes.tick_by_tick.len();
    if engine.config.pacing && open >= MOST {
        return Err((code::TOO_MANY_TICK_BY_TICK, "Max number of tick-by-tick requests has been reached.".to_owned()));
    }
    line_is_free(engine)?;
    let ignore_size = request.ignore_size.unwrap_or(false);
    let mut stream = TickByTick { contract, kind, ignore_size, since: engine.now };
    let trades = match past {
        0 => Vec::new(),
        count => past_ticks::before(engine, contract, engine.now, count, false),
    };
    engine.send_single_ticks(from, req_id, &stream, &trades);
    stream.since = engine.now;
    engine.activate(contract);
    if let Some(client) = engine.clients.get(from) {
        client.wishes.tick_by_tick.insert(req_id, stream);
    }
    Ok(())
}

/// Ends single ticks.
pub fn cancel(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let req_id = Numbered::decode(payload)?.req_id.unwrap_or(-1);
    if engine.clients.get(from).is_some_and(|client| client.wishes.tick_by_tick.remove(&req_id).is_some()) {
        return Ok(());
    }
    unknown(engine, from, req_id, code::NO_TICKER)
}

impl Engine {
    fn send_single_ticks(&mut self, to: ConnectionId, req_id: i32, stream: &TickByTick, trades: &[Trade]) {
        for trade in trades {
            let around = self.market.around(stream.contract, trade);
            let mut message = TickByTickData {
                req_id: Some(req_id),
                tick_type: Some(stream.kind as i32),
                historical_tick_last: None,
                historical_tick_bid_ask: None,
                historical_tick_mid_point: None,
            };
            match stream.kind {
                TickKind::Last | TickKind::AllLast => message.historical_tick_last = Some(past_ticks::last(trade)),
                TickKind::BidAsk => {
                    message.historical_tick_bid_ask = Some(past_ticks::bid_ask(trade, &around, stream.ignore_size));
                }
                TickKind::MidPoint => {
                    message.historical_tick_mid_point = Some(past_ticks::midpoint(trade, &around));
                }
            }
            self.send(to, answer::TICK_BY_TICK, &message);
        }
    }

    /// Sends the trades of a contract that have happened before `until` to those who follow them.
    pub fn publish_single_ticks(&mut self, contract: crate::domain::ContractId, until: MarketTime) {
        let mut due: Vec<(ConnectionId, i32, TickByTick)> = Vec::new();
        for (to, client) in self.clients.iter_mut() {
            let streams = client.wishes.tick_by_tick.iter_mut();
            for (req_id, stream) in streams.filter(|(_, stream)| stream.contract == contract && stream.since < until) {
                due.push((to, *req_id, *stream));
                stream.since = until;
            }
        }
        let Some(since) = due.iter().map(|(_, _, stream)| stream.since).min() else { return };
        let trades = self.market.trades(contract, since, until, false);
        for (to, req_id, stream) in due {
            let first = trades.partition_point(|trade| trade.at < stream.since);
            self.send_single_ticks(to, req_id, &stream, &trades[first..]);
        }
    }
}
