//! The feed: its deltas add up to what the API tells, filters filter, and who does not read slows nobody.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod support;
mod web_support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use robo_trader::clock::wall_now;
use robo_trader::runner::board::Board;
use robo_trader::runner::board::views::LogView;
use serde_json::{Value, json};
use support::{Daemon, Start, settings, synthetic};
use tokio_tungstenite::tungstenite::Message;
use web_support::{PATIENCE, Served, config};

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

const BUSY: &[(&str, &str)] =
    &[("SYMBOLS", "AAPL,NVDA"), ("STRATEGY_PARAMS", "fast=2,slow=5"), ("RISK_MAX_DAILY_NOTIONAL", "1000000000")];

async fn listen(served: &Served, query: &str) -> Socket {
    let address = format!("ws://{}/api/v1/ws{query}", served.address);
    tokio_tungstenite::connect_async(address).await.unwrap().0
}

/// The next message that is JSON; `None` at the end.
async fn next(socket: &mut Socket) -> Option<Value> {
    loop {
        match tokio::time::timeout(PATIENCE, socket.next()).await.expect("the feed is silent")? {
            Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
            Ok(Message::Ping(_) | Message::Pong(_)) => {}
            Ok(_) | Err(_) => return None,
        }
    }
}

/// What a client makes of the feed.
#[derive(Default)]
struct Folded {
    boot: String,
    seq: u64,
    one: BTreeMap<&'static str, Value>,
    keyed: BTreeMap<&'static str, BTreeMap<String, Value>>,
    lists: BTreeMap<&'static str, Vec<Value>>,
    kinds: BTreeMap<String, u64>,
}

impl Folded {
    fn key(section: &str, row: &Value) -> String {
        match section {
            "orders" => format!("{:020}", row["intent"].as_u64().unwrap()),
            "fills" => row["execution"].as_str().unwrap().to_owned(),
            _ => row["symbol"].as_str().unwrap().to_owned(),
        }
    }

    fn take(&mut self, message: &Value) {
        let kind = message["type"].as_str().unwrap().to_owned();
        if let Some(seq) = message["seq"].as_u64() {
            assert!(seq > self.seq || kind == "snapshot", "{seq} after {}", self.seq);
            self.seq = seq;
        }
        let data = &message["data"];
        match kind.as_str() {
            "hello" => self.boot = message["boot"].as_str().unwrap().to_owned(),
            "snapshot" => self.snapshot(data),
            "connection" => drop(self.one.insert("connection", data.clone())),
            "account" => drop(self.one.insert("account", data.clone())),
            "lock" => drop(self.one.insert("locks", data.clone())),
            "order" => self.put("orders", data),
            "fill" => self.put("fills", data),
            "position" => self.put("positions", data),
            "target" => self.put("targets", data),
            "refusal" => self.lists.entry("refusals").or_default().push(data.clone()),
            "incident" => self.lists.entry("incidents").or_default().push(data.clone()),
            "bar" | "history" | "log" | "pong" => {}
            other => panic!("{other} is no message"),
        }
        *self.kinds.entry(kind).or_default() += 1;
    }

    fn put(&mut self, section: &'static str, row: &Value) {
        self.keyed.entry(section).or_default().insert(Self::key(section, row), row.clone());
    }

    fn snapshot(&mut self, data: &Value) {
        for section in ["connection", "account", "locks"] {
            self.one.insert(section, data[section].clone());
        }
        for section in ["orders", "fills", "positions", "targets"] {
            self.keyed.insert(section, BTreeMap::new());
            data[section].as_array().into_iter().flatten().for_each(|row| self.put(section, row));
        }
        for section in ["refusals", "incidents"] {
            self.lists.insert(section, data[section].as_array().cloned().unwrap_or_default());
        }
    }
}

