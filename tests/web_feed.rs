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
use robo_trader::web::WebConfig;
use robo_trader::web::log_tail::LogTail;
use serde_json::{Value, json};
use support::{Daemon, Start, settings, synthetic};
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::tungstenite::Message;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use web_support::{Answer, PATIENCE, Served, config};

type Socket = tokio_tungstenite::WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

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

/// A client that gets little ahead of what it reads, whatever the system would keep for it.
async fn narrow(served: &Served) -> Socket {
    let stream = tokio::net::TcpSocket::new_v4().unwrap();
    stream.set_recv_buffer_size(16 << 10).unwrap();
    let stream = MaybeTlsStream::Plain(stream.connect(served.address).await.unwrap());
    tokio_tungstenite::client_async(format!("ws://{}/api/v1/ws", served.address), stream).await.unwrap().0
}

/// Takes everything up to a number, in sequence; tells how many snapshots it was given.
async fn follow(socket: &mut Socket, seq: &mut u64, until: u64) -> usize {
    let mut snapshots = 0;
    while *seq < until {
        let message = next(socket).await.expect("who reads is served on");
        let Some(number) = message["seq"].as_u64() else { continue };
        if message["type"] == "snapshot" {
            snapshots += 1;
        } else {
            assert_eq!(number, *seq + 1, "{message}");
        }
        *seq = number;
    }
    snapshots
}

/// Clients that never read, at each of two doors: one that waits for ever, and one that drops them.
const NEVER_READ: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn the_desk_and_those_who_read_wait_for_no_client_and_those_who_do_not_are_dropped_with_a_reason() {
    let heard = Board::new();
    let of_the_feed = filter_fn(|event| event.target() == "robo_trader::web::feed");
    // The only test of this binary with a log.
    tracing_subscriber::registry().with(LogTail(Arc::clone(&heard)).with_filter(of_the_feed)).init();
    let dir = tempfile::tempdir().unwrap();
    let simulator = synthetic(None, 0).await;
    let board = Board::new();
    let how = Start { board: Some(Arc::clone(&board)), ..Start::default() };
    let mut daemon = Daemon::start(settings(simulator.address, BUSY), dir.path(), how);
    let door = |send_within| {
        Served::of(Arc::clone(&board), WebConfig { send_within, ping_every: 100 * PATIENCE, ..config(dir.path()) })
    };
    let (patient, strict) = (door(100 * PATIENCE).await, door(Duration::from_secs(2)).await);
    daemon.until("some fills", |progress| progress.executions >= 2).await;
    let (mut idle, mut dropped, mut readers) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..NEVER_READ {
        idle.push(narrow(&patient).await);
        dropped.push(narrow(&strict).await);
    }
    for door in [&patient, &strict, &patient, &strict] {
        readers.push((listen(door, "").await, 0));
    }
    let caught_up = async |readers: &mut Vec<(Socket, u64)>| {
        let told = board.feed().told();
        let snapshots = readers.iter_mut().map(|(socket, seq)| follow(socket, seq, told));
        futures::future::join_all(snapshots).await
    };
    assert_eq!(caught_up(&mut readers).await, [1; 4], "a snapshot each, to begin with");
    // Three times as much as is kept, at the pace of those who read: they miss nothing, and need no other snapshot.
    let line = LogView { at: wall_now(), level: "INFO", message: "x".repeat(20_000), fields: String::new() };
    for _ in 0..24 {
        (0..50).for_each(|_| board.logged(line.clone()));
        assert_eq!(caught_up(&mut readers).await, [0; 4]);
    }
    // Nobody has dropped the first twenty: the door stands and waits for them, and the desk goes on.
    let executions = daemon.progress.borrow().executions;
    daemon.until("more fills", |progress| progress.executions > executions + 4).await;
    assert_eq!(caught_up(&mut readers).await, [0; 4]);
    let count = |answer: &Answer, count: usize| {
        answer.body.lines().any(|line| line == format!("robo_trader_feed_dropped_total {count}"))
    };
    let waits = patient.raw("GET", "/metrics", &[], "").await;
    assert!(count(&waits, 0), "{}", waits.body);
    strict.until("/metrics", "the others are dropped", |answer| count(answer, NEVER_READ)).await;
    let reasons = heard.log(1_000).iter().filter(|line| line.message.ends_with("dropped: it does not read")).count();
    assert_eq!(reasons, NEVER_READ);
    daemon.stop().await.1.unwrap();
    simulator.stop().await.unwrap();
    assert_eq!(caught_up(&mut readers).await, [0; 4]);
    // Each of the twenty was left so far behind that only another snapshot helps; with it, they have everything.
    let told = board.feed().told();
    for mut socket in idle {
        let mut seq = 0;
        let snapshots = follow(&mut socket, &mut seq, told).await;
        assert!(snapshots >= 2, "it was never left behind");
    }
    for mut socket in dropped {
        while next(&mut socket).await.is_some() {}
    }
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
