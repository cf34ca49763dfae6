//! What a series of bars lacks, or has too much of, by its market's calendar.

use std::fmt;

use chrono::{Datelike, Days, Months, NaiveDate, Weekday};
use serde::Serialize;

use crate::calendar::{Calendar, Day};
use crate::domain::{Bar, BarSize, MarketTime, Window};

/// Bars that the calendar would have and the series has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Gap {
    /// Bars within a session, or those of whole weeks or months.
    Bars {
        /// From here.
        from: MarketTime,
        /// To here, exclusive.
        to: MarketTime,
        /// So many.
        bars: u64,
    },
    /// Whole trading days.
    Days {
        /// The first.
        first: NaiveDate,
        /// The last.
        last: NaiveDate,
        /// So many trading days from the first to the last.
        days: u64,
    },
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bars { from, bars: 1, .. } => write!(f, "the bar of {from} missing"),
            Self::Bars { from, to, bars } => write!(f, "{bars} bars missing from {from} to {to}"),
            Self::Days { first, last, days: 1 } if first == last => write!(f, "trading day {first} missing"),
            Self::Days { first, last, days } => write!(f, "{days} trading days missing from {first} to {last}"),
        }
    }
}

/// Walks along a series and says where it has gaps; counts bars at times when the market is closed.
///
/// A first and a last day may be cut.
#[derive(Debug, Clone)]
pub struct Coverage {
    calendar: Calendar,
    size: BarSize,
    /// The date of the last bar, and its session's window if it has one.
    day: Option<(NaiveDate, Day)>,
    /// Until when within that session there are bars.
    reached: Option<MarketTime>,
    /// The first date of the last bar's week or month, where bars are so long.
    span: Option<NaiveDate>,
    /// Bars on trading days, but not in the regular session.
    pub outside_hours: u64,
    /// Bars on days without a session.
    pub on_closed_days: u64,
    /// The first bar outside a session.
    pub first_outside: Option<MarketTime>,
    /// Bars of days that the calendar does not know.
    pub unknown_days: u64,
}

impl Coverage {
    /// Before the first bar.
    pub fn new(calendar: Calendar, size: BarSize) -> Self {
        let (outside_hours, on_closed_days, unknown_days) = (0, 0, 0);
        Self {
            calendar,
            size,
            day: None,
            reached: None,
            span: None,
            outside_hours,
            on_closed_days,
            first_outside: None,
            unknown_days,
        }
    }

    /// Takes the next bar; tells what is missing between it and the one before.
    pub fn see(&mut self, bar: &Bar) -> Vec<Gap> {
        if self.size > BarSize::Day1 {
            return self.long(bar).into_iter().collect();
        }
        let mut gaps = Vec::new();
        let same = self.session().is_some_and(|session| session.open <= bar.time && bar.time < session.close);
        let date = if same { self.day.map(|(date, _)| date) } else { None };
        let date = date.unwrap_or_else(|| self.calendar.date_of(bar.time));
        if self.day.is_none_or(|(day, _)| day != date) {
            self.turn(date, &mut gaps);
        }
        self.place(bar, &mut gaps);
        gaps
    }

    /// A bar of a week or a month: those between it and the last one are missing in which the market
    /// has traded, on however few days.
    fn long(&mut self, bar: &Bar) -> Option<Gap> {
        let date = self.calendar.date_of(bar.time);
        let first = match self.size {
            BarSize::Month1 => date.with_day(1)?,
            _ => date.week(Weekday::Mon).checked_first_day()?,
        };
        match self.trades_from(first) {
            Day::Open(_) => {}
            Day::Closed => {
                self.on_closed_days += 1;
                self.first_outside = self.first_outside.or(Some(bar.time));
            }
            Day::Unknown => self.unknown_days += 1,
        }
        let last = self.span.replace(first)?;
        let between = std::iter::successors(self.following(last), |date| self.following(*date));
        let windows = between.take_while(|date| *date < first).filter_map(|date| match self.trades_from(date) {
            Day::Open(window) => Some(window),
            Day::Closed | Day::Unknown => None,
        });
        let missing: Vec<Window> = windows.collect();
        let bars = u64::try_from(missing.len()).unwrap_or(u64::MAX);
        Some(Gap::Bars { from: missing.first()?.open, to: missing.last()?.close, bars })
    }

