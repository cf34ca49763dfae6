//! Entries: orders that open or add (rules 1, 2, 6, 7, 9).

use std::sync::Arc;

use super::plan::Mode;
use super::{AfterClose, Desk, StopPolicy, Trigger};
use crate::domain::book::{Disarm, Fact, OrderFact, OrderRecord, RefusedFact, TargetFact};
use crate::domain::order::{OrderEvent, OrderState, Role};
use crate::domain::ticket::Ticket;
use crate::domain::{ContractId, OrderKind, Price, Shares, Side};
use crate::risk::{ApprovedOrder, Proposal, Refusal, review};

/// An entry and what protects it, all of them reviewed before any is sent.
struct Family {
    /// The price by which they were reviewed, USD a share.
    reference: Price,
    entry: ApprovedOrder,
    /// Its protective children: the stop before the target.
    legs: Vec<ApprovedOrder>,
}

impl Desk {
    /// Cancels an entry that is no longer wanted. Whether the symbol has to wait for an entry's
    /// end before anything else.
    pub(super) fn cancel_unwanted_entry(&mut self, contract: ContractId, desired: Shares) -> bool {
        let Some(entry) = self.book.live_in(contract).find(|order| order.ticket.role == Role::Entry) else {
            return false;
        };
        let (intent, side, state) = (entry.ticket.order_ref.intent, entry.ticket.side, entry.state);
        let wanted = Side::of_change(desired - self.book.held(contract)) == Some(side);
        let why = if self.stopping {
            Some("the daemon is stopping")
        } else if !wanted {
            Some("its target has changed")
        } else if self.is_headless(entry) {
            Some("the protective order that would transmit it does not work")
        } else {
            None
        };
        if let Some(why) = why.filter(|_| state != OrderState::Cancelling) {
            self.cancel(intent, why);
        }
        true
    }

    /// Whether an entry waits for a child to transmit it, and no such child is there (any more):
    /// it would wait for ever.
    fn is_headless(&self, entry: &OrderRecord) -> bool {
        let transmits =
            |order: &OrderRecord| order.ticket.parent_id == Some(entry.ticket.order_id) && order.ticket.transmit;
        !entry.ticket.transmit
            && entry.state == OrderState::Working
            && entry.filled.is_zero()
            && !self.book.live_in(entry.ticket.contract).any(transmits)
    }

    /// Cancels every entry that still works: needs no Ready session, only one that takes cancels.
    #[cold]
    pub(super) fn cancel_entries(&mut self) {
        let entries: Vec<u64> = self
            .book
            .live_orders()
            .filter(|order| order.ticket.role == Role::Entry && order.state != OrderState::Cancelling)
            .map(|order| order.ticket.order_ref.intent)
            .collect();
        for intent in entries {
            self.cancel(intent, "the daemon is stopping");
        }
    }

    /// Journals and queues the cancel of an order of ours.
    pub(super) fn cancel(&mut self, intent: u64, why: &str) {
        let Some(order) = self.book.order(intent).filter(|order| order.state.is_live()) else { return };
        let (contract, order_id) = (order.ticket.contract, order.ticket.order_id);
        let event = OrderEvent::CancelRequested;
        let changed = OrderFact::Changed { intent, event, perm_id: None, note: why.to_owned() };
        self.record(Some(contract), Fact::Order(changed));
        self.decided.actions.push(super::Action::Cancel { intent, order_id });
    }

    /// Sends the entry that the target asks for, if this is the moment for one.
    pub(super) fn enter(&mut self, contract: ContractId, desired: Shares, trigger: Trigger) {
        let held = self.book.held(contract);
        let change = desired - held;
        let grows = !change.is_zero() && (held.is_zero() || (held.0 > 0) == (change.0 > 0));
        if !grows || self.stopping || self.book.live_in(contract).any(|order| !order.ticket.role.is_protective()) {
            return;
        }
        // Legs of a former family may still work where nothing is held: they end first, so that they
        // never stand beside the legs of the new one.
        if held.is_zero() && self.book.live_in(contract).next().is_some() {
            return;
        }
        let Some(seat) = self.seats.get(&contract) else { return };
        let after_close = seat.plan.after_close;
        let Some(target) = self.book.target(contract, &seat.strategy) else { return };
        let (deferred, decided_at) = (target.deferred, target.at);
        let turned_flat = trigger == Trigger::Order && held.is_zero() && self.is_fresh(decided_at);
        if trigger != Trigger::FreshBar && !deferred && !turned_flat {
            return;
        }
        match self.market_is_open(contract) {
            Some(true) => {}
            Some(false) if deferred => return,
            Some(false) => {
                match after_close {
                    AfterClose::Drop => self.disarm(contract, Disarm::Dropped),
                    AfterClose::RequeueAtOpen => self.record(Some(contract), Fact::Target(TargetFact::Deferred)),
                }
                return;
            }
            None => {
                self.refuse(contract, change, Refusal::Unknown { what: "whether the market is open".to_owned() });
                return;
            }
        }
        if self.outside_entry_window(contract) {
            return;
        }
        let guards = &self.plan.guards;
        if let Some((window, outage)) = guards.expected.near(self.now, guards.hold_before) {
            // An order on its way when the gateway goes is an order in doubt.
            let refusal = Refusal::Outage { window: window.to_owned(), until: outage.close };
            self.refuse(contract, change, refusal);
            return;
        }
        if self.plan.mode == Mode::Observe && self.observed.insert(contract, decided_at) == Some(decided_at) {
            return;
        }
        self.propose(contract, change);
    }

