//! Orders at the broker against orders of the book: lost ones adopted, live ones brought to where
//! the broker says they are.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::Desk;
use crate::domain::book::{Fact, OrderFact, OrderRecord};
use crate::domain::broker::{BrokerOrder, BrokerSnapshot, BrokerStatus, Execution};
use crate::domain::order::{OrderEvent, OrderState, Role};
use crate::domain::ticket::Ticket;
use crate::domain::{ContractId, OrderKind, OrderRef, Shares, TimeInForce};

impl Desk {
    /// Orders with our reference that the book does not know: the journal was cut (rule 23).
    pub(super) fn adopt_lost_orders(&mut self, snapshot: &BrokerSnapshot) {
        let orders = snapshot.open_orders.iter().chain(&snapshot.completed_orders);
        let account = self.plan.account.clone();
        for order in orders.filter(|order| order.account == account) {
            let Some(order_ref) = self.lost_reference(&order.order_ref) else { continue };
            let role = self.guess_role(order.contract, order.side.signed(order.quantity), order.kind, order.parent_id);
            let ticket = Ticket {
                order_id: order.order_id,
                order_ref,
                account: order.account.clone(),
                contract: order.contract,
                role,
                side: order.side,
                quantity: order.quantity + order.filled.filter(|_| order.quantity.is_zero()).unwrap_or_default(),
                kind: order.kind.unwrap_or(OrderKind::Market),
                tif: order.tif.unwrap_or(TimeInForce::Day),
                outside_rth: order.outside_rth,
                oca_group: (!order.oca_group.is_empty()).then(|| order.oca_group.clone()),
                parent_id: (order.parent_id != 0).then_some(order.parent_id),
                transmit: true,
            };
            self.adopt(ticket, order.perm_id);
        }
        let mut executions: Vec<&Execution> = snapshot.executions.iter().collect();
        executions.sort_by_key(|execution| (execution.at, &execution.id));
        for execution in executions.into_iter().filter(|execution| execution.account == account) {
            let Some(order_ref) = self.lost_reference(&execution.order_ref) else { continue };
            let same = |other: &&Execution| other.order_ref == execution.order_ref;
            let quantity = snapshot.executions.iter().filter(same).map(|e| e.quantity).sum();
            let role = self.guess_role(execution.contract, execution.side.signed(quantity), None, 0);
            let ticket = Ticket {
                order_id: execution.order_id,
                order_ref,
                account: execution.account.clone(),
                contract: execution.contract,
                role,
                side: execution.side,
                quantity,
                kind: OrderKind::Market,
                tif: TimeInForce::Day,
                outside_rth: false,
                oca_group: None,
                parent_id: None,
                transmit: true,
            };
            self.adopt(ticket, execution.perm_id);
        }
    }

    /// The reference, if it is ours and the book has no such order.
    pub(in crate::desk) fn lost_reference(&self, order_ref: &str) -> Option<OrderRef> {
        let reference: OrderRef = order_ref.parse().ok()?;
        let ours = self.book.identity().is_some_and(|me| me.ledger == reference.ledger);
        (ours && self.book.order(reference.intent).is_none()).then_some(reference)
    }

    fn guess_role(&self, contract: ContractId, change: Shares, kind: Option<OrderKind>, parent_id: i32) -> Role {
        match kind {
            Some(OrderKind::Stop { .. } | OrderKind::StopLimit { .. } | OrderKind::Trail { .. }) => Role::Stop,
            Some(OrderKind::Limit { .. }) if parent_id != 0 => Role::Target,
            Some(OrderKind::Limit { .. } | OrderKind::Market) | None => {
                let held = self.book.held(contract);
                let reduces = !held.is_zero() && (held.0 > 0) != (change.0 > 0);
                if reduces { Role::Exit } else { Role::Entry }
            }
        }
    }

    fn adopt(&mut self, ticket: Ticket, perm_id: i64) {
        let contract = ticket.contract;
        let text = format!("order {} was at the broker but not in the journal: adopted", ticket.order_ref);
        self.record(Some(contract), Fact::Order(OrderFact::Adopted { ticket: Arc::new(ticket), perm_id }));
        self.incident(Some(contract), "order_adopted", text);
    }