    /// The first date of the week or month after that of this first date.
    fn following(&self, first: NaiveDate) -> Option<NaiveDate> {
        match self.size {
            BarSize::Month1 => first.checked_add_months(Months::new(1)),
            _ => first.checked_add_days(Days::new(7)),
        }
    }

    /// Whether the market trades within the week or month of this first date, and from when to when.
    fn trades_from(&self, first: NaiveDate) -> Day {
        let end = self.following(first);
        let days = first.iter_days().take_while(|date| end.is_some_and(|end| *date < end));
        let mut found = Day::Closed;
        for day in days.map(|date| self.calendar.day(date)) {
            found = match (found, day) {
                (Day::Open(whole), Day::Open(session)) => Day::Open(Window { close: session.close, ..whole }),
                (Day::Open(whole), Day::Closed | Day::Unknown) => Day::Open(whole),
                (_, Day::Open(session)) => Day::Open(session),
                (Day::Unknown, _) | (_, Day::Unknown) => Day::Unknown,
                (Day::Closed, Day::Closed) => Day::Closed,
            };
        }
        found
    }

    fn session(&self) -> Option<Window> {
        match self.day {
            Some((_, Day::Open(session))) => Some(session),
            Some((_, Day::Closed | Day::Unknown)) | None => None,
        }
    }

    /// A new date: the rest of the last session and the days between are missing.
    fn turn(&mut self, date: NaiveDate, gaps: &mut Vec<Gap>) {
        if let (Some(session), Some(reached)) = (self.session(), self.reached) {
            self.missing(reached, session.close, gaps);
        }
        if let Some((last, _)) = self.day {
            gaps.extend(self.days_between(last, date));
        }
        let day = self.calendar.day(date);
        // Of the first day nobody knows from when on it should have bars.
        self.reached = match (self.day, day) {
            (Some(_), Day::Open(session)) => Some(session.open),
            _ => None,
        };
        self.day = Some((date, day));
    }

    fn days_between(&self, last: NaiveDate, date: NaiveDate) -> Option<Gap> {
        let trades = |date: &NaiveDate| matches!(self.calendar.day(*date), Day::Open(_));
        let missing: Vec<NaiveDate> = last.iter_days().skip(1).take_while(|day| *day < date).filter(trades).collect();
        let days = u64::try_from(missing.len()).unwrap_or(u64::MAX);
        Some(Gap::Days { first: *missing.first()?, last: *missing.last()?, days })
    }

    fn place(&mut self, bar: &Bar, gaps: &mut Vec<Gap>) {
        match self.day {
            Some((_, Day::Open(session))) if session.open <= bar.time && bar.time < session.close => {
                if let Some(reached) = self.reached {
                    self.missing(reached, bar.time, gaps);
                }
                self.reached = Some(bar.end);
                return;
            }
            Some((_, Day::Open(_))) => self.outside_hours += 1,
            Some((_, Day::Closed)) => self.on_closed_days += 1,
            Some((_, Day::Unknown)) | None => {
                self.unknown_days += 1;
                return;
            }
        }
        self.first_outside = self.first_outside.or(Some(bar.time));
    }

    fn missing(&self, from: MarketTime, to: MarketTime, gaps: &mut Vec<Gap>) {
        if self.size.is_intraday() && from < to {
            let step = self.size.duration().as_millis().max(1);
            let bars = u64::try_from(to.since(from).as_millis().div_ceil(step)).unwrap_or(u64::MAX);
            gaps.push(Gap::Bars { from, to, bars });
        }
    }
}
