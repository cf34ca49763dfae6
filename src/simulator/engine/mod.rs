//! The engine: one task owns the exchange, the market and the table of clients.
//!
//! It takes turns: one input of a connection, or one piece of the tape; then it keeps what has
//! changed and lets the frames of the turn go. Nothing else touches its state, so nothing locks.

pub mod acts;
pub mod clients;
mod driver;
mod hours;
mod lockstep;
mod orders;
mod publish;
mod recent;
mod rules;
pub mod streams;

use std::collections::BTreeMap;

use prost::Message;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::clients::Clients;
use self::driver::{Driver, Wake};
use self::lockstep::Counts;
use self::rules::MarketRules;
use super::config::{SimulatorConfig, SimulatorError};
use super::faults::Faults;
use super::faults::control::Told;
use super::requests;
use super::sessions::{ConnectionId, Input};
use super::state::{Keeper, Kept};
use super::summary::Summary;
use super::wire::ids::answer;
use super::wire::{hello, session};
use crate::calendar::Calendar;
use crate::domain::{ContractId, MarketTime, Symbol};
use crate::exchange::{Borrow, Exchange};
use crate::simulator::market::{Listing, Market};

/// Inputs taken in one turn at most, so that a busy client cannot stop the market.
const INPUTS_A_TURN: usize = 64;

/// See the module.
pub struct Engine {
    pub(super) config: SimulatorConfig,
    pub(super) calendar: Calendar,
    pub(super) exchange_id: String,
    pub(super) exchange: Exchange,
    pub(super) market: Market,
    pub(super) clients: Clients,
    /// The next order id of each client id; only ever grows.
    pub(super) next_ids: BTreeMap<i32, i32>,
    pub(super) market_rules: MarketRules,
    /// Contracts that somebody asked about, listed at the exchange, by id.
    pub(super) listed: BTreeMap<ContractId, Symbol>,
    /// Polled bars, for telling that a symbol of a replay is in use (see `watching`).
    pub(super) polled: BTreeMap<(ContractId, String), u32>,
    /// Market time at the start of this process.
    pub(super) began: MarketTime,
    /// Market time of this turn.
    pub(super) now: MarketTime,
    /// Whether something happened that must be kept before anyone hears of it.
    pub(super) dirty: bool,
    /// Whether fills have moved balances since they were last published.
    pub(super) balances_moved: bool,
    pub(super) recent: recent::Recent,
    /// What goes wrong on demand.
    pub(super) faults: Faults,
    /// Messages of clients served so far.
    pub(super) served: u64,
    driver: Driver,
    keeper: Keeper,
    finished: watch::Sender<bool>,
}

/// What an engine is made of.
pub struct Parts {
    /// What the simulator was told.
    pub config: SimulatorConfig,
    /// The market.
    pub market: Market,
    /// Its calendar.
    pub calendar: Calendar,
    /// Broker time to begin with: at the market's clock or a little after it.
    pub start: MarketTime,
    /// What was kept, or a new beginning.
    pub kept: Kept,
    /// Where it is kept.
    pub keeper: Keeper,
    /// Says when the tape has been played.
    pub finished: watch::Sender<bool>,
    /// What goes wrong on demand; its rules are the configuration's.
    pub faults: Faults,
}

impl Engine {
    /// Puts the parts together; contracts of what was kept are listed again.
    pub fn new(parts: Parts) -> Self {
        let Parts { config, market, calendar, start, kept, keeper, finished, faults } = parts;
        let mut driver = Driver::new(config.speed, config.progress.clone(), start);
        driver.counts = Counts::of(&kept.exchange, kept.executions);
        let mut engine = Self {
            began: market.clock(),
            now: start,
            exchange_id: kept.exchange_id,
            exchange: kept.exchange,
            next_ids: kept.next_ids,
            clients: Clients::default(),
            market_rules: MarketRules::default(),
            listed: BTreeMap::new(),
            polled: BTreeMap::new(),
            dirty: true,
            balances_moved: false,
            recent: recent::Recent::default(),
            faults,
            served: 0,
            config,
            calendar,
            market,
            driver,
            keeper,
            finished,
        };
        for symbol in kept.symbols {
            if engine.find(&symbol).is_none() {
                warn!(%symbol, "the kept state knows a symbol that this market does not have");
            }
        }
        for symbol in std::mem::take(&mut engine.config.symbols) {
            if engine.find(&symbol).is_some() {
                engine.config.symbols.push(symbol);
            } else {
                warn!(%symbol, "this market does not have the symbol; nobody waits for it");
            }
        }
        engine.activate_what_is_held();
        let rules = std::mem::take(&mut engine.config.scenario.rules);
        if !rules.is_empty() {
            info!(rules = rules.len(), "a scenario of faults is played");
            engine.arm(rules);
        }
        engine
    }

