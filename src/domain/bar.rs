//! Bars: what a market did between two instants.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::MarketTime;

/// A bar size that TWS accepts, by its own words (`1 min`, `30 mins`, `1 day`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[allow(missing_docs)]
pub enum BarSize {
    Secs1,
    Secs5,
    Secs10,
    Secs15,
    Secs30,
    Min1,
    Mins2,
    Mins3,
    Mins4,
    Mins5,
    Mins10,
    Mins15,
    Mins20,
    Mins30,
    Hour1,
    Hours2,
    Hours3,
    Hours4,
    Hours8,
    Day1,
    Week1,
    Month1,
}

/// Every size with TWS's word for it and its length in seconds (nominal from a day upwards).
const SIZES: [(BarSize, &str, u64); 22] = [
    (BarSize::Secs1, "1 secs", 1),
    (BarSize::Secs5, "5 secs", 5),
    (BarSize::Secs10, "10 secs", 10),
    (BarSize::Secs15, "15 secs", 15),
    (BarSize::Secs30, "30 secs", 30),
    (BarSize::Min1, "1 min", 60),
    (BarSize::Mins2, "2 mins", 120),
    (BarSize::Mins3, "3 mins", 180),
    (BarSize::Mins4, "4 mins", 240),
    (BarSize::Mins5, "5 mins", 300),
    (BarSize::Mins10, "10 mins", 600),
    (BarSize::Mins15, "15 mins", 900),
    (BarSize::Mins20, "20 mins", 1_200),
    (BarSize::Mins30, "30 mins", 1_800),
    (BarSize::Hour1, "1 hour", 3_600),
    (BarSize::Hours2, "2 hours", 7_200),
    (BarSize::Hours3, "3 hours", 10_800),
    (BarSize::Hours4, "4 hours", 14_400),
    (BarSize::Hours8, "8 hours", 28_800),
    (BarSize::Day1, "1 day", 86_400),
    (BarSize::Week1, "1 week", 604_800),
    (BarSize::Month1, "1 month", 2_592_000),
];

impl BarSize {
    /// Every size, ascending.
    pub fn all() -> impl Iterator<Item = Self> {
        SIZES.iter().map(|(size, _, _)| *size)
    }

    fn row(self) -> &'static (BarSize, &'static str, u64) {
        &SIZES[self as usize]
    }

    /// TWS's word for it.
    pub fn as_str(self) -> &'static str {
        self.row().1
    }

    /// Its length; nominal (24 h, 7 days, 30 days) for a day and longer.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.row().2)
    }

    /// Whether its bars lie within a session (shorter than a day).
    pub fn is_intraday(self) -> bool {
        self < Self::Day1
    }
}

impl fmt::Display for BarSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no bar size of TWS's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a bar size; use one of: 1 secs, 5 secs, 10 secs, 15 secs, 30 secs, 1 min, 2 mins, 3 mins, 4 mins, 5 mins, 10 mins, 15 mins, 20 mins, 30 mins, 1 hour, 2 hours, 3 hours, 4 hours, 8 hours, 1 day, 1 week, 1 month"
)]
pub struct UnknownBarSize(pub String);

impl FromStr for BarSize {
    type Err = UnknownBarSize;

    /// Accepts TWS's words and their singular or plural (`5 min`, `1 mins`, `1 hours`, `1 sec`), with or
    /// without the space (`5mins`, as in file names).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownBarSize(text.to_owned());
        let lower = text.trim().to_ascii_lowercase();
        let digits = lower.find(|c: char| !c.is_ascii_digit()).ok_or_else(unknown)?;
        let (count, unit) = lower.split_at(digits);
        let unit = unit.trim().trim_end_matches('s');
        SIZES
            .iter()
            .find(|(_, word, _)| {
                word.split_once(' ').is_some_and(|(n, u)| n == count && u.trim_end_matches('s') == unit)
            })
            .map(|(size, _, _)| *size)
            .ok_or_else(unknown)
    }
}

