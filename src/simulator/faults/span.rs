//! Times and durations as scenarios write them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::domain::MarketTime;
use crate::simulator::words;

/// No duration of a scenario is longer: what is meant to last can be left open.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// A duration: `250ms`, `30s`, `1.5m`, `2h`, `1d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// A text that is no time or duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTime {
    /// No duration.
    #[error("{0:?} is no duration: use a number from 0 with ms, s, m, h or d, such as 250ms or 30s, up to 366d")]
    Span(String),
    /// No time.
    #[error(
        "{0:?} is no time: use +30s (market time since the market began), 2026-03-06T14:30:00Z, 2026-03-06 09:30:00 or 23:45 (New York)"
    )]
    At(String),
}

impl Span {
    /// Milliseconds.
    pub const fn millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
        let whole = units.into_iter().find(|(unit, _)| millis >= *unit && millis.is_multiple_of(*unit));
        match whole {
            Some((unit, name)) => write!(f, "{}{name}", millis / unit),
            None => write!(f, "{millis}ms"),
        }
    }
}

impl FromStr for Span {
    type Err = BadTime;
    fn from_str(text: &str) -> Result<Self, BadTime> {
        let bad = || BadTime::Span(text.to_owned());
        let trimmed = text.trim();
        let split = trimmed.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(bad)?;
        let (number, unit) = trimmed.split_at(split);
        let seconds = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return Err(bad()),
        };
        let number: f64 = number.trim().parse().map_err(|_| bad())?;
        let millis = number * seconds * 1_000.0;
        if !(0.0..=LONGEST.as_secs_f64() * 1_000.0).contains(&millis) {
            return Err(bad());
        }
        // In range by the check above; whole milliseconds are exact enough for any fault.
        Ok(Self(Duration::from_millis(millis.round() as u64)))
    }
}

/// When a rule comes into force, in market time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// So long after the market began in this process.
    Offset(Span),
    /// At this instant.
    Instant(MarketTime),
    /// The next time that New York's clocks show this.
    Clock(NaiveTime),
}

impl At {
    /// The instant that is meant, for a rule that is there from `now` on.
    pub fn instant(self, began: MarketTime, now: MarketTime) -> MarketTime {
        match self {
            Self::Offset(span) => began + span.0,
            Self::Instant(at) => at,
            Self::Clock(time) => {
                let mut date = words::local_date(now);
                for _ in 0..3 {
                    let at = words::instant(words::ZONE, date.and_time(time));
                    match (at, date.succ_opt()) {
                        (Some(at), _) if at >= now => return at,
                        (_, Some(next)) => date = next,
                        (_, None) => break,
                    }
                }
                MarketTime::MAX
            }
        }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offset(span) => write!(f, "+{span}"),
            Self::Instant(at) => write!(f, "{at}"),
            Self::Clock(time) => write!(f, "{}", time.format("%H:%M:%S")),
        }
    }
}

impl FromStr for At {
    type Err = BadTime;
    fn from_str(text: &str) -> Result<Self, BadTime> {
        let bad = || BadTime::At(text.to_owned());
        let trimmed = text.trim();
        if let Some(offset) = trimmed.strip_prefix('+') {
            return offset.parse().map(Self::Offset);
        }
        if let Ok(at) = chrono::DateTime::parse_from_rfc3339(trimmed) {
            return Ok(Self::Instant(at.to_utc().into()));
        }
        let clock = |text: &str| ["%H:%M:%S", "%H:%M"].iter().find_map(|f| NaiveTime::parse_from_str(text, f).ok());
        if let Some(time) = clock(trimmed) {
            return Ok(Self::Clock(time));
        }
        let (date, time) = trimmed.split_once([' ', 'T']).ok_or_else(bad)?;
        let date = NaiveDate::parse_from_str(date, "%Y-%m-%d").map_err(|_| bad())?;
        let local = NaiveDateTime::new(date, clock(time.trim()).ok_or_else(bad)?);
        words::instant(words::ZONE, local).map(Self::Instant).ok_or_else(bad)
    }
}

macro_rules! as_text {
    ($($name:ident),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    )*};
}
as_text!(Span, At);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written_in_their_largest_whole_unit() {
        for (text, millis, written) in
            [("250ms", 250, "250ms"), ("1.5m", 90_000, "90s"), ("0s", 0, "0ms"), ("48h", 172_800_000, "2d")]
        {
            let span: Span = text.parse().unwrap();
            assert_eq!(span, Span::millis(millis));
            assert_eq!(span.to_string(), written);
        }
        for bad in ["", "30", "s", "-1s", "1 week", "367d", "nans", "1e99d"] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }

    #[test]
    fn times_are_offsets_instants_or_new_yorks_clock_and_know_summer_time() {
        let began: MarketTime = "2026-03-06T14:30:00Z".parse::<chrono::DateTime<chrono::Utc>>().unwrap().into();
        let at = |text: &str, now| text.parse::<At>().unwrap().instant(began, now).to_string();
        assert_eq!(at("+90s", began), "2026-03-06T14:31:30Z");
        assert_eq!(at("2026-03-06T15:00:00Z", began), "2026-03-06T15:00:00Z");
        assert_eq!(at("2026-03-06 09:30:00", began), "2026-03-06T14:30:00Z");
        // The clocks went forward on 8 March: the same wall time is an hour earlier in UTC.
        assert_eq!(at("2026-03-09 09:30", began), "2026-03-09T13:30:00Z");
        assert_eq!(at("23:45", began), "2026-03-07T04:45:00Z");
        assert_eq!(at("09:00", began), "2026-03-07T14:00:00Z", "the next one");
        for bad in ["", "+", "tomorrow", "25:00", "2026-13-01 09:30"] {
            assert!(bad.parse::<At>().is_err(), "{bad}");
        }
        for text in ["+90s", "2026-03-06T15:00:00Z", "23:45:00"] {
            assert_eq!(text.parse::<At>().unwrap().to_string(), text);
        }
    }
}
