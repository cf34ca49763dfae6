//! Everything that clients other than the daemon ask for about the market and the account, by the
//! real client.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod simulator_support;

use futures::StreamExt;
use ibapi::accounts::types::{AccountGroup, AccountId, ContractId};
use ibapi::accounts::{AccountSummaryResult, AccountUpdateMulti, PositionUpdateMulti};
use ibapi::contracts::Contract;
use ibapi::contracts::tick_types::TickType;
use ibapi::market_data::historical::{BarSize, ToDuration};
use ibapi::market_data::{IgnoreSize, MarketDataType, TradingHours};
use ibapi::prelude::{SubscriptionItem, SubscriptionItemStreamExt, TickTypes};
use robo_trader::simulator::{Act, SimulatorConfig, Speed, start};
use simulator_support::orders::{order, story, table, watch};
use simulator_support::{OPEN, PATIENCE, config, ibapi, replay, simulator, write_minutes};
use tokio::time::timeout;

#[tokio::test]
async fn symbols_are_searched_for_and_rules_are_told() {
    let running = simulator().await;
    let client = ibapi(&running, 1).await;
    let found = client.matching_symbols("NV").await.unwrap();
    let names: Vec<String> = found.iter().map(|found| found.contract.symbol.to_string()).collect();
    assert_eq!(names, ["NV", "NVDA"]);
    assert!(client.matching_symbols("ZZ").await.unwrap().is_empty());
    let dir = tempfile::tempdir().unwrap();
    write_minutes(dir.path(), "AAA", &[10.0]);
    write_minutes(dir.path(), "AAB", &[10.0]);
    write_minutes(dir.path(), "BBB", &[10.0]);
    let files = start(replay(dir.path())).await.unwrap();
    let reader = ibapi(&files, 1).await;
    let found = reader.matching_symbols("aa").await.unwrap();
    assert_eq!(found.len(), 2, "those with files");
    let details = reader.contract_details(&Contract::stock("AAA").build()).await.unwrap();
    let rule = reader.market_rule(details[0].market_rule_ids[0].parse().unwrap()).await.unwrap();
    let steps: Vec<(f64, f64)> = rule.price_increments.iter().map(|step| (step.low_edge, step.increment)).collect();
    assert_eq!(steps, [(0.0, 0.0001), (1.0, 0.01)]);
    reader.disconnect().await;
    client.disconnect().await;
    files.stop().await.unwrap();
    running.stop().await.unwrap();
}

