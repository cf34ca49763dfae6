//! Moves the market: when the next instant of the tape happens, and what happens in it.
//!
//! At one instant first all bars end, then DAY orders expire if the session ends with it, then the
//! next bars open; each in symbol order. Each of these is one action, done in one turn of the
//! engine. Paced, actions of one instant follow each other at once; in lock-step the market waits
//! after each until the daemon has caught up.
//!
//! Where a contract's next bar opens at the same instant, its first update tells the daemon that
//! the last is over, and one contract is decided before the next one ends. Where none does, only
//! broker time can tell, and that is one for all contracts: those end after the others, and are
//! decided together.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use chrono::NaiveDate;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::info;

use super::Engine;
pub(super) use super::lockstep::Counts;
use super::lockstep::{LockStep, Verdict};
use super::streams::FORMING_EVERY;
use crate::domain::progress::Progress;
use crate::domain::{Bar, ContractId, MarketTime, Symbol};
use crate::simulator::config::Speed;
use crate::simulator::market::Market;
use crate::tape::Step;

/// A bar without a successor counts as closed when broker time has passed its end by this.
const CLOSED_AFTER: Duration = Duration::from_secs(2);
/// Speed in lock-step while no session is Ready and none is set: the daemon is connecting, and
/// must not find the tape over when it is done.
const UNATTENDED: f64 = 600.0;
/// A paced market that is late by more than this gives the time up instead of racing after it.
const LATE: Duration = Duration::from_secs(2);
/// How often balances, profits and the like are looked at, real time.
const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(1);
/// How often balances are published where no fill has moved them, market time (TWS: 3 minutes).
const BALANCES_EVERY: Duration = Duration::from_secs(180);

/// When the engine wants its next turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wake {
    /// As soon as others have had theirs.
    Now,
    /// Then.
    At(Instant),
}

/// One piece of an instant.
#[derive(Debug, Clone, PartialEq)]
enum Action {
    /// A tape bar ended, or a longer bar of some client did; `next` is the price with which the
    /// next bar opens at this same instant. Unless that announces the end, broker time does.
    Close { symbol: Symbol, contract: ContractId, bar: Option<Bar>, next: Option<f64>, announced: bool },
    /// Broker time tells of the bars that ended without a successor.
    Announce,
    /// The session ended.
    EndOfSession { at: MarketTime },
    /// A tape bar opened.
    Open { contract: ContractId, at: MarketTime, price: f64 },
}

/// See the module.
#[derive(Debug)]
pub struct Driver {
    speed: Speed,
    pub(super) lock_step: Option<LockStep>,
    queue: VecDeque<Action>,
    /// The instant whose actions are queued or done last.
    instant: MarketTime,
    /// A pair of market and real time from which paced time follows.
    origin: (MarketTime, Instant),
    /// Broker time already served; it never goes back.
    floor: MarketTime,
    /// Contracts with an open bar.
    in_bar: BTreeSet<ContractId>,
    /// Bars of clients that ended without a successor, to be announced.
    unannounced: Vec<(Symbol, MarketTime)>,
    session_end: Option<MarketTime>,
    /// The date whose regular session has begun.
    opened: Option<NaiveDate>,
    started: bool,
    over: bool,
    pub(super) counts: Counts,
    next_forming: Instant,
    next_housekeeping: Instant,
    balances_at: MarketTime,
}

impl Driver {
    /// At the beginning.
    pub fn new(speed: Speed, progress: Option<watch::Receiver<Progress>>, clock: MarketTime) -> Self {
        let now = Instant::now();
        Self {
            speed,
            lock_step: progress.map(LockStep::new),
            queue: VecDeque::new(),
            instant: clock,
            origin: (clock, now),
            floor: clock,
            in_bar: BTreeSet::new(),
            unannounced: Vec::new(),
            session_end: None,
            opened: None,
            started: false,
            over: false,
            counts: Counts::default(),
            next_forming: now,
            next_housekeeping: now,
            balances_at: clock,
        }
    }

    /// Resolves when the daemon in lock-step has come further.
    pub async fn progress_changed(&mut self) {
        match &mut self.lock_step {
            Some(step) => step.changed().await,
            None => std::future::pending().await,
        }
    }

    /// Whether the market moves in lock-step.
    pub fn is_lock_step(&self) -> bool {
        self.lock_step.is_some()
    }

    /// Market time, as served wherever TWS serves time. Paced, it flows; in lock-step and on a
    /// standing tape it is the tape's.
    pub fn now(&mut self, market: &Market, real: Instant) -> MarketTime {
        let flows = self.lock_step.is_none() && self.started && !self.over;
        let mut now = market.clock();
        if flows && let Speed::Times(speed) = self.speed {
            let flown = self.origin.0 + real.duration_since(self.origin.1).mul_f64(speed);
            // A step that is due but not done yet has not happened.
            let before = market.next_instant().map_or(MarketTime::MAX, |next| next - Duration::from_millis(1));
            now = now.max(flown.min(before));
        }
        self.floor = self.floor.max(now);
        self.floor
    }

