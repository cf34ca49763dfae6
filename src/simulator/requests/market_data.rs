//! Live prices: 5-second bars, and ticks as a stream or a snapshot.

use prost::Message;

use super::contracts::{resolve, tick_at};
use super::history::show;
use super::{Handled, code, invalid};
use crate::domain::{BarSize, ContractId, MarketTime, Price};
use crate::simulator::engine::Engine;
use crate::simulator::engine::streams::{Day, RealTimeBars, TickStream};
use crate::simulator::market::{Listing, Quote};
use crate::simulator::sessions::ConnectionId;
use crate::simulator::wire::Numbered;
use crate::simulator::wire::ids::answer;
use crate::simulator::wire::market_data::{
    MarketDataRequest, MarketDataType, MarketDataTypeRequest, RealTimeBarsRequest, TickPrice, TickReqParams, TickSize,
    TickString,
};

/// Market data lines of one client (TWS's default).
const MOST_LINES: usize = 100;

/// TWS's tick types.
mod kind {
    pub const BID_SIZE: i32 = 0;
    pub const BID: i32 = 1;
    pub const ASK: i32 = 2;
    pub const ASK_SIZE: i32 = 3;
    pub const LAST: i32 = 4;
    pub const HIGH: i32 = 6;
    pub const LOW: i32 = 7;
    pub const VOLUME: i32 = 8;
    pub const CLOSE: i32 = 9;
    pub const OPEN: i32 = 14;
    pub const LAST_TIME: i32 = 45;
}

/// One tick, to be sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Tick {
    /// A price, perhaps with its size.
    Price(TickPrice),
    /// A size.
    Size(TickSize),
    /// A text.
    Text(TickString),
}

/// Subscribes to 5-second bars.
pub fn real_time_bars(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let request = RealTimeBarsRequest::decode(payload)?;
    let req_id = request.req_id.unwrap_or(-1);
    let listing = match resolve(engine, request.contract.as_ref()) {
        Ok(listing) => listing,
        Err(error) => {
            let (code, text) = error.message();
            engine.error(from, req_id, code, text);
            return Ok(());
        }
    };
    let show = match show(request.what_to_show.as_deref()) {
        Ok(show) => show,
        Err((code, text)) => {
            engine.error(from, req_id, code, text);
            return Ok(());
        }
    };
    let contract = listing.contract.id;
    let tick = tick_now(engine, &listing);
    let Some(client) = engine.clients.get(from) else { return Ok(()) };
    if client.real_time.contains_key(&req_id) {
        engine.error(from, req_id, code::INVALID, invalid("Duplicate ticker id"));
        return Ok(());
    }
    let regular_only = request.use_rth.unwrap_or(false);
    client.real_time.insert(req_id, RealTimeBars { contract, show, regular_only, tick });
    engine.activate(contract);
    Ok(())
}

fn tick_now(engine: &Engine, listing: &Listing) -> f64 {
    tick_at(listing, engine.market.quote(listing.contract.id).map_or(1.0, |quote| quote.last))
}

/// Ends 5-second bars.
pub fn cancel_real_time_bars(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let req_id = Numbered::decode(payload)?.req_id.unwrap_or(-1);
    if engine.clients.get(from).is_some_and(|client| client.real_time.remove(&req_id).is_some()) {
        return Ok(());
    }
    unknown(engine, from, req_id, code::NO_TICKER)
}

fn unknown(engine: &mut Engine, from: ConnectionId, req_id: i32, code: i32) -> Handled {
    engine.error(from, req_id, code, format!("Can't find EId with tickerId:{req_id}"));
    Ok(())
}

/// The cancel of a kind of subscription that is never granted.
pub fn cancel_unknown(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let req_id = Numbered::decode(payload)?.req_id.unwrap_or(-1);
    unknown(engine, from, req_id, code::NO_TICKER)
}

/// The cancel of market depth, which is never granted (310).
pub fn cancel_depth(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let req_id = Numbered::decode(payload)?.req_id.unwrap_or(-1);
    engine.error(from, req_id, 310, format!("Can't find the subscribed market depth with tickerId:{req_id}"));
    Ok(())
}

/// Live, frozen, delayed: here all data is live, so the wish changes nothing and is not answered.
pub fn data_type(payload: &[u8]) -> Handled {
    MarketDataTypeRequest::decode(payload).map(|_| ())
}

/// Subscribes to ticks, or takes a snapshot.
pub fn ticks(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let request = MarketDataRequest::decode(payload)?;
    let req_id = request.req_id.unwrap_or(-1);
    let listing = match resolve(engine, request.contract.as_ref()) {
        Ok(listing) => listing,
        Err(error) => {
            let (code, text) = error.message();
            engine.error(from, req_id, code, text);
            return Ok(());
        }
    };
    let contract = listing.contract.id;
    let Some(client) = engine.clients.get(from) else { return Ok(()) };
    let snapshot = request.snapshot.unwrap_or(false) || request.regulatory_snapshot.unwrap_or(false);
    if client.ticks.contains_key(&req_id) {
        engine.error(from, req_id, code::INVALID, invalid("Duplicate ticker id"));
        return Ok(());
    }
    if client.ticks.len() >= MOST_LINES {
        engine.error(from, req_id, code::TOO_MANY_LINES, "Max number of tickers has been reached");
        return Ok(());
    }
    let live = MarketDataType { req_id: Some(req_id), market_data_type: Some(1) };
    engine.send(from, answer::MARKET_DATA_TYPE, &live);
    engine.send(from, answer::TICK_REQ_PARAMS, &parameters(engine, &listing, req_id));
    let day = day(engine, contract);
    let mut stream = TickStream { contract, day, sent: [None; 3], at: None };
    let mut first = day_ticks(req_id, &day);
    if let Some(quote) = engine.market.quote(contract) {
        let now = engine.now;
        first.extend(changed_ticks(req_id, &mut stream, &quote, now));
    }
    engine.send_ticks(from, first);
    if snapshot {
        engine.send(from, answer::TICK_SNAPSHOT_END, &Numbered { req_id: Some(req_id) });
    } else {
        engine.activate(contract);
        if let Some(client) = engine.clients.get(from) {
            client.ticks.insert(req_id, stream);
        }
    }
    Ok(())
}

