//! The book: what the facts add up to.
//!
//! [`Book::apply`] is the only way in, and it has no policy: replaying a journal is calling it
//! once per record. Everything that must survive a restart is here and nowhere else.

#![deny(clippy::float_arithmetic)]

mod facts;
mod fills;
mod forgetting;
mod ledger;
mod locks;
mod orders;
mod streaks;
mod targets;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use chrono::NaiveDate;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::order::OrderState;
use super::position::Position;
use super::ticket::Ticket;
use super::{Ascending, ContractId, MarketTime, Price, Shares, Symbol, Usd};

pub use facts::{
    DayFact, Disarm, Fact, FillFact, IncidentFact, OrderFact, Record, RefusedFact, SessionFact, TargetFact,
};
pub use fills::FillRecord;
pub use ledger::{Identity, LedgerFact};
pub use locks::{Lock, LockCause, LockFact, LockScope};
pub use streaks::TRIPS_KEPT;

/// An order of ours with its life so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderRecord {
    /// The order, as last known at the broker.
    pub ticket: Arc<Ticket>,
    /// The strategy that wanted it.
    pub strategy: Option<CompactString>,
    /// Label of its contract.
    pub symbol: Option<Symbol>,
    /// Where it stands.
    pub state: OrderState,
    /// The broker's permanent id, once known.
    pub perm_id: Option<i64>,
    /// Shares executed.
    pub filled: Shares,
    /// The session it was last sent in.
    pub session: u64,
    /// When it was intended.
    pub at: MarketTime,
    /// The reference price of its decision.
    pub reference: Price,
    /// The latest words about it.
    pub note: String,
}

impl OrderRecord {
    /// Shares that may still fill, positive; nothing once it has ended.
    pub fn remaining(&self) -> Shares {
        if self.state.is_live() { Shares((self.ticket.quantity.0 - self.filled.0).max(0)) } else { Shares::ZERO }
    }
}

/// A strategy's target in one contract, as the desk accepted it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetState {
    /// -1.0 to 1.0 of the allotted size.
    pub value: f64,
    /// Signed shares, frozen when the target changed.
    pub size: Shares,
    /// When.
    pub at: MarketTime,
    /// Decided on an old bar; waits for a fresh one.
    pub stale: bool,
    /// No entry until the target changes, and why.
    pub disarmed: Option<Disarm>,
    /// The entry waits for the next open.
    pub deferred: bool,
}

/// The exchange day in progress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DayState {
    /// Its date at the exchange.
    pub date: NaiveDate,
    /// The book's equity when it began.
    pub equity: Usd,
    /// Worth of the entries sent in it.
    pub entered: Usd,
    /// Cash movements in it that were no trades.
    pub adjusted: Usd,
}

/// How many things have happened, for summaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Orders intended.
    pub orders: u64,
    /// Executions of ours.
    pub executions: u64,
    /// Executions of ours whose cost is known.
    pub costed: u64,
    /// Orders refused by risk.
    pub refusals: u64,
    /// Incidents.
    pub incidents: u64,
    /// Sessions that became Ready.
    pub sessions: u64,
    /// Orders observed (not sent).
    pub observed: u64,
}

