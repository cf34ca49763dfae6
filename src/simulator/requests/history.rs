//! Historical bars, once or kept up to date.

use std::time::Duration;

use prost::Message;
use tokio::time::Instant;

use super::contracts::{resolve, tick_at};
use super::span::Span;
use super::{Handled, code, invalid};
use crate::calendar::Calendar;
use crate::domain::{Bar, BarSize, ContractId, MarketTime};
use crate::simulator::bar_words;
use crate::simulator::engine::Engine;
use crate::simulator::engine::streams::BarStream;
use crate::simulator::market::Listing;
use crate::simulator::pacing::{Asked, MOST_OPEN, is_small};
use crate::simulator::prices::{BadShow, Show};
use crate::simulator::running::HISTORY;
use crate::simulator::sessions::ConnectionId;
use crate::simulator::wire::Numbered;
use crate::simulator::wire::contracts::Contract;
use crate::simulator::wire::history::{
    HeadTimestamp, HeadTimestampRequest, HistoricalData, HistoricalDataEnd, HistoricalDataRequest,
};
use crate::simulator::wire::ids::answer;
use crate::simulator::words;

/// How far back a request for trading seconds looks for enough of them.
const SECONDS_REACH: Duration = Duration::from_secs(7 * 86_400);

/// How far back anything is told of, from the process's beginning.
pub const FIRST_OF_ALL: Duration = Duration::from_secs(10 * 366 * 86_400);
/// TWS's words for having nothing.
pub const NO_DATA: &str = "HMDS query returned no data";

/// A refusal: TWS's code and words.
pub type Refused = (i32, String);

/// A request that makes sense.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    size: BarSize,
    span: Span,
    show: Show,
    regular_only: bool,
    format: i32,
    end: Option<MarketTime>,
    live: bool,
}

/// What is wrong with `what_to_show`, in TWS's words.
pub fn show(word: Option<&str>) -> Result<Show, Refused> {
    let word = word.unwrap_or_default();
    Show::parse(word).map_err(|bad| match bad {
        BadShow::Unknown => (code::INVALID, invalid(&format!("Incorrect what to show: {word}"))),
        BadShow::NotServed => (code::INVALID, invalid(&format!("The simulator has no {word} data"))),
    })
}

fn check(request: &HistoricalDataRequest, calendar: Calendar) -> Result<Wanted, Refused> {
    let refuse = |cause: String| (code::INVALID, invalid(&cause));
    let size_text = request.bar_size_setting.as_deref().unwrap_or_default();
    let size: BarSize = size_text.parse().map_err(|_| {
        let legal = BarSize::all().map(BarSize::as_str).collect::<Vec<_>>().join(", ");
        refuse(format!("Historical data bar size setting is invalid. Legal ones are: {legal}"))
    })?;
    let span = Span::parse(request.duration.as_deref().unwrap_or_default()).map_err(refuse)?;
    let word = request.what_to_show.as_deref();
    let show = show(word)?;
    let live = request.keep_up_to_date.unwrap_or(false);
    let end = match request.end_date_time.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
        None => None,
        Some(_) if live => {
            return Err(refuse("End date/time must be empty for requests that are kept up to date".to_owned()));
        }
        Some(_) if word == Some("ADJUSTED_LAST") => {
            return Err(refuse("End Date not supported with adjusted last".to_owned()));
        }
        Some(text) => Some(words::parse_date_time(text).ok_or_else(bad_end_time)?),
    };
    if live && size < BarSize::Secs5 {
        return Err(refuse("Bars that are kept up to date must be of 5 secs or longer".to_owned()));
    }
    let regular_only = request.use_rth.unwrap_or(false);
    // A regular session is 6.5 of 24 hours, an extended one 16.
    let share = match (calendar, regular_only) {
        (Calendar::Always, _) => 1.0,
        (Calendar::Xnys, true) => 0.28,
        (Calendar::Xnys, false) => 0.67,
    };
    span.fits(size, share).map_err(no_data)?;
    let format = request.format_date.unwrap_or(1);
    Ok(Wanted { size, span, show, regular_only, format, end, live })
}

/// A time that is none.
pub fn bad_end_time() -> Refused {
    let text = "End Date/Time: The date, time, or time-zone entered is invalid. The correct format is \
                yyyymmdd hh:mm:ss xx/xxxx where yyyymmdd and xx/xxxx are optional.";
    (code::BAD_END_TIME, text.to_owned())
}

