//! The desk: the one owner of money decisions.
//!
//! [`Desk::decide`] takes one event and says which facts it makes and which actions follow. It
//! reads no clock: `now` is the latest market time of any event. It applies its facts to the book
//! as it makes them, so that replaying the journal gives the same book; the caller journals the
//! facts before it releases the actions.
//!
//! The desk is level-triggered: after every event it looks at what a symbol should hold, holds, and
//! has working, and takes the next step towards agreement (`drive`).

mod entries;
mod event;
mod exits;
mod exposure;
mod ledger_id;
mod locks;
mod marks;
pub mod operator;
mod orders;
pub mod plan;
mod protection;
mod protections;
mod recording;
pub mod recovery;
mod session;
mod targets;
#[cfg(test)]
mod tests;
mod tickets;
mod worth;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use compact_str::CompactString;

use crate::domain::book::{Book, Fact, LedgerFact, Record, TargetState};
use crate::domain::broker::{AccountState, BrokerOrder, BrokerPosition, BrokerSnapshot, OrderUpdate};
use crate::domain::{Ascending, Bar, Contract, ContractId, MarketTime, Price, Symbol};
use crate::strategy::{Gauges, Heard, Target};

pub use event::{Action, Decided, Event};
pub use ledger_id::ledger_id;
pub use marks::{Mark, Marks};
pub use operator::Unable;
pub use plan::{AfterClose, ForeignPolicy, Guards, Mode, OrderStyle, Plan, StopBreached, StopPolicy, SymbolPlan};
pub use protections::Protections;
pub use recovery::{Difference, Recovered};
use worth::Worth;

/// Why the desk looks at a symbol: some steps need a fresh bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trigger {
    /// The newest closed bar, young enough to trade on.
    FreshBar,
    /// Time passed.
    Time,
    /// An order or fill of the symbol moved.
    Order,
    /// A session became Ready.
    Ready,
}

/// One contract at the desk.
#[derive(Debug, Clone)]
struct Seat {
    symbol: Symbol,
    plan: Arc<SymbolPlan>,
    strategy: CompactString,
    /// Whether a look at it was in vain and no fact has come since: the next one would be, too.
    settled: bool,
}

/// The desk.
#[derive(Debug)]
pub struct Desk {
    plan: Plan,
    /// How long a bar is young, milliseconds; `None` where the calendar says it.
    fresh_for: Option<i64>,
    book: Book,
    marks: Marks,
    /// How each resolved contract is traded.
    seats: Ascending<ContractId, Seat>,
    /// Whether every seat is settled.
    all_settled: bool,
    /// How far the account's worth is from what would need attention.
    worth: Worth,
    now: MarketTime,
    ready: bool,
    /// Whether the next Ready is the first of its session.
    new_session: bool,
    link_up: bool,
    stopping: bool,
    /// Contracts whose last exit failed: not tried again before a fresh bar.
    failed_exits: BTreeSet<ContractId>,
    /// Contracts whose last stop (or change of one) was refused: likewise.
    failed_stops: BTreeSet<ContractId>,
    /// Contracts that lost a stop since their last fresh bar: it is put back at once only once.
    lost_stops: BTreeSet<ContractId>,
    /// Orders whose terms were sent anew: a refusal may concern the change alone.
    amended: BTreeSet<u64>,
    /// Targets already observed in observe mode.
    observed: BTreeMap<ContractId, MarketTime>,
    /// How often an order's differing terms were put right.
    repaired: BTreeMap<u64, u32>,
    /// The former read of the broker's state, where it left something in doubt.
    pending_read: Option<BrokerSnapshot>,
    /// What the broker stated last of holdings; volatile.
    holdings: Option<BTreeMap<ContractId, BrokerPosition>>,
    /// Others' orders in the account, as last read.
    foreign_orders: Vec<BrokerOrder>,
    reads: u64,
    /// The latest incidents, oldest first.
    incidents: VecDeque<Record>,
    /// A difference of cash that one read has shown.
    cash_seen: Option<recovery::CashSeen>,
    /// Contracts being flattened by an operator's order, until that is told.
    flattening: BTreeSet<ContractId>,
    decided: Decided,
}

impl Desk {
    /// A desk that continues `book` by `plan`.
    pub fn new(plan: Plan, book: Book) -> Self {
        let now = book.now();
        let size = plan.bar_size;
        let fresh_for = plan.freshness.or_else(|| size.is_intraday().then(|| size.duration()));
        Self {
            fresh_for: fresh_for.map(|limit| i64::try_from(limit.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX)),
            plan,
            book,
            marks: Marks::default(),
            seats: Ascending::default(),
            all_settled: false,
            worth: Worth::default(),
            now,
            ready: false,
            new_session: true,
            link_up: true,
            stopping: false,
            failed_exits: BTreeSet::new(),
            failed_stops: BTreeSet::new(),
            lost_stops: BTreeSet::new(),
            amended: BTreeSet::new(),
            observed: BTreeMap::new(),
            repaired: BTreeMap::new(),
            pending_read: None,
            holdings: None,
            foreign_orders: Vec::new(),
            reads: 0,
            incidents: VecDeque::new(),
            cash_seen: None,
            flattening: BTreeSet::new(),
            decided: Decided::default(),
        }
    }

