//! Replays in lock-step: the daemon's journal and the simulator's account are the same money.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::path::Path;

use robo_trader::domain::book::{Fact, FillFact, OrderFact};
use robo_trader::domain::{Shares, Usd};
use robo_trader::exchange::ChildRule;
use robo_trader::simulator::SimulatorConfig;
use support::{book, journal, replayed, replayed_by, write_waves};

const MINUTES: [(&str, &str); 3] = [("DATA_BAR_SIZE", "1 min"), ("DATA_DURATION", "1 D"), ("CALENDAR", "XNYS")];

fn with(pairs: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    MINUTES.iter().chain(pairs).copied().collect()
}

/// Journal, summary and simulator agree to the cent and the share.
fn agree(state_dir: &Path, summary: &robo_trader::runner::Summary, account: &robo_trader::simulator::Summary) {
    let book = book(state_dir);
    assert_eq!(book.cash(), Some(account.cash), "cash by the journal and by the simulator");
    assert_eq!(summary.cash_usd, Some(account.cash));
    assert_eq!(book.realized(), account.realized, "realized profit");
    assert_eq!(book.fees(), account.commissions, "commissions");
    let mut held: Vec<(String, i64)> = book
        .positions()
        .filter(|(_, position)| position.quantity() != Shares::ZERO)
        .map(|(id, position)| (book.symbol(id).unwrap().to_string(), position.quantity().0))
        .collect();
    held.sort();
    let theirs: Vec<(String, i64)> =
        account.positions.iter().map(|(symbol, held)| (symbol.clone(), held.quantity.0)).collect();
    assert_eq!(held, theirs, "positions");
    assert_eq!(summary.equity_usd, Some(account.equity), "equity at the last prices");
    assert_eq!((summary.incidents, summary.unknown_orders), (0, 0));
}

/// Orders and fills as the journal tells them.
fn trades(state_dir: &Path) -> Vec<String> {
    let line = |fact: &Fact| match fact {
        Fact::Order(OrderFact::Intended { ticket, .. }) => Some(format!("{ticket:?}")),
        Fact::Fill(FillFact::Executed { intent, execution }) => {
            Some(format!("{intent} {} {} {} {}", execution.at, execution.side, execution.quantity, execution.price))
        }
        _ => None,
    };
    journal(state_dir).iter().filter_map(|record| line(&record.fact)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn generated_days_trade_to_the_end_and_journal_and_account_agree_to_the_cent() {
    let dir = tempfile::tempdir().unwrap();
    let data = tempfile::tempdir().unwrap();
    write_waves(data.path(), "AAA", &[3, 4], 50.0, 9.0);
    write_waves(data.path(), "BBB", &[3, 4], 20.0, 7.0);
    let pairs = with(&[("SYMBOLS", "AAA,BBB"), ("RISK_STOP_LOSS_PCT", "0.01")]);
    let (summary, account) = replayed(data.path(), dir.path(), true, &pairs).await;
    assert!(summary.fills > 50, "only {} fills", summary.fills);
    assert!(account.commissions > Usd::ZERO);
    agree(dir.path(), &summary, &account);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_data_and_seed_give_the_same_orders_and_fills() {
    let data = tempfile::tempdir().unwrap();
    write_waves(data.path(), "AAA", &[3], 50.0, 9.0);
    write_waves(data.path(), "BBB", &[3], 20.0, 7.0);
    let pairs = with(&[("SYMBOLS", "AAA,BBB"), ("RISK_STOP", "trailing"), ("RISK_TRAILING_STOP_PCT", "0.004")]);
    let mut runs = Vec::new();
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let (summary, account) = replayed(data.path(), dir.path(), true, &pairs).await;
        agree(dir.path(), &summary, &account);
        runs.push(trades(dir.path()));
    }
    assert!(runs[0].len() > 40, "only {} lines", runs[0].len());
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn brackets_with_take_profit_and_shorts_keep_the_books_equal() {
    let dir = tempfile::tempdir().unwrap();
    let data = tempfile::tempdir().unwrap();
    write_waves(data.path(), "AAA", &[3, 4], 50.0, 9.0);
    let pairs = with(&[
        ("SYMBOLS", "AAA"),
        ("EXECUTION_SHORT_SELLING", "yes"),
        ("STRATEGY_PARAMS", "short=yes"),
        ("RISK_STOP_LOSS_PCT", "0.006"),
        ("RISK_TAKE_PROFIT_PCT", "0.004"),
        ("ORDER_STYLE", "limit"),
    ]);
    let (summary, account) = replayed(data.path(), dir.path(), true, &pairs).await;
    assert!(summary.fills > 40, "only {} fills", summary.fills);
    agree(dir.path(), &summary, &account);
}

/// Orders fill a few shares a bar, so that targets change while entries and exits are half done.
#[tokio::test(flavor = "multi_thread")]
async fn partial_fills_keep_the_books_equal_whatever_the_broker_does_with_bracket_children() {
    let data = tempfile::tempdir().unwrap();
    write_waves(data.path(), "AAA", &[3, 4], 50.0, 5.0);
    for children in [ChildRule::ProRata, ChildRule::DieWithParent] {
        let dir = tempfile::tempdir().unwrap();
        let pairs = with(&[("SYMBOLS", "AAA"), ("RISK_STOP_LOSS_PCT", "0.004"), ("STRATEGY_PARAMS", "fast=2,slow=5")]);
        let rules = SimulatorConfig { children, slice: Some(Shares(9)), ..SimulatorConfig::default() };
        let (summary, account) = replayed_by(data.path(), dir.path(), true, &pairs, rules).await;
        assert!(summary.fills > 2 * 50, "only {} fills", summary.fills);
        let mut held = 0;
        for record in journal(dir.path()) {
            if let Fact::Fill(FillFact::Executed { execution, .. }) = &record.fact {
                held += execution.side.signed(execution.quantity).0;
                assert!(held >= 0, "{children:?}: sold {} more than held at {}", -held, execution.at);
            }
        }
        let book = book(dir.path());
        assert_eq!((book.cash(), book.fees()), (Some(account.cash), account.commissions), "{children:?}");
        assert!(summary.locks.is_empty(), "{children:?}: {:?}", summary.locks);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_tape_is_not_traded_again() {
    let dir = tempfile::tempdir().unwrap();
    let data = tempfile::tempdir().unwrap();
    write_waves(data.path(), "AAA", &[3], 50.0, 9.0);
    let pairs = with(&[("SYMBOLS", "AAA")]);
    let (first, _) = replayed(data.path(), dir.path(), true, &pairs).await;
    let (second, account) = replayed(data.path(), dir.path(), false, &pairs).await;
    assert_eq!(second.fills, 0);
    assert_eq!((second.cash_usd, second.realized_usd), (first.cash_usd, first.realized_usd));
    assert_eq!(second.cash_usd, Some(account.cash));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_six_real_days_of_october_2013_trade_to_the_end() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    if !data.exists() {
        eprintln!("skipped: {} is not there", data.display());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let pairs = with(&[("SYMBOLS", "SPY,BAC")]);
    let (summary, account) = replayed(&data, dir.path(), true, &pairs).await;
    assert!(summary.fills > 100, "only {} fills", summary.fills);
    agree(dir.path(), &summary, &account);
}
