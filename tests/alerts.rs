//! A whole run, as those hear of it who are told outside.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod cli_support;

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use cli_support::Place;
use serde_json::Value;

/// A server that takes everything, and hands out each request's path and body.
fn server() -> (String, Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sent, received) = sync_channel(256);
    std::thread::spawn(move || listener.incoming().for_each(|stream| take(stream.unwrap(), &sent)));
    (address, received)
}

fn take(mut stream: TcpStream, sent: &SyncSender<(String, String)>) {
    let (mut bytes, mut part) = (Vec::new(), [0; 4_096]);
    let (path, body) = loop {
        let read = stream.read(&mut part).unwrap();
        bytes.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            break (head.split(' ').nth(1).unwrap().to_owned(), body.to_owned());
        }
    };
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
    sent.send((path, body)).unwrap();
}

/// The kinds that were posted until one comes.
fn until(posts: &Receiver<(String, String)>, wanted: &str) -> Vec<(String, Value)> {
    let mut kinds = Vec::new();
    loop {
        let (path, body) = posts.recv_timeout(cli_support::PATIENCE).unwrap_or_else(|_| panic!("{wanted}: {kinds:?}"));
        if path != "/hook" {
            kinds.push((path, Value::Null));
            continue;
        }
        let body: Value = serde_json::from_str(&body).unwrap();
        let kind = body["kind"].as_str().unwrap().to_owned();
        let found = kind == wanted;
        kinds.push((kind, body));
        if found {
            return kinds;
        }
    }
}

#[test]
fn a_run_tells_its_beginning_its_fills_and_its_end_and_pings() {
    let (address, posts) = server();
    let place = Place::new();
    let (hook, ping) = (format!("{address}/hook"), format!("{address}/ping"));
    let variables = [
        ("NOTIFY_WEBHOOK", hook.as_str()),
        ("NOTIFY_LEVEL", "info"),
        ("NOTIFY_THROTTLE", "0"),
        ("HEARTBEAT_URL", ping.as_str()),
        ("STRATEGY", "buy-and-hold"),
        ("SYMBOLS", "AAA"),
    ];
    let mut daemon = place.start(&variables, &["run", "--simulator", "--seed", "1"]);
    let begun = until(&posts, "fill");
    let kinds: Vec<&str> = begun.iter().map(|(kind, _)| kind.as_str()).collect();
    for wanted in ["process.started", "session.ready", "/ping/start", "/ping"] {
        assert!(kinds.contains(&wanted), "{wanted} is not among {kinds:?}");
    }
    let fill = &begun.last().unwrap().1;
    assert_eq!(
        (&fill["symbol"], &fill["level"], &fill["source"]),
        (&"AAA".into(), &"info".into(), &"robo-trader".into())
    );
    assert!(fill["text"].as_str().unwrap().starts_with("BUY "), "{fill}");
    assert!(fill["market_time"].is_string());
    let halted = place.tell(&["halt", "--reason", "a look"]);
    halted.ends(0, &[]);
    let lock = until(&posts, "lock.operator").pop().unwrap().1;
    assert!(lock["text"].as_str().unwrap().contains("a look"), "{lock}");
    place.tell(&["notify", "ack"]).ends(0, &[]);
    daemon.ends_well_on("TERM");
    until(&posts, "process.stopped");
}

#[test]
fn what_ends_a_run_is_told_and_addresses_are_shown_nowhere() {
    let (address, posts) = server();
    let place = Place::new();
    let (hook, ping) = (format!("{address}/hook"), format!("{address}/ping"));
    let variables = [("NOTIFY_WEBHOOK", hook.as_str()), ("HEARTBEAT_URL", ping.as_str())];
    let shown = place.tell_with(&variables, &["config"]).ends(0, &[]);
    assert!(!shown.out.contains("/hook") && !shown.out.contains("/ping") && shown.out.contains("********"));
    let told = place.tell_with(&variables, &["notify", "test"]).ends(0, &[]);
    assert!(told.out.contains("webhook") && told.out.contains("taken"), "{}", told.out);
    assert_eq!(until(&posts, "test").len(), 1);
    let nobody = place.tell(&["notify", "test"]);
    nobody.ends(2, &["NOTIFY_WEBHOOK"]);
    let closed = [("NOTIFY_WEBHOOK", "http://127.0.0.1:9/secret")];
    let failed = place.tell_with(&closed, &["notify", "test"]).ends(1, &[]);
    assert!(failed.out.contains("not taken") && !failed.out.contains("secret"), "{}", failed.out);
    place.tell_with(&[("NOTIFY_SLACK", "hooks.slack.com/secret")], &["config"]).ends(2, &["NOTIFY_SLACK", "https://"]);
    let mail = [("NOTIFY_EMAIL_TO", "me@example.org"), ("NOTIFY_SMTP_URL", "smtp://me:secret@127.0.0.1:9")];
    let failed = place.tell_with(&mail, &["notify", "test"]).ends(1, &[]);
    assert!(
        failed.out.starts_with("email     not taken: no answer") && !failed.out.contains("secret"),
        "{}",
        failed.out
    );
    let shown = place.tell_with(&mail, &["config"]).ends(0, &[]).out;
    assert!(shown.contains("me@example.org") && !shown.contains("secret"), "{shown}");
    let half = place.tell_with(&mail[..1], &["config"]).ends(2, &["NOTIFY_SMTP_URL", "smtps://USER"]);
    assert!(!half.err.contains("secret"), "{}", half.err);
}

