//! The board: what the daemon shows of itself to whoever looks. The desk loop writes on it, readers
//! copy from it; nobody waits for a reader, and nothing on it asks the broker.
//!
//! Everything is bounded. The lock is held for copies of pointers only.

pub mod indicators;
mod link;
mod past;
pub mod positions;
mod schemas;
mod sections;
mod state;
pub mod told;
pub mod views;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::Instant;

use super::measured::Stats;
use super::operate::{Reply, Request};
use super::outlook::{DashboardState, Outlook, Status};
use crate::control::Asked;
use crate::desk::Desk;
use crate::domain::book::{Book, Fact, FillFact, Record};
use crate::domain::{Bar, Symbol};
use crate::strategy::Strategy;
use indicators::{IndicatorView, Makers};
pub use past::Past;
use positions::{AccountView, PositionView};
use state::{Came, State};
use told::{Feed, Kind, Told};
use views::{
    BarView, EquityView, FillView, HistoryView, LinkView, LogLines, LogView, OrderView, RefusalView, SignalView,
    StepView,
};

use super::view::{DeskView, IncidentView, LockView};

/// Time between two accounts that differ in nothing but market time.
const ACCOUNT_EVERY: Duration = Duration::from_secs(1);

/// Everything that deltas change, at a moment. What a ledger says is null until one is open: before the first session
/// nobody knows what is held.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Snapshot {
    /// The connection and health; null before the runner has begun.
    pub connection: Option<Arc<LinkView>>,
    /// The account; null before the first session.
    pub account: Option<Arc<AccountView>>,
    /// By symbol.
    pub positions: Option<Vec<Arc<PositionView>>>,
    /// Every lock in force.
    pub locks: Option<Arc<Vec<LockView>>>,
    /// The latest orders, oldest first. In the feed: every live one and the newest of those that have ended.
    pub orders: Option<Vec<Arc<OrderView>>>,
    /// The latest fills, oldest first; in the feed the newest of them, as of refusals and incidents.
    pub fills: Option<Vec<Arc<FillView>>>,
    /// The latest target of each symbol.
    pub targets: Option<Vec<Arc<SignalView>>>,
    /// The latest refusals, oldest first.
    pub refusals: Option<Vec<Arc<RefusalView>>>,
    /// The latest incidents, oldest first.
    pub incidents: Option<Vec<Arc<IncidentView>>>,
}

/// The board. One a process, shared.
#[derive(Debug, Default)]
pub struct Board {
    state: Mutex<State>,
    /// The log's last lines; a lock of its own, for the log is written anywhere.
    log: Mutex<KeptLog>,
    feed: Feed,
    stats: Arc<Stats>,
    makers: Makers,
    dashboard: DashboardState,
    outlook: OnceLock<Outlook>,
    asked: OnceLock<mpsc::Sender<Asked>>,
    attached: watch::Sender<bool>,
}

/// Lines of the log that are kept.
const LOG_LINES: usize = 1_000;

#[derive(Debug, Default)]
struct KeptLog {
    /// Lines written so far.
    count: u64,
    lines: VecDeque<Arc<LogView>>,
}

impl Board {
    /// An empty board.
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The runner is there: what it publishes, and the way to it.
    pub(super) fn attach(&self, outlook: Outlook, asked: mpsc::Sender<Asked>) {
        // A second runner in a process would be a defect of ours; the first one stays.
        drop(self.outlook.set(outlook));
        drop(self.asked.set(asked));
        self.attached.send_replace(true);
    }

    /// Waits until the runner is there: until it has its locks, nothing may be written into its directory.
    pub async fn attached(&self) {
        // The sender lives as long as the board.
        drop(self.attached.subscribe().wait_for(|attached| *attached).await);
    }

    /// Takes what a journal has left, of which `book` is made: nobody is told.
    pub(super) fn opened(&self, past: Past, book: &Book) {
        past.onto(&mut self.state(), book);
    }

    /// Takes facts that are durable and applied to `book`.
    pub(super) fn facts(&self, records: &[Record], book: &Book) {
        let mut state = self.state();
        for record in records {
            self.take(&mut state, record, book);
        }
    }