    /// Brings every live order to where the broker says it is. Whether none is left in doubt.
    pub(super) fn settle_orders(&mut self, snapshot: &BrokerSnapshot, agreed: bool) -> bool {
        let mut at_broker: BTreeMap<u64, &BrokerOrder> = BTreeMap::new();
        // Open orders win over completed ones of the same name.
        for order in snapshot.completed_orders.iter().chain(&snapshot.open_orders) {
            if let Some(intent) = self.intent_of(order) {
                at_broker.insert(intent, order);
            }
        }
        let live: Vec<u64> = self.book.live_orders().map(|order| order.ticket.order_ref.intent).collect();
        let mut clear = true;
        for intent in live {
            match at_broker.get(&intent) {
                Some(order) => clear &= self.settle_found(intent, order, agreed),
                None => clear &= self.settle_missing(intent, agreed),
            }
        }
        self.cancel_headless_entries();
        clear
    }

    /// An entry that waits for a child to transmit it, where no such child has reached the broker,
    /// would wait for ever.
    fn cancel_headless_entries(&mut self) {
        let waits = |order: &&OrderRecord| order.ticket.role == Role::Entry && !order.ticket.transmit;
        let headless: Vec<u64> = self
            .book
            .live_orders()
            .filter(waits)
            .filter(|entry| entry.state == OrderState::Working && entry.filled.is_zero())
            .filter(|entry| {
                let child = |order: &OrderRecord| order.ticket.parent_id == Some(entry.ticket.order_id);
                !self.book.live_in(entry.ticket.contract).any(child)
            })
            .map(|entry| entry.ticket.order_ref.intent)
            .collect();
        for intent in headless {
            self.cancel(intent, "its protective orders never reached the broker");
        }
    }

    fn settle_found(&mut self, intent: u64, order: &BrokerOrder, agreed: bool) -> bool {
        use BrokerStatus as S;
        match order.status {
            S::Cancelled | S::ApiCancelled => {
                self.change(intent, OrderEvent::Cancelled, order.perm_id, format!("found cancelled: {}", order.note));
                true
            }
            S::Inactive => {
                self.change(intent, OrderEvent::Rejected, order.perm_id, format!("found inactive: {}", order.note));
                true
            }
            // Filled, but its executions are not here: they are the truth, so wait for them. Where
            // they stay away, the position's difference locks the symbol.
            S::Filled if agreed => {
                self.change(intent, OrderEvent::Cancelled, order.perm_id, "filled out of sight".to_owned());
                true
            }
            S::Filled => false,
            S::ApiPending | S::PendingSubmit | S::PendingCancel | S::PreSubmitted | S::Submitted | S::Other => {
                if let Some(mine) = self.book.order(intent).filter(|mine| mine.ticket.order_id != order.order_id) {
                    let mut ticket = Ticket::clone(&mine.ticket);
                    ticket.order_id = order.order_id;
                    self.record(
                        Some(ticket.contract),
                        Fact::Order(OrderFact::Amended { intent, ticket: Arc::new(ticket) }),
                    );
                }
                if self.book.order(intent).is_some_and(|mine| mine.state == OrderState::Cancelling) {
                    // The cancel may have been lost with its session: it is asked again if still wanted.
                    self.change(
                        intent,
                        OrderEvent::CancelRefused,
                        order.perm_id,
                        "still open after a new session".to_owned(),
                    );
                }
                self.change(intent, OrderEvent::Acknowledged, order.perm_id, String::new());
                self.compare_terms(intent, order);
                true
            }
        }
    }

    fn settle_missing(&mut self, intent: u64, agreed: bool) -> bool {
        let Some(order) = self.book.order(intent) else { return true };
        match (order.state, agreed) {
            (OrderState::Sent | OrderState::Unknown, true) => {
                self.change(intent, OrderEvent::NotFound, 0, "two agreeing reads do not know it".to_owned());
                true
            }
            (OrderState::Working | OrderState::Cancelling, true) => {
                self.change(
                    intent,
                    OrderEvent::Cancelled,
                    0,
                    "no longer at the broker in two agreeing reads".to_owned(),
                );
                true
            }
            (OrderState::Sent | OrderState::Working | OrderState::Cancelling | OrderState::Unknown, false) => false,
            (OrderState::Filled | OrderState::Cancelled | OrderState::Rejected | OrderState::NeverSent, _) => true,
        }
    }
}
