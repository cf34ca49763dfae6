//! The rules of a run: which are in force, what each has done, what lasts at the moment.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::Instant;

use super::fault::Fault;
use super::names::{Direction, On};
use super::rule::Rule;
use super::span::Span;
use crate::domain::{MarketTime, Symbol};
use crate::simulator::door::Gate;
use crate::simulator::engine::clients::Out;
use crate::simulator::sessions::ConnectionId;
use crate::simulator::wire::frame::Frame;

/// Both clocks, at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// The real one, for waiting.
    pub real: Instant,
    /// The market's.
    pub market: MarketTime,
    /// When the market began.
    pub began: MarketTime,
}

/// A moment on one of the clocks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum When {
    /// Real time.
    Real(Instant),
    /// Market time.
    Market(MarketTime),
}

impl When {
    /// So much later, by one clock or the other; nothing where neither is said.
    pub fn plus(self, real: Option<Span>, market: Option<Span>, now: Now) -> Option<Self> {
        match (self, real, market) {
            (Self::Real(at), Some(span), _) => Some(Self::Real(at + span.0)),
            (Self::Market(_), Some(span), _) => Some(Self::Real(now.real + span.0)),
            (Self::Market(at), None, Some(span)) => Some(Self::Market(at + span.0)),
            (Self::Real(_), None, Some(span)) => Some(Self::Market(now.market + span.0)),
            (_, None, None) => None,
        }
    }

    fn has_come(self, now: Now) -> bool {
        match self {
            Self::Real(at) => at <= now.real,
            Self::Market(at) => at <= now.market,
        }
    }
}

/// Where a rule stands.
#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    /// It comes into force then.
    Waits(When),
    /// It waits for its message until then.
    InForce { until: Option<When>, since: When },
    /// It is done.
    Done,
}

#[derive(Debug)]
struct Armed {
    number: u64,
    rule: Rule,
    state: State,
    matches: u64,
    frames: u64,
    fired: u64,
    chance: SmallRng,
}

/// A fault that holds at the moment.
#[derive(Debug)]
pub struct Active {
    /// The rule's number.
    pub rule: u64,
    /// Its fault.
    pub fault: Fault,
    /// Only this client.
    pub client: Option<i32>,
    /// Only this symbol.
    pub symbol: Option<Symbol>,
    /// Until then; until it is cleared where nothing is said.
    pub until: Option<When>,
    /// When there is more to be done: the next repetition, the next part.
    pub next: Option<Instant>,
    /// How many parts are done.
    pub stage: u32,
    /// Client ids that it holds.
    pub held_ids: BTreeSet<i32>,
}

/// How a rule stands, for people and for tests.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RuleStatus {
    /// Its number, from 1; never used again.
    pub number: u64,
    /// As one line of a scenario.
    pub rule: String,
    /// How often it has fired.
    pub fired: u64,
    /// Whether its fault holds now.
    pub active: bool,
    /// Whether it will not fire again.
    pub done: bool,
}

/// A message that comes later.
#[derive(Debug)]
pub struct Later {
    /// When; nothing: when what holds it is over.
    pub at: Option<Instant>,
    /// The message.
    pub out: Out,
}

/// A message of a client that is served later.
#[derive(Debug)]
pub struct LaterIn {
    /// When.
    pub at: Instant,
    /// Whose.
    pub from: ConnectionId,
    /// The message.
    pub frame: Frame,
}

/// See the module.
#[derive(Debug)]
pub struct Faults {
    armed: Vec<Armed>,
    /// What holds at the moment, oldest first.
    pub active: Vec<Active>,
    /// Messages that come later, in the order in which they were sent.
    pub later: Vec<Later>,
    /// Messages of clients that are served later.
    pub later_in: Vec<LaterIn>,
    /// Messages that wait to change places with the next of their connection.
    pub swapping: BTreeMap<ConnectionId, Out>,
    /// Connections that say nothing any more; whether their handshake was still answered.
    pub muted: BTreeMap<ConnectionId, Muted>,
    /// Orders of which a connection hears nothing.
    pub silenced: BTreeSet<(ConnectionId, i32)>,
    /// Messages whose direct answers are lost, by number.
    pub unanswered: BTreeSet<u64>,
    /// Executions whose cost is not told, because they were not.
    pub untold: BTreeSet<String>,
    /// Executions by force.
    pub liquidations: BTreeSet<String>,
    /// Started clients, until their connection is over.
    pub known: BTreeMap<ConnectionId, i32>,
    /// What stands at the port.
    pub gate: watch::Sender<Gate>,
    /// Fired by messages that were on their way out; done after them.
    pub queued: Vec<Fired>,
    seed: u64,
    last_number: u64,
}

