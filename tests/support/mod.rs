//! What whole-daemon stories are made of: a daemon, a simulator, data, and a proxy that cuts.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, reason = "shared by several test binaries")]

pub mod faults;
pub mod proxy;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use robo_trader::config::{Layers, Settings, Source as From};
use robo_trader::domain::book::{Book, Record};
use robo_trader::domain::broker::AccountId;
use robo_trader::domain::progress::Progress;
use robo_trader::journal::Journal;
use robo_trader::journal::sqlite::SqliteJournal;
use robo_trader::runner::{RunConfig, RunError, Summary, put_ledger_aside, run};
use robo_trader::simulator::{Running, SimulatorConfig, Source, Speed, start};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long a story waits for something that must come. Never reached where all is well.
const PATIENCE: Duration = Duration::from_secs(60);

/// Settings with short deadlines, for a simulator.
pub fn settings(address: SocketAddr, pairs: &[(&str, &str)]) -> Settings {
    let mut layers = Layers::new();
    let port = address.port().to_string();
    let short = [
        ("IBKR_PORT", port.as_str()),
        ("PROBE_INTERVAL", "0.1"),
        ("PROBE_DEADLINE", "2"),
        ("MESSAGE_RATE", "1000"),
        ("HISTORICAL_PACING", "no"),
        ("SETTLE_TIME", "0.1"),
        ("BACKOFF_BASE", "0.05"),
        ("BACKOFF_CAP", "0.2"),
        ("CIRCUIT_BREAKER_TIMEOUT", "0.3"),
        ("DATA_BAR_SIZE", "5 secs"),
        ("DATA_DURATION", "1800 S"),
        ("CALENDAR", "always"),
        ("JOURNAL_DURABILITY", "process"),
        ("RISK_STOP_LOSS_PCT", "0.05"),
        ("RISK_MAX_LOSSES", "1000000"),
        ("RISK_MAX_DRAWDOWN_PCT", "1"),
        ("RISK_MAX_SESSIONS_LOST", "1000000"),
        ("RISK_MAX_REJECTS", "1000000"),
        ("RISK_MAX_ORDERS", "1000000"),
    ];
    for (name, value) in short.iter().chain(pairs) {
        assert!(robo_trader::config::table::find(name).is_some(), "{name} is no setting");
        layers.set(name, *value, From::Default);
    }
    Settings::resolve(&layers).unwrap()
}

/// A running daemon.
pub struct Daemon {
    pub progress: watch::Receiver<Progress>,
    stop: CancellationToken,
    task: JoinSet<(Summary, Result<(), RunError>)>,
}

/// How a daemon is started.
#[derive(Default)]
pub struct Start {
    pub once: bool,
    pub fresh: bool,
    pub progress: Option<watch::Sender<Progress>>,
    pub board: Option<std::sync::Arc<robo_trader::runner::board::Board>>,
}

impl Daemon {
    pub fn start(settings: Settings, state_dir: &Path, how: Start) -> Self {
        let progress = how.progress.unwrap_or_else(|| watch::channel(Progress::default()).0);
        let followed = progress.subscribe();
        let stop = CancellationToken::new();
        if how.fresh {
            put_ledger_aside(state_dir, "simulator", &AccountId("DU1234567".into())).unwrap();
        }
        let config = RunConfig {
            settings,
            state_dir: state_dir.to_path_buf(),
            confirmed_live: false,
            once: how.once,
            seed: Some(7),
            progress,
            stop: stop.clone(),
            board: how.board,
            reload: None,
        };
        let mut task = JoinSet::new();
        task.spawn(run(config));
        Self { progress: followed, stop, task }
    }

    /// Waits until the desk's progress is so.
    pub async fn until(&mut self, what: &str, condition: impl FnMut(&Progress) -> bool) -> Progress {
        let mut followed = self.progress.clone();
        let waited = tokio::time::timeout(PATIENCE, followed.wait_for(condition)).await;
        match waited.map(|waited| waited.map(|progress| progress.clone())) {
            Ok(Ok(progress)) => progress,
            Ok(Err(_)) => panic!("the daemon ended before: {what}: {:?}", self.task.try_join_next()),
            Err(_) => panic!("waited {PATIENCE:?} in vain for: {what}; last {:?}", *self.progress.borrow()),
        }
    }

    /// Stops as SIGTERM does and waits for the end.
    pub async fn stop(self) -> (Summary, Result<(), RunError>) {
        self.stop.cancel();
        self.ended().await
    }

    /// What it ended by itself with.
    pub async fn why(&mut self) -> String {
        match tokio::time::timeout(PATIENCE, self.task.join_next()).await {
            Ok(Some(Ok((_, Ok(()))))) => "nothing was wrong".to_owned(),
            Ok(Some(Ok((_, Err(error))))) => error.to_string(),
            other => format!("{other:?}"),
        }
    }

    /// Waits for its own end.
    pub async fn ended(mut self) -> (Summary, Result<(), RunError>) {
        let ended = tokio::time::timeout(PATIENCE, self.task.join_next()).await;
        ended.expect("the daemon did not end").unwrap().unwrap()
    }

