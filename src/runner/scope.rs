//! A session's scope: everything that lives and dies with one session.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Notify, Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, debug, error, trace_span, warn};

use super::TRACES;
use super::desk_loop::{Command, Trouble};
use super::exit::RunError;
use super::guests;
use super::layers::{Layer, Layers};
use super::measured::Stats;
use super::notices;
use super::outbox::{self, Outbox};
use super::reads::Reads;
use super::view::DeskView;
use crate::config::Settings;
use crate::desk::Event;
use crate::domain::{Contract, ContractId, MarketTime, Symbol};
use crate::feed::{Feed, FeedConfig, FeedError, Kind, Track};
use crate::robust_connection::{HealthPolicy, health};
use crate::tws::{Notices, RequestError, SendError, Session};

/// First wait before a feed that ended is started again; it doubles up to the second.
const FEED_WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Part of the grace time that orders may take to settle at a shutdown; the rest is for closing.
const WIND_DOWN: f64 = 0.6;

/// Time between reads of the account's money.
const ACCOUNT_INTERVAL: Duration = Duration::from_secs(10);

/// What a scope works with.
pub struct Scope<'a> {
    /// The settings.
    pub settings: &'a Settings,
    /// The session.
    pub session: Session,
    /// The contracts to trade.
    pub contracts: Vec<Contract>,
    /// Their strategies.
    pub tracks: &'a BTreeMap<Symbol, Arc<Mutex<Track>>>,
    /// To the desk.
    pub events: mpsc::Sender<Event>,
    /// To the desk, with answers.
    pub commands: mpsc::Sender<Command>,
    /// Asks the desk to answer once it has decided on everything sent to it before.
    pub barriers: mpsc::Sender<oneshot::Sender<()>>,
    /// Health by layers.
    pub layers: Layers,
    /// Asks for a comparison with the broker.
    pub compare: Arc<Notify>,
    /// Where questions of others come in while the session is Ready.
    pub(super) guests: guests::Door,
    /// What the desk looks like.
    pub view: watch::Receiver<Arc<DeskView>>,
    /// How bars come.
    pub feed: FeedConfig,
    /// What is measured.
    pub stats: Arc<Stats>,
    /// Every closed bar of history once, then the end.
    pub once: bool,
    /// Told to stop.
    pub stop: CancellationToken,
}

/// How a session ended.
#[derive(Debug)]
pub enum Ended {
    /// It was lost, or is no good any more.
    Lost {
        /// Why.
        why: String,
        /// Whether it was Ready once.
        was_ready: bool,
    },
    /// The daemon stops, or has done what it was to do once.
    Done,
    /// Nothing can be done with such sessions.
    Failed(RunError),
}

/// What the parts of a scope report.
pub(super) enum Report {
    Lost(String),
    Failed(RunError),
    Feed(Symbol, Result<(), FeedError>),
    Sender(Result<(), SendError>),
}

