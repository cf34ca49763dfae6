//! The daemon's shell: locks, feeds, single passes and contracts between sessions.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use support::{Daemon, Start, settings, synthetic};

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
