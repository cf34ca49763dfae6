//! Protection: the stop that a position has to have at the broker (rules 10 and 11).

use super::plan::{Mode, StopBreached};
use super::{Desk, StopPolicy, Trigger};
use crate::domain::book::{Disarm, Fact, LockFact, LockScope};
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
            if trigger == Trigger::Time {
                self.cancel_orphans(contract);
            }
            return;
        }
        if self.failed_stops.contains(&contract) {
            return;
        }
        // Where a leg has filled in part, the broker shrinks its sibling by itself: our own number
        // could arrive after the next such fill, and be too large.
        if trigger != Trigger::LegFill {
            self.resize_legs(contract, held);
        }
        let unprotected = !self.book.live_in(contract).any(|order| order.ticket.role == Role::Stop);
        let wants_stop = self.plan_of(contract).is_some_and(|plan| plan.stop != StopPolicy::None);
        if unprotected && wants_stop && !self.place_stop(contract, held) && trigger == Trigger::FreshBar {
            let text = format!("{held} shares have no stop: a price, range or contract that it needs is not known yet");
            self.incident(Some(contract), "stop_unplaced", text);
        }
    }

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

    fn resize_legs(&mut self, contract: ContractId, held: Shares) {
        let wrong: Vec<(u64, Shares)> = self
            .book
            .live_in(contract)
            .filter(|order| order.ticket.role.is_protective() && order.state == OrderState::Working)
            .filter(|order| order.remaining() != held.abs())
            .map(|order| (order.ticket.order_ref.intent, order.filled + held.abs()))
            .collect();
        for (intent, quantity) in wrong {
            self.amend(intent, quantity, None);
        }
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
        // Beside a leg that rests, only within its group: two of which one can trade.
        let resting = self.book.live_in(contract).find_map(|order| order.ticket.oca_group.clone());
        ticket.oca_group = Some(resting.unwrap_or_else(|| ticket.order_ref.to_string()));
        let exposure = self.exposure(contract);
        if let Ok(order) = review(Proposal { ticket, reference: last, price: None }, &self.plan.limits, &exposure) {
            self.send(order, last);
        }
        true
    }

    fn stop_breached(&mut self, contract: ContractId, text: &str) {
        let scope = LockScope::Contract(contract);
        if !self.book.locks().any(|(locked, _)| *locked == scope) {
            self.incident(Some(contract), "stop_breached", text.to_owned());
            self.record(Some(contract), Fact::Lock(LockFact::Set { scope, why: text.to_owned(), until: None }));
        }
        match self.plan.stop_breached {
            StopBreached::Hold => {}
            StopBreached::Exit => self.disarm(contract, Disarm::Flattened),
        }
    }
}
