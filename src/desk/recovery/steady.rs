//! The comparison in steady state (rule 16): a read while trading goes on. It concludes nothing by
//! itself; where anything differs it closes the fence, and recovery decides by two agreeing reads.

use std::collections::BTreeSet;

use super::super::Desk;
use super::super::locks::Until;
use super::Recovered;
use crate::domain::ContractId;
use crate::domain::book::{LockCause, LockScope};
use crate::domain::broker::{BrokerOrder, BrokerSnapshot, BrokerStatus};
use crate::domain::order::OrderState;

impl Desk {
    /// Takes a read in steady state in.
    pub(in crate::desk) fn compared(&mut self, recovered: &Recovered) {
        let snapshot = &recovered.snapshot;
        if !self.ready || !self.link_up {
            return;
        }
        self.now = self.now.max(snapshot.at);
        if self.has_lost_orders(snapshot) {
            self.doubt("the broker knows orders of ours that the journal does not");
            return;
        }
        self.take_executions(snapshot);
        self.take_account(snapshot.account.clone());
        self.note_foreign_orders(snapshot);
        self.note_holdings(recovered);
        if let Some(text) = self.doubt_in(recovered) {
            self.doubt(&text);
            return;
        }
        if let Err(stranger) = self.admits(recovered) {
            self.lock(LockScope::Account, LockCause::Mismatch, stranger.to_string(), Until::Resumed);
        }
        self.shrink_legs_of_locked();
        for order in &snapshot.open_orders {
            let mine = self.intent_of(order).filter(|_| !self.book.moved_since(order.contract, recovered.since));
            if let Some(intent) = mine {
                self.repair_terms(intent, order);
            }
        }
        self.adopt_holdings();
        self.compare_cash(snapshot, recovered.disturbed);
    }

    fn doubt(&mut self, text: &str) {
        self.incident(None, "difference", format!("broker and book differ: {text}"));
        self.fence();
        self.decided.wants_reconcile = true;
    }

    fn has_lost_orders(&self, snapshot: &BrokerSnapshot) -> bool {
        let references = snapshot.open_orders.iter().chain(&snapshot.completed_orders).map(|order| &order.order_ref);
        let executed = snapshot.executions.iter().map(|execution| &execution.order_ref);
        references.chain(executed).any(|reference| self.lost_reference(reference).is_some())
    }

    /// The first difference that cannot come from what moved while the broker was read.
    fn doubt_in(&self, recovered: &Recovered) -> Option<String> {
        let (snapshot, since) = (&recovered.snapshot, recovered.since);
        if let Some((intent, ..)) = self.ghosts(recovered).next() {
            return Some(format!("order {intent} works at the broker, the book has seen its end"));
        }
        let still = |contract: ContractId| !self.book.moved_since(contract, since);
        let differs = self.differences().into_iter().find(|difference| {
            let settled = self.book.unexplained(difference.contract).is_some();
            let traded = self.book.position(difference.contract).is_some();
            traded && still(difference.contract) && !settled
        });
        if let Some(difference) = differs {
            let name = difference.symbol.map_or_else(|| difference.contract.to_string(), |symbol| symbol.to_string());
            return Some(format!(
                "{name}: the broker holds {} shares, the book {} and foreign holdings {}",
                difference.at_broker, difference.held, difference.foreign
            ));
        }
        let agrees_again = self.book.locks().find_map(|(scope, _, _)| match scope {
            LockScope::Unexplained(id) => self.difference(&snapshot.positions, *id).is_none().then_some(*id),
            LockScope::Account | LockScope::Contract(_) => None,
        });
        if let Some(contract) = agrees_again {
            return Some(format!("contract {contract} was unexplained and agrees again"));
        }
        let ended = |order: &&BrokerOrder| {
            matches!(order.status, BrokerStatus::Cancelled | BrokerStatus::ApiCancelled | BrokerStatus::Inactive)
        };
        // One that the broker shows as inactive does not work.
        let works = |order: &&BrokerOrder| order.status != BrokerStatus::Inactive;
        let open: BTreeSet<u64> =
            snapshot.open_orders.iter().filter(works).filter_map(|order| self.intent_of(order)).collect();
        let over: BTreeSet<u64> =
            snapshot.completed_orders.iter().filter(ended).filter_map(|order| self.intent_of(order)).collect();
        let lost = self.book.live_orders().find(|order| {
            let intent = order.ticket.order_ref.intent;
            order.state == OrderState::Working
                && still(order.ticket.contract)
                && (!open.contains(&intent) || over.contains(&intent))
        });
        lost.map(|order| format!("order {} is not among the broker's open orders", order.ticket.order_ref))
    }

    /// Others' orders in the account: shown, told once each, never touched (rule 19).
    pub(in crate::desk) fn note_foreign_orders(&mut self, snapshot: &BrokerSnapshot) {
        let account = &self.plan.account;
        let others = snapshot.open_orders.iter().filter(|order| order.account == *account);
        let others: Vec<BrokerOrder> = others.filter(|order| self.intent_of(order).is_none()).cloned().collect();
        if self.plan.guards.foreign != super::super::ForeignPolicy::Ignore {
            for order in &others {
                let key = (order.client_id, order.order_id, order.perm_id);
                let known = |known: &BrokerOrder| (known.client_id, known.order_id, known.perm_id) == key;
                if !self.foreign_orders.iter().any(known) {
                    let (side, quantity, symbol) = (order.side, order.quantity, &order.symbol);
                    let text = format!(
                        "{side} {quantity} {symbol} of client {} works in the account: shown, never touched",
                        order.client_id
                    );
                    self.incident(Some(order.contract), "foreign_order", text);
                }
            }
        }
        self.foreign_orders = others;
    }
}
