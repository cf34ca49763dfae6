//! Starting a simulator, and the handle of one that runs.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::config::{SimulatorConfig, SimulatorError, Source, Speed};
use super::door::{Door, Gate};
use super::engine::acts::{Act, Asked};
use super::engine::{Engine, Parts};
use super::faults::control::Told;
use super::faults::{Faults, Rule, RuleStatus, Scenario};
use super::market::{Market, Series, SyntheticConfig};
use super::sessions::Input;
use super::state::{self, Keeper, Kept};
use super::summary::Summary;
use super::{sessions, words};
use crate::bar_files;
use crate::calendar::Calendar;
use crate::clock::wall_now;
use crate::domain::MarketTime;

/// Messages of all clients that may wait for the engine; a client that sends more is held back by
/// TCP.
const INBOX: usize = 1_024;
/// What may wait to be told to a simulator.
const TOLD: usize = 16;
/// How much synthetic past can be asked for.
pub(super) const HISTORY: Duration = Duration::from_secs(2 * 366 * 86_400);

/// Starts a simulator: reads what was kept, opens its port, and serves from then on.
///
/// # Errors
/// What keeps it from starting; nothing has been changed then.
pub async fn start(config: SimulatorConfig) -> Result<Running, SimulatorError> {
    if config.speed == Speed::Max && config.progress.is_none() {
        return Err(SimulatorError::MaxSpeedAlone);
    }
    config.scenario.check()?;
    let kept = state::load(&config)?;
    let start = wall_now().max(kept.clock.unwrap_or(MarketTime::MIN));
    let market = open_market(&config, &kept, start)?;
    // A replay's time is its tape's; an invented market's clock stands on whole bars.
    let start = if market.is_replay() { market.clock() } else { start };
    let calendar = market.calendar();
    let address = config.listen;
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|source| SimulatorError::Listen { address, source })?;
    let address = listener.local_addr().map_err(|source| SimulatorError::Listen { address, source })?;
    let keeper = Keeper::new(&config)?;
    let (finished, tape_finished) = watch::channel(false);
    let (inbox, inputs) = mpsc::channel(INBOX);
    let stop = CancellationToken::new();
    let message_rate = config.message_rate;
    let exchange_id = kept.exchange_id.clone();
    let begins = if kept.clock.is_some() { "goes on" } else { "begins" };
    info!(
        %address,
        account = %config.account,
        exchange = %exchange_id,
        clock = %words::date_time_zone(start),
        speed = %config.speed,
        "the simulator {begins}"
    );
    if market.finished() {
        warn!("the tape has been played to its end before; --fresh begins it anew");
    }
    let faults = Faults::new(config.seed);
    let gate = faults.gate.subscribe();
    let (seen, door) = watch::channel(Gate::default());
    let (at_door, tap) = ((gate.clone(), seen), config.tap.clone());
    let (tell, told) = mpsc::channel(TOLD);
    let engine = Engine::new(Parts { config, market, calendar, start, kept, keeper, finished, faults });
    let mut tasks = JoinSet::new();
    let (serve, run) = (stop.clone(), stop.clone());
    let acts = inbox.clone();
    tasks.spawn(async move {
        sessions::serve(Door::new(listener, address), inbox, message_rate, at_door, tap, serve).await;
        Ok(None)
    });
    tasks.spawn(async move {
        // Whatever ends the engine ends the connections too.
        let guard = run.clone().drop_guard();
        let summary = engine.run(inputs, told, run).await;
        drop(guard);
        summary.map(Some)
    });
    Ok(Running { address, exchange_id, tape_finished, acts, tell, gate, door, stop, tasks })
}

/// The market, its clock moved to where it was when the state was kept.
fn open_market(config: &SimulatorConfig, kept: &Kept, start: MarketTime) -> Result<Market, SimulatorError> {
    let mut market = match &config.source {
        Source::Synthetic { always_open } => {
            Market::synthetic(SyntheticConfig { seed: config.seed, start, always_open: *always_open, history: HISTORY })
        }
        Source::Replay { dir } => {
            let calendar = Calendar::Xnys;
            let mut series = Vec::new();
            for file in bar_files::discover(dir)? {
                let bars = bar_files::read(&file.path, file.size, calendar)?;
                series.push(Series { symbol: file.symbol, size: file.size, bars });
            }
            if series.is_empty() {
                return Err(SimulatorError::NoBars { dir: dir.clone() });
            }
            Market::replay(series, calendar)?
        }
    };
    if !config.symbols.is_empty() {
        market.stand_before(&config.symbols);
    }
    if let Some(clock) = kept.clock.filter(|_| market.is_replay()) {
        market.resume_at(clock);
    }
    Ok(market)
}

