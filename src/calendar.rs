//! Exchange sessions and bar boundaries as functions of a timestamp.
//!
//! The gateway is the authority on sessions (trading-rules 24); this calendar is the cross-check,
//! the fallback, and what backtests and the simulator go by. Its dates come from the
//! `exchange-hours` crate (NYSE's published holidays and early closes, 2010-2028). Outside that
//! span the answer is "unknown", never "closed".

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{
    DateTime, Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, Utc, Weekday,
};
use chrono_tz::America::New_York;
use exchange_hours::{Exchange, HolidayKind, calendar_for_exchange};
use serde::{Deserialize, Serialize};

use crate::domain::{BarSize, MarketTime, Window};

pub mod expected;
mod sessions;
#[cfg(test)]
mod tests;

pub use expected::ExpectedWindows;

/// A market's calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Calendar {
    /// The New York Stock Exchange (`XNYS`): regular session 09:30 to 16:00 New York time.
    #[default]
    Xnys,
    /// A market that never closes (`always`): each New York date is one session, from midnight
    /// to midnight.
    Always,
}

/// What a calendar says of a date's regular session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Day {
    /// It trades in this interval.
    Open(Window),
    /// It does not trade.
    Closed,
    /// The calendar does not reach that date.
    Unknown,
}

/// A text that names no calendar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a calendar; use XNYS or always")]
pub struct UnknownCalendar(pub String);

/// Regular NYSE session in seconds of the New York day: 09:30 to 16:00 (NYSE Rule 7.34).
const REGULAR: (u32, u32) = (9 * 3_600 + 30 * 60, 16 * 3_600);

/// Closures that `exchange-hours` 1.3 does not list: the day of mourning for George H. W. Bush
/// (no US exchange has a bar on it).
const UNLISTED_CLOSURES: [(i32, u32, u32); 1] = [(2018, 12, 5)];

/// How far `next_open` looks: longer than any closure of the exchange since 1933.
const LOOK_AHEAD_DAYS: u64 = 14;

impl Calendar {
    /// The exchange-local (New York) date at an instant.
    pub fn date_of(self, at: MarketTime) -> NaiveDate {
        local(at).date()
    }

    /// The regular session of a date.
    pub fn day(self, date: NaiveDate) -> Day {
        match self {
            Self::Always => Day::Open(self.nominal_session(date)),
            Self::Xnys => {
                let calendar = calendar_for_exchange(Exchange::Nyse);
                if !calendar.holiday_coverage().is_some_and(|covered| covered.contains(date)) {
                    return Day::Unknown;
                }
                if is_weekend(date) || UNLISTED_CLOSURES.contains(&(date.year(), date.month(), date.day())) {
                    return Day::Closed;
                }
                let (open, close) = REGULAR;
                match calendar.holiday_on(date).map(|holiday| holiday.kind()) {
                    None => Day::Open(window(date, open, close)),
                    Some(HolidayKind::Closed) => Day::Closed,
                    Some(HolidayKind::EarlyClose { close_ssm }) => Day::Open(window(date, open, close_ssm)),
                    Some(HolidayKind::LateOpen { open_ssm }) => Day::Open(window(date, open_ssm, close)),
                    Some(HolidayKind::LateOpenAndEarlyClose { open_ssm, close_ssm }) => {
                        Day::Open(window(date, open_ssm, close_ssm))
                    }
                    // A kind of day that this program cannot express: say so rather than guess.
                    Some(_) => Day::Unknown,
                }
            }
        }
    }

    /// The date's session, or where it has none or is unknown the usual hours: for bars that a
    /// file dates on such a day.
    pub fn nominal_session(self, date: NaiveDate) -> Window {
        match self {
            Self::Always => window(date, 0, 86_400),
            Self::Xnys => match self.day(date) {
                Day::Open(session) => session,
                Day::Closed | Day::Unknown => window(date, REGULAR.0, REGULAR.1),
            },
        }
    }

    /// Bars of this size in a year of sessions: 252 of 6.5 hours, or 365 of 24; at least one a session.
    pub fn bars_a_year(self, size: BarSize) -> f64 {
        let (sessions, session) = match self {
            Self::Xnys => (252.0, REGULAR.1.saturating_sub(REGULAR.0)),
            Self::Always => (365.0, 86_400),
        };
        let session = Duration::from_secs(session.into());
        sessions * session.div_duration_f64(size.duration().min(session))
    }

    /// Whether the regular session is open; `None` where the calendar does not reach.
    pub fn is_open(self, at: MarketTime) -> Option<bool> {
        match self.day(self.date_of(at)) {
            Day::Open(session) => Some(session.open <= at && at < session.close),
            Day::Closed => Some(false),
            Day::Unknown => None,
        }
    }

    /// The next regular open strictly after `at`; `None` where the calendar does not reach.
    pub fn next_open(self, at: MarketTime) -> Option<MarketTime> {
        let first = self.date_of(at);
        for ahead in 0..=LOOK_AHEAD_DAYS {
            match self.day(first.checked_add_days(Days::new(ahead))?) {
                Day::Open(session) if session.open > at => return Some(session.open),
                Day::Open(_) | Day::Closed => {}
                Day::Unknown => return None,
            }
        }
        None
    }

