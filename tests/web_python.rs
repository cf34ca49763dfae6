//! A client from another ecosystem follows a whole simulated day: what it has folded is what the API tells at the end.
//!
//! Skipped, with a message, where Python's `websockets` is not installed, or by `PYTHON_TESTS=skip`;
//! `PYTHON_TESTS=required` makes a library that is missing a failure.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod support;
mod web_support;

use std::process::Stdio;
use std::sync::Arc;

use robo_trader::runner::board::Board;
use robo_trader::simulator::SimulatorConfig;
use serde_json::Value;
use support::{book, replayed_on, write_waves};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;
use web_support::{PATIENCE, Served, config};

/// Whether the client's library is there.
async fn is_installed() -> bool {
    let asked = Command::new("python3").args(["-c", "import websockets"]).stderr(Stdio::null()).status().await;
    asked.is_ok_and(|status| status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_python_client_follows_a_whole_day_and_ends_with_what_the_api_tells() {
    let wanted = std::env::var("PYTHON_TESTS").unwrap_or_default();
    if wanted == "skip" || !is_installed().await {
        assert!(wanted != "required", "python3 has no websockets");
        eprintln!("skipped: PYTHON_TESTS=skip, or python3 has no websockets (pip install websockets)");
        return;
    }
    let (dir, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (symbol, base, period) in [("AAA", 50.0, 9.0), ("BBB", 20.0, 7.0), ("CCC", 90.0, 12.0)] {
        write_waves(data.path(), symbol, &[3], base, period);
    }
    let pairs = [
        ("SYMBOLS", "AAA,BBB,CCC"),
        ("STRATEGY_PARAMS", "fast=3,slow=8"),
        ("DATA_BAR_SIZE", "1 min"),
        ("DATA_DURATION", "1 D"),
        ("CALENDAR", "XNYS"),
        ("RISK_STOP_LOSS_PCT", "0.004"),
        // Some entries are refused: they are told, too.
        ("RISK_MAX_OPEN_POSITIONS", "2"),
    ];
    let board = Board::new();
    let served = Served::of(Arc::clone(&board), config(dir.path())).await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/web_python.py");
    let mut client = Command::new("python3")
        .args([script, &served.address.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let (mut said, mut wrong) = (BufReader::new(client.stdout.take().unwrap()).lines(), client.stderr.take().unwrap());
    let first = tokio::time::timeout(PATIENCE, said.next_line()).await.expect("the client is silent").unwrap();
    if first.as_deref() != Some("listening") {
        let mut why = String::new();
        wrong.read_to_string(&mut why).await.unwrap();
        panic!("the client did not begin: {first:?} {why}");
    }
    // It listens before the first session, and hears the day as fast as it can be played.
    replayed_on(data.path(), dir.path(), true, &pairs, SimulatorConfig::default(), Some(board)).await;
    client.stdin.take().unwrap().write_all(b"the day is over\n").await.unwrap();
    let told = tokio::time::timeout(PATIENCE, said.next_line()).await.expect("the client is silent").unwrap();
    let mut why = String::new();
    wrong.read_to_string(&mut why).await.unwrap();
    assert!(client.wait().await.unwrap().success(), "{told:?} {why}");
    let told: Value = serde_json::from_str(&told.unwrap()).unwrap();
    eprintln!("the client heard {told}");
    assert_eq!(told["kinds"]["bar"], 3 * 390, "every minute of the day, of three symbols");
    let book = book(dir.path());
    assert!(book.counts().executions > 30 && book.counts().refusals > 0, "{:?}", book.counts());
    for kind in ["order", "fill", "position", "target", "refusal", "account", "connection"] {
        assert!(told["kinds"][kind].as_u64() > Some(0), "{kind} in {told}");
    }
}
