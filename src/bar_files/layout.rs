//! How a CSV file is laid out, where it is not as this program writes it.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use chrono_tz::Tz;

use crate::domain::MarketTime;

use super::fields::{self, Instant};

/// The columns, in the order in which a record is taken apart.
pub(super) const COLUMNS: [&str; 6] = ["time", "open", "high", "low", "close", "volume"];

/// Names of the columns, what separates them, and how times are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The header's names of time, open, high, low, close and volume, whatever their case.
    pub names: [String; 6],
    /// What stands between fields.
    pub delimiter: u8,
    /// How times are written.
    pub times: Times,
}

impl Default for Layout {
    fn default() -> Self {
        Self { names: COLUMNS.map(str::to_owned), delimiter: b',', times: Times::Rfc3339 }
    }
}

/// How a file writes its times.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Times {
    /// RFC 3339 instants; dates for daily and longer bars.
    #[default]
    Rfc3339,
    /// Seconds since 1970-01-01T00:00:00Z.
    EpochSeconds,
    /// Milliseconds since then.
    EpochMillis,
    /// A zone's wall clock. Where autumn repeats an hour, the first is meant.
    Local {
        /// The zone of times that name none.
        zone: Tz,
        /// `strftime`'s words; without, `2013-10-04 09:30:00` with a space or `T`, seconds or none.
        format: Option<String>,
    },
}

/// A bar's time as its file gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    At(MarketTime),
    On(NaiveDate),
}

/// Why a time cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WrongTime {
    NoZone,
    Expected(&'static str),
}

impl Times {
    /// An intraday bar's instant, or a longer bar's date.
    pub(super) fn read(&self, text: &[u8], intraday: bool) -> Result<When, WrongTime> {
        match self {
            Self::Rfc3339 if intraday => match fields::instant(text) {
                Instant::At(at) => Ok(When::At(at)),
                Instant::NoZone => Err(WrongTime::NoZone),
                Instant::Wrong => Err(WrongTime::Expected("an instant like 2013-10-04T13:30:00Z")),
            },
            Self::Rfc3339 => fields::date(text).map(When::On).ok_or(WrongTime::Expected("a date like 2013-10-04")),
            Self::EpochSeconds => epoch(text, 1_000, intraday).ok_or(WrongTime::Expected("seconds since 1970")),
            Self::EpochMillis => epoch(text, 1, intraday).ok_or(WrongTime::Expected("milliseconds since 1970")),
            Self::Local { zone, format } => local(text, *zone, format.as_deref(), intraday)
                .ok_or(WrongTime::Expected("a time of the zone and format that were said")),
        }
    }
}

/// So many milliseconds each, since 1970; a date is that of UTC.
fn epoch(text: &[u8], unit: i64, intraday: bool) -> Option<When> {
    let count: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    let at = DateTime::<Utc>::from_timestamp_millis(count.checked_mul(unit)?)?;
    Some(if intraday { When::At(at.into()) } else { When::On(at.date_naive()) })
}

fn local(text: &[u8], zone: Tz, format: Option<&str>, intraday: bool) -> Option<When> {
    let words = std::str::from_utf8(text).ok()?;
    if !intraday {
        let date = match format {
            Some(format) => NaiveDate::parse_from_str(words, format).ok(),
            None => fields::date(text).or_else(|| fields::local(words).map(|wall| wall.date())),
        };
        return date.map(When::On);
    }
    let wall = match format {
        Some(format) => NaiveDateTime::parse_from_str(words, format).ok(),
        None => fields::local(words),
    };
    match wall {
        Some(wall) => wall.and_local_timezone(zone).earliest().map(|at| When::At(at.with_timezone(&Utc).into())),
        // A time that names its own zone is right whatever the zone of the others.
        None => match fields::instant(text) {
            Instant::At(at) => Some(When::At(at)),
            Instant::NoZone | Instant::Wrong => None,
        },
    }
}
