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
    /// Shares that would move the account's equity by this much in a year, as a standard deviation:
    /// volatility targeting.
    Volatility {
        /// Annual, as a fraction of equity.
        target: Decimal,
        /// Fraction of equity that they are never worth more than.
        most: Decimal,
    },
    /// Shares worth a part of what Kelly's rule allots by the symbol's own round trips.
    Kelly {
        /// Which part.
        part: Decimal,
        /// Round trips before there is anything to go by.
        trips: u32,
        /// Fraction of equity until then.
        start: Decimal,
        /// Fraction of equity that they are never worth more than.
        most: Decimal,
    },
}

impl Sizing {
    /// Whether it asks for the average true range.
    pub fn by_range(self) -> bool {
        match self {
            Self::AtrRisk { .. } => true,
            Self::FixedShares(_)
            | Self::FixedNotional(_)
            | Self::PercentOfEquity(_)
            | Self::Volatility { .. }
            | Self::Kelly { .. } => false,
        }
    }

    /// Whether it asks for the volatility.
    pub fn by_volatility(self) -> bool {
        match self {
            Self::Volatility { .. } => true,
            Self::FixedShares(_)
            | Self::FixedNotional(_)
            | Self::PercentOfEquity(_)
            | Self::AtrRisk { .. }
            | Self::Kelly { .. } => false,
        }
    }
}

/// How a symbol's closed round trips went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TripRecord {
    /// How many.
    pub trips: u32,
    /// How many of them gained.
    pub wins: u32,
    /// What those gained in all, USD.
    pub won: Usd,
    /// What the others lost in all, USD, positive.
    pub lost: Usd,
}

impl TripRecord {
    /// Adds up what each round trip brought after fees, USD.
    pub fn of(profits: impl Iterator<Item = Usd>) -> Self {
        let mut record = Self::default();
        for profit in profits {
            record.trips += 1;
            if profit > Usd::ZERO {
                record.wins += 1;
                record.won += profit;
            } else {
                record.lost -= profit;
            }
        }
        record
    }

    /// Kelly's fraction W - (1 - W) / R, with W the part that won and R the average gain as a multiple
    /// of the average loss; not positive where there is no edge.
    pub fn kelly(self) -> Decimal {
        // The same, written so that no losses and no gains need no case of their own: the average loss
        // times the part that lost is what was lost in all, a trip.
        let rate = Decimal::from(self.wins).checked_div(Decimal::from(self.trips)).unwrap_or(Decimal::ZERO);
        let given_back = self.lost.decimal().checked_div(self.won.decimal()).unwrap_or(Decimal::ONE);
        rate * (Decimal::ONE - given_back)
    }
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
    /// The symbol's annual volatility, if known, as a fraction of its price.
    pub volatility: Option<Decimal>,
    /// How its round trips went.
    pub record: TripRecord,
}

