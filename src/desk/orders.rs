//! What the broker says about our orders.

use std::sync::Arc;

use super::locks::Until;
use super::{Desk, Trigger};
use crate::domain::book::{Disarm, Fact, FillFact, LockCause, LockScope, OrderFact, OrderRecord};
use crate::domain::broker::{BrokerOrder, BrokerStatus, Commission, Execution, OrderNews, OrderUpdate, StatusReport};
use crate::domain::order::{OrderEvent, OrderState, Role};
use crate::domain::ticket::Ticket;
use crate::domain::{ContractId, MarketTime, OrderKind};

/// How often an order's terms are put right before that is left to a human.
const REPAIRS: u32 = 3;

impl Desk {
    /// Forgets orders that have ended, and fills from before this instant; gives the orders back. Only
    /// for a desk whose broker never comes back to them: see [`Book::forget_before`].
    ///
    /// [`Book::forget_before`]: crate::domain::book::Book::forget_before
    pub fn forget_before(&mut self, at: MarketTime) -> Vec<Box<OrderRecord>> {
        let forgotten = self.book.forget_before(at);
        for order in &forgotten {
            let intent = order.ticket.order_ref.intent;
            self.amended.remove(&intent);
            self.repaired.remove(&intent);
        }
        forgotten
    }

    pub(super) fn order_update(&mut self, update: OrderUpdate) {
        match update {
            OrderUpdate::Open(order) => self.open_order(&order),
            OrderUpdate::Status(status) => self.status(&status),
            OrderUpdate::Execution(execution) => self.execution(execution),
            OrderUpdate::Commission(commission) => self.commission(commission),
            OrderUpdate::News { order_id, code, news, text } => self.news(order_id, code, news, &text),
        }
    }

    /// Notes a change of an order's life if it is one, and looks at its symbol again.
    pub(super) fn change(&mut self, intent: u64, event: OrderEvent, perm_id: i64, note: String) {
        let Some(order) = self.book.order(intent) else { return };
        let perm_id = (perm_id != 0 && order.perm_id != Some(perm_id)).then_some(perm_id);
        if order.state.transition(event).is_none() && perm_id.is_none() {
            return;
        }
        let (contract, role, before) = (order.ticket.contract, order.ticket.role, order.state);
        self.record(Some(contract), Fact::Order(OrderFact::Changed { intent, event, perm_id, note: note.clone() }));
        let ended = self.book.order(intent).is_some_and(|order| before.is_live() && !order.state.is_live());
        if ended {
            self.ended(contract, intent, role, before, event, &note);
        }
        self.drive(contract, Trigger::Order);
    }

    /// What the end of an order other than by its fills means for its symbol.
    fn ended(
        &mut self,
        contract: ContractId,
        intent: u64,
        role: Role,
        before: OrderState,
        event: OrderEvent,
        note: &str,
    ) {
        let ours_to_cancel = before == OrderState::Cancelling;
        match (role, event) {
            // One that never arrived may be decided anew by a later bar (rule 17).
            (_, OrderEvent::Completed) | (Role::Entry, OrderEvent::NotFound) => {}
            (Role::Entry, OrderEvent::Rejected) => self.disarm(contract, Disarm::Rejected),
            (Role::Entry, _) if !ours_to_cancel => self.disarm(contract, Disarm::Expired),
            (Role::Exit, _) if !ours_to_cancel => {
                self.failed_exits.insert(contract);
                self.incident(Some(contract), "exit_failed", format!("exit {intent} ended unfilled: {note}"));
            }
            (Role::Stop, OrderEvent::Rejected) => {
                self.failed_stops.insert(contract);
                self.incident(Some(contract), "stop_rejected", format!("stop {intent} was rejected: {note}"));
            }
            (Role::Stop, _) if !ours_to_cancel && !self.book.disposable(contract).is_zero() => {
                // A symbol that must have a stop and has none is an alarm; `protect` repairs it (rule 10).
                let held = self.book.held(contract);
                if !self.lost_stops.insert(contract) {
                    // Put back once already since the last bar: no race with whoever takes it away.
                    self.failed_stops.insert(contract);
                }
                let text = format!("stop {intent} is gone ({note}) while {held} shares are held");
                self.incident(Some(contract), "stop_missing", text);
            }
            (Role::Entry | Role::Exit | Role::Stop | Role::Target, _) => {}
        }
    }

