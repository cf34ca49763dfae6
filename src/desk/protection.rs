//! Protection: the stop that a position has to have at the broker (rules 10 and 11).

use super::locks::Until;
use super::plan::{Mode, StopBreached};
use super::{Desk, StopPolicy, Trigger};
use crate::domain::book::{Disarm, LockCause, LockScope};
use crate::domain::order::{OrderState, Role};
use crate::domain::{ContractId, OrderKind, Shares, Side};
use crate::risk::{Proposal, review};

impl Desk {
    /// Makes the resting protection equal the position: a missing stop is placed, one of another
    /// quantity is amended, one without a position is cancelled.
    pub(super) fn protect(&mut self, contract: ContractId, trigger: Trigger) {
        if self.plan.mode == Mode::Observe {
            return;
        }
        let held = self.book.disposable(contract);
        // Children of a working entry are the broker's to size until the entry ends.
        if self.book.live_in(contract).any(|order| !order.ticket.role.is_protective()) {
            return;
        }
        if held.is_zero() {
            // The broker cancels OCA siblings by itself; only what still rests some time later
            // is an orphan.
            // Where others have sold the book's shares nobody else takes its legs away.
            if trigger == Trigger::Time || !self.book.held(contract).is_zero() {
                self.cancel_orphans(contract);
            }
            return;
        }
        if self.failed_stops.contains(&contract) {
            return;
        }
        let legs: Vec<(u64, Role, OrderState)> = self
            .book
            .live_in(contract)
            .map(|order| (order.ticket.order_ref.intent, order.ticket.role, order.state))
            .collect();
        let wants_stop = self.plan_of(contract).is_some_and(|plan| plan.stop != StopPolicy::None);
        let has_stop = legs.iter().any(|(_, role, _)| *role == Role::Stop);
        let broken = match legs.len() {
            // A pair is the broker's to size: it shrinks one leg as the other fills. Only what has not
            // come right some time later is broken.
            2.. => {
                let settled = matches!(trigger, Trigger::FreshBar | Trigger::Time | Trigger::Ready);
                settled && !self.wrong_legs(contract, held).is_empty()
            }
            1 => wants_stop && !has_stop,
            0 => false,
        };
        if broken {
            self.break_pair(contract, &legs, has_stop);
        } else if legs.len() == 1 {
            for (intent, quantity) in self.wrong_legs(contract, held) {
                self.amend(intent, quantity, None);
            }
        } else if legs.is_empty() && wants_stop && !self.place_stop(contract, held) && trigger == Trigger::FreshBar {
            let text = format!("{held} shares have no stop: a price, range or contract that it needs is not known yet");
            self.incident(Some(contract), "stop_unplaced", text);
        }
    }

    /// Two legs that can both trade are never sized or put together by our own numbers: one that is
    /// on its way while the other fills in part would be too large. The stop stays alone, and then
    /// its size is safe to change: IBKR counts what has filled of it.
    #[cold]
    fn break_pair(&mut self, contract: ContractId, legs: &[(u64, Role, OrderState)], has_stop: bool) {
        let why = if has_stop { "its pair does not fit the position" } else { "its position has lost its stop" };
        let targets = legs.iter().filter(|(_, role, state)| *role == Role::Target && *state == OrderState::Working);
        let targets: Vec<u64> = targets.map(|(intent, _, _)| *intent).collect();
        for intent in targets {
            self.incident(Some(contract), "target_dropped", format!("target {intent} is cancelled: {why}"));
            self.cancel(intent, why);
        }
    }

    #[cold]
    fn cancel_orphans(&mut self, contract: ContractId) {
        let orphans: Vec<u64> = self
            .book
            .live_in(contract)
            .filter(|order| order.ticket.role.is_protective() && order.state == OrderState::Working)
            .map(|order| order.ticket.order_ref.intent)
            .collect();
        for intent in orphans {
            self.cancel(intent, "its position is gone");
        }
    }

    /// Working legs of another size than the position, and the size that they should have.
    fn wrong_legs(&self, contract: ContractId, held: Shares) -> Vec<(u64, Shares)> {
        self.book
            .live_in(contract)
            .filter(|order| order.ticket.role.is_protective() && order.state == OrderState::Working)
            .filter(|order| order.remaining() != held.abs())
            .map(|order| (order.ticket.order_ref.intent, order.filled + held.abs()))
            .collect()
    }

    /// Places a standalone stop, unless the market has already passed it. Whether it was decided on.
    fn place_stop(&mut self, contract: ContractId, held: Shares) -> bool {
        let entry_side = if held.0 > 0 { Side::Buy } else { Side::Sell };
        let average = self.book.position(contract).and_then(|position| position.average_price());
        let (Some(last), Some(average)) = (self.last_price(contract), average) else { return false };
        let Some(kind) = self.stop_kind(contract, entry_side, average) else { return false };
        let breached = match kind {
            OrderKind::Stop { trigger } if held.0 > 0 => last <= trigger,
            OrderKind::Stop { trigger } => last >= trigger,
            OrderKind::Market | OrderKind::Limit { .. } | OrderKind::StopLimit { .. } | OrderKind::Trail { .. } => {
                false
            }
        };
        if breached {
            self.stop_breached(
                contract,
                &format!("the market at {last} has passed the stop of {held} shares at {kind:?}"),
            );
            return true;
        }
        let Some(ticket) = self.ticket(contract, Role::Stop, entry_side.opposite(), held.abs(), kind, 0) else {
            return false;
        };
        let mut ticket = ticket;
        ticket.oca_group = Some(ticket.order_ref.text());
        let proposal = Proposal { ticket, reference: last, price: None };
        if let Ok(order) = review(proposal, &self.plan.limits, || self.exposure(contract)) {
            self.send(order, last);
        }
        true
    }

    #[cold]
    fn stop_breached(&mut self, contract: ContractId, text: &str) {
        let scope = LockScope::Contract(contract);
        if self.lock(scope, LockCause::StopBreached, text.to_owned(), Until::Resumed) {
            self.incident(Some(contract), "stop_breached", text.to_owned());
        }
        match self.plan.stop_breached {
            StopBreached::Hold => {}
            StopBreached::Exit => self.disarm(contract, Disarm::Flattened),
        }
    }
}