    /// The end of the bar of this size that contains `open`.
    ///
    /// Intraday: the next step of the exchange's wall clock, cut where the session opens or
    /// closes. A day ends with its session, a week and a month with the session of their last
    /// trading date.
    pub fn bar_end(self, open: MarketTime, size: BarSize) -> MarketTime {
        self.bar_window(open, size).close
    }

    /// The open of the bar of this size that contains `at`, by the same rules: the first 1-hour
    /// bar of a New York session opens at 09:30 and the second at 10:00.
    pub fn bar_open(self, at: MarketTime, size: BarSize) -> MarketTime {
        self.bar_window(at, size).open
    }

    /// Both ends of the bar of this size that contains `at`. Days and longer are those of their
    /// dates, which may lie wholly before or after `at` (an evening belongs to its date's bar).
    pub fn bar_window(self, at: MarketTime, size: BarSize) -> Window {
        let date = self.date_of(at);
        match size {
            BarSize::Day1 => self.nominal_session(date),
            BarSize::Week1 => {
                let week = date.week(Weekday::Mon);
                self.span(week.checked_first_day().unwrap_or(date), week.checked_last_day().unwrap_or(date))
            }
            BarSize::Month1 => {
                let first = date.with_day(1).unwrap_or(date);
                let next = first.checked_add_months(chrono::Months::new(1)).unwrap_or(first);
                self.span(first, next.pred_opt().unwrap_or(first))
            }
            _ => self.intraday_window(at, date, size),
        }
    }

    /// From the open of the first to the close of the last trading date within the dates.
    fn span(self, first: NaiveDate, last: NaiveDate) -> Window {
        let trades = |date: &NaiveDate| match self.day(*date) {
            Day::Open(_) => true,
            Day::Closed => false,
            Day::Unknown => !is_weekend(*date),
        };
        let dates = || first.iter_days().take_while(|date| *date <= last);
        let from = dates().find(|date| trades(date)).unwrap_or(first);
        let to = dates().filter(trades).last().unwrap_or(last);
        Window { open: self.nominal_session(from).open, close: self.nominal_session(to).close }
    }

    fn intraday_window(self, at: MarketTime, date: NaiveDate, size: BarSize) -> Window {
        let grid = grid_window(at, size.duration());
        let session = self.nominal_session(date);
        let segment = if at < session.open {
            Window { open: MarketTime::MIN, close: session.open }
        } else if at < session.close {
            session
        } else {
            Window { open: session.close, close: MarketTime::MAX }
        };
        Window { open: grid.open.max(segment.open), close: grid.close.min(segment.close) }
    }
}

/// The step of New York's wall clock that contains `at`.
fn grid_window(at: MarketTime, step: Duration) -> Window {
    let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1);
    if 3_600_000 % step == 0 {
        // New York is whole hours away from UTC and changes its clock on the hour, so steps that
        // divide an hour are the same in both, also in the hour that autumn repeats.
        let open = at.millis() - at.millis().rem_euclid(step);
        return Window { open: MarketTime::from_millis(open), close: MarketTime::from_millis(open + step) };
    }
    let wall = local(at);
    let since_midnight = wall.signed_duration_since(wall.date().and_time(NaiveTime::MIN)).num_milliseconds();
    let first = later(wall, -(since_midnight % step));
    Window { open: instant(first), close: instant(later(first, step)) }
}

fn local(at: MarketTime) -> NaiveDateTime {
    let utc = at.utc().naive_utc();
    utc.checked_add_offset(New_York.offset_from_utc_datetime(&utc).fix()).unwrap_or(utc)
}

/// So many milliseconds later; the same at the ends of what chrono can say.
fn later(wall: NaiveDateTime, millis: i64) -> NaiveDateTime {
    wall.checked_add_signed(TimeDelta::milliseconds(millis)).unwrap_or(wall)
}

/// The instant at which New York's wall clock first shows `wall`; where spring skips it, the
/// instant of the skip.
fn instant(wall: NaiveDateTime) -> MarketTime {
    let found: Option<DateTime<chrono_tz::Tz>> = New_York.from_local_datetime(&wall).earliest();
    match found {
        Some(at) => MarketTime::from(at.with_timezone(&Utc)),
        // Spring skips one hour: an hour earlier exists, and is one hour before the skip's image.
        None => New_York
            .from_local_datetime(&later(wall, -3_600_000))
            .latest()
            .map_or(MarketTime::from(wall.and_utc()), |at| {
                MarketTime::from(at.with_timezone(&Utc)) + Duration::from_secs(3_600)
            }),
    }
}

/// From and to seconds of a New York date's wall clock.
fn window(date: NaiveDate, open: u32, close: u32) -> Window {
    let at = |seconds: u32| instant(later(date.and_time(NaiveTime::MIN), i64::from(seconds) * 1_000));
    Window { open: at(open), close: at(close) }
}

fn is_weekend(date: NaiveDate) -> bool {
    matches!(date.weekday(), Weekday::Sat | Weekday::Sun)
}

impl Calendar {
    /// Its name in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Xnys => "XNYS",
            Self::Always => "always",
        }
    }
}

impl fmt::Display for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Calendar {
    type Err = UnknownCalendar;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Xnys, Self::Always]
            .into_iter()
            .find(|calendar| calendar.as_str().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| UnknownCalendar(text.to_owned()))
    }
}

impl TryFrom<String> for Calendar {
    type Error = UnknownCalendar;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Calendar> for String {
    fn from(calendar: Calendar) -> Self {
        calendar.as_str().to_owned()
    }
}
