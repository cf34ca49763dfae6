//! Whether an order may work at all.

#![deny(clippy::float_arithmetic)]

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::{Borrow, Exchange, Kind, MarginPlan, NewOrder, OrderKey, Refusal};
use crate::domain::broker::AccountId;
use crate::domain::order::TrailBy;
use crate::domain::value::{Quote, Value};
use crate::domain::{ContractId, Price, PriceRule, Shares, Side};

/// Largest quantity of an order: beyond it, money might outgrow its decimals.
const MOST_SHARES: i64 = 1_000_000_000;
/// Largest price of an order in USD, for the same reason.
const MOST_PRICE: i64 = 10_000_000;

impl Exchange {
    /// Checks an order that is to work; a live order with the same key counts as replaced by it.
    pub(super) fn review(&self, order: &NewOrder) -> Result<(), Refusal> {
        if !self.accounts.contains_key(&order.account) {
            return invalid(format!("account {} is not known", order.account));
        }
        let Some(market) = self.markets.get(&order.contract) else {
            return invalid(format!("contract {} is not listed", order.contract));
        };
        if order.quantity.0 <= 0 {
            return invalid(format!("order size {} is not a positive number of shares", order.quantity));
        }
        if order.quantity.0 > MOST_SHARES {
            return invalid(format!("order size {} is above {MOST_SHARES}", order.quantity));
        }
        if market.halted {
            return Err(Refusal::Halted);
        }
        for price in order.kind.stated_prices() {
            if price <= Price::ZERO || price.decimal() > Decimal::from(MOST_PRICE) {
                return invalid(format!("price {price} is not between 0 and {MOST_PRICE}"));
            }
            if !market.rule.fits(price) {
                return Err(Refusal::PriceStep);
            }
        }
        review_trail(order.kind, &market.rule, || self.mark(order.contract))?;
        self.review_parent(order)?;
        self.review_margin(order)
    }

    fn review_parent(&self, order: &NewOrder) -> Result<(), Refusal> {
        let Some(order_id) = order.parent_id else { return Ok(()) };
        let key = OrderKey { client_id: order.key.client_id, order_id };
        let parent = self.slot(key).map(|slot| &slot.order).filter(|_| key != order.key);
        match parent {
            Some(parent) if parent.order.account != order.account || parent.order.contract != order.contract => {
                Err(Refusal::Invalid(format!("parent order {order_id} is of another account or contract")))
            }
            Some(parent) if parent.status.is_live() || !parent.filled.is_zero() => Ok(()),
            Some(_) => Err(Refusal::Invalid(format!("parent order {order_id} has ended without a fill"))),
            None => Err(Refusal::Invalid(format!("parent order {order_id} is not known"))),
        }
    }

    /// Whether shares can be sold that are not held.
    pub(super) fn can_short(&self) -> bool {
        self.config.allow_short && self.config.margin != MarginPlan::Cash
    }

    /// Whether an order sells shares that must be located before they can be borrowed.
    pub(super) fn must_be_located(&self, order: &NewOrder) -> bool {
        if self.borrow_of(order.contract) != Borrow::Locate || order.side == Side::Buy || self.is_protective(order) {
            return false;
        }
        let (before, after) = self.worst_with(order);
        after.short > before.short
    }

    fn review_margin(&self, order: &NewOrder) -> Result<(), Refusal> {
        if self.is_protective(order) {
            return Ok(());
        }
        let (before, after) = self.worst_with(order);
        if after.short > before.short && self.borrow_of(order.contract) == Borrow::None {
            return Err(Refusal::NotBorrowable);
        }
        if after.magnitude() <= before.magnitude() {
            return Ok(());
        }
        let Some(account) = self.accounts.get(&order.account) else { return Ok(()) };
        let (mut worth, mut holdings) = (Value::default(), Value::default());
        for (contract, market) in self.markets.iter() {
            let this = *contract == order.contract;
            let held = account.position(*contract);
            if held.is_zero() && market.live.is_empty() && !this {
                continue;
            }
            let worst = match (this, market.live.is_empty()) {
                (true, _) => after,
                (false, true) => Worst::of(held),
                (false, false) => {
                    self.working(&order.account, *contract, order.key).worst(self.held(&order.account, *contract))
                }
            };
            let paid = || account.average_price(*contract).map(Quote::from);
            let stated = || if this { order.kind.stated_prices().next().map(Quote::from) } else { None };
            let price = market.last.and_then(Quote::from_f64).or_else(paid).or_else(stated);
            // A contract without any price yet cannot be judged: its first trade will tell.
            let Some(price) = price else { continue };
            worth.add(price, worst.magnitude());
            holdings.add(price, held);
        }
        let (equity, margin) = (account.cash() + holdings.usd(), worth.usd() * self.config.margin.initial());
        if margin > equity { Err(Refusal::Margin { equity, margin }) } else { Ok(()) }
    }

