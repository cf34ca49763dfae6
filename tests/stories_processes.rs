//! The real binary against the real binary: what an operator sees in the log when the gateway is
//! killed and comes back.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![cfg(unix)]

mod support;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use robo_trader::domain::Shares;
use support::{book, journal};

/// Looks at the log, 50 ms apart, before a story gives up.
const LOOKS: u32 = 1_800;

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // Best effort: it may have ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn binary(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_robo-trader"));
    command
        .current_dir(dir)
        .env_clear()
        .env("HOME", dir)
        .env("XDG_RUNTIME_DIR", dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn simulator(dir: &Path, port: u16) -> Killed {
    let mut command = binary(dir);
    command.args(["simulator", "--speed", "50", "--message-rate", "0", "--state-dir", "exchange"]);
    command.args(["--port", &port.to_string(), "--summary-json", "account.json"]);
    Killed(command.spawn().unwrap())
}

/// Waits until the log holds `needle` at or after line `from`; the number of the line after it.
fn wait_for(log: &PathBuf, needle: &str, from: usize) -> usize {
    let mut looks = 0;
    loop {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        if let Some((index, _)) = text.lines().enumerate().skip(from).find(|(_, line)| line.contains(needle)) {
            return index + 1;
        }
        looks += 1;
        assert!(looks < LOOKS, "no {needle:?} after line {from} of:\n{text}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn interrupt(child: &Killed) {
    let done = Command::new("kill").args(["-INT", &child.0.id().to_string()]).status().unwrap();
    assert!(done.success());
}

#[test]
fn a_killed_gateway_is_one_loss_then_backoff_breaker_probe_and_trading_again() {
    let dir = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut gateway = simulator(dir.path(), port);
    let log = dir.path().join("daemon.log");
    let mut command = binary(dir.path());
    command.args(["run", "--port", &port.to_string(), "--symbols", "AAPL,NVDA", "--state-dir", "state"]);
    command.args(["--param", "fast=2", "--param", "slow=5", "--log-file", "daemon.log"]);
    for setting in [
        "DATA_BAR_SIZE=5 secs",
        "DATA_DURATION=1800 S",
        "CALENDAR=always",
        "HISTORICAL_PACING=no",
        "MESSAGE_RATE=1000",
        "PROBE_INTERVAL=0.2",
        "PROBE_DEADLINE=1",
        "BACKOFF_BASE=0.1",
        "BACKOFF_CAP=0.3",
        "CIRCUIT_BREAKER_THRESHOLD=3",
        "CIRCUIT_BREAKER_TIMEOUT=2",
        "SETTLE_TIME=0.1",
        "LOG_LEVEL=info",
        "SHUTDOWN_GRACE=10",
    ] {
        command.args(["--set", setting]);
    }
    let mut daemon = Killed(command.spawn().unwrap());
    let ready = wait_for(&log, "ready: the broker's state is reconciled", 0);
    let traded = wait_for(&log, "fill: ", ready);
    gateway.0.kill().unwrap();
    gateway.0.wait().unwrap();
    let lost = wait_for(&log, "session lost", traded);
    let opened = wait_for(&log, "breaker open failures", lost);
    drop(gateway);
    let gateway = simulator(dir.path(), port);
    let probed = wait_for(&log, "breaker half-open", opened);
    let again = wait_for(&log, "ready: the broker's state is reconciled", probed);
    wait_for(&log, "fill: ", again);
    interrupt(&daemon);
    assert_eq!(daemon.0.wait().unwrap().code(), Some(0));
    interrupt(&gateway);
    let mut gateway = gateway;
    assert_eq!(gateway.0.wait().unwrap().code(), Some(0));

    let text = std::fs::read_to_string(&log).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let losses = lines[traded..again].iter().filter(|line| line.contains("session lost")).count();
    assert_eq!(losses, 1, "{text}");
    // While the breaker is open nothing is dialled: between its opening and its probe no attempt.
    let dialled = lines[opened..probed - 1].iter().filter(|line| line.contains("dialling attempt")).count();
    assert_eq!(dialled, 0, "{text}");

    let account: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dir.path().join("account.json")).unwrap()).unwrap();
    let state = dir.path().join("state");
    let book = book(&state);
    assert_eq!(book.counts().executions, account["fills"].as_u64().unwrap(), "a fill is lost or repeated");
    for (id, position) in book.positions() {
        let symbol = book.symbol(id).unwrap().as_str();
        let theirs = account["positions"][symbol]["quantity"].as_i64().unwrap_or(0);
        assert_eq!(position.quantity(), Shares(theirs), "{symbol}");
    }
    let mut names = BTreeSet::new();
    for record in journal(&state) {
        if let robo_trader::domain::book::Fact::Order(robo_trader::domain::book::OrderFact::Intended {
            ticket, ..
        }) = record.fact
        {
            assert!(names.insert(ticket.order_ref.to_string()), "{} twice", ticket.order_ref);
        }
    }
}
