//! Sessions come and go; orders, fills and positions do not.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use robo_trader::domain::Shares;
use robo_trader::domain::book::{Fact, FillFact, OrderFact, SessionFact};
use robo_trader::domain::order::{OrderEvent, OrderState, Role};
use support::proxy::{Cut, Proxy};
use support::{Daemon, Start, book, journal, settings, synthetic};

/// Crosses often.
const QUICK: [(&str, &str); 2] = [("STRATEGY_PARAMS", "fast=2,slow=5"), ("RISK_MAX_ORDERS_PER_MINUTE", "1000")];

fn quick(pairs: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    QUICK.iter().chain(pairs).copied().collect()
}

/// No order twice, no execution twice, nothing in doubt, and the journal's positions are the
/// simulator's.
async fn all_accounted_for(state_dir: &Path, running: robo_trader::simulator::Running) {
    let account = running.stop().await.unwrap();
    let (mut intents, mut executions) = (BTreeSet::new(), BTreeSet::new());
    for record in journal(state_dir) {
        match record.fact {
            Fact::Order(OrderFact::Intended { ticket, .. }) => assert!(intents.insert(ticket.order_ref.intent)),
            Fact::Fill(FillFact::Executed { execution, .. }) => {
                assert!(executions.insert(execution.id.clone()), "{} twice", execution.id);
            }
            _ => {}
        }
    }
    let book = book(state_dir);
    assert_eq!(executions.len() as u64, account.fills, "fills of the journal and of the simulator");
    for (id, position) in book.positions() {
        let symbol = book.symbol(id).unwrap().to_string();
        let theirs = account.positions.get(&symbol).map_or(Shares::ZERO, |held| held.quantity);
        assert_eq!(position.quantity(), theirs, "{symbol}");
    }
    let unknown = book.orders().filter(|order| order.state == OrderState::Unknown).count();
    assert_eq!(unknown, 0, "orders in doubt");
    assert_eq!(book.cash(), Some(account.cash));
}

