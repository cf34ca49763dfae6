//! The runner: gets sessions one after another, keeps the desk across them, shuts down cleanly.

pub mod alerts;
mod alive;
mod answers;
mod bars;
pub mod board;
mod command;
mod conditions;
mod configured;
mod contracts;
pub mod desk_loop;
mod early;
pub mod exit;
mod fact_log;
pub mod guests;
mod heartbeat;
pub mod histogram;
pub mod layers;
mod ledger;
pub mod lock;
pub mod measured;
mod notices;
pub mod operate;
pub mod outbox;
pub mod outlook;
mod permitted;
mod reads;
pub mod reload;
mod request;
mod safety;
mod scope;
pub mod stages;
pub mod summary;
pub mod tool;
pub mod view;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Notify, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error, trace_span, warn};

use crate::config::{Durability, Settings};
use crate::desk::{Desk, Event};
use crate::domain::book::Counts;
use crate::domain::progress::Progress;
use crate::domain::{Bar, Contract, Symbol};
use crate::feed::Track;
use crate::robust_connection::RobustConnection;
use crate::service_manager::ServiceManager;
use crate::tws::{Gateway, Session};
use crate::{clock, control};

use alerts::Alerts;
use configured::{feed_config, policy, tws_config};
use contracts::{Contracts, Unresolved};
use desk_loop::{Command, DeskError, DeskLoop, Inputs};
use early::Early;
pub use exit::RunError;
use layers::Layers;
pub use ledger::put_aside as put_ledger_aside;
use lock::{LockError, ProcessLock};
use measured::Stats;
use operate::{Operated, Reply};
use outlook::Outlook;
use scope::{Ended, Scope};
pub use summary::Summary;
use view::DeskView;

/// Part of the grace time that closing a session may take.
const CLOSING: f64 = 0.2;

/// The control socket's name in the state directory.
pub const CONTROL_SOCKET: &str = "control.sock";

/// The target of spans: of what takes time, for a collector of traces and for no log.
pub const TRACES: &str = "robo_trader::traces";

/// Events that may wait for the desk.
const INBOX: usize = 1_024;

/// Everything a run needs besides its settings.
pub struct RunConfig {
    /// The settings.
    pub settings: Settings,
    /// Where all state lies.
    pub state_dir: PathBuf,
    /// `--confirm-live`.
    pub confirmed_live: bool,
    /// `--once`.
    pub once: bool,
    /// Seed of the backoff's jitter and of the ledger's id; `None`: drawn.
    pub seed: Option<u64>,
    /// Where progress is published (for a simulator in lock-step).
    pub progress: watch::Sender<Progress>,
    /// Told to stop.
    pub stop: CancellationToken,
    /// Where everything is shown to whoever looks; `None`: nobody does.
    pub board: Option<Arc<board::Board>>,
    /// Reads the settings anew, where somebody can.
    pub reload: Option<Arc<reload::Reload>>,
}

/// Runs until stopped, until `--once` is done, or until nothing can be done any more.
///
/// # Errors
/// Why it cannot go on; its exit code says whether to start it again.
pub async fn run(config: RunConfig) -> (Summary, Result<(), RunError>) {
    let notify = config.settings.notify.clone();
    let mut runner = match Runner::new(config) {
        Ok(runner) => runner,
        Err(error) => {
            let another = matches!(error, RunError::Lock(LockError::Held { .. }));
            alerts::not_started(&notify, &error.to_string(), another).await;
            return (Summary::nothing(), Err(error));
        }
    };
    let manager = runner.manager.clone();
    let result = runner.sessions().await;
    let alerts = runner.alerts.take();
    manager.stopping();
    let (summary, result) = runner.finish(result).await;
    manager.status(&result.as_ref().map_or_else(|error| format!("ended: {error}"), |()| "ended, as asked".to_owned()));
    if let Some(alerts) = alerts {
        alerts.end(&result).await;
    }
    (summary, result)
}

/// The desk's task and the ways to it.
struct DeskTask {
    task: JoinSet<Result<Desk, DeskError>>,
    events: mpsc::Sender<Event>,
    commands: mpsc::Sender<Command>,
    barriers: mpsc::Sender<oneshot::Sender<()>>,
    view: watch::Receiver<Arc<DeskView>>,
    before: Counts,
    identity: ledger::Identity,
    _account_lock: ProcessLock,
}

struct Runner {
    config: RunConfig,
    tracks: BTreeMap<Symbol, Arc<Mutex<Track>>>,
    desk: Option<DeskTask>,
    connection: RobustConnection<Gateway>,
    layers: Layers,
    compare: Arc<Notify>,
    operated: watch::Sender<Option<mpsc::Sender<Command>>>,
    watchers: JoinSet<()>,
    guests: guests::Door,
    early: Early,
    alerts: Option<Alerts>,
    answered: watch::Sender<Option<Instant>>,
    stats: Arc<Stats>,
    known: Contracts,
    contracts: Vec<Contract>,
    shown: watch::Sender<Option<watch::Receiver<Arc<DeskView>>>>,
    manager: ServiceManager,
    _state_lock: ProcessLock,
}

