//! The daemon and faults of data and of what lies behind the gateway: it is never silently blind.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use robo_trader::domain::book::Fact;
use robo_trader::simulator::SimulatorConfig;
use robo_trader::simulator::faults::Scenario;
use support::faults::Story;
use support::journal;

fn scenario(lines: &[&str]) -> SimulatorConfig {
    let rules = lines.iter().map(|line| line.parse().unwrap()).collect();
    SimulatorConfig { scenario: Scenario { rules }, ..SimulatorConfig::default() }
}

#[tokio::test]
async fn without_its_link_nothing_is_ordered_and_with_it_trading_goes_on() {
    for code in [1_100, 2_110] {
        let mut story = Story::trading(&[]).await;
        let line = format!("link_loss = {{ code = {code}, every = \"50ms\", farms = true }}");
        let from = story.told(&line).await;
        story.log.says(from, &["link between TWS and IBKR is down"]).await;
        story.lost().await;
        let before = story.running.account().await.unwrap();
        // A minute of the market, in which a strategy that crosses often would trade.
        let later = loop {
            let account = story.running.account().await.unwrap();
            if account.at.since(before.at).as_secs() > 60 {
                break account;
            }
            tokio::time::sleep(support::faults::MOMENT).await;
        };
        assert_eq!(later.orders, before.orders);
        story.cleared().await;
        story.ready().await;
        story.executions(2).await;
        story.accounted_for().await;
    }
}

#[tokio::test]
async fn a_fill_while_the_link_is_down_is_booked_at_once() {
    let mut story = Story::trading(&[]).await;
    story.daemon.until("something that works", |p| p.ready && p.working > 0 && p.unanswered == 0).await;
    let known = story.daemon.progress.borrow().executions;
    story.told("link_loss").await;
    story.told("fill").await;
    story.daemon.until("the fill", |p| p.executions > known).await;
    story.cleared().await;
    story.ready().await;
    story.executions(2).await;
    story.accounted_for().await;
}

#[tokio::test]
async fn a_link_that_comes_back_without_its_subscriptions_is_subscribed_anew() {
    let mut story = Story::trading(&[]).await;
    let from = story.told("link_loss = { data = \"lost\" }").await;
    story.log.says(from, &["link between TWS and IBKR is down"]).await;
    story.cleared().await;
    story.log.says(from, &["subscriptions were lost", "subscribing anew"]).await;
    story.executions(4).await;
    story.accounted_for().await;
}

#[tokio::test]
async fn a_farm_that_was_broken_is_subscribed_anew_when_it_is_back() {
    let mut story = Story::trading(&[]).await;
    for _ in 0..3 {
        let from = story.told("farm = { kind = \"market\", name = \"usfarm\" }").await;
        story.log.says(from, &["farm usfarm (market data)"]).await;
        story.cleared().await;
        story.executions(2).await;
    }
    story.accounted_for().await;
}

#[tokio::test]
async fn farms_that_are_inactive_or_connecting_are_no_alarm() {
    let mut story = Story::trading(&[]).await;
    story.told("farm = { kind = \"historical\", state = \"inactive\" }").await;
    story.told("farm = { kind = \"market\", state = \"connecting\" }").await;
    story.cleared().await;
    story.executions(2).await;
    let alarms: Vec<String> = story.log.lines().into_iter().filter(|line| line.contains("ERROR")).collect();
    assert!(alarms.is_empty(), "{alarms:?}");
    story.accounted_for().await;
}

#[tokio::test]
async fn without_the_farm_of_history_a_start_waits_for_it() {
    let mut story = Story::begin(&[], scenario(&["farm = { kind = \"historical\" }"])).await;
    story.log.says(0, &["feed ended", "162"]).await;
    story.cleared().await;
    story.executions(2).await;
    story.accounted_for().await;
}

#[tokio::test]
async fn every_meaning_of_162_is_survived_and_the_passing_ones_are_asked_again() {
    for meaning in ["no-data", "pacing", "cancelled", "permissions", "invalid-step", "other-address"] {
        let line = format!("answer = {{ code = 162, meaning = \"{meaning}\" }}, on = \"historical-data\", nth = 1");
        let mut story = Story::begin(&[("DATA_INTERVAL", "0.1")], scenario(&[&line])).await;
        story.log.says(0, &["fault: ", meaning]).await;
        story.executions(2).await;
        story.accounted_for().await;
    }
}

#[tokio::test]
async fn news_of_the_history_farm_kill_no_feed() {
    let mut story = Story::trading(&[]).await;
    for meaning in ["reconnecting", "failed", "connected"] {
        story.told(&format!("error = {{ code = 165, meaning = \"{meaning}\", id = \"streams\" }}")).await;
    }
    story.executions(2).await;
    story.accounted_for().await;
}

#[tokio::test]
async fn errors_of_a_live_subscription_end_in_another_one() {
    for code in
        [101, 162, 200, 322, 354, 366, 420, 10_089, 10_090, 10_091, 10_167, 10_168, 10_186, 10_187, 10_189, 10_197]
    {
        let mut story = Story::trading(&[("DATA_INTERVAL", "0.1")]).await;
        let from = story.told(&format!("error = {{ code = {code}, id = \"streams\" }}")).await;
        story.log.says(from, &["fault: ", "error"]).await;
        story.executions(2).await;
        story.accounted_for().await;
    }
}