    /// Ends it without any shutdown, as a kill would: its tasks are dropped where they stand.
    pub async fn kill(mut self) {
        self.task.shutdown().await;
    }
}

/// A separate simulator: synthetic market, fast, without lock-step.
pub async fn synthetic(state_dir: Option<&Path>, port: u16) -> Running {
    start(SimulatorConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], port)),
        state_dir: state_dir.map(Path::to_path_buf),
        speed: Speed::Times(100.0),
        message_rate: 0,
        pacing: false,
        ..SimulatorConfig::default()
    })
    .await
    .unwrap()
}

/// An embedded simulator that replays a folder in lock-step, and the daemon in step with it.
pub async fn replayed(
    data: &Path,
    state_dir: &Path,
    fresh: bool,
    pairs: &[(&str, &str)],
) -> (Summary, robo_trader::simulator::Summary) {
    replayed_by(data, state_dir, fresh, pairs, SimulatorConfig::default()).await
}

/// The same by other rules of the exchange.
pub async fn replayed_by(
    data: &Path,
    state_dir: &Path,
    fresh: bool,
    pairs: &[(&str, &str)],
    rules: SimulatorConfig,
) -> (Summary, robo_trader::simulator::Summary) {
    replayed_on(data, state_dir, fresh, pairs, rules, None).await
}

/// The same, shown on a board.
pub async fn replayed_on(
    data: &Path,
    state_dir: &Path,
    fresh: bool,
    pairs: &[(&str, &str)],
    rules: SimulatorConfig,
    board: Option<std::sync::Arc<robo_trader::runner::board::Board>>,
) -> (Summary, robo_trader::simulator::Summary) {
    let (running, daemon) = played(data, state_dir, fresh, pairs, rules, board).await;
    let (summary, result) = daemon.stop().await;
    result.unwrap();
    (summary, running.stop().await.unwrap())
}

/// The same, at the end of the tape: the market stands, and everybody is still there.
pub async fn played(
    data: &Path,
    state_dir: &Path,
    fresh: bool,
    pairs: &[(&str, &str)],
    rules: SimulatorConfig,
    board: Option<std::sync::Arc<robo_trader::runner::board::Board>>,
) -> (Running, Daemon) {
    let (progress, followed) = watch::channel(Progress::default());
    let probe = settings(SocketAddr::from(([127, 0, 0, 1], 1)), pairs);
    let running = start(SimulatorConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        source: Source::Replay { dir: data.to_path_buf() },
        cash: probe.default_cash,
        speed: Speed::Max,
        symbols: probe.symbols.iter().map(|(symbol, _)| *symbol).collect(),
        state_dir: Some(state_dir.join("exchange")),
        fresh,
        message_rate: 0,
        pacing: false,
        progress: Some(followed),
        decision_size: Some(probe.bar_size),
        allow_short: probe.limits.allow_short,
        ..rules
    })
    .await
    .unwrap();
    let mut finished = running.tape_finished();
    let how = Start { fresh, progress: Some(progress), board, ..Start::default() };
    let daemon = Daemon::start(settings(running.address, pairs), state_dir, how);
    let played = tokio::time::timeout(10 * PATIENCE, finished.wait_for(|finished| *finished)).await;
    played.expect("the tape did not end").unwrap();
    (running, daemon)
}

/// The journal of a simulator's account, as records.
pub fn journal(state_dir: &Path) -> Vec<Record> {
    let path = SqliteJournal::path(state_dir, "simulator", "DU1234567");
    let mut records = Vec::new();
    SqliteJournal::open_read_only(&path).unwrap().replay(1, &mut |row| records.push(row.record)).unwrap();
    records
}

/// The book that a journal adds up to.
pub fn book(state_dir: &Path) -> Book {
    let mut book = Book::default();
    journal(state_dir).iter().for_each(|record| book.apply(record));
    book
}

/// Writes minute bars of one symbol: a wave with some noise, from 09:30 New York on the given
/// days of June 2024 (13:30 UTC).
pub fn write_waves(dir: &Path, symbol: &str, days: &[u32], base: f64, period: f64) {
    let mut text = String::from("time,open,high,low,close,volume\n");
    let mut noise = symbol.bytes().fold(17_u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let mut step = 0.0_f64;
    let mut last = base;
    for day in days {
        for minute in 0..390 {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let jitter = ((noise >> 33) % 100) as f64 / 100.0 - 0.5;
            step += 1.0;
            let cents = |price: f64| (price * 100.0).round() / 100.0;
            let close = cents(base * (1.0 + 0.01 * (step / period).sin()) + jitter * base * 0.0005);
            let open = last;
            let (high, low) = (open.max(close) + 0.02, open.min(close) - 0.02);
            let (hour, minute) = ((13 * 60 + 30 + minute) / 60, (13 * 60 + 30 + minute) % 60);
            text.push_str(&format!(
                "2024-06-{day:02}T{hour:02}:{minute:02}:00Z,{open},{},{},{close},1000\n",
                cents(high),
                cents(low)
            ));
            last = close;
        }
    }
    std::fs::write(dir.join(format!("{symbol}-1min-2024-06.csv")), text).unwrap();
}