    /// A bracket's child against its parent's side: it only closes what the parent opens.
    fn is_protective(&self, order: &NewOrder) -> bool {
        let Some(order_id) = order.parent_id else { return false };
        let key = OrderKey { client_id: order.key.client_id, order_id };
        self.slot(key).is_some_and(|parent| parent.order.order.side != order.side)
    }

    /// The largest positions, long and short, that an account's live orders could build in an order's
    /// contract: without the order (or the one of its key), and with it.
    fn worst_with(&self, order: &NewOrder) -> (Worst, Worst) {
        let held = self.held(&order.account, order.contract);
        let mut working = self.working(&order.account, order.contract, order.key);
        let before = working.worst(held);
        let filled = self.slot(order.key).map_or(Shares::ZERO, |slot| slot.order.filled);
        working.add(order, order.quantity - filled);
        (before, working.worst(held))
    }

    fn held(&self, account: &AccountId, contract: ContractId) -> Shares {
        self.accounts.get(account).map_or(Shares::ZERO, |account| account.position(contract))
    }

    /// An account's live orders in a contract but the one with the key `skip`.
    fn working(&self, account: &AccountId, contract: ContractId, skip: OrderKey) -> Working<'_> {
        let mut working = Working::default();
        let others = self.live_in(contract).iter().filter(|key| **key != skip).filter_map(|key| self.slot(*key));
        for slot in others {
            if slot.order.order.account == *account && !self.is_protective(&slot.order.order) {
                working.add(&slot.order.order, slot.remaining());
            }
        }
        working
    }
}

/// What working orders could trade.
#[derive(Debug, Default)]
struct Working<'a> {
    /// By side, of orders that stand alone.
    sums: [Shares; 2],
    /// Of each group only one trades. Nothing is allocated while no order belongs to one.
    groups: BTreeMap<(Side, &'a str), Shares>,
}

impl<'a> Working<'a> {
    fn add(&mut self, order: &'a NewOrder, open: Shares) {
        if order.oca_group.is_empty() {
            self.sums[order.side as usize] += open;
        } else {
            let most = self.groups.entry((order.side, &order.oca_group)).or_default();
            *most = (*most).max(open);
        }
    }

    /// The largest positions that they could build from what is held.
    fn worst(&self, held: Shares) -> Worst {
        let [mut bought, mut sold] = self.sums;
        for ((side, _), most) in &self.groups {
            match side {
                Side::Buy => bought += *most,
                Side::Sell => sold += *most,
            }
        }
        Worst { long: (held + bought).max(Shares::ZERO), short: (sold - held).max(Shares::ZERO) }
    }
}

#[derive(Debug, Clone, Copy)]
struct Worst {
    long: Shares,
    short: Shares,
}

impl Worst {
    /// Of what is held, where no order works.
    fn of(held: Shares) -> Self {
        Self { long: held.max(Shares::ZERO), short: (-held).max(Shares::ZERO) }
    }

    fn magnitude(self) -> Shares {
        self.long.max(self.short)
    }
}

#[cold]
fn invalid(text: String) -> Result<(), Refusal> {
    Err(Refusal::Invalid(text))
}

/// A trail's distance and offset make sense.
fn review_trail(kind: Kind, rule: &PriceRule, mark: impl FnOnce() -> Option<Price>) -> Result<(), Refusal> {
    let Some(by) = kind.trails_by() else { return Ok(()) };
    let (distance, most) = match by {
        TrailBy::Amount(amount) => (amount.decimal(), Decimal::from(MOST_PRICE)),
        TrailBy::Percent(percent) => (percent, Decimal::ONE_HUNDRED),
    };
    if distance <= Decimal::ZERO || distance >= most {
        return invalid(format!("trailing distance {distance} is not between 0 and {most}"));
    }
    let Kind::TrailLimit { offset, trigger, .. } = kind else { return Ok(()) };
    if offset < Price::ZERO || offset.decimal() > Decimal::from(MOST_PRICE) {
        return invalid(format!("limit offset {offset} is not between 0 and {MOST_PRICE}"));
    }
    // The trigger lies on the grid; so the limit does if their distance does.
    let step = rule.increment(trigger.or_else(mark).unwrap_or(Price::of(Decimal::ONE)));
    if (offset.decimal() % step.decimal()).is_zero() { Ok(()) } else { Err(Refusal::PriceStep) }
}
