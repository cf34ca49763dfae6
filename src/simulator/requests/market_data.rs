//! Prices as they change, or as they are: live, or fifteen minutes late.

use std::time::Duration;

use prost::Message;

use super::contracts::resolve;
use super::history::Refused;
use super::real_time::tick_now;
use super::tick_words::{Tick, changed_ticks, day_ticks, halted, shortable};
use super::{Handled, code, invalid};
use crate::domain::{BarSize, ContractId, MarketTime};
use crate::simulator::engine::Engine;
use crate::simulator::engine::streams::{Day, TickStream};
use crate::simulator::market::Listing;
use crate::simulator::sessions::ConnectionId;
use crate::simulator::wire::Numbered;
use crate::simulator::wire::ids::answer;
use crate::simulator::wire::market_data::{MarketDataRequest, MarketDataType, MarketDataTypeRequest, TickReqParams};

/// Market data lines of a user, all clients together (TWS's default).
const MOST_LINES: usize = 100;
/// How late delayed data is.
pub const DELAY: Duration = Duration::from_secs(900);

/// Generic ticks that a stock has by IBKR's list. Those that are not told of here never come.
const GENERIC: [&str; 31] = [
    "100", "101", "104", "105", "106", "107", "125", "165", "166", "225", "232", "221", "233", "236", "258", "292",
    "293", "294", "295", "318", "370", "375", "411", "456", "460", "577", "586", "587", "588", "595", "619",
];
/// Of them: how easily shares can be borrowed.
const SHORTABLE: &str = "236";
/// Of them: every trade with the day's volume.
const REAL_TIME_VOLUME: &str = "233";

/// A subscription to be cancelled that is not there.
pub fn unknown(engine: &mut Engine, from: ConnectionId, req_id: i32, code: i32) -> Handled {
    engine.error(from, req_id, code, format!("Can't find EId with tickerId:{req_id}"));
    Ok(())
}

/// The cancel of market depth, which is never granted (310).
pub fn cancel_depth(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let req_id = Numbered::decode(payload)?.req_id.unwrap_or(-1);
    engine.error(from, req_id, 310, format!("Can't find the subscribed market depth with tickerId:{req_id}"));
    Ok(())
}

/// Whether another market data line may be opened: streams of all clients share them.
///
/// # Errors
/// All are taken (101).
pub fn line_is_free(engine: &Engine) -> Result<(), Refused> {
    let lines = |client: &crate::simulator::engine::clients::Client| {
        client.ticks.len() + client.real_time.len() + client.wishes.tick_by_tick.len()
    };
    let taken: usize = engine.clients.iter().map(|(_, client)| lines(client)).sum();
    if engine.config.pacing && taken >= MOST_LINES {
        return Err((code::TOO_MANY_LINES, "Max number of tickers has been reached".to_owned()));
    }
    Ok(())
}

/// Live, frozen, delayed: what the client wishes from now on. TWS does not answer.
pub fn data_type(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let wished = MarketDataTypeRequest::decode(payload)?.market_data_type.unwrap_or(1);
    if !(1..=4).contains(&wished) {
        engine.error(from, -1, code::INVALID, invalid(&format!("Invalid market data type: {wished}")));
        return Ok(());
    }
    if let Some(client) = engine.clients.get(from) {
        client.wishes.data_type = wished;
    }
    Ok(())
}

/// Subscribes to ticks, or takes a snapshot.
pub fn ticks(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let request = MarketDataRequest::decode(payload)?;
    let req_id = request.req_id.unwrap_or(-1);
    if let Err((code, text)) = begin(engine, from, req_id, &request) {
        engine.error(from, req_id, code, text);
    }
    Ok(())
}

