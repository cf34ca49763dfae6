//! Recovery: the broker's state against the book, and the differences as facts (rules 16 to 20).
//!
//! One read is enough where it explains everything. Where an order is in doubt or a position
//! differs, nothing is concluded before a second read says the same; until then the desk stays
//! fenced.

mod cash;
mod holdings;
mod orders;
mod steady;

use std::sync::Arc;

use super::Desk;
use crate::domain::book::{Fact, LedgerFact};
use crate::domain::broker::{BrokerOrder, BrokerSnapshot, Execution};
use crate::domain::{ContractId, OrderRef, Usd};

pub(super) use cash::CashSeen;
pub use holdings::{Difference, differences};

/// A read of the broker's state through a session.
#[derive(Debug, Clone, PartialEq)]
pub struct Recovered {
    /// Our client id in that session.
    pub client_id: i32,
    /// What the broker said.
    pub snapshot: BrokerSnapshot,
    /// Something moved while it was read (a fill, a fence): it proves nothing by silence.
    pub disturbed: bool,
    /// How many facts the book was made of when the read began.
    pub since: u64,
}

/// Order ids from here on are not counted on from: ids are per client, `ibapi` keeps those from
/// 1,500,000,000 up for itself, and another client's may be anything.
const ORDER_IDS_BELOW: i32 = 1_000_000_000;

/// Why a session may not trade with this book.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stranger {
    /// Another installation's orders work in the account (rule 22).
    #[error(
        "open order {order_ref} was placed by another robo-trader installation; stop that one, or cancel its orders in TWS, then start again"
    )]
    OtherInstallation {
        /// The order's reference.
        order_ref: String,
    },
    /// The client id changed while orders work (rule 14).
    #[error(
        "orders placed with client id {before} are still working; start with IBKR_CLIENT_ID={before}, or cancel them in TWS first"
    )]
    ClientIdChanged {
        /// The client id on record.
        before: i32,
    },
}

/// Whether the account's data have arrived; before that nothing may be concluded from them.
pub fn is_complete(snapshot: &BrokerSnapshot) -> bool {
    snapshot.account.net_liquidation.is_some_and(|value| value > Usd::ZERO)
}