/// How a connection is mute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Muted {
    /// Its handshake is still answered.
    pub greets: bool,
    /// What it asks for is done.
    pub serves: bool,
}

/// A rule that has fired.
#[derive(Debug, Clone)]
pub struct Fired {
    /// The rule's number.
    pub number: u64,
    /// The rule.
    pub rule: Rule,
    /// The connection of the message it waited for.
    pub connection: Option<ConnectionId>,
    /// The client of the message or event.
    pub client: Option<i32>,
    /// The request or order of that message.
    pub id: Option<i32>,
}

/// What is known of a message that passes.
#[derive(Debug, Clone, Copy)]
pub struct Passing<'a> {
    /// Which way.
    pub direction: Direction,
    /// Its id.
    pub message: i32,
    /// Whose.
    pub connection: ConnectionId,
    /// Its client id, once it has one.
    pub client: Option<i32>,
    /// The symbol that it is about, if that is known.
    pub symbol: Option<&'a Symbol>,
    /// The request or order that it is about.
    pub id: Option<i32>,
}

impl Faults {
    /// Without rules. All chance comes from `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            armed: Vec::new(),
            active: Vec::new(),
            later: Vec::new(),
            later_in: Vec::new(),
            swapping: BTreeMap::new(),
            muted: BTreeMap::new(),
            silenced: BTreeSet::new(),
            unanswered: BTreeSet::new(),
            untold: BTreeSet::new(),
            liquidations: BTreeSet::new(),
            known: BTreeMap::new(),
            gate: watch::Sender::new(Gate::default()),
            queued: Vec::new(),
            seed,
            last_number: 0,
        }
    }

    /// Whether there is nothing to do for any message.
    pub fn is_idle(&self) -> bool {
        self.armed.iter().all(|armed| armed.state == State::Done)
            && self.active.is_empty()
            && self.later.is_empty()
            && self.later_in.is_empty()
            && self.swapping.is_empty()
            && self.muted.is_empty()
            && self.silenced.is_empty()
            && self.unanswered.is_empty()
            && self.liquidations.is_empty()
            && self.queued.is_empty()
    }

    /// Adds a rule; returns its number.
    pub fn arm(&mut self, rule: Rule, now: Now) -> u64 {
        self.last_number += 1;
        let number = self.last_number;
        let from = match (rule.at, rule.after) {
            (Some(at), _) => When::Market(at.instant(now.began, now.market)),
            (None, Some(after)) => When::Real(now.real + after.0),
            (None, None) => When::Real(now.real),
        };
        // A time that was over before the rule was there does not come again.
        let missed = matches!(rule.at, Some(super::span::At::Instant(at)) if at < now.began);
        let state = if missed { State::Done } else { State::Waits(from) };
        let chance = SmallRng::seed_from_u64(self.seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        self.armed.push(Armed { number, rule, state, matches: 0, frames: 0, fired: 0, chance });
        number
    }

    /// Forgets all rules; what is active stays for its owner to end.
    pub fn disarm(&mut self) {
        self.armed.clear();
        self.queued.clear();
    }

    /// A number by chance below `most`, of a rule.
    pub fn draw(&mut self, number: u64, most: usize) -> usize {
        let armed = self.armed.iter_mut().find(|armed| armed.number == number);
        armed.map_or(0, |armed| armed.chance.random_range(0..most.max(1)))
    }

    /// The rules whose time has come and that wait for nothing else.
    pub fn due(&mut self, now: Now) -> Vec<Fired> {
        let mut fired = Vec::new();
        for armed in &mut self.armed {
            armed.step(now, &mut fired);
        }
        fired
    }

    /// The moments at which rules change by time alone.
    pub fn moments(&self) -> impl Iterator<Item = When> {
        let rules = self.armed.iter().filter_map(|armed| match armed.state {
            State::Waits(when) => Some(when),
            State::InForce { until, .. } => until,
            State::Done => None,
        });
        let active = self.active.iter().flat_map(|active| [active.until, active.next.map(When::Real)]).flatten();
        let later = self.later.iter().filter_map(|later| later.at).map(When::Real);
        rules.chain(active).chain(later).chain(self.later_in.iter().map(|later| When::Real(later.at)))
    }

    /// Whether any rule asks for the symbol of messages.
    pub fn asks_symbols(&self) -> bool {
        self.armed.iter().any(|armed| armed.rule.symbol.is_some() && armed.rule.waits())
    }

    /// The rules that a message sets off, in their order.
    pub fn matching(&mut self, passing: &Passing<'_>) -> Vec<Fired> {
        let mut fired = Vec::new();
        for armed in &mut self.armed {
            if armed.matches(passing) {
                fired.extend(armed.fire(Some(passing.connection), passing.client, passing.id));
            }
        }
        fired
    }

    /// The rules that wait for this event of a connection.
    pub fn on_event(&mut self, event: On, connection: ConnectionId, client: Option<i32>) -> Vec<Fired> {
        let mut fired = Vec::new();
        for armed in &mut self.armed {
            let wanted = armed.is_in_force() && armed.rule.on == Some(event);
            if wanted && armed.rule.client.is_none_or(|id| Some(id) == client) && armed.counts() {
                let connection = (event == On::Connect).then_some(connection);
                fired.extend(armed.fire(connection, client, None));
            }
        }
        fired
    }

    /// How the rules stand.
    pub fn status(&self) -> Vec<RuleStatus> {
        let status = |armed: &Armed| RuleStatus {
            number: armed.number,
            rule: armed.rule.to_string(),
            fired: armed.fired,
            active: self.active.iter().any(|active| active.rule == armed.number),
            done: armed.state == State::Done,
        };
        self.armed.iter().map(status).collect()
    }

    /// What has ended by now, taken out.
    pub fn ended(&mut self, now: Now) -> Vec<Active> {
        let over = |active: &Active| active.until.is_some_and(|until| until.has_come(now));
        self.active.extract_if(.., |active| over(active)).collect()
    }

    /// Whether a fault like this holds for this client and symbol.
    pub fn holds(&self, client: Option<i32>, symbol: Option<&Symbol>, is: impl Fn(&Fault) -> bool) -> bool {
        self.active.iter().any(|active| {
            is(&active.fault)
                && active.client.is_none_or(|id| Some(id) == client)
                && active.symbol.as_ref().is_none_or(|wanted| Some(wanted) == symbol)
        })
    }
}

