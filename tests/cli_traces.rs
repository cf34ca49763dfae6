//! Spans of a whole run, as a collector of traces hears them, or why it hears none.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod cli_support;

use cli_support::Place;

const ONCE: [&str; 5] = ["run", "--simulator", "--once", "--symbols", "AAPL"];

#[cfg(not(feature = "otlp"))]
#[test]
fn a_program_without_traces_says_so_where_a_collector_is_set() {
    let place = Place::new();
    let collector = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")];
    place.tell_with(&collector, &ONCE).ends(0, &["built without otlp", "--features otlp"]);
}

#[cfg(feature = "otlp")]
#[test]
fn a_run_leaves_traces_of_what_takes_time_and_waits_for_no_collector() {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (told, posts) = std::sync::mpsc::sync_channel(100);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut bytes, mut part) = (stream.unwrap(), Vec::new(), [0; 65_536]);
            loop {
                let read = stream.read(&mut part).unwrap();
                bytes.extend_from_slice(&part[..read]);
                let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
                let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                let head = bytes.windows(4).position(|four| four == b"\r\n\r\n");
                if head.is_some_and(|head| bytes.len() >= head + 4 + length.unwrap_or(0_usize)) {
                    break;
                }
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
            told.send(String::from_utf8_lossy(&bytes).into_owned()).unwrap();
        }
    });
    let run = place.tell_with(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)], &ONCE).ends(0, &["ready:"]);
    assert!(!run.err.contains("journal.append"), "no log shows a span: {}", run.err);
    let heard = posts.recv_timeout(cli_support::PATIENCE).unwrap() + &posts.try_iter().collect::<String>();
    assert!(heard.starts_with("POST /v1/traces "), "{heard}");
    for span in ["robo-trader", "dial", "reconcile", "batch", "journal.append", "facts"] {
        assert!(heard.contains(span), "{span}: {heard}");
    }
    // One that is not there is told of once, and the run is as any other.
    let nobody = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")];
    place.tell_with(&nobody, &ONCE).ends(0, &["ready:", "spans do not get through"]);
}
