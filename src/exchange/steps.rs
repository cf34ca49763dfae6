//! The market moves: bars open, show prices and end.

use super::prices::within;
use super::prices::{Outcome, Range};
use super::state::{Phase, Slot};
use super::{Event, Exchange, OrderKey, Scene, Tif};
use crate::domain::{Bar, ContractId, MarketTime, Price};

/// What of the market the orders are shown.
#[derive(Debug, Clone, Copy)]
enum Look {
    /// The open, to all that wait.
    Open(Price),
    /// A price inside the bar, to those that arrived inside it.
    Touch(Price),
    /// The range, to those that rested since the open; its close, to those that did not.
    Range(Range),
}

impl Exchange {
    /// A bar opens at `price` (USD a share): waiting orders meet that price, and what arrives from
    /// now until [`Self::close`] trades at once where it can. `regular` says whether the bar
    /// belongs to the regular session. Without orders this is O(1) and allocates nothing.
    #[inline]
    pub fn open(&mut self, contract: ContractId, now: MarketTime, price: f64, regular: bool) -> Vec<Event> {
        let Some(market) = self.markets.get_mut(&contract) else { return Vec::new() };
        market.last = Some(price);
        market.phase = Phase::InBar { regular, moved: false };
        if market.live.is_empty() {
            return Vec::new();
        }
        let halted = market.halted;
        self.meet_open(contract, now, price, halted, regular)
    }

    fn meet_open(
        &mut self,
        contract: ContractId,
        now: MarketTime,
        price: f64,
        halted: bool,
        regular: bool,
    ) -> Vec<Event> {
        let mut scene = self.scene(now);
        self.begin_bar(contract, &mut scene);
        let Some(print) = Price::from_f64(price).filter(|_| !halted) else { return scene.events };
        self.sweep(contract, Look::Open(print), regular, &mut scene);
        scene.events
    }

    /// A forming update at `price` (USD a share): it moves the last price, and is met by orders
    /// that arrived inside the bar; those that rested since its open wait for its end. Nothing
    /// between bars.
    pub fn touch(&mut self, contract: ContractId, now: MarketTime, price: f64) -> Vec<Event> {
        let Some(market) = self.markets.get_mut(&contract) else { return Vec::new() };
        let Phase::InBar { regular, .. } = market.phase else { return Vec::new() };
        market.last = Some(price);
        market.phase = Phase::InBar { regular, moved: true };
        if market.live.is_empty() || market.halted {
            return Vec::new();
        }
        let Some(print) = Price::from_f64(price) else { return Vec::new() };
        let mut scene = Scene::at(now);
        self.sweep(contract, Look::Touch(print), regular, &mut scene);
        scene.events
    }

    /// The bar ends: orders that rested since its open meet its whole range, once. A bar that was
    /// not opened is opened first. Without orders this is O(1) and allocates nothing.
    #[inline]
    pub fn close(&mut self, contract: ContractId, bar: &Bar, regular: bool) -> Vec<Event> {
        let Some(market) = self.markets.get_mut(&contract) else { return Vec::new() };
        if market.live.is_empty() || market.halted {
            market.volume = bar.volume;
            market.last = Some(bar.close);
            market.phase = Phase::Between;
            return Vec::new();
        }
        let unopened = market.phase == Phase::Between;
        self.meet_range(contract, bar, unopened, regular)
    }

    fn meet_range(&mut self, contract: ContractId, bar: &Bar, unopened: bool, regular: bool) -> Vec<Event> {
        let mut scene = Scene::at(bar.end);
        if unopened {
            scene.events = self.open(contract, bar.time, bar.open, regular);
        }
        if let Some(market) = self.markets.get_mut(&contract) {
            market.volume = bar.volume;
        }
        if let Some(range) = Range::of(bar) {
            self.sweep(contract, Look::Range(range), regular, &mut scene);
        }
        if let Some(market) = self.markets.get_mut(&contract) {
            market.last = Some(bar.close);
            market.phase = Phase::Between;
        }
        scene.events
    }

    /// What a bar's open brings before its price: held orders come to life, and those of a past
    /// date end.
    fn begin_bar(&mut self, contract: ContractId, scene: &mut Scene) {
        let now = scene.now;
        let Some(market) = self.markets.get(&contract) else { return };
        let (mut woken, mut over) = (Vec::new(), Vec::new());
        for key in &market.live {
            let Some(slot) = self.orders.get_mut(key) else { continue };
            slot.mid_bar = false;
            if slot.wakes_at.is_some_and(|at| at <= now) {
                slot.wakes_at = None;
                slot.order.held = None;
                woken.push(*key);
            }
            if matches!(slot.order.order.tif, Tif::Gtd(until) if until <= now) {
                over.push(*key);
            }
        }
        for key in over {
            self.expire(key, "its time in force has ended", scene);
        }
        for key in woken {
            let transmitted = |slot: &Slot| slot.transmitted && slot.order.status.is_live();
            if self.slot(key).is_some_and(transmitted) {
                self.stand(key, scene);
            }
        }
    }

    #[cold]
    fn expire(&mut self, key: OrderKey, why: &str, scene: &mut Scene) {
        // A parent that went before it in this very loop may have taken it along.
        if self.order(key).is_some_and(|order| order.status.is_live()) {
            self.cancel_by_rule(key, why, scene);
        }
    }

