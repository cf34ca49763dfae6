//! When a contract traded, and how much at which price.

use std::collections::BTreeMap;

use prost::Message;

use super::contracts::{resolve, tick_at};
use super::history::{NO_DATA, Refused, no_data};
use super::span::Span;
use super::{Handled, code, invalid};
use crate::calendar::Calendar;
use crate::domain::{BarSize, MarketTime, Window};
use crate::simulator::engine::Engine;
use crate::simulator::market::{AFTER, BEFORE};
use crate::simulator::sessions::ConnectionId;
use crate::simulator::wire::history::{
    HistogramData, HistogramDataEntry, HistogramDataRequest, HistoricalDataRequest, HistoricalSchedule,
    HistoricalSession,
};
use crate::simulator::wire::ids::answer;
use crate::simulator::words;

/// The sessions of the days up to the request's end, in its answer's own message.
pub fn schedule(
    engine: &mut Engine,
    from: ConnectionId,
    req_id: i32,
    request: &HistoricalDataRequest,
) -> Result<(), Refused> {
    resolve(engine, request.contract.as_ref()).map_err(|error| error.message())?;
    let refuse = |cause: String| (code::INVALID, invalid(&cause));
    if request.bar_size_setting.as_deref() != Some(BarSize::Day1.as_str()) {
        return Err(refuse("A schedule is of days: the bar size must be 1 day".to_owned()));
    }
    let span = Span::parse(request.duration.as_deref().unwrap_or_default()).map_err(refuse)?;
    let asked = request.end_date_time.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let end = match asked {
        None => engine.now,
        Some(text) => words::parse_date_time(text).ok_or_else(super::history::bad_end_time)?,
    };
    let start = span.start(engine.calendar, end);
    let widen = !request.use_rth.unwrap_or(false) && engine.calendar == Calendar::Xnys;
    let sessions = sessions(engine, start, end, widen);
    let (Some(first), Some(last)) = (sessions.first().cloned(), sessions.last().cloned()) else {
        return Err(no_data(NO_DATA.to_owned()));
    };
    let message = HistoricalSchedule {
        req_id: Some(req_id),
        start_date_time: first.start_date_time,
        end_date_time: last.end_date_time,
        time_zone: Some(words::ZONE_NAME.to_owned()),
        historical_sessions: sessions,
    };
    engine.send(from, answer::HISTORICAL_SCHEDULE, &message);
    Ok(())
}

/// The most days that one answer tells of.
const MOST_DAYS: usize = 3_700;

fn sessions(engine: &Engine, start: MarketTime, end: MarketTime, widen: bool) -> Vec<HistoricalSession> {
    // What ends at a day's first instant belongs to the day before.
    let last = engine.calendar.date_of(end - std::time::Duration::from_millis(1));
    let first = engine.calendar.date_of(start.max(engine.began - super::history::FIRST_OF_ALL));
    let dates = first.iter_days().take_while(|date| *date <= last).take(MOST_DAYS);
    let open = dates.filter_map(|date| Some((date, engine.market.session(date)?)));
    open.map(|(date, Window { open, close })| {
        let (open, close) = if widen { (open - BEFORE, close + AFTER) } else { (open, close) };
        HistoricalSession {
            start_date_time: Some(words::joined_date_time(open)),
            end_date_time: Some(words::joined_date_time(close)),
            ref_date: Some(words::date(date)),
        }
    })
    .collect()
}

/// How much was traded at which price.
pub fn histogram(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let request = HistogramDataRequest::decode(payload)?;
    let req_id = request.req_id.unwrap_or(-1);
    match entries(engine, &request) {
        Ok(histogram_data_entries) => {
            let message = HistogramData { req_id: Some(req_id), histogram_data_entries };
            engine.send(from, answer::HISTOGRAM, &message);
        }
        Err((code, text)) => engine.error(from, req_id, code, text),
    }
    Ok(())
}

fn entries(engine: &mut Engine, request: &HistogramDataRequest) -> Result<Vec<HistogramDataEntry>, Refused> {
    let listing = resolve(engine, request.contract.as_ref()).map_err(|error| error.message())?;
    let contract = listing.contract.id;
    let span = period(request.time_period.as_deref().unwrap_or_default())?;
    let start = span.start(engine.calendar, engine.now);
    let regular_only = request.use_rth.unwrap_or(false);
    let size = engine.market.base_size(contract).max(BarSize::Min1);
    let bars = engine.market.bars(contract, size, start, engine.now, regular_only);
    let mut by_price: BTreeMap<i64, u64> = BTreeMap::new();
    for bar in &bars {
        // To the contract's own step, in ten-thousandths of a dollar.
        let step = tick_at(&listing, bar.close);
        let price = (bar.close / step).round() * step;
        *by_price.entry((price * 10_000.0).round() as i64).or_default() += bar.volume.unwrap_or(100);
    }
    if by_price.is_empty() {
        return Err(no_data(NO_DATA.to_owned()));
    }
    let entry = |(price, size): (i64, u64)| HistogramDataEntry {
        price: Some(price as f64 / 10_000.0),
        size: Some(size.to_string()),
    };
    Ok(by_price.into_iter().map(entry).collect())
}

/// `3 days`, `1 week`, as requests for histograms write it; durations of bars are taken too.
fn period(text: &str) -> Result<Span, Refused> {
    let bad = || (code::INVALID, invalid(&format!("Invalid time period: \"{text}\"")));
    let (count, unit) = text.trim().split_once(' ').ok_or_else(bad)?;
    let letter = unit.trim().chars().next().ok_or_else(bad)?.to_ascii_uppercase();
    // Hours and minutes are of no use here: TWS takes them, as seconds.
    let seconds = match unit.trim().to_ascii_lowercase().trim_end_matches('s') {
        "hour" => Some(3_600),
        "min" | "minute" => Some(60),
        _ => None,
    };
    let written = match (seconds, count.trim().parse::<u32>()) {
        (Some(seconds), Ok(count)) => format!("{} S", u64::from(count) * seconds),
        _ => format!("{} {letter}", count.trim()),
    };
    Span::parse(&written).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_read_as_people_write_them() {
        for (text, span) in [
            ("3 days", Span::Days(3)),
            ("1 week", Span::Weeks(1)),
            ("2 months", Span::Months(2)),
            ("90 minutes", Span::Seconds(5_400)),
            ("1 D", Span::Days(1)),
        ] {
            assert_eq!(period(text), Ok(span), "{text}");
        }
        assert!(period("soon").is_err() && period("").is_err());
    }
}
