//! The daemon's surroundings: its start and its death, the line to the broker and back, the feeds.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use robo_trader::desk::{Action, Desk, Event};
use robo_trader::domain::book::{Book, LedgerFact};
use robo_trader::domain::broker::Venue;
use robo_trader::domain::order::Role;
use robo_trader::domain::{Bar, ContractId};
use robo_trader::strategy::{Gauges, Target};

use super::broker::Mood;
use super::checks;
use super::world::{Item, Process, World};

impl World {
    /// The process starts: the book is what the disk says.
    pub fn start(&mut self) {
        let mut book = Book::default();
        self.disk.iter().for_each(|record| book.apply(record));
        let mut replica = book.clone();
        let mut desk = Desk::new(self.plan.clone(), book);
        let opened = LedgerFact::Opened {
            ledger: "storm".into(),
            venue: Venue::Simulator { exchange: "storm".into() },
            account: self.plan.account.clone(),
        };
        let facts = desk.open_ledger(opened, serde_json::json!({}), self.now());
        facts.iter().for_each(|record| replica.apply(record));
        self.disk.extend(facts);
        self.synced = self.disk.len();
        self.process = Some(Process {
            desk,
            replica,
            inbox: VecDeque::new(),
            session: None,
            detach: false,
            missed: BTreeMap::new(),
            warmed: false,
            stopping: false,
            crash: None,
        });
    }

    /// The process is gone, and with it everything that is not on disk.
    pub fn die(&mut self) {
        self.note(|| "the process dies".into());
        self.cut_line(0);
        self.batch = (Vec::new(), Vec::new());
        self.process = None;
        let kept = self.disk.len();
        self.entered.retain(|entry| entry.index < kept);
        self.stats.crashes += 1;
    }

    /// What was sent arrives in part; what the broker says is heard by nobody.
    pub fn cut_line(&mut self, arrive: usize) {
        for _ in 0..arrive {
            if !self.arrive() {
                break;
            }
        }
        if let Some(session) = self.session() {
            session.line.clear();
            session.wire.clear();
            session.stream.clear();
            session.outbox.clear();
            session.command = None;
        }
        self.broker.out.clear();
    }

    /// Hands what the broker said to the session's line, if there is one.
    pub fn pump(&mut self) {
        if self.frozen.is_some() {
            return;
        }
        let said = std::mem::take(&mut self.broker.out);
        if let Some(session) = self.line_up() {
            session.wire.extend(said.into_iter().map(Item::Update));
        }
    }

    /// One message on the line reaches the broker.
    pub fn arrive(&mut self) -> bool {
        let cut_off = self.frozen.is_some();
        let Some(session) = self.session() else { return false };
        // Without its link the gateway takes new orders and keeps them; the rest waits.
        if cut_off && !matches!(session.line.front(), Some(Action::Submit(_))) {
            return false;
        }
        let Some(action) = session.line.pop_front() else { return false };
        match &action {
            Action::Submit(order) => {
                let mood = std::mem::replace(&mut self.mood, Mood::Accept);
                self.note(|| format!("  the broker gets {} ({mood:?})", checks::describe(&action)));
                self.broker.place(order.ticket(), mood);
                if let Some(view) = &mut self.frozen {
                    view.cut_off = true;
                    view.place(order.ticket(), mood);
                }
            }
            Action::Amend(order) => {
                self.note(|| format!("  the broker gets {}", checks::describe(&action)));
                self.broker.place(order.ticket(), Mood::Accept);
            }
            Action::Cancel { order_id, .. } => {
                self.note(|| format!("  the broker gets {}", checks::describe(&action)));
                self.broker.cancel(*order_id);
            }
            Action::CancelEverything => unreachable!("no operator is in a storm"),
        }
        self.pump();
        true
    }