fn begin(engine: &mut Engine, from: ConnectionId, req_id: i32, request: &MarketDataRequest) -> Result<(), Refused> {
    let listing = resolve(engine, request.contract.as_ref()).map_err(|error| error.message())?;
    let contract = listing.contract.id;
    let generic = generic_ticks(request.generic_tick_list.as_deref().unwrap_or_default())?;
    let snapshot = request.snapshot.unwrap_or(false) || request.regulatory_snapshot.unwrap_or(false);
    if engine.clients.get(from).is_some_and(|client| client.ticks.contains_key(&req_id)) {
        return Err((code::INVALID, invalid("Duplicate ticker id")));
    }
    line_is_free(engine)?;
    let served = served_type(engine, from)?;
    if served >= 3 {
        let text = "Requested market data is not subscribed. Displaying delayed market data.";
        engine.error(from, req_id, code::DELAYED, text);
    }
    let message = MarketDataType { req_id: Some(req_id), market_data_type: Some(served) };
    engine.send(from, answer::MARKET_DATA_TYPE, &message);
    engine.send(from, answer::TICK_REQ_PARAMS, &parameters(engine, &listing, req_id));
    let delayed = served >= 3;
    let at = if delayed { engine.now - DELAY } else { engine.now };
    let day = day(engine, contract, at);
    let real_time_volume = generic.contains(&REAL_TIME_VOLUME);
    let mut stream = TickStream { contract, day, sent: [None; 3], at: None, delayed, real_time_volume };
    let mut first = day_ticks(req_id, &day, delayed);
    let quote = if delayed { engine.market.quote_at(contract, at) } else { engine.market.quote(contract) };
    if let Some(quote) = quote {
        first.extend(changed_ticks(req_id, &mut stream, &quote, at));
    }
    first.push(halted(req_id, engine.exchange.is_halted(contract), delayed));
    if generic.contains(&SHORTABLE) {
        first.extend(shortable(req_id, engine.exchange.borrow_of(contract)));
    }
    engine.send_ticks(from, first);
    if snapshot {
        engine.send(from, answer::TICK_SNAPSHOT_END, &Numbered { req_id: Some(req_id) });
        return Ok(());
    }
    engine.activate(contract);
    if let Some(client) = engine.clients.get(from) {
        client.ticks.insert(req_id, stream);
    }
    Ok(())
}

/// The market data type that a client gets: what it is entitled to, within its wish.
fn served_type(engine: &mut Engine, from: ConnectionId) -> Result<i32, Refused> {
    let closed = engine.opens_for(false).is_some();
    let Some(client) = engine.clients.get(from) else { return Ok(1) };
    let wishes = &client.wishes;
    // Whoever is entitled to live data gets it even where delayed data is enough.
    match (wishes.live && engine.config.live_data, wishes.data_type) {
        (true, 2 | 4) if closed => Ok(2),
        (true, _) => Ok(1),
        (false, 4) if closed => Ok(4),
        (false, 3 | 4) => Ok(3),
        (false, _) => {
            let text = "Requested market data is not subscribed. Delayed market data is not enabled.";
            Err((code::NOT_SUBSCRIBED, text.to_owned()))
        }
    }
}

fn generic_ticks(list: &str) -> Result<Vec<&'static str>, Refused> {
    let asked = list.split(',').map(|word| word.trim().split(':').next().unwrap_or_default());
    let mut known = Vec::new();
    for word in asked.filter(|word| !word.is_empty() && *word != "mdoff") {
        let Some(found) = GENERIC.iter().find(|name| **name == word) else {
            let text =
                format!("Incorrect generic tick list of {list}. Legal ones for (STK) are: {}", GENERIC.join(","));
            return Err((code::INVALID, invalid(&text)));
        };
        known.push(*found);
    }
    Ok(known)
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

/// The figures of the day of an instant, and the last close before it.
fn day(engine: &Engine, contract: ContractId, at: MarketTime) -> Day {
    let back = Duration::from_secs(14 * 86_400);
    let bars = engine.market.bars(contract, BarSize::Day1, at - back, at, true);
    let today = engine.calendar.date_of(at);
    let (mut day, mut close) = (Day::default(), 0.0);
    for bar in bars {
        if engine.calendar.date_of(bar.time) == today {
            // Its volume comes with the first quote.
            day = Day { open: bar.open, high: bar.high, low: bar.low, close: 0.0, volume: 0 };
        } else {
            close = bar.close;
        }
    }
    Day { close, ..day }
}

impl Engine {
    /// Sends ticks.
    pub fn send_ticks(&mut self, to: ConnectionId, ticks: Vec<Tick>) {
        for tick in ticks {
            match tick {
                Tick::Price(message) => self.send(to, answer::TICK_PRICE, &message),
                Tick::Size(message) => self.send(to, answer::TICK_SIZE, &message),
                Tick::Text(message) => self.send(to, answer::TICK_STRING, &message),
                Tick::Number(message) => self.send(to, answer::TICK_GENERIC, &message),
            }
        }
    }

    /// Halts a contract, or ends its halt, and tells those who follow its ticks.
    pub fn set_halted(&mut self, contract: ContractId, halt: bool) {
        let changed = if halt { self.exchange.halt(contract) } else { self.exchange.resume(contract) };
        if !changed {
            return;
        }
        self.dirty = true;
        let streams = self.clients.iter().flat_map(|(to, client)| {
            let follows = client.ticks.iter().filter(|(_, stream)| stream.contract == contract);
            follows.map(move |(req_id, stream)| (to, *req_id, stream.delayed))
        });
        let streams: Vec<(ConnectionId, i32, bool)> = streams.collect();
        for (to, req_id, delayed) in streams {
            self.send_ticks(to, vec![halted(req_id, halt, delayed)]);
        }
    }
}
