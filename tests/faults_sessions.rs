//! The daemon and faults of its session: each is noticed, named, survived, and nothing is lost.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use robo_trader::domain::book::{Fact, Record, SessionFact};
use robo_trader::simulator::SimulatorConfig;
use robo_trader::simulator::faults::Scenario;
use support::faults::{Story, sessions};
use support::journal;

#[tokio::test]
async fn a_gateway_that_is_down_is_dialled_until_it_is_back() {
    let story = Story::trading(&[]).await;
    story.lost_and_found(&["refuse", "reset"], &["attempt failed", "nothing listens"]).await;
}

#[tokio::test]
async fn a_proxy_before_a_gateway_that_is_down_is_told_from_it() {
    let story = Story::trading(&[]).await;
    story.lost_and_found(&["accept_close", "reset"], &["attempt failed", "closed the connection"]).await;
}

#[tokio::test]
async fn a_handshake_that_is_never_answered_ends_at_its_deadline() {
    let story = Story::trading(&[]).await;
    story.lost_and_found(&["blackhole", "reset"], &["attempt failed", "accepts but does not answer"]).await;
}

#[tokio::test]
async fn a_connection_that_only_looks_alive_is_found_out_by_its_heartbeat() {
    let story = Story::trading(&[]).await;
    story.lost_and_found(&["mute"], &["session lost", "probes missed in a row"]).await;
}

#[tokio::test]
async fn a_gateway_that_does_what_it_does_not_answer_is_left_and_asked_by_another_session() {
    let story = Story::trading(&[]).await;
    story.lost_and_found(&["mute = { serves = true }"], &["session lost", "probes missed in a row"]).await;
}

#[tokio::test]
async fn a_gateway_that_greets_and_answers_nothing_is_not_ready() {
    let story = Story::trading(&[]).await;
    let says = ["attempt failed", "does not tell its time"];
    story.lost_and_found(&["mute = { after_handshake = true }", "reset"], &says).await;
}

#[tokio::test]
async fn a_session_without_an_order_id_is_not_used() {
    let story = Story::trading(&[]).await;
    story.lost_and_found(&["omit = { accounts = false }", "reset"], &["attempt failed", "no next order id"]).await;
}

#[tokio::test]
async fn a_session_without_an_account_is_not_used() {
    let story = Story::trading(&[]).await;
    story.lost_and_found(&["omit = { next_id = false }", "reset"], &["attempt failed", "names no account"]).await;
}

#[tokio::test]
async fn a_client_id_that_the_gateway_still_holds_is_tried_again_and_never_changed() {
    let story = Story::trading(&[]).await;
    story.lost_and_found(&["hold_client_id", "reset"], &["attempt failed", "client id 1 is in use"]).await;
}

#[tokio::test]
async fn dead_connections_that_fill_the_gateway_are_waited_out() {
    let story = Story::trading(&[]).await;
    let from = story.told("zombies").await;
    story.told("malformed = { what = \"short\" }").await;
    story.log.says(from, &["the client has left, and keeps its place"]).await;
    story.lost_and_found(&[], &["attempt failed", "client id 1 is in use"]).await;
}

#[tokio::test]
async fn a_gateway_that_is_too_old_ends_the_daemon() {
    let scenario = Scenario { rules: vec!["old_version".parse().unwrap()] };
    let story = Story::begin(&[], SimulatorConfig { scenario, ..SimulatorConfig::default() }).await;
    let (_, result) = story.ended().await;
    let error = result.unwrap_err();
    assert_eq!(error.code(), 3, "{error}");
    assert!(error.to_string().contains("too old"), "{error}");
}

#[tokio::test]
async fn a_port_that_was_reset_is_said_loudly() {
    let story = Story::trading(&[]).await;
    let from = story.told("refuse").await;
    story.told("port_reset = { port = 4009 }").await;
    story.log.says(from, &["ERROR", "port was reset", "4009"]).await;
    story.lost_and_found(&[], &["session lost"]).await;
}

#[tokio::test]
async fn a_line_cut_within_a_message_is_a_lost_session() {
    for cut in ["reset = { mid_frame = true }", "close = { mid_frame = true }", "close"] {
        let story = Story::trading(&[]).await;
        story.lost_and_found(&["refuse", cut], &["session lost"]).await;
    }
}

#[tokio::test]
async fn bytes_that_are_no_message_end_the_session_and_no_more() {
    for what in ["short", "long"] {
        let story = Story::trading(&[]).await;
        let malformed = format!("malformed = {{ what = \"{what}\" }}");
        story.lost_and_found(&["refuse", &malformed], &["session lost"]).await;
    }
}

