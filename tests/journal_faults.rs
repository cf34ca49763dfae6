//! The journal fails under the whole daemon: entries stop, the operator is told, nothing is lost,
//! and after the repair the book equals the broker.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![cfg(unix)]

mod support;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use robo_trader::domain::Shares;
use robo_trader::domain::book::Book;
use robo_trader::domain::order::OrderState;
use robo_trader::journal::sqlite::SqliteJournal;
use robo_trader::simulator::Running;
use support::{Daemon, Start, book, settings, synthetic};

const BUSY: [(&str, &str); 4] = [
    ("SYMBOLS", "AAPL,NVDA"),
    ("STRATEGY_PARAMS", "fast=2,slow=5"),
    ("RISK_MAX_ORDERS_PER_MINUTE", "1000"),
    ("RISK_MAX_DAILY_NOTIONAL", "100000000"),
];

fn path(state_dir: &Path) -> PathBuf {
    SqliteJournal::path(state_dir, "simulator", "DU1234567")
}

fn executions(state_dir: &Path) -> u64 {
    if path(state_dir).exists() { book(state_dir).counts().executions } else { 0 }
}

/// Trades for a while, and is stopped in order or dropped where it stands.
async fn trades(running: &Running, state_dir: &Path, fills: u64, in_order: bool) {
    let before = executions(state_dir);
    let mut daemon = Daemon::start(settings(running.address, &BUSY), state_dir, Start::default());
    daemon.until("fills", |p| p.executions >= before + fills && p.ready).await;
    if in_order {
        daemon.stop().await.1.unwrap();
    } else {
        daemon.kill().await;
    }
}

/// One more life that sends nothing; then account and book are the same.
async fn made_whole(running: Running, state_dir: &Path) -> Book {
    let looks: Vec<_> = BUSY.into_iter().chain([("EXECUTION_MODE", "observe")]).collect();
    let mut daemon = Daemon::start(settings(running.address, &looks), state_dir, Start::default());
    daemon.until("ready", |p| p.ready).await;
    let (summary, result) = daemon.stop().await;
    result.unwrap();
    assert!(summary.locks.is_empty(), "{:?}", summary.locks);
    let account = running.stop().await.unwrap();
    let book = book(state_dir);
    assert_eq!(book.counts().executions, account.fills, "a fill is lost or repeated");
    for (id, position) in book.positions() {
        let symbol = book.symbol(id).unwrap().to_string();
        let theirs = account.positions.get(&symbol).map_or(Shares::ZERO, |held| held.quantity);
        assert_eq!(position.quantity(), theirs, "{symbol}");
    }
    assert_eq!(book.cash(), Some(account.cash));
    assert_eq!(book.orders().filter(|order| order.state == OrderState::Unknown).count(), 0);
    book
}

/// Starts, and ends at once with the journal's exit code and these words.
async fn refuses(running: &Running, state_dir: &Path, parts: &[&str]) {
    let daemon = Daemon::start(settings(running.address, &BUSY), state_dir, Start::default());
    let error = daemon.ended().await.1.unwrap_err();
    assert_eq!(error.code(), 4, "{error}");
    for part in parts.iter().chain(&["journal.db"]) {
        assert!(error.to_string().contains(part), "{part:?} is not in {error}");
    }
}

/// A copy as a backup makes it, beside the file.
fn back_up(state_dir: &Path) -> PathBuf {
    let copy = state_dir.join("backup.db");
    let connection = rusqlite::Connection::open(path(state_dir)).unwrap();
    connection.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    copy
}

