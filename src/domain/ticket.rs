//! Tickets: orders of ours as they leave, complete in every field that IBKR would otherwise default.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::broker::AccountId;
use super::order::Role;
use super::{ContractId, OrderKind, OrderRef, Shares, Side, TimeInForce};

/// An order as it is journaled and then sent: nothing is left to a preset of TWS's
/// (trading-rules 8).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ticket {
    /// Its number in this session; no name outside it.
    pub order_id: i32,
    /// Its name for ever; travels with it and comes back with every execution.
    pub order_ref: OrderRef,
    /// Whose money.
    pub account: AccountId,
    /// What to trade.
    pub contract: ContractId,
    /// Why the desk wants it; decides who goes first under the message limit.
    pub role: Role,
    /// Buy or sell.
    pub side: Side,
    /// Whole shares, positive.
    pub quantity: Shares,
    /// Type and prices, already on the contract's price grid.
    pub kind: OrderKind,
    /// How long it works.
    pub tif: TimeInForce,
    /// Whether it may fill outside regular hours.
    pub outside_rth: bool,
    /// Its one-cancels-all group, if it belongs to one.
    pub oca_group: Option<CompactString>,
    /// The order id of its parent in the same session, for a bracket's child.
    pub parent_id: Option<i32>,
    /// Whether it goes to work now; a bracket's orders do so with its last one.
    pub transmit: bool,
}
