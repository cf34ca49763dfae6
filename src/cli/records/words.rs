//! Words of the lists: moments as an operator says them, orders' terms as one reads them.

use std::str::FromStr;
use std::time::Duration;

use chrono::NaiveDate;

use crate::calendar::Calendar;
use crate::domain::MarketTime;
use crate::domain::order::{OrderKind, OrderState, TrailBy};

/// A moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum When {
    /// This instant.
    At(MarketTime),
    /// The beginning of a day at the exchange.
    Day(NaiveDate),
    /// So long before the newest fact.
    Ago(Duration),
}

impl When {
    /// The instant, where the newest fact is of `now`.
    pub(in crate::cli) fn before(self, now: MarketTime) -> MarketTime {
        match self {
            Self::At(at) => at,
            Self::Day(date) => Calendar::Always.nominal_session(date).open,
            Self::Ago(span) => now - span,
        }
    }
}

impl FromStr for When {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?}: use 2026-11-24T15:00:00Z, 2026-11-24, or a span such as 30m, 12h or 7d");
        if let Ok(at) = chrono::DateTime::parse_from_rfc3339(text) {
            return Ok(Self::At(MarketTime::from(at.with_timezone(&chrono::Utc))));
        }
        if let Ok(date) = text.parse::<NaiveDate>() {
            return Ok(Self::Day(date));
        }
        let unit = text.chars().last().ok_or_else(wrong)?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return Err(wrong()),
        };
        let number: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
        number
            .checked_mul(seconds)
            .filter(|s| *s < 1 << 32)
            .map(|s| Self::Ago(Duration::from_secs(s)))
            .ok_or_else(wrong)
    }
}

/// Type and prices of an order.
pub(super) fn terms(kind: &OrderKind) -> String {
    let word = kind.as_str();
    match kind {
        OrderKind::Market => word.to_owned(),
        OrderKind::Limit { limit } => format!("{word} {limit}"),
        OrderKind::Stop { trigger } => format!("{word} {trigger}"),
        OrderKind::StopLimit { trigger, limit } => format!("{word} {trigger} {limit}"),
        OrderKind::Trail { by, trigger } => {
            let by = match by {
                TrailBy::Amount(amount) => amount.to_string(),
                TrailBy::Percent(percent) => format!("{percent}%"),
            };
            trigger.map_or_else(|| format!("{word} {by}"), |trigger| format!("{word} {by} at {trigger}"))
        }
    }
}

/// The word for an order's state.
pub(super) fn state(state: OrderState) -> &'static str {
    match state {
        OrderState::Sent => "sent",
        OrderState::Working => "working",
        OrderState::Cancelling => "cancelling",
        OrderState::Unknown => "in doubt",
        OrderState::Filled => "filled",
        OrderState::Cancelled => "cancelled",
        OrderState::Rejected => "rejected",
        OrderState::NeverSent => "never sent",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_they_are_said() {
        let now = MarketTime::from_secs(1_800_000_000);
        for (text, secs) in [
            ("2027-01-15T08:00:00Z", 1_800_000_000),
            ("2h", 1_800_000_000 - 7_200),
            ("7d", 1_800_000_000 - 604_800),
            // Midnight in New York.
            ("2027-01-15", 1_799_989_200),
        ] {
            let when: When = text.parse().unwrap();
            assert_eq!(when.before(now), MarketTime::from_secs(secs), "{text}");
        }
        for text in ["", "d", "yesterday", "-1d", "7y", "99999999999d", "1é"] {
            assert!(text.parse::<When>().unwrap_err().contains("use 2026"), "{text}");
        }
    }
}
