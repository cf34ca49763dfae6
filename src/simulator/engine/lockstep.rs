//! Lock-step: the market waits for the daemon that it is embedded in.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tracing::warn;

use crate::domain::progress::Progress;
use crate::domain::{MarketTime, Symbol};
use crate::exchange::{Exchange, Fill, Order, OrderKey};

/// How long the market waits before it says what is missing and moves on.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long it waits for a time to be heard of: a daemon whose heartbeat a fault has silenced does not
/// hold the market up.
const HEARD_WITHIN: Duration = Duration::from_secs(2);
/// Orders with such references are the daemon's.
const OURS: &str = crate::domain::order::ORDER_REF_PREFIX;

/// What the exchange has of the daemon's orders, and the daemon must know.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts {
    executions: u64,
    working: BTreeSet<OrderKey>,
}

impl Counts {
    /// What an exchange begins with. It forgets old fills: `executions` is how many there were,
    /// where that is known.
    pub fn of(exchange: &Exchange, executions: Option<u64>) -> Self {
        let mut counts = Self::default();
        exchange.fills().iter().for_each(|fill| counts.filled(fill));
        counts.executions = executions.unwrap_or(counts.executions);
        exchange.live_orders().for_each(|order| counts.changed(order));
        counts
    }

    /// Executions of the daemon's orders, over the exchange's whole life.
    pub fn executions(&self) -> u64 {
        self.executions
    }

    /// An order changed.
    pub fn changed(&mut self, order: &Order) {
        let key = order.order.key;
        if order.status.is_live() && order.order.order_ref.starts_with(OURS) {
            self.working.insert(key);
        } else {
            self.working.remove(&key);
        }
    }

    /// An order traded.
    pub fn filled(&mut self, fill: &Fill) {
        self.executions += u64::from(fill.order_ref.starts_with(OURS));
    }
}

/// What is being waited for.
#[derive(Debug, Clone)]
struct Wait {
    /// Market time that the daemon has to know.
    time: MarketTime,
    decided: Vec<(Symbol, MarketTime)>,
    since: Instant,
}

/// The other party of the lock-step.
#[derive(Debug)]
pub struct LockStep {
    progress: watch::Receiver<Progress>,
    waiting: Option<Wait>,
    /// By how much the daemon's counts differ from ours for good: it has a book that began before
    /// or after this exchange. Learned when a wait is given up, forgotten with the session.
    differs: [i64; 3],
    was_ready: bool,
}

/// Whether the market may move on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    GoOn,
    /// It may not before the daemon has come further, or this instant.
    Hold(Instant),
    /// The daemon is gone.
    Gone,
}

impl LockStep {
    /// In step with whoever publishes this progress.
    pub fn new(progress: watch::Receiver<Progress>) -> Self {
        Self { progress, waiting: None, differs: [0; 3], was_ready: false }
    }

