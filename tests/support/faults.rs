//! Stories of faults: a daemon trades on a simulator, something goes wrong, and in the end both
//! agree. Everything runs on the test's own thread, and so the log is the test's own.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use robo_trader::domain::Shares;
use robo_trader::domain::book::{Fact, FillFact, OrderFact, SessionFact};
use robo_trader::domain::order::OrderState;
use robo_trader::domain::progress::Progress;
use robo_trader::runner::board::Board;
use robo_trader::runner::{RunError, Summary as DaemonSummary};
use robo_trader::simulator::faults::Rule;
use robo_trader::simulator::{Running, SimulatorConfig, Summary};
use tokio::sync::watch;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

use super::{Daemon, PATIENCE, Start, book, journal, settings};

/// Short deadlines, and a strategy that crosses often.
const QUICK: &[(&str, &str)] = &[
    ("STRATEGY_PARAMS", "fast=2,slow=5"),
    ("RISK_MAX_ORDERS_PER_MINUTE", "1000"),
    ("RISK_MAX_DAILY_NOTIONAL", "100000000"),
    ("SYMBOLS", "AAPL"),
    ("IBKR_TIMEOUT", "3"),
    ("DIAL_DEADLINE", "1"),
    ("PROBE_DEADLINE", "1"),
    ("PROBE_MISSES", "2"),
    ("ACK_DEADLINE", "2"),
];

/// The log of one test, to be waited for.
#[derive(Clone)]
pub struct Log {
    text: Arc<Mutex<Vec<u8>>>,
    grown: watch::Sender<usize>,
}

impl Log {
    fn new() -> Self {
        Self { text: Arc::default(), grown: watch::Sender::new(0) }
    }

    pub fn lines(&self) -> Vec<String> {
        let text = self.text.lock().unwrap();
        String::from_utf8_lossy(&text).lines().map(str::to_owned).collect()
    }

