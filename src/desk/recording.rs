//! How the desk notes facts, and how they leave it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Action, Desk};
use crate::domain::book::{Fact, IncidentFact, Record};
use crate::domain::{ContractId, Shares, Symbol};

/// Incidents that are shown.
const INCIDENTS_SHOWN: usize = 20;

impl Desk {
    /// Tells of the facts that were decided since this was asked last, and hands their actions over,
    /// for one whose facts are durable at once; wishes and answers are dropped.
    pub fn release(&mut self, actions: &mut VecDeque<Action>, mut fact: impl FnMut(&Record)) {
        for record in self.decided.records.drain(..) {
            fact(&record);
            // To count one more user of a name is dearer than all else that a record's making takes.
            if let (Some(contract), Some(symbol), Some(strategy)) = (record.contract, record.symbol, record.strategy)
                && let Some(seat) = self.seats.get_mut(&contract)
                && Arc::ptr_eq(&strategy, &seat.strategy)
                && symbol == seat.symbol
            {
                seat.names = Some((symbol, strategy));
            }
        }
        if !self.decided.actions.is_empty() {
            actions.extend(self.decided.actions.drain(..));
        }
        (self.decided.wants_reconcile, self.decided.wants_compare, self.decided.answer) = (false, false, None);
    }

    /// Notes a fact about a contract (or none), applying it at once.
    pub(super) fn record(&mut self, contract: Option<ContractId>, fact: Fact) {
        let Some(seat) = contract.and_then(|contract| self.seats.get_mut(&contract)) else {
            let name = |contract| self.marks.symbol(contract).or_else(|| self.book.symbol(contract).cloned());
            return self.note(contract, contract.and_then(name), fact);
        };
        seat.settled = false;
        self.all_settled = false;
        let names = seat.names.take();
        let (symbol, strategy) = names.unwrap_or_else(|| (seat.symbol.clone(), Arc::clone(&seat.strategy)));
        self.apply(Record { at: self.now, strategy: Some(strategy), symbol: Some(symbol), contract, fact });
    }

    /// The same for a contract that only the broker may have a name for.
    #[cold]
    pub(super) fn record_named(&mut self, contract: ContractId, name: Option<Symbol>, fact: Fact) {
        let symbol = self.marks.symbol(contract).or_else(|| self.book.symbol(contract).cloned()).or(name);
        self.note(Some(contract), symbol, fact);
    }

    #[cold]
    fn note(&mut self, contract: Option<ContractId>, symbol: Option<Symbol>, fact: Fact) {
        let seat = contract.and_then(|contract| self.seats.get_mut(&contract)).map(|seat| {
            seat.settled = false;
            self.all_settled = false;
            Arc::clone(&seat.strategy)
        });
        let planned = || Some(Arc::from(self.plan.symbols.get(symbol.as_ref()?)?.strategy.as_str()));
        let strategy = seat.or_else(planned);
        self.apply(Record { at: self.now, strategy, symbol, contract, fact });
    }

    fn apply(&mut self, record: Record) {
        let contract = record.contract;
        let trades = matches!(record.fact, Fact::Fill(_));
        let before = contract.filter(|_| trades).map_or(Shares::ZERO, |contract| self.book.held(contract));
        self.book.apply(&record);
        self.facts_changed(&record.fact, contract, before);
        if contract.is_none() || matches!(record.fact, Fact::Lock(_)) {
            self.seats.iter_mut().for_each(|(_, seat)| seat.settled = false);
            self.all_settled = false;
        }
        if matches!(record.fact, Fact::Incident(_)) {
            self.incidents.push_back(record.clone());
            if self.incidents.len() > INCIDENTS_SHOWN {
                self.incidents.pop_front();
            }
        }
        self.decided.records.push(record);
    }

    #[cold]
    pub(super) fn incident(&mut self, contract: Option<ContractId>, name: &str, text: String) {
        self.record(contract, Fact::Incident(IncidentFact::new(name, text)));
    }
}
