//! Ends of bars, fast: the calendar's answers with the last one remembered.
//!
//! To ask the calendar costs a look into the zone's table for each bar; the bars of a file are
//! neighbours, so that a day's session (or a long bar's window) answers for hundreds of them.

use crate::calendar::Calendar;
use crate::domain::{BarSize, MarketTime, Window};

/// Where the remembered answers hold: from 1970 to 2200. Before, New York kept a local time that is no whole
/// hours away from UTC; outside, the calendar itself is asked.
const SURE: (MarketTime, MarketTime) = (MarketTime::from_secs(0), MarketTime::from_secs(7_258_118_400));

const HOUR: i64 = 3_600_000;

/// A calendar that remembers where it was asked last. Its answers are those of
/// [`Calendar::bar_window`].
#[derive(Debug, Clone)]
pub struct Windows {
    calendar: Calendar,
    size: BarSize,
    /// Of a bar in milliseconds.
    step: i64,
    /// New York's day around the last bar.
    day: Window,
    /// Its session.
    session: Window,
    /// The last window of a bar longer than an hour.
    last: Window,
}

impl Windows {
    /// For bars of one size.
    pub fn new(calendar: Calendar, size: BarSize) -> Self {
        let nowhere = Window { open: MarketTime::MAX, close: MarketTime::MIN };
        let step = i64::try_from(size.duration().as_millis()).unwrap_or(i64::MAX);
        Self { calendar, size, step, day: nowhere, session: nowhere, last: nowhere }
    }

    /// The calendar that it asks.
    pub fn calendar(&self) -> Calendar {
        self.calendar
    }

    /// Both ends of the bar that contains `at`.
    pub fn around(&mut self, at: MarketTime) -> Window {
        if !self.size.is_intraday() || at < SURE.0 || at >= SURE.1 {
            return self.calendar.bar_window(at, self.size);
        }
        if HOUR % self.step != 0 {
            if !contains(self.last, at) {
                self.last = self.calendar.bar_window(at, self.size);
            }
            return self.last;
        }
        if !contains(self.day, at) {
            let date = self.calendar.date_of(at);
            self.day = Calendar::Always.nominal_session(date);
            self.session = self.calendar.nominal_session(date);
        }
        // Steps that divide an hour are the same in New York and UTC: see the calendar.
        let open = MarketTime::from_millis(at.millis() - at.millis().rem_euclid(self.step));
        let close = MarketTime::from_millis(open.millis() + self.step);
        let session = self.session;
        if at < session.open {
            Window { open, close: close.min(session.open) }
        } else if at < session.close {
            Window { open: open.max(session.open), close: close.min(session.close) }
        } else {
            Window { open: open.max(session.close), close }
        }
    }
}

fn contains(window: Window, at: MarketTime) -> bool {
    window.open <= at && at < window.close
}
