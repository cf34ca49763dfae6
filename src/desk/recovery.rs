//! Recovery: the broker's state against the book, and the differences as facts (rules 16 to 20).
//!
//! One read is enough where it explains everything. Where an order is in doubt or a position
//! differs, nothing is concluded before a second read says the same; until then the desk stays
//! fenced.

use std::collections::BTreeMap;

use rust_decimal::prelude::ToPrimitive;

use super::Desk;
use crate::domain::book::{Fact, LedgerFact, LockFact, LockScope, OrderFact, OrderRecord};
use crate::domain::broker::{BrokerOrder, BrokerSnapshot, BrokerStatus, Execution};
use crate::domain::order::{OrderEvent, OrderState, Role};
use crate::domain::ticket::Ticket;
use crate::domain::{ContractId, OrderKind, OrderRef, Shares, TimeInForce, Usd};

/// A read of the broker's state through a session.
#[derive(Debug, Clone, PartialEq)]
pub struct Recovered {
    /// Our client id in that session.
    pub client_id: i32,
    /// What the broker said.
    pub snapshot: BrokerSnapshot,
    /// Something moved while it was read (a fill, a fence): it proves nothing by silence.
    pub disturbed: bool,
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
        let ledger = self.book.identity().map(|me| me.ledger.as_str());
        for order in &recovered.snapshot.open_orders {
            if order.account == self.plan.account
                && let Ok(reference) = order.order_ref.parse::<OrderRef>()
                && Some(reference.ledger.as_str()) != ledger
            {
                return Err(Stranger::OtherInstallation { order_ref: order.order_ref.clone() });
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
        if let (true, Some(cash)) = (new_ledger, snapshot.account.total_cash) {
            // Fills of ours that are known already are in the broker's figure: what the ledger began
            // with is that figure without them.
            let cash = cash - self.book.traded_cash() + self.book.fees();
            self.record(None, Fact::Ledger(LedgerFact::Funded { cash }));
        }
        let agreed =
            !recovered.disturbed && self.pending_read.as_ref().is_some_and(|former| self.agree(former, snapshot));
        if !self.link_up {
            // TWS answers from what it last knew: executions count, silence proves nothing.
            self.pending_read = None;
            return;
        }
        let orders_clear = self.settle_orders(snapshot, agreed);
        let positions_clear = self.compare_positions(snapshot, new_ledger, agreed);
        if orders_clear && positions_clear && is_complete(snapshot) {
            self.pending_read = None;
            self.take_account(snapshot.account.clone());
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

    /// A read that follows no earlier one starts from a closed fence.
    fn fence_for(&mut self, snapshot: &BrokerSnapshot) {
        self.ready = false;
        if !is_complete(snapshot) {
            self.pending_read = None;
        }
    }

    /// Orders with our reference that the book does not know: the journal was cut (rule 23).
    fn adopt_lost_orders(&mut self, snapshot: &BrokerSnapshot) {
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
    pub(super) fn lost_reference(&self, order_ref: &str) -> Option<OrderRef> {
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
        self.record(Some(contract), Fact::Order(OrderFact::Adopted { ticket, perm_id }));
        self.incident(Some(contract), "order_adopted", text);
    }

    fn take_executions(&mut self, snapshot: &BrokerSnapshot) {
        let mut executions: Vec<&Execution> = snapshot.executions.iter().collect();
        executions.sort_by_key(|execution| (execution.at, &execution.id));
        for execution in executions {
            self.execution(execution.clone());
        }
        for commission in &snapshot.commissions {
            self.commission(commission.clone());
        }
    }

    /// Brings every live order to where the broker says it is. Whether none is left in doubt.
    fn settle_orders(&mut self, snapshot: &BrokerSnapshot, agreed: bool) -> bool {
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
                    let mut ticket = mine.ticket.clone();
                    ticket.order_id = order.order_id;
                    self.record(Some(ticket.contract), Fact::Order(OrderFact::Amended { intent, ticket }));
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

    /// Compares holdings. A contract that the book never traded is foreign; any other unexplained
    /// difference, once two reads agree on it, locks its symbol. Whether nothing is left in doubt.
    fn compare_positions(&mut self, snapshot: &BrokerSnapshot, new_ledger: bool, agreed: bool) -> bool {
        let mut contracts: Vec<ContractId> = snapshot.positions.keys().copied().collect();
        contracts.extend(self.book.positions().map(|(id, _)| id));
        contracts.extend(self.book.foreign_holdings().map(|(id, _)| id));
        contracts.sort_unstable();
        contracts.dedup();
        let mut clear = true;
        for contract in contracts {
            let stated = snapshot.positions.get(&contract);
            // Fractions of a share are foreign: only whole shares are compared (rule 19).
            let at_broker = Shares(stated.map_or(0, |p| p.quantity.trunc().to_i64().unwrap_or(0)));
            let held = self.book.held(contract);
            let foreign = self.book.foreign(contract).unwrap_or_default();
            if at_broker == held + foreign {
                if self.book.unexplained(contract).is_some() {
                    let cleared = LockFact::Cleared {
                        scope: LockScope::Unexplained(contract),
                        why: "broker and book agree again".to_owned(),
                    };
                    self.record(Some(contract), Fact::Lock(cleared));
                }
                continue;
            }
            let untraded = self.book.position(contract).is_none();
            if new_ledger || untraded {
                let quantity = at_broker - held;
                self.record(Some(contract), Fact::Ledger(LedgerFact::ForeignHolding { quantity }));
            } else if agreed {
                self.lock_difference(contract, at_broker, held, foreign);
            } else {
                clear = false;
            }
        }
        clear
    }

    fn lock_difference(&mut self, contract: ContractId, at_broker: Shares, held: Shares, foreign: Shares) {
        let scope = LockScope::Unexplained(contract);
        if self.book.unexplained(contract).is_some() {
            return;
        }
        let why = format!(
            "the broker holds {at_broker} shares, the book {held} and foreign holdings {foreign}: unexplained; \
             compare the fills in TWS with the journal; nothing is sent for it until both agree again"
        );
        self.incident(Some(contract), "position_differs", why.clone());
        self.record(Some(contract), Fact::Lock(LockFact::Set { scope, why, until: None }));
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
            let ours =
                snapshot.executions.iter().filter(|execution| self.book.fill_by_stem(execution.id.stem()).is_some());
            let mut ids: Vec<_> = ours.map(|execution| execution.id.clone()).collect();
            ids.sort_unstable();
            ids
        };
        let positions = |snapshot: &BrokerSnapshot| {
            let known = |id: &ContractId| self.book.position(*id).is_some() || self.book.foreign(*id).is_some();
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