/// Signed whole shares, rounded towards zero, for a target of `value` (-1 to 1).
///
/// # Errors
/// A price that is not positive, or a needed value that is not known.
pub fn size(sizing: Sizing, value: Decimal, input: SizingInput) -> Result<Shares, Refusal> {
    if input.price <= Price::ZERO {
        return Err(Refusal::BadPrice { price: input.price });
    }
    if let Sizing::FixedShares(shares) = sizing
        && value == Decimal::ONE
    {
        return Ok(shares);
    }
    let per = |worth: Decimal, price: Decimal| worth.checked_div(price).unwrap_or(Decimal::ZERO);
    let unknown = |what: &str| Refusal::Unknown { what: what.to_owned() };
    let full = match sizing {
        Sizing::FixedShares(shares) => Decimal::from(shares.0),
        Sizing::FixedNotional(notional) => per(notional.decimal(), input.price.decimal()),
        Sizing::PercentOfEquity(fraction) => {
            let equity = input.equity.ok_or_else(|| unknown("equity"))?;
            per(equity.decimal().max(Decimal::ZERO) * fraction, input.price.decimal())
        }
        Sizing::AtrRisk { risk, atrs } => {
            let equity = input.equity.ok_or_else(|| unknown("equity"))?;
            let atr = input.atr.filter(|atr| *atr > Price::ZERO).ok_or_else(|| unknown("average true range"))?;
            per(equity.decimal().max(Decimal::ZERO) * risk, atr.decimal() * atrs)
        }
        Sizing::Volatility { target, most } => {
            let equity = input.equity.ok_or_else(|| unknown("equity"))?;
            let volatility =
                input.volatility.filter(|one| *one > Decimal::ZERO).ok_or_else(|| unknown("volatility"))?;
            // A quotient beyond all decimals lies beyond the cap, too.
            let fraction = target.checked_div(volatility).unwrap_or(most).min(most);
            per(equity.decimal().max(Decimal::ZERO) * fraction, input.price.decimal())
        }
        Sizing::Kelly { part, trips, start, most } => {
            let equity = input.equity.ok_or_else(|| unknown("equity"))?;
            let fraction = if input.record.trips < trips { start } else { part * input.record.kelly() };
            per(equity.decimal().max(Decimal::ZERO) * fraction.min(most).max(Decimal::ZERO), input.price.decimal())
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
            equity: equity.map(|e| Usd::of(Decimal::from(e))),
            atr: atr.map(|a| a.parse().unwrap()),
            volatility: None,
            record: TripRecord::default(),
        };
        size(sizing, value.parse().unwrap(), input).map(|shares| shares.0)
    }

    #[test]
    fn sizes_are_whole_shares_rounded_towards_zero() {
        let two_percent = Sizing::PercentOfEquity(Decimal::new(2, 2));
        assert_eq!(shares(Sizing::FixedShares(Shares(100)), "0.5", None, None), Ok(50));
        assert_eq!(shares(Sizing::FixedNotional(Usd::of(Decimal::from(1_000))), "1", None, None), Ok(30));
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

    /// Of 100,000 USD at 50 USD a share.
    fn of_equity(sizing: Sizing, volatility: Option<&str>, profits: &[i64]) -> Result<i64, Refusal> {
        let input = SizingInput {
            price: "50".parse().unwrap(),
            equity: Some(Usd::of(Decimal::from(100_000))),
            atr: None,
            volatility: volatility.map(|v| v.parse().unwrap()),
            record: TripRecord::of(profits.iter().map(|profit| Usd::of(Decimal::from(*profit)))),
        };
        size(sizing, Decimal::ONE, input).map(|shares| shares.0)
    }

    #[test]
    fn a_volatile_symbol_gets_less_and_a_calm_one_no_more_than_the_cap() {
        let sizing = Sizing::Volatility { target: Decimal::new(1, 1), most: Decimal::new(5, 1) };
        // 100,000 x 0.10 / 0.40 = 25,000 USD; 0.10 / 0.05 would be twice the equity.
        assert_eq!(of_equity(sizing, Some("0.4"), &[]), Ok(500));
        assert_eq!(of_equity(sizing, Some("0.3"), &[]), Ok(666));
        assert_eq!(of_equity(sizing, Some("0.05"), &[]), Ok(1_000));
        assert!(matches!(of_equity(sizing, None, &[]), Err(Refusal::Unknown { .. })));
        assert!(matches!(of_equity(sizing, Some("0"), &[]), Err(Refusal::Unknown { .. })));
        assert!(matches!(shares(sizing, "1", None, None), Err(Refusal::Unknown { .. })));
    }

    #[test]
    fn kelly_is_a_part_of_the_edge_never_more_than_the_cap_and_nothing_without_one() {
        let sizing = |most| Sizing::Kelly {
            part: Decimal::new(25, 2),
            trips: 5,
            start: Decimal::new(1, 2),
            most: Decimal::new(most, 2),
        };
        assert_eq!(of_equity(sizing(50), None, &[200, 200, 200, -100]), Ok(20), "four are too few: 1 %");
        // W = 0.6, R = 200 / 100: 0.6 - 0.4 / 2 = 0.4, a quarter of it is 10 %.
        assert_eq!(of_equity(sizing(50), None, &[200, 200, 200, -100, -100]), Ok(200));
        assert_eq!(of_equity(sizing(5), None, &[200, 200, 200, -100, -100]), Ok(100));
        // W = 0.4, R = 1: 0.4 - 0.6 = -0.2.
        assert_eq!(of_equity(sizing(50), None, &[100, 100, -100, -100, -100]), Ok(0));
        assert_eq!(of_equity(sizing(50), None, &[-1, -1, -1, -1, -1]), Ok(0));
        // Nothing lost: W = 1, R without bound.
        assert_eq!(of_equity(sizing(50), None, &[1, 1, 1, 1, 1]), Ok(500));
        assert!(matches!(shares(sizing(50), "1", None, None), Err(Refusal::Unknown { .. })));
    }
}
