//! When the market takes part of the day off, for orders.

use std::time::Duration;

use crate::calendar::Calendar;
use crate::domain::{MarketTime, Window};
use crate::simulator::market::{AFTER, BEFORE};

/// The longest closure that is looked past, days.
const LOOK_DAYS: usize = 15;

/// When an order could first trade, where that is later than `now`.
pub(super) fn opens_for(calendar: Calendar, now: MarketTime, outside_rth: bool) -> Option<MarketTime> {
    if calendar == Calendar::Always {
        return None;
    }
    let (before, after) = if outside_rth { (BEFORE, AFTER) } else { (Duration::ZERO, Duration::ZERO) };
    let dates = calendar.date_of(now).iter_days().take(LOOK_DAYS);
    let sessions = dates.filter_map(|date| calendar.session(date));
    let mut open = sessions.map(|day| Window { open: day.open - before, close: day.close + after });
    let next = open.find(|window| now < window.close)?;
    (now < next.open).then_some(next.open)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_wait_for_their_hours() {
        let hour = |day: i64, hour: i64| MarketTime::from_secs(1_795_410_000 + day * 86_400 + hour * 3_600);
        let half = Duration::from_secs(1_800);
        // hour(0, 0) is Monday 2026-11-23 00:00 New York.
        let opens = |at, outside| opens_for(Calendar::Xnys, at, outside);
        assert_eq!(opens(hour(0, 9), false), Some(hour(0, 9) + half), "before the open");
        assert_eq!(opens(hour(0, 10), false), None);
        assert_eq!(opens(hour(0, 16), false), Some(hour(1, 9) + half), "after the close");
        assert_eq!(opens(hour(0, 16), true), None, "the evening");
        assert_eq!(opens(hour(0, 20), true), Some(hour(1, 4)));
        assert_eq!(opens(hour(3, 12), false), Some(hour(4, 9) + half), "Thanksgiving");
        assert_eq!(opens(hour(5, 12), false), Some(hour(7, 9) + half), "Saturday");
        assert_eq!(opens_for(Calendar::Always, hour(5, 12), false), None);
    }
}
