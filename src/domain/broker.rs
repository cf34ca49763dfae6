//! What the broker tells us, in our own words: order updates, snapshots, account values.
//!
//! `tws` translates the API's messages into these; `desk` reads nothing else. Nothing here is
//! believed before it is compared with the book.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use compact_str::CompactString;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{ContractId, MarketTime, OrderKind, Price, Shares, Side, Symbol, TimeInForce, Usd};

/// An account's id as IBKR writes it (`DU1234567`; paper accounts begin with `D`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(pub CompactString);

impl AccountId {
    /// Whether IBKR's naming marks it as a paper account (`DU…`, `DF…`, `DI…`: all begin with
    /// `D`; live ones begin with `U`, `F` or `I`).
    pub fn is_paper(&self) -> bool {
        self.0.starts_with('D')
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who answers at the other end of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Venue {
    /// The simulator, with the id of its exchange (it says so in `user_info`).
    Simulator {
        /// The exchange's own id, kept across its restarts.
        exchange: String,
    },
    /// TWS or IB Gateway.
    Ibkr,
}

impl Venue {
    /// The word used in paths and facts.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Simulator { .. } => "simulator",
            Self::Ibkr => "ibkr",
        }
    }
}

/// The answer to `user_info` by which the simulator is known, before its exchange id.
pub const SIMULATOR_MARK: &str = "robo-trader-simulator/";

/// The status word of an order at the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum BrokerStatus {
    ApiPending,
    PendingSubmit,
    PendingCancel,
    PreSubmitted,
    Submitted,
    ApiCancelled,
    Cancelled,
    Filled,
    Inactive,
    /// A word that this version does not know; treated as "no news".
    Other,
}

impl BrokerStatus {
    /// From IBKR's word (exact case).
    pub fn from_word(word: &str) -> Self {
        match word {
            "ApiPending" => Self::ApiPending,
            "PendingSubmit" => Self::PendingSubmit,
            "PendingCancel" => Self::PendingCancel,
            "PreSubmitted" => Self::PreSubmitted,
            "Submitted" => Self::Submitted,
            "ApiCancelled" => Self::ApiCancelled,
            "Cancelled" => Self::Cancelled,
            "Filled" => Self::Filled,
            "Inactive" => Self::Inactive,
            _ => Self::Other,
        }
    }
}

/// An order as the broker describes it (an open-order or completed-order message).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BrokerOrder {
    /// The client that placed it; 0 for one placed by hand in TWS.
    pub client_id: i32,
    /// Its id in that client's session numbering; not stable across sessions.
    pub order_id: i32,
    /// The broker's own permanent id; 0 where not yet given.
    pub perm_id: i64,
    /// Whose it is.
    pub account: AccountId,
    /// What it trades.
    pub contract: ContractId,
    /// Label of what it trades.
    pub symbol: Symbol,
    /// The reference it was placed with; empty for none.
    pub order_ref: CompactString,
    /// Buy or sell.
    pub side: Side,
    /// Whole quantity ordered; fractional quantities of others are truncated towards zero.
    pub quantity: Shares,
    /// Shares filled so far, where the message says (completed orders do).
    pub filled: Option<Shares>,
    /// Its type and prices; `None` for a type that this program never sends.
    pub kind: Option<OrderKind>,
    /// Time in force; `None` for one that this program never sends.
    pub tif: Option<TimeInForce>,
    /// Whether it may fill outside regular hours.
    pub outside_rth: bool,
    /// Its OCA group; empty for none.
    pub oca_group: CompactString,
    /// The parent's order id; 0 for none.
    pub parent_id: i32,
    /// Where it stands.
    pub status: BrokerStatus,
    /// Warning or reason text that came with it.
    pub note: String,
}

/// An order-status message. Never trusted for fills: executions are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusReport {
    /// The client that placed it.
    pub client_id: i32,
    /// Its id in that client's numbering.
    pub order_id: i32,
    /// The permanent id; 0 where not yet given.
    pub perm_id: i64,
    /// Where it stands.
    pub status: BrokerStatus,
    /// Shares filled.
    pub filled: Shares,
    /// Shares not filled.
    pub remaining: Shares,
    /// Why it is held (`locate`), if it is.
    pub why_held: Option<String>,
}

/// IBKR's id of an execution, `AAAA.BBBB.CC.NN`: a correction repeats all but the last part.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExecutionId(pub CompactString);

impl ExecutionId {
    /// The part that a correction keeps.
    pub fn stem(&self) -> &str {
        self.last_point().map_or(&*self.0, |point| &self.0[..point])
    }

    /// The correction number (the last part); 0 where it is no number.
    pub fn revision(&self) -> u32 {
        self.last_point().and_then(|point| self.0[point + 1..].parse().ok()).unwrap_or(0)
    }

    /// The last part has two digits, in all that have been seen.
    #[inline]
    fn last_point(&self) -> Option<usize> {
        match self.0.as_bytes() {
            [.., b'.', one, other] if *one != b'.' && *other != b'.' => Some(self.0.len() - 3),
            bytes => bytes.iter().rposition(|byte| *byte == b'.'),
        }
    }
}