impl Runner {
    fn new(config: RunConfig) -> Result<Self, RunError> {
        safety::before_dialling(&config.settings, config.confirmed_live)?;
        let lock_path = config.state_dir.join("robo-trader.lock");
        let state_lock = ProcessLock::take(&lock_path, &format!("state directory {}", config.state_dir.display()))?;
        let seed = config.seed.unwrap_or_else(|| clock::wall_now().millis().unsigned_abs());
        let layers = Layers::new(config.settings.guards.expected.clone());
        // Until a session has told that IBKR is at the other end, its own windows mean nothing.
        layers.ignore_outages(config.settings.has_default_windows());
        let stats = config.board.as_ref().map(|board| Arc::clone(board.stats())).unwrap_or_default();
        let gateway = gateway(&config.settings, &layers, &stats);
        let connection = RobustConnection::new(gateway, policy(&config.settings), seed);
        let shown = watch::Sender::new(None);
        let mut watchers = JoinSet::new();
        watchers.spawn(layers.clone().follow(connection.state()));
        watchers.spawn(layers.clone().escalate());
        let (compare, operated, guests) = (Arc::new(Notify::new()), watch::Sender::new(None), guests::Door::new(None));
        let (asked, asked_in) = mpsc::channel(16);
        stats.channel("operators", &asked);
        let control = control::bind(&config.state_dir.join(CONTROL_SOCKET))?;
        let symbols = config.settings.symbols.iter().map(|(symbol, _)| *symbol).collect();
        let early = Early::new(symbols, &config.state_dir);
        let dashboard = config.board.as_ref().map(|board| board.dashboard()).unwrap_or_default();
        let outlook = Outlook::new(connection.state(), shown.subscribe(), &layers, dashboard, &stats, &early);
        watchers.spawn(outlook.clone().follow());
        if let Some(board) = &config.board {
            board.attach(outlook.clone(), asked.clone());
            watchers.spawn(Arc::clone(board).follow(outlook.clone()));
        }
        watchers.spawn(control::serve(control, asked, |why| Reply::later(why).line(), config.stop.clone()));
        let answered = watch::Sender::new(None);
        stats.alive_by(answered.subscribe());
        let notify = &config.settings.notify;
        let alerts = Alerts::start(notify, &layers, connection.state(), shown.subscribe(), answered.subscribe());
        stats.told_by(alerts.notifier());
        let operator = Operated {
            notifier: alerts.notifier(),
            outlook: outlook.clone(),
            commands: operated.subscribe(),
            stop: config.stop.clone(),
            reload: config.reload.clone(),
            compare: Arc::clone(&compare),
            guests: guests::Guests(guests.subscribe()),
            board: config.board.clone(),
            log_file: config.settings.log_file.clone(),
        };
        watchers.spawn(operator.answer(asked_in));
        let manager = ServiceManager::from_environment();
        watchers.spawn(alive::report(manager.clone(), outlook.clone(), config.stop.clone()));
        let (every, symbols) = (config.settings.heartbeat_interval, config.settings.symbols.len());
        watchers.spawn(heartbeat::beat(every, outlook.clone(), symbols));
        Ok(Self {
            config,
            tracks: BTreeMap::new(),
            desk: None,
            connection,
            layers,
            compare,
            operated,
            watchers,
            guests,
            early,
            alerts: Some(alerts),
            answered,
            stats,
            known: Contracts::default(),
            contracts: Vec::new(),
            shown,
            manager,
            _state_lock: state_lock,
        })
    }