/// The journal without its log, as the only file there is.
fn replace(state_dir: &Path, bytes: &[u8]) {
    let file = path(state_dir);
    for suffix in ["-wal", "-shm"] {
        let beside = PathBuf::from(format!("{}{suffix}", file.display()));
        if beside.exists() {
            std::fs::remove_file(beside).unwrap();
        }
    }
    std::fs::write(file, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_journal_refuses_to_start_and_an_old_backup_of_it_is_made_whole_from_the_broker() {
    let dir = tempfile::tempdir().unwrap();
    let running = synthetic(None, 0).await;
    trades(&running, dir.path(), 2, true).await;
    let backup = back_up(dir.path());
    trades(&running, dir.path(), 4, true).await;
    let whole = std::fs::read(path(dir.path())).unwrap();
    let middle = whole.len() / 2 / 4_096 * 4_096;
    let mut scratched = whole.clone();
    scratched[middle..middle + 4_096].fill(0xA5);
    for (bytes, part) in [(scratched, "damaged"), (whole[..middle].to_vec(), "backup"), (vec![7; 5_000], "backup")] {
        replace(dir.path(), &bytes);
        refuses(&running, dir.path(), &[part]).await;
        assert_eq!(std::fs::read(path(dir.path())).unwrap(), bytes, "a damaged journal was written to");
    }
    replace(dir.path(), &std::fs::read(backup).unwrap());
    made_whole(running, dir.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_may_not_be_written_ends_with_its_name_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let running = synthetic(None, 0).await;
    trades(&running, dir.path(), 2, true).await;
    let whole = std::fs::read(path(dir.path())).unwrap();
    // A format that this SQLite may read and not write: it binds root, too.
    let mut sealed = whole.clone();
    sealed[18] = 3;
    replace(dir.path(), &sealed);
    refuses(&running, dir.path(), &["permissions"]).await;
    replace(dir.path(), &whole);
    made_whole(running, dir.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_programs_lock_is_waited_for_and_the_session_lives_on() {
    let dir = tempfile::tempdir().unwrap();
    let running = synthetic(None, 0).await;
    let mut daemon = Daemon::start(settings(running.address, &BUSY), dir.path(), Start::default());
    daemon.until("fills", |p| p.executions >= 2 && p.ready).await;
    let (file, seconds) = (path(dir.path()), Duration::from_millis(3_200));
    let locked = tokio::task::spawn_blocking(move || {
        let other = rusqlite::Connection::open(file).unwrap();
        other.busy_timeout(Duration::from_secs(10)).unwrap();
        other.execute_batch("BEGIN EXCLUSIVE").unwrap();
        std::thread::sleep(seconds);
        other.execute_batch("ROLLBACK").unwrap();
    });
    locked.await.unwrap();
    let now = daemon.progress.borrow().executions;
    daemon.until("fills after the lock", |p| p.executions >= now + 2 && p.ready).await;
    daemon.stop().await.1.unwrap();
    let book = made_whole(running, dir.path()).await;
    // One session while it was locked, one to look.
    assert_eq!(book.counts().sessions, 2, "a wait for the journal cost the session");
}

/// The daemon as a child whose files may grow to so many blocks of 512 bytes and no further: its disk
/// is full then, for root as for anybody.
fn child(dir: &Path, port: u16, blocks: &str) -> Child {
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_robo-trader")]);
    command.current_dir(dir).env_clear().env("HOME", dir).env("XDG_RUNTIME_DIR", dir);
    command.args(["run", "--symbols", "AAPL,NVDA", "--state-dir", "state", "--port", &port.to_string()]);
    command.args(["--param", "fast=2", "--param", "slow=5"]);
    for setting in [
        "DATA_BAR_SIZE=5 secs",
        "DATA_DURATION=900 S",
        "CALENDAR=always",
        "HISTORICAL_PACING=no",
        "MESSAGE_RATE=1000",
        "PROBE_INTERVAL=0.1",
        "SETTLE_TIME=0.1",
        "RISK_MAX_ORDERS_PER_MINUTE=1000",
    ] {
        command.args(["--set", setting]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Its log and its end.
fn ended(mut child: Child) -> (Vec<String>, ExitStatus) {
    let log = BufReader::new(child.stderr.take().unwrap());
    let lines = log.lines().map_while(Result::ok).collect();
    (lines, child.wait().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_ends_the_daemon_before_the_order_and_the_next_start_finds_every_fill() {
    let dir = tempfile::tempdir().unwrap();
    let running = synthetic(None, 0).await;
    let (place, port) = (dir.path().to_owned(), running.address.port());
    let (lines, status) = tokio::task::spawn_blocking(move || ended(child(&place, port, "400"))).await.unwrap();
    let log = lines.join("\n");
    assert_eq!(status.code(), Some(4), "{log}");
    let told = lines.iter().find(|line| line.contains("ERROR") && line.contains("journal.db"));
    assert!(told.is_some_and(|told| told.contains("make room")), "{log}");
    let state = dir.path().join("state");
    assert!(executions(&state) > 0, "{log}");
    made_whole(running, &state).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_ahead_log_that_is_gone_after_a_kill_is_made_good_from_the_broker() {
    let dir = tempfile::tempdir().unwrap();
    let running = synthetic(None, 0).await;
    let (place, port) = (dir.path().to_owned(), running.address.port());
    let killed = move || {
        let mut child = child(&place, port, "unlimited");
        let log = BufReader::new(child.stderr.take().unwrap());
        let fills = log.lines().map_while(Result::ok).filter(|line| line.contains("fill: ")).take(3).count();
        child.kill().unwrap();
        child.wait().unwrap();
        fills
    };
    assert_eq!(tokio::task::spawn_blocking(killed).await.unwrap(), 3);
    let state = dir.path().join("state");
    // What the file holds without its log.
    let file = std::fs::read(path(&state)).unwrap();
    replace(&state, &file);
    assert_eq!(executions(&state), 0, "the story needs facts that were in the log alone");
    let book = made_whole(running, &state).await;
    assert!(book.counts().executions >= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_order_leaves_before_its_fact_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let running = synthetic(None, 0).await;
    let observe: Vec<(&str, &str)> = BUSY.iter().copied().chain([("EXECUTION_MODE", "observe")]).collect();
    let mut daemon = Daemon::start(settings(running.address, &observe), dir.path(), Start::default());
    daemon.until("ready", |p| p.ready).await;
    daemon.stop().await.1.unwrap();
    // From now on the fact of an order is refused, after long thought: an order that was handed over
    // before has all the time to arrive.
    let journal = rusqlite::Connection::open(path(dir.path())).unwrap();
    let count =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000) SELECT count(*) FROM n";
    let refuse = format!(
        "CREATE TRIGGER refuse BEFORE INSERT ON facts WHEN NEW.kind = 'order.intended'
         BEGIN SELECT RAISE(ABORT, 'no room for it') WHERE ({count}) > 0; END"
    );
    journal.execute_batch(&refuse).unwrap();
    drop(journal);
    let daemon = Daemon::start(settings(running.address, &BUSY), dir.path(), Start::default());
    let (_, result) = daemon.ended().await;
    let error = result.unwrap_err();
    assert_eq!(error.code(), 4, "{error}");
    assert!(error.to_string().contains("no room for it"), "{error}");
    assert_eq!(running.stop().await.unwrap().orders, 0, "an order left without its fact");
}
