//! Choices of the settings in words, the same wherever they are shown.

use crate::desk::StopPolicy;
use crate::risk::Sizing;

/// How a full target is sized.
pub fn sizing(sizing: &Sizing) -> String {
    match sizing {
        Sizing::FixedShares(shares) => format!("{shares} shares"),
        Sizing::FixedNotional(worth) => format!("{} USD", worth.decimal()),
        Sizing::PercentOfEquity(part) => format!("{part} of equity"),
        Sizing::AtrRisk { risk, atrs } => format!("{risk} of equity at risk over {atrs} average true ranges"),
        Sizing::Volatility { target, most } => {
            format!("annual volatility of {target} of equity, worth at most {most} of it")
        }
        Sizing::Kelly { part, trips, start, most } => {
            format!(
                "{part} of Kelly's fraction after {trips} round trips, {start} of equity before, at most {most} of it"
            )
        }
    }
}

/// Where a position's stop is.
pub fn stop(stop: &StopPolicy) -> String {
    match stop {
        StopPolicy::None => "none".to_owned(),
        StopPolicy::Fixed(part) => format!("fixed, {part} of the entry price away"),
        StopPolicy::Atr(ranges) => format!("{ranges} average true ranges away"),
        StopPolicy::Trailing(part) => format!("trailing, {part} of the best price away"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Shares;

    #[test]
    fn what_is_shown_is_not_how_it_is_built() {
        let risk = Sizing::AtrRisk { risk: "0.01".parse().unwrap(), atrs: "2".parse().unwrap() };
        assert_eq!(sizing(&risk), "0.01 of equity at risk over 2 average true ranges");
        assert_eq!(sizing(&Sizing::FixedShares(Shares(7))), "7 shares");
        assert_eq!(stop(&StopPolicy::None), "none");
        assert_eq!(stop(&StopPolicy::Fixed("0.02".parse().unwrap())), "fixed, 0.02 of the entry price away");
    }
}
