//! Facts: everything about money and identity that the book is made of.
//!
//! A fact is written once and never changed. The journal keeps them; replaying them in order gives
//! the same book, whatever the limits and strategies are by then. Bars are not facts.

use std::sync::Arc;

use chrono::NaiveDate;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::{LedgerFact, LockFact};
use crate::domain::broker::{Commission, Execution};
use crate::domain::order::OrderEvent;
use crate::domain::refusal::Refusal;
use crate::domain::ticket::Ticket;
use crate::domain::{ContractId, MarketTime, Price, Shares, Symbol, Usd};

/// A fact with its place in time and in the books.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Market time of what it states.
    pub at: MarketTime,
    /// The strategy concerned, where one is.
    pub strategy: Option<CompactString>,
    /// Label of the contract concerned, where one is.
    pub symbol: Option<Symbol>,
    /// The contract concerned, where one is.
    pub contract: Option<ContractId>,
    /// What is stated.
    pub fact: Fact,
}

/// One fact, by subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "subject", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "facts are few and short-lived; boxing would only add noise")]
pub enum Fact {
    /// The ledger itself.
    Ledger(LedgerFact),
    /// The broker session.
    Session(SessionFact),
    /// The exchange day.
    Day(DayFact),
    /// What a strategy wants.
    Target(TargetFact),
    /// An order of ours.
    Order(OrderFact),
    /// An execution and its cost.
    Fill(FillFact),
    /// What stops trading.
    Lock(LockFact),
    /// An order that risk refused.
    Refused(RefusedFact),
    /// Something a human may want to know about.
    Incident(IncidentFact),
}

/// The broker session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum SessionFact {
    /// Orders may be sent: handshake, account, time and reconciliation are done. Again with the same
    /// number where the fence was closed and opened within a session.
    Ready {
        /// The session's number in this ledger, from 1.
        number: u64,
        /// Our client id.
        client_id: i32,
        /// The next order id, raised above every id seen.
        next_order_id: i32,
    },
    /// The session ended.
    Lost {
        /// Its number.
        number: u64,
        /// Why.
        why: String,
    },
}

/// The exchange day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum DayFact {
    /// A new exchange day began.
    Opened {
        /// Its date at the exchange.
        day: NaiveDate,
        /// The book's equity at the prior close, USD: the day's loss is measured from it (rule 21).
        /// For a date that is open already: its loss is measured anew, from this.
        equity: Usd,
    },
    /// Equity has reached a new height: the loss from it is measured (rule 21).
    PeakRaised {
        /// USD.
        equity: Usd,
    },
}

/// Why a symbol may not be entered until its strategy's target changes (rule 2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disarm {
    /// A protective order filled.
    Protected,
    /// A limit refused the entry.
    Refused,
    /// The broker rejected the entry.
    Rejected,
    /// The entry expired or was cancelled unfilled or partly filled.
    Expired,
    /// The entry was decided outside the session and dropped.
    Dropped,
    /// The target was decided on bars that were already old.
    Stale,
    /// An operator or a limit ordered the position closed.
    Flattened,
    /// Somebody else traded against the position.
    Manual,
    /// It was held for as long as it may be, and is closed.
    Timed,
}

/// What a strategy wants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum TargetFact {
    /// The target changed; its size is frozen now.
    Accepted {
        /// -1.0 to 1.0 of the allotted size.
        value: f64,
        /// Signed shares.
        size: Shares,
        /// Decided on a bar too old to trade on: it waits for a fresh one.
        stale: bool,
    },
    /// No entry until the target changes.
    Disarmed {
        /// Why.
        why: Disarm,
    },
    /// The entry waits for the market's next open.
    Deferred,
}

/// An order of ours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum OrderFact {
    /// It is about to be sent. Journaled before anything leaves the process.
    Intended {
        /// The order, whole.
        ticket: Arc<Ticket>,
        /// The session it is for.
        session: u64,
        /// The reference price of its decision, USD a share.
        reference: Price,
    },
    /// Its life moved on.
    Changed {
        /// Its intent number.
        intent: u64,
        /// What happened.
        event: OrderEvent,
        /// The broker's permanent id, once known.
        perm_id: Option<i64>,
        /// The code and words that came with it, or ours.
        note: String,
    },
    /// The broker's terms of it are now these (ours after a change, or the broker's own doing).
    Amended {
        /// Its intent number.
        intent: u64,
        /// The order, whole.
        ticket: Arc<Ticket>,
    },
    /// An order with our reference that the journal had lost was found at the broker.
    Adopted {
        /// The order as the broker describes it.
        ticket: Arc<Ticket>,
        /// The broker's permanent id.
        perm_id: i64,
    },
    /// In observe mode: the order that would have been sent.
    Observed {
        /// The order, whole.
        ticket: Arc<Ticket>,
    },
}