    /// The outbox sends its most urgent action: cancels, exits, stops, entries with their children;
    /// a cancel not before the order that it cancels.
    pub fn send(&mut self) -> bool {
        let Some(session) = self.line_up() else { return false };
        let own = |cancelled: u64, other: &Action| match other {
            Action::Submit(order) => order.ticket().order_ref.intent == cancelled,
            Action::Amend(_) | Action::Cancel { .. } | Action::CancelEverything => false,
        };
        let rank = |action: &Action| match action {
            Action::Cancel { .. } | Action::CancelEverything => 0,
            Action::Submit(order) | Action::Amend(order) => match (order.ticket().role, order.ticket().parent_id) {
                (Role::Exit, _) => 1,
                (Role::Stop | Role::Target, None) => 2,
                (Role::Entry, _) | (Role::Stop | Role::Target, Some(_)) => 3,
            },
        };
        let ranks: Vec<u8> = (session.outbox.iter().enumerate())
            .map(|(index, action)| match action {
                Action::Cancel { intent, .. } => {
                    let behind = session.outbox.iter().take(index).find(|other| own(*intent, other));
                    behind.map_or(0, rank)
                }
                Action::Submit(_) | Action::Amend(_) | Action::CancelEverything => rank(action),
            })
            .collect();
        let Some(first) = (0..ranks.len()).min_by_key(|index| (ranks[*index], *index)) else { return false };
        if let Some(action) = session.outbox.remove(first) {
            session.line.push_back(action);
        }
        true
    }

    pub fn hear(&mut self) -> bool {
        let Some(session) = self.line_up() else { return false };
        let Some(item) = session.wire.pop_front() else { return false };
        session.stream.push_back(item);
        true
    }

    /// The session is over.
    pub fn lose(&mut self, arrive: usize) {
        if self.session().is_none() {
            return;
        }
        self.note(|| format!("the session is lost; {arrive} of what was sent arrives"));
        self.cut_line(arrive);
        if let Some(process) = &mut self.process {
            if let Some(session) = &mut process.session {
                session.attached = false;
            }
            process.detach = true;
        }
    }

    pub fn link(&mut self, up: bool) {
        if up == self.frozen.is_none() {
            return;
        }
        self.note(|| format!("the link between TWS and IBKR is {}", if up { "back" } else { "down" }));
        self.frozen = (!up).then(|| Box::new(self.broker.clone()));
        if up {
            self.broker.let_go();
        }
        self.broker.cut_off = !up;
        let heard = self.line_up().is_some();
        if let Some(process) = self.process.as_mut().filter(|_| heard) {
            process.inbox.push_back(Event::Link { up });
        }
        self.pump();
    }

    /// A bar closes. The desk hears of it while its feeds run; else they catch up later.
    pub fn bar(&mut self, contract: ContractId, cents: i64, target: Option<Target>, part: u8) {
        self.pass(20);
        let price = (self.broker.prices[&contract] + cents).max(100);
        let end = self.now();
        let value = price as f64 / 100.0;
        let bar = Bar {
            time: end - Duration::from_secs(60),
            end,
            open: value,
            high: value,
            low: value,
            close: value,
            volume: None,
        };
        self.note(|| {
            let says = target.map_or_else(|| "nothing".into(), |target| format!("{}", target.value()));
            format!("{contract} closes at {value}, its strategy says {says}")
        });
        self.broker.print(contract, price, part);
        self.pump();
        self.bars.insert(contract, bar);
        if let Some(target) = target {
            self.spoken.insert(contract, (end, target));
        }
        if let Some(process) = self.process.as_mut().filter(|process| !process.stopping) {
            process.missed.entry(contract).or_default().push((bar, target));
        }
        self.feed();
    }

    /// The feeds tell what they have.
    fn feed(&mut self) {
        let Some(process) = &mut self.process else { return };
        if process.stopping || process.session.as_ref().is_none_or(|session| !session.feeding || session.hung) {
            return;
        }
        for (contract, bars) in &mut process.missed {
            let last = bars.len();
            for (index, (bar, target)) in bars.drain(..).enumerate() {
                let newest = index + 1 == last;
                process.inbox.push_back(Event::Bar {
                    contract: *contract,
                    bar,
                    target,
                    gauges: Gauges { atr: Some(0.5), volatility: None },
                    newest,
                });
            }
        }
    }

    /// The session is Ready for the first time: feeds begin.
    pub fn begin_feeds(&mut self) {
        let Some(process) = &mut self.process else { return };
        if let Some(session) = &mut process.session {
            session.feeding = !process.stopping;
        }
        if !process.warmed {
            process.warmed = true;
            process.missed.clear();
            for (contract, bar) in &self.bars {
                let opinion = self.spoken.get(contract).copied();
                process.inbox.push_back(Event::Warmed {
                    contract: *contract,
                    opinion,
                    bar: *bar,
                    gauges: Gauges { atr: Some(0.5), volatility: None },
                });
            }
        }
        self.feed();
    }
}