/// The book.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Book {
    identity: Option<Identity>,
    now: MarketTime,
    started_with: Option<Usd>,
    adjustments: Usd,
    traded_cash: Usd,
    /// Of all positions together.
    fees: Usd,
    /// What all positions cost, magnitudes added.
    tied_up: Usd,
    positions: Ascending<ContractId, Position>,
    /// What changed positions beside fills.
    changes: BTreeMap<ContractId, Vec<ledger::Change>>,
    foreign: BTreeMap<ContractId, Shares>,
    /// When a foreign holding was last stated whole: older executions are in it.
    foreign_since: BTreeMap<ContractId, MarketTime>,
    /// What others' trades brought since the ledger began, USD.
    foreign_cash: Usd,
    funded_at: MarketTime,
    symbols: Ascending<ContractId, Symbol>,
    orders: Ascending<u64, Box<OrderRecord>>,
    /// Ascending.
    live: Ascending<ContractId, Vec<u64>>,
    by_order_id: Ascending<i32, u64>,
    by_perm_id: Ascending<i64, u64>,
    fills: Ascending<ContractId, Vec<FillRecord>>,
    /// Execution stem -> (contract, index in `fills`).
    executions: BTreeMap<CompactString, (ContractId, usize)>,
    /// Where the newest fill is.
    #[serde(default)]
    newest_fill: Option<(ContractId, usize)>,
    last_execution: Option<MarketTime>,
    /// Costs that came before their execution.
    early_costs: BTreeMap<CompactString, super::broker::Commission>,
    /// By the part of the id that corrections keep.
    foreign_executions: BTreeMap<CompactString, ledger::ForeignTrade>,
    targets: Ascending<ContractId, targets::Targets>,
    locks: BTreeMap<(LockScope, LockCause), Lock>,
    streaks: streaks::Streaks,
    /// Facts applied so far.
    facts: u64,
    /// The fact that last moved an order, a fill or a holding of a contract.
    touched: Ascending<ContractId, u64>,
    day: Option<DayState>,
    entries_sent: VecDeque<MarketTime>,
    session: u64,
    client_id: Option<i32>,
    highest_order_id: i32,
    highest_intent: u64,
    counts: Counts,
}

impl Book {
    /// Takes one fact in. Facts that repeat what is known change nothing.
    pub fn apply(&mut self, record: &Record) {
        self.now = self.now.max(record.at);
        self.facts += 1;
        if let (Some(contract), Fact::Order(_) | Fact::Fill(_) | Fact::Ledger(_)) = (record.contract, &record.fact) {
            self.touched.insert(contract, self.facts);
        }
        if let (Some(contract), Some(symbol)) = (record.contract, &record.symbol)
            && self.symbols.get(&contract) != Some(symbol)
        {
            self.symbols.insert(contract, *symbol);
        }
        match &record.fact {
            Fact::Ledger(fact) => self.apply_ledger(fact, record),
            Fact::Session(fact) => self.apply_session(fact, record.at),
            Fact::Day(fact) => self.apply_day(fact),
            Fact::Target(fact) => self.apply_target(fact, record),
            Fact::Order(fact) => self.apply_order(fact, record),
            Fact::Fill(fact) => self.apply_fill(fact),
            Fact::Lock(fact) => self.apply_lock(fact, record),
            Fact::Refused(_) => self.counts.refusals += 1,
            Fact::Incident(_) => self.counts.incidents += 1,
        }
    }

    #[cold]
    fn apply_day(&mut self, fact: &DayFact) {
        match fact {
            DayFact::Opened { day, equity } => {
                let same = self.day.as_ref().filter(|former| former.date == *day);
                let entered = same.map_or(Usd::ZERO, |former| former.entered);
                self.day = Some(DayState { date: *day, equity: *equity, entered, adjusted: Usd::ZERO });
                self.locks.retain(|_, lock| lock.until.is_none_or(|until| until > *day));
            }
            DayFact::PeakRaised { equity } => self.streaks.peak = Some(*equity),
        }
    }

    #[cold]
    fn apply_session(&mut self, fact: &SessionFact, at: MarketTime) {
        match fact {
            SessionFact::Ready { number, client_id, next_order_id } => {
                self.counts.sessions += u64::from(*number > self.session);
                self.session = *number;
                self.client_id = Some(*client_id);
                self.highest_order_id = self.highest_order_id.max(next_order_id.saturating_sub(1));
            }
            SessionFact::Lost { number, .. } => {
                self.session = self.session.max(*number);
                self.streaks.session_lost(at);
            }
        }
    }