    fn open_order(&mut self, order: &BrokerOrder) {
        let Some(intent) = self.intent_of(order) else { return };
        if order.status == BrokerStatus::Inactive {
            return;
        }
        self.change(intent, OrderEvent::Acknowledged, order.perm_id, String::new());
        self.compare_terms(intent, order);
    }

    /// The order that an open-order message is about: ours only if our client placed it.
    pub(super) fn intent_of(&self, order: &BrokerOrder) -> Option<u64> {
        let ours = Some(order.client_id) == self.book.client_id();
        self.book.find(&order.order_ref, order.perm_id, ours.then_some(order.order_id))
    }

    /// The open order read back must be what was sent (rule 8). A protective quantity that the
    /// broker changed is taken as it is and put right by `protect`; other terms are sent again once.
    pub(super) fn compare_terms(&mut self, intent: u64, order: &BrokerOrder) {
        if !self.take_quantity(intent, order) {
            self.repair_terms(intent, order);
        }
    }

    /// Takes a quantity that the broker changed as it is. Whether it did.
    fn take_quantity(&mut self, intent: u64, order: &BrokerOrder) -> bool {
        let Some(mut ticket) = self.comparable(intent).filter(|_| order.quantity.0 > 0) else { return false };
        if order.quantity == ticket.quantity {
            return false;
        }
        let contract = ticket.contract;
        let text = format!("order {intent} was sent for {} shares, the broker has {}", ticket.quantity, order.quantity);
        let times = self.repaired.entry(intent).or_default();
        *times += 1;
        let alarming = !ticket.role.is_protective() || *times == REPAIRS;
        ticket.quantity = order.quantity;
        self.record(Some(contract), Fact::Order(OrderFact::Amended { intent, ticket: Arc::new(ticket) }));
        if alarming {
            self.incident(Some(contract), "terms_differ", text);
        }
        self.drive(contract, Trigger::Order);
        true
    }

    /// Sends other terms again that the broker changed; not behind the fence, where what it has may
    /// be something else by now.
    pub(super) fn repair_terms(&mut self, intent: u64, order: &BrokerOrder) {
        let Some(ticket) = self.comparable(intent).filter(|_| self.ready) else { return };
        // The child of a working entry is the broker's to size: our number would stand when it ends.
        let entering = || self.book.live_in(ticket.contract).any(|other| other.ticket.role == Role::Entry);
        if ticket.role.is_protective() && entering() {
            return;
        }
        // Changing an order transmits it: one that waits for its last child has to wait on.
        if matches!(order.status, BrokerStatus::PendingSubmit | BrokerStatus::ApiPending) {
            return;
        }
        let kind_differs = order.kind.is_some_and(|kind| !same_kind(kind, ticket.kind));
        let tif_differs = order.tif.is_some_and(|tif| tif != ticket.tif);
        if kind_differs || tif_differs {
            if self.dissolved(intent, &ticket) {
                return;
            }
            self.repaired.insert(intent, REPAIRS);
            let sent = format!("{:?} {}", ticket.kind, ticket.tif.as_str());
            let text = format!("order {intent} was sent as {sent}, the broker has {:?} {:?}", order.kind, order.tif);
            self.incident(Some(ticket.contract), "terms_differ", text);
            self.amend(intent, ticket.quantity, Some(ticket.kind));
        }
    }

    /// Terms of one of a pair are never sent anew: its size would travel with them, and stand after
    /// the other had filled in part. The target goes; the stop is put right when it is alone.
    #[cold]
    fn dissolved(&mut self, intent: u64, ticket: &Ticket) -> bool {
        let contract = ticket.contract;
        let legs = self.book.live_in(contract).filter(|order| order.ticket.role.is_protective());
        let legs: Vec<(u64, Role, OrderState)> =
            legs.map(|order| (order.ticket.order_ref.intent, order.ticket.role, order.state)).collect();
        if !ticket.role.is_protective() || legs.len() < 2 {
            return false;
        }
        let targets = legs.iter().filter(|(_, role, state)| *role == Role::Target && *state == OrderState::Working);
        let targets: Vec<u64> = targets.map(|(target, ..)| *target).collect();
        for target in targets {
            let text = format!("target {target} is cancelled: the broker changed the terms of order {intent}");
            self.incident(Some(contract), "target_dropped", text);
            self.cancel(target, "the broker changed the terms of its pair");
        }
        self.decided.wants_compare = true;
        true
    }