    /// When market time reaches `at`, as far as that is known; nothing where the market moves by
    /// steps alone.
    fn real_instant(&self, at: MarketTime) -> Option<Instant> {
        let Speed::Times(speed) = self.speed else { return None };
        if self.lock_step.is_some() || !self.started || self.over || at == MarketTime::MAX {
            return None;
        }
        let wait = at.since(self.origin.0).div_f64(speed);
        self.origin.1.checked_add(wait)
    }

    fn hold(&mut self, decided: Vec<(Symbol, MarketTime)>) {
        if let Some(step) = &mut self.lock_step {
            step.hold(decided, Instant::now());
        }
    }

    fn hold_until_heard(&mut self, time: MarketTime) {
        if let Some(step) = &mut self.lock_step {
            step.hold_until_heard(time, Instant::now());
        }
    }

    /// When the instant `next` is due; `None` where that is now.
    fn due(&mut self, next: MarketTime, may_jump: bool, real: Instant) -> Option<Instant> {
        if may_jump && self.in_bar.is_empty() {
            // No tape has a bar before it: there is nothing to wait for.
            self.origin = (next, real);
            return None;
        }
        let speed = match (&self.lock_step, self.speed) {
            (_, Speed::Times(times)) => times,
            (Some(step), Speed::Max) if !step.ready() => UNATTENDED,
            (_, Speed::Max) => return None,
        };
        let due = self.origin.1 + next.since(self.origin.0).div_f64(speed);
        if real < due {
            return Some(due);
        }
        // In lock-step the speed is a bound on every step: time spent waiting is not caught up.
        if self.lock_step.is_some() || real.duration_since(due) > LATE {
            self.origin = (next, real);
        }
        None
    }
}

impl Engine {
    /// Moves the market as far as it may move now: at most one action of the tape.
    pub(super) fn advance(&mut self) -> Wake {
        let real = Instant::now();
        let mut wake = self.housekeeping(real);
        if let Some(step) = &mut self.driver.lock_step {
            match step.verdict(&self.driver.counts, real) {
                Verdict::GoOn => {}
                Verdict::Hold(until) => return wake.min(Wake::At(until)),
                Verdict::Gone => return wake,
            }
        }
        if let Some(action) = self.driver.queue.pop_front() {
            self.perform(action);
            return Wake::Now;
        }
        if self.driver.over || !self.may_start() {
            return wake;
        }
        let Some(next) = self.market.next_instant() else {
            if self.market.finished() {
                self.finish();
                return Wake::Now;
            }
            return wake;
        };
        match self.driver.due(next, self.market.is_replay(), real) {
            Some(due) => wake = wake.min(Wake::At(due)),
            None => {
                self.plan();
                return Wake::Now;
            }
        }
        if !self.driver.is_lock_step() {
            if self.driver.next_forming <= real {
                self.driver.next_forming = real + FORMING_EVERY;
                self.publish_forming(real);
            }
            wake = wake.min(Wake::At(self.driver.next_forming));
        }
        wake
    }

    /// Whether the tape moves at all. A replay stands still at its first bar until bars of all
    /// named symbols (or of any, where none is named) are subscribed.
    fn may_start(&mut self) -> bool {
        if self.driver.started {
            return true;
        }
        if self.market.is_replay() && !self.all_watched() {
            return false;
        }
        info!(at = %self.market.clock(), speed = %self.driver.speed, "the market moves");
        self.driver.started = true;
        self.driver.origin = (self.driver.floor, Instant::now());
        true
    }

    fn all_watched(&self) -> bool {
        let watched: BTreeSet<&Symbol> = self.watched().into_iter().filter_map(|id| self.listed.get(&id)).collect();
        match self.config.symbols.is_empty() {
            true => !watched.is_empty(),
            false => self.config.symbols.iter().all(|symbol| watched.contains(symbol)),
        }
    }

    fn finish(&mut self) {
        self.driver.over = true;
        info!(at = %self.now, "the tape has been played to its end");
        self.finished.send_replace(true);
    }

    /// See the driver's.
    pub(in crate::simulator) fn real_instant(&self, at: MarketTime) -> Option<Instant> {
        self.driver.real_instant(at)
    }