impl TryFrom<String> for BarSize {
    type Error = UnknownBarSize;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<BarSize> for String {
    fn from(size: BarSize) -> Self {
        size.as_str().to_owned()
    }
}

/// No share costs this much, USD: beyond it, money's arithmetic could overflow.
const TOO_MUCH: f64 = 1e12;

/// What a market did from `time` up to, not including, `end`.
///
/// Prices are `f64` in USD as the API and files give them (strategies compute on them); whatever
/// becomes money goes through [`super::Price::from_f64`] first.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bar {
    /// Its open instant, as in files and in TWS. A daily bar opens with its date's session.
    pub time: MarketTime,
    /// Its end instant, exclusive. A daily bar ends with its date's session; the last intraday
    /// bar of a session ends no later than it.
    pub end: MarketTime,
    /// First price, USD a share.
    pub open: f64,
    /// Highest price, USD a share.
    pub high: f64,
    /// Lowest price, USD a share.
    pub low: f64,
    /// Last price, USD a share.
    pub close: f64,
    /// Shares traded, where the source says.
    pub volume: Option<u64>,
}

/// Why a bar is refused.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum BarFault {
    /// A price is not a positive number of a believable size.
    #[error("{field} is {value}, not a price between 0 and 1e12 USD")]
    BadPrice {
        /// Which of open, high, low, close.
        field: &'static str,
        /// What it was.
        value: f64,
    },
    /// Low and high do not enclose open and close.
    #[error("low {low} and high {high} do not enclose open {open} and close {close}")]
    Inconsistent {
        /// USD a share.
        open: f64,
        /// USD a share.
        high: f64,
        /// USD a share.
        low: f64,
        /// USD a share.
        close: f64,
    },
    /// It ends no later than it begins.
    #[error("it ends at {end}, not after its open {time}")]
    Empty {
        /// Open instant.
        time: MarketTime,
        /// End instant.
        end: MarketTime,
    },
    /// It does not come after the bar before it.
    #[error("its open {time} is not after the previous bar's, {previous}")]
    OutOfOrder {
        /// Open instant.
        time: MarketTime,
        /// The previous bar's open instant.
        previous: MarketTime,
    },
}

impl Bar {
    /// Checks that it is finite, positive, consistent and after `previous` (the open instant of
    /// the bar before it).
    ///
    /// # Errors
    /// The first fault found.
    pub fn check(&self, previous: Option<MarketTime>) -> Result<(), BarFault> {
        for (field, value) in [("open", self.open), ("high", self.high), ("low", self.low), ("close", self.close)] {
            if !(value > 0.0 && value < TOO_MUCH) {
                return Err(BarFault::BadPrice { field, value });
            }
        }
        let Self { open, high, low, close, .. } = *self;
        if low > open.min(close) || high < open.max(close) {
            return Err(BarFault::Inconsistent { open, high, low, close });
        }
        if self.end <= self.time {
            return Err(BarFault::Empty { time: self.time, end: self.end });
        }
        match previous {
            Some(previous) if self.time <= previous => Err(BarFault::OutOfOrder { time: self.time, previous }),
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_reads_back_and_sits_in_its_row() {
        for (index, (size, word, _)) in SIZES.iter().enumerate() {
            assert_eq!(*size as usize, index);
            assert_eq!(word.parse::<BarSize>().as_ref(), Ok(size));
        }
        assert_eq!("5 min".parse(), Ok(BarSize::Mins5));
        assert_eq!("1 Day".parse(), Ok(BarSize::Day1));
        assert_eq!("1min".parse(), Ok(BarSize::Min1));
        assert_eq!("5secs".parse(), Ok(BarSize::Secs5));
        assert!("7 mins".parse::<BarSize>().is_err());
        assert!("mins".parse::<BarSize>().is_err());
    }

    #[test]
    fn bad_bars_are_named() {
        let good = Bar {
            time: MarketTime::from_secs(0),
            end: MarketTime::from_secs(60),
            open: 10.0,
            high: 11.0,
            low: 9.0,
            close: 10.5,
            volume: None,
        };
        assert_eq!(good.check(None), Ok(()));
        assert!(matches!(Bar { low: 10.2, ..good }.check(None), Err(BarFault::Inconsistent { .. })));
        assert!(matches!(Bar { high: 10.2, ..good }.check(None), Err(BarFault::Inconsistent { .. })));
        assert!(matches!(Bar { close: f64::NAN, ..good }.check(None), Err(BarFault::BadPrice { field: "close", .. })));
        let absurd = Bar { high: 1e25, ..good };
        assert!(matches!(absurd.check(None), Err(BarFault::BadPrice { field: "high", .. })));
        assert!(matches!(Bar { open: 0.0, ..good }.check(None), Err(BarFault::BadPrice { field: "open", .. })));
        assert!(matches!(good.check(Some(good.time)), Err(BarFault::OutOfOrder { .. })));
        assert!(matches!(Bar { end: good.time, ..good }.check(None), Err(BarFault::Empty { .. })));
    }
}
