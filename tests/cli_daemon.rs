//! The daemon as an operator meets it: what its log says, and how it ends.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod cli_support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use cli_support::{PATIENCE, Place, json};

/// A service on a port that is no gateway.
struct Service {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    /// Answers every connection with these bytes, once something was said, and closes.
    fn answering(answer: Option<&'static [u8]>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let serve = move || {
            for stream in listener.incoming() {
                if told.load(Ordering::SeqCst) {
                    break;
                }
                let mut stream = stream.unwrap();
                let Some(answer) = answer else { continue };
                // The peer may be gone at any point: that is its own matter.
                if stream.read(&mut [0; 64]).is_ok_and(|read| read > 0) && stream.write_all(answer).is_err() {
                    eprintln!("a client left before it was answered");
                }
            }
        };
        Self { address, stop, thread: Some(std::thread::spawn(serve)) }
    }

    fn port(&self) -> String {
        self.address.port().to_string()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the listener, which then sees that it is to stop.
        if TcpStream::connect(self.address).is_err() {
            eprintln!("the service at {} had stopped before", self.address);
        }
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// Short waits: the log tells the same story in less time.
const HASTE: [(&str, &str); 5] = [
    ("BACKOFF_BASE", "0.02"),
    ("BACKOFF_CAP", "0.05"),
    ("CIRCUIT_BREAKER_THRESHOLD", "3"),
    ("CIRCUIT_BREAKER_TIMEOUT", "0.2"),
    ("DIAL_DEADLINE", "5"),
];

#[test]
fn a_service_that_closes_at_once_is_dialled_ever_more_rarely_until_told_to_stop() {
    let service = Service::answering(None);
    let place = Place::new();
    let mut daemon = place.start(&HASTE, &["run", "--port", &service.port()]);
    let why = daemon.says("attempt failed");
    assert!(why.contains("closed the connection") && why.contains("another service"), "{why}");
    daemon.says("breaker open: not dialling");
    daemon.says("half-open");
    daemon.says("breaker open: not dialling");
    daemon.ends_well_on("TERM");
    assert!(!daemon.log.iter().any(|line| line.contains("ledger")), "nothing was opened: {:#?}", daemon.log);
    assert!(!place.state().join("ibkr").exists());
}

#[test]
fn a_port_where_nobody_listens_is_told_and_does_not_keep_a_shutdown_waiting() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    // Long waits: the shutdown has to end one of them, not sit it out.
    let slow = [("BACKOFF_BASE", "600"), ("BACKOFF_CAP", "3600"), ("BACKOFF_JITTER", "0")];
    let mut daemon = Place::new().start(&slow, &["run", "--port", &free]);
    let why = daemon.says("attempt failed");
    assert!(why.contains("nothing listens") && why.contains("start TWS or IB Gateway"), "{why}");
    daemon.ends_well_on("TERM");
}

#[test]
fn a_service_that_speaks_something_else_needs_a_human() {
    let http = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let service = Service::answering(Some(http));
    let place = Place::new();
    let mut daemon = place.start(&HASTE, &["run", "--port", &service.port()]);
    let why = daemon.says("exit_code=");
    assert!(why.contains("no TWS or IB Gateway") && why.contains("check host and port"), "{why}");
    assert_eq!(daemon.ends_within(PATIENCE).code(), Some(3));
    assert!(!place.state().join("ibkr").exists());
}

#[test]
fn once_ends_by_itself() {
    let place = Place::new();
    let summary = place.path("summary.json");
    let arguments = ["run", "--simulator", "--once", "--symbols", "AAPL,NVDA", "--summary-json"];
    let told =
        place.tell(&[arguments.as_slice(), &[summary.to_str().unwrap()]].concat()).ends(0, &["warmed by history"]);
    assert!(told.out.contains("account     DU1234567 (simulator)"), "{told:#?}");
    let summary = json(&summary);
    assert_eq!((&summary["venue"], &summary["account"]), (&"simulator".into(), &"DU1234567".into()));
    assert_eq!((&summary["sessions"], &summary["unknown_orders"]), (&1.into(), &0.into()));
}

