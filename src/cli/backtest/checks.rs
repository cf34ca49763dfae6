//! What is odd about the bars for the run that they are asked for: warnings, for it may be right.

use crate::backtest::data::Data;
use crate::calendar::{Calendar, Day};
use crate::domain::Bar;

use super::options::BacktestOptions;

/// Everything odd, a line each.
pub(super) fn odd(options: &BacktestOptions, calendar: Calendar, data: &Data) -> Vec<String> {
    let mut warnings = Vec::new();
    for (symbol, bars) in &data.series {
        let (all, outside) = (bars.len(), outside(calendar, bars));
        if outside > 0 {
            let share = 100.0 * outside as f64 / all as f64;
            warnings.push(format!(
                "{outside} of {all} bars of {symbol} ({share:.1} %) lie outside {calendar} sessions; are its times UTC? \
                 Bars before the open and after the close are such, too"
            ));
        }
        let silent = bars.iter().filter(|bar| bar.volume.is_none()).count();
        if options.volume_share.is_some() && silent > 0 {
            warnings.push(format!(
                "{silent} of {all} bars of {symbol} have no volume: there --volume-share limits nothing"
            ));
        }
    }
    warnings
}

/// Bars that open outside the sessions, on days that the calendar knows. A day's bar opens with its session.
fn outside(calendar: Calendar, bars: &[Bar]) -> usize {
    let (mut next, mut outside) = (0, 0);
    while let Some(bar) = bars.get(next) {
        let date = calendar.date_of(bar.time);
        let midnight = Calendar::Always.nominal_session(date).close;
        let rest = &bars[next..];
        let of_day = rest.partition_point(|bar| bar.time < midnight).max(1);
        outside += match calendar.day(date) {
            Day::Open(session) => {
                let before = rest[..of_day].partition_point(|bar| bar.time < session.open);
                let until = rest[..of_day].partition_point(|bar| bar.time < session.close);
                of_day - (until - before)
            }
            Day::Closed => of_day,
            Day::Unknown => 0,
        };
        next += of_day;
    }
    outside
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{BarSize, MarketTime};

    fn bar(time: &str) -> Bar {
        let time: MarketTime = chrono::DateTime::parse_from_rfc3339(time).unwrap().with_timezone(&chrono::Utc).into();
        let end = Calendar::Xnys.bar_end(time, BarSize::Mins30);
        Bar { time, end, open: 1.0, high: 1.0, low: 1.0, close: 1.0, volume: None }
    }

    #[test]
    fn bars_outside_sessions_are_counted_by_the_day() {
        // Tuesday 2 January 2024, New York at UTC-5: the session is 14:30 to 21:00 UTC. Then a Saturday.
        let bars = [
            "2024-01-02T14:00:00Z",
            "2024-01-02T14:30:00Z",
            "2024-01-02T20:30:00Z",
            "2024-01-02T21:00:00Z",
            "2024-01-06T15:00:00Z",
        ];
        let bars = bars.map(bar);
        assert_eq!(outside(Calendar::Xnys, &bars), 3);
        assert_eq!(outside(Calendar::Always, &bars), 0);
        // A Monday beyond the calendar: nothing is known of it.
        assert_eq!(outside(Calendar::Xnys, &[bar("2035-01-01T03:00:00Z")]), 0);
    }
}
