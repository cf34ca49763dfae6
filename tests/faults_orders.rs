//! The daemon and faults of orders, executions and the account: nothing is lost, repeated or traded over.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use robo_trader::domain::book::{Fact, FillFact, OrderFact};
use robo_trader::domain::order::{OrderEvent, OrderState, Role};
use support::faults::Story;
use support::{book, journal};

/// Without a stop: what becomes of an entry is plain.
const PLAIN: &[(&str, &str)] = &[("RISK_STOP", "none")];

#[tokio::test]
async fn an_order_lost_in_flight_is_in_doubt_then_known_never_to_have_arrived() {
    let mut story = Story::trading(PLAIN).await;
    let from = story.told("drop = true, on = \"place-order\", times = 1").await;
    story.log.says(from, &["order in doubt"]).await;
    story.log.says(from, &["order never reached the broker"]).await;
    story.executions(2).await;
    story.accounted_for().await;
}

#[tokio::test]
async fn an_order_that_is_taken_and_not_acknowledged_is_found_and_not_repeated() {
    let mut story = Story::trading(PLAIN).await;
    let from = story.told("lose_answers = { all = true }, on = \"place-order\", times = 1").await;
    story.log.says(from, &["order in doubt"]).await;
    story.executions(4).await;
    let (executions, account) = story.accounted_for().await;
    assert_eq!(executions, account.fills);
}

#[tokio::test]
async fn an_acknowledgement_that_is_lost_with_the_line_is_found_and_the_order_not_repeated() {
    let mut story = Story::trading(PLAIN).await;
    story.told("refuse").await;
    story.told("reset = true, on = \"place-order\"").await;
    story.lost().await;
    story.cleared().await;
    story.ready().await;
    story.executions(2).await;
    let (executions, account) = story.accounted_for().await;
    assert_eq!(executions, account.fills);
}

#[tokio::test]
async fn an_order_whose_line_is_cut_before_it_is_taken_is_not_sent_again() {
    let mut story = Story::trading(PLAIN).await;
    story.told("refuse").await;
    story.told("drop = true, on = \"place-order\", times = 1").await;
    let from = story.told("reset = true, on = \"place-order\"").await;
    story.lost().await;
    story.cleared().await;
    story.log.says(from, &["order never reached the broker"]).await;
    story.executions(2).await;
    story.accounted_for().await;
}

#[tokio::test]
async fn statuses_doubled_dropped_reordered_and_late_change_no_book() {
    let mut story = Story::trading(&[]).await;
    for line in [
        "duplicate = { copies = 2 }, on = \"order-news\", probability = 0.3",
        "reorder = true, on = \"order-news\", probability = 0.3",
        "drop = true, on = \"order-status\", probability = 0.3",
        "delay = { by = \"200ms\" }, on = \"order-status\", probability = 0.2",
    ] {
        story.told(line).await;
    }
    story.executions(8).await;
    story.cleared().await;
    story.executions(2).await;
    let (executions, account) = story.accounted_for().await;
    assert_eq!(executions, account.fills);
}

#[tokio::test]
async fn statuses_that_all_stay_away_lose_no_fill() {
    let mut story = Story::trading(PLAIN).await;
    story.told("drop = true, on = \"order-status\"").await;
    story.executions(4).await;
    story.accounted_for().await;
}

#[tokio::test]
async fn executions_that_come_again_are_booked_once() {
    let mut story = Story::trading(&[]).await;
    story.told("repeat_executions").await;
    story.told("duplicate = { copies = 3 }, on = \"execution\"").await;
    story.told("duplicate = { copies = 3 }, on = \"commission\"").await;
    story.executions(4).await;
    let (executions, account) = story.accounted_for().await;
    assert_eq!(executions, account.fills);
}

#[tokio::test]
async fn a_cost_that_comes_late_is_booked_when_it_comes() {
    let mut story = Story::trading(PLAIN).await;
    story.told("delay = { by = \"1h\" }, on = \"commission\"").await;
    story.executions(2).await;
    let open = story.daemon.progress.borrow().clone();
    assert!(open.commissions < open.executions, "{open:?}");
    story.cleared().await;
    story.daemon.until("every cost", |p| p.commissions == p.executions).await;
    story.accounted_for().await;
}

#[tokio::test]
async fn partial_fills_add_up() {
    let mut story = Story::trading(&[]).await;
    story.told("partial_fills = { shares = 3 }").await;
    story.executions(8).await;
    story.cleared().await;
    story.executions(2).await;
    let (executions, account) = story.accounted_for().await;
    assert_eq!(executions, account.fills);
}