fn parameters(engine: &Engine, listing: &Listing, req_id: i32) -> TickReqParams {
    TickReqParams {
        req_id: Some(req_id),
        min_tick: Some(tick_now(engine, listing).to_string()),
        bbo_exchange: Some("9c0001".to_owned()),
        snapshot_permissions: Some(3),
        last_price_precision: None,
        last_size_precision: None,
    }
}

/// Ends ticks.
pub fn cancel_ticks(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let req_id = Numbered::decode(payload)?.req_id.unwrap_or(-1);
    if engine.clients.get(from).is_some_and(|client| client.ticks.remove(&req_id).is_some()) {
        return Ok(());
    }
    unknown(engine, from, req_id, code::NO_TICKER)
}

/// The present day's figures and the last close before it.
fn day(engine: &Engine, contract: ContractId) -> Day {
    let back = std::time::Duration::from_secs(14 * 86_400);
    let bars = engine.market.bars(contract, BarSize::Day1, engine.now - back, engine.now, true);
    let today = engine.calendar.date_of(engine.now);
    let (mut day, mut close) = (Day::default(), 0.0);
    for bar in bars {
        if engine.calendar.date_of(bar.time) == today {
            let volume = bar.volume.unwrap_or(0);
            day = Day { open: bar.open, high: bar.high, low: bar.low, close: 0.0, volume };
        } else {
            close = bar.close;
        }
    }
    Day { close, ..day }
}

fn price(req_id: i32, tick_type: i32, price: f64, size: Option<String>) -> Tick {
    let attr_mask = Some(0);
    Tick::Price(TickPrice { req_id: Some(req_id), tick_type: Some(tick_type), price: Some(price), size, attr_mask })
}

fn size(req_id: i32, tick_type: i32, size: impl ToString) -> Tick {
    Tick::Size(TickSize { req_id: Some(req_id), tick_type: Some(tick_type), size: Some(size.to_string()) })
}

fn day_ticks(req_id: i32, day: &Day) -> Vec<Tick> {
    let known = [(kind::OPEN, day.open), (kind::HIGH, day.high), (kind::LOW, day.low), (kind::CLOSE, day.close)];
    let prices = known.into_iter().filter(|(_, value)| *value > 0.0);
    prices.map(|(tick_type, value)| price(req_id, tick_type, value, None)).collect()
}

/// The ticks of what has changed since the last ones.
pub fn changed_ticks(req_id: i32, stream: &mut TickStream, quote: &Quote, at: MarketTime) -> Vec<Tick> {
    let mut ticks = Vec::new();
    let sides = [
        (kind::BID, quote.bid, Some((kind::BID_SIZE, quote.bid_size))),
        (kind::ASK, quote.ask, Some((kind::ASK_SIZE, quote.ask_size))),
        (kind::LAST, quote.last, None),
    ];
    for (place, (tick_type, value, sized)) in sides.into_iter().enumerate() {
        let exact = Price::from_f64(value);
        if stream.sent[place] == exact {
            continue;
        }
        stream.sent[place] = exact;
        ticks.push(price(req_id, tick_type, value, sized.map(|(_, shares)| shares.to_string())));
        if let Some((size_type, shares)) = sized {
            ticks.push(size(req_id, size_type, shares));
        } else {
            let value = Some(at.secs().to_string());
            let tick_type = Some(kind::LAST_TIME);
            ticks.push(Tick::Text(TickString { req_id: Some(req_id), tick_type, value }));
        }
    }
    if quote.volume != stream.day.volume {
        stream.day.volume = quote.volume;
        ticks.push(size(req_id, kind::VOLUME, quote.volume));
    }
    if quote.last > stream.day.high {
        stream.day.high = quote.last;
        ticks.push(price(req_id, kind::HIGH, quote.last, None));
    }
    if quote.last < stream.day.low {
        stream.day.low = quote.last;
        ticks.push(price(req_id, kind::LOW, quote.last, None));
    }
    ticks
}

impl Engine {
    /// Sends ticks.
    pub fn send_ticks(&mut self, to: ConnectionId, ticks: Vec<Tick>) {
        for tick in ticks {
            match tick {
                Tick::Price(message) => self.send(to, answer::TICK_PRICE, &message),
                Tick::Size(message) => self.send(to, answer::TICK_SIZE, &message),
                Tick::Text(message) => self.send(to, answer::TICK_STRING, &message),
            }
        }
    }
}
