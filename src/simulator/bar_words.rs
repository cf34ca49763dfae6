//! Bars as the wire carries them.

use super::wire::history::HistoricalDataBar;
use super::words;
use crate::domain::{Bar, BarSize, MarketTime};

/// The date of a bar: `YYYYMMDD` for a day and longer; else unix seconds (format 2) or
/// `YYYYMMDD HH:MM:SS Zone` (format 1).
pub fn date(time: MarketTime, size: BarSize, format: i32) -> String {
    if !size.is_intraday() {
        words::date(time.utc().with_timezone(&words::ZONE).date_naive())
    } else if format == 1 {
        words::date_time_zone(time)
    } else {
        time.secs().to_string()
    }
}

/// A bar. The tape knows no single trades: the average price is the bar's middle, the count one
/// trade in a hundred shares; quotes have neither (-1, as TWS sends it).
pub fn bar(bar: &Bar, size: BarSize, format: i32) -> HistoricalDataBar {
    let (volume, average, count) = match bar.volume {
        Some(volume) => {
            let average = (bar.high + bar.low + bar.close) / 3.0;
            let count = i32::try_from(volume / 100).unwrap_or(i32::MAX).max(i32::from(volume > 0));
            (volume.to_string(), format!("{average:.4}"), count)
        }
        None => ("-1".to_owned(), "-1".to_owned(), -1),
    };
    HistoricalDataBar {
        date: Some(date(bar.time, size, format)),
        open: Some(bar.open),
        high: Some(bar.high),
        low: Some(bar.low),
        close: Some(bar.close),
        volume: Some(volume),
        wap: Some(average),
        bar_count: Some(count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_follow_size_and_format() {
        let ten = MarketTime::from_secs(1_795_446_000);
        assert_eq!(date(ten, BarSize::Min1, 2), "1795446000");
        assert_eq!(date(ten, BarSize::Min1, 1), "20261123 10:00:00 US/Eastern");
        assert_eq!(date(ten, BarSize::Day1, 2), "20261123");
    }
}