    /// The terms of a working order that have not been put right too often.
    fn comparable(&self, intent: u64) -> Option<Ticket> {
        let mine = self.book.order(intent).filter(|mine| mine.state == OrderState::Working)?;
        (self.repaired.get(&intent).copied().unwrap_or(0) < REPAIRS).then(|| Ticket::clone(&mine.ticket))
    }

    fn status(&mut self, status: &StatusReport) {
        if Some(status.client_id) != self.book.client_id() {
            return;
        }
        let Some(intent) = self.book.find("", status.perm_id, Some(status.order_id)) else { return };
        // The reason follows as an error; where it does not, a comparison notices.
        self.decided.wants_compare |= status.status == BrokerStatus::Inactive;
        let event = match status.status {
            BrokerStatus::PreSubmitted | BrokerStatus::Submitted => OrderEvent::Acknowledged,
            BrokerStatus::Cancelled | BrokerStatus::ApiCancelled => OrderEvent::Cancelled,
            // Filled: executions say so, with numbers. Inactive: the reason follows as an error.
            BrokerStatus::Filled
            | BrokerStatus::Inactive
            | BrokerStatus::ApiPending
            | BrokerStatus::PendingSubmit
            | BrokerStatus::PendingCancel
            | BrokerStatus::Other => return,
        };
        let held = status.why_held.as_ref().map(|why| format!("held: {why}"));
        self.change(intent, event, status.perm_id, held.unwrap_or_default());
    }

    pub(super) fn execution(&mut self, execution: Arc<Execution>) {
        if execution.account != self.plan.account || self.book.knows(&execution) {
            return;
        }
        self.now = self.now.max(execution.at);
        let contract = execution.contract;
        if execution.is_liquidation {
            self.liquidated(&execution);
        }
        let ours = Some(execution.client_id) == self.book.client_id();
        let order_id = ours.then_some(execution.order_id);
        let Some(intent) = self.book.find(&execution.order_ref, execution.perm_id, order_id) else {
            self.foreign_fill(execution);
            return;
        };
        let before = self.book.order(intent).map(|order| order.state);
        let role = self.book.order(intent).map(|order| order.ticket.role);
        self.record(Some(contract), Fact::Fill(FillFact::Executed { intent, execution }));
        let filled = self.book.order(intent).is_some_and(|order| order.state == OrderState::Filled);
        if filled && before != Some(OrderState::Filled) {
            // The order's end is a fact of its own, so that its life reads whole in the journal.
            let event = OrderEvent::Completed;
            let done = OrderFact::Changed { intent, event, perm_id: None, note: String::new() };
            self.record(Some(contract), Fact::Order(done));
        }
        if role.is_some_and(Role::is_protective) {
            self.disarm(contract, Disarm::Protected);
        }
        // Before anything is entered anew: another look may come only with the next bar.
        self.watch_protections();
        self.drive(contract, Trigger::Order);
    }

    #[cold]
    fn liquidated(&mut self, execution: &Execution) {
        let why = format!("IBKR liquidated {} {} at {}", execution.quantity, execution.symbol, execution.price);
        self.incident(Some(execution.contract), "liquidation", why.clone());
        self.lock(LockScope::Account, LockCause::Liquidation, why, Until::Resumed);
    }

    /// An execution of no order that the book knows.
    #[cold]
    fn foreign_fill(&mut self, execution: Arc<Execution>) {
        let contract = execution.contract;
        if self.lost_reference(&execution.order_ref).is_some() {
            // Ours by its name, but the journal has lost its order: the broker's orders are read
            // again, and recovery adopts it with this execution.
            self.fence();
            self.decided.wants_reconcile = true;
            return;
        }
        let held = self.book.held(contract);
        let against = !held.is_zero() && (held.0 > 0) != (execution.side.signed(execution.quantity).0 > 0);
        let name = execution.symbol;
        self.record_named(contract, Some(name), Fact::Fill(FillFact::Foreign { execution }));
        if against {
            let text = format!("somebody else traded against the book's {held} shares: they are left alone");
            self.incident(Some(contract), "manual_close", text);
            self.disarm(contract, Disarm::Manual);
            self.drive(contract, Trigger::Order);
        }
    }