/// A simulator that serves. Dropping it ends it at once; [`Running::stop`] ends it in order.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// The exchange's own id, kept across restarts.
    pub exchange_id: String,
    tape_finished: watch::Receiver<bool>,
    acts: mpsc::Sender<Input>,
    tell: mpsc::Sender<Told>,
    /// What is to stand at the port, and what does.
    gate: watch::Receiver<Gate>,
    door: watch::Receiver<Gate>,
    stop: CancellationToken,
    tasks: JoinSet<Result<Option<Summary>, SimulatorError>>,
}

impl Running {
    /// Becomes true when the tape has been played to its end.
    pub fn tape_finished(&self) -> watch::Receiver<bool> {
        self.tape_finished.clone()
    }

    /// Resolves when the simulator ends by itself: at the tape's end where asked for, or by a
    /// fault that [`Running::stop`] then reports.
    pub fn ended(&self) -> impl Future<Output = ()> + use<> {
        let stop = self.stop.clone();
        async move { stop.cancelled().await }
    }

    /// Makes something happen that no client asks for; it has happened when this returns.
    ///
    /// # Errors
    /// What kept it from happening.
    pub async fn act(&self, act: Act) -> Result<(), SimulatorError> {
        let (answer, answered) = oneshot::channel();
        let ended = || SimulatorError::Task("the engine has ended".to_owned());
        self.acts.send(Input::Act(Asked { act, answer })).await.map_err(|_| ended())?;
        answered.await.map_err(|_| ended())?.map_err(SimulatorError::Act)
    }

    /// Puts a rule into force (a fault alone: at once); what is due at once has happened when this
    /// returns. Returns the rule's number.
    ///
    /// # Errors
    /// The rule will not do, or the simulator has ended.
    pub async fn inject(&self, rule: impl Into<Rule>) -> Result<u64, SimulatorError> {
        self.play(Scenario { rules: vec![rule.into()] }).await
    }

    /// Puts a scenario's rules into force. Returns the number of the last.
    ///
    /// # Errors
    /// A rule will not do, or the simulator has ended.
    pub async fn play(&self, scenario: Scenario) -> Result<u64, SimulatorError> {
        scenario.check()?;
        let number = self.ask(|answer| Told::Arm(scenario.rules, answer)).await?;
        self.at_the_door().await;
        Ok(number)
    }

    /// Ends every fault and forgets every rule; what was held back comes.
    ///
    /// # Errors
    /// The simulator has ended.
    pub async fn clear(&self) -> Result<(), SimulatorError> {
        self.ask(Told::Clear).await?;
        self.at_the_door().await;
        Ok(())
    }

    /// How the rules stand, and how often each has fired.
    ///
    /// # Errors
    /// The simulator has ended.
    pub async fn rules(&self) -> Result<Vec<RuleStatus>, SimulatorError> {
        self.ask(Told::Status).await
    }

    /// How the account stands now.
    ///
    /// # Errors
    /// The simulator has ended.
    pub async fn account(&self) -> Result<Summary, SimulatorError> {
        self.ask(Told::Account).await
    }

    /// Says an operator's line: a rule, `status`, `clear`, `account` or `help`. The answer tells
    /// what became of it.
    ///
    /// # Errors
    /// The simulator has ended.
    pub async fn tell(&self, line: &str) -> Result<String, SimulatorError> {
        self.ask(|answer| Told::Line(line.to_owned(), answer)).await
    }

    /// The way in for others that tell it something.
    pub fn ear(&self) -> mpsc::Sender<Told> {
        self.tell.clone()
    }

    /// Waits until the port is as it is to be.
    async fn at_the_door(&self) {
        let mut door = self.door.clone();
        // Its end is the simulator's: nobody waits for that here.
        if door.wait_for(|door| *door == *self.gate.borrow()).await.is_err() {}
    }

    async fn ask<T>(&self, what: impl FnOnce(oneshot::Sender<T>) -> Told) -> Result<T, SimulatorError> {
        let (answer, answered) = oneshot::channel();
        self.tell.send(what(answer)).await.map_err(|_| SimulatorError::Ended)?;
        answered.await.map_err(|_| SimulatorError::Ended)
    }

    /// Closes all connections, keeps the state, and says how the account stands.
    ///
    /// # Errors
    /// The state cannot be kept, or a task had failed.
    pub async fn stop(mut self) -> Result<Summary, SimulatorError> {
        self.stop.cancel();
        let mut summary = None;
        while let Some(ended) = self.tasks.join_next().await {
            let ended = ended.map_err(|error: JoinError| SimulatorError::Task(error.to_string()))??;
            summary = ended.or(summary);
        }
        summary.ok_or_else(|| SimulatorError::Task("the engine ended without a summary".to_owned()))
    }
}
