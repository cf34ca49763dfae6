//! Sizing: how many shares a full target means. Computed when the target changes, then frozen.

#![deny(clippy::float_arithmetic)]

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Serialize};

use crate::domain::refusal::Refusal;
use crate::domain::{Price, Shares, Usd};

/// How a full target is sized.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sizing {
    /// So many shares.
    FixedShares(Shares),
    /// Shares worth so much, USD.
    FixedNotional(Usd),
    /// Shares worth this fraction of the account's equity.
    PercentOfEquity(Decimal),
    /// Shares that lose this fraction of the account's equity when the price moves against them
    /// by so many average true ranges.
    AtrRisk {
        /// Fraction of equity at risk.
        risk: Decimal,
        /// Average true ranges that the risk is measured over.
        atrs: Decimal,
    },
}

/// What sizing looks at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SizingInput {
    /// The last close, USD a share.
    pub price: Price,
    /// The account's equity, if known.
    pub equity: Option<Usd>,
    /// The symbol's average true range, if known, USD a share.
    pub atr: Option<Price>,
}

/// Signed whole shares, rounded towards zero, for a target of `value` (-1 to 1).
///
/// # Errors
/// A price that is not positive, or a needed value that is not known.
pub fn size(sizing: Sizing, value: Decimal, input: SizingInput) -> Result<Shares, Refusal> {
    if input.price.0 <= Decimal::ZERO {
        return Err(Refusal::BadPrice { price: input.price });
    }
    let per = |worth: Decimal, price: Decimal| worth.checked_div(price).unwrap_or(Decimal::ZERO);
    let unknown = |what: &str| Refusal::Unknown { what: what.to_owned() };
    let full = match sizing {
        Sizing::FixedShares(shares) => Decimal::from(shares.0),
        Sizing::FixedNotional(notional) => per(notional.0, input.price.0),
        Sizing::PercentOfEquity(fraction) => {
            let equity = input.equity.ok_or_else(|| unknown("equity"))?;
            per(equity.0.max(Decimal::ZERO) * fraction, input.price.0)
        }
        Sizing::AtrRisk { risk, atrs } => {
            let equity = input.equity.ok_or_else(|| unknown("equity"))?;
            let atr = input.atr.filter(|atr| atr.0 > Decimal::ZERO).ok_or_else(|| unknown("average true range"))?;
            per(equity.0.max(Decimal::ZERO) * risk, atr.0 * atrs)
        }
    };
    Ok(Shares((full * value).trunc().to_i64().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(sizing: Sizing, value: &str, equity: Option<i64>, atr: Option<&str>) -> Result<i64, Refusal> {
        let input = SizingInput {
            price: "33.33".parse().unwrap(),
            equity: equity.map(|e| Usd(Decimal::from(e))),
            atr: atr.map(|a| a.parse().unwrap()),
        };
        size(sizing, value.parse().unwrap(), input).map(|shares| shares.0)
    }

    #[test]
    fn sizes_are_whole_shares_rounded_towards_zero() {
        let two_percent = Sizing::PercentOfEquity(Decimal::new(2, 2));
        assert_eq!(shares(Sizing::FixedShares(Shares(100)), "0.5", None, None), Ok(50));
        assert_eq!(shares(Sizing::FixedNotional(Usd(Decimal::from(1_000))), "1", None, None), Ok(30));
        assert_eq!(shares(two_percent, "1", Some(100_000), None), Ok(60));
        assert_eq!(shares(two_percent, "-1", Some(100_000), None), Ok(-60));
        let risk = Sizing::AtrRisk { risk: Decimal::new(1, 2), atrs: Decimal::TWO };
        assert_eq!(shares(risk, "1", Some(10_000), Some("0.75")), Ok(66));
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        let two_percent = Sizing::PercentOfEquity(Decimal::new(2, 2));
        assert!(matches!(shares(two_percent, "1", None, None), Err(Refusal::Unknown { .. })));
        let risk = Sizing::AtrRisk { risk: Decimal::new(1, 2), atrs: Decimal::TWO };
        assert!(matches!(shares(risk, "1", Some(1), None), Err(Refusal::Unknown { .. })));
        assert!(matches!(shares(risk, "1", Some(1), Some("0")), Err(Refusal::Unknown { .. })));
        // A quotient beyond all decimals is no size at all.
        assert_eq!(shares(risk, "1", Some(100_000), Some("0.0000000000000000000000000001")), Ok(0));
    }
}
