//! A simulated week of 24 symbols, with nightly restarts of the gateway and a weekend, at high speed:
//! memory, file descriptors, tasks and the log's volume stay flat.
//!
//! `cargo test --release --test soak -- --nocapture` in its short form; long:
//! `SOAK_DAYS=7 SOAK_SPEED=10000 cargo test --release --test soak -- --nocapture`.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![cfg(target_os = "linux")]

mod support;

use std::io::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use robo_trader::domain::MarketTime;
use robo_trader::domain::progress::Progress;
use robo_trader::simulator::faults::Scenario;
use robo_trader::simulator::{SimulatorConfig, Source, Speed, start};
use support::{Daemon, Start, settings};

const SYMBOLS: &str = "AAPL,NVDA,TSLA,IXHL,NUAI,BZAI,ELTP,OPEN,CEG,VRT,PLTR,UPST,TEM,HTFL,SDGR,APLD,SOFI,CORZ,WULF,QQQ,QLD,BBIO,IMRX,CRGY";

/// Every night the gateway is away for a moment, loses what was just sent, and counts ids anew.
const NIGHTS: &str = "[[rule]]\nat = \"+6h\"\nrepeat_market = \"24h\"\nfor = \"200ms\"\nrestart = { lose_orders = \"5ms\", lower_ids = true }\n";

/// How long a simulated week may take beside its speed. Never reached where all is well.
const PATIENCE: Duration = Duration::from_secs(900);

/// Bytes logged so far.
static LOGGED: AtomicU64 = AtomicU64::new(0);

struct Counted;

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOGGED.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// What could grow.
#[derive(Debug, Clone, Copy)]
struct Measured {
    resident_mb: u64,
    files: usize,
    tasks: usize,
    logged_kb: u64,
}

fn measured() -> Measured {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    Measured {
        resident_mb: pages * 4_096 / 1_048_576,
        files: std::fs::read_dir("/proc/self/fd").unwrap().count(),
        tasks: tokio::runtime::Handle::current().metrics().num_alive_tasks(),
        logged_kb: LOGGED.load(Ordering::Relaxed) / 1_024,
    }
}

/// The newest bar that any symbol's strategy has decided on.
fn reached(progress: &Progress) -> Option<MarketTime> {
    progress.decided.values().max().copied()
}

async fn until(daemon: &Daemon, what: &str, at: MarketTime) {
    let mut progress = daemon.progress.clone();
    let there = progress.wait_for(|p| p.ready && p.decided.len() == 24 && reached(p).is_some_and(|end| end >= at));
    let waited = tokio::time::timeout(PATIENCE, there).await;
    waited.unwrap_or_else(|_| panic!("{what} was never reached")).expect("the daemon ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn days_of_24_symbols_leave_everything_as_large_as_the_first_day() {
    let (days, speed) = (number("SOAK_DAYS", 3), number("SOAK_SPEED", 25_000));
    let writer = || Counted;
    tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).with_writer(writer).init();
    let dir = tempfile::tempdir().unwrap();
    let running = start(SimulatorConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        source: Source::Synthetic { always_open: false },
        speed: Speed::Times(speed as f64),
        message_rate: 0,
        state_dir: None,
        scenario: Scenario::parse("nights", NIGHTS).unwrap(),
        ..SimulatorConfig::default()
    })
    .await
    .unwrap();
    let pairs = [
        ("SYMBOLS", SYMBOLS),
        ("DATA_BAR_SIZE", "5 mins"),
        ("DATA_DURATION", "2 D"),
        ("CALENDAR", "XNYS"),
        ("STRATEGY_PARAMS", "fast=3,slow=8"),
        ("DATA_FRESHNESS", "7200"),
        ("RISK_MAX_ORDERS_PER_MINUTE", "10000"),
        ("RISK_MAX_ORDERS", "1000000"),
        ("RISK_MAX_DAILY_NOTIONAL", "100000000"),
        ("RISK_MAX_SESSIONS_LOST", "100000"),
        ("RISK_MAX_LOSSES", "100000"),
        ("RISK_MAX_REJECTS", "100000"),
    ];
    let mut daemon = Daemon::start(settings(running.address, &pairs), dir.path(), Start::default());
    let begun = daemon.until("every symbol's history", |p| p.ready && p.decided.len() == 24).await;
    let first = reached(&begun).unwrap();
    let day = Duration::from_secs(86_400);
    until(&daemon, "the end of the first day", first + day).await;
    let young = measured();
    let executions = daemon.progress.borrow().executions;
    until(&daemon, "the last day", first + day * u32::try_from(days).unwrap()).await;
    let old = measured();
    let done = daemon.progress.borrow().clone();
    let (summary, result) = daemon.stop().await;
    result.unwrap();
    let account = running.stop().await.unwrap();
    println!(
        "{days} market days at {speed}x: after the first {young:?}, at the end {old:?}; {} sessions, {} fills",
        summary.sessions, account.fills
    );
    assert!(done.executions > executions, "nothing traded after the first day");
    assert!(old.resident_mb <= young.resident_mb * 5 / 4 + 32, "memory grew: {young:?} to {old:?}");
    assert!(old.files <= young.files + 4, "file descriptors leak: {young:?} to {old:?}");
    assert!(old.tasks <= young.tasks + 8, "tasks leak: {young:?} to {old:?}");
    // By what happens, and not by how long it runs: on which of the days the market is open depends on today's date.
    let (later, fills) = (old.logged_kb - young.logged_kb, done.executions);
    let most = 64 * (days - 1) + 4 * fills;
    assert!(later <= most, "the log grows: {later} KB after the first day, for {fills} fills at most {most}");
}