#[tokio::test]
async fn messages_that_nobody_knows_are_noted_and_passed_over() {
    for what in ["unknown-id", "text-id"] {
        let mut story = Story::trading(&[]).await;
        story.told(&format!("malformed = {{ what = \"{what}\" }}")).await;
        story.executions(2).await;
        story.accounted_for().await;
    }
}

#[tokio::test]
async fn an_order_status_that_cannot_be_read_ends_the_session_and_loses_nothing() {
    let story = Story::trading(&[]).await;
    story.lost_and_found(&["refuse", "malformed = { what = \"bad-status\" }"], &["session lost"]).await;
}

#[tokio::test]
async fn a_daemon_that_is_read_slowly_for_loses_messages_and_then_its_session_but_no_fill() {
    let mut story = Story::trading(&[]).await;
    let from = story.told("slow_reader = { bytes_per_second = 4000, outbox = 3000, then = \"drop-half\" }").await;
    story.log.says(from, &["output exceeded the limit"]).await;
    story.cleared().await;
    story.told("close").await;
    story.executions(2).await;
    story.accounted_for().await;
}

#[tokio::test]
async fn writes_in_pieces_or_together_change_nothing() {
    let mut story = Story::trading(&[]).await;
    story.told("split_writes = { bytes = 3 }").await;
    story.executions(2).await;
    story.cleared().await;
    story.told("coalesce = { within = \"30ms\" }").await;
    story.executions(2).await;
    story.accounted_for().await;
}

#[tokio::test]
async fn what_is_held_back_for_a_moment_is_no_lost_session() {
    let mut story = Story::trading(&[("PROBE_DEADLINE", "20")]).await;
    story.told("freeze = \"300ms\"").await;
    story.executions(2).await;
    let lost = |record: &Record| matches!(record.fact, Fact::Session(SessionFact::Lost { .. }));
    let records = journal(story.dir.path());
    assert_eq!((records.iter().find(|record| lost(record)), sessions(story.dir.path())), (None, 1));
    story.accounted_for().await;
}

#[tokio::test]
async fn the_nightly_restart_of_the_examples_is_survived_and_trading_resumes() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/nightly-restart.toml");
    let mut scenario = Scenario::read(&path).unwrap();
    // As in the file, but for a shorter night.
    scenario.rules[0].lasts = Some(robo_trader::simulator::faults::Span::millis(1_500));
    let mut story =
        Story::begin(&[("SYMBOLS", "AAPL,NVDA")], SimulatorConfig { scenario, ..SimulatorConfig::default() }).await;
    story.log.says(0, &["fault: ", "restart"]).await;
    story.log.says(0, &["attempt failed", "nothing listens"]).await;
    story.log.says(0, &["fault over", "restart"]).await;
    story.ready().await;
    story.executions(4).await;
    let rules = story.running.rules().await.unwrap();
    assert!(rules[0].fired >= 1, "{rules:?}");
    assert!(sessions(story.dir.path()) >= 2);
    story.accounted_for().await;
}

#[tokio::test]
async fn order_ids_that_begin_anew_are_not_used_twice() {
    let mut story = Story::trading(&[]).await;
    for _ in 0..2 {
        story.told("restart = { lower_ids = true }").await;
        story.lost().await;
        story.cleared().await;
        story.ready().await;
        let from = story.log.lines().len();
        story.executions(2).await;
        let refused = story.log.lines().into_iter().skip(from).find(|line| line.contains("Duplicate order id"));
        assert_eq!(refused, None);
    }
    story.accounted_for().await;
}

#[tokio::test]
async fn an_order_of_the_restarts_last_moment_is_never_sent_again() {
    let mut story = Story::trading(&[]).await;
    let from = story.told("restart = { lose_orders = \"10m\" }").await;
    story.log.says(from, &["an order arrives too late, and is lost"]).await;
    // It is in doubt until another session has looked for it.
    story.told("reset").await;
    story.log.says(from, &["order in doubt"]).await;
    story.log.says(from, &["order never reached the broker"]).await;
    story.cleared().await;
    story.executions(2).await;
    story.accounted_for().await;
}

#[tokio::test]
async fn the_weekly_log_in_is_waited_for_behind_a_shut_port_and_behind_a_dialog() {
    let story = Story::trading(&[]).await;
    story.lost_and_found(&["login_wall = { how = \"refuse\" }"], &["attempt failed", "nothing listens"]).await;
    let story = Story::trading(&[]).await;
    let says = ["attempt failed", "accepts but does not answer"];
    story.lost_and_found(&["login_wall = { how = \"mute\" }"], &says).await;
}

#[tokio::test]
async fn the_breaker_opens_while_nobody_listens_and_closes_behind_one_probe() {
    let story = Story::trading(&[("CIRCUIT_BREAKER_THRESHOLD", "2")]).await;
    story.lost_and_found(&["refuse", "reset"], &["breaker open: not dialling"]).await;
}
