//! What a journal leaves on the board: followed while it is replayed, fact by fact, and put up once all of it is known
//! to be good. Only what stays is made into what is shown: a long journal has very much more.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::state::{ORDERS, STEPS, State};
use super::views::{EquityView, FillView, OrderView, RefusalView, SignalView, StepView, event_word};
use crate::domain::book::{Book, DayFact, Fact, FillFact, OrderFact, Record};
use crate::domain::broker::ExecutionId;
use crate::domain::{MarketTime, Price, Shares};
use crate::runner::view::incident_view;

/// A step of an order's life, not yet in words.
#[derive(Debug)]
struct Step {
    at: MarketTime,
    what: &'static str,
    note: Note,
}

#[derive(Debug)]
enum Note {
    Said(String),
    Traded(Shares, Price),
}

impl From<Step> for StepView {
    fn from(Step { at, what, note }: Step) -> Self {
        let note = match note {
            Note::Said(words) => words,
            Note::Traded(quantity, price) => traded(quantity, price),
        };
        Self { at, what, note }
    }
}

/// The words that come with a fill.
pub(super) fn traded(quantity: Shares, price: Price) -> String {
    format!("{quantity} at {price} USD")
}

/// What the replayed part of a journal leaves.
#[derive(Debug, Default)]
pub struct Past {
    /// Of the orders that stay, by intent number.
    lives: BTreeMap<u64, Vec<Step>>,
    /// The fills that stay, oldest first.
    fills: VecDeque<ExecutionId>,
    /// Everything else.
    others: State,
}

impl Past {
    /// Takes a fact that `book` has just taken.
    pub fn note(&mut self, record: &Record, book: &Book) {
        match &record.fact {
            Fact::Order(fact) => {
                if let Some((intent, what, note)) = step(fact) {
                    self.step(intent, Step { at: record.at, what, note: Note::Said(note.to_owned()) }, book);
                }
            }
            Fact::Fill(FillFact::Executed { intent, execution }) => {
                // The first report of it is known by its number: looking for it among all would take most of a replay.
                if execution.id.revision() <= 1 || !self.has(&execution.id) {
                    self.fill(&execution.id, book);
                }
                let note = Note::Traded(execution.quantity, execution.price);
                self.step(*intent, Step { at: execution.at, what: "fill", note }, book);
            }
            Fact::Fill(FillFact::Costed { commission }) => {
                if !self.has(&commission.execution) {
                    self.fill(&commission.execution, book);
                }
            }
            Fact::Target(fact) => drop(self.others.signal(SignalView::of(record, fact))),
            Fact::Refused(fact) => drop(self.others.refusal(RefusalView::of(record, fact))),
            Fact::Incident(_) => drop(self.others.incident(incident_view(record))),
            Fact::Day(fact) => {
                let (source, equity_usd) = match fact {
                    DayFact::Opened { equity, .. } => ("day_opened", *equity),
                    DayFact::PeakRaised { equity } => ("peak", *equity),
                };
                self.others.equity(EquityView { at: record.at, equity_usd, peak_usd: book.peak_equity(), source });
            }
            Fact::Ledger(_) | Fact::Session(_) | Fact::Fill(FillFact::Foreign { .. }) | Fact::Lock(_) => {}
        }
    }

    fn step(&mut self, intent: u64, step: Step, book: &Book) {
        if book.order(intent).is_none() {
            return;
        }
        let life = self.lives.entry(intent).or_default();
        if life.len() < STEPS {
            life.push(step);
        }
        if self.lives.len() > ORDERS {
            let ended = |intent: &&u64| book.order(**intent).is_none_or(|order| !order.state.is_live());
            if let Some(oldest) = self.lives.keys().find(ended).copied() {
                self.lives.remove(&oldest);
            }
        }
    }

    /// Whether a fill stays: mostly it is of the newest that is asked.
    fn has(&self, id: &ExecutionId) -> bool {
        self.fills.iter().rev().any(|known| known.stem() == id.stem())
    }

