//! How the desk notes facts, and how they leave it.

use std::collections::VecDeque;

use super::worth::Effect;
use super::{Action, Desk};
use crate::domain::book::{Fact, FillFact, IncidentFact, Record};
use crate::domain::{ContractId, Shares, Symbol};

/// Incidents that are shown.
const INCIDENTS_SHOWN: usize = 20;

impl Desk {
    /// Tells of the facts that were decided since this was asked last, and hands their actions over,
    /// for one whose facts are durable at once; wishes and answers are dropped.
    pub fn release(&mut self, actions: &mut VecDeque<Action>, mut fact: impl FnMut(&Record)) {
        self.decided.records.iter().for_each(&mut fact);
        self.decided.records.clear();
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
        // What a fill has cost changes nothing of what is held or wanted.
        if !matches!(fact, Fact::Fill(FillFact::Costed { .. })) {
            seat.settled = false;
            self.all_settled = false;
        }
        let (strategy, symbol) = (Some(seat.strategy.clone()), Some(seat.symbol));
        self.apply(Record { at: self.now, strategy, symbol, contract, fact });
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
            seat.strategy.clone()
        });
        let planned = || Some(self.plan.symbols.get(symbol.as_ref()?)?.strategy.as_str().into());
        let strategy = seat.or_else(planned);
        self.apply(Record { at: self.now, strategy, symbol, contract, fact });
    }

    // Applied before it is moved (which notes nothing further): copied at once, the copy would wait for what has just been
    // written.
    fn apply(&mut self, record: Record) {
        self.take_in(&record);
        self.decided.records.push(record);
    }

    #[inline(never)]
    fn take_in(&mut self, record: &Record) {
        let (contract, effect) = (record.contract, Effect::of(&record.fact));
        let before = match (contract, effect) {
            (Some(contract), Effect::Trade) => self.book.held(contract),
            _ => Shares::ZERO,
        };
        self.book.apply(record);
        if matches!(record.fact, Fact::Incident(_)) {
            self.incidents.push_back(record.clone());
            if self.incidents.len() > INCIDENTS_SHOWN {
                self.incidents.pop_front();
            }
        }
        if contract.is_none() || matches!(record.fact, Fact::Lock(_)) {
            self.seats.iter_mut().for_each(|(_, seat)| seat.settled = false);
            self.all_settled = false;
        }
        self.facts_changed(effect, contract, before);
    }

    #[cold]
    pub(super) fn incident(&mut self, contract: Option<ContractId>, name: &str, text: String) {
        self.record(contract, Fact::Incident(IncidentFact::new(name, text)));
    }
}
