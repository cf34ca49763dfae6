//! The daemon killed with SIGKILL, again and again within one market day, at seeded instants:
//! while it starts, while it trades, and in the moments around the write of an order's facts.
//!
//! `KILLS=200 cargo test --release --test kill_nine -- --nocapture` (`KILL_SEED=N` for another day).
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![cfg(unix)]

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use robo_trader::domain::Shares;
use robo_trader::domain::order::OrderState;
use support::{book, synthetic};
use tokio::time::Instant;

/// Kills where nobody says how many.
const KILLS: u64 = 25;

/// How long a life may last before something that must come has come. Never reached where all is well.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a life waits for an order to be killed at; markets are quiet at times.
const QUIET: Duration = Duration::from_secs(4);

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// When a life ends.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// So long after its start.
    After(Duration),
    /// So long after its log has said this for the nth time. An order is told before its facts are
    /// written, and they are written before it is sent: the first milliseconds are those.
    Said { words: &'static str, nth: u32, then: Duration },
}

fn moment(random: &mut SmallRng) -> Moment {
    let micros = |random: &mut SmallRng, most: u64| Duration::from_micros(random.random_range(0..most));
    match random.random_range(0..10_u32) {
        0..2 => Moment::After(micros(random, 1_500_000)),
        2..8 => {
            let nth = random.random_range(1..=4);
            Moment::Said { words: " order: ", nth, then: micros(random, 4_000) }
        }
        8 => Moment::Said { words: "fill: ", nth: 1, then: micros(random, 2_000) },
        _ => Moment::Said { words: "reconciling with the broker", nth: 1, then: micros(random, 300_000) },
    }
}

/// One life of the daemon.
struct Life {
    child: Child,
    lines: Receiver<String>,
    reader: Option<JoinHandle<()>>,
    began: Instant,
}

impl Life {
    fn begin(dir: &Path, port: u16, mode: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_robo-trader"));
        command.current_dir(dir).env_clear().env("HOME", dir).env("XDG_RUNTIME_DIR", dir);
        command.args(["run", "--symbols", "AAPL,NVDA,TSLA", "--state-dir", "state", "--port", &port.to_string()]);
        command.args(["--param", "fast=2", "--param", "slow=5"]);
        for setting in [
            "DATA_BAR_SIZE=5 secs",
            "DATA_DURATION=900 S",
            "CALENDAR=always",
            "HISTORICAL_PACING=no",
            "MESSAGE_RATE=1000",
            "PROBE_INTERVAL=0.1",
            "BACKOFF_BASE=0.05",
            "BACKOFF_CAP=0.2",
            "SETTLE_TIME=0.05",
            "RISK_STOP_LOSS_PCT=0.05",
            "RISK_MAX_DAILY_NOTIONAL=100000000",
            "RISK_MAX_ORDERS_PER_MINUTE=1000",
            "RISK_MAX_LOSSES=1000000",
            "RISK_MAX_SESSIONS_LOST=1000000",
            "RISK_MAX_DRAWDOWN_PCT=1",
        ] {
            command.args(["--set", setting]);
        }
        command.args(["--set", &format!("EXECUTION_MODE={mode}")]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let began = Instant::now();
        let mut child = command.spawn().unwrap();
        let log = child.stderr.take().unwrap();
        let (tell, lines) = sync_channel(100_000);
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(log).lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines, reader: Some(reader), began }
    }

    /// Waits until the log has said this so often; whether it did.
    fn says(&self, words: &str, nth: u32, within: Duration) -> bool {
        let mut left = nth;
        while let Ok(line) = self.lines.recv_timeout(within) {
            left -= u32::from(line.contains(words));
            if left == 0 {
                return true;
            }
            if self.began.elapsed() > PATIENCE {
                break;
            }
        }
        false
    }

    /// SIGKILL, and what the log has said that was not waited over.
    fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
        self.lines.try_iter().collect()
    }
}