#[tokio::test]
async fn orders_that_fill_while_the_daemon_is_away_are_found_when_it_is_back() {
    // Something rests at the broker all the time: the stops.
    let mut story = Story::trading(&[]).await;
    story.daemon.until("a position", |p| p.ready && p.working > 0 && p.unanswered == 0).await;
    story.told("fill = true, on = \"leave\", times = 1").await;
    story.told("refuse").await;
    story.told("reset").await;
    story.lost().await;
    while story.running.rules().await.unwrap()[0].fired == 0 {
        tokio::time::sleep(support::faults::MOMENT).await;
    }
    story.cleared().await;
    story.ready().await;
    story.executions(2).await;
    let (executions, account) = story.accounted_for().await;
    assert_eq!(executions, account.fills);
}

#[tokio::test]
async fn an_order_that_fills_before_its_cancel_arrives_is_no_failure() {
    let mut story = Story::trading(&[]).await;
    let from = story.told("fill = true, on = \"cancel-order\", times = 1").await;
    story.log.says(from, &["fault: ", "fill"]).await;
    story.executions(4).await;
    story.accounted_for().await;
}

#[tokio::test]
async fn an_order_that_fills_in_part_before_its_cancel_keeps_that_part() {
    let mut story = Story::trading(&[]).await;
    let from = story.told("fill = { quantity = 1 }, on = \"cancel-order\", times = 1").await;
    story.log.says(from, &["fault: ", "fill"]).await;
    story.executions(4).await;
    story.accounted_for().await;
}

#[tokio::test]
async fn cancels_refused_in_every_way_are_races_not_failures() {
    for code in [135, 161, 10_147, 10_148] {
        let mut story = Story::trading(&[]).await;
        let from = story.told(&format!("answer = {{ code = {code} }}, on = \"cancel-order\", times = 1")).await;
        story.log.says(from, &["fault: ", "answer"]).await;
        story.executions(4).await;
        story.accounted_for().await;
    }
}

#[tokio::test]
async fn rejections_are_told_disarm_and_leave_nothing_behind() {
    for (meaning, first) in [("margin", "status"), ("permission", "error"), ("short", "error-only")] {
        let mut story = Story::trading(PLAIN).await;
        let line =
            format!("reject = {{ meaning = \"{meaning}\", first = \"{first}\" }}, on = \"place-order\", times = 1");
        let from = story.told(&line).await;
        story.log.says(from, &["order rejected"]).await;
        story.executions(2).await;
        story.accounted_for().await;
    }
}

#[tokio::test]
async fn orders_refused_before_they_are_taken_are_rejections() {
    for code in [110, 154, 200, 321] {
        let mut story = Story::trading(PLAIN).await;
        let from = story.told(&format!("answer = {{ code = {code} }}, on = \"place-order\", times = 1")).await;
        story.log.says(from, &["order rejected", &code.to_string()]).await;
        story.executions(2).await;
        story.accounted_for().await;
    }
}

#[tokio::test]
async fn an_order_id_that_was_used_before_leads_to_a_look_before_anything_else() {
    let mut story = Story::trading(PLAIN).await;
    let from = story.told("answer = { code = 103 }, on = \"place-order\", times = 1").await;
    story.log.says(from, &["reconciling with the broker"]).await;
    story.executions(2).await;
    story.accounted_for().await;
}

#[tokio::test]
async fn warnings_about_orders_kill_no_order() {
    for code in [399, 404, 2_109, 10_349] {
        let mut story = Story::trading(&[]).await;
        let rule = format!("error = {{ code = {code}, id = \"request\" }}, on = \"open-order\", times = 2");
        let from = story.told(&rule).await;
        story.log.says(from, &["fault: ", "error"]).await;
        story.executions(4).await;
        story.accounted_for().await;
    }
}

#[tokio::test]
async fn changes_refused_leave_the_order_as_it_was() {
    for code in [104, 105, 2_102] {
        let mut story = Story::trading(&[]).await;
        let from = story.told(&format!("error = {{ code = {code}, id = \"orders\" }}")).await;
        story.log.says(from, &["fault: ", "error"]).await;
        story.executions(4).await;
        story.accounted_for().await;
    }
}

#[tokio::test]
async fn orders_that_the_broker_cancels_are_over_and_stops_come_back() {
    let mut story = Story::trading(&[]).await;
    story.daemon.until("something that works", |p| p.ready && p.working > 0 && p.unanswered == 0).await;
    let from = story.told("cancel_orders = { reason = \"by the broker\" }").await;
    story.log.says(from, &["order cancelled"]).await;
    story.log.says(from, &["order: SELL", "role=Stop"]).await;
    story.executions(4).await;
    story.accounted_for().await;
}

