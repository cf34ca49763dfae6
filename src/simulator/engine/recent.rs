//! What the engine remembers to serve requests as TWS does, none of which outlives the process.

use std::collections::{BTreeMap, BTreeSet};

use super::Engine;
use super::clients::Rows;
use super::streams::TickByTick;
use crate::domain::MarketTime;
use crate::exchange::OrderKey;
use crate::simulator::pacing::Pacing;
use crate::simulator::words;

/// Days for which ended orders and fills are known: a week of trading, and the week's end or the
/// holidays in it. Nobody can ask for more.
const KNOWN_DAYS: u64 = 11;

/// Of all clients together.
#[derive(Debug, Default)]
pub struct Recent {
    /// What has been asked of the historical data service lately.
    pub pacing: Pacing,
    /// Orders whose clients were told that they wait for the market to open.
    pub sleeping: BTreeSet<OrderKey>,
}

/// Of one client: what it asked for beside the older subscriptions.
#[derive(Debug)]
pub struct Wishes {
    /// Orders placed by hand are bound to it (client 0 only).
    pub auto_bind: bool,
    /// The market data type it asked for last: 1 live, 2 frozen, 3 delayed, 4 delayed and frozen.
    pub data_type: i32,
    /// Whether it is entitled to live market data.
    pub live: bool,
    /// Account updates under request ids.
    pub balances: BTreeMap<i32, Rows>,
    /// Single ticks, by request id.
    pub tick_by_tick: BTreeMap<i32, TickByTick>,
}

impl Default for Wishes {
    fn default() -> Self {
        Self { auto_bind: false, data_type: 1, live: true, balances: BTreeMap::new(), tick_by_tick: BTreeMap::new() }
    }
}

impl Engine {
    /// A session has ended at `at`: what ended longer ago than anybody may ask for is forgotten.
    pub(super) fn forget_old_orders(&mut self, at: MarketTime) {
        let today = self.calendar.date_of(at);
        let first = today.checked_sub_days(chrono::Days::new(KNOWN_DAYS)).unwrap_or(today);
        self.exchange.forget_before(words::midnight(first));
    }
}
