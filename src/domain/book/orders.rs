//! The book's orders: by intent number for ever, by contract while they live.

use std::sync::Arc;
use std::time::Duration;

use super::{Book, OrderFact, OrderRecord, Record};
use crate::domain::order::{OrderEvent, OrderRef, OrderState, Role};
use crate::domain::ticket::Ticket;
use crate::domain::{ContractId, MarketTime, Price, Shares, Usd};

/// The window of the order-rate limit.
const RATE_WINDOW: Duration = Duration::from_secs(60);

impl Book {
    pub(super) fn apply_order(&mut self, fact: &OrderFact, record: &Record) {
        match fact {
            OrderFact::Intended { ticket, session, reference } => {
                self.insert(ticket, record, OrderState::Sent, None, *session, *reference);
                self.counts.orders += 1;
                self.streaks.ordered(record.at);
                if ticket.role == Role::Entry {
                    // Sent: what was deferred to this open is deferred no more.
                    let targets = self.targets.get_mut(&ticket.contract);
                    let target = targets.zip(record.strategy.as_ref()).and_then(|(all, name)| all.get_mut(name));
                    if let Some(target) = target {
                        target.deferred = false;
                    }
                    self.count_entry(record.at, *reference * ticket.quantity);
                }
            }
            OrderFact::Adopted { ticket, perm_id } => {
                self.insert(ticket, record, OrderState::Working, Some(*perm_id), self.session, Price::ZERO);
            }
            OrderFact::Changed { intent, event, perm_id, note } => {
                let Some(order) = self.orders.get_mut(intent) else { return };
                if let Some(id) = perm_id {
                    order.perm_id = Some(*id);
                    self.by_perm_id.insert(*id, *intent);
                }
                if !note.is_empty() {
                    order.note.clone_from(note);
                }
                if let Some(next) = order.state.transition(*event) {
                    order.state = next;
                    if next == OrderState::Rejected {
                        self.streaks.rejected(record.at);
                    }
                    self.index(*intent);
                }
            }
            OrderFact::Amended { intent, ticket } => {
                if let Some(order) = self.orders.get_mut(intent) {
                    order.ticket = Arc::clone(ticket);
                }
                self.highest_order_id = self.highest_order_id.max(ticket.order_id);
                self.by_order_id.insert(ticket.order_id, *intent);
            }
            OrderFact::Observed { .. } => self.counts.observed += 1,
        }
    }

    fn insert(
        &mut self,
        ticket: &Arc<Ticket>,
        record: &Record,
        state: OrderState,
        perm_id: Option<i64>,
        session: u64,
        reference: Price,
    ) {
        let intent = ticket.order_ref.intent;
        self.highest_order_id = self.highest_order_id.max(ticket.order_id);
        self.highest_intent = self.highest_intent.max(intent);
        let order = OrderRecord {
            ticket: Arc::clone(ticket),
            strategy: record.strategy.clone(),
            symbol: record.symbol,
            state,
            perm_id,
            filled: Shares::ZERO,
            session,
            at: record.at,
            reference,
            note: String::new(),
        };
        if !self.orders.contains_key(&intent) {
            self.orders.insert(intent, Box::new(order));
        }
        self.by_order_id.insert(ticket.order_id, intent);
        if let Some(id) = perm_id {
            self.by_perm_id.insert(id, intent);
        }
        self.index(intent);
    }

    fn count_entry(&mut self, at: MarketTime, notional: Usd) {
        if let Some(day) = &mut self.day {
            day.entered += notional;
        }
        self.entries_sent.push_back(at);
        while self.entries_sent.front().is_some_and(|sent| at.since(*sent) >= RATE_WINDOW) {
            self.entries_sent.pop_front();
        }
    }

    /// Keeps the index of live orders true.
    pub(super) fn index(&mut self, intent: u64) {
        let Some(order) = self.orders.get(&intent) else { return };
        let live = self.live.or_default(order.ticket.contract);
        match (live.binary_search(&intent), order.state.is_live()) {
            (Err(place), true) => live.insert(place, intent),
            (Ok(place), false) => {
                live.remove(place);
            }
            (Ok(_), true) | (Err(_), false) => {}
        }
    }

    /// Marks the orders whose executions now cover them. More than an order's quantity says that
    /// its last change of size came too late: the broker still works what it had before.
    pub(super) fn complete(&mut self, intent: u64) {
        if let Some(order) = self.orders.get_mut(&intent)
            && order.filled == order.ticket.quantity
            && let Some(next) = order.state.transition(OrderEvent::Completed)
        {
            order.state = next;
            self.index(intent);
        }
    }

    /// An order by its intent number.
    pub fn order(&self, intent: u64) -> Option<&OrderRecord> {
        self.orders.get(&intent).map(Box::as_ref)
    }

    /// Every order, by intent number.
    pub fn orders(&self) -> impl DoubleEndedIterator<Item = &OrderRecord> {
        self.orders.values().map(Box::as_ref)
    }

    /// Every live order.
    pub fn live_orders(&self) -> impl Iterator<Item = &OrderRecord> {
        self.live.values().flatten().filter_map(|intent| self.order(*intent))
    }

    /// The live orders of one contract.
    pub fn live_in(&self, contract: ContractId) -> impl Iterator<Item = &OrderRecord> {
        let live = self.live.get(&contract).map_or(&[][..], Vec::as_slice);
        live.iter().filter_map(|intent| self.order(*intent))
    }

    /// The order that a broker message is about: by its reference, else by permanent id, else by
    /// order id (of our client; order ids are never used twice).
    pub fn find(&self, order_ref: &str, perm_id: i64, order_id: Option<i32>) -> Option<u64> {
        if !order_ref.is_empty() {
            let intent = OrderRef::intent_in(order_ref, &self.identity()?.ledger)?;
            return self.orders.contains_key(&intent).then_some(intent);
        }
        let by_perm = self.by_perm_id.get(&perm_id).filter(|_| perm_id != 0);
        by_perm.or_else(|| self.by_order_id.get(&order_id?)).copied()
    }

    /// The number for the next intent.
    pub fn next_intent(&self) -> u64 {
        self.highest_intent.saturating_add(1)
    }

    /// The next order id: above every id seen at any time (rule 14).
    pub fn next_order_id(&self) -> i32 {
        self.highest_order_id.saturating_add(1).max(1)
    }

    /// Entries sent in the last minute of market time.
    pub fn entries_within_a_minute(&self, now: MarketTime) -> u32 {
        let recent = self.entries_sent.iter().filter(|sent| now.since(**sent) < RATE_WINDOW).count();
        u32::try_from(recent).unwrap_or(u32::MAX)
    }
}
