//! Orders arrive, change and are cancelled.

use std::time::Duration;

use super::acts::{cannot_cancel, is_manual};
use super::prices::Nature;
use super::state::Slot;
use super::{CancelRefusal, Event, Exchange, Held, NewOrder, Order, OrderKey, Refusal, Scene, Status};
use crate::domain::{MarketTime, Shares, Usd};

/// How long it takes to locate shares that are hard to borrow, market time.
const LOCATED_AFTER: Duration = Duration::from_secs(300);

impl Exchange {
    /// Places an order, or modifies the live order with the same key (it keeps its permanent id).
    ///
    /// # Errors
    /// Why it is refused. A live order whose modification is refused stays as it was; a new order
    /// that is refused is kept as [`Status::Rejected`], and its number is used up.
    pub fn place(&mut self, now: MarketTime, order: NewOrder) -> Result<Vec<Event>, Refusal> {
        let mut order = order;
        order.parent_id = order.parent_id.filter(|id| *id != 0);
        let mut scene = self.scene(now);
        match self.slot(order.key).map(|slot| &slot.order) {
            Some(known) if known.status.is_live() => self.modify(order, &mut scene)?,
            Some(known) if known.status == Status::Filled && is_change(&known.order, &order) => {
                return Err(Refusal::ModifyFilled);
            }
            Some(_) => return Err(Refusal::DuplicateId),
            None if self.is_forgotten(order.key) => return Err(Refusal::DuplicateId),
            None => self.accept(order, &mut scene)?,
        }
        Ok(scene.events)
    }

    /// Cancels an order; its children go with it or stay as [`super::ChildRule`] says.
    ///
    /// # Errors
    /// It is not known (any more), or has ended.
    pub fn cancel(&mut self, now: MarketTime, key: OrderKey) -> Result<Vec<Event>, CancelRefusal> {
        let Some(order) = self.order(key) else {
            return Err(if self.is_forgotten(key) { CancelRefusal::Forgotten } else { CancelRefusal::NotFound });
        };
        if !order.status.is_live() {
            return Err(cannot_cancel(order));
        }
        let mut scene = Scene::at(now);
        self.end(key, Status::Cancelled, "", &mut scene);
        self.parent_ended(key, &mut scene);
        Ok(scene.events)
    }

    /// Cancels every live order of every client.
    pub fn cancel_all(&mut self, now: MarketTime) -> Vec<Event> {
        let keys: Vec<OrderKey> = self.live_keys().collect();
        // An order that has ended with its parent meanwhile is not there to be cancelled.
        keys.into_iter().filter_map(|key| self.cancel(now, key).ok()).flatten().collect()
    }

    fn accept(&mut self, order: NewOrder, scene: &mut Scene) -> Result<(), Refusal> {
        let refusal = self.review(&order).err();
        self.last_perm_id += 1;
        self.count_order(refusal.is_some());
        let key = order.key;
        let (contract, quantity, transmit) = (order.contract, order.quantity, order.transmit);
        let (held, wakes_at) = self.holds(&order, scene.now);
        let slot = Slot {
            transmitted: false,
            triggered: false,
            mid_bar: false,
            value: Usd::ZERO,
            placed: quantity,
            tied: order.parent_id.is_some(),
            wakes_at,
            held: self.holds_sells && order.side == crate::domain::Side::Sell,
            order: Order {
                order,
                perm_id: self.last_perm_id,
                status: if refusal.is_some() { Status::Rejected } else { Status::Untransmitted },
                filled: Shares::ZERO,
                average_price: None,
                last_price: None,
                commission: Usd::ZERO,
                placed_at: scene.now,
                ended_at: refusal.is_some().then_some(scene.now),
                reason: refusal.as_ref().map(ToString::to_string).unwrap_or_default(),
                held: held.filter(|_| refusal.is_none()),
                manual: is_manual(key),
                bound: false,
            },
        };
        self.orders.insert(key, slot);
        if let Some(refusal) = refusal {
            self.bury(key);
            return Err(refusal);
        }
        if let Some(market) = self.markets.get_mut(&contract) {
            market.live.push(key);
        }
        if transmit {
            self.transmit_family(key, scene);
        } else {
            self.changed(key, scene);
        }
        Ok(())
    }

    /// What keeps a new order from working yet, and until when.
    fn holds(&self, order: &NewOrder, now: MarketTime) -> (Option<Held>, Option<MarketTime>) {
        if self.must_be_located(order) {
            return (Some(Held::Locate), Some(now + LOCATED_AFTER));
        }
        let later = order.good_after.filter(|at| *at > now);
        (later.map(|_| Held::Early), later)
    }