#[tokio::test]
async fn sells_that_wait_for_shares_to_be_located_stay_alive() {
    let mut story = Story::trading(PLAIN).await;
    let rule = "error = { code = 404, id = \"request\" }, on = \"place-order\"";
    story.told(rule).await;
    let from = story.told("locate").await;
    story.log.says(from, &["fault: ", "404"]).await;
    story.cleared().await;
    story.executions(4).await;
    story.accounted_for().await;
}

#[tokio::test]
async fn a_time_in_force_that_the_gateway_changes_is_seen() {
    let mut story = Story::trading(&[]).await;
    let from = story.told("change_tif = { tif = \"DAY\" }, on = \"place-order\", times = 3").await;
    story.log.says(from, &["fault: ", "change_tif"]).await;
    story.executions(4).await;
    story.accounted_for().await;
}

#[tokio::test]
async fn a_halt_takes_no_order_and_trading_goes_on_after_it() {
    let mut story = Story::trading(PLAIN).await;
    let from = story.told("halt = true, symbol = \"AAPL\"").await;
    story.log.says(from, &["order rejected", "154"]).await;
    story.cleared().await;
    story.executions(2).await;
    story.accounted_for().await;
}

#[tokio::test]
async fn an_order_refused_as_read_only_is_a_rejection() {
    let mut story = Story::trading(PLAIN).await;
    let from = story.told("read_only").await;
    story.log.says(from, &["order rejected", "Read-Only"]).await;
    story.cleared().await;
    story.executions(2).await;
    story.accounted_for().await;
}

#[tokio::test]
async fn a_gateway_that_says_it_is_read_only_ends_the_daemon_for_a_person() {
    let story = Story::trading(PLAIN).await;
    story.told("read_only = { anonymous = true }").await;
    let (_, result) = story.ended().await;
    let error = result.unwrap_err();
    assert_eq!(error.code(), 3, "{error}");
    assert!(error.to_string().contains("read-only"), "{error}");
}

#[tokio::test]
async fn a_corrected_price_moves_the_cash_and_supersedes_the_execution() {
    let mut story = Story::trading(PLAIN).await;
    story.daemon.until("quiet", |p| p.ready && p.unanswered == 0).await;
    let known = story.daemon.progress.borrow().executions;
    let from = story.told("correct = { price = \"1.25\" }").await;
    story.log.says(from, &["execution corrected"]).await;
    story.daemon.until("the correction", |p| p.executions > known).await;
    let records = journal(story.dir.path());
    let corrected = records.iter().any(|record| match &record.fact {
        Fact::Fill(FillFact::Executed { execution, .. }) => execution.id.0.ends_with(".02"),
        _ => false,
    });
    assert!(corrected);
    story.accounted_for().await;
}

#[tokio::test]
async fn a_late_stop_is_right_although_its_order_was_refused_first() {
    let mut story = Story::trading(&[]).await;
    let from = story.told("reject = { code = 201, meaning = \"permission\" }, on = \"place-order\", times = 2").await;
    story.log.says(from, &["order rejected"]).await;
    story.executions(4).await;
    story.accounted_for().await;
}

#[tokio::test]
async fn an_order_rejected_as_a_cancel_of_a_filled_one_is_a_race() {
    let mut story = Story::trading(&[]).await;
    let rule = "error = { code = 201, meaning = \"filled\", id = \"request\" }, on = \"cancel-order\", times = 1";
    let from = story.told(rule).await;
    story.log.says(from, &["fault: ", "filled"]).await;
    story.executions(4).await;
    story.accounted_for().await;
}

#[tokio::test]
async fn what_was_in_doubt_is_resolved_and_never_unknown_for_good() {
    let mut story = Story::trading(PLAIN).await;
    let from = story.told("drop = true, on = \"place-order\", times = 1").await;
    story.log.says(from, &["order in doubt"]).await;
    story.log.says(from, &["order never reached the broker"]).await;
    story.executions(2).await;
    let path = story.dir.path().to_path_buf();
    let intents = journal(&path)
        .iter()
        .filter_map(|record| match &record.fact {
            Fact::Order(OrderFact::Changed { intent, event: OrderEvent::Lost, .. }) => Some(*intent),
            _ => None,
        })
        .collect::<Vec<_>>();
    let book = book(&path);
    // Others may have been in doubt, too, and are what the broker's reads made of them.
    assert!(intents.iter().any(|intent| book.order(*intent).unwrap().state == OrderState::NeverSent));
    assert!(book.orders().all(|order| order.ticket.role != Role::Exit || order.state != OrderState::Unknown));
    story.accounted_for().await;
}