#[tokio::test]
async fn schedules_and_histograms() {
    let dir = tempfile::tempdir().unwrap();
    write_minutes(dir.path(), "AAA", &[10.0, 10.01, 10.01, 10.02]);
    let running = start(replay(dir.path())).await.unwrap();
    let client = ibapi(&running, 1).await;
    let contract = Contract::stock("AAA").build();
    let schedule = client.historical_schedules(&contract, 3.days()).fetch().await.unwrap();
    assert_eq!(schedule.time_zone, "US/Eastern");
    let days: Vec<String> = schedule.sessions.iter().map(|session| session.reference.to_string()).collect();
    // The clock stands at Monday's open: Monday itself, Friday and Thursday.
    assert_eq!(days, ["2024-02-29", "2024-03-01", "2024-03-04"]);
    assert_eq!(schedule.sessions[2].start.unix_timestamp(), OPEN);
    assert_eq!(schedule.sessions[2].end.unix_timestamp(), OPEN + 23_400);
    let _bars = watch(&client, &contract).await;
    let finished = async {
        let mut tape = running.tape_finished();
        tape.wait_for(|over| *over).await.unwrap();
    };
    timeout(PATIENCE, finished).await.unwrap();
    let prices = client.histogram_data(&contract, TradingHours::Regular, BarSize::Day).await.unwrap();
    let entries: Vec<(f64, f64)> = prices.iter().map(|entry| (entry.price, entry.size.unwrap())).collect();
    assert_eq!(entries, [(10.0, 1_000.0), (10.01, 2_000.0), (10.02, 1_000.0)]);
    client.disconnect().await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn ticks_of_the_past_are_the_bars_of_the_tape_and_the_same_every_time() {
    let dir = tempfile::tempdir().unwrap();
    write_minutes(dir.path(), "AAA", &[10.0, 10.5, 10.2]);
    let running = start(replay(dir.path())).await.unwrap();
    let client = ibapi(&running, 1).await;
    let contract = Contract::stock("AAA").build();
    let _bars = watch(&client, &contract).await;
    let mut tape = running.tape_finished();
    timeout(PATIENCE, tape.wait_for(|over| *over)).await.unwrap().unwrap();
    let start = time::OffsetDateTime::from_unix_timestamp(OPEN).unwrap();
    let end = start + time::Duration::minutes(3);
    let trades = client.historical_ticks(&contract, 6).starting(start).trade().await.unwrap().filter_data();
    let trades: Vec<(i64, f64, f64)> = trades
        .map(|tick| tick.unwrap())
        .map(|tick| (tick.timestamp.unix_timestamp() - OPEN, tick.price, tick.size.unwrap()))
        .collect()
        .await;
    // Open, low, high, close of a bar that does not fall; then of one that rises.
    let expected = [(0, 10.0), (15, 9.9), (30, 10.1), (45, 10.0), (60, 10.0), (75, 9.9)];
    assert_eq!(trades, expected.map(|(at, price)| (at, price, 250.0)));
    let quotes = client.historical_ticks(&contract, 3).ending(end).bid_ask(IgnoreSize::No).await.unwrap();
    let quotes: Vec<(f64, f64)> =
        quotes.filter_data().map(|tick| tick.unwrap()).map(|tick| (tick.price_bid, tick.price_ask)).collect().await;
    assert_eq!(quotes, [(10.59, 10.61), (10.09, 10.11), (10.19, 10.21)]);
    let middles = client.historical_ticks(&contract, 2).ending(end).mid_point().await.unwrap();
    let middles: Vec<f64> = middles.filter_data().map(|tick| tick.unwrap().price).collect().await;
    assert_eq!(middles, [10.1, 10.2]);
    client.disconnect().await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn single_ticks_begin_with_the_past_and_go_on_without_gap_or_repetition() {
    let running = start(SimulatorConfig { speed: Speed::Times(50.0), ..config() }).await.unwrap();
    let client = ibapi(&running, 1).await;
    let contract = Contract::stock("AAPL").build();
    let trades = client.tick_by_tick(&contract, 20).all_last().await.unwrap().filter_data();
    let trades = trades.take(60).map(|trade| trade.unwrap()).map(|trade| (trade.time.unix_timestamp(), trade.price));
    let trades: Vec<(i64, f64)> = timeout(PATIENCE, trades.collect()).await.unwrap();
    assert!(trades.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[1].0 <= pair[0].0 + 3), "{trades:?}");
    let quotes = client.tick_by_tick(&contract, 0).bid_ask(IgnoreSize::Yes).await.unwrap().filter_data();
    let quotes: Vec<_> = timeout(PATIENCE, quotes.take(5).map(|tick| tick.unwrap()).collect()).await.unwrap();
    assert!(quotes.iter().all(|tick| tick.bid_price < tick.ask_price && tick.bid_size == 0.0));
    let middles = client.tick_by_tick(&contract, 3).mid_point().await.unwrap().filter_data();
    let middles: Vec<_> = timeout(PATIENCE, middles.take(5).map(|tick| tick.unwrap()).collect()).await.unwrap();
    assert!(middles.iter().all(|tick| tick.mid_point > 0.0));
    client.disconnect().await;
    running.stop().await.unwrap();
}

/// The ticks of a subscription up to the first that `enough` says yes to, its notices as codes.
async fn ticks(
    client: &ibapi::Client,
    generic: &[&str],
    enough: impl Fn(&TickTypes) -> bool,
) -> (Vec<TickTypes>, Vec<i32>) {
    let contract = Contract::stock("AAPL").build();
    let mut stream = client.market_data(&contract).generic_ticks(generic).subscribe().await.unwrap();
    let (mut data, mut notices) = (Vec::new(), Vec::new());
    let reading = async {
        while !data.last().is_some_and(&enough) {
            match stream.next().await.expect("the stream ended") {
                Ok(SubscriptionItem::Data(tick)) => data.push(tick),
                Ok(SubscriptionItem::Notice(notice)) => notices.push(notice.code),
                Err(ibapi::Error::Notice(notice)) => {
                    notices.push(notice.code);
                    break;
                }
                Err(other) => panic!("{other}"),
            }
        }
    };
    timeout(PATIENCE, reading).await.unwrap();
    (data, notices)
}

fn number(tick: &TickTypes, kind: TickType) -> Option<f64> {
    match tick {
        TickTypes::Generic(tick) if tick.tick_type == kind => Some(tick.value),
        _ => None,
    }
}

#[tokio::test]
async fn halts_short_availability_and_traded_volume_are_told() {
    let hard_to_borrow = vec!["AAPL".parse().unwrap()];
    let speed = Speed::Times(50.0);
    let running = start(SimulatorConfig { hard_to_borrow, speed, ..config() }).await.unwrap();
    let client = ibapi(&running, 1).await;
    let volume = |tick: &TickTypes| matches!(tick, TickTypes::String(tick) if tick.tick_type == TickType::RtVolume);
    let (seen, _) = ticks(&client, &["233", "236"], volume).await;
    assert!(seen.iter().any(|tick| number(tick, TickType::Halted) == Some(0.0)));
    assert!(seen.iter().any(|tick| number(tick, TickType::Shortable) == Some(2.0)), "they must be located");
    running.act(Act::Halt { symbol: "AAPL".parse().unwrap(), on: true }).await.unwrap();
    let (seen, _) = ticks(&client, &[], |tick| number(tick, TickType::Halted).is_some()).await;
    assert_eq!(number(seen.last().unwrap(), TickType::Halted), Some(1.0));
    client.disconnect().await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn whoever_is_not_entitled_to_live_data_gets_it_late_and_is_told_so() {
    let running = start(SimulatorConfig { live_data: false, ..config() }).await.unwrap();
    let client = ibapi(&running, 1).await;
    let (_, refused) = ticks(&client, &[], |_| false).await;
    assert_eq!(refused, [10_168]);
    client.switch_market_data_type(MarketDataType::Delayed).await.unwrap();
    let late = |tick: &TickTypes| match tick {
        TickTypes::PriceSize(tick) => tick.price_tick_type == TickType::DelayedLast,
        _ => false,
    };
    let (seen, notices) = ticks(&client, &[], late).await;
    assert_eq!(notices, [10_167]);
    assert!(seen.iter().any(|tick| matches!(tick, TickTypes::MarketDataType(MarketDataType::Delayed))));
    client.disconnect().await;
    // Whoever is entitled gets live data, whatever they would have been content with.
    let entitled = simulator().await;
    let client = ibapi(&entitled, 1).await;
    client.switch_market_data_type(MarketDataType::Delayed).await.unwrap();
    let (_, notices) =
        ticks(&client, &[], |tick| matches!(tick, TickTypes::MarketDataType(MarketDataType::Realtime))).await;
    assert!(notices.is_empty());
    // Until they lose it.
    entitled.act(Act::Entitle { client_id: 1, live: false }).await.unwrap();
    let (_, notices) = ticks(&client, &[], late).await;
    assert_eq!(notices, [10_167]);
    client.disconnect().await;
    entitled.stop().await.unwrap();
    running.stop().await.unwrap();
}

#[tokio::test]
async fn profit_and_balances_follow_a_trade() {
    let dir = tempfile::tempdir().unwrap();
    let mut closes = vec![100.0; 4];
    closes.extend([101.0; 200]);
    let (running, client, mut updates, contract) = table(dir.path(), &closes).await;
    let account = AccountId("DU1234567".into());
    let mut profits = client.pnl(&account, None).await.unwrap().filter_data();
    let first = timeout(PATIENCE, profits.next()).await.unwrap().unwrap().unwrap();
    assert_eq!((first.daily_pnl, first.realized_pnl), (0.0, Some(0.0)));
    let single = client.pnl_single(&account, ContractId(contract.contract_id), None).await.unwrap();
    let mut multi = client.account_updates_multi(Some(&account), None).await.unwrap().filter_data();
    let until_end = async {
        let mut rows = 0;
        while let Some(Ok(AccountUpdateMulti::AccountMultiValue(_))) = multi.next().await {
            rows += 1;
        }
        rows
    };
    assert!(timeout(PATIENCE, until_end).await.unwrap() > 8, "the ledger and the net liquidation");
    let mut positions = client.positions_multi(Some(&account), None).await.unwrap().filter_data();
    let nothing = timeout(PATIENCE, positions.next()).await.unwrap().unwrap().unwrap();
    assert!(matches!(nothing, PositionUpdateMulti::PositionEnd));
    client.submit_order(1, &contract, &order(ibapi::orders::Action::Buy, 300.0, "MKT")).await.unwrap();
    let _bars = watch(&client, &contract).await;
    story(&mut updates, "cost").await;
    let held = timeout(PATIENCE, positions.next()).await.unwrap().unwrap().unwrap();
    assert!(matches!(held, PositionUpdateMulti::Position(held) if held.position == 300.0), "on change");
    // 300 shares at 100.00 for 1.50, at last worth 101.00 each.
    let end = async {
        while profits.next().await.unwrap().unwrap().daily_pnl != 298.5 {}
        let mut single = single.filter_data();
        loop {
            let shown = single.next().await.unwrap().unwrap();
            if shown.position == 300.0 && shown.unrealized_pnl == 300.0 {
                break shown;
            }
        }
    };
    let shown = timeout(PATIENCE, end).await.unwrap();
    assert_eq!((shown.value, shown.daily_pnl), (30_300.0, 300.0));
    let changed = async {
        loop {
            match multi.next().await.unwrap().unwrap() {
                AccountUpdateMulti::AccountMultiValue(row) if row.key == "CashBalance" => break row.value,
                _ => {}
            }
        }
    };
    assert_eq!(timeout(PATIENCE, changed).await.unwrap(), "969998.50");
    client.disconnect().await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn summaries_tell_what_was_asked_for_and_cash_that_moves() {
    let running = simulator().await;
    let client = ibapi(&running, 1).await;
    let mut ledger = client.account_summary(&AccountGroup("All".into()), &["$LEDGER:USD"]).await.unwrap().filter_data();
    let mut tags = Vec::new();
    while let Some(Ok(AccountSummaryResult::Summary(row))) = timeout(PATIENCE, ledger.next()).await.unwrap() {
        tags.push(row.tag);
    }
    assert!(tags.contains(&"CashBalance".to_owned()) && !tags.contains(&"BuyingPower".to_owned()), "{tags:?}");
    let wrong = client.account_summary(&AccountGroup("Friends".into()), &["All"]).await.unwrap().next().await;
    assert!(wrong.unwrap().unwrap_err().to_string().contains("Friends"));
    running.act(Act::Cash { amount: "123.45".parse().unwrap(), reason: "dividend".into() }).await.unwrap();
    let moved = async {
        loop {
            match ledger.next().await.unwrap().unwrap() {
                AccountSummaryResult::Summary(row) if row.tag == "CashBalance" => break row.value,
                _ => {}
            }
        }
    };
    assert_eq!(timeout(PATIENCE, moved).await.unwrap(), "1000123.45");
    client.disconnect().await;
    let end = running.stop().await.unwrap();
    assert_eq!((end.adjusted.to_string(), end.equity.to_string()), ("123.45".into(), "1000123.45".into()));
}
