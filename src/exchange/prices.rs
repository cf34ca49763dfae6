//! When and at which price an order trades: pure functions of the order and what the market showed.
//!
//! The rules are stated in the [module's page](super).

#![deny(clippy::float_arithmetic)]

use rust_decimal::Decimal;

use super::Kind;
use crate::domain::order::TrailBy;
use crate::domain::{Bar, Price, PriceRule, Rounding, Side};

/// What a look at the market does to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing.
    Rests,
    /// Its trigger was reached, but its limit keeps it waiting.
    Triggers,
    /// It trades.
    Fills(Price),
}

/// A bar's range in exact prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) high: Price,
    pub(super) low: Price,
    pub(super) close: Price,
}

impl Range {
    /// `None` where a price of the bar is not a number.
    pub(super) fn of(bar: &Bar) -> Option<Self> {
        Some(Self {
            high: Price::from_f64(bar.high)?,
            low: Price::from_f64(bar.low)?,
            close: Price::from_f64(bar.close)?,
        })
    }

    /// The better end for a holder of the opposite side: where a trail on this side follows.
    pub(super) fn trail_extreme(&self, side: Side) -> Price {
        match side {
            Side::Sell => self.high,
            Side::Buy => self.low,
        }
    }
}

/// What the order is now: a triggered stop is a market order, a triggered stop-limit a limit one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nature {
    /// Takes any price.
    Market,
    /// Waits for its price.
    Limit(Price),
    /// Waits for its trigger; then a market order (`None`) or a limit one.
    Stop(Price, Option<Price>),
    /// Waits for a price as good as its trigger; then a market order (`None`) or a limit one.
    Touch(Price, Option<Price>),
    /// Waits for the session's close.
    Close,
    /// Waits for a first price to trail behind.
    Unset,
}

impl Nature {
    pub(super) fn of(kind: Kind, side: Side, triggered: bool) -> Self {
        match kind {
            Kind::Market => Self::Market,
            Kind::Limit { limit } => Self::Limit(limit),
            Kind::MarketOnClose | Kind::LimitOnClose { .. } => Self::Close,
            Kind::Stop { .. } | Kind::Trail { .. } | Kind::MarketIfTouched { .. } if triggered => Self::Market,
            Kind::StopLimit { limit, .. } | Kind::LimitIfTouched { limit, .. } if triggered => Self::Limit(limit),
            Kind::Stop { trigger } | Kind::Trail { trigger: Some(trigger), .. } => Self::Stop(trigger, None),
            Kind::StopLimit { trigger, limit } => Self::Stop(trigger, Some(limit)),
            Kind::MarketIfTouched { trigger } => Self::Touch(trigger, None),
            Kind::LimitIfTouched { trigger, limit } => Self::Touch(trigger, Some(limit)),
            Kind::TrailLimit { trigger: Some(trigger), offset, .. } => {
                let limit = match side {
                    Side::Sell => trigger - offset,
                    Side::Buy => trigger + offset,
                };
                if triggered { Self::Limit(limit) } else { Self::Stop(trigger, Some(limit)) }
            }
            Kind::Trail { trigger: None, .. } | Kind::TrailLimit { trigger: None, .. } => Self::Unset,
        }
    }

    /// Whether it waits for a better price: evaluated after everything that a worse price sets off.
    pub(super) fn is_limit(self) -> bool {
        matches!(self, Self::Limit(_) | Self::Touch(..))
    }

    /// Whether something must happen before it works.
    pub(super) fn waits(self) -> bool {
        match self {
            Self::Market | Self::Limit(_) => false,
            Self::Stop(..) | Self::Touch(..) | Self::Close | Self::Unset => true,
        }
    }

    /// One price trades: an open, or the last price when the order arrives.
    pub(super) fn at_print(self, side: Side, print: Price) -> Outcome {
        match self {
            Self::Market => Outcome::Fills(print),
            Self::Limit(limit) if within(side, print, limit) => Outcome::Fills(print),
            Self::Stop(trigger, limit) if reached(side, print, trigger) => after_trigger(side, print, limit),
            Self::Touch(trigger, limit) if within(side, print, trigger) => after_trigger(side, print, limit),
            Self::Limit(_) | Self::Stop(..) | Self::Touch(..) | Self::Close | Self::Unset => Outcome::Rests,
        }
    }

    /// A price trades while the order rests within the bar: as [`Self::at_print`], but a limit
    /// order has its own price (the market came through it).
    pub(super) fn at_touch(self, side: Side, print: Price) -> Outcome {
        match (self, self.at_print(side, print)) {
            (Self::Limit(limit), Outcome::Fills(_)) => Outcome::Fills(limit),
            (_, outcome) => outcome,
        }
    }

    /// The market has been everywhere between low and high, in an order that nobody knows.
    pub(super) fn in_range(self, side: Side, range: &Range) -> Outcome {
        let (best, worst) = match side {
            Side::Buy => (range.low, range.high),
            Side::Sell => (range.high, range.low),
        };
        match self {
            // The rest of an order that was cut at the open may have its price outside the range.
            Self::Limit(limit) if within(side, best, limit) => Outcome::Fills(limit.clamp(range.low, range.high)),
            Self::Stop(trigger, limit) if reached(side, worst, trigger) => {
                after_trigger(side, trigger.clamp(range.low, range.high), limit)
            }
            Self::Touch(trigger, limit) if within(side, best, trigger) => {
                after_trigger(side, trigger.clamp(range.low, range.high), limit)
            }
            // A market order has had its chance at the open.
            Self::Market | Self::Limit(_) | Self::Stop(..) | Self::Touch(..) | Self::Close | Self::Unset => {
                Outcome::Rests
            }
        }
    }
}

fn after_trigger(side: Side, price: Price, limit: Option<Price>) -> Outcome {
    match limit {
        Some(limit) if !within(side, price, limit) => Outcome::Triggers,
        Some(_) | None => Outcome::Fills(price),
    }
}

/// Whether `price` is the limit or better.
pub(super) fn within(side: Side, price: Price, limit: Price) -> bool {
    match side {
        Side::Buy => price <= limit,
        Side::Sell => price >= limit,
    }
}

/// Whether `price` is the trigger or worse.
fn reached(side: Side, price: Price, trigger: Price) -> bool {
    match side {
        Side::Buy => price >= trigger,
        Side::Sell => price <= trigger,
    }
}

/// A trail's trigger after the market has been at `best`: it moves only in the order's favour, and
/// is rounded to the price grid.
pub(super) fn trailed(side: Side, by: TrailBy, trigger: Option<Price>, best: Price, rule: &PriceRule) -> Price {
    let distance = match by {
        TrailBy::Amount(amount) => amount,
        TrailBy::Percent(percent) => best * (percent / Decimal::ONE_HUNDRED),
    };
    match side {
        Side::Sell => {
            let fresh = rule.round(best - distance, Rounding::Nearest);
            trigger.map_or(fresh, |trigger| trigger.max(fresh))
        }
        Side::Buy => {
            let fresh = rule.round(best + distance, Rounding::Nearest);
            trigger.map_or(fresh, |trigger| trigger.min(fresh))
        }
    }
}