    fn fill(&mut self, id: &ExecutionId, book: &Book) {
        if book.fill(id).is_none() {
            return;
        }
        if self.fills.len() == ORDERS {
            self.fills.pop_front();
        }
        self.fills.push_back(id.clone());
    }

    /// Puts it up; `book` has taken everything.
    pub(super) fn onto(self, state: &mut State, book: &Book) {
        let order = |(intent, life): (u64, Vec<Step>)| {
            let life = life.into_iter().map(StepView::from).collect();
            Some((intent, Arc::new(OrderView::of(book.order(intent)?, life))))
        };
        state.orders = self.lives.into_iter().filter_map(order).collect();
        for id in &self.fills {
            if let Some(fill) = book.fill(id) {
                state.fill(FillView::of(fill, book));
            }
        }
        state.take_notes(self.others);
    }
}

/// The order, and what has happened to it in a word and in words.
pub(super) fn step(fact: &OrderFact) -> Option<(u64, &'static str, &str)> {
    match fact {
        OrderFact::Intended { ticket, .. } => Some((ticket.order_ref.intent, "intended", "")),
        OrderFact::Adopted { ticket, .. } => Some((ticket.order_ref.intent, "adopted", "found at the broker")),
        OrderFact::Amended { intent, .. } => Some((*intent, "amended", "")),
        OrderFact::Changed { intent, event, note, .. } => Some((*intent, event_word(*event), note)),
        OrderFact::Observed { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Board;
    use super::*;
    use crate::domain::book::{Disarm, IncidentFact, RefusedFact, TargetFact};
    use crate::domain::broker::{AccountId, Commission, Execution};
    use crate::domain::order::{OrderEvent, Role};
    use crate::domain::refusal::Refusal;
    use crate::domain::{ContractId, OrderKind, OrderRef, Side, Ticket, TimeInForce, Usd};

    const SYMBOLS: [&str; 3] = ["AAA", "BBB", "CCC"];

    fn record(number: u64, fact: Fact) -> Record {
        let which = usize::try_from(number % 3).unwrap();
        Record {
            at: MarketTime::from_secs(i64::try_from(number).unwrap()),
            strategy: Some("sma-cross".into()),
            symbol: SYMBOLS[which].parse().ok(),
            contract: Some(ContractId(100 + i32::try_from(which).unwrap())),
            fact,
        }
    }

    fn intended(number: u64) -> Fact {
        let ticket = Ticket {
            order_id: i32::try_from(number).unwrap(),
            order_ref: OrderRef { ledger: "k3x9".into(), intent: number },
            account: AccountId("DU1".into()),
            contract: record(number, Fact::Target(TargetFact::Deferred)).contract.unwrap(),
            role: Role::Entry,
            side: Side::Buy,
            quantity: Shares(100),
            kind: OrderKind::Market,
            tif: TimeInForce::Day,
            outside_rth: false,
            oca_group: None,
            parent_id: None,
            transmit: true,
        };
        Fact::Order(OrderFact::Intended { ticket: Arc::new(ticket), session: 1, reference: Price::of(10.into()) })
    }

    fn changed(intent: u64, event: OrderEvent, note: &str) -> Fact {
        Fact::Order(OrderFact::Changed { intent, event, perm_id: Some(7), note: note.to_owned() })
    }

    fn executed(number: u64, revision: u32, quantity: i64) -> Fact {
        let whose = record(number, Fact::Target(TargetFact::Deferred));
        let execution = Execution {
            id: ExecutionId(format!("0001.{number}.01.{revision:02}").into()),
            at: whose.at,
            account: AccountId("DU1".into()),
            contract: whose.contract.unwrap(),
            symbol: whose.symbol.unwrap(),
            side: Side::Buy,
            quantity: Shares(quantity),
            price: Price::of(10.into()),
            client_id: 7,
            order_id: 1,
            perm_id: 7,
            order_ref: format!("rt-k3x9-{number}").into(),
            is_liquidation: false,
        };
        Fact::Fill(FillFact::Executed { intent: number, execution: Arc::new(execution) })
    }

    fn costed(number: u64) -> Fact {
        let execution = ExecutionId(format!("0001.{number}.01.01").into());
        Fact::Fill(FillFact::Costed {
            commission: Commission { execution, amount: Usd::of(1.into()), currency: "USD".into() },
        })
    }

    /// More of everything than stays: orders that fill, some in parts, some corrected, some late, some never ending.
    fn story() -> Vec<Record> {
        let last = ORDERS as u64 + 700;
        let mut all = Vec::new();
        for number in 1..=last {
            let mut say = |fact: Fact| all.push(record(number, fact));
            say(Fact::Target(TargetFact::Accepted { value: 1.0, size: Shares(100), stale: number % 5 == 0 }));
            say(intended(number));
            say(changed(number, OrderEvent::Acknowledged, ""));
            match number % 8 {
                0 => say(changed(number, OrderEvent::Cancelled, "by hand")),
                1 if number < 100 => {}
                2 => {
                    say(executed(number, 1, 100));
                    say(executed(number, 2, 90));
                    say(costed(number));
                }
                3 => {
                    // The cost comes first, or of a fill that nobody knows.
                    say(costed(number));
                    say(executed(number, 1, 40));
                }
                4 => {
                    say(Fact::Refused(RefusedFact {
                        change: Shares(1),
                        refusal: Refusal::Quantity { quantity: Shares(0) },
                    }));
                    say(Fact::Incident(IncidentFact::new("a", number.to_string())));
                    say(Fact::Target(TargetFact::Disarmed { why: Disarm::Refused }));
                }
                _ => {
                    say(executed(number, 1, 100));
                    say(costed(number));
                }
            }
        }
        // What came long ago moves once more: a correction, a cost, an end.
        all.push(record(2, executed(2, 3, 80)));
        all.push(record(5, costed(5)));
        all.push(record(1, changed(1, OrderEvent::Cancelled, "at last")));
        all.push(record(last, executed(last - 6, 2, 70)));
        all
    }

    #[test]
    fn what_a_journal_leaves_is_what_stood_there_when_it_happened() {
        let (then, now) = (Board::new(), Board::new());
        let (mut book, mut past) = (Book::default(), Past::default());
        for record in story() {
            book.apply(&record);
            past.note(&record, &book);
            then.facts(std::slice::from_ref(&record), &book);
        }
        now.opened(past, &book);
        let (then, now) = (then.state(), now.state());
        assert_eq!(then.orders.keys().collect::<Vec<_>>(), now.orders.keys().collect::<Vec<_>>());
        for (before, after) in then.orders.values().zip(now.orders.values()) {
            assert_eq!(before, after);
        }
        assert_eq!((then.orders.len(), &then.fills), (ORDERS, &now.fills));
        assert_eq!((&then.signals, &then.refusals, &then.refused), (&now.signals, &now.refusals, &now.refused));
        assert_eq!(then.incidents, now.incidents);
    }

    #[test]
    fn days_and_heights_make_the_curve() {
        let (board, mut book, mut past) = (Board::new(), Book::default(), Past::default());
        for (second, fact) in [
            (1, DayFact::Opened { day: chrono::NaiveDate::default(), equity: Usd::of(100.into()) }),
            (2, DayFact::PeakRaised { equity: Usd::of(110.into()) }),
        ] {
            let fact = record(second, Fact::Day(fact));
            book.apply(&fact);
            past.note(&fact, &book);
        }
        assert!(board.state().curve.is_empty());
        board.opened(past, &book);
        let state = board.state();
        let told: Vec<_> = state.curve.iter().map(|point| (point.source, point.equity_usd)).collect();
        assert_eq!(told, [("day_opened", Usd::of(100.into())), ("peak", Usd::of(110.into()))]);
    }
}