    /// Resolves when the daemon has come further; never once it is gone.
    pub async fn changed(&mut self) {
        if self.progress.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether a session is Ready.
    pub fn ready(&self) -> bool {
        self.progress.borrow().ready
    }

    /// From now on the market waits: for the counts, and for the decisions that are due.
    pub fn hold(&mut self, decided: Vec<(Symbol, MarketTime)>, now: Instant) {
        if self.ready() {
            self.waiting = Some(Wait { time: MarketTime::MIN, decided, since: now });
        }
    }

    /// The same for the daemon to know what time it is: what it has kept for a session's open leaves
    /// when it hears of that.
    pub fn hold_until_heard(&mut self, time: MarketTime, now: Instant) {
        if self.ready() {
            self.waiting = Some(Wait { time, decided: Vec::new(), since: now });
        }
    }

    /// Compares what the exchange has with what the daemon has.
    pub fn verdict(&mut self, ours: &Counts, now: Instant) -> Verdict {
        if self.progress.has_changed().is_err() {
            return Verdict::Gone;
        }
        let progress = self.progress.borrow().clone();
        if progress.ready != self.was_ready {
            self.was_ready = progress.ready;
            self.differs = [0; 3];
        }
        let Some(wait) = &self.waiting else { return Verdict::GoOn };
        if !progress.ready {
            self.waiting = None;
            return Verdict::GoOn;
        }
        let differences = differences(ours, &progress);
        let open = |(symbol, end): &&(Symbol, MarketTime)| progress.decided.get(symbol).is_none_or(|at| at < end);
        let undecided: Vec<String> =
            wait.decided.iter().filter(open).map(|(symbol, end)| format!("{symbol} up to {end}")).collect();
        let heard = progress.time >= wait.time || now >= wait.since + HEARD_WITHIN;
        if heard && undecided.is_empty() && progress.unanswered == 0 && differences == self.differs {
            self.waiting = None;
            return Verdict::GoOn;
        }
        let deadline = wait.since + PATIENCE;
        if now < deadline {
            let again = wait.since + HEARD_WITHIN;
            return Verdict::Hold(if heard { deadline } else { again });
        }
        warn!(
            ?undecided,
            heard,
            unanswered = progress.unanswered,
            executions_missing = differences[0] - self.differs[0],
            commissions_missing = differences[1] - self.differs[1],
            working_missing = differences[2] - self.differs[2],
            "lock-step: the daemon and the exchange disagree; the market moves on"
        );
        self.differs = differences;
        self.waiting = None;
        Verdict::GoOn
    }
}

fn differences(ours: &Counts, theirs: &Progress) -> [i64; 3] {
    // Counts of one process's orders: far below i64's limit.
    let minus = |a: u64, b: u64| i64::try_from(a).unwrap_or(i64::MAX) - i64::try_from(b).unwrap_or(i64::MAX);
    [
        minus(ours.executions, theirs.executions),
        // Every fill here has its cost.
        minus(ours.executions, theirs.commissions),
        minus(ours.working.len() as u64, theirs.working),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aapl() -> Symbol {
        "AAPL".parse().unwrap()
    }

    fn fills(executions: u64) -> Counts {
        Counts { executions, ..Counts::default() }
    }

    fn at(secs: i64) -> MarketTime {
        MarketTime::from_secs(secs)
    }

    #[tokio::test(start_paused = true)]
    async fn the_market_waits_for_the_decision_and_for_agreement() {
        let (daemon, progress) = watch::channel(Progress { ready: true, ..Progress::default() });
        let mut step = LockStep::new(progress);
        let now = Instant::now();
        let ours = &fills(1);
        assert_eq!(step.verdict(ours, now), Verdict::GoOn, "nothing was announced yet");
        step.hold(vec![(aapl(), at(60))], now);
        assert!(matches!(step.verdict(ours, now), Verdict::Hold(_)));
        daemon.send_modify(|p| {
            p.decided.insert(aapl(), at(60));
            p.unanswered = 1;
        });
        assert!(matches!(step.verdict(ours, now), Verdict::Hold(_)), "the fill is not known yet");
        daemon.send_modify(|p| {
            p.unanswered = 0;
            p.executions = 1;
            p.commissions = 1;
        });
        assert_eq!(step.verdict(ours, now), Verdict::GoOn);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lasting_difference_is_waited_for_once() {
        let (daemon, progress) = watch::channel(Progress { ready: true, ..Progress::default() });
        let mut step = LockStep::new(progress);
        let ours = &fills(3);
        step.hold(Vec::new(), Instant::now());
        assert_eq!(step.verdict(ours, Instant::now() + PATIENCE), Verdict::GoOn);
        step.hold(Vec::new(), Instant::now());
        assert_eq!(step.verdict(ours, Instant::now()), Verdict::GoOn, "the difference is known now");
        step.hold(Vec::new(), Instant::now());
        assert!(matches!(step.verdict(&fills(4), Instant::now()), Verdict::Hold(_)), "a new fill is not");
        drop(daemon);
        assert_eq!(step.verdict(ours, Instant::now()), Verdict::Gone);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_session_nobody_is_waited_for() {
        let (daemon, progress) = watch::channel(Progress { ready: true, ..Progress::default() });
        let mut step = LockStep::new(progress);
        step.hold(vec![(aapl(), at(60))], Instant::now());
        daemon.send_modify(|p| p.ready = false);
        assert_eq!(step.verdict(&Counts::default(), Instant::now()), Verdict::GoOn);
    }
}
