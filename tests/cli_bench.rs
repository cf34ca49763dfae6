//! `bench`, as an operator uses it. What it measures is not judged here, only that it is there and in order.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod cli_support;

use std::net::SocketAddr;

use cli_support::{Place, Told};
use robo_trader::simulator::{SimulatorConfig, start};
use serde_json::Value;

fn read(told: &Told) -> Value {
    serde_json::from_str(&told.out).unwrap_or_else(|error| panic!("{error}: {told:#?}"))
}

/// That something was measured, and no part of it is below a smaller one.
#[track_caller]
fn is_measured(times: &Value) {
    let part = |name: &str| times[name].as_f64().unwrap_or_else(|| panic!("{name}: {times:#}"));
    assert!(times["count"].as_u64().unwrap() > 0, "{times:#}");
    let parts = ["p50_us", "p90_us", "p99_us", "max_us"].map(part);
    assert!(parts[0] > 0.0 && parts.is_sorted(), "{times:#}");
}

#[test]
fn bench_measures_disk_journal_and_the_way_from_tick_to_order_and_leaves_nothing_behind() {
    let place = Place::new();
    let figures = read(&place.tell(&["bench", "--json", "--seconds", "2"]).ends(0, &[]));
    is_measured(&figures["fsync"]);
    for what in ["journal_append", "tick_to_order"] {
        is_measured(&figures[what]["process"]);
        is_measured(&figures[what]["full"]);
    }
    assert!(
        figures["replay"]["facts"].as_u64().unwrap() > 0 && figures["replay"]["us_per_fact"].as_f64().unwrap() > 0.0
    );
    assert!(figures["gateway"].is_null(), "{figures:#}");
    assert!(!place.state().exists(), "nothing is left");
    place.tell(&["bench", "--seconds", "0"]).ends(2, &["--seconds"]);
    place.tell(&["bench", "--set", "RISK_MAX_LEVERAGE=x"]).ends(2, &["RISK_MAX_LEVERAGE"]);
}

#[test]
fn bench_asks_the_gateway_by_the_daemons_session_or_by_its_own() {
    let place = Place::new();
    let mut daemon = place.start(&[], &["run", "--simulator", "--symbols", "AAPL"]);
    daemon.says("ready:");
    let bench = ["bench", "--connect", "--json", "--seconds", "1"];
    // The port is nobody's: whatever answers is the daemon's own session.
    let gateway = read(&place.tell(&[&bench[..], &["--port", "1"]].concat()).ends(0, &[]))["gateway"].clone();
    is_measured(&gateway["look"]);
    assert!(gateway["session_ms"].is_null() && gateway["time"].is_null(), "{gateway:#}");
    daemon.ends_well_on("TERM");
    // A session of its own, for whoever has no daemon.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let simulator = runtime.block_on(start(SimulatorConfig { listen, ..SimulatorConfig::default() })).unwrap();
    let port = simulator.address.port().to_string();
    let gateway = read(&place.tell(&[&bench[..], &["--port", &port]].concat()).ends(0, &[]))["gateway"].clone();
    is_measured(&gateway["time"]);
    assert!(gateway["session_ms"].as_f64().unwrap() > 0.0 && gateway["look"].is_null(), "{gateway:#}");
    assert_eq!(gateway["venue"], "simulator");
    runtime.block_on(simulator.stop()).unwrap();
    place
        .tell_with(&[("BACKOFF_BASE", "0.05")], &[&bench[..], &["--port", &port]].concat())
        .ends(1, &["the gateway: "]);
}