#[derive(Debug, Default)]
struct Day {
    kills: u64,
    /// Kills within milliseconds of an order's facts.
    at_orders: u64,
    /// Lives that became Ready, and how long they took for it.
    ready: Vec<Duration>,
}

/// Lives and kills, then one more life that only looks, until it is told to stop.
fn day(dir: &Path, port: u16, seed: u64, kills: u64) -> Day {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut day = Day::default();
    for _ in 0..kills {
        let life = Life::begin(dir, port, "paper");
        match moment(&mut random) {
            Moment::After(wait) => std::thread::sleep(wait),
            Moment::Said { words, nth, then } => {
                let early = words.starts_with("reconciling");
                if !early && life.says("ready: ", 1, PATIENCE) {
                    day.ready.push(life.began.elapsed());
                }
                if life.says(words, nth, QUIET) {
                    day.at_orders += u64::from(words.contains("order"));
                    std::thread::sleep(then);
                }
            }
        }
        let last = life.kill();
        let failed = last.iter().find(|line| line.contains(" ERROR "));
        assert!(failed.is_none(), "seed {seed}, life {}: {failed:?}", day.kills);
        day.kills += 1;
    }
    let mut life = Life::begin(dir, port, "observe");
    assert!(life.says("ready: ", 1, PATIENCE), "the last life never became Ready");
    let id = life.child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    assert_eq!(life.child.wait().unwrap().code(), Some(0));
    day
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_instant_it_loses_no_fill_and_repeats_no_order() {
    let (seed, kills) = (number("KILL_SEED", 1), number("KILLS", KILLS));
    let dir = tempfile::tempdir().unwrap();
    let exchange_dir = dir.path().join("exchange");
    let running = synthetic(Some(&exchange_dir), 0).await;
    let (place, port) = (dir.path().to_owned(), running.address.port());
    let day = tokio::task::spawn_blocking(move || day(&place, port, seed, kills)).await.unwrap();
    let account = running.stop().await.unwrap();
    let book = book(&dir.path().join("state"));

    assert_eq!(book.counts().executions, account.fills, "a fill is lost or repeated");
    for (id, position) in book.positions() {
        let symbol = book.symbol(id).unwrap().as_str();
        let theirs = account.positions.get(symbol).map_or(Shares::ZERO, |held| held.quantity);
        assert_eq!(position.quantity(), theirs, "{symbol}");
    }
    assert_eq!(book.cash(), Some(account.cash));
    let unknown = book.orders().filter(|order| order.state == OrderState::Unknown).count();
    assert_eq!(unknown, 0, "orders in doubt");
    let locks: Vec<String> = book.locks().map(|(scope, _, lock)| format!("{scope:?}: {}", lock.why)).collect();
    assert!(locks.iter().all(|lock| lock.contains("the day's loss")), "{locks:?}");

    // Every order that was decided reached the exchange once, or is known never to have: one that was
    // sent twice would be one too many.
    let never = book.orders().filter(|order| order.state == OrderState::NeverSent).count() as u64;
    assert_eq!(account.orders, book.orders().count() as u64 - never, "an order was accepted twice, or lost");
    let mut states: BTreeMap<String, u64> = BTreeMap::new();
    for order in book.orders() {
        *states.entry(format!("{:?}", order.state)).or_default() += 1;
    }
    let mut ready = day.ready;
    ready.sort();
    let middle = ready.get(ready.len() / 2).copied().unwrap_or_default();
    println!(
        "{} kills ({} at an order's facts), {} orders at the exchange, {} fills, orders by their end {states:?}, \
         ready again after {:.0} ms (median), {:.0} ms (longest)",
        day.kills,
        day.at_orders,
        account.orders,
        account.fills,
        middle.as_secs_f64() * 1e3,
        ready.last().copied().unwrap_or_default().as_secs_f64() * 1e3,
    );
}