    /// Begins a new ledger: its first facts. Nothing where the book has begun before.
    pub fn open_ledger(&mut self, opened: LedgerFact, limits: serde_json::Value, at: MarketTime) -> Vec<Record> {
        self.now = self.now.max(at);
        if self.book.identity().is_none() {
            self.record(None, Fact::Ledger(opened));
        }
        self.record(None, Fact::Ledger(LedgerFact::LimitsChanged { limits }));
        std::mem::take(&mut self.decided).records
    }

    /// Decides on one event.
    pub fn decide(&mut self, event: Event) -> Decided {
        self.hear(event);
        std::mem::take(&mut self.decided)
    }

    /// Decides on one event, and keeps what follows for [`Self::release`]; says whether there are
    /// new facts or actions.
    #[inline]
    pub fn hear(&mut self, event: Event) -> bool {
        match event {
            Event::Listed(contract) => self.list(contract),
            Event::Warmed { contract, opinion, bar, gauges } => self.warmed(contract, opinion, &bar, gauges),
            Event::Bar { contract, bar, target, gauges, newest } => self.bar(contract, &bar, target, gauges, newest),
            Event::PriorClose { contract, day, close } => self.marks.close_before(contract, day, close),
            Event::Time(at) => self.time(at),
            Event::Recovered(recovered) => self.recovered(&recovered),
            Event::Compared(recovered) => self.compared(&recovered),
            Event::Position(position) => self.position(position),
            Event::Operator(order) => self.decided.answer = Some(self.operate(order)),
            Event::Incident(incident) => self.record(None, Fact::Incident(incident)),
            Event::Lost { why } => self.lost(&why),
            Event::Link { up } => self.link(up),
            Event::Order(update) => self.order_update(update),
            Event::Account(state) => self.take_account(state),
            Event::Overdue { intent } => self.overdue(intent),
            Event::Fenced => {
                self.fence();
                self.decided.wants_reconcile = true;
            }
            Event::ShuttingDown => {
                self.stopping = true;
                self.cancel_entries();
                self.drive_all(Trigger::Time);
            }
        }
        self.has_decided()
    }

    /// As [`Self::hear`] of an [`Event::Bar`]: nothing is moved that has to be moved for nothing.
    #[inline]
    pub fn hear_bar(&mut self, contract: ContractId, bar: &Bar, heard: Heard, newest: bool) -> bool {
        self.bar(contract, bar, heard.target, heard.gauges, newest);
        self.has_decided()
    }

    /// As [`Self::hear`] of an [`Event::Time`].
    #[inline]
    pub fn hear_time(&mut self, at: MarketTime) -> bool {
        self.time(at);
        self.has_decided()
    }

    /// As [`Self::hear`] of an [`Event::Order`].
    #[inline]
    pub fn hear_order(&mut self, update: OrderUpdate) -> bool {
        self.order_update(update);
        self.has_decided()
    }

    /// As [`Self::hear`] of an [`Event::Account`].
    pub fn hear_account(&mut self, state: AccountState) -> bool {
        self.take_account(state);
        self.has_decided()
    }

    #[inline]
    fn has_decided(&mut self) -> bool {
        if !self.flattening.is_empty() {
            self.tell_flat();
        }
        !self.decided.records.is_empty() || !self.decided.actions.is_empty()
    }

    /// The latest incidents since this desk began, newest first.
    pub fn incidents(&self) -> impl Iterator<Item = &Record> {
        self.incidents.iter().rev()
    }

    /// Comparisons with the broker's state since this desk began.
    pub fn reads(&self) -> u64 {
        self.reads
    }

    /// Others' orders in the account, as last read.
    pub fn foreign_orders(&self) -> &[BrokerOrder] {
        &self.foreign_orders
    }

    /// The book.
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// Last prices and the account's state.
    pub fn marks(&self) -> &Marks {
        &self.marks
    }

    /// What the desk was told.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The latest market time of any event.
    pub fn now(&self) -> MarketTime {
        self.now
    }

    /// Whether orders may be sent at all.
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// Whether TWS has its link to IBKR, as far as it said.
    pub fn link_is_up(&self) -> bool {
        self.link_up
    }

    #[inline(always)]
    fn bar(&mut self, contract: ContractId, bar: &Bar, target: Option<Target>, gauges: Gauges, newest: bool) {
        self.now = self.now.max(bar.end);
        // A day that begins with this bar is measured from the prices before it, where there are any.
        self.new_day();
        self.see(contract, bar, gauges);
        self.new_day();
        self.expire_locks();
        let fresh = newest && self.is_fresh(bar.end);
        if let Some(target) = target {
            self.accept(contract, target, !fresh);
        }
        if fresh {
            for failed in [&mut self.failed_exits, &mut self.failed_stops, &mut self.lost_stops] {
                if !failed.is_empty() {
                    failed.remove(&contract);
                }
            }
            self.unpark(contract);
            let seat = self.seats.get(&contract);
            let (restless, ages) = seat.map_or((false, false), |seat| (!seat.settled, seat.plan.time_exit.is_some()));
            if restless {
                self.refresh(contract);
            }
            if ages {
                self.watch_age(contract, bar.end);
            }
            self.watch_limits();
            debug_assert!(!self.all_settled || self.seats.values().all(|seat| seat.settled), "all are settled");
            if !self.all_settled {
                self.drive(contract, Trigger::FreshBar);
            }
        }
    }

