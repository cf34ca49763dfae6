//! The exchange's words: what is put in, and what comes out.

use std::collections::BTreeMap;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::{Kind, Tif};
use crate::domain::ascending::Key;
use crate::domain::broker::{AccountId, ExecutionId};
use crate::domain::{ContractId, MarketTime, Price, Shares, Side, Usd};

/// An order's name at the exchange: the client that placed it and that client's number for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OrderKey {
    /// The placing client.
    pub client_id: i32,
    /// Its number for the order.
    pub order_id: i32,
}

impl Key for OrderKey {
    #[inline]
    fn spread(self) -> u32 {
        (self.order_id ^ self.client_id << 16) as u32
    }
}

/// An order as a client places it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewOrder {
    /// Its name.
    pub key: OrderKey,
    /// Whose money.
    pub account: AccountId,
    /// What to trade.
    pub contract: ContractId,
    /// Buy or sell.
    pub side: Side,
    /// Shares, positive.
    pub quantity: Shares,
    /// Type and prices.
    pub kind: Kind,
    /// How long it works.
    pub tif: Tif,
    /// It works from the first bar on that opens at this instant or later; unset: at once.
    #[serde(default)]
    pub good_after: Option<MarketTime>,
    /// Whether it may fill outside regular hours.
    pub outside_rth: bool,
    /// One-cancels-all group; empty for none.
    pub oca_group: CompactString,
    /// The parent's order id in the same client's numbering.
    pub parent_id: Option<i32>,
    /// Whether it goes to work now; a family works once one of its orders is transmitted.
    pub transmit: bool,
    /// The client's reference; empty for none.
    pub order_ref: CompactString,
    /// The algorithm that is to work it; here it works as its type alone says.
    #[serde(default)]
    pub algo: Option<Algo>,
}

/// An execution algorithm as a client names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Algo {
    /// IBKR's name of it (`Adaptive`).
    pub strategy: String,
    /// Its settings, as they were sent.
    pub params: BTreeMap<String, String>,
}

/// Why an order that is accepted does not work yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Held {
    /// Its time has not come.
    Early,
    /// Shares to borrow are being located (IBKR: `whyHeld` = `locate`, 404).
    Locate,
}

/// How easily a contract's shares can be borrowed to be sold short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Borrow {
    /// At once.
    #[default]
    Easy,
    /// They must be located first: a short sale is held for five minutes.
    Locate,
    /// Not at all.
    None,
}

/// Where an order stands at the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Known, but not transmitted yet.
    Untransmitted,
    /// Accepted and waiting: for its trigger, its parent or its session.
    PreSubmitted,
    /// Working.
    Submitted,
    /// Done, whole.
    Filled,
    /// Done, not whole.
    Cancelled,
    /// Refused.
    Rejected,
}

impl Status {
    /// Whether it can still trade.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Untransmitted | Self::PreSubmitted | Self::Submitted)
    }
}

/// An order with its life so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// As placed, or as last modified.
    pub order: NewOrder,
    /// The exchange's permanent id.
    pub perm_id: i64,
    /// Where it stands.
    pub status: Status,
    /// Shares filled.
    pub filled: Shares,
    /// Quantity-weighted average fill price.
    pub average_price: Option<Price>,
    /// Price of the latest fill.
    pub last_price: Option<Price>,
    /// Commission charged so far.
    pub commission: Usd,
    /// When it was placed.
    pub placed_at: MarketTime,
    /// When it ended, if it has.
    pub ended_at: Option<MarketTime>,
    /// Why it ended, for rejections and cancels not asked for.
    pub reason: String,
    /// Why it does not work yet, where something holds it.
    #[serde(default)]
    pub held: Option<Held>,
    /// Whether a person placed it, not a client of the API.
    #[serde(default)]
    pub manual: bool,
    /// Whether a manual order has an id for client 0.
    #[serde(default)]
    pub bound: bool,
}

/// What an order had come to when it changed; of its other terms, [`super::Exchange::order`] knows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// Which.
    pub key: OrderKey,
    /// The exchange's permanent id.
    pub perm_id: i64,
    /// Where it stood.
    pub status: Status,
    /// The price that sets it off, where it has one: a trailing stop's moves by itself.
    pub trigger: Option<Price>,
    /// Shares wanted.
    pub quantity: Shares,
    /// Shares filled.
    pub filled: Shares,
    /// Quantity-weighted average fill price.
    pub average_price: Option<Price>,
    /// Price of the latest fill.
    pub last_price: Option<Price>,
    /// Commission charged.
    pub commission: Usd,
}

impl Order {
    /// What it has come to.
    pub fn change(&self) -> Change {
        Change {
            key: self.order.key,
            perm_id: self.perm_id,
            status: self.status,
            trigger: self.order.kind.trigger(),
            quantity: self.order.quantity,
            filled: self.filled,
            average_price: self.average_price,
            last_price: self.last_price,
            commission: self.commission,
        }
    }