    fn take(&self, state: &mut State, record: &Record, book: &Book) {
        let (feed, symbol) = (&self.feed, record.symbol.as_ref());
        match &record.fact {
            Fact::Order(fact) => {
                if let Some((intent, what, note)) = past::step(fact)
                    && let Some(order) = book.order(intent)
                {
                    let step = StepView { at: record.at, what, note: note.to_owned() };
                    feed.tell(Kind::Order, symbol, &*state.step(order, step));
                }
            }
            Fact::Fill(FillFact::Executed { intent, execution }) => {
                if let Some(fill) = book.fill(&execution.id) {
                    feed.tell(Kind::Fill, symbol, &*state.fill(FillView::of(fill, book)));
                }
                if let Some(order) = book.order(*intent) {
                    let note = past::traded(execution.quantity, execution.price);
                    let step = StepView { at: execution.at, what: "fill", note };
                    feed.tell(Kind::Order, symbol, &*state.step(order, step));
                }
            }
            Fact::Fill(FillFact::Costed { commission }) => {
                if let Some(fill) = book.fill(&commission.execution) {
                    let view = FillView::of(fill, book);
                    let symbol = view.symbol;
                    feed.tell(Kind::Fill, Some(&symbol), &*state.fill(view));
                }
            }
            Fact::Target(fact) => {
                feed.tell(Kind::Target, symbol, &*state.signal(SignalView::of(record, fact)));
            }
            Fact::Refused(fact) => feed.tell(Kind::Refusal, symbol, &*state.refusal(RefusalView::of(record, fact))),
            Fact::Incident(_) => {
                feed.tell(Kind::Incident, symbol, &*state.incident(super::view::incident_view(record)));
            }
            Fact::Day(_)
            | Fact::Ledger(_)
            | Fact::Session(_)
            | Fact::Fill(FillFact::Foreign { .. })
            | Fact::Lock(_) => {}
        }
    }

    /// Takes closed bars of a symbol, ascending.
    pub fn bars(&self, symbol: &Symbol, bars: &[Bar]) {
        let mut state = self.state();
        let views = bars.iter().map(BarView::from);
        let came: Vec<Came> = views.map(|view| state.bar(symbol, view)).collect();
        if let ([bar], [Came::Newest]) = (bars, came.as_slice()) {
            self.feed.tell(Kind::Bar, Some(symbol), &BarView::from(bar));
            return;
        }
        // Many at once would push everything else out of the feed; whoever draws them reads them.
        let bars = came.iter().filter(|came| **came != Came::ForNothing).count();
        if bars > 0 {
            self.feed.tell(Kind::History, Some(symbol), &HistoryView { bars });
        }
    }

    /// Looks at the desk: tells what has changed.
    pub(super) fn look(&self, desk: &Desk, view: &DeskView) {
        let account = positions::account(desk, view);
        let mut state = self.state();
        if state.market.is_none_or(|(known, _)| view.market_time > known) {
            state.market = Some((view.market_time, Instant::now()));
        }
        let positions = positions::positions(desk, |symbol| state.positions.contains_key(symbol));
        for position in positions {
            if state.positions.get(&position.symbol).is_none_or(|known| **known != position) {
                self.feed.tell(Kind::Position, Some(&position.symbol), &position);
                state.positions.insert(position.symbol, Arc::new(position));
            }
        }
        if *state.locks != view.locks {
            state.locks = Arc::new(view.locks.clone());
            self.feed.tell(Kind::Lock, None, &state.locks);
        }
        if let Some(equity_usd) = account.equity_usd {
            let every = Duration::from_secs(account.bar_s);
            let point =
                EquityView { at: account.market_time, equity_usd, peak_usd: account.peak_usd, source: "measured" };
            state.equity_every(point, every);
        }
        let now = Instant::now();
        let same = state
            .account
            .as_ref()
            .is_some_and(|known| **known == AccountView { market_time: known.market_time, ..account.clone() });
        let soon = state.accounted_at.is_some_and(|at| now - at < ACCOUNT_EVERY);
        if !(same && soon) {
            self.feed.tell(Kind::Account, None, &account);
            let is_first = state.account.replace(Arc::new(account)).is_none();
            state.accounted_at = Some(now);
            if is_first {
                // A journal was replayed, of which nobody was told.
                self.feed.begin_anew();
            }
        }
    }

    fn kept_log(&self) -> MutexGuard<'_, KeptLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A line of the log.
    pub fn logged(&self, line: LogView) {
        let mut log = self.kept_log();
        if log.lines.len() == LOG_LINES {
            log.lines.pop_front();
        }
        self.feed.tell(Kind::Log, None, &line);
        log.count += 1;
        log.lines.push_back(Arc::new(line));
    }

    /// The log's last lines, oldest first.
    pub fn log(&self, at_most: usize) -> Vec<Arc<LogView>> {
        self.log_after(None, at_most).lines
    }