/// IBKR's limits on requests to the historical data service, where they are enforced.
///
/// # Errors
/// The request comes too soon.
pub fn pace(
    engine: &mut Engine,
    contract: ContractId,
    named: Option<&Contract>,
    show: &str,
    rest: String,
) -> Result<(), Refused> {
    if !engine.config.pacing {
        return Ok(());
    }
    let exchange = named.and_then(|contract| contract.exchange.clone()).unwrap_or_default();
    let asked = Asked { contract, exchange, show: show.to_owned(), rest };
    if engine.recent.pacing.history(asked, Instant::now()) { Ok(()) } else { Err(violation()) }
}

fn violation() -> Refused {
    no_data("Historical data request pacing violation".to_owned())
}

/// What was refused for want of data, in TWS's words.
pub fn no_data(text: String) -> Refused {
    (code::NO_HISTORY, format!("Historical Market Data Service error message:{text}"))
}

/// Historical bars.
pub fn bars(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let request = HistoricalDataRequest::decode(payload)?;
    let req_id = request.req_id.unwrap_or(-1);
    if let Err((code, text)) = answer_bars(engine, from, req_id, &request) {
        engine.error(from, req_id, code, text);
    }
    Ok(())
}

fn answer_bars(
    engine: &mut Engine,
    from: ConnectionId,
    req_id: i32,
    request: &HistoricalDataRequest,
) -> Result<(), Refused> {
    if request.what_to_show.as_deref() == Some("SCHEDULE") {
        return super::schedule::schedule(engine, from, req_id, request);
    }
    let listing = resolve(engine, request.contract.as_ref()).map_err(|error| error.message())?;
    let wanted = check(request, engine.calendar)?;
    let contract = listing.contract.id;
    if engine.clients.get(from).is_some_and(|client| client.bars.contains_key(&req_id)) {
        return Err((code::INVALID, invalid("Duplicate ticker id")));
    }
    let open: usize = engine.clients.iter().map(|(_, client)| client.bars.len()).sum();
    if engine.config.pacing && open >= MOST_OPEN {
        return Err(violation());
    }
    if is_small(wanted.size) {
        let Wanted { size, span, regular_only, end, live, .. } = wanted;
        let rest = format!("{size} {span:?} {regular_only} {end:?} {live}");
        let show = request.what_to_show.as_deref().unwrap_or("TRADES");
        pace(engine, contract, request.contract.as_ref(), show, rest)?;
    }
    if wanted.live {
        engine.activate(contract);
    } else if wanted.end.is_none() {
        note_poll(engine, contract, wanted.size);
    }
    let end = wanted.end.unwrap_or(engine.now).min(engine.now);
    let (start, bars) = find_bars(engine, contract, &wanted, end);
    if bars.is_empty() && !wanted.live {
        let exchange = request.contract.as_ref().and_then(|c| c.exchange.clone()).filter(|e| !e.is_empty());
        let exchange = exchange.unwrap_or_else(|| listing.contract.exchange.clone());
        let what = format!("{}@{exchange} {}", listing.contract.symbol, wanted.show.as_word());
        return Err(no_data(format!("HMDS query returned no data: {what}")));
    }
    let tick = tick_of(&listing, &bars);
    let words = bars.iter().map(|bar| bar_words::bar(&wanted.show.of(bar, tick), wanted.size, wanted.format));
    let data = HistoricalData { req_id: Some(req_id), historical_data_bars: words.collect() };
    engine.send(from, answer::HISTORICAL_DATA, &data);
    let over = HistoricalDataEnd {
        req_id: Some(req_id),
        start_date_str: Some(words::date_time_zone(start)),
        end_date_str: Some(words::date_time_zone(end)),
    };
    engine.send(from, answer::HISTORICAL_DATA_END, &over);
    if wanted.live {
        let forming = bars.last().copied().filter(|bar| bar.end > engine.now);
        let forming = forming.map(|bar| whole_part(engine, contract, &wanted, bar));
        let stream = BarStream {
            contract,
            size: wanted.size,
            show: wanted.show,
            regular_only: wanted.regular_only,
            format_date: wanted.format,
            tick,
            forming,
            sent: None,
        };
        if let Some(client) = engine.clients.get(from) {
            client.bars.insert(req_id, stream);
        }
    }
    Ok(())
}