#[test]
fn what_keeps_a_daemon_from_starting_is_told_too() {
    let (address, posts) = server();
    let place = Place::new();
    let (hook, ping) = (format!("{address}/hook"), format!("{address}/ping"));
    let told = [("NOTIFY_WEBHOOK", hook.as_str()), ("HEARTBEAT_URL", ping.as_str()), ("NOTIFY_LEVEL", "info")];
    let run = ["run", "--simulator", "--symbols", "AAPL"];
    let fails = |arguments: &[&str], more: &[(&str, &str)], code: i32| {
        place.tell_with(&[&told[..], more].concat(), arguments).ends(code, &[]);
    };
    let pings = Cell::new(0);
    let comes = |kind: &str| {
        let mut told = until(&posts, kind);
        pings.set(pings.get() + told.iter().filter(|(kind, _)| kind == "/ping/fail").count());
        told.pop().unwrap().1["text"].as_str().unwrap().to_owned()
    };
    let failure = || comes("process.failed");
    // A wrong setting beside the alerts' own, a mode that the simulator refuses, and one that the port contradicts.
    fails(&run, &[("RISK_MAX_LEVERAGE", "x")], 2);
    assert!(failure().contains("has not started: 1 setting(s) are wrong"));
    fails(&run, &[("EXECUTION_MODE", "live")], 3);
    assert!(failure().contains("no real money"));
    fails(&["run", "--port", "7496", "--symbols", "AAPL"], &[], 3);
    assert!(failure().contains("7496"));
    let mut daemon = place.start(&told, &run);
    daemon.says("ready:");
    comes("process.started");
    assert_eq!(pings.get(), 3, "one a failure");
    // Another daemon has the state directory: it is well, and its pings say so.
    fails(&run, &[], 3);
    assert!(failure().contains("another robo-trader"));
    fails(&["run", "--port", "4002", "--symbols", "AAPL"], &[], 3);
    assert!(failure().contains("another robo-trader"));
    daemon.ends_well_on("TERM");
    comes("process.stopped");
    assert_eq!(pings.get(), 3);
}

#[test]
fn a_channel_that_is_dead_is_told_by_status_and_metrics() {
    let place = Place::new();
    let dead = [("NOTIFY_WEBHOOK", "http://127.0.0.1:9/secret"), ("NOTIFY_LEVEL", "info"), ("DASH_ENABLED", "no")];
    let mut daemon = place.start(&dead, &["run", "--simulator", "--symbols", "AAPL"]);
    daemon.says("notices do not get through");
    let status: Value = serde_json::from_str(&place.tell(&["status", "--json"]).out).unwrap();
    let channel = &status["alerts"][0];
    assert_eq!((channel["channel"].as_str(), channel["delivered"].as_u64()), (Some("webhook"), Some(0)), "{channel}");
    assert!(channel["failed"].as_u64() >= Some(1) && channel["failing_for_s"].is_u64(), "{channel}");
    let shown = place.tell(&["status"]).out;
    assert!(shown.contains("by webhook DO NOT GET THROUGH") && !shown.contains("secret"), "{shown}");
    daemon.ends_well_on("TERM");
}

#[test]
fn an_incident_that_needs_a_human_is_told_after_every_restart_until_somebody_has_acknowledged_it() {
    let (address, posts) = server();
    let place = Place::new();
    let hook = format!("{address}/hook");
    let told = [("NOTIFY_WEBHOOK", hook.as_str()), ("NOTIFY_LEVEL", "info"), ("NOTIFY_THROTTLE", "0")];
    let run = ["run", "--simulator", "--symbols", "AAPL"];
    place.tell(&[&run[..], &["--once"]].concat()).ends(0, &[]);
    let journal = rusqlite::Connection::open(place.journal()).unwrap();
    let former = r#"{"subject":"incident","name":"exit_failed","text":"the exit of 10 shares was rejected"}"#;
    let insert = "INSERT INTO facts SELECT max(seq) + 1, at, recorded_at, account, NULL, 'AAPL', NULL, 'incident', 1, ?1 FROM facts";
    journal.execute(insert, [former]).unwrap();
    drop(journal);
    let mut daemon = place.start(&told, &run);
    let of_former = || {
        let begun = until(&posts, "session.ready");
        begun.into_iter().find(|(kind, _)| kind == "incident.exit_failed").map(|(_, body)| body)
    };
    let incident = of_former().expect("told before anything else is done");
    let text = incident["text"].as_str().unwrap();
    assert!(text.starts_with("not acknowledged since 20") && text.ends_with("10 shares was rejected"), "{incident}");
    assert_eq!((&incident["level"], &incident["symbol"]), (&"critical".into(), &"AAPL".into()));
    place.tell(&["notify", "ack"]).ends(0, &[]);
    until(&posts, "incident.acknowledged");
    daemon.ends_well_on("TERM");
    until(&posts, "process.stopped");
    let mut daemon = place.start(&told, &run);
    assert_eq!(of_former(), None);
    daemon.ends_well_on("TERM");
}