    /// The log's last lines, or the oldest of those after one of a number, oldest first.
    pub fn log_after(&self, after: Option<u64>, at_most: usize) -> LogLines {
        let log = self.kept_log();
        let before = log.count - log.lines.len() as u64;
        // A number that was not reached yet is of another process: everything of this one is new.
        let after = after.map(|after| if after > log.count { 0 } else { after });
        let missed = after.map_or(0, |after| before.saturating_sub(after));
        let skipped = match after {
            Some(after) => usize::try_from(after.saturating_sub(before)).unwrap_or(usize::MAX),
            None => log.lines.len().saturating_sub(at_most),
        };
        let lines: Vec<_> = log.lines.iter().skip(skipped).take(at_most).cloned().collect();
        LogLines { last: before + (skipped + lines.len()) as u64, missed, lines }
    }

    /// Everything that deltas change, the number of the last delta in it, and all deltas after it.
    pub fn snapshot(&self) -> (Snapshot, u64, broadcast::Receiver<Arc<Told>>) {
        // What is told of the state is told under its lock: no delta falls between.
        let state = self.state();
        let (seq, receiver) = self.feed.listen();
        (state.snapshot(), seq, receiver)
    }

    /// How long ago market time moved last, by this machine's own clock: while there is no session, nothing moves it.
    pub fn market_stands(&self) -> Option<Duration> {
        self.state().market.map(|(_, came)| came.elapsed())
    }

    /// The deltas.
    pub fn feed(&self) -> &Feed {
        &self.feed
    }

    /// How the dashboard is, to be told with the status.
    pub fn dashboard(&self) -> DashboardState {
        Arc::clone(&self.dashboard)
    }

    /// What is measured.
    pub fn stats(&self) -> &Arc<Stats> {
        &self.stats
    }

    /// The latest signals, oldest first; `None` before the first session.
    pub fn signals(&self) -> Option<Vec<Arc<SignalView>>> {
        let state = self.state();
        state.account.as_ref().map(|_| state.signals.iter().cloned().collect())
    }

    /// The equity curve, oldest first; `None` before the first session.
    pub fn equity(&self) -> Option<Vec<EquityView>> {
        let state = self.state();
        state.account.as_ref().map(|_| state.curve.clone())
    }

    /// The latest closed bars of a symbol, oldest first; `None` where it has none.
    pub fn bars_of(&self, symbol: &Symbol, at_most: usize) -> Option<Vec<BarView>> {
        let state = self.state();
        let bars = state.bars.get(symbol)?;
        Some(bars.iter().skip(bars.len().saturating_sub(at_most)).copied().collect())
    }

    /// Whether a symbol has a row, be there bars of it or not.
    pub fn is_listed(&self, symbol: &Symbol) -> bool {
        self.state().positions.contains_key(symbol)
    }

    /// How a symbol's strategy is made, for its indicators.
    pub(super) fn draws(&self, symbol: Symbol, fresh: impl Fn() -> Option<Box<dyn Strategy>> + Send + Sync + 'static) {
        self.makers.set(symbol, Box::new(fresh));
    }

    /// The latest closed bars of a symbol, oldest first, with the indicators of its strategy over them; these have
    /// seen every bar that is kept. `None` where it has no bars.
    pub fn indicators_of(&self, symbol: &Symbol, at_most: usize) -> Option<(Vec<BarView>, Vec<IndicatorView>)> {
        let mut bars = self.bars_of(symbol, usize::MAX)?;
        let mut indicators = self.makers.over(symbol, &bars);
        let old = bars.len().saturating_sub(at_most);
        bars.drain(..old);
        indicators.iter_mut().for_each(|indicator| drop(indicator.values.drain(..old)));
        Some((bars, indicators))
    }

    /// Orders refused so far in what is kept, by limit.
    pub fn refused(&self) -> BTreeMap<&'static str, u64> {
        self.state().refused.clone()
    }

    /// Everything that `status` tells; `None` before the runner has begun.
    pub fn status(&self) -> Option<Status> {
        self.outlook.get().map(Outlook::status)
    }

    /// Asks the daemon as an operator does on its control socket.
    pub async fn ask(&self, request: &Request) -> Reply {
        let Some(asked) = self.asked.get() else { return Reply::no("the daemon is starting: try again") };
        let line = match serde_json::to_string(request) {
            Ok(line) => line,
            Err(error) => return Reply::no(format!("the request cannot be written: {error}")),
        };
        let (answer, answered) = oneshot::channel();
        // The server of the page answers for as long as it lives.
        let (_, written) = oneshot::channel();
        if asked.send(Asked { line, answer, written }).await.is_err() {
            return Reply::no("the daemon is stopping");
        }
        let Ok(text) = answered.await else { return Reply::no("the daemon is stopping") };
        serde_json::from_str(&text).unwrap_or_else(|error| Reply::no(format!("the answer cannot be read: {error}")))
    }
}
