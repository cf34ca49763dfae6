//! The book's fills: executions, deduplicated by id, corrected by revision.

use std::collections::btree_map::Entry;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Book, FillFact};
use crate::domain::broker::{Commission, Execution, ExecutionId};
use crate::domain::order::Role;
use crate::domain::{ContractId, Shares, Usd};

/// An execution of ours with its cost, once known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FillRecord {
    /// The order's intent number.
    pub intent: u64,
    /// The execution, as last corrected.
    pub execution: Arc<Execution>,
    /// What it cost, USD; `None` until the broker says.
    pub commission: Option<Usd>,
}

impl Book {
    pub(super) fn apply_fill(&mut self, fact: &FillFact) {
        match fact {
            FillFact::Executed { intent, execution } => self.execute(*intent, execution),
            FillFact::Costed { commission } => self.cost(commission),
            FillFact::Foreign { execution } => self.foreign_execution(execution),
        }
    }

    fn execute(&mut self, intent: u64, execution: &Arc<Execution>) {
        let (fills, stem) = (self.fills.or_default(execution.contract), execution.id.stem());
        match self.executions.entry(stem.into()) {
            Entry::Occupied(known) => {
                let (contract, index) = *known.get();
                self.correct(contract, index, execution);
                return;
            }
            Entry::Vacant(place) => {
                self.newest_fill = Some(*place.insert((execution.contract, fills.len())));
            }
        }
        fills.push(FillRecord { intent, execution: Arc::clone(execution), commission: None });
        let change = execution.side.signed(execution.quantity);
        self.change_position(execution.contract, |held| held.trade(change, execution.price, execution.at));
        self.traded_cash -= execution.price * change;
        self.counts.executions += 1;
        self.last_execution = self.last_execution.max(Some(execution.at));
        if let Some(order) = self.orders.get_mut(&intent) {
            if order.ticket.role == Role::Stop {
                self.streaks.stopped(execution.contract, execution.at, order.filled.is_zero());
            }
            order.filled += execution.quantity;
        }
        self.complete(intent);
        if let Some(position) = self.positions.get(&execution.contract).filter(|held| held.quantity().is_zero()) {
            self.streaks.flat(execution.contract, position.realized - position.fees);
        }
        // After the end of a round trip: what came early is a cost of it, too.
        if let Some(cost) = self.early_costs.remove(stem) {
            self.cost(&cost);
        }
    }

    /// A later revision replaces the former report; the position is rebuilt from all fills, since
    /// a correction changes every lot after it. An older or equal revision changes nothing.
    #[cold]
    fn correct(&mut self, contract: ContractId, index: usize, execution: &Arc<Execution>) {
        let Some(fill) = self.fills.get_mut(&contract).and_then(|fills| fills.get_mut(index)) else { return };
        if execution.id.revision() <= fill.execution.id.revision() {
            return;
        }
        let (intent, before) = (fill.intent, fill.execution.clone());
        fill.execution = Arc::clone(execution);
        self.traded_cash += before.price * before.side.signed(before.quantity);
        self.traded_cash -= execution.price * execution.side.signed(execution.quantity);
        if let Some(order) = self.orders.get_mut(&intent) {
            order.filled = order.filled - before.quantity + execution.quantity;
        }
        let position = self.rebuilt(contract);
        self.change_position(contract, |held| *held = position);
        self.complete(intent);
    }

    fn cost(&mut self, commission: &Commission) {
        let Some((contract, index)) = self.place_of(&commission.execution) else {
            self.early_costs.insert(commission.execution.stem().into(), commission.clone());
            return;
        };
        let Some(fill) = self.fills.get_mut(&contract).and_then(|fills| fills.get_mut(index)) else { return };
        let former = fill.commission.replace(commission.amount);
        if former.is_none() {
            self.counts.costed += 1;
        }
        let change = commission.amount - former.unwrap_or_default();
        let position = self.positions.or_default(contract);
        position.fees += change;
        self.fees += change;
        if position.quantity().is_zero() {
            self.streaks.costed_flat(contract, change);
        }
    }

    /// Where the fill of this id is, whichever correction of it: mostly the newest one is asked for, by its cost.
    fn place_of(&self, id: &ExecutionId) -> Option<(ContractId, usize)> {
        let newest = |(contract, index): &(ContractId, usize)| {
            let fill = self.fills.get(contract).and_then(|fills| fills.get(*index));
            fill.is_some_and(|fill| fill.execution.id == *id)
        };
        self.newest_fill.filter(newest).or_else(|| {
            let stem = id.stem();
            // Ids are often counted up: beyond the last one there is nothing to be searched.
            let last = self.executions.last_key_value()?.0;
            if stem > last.as_str() { None } else { self.executions.get(stem).copied() }
        })
    }

    /// Whether an execution (this very revision or a later one) is on record.
    pub fn knows(&self, execution: &Execution) -> bool {
        if !self.foreign_executions.is_empty()
            && let Some(foreign) = self.foreign_executions.get(execution.id.stem())
        {
            return foreign.revision >= execution.id.revision();
        }
        self.fill(&execution.id).is_some_and(|fill| fill.execution.id.revision() >= execution.id.revision())
    }

    /// A fill by its id, or by that of any correction of it.
    pub fn fill(&self, id: &ExecutionId) -> Option<&FillRecord> {
        let (contract, index) = self.place_of(id)?;
        self.fills.get(&contract)?.get(index)
    }

    /// Every fill, by contract and in order of arrival.
    pub fn fills(&self) -> impl Iterator<Item = &FillRecord> {
        self.fills.values().flatten()
    }

    /// The fills of one contract, in order of arrival.
    pub fn fills_in(&self, contract: ContractId) -> &[FillRecord] {
        self.fills.get(&contract).map_or(&[], Vec::as_slice)
    }

    /// Shares of one order executed.
    pub fn executed(&self, intent: u64) -> Shares {
        self.order(intent).map_or(Shares::ZERO, |order| order.filled)
    }
}
