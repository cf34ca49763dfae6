//! One part of the board at a time: whoever wants the account does not hold the desk up for copies of every order.

use std::sync::Arc;

use super::Board;
use super::positions::{AccountView, PositionView};
use super::state::State;
use super::views::{FillView, LinkView, OrderView, RefusalView};
use crate::runner::view::{IncidentView, LockView};

impl Board {
    /// A part of what a ledger says; `None` until one is open.
    fn of_ledger<T>(&self, part: impl FnOnce(&State) -> T) -> Option<T> {
        let state = self.state();
        state.account.is_some().then(|| part(&state))
    }

    /// The connection and health; `None` before the runner has begun.
    pub fn connection(&self) -> Option<Arc<LinkView>> {
        self.state().link.clone()
    }

    /// The account; `None` before the first session, as all that follows.
    pub fn account(&self) -> Option<Arc<AccountView>> {
        self.state().account.clone()
    }

    /// By symbol.
    pub fn positions(&self) -> Option<Vec<Arc<PositionView>>> {
        self.of_ledger(|state| state.positions.values().cloned().collect())
    }

    /// Every lock in force.
    pub fn locks(&self) -> Option<Arc<Vec<LockView>>> {
        self.of_ledger(|state| Arc::clone(&state.locks))
    }

    /// The latest orders, oldest first.
    pub fn orders(&self) -> Option<Vec<Arc<OrderView>>> {
        self.of_ledger(|state| state.orders.values().cloned().collect())
    }

    /// The latest fills, oldest first.
    pub fn fills(&self) -> Option<Vec<Arc<FillView>>> {
        self.of_ledger(|state| state.fills.iter().cloned().collect())
    }

    /// The latest refusals, oldest first.
    pub fn refusals(&self) -> Option<Vec<Arc<RefusalView>>> {
        self.of_ledger(|state| state.refusals.iter().cloned().collect())
    }

    /// The latest incidents, oldest first.
    pub fn incidents(&self) -> Option<Vec<Arc<IncidentView>>> {
        self.of_ledger(|state| state.incidents.iter().cloned().collect())
    }
}