    /// The order as it was when it changed, whatever the exchange has made of it since. A client's later change of its
    /// terms is not taken back: whoever tells of changes does so before the next call.
    pub fn as_of(&self, change: &Change) -> Self {
        let ended = !change.status.is_live();
        let mut kind = self.order.kind;
        if let Some((_, trigger)) = kind.trail_mut() {
            *trigger = change.trigger;
        }
        Self {
            order: NewOrder { kind, quantity: change.quantity, ..self.order.clone() },
            status: change.status,
            filled: change.filled,
            average_price: change.average_price,
            last_price: change.last_price,
            commission: change.commission,
            ended_at: self.ended_at.filter(|_| ended),
            reason: if ended { self.reason.clone() } else { String::new() },
            ..*self
        }
    }
}

/// One fill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fill {
    /// Its id.
    pub id: ExecutionId,
    /// The order's name.
    pub key: OrderKey,
    /// The order's permanent id.
    pub perm_id: i64,
    /// The order's reference.
    pub order_ref: CompactString,
    /// Whose money.
    pub account: AccountId,
    /// What was traded.
    pub contract: ContractId,
    /// Bought or sold.
    pub side: Side,
    /// Shares, positive.
    pub quantity: Shares,
    /// USD a share.
    pub price: Price,
    /// When.
    pub at: MarketTime,
    /// Shares of the order filled, this fill included.
    pub cumulative: Shares,
    /// The order's average price, this fill included.
    pub average_price: Price,
    /// This fill's share of the order's commission.
    pub commission: Usd,
    /// What slippage and spread have cost beside the price shown, USD.
    #[serde(default)]
    pub friction: Usd,
    /// Profit realized by this fill (average cost, fees included as IBKR counts them); `None` on
    /// fills that open.
    pub realized: Option<Usd>,
}

/// Why an order is refused, with its numbers.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Its number was used before (IBKR 103).
    #[error("Duplicate order id")]
    DuplicateId,
    /// It is not worth its margin (IBKR 201).
    #[error(
        "YOUR ORDER IS NOT ACCEPTED. IN ORDER TO OBTAIN THE DESIRED POSITION YOUR EQUITY WITH LOAN VALUE [{equity} USD] MUST EXCEED THE INITIAL MARGIN [{margin} USD]"
    )]
    Margin {
        /// Equity with loan value.
        equity: Usd,
        /// Initial margin after the trade.
        margin: Usd,
    },
    /// It would sell shares that are not held and cannot be borrowed (IBKR 201).
    #[error("The contract is not available for short sale.")]
    NotBorrowable,
    /// Its price is off the contract's grid (IBKR 110).
    #[error("The price does not conform to the minimum price variation for this contract.")]
    PriceStep,
    /// A filled order cannot be changed (IBKR 104).
    #[error("Can't modify a filled order.")]
    ModifyFilled,
    /// The changed order differs in what may not change (IBKR 105).
    #[error("Order being modified does not match original order")]
    ModifyMismatch,
    /// The contract is halted (IBKR 154).
    #[error("Orders cannot be transmitted for a halted security.")]
    Halted,
    /// Anything else that is wrong with it (IBKR 321).
    #[error("{0}")]
    Invalid(String),
}

impl Refusal {
    /// IBKR's code for it.
    pub fn code(&self) -> i32 {
        match self {
            Self::DuplicateId => 103,
            Self::ModifyFilled => 104,
            Self::ModifyMismatch => 105,
            Self::PriceStep => 110,
            Self::Halted => 154,
            Self::Margin { .. } | Self::NotBorrowable => 201,
            Self::Invalid(_) => 321,
        }
    }
}

/// Why a cancel is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CancelRefusal {
    /// No such order (IBKR 10147).
    #[error("not found")]
    NotFound,
    /// It has ended (IBKR 10148).
    #[error("cannot be cancelled, state: {0:?}")]
    Ended(Status),
    /// It has ended so long ago that it is forgotten (IBKR 135).
    #[error("no longer known")]
    Forgotten,
    /// It was refused, and there is nothing to be cancelled (IBKR 161).
    #[error("not in a cancellable state, permanent id {perm_id}")]
    Inactive {
        /// Its permanent id.
        perm_id: i64,
    },
}

impl CancelRefusal {
    /// IBKR's code for it.
    pub fn code(self) -> i32 {
        match self {
            Self::NotFound => 10_147,
            Self::Ended(_) => 10_148,
            Self::Forgotten => 135,
            Self::Inactive { .. } => 161,
        }
    }
}

/// What comes out.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// An order's status or terms changed (or it was just accepted).
    Changed(Change),
    /// An order traded; the matching `Changed` follows it. The fill is at this place of
    /// [`super::Exchange::fills`], as it is until something is forgotten or corrected.
    Filled(usize),
    /// An order was cancelled by a rule, not by its client (OCA, parent gone, end of day, IOC
    /// remainder); a `Changed` with the same order comes first.
    CancelledByRule {
        /// Which.
        key: OrderKey,
        /// Why.
        reason: String,
    },
    /// Cash moved without a trade.
    Adjusted {
        /// Whose.
        account: AccountId,
        /// By how much, USD.
        amount: Usd,
        /// Why.
        reason: String,
    },
}
