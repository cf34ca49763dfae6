//! What limits have to remember: losses in a row, round trips and protective stops of late, orders
//! and rejections, lost sessions, the highest equity. All of it follows from facts.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Book, LockCause, LockScope};
use crate::domain::{ContractId, MarketTime, Usd};

/// Moments kept of each kind: more than any limit counts.
const KEPT: usize = 1_024;
/// Round trips kept of each contract: more than any protection or sizing looks back at.
pub const TRIPS_KEPT: usize = 256;

/// The latest round trips of a contract.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Trips {
    /// What each brought after fees, USD, oldest first.
    profits: VecDeque<Usd>,
    /// How many of them ended since a lock for low profit answered the ones before.
    unanswered: usize,
}

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
    #[serde(default)]
    trips: BTreeMap<ContractId, Trips>,
    /// When protective stops began to fill, one moment for each.
    #[serde(default)]
    stops: VecDeque<MarketTime>,
    /// When each contract's protective stop filled last, until a cool-down has answered it.
    #[serde(default)]
    stopped: BTreeMap<ContractId, MarketTime>,
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
    pub(super) fn locked(&mut self, scope: &LockScope, cause: LockCause) {
        match cause {
            LockCause::Losses => self.losses = 0,
            LockCause::OrderRate => self.orders.clear(),
            LockCause::Rejects => self.rejects.clear(),
            LockCause::Flapping => self.sessions_lost.clear(),
            LockCause::StopGuard => self.stops.clear(),
            LockCause::CoolDown => {
                if let LockScope::Contract(contract) = scope {
                    self.stopped.remove(contract);
                }
            }
            LockCause::LowProfit => {
                if let LockScope::Contract(contract) = scope
                    && let Some(trips) = self.trips.get_mut(contract)
                {
                    trips.unanswered = 0;
                }
            }
            LockCause::Unstated
            | LockCause::Operator
            | LockCause::Flatten
            | LockCause::DailyLoss
            | LockCause::Drawdown
            | LockCause::StopBreached
            | LockCause::Mismatch
            | LockCause::Liquidation
            | LockCause::Cash
            | LockCause::Parked
            | LockCause::Shelved => {}
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
        let trips = self.trips.entry(contract).or_default();
        trips.profits.push_back(profit - before);
        if trips.profits.len() > TRIPS_KEPT {
            trips.profits.pop_front();
        }
        trips.unanswered = (trips.unanswered + 1).min(TRIPS_KEPT);
    }

    /// A cost came for a contract that is flat already: it belongs to the round trip that has ended.
    pub(super) fn costed_flat(&mut self, contract: ContractId, cost: Usd) {
        if let Some(at_flat) = self.at_flat.get_mut(&contract) {
            *at_flat -= cost;
        }
        if let Some(last) = self.trips.get_mut(&contract).and_then(|trips| trips.profits.back_mut()) {
            *last -= cost;
        }
    }

    /// A protective stop traded, for the first time or again.
    pub(super) fn stopped(&mut self, contract: ContractId, at: MarketTime, first: bool) {
        if first {
            remember(&mut self.stops, at);
        }
        let last = self.stopped.entry(contract).or_insert(at);
        *last = at.max(*last);
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

    /// What a contract's latest round trips brought after fees, USD, newest first; at most
    /// [`TRIPS_KEPT`] of them.
    pub fn trips(&self, contract: ContractId) -> impl Iterator<Item = Usd> {
        self.streaks.trips.get(&contract).into_iter().flat_map(|trips| trips.profits.iter().rev().copied())
    }

    /// What a contract's last `count` round trips brought together, USD; `None` where fewer have
    /// ended since a lock answered the ones before.
    pub fn last_trips(&self, contract: ContractId, count: usize) -> Option<Usd> {
        let trips = self.streaks.trips.get(&contract)?;
        (trips.unanswered >= count).then(|| trips.profits.iter().rev().take(count).copied().sum())
    }

    /// Protective stops, of all contracts, that began to fill within `window` of market time since a
    /// lock answered the ones before.
    pub fn stops_within(&self, now: MarketTime, window: Duration) -> u32 {
        // Not ascending where a stop is only found after a reconnection.
        let recent = self.streaks.stops.iter().filter(|at| now.since(**at) < window).count();
        u32::try_from(recent).unwrap_or(u32::MAX)
    }

    /// Contracts whose protective stop has filled, and when last, until a cool-down has answered it.
    pub fn stopped(&self) -> impl Iterator<Item = (ContractId, MarketTime)> {
        self.streaks.stopped.iter().map(|(contract, at)| (*contract, *at))
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
