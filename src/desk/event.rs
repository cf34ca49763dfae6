//! What the desk learns, and what follows.

use chrono::NaiveDate;

use super::{Recovered, Unable, operator};
use crate::domain::book::{IncidentFact, Record};
use crate::domain::broker::{AccountState, BrokerPosition, OrderUpdate};
use crate::domain::{Bar, Contract, ContractId, MarketTime};
use crate::risk::ApprovedOrder;
use crate::strategy::{Gauges, Target};

/// What the desk learns.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "events are moved once, from a queue to the desk")]
pub enum Event {
    /// A symbol of the plan is resolved to its contract.
    Listed(Contract),
    /// History warmed a strategy; nothing of it may trade.
    Warmed {
        /// Which contract.
        contract: ContractId,
        /// The newest opinion that the strategy spoke in it, and the end of the bar it spoke on.
        opinion: Option<(MarketTime, Target)>,
        /// The last closed bar.
        bar: Bar,
        /// What was measured on it and those before.
        gauges: Gauges,
    },
    /// A bar closed and its strategy has seen it.
    Bar {
        /// Which contract.
        contract: ContractId,
        /// The bar.
        bar: Bar,
        /// What the strategy said.
        target: Option<Target>,
        /// What was measured on it and those before.
        gauges: Gauges,
        /// Whether it may lead to an order: the newest closed bar, not one being caught up.
        newest: bool,
    },
    /// The last close before an exchange day.
    PriorClose {
        /// Which contract.
        contract: ContractId,
        /// The exchange day.
        day: NaiveDate,
        /// The close before it, USD a share.
        close: f64,
    },
    /// Broker time passed.
    Time(MarketTime),
    /// A session is up and the broker's state was read.
    Recovered(Box<Recovered>),
    /// The broker's state was read while trading goes on.
    Compared(Box<Recovered>),
    /// The broker states a holding.
    Position(BrokerPosition),
    /// The session ended.
    Lost {
        /// Why.
        why: String,
    },
    /// The link between TWS and IBKR went down or came back.
    Link {
        /// Whether it is up.
        up: bool,
    },
    /// A message of the order stream.
    Order(OrderUpdate),
    /// The account's money as the broker states it.
    Account(AccountState),
    /// The broker did not answer for an order in time.
    Overdue {
        /// Its intent number.
        intent: u64,
    },
    /// Something was missed: no order leaves before the broker's state was read again.
    Fenced,
    /// An operator orders something.
    Operator(operator::Order),
    /// Something outside the desk that a human may want to know about.
    Incident(IncidentFact),
    /// The daemon is stopping: no entries any more, working ones are cancelled, stops stay.
    ShuttingDown,
}

/// What leaves the desk once its facts are durable.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Send an order.
    Submit(ApprovedOrder),
    /// Send an order's new terms.
    Amend(ApprovedOrder),
    /// Cancel an order.
    Cancel {
        /// Its intent number.
        intent: u64,
        /// Its id at the broker.
        order_id: i32,
    },
    /// Cancel every order of every client in the account.
    CancelEverything,
}

/// What one event led to.
#[derive(Debug, Default)]
pub struct Decided {
    /// New facts, already applied to the desk's book.
    pub records: Vec<Record>,
    /// What to do once they are durable, in order.
    pub actions: Vec<Action>,
    /// The broker's state should be read and compared again.
    pub wants_reconcile: bool,
    /// A read in steady state should come soon.
    pub wants_compare: bool,
    /// The answer to an operator's order.
    pub answer: Option<Result<String, Unable>>,
}