/// The next snapshot.
async fn snapshot(socket: &mut Socket) -> Value {
    loop {
        let message = next(socket).await.expect("the feed goes on");
        if message["type"] == "snapshot" {
            return message;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn before_a_ledger_is_open_nothing_of_it_is_known_and_who_listens_is_told_when_it_is() {
    let dir = tempfile::tempdir().unwrap();
    // An earlier run has left a journal.
    let (simulator, mut daemon, served) = web_support::busy(dir.path()).await;
    daemon.until("some fills", |progress| progress.executions >= 4).await;
    daemon.stop().await.1.unwrap();
    drop(served);
    let board = Board::new();
    let served = Served::of(Arc::clone(&board), config(dir.path())).await;
    for (path, list) in [
        ("positions", "positions"),
        ("orders", "orders"),
        ("fills?limit=3", "fills"),
        ("signals", "signals"),
        ("refusals", "refusals"),
        ("incidents", "incidents"),
        ("locks", "locks"),
        ("equity", "equity"),
        ("account", "account"),
        ("limits", "limits"),
    ] {
        assert_eq!(served.get(&format!("/api/v1/{path}")).await, json!({ list: null }), "{path}");
    }
    let mut client = listen(&served, "").await;
    let first = snapshot(&mut client).await;
    assert!(first["data"]["orders"].is_null() && first["data"]["locks"].is_null(), "{first}");
    let start = Start { board: Some(board), ..Start::default() };
    let mut daemon = Daemon::start(settings(simulator.address, BUSY), dir.path(), start);
    let anew = snapshot(&mut client).await;
    let orders = anew["data"]["orders"].as_array().expect("what the journal says comes unasked");
    assert!(!orders.is_empty() && anew["seq"].as_u64() > first["seq"].as_u64());
    daemon.until("ready", |progress| progress.ready).await;
    daemon.stop().await.1.unwrap();
    assert!(served.list("orders").await.len() >= orders.len());
    simulator.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn folded_deltas_are_what_a_new_snapshot_tells_and_a_client_that_comes_back_misses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let simulator = synthetic(None, 0).await;
    let board = Board::new();
    // It listens from before the first session on.
    let served = Served::of(Arc::clone(&board), config(dir.path())).await;
    let mut socket = listen(&served, "").await;
    let how = Start { board: Some(board), ..Start::default() };
    let mut daemon = Daemon::start(settings(simulator.address, BUSY), dir.path(), how);
    let mut folded = Folded::default();
    while folded.kinds.get("fill").copied().unwrap_or(0) < 6 {
        folded.take(&next(&mut socket).await.expect("it goes on"));
    }
    // Gone for a while.
    drop(socket);
    let executions = daemon.progress.borrow().executions;
    daemon.until("more fills", |progress| progress.executions > executions + 2).await;
    let mut socket = listen(&served, &format!("?boot={}&from={}", folded.boot, folded.seq)).await;
    let hello = next(&mut socket).await.unwrap();
    assert_eq!((&hello["type"], &hello["resumed"]), (&json!("hello"), &json!(true)));
    daemon.stop().await.1.unwrap();
    simulator.stop().await.unwrap();
    let mut fresh = Folded::default();
    let mut other = listen(&served, "?boot=another&from=7").await;
    let hello = next(&mut other).await.unwrap();
    assert_eq!(hello["resumed"], json!(false), "a number of another process means nothing");
    fresh.take(&next(&mut other).await.unwrap());
    while folded.seq < fresh.seq {
        folded.take(&next(&mut socket).await.expect("it goes on"));
    }
    assert_eq!(folded.one, fresh.one);
    assert_eq!(folded.keyed, fresh.keyed);
    assert_eq!(folded.lists, fresh.lists);
    assert_eq!(folded.one["account"], served.get("/api/v1/account").await["account"]);
    assert_eq!(json!(folded.keyed["orders"].values().collect::<Vec<_>>()), json!(served.list("orders").await));
    assert_eq!(json!(folded.keyed["positions"].values().collect::<Vec<_>>()), json!(served.list("positions").await));
    for kind in ["connection", "bar", "history", "target", "order", "fill", "position", "account"] {
        assert!(folded.kinds.contains_key(kind), "{kind} in {:?}", folded.kinds);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_gets_what_it_asked_for_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let simulator = synthetic(None, 0).await;
    let board = Board::new();
    let how = Start { board: Some(Arc::clone(&board)), ..Start::default() };
    let mut daemon = Daemon::start(settings(simulator.address, BUSY), dir.path(), how);
    let served = Served::of(board, config(dir.path())).await;
    daemon.until("some fills", |progress| progress.executions >= 2).await;
    let mut socket = listen(&served, "?types=market_data,trade&symbols=NVDA").await;
    assert_eq!(next(&mut socket).await.unwrap()["type"], "hello");
    let snapshot = next(&mut socket).await.unwrap();
    let sections: Vec<&String> = snapshot["data"].as_object().unwrap().keys().collect();
    assert_eq!(sections, ["fills"]);
    for _ in 0..5 {
        let message = next(&mut socket).await.unwrap();
        assert!(
            ["bar", "fill"].contains(&message["type"].as_str().unwrap()) && message["symbol"] == "NVDA",
            "{message}"
        );
    }
    // Nothing that a client says reaches anybody else, or changes more than its own subscription.
    for said in [r#"{"type":"trade","symbol":"NVDA","price":1}"#, "nonsense", r#"{"type":"subscribe","types":["all"]}"#]
    {
        socket.send(Message::text(said)).await.unwrap();
        while next(&mut socket).await.unwrap()["type"] != "error" {}
    }
    socket.send(Message::text(r#"{"type":"subscribe","types":["account"]}"#)).await.unwrap();
    while next(&mut socket).await.unwrap()["type"] != "snapshot" {}
    assert_eq!(next(&mut socket).await.unwrap()["type"], "account");
    let wrong = served.raw("GET", "/api/v1/ws?types=everything", &[], "").await;
    assert!(wrong.status >= 400, "{wrong:?}");
    daemon.stop().await.1.unwrap();
    simulator.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_reads_is_dropped_and_the_desk_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let simulator = synthetic(None, 0).await;
    let board = Board::new();
    let how = Start { board: Some(Arc::clone(&board)), ..Start::default() };
    let mut daemon = Daemon::start(settings(simulator.address, BUSY), dir.path(), how);
    let mut config = config(dir.path());
    config.send_within = Duration::from_millis(100);
    let served = Served::of(Arc::clone(&board), config).await;
    daemon.until("some fills", |progress| progress.executions >= 2).await;
    let mut idle = Vec::new();
    for _ in 0..5 {
        idle.push(listen(&served, "").await);
    }
    let mut reads = listen(&served, "?types=fill").await;
    // More and more, until it is more than all buffers on the way hold.
    let line = LogView { at: wall_now(), level: "INFO", message: "x".repeat(20_000), fields: String::new() };
    let flood = async {
        loop {
            (0..50).for_each(|_| board.logged(line.clone()));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let executions = daemon.progress.borrow().executions;
    let dropped = |text: &str| text.lines().any(|line| line == "robo_trader_feed_dropped_total 5");
    tokio::select! {
        _ = served.until("/metrics", "all five are dropped", |answer| dropped(&answer.body)) => {}
        () = flood => {}
    }
    daemon.until("more fills", |progress| progress.executions > executions + 2).await;
    loop {
        if next(&mut reads).await.expect("who reads is served on")["type"] == "fill" {
            break;
        }
    }
    drop(idle);
    daemon.stop().await.1.unwrap();
    simulator.stop().await.unwrap();
}

/// On one thread: a burst is over before any client can be sent a part of it.
#[tokio::test]
async fn a_client_that_reads_is_not_dropped_in_a_burst_and_misses_nothing_that_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let board = Board::new();
    let served = Served::of(Arc::clone(&board), config(dir.path())).await;
    let mut socket = listen(&served, "?types=log").await;
    assert_eq!(next(&mut socket).await.unwrap()["type"], "hello");
    assert_eq!(next(&mut socket).await.unwrap()["type"], "snapshot");
    let line = |message: String| LogView { at: wall_now(), level: "INFO", message, fields: String::new() };
    for number in 1..=5_000 {
        board.logged(line(format!("line {number}")));
    }
    for number in 1..=5_000 {
        let message = next(&mut socket).await.expect("it is not dropped");
        assert_eq!((message["seq"].as_u64(), message["type"].as_str()), (Some(number), Some("log")), "{message}");
    }
    // More at once than is kept: another snapshot stands for what is gone, and the rest follows it.
    for number in 1..=20_000 {
        board.logged(line(format!("line {number}")));
    }
    let message = next(&mut socket).await.expect("it is not dropped");
    assert_eq!((message["seq"].as_u64(), message["type"].as_str()), (Some(25_000), Some("snapshot")), "{message}");
    board.logged(line("the next one".to_owned()));
    assert_eq!(next(&mut socket).await.unwrap()["seq"], 25_001);
}
