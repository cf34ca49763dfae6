//! A daemon that trades on a simulator, both in this process, for as long as is measured.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Failed, Times};
use crate::config::{Layers, Settings, Source};
use crate::domain::Usd;
use crate::domain::book::Record;
use crate::domain::progress::Progress;
use crate::journal::Journal;
use crate::journal::sqlite::SqliteJournal;
use crate::runner::{self, RunConfig};
use crate::simulator::tap::{Matching, Tap};
use crate::simulator::{Running, SimulatorConfig, Speed, start};

/// Market seconds in a real one: a bar of five seconds every 50 ms.
const SPEED: f64 = 100.0;
/// How long the daemon may take to be ready, and to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often what the tap has seen is taken, and what it holds meanwhile.
const TAKE: (Duration, usize) = (Duration::from_millis(50), 65_536);

/// One symbol whose averages cross with every second bar or so, and nothing that refuses an order. Nothing of the
/// operator's own settings: alerts, above all.
const SETTINGS: &[(&str, &str)] = &[
    ("SYMBOLS", "AAA"),
    ("STRATEGY_PARAMS", "fast=1,slow=2"),
    ("CALENDAR", "always"),
    ("DATA_BAR_SIZE", "5 secs"),
    ("DATA_DURATION", "1800 S"),
    ("HISTORICAL_PACING", "no"),
    ("MESSAGE_RATE", "1000"),
    ("RISK_POSITION_SIZING", "shares"),
    ("RISK_FIXED_SHARES", "1"),
    ("RISK_MAX_DAILY_NOTIONAL", "1000000000"),
    ("RISK_MAX_ORDERS_PER_MINUTE", "10000"),
    ("RISK_MAX_ORDERS", "1000000"),
    ("RISK_MAX_LOSSES", "1000000"),
    ("RISK_MAX_DAILY_LOSS_PCT", "1"),
];

/// From tick to order at this durability, and the facts that it has led to.
pub(super) async fn trade(dir: &Path, durability: &str, time: Duration) -> Result<(Times, Vec<Record>), Failed> {
    let (tap, mut seen) = Tap::new(TAKE.1);
    let running = start(SimulatorConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        cash: Usd::of(100_000_000.into()),
        speed: Speed::Times(SPEED),
        message_rate: 0,
        pacing: false,
        tap: Some(tap.clone()),
        ..SimulatorConfig::default()
    })
    .await?;
    let (progress, mut followed) = watch::channel(Progress::default());
    let stop = CancellationToken::new();
    let config = RunConfig {
        settings: settings(&running, durability)?,
        state_dir: dir.to_path_buf(),
        confirmed_live: false,
        once: false,
        seed: Some(1),
        progress,
        stop: stop.clone(),
        board: None,
        reload: None,
    };
    crate::private_dir::make(dir).map_err(|source| Failed::Disk { dir: dir.to_path_buf(), source })?;
    let mut daemon = JoinSet::new();
    daemon.spawn(runner::run(config));
    let ready = tokio::select! {
        ready = timeout(PATIENCE, followed.wait_for(|progress| progress.executions > 0)) => matches!(ready, Ok(Ok(_))),
        Some(Ok((_, ended))) = daemon.join_next() => {
            ended?;
            false
        }
    };
    if !ready {
        return Err(Failed::Loopback("has not begun to trade"));
    }
    let (mut matching, mut times) = (Matching::default(), Vec::new());
    let end = Instant::now() + time;
    // What came before is known, not counted.
    while let Ok(seen) = seen.try_recv() {
        matching.hear(&seen);
    }
    matching.begin();
    while Instant::now() < end {
        sleep(TAKE.0).await;
        while let Ok(seen) = seen.try_recv() {
            times.extend(matching.hear(&seen));
        }
    }
    stop.cancel();
    match timeout(PATIENCE, daemon.join_next()).await {
        Ok(Some(Ok((_, ended)))) => ended?,
        Ok(_) | Err(_) => return Err(Failed::Loopback("has not ended as it should")),
    }
    running.stop().await?;
    Ok((Times::of(times), facts(dir)?))
}

fn settings(running: &Running, durability: &str) -> Result<Settings, Failed> {
    let mut layers = Layers::new();
    let port = running.address.port().to_string();
    let own = [("IBKR_PORT", port.as_str()), ("JOURNAL_DURABILITY", durability)];
    for (name, value) in SETTINGS.iter().chain(&own) {
        layers.set(name, *value, Source::Simulator);
    }
    Settings::resolve(&layers).map_err(|error| Failed::Usage(error.to_string()))
}

/// What stands in the journal of that daemon.
fn facts(dir: &Path) -> Result<Vec<Record>, Failed> {
    let account = SimulatorConfig::default().account;
    let path = SqliteJournal::path(dir, "simulator", &account.0);
    let mut records = Vec::new();
    SqliteJournal::open_read_only(&path)?.replay(1, &mut |row| records.push(row.record))?;
    Ok(records)
}
