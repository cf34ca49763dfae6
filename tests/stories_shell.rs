//! The daemon's shell: locks, feeds, single passes and contracts between sessions.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::net::SocketAddr;

use robo_trader::simulator::{SimulatorConfig, Source, Speed, start};
use support::{Daemon, Start, settings, synthetic, write_waves};

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_one_however_the_host_is_spelled_and_the_second_daemon_writes_nothing() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let running = synthetic(None, 0).await;
    let first = settings(running.address, &[("SYMBOLS", "AAPL"), ("IBKR_HOST", "127.0.0.1")]);
    let mut daemon = Daemon::start(first, dir.path(), Start::default());
    daemon.until("ready", |p| p.ready).await;
    let second = settings(running.address, &[("SYMBOLS", "AAPL"), ("IBKR_HOST", "localhost"), ("IBKR_CLIENT_ID", "2")]);
    let (_, result) = Daemon::start(second, other.path(), Start::default()).ended().await;
    let error = result.unwrap_err();
    assert_eq!(error.code(), 3, "{error}");
    assert!(error.to_string().contains("DU1234567"), "{error}");
    assert!(!other.path().join("simulator").exists(), "a journal was begun");
    daemon.stop().await.1.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_pass_names_every_symbol_without_bars_at_its_end() {
    let (dir, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_waves(data.path(), "AAPL", &[3], 100.0, 20.0);
    write_waves(data.path(), "MSFT", &[4], 200.0, 20.0);
    // The tape stands before its first bar: nobody has a history.
    let running = start(SimulatorConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        source: Source::Replay { dir: data.path().to_path_buf() },
        speed: Speed::Times(0.001),
        symbols: vec!["AAPL".parse().unwrap(), "MSFT".parse().unwrap()],
        message_rate: 0,
        pacing: false,
        ..SimulatorConfig::default()
    })
    .await
    .unwrap();
    let pairs = [("SYMBOLS", "AAPL,MSFT"), ("CALENDAR", "XNYS"), ("DATA_BAR_SIZE", "1 min"), ("DATA_DURATION", "2 D")];
    let once = Start { once: true, ..Start::default() };
    let (_, result) = Daemon::start(settings(running.address, &pairs), dir.path(), once).ended().await;
    let error = result.unwrap_err();
    assert_eq!(error.code(), 1, "{error}");
    for symbol in ["AAPL: ", "MSFT: "] {
        assert!(error.to_string().contains(symbol), "{error}");
    }
}
