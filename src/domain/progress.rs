//! How far the daemon has come, for a simulator that must not run ahead of it.

use std::collections::BTreeMap;

use super::{MarketTime, Symbol};

/// What the desk has done so far; published after every batch.
///
/// An embedded simulator in lock-step compares it with what it has delivered, and moves the
/// market only when the two agree: results then depend on neither speed nor load.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// Whether a session is Ready. While none is, the market does not wait for anyone.
    pub ready: bool,
    /// The latest market time that the desk knows.
    pub time: MarketTime,
    /// The end of the newest bar that each symbol's strategy has decided on.
    pub decided: BTreeMap<Symbol, MarketTime>,
    /// Distinct executions that the book knows, corrections counted each.
    pub executions: u64,
    /// Executions whose cost the book knows.
    pub commissions: u64,
    /// Orders that the book believes to be working at the broker.
    pub working: u64,
    /// Orders sent or cancelled whose answer is outstanding, and actions not yet sent.
    pub unanswered: u64,
}