    fn apply_target(&mut self, fact: &TargetFact, record: &Record) {
        let (Some(contract), Some(strategy)) = (record.contract, &record.strategy) else { return };
        let targets = self.targets.or_default(contract);
        match fact {
            TargetFact::Accepted { value, size, stale } => {
                let state = TargetState {
                    value: *value,
                    size: *size,
                    at: record.at,
                    stale: *stale,
                    disarmed: None,
                    deferred: false,
                };
                targets.insert(strategy, state);
            }
            TargetFact::Disarmed { why } => {
                if let Some(target) = targets.get_mut(strategy) {
                    target.disarmed = Some(why.clone());
                    target.deferred = false;
                    return;
                }
                // A position may have to be closed that the strategy of now never asked for.
                let (value, size, at, disarmed) = (0.0, Shares::ZERO, record.at, Some(why.clone()));
                let target = TargetState { value, size, at, stale: false, disarmed, deferred: false };
                targets.insert(strategy, target);
            }
            TargetFact::Deferred => {
                if let Some(target) = targets.get_mut(strategy) {
                    target.deferred = true;
                }
            }
        }
    }

    /// The latest market time of any fact.
    pub fn now(&self) -> MarketTime {
        self.now
    }

    /// Fees paid, USD.
    pub fn fees(&self) -> Usd {
        self.fees
    }

    /// What the held shares cost, magnitudes of all contracts added, USD.
    pub fn tied_up(&self) -> Usd {
        self.tied_up
    }

    /// Changes a contract's position, and what is kept of all of them.
    fn change_position<T>(&mut self, contract: ContractId, change: impl FnOnce(&mut Position) -> T) -> T {
        let position = self.positions.or_default(contract);
        let before = position.cost().abs();
        let result = change(position);
        self.tied_up += position.cost().abs() - before;
        result
    }

    /// Profit realized, USD, fees not deducted.
    pub fn realized(&self) -> Usd {
        self.positions.values().map(|p| p.realized).sum()
    }

    /// Every position ever held, flat ones included.
    pub fn positions(&self) -> impl Iterator<Item = (ContractId, &Position)> {
        self.positions.iter().map(|(id, position)| (*id, position))
    }

    /// Signed shares held by the book in a contract.
    pub fn held(&self, contract: ContractId) -> Shares {
        self.positions.get(&contract).map_or(Shares::ZERO, Position::quantity)
    }

    /// The position in a contract, if there ever was one.
    pub fn position(&self, contract: ContractId) -> Option<&Position> {
        self.positions.get(&contract)
    }

    /// The label of a contract, where a fact gave one.
    pub fn symbol(&self, contract: ContractId) -> Option<&Symbol> {
        self.symbols.get(&contract)
    }

    /// A strategy's accepted target in a contract.
    pub fn target(&self, contract: ContractId, strategy: &str) -> Option<&TargetState> {
        self.targets.get(&contract)?.get(strategy)
    }

    /// Every target.
    pub fn targets(&self) -> impl Iterator<Item = (ContractId, &str, &TargetState)> {
        self.targets.iter().flat_map(|(contract, by)| by.iter().map(|(strategy, target)| (*contract, strategy, target)))
    }

    /// The exchange day in progress.
    pub fn day(&self) -> Option<&DayState> {
        self.day.as_ref()
    }

    /// When the book's last execution happened.
    pub fn last_execution(&self) -> Option<MarketTime> {
        self.last_execution
    }

    /// What an exit or a stop may count on: the book's shares, less what others have sold (or
    /// bought back) against them (rule 12).
    pub fn disposable(&self, contract: ContractId) -> Shares {
        let held = self.held(contract);
        let account = held + self.foreign(contract).unwrap_or_default();
        if held.0 >= 0 { Shares(held.0.min(account.0.max(0))) } else { Shares(held.0.max(account.0.min(0))) }
    }

    /// The number of the last session that became Ready.
    pub fn session(&self) -> u64 {
        self.session
    }

    /// The client id of the last session that became Ready.
    pub fn client_id(&self) -> Option<i32> {
        self.client_id
    }

    /// How many facts it is made of.
    pub fn facts(&self) -> u64 {
        self.facts
    }

    /// Whether an order, a fill or a holding of a contract has moved since there were so many facts.
    pub fn moved_since(&self, contract: ContractId, facts: u64) -> bool {
        self.touched.get(&contract).is_some_and(|at| *at > facts)
    }

    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }
}
