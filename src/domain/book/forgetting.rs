//! What a book may forget: ended orders and their fills, where nobody will ask for them again.
//!
//! A daemon's book forgets nothing: the broker may correct an execution or report one late. A
//! backtest's broker does neither, and its book would grow with the run.

use std::collections::BTreeMap;

use super::{Book, OrderRecord};
use crate::domain::MarketTime;

impl Book {
    /// Forgets the orders that have ended, and fills from before this instant; gives the orders back,
    /// by intent number. Positions, cash, counts, streaks, targets and locks stay as they are.
    pub fn forget_before(&mut self, at: MarketTime) -> Vec<Box<OrderRecord>> {
        let forgotten = self.orders.take_if(|order| !order.state.is_live() && order.at < at);
        let orders = &self.orders;
        self.by_order_id.retain(|_, intent| orders.contains_key(intent));
        self.by_perm_id.retain(|_, intent| orders.contains_key(intent));
        let mut executions = BTreeMap::new();
        for (contract, fills) in self.fills.iter_mut() {
            fills.retain(|fill| fill.execution.at >= at);
            for (index, fill) in fills.iter().enumerate() {
                executions.insert(fill.execution.id.stem().into(), (*contract, index));
            }
        }
        self.executions = executions;
        self.newest_fill = None;
        forgotten
    }
}