    /// Takes the next instant from the tape and queues its actions.
    fn plan(&mut self) {
        let steps = self.market.steps_at();
        let at = self.market.clock();
        self.driver.instant = at;
        self.now = self.driver.now(&self.market, Instant::now());
        let mut closes: BTreeMap<Symbol, (ContractId, Option<Bar>)> = BTreeMap::new();
        let mut opens = Vec::new();
        for step in steps {
            match step {
                Step::End { contract, bar } => {
                    if let Some(symbol) = self.listed.get(&contract) {
                        closes.insert(*symbol, (contract, Some(bar)));
                    }
                }
                Step::Open { contract, at, price } => opens.push((contract, at, price)),
            }
        }
        for contract in self.streams_ending(at) {
            if let Some(symbol) = self.listed.get(&contract) {
                closes.entry(*symbol).or_insert((contract, None));
            }
        }
        let session_end =
            *self.driver.session_end.get_or_insert_with(|| self.calendar.next_close(at - Duration::from_secs(1)));
        if session_end < at {
            self.driver.queue.push_back(Action::EndOfSession { at: session_end });
        }
        let next = |contract| opens.iter().find(|(opening, _, _)| *opening == contract).map(|(_, _, price)| *price);
        let closes = closes.into_iter().map(|(symbol, (contract, bar))| {
            let next = next(contract);
            // Whoever builds bars of 5-second ones sees no update of the next bar.
            let announced =
                next.is_some() && bar.is_none_or(|bar| self.decided_by_aggregates(contract, &bar).is_none());
            Action::Close { symbol, contract, bar, next, announced }
        });
        let (followed, last): (Vec<Action>, Vec<Action>) =
            closes.partition(|action| matches!(action, Action::Close { announced: true, .. }));
        self.driver.queue.extend(followed);
        if !last.is_empty() {
            self.driver.queue.extend(last);
            self.driver.queue.push_back(Action::Announce);
        }
        if session_end == at {
            self.driver.queue.push_back(Action::EndOfSession { at });
        }
        if session_end <= at {
            self.driver.session_end = Some(self.calendar.next_close(at));
        }
        let opens = opens.into_iter().map(|(contract, at, price)| Action::Open { contract, at, price });
        self.driver.queue.extend(opens);
    }

    /// Does the rest of an instant that has begun, so that a kept state never lies within one.
    pub(super) fn finish_instant(&mut self) {
        while let Some(action) = self.driver.queue.pop_front() {
            self.perform(action);
        }
    }

    fn perform(&mut self, action: Action) {
        let at = self.driver.instant;
        match action {
            Action::Close { symbol, contract, bar, next, announced } => {
                if let Some(bar) = &bar {
                    self.driver.in_bar.remove(&contract);
                    if !self.is_halted(contract) {
                        let events = self.exchange.close(contract, bar, self.is_regular(bar.time));
                        self.deliver(events);
                    }
                }
                let ended = self.publish_close(contract, bar.as_ref(), next, at).map(|end| (symbol, end));
                if announced {
                    self.driver.hold(ended.into_iter().collect());
                } else {
                    self.driver.unannounced.extend(ended);
                    self.driver.hold(Vec::new());
                }
            }
            Action::Announce => {
                let ended = std::mem::take(&mut self.driver.unannounced);
                if !ended.is_empty() && self.driver.is_lock_step() {
                    self.driver.floor = self.driver.floor.max(at + CLOSED_AFTER);
                }
                self.driver.hold(ended);
            }
            Action::EndOfSession { at } => {
                for contract in self.listed.keys().copied().collect::<Vec<_>>() {
                    let events = self.exchange.end_of_session(contract, at);
                    self.deliver(events);
                }
                self.exchange.end_of_day();
                self.forget_old_orders(at);
                self.driver.hold(Vec::new());
            }
            Action::Open { contract, at, price } => {
                self.driver.in_bar.insert(contract);
                self.wake_sleeping(contract);
                if !self.is_halted(contract) {
                    let events = self.exchange.open(contract, at, price, self.is_regular(at));
                    self.deliver(events);
                }
                self.publish_open(contract, at, price);
                let date = self.calendar.date_of(at);
                if self.driver.opened != Some(date) && self.is_regular(at) {
                    self.driver.opened = Some(date);
                    self.driver.hold_until_heard(at);
                } else {
                    self.driver.hold(Vec::new());
                }
            }
        }
    }

    /// Whether an instant lies in regular hours.
    pub(super) fn is_regular(&self, at: MarketTime) -> bool {
        self.calendar.is_regular(at)
    }

    /// What is done about once a second of real time, whatever the market does.
    fn housekeeping(&mut self, real: Instant) -> Wake {
        if self.driver.next_housekeeping <= real {
            self.driver.next_housekeeping = real + HOUSEKEEPING_EVERY;
            let due = self.now.since(self.driver.balances_at) >= BALANCES_EVERY;
            if due {
                self.driver.balances_at = self.now;
            }
            self.publish_balances(due);
        }
        Wake::At(self.driver.next_housekeeping)
    }
}
