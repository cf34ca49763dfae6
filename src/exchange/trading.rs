//! Orders trade, and what follows for their account, their siblings and their children.

#![deny(clippy::float_arithmetic)]

use super::prices::{Nature, Outcome, trailed};
use super::state::{Phase, Slot, average};
use super::{Borrow, ChildRule, Exchange, Fill, OrderKey, Scene, Status, Tif};
use crate::domain::broker::ExecutionId;
use crate::domain::{Price, Shares, Side};

/// The id of the fill with this number, in the form of IBKR's.
fn execution_id(number: u64) -> ExecutionId {
    let mut text = *b"0000f00d.00000000.01.01";
    let Ok(number) = u32::try_from(number) else { return ExecutionId(format!("0000f00d.{number:x}.01.01").into()) };
    for (digit, place) in (9..17).rev().enumerate() {
        // Four bits: below 16.
        text[place] = b"0123456789abcdef"[(number >> (4 * digit) & 15) as usize];
    }
    ExecutionId(std::str::from_utf8(&text).unwrap_or_default().into())
}

impl Exchange {
    /// Shares of the order that may trade now: a child's as far as its parent has filled.
    fn workable(&self, slot: &Slot) -> Shares {
        let remaining = slot.remaining();
        match slot.parent().filter(|_| slot.tied).and_then(|parent| self.slot(parent)) {
            Some(parent) => remaining.min(slot.entitled(parent) - slot.order.filled).max(Shares::ZERO),
            None => remaining,
        }
    }

    /// Whether some of it may trade.
    pub(super) fn can_work(&self, slot: &Slot) -> bool {
        slot.transmitted && !slot.held && slot.order.status.is_live() && self.workable(slot).0 > 0
    }

    /// Whether it takes part in a bar.
    pub(super) fn takes_part(&self, slot: &Slot, regular: bool) -> bool {
        (regular || slot.order.order.outside_rth) && slot.wakes_at.is_none() && self.can_work(slot)
    }

    /// An order comes to a market in which a bar may be open.
    pub(super) fn arrive(&mut self, key: OrderKey, scene: &mut Scene) {
        let Some(slot) = self.orders.get_mut(&key) else { return };
        let contract = slot.order.order.contract;
        let Some(market) = self.markets.get(&contract) else { return };
        slot.mid_bar = market.has_moved();
        let (phase, trails) = (market.phase, slot.order.order.kind.trails_by().is_some());
        if phase == Phase::Between && !self.config.trades_at_close && !trails {
            // It waits for the next open.
            return;
        }
        let Some(print) = self.mark(contract) else { return };
        match phase {
            Phase::Between if self.config.trades_at_close => self.meet(key, print, true, scene),
            Phase::Between => self.trail(key, print),
            Phase::InBar { regular, .. } => self.meet(key, print, regular, scene),
        }
    }

    /// An order is compared with a price as it arrives.
    fn meet(&mut self, key: OrderKey, print: Price, regular: bool, scene: &mut Scene) {
        let Some(slot) = self.slot(key).filter(|slot| self.takes_part(slot, regular)) else { return };
        let outcome = slot.nature().at_print(slot.order.order.side, print);
        self.carry_out(key, outcome, scene);
        self.trail(key, print);
        if self.is_spent(key) {
            self.cancel_by_rule(key, "immediate-or-cancel", scene);
        }
    }

    /// Does what a look at the market led to; says whether the order traded.
    pub(super) fn carry_out(&mut self, key: OrderKey, outcome: Outcome, scene: &mut Scene) -> bool {
        match outcome {
            Outcome::Rests => false,
            Outcome::Triggers => {
                if let Some(slot) = self.orders.get_mut(&key) {
                    slot.triggered = true;
                }
                self.stand(key, scene);
                false
            }
            Outcome::Fills(price) => self.trade(key, price, scene),
        }
    }

