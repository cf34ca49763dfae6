//! What trades cost.

#![deny(clippy::float_arithmetic)]

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::domain::{Shares, Usd};

/// A tariff. Whatever it is, an order's cost is rounded half-up to the cent once, over all of the
/// order's fills together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum CommissionPlan {
    /// IBKR's fixed tariff for US stocks: USD 0.005 a share, at least USD 1.00 an order, at most
    /// 1 % of the trade's value; where the two disagree the 1 % wins.
    #[default]
    IbkrFixed,
    /// IBKR's tiered tariff for US stocks up to 300,000 shares a month: USD 0.0035 a share, at least
    /// USD 0.35 an order, at most 1 % of the trade's value. The exchanges' and regulators' own fees,
    /// which IBKR passes on under this tariff, are not in it: they differ by venue.
    IbkrTiered,
    /// This much a share, without minimum or maximum.
    PerShare(Usd),
    /// Nothing.
    Free,
}

/// A text that names no tariff.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a commission plan; use ibkr-fixed, ibkr-tiered, none, or per-share=AMOUNT with an amount of USD from 0"
)]
pub struct UnknownPlan(pub String);

impl CommissionPlan {
    /// The whole cost of an order that has filled `shares` for `value` so far.
    pub fn total(self, shares: Shares, value: Usd) -> Usd {
        let count = Decimal::from(shares.abs().0);
        match self {
            Self::IbkrFixed => bounded(Decimal::new(5, 3) * count, Decimal::ONE, value),
            Self::IbkrTiered => bounded(Decimal::new(35, 4) * count, Decimal::new(35, 2), value),
            Self::PerShare(amount) => (amount * count).to_cent(),
            Self::Free => Usd::ZERO,
        }
    }
}

/// At least `least`, at most 1 % of what was traded, in whole cents.
fn bounded(by_share: Decimal, least: Decimal, value: Usd) -> Usd {
    Usd::of(by_share.max(least)).min(value.abs() * Decimal::new(1, 2)).to_cent()
}

impl fmt::Display for CommissionPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IbkrFixed => f.write_str("ibkr-fixed"),
            Self::IbkrTiered => f.write_str("ibkr-tiered"),
            Self::PerShare(amount) => write!(f, "per-share={amount}"),
            Self::Free => f.write_str("none"),
        }
    }
}

impl FromStr for CommissionPlan {
    type Err = UnknownPlan;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownPlan(text.to_owned());
        match text.trim() {
            "ibkr-fixed" => Ok(Self::IbkrFixed),
            "ibkr-tiered" => Ok(Self::IbkrTiered),
            "none" => Ok(Self::Free),
            other => other
                .strip_prefix("per-share=")
                .and_then(|amount| amount.parse::<Usd>().ok())
                .filter(|amount| *amount >= Usd::ZERO)
                .map(Self::PerShare)
                .ok_or_else(unknown),
        }
    }
}

impl TryFrom<String> for CommissionPlan {
    type Error = UnknownPlan;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<CommissionPlan> for String {
    fn from(plan: CommissionPlan) -> Self {
        plan.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Price;
    use proptest::prelude::*;

    fn cost(shares: i64, price: &str) -> String {
        let price: Price = price.parse().unwrap();
        CommissionPlan::IbkrFixed.total(Shares(shares), price * Shares(shares)).to_string()
    }

    #[test]
    fn the_fixed_tariff() {
        assert_eq!(cost(1_000, "25"), "5.00", "0.005 a share");
        assert_eq!(cost(100, "25"), "1", "the minimum of 1.00");
        assert_eq!(cost(1_000, "0.25"), "2.50", "1 % of 250 is below 5.00");
        assert_eq!(cost(10, "0.20"), "0.02", "the 1 % cap wins over the minimum");
        assert_eq!(cost(201, "100"), "1.01", "1.005 rounds half-up");
        assert_eq!(cost(1, "0.01"), "0.00");
    }

    #[test]
    fn plans_read_back() {
        for text in ["ibkr-fixed", "none", "per-share=0.005"] {
            assert_eq!(text.parse::<CommissionPlan>().unwrap().to_string(), text);
        }
        for bad in ["", "free", "per-share=", "per-share=-1", "per-share=x"] {
            assert!(bad.parse::<CommissionPlan>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn partial_fills_cost_what_the_whole_costs(
            parts in proptest::collection::vec((1_i64..5_000, 1_i64..100_000), 1..12),
            plan in prop_oneof![
                Just(CommissionPlan::IbkrFixed),
                Just(CommissionPlan::Free),
                (0_i64..100).prop_map(|m| CommissionPlan::PerShare(Usd::of(Decimal::new(m, 4)))),
            ],
        ) {
            let (mut shares, mut value, mut charged) = (Shares::ZERO, Usd::ZERO, Usd::ZERO);
            for (quantity, cents) in parts {
                shares += Shares(quantity);
                value += Price::of(Decimal::new(cents, 2)) * Shares(quantity);
                let now = plan.total(shares, value) - charged;
                prop_assert!(now >= Usd::ZERO, "a later fill gives nothing back");
                prop_assert_eq!(now, now.to_cent());
                charged += now;
            }
            prop_assert_eq!(charged, plan.total(shares, value));
        }
    }
}