    /// One session after another, until told to stop.
    async fn sessions(&mut self) -> Result<(), RunError> {
        loop {
            let stop = self.config.stop.clone();
            let session = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                session = self.connection.session().instrument(trace_span!(target: TRACES, "dial")) => session?,
            };
            let ended = self.session(&session).await;
            self.detach(&ended).await;
            let patience = self.config.settings.shutdown_grace.mul_f64(CLOSING);
            if tokio::time::timeout(patience, session.close()).await.is_err() {
                warn!("the session did not close in time: it is dropped");
            }
            match ended {
                Ended::Done => return Ok(()),
                Ended::Failed(error) => return Err(error),
                Ended::Lost { why, was_ready } => self.connection.lost(&why, !was_ready),
            }
            self.desk_is_alive().await?;
        }
    }

    async fn session(&mut self, session: &Session) -> Ended {
        let stop = self.config.stop.clone();
        let opened = tokio::select! {
            opened = self.open(session) => opened,
            // Nothing was sent in this session yet: there is nothing to wind down.
            () = stop.cancelled() => return Ended::Done,
        };
        match opened {
            Ok(()) => {}
            Err(Opening::Lost(why)) => return Ended::Lost { why, was_ready: false },
            Err(Opening::Failed(error)) => return Ended::Failed(error),
        }
        let Some(desk) = &self.desk else {
            return Ended::Failed(RunError::Internal("no desk after opening".into()));
        };
        let scope = Scope {
            settings: &self.config.settings,
            session: session.clone(),
            contracts: self.contracts.clone(),
            tracks: &self.tracks,
            events: desk.events.clone(),
            commands: desk.commands.clone(),
            barriers: desk.barriers.clone(),
            layers: self.layers.clone(),
            compare: Arc::clone(&self.compare),
            guests: self.guests.clone(),
            view: desk.view.clone(),
            feed: feed_config(&self.config.settings, &self.stats.ticks),
            stats: Arc::clone(&self.stats),
            once: self.config.once,
            stop: self.config.stop.clone(),
        };
        let connection = &mut self.connection;
        scope.run(|| connection.held()).await
    }

    /// Checks the session and, the first time, opens the ledger and starts the desk. Nothing is
    /// written before everything that can be checked was.
    async fn open(&mut self, session: &Session) -> Result<(), Opening> {
        let settings = &self.config.settings;
        safety::of_session(settings.mode, session.venue(), session.account())?;
        self.layers.ignore_outages(ledger::ignores_windows(settings, session.venue()));
        let now = session.server_time().await.map_err(|error| Opening::Lost(error.to_string()))?;
        let symbols = settings.symbols.iter().map(|(symbol, _)| symbol);
        let (calendar, first) = (settings.calendar, self.desk.is_none());
        self.contracts = self.known.resolve(session, symbols, calendar, now, settings.max_concurrent, first).await?;
        if let Some(desk) = &self.desk {
            desk.identity.check(session.venue(), session.account())?;
            return Ok(());
        }
        // Before the ledger: a daemon that may not trade the account must not begin a journal.
        let account_lock = {
            let settings = &self.config.settings.connection;
            let host = lock::host_name(&settings.host).await;
            let path = lock::account_lock_path(&host, settings.port, &session.account().0);
            ProcessLock::take(&path, &format!("account {} at {}:{}", session.account(), settings.host, settings.port))
                .map_err(RunError::from)?
        };
        let opened = ledger::open(&self.config, session, now)?;
        self.start_desk(opened, account_lock)?;
        Ok(())
    }

    fn start_desk(&mut self, opened: ledger::Opened, account_lock: ProcessLock) -> Result<(), Opening> {
        let settings = &self.config.settings;
        for (symbol, plan) in &settings.symbols {
            let strategy = crate::strategy::build_with(&plan.strategy, &plan.params, plan.script.as_ref());
            let strategy = strategy.map_err(RunError::from)?;
            let has_target = opened
                .desk
                .book()
                .targets()
                .any(|(id, name, _)| name == plan.strategy && opened.desk.book().symbol(id) == Some(symbol));
            let mut track = Track::new(*symbol, strategy, has_target || self.config.once);
            if let Some(board) = self.config.board.clone() {
                // What a script computes is its own: there is nothing of it to be drawn.
                if plan.script.is_none() {
                    let (name, params) = (plan.strategy.clone(), plan.params.clone());
                    board.draws(*symbol, move || crate::strategy::build(&name, &params).ok());
                }
                track.show_to(Arc::new(move |symbol: &Symbol, bars: &[Bar]| board.bars(symbol, bars)));
            }
            self.tracks.insert(*symbol, Arc::new(Mutex::new(track)));
        }
        let (events, events_in) = mpsc::channel(INBOX);
        let (commands, commands_in) = mpsc::channel(16);
        self.stats.channel("desk", &events);
        self.stats.channel("desk_commands", &commands);
        let (batches, waiting) = opened.writer.queue();
        self.stats.queue("journal", batches, waiting);
        let (barriers, barriers_in) = mpsc::channel(4);
        let (view, view_out) = watch::channel(Arc::new(DeskView::of(&opened.desk)));
        self.shown.send_replace(Some(view_out.clone()));
        let durable = settings.durability == Durability::Full;
        let before = opened.before;
        let progress = self.config.progress.clone();
        let (stats, within) = (Arc::clone(&self.stats), settings.ack_deadline);
        let teller = self.alerts.as_ref().and_then(Alerts::teller);
        if let Some(teller) = &teller {
            teller.standing(opened.desk.book(), &opened.unseen);
        }
        let desk_loop = DeskLoop::new(opened.desk, opened.writer, durable, within, progress, view, stats);
        let desk_loop = desk_loop.telling(teller);
        let desk_loop = desk_loop.shown_on(self.config.board.clone());
        let mut task = JoinSet::new();
        task.spawn(desk_loop.run(Inputs { events: events_in, commands: commands_in, barriers: barriers_in }));
        let stall = settings.desk_stall_abort.map(|after| alive::Stall::guard(after, || std::process::abort()));
        let stall = stall.transpose().map_err(|error| RunError::Internal(format!("DESK_STALL_ABORT: {error}")))?;
        self.watchers.spawn(alive::watch(barriers.clone(), self.manager.clone(), self.answered.clone(), stall));
        self.layers.report_to(Some(events.clone()));
        // Before any bar, which comes the same way: nothing is entered that was halted before there was a ledger.
        let halted = self.early.end(|halts| {
            let some = !halts.is_empty();
            let listed = self.contracts.iter().filter(|_| some).cloned().map(Event::Listed);
            for event in listed.chain(halts.into_iter().map(Event::Operator)) {
                if events.try_send(event).is_err() {
                    error!("a halt that waited for the ledger found no room: say it again");
                }
            }
            self.operated.send_replace(Some(commands.clone()));
        });
        if halted {
            self.watchers.spawn(self.early.clone().forget(barriers.clone()));
        }
        self.desk = Some(DeskTask {
            task,
            events,
            commands,
            barriers,
            view: view_out,
            before,
            identity: opened.identity,
            _account_lock: account_lock,
        });
        Ok(())
    }

    async fn detach(&self, ended: &Ended) {
        let Some(desk) = &self.desk else { return };
        let why = match ended {
            Ended::Lost { why, .. } => why.clone(),
            Ended::Done => "shut down".to_owned(),
            Ended::Failed(error) => error.to_string(),
        };
        // What the session's parts have said is decided before its end is: a notice that the link is
        // down, taken after it, would hold back the next session for ever.
        let (done, decided) = oneshot::channel();
        let drained = desk.barriers.send(done).await.is_ok() && decided.await.is_ok();
        let (done, answer) = oneshot::channel();
        let told = drained && desk.commands.send(Command::Detach { why, done }).await.is_ok();
        if !told || answer.await.is_err() {
            warn!("the desk loop has ended before its session");
        }
    }

    /// A desk loop that has ended by itself has failed: the process must not go on without it.
    async fn desk_is_alive(&mut self) -> Result<(), RunError> {
        let Some(desk) = &mut self.desk else { return Ok(()) };
        match desk.task.try_join_next() {
            None => Ok(()),
            Some(Ok(Err(error))) => Err(error.into()),
            Some(Ok(Ok(_))) => Err(RunError::Internal("the desk loop ended early".into())),
            Some(Err(error)) => Err(RunError::Internal(error.to_string())),
        }
    }

    /// Ends the desk loop after its last event, closes the journal, sums up.
    async fn finish(mut self, result: Result<(), RunError>) -> (Summary, Result<(), RunError>) {
        self.watchers.shutdown().await;
        self.layers.report_to(None);
        self.operated.send_replace(None);
        let Some(DeskTask { mut task, events, commands, barriers, before, .. }) = self.desk.take() else {
            return (Summary::nothing(), result);
        };
        drop((events, commands, barriers));
        let grace = self.config.settings.shutdown_grace.max(Duration::from_secs(1));
        match tokio::time::timeout(grace, task.join_next()).await {
            Ok(Some(Ok(Ok(desk)))) => (Summary::of(&desk, before), result),
            // The desk's own failure is the cause of whatever was seen of it elsewhere.
            Ok(Some(Ok(Err(error)))) => (Summary::nothing(), Err(error.into())),
            Ok(Some(Err(error))) => (Summary::nothing(), Err(RunError::Internal(error.to_string()))),
            Ok(None) => (Summary::nothing(), result),
            Err(_) => {
                error!("the desk loop did not end within the grace time");
                (Summary::nothing(), Err(RunError::Internal("the desk loop did not end".into())))
            }
        }
    }
}

/// What is dialled, by the settings.
fn gateway(settings: &Settings, layers: &Layers, stats: &Stats) -> Gateway {
    let planned = layers.clone();
    let gateway = Gateway::new(tws_config(settings))
        .planned_outages(Arc::new(move || planned.outage(clock::wall_now()).is_some()));
    stats.paced_by(gateway.budget());
    gateway
}

/// Why a session cannot be used.
enum Opening {
    Lost(String),
    Failed(RunError),
}

impl From<RunError> for Opening {
    fn from(error: RunError) -> Self {
        Self::Failed(error)
    }
}

impl From<Unresolved> for Opening {
    fn from(unresolved: Unresolved) -> Self {
        match unresolved {
            Unresolved::Lost(why) => Self::Lost(why),
            Unresolved::Wrong(error) => Self::Failed(RunError::Contract(error)),
        }
    }
}
