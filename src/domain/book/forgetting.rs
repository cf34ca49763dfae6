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
    pub fn forget_before(&mut self, at: MarketTime) -> Vec<OrderRecord> {
        let ended = |order: &OrderRecord| !order.state.is_live() && order.at < at;
        let intents: Vec<u64> = self.orders.iter().filter(|(_, order)| ended(order)).map(|(id, _)| *id).collect();
        let forgotten: Vec<OrderRecord> =
            intents.iter().filter_map(|intent| self.orders.remove(intent)).map(|order| *order).collect();
        for order in &forgotten {
            self.by_order_id.remove(&order.ticket.order_id);
            if let Some(id) = order.perm_id {
                self.by_perm_id.remove(&id);
            }
        }
        let mut executions = BTreeMap::new();
        for (contract, fills) in &mut self.fills {
            fills.retain(|fill| fill.execution.at >= at);
            for (index, fill) in fills.iter().enumerate() {
                executions.insert(fill.execution.id.stem().to_owned(), (*contract, index));
            }
        }
        self.executions = executions;
        self.newest_fill = None;
        forgotten
    }
}