/// Of a bar that is forming, what whole bars of the tape have brought: the one that is forming now
/// is added when it ends.
fn whole_part(engine: &Engine, contract: ContractId, wanted: &Wanted, bar: Bar) -> Bar {
    let Some(part) = engine.market.forming(contract, engine.now) else { return bar };
    let known = engine.market.bars(contract, wanted.size, bar.time, part.time, wanted.regular_only);
    let begun = Bar { high: bar.open, low: bar.open, close: bar.open, volume: Some(0), ..bar };
    known.last().copied().filter(|known| known.time == bar.time).unwrap_or(begun)
}

/// The price step at the newest price.
fn tick_of(listing: &Listing, bars: &[Bar]) -> f64 {
    tick_at(listing, bars.last().map_or(1.0, |bar| bar.close))
}

/// A client that polls follows bars too: the second poll for the newest bars of one size puts the
/// contract on the tape. Not in lock-step, where the daemon may fetch its history twice before it
/// subscribes.
fn note_poll(engine: &mut Engine, contract: ContractId, size: BarSize) {
    if engine.config.progress.is_some() {
        return;
    }
    let times = engine.polled.entry((contract, size.as_str().to_owned())).or_default();
    *times += 1;
    if *times > 1 {
        engine.activate(contract);
    }
}

/// The bars of a request that ends at `end`, and where its span begins.
fn find_bars(engine: &Engine, contract: ContractId, wanted: &Wanted, end: MarketTime) -> (MarketTime, Vec<Bar>) {
    let start = wanted.span.start(engine.calendar, end);
    let (size, regular_only) = (wanted.size, wanted.regular_only);
    if size < engine.market.base_size(contract) {
        return (start, Vec::new());
    }
    let bars = |from| engine.market.bars(contract, size, from, end, regular_only);
    let Span::Seconds(seconds) = wanted.span else {
        // A daily bar opens with its session, which lies in the span if its date does.
        return (start, bars(start));
    };
    // Seconds are trading seconds: the last so many bars, whatever hours lie between them.
    let length = size.duration().as_secs().max(1);
    let count = usize::try_from(u64::from(seconds).div_ceil(length)).unwrap_or(usize::MAX);
    let mut found = bars(start);
    if found.len() < count {
        found = bars(end - SECONDS_REACH);
    }
    let surplus = found.len().saturating_sub(count);
    (start, found.split_off(surplus))
}

/// Ends the updates of bars.
pub fn cancel(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let req_id = Numbered::decode(payload)?.req_id.unwrap_or(-1);
    let known = engine.clients.get(from).is_some_and(|client| client.bars.remove(&req_id).is_some());
    if !known {
        let text = format!("No historical data query found for ticker id:{req_id}");
        engine.error(from, req_id, code::NO_HISTORY_QUERY, text);
    }
    Ok(())
}

/// The first instant of which there is data.
pub fn head(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let request = HeadTimestampRequest::decode(payload)?;
    let req_id = request.req_id.unwrap_or(-1);
    match first_bar(engine, request.contract.as_ref(), &request) {
        Ok(time) => {
            let head_timestamp = Some(bar_words::date(time, BarSize::Min1, request.format_date.unwrap_or(2)));
            engine.send(from, answer::HEAD_TIMESTAMP, &HeadTimestamp { req_id: Some(req_id), head_timestamp });
        }
        Err((code, text)) => engine.error(from, req_id, code, text),
    }
    Ok(())
}

fn first_bar(
    engine: &mut Engine,
    contract: Option<&Contract>,
    request: &HeadTimestampRequest,
) -> Result<MarketTime, Refused> {
    let listing = resolve(engine, contract).map_err(|error| error.message())?;
    let _show = show(request.what_to_show.as_deref())?;
    let first = if engine.market.is_replay() {
        let bars = engine.market.bars(listing.contract.id, BarSize::Month1, MarketTime::MIN, engine.now, true);
        bars.first().map(|bar| bar.time)
    } else {
        // It could all be made, but nobody wants to wait for that.
        engine.calendar.next_open(engine.began - HISTORY)
    };
    first.ok_or_else(|| no_data(format!("HMDS query returned no data: {} head timestamp", listing.contract.symbol)))
}
