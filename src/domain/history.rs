//! The words in which history is asked for.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{BarSize, MarketTime};

/// What a bar is made of, by TWS's own words (`TRADES`, `MIDPOINT`, …).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum WhatToShow {
    /// Trades, adjusted for splits.
    #[default]
    Trades,
    /// The middle between bid and ask.
    Midpoint,
    /// Bids.
    Bid,
    /// Asks.
    Ask,
    /// Average bid and average ask; counts twice in IBKR's pacing rules.
    BidAsk,
    /// Trades, adjusted for splits and dividends; no end time may be asked for, and no updates.
    AdjustedLast,
}

const SHOWS: [(WhatToShow, &str); 6] = [
    (WhatToShow::Trades, "TRADES"),
    (WhatToShow::Midpoint, "MIDPOINT"),
    (WhatToShow::Bid, "BID"),
    (WhatToShow::Ask, "ASK"),
    (WhatToShow::BidAsk, "BID_ASK"),
    (WhatToShow::AdjustedLast, "ADJUSTED_LAST"),
];

impl WhatToShow {
    /// TWS's word for it.
    pub fn as_str(self) -> &'static str {
        SHOWS[self as usize].1
    }
}

impl fmt::Display for WhatToShow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names nothing that bars can be made of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is nothing to show; use one of: TRADES, MIDPOINT, BID, ASK, BID_ASK, ADJUSTED_LAST")]
pub struct UnknownShow(pub String);

impl FromStr for WhatToShow {
    type Err = UnknownShow;

    /// In any case; `-` and space pass for `_`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = text.trim().to_ascii_uppercase().replace(['-', ' '], "_");
        SHOWS.iter().find(|(_, name)| *name == word).map(|(show, _)| *show).ok_or_else(|| UnknownShow(text.to_owned()))
    }
}

impl TryFrom<String> for WhatToShow {
    type Error = UnknownShow;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<WhatToShow> for String {
    fn from(show: WhatToShow) -> Self {
        show.as_str().to_owned()
    }
}

/// The unit of a [`HistoryDuration`], by TWS's letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DurationUnit {
    /// `S`: seconds, at most 86,400 of them.
    Seconds,
    /// `D`: trading days.
    Days,
    /// `W`: weeks.
    Weeks,
    /// `M`: months.
    Months,
    /// `Y`: years.
    Years,
}

const UNITS: [(DurationUnit, char, u64); 5] = [
    (DurationUnit::Seconds, 'S', 1),
    (DurationUnit::Days, 'D', 86_400),
    (DurationUnit::Weeks, 'W', 7 * 86_400),
    (DurationUnit::Months, 'M', 30 * 86_400),
    (DurationUnit::Years, 'Y', 365 * 86_400),
];

/// How far back history is asked for, as TWS writes it (`10 D`, `3600 S`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HistoryDuration {
    /// How many, at least 1.
    pub count: u32,
    /// Of what.
    pub unit: DurationUnit,
}

impl HistoryDuration {
    /// So many trading days.
    pub const fn days(count: u32) -> Self {
        Self { count, unit: DurationUnit::Days }
    }

    /// The shortest duration in TWS's words that reaches at least so far back: seconds up to one
    /// day, then days up to a year, then years.
    pub fn reaching(span: Duration) -> Self {
        let seconds = span.as_secs().max(1);
        let (unit, each) = match seconds {
            0..=86_400 => (DurationUnit::Seconds, 1),
            86_401..=31_536_000 => (DurationUnit::Days, 86_400),
            _ => (DurationUnit::Years, 31_536_000),
        };
        Self { count: u32::try_from(seconds.div_ceil(each)).unwrap_or(u32::MAX), unit }
    }

    /// Its nominal length of calendar time (a month of 30 days, a year of 365).
    pub fn nominal(self) -> Duration {
        Duration::from_secs(u64::from(self.count) * UNITS[self.unit as usize].2)
    }
}

impl fmt::Display for HistoryDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.count, UNITS[self.unit as usize].1)
    }
}

/// A text that is no duration of TWS's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a duration; use a number and one of S, D, W, M, Y, such as \"10 D\" (seconds at most 86400)")]
pub struct BadDuration(pub String);

impl FromStr for HistoryDuration {
    type Err = BadDuration;

    /// `10 D`, also without the space and in lower case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadDuration(text.to_owned());
        let trimmed = text.trim();
        let letter = trimmed.chars().next_back().ok_or_else(bad)?.to_ascii_uppercase();
        let (unit, ..) = *UNITS.iter().find(|(_, l, _)| *l == letter).ok_or_else(bad)?;
        // The letter found is ASCII, hence one byte.
        let digits = trimmed[..trimmed.len() - 1].trim_end();
        let count: u32 = digits.parse().map_err(|_| bad())?;
        let fits = count >= 1 && (unit != DurationUnit::Seconds || count <= 86_400) && !digits.starts_with('+');
        if fits { Ok(Self { count, unit }) } else { Err(bad()) }
    }
}

impl TryFrom<String> for HistoryDuration {
    type Error = BadDuration;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<HistoryDuration> for String {
    fn from(duration: HistoryDuration) -> Self {
        duration.to_string()
    }
}

/// One question for history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryRequest {
    /// How far back.
    pub duration: HistoryDuration,
    /// Length of each bar.
    pub size: BarSize,
    /// What the bars are made of.
    pub show: WhatToShow,
    /// Only regular hours.
    pub regular_only: bool,
    /// Up to when; `None` for now. Must be `None` for a stream.
    pub end: Option<MarketTime>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_back_and_nonsense_is_refused() {
        for text in ["10 D", "86400 S", "2 W", "1 M", "3 Y"] {
            assert_eq!(text.parse::<HistoryDuration>().unwrap().to_string(), text);
        }
        assert_eq!("10d".parse(), Ok(HistoryDuration::days(10)));
        for bad in ["", "D", "0 D", "-1 D", "+1 D", "1.5 D", "10", "10 X", "86401 S", "1é"] {
            assert!(bad.parse::<HistoryDuration>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_duration_reaches_at_least_as_far_as_asked() {
        for (seconds, text) in
            [(0, "1 S"), (60, "60 S"), (86_400, "86400 S"), (86_401, "2 D"), (31_536_001, "2 Y"), (31_536_000, "365 D")]
        {
            let duration = HistoryDuration::reaching(Duration::from_secs(seconds));
            assert_eq!(duration.to_string(), text);
            assert!(duration.nominal() >= Duration::from_secs(seconds));
        }
    }

    #[test]
    fn every_show_and_unit_sits_in_its_row() {
        for (index, (show, word)) in SHOWS.iter().enumerate() {
            assert_eq!(*show as usize, index);
            assert_eq!(word.parse(), Ok(*show));
        }
        for (index, (unit, ..)) in UNITS.iter().enumerate() {
            assert_eq!(*unit as usize, index);
        }
        assert_eq!("bid-ask".parse(), Ok(WhatToShow::BidAsk));
        assert!("SCHEDULE".parse::<WhatToShow>().is_err());
    }
}