    pub(super) fn commission(&mut self, commission: Commission) {
        let known = self.book.fill(&commission.execution);
        let known = known.map(|fill| (fill.execution.contract, fill.commission == Some(commission.amount)));
        // Costs of foreign executions are not ours; those that overtake their execution come again
        // with the next read of executions.
        if let Some((contract, false)) = known {
            self.record(Some(contract), Fact::Fill(FillFact::Costed { commission }));
        }
    }

    #[cold]
    fn news(&mut self, order_id: i32, code: i32, news: OrderNews, text: &str) {
        let Some(intent) = self.book.find("", 0, Some(order_id)) else { return };
        let note = format!("{code}: {text}");
        match news {
            OrderNews::Refused if self.amended.contains(&intent) => {
                // The change, or the order: the broker's orders tell, behind the fence.
                let contract = self.book.order(intent).map(|order| order.ticket.contract);
                self.incident(contract, "change_refused", format!("order {intent}: {note}"));
                self.amended.remove(&intent);
                self.fence();
                self.decided.wants_reconcile = true;
            }
            OrderNews::Refused => self.change(intent, OrderEvent::Rejected, 0, note),
            OrderNews::Cancelled => {
                self.late_reason(intent, text, &note);
                self.change(intent, OrderEvent::Cancelled, 0, note);
            }
            OrderNews::DuplicateId => {
                self.decided.wants_reconcile = true;
                self.change(intent, OrderEvent::Rejected, 0, note);
            }
            OrderNews::CancelRace => {
                // Not there, or ended already: what became of it is read from the broker.
                self.decided.wants_reconcile = true;
                self.change(intent, OrderEvent::Lost, 0, note);
            }
            OrderNews::ChangeRefused => {
                let contract = self.book.order(intent).map(|order| order.ticket.contract);
                if let Some(contract) = contract {
                    self.failed_stops.insert(contract);
                }
                self.decided.wants_reconcile = true;
                self.incident(contract, "change_refused", format!("order {intent}: {note}"));
            }
            OrderNews::Warning => {
                let contract = self.book.order(intent).map(|order| order.ticket.contract);
                self.incident(contract, "order_warning", format!("order {intent}: {note}"));
            }
        }
    }

    /// A cancel's status comes before the message that says why: the reason is kept, too.
    #[cold]
    fn late_reason(&mut self, intent: u64, text: &str, note: &str) {
        let over = self.book.order(intent).filter(|order| order.state == OrderState::Cancelled && order.note != note);
        let Some(contract) = over.map(|order| order.ticket.contract) else { return };
        let reason = text.split_once("reason:").map_or("", |(_, reason)| reason.trim());
        if !reason.is_empty() {
            let (event, note) = (OrderEvent::Cancelled, note.to_owned());
            let changed = OrderFact::Changed { intent, event, perm_id: None, note };
            self.record(Some(contract), Fact::Order(changed));
        }
    }

    /// The broker did not answer in time: the order may be anything now (rule 14).
    #[cold]
    pub(super) fn overdue(&mut self, intent: u64) {
        let Some(order) =
            self.book.order(intent).filter(|o| matches!(o.state, OrderState::Sent | OrderState::Cancelling))
        else {
            return;
        };
        let (contract, state) = (order.ticket.contract, order.state);
        let text = format!(
            "order {intent} is unanswered in state {state:?}; look for a precaution dialog in TWS, a lost \
             connection or a held order; it is unknown until the broker's orders are read"
        );
        self.incident(Some(contract), "order_unanswered", text.clone());
        self.decided.wants_reconcile = true;
        self.change(intent, OrderEvent::Lost, 0, text);
    }
}

/// Whether two order kinds are the same terms; a trailing stop's trigger moves by itself.
fn same_kind(theirs: OrderKind, ours: OrderKind) -> bool {
    match (theirs, ours) {
        (OrderKind::Trail { by: theirs, .. }, OrderKind::Trail { by: ours, .. }) => theirs == ours,
        (theirs, ours) => theirs == ours,
    }
}