#[tokio::test]
async fn a_session_elsewhere_takes_the_data_and_gives_it_back() {
    let mut story = Story::trading(&[("DATA_INTERVAL", "0.1")]).await;
    let from = story.told("competing_session").await;
    story.log.says(from, &["10197"]).await;
    story.cleared().await;
    story.executions(2).await;
    story.accounted_for().await;
}

#[tokio::test]
async fn a_contract_that_is_not_found_at_the_start_is_named_and_nothing_begins() {
    let rule = "answer = { code = 200 }, on = \"contract-data\", symbol = \"NVDA\"";
    let story = Story::begin(&[("SYMBOLS", "AAPL,NVDA")], scenario(&[rule])).await;
    let (_, result) = story.ended().await;
    let error = result.unwrap_err();
    assert_eq!(error.code(), 2, "{error}");
    assert!(error.to_string().contains("NVDA"), "{error}");
}

#[tokio::test]
async fn a_contract_that_is_not_found_once_is_asked_for_again() {
    let rule = "answer = { code = 200 }, on = \"contract-data\", symbol = \"NVDA\", nth = 1";
    let mut story = Story::begin(&[("SYMBOLS", "AAPL,NVDA")], scenario(&[rule])).await;
    story.executions(2).await;
    story.accounted_for().await;
}

#[tokio::test]
async fn a_symbol_that_falls_silent_is_subscribed_anew() {
    let mut story = Story::trading(&[]).await;
    story.told("silence = { until_reopened = true }").await;
    story.executions(2).await;
    story.accounted_for().await;
}

#[tokio::test]
async fn a_farm_that_is_missing_after_1102_is_missed() {
    let mut story = Story::trading(&[]).await;
    story.told("link_loss = { missing_farm = \"usfarm\" }").await;
    story.lost().await;
    story.cleared().await;
    story.executions(2).await;
    story.accounted_for().await;
}

#[tokio::test]
async fn messages_damaged_on_their_way_are_noted_and_nothing_is_lost() {
    for rule in [
        "corrupt = { how = \"undecodable\" }, on = \"bar-update\", probability = 0.2",
        "corrupt = { how = \"bit\" }, on = \"bar-update\", probability = 0.05",
        "corrupt = { how = \"truncated\" }, on = \"order-status\", probability = 0.5",
        "corrupt = { how = \"id\" }, on = \"order-status\", probability = 0.5",
        "drop = true, on = \"bar-update\", probability = 0.3",
        "duplicate = { copies = 1 }, on = \"live-data\", probability = 0.3",
        "reorder = true, on = \"live-data\", probability = 0.3",
    ] {
        let mut story = Story::trading(&[]).await;
        story.told(rule).await;
        story.executions(4).await;
        story.cleared().await;
        story.executions(2).await;
        story.accounted_for().await;
    }
}

#[tokio::test]
async fn too_many_messages_are_held_back() {
    let mut story = Story::trading(&[]).await;
    let from = story.told("error = { code = 100 }").await;
    story.log.says(from, &["we send too fast"]).await;
    story.executions(2).await;
    story.accounted_for().await;
}

#[tokio::test]
async fn symbols_beyond_ibkrs_sixty_real_time_bars_wait_by_name_and_nothing_is_refused() {
    let names: Vec<String> = (b'A'..=b'Z')
        .flat_map(|a| [b'X', b'Y', b'Z'].map(|b| [a, b]))
        .take(70)
        .map(|name| String::from_utf8(name.to_vec()).unwrap())
        .collect();
    let symbols: &'static str = Box::leak(names.join(",").into_boxed_str());
    let rules = SimulatorConfig { pacing: true, ..SimulatorConfig::default() };
    let pairs = [("SYMBOLS", symbols), ("HISTORICAL_PACING", "yes"), ("DATA_BAR_SIZE", "1 min")];
    let mut story = Story::begin(&pairs, rules).await;
    let wait = "some symbols wait for their real-time bars";
    story.log.says(0, &[wait, "symbols=10 "]).await;
    story.executions(3).await;
    let layers = story.board.status().unwrap().layers;
    let waiting = layers.iter().filter(|layer| layer.why.as_deref().is_some_and(|why| why.contains("IBKR lets 60")));
    let waiting: Vec<&str> = waiting.filter_map(|layer| layer.layer.strip_prefix("bars ")).collect();
    assert_eq!(waiting, names[60..], "the last in the order of SYMBOLS");
    assert!(journal(story.dir.path()).iter().all(|record| match &record.fact {
        Fact::Order(_) => record.symbol.as_ref().is_none_or(|symbol| !waiting.contains(&symbol.as_str())),
        _ => true,
    }));
    // A farm that was away and is back: who cannot be subscribed anew keeps what it has.
    let from = story.told("farm = { kind = \"market\", name = \"usfarm\" }").await;
    story.log.says(from, &["farm usfarm (market data)"]).await;
    story.cleared().await;
    story.executions(2).await;
    // What a session has begun counts in the next.
    let from = story.told("close").await;
    story.lost().await;
    story.cleared().await;
    story.ready().await;
    story.log.says(from, &[wait, "symbols=70 "]).await;
    let refused: Vec<String> = story.log.lines().into_iter().filter(|line| line.contains("Real-time Query")).collect();
    assert!(refused.is_empty(), "{refused:?}");
    story.accounted_for().await;
}
