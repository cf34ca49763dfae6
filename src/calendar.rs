//! calendar.
use crate::domain::{BarSize, MarketTime, Window};
use chrono::NaiveDate;
/// Placeholder until the calendar room lands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Calendar {
    Xnys,
    Always,
}
#[allow(missing_docs)]
pub enum Day {
    Open(Window),
    Closed,
    Unknown,
}
#[allow(missing_docs)]
impl Calendar {
    pub fn date_of(self, at: MarketTime) -> NaiveDate {
        at.utc().date_naive()
    }
    pub fn day(self, _date: NaiveDate) -> Day {
        Day::Unknown
    }
    pub fn is_open(self, _at: MarketTime) -> Option<bool> {
        Some(true)
    }
    pub fn next_open(self, _at: MarketTime) -> Option<MarketTime> {
        None
    }
    pub fn bar_end(self, open: MarketTime, size: BarSize) -> MarketTime {
        open + size.duration()
    }
}
