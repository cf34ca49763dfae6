//! A contract's hours, as its details state them.
//!
//! `20261123:0930-20261123:1600;20261124:CLOSED` in the contract's own zone; older gateways leave
//! the second date out (`20261123:0930-1600`) and put several intervals of a day side by side
//! (`20261123:0400-0930,0930-1600`).

use chrono::{Days, NaiveDate, NaiveDateTime, NaiveTime};
use chrono_tz::Tz;
use tracing::warn;

use super::zones::instant;
use crate::domain::{Hours, MarketTime, Window};

/// Reads the hours. What cannot be read is left out with a log line: unknown, never "closed".
pub fn parse(segments: &[String], zone: Tz) -> Hours {
    let mut windows = Vec::new();
    let mut covers: Option<Window> = None;
    for segment in segments.iter().flat_map(|text| text.split(';')).map(str::trim).filter(|text| !text.is_empty()) {
        match day(segment, zone) {
            Some((mut open, covered)) => {
                windows.append(&mut open);
                let all = covers.get_or_insert(covered);
                all.open = all.open.min(covered.open);
                all.close = all.close.max(covered.close);
            }
            None => warn!(segment, %zone, "hours that cannot be read are left out"),
        }
    }
    windows.sort_by_key(|window| window.open);
    Hours { windows: merge(windows), covers }
}

/// One segment: its intervals and the whole days that it speaks of.
fn day(segment: &str, zone: Tz) -> Option<(Vec<Window>, Window)> {
    let (date, rest) = segment.split_once(':')?;
    let date = parse_date(date)?;
    let mut last = date;
    let mut windows = Vec::new();
    if !rest.eq_ignore_ascii_case("CLOSED") {
        for interval in rest.split(',') {
            let (open, close) = interval.split_once('-')?;
            // Of several intervals, later ones may repeat the date.
            let open = moment(open, date)?;
            let mut close = moment(close, open.date())?;
            if close <= open {
                // 24 hours, or past midnight, written without a date.
                close = close.checked_add_days(Days::new(1))?;
            }
            last = last.max(close.date());
            let window = Window { open: instant(zone, open)?, close: instant(zone, close)? };
            if window.open < window.close {
                windows.push(window);
            }
        }
    }
    Some((windows, Window { open: midnight(zone, date)?, close: midnight(zone, last.succ_opt()?)? }))
}

/// `20261123:0930` or `0930` on `date`; `2400` is the end of the day.
fn moment(text: &str, date: NaiveDate) -> Option<NaiveDateTime> {
    let (date, clock) = match text.trim().split_once(':') {
        Some((date, clock)) => (parse_date(date)?, clock),
        None => (date, text.trim()),
    };
    if clock == "2400" {
        return Some(date.succ_opt()?.and_time(NaiveTime::MIN));
    }
    Some(date.and_time(NaiveTime::parse_from_str(clock, "%H%M").ok()?))
}

fn parse_date(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text.trim(), "%Y%m%d").ok()
}

fn midnight(zone: Tz, date: NaiveDate) -> Option<MarketTime> {
    instant(zone, date.and_time(NaiveTime::MIN))
}

/// Joins intervals that touch or overlap.
fn merge(windows: Vec<Window>) -> Vec<Window> {
    let mut merged: Vec<Window> = Vec::with_capacity(windows.len());
    for window in windows {
        match merged.last_mut() {
            Some(last) if window.open <= last.close => last.close = last.close.max(window.close),
            Some(_) | None => merged.push(window),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn utc(text: &str) -> MarketTime {
        MarketTime::from(DateTime::parse_from_rfc3339(text).unwrap().to_utc())
    }

    fn read(text: &str) -> Hours {
        parse(&text.split(';').map(str::to_owned).collect::<Vec<_>>(), Tz::US__Eastern)
    }

    #[test]
    fn both_forms_say_the_same() {
        let new = read("20261123:0930-20261123:1600;20261124:CLOSED");
        assert_eq!(new, read("20261123:0930-1600;20261124:CLOSED"));
        assert_eq!(new.windows, [Window { open: utc("2026-11-23T14:30:00Z"), close: utc("2026-11-23T21:00:00Z") }]);
        assert_eq!(new.covers, Some(Window { open: utc("2026-11-23T05:00:00Z"), close: utc("2026-11-25T05:00:00Z") }));
        assert_eq!(new.is_open(utc("2026-11-24T15:00:00Z")), Some(false));
        assert_eq!(new.is_open(utc("2026-11-25T15:00:00Z")), None);
    }

    #[test]
    fn adjoining_intervals_become_one() {
        let hours = read("20261123:0400-0930,0930-1600,1600-2000");
        assert_eq!(hours.windows, [Window { open: utc("2026-11-23T09:00:00Z"), close: utc("2026-11-24T01:00:00Z") }]);
    }

    #[test]
    fn sessions_may_cross_midnight_and_last_all_day() {
        let overnight = read("20261122:2000-20261123:0350");
        assert_eq!(overnight.windows[0].close, utc("2026-11-23T08:50:00Z"));
        let always = read("20261123:0000-2400;20261124:0000-20261125:0000");
        assert_eq!(always.windows, [Window { open: utc("2026-11-23T05:00:00Z"), close: utc("2026-11-25T05:00:00Z") }]);
        assert_eq!(read("20261123:0000-0000").windows.len(), 1);
    }

    #[test]
    fn what_cannot_be_read_is_unknown() {
        let hours = read("20261123:0930-1600;rubbish;20261124:9930-1600");
        assert_eq!(hours.windows.len(), 1);
        assert_eq!(hours.is_open(utc("2026-11-24T15:00:00Z")), None);
        assert_eq!(read(""), Hours::default());
    }
}
