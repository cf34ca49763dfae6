//! What limits have to remember: losses in a row, orders and rejections of late, lost sessions,
//! the highest equity. All of it follows from facts.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Book, LockCause};
use crate::domain::{ContractId, MarketTime, Usd};

/// Moments kept of each kind: more than any limit counts.
const KEPT: usize = 1_024;

/// See the module.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Streaks {
    /// The highest equity stated by a fact since the last drawdown lock was cleared.
    pub(super) peak: Option<Usd>,
    /// Round trips that ended with a loss, in a row.
    losses: u32,
    /// Profit after fees of each contract when it was flat last.
    at_flat: BTreeMap<ContractId, Usd>,
    orders: VecDeque<MarketTime>,
    rejects: VecDeque<MarketTime>,
    sessions_lost: VecDeque<MarketTime>,
}

fn remember(moments: &mut VecDeque<MarketTime>, at: MarketTime) {
    moments.push_back(at);
    if moments.len() > KEPT {
        moments.pop_front();
    }
}

fn within(moments: &VecDeque<MarketTime>, now: MarketTime, window: Duration) -> u32 {
    // Ascending: the newest ones are at the end.
    let recent = moments.iter().rev().take_while(|at| now.since(**at) < window).count();
    u32::try_from(recent).unwrap_or(u32::MAX)
}

impl Streaks {
    /// A lock has answered a streak: it is counted anew from here.
    pub(super) fn locked(&mut self, cause: LockCause) {
        match cause {
            LockCause::Losses => self.losses = 0,
            LockCause::OrderRate => self.orders.clear(),
            LockCause::Rejects => self.rejects.clear(),
            LockCause::Flapping => self.sessions_lost.clear(),
            LockCause::Unstated
            | LockCause::Operator
            | LockCause::Flatten
            | LockCause::DailyLoss
            | LockCause::Drawdown
            | LockCause::StopBreached
            | LockCause::Mismatch
            | LockCause::Liquidation
            | LockCause::Cash
            | LockCause::Parked => {}
        }
    }

    pub(super) fn ordered(&mut self, at: MarketTime) {
        remember(&mut self.orders, at);
    }

    pub(super) fn rejected(&mut self, at: MarketTime) {
        remember(&mut self.rejects, at);
    }

    pub(super) fn session_lost(&mut self, at: MarketTime) {
        remember(&mut self.sessions_lost, at);
    }

    /// A contract is flat again with this profit after fees since the ledger began.
    pub(super) fn flat(&mut self, contract: ContractId, profit: Usd) {
        let before = self.at_flat.insert(contract, profit).unwrap_or_default();
        self.losses = if profit < before { self.losses + 1 } else { 0 };
    }
}

impl Book {
    /// The highest equity on record, USD.
    pub fn peak_equity(&self) -> Option<Usd> {
        self.streaks.peak
    }

    /// Round trips that ended with a loss, in a row.
    pub fn losses_in_a_row(&self) -> u32 {
        self.streaks.losses
    }

    /// Orders of all roles sent within `window` of market time.
    pub fn orders_within(&self, now: MarketTime, window: Duration) -> u32 {
        within(&self.streaks.orders, now, window)
    }

    /// Orders that the broker rejected within `window` of market time.
    pub fn rejects_within(&self, now: MarketTime, window: Duration) -> u32 {
        within(&self.streaks.rejects, now, window)
    }

    /// Sessions lost within `window` of market time.
    pub fn sessions_lost_within(&self, now: MarketTime, window: Duration) -> u32 {
        within(&self.streaks.sessions_lost, now, window)
    }
}
