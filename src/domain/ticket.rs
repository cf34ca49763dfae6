//! Tickets: orders of ours exactly as they are sent.

use serde::{Deserialize, Serialize};

use super::broker::AccountId;
use super::order::Role;
use super::{ContractId, OrderKind, OrderRef, Shares, Side, TimeInForce};

/// An order of ours, whole. Every order states account, time in force, outside-hours flag and
/// reference (trading rule 8).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ticket {
    /// Its id in our client's numbering; valid with the session's client id.
    pub order_id: i32,
    /// Our own name of it.
    pub order_ref: OrderRef,
    /// Whose money.
    pub account: AccountId,
    /// What to trade.
    pub contract: ContractId,
    /// Why.
    pub role: Role,
    /// Buy or sell.
    pub side: Side,
    /// Whole shares, positive.
    pub quantity: Shares,
    /// Type and prices.
    pub kind: OrderKind,
    /// How long it works.
    pub tif: TimeInForce,
    /// Whether it may fill outside regular hours.
    pub outside_rth: bool,
    /// One-cancels-all group (with block).
    pub oca_group: Option<String>,
    /// The parent's order id.
    pub parent_id: Option<i32>,
    /// Whether it goes to work now; a bracket works once its last order is transmitted.
    pub transmit: bool,
}