    /// The order trades at this price, as much of it as can.
    pub(super) fn trade(&mut self, key: OrderKey, price: Price, scene: &mut Scene) -> bool {
        let Some(slot) = self.slot(key) else { return false };
        let order = &slot.order.order;
        let (contract, price, shown) = (order.contract, self.with_friction(slot, price), price);
        let mut quantity = self.workable(slot);
        if order.side == Side::Sell && self.borrow_of(order.contract) == Borrow::None {
            let held = self.accounts.get(&order.account).map_or(Shares::ZERO, |a| a.position(order.contract));
            quantity = quantity.min(held.max(Shares::ZERO));
        }
        if quantity.is_zero() {
            self.cancel_by_rule(key, "the contract is not available for short sale", scene);
            return false;
        }
        let quantity = self.config.slice.map_or(quantity, |most| quantity.min(most.max(Shares(1))));
        let volume = self.markets.get(&slot.order.order.contract).and_then(|market| market.volume);
        let quantity = self.config.friction.most(volume).map_or(quantity, |most| quantity.min(most));
        if quantity.is_zero() {
            // Nobody is there to trade with: it waits.
            return false;
        }
        if slot.order.order.tif == Tif::Fok && quantity < slot.remaining() {
            self.cancel_by_rule(key, "fill-or-kill: it cannot fill whole", scene);
            return false;
        }
        self.book(key, quantity, (price, shown), scene);
        let whole = self.slot(key).is_some_and(|slot| slot.order.status == Status::Filled);
        self.tell_siblings(key, quantity, whole, scene);
        // Children are of its contract: mostly nothing is left there, and nobody need be looked for.
        if !self.live_in(contract).is_empty() {
            if whole {
                self.parent_ended(key, scene);
            }
            self.wake_children(key, shown, scene);
        }
        true
    }

    /// The price with what trading at once costs; within the limit of one that has a limit.
    fn with_friction(&self, slot: &Slot, shown: Price) -> Price {
        let (nature, side) = (slot.nature(), slot.order.order.side);
        let limit = match nature {
            Nature::Limit(_) | Nature::Touch(..) | Nature::Close | Nature::Unset => return shown,
            Nature::Market => None,
            Nature::Stop(_, limit) => limit,
        };
        let price = self.config.friction.price(side, shown);
        match (limit, side) {
            (None, _) => price,
            (Some(limit), Side::Buy) => price.min(limit.max(shown)),
            (Some(limit), Side::Sell) => price.max(limit.min(shown)),
        }
    }

    /// Enters a fill in the order, the account and the record; `shown` is the price without friction.
    fn book(&mut self, key: OrderKey, quantity: Shares, (price, shown): (Price, Price), scene: &mut Scene) {
        let id = execution_id(self.tallies().fills + 1);
        let Some(slot) = self.orders.get_mut(&key) else { return };
        slot.value += price * quantity;
        slot.triggered = true;
        let value = slot.value;
        let order = &mut slot.order;
        order.filled += quantity;
        let average = average(value, order.filled, (quantity, price));
        order.average_price = Some(average);
        order.last_price = Some(price);
        let total = self.config.commission.total(order.filled, value);
        let commission = total - order.commission;
        order.commission = total;
        let placed = &order.order;
        // An order of an account that was never opened is refused: there is one.
        let account = self.accounts.get_mut(&placed.account);
        let realized =
            account.and_then(|account| account.trade(placed.contract, placed.side, quantity, price, commission));
        let fill = Fill {
            id,
            key,
            perm_id: order.perm_id,
            order_ref: placed.order_ref.clone(),
            account: placed.account.clone(),
            contract: placed.contract,
            side: placed.side,
            quantity,
            price,
            at: scene.now,
            cumulative: order.filled,
            average_price: average,
            commission,
            realized,
            friction: (price - shown) * placed.side.signed(quantity),
        };
        let whole = slot.remaining().is_zero();
        self.record(fill, scene);
        if whole {
            self.end(key, Status::Filled, "", scene);
        } else {
            self.stand(key, scene);
        }
    }

    /// The live orders of which only one may trade with this one.
    pub(super) fn siblings(&self, key: OrderKey) -> Vec<OrderKey> {
        let Some(slot) = self.slot(key) else { return Vec::new() };
        let (this, parent) = (&slot.order.order, slot.parent());
        if this.oca_group.is_empty() && parent.is_none() {
            return Vec::new();
        }
        let related = |other: &Slot| {
            let order = &other.order.order;
            let grouped = !this.oca_group.is_empty() && order.oca_group == this.oca_group;
            order.account == this.account && (grouped || (parent.is_some() && other.parent() == parent))
        };
        self.live_keys().filter(|k| *k != key && self.slot(*k).is_some_and(related)).collect()
    }