impl Scope<'_> {
    /// Runs the session until it ends. `held` is called once it is Ready and answered a probe.
    pub async fn run(self, held: impl FnOnce()) -> Ended {
        let (Some(orders), Some(notices)) = (self.session.take_orders(), self.session.take_notices()) else {
            return Ended::Failed(RunError::Internal("the session's streams were taken before".into()));
        };
        let (outbox, actions) = Outbox::new(self.contracts.len());
        let (queued, waiting) = (outbox.follow(), outbox.follow());
        // With the session's end its sender is gone, and with it what there is to see.
        let look =
            move || waiting.has_changed().is_ok().then(|| usize::try_from(*waiting.borrow()).unwrap_or(usize::MAX));
        self.stats.queue("outbox", outbox.capacity(), look);
        let (trouble, mut troubles) = mpsc::channel(16);
        for contract in &self.contracts {
            if self.events.send(Event::Listed(contract.clone())).await.is_err() {
                return desk_gone();
            }
        }
        let (done, attached) = oneshot::channel();
        let attach = Command::Attach { orders, outbox: outbox.clone(), trouble, done };
        if self.commands.send(attach).await.is_err() || attached.await.is_err() {
            return desk_gone();
        }
        let by_id: BTreeMap<ContractId, Contract> = self.contracts.iter().map(|c| (c.id, c.clone())).collect();
        let mut tasks: JoinSet<Report> = JoinSet::new();
        let (session, stats) = (self.session.clone(), Arc::clone(&self.stats));
        tasks.spawn(async move { Report::Sender(outbox::send(session, by_id, outbox, actions, stats).await) });
        let ended = tokio::select! {
            () = self.stop.cancelled() => Ended::Done,
            ended = self.prepared(held, notices, &mut troubles, &mut tasks) => ended,
        };
        let ended = match ended {
            Ended::Done => self.wind_down(&mut tasks, queued).await,
            Ended::Lost { .. } | Ended::Failed(_) => ended,
        };
        tasks.shutdown().await;
        // What only this session said of farms, the next one says anew.
        self.layers.forget(|layer| matches!(layer, Layer::Farm(_)));
        self.layers.wait(&BTreeMap::new());
        ended
    }

    async fn prepared(
        &self,
        held: impl FnOnce(),
        notices: Notices,
        troubles: &mut mpsc::Receiver<Trouble>,
        tasks: &mut JoinSet<Report>,
    ) -> Ended {
        let lost = |why: String| Ended::Lost { why, was_ready: false };
        let (broker_time, time) = watch::channel(MarketTime::MIN);
        match self.session.server_time().await {
            Ok(at) => {
                broker_time.send_replace(at);
            }
            Err(error) => return lost(error.to_string()),
        }
        // From the first read on: what TWS says while its link to IBKR is down proves nothing.
        let (events, pulse, layers) = (self.events.clone(), Arc::clone(&self.feed.pulse), self.layers.clone());
        tasks.spawn(async move { notices::listen(notices, events, &pulse, &layers).await });
        if let Err(ended) = self.reads().reconcile("a new session").instrument(reconciling()).await {
            return ended;
        }
        // Ready, and it still answers: the breaker's success.
        if let Err(error) = self.session.server_time().await {
            return lost(error.to_string());
        }
        held();
        for layer in [Layer::Socket, Layer::Api, Layer::Link] {
            self.layers.up(layer);
        }
        self.spawn_watchers(broker_time, tasks);
        let histories = Arc::new(Semaphore::new(self.settings.max_concurrent));
        for contract in &self.contracts {
            self.spawn_feed(contract, Duration::ZERO, &time, &histories, tasks);
        }
        if self.once { self.one_pass(tasks).await } else { self.watch(troubles, &time, &histories, tasks).await }
    }

    fn reads(&self) -> Reads {
        Reads {
            session: self.session.clone(),
            commands: self.commands.clone(),
            events: self.events.clone(),
            barriers: self.barriers.clone(),
            view: self.view.clone(),
            settle: self.settings.settle_time,
            interval: self.settings.reconcile_interval,
            wanted: Arc::clone(&self.compare),
        }
    }

    fn spawn_watchers(&self, broker_time: watch::Sender<MarketTime>, tasks: &mut JoinSet<Report>) {
        let policy = HealthPolicy {
            interval: self.settings.connection.probe_interval,
            deadline: self.settings.connection.probe_deadline,
            misses: self.settings.connection.probe_misses,
        };
        tasks.spawn(probe(policy, self.session.clone(), self.events.clone(), broker_time, self.layers.clone()));
        if !self.once {
            tasks.spawn(self.reads().compare());
            tasks.spawn(self.reads().follow_holdings());
            let (view, layers, session) = (self.view.clone(), self.layers.clone(), self.session.clone());
            tasks.spawn(async move {
                super::bars::watch(view, layers, session).await;
                Report::Lost("the bars' watcher has ended".into())
            });
        }
        tasks.spawn(guests::serve(self.session.clone(), self.contracts.clone(), self.guests.clone()));
        let (session, events) = (self.session.clone(), self.events.clone());
        tasks.spawn(async move { read_account(session, events).await });
    }

    fn spawn_feed(
        &self,
        contract: &Contract,
        wait: Duration,
        time: &watch::Receiver<MarketTime>,
        histories: &Arc<Semaphore>,
        tasks: &mut JoinSet<Report>,
    ) {
        let Some(track) = self.tracks.get(&contract.symbol) else { return };
        // At once, and so in the symbols' order; who comes again lines up once it has waited.
        let lines_up = self.feed.kind == Kind::Realtime && !self.once && wait.is_zero();
        let turn = lines_up.then(|| self.session.line_up(&contract.symbol, true));
        let feed = Feed {
            turn,
            session: self.session.clone(),
            contract: contract.clone(),
            track: Arc::clone(track),
            inbox: self.events.clone(),
            broker_time: time.clone(),
            histories: Arc::clone(histories),
            config: self.feed.clone(),
        };
        let (symbol, once, stop) = (contract.symbol, self.once, self.stop.clone());
        tasks.spawn(async move {
            let work = async {
                tokio::time::sleep(wait).await;
                if once { feed.once().await } else { feed.run().await }
            };
            // Shutting down begins with the feeds: no bar decides anything any more.
            let ended = stop.run_until_cancelled(work).await.unwrap_or(Err(FeedError::Stopped));
            Report::Feed(symbol, ended)
        });
    }

    /// Watches over the session's parts until one of them ends it.
    async fn watch(
        &self,
        troubles: &mut mpsc::Receiver<Trouble>,
        time: &watch::Receiver<MarketTime>,
        histories: &Arc<Semaphore>,
        tasks: &mut JoinSet<Report>,
    ) -> Ended {
        let lost = |why: String| Ended::Lost { why, was_ready: true };
        let mut waits: BTreeMap<Symbol, (Duration, Instant)> = BTreeMap::new();
        loop {
            tokio::select! {
                // The desk's troubles with the session come first: they fence orders.
                biased;
                trouble = troubles.recv() => match trouble {
                    Some(Trouble::OrdersEnded(why)) => return lost(format!("the order stream ended: {why}")),
                    Some(Trouble::Reconcile(why)) => {
                        if let Err(ended) = self.reads().reconcile(why).instrument(reconciling()).await {
                            return ended;
                        }
                    }
                    Some(Trouble::Compare) => self.compare.notify_one(),
                    None => return desk_gone(),
                },
                report = tasks.join_next() => match report {
                    Some(Ok(Report::Feed(symbol, result))) => {
                        let Err(error) = result else { continue };
                        if matches!(error, FeedError::Stopped) {
                            continue;
                        }
                        let wait = longer(&mut waits, &symbol);
                        // Silence may be that of a stock that nobody trades (rule 25): it is no fault yet.
                        if !error.is_session_lost() && !matches!(error, FeedError::Stalled { .. }) {
                            self.layers.down(Layer::Bars(symbol), &error.to_string());
                        }
                        if error.is_session_lost() {
                            // The session's own end follows, and says it once for all symbols.
                            debug!(%symbol, "feed ended with its session");
                        } else {
                            warn!(%symbol, wait_s = wait.as_secs_f64(), "feed ended: {error}; it starts again after the wait");
                        }
                        if let Some(contract) = self.contracts.iter().find(|c| c.symbol == symbol) {
                            self.spawn_feed(contract, wait, time, histories, tasks);
                        }
                    }
                    Some(Ok(report)) => return finished(report),
                    Some(Err(error)) => return Ended::Failed(RunError::Internal(error.to_string())),
                    None => return desk_gone(),
                },
            }
        }
    }

    /// One pass over history for every symbol, then until every order sent is answered or in
    /// doubt. A symbol that fails keeps no other from its pass, nor an order from its answer; it
    /// fails the run at the end.
    async fn one_pass(&self, tasks: &mut JoinSet<Report>) -> Ended {
        let resolved = |symbol: &Symbol| self.contracts.iter().any(|contract| contract.symbol == *symbol);
        let without = self.settings.symbols.iter().filter(|(symbol, _)| !resolved(symbol));
        let mut failed: Vec<String> = without.map(|(symbol, _)| format!("{symbol}: no contract")).collect();
        let mut left = self.contracts.len();
        while left > 0 {
            match tasks.join_next().await {
                Some(Ok(Report::Feed(symbol, result))) => {
                    left -= 1;
                    if let Err(error) = result {
                        error!(%symbol, left, "no bars: {error}; the other symbols go on");
                        failed.push(format!("{symbol}: {error}"));
                    }
                }
                Some(Ok(report)) => return finished(report),
                Some(Err(error)) => return Ended::Failed(RunError::Internal(error.to_string())),
                None => return desk_gone(),
            }
        }
        let mut view = self.view.clone();
        if self.barrier().await.is_err() {
            return desk_gone();
        }
        let decided = self.settings.ack_deadline + self.settings.settle_time;
        let answered = async { view.wait_for(|view| view.unanswered_orders == 0).await.is_ok() };
        match tokio::time::timeout(decided, answered).await {
            Ok(true) => {}
            Ok(false) => return desk_gone(),
            Err(_) => warn!("some orders are unanswered at the deadline: in doubt until the next run"),
        }
        if failed.is_empty() { Ended::Done } else { Ended::Failed(RunError::Once(failed.join("; "))) }
    }

    /// Waits until the desk has decided on every event sent so far, and shows it.
    async fn barrier(&self) -> Result<(), ()> {
        let (done, passed) = oneshot::channel();
        self.barriers.send(done).await.map_err(|_| ())?;
        passed.await.map_err(|_| ())
    }

    /// Stops the feeds, lets the desk cancel entries and make stops right, and waits for it
    /// within the grace time.
    async fn wind_down(&self, tasks: &mut JoinSet<Report>, mut queued: watch::Receiver<u64>) -> Ended {
        if self.once {
            return Ended::Done;
        }
        if self.events.send(Event::ShuttingDown).await.is_err() {
            return desk_gone();
        }
        if self.barrier().await.is_err() {
            return desk_gone();
        }
        let mut view = self.view.clone();
        let quiet = async {
            // The queue first: what waits in it shows as unanswered only once it was looked at.
            drop(queued.wait_for(|queued| *queued == 0).await);
            drop(view.wait_for(|view| view.working_trades == 0 && view.unanswered_orders == 0).await);
            drop(queued.wait_for(|queued| *queued == 0).await);
        };
        let lost = async {
            while let Some(report) = tasks.join_next().await {
                match report {
                    Ok(Report::Feed(..)) => {}
                    Ok(Report::Lost(why)) => return why,
                    Ok(Report::Sender(Err(error))) => return error.to_string(),
                    Ok(Report::Sender(Ok(())) | Report::Failed(_)) | Err(_) => return "a part of it failed".to_owned(),
                }
            }
            "nothing is left of it".to_owned()
        };
        tokio::select! {
            done = tokio::time::timeout(self.settings.shutdown_grace.mul_f64(WIND_DOWN), quiet) => {
                if done.is_err() {
                    let view = self.view.borrow();
                    warn!(
                        working = view.working_trades, unanswered = view.unanswered_orders,
                        "shutting down with orders still on their way: the next start reconciles them"
                    );
                }
            }
            why = lost => warn!("session lost while shutting down: {why}"),
        }
        Ended::Done
    }
}

