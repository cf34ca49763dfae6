//! What can be seen of the runner: the status, for the control socket, the API and the board.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use super::alive;
use super::early::Early;
use super::heartbeat;
use super::layers::{LayerView, Layers};
use super::measured::{MeasuredView, Recovery, Stats};
pub use super::permitted::STUCK;
use super::permitted::{Permitted, Trading};
use super::view::DeskView;
use crate::clock::wall_now;
use crate::domain::MarketTime;
use crate::notify::ChannelView;
use crate::robust_connection::{ConnectionState, Phase};

/// Time between two looks at a desk that shows nothing new.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The connection, for people and programs.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ConnectionView {
    /// One word for what it is doing.
    pub phase: &'static str,
    /// The same in a sentence.
    pub text: String,
    /// Seconds since when.
    pub for_s: u64,
    /// The breaker's state.
    pub breaker: &'static str,
    /// Attempts since the last session that was held.
    pub attempts: u32,
    /// Sessions got by this process.
    pub sessions: u64,
    /// Sessions lost by this process.
    pub lost: u64,
    /// Attempts to get a session by this process.
    pub dials: u64,
    /// Seconds until the next attempt, where one is waited for.
    pub next_attempt_s: Option<u64>,
    /// The latest failure or loss.
    pub last_error: Option<String>,
}

/// Everything that `status` tells.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Status {
    /// The program's version.
    pub version: &'static str,
    /// `yes`, or the first reason why not.
    pub trading: &'static str,
    /// Since when entries are permitted, or are not for whatever reasons, by this machine's clock.
    pub trading_since: MarketTime,
    /// Since when that reason is the first one, by this machine's clock.
    pub reason_since: MarketTime,
    /// That reason with its particulars; where it trades, the locks of symbols that may not be entered.
    pub why: String,
    /// Whether orders can leave.
    pub ready: bool,
    /// This machine's time.
    pub at: MarketTime,
    /// The connection.
    pub connection: ConnectionView,
    /// The expected outage that is on.
    pub outage: Option<String>,
    /// Health by layers.
    pub layers: Vec<LayerView>,
    /// Where the dashboard is, or why it is not there; `None` without one.
    pub dashboard: Option<String>,
    /// How each channel of the alerts is; empty where nobody is told.
    pub alerts: Vec<ChannelView>,
    /// What is measured: how long things take, what waits.
    pub measured: MeasuredView,
    /// Halts that wait for the first session, in words.
    pub halts_waiting: Vec<String>,
    /// The desk; `None` before the first session.
    pub desk: Option<DeskView>,
}

/// What can be seen of the runner.
#[derive(Debug, Clone)]
pub struct Outlook {
    pub(super) connection: watch::Receiver<ConnectionState>,
    pub(super) shown: watch::Receiver<Option<watch::Receiver<Arc<DeskView>>>>,
    pub(super) layers: Layers,
    /// How the dashboard is.
    pub(super) dashboard: DashboardState,
    /// Since when it trades or does not.
    pub(super) permitted: Arc<Permitted>,
    /// What is measured.
    pub(super) stats: Arc<Stats>,
    /// What waits for the first session.
    pub(super) early: Early,
}

/// How the dashboard is, in words; `None` where there is none. Shared by whoever serves it and whoever tells.
pub type DashboardState = Arc<Mutex<Option<String>>>;

impl Outlook {
    /// Of these parts.
    pub(super) fn new(
        connection: watch::Receiver<ConnectionState>,
        shown: watch::Receiver<Option<watch::Receiver<Arc<DeskView>>>>,
        layers: &Layers,
        dashboard: DashboardState,
        stats: &Arc<Stats>,
        early: &Early,
    ) -> Self {
        let (layers, stats, early) = (layers.clone(), Arc::clone(stats), early.clone());
        Self { connection, shown, layers, dashboard, permitted: Arc::new(Permitted::default()), stats, early }
    }

    pub(super) fn view(&self) -> Option<Arc<DeskView>> {
        self.shown.borrow().as_ref().map(|view| Arc::clone(&view.borrow()))
    }

    /// Whether it trades, and since when.
    pub fn trading(&self) -> Trading {
        self.look().1
    }

    fn look(&self) -> (Option<Arc<DeskView>>, Trading) {
        self.permitted.look(|| self.view(), self.stuck().is_some())
    }

    /// For how long the desk has not answered, where that is too long: whatever it showed last is old then.
    pub(super) fn stuck(&self) -> Option<Duration> {
        self.stats.desk_heartbeat_age().filter(|age| *age >= alive::STUCK_AFTER)
    }

