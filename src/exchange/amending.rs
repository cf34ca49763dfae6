//! What happens to an account from outside the market: fills by force, corrections, cash, splits.
//!
//! The account's ledger invariant holds through all of it.

#![deny(clippy::float_arithmetic)]

use rust_decimal::Decimal;

use super::{Event, Exchange, Fill, OrderKey, Scene, Status};
use crate::domain::broker::{AccountId, ExecutionId};
use crate::domain::{ContractId, MarketTime, Price, Shares, Side, Usd};

/// Digits after the point of an average fill price.
const AVERAGE_DIGITS: u32 = 8;

impl Exchange {
    /// A live order fills now: at `price`, or the latest one; at most `most` shares of it. Nothing
    /// where it may not work or there is no price.
    pub fn fill_now(
        &mut self,
        now: MarketTime,
        key: OrderKey,
        most: Option<Shares>,
        price: Option<Price>,
    ) -> Vec<Event> {
        let Some(slot) = self.slot(key).filter(|slot| self.can_work(slot)) else { return Vec::new() };
        let Some(price) = price.or_else(|| self.mark(slot.order.order.contract)) else { return Vec::new() };
        let mut scene = Scene::at(now);
        let slice = self.config.slice;
        self.config.slice = most.or(slice);
        self.trade(key, price, &mut scene);
        self.config.slice = slice;
        scene.events
    }

    /// From now on no order fills more at a time; `None`: no limit.
    pub fn set_slice(&mut self, slice: Option<Shares>) {
        self.config.slice = slice;
    }

    /// New sell orders are held back from now on, or no longer.
    pub fn hold_sells(&mut self, hold: bool) {
        self.holds_sells = hold;
    }

    /// Orders that were held back go to work.
    pub fn release_held(&mut self, now: MarketTime) -> Vec<Event> {
        let mut scene = Scene::at(now);
        let held: Vec<OrderKey> = self.live_keys().filter(|key| self.is_held(*key)).collect();
        for key in held {
            if let Some(slot) = self.orders.get_mut(&key) {
                slot.held = false;
            }
            self.stand(key, &mut scene);
            self.arrive(key, &mut scene);
        }
        scene.events
    }

    /// Whether an order is held back.
    pub fn is_held(&self, key: OrderKey) -> bool {
        self.slot(key).is_some_and(|slot| slot.held && slot.order.status.is_live())
    }

    /// The broker ends a live order. Nothing where it is not live.
    pub fn cancel_by_broker(&mut self, now: MarketTime, key: OrderKey, reason: &str) -> Vec<Event> {
        let mut scene = Scene::at(now);
        if self.order(key).is_some_and(|order| order.status.is_live()) {
            self.cancel_by_rule(key, reason, &mut scene);
        }
        scene.events
    }

    /// The latest fill (of a contract) was really of another price or quantity. Returns the
    /// corrected fill, with the next suffix of its id; `None` where there is none, or the quantity
    /// is not above zero.
    pub fn correct(
        &mut self,
        contract: Option<ContractId>,
        price: Option<Price>,
        quantity: Option<Shares>,
    ) -> Option<Fill> {
        let index = self.fills.iter().rposition(|fill| contract.is_none_or(|wanted| fill.contract == wanted))?;
        let quantity = quantity.unwrap_or(self.fills[index].quantity);
        if quantity.0 <= 0 {
            return None;
        }
        let fill = &mut self.fills[index];
        let was = (fill.price, fill.quantity);
        fill.id = next_suffix(&fill.id);
        fill.price = price.unwrap_or(fill.price);
        fill.quantity = quantity;
        if let Some(owner) = self.accounts.get_mut(&fill.account) {
            owner.correct((fill.contract, fill.side), was, (fill.price, fill.quantity));
        }
        let key = fill.key;
        self.retell(key);
        self.count_rewrite();
        self.fills.get(index).cloned()
    }

    /// An order's totals, and those in its fills, follow from its fills again.
    fn retell(&mut self, key: OrderKey) {
        let (mut filled, mut value) = (Shares::ZERO, Usd::ZERO);
        for fill in self.fills.iter_mut().filter(|fill| fill.key == key) {
            filled += fill.quantity;
            value += fill.price * fill.quantity;
            fill.cumulative = filled;
            fill.average_price = average(value, filled);
        }
        let last = self.fills.iter().rev().find(|fill| fill.key == key).map(|fill| fill.price);
        let Some(slot) = self.orders.get_mut(&key) else { return };
        let order = &mut slot.order;
        // More than was wanted can only have been wanted.
        order.order.quantity = order.order.quantity.max(filled);
        if order.status == Status::Filled {
            order.order.quantity = filled;
        }
        order.filled = filled;
        order.average_price = Some(average(value, filled));
        order.last_price = last;
        slot.value = value;
        slot.placed = slot.placed.max(filled);
    }

    /// The position of an account in a contract.
    pub fn position(&self, account: &AccountId, contract: ContractId) -> Shares {
        self.accounts.get(account).map_or(Shares::ZERO, |owner| owner.position(contract))
    }
}

fn average(value: Usd, filled: Shares) -> Price {
    Price::of((value.decimal() / Decimal::from(filled.0.max(1))).round_dp(AVERAGE_DIGITS))
}

/// A correction has the same id but for its last part, which counts up.
fn next_suffix(id: &ExecutionId) -> ExecutionId {
    let (stem, last) = id.0.rsplit_once('.').unwrap_or((&*id.0, "01"));
    let number: u32 = last.parse().unwrap_or(1);
    ExecutionId(format!("{stem}.{:02}", number.saturating_add(1)).into())
}

/// The other side, for closing a position.
pub fn closing_side(position: Shares) -> Side {
    if position.0 > 0 { Side::Sell } else { Side::Buy }
}