    /// Serves until told to stop (or, where asked for, until the tape's end).
    ///
    /// # Errors
    /// State that cannot be kept.
    pub async fn run(
        mut self,
        mut inputs: mpsc::Receiver<Input>,
        mut told: mpsc::Receiver<Told>,
        stop: CancellationToken,
    ) -> Result<Summary, SimulatorError> {
        loop {
            self.now = self.driver.now(&self.market, Instant::now());
            if !self.market.is_replay() && self.market.next_instant().is_none() {
                // Nothing trades yet; the market's clock keeps up with the time that is served.
                self.market.resume_at(self.now);
            }
            let mut wake = self.advance();
            self.time_faults();
            self.end_turn().await?;
            if let Some(at) = self.next_fault() {
                wake = wake.min(Wake::At(at));
            }
            if *self.finished.borrow() && self.config.exit_at_end {
                break;
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(told) = told.recv() => {
                    self.now = self.driver.now(&self.market, Instant::now());
                    self.told(told);
                }
                input = inputs.recv() => match input {
                    Some(input) => {
                        self.now = self.driver.now(&self.market, Instant::now());
                        self.take(input);
                        for _ in 1..INPUTS_A_TURN {
                            let Ok(input) = inputs.try_recv() else { break };
                            self.take(input);
                        }
                    }
                    None => break,
                },
                () = self.driver.progress_changed() => {}
                () = wait(wake) => {}
            }
        }
        // Whatever still comes from connections comes too late: they are closed by this.
        drop(inputs);
        self.finish_instant();
        self.end_turn().await?;
        self.keep().await?;
        Ok(self.summary())
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Joined { connection, peer, version, outbox } => {
                info!(%peer, version, "client connected");
                let version = self.version_spoken(version);
                self.clients.join(connection, peer, outbox, hello::reply(version, self.now));
                self.fault_joined(connection);
            }
            Input::Frame { connection, frame, breach: Some(breach) } => {
                requests::too_fast(self, connection, &frame, breach);
            }
            Input::Frame { connection, frame, breach: None } => self.receive(connection, frame),
            Input::Left { connection } => {
                self.clients.leave(connection);
                self.fault_left(connection);
            }
            Input::Act(asked) => self.act(asked),
        }
    }

    /// Keeps what must not be forgotten, then lets the frames of this turn go.
    async fn end_turn(&mut self) -> Result<(), SimulatorError> {
        if self.dirty || self.keeper.is_due(self.now, Instant::now()) {
            self.keep().await?;
        }
        self.send_through_faults();
        self.clients.flush();
        Ok(())
    }

    async fn keep(&mut self) -> Result<(), SimulatorError> {
        self.dirty = false;
        if !self.keeper.is_on() {
            return Ok(());
        }
        let kept = super::state::View {
            exchange_id: &self.exchange_id,
            account: &self.config.account,
            // A tape goes on where it stopped; an invented market where broker time was.
            clock: if self.market.is_replay() { self.market.clock() } else { self.now },
            symbols: self.listed.values().collect(),
            next_ids: &self.next_ids,
            exchange: &self.exchange,
            executions: self.driver.counts.executions(),
        };
        self.keeper.keep(&kept, Instant::now()).await
    }

    /// Sends one message to a client, at the end of this turn.
    pub(super) fn send(&mut self, to: ConnectionId, id: i32, message: &impl Message) {
        self.clients.send(to, id, message);
    }

    /// Sends an error message; `id` is a request or order id, -1 for none.
    pub(super) fn error(&mut self, to: ConnectionId, id: i32, code: i32, text: impl Into<String>) {
        let message = session::ErrorMessage {
            id: Some(id),
            error_time: Some(self.now.millis()),
            error_code: Some(code),
            error_msg: Some(text.into()),
            advanced_order_reject_json: None,
        };
        self.clients.send(to, answer::ERROR, &message);
    }

    /// The listing of a symbol; from now on it can be traded.
    pub(super) fn find(&mut self, symbol: &Symbol) -> Option<Listing> {
        let listing = self.market.lookup(symbol)?;
        let contract = listing.contract.id;
        if self.listed.insert(contract, *symbol).is_none() {
            self.exchange.list(contract, listing.contract.price_rule.clone());
            let hard = self.config.hard_to_borrow.contains(symbol);
            self.exchange.set_borrow(contract, if hard { Borrow::Locate } else { Borrow::Easy });
        }
        Some(listing)
    }

    /// A contract comes into use: it becomes part of the tape.
    pub(super) fn activate(&mut self, contract: ContractId) {
        self.market.activate(contract);
    }

    /// Held contracts and those of working orders need a tape, whoever is connected.
    fn activate_what_is_held(&mut self) {
        let mut contracts: Vec<ContractId> = self.exchange.live_orders().map(|order| order.order.contract).collect();
        if let Some(view) = self.exchange.account(&self.config.account) {
            contracts.extend(view.positions.keys().copied());
        }
        for contract in contracts {
            self.activate(contract);
        }
    }

    /// The account as it stands.
    pub(super) fn summary(&self) -> Summary {
        Summary::of(&self.config.account, &self.exchange_id, &self.exchange, &self.listed, self.now)
    }
}

async fn wait(wake: Wake) {
    match wake {
        // Lets connections run before the next piece of the tape.
        Wake::Now => tokio::task::yield_now().await,
        Wake::At(at) => sleep_until(at).await,
    }
}