fn sessions(state_dir: &Path) -> usize {
    let ready =
        |record: &&robo_trader::domain::book::Record| matches!(record.fact, Fact::Session(SessionFact::Ready { .. }));
    journal(state_dir).iter().filter(ready).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_trades_on_a_separate_simulator_and_a_restart_finds_the_same_positions() {
    let dir = tempfile::tempdir().unwrap();
    let running = synthetic(None, 0).await;
    let pairs = quick(&[("SYMBOLS", "AAPL,NVDA,TSLA")]);
    let mut daemon = Daemon::start(settings(running.address, &pairs), dir.path(), Start::default());
    daemon.until("six executions", |p| p.executions >= 6).await;
    let (first, result) = daemon.stop().await;
    result.unwrap();
    let live = book(dir.path());
    let entries = live.live_orders().filter(|o| matches!(o.ticket.role, Role::Entry | Role::Exit)).count();
    assert_eq!(entries, 0, "entries are cancelled at shutdown, stops stay");

    let mut daemon = Daemon::start(settings(running.address, &pairs), dir.path(), Start::default());
    daemon.until("ready again", |p| p.ready).await;
    let (second, result) = daemon.stop().await;
    result.unwrap();
    assert_eq!(second.ledger, first.ledger);
    assert_eq!(sessions(dir.path()), 2);
    all_accounted_for(dir.path(), running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_cut_off_before_the_gateway_is_never_sent_and_not_repeated() {
    cut_story(Cut::Before, OrderState::NeverSent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_cut_off_after_the_gateway_took_it_is_found_again_and_not_repeated() {
    cut_story(Cut::After, OrderState::Filled).await;
}

/// The line is cut around the first order of a bracket; afterwards that order is known.
async fn cut_story(cut: Cut, first_order: OrderState) {
    let dir = tempfile::tempdir().unwrap();
    let running = synthetic(None, 0).await;
    let proxy = Proxy::to(running.address).await;
    // No stop: the entry is one order, so that what became of it is plain.
    let pairs = quick(&[("SYMBOLS", "AAPL"), ("RISK_STOP", "none")]);
    proxy.cut_next_order(cut);
    let mut daemon = Daemon::start(settings(proxy.address, &pairs), dir.path(), Start::default());
    daemon.until("a cut line", |p| !p.ready && p.unanswered == 0 && proxy.has_cut()).await;
    daemon.until("a new session", |p| p.ready).await;
    daemon.until("more executions", |p| p.executions >= 2).await;
    let (_, result) = daemon.stop().await;
    result.unwrap();
    assert!(proxy.connections() >= 2);
    let book = book(dir.path());
    assert_eq!(book.order(1).unwrap().state, first_order);
    let records = journal(dir.path());
    let doubts = records.iter().filter(|record| {
        matches!(record.fact, Fact::Order(OrderFact::Changed { intent: 1, event: OrderEvent::Lost, .. }))
    });
    // Where the answer overtook the cut, the order was never in doubt.
    assert!(doubts.count() >= usize::from(cut == Cut::Before));
    all_accounted_for(dir.path(), running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_daemon_comes_back_to_what_filled_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let running = synthetic(None, 0).await;
    let pairs = quick(&[("SYMBOLS", "AAPL,TSLA")]);
    for round in 1..=3 {
        let mut daemon = Daemon::start(settings(running.address, &pairs), dir.path(), Start::default());
        let before = book_executions(dir.path());
        daemon.until("executions", |p| p.executions >= before + 2).await;
        daemon.kill().await;
        assert!(book_executions(dir.path()) >= before + 2, "round {round}");
    }
    let mut daemon = Daemon::start(settings(running.address, &pairs), dir.path(), Start::default());
    daemon.until("ready", |p| p.ready).await;
    let (summary, result) = daemon.stop().await;
    result.unwrap();
    assert!(summary.locks.is_empty(), "{:?}", summary.locks);
    all_accounted_for(dir.path(), running).await;
}

fn book_executions(state_dir: &Path) -> u64 {
    let path = robo_trader::journal::sqlite::SqliteJournal::path(state_dir, "simulator", "DU1234567");
    if path.exists() { book(state_dir).counts().executions } else { 0 }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_simulator_dies_and_comes_back_and_trading_resumes() {
    let (dir, exchange) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let running = synthetic(Some(exchange.path()), 0).await;
    let address = running.address;
    let pairs = quick(&[("SYMBOLS", "AAPL,NVDA"), ("CIRCUIT_BREAKER_THRESHOLD", "2")]);
    let mut daemon = Daemon::start(settings(address, &pairs), dir.path(), Start::default());
    let before = daemon.until("four executions", |p| p.executions >= 4).await;
    running.stop().await.unwrap();
    daemon.until("the loss noticed", |p| !p.ready).await;
    let running = synthetic(Some(exchange.path()), address.port()).await;
    daemon.until("a new session", |p| p.ready).await;
    let after = daemon.until("trading again", |p| p.ready && p.executions >= before.executions + 4).await;
    for symbol in ["AAPL", "NVDA"] {
        let symbol = symbol.parse().unwrap();
        assert!(after.decided.get(&symbol) > before.decided.get(&symbol), "{symbol} fell silent");
    }
    let (_, result) = daemon.stop().await;
    result.unwrap();
    all_accounted_for(dir.path(), running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_seeds_24_symbols_all_stream_and_trade_in_one_run() {
    let dir = tempfile::tempdir().unwrap();
    let running = synthetic(None, 0).await;
    let symbols = "AAPL,NVDA,TSLA,IXHL,NUAI,BZAI,ELTP,OPEN,CEG,VRT,PLTR,UPST,TEM,HTFL,SDGR,APLD,SOFI,CORZ,WULF,QQQ,QLD,BBIO,IMRX,CRGY";
    let pairs = quick(&[("SYMBOLS", symbols), ("RISK_MAX_DAILY_NOTIONAL", "100000000")]);
    let mut daemon = Daemon::start(settings(running.address, &pairs), dir.path(), Start::default());
    let first = daemon.until("every symbol's history", |p| p.decided.len() == 24).await;
    daemon
        .until("a later bar of every symbol", |p| {
            p.decided.len() == 24 && p.decided.iter().all(|(symbol, end)| Some(end) > first.decided.get(symbol))
        })
        .await;
    daemon.until("executions", |p| p.executions >= 24).await;
    let (_, result) = daemon.stop().await;
    result.unwrap();
    all_accounted_for(dir.path(), running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_second_bars_and_polling_trade_as_well_as_a_stream() {
    for feed in ["realtime", "poll"] {
        let dir = tempfile::tempdir().unwrap();
        let running = synthetic(None, 0).await;
        let pairs =
            quick(&[("SYMBOLS", "AAPL"), ("DATA_FEED", feed), ("DATA_INTERVAL", "0.1"), ("DATA_BAR_SIZE", "10 secs")]);
        let mut daemon = Daemon::start(settings(running.address, &pairs), dir.path(), Start::default());
        daemon.until("two executions", |p| p.executions >= 2).await;
        let (_, result) = daemon.stop().await;
        result.unwrap();
        all_accounted_for(dir.path(), running).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn once_decides_on_history_and_ends_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let running = synthetic(None, 0).await;
    let pairs = [("SYMBOLS", "AAPL,TSLA"), ("STRATEGY_PARAMS", "entry=level")];
    let how = Start { once: true, ..Start::default() };
    let daemon = Daemon::start(settings(running.address, &pairs), dir.path(), how);
    let (summary, result) = daemon.ended().await;
    result.unwrap();
    assert_eq!(summary.sessions, 1);
    assert_eq!(summary.unknown_orders, 0);
    // On a level, every symbol has an opinion on its newest bar.
    assert_eq!(book(dir.path()).targets().count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn observing_sends_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let running = synthetic(None, 0).await;
    let pairs = quick(&[("SYMBOLS", "AAPL,TSLA"), ("EXECUTION_MODE", "observe")]);
    let mut daemon = Daemon::start(settings(running.address, &pairs), dir.path(), Start::default());
    let first = daemon.until("history", |p| p.decided.len() == 2).await;
    let later = |from: Duration, p: &robo_trader::domain::progress::Progress| {
        p.decided.iter().all(|(symbol, end)| first.decided.get(symbol).is_some_and(|first| *end > *first + from))
    };
    daemon.until("five more minutes", |p| later(Duration::from_secs(300), p)).await;
    let (summary, result) = daemon.stop().await;
    result.unwrap();
    assert!(summary.observed > 0);
    assert_eq!(summary.orders, 0);
    assert_eq!(running.stop().await.unwrap().orders, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_daemon_on_the_same_state_or_account_is_refused() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let running = synthetic(None, 0).await;
    let pairs = quick(&[("SYMBOLS", "AAPL")]);
    let mut daemon = Daemon::start(settings(running.address, &pairs), dir.path(), Start::default());
    daemon.until("ready", |p| p.ready).await;
    let same_state = Daemon::start(settings(running.address, &pairs), dir.path(), Start::default());
    let (_, result) = same_state.ended().await;
    let error = result.unwrap_err();
    assert_eq!(error.code(), 3);
    assert!(error.to_string().contains("state directory"), "{error}");
    let pairs = quick(&[("SYMBOLS", "AAPL"), ("IBKR_CLIENT_ID", "2")]);
    let same_account = Daemon::start(settings(running.address, &pairs), other.path(), Start::default());
    let (_, result) = same_account.ended().await;
    let error = result.unwrap_err();
    assert_eq!(error.code(), 3);
    assert!(error.to_string().contains("DU1234567"), "{error}");
    daemon.stop().await.1.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_symbol_or_another_account_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let running = synthetic(None, 0).await;
    for (pairs, part, code) in [
        (vec![("SYMBOLS", "AAPL,NOSUCH")], "NOSUCH", 2),
        (vec![("SYMBOLS", "AAPL"), ("IBKR_ACCOUNT", "DU7654321")], "DU7654321", 3),
    ] {
        let daemon = Daemon::start(settings(running.address, &pairs), dir.path(), Start::default());
        let (_, result) = daemon.ended().await;
        let error = result.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(part), "{error}");
        assert!(!dir.path().join("simulator").exists(), "a ledger was opened");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_cut_off_at_any_record_is_made_whole_from_the_broker() {
    let dir = tempfile::tempdir().unwrap();
    let running = synthetic(None, 0).await;
    let pairs = quick(&[("SYMBOLS", "AAPL,TSLA")]);
    let mut daemon = Daemon::start(settings(running.address, &pairs), dir.path(), Start::default());
    daemon.until("eight executions", |p| p.executions >= 8).await;
    daemon.stop().await.1.unwrap();
    let whole = book(dir.path());
    let records = journal(dir.path()).len();
    let held = |book: &robo_trader::domain::book::Book| -> Vec<(i32, i64)> {
        book.positions().map(|(id, p)| (id.0, p.quantity().0)).filter(|(_, held)| *held != 0).collect()
    };
    // The ledger's own name is its first record: everything after it can be found again.
    for kept in [1, 2, records / 3, records / 2, records - 3, records - 1] {
        let path = robo_trader::journal::sqlite::SqliteJournal::path(dir.path(), "simulator", "DU1234567");
        let cut = rusqlite::Connection::open(&path).unwrap();
        cut.execute("DELETE FROM facts WHERE seq > ?1", [kept as i64]).unwrap();
        drop(cut);
        // It observes, so that nothing but recovery moves the book.
        let observe = quick(&[("SYMBOLS", "AAPL,TSLA"), ("EXECUTION_MODE", "observe")]);
        let mut daemon = Daemon::start(settings(running.address, &observe), dir.path(), Start::default());
        daemon.until("ready", |p| p.ready).await;
        let (summary, result) = daemon.stop().await;
        result.unwrap();
        let found = book(dir.path());
        assert_eq!(held(&found), held(&whole), "cut after record {kept} of {records}");
        assert_eq!(found.cash(), whole.cash(), "cut after record {kept} of {records}");
        assert_eq!(found.counts().executions, whole.counts().executions);
        assert!(summary.locks.is_empty(), "{:?}", summary.locks);
    }
}
