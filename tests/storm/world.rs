//! The world of the storm: a real desk, the journal's disk, one session at a time, and the broker.
//!
//! What the runner does around the desk is done here in the same order: the order stream before
//! commands before events; facts on disk before actions; an outbox that dies with its session.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use robo_trader::desk::{Action, Desk, Event, Plan, Recovered};
use robo_trader::domain::book::{Book, Record};
use robo_trader::domain::broker::*;
use robo_trader::domain::order::OrderState;
use robo_trader::domain::{Bar, Contract, ContractId, MarketTime, Usd};
use robo_trader::strategy::Target;

use super::broker::{Broker, Mood};
use super::checks;
use super::setting::Setting;
use super::step::{Crash, Step};

/// Reads of the broker's state before a session is given up, as the runner has it.
const READS: u32 = 20;

/// A violation, in words.
pub type Held<T = ()> = Result<T, String>;

#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "moved once, from a queue to the desk")]
pub enum Item {
    Update(OrderUpdate),
    Lagged,
}

/// Where a read of the broker's state stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Idle,
    Begin,
    Orders,
    Completed,
    Executions,
    Positions,
    Account,
    /// Everything said before has to be decided first.
    Barrier,
    /// The desk has to hear of it.
    Told,
}

pub struct Session {
    pub attached: bool,
    pub hung: bool,
    pub outbox: VecDeque<Action>,
    /// Sent, not at the broker yet.
    pub line: VecDeque<Action>,
    /// Said by the broker, not heard yet.
    pub wire: VecDeque<Item>,
    pub stream: VecDeque<Item>,
    pub part: Part,
    pub snapshot: BrokerSnapshot,
    pub command: Option<Box<Recovered>>,
    pub reading: Option<u64>,
    /// Facts of the book when the read began.
    pub since: u64,
    pub reads: u32,
    pub feeding: bool,
    pub trouble: bool,
    pub deadlines: BTreeSet<u64>,
    /// By the storm's own account: the broker's state was compared and nothing has happened since
    /// that asks for another comparison.
    pub compared: bool,
}

pub struct Process {
    pub desk: Desk,
    /// A second book that is told nothing but facts.
    pub replica: Book,
    pub inbox: VecDeque<Event>,
    pub session: Option<Session>,
    /// The session is over, and the desk has to hear of it.
    pub detach: bool,
    pub missed: BTreeMap<ContractId, Vec<(Bar, Option<Target>)>>,
    pub warmed: bool,
    pub stopping: bool,
    pub crash: Option<Crash>,
}

/// An entry that counts against the limits of the day and the minute.
#[derive(Debug, Clone)]
pub struct Entered {
    pub at: MarketTime,
    pub worth: Usd,
    /// Its place on disk: it never happened if that is lost.
    pub index: usize,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Stats {
    pub events: u64,
    pub orders: u64,
    pub fills: u64,
    pub crashes: u64,
    pub sessions: u64,
    pub locks: u64,
}

impl Stats {
    pub fn and(self, other: Self) -> Self {
        Self {
            events: self.events + other.events,
            orders: self.orders + other.orders,
            fills: self.fills + other.fills,
            crashes: self.crashes + other.crashes,
            sessions: self.sessions + other.sessions,
            locks: self.locks + other.locks,
        }
    }
}

impl std::fmt::Display for Stats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { events, orders, fills, crashes, sessions, locks } = self;
        write!(
            f,
            "{events} events, {orders} orders, {fills} fills, {crashes} crashes, {sessions} sessions, \
             {locks} locks left"
        )
    }
}

pub struct World {
    pub plan: Plan,
    pub contracts: Vec<Contract>,
    pub broker: Broker,
    /// What IBKR says through a gateway that has lost its link: what was known then.
    pub frozen: Option<Box<Broker>>,
    pub disk: Vec<Record>,
    /// Records that survive a power cut.
    pub synced: usize,
    pub process: Option<Process>,
    pub batch: (Vec<Record>, Vec<Action>),
    pub released: BTreeSet<u64>,
    pub spoken: BTreeMap<ContractId, (MarketTime, Target)>,
    pub bars: BTreeMap<ContractId, Bar>,
    pub mood: Mood,
    pub old_positions: Option<(u8, BTreeMap<ContractId, BrokerPosition>)>,
    pub incomplete: bool,
    pub entered: Vec<Entered>,
    pub said: Option<Vec<String>>,
    pub stats: Stats,
}