    /// Whether entries are barred right after the open or right before the close.
    fn outside_entry_window(&self, contract: ContractId) -> bool {
        self.session_window(contract).is_some_and(|window| {
            self.now < window.open + self.plan.no_entry_after_open
                || self.now + self.plan.no_entry_before_close > window.close
                || self.plan.flat_by_close.is_some_and(|before| self.now + before >= window.close)
        })
    }

    /// Reviews the entry and its protective children, and sends them as one family.
    fn propose(&mut self, contract: ContractId, change: Shares) {
        match self.family(contract, change) {
            Ok(Family { reference, entry, legs }) => {
                self.send_or_observe(entry, reference);
                legs.into_iter().for_each(|leg| self.send_or_observe(leg, reference));
            }
            Err(refusal) => self.refuse(contract, change, refusal),
        }
    }

    fn send_or_observe(&mut self, order: ApprovedOrder, reference: Price) {
        if self.plan.mode == Mode::Observe {
            let ticket = Arc::clone(order.ticket());
            self.record(Some(ticket.contract), Fact::Order(OrderFact::Observed { ticket }));
        } else {
            self.send(order, reference);
        }
    }

    #[cold]
    fn refuse(&mut self, contract: ContractId, change: Shares, refusal: Refusal) {
        let transient = refusal.is_transient();
        self.record(Some(contract), Fact::Refused(RefusedFact { change, refusal }));
        if !transient {
            self.disarm(contract, Disarm::Refused);
        }
    }

    fn family(&self, contract: ContractId, change: Shares) -> Result<Family, Refusal> {
        let unknown = |what: &str| Refusal::Unknown { what: what.to_owned() };
        let reference = self.last_price(contract).ok_or_else(|| unknown("last price"))?;
        let side = Side::of_change(change).ok_or(Refusal::Quantity { quantity: change })?;
        let plan = self.plan_of(contract).ok_or_else(|| unknown("plan of the symbol"))?;
        let unprotected = plan.stop == StopPolicy::None;
        if unprotected && self.plan.mode == Mode::Live && !self.plan.allow_unprotected {
            return Err(Refusal::Unprotected);
        }
        // What adds to a position brings no legs of its own: the resting ones grow with it.
        let adds = !self.book.held(contract).is_zero();
        let stop = self.stop_kind(contract, side, reference).filter(|_| !adds);
        if stop.is_none() && !unprotected && !adds {
            return Err(unknown("distance of the protective stop"));
        }
        let kind = self.trading_kind(contract, side, reference).ok_or_else(|| unknown("contract"))?;
        let write = |role, side, kind, ahead| {
            self.ticket(contract, role, side, change.abs(), kind, ahead).ok_or_else(|| unknown("ledger"))
        };
        let mut entry = write(Role::Entry, side, kind, 0)?;
        let mut children: Vec<Ticket> = Vec::new();
        let profit = self.profit_kind(contract, side, reference).filter(|_| !adds);
        for (role, kind) in [(Role::Stop, stop), (Role::Target, profit)] {
            let ahead = 1 + u32::try_from(children.len()).unwrap_or(0);
            if let Some(kind) = kind {
                children.push(write(role, side.opposite(), kind, ahead)?);
            }
        }
        entry.transmit = children.is_empty();
        let count = children.len();
        for (index, child) in children.iter_mut().enumerate() {
            child.parent_id = Some(entry.order_id);
            child.oca_group = Some(entry.order_ref.text());
            child.transmit = index + 1 == count;
        }
        let approve = |ticket: Ticket| {
            let price = match ticket.kind {
                OrderKind::Limit { limit } => Some(limit),
                OrderKind::Market | OrderKind::Stop { .. } | OrderKind::StopLimit { .. } | OrderKind::Trail { .. } => {
                    None
                }
            };
            let proposal = Proposal { ticket, reference, price };
            review(proposal, &self.plan.limits, || self.exposure(contract))
        };
        let entry = approve(entry)?;
        let legs = children.into_iter().map(approve).collect::<Result<_, _>>()?;
        Ok(Family { reference, entry, legs })
    }
}