#[test]
fn an_interrupted_run_ends_well_and_the_next_one_holds_the_same_positions() {
    let place = Place::new();
    let path = place.path("summary.json");
    let to = path.to_str().unwrap();
    let run = ["run", "--simulator", "--symbols", "AAPL,NVDA,TSLA", "--summary-json", to];
    // Moved by the next bar whatever it brings, so that a position is there soon.
    let eager = ["--speed", "200", "--param", "entry=level", "--param", "fast=2", "--param", "slow=3"];
    let mut daemon = place.start(&[], &[run.as_slice(), &eager].concat());
    daemon.says("fill: BUY");
    daemon.ends_well_on("INT");
    let blamed = daemon.log.iter().find(|line| line.contains("ERROR"));
    assert_eq!(blamed, None, "an ordinary end is nobody's error");
    let first = json(&path);
    assert!(first["fills"].as_u64().unwrap() > 0, "{first:#}");

    // The market stands nearly still and nothing is sent: what is held is what the journal says.
    let mut daemon = place.start(&[], &[run.as_slice(), &["--speed", "0.001", "--mode", "observe"]].concat());
    daemon.says("journal replayed");
    daemon.says("ready:");
    daemon.ends_well_on("TERM");
    let second = json(&path);
    let held = |summary: &serde_json::Value| {
        let lines = summary["positions"].as_array().unwrap().iter();
        let line = |line: &serde_json::Value| {
            ["symbol", "con_id", "quantity", "average_price_usd"].map(|field| line[field].to_string())
        };
        let mut lines: Vec<_> = lines.map(line).collect();
        lines.sort();
        lines
    };
    assert_eq!(held(&first), held(&second), "{first:#}\n{second:#}");
    for money in ["ledger", "cash_usd", "realized_usd", "fees_usd"] {
        assert_eq!(first[money], second[money], "{money}");
    }
    assert_eq!((&second["orders"], &second["incidents"]), (&0.into(), &0.into()), "{second:#}");
}

#[test]
fn a_summary_that_cannot_be_written_is_told_by_the_exit_code() {
    let place = Place::new();
    let arguments = ["run", "--simulator", "--once", "--symbols", "AAPL", "--summary-json", "no/such/dir/s.json"];
    place.tell(&arguments).ends(1, &["--summary-json no/such/dir/s.json"]);
}

#[test]
fn the_log_file_has_one_flat_json_object_a_line() {
    let place = Place::new();
    let arguments = ["run", "--simulator", "--once", "--symbols", "AAPL", "--log-file", "robo-trader.jsonl"];
    place.tell_with(&[("LOG_FORMAT", "json")], &arguments).ends(0, &[]);
    let text = std::fs::read_to_string(place.path("cwd").join("robo-trader.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| line["timestamp"].as_str().unwrap().ends_with('Z') && line["level"].is_string()));
    assert!(lines.iter().any(|line| line["message"].as_str().unwrap_or_default().starts_with("ready:")), "{text}");
    let ready = lines.iter().find(|line| line.get("next_order_id").is_some() && line.get("session").is_some());
    assert!(ready.is_some(), "fields stand flat beside the message: {text}");
}

#[test]
fn with_a_log_file_standard_error_that_nobody_sees_has_only_what_ends_the_daemon() {
    let place = Place::new();
    let log = |name: &str| std::fs::read_to_string(place.path("cwd").join(name)).unwrap();
    let once = ["run", "--simulator", "--once", "--symbols", "AAPL", "--log-file"];
    let told = place.tell(&[&once[..], &["well.log"]].concat()).ends(0, &["the log is in well.log"]);
    assert_eq!(told.err.lines().count(), 1, "{told:#?}");
    assert!(log("well.log").contains("warmed by history"));
    // What is wrong before there is a file, and what ends the daemon later.
    place.tell(&[&once[..], &["bad.log", "--set", "IBKR_PORT=x"]].concat()).ends(2, &["IBKR_PORT"]);
    let service = Service::answering(Some(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
    let told = place.tell(&["run", "--port", &service.port(), "--log-file", "ill.log"]);
    let told = told.ends(3, &["exit_code=3", "check host and port"]);
    assert!(log("ill.log").contains("dialling") && !told.err.contains("dialling"), "{told:#?}");
}