impl World {
    pub fn new(setting: Setting, tells: bool) -> Held<Self> {
        let Setting { plan, contracts, broker } = setting;
        let mut world = Self {
            plan,
            contracts,
            broker,
            frozen: None,
            disk: Vec::new(),
            synced: 0,
            process: None,
            batch: (Vec::new(), Vec::new()),
            released: BTreeSet::new(),
            spoken: BTreeMap::new(),
            bars: BTreeMap::new(),
            mood: Mood::Accept,
            old_positions: None,
            incomplete: false,
            entered: Vec::new(),
            said: tells.then(Vec::new),
            stats: Stats::default(),
        };
        world.start();
        Ok(world)
    }

    pub fn note(&mut self, text: impl FnOnce() -> String) {
        if let Some(said) = &mut self.said {
            said.push(text());
        }
    }

    pub fn now(&self) -> MarketTime {
        self.broker.now
    }

    pub fn pass(&mut self, seconds: u64) {
        self.broker.now = self.broker.now + Duration::from_secs(seconds);
    }

    pub fn session(&mut self) -> Option<&mut Session> {
        self.process.as_mut()?.session.as_mut()
    }

    /// A session through which messages pass.
    pub fn line_up(&mut self) -> Option<&mut Session> {
        self.session().filter(|session| session.attached && !session.hung)
    }

    /// Takes up to so many inputs in one batch: facts on disk, then actions.
    pub fn desk(&mut self, most: usize) -> Held {
        let mut answered = None;
        let mut took = 0;
        while took < most {
            let Some(input) = self.next_input() else { break };
            took += 1;
            let event = match input {
                Input::Event(event) => event,
                Input::Recover(recovered) => {
                    let Some(process) = &self.process else { break };
                    if let Err(stranger) = process.desk.admits(&recovered) {
                        return Err(format!("the session is refused: {stranger}"));
                    }
                    answered = Some(());
                    Event::Recovered(recovered)
                }
                Input::Detach => {
                    if let Some(process) = &mut self.process {
                        process.session = None;
                        process.detach = false;
                    }
                    answered = None;
                    Event::Lost { why: "storm".into() }
                }
            };
            self.tell(event)?;
        }
        if took == 0 {
            return Ok(());
        }
        self.settle()?;
        if answered.is_some() {
            self.answer();
        }
        Ok(())
    }

    fn next_input(&mut self) -> Option<Input> {
        let process = self.process.as_mut()?;
        if let Some(session) = &mut process.session {
            match session.stream.pop_front() {
                Some(Item::Update(update)) => return Some(Input::Event(Event::Order(update))),
                Some(Item::Lagged) => {
                    session.trouble = true;
                    return Some(Input::Event(Event::Fenced));
                }
                None => {}
            }
            if let Some(mut recovered) = session.command.take() {
                recovered.disturbed |= session.reading != Some(process.desk.book().counts().executions);
                return Some(Input::Recover(recovered));
            }
        }
        // The runner lets the desk decide on all that the session's parts have said before.
        if process.detach && process.inbox.is_empty() {
            return Some(Input::Detach);
        }
        process.inbox.pop_front().map(Input::Event)
    }

    /// Whether the desk has anything to take.
    pub fn has_input(&self) -> bool {
        self.process.as_ref().is_some_and(|process| {
            let session = process.session.as_ref();
            !process.inbox.is_empty()
                || process.detach
                || session.is_some_and(|session| !session.stream.is_empty() || session.command.is_some())
        })
    }