impl fmt::Display for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An execution: the only truth about a fill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    /// Its id.
    pub id: ExecutionId,
    /// When it happened, by the exchange.
    pub at: MarketTime,
    /// Whose it is.
    pub account: AccountId,
    /// What was traded.
    pub contract: ContractId,
    /// Label of what was traded.
    pub symbol: Symbol,
    /// Bought or sold.
    pub side: Side,
    /// Shares, positive.
    pub quantity: Shares,
    /// USD a share.
    pub price: Price,
    /// The client whose order it was.
    pub client_id: i32,
    /// The order's id in that client's numbering.
    pub order_id: i32,
    /// The order's permanent id.
    pub perm_id: i64,
    /// The order's reference; empty for none.
    pub order_ref: CompactString,
    /// Whether IBKR liquidated the position on its own account.
    pub is_liquidation: bool,
}

/// What an execution cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commission {
    /// The execution it belongs to.
    pub execution: ExecutionId,
    /// The cost, positive.
    pub amount: Usd,
    /// Its currency.
    pub currency: CompactString,
}

/// What an error message about an order means for its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderNews {
    /// The order is dead: the broker refused it.
    Refused,
    /// The order is dead: cancelled or expired.
    Cancelled,
    /// A cancel could not be done because the order is not there or already filled: look at
    /// executions before believing anything.
    CancelRace,
    /// A change was refused; the order lives as it was.
    ChangeRefused,
    /// A warning; the order lives.
    Warning,
    /// The order id was used before: identity must be reconciled.
    DuplicateId,
}

/// One message of the session's order stream.
#[derive(Debug, Clone, PartialEq)]
pub enum OrderUpdate {
    /// An open order; in a box, for it is far bigger than the others, which are moved as often as they come.
    Open(Box<BrokerOrder>),
    /// A status.
    Status(StatusReport),
    /// A fill; shared with the fact and the book's record that are made of it.
    Execution(Arc<Execution>),
    /// A fill's cost.
    Commission(Commission),
    /// An error or warning message about one order.
    News {
        /// The order's id in our numbering.
        order_id: i32,
        /// IBKR's code.
        code: i32,
        /// What the code means.
        news: OrderNews,
        /// IBKR's words.
        text: String,
    },
}

impl From<BrokerOrder> for OrderUpdate {
    fn from(order: BrokerOrder) -> Self {
        Self::Open(Box::new(order))
    }
}

impl From<Execution> for OrderUpdate {
    fn from(execution: Execution) -> Self {
        Self::Execution(Arc::new(execution))
    }
}

/// A holding as the broker states it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerPosition {
    /// Whose it is.
    pub account: AccountId,
    /// What is held.
    pub contract: ContractId,
    /// Label of what is held.
    pub symbol: Symbol,
    /// Shares, negative where short; may be fractional.
    pub quantity: Decimal,
    /// Average cost a share as IBKR computes it (fees included), where stated.
    pub average_cost: Option<Price>,
}

/// The account's money as the broker states it. A value not stated is `None`, never zero.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct AccountState {
    /// Net liquidation value.
    pub net_liquidation: Option<Usd>,
    /// Cash.
    pub total_cash: Option<Usd>,
    /// What may still be used as initial margin.
    pub available_funds: Option<Usd>,
    /// Buying power.
    pub buying_power: Option<Usd>,
    /// Value of the positions.
    pub gross_position_value: Option<Usd>,
    /// Day trades left (pattern-day-trader rule); IBKR reports -1 for "unlimited".
    pub day_trades_remaining: Option<i32>,
    /// The account's base currency, where stated.
    pub currency: Option<CompactString>,
}

/// One read of everything that recovery compares with the book.
#[derive(Debug, Clone, PartialEq)]
pub struct BrokerSnapshot {
    /// Broker time when the read began.
    pub at: MarketTime,
    /// The session's next order id, as the server gave it.
    pub next_order_id: i32,
    /// All clients' open orders.
    pub open_orders: Vec<BrokerOrder>,
    /// Orders that ended today.
    pub completed_orders: Vec<BrokerOrder>,
    /// Executions as far back as asked.
    pub executions: Vec<Execution>,
    /// Their costs, as far as known.
    pub commissions: Vec<Commission>,
    /// Holdings by contract, of our account only.
    pub positions: BTreeMap<ContractId, BrokerPosition>,
    /// The account's money.
    pub account: AccountState,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_correction_shares_its_stem() {
        let first = ExecutionId("0000e0d5.00000001.01.01".into());
        let corrected = ExecutionId("0000e0d5.00000001.01.02".into());
        assert_eq!(first.stem(), corrected.stem());
        assert!(corrected.revision() > first.revision());
        let others =
            [("a.b.1", "a.b", 1), ("a.b.123", "a.b", 123), ("a..1", "a.", 1), ("a.bc", "a", 0), ("a.", "a", 0)];
        for (id, stem, revision) in others.into_iter().chain([("ab", "ab", 0), ("", "", 0), (".12", "", 12)]) {
            let id = ExecutionId(id.into());
            assert_eq!((id.stem(), id.revision()), (stem, revision), "{id}");
        }
    }

    #[test]
    fn paper_accounts_are_known_by_their_letter() {
        assert!(AccountId("DU1234567".into()).is_paper());
        assert!(!AccountId("U1234567".into()).is_paper());
    }
}