impl Desk {
    /// Whether this session may trade with this book at all.
    ///
    /// # Errors
    /// What forbids it, and what the operator can do.
    pub fn admits(&self, recovered: &Recovered) -> Result<(), Stranger> {
        let ledger = self.book.identity().map(|me| &*me.ledger);
        for order in &recovered.snapshot.open_orders {
            if order.account == self.plan.account
                && let Ok(reference) = order.order_ref.parse::<OrderRef>()
                && Some(&*reference.ledger) != ledger
            {
                return Err(Stranger::OtherInstallation { order_ref: order.order_ref.to_string() });
            }
        }
        match self.book.client_id() {
            Some(before) if before != recovered.client_id && self.book.live_orders().next().is_some() => {
                Err(Stranger::ClientIdChanged { before })
            }
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn recovered(&mut self, recovered: &Recovered) {
        let snapshot = &recovered.snapshot;
        self.fence_for(snapshot);
        self.now = self.now.max(snapshot.at);
        let new_ledger = self.book.started_with().is_none();
        self.adopt_lost_orders(snapshot);
        self.take_executions(snapshot);
        // A gateway that has just logged in, or lost its link, may state nothing or zeros.
        let stated = is_complete(snapshot) && self.link_up;
        if let (true, Some(cash)) = (new_ledger && stated, snapshot.account.total_cash) {
            // Fills of ours that are known already are in the broker's figure: what the ledger began
            // with is that figure without them.
            let cash = cash - self.book.traded_cash() + self.book.fees();
            self.record(None, Fact::Ledger(LedgerFact::Funded { cash }));
        }
        let agreed =
            !recovered.disturbed && self.pending_read.as_ref().is_some_and(|former| self.agree(former, snapshot));
        self.note_foreign_orders(snapshot);
        self.note_holdings(recovered);
        if !self.link_up {
            // TWS answers from what it last knew: executions count, silence proves nothing.
            self.pending_read = None;
            return;
        }
        let orders_clear = self.settle_orders(snapshot, agreed);
        let positions_clear = self.compare_positions(recovered, new_ledger, agreed);
        self.cancel_ghosts(recovered);
        if orders_clear && positions_clear && is_complete(snapshot) {
            self.pending_read = None;
            self.take_account(snapshot.account.clone());
            self.adopt_holdings();
            self.compare_cash(snapshot, recovered.disturbed);
            let seen = snapshot.open_orders.iter().map(|order| order.order_id).filter(|id| *id < ORDER_IDS_BELOW);
            let highest = seen.map(|id| id + 1).max().unwrap_or(0);
            self.become_ready(recovered.client_id, snapshot.next_order_id.max(highest));
            for order in &snapshot.open_orders {
                if let Some(intent) = self.intent_of(order) {
                    self.repair_terms(intent, order);
                }
            }
        } else {
            self.pending_read = (!recovered.disturbed).then(|| snapshot.clone());
        }
    }

    /// Orders of ours that work at the broker although the book has seen their end (a change of size
    /// that came too late, say): they must not trade any more.
    fn cancel_ghosts(&mut self, recovered: &Recovered) {
        let ghosts: Vec<(u64, i32, ContractId)> = self.ghosts(recovered).collect();
        for (intent, order_id, contract) in ghosts {
            let text = format!("order {intent} works at the broker, the book has seen its end: it is cancelled");
            self.incident(Some(contract), "order_still_open", text);
            self.decided.actions.push(super::Action::Cancel { intent, order_id });
        }
    }

    /// See `cancel_ghosts`; what has moved since the read began may have ended since.
    fn ghosts<'a>(&'a self, recovered: &'a Recovered) -> impl Iterator<Item = (u64, i32, ContractId)> + 'a {
        use crate::domain::broker::BrokerStatus as S;
        let works = |order: &&BrokerOrder| matches!(order.status, S::PreSubmitted | S::Submitted);
        let open = recovered.snapshot.open_orders.iter().filter(works);
        open.filter_map(|order| {
            let intent = self.intent_of(order)?;
            let over = self.book.order(intent).is_some_and(|mine| !mine.state.is_live());
            let still = !self.book.moved_since(order.contract, recovered.since);
            (over && still).then_some((intent, order.order_id, order.contract))
        })
    }

    /// A read that follows no earlier one starts from a closed fence.
    fn fence_for(&mut self, snapshot: &BrokerSnapshot) {
        self.ready = false;
        if !is_complete(snapshot) {
            self.pending_read = None;
        }
    }

    pub(super) fn take_executions(&mut self, snapshot: &BrokerSnapshot) {
        let mut executions: Vec<&Execution> = snapshot.executions.iter().collect();
        executions.sort_by_key(|execution| (execution.at, &execution.id));
        for execution in executions {
            self.execution(Arc::new(execution.clone()));
        }
        for commission in &snapshot.commissions {
            self.commission(commission.clone());
        }
    }

    /// Whether two reads say the same about our orders and executions and about the positions in
    /// contracts that the book knows; what others do meanwhile is no doubt of ours.
    fn agree(&self, former: &BrokerSnapshot, latter: &BrokerSnapshot) -> bool {
        let orders = |orders: &[BrokerOrder]| {
            let ours = orders.iter().filter_map(|order| Some((self.intent_of(order)?, order.status as u8)));
            let mut keys: Vec<_> = ours.collect();
            keys.sort_unstable();
            keys
        };
        let executions = |snapshot: &BrokerSnapshot| {
            let ours = snapshot.executions.iter().filter(|execution| self.book.fill(&execution.id).is_some());
            let mut ids: Vec<_> = ours.map(|execution| execution.id.clone()).collect();
            ids.sort_unstable();
            ids
        };
        let positions = |snapshot: &BrokerSnapshot| {
            let known = |id: &ContractId| self.book.position(*id).is_some();
            let held = snapshot.positions.iter().filter(|(id, position)| known(id) && !position.quantity.is_zero());
            held.map(|(id, position)| (*id, position.quantity)).collect::<Vec<_>>()
        };
        is_complete(former)
            && is_complete(latter)
            && orders(&former.open_orders) == orders(&latter.open_orders)
            && orders(&former.completed_orders) == orders(&latter.completed_orders)
            && executions(former) == executions(latter)
            && positions(former) == positions(latter)
    }
}
