//! Positions: lots, first in first out, and the profit they realize.

#![deny(clippy::float_arithmetic)]

use std::collections::VecDeque;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{MarketTime, Price, Shares, Usd};

/// Shares bought (or sold short) together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lot {
    /// Signed: negative for a short lot.
    pub quantity: Shares,
    /// What one share cost (or brought), USD.
    pub price: Price,
    /// When.
    pub at: MarketTime,
}

/// A holding in one contract.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Position {
    lots: VecDeque<Lot>,
    quantity: Shares,
    /// Of all lots.
    cost: Usd,
    /// When it was opened: the trade that left flat, or crossed it.
    #[serde(default)]
    opened_at: Option<MarketTime>,
    /// Profit realized so far, USD, fees not deducted.
    pub realized: Usd,
    /// Fees paid so far, USD.
    pub fees: Usd,
    /// Realized by round trips that ended flat: how many.
    pub round_trips: u64,
}

impl Position {
    /// Signed shares held.
    pub fn quantity(&self) -> Shares {
        self.quantity
    }

    /// When it was opened, whatever was added or sold since; `None` when flat.
    pub fn opened_at(&self) -> Option<MarketTime> {
        self.opened_at.filter(|_| !self.quantity.is_zero())
    }

    /// The lots, oldest first; all of one sign.
    pub fn lots(&self) -> impl Iterator<Item = &Lot> {
        self.lots.iter()
    }

    /// What the held shares cost in all (negative for shorts: what they brought), USD.
    pub fn cost(&self) -> Usd {
        self.cost
    }

    /// Average price of the held shares; `None` when flat.
    pub fn average_price(&self) -> Option<Price> {
        (!self.quantity.is_zero()).then(|| Price::of(self.cost().decimal() / Decimal::from(self.quantity.0)))
    }

    /// Value of the held shares at `mark`, USD.
    pub fn market_value(&self, mark: Price) -> Usd {
        mark * self.quantity
    }

    /// Profit that closing at `mark` would realize, USD.
    pub fn unrealized(&self, mark: Price) -> Usd {
        self.market_value(mark) - self.cost()
    }

    /// Applies a trade of `change` signed shares at `price`: first closes lots of the other sign,
    /// oldest first, then opens a lot with what is left. Returns what it realized.
    pub fn trade(&mut self, change: Shares, price: Price, at: MarketTime) -> Usd {
        let mut left = change;
        let mut realized = Usd::ZERO;
        while !left.is_zero() {
            let Some(lot) = self.lots.front_mut().filter(|lot| (lot.quantity.0 > 0) != (left.0 > 0)) else {
                break;
            };
            let closed = Shares(lot.quantity.0.abs().min(left.0.abs()) * lot.quantity.0.signum());
            realized += (price - lot.price) * closed;
            self.cost -= lot.price * closed;
            lot.quantity -= closed;
            left += closed;
            if lot.quantity.is_zero() {
                self.lots.pop_front();
            }
        }
        if !left.is_zero() {
            self.lots.push_back(Lot { quantity: left, price, at });
            self.cost += price * left;
        }
        let before = self.quantity.0.signum();
        self.quantity += change;
        if self.quantity.0.signum() != before {
            self.opened_at = (!self.quantity.is_zero()).then_some(at);
        }
        self.realized += realized;
        if self.quantity.is_zero() {
            self.round_trips += 1;
        }
        realized
    }

    /// Every `old` shares become `new` ones. What they cost in all stays; a holding that is too
    /// small for one new share is gone, and its cost with it, as a loss.
    pub fn split(&mut self, new: u32, old: u32) {
        let Some(first) = self.lots.front().copied() else { return };
        let (cost, quantity) = (self.cost(), self.quantity.scaled(new, old));
        self.lots.clear();
        (self.quantity, self.cost) = (quantity, Usd::ZERO);
        if quantity.is_zero() {
            self.realized -= cost;
            self.round_trips += 1;
        } else {
            let price = Price::of(cost.decimal() / Decimal::from(quantity.0));
            self.lots.push_back(Lot { quantity, price, at: first.at });
            self.cost = price * quantity;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AT: MarketTime = MarketTime::from_secs(0);

    fn price(text: &str) -> Price {
        text.parse().unwrap()
    }

    #[test]
    fn the_oldest_lot_is_sold_first() {
        let mut position = Position::default();
        position.trade(Shares(100), price("10"), AT);
        position.trade(Shares(100), price("12"), AT);
        assert_eq!(position.trade(Shares(-150), price("13"), AT), Usd::of(Decimal::from(350)));
        assert_eq!(position.quantity(), Shares(50));
        assert_eq!(position.average_price(), Some(price("12")));
        assert_eq!(position.unrealized(price("11")), Usd::of(Decimal::from(-50)));
    }

    #[test]
    fn a_sale_beyond_the_holding_goes_short() {
        let mut position = Position::default();
        position.trade(Shares(10), price("10"), AT);
        assert_eq!(position.trade(Shares(-25), price("11"), AT), Usd::of(Decimal::from(10)));
        assert_eq!(position.quantity(), Shares(-15));
        assert_eq!(position.trade(Shares(15), price("9"), AT), Usd::of(Decimal::from(30)));
        assert_eq!((position.quantity(), position.round_trips), (Shares::ZERO, 1));
    }

    proptest! {
        /// Money is neither made nor lost by bookkeeping: cash + value = realized + unrealized.
        #[test]
        fn the_ledger_balances_after_every_trade(
            trades in prop::collection::vec((-500_i64..500, 1_i64..100_000), 1..60),
            mark in 1_i64..100_000,
        ) {
            let mark = Price::of(Decimal::new(mark, 2));
            let (mut position, mut cash) = (Position::default(), Usd::ZERO);
            for (change, cents) in trades {
                let price = Price::of(Decimal::new(cents, 2));
                position.trade(Shares(change), price, AT);
                cash -= price * Shares(change);
                prop_assert_eq!(cash + position.market_value(mark), position.realized + position.unrealized(mark));
                prop_assert_eq!(position.lots().map(|l| l.quantity).sum::<Shares>(), position.quantity());
                prop_assert_eq!(position.lots().map(|l| l.price * l.quantity).sum::<Usd>(), position.cost());
            }
        }
    }
}
