//! What kind of exchange and broker this one is.

use serde::{Deserialize, Serialize};

use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, RoundingStrategy};

use super::CommissionPlan;
use crate::domain::{Price, Shares, Side};

/// How the exchange and its broker behave. It is fixed for the life of an [`super::Exchange`] and
/// is kept with its state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// What trades cost.
    pub commission: CommissionPlan,
    /// What happens to a bracket's children when their parent ends without having filled whole.
    pub children: ChildRule,
    /// Whether shares can be borrowed. Where not, no sale goes beyond the position.
    pub allow_short: bool,
    /// What a position ties up.
    pub margin: MarginPlan,
    /// The most that one order fills at one opportunity (an open, or a bar's range); the rest goes
    /// on working. `None`: every order fills whole. It makes partial fills, which faults and tests
    /// need.
    #[serde(default)]
    pub slice: Option<Shares>,
    /// What trading at once costs beside the price.
    #[serde(default)]
    pub friction: Friction,
    /// Orders that arrive between two bars trade at the close of the bar before: what nobody can
    /// do who has waited for that close. For comparisons with engines that do it.
    #[serde(default)]
    pub trades_at_close: bool,
}

impl Default for Config {
    /// IBKR's fixed tariff, children that live pro rata, shares to borrow, Reg T, whole fills.
    fn default() -> Self {
        Self {
            commission: CommissionPlan::IbkrFixed,
            children: ChildRule::ProRata,
            allow_short: true,
            margin: MarginPlan::RegT,
            slice: None,
            friction: Friction::default(),
            trades_at_close: false,
        }
    }
}

/// What a real market takes from those who trade at once. Orders that trade at their own limit
/// pay nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Friction {
    /// Hundredths of a percent by which the price is worse than the one shown.
    pub slippage_bps: Decimal,
    /// Hundredths of a percent between bid and offer: half of it is paid.
    pub spread_bps: Decimal,
    /// The most of a bar's volume that one order fills of it, as a fraction; at an open, of the
    /// volume of the bar before, for the new one's is not known yet. `None`: any quantity.
    pub volume_share: Option<Decimal>,
}

impl Friction {
    /// By how much a price is worse, as a fraction of it.
    fn fraction(self) -> Decimal {
        (self.slippage_bps + self.spread_bps / Decimal::TWO) / Decimal::from(10_000)
    }

    /// The price that an order pays or gets which trades at once where the market shows `shown`:
    /// to the ten-thousandth, never on the better side.
    pub(super) fn price(self, side: Side, shown: Price) -> Price {
        if self.slippage_bps.is_zero() && self.spread_bps.is_zero() {
            return shown;
        }
        let fraction = self.fraction();
        let worse = match side {
            Side::Buy => {
                (shown * (Decimal::ONE + fraction)).decimal().round_dp_with_strategy(4, RoundingStrategy::AwayFromZero)
            }
            Side::Sell => {
                (shown * (Decimal::ONE - fraction)).decimal().round_dp_with_strategy(4, RoundingStrategy::ToZero)
            }
        };
        Price::of(worse.max(Decimal::new(1, 4)).normalize())
    }

    /// The most that an order fills where a bar had this volume; `None`: any quantity.
    pub(super) fn most(self, volume: Option<u64>) -> Option<Shares> {
        let share = self.volume_share? * Decimal::from(volume?);
        Some(Shares(share.trunc().to_i64().unwrap_or(i64::MAX).max(0)))
    }
}

/// The fate of bracket children when their parent is cancelled or expires with part of it filled.
/// IBKR is seen to do either, so the desk relies on neither (trading-rules 11).
///
/// While the parent works, both rules let the children work for the part of it that has filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChildRule {
    /// They live on, cut down to the filled part.
    #[default]
    ProRata,
    /// They are cancelled with it: the filled part is left without protection.
    DieWithParent,
}

/// What a position ties up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MarginPlan {
    /// Regulation T: initial margin 50 % of a position's value; maintenance 25 % of a long one's
    /// and 30 % of a short one's (FINRA rule 4210).
    #[default]
    RegT,
    /// No credit: a position ties up its whole value, and nothing is sold short.
    Cash,
}