    /// The contract's session has ended: orders for the close trade at its last price, and its DAY
    /// orders expire; both only if they were placed before `now`. What is decided on the session's
    /// last bar, at that same instant, is for the next session.
    pub fn end_of_session(&mut self, contract: ContractId, now: MarketTime) -> Vec<Event> {
        let mut scene = Scene::at(now);
        let Some(market) = self.markets.get(&contract) else { return Vec::new() };
        let placed_before = |key: &OrderKey| self.order(*key).is_some_and(|order| order.placed_at < now);
        let mut keys = market.live.clone();
        let halted = market.halted;
        keys.retain(placed_before);
        for key in &keys {
            let Some(slot) = self.slot(*key) else { continue };
            let Some(limit) = slot.order.order.kind.at_close() else { continue };
            let (side, able) = (slot.order.order.side, self.takes_part(slot, true) && !halted);
            let fits = |print: &Price| able && limit.is_none_or(|limit| within(side, *print, limit));
            if let Some(print) = self.mark(contract).filter(fits) {
                self.carry_out(*key, Outcome::Fills(print), &mut scene);
            }
            if self.order(*key).is_some_and(|order| order.status.is_live()) {
                self.cancel_by_rule(*key, "it could not trade at the close", &mut scene);
            }
        }
        for key in keys {
            let over = |order: &super::Order| order.order.tif.ends_with_session(now);
            if self.order(key).is_some_and(over) {
                self.expire(key, "the session has ended", &mut scene);
            }
        }
        scene.events
    }

    /// Shows every order that takes part one look, each once and one of a group at most: first
    /// what a worse price sets off, by arrival, then limit orders. Orders that a fill wakes take
    /// part too.
    fn sweep(&mut self, contract: ContractId, look: Look, regular: bool, scene: &mut Scene) {
        let trails = |slot: &Slot| slot.order.order.kind.trails_by().is_some();
        let any_trails = self.live_in(contract).iter().any(|key| self.slot(*key).is_some_and(trails));
        let rested: Vec<OrderKey> = if any_trails {
            self.able(contract, look, regular).filter(|(_, slot)| trails(slot)).map(|(key, _)| key).collect()
        } else {
            Vec::new()
        };
        // Nothing joins the live orders of a contract in here: one that is alone stays so.
        let is_alone = self.live_in(contract).len() == 1;
        let mut seen = Vec::new();
        while let Some(key) = self.next_unseen(contract, look, regular, &seen) {
            let outcome = self.outcome(key, look);
            let siblings = if outcome == Outcome::Rests { Vec::new() } else { self.siblings(key) };
            self.count_ambiguity(key, outcome, look, regular, &siblings);
            if self.carry_out(key, outcome, scene) {
                seen.extend(siblings);
            }
            if self.is_spent(key) {
                self.cancel_by_rule(key, "immediate-or-cancel", scene);
            }
            if is_alone {
                break;
            }
            seen.push(key);
        }
        if any_trails {
            self.trail_all(contract, look, regular, &rested);
        }
    }

    /// The orders that take part in a look, by arrival.
    fn able(&self, contract: ContractId, look: Look, regular: bool) -> impl Iterator<Item = (OrderKey, &Slot)> {
        self.live_in(contract)
            .iter()
            .filter_map(|key| Some((*key, self.slot(*key)?)))
            .filter(move |(_, slot)| self.takes_part(slot, regular))
            .filter(move |(_, slot)| slot.mid_bar || !matches!(look, Look::Touch(_)))
    }

    fn next_unseen(&self, contract: ContractId, look: Look, regular: bool, seen: &[OrderKey]) -> Option<OrderKey> {
        self.able(contract, look, regular)
            .filter(|(key, _)| !seen.contains(key))
            .min_by_key(|(_, slot)| slot.nature().is_limit())
            .map(|(key, _)| key)
    }

    fn outcome(&self, key: OrderKey, look: Look) -> Outcome {
        let Some(slot) = self.slot(key) else { return Outcome::Rests };
        let (nature, side) = (slot.nature(), slot.order.order.side);
        match look {
            Look::Open(print) => nature.at_print(side, print),
            Look::Touch(print) => nature.at_touch(side, print),
            Look::Range(range) if slot.mid_bar => nature.at_touch(side, range.close),
            Look::Range(range) => nature.in_range(side, &range),
        }
    }

    /// A stop fills in a range that touches its target too: nobody knows which came first.
    fn count_ambiguity(&mut self, key: OrderKey, outcome: Outcome, look: Look, regular: bool, siblings: &[OrderKey]) {
        let Look::Range(_) = look else { return };
        let is_stop = self.slot(key).is_some_and(|slot| !slot.nature().is_limit());
        let fills = |outcome| matches!(outcome, Outcome::Fills(_));
        if !is_stop || !fills(outcome) {
            return;
        }
        let target_too = siblings.iter().any(|sibling| {
            let takes_part = |slot: &&Slot| slot.nature().is_limit() && self.takes_part(slot, regular);
            self.slot(*sibling).filter(takes_part).is_some() && fills(self.outcome(*sibling, look))
        });
        self.ambiguous += u64::from(target_too);
    }

    /// Trails follow what was shown, after they were compared with it. One that was woken inside
    /// the range follows the close: the extreme may have been before it.
    fn trail_all(&mut self, contract: ContractId, look: Look, regular: bool, rested: &[OrderKey]) {
        let moves: Vec<(OrderKey, Price)> = self
            .able(contract, look, regular)
            .filter(|(_, slot)| slot.order.order.kind.trails_by().is_some())
            .map(|(key, slot)| match look {
                Look::Open(print) | Look::Touch(print) => (key, print),
                Look::Range(range) if slot.mid_bar || !rested.contains(&key) => (key, range.close),
                Look::Range(range) => (key, range.trail_extreme(slot.order.order.side)),
            })
            .collect();
        for (key, best) in moves {
            self.trail(key, best);
        }
    }
}