    /// One event for the desk, and everything that must hold after it.
    pub fn tell(&mut self, event: Event) -> Held {
        self.stats.events += 1;
        let Some(process) = &mut self.process else { return Ok(()) };
        let recovers = matches!(event, Event::Recovered(_));
        if matches!(event, Event::Fenced | Event::Link { .. } | Event::Lost { .. })
            && let Some(session) = &mut process.session
        {
            session.reading = None;
            session.compared = false;
        }
        let words = self.said.is_some().then(|| checks::event(&event));
        let decided = process.desk.decide(event);
        if let Some(session) = &mut process.session {
            session.trouble |= decided.wants_reconcile;
            if recovers {
                session.compared = process.desk.is_ready();
            }
        }
        for record in &decided.records {
            process.replica.apply(record);
        }
        if let Some(words) = words {
            self.note(|| format!("> {words}"));
            for record in &decided.records {
                self.note(|| format!("    {}", checks::fact(record)));
            }
            for action in &decided.actions {
                self.note(|| format!("    -> {}", checks::describe(action)));
            }
        }
        checks::after_event(self, &decided)?;
        self.batch.0.extend(decided.records);
        self.batch.1.extend(decided.actions);
        Ok(())
    }

    /// Facts, then actions; a crash wherever one is due.
    pub fn settle(&mut self) -> Held {
        let (records, actions) = std::mem::take(&mut self.batch);
        let crash = self.process.as_mut().and_then(|process| process.crash.take());
        if crash == Some(Crash::BeforeAppend) {
            self.die();
            return Ok(());
        }
        let synced = records.iter().any(|record| record.fact.precedes_an_order());
        self.disk.extend(records);
        if synced {
            self.synced = self.disk.len();
        }
        let mut most = usize::MAX;
        match crash {
            Some(Crash::PowerCut(lost)) => {
                let kept = self.disk.len().saturating_sub(usize::from(lost)).max(self.synced);
                self.disk.truncate(kept);
                self.die();
                return Ok(());
            }
            Some(Crash::Releasing(released)) => most = usize::from(released),
            Some(Crash::Now | Crash::BeforeAppend) | None => {}
        }
        for action in actions.into_iter().take(most) {
            self.release(action)?;
        }
        if most < usize::MAX {
            // What was released just before may have left, and arrived.
            while self.send() {}
            self.cut_line(most);
            self.die();
        }
        if let Some(process) = &mut self.process
            && let Some(session) = &mut process.session
        {
            let book = process.desk.book();
            let waits = |intent: &u64| {
                book.order(*intent).is_some_and(|o| matches!(o.state, OrderState::Sent | OrderState::Cancelling))
            };
            session.deadlines.retain(waits);
        }
        Ok(())
    }

    fn release(&mut self, action: Action) -> Held {
        let Some(session) = self.session() else { return Ok(()) };
        let intent = match &action {
            Action::Submit(order) => Some(order.ticket().order_ref.intent),
            Action::Cancel { intent, .. } => Some(*intent),
            Action::Amend(_) | Action::CancelEverything => None,
        };
        if let Some(intent) = intent {
            session.deadlines.insert(intent);
        }
        if session.attached {
            session.outbox.push_back(action.clone());
        }
        if let Action::Submit(order) = &action {
            self.stats.orders += 1;
            let intent = order.ticket().order_ref.intent;
            if !self.released.insert(intent) {
                return Err(format!("intent {intent} was sent a second time"));
            }
        }
        Ok(())
    }

    /// The runner hears whether the desk is Ready with what was read.
    fn answer(&mut self) {
        let Some(process) = &mut self.process else { return };
        let ready = process.desk.is_ready();
        let link_up = process.desk.link_is_up();
        let Some(session) = &mut process.session else { return };
        if ready {
            session.part = Part::Idle;
            session.reads = 0;
            if !session.feeding {
                self.stats.sessions += 1;
                self.begin_feeds();
            }
            return;
        }
        session.part = Part::Begin;
        session.reads += u32::from(link_up);
        if session.reads >= READS {
            self.lose(usize::MAX);
        }
    }

    /// What is held by the book.
    pub fn book(&self) -> Option<&Book> {
        self.process.as_ref().map(|process| process.desk.book())
    }

    pub fn run(&mut self, trace: &[Step]) -> Held {
        for step in trace {
            super::weather::happen(self, *step)?;
            checks::after_step(self)?;
        }
        Ok(())
    }
}

#[allow(clippy::large_enum_variant, reason = "moved once, from a queue to the desk")]
enum Input {
    Event(Event),
    Recover(Box<Recovered>),
    Detach,
}