    /// Notes at once when trading begins to be permitted or blocked, and how long coming back took; for ever.
    pub(super) async fn follow(self) {
        let mut shown = self.shown.clone();
        let (mut view, mut recovery) = (None, Recovery::default());
        let mut tick = tokio::time::interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if shown.has_changed().is_err() {
                return;
            }
            if view.is_none() {
                view = shown.borrow_and_update().clone();
            }
            // Marked as seen before it is looked at: what changes in between is looked at again.
            if let Some(view) = &mut view {
                view.mark_unchanged();
            }
            let (seen, _) = self.look();
            let ready = seen.is_some_and(|view| view.ready);
            recovery.saw(ready, &self.connection.borrow(), Instant::now(), &self.stats);
            let moved = async {
                match &mut view {
                    Some(view) => view.changed().await.is_err(),
                    None => shown.changed().await.is_err(),
                }
            };
            let ended = tokio::select! {
                ended = moved => ended,
                // A desk that is stuck shows nothing new.
                _ = tick.tick() => false,
            };
            if ended {
                return;
            }
        }
    }

    /// The expected outage that is on.
    pub fn outage(&self) -> Option<String> {
        self.layers.outage(wall_now()).map(|(name, until)| format!("{name}, until {}", until.close))
    }

    /// Everything that is known.
    pub fn status(&self) -> Status {
        let (stuck, (desk, trading)) = (self.stuck(), self.look());
        Status {
            version: env!("CARGO_PKG_VERSION"),
            trading: trading.word,
            trading_since: trading.since,
            reason_since: trading.reason_since,
            why: why(stuck, desk.as_deref(), &self.connection.borrow(), &self.layers.view()),
            ready: stuck.is_none() && desk.as_deref().is_some_and(|view| view.ready),
            at: wall_now(),
            connection: connection_view(&self.connection.borrow()),
            outage: self.outage(),
            layers: self.layers.view(),
            dashboard: self.dashboard.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            alerts: self.stats.alerts(),
            measured: self.stats.view(),
            halts_waiting: self.early.words(),
            desk: desk.map(|view| (*view).clone()),
        }
    }
}

fn connection_view(state: &ConnectionState) -> ConnectionView {
    let now = Instant::now();
    let until = match &state.phase {
        Phase::BackingOff { until, .. } | Phase::Open { until } | Phase::Lost { until, .. } => Some(*until),
        Phase::Idle | Phase::Dialing { .. } | Phase::Connected | Phase::Held | Phase::Failed { .. } => None,
    };
    ConnectionView {
        phase: state.phase.as_str(),
        text: heartbeat::describe(state),
        for_s: now.saturating_duration_since(state.since).as_secs(),
        breaker: state.breaker.as_str(),
        attempts: state.attempts,
        sessions: state.sessions,
        lost: state.lost,
        dials: state.dials,
        next_attempt_s: until.map(|until| until.saturating_duration_since(now).as_secs()),
        last_error: state.last_error.clone(),
    }
}

/// Why it does not trade, in a sentence that says what to look at.
fn why(stuck: Option<Duration>, desk: Option<&DeskView>, connection: &ConnectionState, layers: &[LayerView]) -> String {
    if let Some(stuck) = stuck {
        return format!(
            "the desk does not answer for {} s: what it showed last is old, and orders may still work at the broker; \
             look into the log, and start the daemon again where it stays so",
            stuck.as_secs()
        );
    }
    let Some(view) = desk.filter(|view| view.ready) else {
        let down = layers.iter().filter(|layer| !layer.up);
        let down = down.map(|layer| format!("{} is down: {}", layer.layer, layer.why.as_deref().unwrap_or("unknown")));
        return std::iter::once(heartbeat::describe(connection)).chain(down).collect::<Vec<_>>().join("; ");
    };
    let trading = heartbeat::trading(view);
    // Where it trades, too: some symbols may not be entered.
    if trading.ends_with("locked") || trading == "yes" {
        let locks = view.locks.iter().map(|lock| format!("{lock}; ends: {}", lock.ends));
        return locks.collect::<Vec<_>>().join("; ");
    }
    if trading.ends_with("closed") {
        let next = view.next_open.map_or_else(|| "unknown".to_owned(), |at| at.to_string());
        return format!("the next session opens: {next}");
    }
    if trading.ends_with("of late") {
        return format!("no symbol has had a bar within {} s", 3 * view.bar_s);
    }
    trading.split_once(": ").map_or(trading, |(_, words)| words).to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::view::tests_view;
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_desk_that_does_not_answer_does_not_trade_whatever_it_showed_last() {
        let (_connection, connection) = watch::channel(ConnectionState::idle());
        let (_view, view) = watch::channel(Arc::new(tests_view()));
        let (_shown, shown) = watch::channel(Some(view));
        let (answers, answered) = watch::channel(None);
        let outlook = Outlook {
            connection,
            shown,
            layers: Layers::new(Default::default()),
            dashboard: DashboardState::default(),
            permitted: Arc::default(),
            stats: Arc::default(),
            early: Early::over(),
        };
        outlook.stats.alive_by(answered);
        let told = |status: Status| (status.trading, status.ready);
        assert_eq!(told(outlook.status()), ("yes", true), "it has only begun");
        answers.send_replace(Some(Instant::now()));
        tokio::time::advance(alive::STUCK_AFTER - Duration::from_secs(1)).await;
        assert_eq!(told(outlook.status()), ("yes", true));
        tokio::time::advance(Duration::from_secs(13)).await;
        let stuck = outlook.status();
        assert!(stuck.why.starts_with("the desk does not answer for 42 s"), "{}", stuck.why);
        assert_eq!(stuck.measured.desk_heartbeat_age_s, Some(42.0));
        assert_eq!((told(stuck), outlook.trading().word), ((STUCK, false), STUCK));
        answers.send_replace(Some(Instant::now()));
        assert_eq!(told(outlook.status()), ("yes", true));
        assert!(include_str!("../web/page/app.js").contains(STUCK), "the page knows the word");
    }
}