    #[cold]
    fn warmed(&mut self, contract: ContractId, opinion: Option<(MarketTime, Target)>, bar: &Bar, gauges: Gauges) {
        self.see(contract, bar, gauges);
        let Some(strategy) = self.strategy_of(contract) else { return };
        // On a first start the warm-up never trades; later it may have seen bars that the desk
        // missed, and an opinion among them counts, as old news.
        let missed = self.book.target(contract, strategy).map(|accepted| accepted.at);
        if let (Some(at), Some((spoken, target))) = (missed, opinion)
            && spoken > at
        {
            self.accept(contract, target, true);
        }
    }

    #[inline]
    fn time(&mut self, at: MarketTime) {
        self.now = self.now.max(at);
        self.new_day();
        self.expire_locks();
        self.watch_between_bars();
        self.drive_all(Trigger::Time);
    }

    #[inline]
    fn drive_all(&mut self, trigger: Trigger) {
        if !self.all_settled {
            self.drive_restless(trigger);
        }
    }

    fn drive_restless(&mut self, trigger: Trigger) {
        self.all_settled = true;
        let mut last = None;
        // Looked up anew each time: what one symbol does may concern the next.
        let restless = |seat: &(&ContractId, &Seat)| !seat.1.settled;
        loop {
            let next = self.seats.beyond(last).find(restless).map(|(id, _)| *id);
            let Some(contract) = next else { break };
            self.drive(contract, trigger);
            self.all_settled &= self.seats.get(&contract).is_none_or(|seat| seat.settled);
            last = Some(contract);
        }
    }

    /// Takes the next step of one symbol towards what it should hold.
    fn drive(&mut self, contract: ContractId, trigger: Trigger) {
        let Some(seat) = self.seats.get(&contract).filter(|seat| self.ready && !seat.settled) else { return };
        let target = self.book.target(contract, &seat.strategy);
        if self.is_settled(contract, seat, target) {
            if let Some(seat) = self.seats.get_mut(&contract) {
                seat.settled = true;
            }
            return;
        }
        // An order in doubt counts in full and may be anything, and so may a position that broker and
        // book do not agree on: nothing moves until it is known.
        if self.book.unexplained(contract).is_some()
            || self.book.live_in(contract).any(|order| order.state == crate::domain::order::OrderState::Unknown)
        {
            return;
        }
        let desired = self.desired(contract, target, trigger);
        if self.cancel_unwanted_entry(contract, desired) || self.exit(contract, desired, trigger) {
            return;
        }
        self.protect(contract, trigger);
        self.enter(contract, desired, trigger);
    }

    /// Whether a look at the symbol would change nothing: it holds what it should, nothing works or
    /// stops it, and nothing waits for a time. That follows from the book, so it stays so until the
    /// next fact. Most looks end here.
    fn is_settled(&self, contract: ContractId, seat: &Seat, target: Option<&TargetState>) -> bool {
        if self.plan.flat_by_close.is_some() || self.book.is_locked() || self.book.live_in(contract).next().is_some() {
            return false;
        }
        let held = self.book.held(contract);
        let protected = held.is_zero() || seat.plan.stop == StopPolicy::None;
        #[allow(clippy::float_cmp, reason = "flat is exactly zero")]
        let sized = |target: &TargetState| !target.size.is_zero() || target.value == 0.0;
        let wanted = target.is_none_or(|target| {
            target.size == held && sized(target) && !target.stale && !target.deferred && target.disarmed.is_none()
        });
        protected && wanted && self.book.foreign(contract).is_none_or(|foreign| foreign.is_zero())
    }

    fn plan_of(&self, contract: ContractId) -> Option<&SymbolPlan> {
        Some(&self.seats.get(&contract)?.plan)
    }

    /// What the symbol's strategy wants.
    fn target_of(&self, contract: ContractId) -> Option<&TargetState> {
        self.book.target(contract, self.strategy_of(contract)?)
    }

    fn strategy_of(&self, contract: ContractId) -> Option<&str> {
        Some(&self.seats.get(&contract)?.strategy)
    }

    /// A contract is resolved: it has its seat where the plan has one for its symbol.
    #[cold]
    fn list(&mut self, contract: Contract) {
        if let Some(plan) = self.plan.symbols.get(&contract.symbol)
            && !self.seats.contains_key(&contract.id)
        {
            let (symbol, strategy) = (contract.symbol, plan.strategy.as_str().into());
            self.seats.insert(contract.id, Seat { symbol, plan: Arc::new(plan.clone()), strategy, settled: false });
            self.all_settled = false;
        }
        self.marks.list(contract);
    }

    fn last_price(&self, contract: ContractId) -> Option<Price> {
        self.marks.price(contract)
    }
}