impl Armed {
    fn is_in_force(&self) -> bool {
        matches!(self.state, State::InForce { .. })
    }

    /// Moves on with time.
    fn step(&mut self, now: Now, fired: &mut Vec<Fired>) {
        // Each round is one change; a rule that repeats quickly may have several behind it.
        for _ in 0..1_000 {
            match self.state {
                State::Waits(when) if when.has_come(now) => {
                    if self.rule.waits() {
                        self.frames = 0;
                        self.state = State::InForce { until: self.until(when, now), since: when };
                    } else {
                        fired.extend(self.fire(None, None, None));
                        self.state = self.again(when, now);
                    }
                }
                State::InForce { until: Some(until), since } if until.has_come(now) => {
                    self.state = self.again(since, now)
                }
                State::Waits(_) | State::InForce { .. } | State::Done => return,
            }
        }
    }

    /// Until when the rule is in force, where its time does not belong to its fault.
    fn until(&self, since: When, now: Now) -> Option<When> {
        if self.rule.fault.lasts() {
            return None;
        }
        since.plus(self.rule.lasts, self.rule.lasts_market, now)
    }

    /// What comes after it was in force.
    fn again(&self, since: When, now: Now) -> State {
        if self.fired >= self.rule.limit() {
            return State::Done;
        }
        since.plus(self.rule.repeat, self.rule.repeat_market, now).map_or(State::Done, State::Waits)
    }

    fn matches(&mut self, passing: &Passing<'_>) -> bool {
        let rule = &self.rule;
        let about = rule.client.is_none_or(|id| Some(id) == passing.client)
            && rule.symbol.as_ref().is_none_or(|wanted| Some(wanted) == passing.symbol);
        if !self.is_in_force() || !about {
            return false;
        }
        let way = rule.direction.or(rule.on.and_then(On::direction)).unwrap_or(Direction::Out);
        if passing.direction == way {
            self.frames += 1;
        }
        if rule.after_frames.is_some_and(|count| self.frames < count) {
            return false;
        }
        let meant = match rule.on {
            Some(on) => on.is(passing.direction, passing.message),
            None => passing.direction == way,
        };
        meant && self.counts()
    }

    /// Counts a match; says whether it is the one, by number and by chance.
    fn counts(&mut self) -> bool {
        if self.fired >= self.rule.limit() {
            return false;
        }
        self.matches += 1;
        if self.rule.nth.is_some_and(|nth| self.matches != nth) {
            return false;
        }
        // Drawn for every match, so that other conditions do not shift what chance brings.
        self.rule.probability.is_none_or(|p| self.chance.random_bool(p.clamp(0.0, 1.0)))
    }

    fn fire(&mut self, connection: Option<ConnectionId>, client: Option<i32>, id: Option<i32>) -> Option<Fired> {
        if self.fired >= self.rule.limit() {
            return None;
        }
        self.fired += 1;
        let over = self.fired >= self.rule.limit();
        if over && self.is_in_force() {
            self.state = State::Done;
        }
        Some(Fired { number: self.number, rule: self.rule.clone(), connection, client, id })
    }
}