/// Of a reconciliation, for a collector of traces.
fn reconciling() -> Span {
    trace_span!(target: TRACES, "reconcile")
}

pub(super) fn desk_gone() -> Ended {
    Ended::Failed(RunError::Internal("the desk loop has ended".into()))
}

fn finished(report: Report) -> Ended {
    let lost = |why: String| Ended::Lost { why, was_ready: true };
    match report {
        Report::Lost(why) => lost(why),
        Report::Failed(error) => Ended::Failed(error),
        Report::Sender(Err(error)) => lost(error.to_string()),
        Report::Sender(Ok(())) => lost("the outbox was closed".into()),
        Report::Feed(symbol, _) => lost(format!("the feed of {symbol} ended")),
    }
}

/// The wait before a feed starts again: doubled from time to time, begun anew after a quiet while.
fn longer(waits: &mut BTreeMap<Symbol, (Duration, Instant)>, symbol: &Symbol) -> Duration {
    let (first, most) = FEED_WAITS;
    let now = Instant::now();
    let wait = match waits.get(symbol) {
        Some((wait, at)) if now - *at < 2 * most => (*wait * 2).min(most),
        Some(_) | None => first,
    };
    waits.insert(*symbol, (wait, now));
    wait
}

/// Asks the gateway for its time again and again; ends where it answers no more.
async fn probe(
    policy: HealthPolicy,
    session: Session,
    events: mpsc::Sender<Event>,
    broker_time: watch::Sender<MarketTime>,
    layers: Layers,
) -> Report {
    let broker_time = Arc::new(broker_time);
    let ask = || {
        let (session, events, broker_time) = (session.clone(), events.clone(), Arc::clone(&broker_time));
        let layers = layers.clone();
        async move {
            let at = match session.server_time().await {
                Ok(at) => at,
                Err(error) => {
                    layers.down(Layer::Api, &error.to_string());
                    return Err(error);
                }
            };
            layers.up(Layer::Api);
            layers.up(Layer::Socket);
            broker_time.send_if_modified(|time| {
                let later = at > *time;
                *time = at.max(*time);
                later
            });
            // A probe asks how the gateway is, not how busy the desk is: a full inbox learns the
            // time from the next probe. A desk that is gone ends the run elsewhere.
            if events.try_send(Event::Time(at)).is_err() {
                debug!("the desk's inbox takes no time now");
            }
            Ok::<(), RequestError>(())
        }
    };
    let lost = health::lost(&policy, ask).await;
    Report::Lost(format!("{} probes missed in a row, the last: {}", lost.misses, lost.last))
}

/// Reads the account's money now and then.
async fn read_account(session: Session, events: mpsc::Sender<Event>) -> Report {
    let mut tick = tokio::time::interval(ACCOUNT_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        match session.account_state().await {
            Ok(state) => {
                if events.send(Event::Account(state)).await.is_err() {
                    return Report::Lost("the desk is gone".into());
                }
            }
            Err(RequestError::SessionLost { reason }) => return Report::Lost(reason),
            Err(error) => warn!("account: {error}"),
        }
    }
}
