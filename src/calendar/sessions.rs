//! Sessions of a market that is its own authority: the simulator's, and a backtest's.

use std::time::Duration;

use chrono::{Days, NaiveDate};

use super::{Calendar, Day, is_weekend};
use crate::domain::{Hours, MarketTime, Window};

/// Days that stated hours reach ahead, as IBKR's do.
const DAYS_AHEAD: u64 = 7;

impl Calendar {
    /// The session of a date as the market itself keeps it: where the calendar does not reach,
    /// weekdays trade their usual hours.
    pub fn session(self, date: NaiveDate) -> Option<Window> {
        match self.day(date) {
            Day::Open(session) => Some(session),
            Day::Closed => None,
            Day::Unknown if is_weekend(date) => None,
            Day::Unknown => Some(self.nominal_session(date)),
        }
    }

    /// Sessions from the day before `at` to a week after it, widened on both sides, as the market
    /// states them.
    pub fn hours(self, at: MarketTime, before: Duration, after: Duration) -> Hours {
        let (before, after) = match self {
            Self::Xnys => (before, after),
            Self::Always => (Duration::ZERO, Duration::ZERO),
        };
        let today = self.date_of(at);
        let first = today.checked_sub_days(Days::new(1)).unwrap_or(today);
        let last = today.checked_add_days(Days::new(DAYS_AHEAD)).unwrap_or(today);
        let widen = |session: Window| Window { open: session.open - before, close: session.close + after };
        let windows = first.iter_days().take_while(|date| *date <= last);
        let windows = windows.filter_map(|date| self.session(date)).map(widen).collect();
        let covers =
            Window { open: Self::Always.nominal_session(first).open, close: Self::Always.nominal_session(last).close };
        Hours { windows, covers: Some(covers) }
    }

    /// Whether an instant lies in regular hours.
    pub fn is_regular(self, at: MarketTime) -> bool {
        let date = self.date_of(at);
        let window = self.nominal_session(date);
        window.open <= at && at < window.close && !matches!(self.day(date), Day::Closed)
    }

    /// The end of the first regular session that ends after `at`.
    pub fn next_close(self, at: MarketTime) -> MarketTime {
        let mut date = self.date_of(at);
        // No exchange stays closed for a month of weekdays; after that the nominal hours serve.
        for _ in 0..31 {
            let closed = matches!(self.day(date), Day::Closed);
            let session = self.nominal_session(date);
            if !closed && session.close > at {
                return session.close;
            }
            let Some(next) = date.succ_opt() else { break };
            date = next;
        }
        MarketTime::MAX
    }
}
