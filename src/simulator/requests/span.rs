//! The span of a historical request: its duration, and where that begins.

use std::time::Duration;

use chrono::{Days, Months, NaiveDate};

use crate::calendar::{Calendar, Day};
use crate::domain::{BarSize, MarketTime};
use crate::simulator::words;

/// A duration as TWS writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// `N S`
    Seconds(u32),
    /// `N D`: trading days, the present one counted.
    Days(u32),
    /// `N W`
    Weeks(u32),
    /// `N M`
    Months(u32),
    /// `N Y`
    Years(u32),
}

/// Bars that one answer holds at most: about 8 MB of it.
pub const MOST_BARS: u64 = 100_000;

impl Span {
    /// Reads `10 D`; a bare number is seconds.
    ///
    /// # Errors
    /// TWS's words for what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bad = || format!("Historical data request duration format is invalid: \"{text}\"");
        let (count, unit) = text.trim().split_once(' ').unwrap_or((text.trim(), "S"));
        let count: u32 = count.parse().ok().filter(|n| *n > 0).ok_or_else(bad)?;
        let unit = unit.trim().to_ascii_uppercase();
        let limited = |most: u32, limit: &str, instead: &str, span: Self| {
            let text =
                || format!("Historical data requests for durations longer than {limit} must be made in {instead}");
            if count > most { Err(text()) } else { Ok(span) }
        };
        match unit.as_str() {
            "S" => limited(86_400, "86400 seconds", "days", Self::Seconds(count)),
            "D" => limited(365, "365 days", "years", Self::Days(count)),
            "W" => limited(52, "52 weeks", "years", Self::Weeks(count)),
            "M" => limited(12, "12 months", "years", Self::Months(count)),
            "Y" => limited(100, "100 years", "fewer years", Self::Years(count)),
            _ => Err(bad()),
        }
    }

    /// Its nominal length, days of 24 hours.
    pub fn nominal(self) -> Duration {
        let days = |n: u32| Duration::from_secs(u64::from(n) * 86_400);
        match self {
            Self::Seconds(n) => Duration::from_secs(u64::from(n)),
            Self::Days(n) => days(n),
            Self::Weeks(n) => days(7 * n),
            Self::Months(n) => days(30 * n),
            Self::Years(n) => days(365 * n),
        }
    }

    /// Whether bars of this size make sense of it: at least one, at most [`MOST_BARS`].
    ///
    /// # Errors
    /// TWS's words.
    pub fn fits(self, size: BarSize, trading_share_of_day: f64) -> Result<(), String> {
        // A day of daily bars is one bar although the session is shorter than a day.
        let shortest = if size.is_intraday() { size.duration() } else { Duration::from_secs(86_400) };
        let bars = self.nominal().as_secs_f64() * trading_share_of_day / size.duration().as_secs_f64();
        let days = matches!(self, Self::Days(_) | Self::Weeks(_) | Self::Months(_) | Self::Years(_));
        if (self.nominal() < shortest && !days) || bars > MOST_BARS as f64 {
            return Err(format!("invalid step: {} for duration {}", size.as_str(), self.as_text()));
        }
        Ok(())
    }

    fn as_text(self) -> String {
        match self {
            Self::Seconds(n) => format!("{n} S"),
            Self::Days(n) => format!("{n} D"),
            Self::Weeks(n) => format!("{n} W"),
            Self::Months(n) => format!("{n} M"),
            Self::Years(n) => format!("{n} Y"),
        }
    }

    /// Where it begins, counted back from `end`. Seconds are not counted here: they are trading
    /// seconds, which only bars can tell.
    pub fn start(self, calendar: Calendar, end: MarketTime) -> MarketTime {
        // What ends at a day's first instant belongs to the day before.
        let date = calendar.date_of(end - Duration::from_millis(1));
        let first = match self {
            Self::Seconds(n) => return end - Duration::from_secs(u64::from(n)),
            Self::Days(n) => nth_trading_day_back(calendar, date, n),
            Self::Weeks(n) => date.checked_sub_days(Days::new(7 * u64::from(n))),
            Self::Months(n) => date.checked_sub_months(Months::new(n)),
            Self::Years(n) => date.checked_sub_months(Months::new(12 * n)),
        };
        first.map_or(MarketTime::MIN, words::midnight)
    }
}

/// The date `n` trading days back, where the present date counts if it trades.
fn nth_trading_day_back(calendar: Calendar, date: NaiveDate, n: u32) -> Option<NaiveDate> {
    let trades = |date: &NaiveDate| match calendar.day(*date) {
        Day::Open(_) => true,
        Day::Closed => false,
        Day::Unknown => !matches!(chrono::Datelike::weekday(date), chrono::Weekday::Sat | chrono::Weekday::Sun),
    };
    let back = std::iter::successors(Some(date), NaiveDate::pred_opt).filter(trades);
    back.take(usize::try_from(n).unwrap_or(usize::MAX)).last()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_checked_as_tws_does() {
        assert_eq!(Span::parse("10 D"), Ok(Span::Days(10)));
        assert_eq!(Span::parse("3600"), Ok(Span::Seconds(3_600)));
        assert!(Span::parse("366 D").unwrap_err().contains("must be made in years"));
        assert!(Span::parse("86401 S").unwrap_err().contains("must be made in days"));
        for bad in ["", "D", "0 D", "-1 D", "1 X", "1.5 D", "99999999999 D"] {
            assert!(Span::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn days_are_trading_days_and_today_is_one() {
        let monday = MarketTime::from_secs(1_795_446_000); // 2026-11-23 10:00 New York
        let start = |text: &str, calendar| words::date_time_zone(Span::parse(text).unwrap().start(calendar, monday));
        assert_eq!(start("1 D", Calendar::Xnys), "20261123 00:00:00 US/Eastern");
        assert_eq!(start("2 D", Calendar::Xnys), "20261120 00:00:00 US/Eastern");
        assert_eq!(start("2 D", Calendar::Always), "20261122 00:00:00 US/Eastern");
        assert_eq!(start("1 M", Calendar::Xnys), "20261023 00:00:00 US/Eastern");
    }

    #[test]
    fn steps_that_make_no_sense_are_refused() {
        assert!(Span::Days(10).fits(BarSize::Min1, 1.0).is_ok());
        assert!(Span::Days(1).fits(BarSize::Day1, 0.27).is_ok());
        assert!(Span::Days(1).fits(BarSize::Week1, 1.0).is_ok());
        assert!(Span::Seconds(60).fits(BarSize::Day1, 1.0).is_err());
        assert!(Span::Months(12).fits(BarSize::Secs5, 1.0).is_err());
    }
}
