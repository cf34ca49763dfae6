//! Whether the history asked for at the start can warm a strategy up.

use crate::calendar::Calendar;
use crate::domain::BarSize;
use crate::domain::history::{DurationUnit, HistoryDuration};

/// Minutes of a regular day at the exchange, and of one with its early and late hours.
const REGULAR: u64 = 390;
const EXTENDED: u64 = 960;
const WHOLE: u64 = 1_440;

/// The most bars that a history of this duration can hold: days are full days of trading.
pub(super) fn bars_at_most(duration: HistoryDuration, size: BarSize, calendar: Calendar, regular_only: bool) -> u64 {
    let count = u64::from(duration.count);
    let always = calendar == Calendar::Always;
    let minutes = match (always, regular_only) {
        (true, _) => WHOLE,
        (false, true) => REGULAR,
        (false, false) => EXTENDED,
    };
    let bar = size.duration().as_secs().max(1);
    // A week holds at most 5 days of the exchange, a month 23, a year 253.
    let days = match duration.unit {
        DurationUnit::Seconds if size.is_intraday() => return count.div_ceil(bar),
        DurationUnit::Seconds => 1,
        DurationUnit::Days => count,
        DurationUnit::Weeks => count * if always { 7 } else { 5 },
        DurationUnit::Months => count * if always { 31 } else { 23 },
        DurationUnit::Years => count * if always { 366 } else { 253 },
    };
    if size.is_intraday() { days * (minutes * 60).div_ceil(bar) } else { days }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_counted_by_the_hours_of_the_market() {
        let most = |duration: &str, size: &str, calendar, regular| {
            bars_at_most(duration.parse().unwrap(), size.parse().unwrap(), calendar, regular)
        };
        for (duration, size, calendar, regular, bars) in [
            ("2 D", "1 min", Calendar::Xnys, true, 780),
            ("2 D", "1 min", Calendar::Xnys, false, 1_920),
            ("1 D", "1 hour", Calendar::Xnys, true, 7),
            ("1 D", "1 min", Calendar::Always, true, 1_440),
            ("3600 S", "5 secs", Calendar::Always, true, 720),
            ("86400 S", "1 day", Calendar::Xnys, true, 1),
            ("1 Y", "1 day", Calendar::Xnys, true, 253),
            ("1 W", "1 day", Calendar::Always, true, 7),
        ] {
            assert_eq!(most(duration, size, calendar, regular), bars, "{duration} of {size}");
        }
    }
}
