//! What kind of exchange and broker this one is.

use serde::{Deserialize, Serialize};

use super::CommissionPlan;
use crate::domain::Shares;

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
    /// need; volume shares, spread and slippage will stand beside it.
    #[serde(default)]
    pub slice: Option<Shares>,
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
        }
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