    #[cold]
    fn modify(&mut self, order: NewOrder, scene: &mut Scene) -> Result<(), Refusal> {
        let key = order.key;
        let Some(known) = self.slot(key) else { return Err(Refusal::ModifyMismatch) };
        if !is_same(&known.order.order, &order) {
            return Err(Refusal::ModifyMismatch);
        }
        let filled = known.order.filled;
        if order.quantity <= filled {
            let text = format!("order size {} is not above the {filled} shares already filled", order.quantity);
            return Err(Refusal::Invalid(text));
        }
        self.review(&order)?;
        let mid_bar = self.markets.get(&order.contract).is_some_and(|market| market.has_moved());
        let transmit = order.transmit;
        let Some(slot) = self.orders.get_mut(&key) else { return Err(Refusal::ModifyMismatch) };
        let before = slot.order.order.kind;
        slot.triggered = slot.triggered && before.trigger() == order.kind.trigger();
        slot.mid_bar = mid_bar;
        if slot.order.order.good_after != order.good_after && slot.order.held != Some(Held::Locate) {
            slot.wakes_at = order.good_after.filter(|at| *at > scene.now);
            slot.order.held = slot.wakes_at.map(|_| Held::Early);
        }
        slot.placed = order.quantity;
        let transmit = transmit || slot.transmitted;
        slot.order.order = NewOrder { transmit, ..order };
        // A trail that is sent without a trigger keeps the one that it has reached.
        if let Some((_, trigger)) = slot.order.order.kind.trail_mut()
            && before.trails_by().is_some()
        {
            *trigger = trigger.or(before.trigger());
        }
        if slot.transmitted {
            self.stand(key, scene);
            self.arrive(key, scene);
        } else if transmit {
            self.transmit_family(key, scene);
        } else {
            self.changed(key, scene);
        }
        Ok(())
    }

    /// Puts an order to work, and with it its parent and siblings, or its children.
    fn transmit_family(&mut self, key: OrderKey, scene: &mut Scene) {
        let Some(slot) = self.slot(key) else { return };
        let (root, live) = (slot.parent().unwrap_or(key), self.live_in(slot.order.order.contract));
        let is_alone = root == key && *live == [key];
        if is_alone {
            return self.transmit(key, scene);
        }
        let mut family = vec![root];
        let of_root = |member: &OrderKey| self.slot(*member).and_then(Slot::parent) == Some(root);
        family.extend(live.iter().copied().filter(|member| *member != root && of_root(member)));
        family.retain(|member| self.slot(*member).is_some_and(|slot| slot.order.status.is_live() && !slot.transmitted));
        for member in &family {
            self.set_transmitted(*member, scene);
        }
        // Children of a parent that fills as it arrives arrive with its fill.
        family.retain(|member| self.slot(*member).is_some_and(|slot| self.can_work(slot)));
        for member in family {
            self.arrive(member, scene);
        }
    }

    /// The same for an order beside which nothing works.
    fn transmit(&mut self, key: OrderKey, scene: &mut Scene) {
        self.set_transmitted(key, scene);
        if self.slot(key).is_some_and(|slot| self.can_work(slot)) {
            self.arrive(key, scene);
        }
    }

    fn set_transmitted(&mut self, key: OrderKey, scene: &mut Scene) {
        if let Some(slot) = self.orders.get_mut(&key) {
            slot.transmitted = true;
            if !slot.order.order.transmit {
                slot.order.order.transmit = true;
            }
        }
        self.stand(key, scene);
    }

    /// Gives an order that may work now the status that fits it, and says so.
    pub(super) fn stand(&mut self, key: OrderKey, scene: &mut Scene) {
        let Some(slot) = self.slot(key) else { return };
        let waits = !self.can_work(slot) || slot.wakes_at.is_some() || slot.nature().waits();
        let status = if waits { Status::PreSubmitted } else { Status::Submitted };
        if let Some(slot) = self.orders.get_mut(&key) {
            slot.order.status = status;
            scene.events.push(Event::Changed(slot.order.change()));
        }
    }

    pub(super) fn changed(&self, key: OrderKey, scene: &mut Scene) {
        scene.events.extend(self.slot(key).map(|slot| Event::Changed(slot.order.change())));
    }

    /// Ends an order.
    pub(super) fn end(&mut self, key: OrderKey, status: Status, reason: &str, scene: &mut Scene) {
        let Some(slot) = self.orders.get_mut(&key) else { return };
        let order = &mut slot.order;
        order.status = status;
        order.ended_at = Some(scene.now);
        reason.clone_into(&mut order.reason);
        scene.events.push(Event::Changed(slot.order.change()));
        if let Some(market) = self.markets.get_mut(&slot.order.order.contract) {
            market.live.retain(|live| *live != key);
        }
        self.bury(key);
    }

    /// Ends an order by a rule, not by its client.
    pub(super) fn cancel_by_rule(&mut self, key: OrderKey, reason: &str, scene: &mut Scene) {
        self.end(key, Status::Cancelled, reason, scene);
        scene.events.push(Event::CancelledByRule { key, reason: reason.to_owned() });
        self.parent_ended(key, scene);
    }

    /// Whether its time in force ends with its first chance to trade.
    pub(super) fn is_spent(&self, key: OrderKey) -> bool {
        self.slot(key).is_some_and(|slot| {
            slot.order.status.is_live()
                && slot.order.order.tif.is_immediate()
                && slot.wakes_at.is_none()
                && matches!(slot.nature(), Nature::Market | Nature::Limit(_))
        })
    }
}

/// Whether the second is the first with other terms.
fn is_same(known: &NewOrder, order: &NewOrder) -> bool {
    known.account == order.account
        && known.contract == order.contract
        && known.side == order.side
        && known.parent_id == order.parent_id
        && known.oca_group == order.oca_group
        && known.order_ref == order.order_ref
}

/// Whether the second means to change the first, rather than to use its number for something else
/// or to repeat it.
fn is_change(known: &NewOrder, order: &NewOrder) -> bool {
    is_same(known, order) && (known.kind, known.quantity, known.tif) != (order.kind, order.quantity, order.tif)
}