/// An execution and its cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum FillFact {
    /// An order of ours traded (or a former report of it was corrected).
    Executed {
        /// The order's intent number.
        intent: u64,
        /// The execution.
        execution: Arc<Execution>,
    },
    /// Its cost came.
    Costed {
        /// The cost.
        commission: Commission,
    },
    /// Somebody else's order traded in our account: shown, kept apart.
    Foreign {
        /// The execution.
        execution: Arc<Execution>,
    },
}

/// An order that risk refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RefusedFact {
    /// Signed shares that were wanted.
    pub change: Shares,
    /// Why not, with the numbers.
    pub refusal: Refusal,
}

/// Something a human may want to know about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentFact {
    /// A stable short name (`terms_differ`, `position_differs`).
    pub name: String,
    /// What happened, with its numbers.
    pub text: String,
    /// Where something was down: milliseconds from its last sign of life to the moment when that was
    /// noticed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detect_ms: Option<u64>,
    /// Where something is up again: milliseconds from its last sign of life to that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recover_ms: Option<u64>,
}

impl IncidentFact {
    /// Something that took no time.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into(), detect_ms: None, recover_ms: None }
    }
}

impl Fact {
    /// The fact's kind as the journal's column says it: `subject.what`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Ledger(LedgerFact::Opened { .. }) => "ledger.opened",
            Self::Ledger(LedgerFact::LimitsChanged { .. }) => "ledger.limits_changed",
            Self::Ledger(LedgerFact::Funded { .. }) => "ledger.funded",
            Self::Ledger(LedgerFact::CashAdjusted { .. }) => "ledger.cash_adjusted",
            Self::Ledger(LedgerFact::ForeignHolding { .. }) => "ledger.foreign_holding",
            Self::Ledger(LedgerFact::PositionAccepted { .. }) => "ledger.position_accepted",
            Self::Ledger(LedgerFact::CorporateAction { .. }) => "ledger.corporate_action",
            Self::Session(SessionFact::Ready { .. }) => "session.ready",
            Self::Session(SessionFact::Lost { .. }) => "session.lost",
            Self::Day(DayFact::Opened { .. }) => "day.opened",
            Self::Day(DayFact::PeakRaised { .. }) => "day.peak_raised",
            Self::Target(TargetFact::Accepted { .. }) => "target.accepted",
            Self::Target(TargetFact::Disarmed { .. }) => "target.disarmed",
            Self::Target(TargetFact::Deferred) => "target.deferred",
            Self::Order(OrderFact::Intended { .. }) => "order.intended",
            Self::Order(OrderFact::Changed { .. }) => "order.changed",
            Self::Order(OrderFact::Amended { .. }) => "order.amended",
            Self::Order(OrderFact::Adopted { .. }) => "order.adopted",
            Self::Order(OrderFact::Observed { .. }) => "order.observed",
            Self::Fill(FillFact::Executed { .. }) => "fill.executed",
            Self::Fill(FillFact::Costed { .. }) => "fill.costed",
            Self::Fill(FillFact::Foreign { .. }) => "fill.foreign",
            Self::Lock(LockFact::Set { .. }) => "lock.set",
            Self::Lock(LockFact::Cleared { .. }) => "lock.cleared",
            Self::Refused(_) => "refused",
            Self::Incident(_) => "incident",
        }
    }

    /// Every kind that this version writes and reads.
    pub const KINDS: [&'static str; 26] = [
        "ledger.opened",
        "ledger.limits_changed",
        "ledger.funded",
        "ledger.cash_adjusted",
        "ledger.foreign_holding",
        "ledger.position_accepted",
        "ledger.corporate_action",
        "session.ready",
        "session.lost",
        "day.opened",
        "day.peak_raised",
        "target.accepted",
        "target.disarmed",
        "target.deferred",
        "order.intended",
        "order.changed",
        "order.amended",
        "order.adopted",
        "order.observed",
        "fill.executed",
        "fill.costed",
        "fill.foreign",
        "lock.set",
        "lock.cleared",
        "refused",
        "incident",
    ];

    /// Whether an order leaves the process because of it: such facts must survive a power cut
    /// before it does (rule 23).
    pub fn precedes_an_order(&self) -> bool {
        matches!(self, Self::Order(OrderFact::Intended { .. } | OrderFact::Amended { .. }))
    }
}