    /// One of a group has traded: the others go, or shrink by as much.
    fn tell_siblings(&mut self, key: OrderKey, quantity: Shares, whole: bool, scene: &mut Scene) {
        for sibling in self.siblings(key) {
            let Some(slot) = self.orders.get_mut(&sibling) else { continue };
            let left = slot.order.order.quantity - quantity;
            if whole || left <= slot.order.filled {
                self.cancel_by_rule(sibling, "OCA: another order of its group has traded", scene);
            } else {
                slot.order.order.quantity = left;
                self.changed(sibling, scene);
            }
        }
    }

    fn children(&self, parent: OrderKey) -> Vec<OrderKey> {
        let of_parent = |key: &OrderKey| self.slot(*key).is_some_and(|slot| slot.parent() == Some(parent));
        // Of one contract: a parent in another is refused.
        let contract = self.order(parent).map(|order| order.order.contract);
        let live = contract.map_or(&[][..], |contract| self.live_in(contract));
        let mut keys: Vec<_> = live.iter().copied().filter(of_parent).collect();
        // What a worse price sets off comes first.
        keys.sort_by_key(|key| self.slot(*key).is_some_and(|slot| slot.nature().is_limit()));
        keys
    }

    /// A parent has traded while the market showed this price: its children work for as much, and
    /// meet that price.
    fn wake_children(&mut self, parent: OrderKey, price: Price, scene: &mut Scene) {
        let mid_bar = self.slot(parent).is_some_and(|slot| slot.mid_bar);
        for child in self.children(parent) {
            let Some(slot) = self.slot(child).filter(|slot| self.can_work(slot)) else { continue };
            let Some(market) = self.markets.get(&slot.order.order.contract) else { continue };
            let regular = !matches!(market.phase, Phase::InBar { regular: false, .. });
            if let Some(slot) = self.orders.get_mut(&child) {
                slot.mid_bar = mid_bar;
            }
            self.trail(child, price);
            self.stand(child, scene);
            self.meet(child, price, regular, scene);
        }
    }

    /// A parent trades no more: its children are released, cut down, or go with it.
    pub(super) fn parent_ended(&mut self, parent: OrderKey, scene: &mut Scene) {
        let Some(ended) = self.slot(parent) else { return };
        let (filled, whole) = (ended.order.filled, ended.order.filled == ended.placed);
        let dies = filled.is_zero() || (!whole && self.config.children == ChildRule::DieWithParent);
        for child in self.children(parent) {
            if dies {
                self.cancel_by_rule(child, "its parent order has ended", scene);
                continue;
            }
            let entitled = match (self.slot(child), self.slot(parent)) {
                (Some(slot), Some(parent)) if slot.tied => slot.entitled(parent),
                _ => continue,
            };
            let Some(slot) = self.orders.get_mut(&child) else { continue };
            slot.tied = false;
            if entitled <= slot.order.filled {
                self.cancel_by_rule(child, "it is done for the part of its parent that has filled", scene);
            } else if entitled < slot.order.order.quantity {
                slot.order.order.quantity = entitled;
                slot.placed = entitled;
                self.changed(child, scene);
            }
        }
    }

    /// A trail follows a price that the market has shown.
    pub(super) fn trail(&mut self, key: OrderKey, best: Price) {
        let live = |slot: &&mut Slot| slot.order.status.is_live() && !slot.triggered;
        let Some(slot) = self.orders.get_mut(&key).filter(live) else { return };
        let Some(market) = self.markets.get(&slot.order.order.contract) else { return };
        if slot.order.order.kind.trails_by().is_none() {
            return;
        }
        let order = &mut slot.order.order;
        if let Some((by, trigger)) = order.kind.trail_mut() {
            *trigger = Some(trailed(order.side, by, *trigger, best, &market.rule));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::execution_id;

    #[test]
    fn execution_ids_count_in_hexadecimal() {
        for (number, text) in [
            (1, "0000f00d.00000001.01.01"),
            (0xabc_def0, "0000f00d.0abcdef0.01.01"),
            (0xffff_ffff, "0000f00d.ffffffff.01.01"),
            (0x1_0000_0000, "0000f00d.100000000.01.01"),
        ] {
            assert_eq!(execution_id(number).to_string(), text);
        }
    }
}