    /// Waits for a line from line `from` on that says all of these; returns it.
    pub async fn says(&self, from: usize, parts: &[&str]) -> String {
        let mut grown = self.grown.subscribe();
        let waiting = async {
            loop {
                grown.borrow_and_update();
                let found =
                    self.lines().into_iter().skip(from).find(|line| parts.iter().all(|part| line.contains(part)));
                if let Some(line) = found {
                    return line;
                }
                grown.changed().await.unwrap();
            }
        };
        let found = tokio::time::timeout(PATIENCE, waiting).await;
        found.unwrap_or_else(|_| panic!("the log never says {parts:?}:\n{}", self.lines().join("\n")))
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.text.lock().unwrap().extend_from_slice(bytes);
        self.grown.send_modify(|grown| *grown += bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// A daemon and its simulator.
pub struct Story {
    pub dir: tempfile::TempDir,
    pub running: Running,
    pub daemon: Daemon,
    pub log: Log,
    pub board: Arc<Board>,
    pairs: Vec<(&'static str, &'static str)>,
    _logging: DefaultGuard,
}

impl Story {
    /// A daemon that trades on a simulator without faults.
    pub async fn trading(pairs: &[(&'static str, &'static str)]) -> Self {
        let mut story = Self::begin(pairs, SimulatorConfig::default()).await;
        story.executions(2).await;
        story
    }

    /// A daemon on a simulator, from the very beginning.
    pub async fn begin(pairs: &[(&'static str, &'static str)], rules: SimulatorConfig) -> Self {
        let log = Log::new();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(log.clone()).finish();
        let logging = tracing::subscriber::set_default(subscriber);
        let running = robo_trader::simulator::start(SimulatorConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            speed: robo_trader::simulator::Speed::Times(100.0),
            message_rate: 0,
            ..rules
        })
        .await
        .unwrap();
        let dir = tempfile::tempdir().unwrap();
        let pairs: Vec<_> = QUICK.iter().chain(pairs).copied().collect();
        let board = Board::new();
        let how = Start { board: Some(Arc::clone(&board)), ..Start::default() };
        let daemon = Daemon::start(settings(running.address, &pairs), dir.path(), how);
        Self { dir, running, daemon, log, board, pairs, _logging: logging }
    }

    /// Another daemon with the same state, after the first has ended.
    pub fn again(&mut self) {
        self.daemon = Daemon::start(settings(self.running.address, &self.pairs), self.dir.path(), Start::default());
    }

    /// Tells the simulator a fault; returns how long the log was before.
    pub async fn told(&self, line: &str) -> usize {
        let before = self.log.lines().len();
        let rule: Rule = line.parse().unwrap_or_else(|error| panic!("{line}: {error}"));
        self.running.inject(rule).await.unwrap();
        before
    }

    /// Ends all faults.
    pub async fn cleared(&self) {
        self.running.clear().await.unwrap();
    }

    /// Waits for that many executions more.
    pub async fn executions(&mut self, more: u64) -> Progress {
        let known = self.daemon.progress.borrow().executions;
        self.daemon.until("executions", |p| p.ready && p.executions >= known + more).await
    }

    pub async fn lost(&mut self) {
        self.daemon.until("a lost session", |p| !p.ready).await;
    }

    pub async fn ready(&mut self) {
        self.daemon.until("a session that is Ready", |p| p.ready).await;
    }

    /// The session is lost by this fault, the log says why, and when it is over trading goes on
    /// and everything is accounted for.
    pub async fn lost_and_found(mut self, faults: &[&str], says: &[&str]) {
        let mut from = 0;
        for fault in faults {
            from = self.told(fault).await;
        }
        self.lost().await;
        self.log.says(from.saturating_sub(faults.len()), says).await;
        self.cleared().await;
        self.ready().await;
        self.executions(2).await;
        self.accounted_for().await;
    }

    /// Stops the daemon and compares all that it knows with the simulator's account.
    /// Returns how many executions the journal has, corrections not counted, and the account.
    pub async fn accounted_for(self) -> (u64, Summary) {
        self.cleared().await;
        let (_, result) = self.daemon.stop().await;
        result.unwrap();
        let account = self.running.stop().await.unwrap();
        (compare(self.dir.path(), &account), account)
    }

    /// Waits for the daemon's own end.
    pub async fn ended(self) -> (DaemonSummary, Result<(), RunError>) {
        let ended = self.daemon.ended().await;
        self.running.stop().await.unwrap();
        ended
    }
}

/// No order twice, no execution twice, nothing in doubt, and the journal's positions and cash are
/// the simulator's. Returns how many executions there were, corrections not counted.
pub fn compare(state_dir: &Path, account: &Summary) -> u64 {
    let (mut intents, mut executions) = (BTreeSet::new(), BTreeSet::new());
    for record in journal(state_dir) {
        match record.fact {
            Fact::Order(OrderFact::Intended { ticket, .. }) => assert!(intents.insert(ticket.order_ref.intent)),
            Fact::Fill(FillFact::Executed { execution, .. }) => {
                assert!(executions.insert(execution.id.clone()), "{} twice", execution.id);
            }
            _ => {}
        }
    }
    let book = book(state_dir);
    for (id, position) in book.positions() {
        let symbol = book.symbol(id).unwrap().to_string();
        let theirs = account.positions.get(&symbol).map_or(Shares::ZERO, |held| held.quantity);
        assert_eq!(position.quantity(), theirs, "{symbol}");
    }
    let unknown = book.orders().filter(|order| order.state == OrderState::Unknown).count();
    assert_eq!(unknown, 0, "orders in doubt");
    assert_eq!(book.cash(), Some(account.cash));
    let stem = |id: &str| id.rsplit_once('.').map(|(stem, _)| stem.to_owned());
    executions.iter().filter_map(|id| stem(&id.0)).collect::<BTreeSet<_>>().len() as u64
}

/// Sessions that were Ready.
pub fn sessions(state_dir: &Path) -> usize {
    // A fence that was closed and opened again within a session is told by the same number.
    let number = |record: &robo_trader::domain::book::Record| match record.fact {
        Fact::Session(SessionFact::Ready { number, .. }) => Some(number),
        _ => None,
    };
    journal(state_dir).iter().filter_map(number).collect::<std::collections::BTreeSet<u64>>().len()
}

/// A little while, for what takes real time by its nature.
pub const MOMENT: Duration = Duration::from_millis(20);
