//! Market time: the clock that decides.
//!
//! [`MarketTime`] is UTC to the millisecond, and comes from bars, executions and the broker's own
//! server time, never from this machine. It has no conversion to or from
//! `tokio::time::Instant`, which only bounds waiting.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, SecondsFormat, TimeZone, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An instant of market time: milliseconds since 1970-01-01T00:00:00 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MarketTime(i64);

impl MarketTime {
    /// The beginning: before every event.
    pub const MIN: Self = Self(i64::MIN / 4);
    /// The end: after every event.
    pub const MAX: Self = Self(i64::MAX / 4);

    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From seconds since the Unix epoch.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs * 1_000)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch (rounded down).
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// As a calendar date and time in UTC; instants outside chrono's range clamp to its ends.
    pub fn utc(self) -> DateTime<Utc> {
        Utc.timestamp_millis_opt(self.0).single().unwrap_or(if self.0 < 0 {
            DateTime::<Utc>::MIN_UTC
        } else {
            DateTime::<Utc>::MAX_UTC
        })
    }

    /// Whether less than so many milliseconds have passed since `earlier`.
    #[inline]
    pub fn is_within(self, millis: i64, earlier: Self) -> bool {
        self.0.saturating_sub(earlier.0) < millis
    }

    /// How long since `earlier`; zero where `earlier` is not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl From<DateTime<Utc>> for MarketTime {
    fn from(at: DateTime<Utc>) -> Self {
        Self(at.timestamp_millis())
    }
}

impl Add<Duration> for MarketTime {
    type Output = Self;
    fn add(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for MarketTime {
    type Output = Self;
    fn sub(self, wait: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for MarketTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = if self.0 % 1_000 == 0 { SecondsFormat::Secs } else { SecondsFormat::Millis };
        f.write_str(&self.utc().to_rfc3339_opts(format, true))
    }
}

impl Serialize for MarketTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An instant as [`MarketTime`] writes it, to the second or the millisecond: every fact of a journal has one or two, and a
/// start reads them all. `None` for any other text, of which chrono knows more.
fn as_written(text: &str) -> Option<MarketTime> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| {
        let digits = bytes.get(from..to)?;
        digits.iter().try_fold(0_u32, |n, digit| digit.is_ascii_digit().then(|| n * 10 + u32::from(digit - b'0')))
    };
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    let millis = match bytes {
        [.., b'Z'] if bytes.len() == 20 => 0,
        [.., b'Z'] if bytes.len() == 24 && bytes[19] == b'.' => number(20, 23)?,
        _ => return None,
    };
    if marks.iter().any(|(at, mark)| bytes[*at] != *mark) {
        return None;
    }
    let year = i32::try_from(number(0, 4)?).ok()?;
    let date = NaiveDate::from_ymd_opt(year, number(5, 7)?, number(8, 10)?)?;
    let at = date.and_hms_milli_opt(number(11, 13)?, number(14, 16)?, number(17, 19)?, millis)?;
    Some(MarketTime(at.and_utc().timestamp_millis()))
}

impl FromStr for MarketTime {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(at) = as_written(text) {
            return Ok(at);
        }
        let at = DateTime::parse_from_rfc3339(text).map_err(|e| format!("{text:?} is not an RFC 3339 instant: {e}"))?;
        Ok(Self::from(at.with_timezone(&Utc)))
    }
}

impl<'de> Deserialize<'de> for MarketTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::text::parsed(deserializer, "an RFC 3339 instant")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_writes() {
        for millis in [0, 1_795_452_717_358, 1_795_452_717_000, -1] {
            let at = MarketTime::from_millis(millis);
            let text = serde_json::to_string(&at).unwrap();
            assert_eq!(serde_json::from_str::<MarketTime>(&text).unwrap(), at, "{text}");
        }
    }

    #[test]
    fn what_is_read_by_hand_is_what_chrono_reads() {
        let by_chrono =
            |text: &str| Some(MarketTime::from(DateTime::parse_from_rfc3339(text).ok()?.with_timezone(&Utc)));
        let mut read = 0;
        for text in [
            "2026-06-05T16:00:20Z",
            "2026-06-05T16:00:20.001Z",
            "2024-02-29T23:59:59.999Z",
            "0000-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
            "1969-12-31T23:59:59.999Z",
            "2023-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-06-05T24:00:00Z",
            "2026-06-05T16:60:00Z",
            "2026-06-05T16:00:60Z",
            "2026-06-05 16:00:20Z",
            "2026-06-05T16:00:20z",
            "2026-06-05T16:00:20.1Z",
            "2026-06-05T16:00:2\u{e9}Z",
            "+026-06-05T16:00:20Z",
            "2026-06-05T16:00:20+00:00",
            "2026-06-05T16:00:20,001Z",
            "",
            "Z",
        ] {
            if let Some(at) = as_written(text) {
                read += 1;
                assert_eq!(Some(at), by_chrono(text), "{text}");
            }
        }
        assert_eq!(read, 6, "what is wrong or written otherwise is left to chrono");
    }

    proptest::proptest! {
        #[test]
        fn every_instant_reads_back_by_hand(millis in -62_167_219_200_000_i64..253_402_300_800_000) {
            for at in [MarketTime::from_millis(millis), MarketTime::from_secs(millis / 1_000)] {
                proptest::prop_assert_eq!(as_written(&at.to_string()), Some(at));
            }
        }
    }
}
