//! The daemon and what happens to the account without its doing: others trade, cash moves, figures are wrong.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use robo_trader::domain::Shares;
use robo_trader::simulator::SimulatorConfig;
use support::book;
use support::faults::{Story, compare};

/// Broker and book are compared all the time.
const SOON: &[(&str, &str)] = &[("RECONCILE_INTERVAL", "1")];

#[tokio::test]
async fn what_somebody_else_buys_by_hand_is_shown_and_never_touched() {
    let mut story = Story::trading(SOON).await;
    let from = story.told("trade = { side = \"BUY\", quantity = 7 }, symbol = \"MSFT\"").await;
    story.told("reset").await;
    story.log.says(from, &["foreign fill, not ours", "BUY 7"]).await;
    story.executions(2).await;
    let account = story.running.account().await.unwrap();
    assert_eq!(account.positions["MSFT"].quantity, Shares(7));
    story.daemon.stop().await.1.unwrap();
}

#[tokio::test]
async fn cash_that_comes_or_goes_beside_trades_is_a_fact_and_halts_nothing() {
    // Cash is compared while nothing trades: the account's figures lag behind fills.
    let quiet = [SOON[0], ("EXECUTION_MODE", "observe")];
    let mut story = Story::begin(&quiet, SimulatorConfig::default()).await;
    story.ready().await;
    for amount in ["12.5", "-3.75"] {
        let from = story.told(&format!("cash = {{ amount = \"{amount}\" }}")).await;
        story.log.says(from, &["cash adjusted", amount]).await;
    }
    story.accounted_for().await;
}

#[tokio::test]
async fn execution_times_that_are_hours_off_change_no_book() {
    let mut story = Story::trading(SOON).await;
    story.told("skew = { minutes = -120, of = \"executions\" }").await;
    story.executions(4).await;
    story.accounted_for().await;
}

#[tokio::test]
async fn a_position_that_is_stated_wrongly_for_a_while_stops_entries_and_then_does_not() {
    let story = Story::trading(SOON).await;
    let from = story.told("misstate = { by = 13 }, symbol = \"AAPL\"").await;
    story.log.says(from, &["broker and book differ", "AAPL"]).await;
    story.cleared().await;
    story.daemon.stop().await.1.unwrap();
    let account = story.running.stop().await.unwrap();
    compare(story.dir.path(), &account);
}

#[tokio::test]
async fn a_liquidation_locks_the_account_and_is_booked() {
    let mut story = Story::trading(SOON).await;
    story.daemon.until("a position", |p| p.ready && p.working > 0 && p.unanswered == 0).await;
    let from = story.told("liquidate = {}, symbol = \"AAPL\"").await;
    story.log.says(from, &["ERROR", "locked", "liquidat"]).await;
    story.daemon.stop().await.1.unwrap();
}

#[tokio::test]
async fn a_split_locks_its_symbol_until_a_person_accepts_it() {
    let mut story = Story::trading(SOON).await;
    story.daemon.until("a position", |p| p.ready && p.working > 0 && p.unanswered == 0).await;
    let from = story.told("stock_split = { new = 2 }, symbol = \"AAPL\"").await;
    story.log.says(from, &["AAPL", "locked"]).await;
    story.daemon.stop().await.1.unwrap();
}

#[tokio::test]
async fn without_account_figures_nothing_is_entered() {
    let mut story = Story::trading(SOON).await;
    let from = story.told("hide_account").await;
    story.told("reset").await;
    story.log.says(from, &["reading again"]).await;
    story.cleared().await;
    story.ready().await;
    story.executions(2).await;
    story.accounted_for().await;
}

#[tokio::test]
async fn a_foreign_order_that_rests_is_seen_and_left_alone() {
    let mut story = Story::trading(SOON).await;
    story.told("trade = { side = \"BUY\", quantity = 5, client_id = 9, rests = true }, symbol = \"MSFT\"").await;
    story.executions(4).await;
    let account = story.running.account().await.unwrap();
    assert!(account.working >= 1);
    story.daemon.stop().await.1.unwrap();
    let account = story.running.stop().await.unwrap();
    compare(story.dir.path(), &account);
    assert!(book(story.dir.path()).orders().all(|order| order.ticket.order_ref.to_string().starts_with("rt-")));
}
