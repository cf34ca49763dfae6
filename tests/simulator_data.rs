//! Contracts, history and streams, read by the real client.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod simulator_support;

use futures::StreamExt;
use ibapi::contracts::Contract;
use ibapi::market_data::TradingHours;
use ibapi::market_data::historical::{BarSize, BarTimestamp, HistoricalBarUpdate, ToDuration, WhatToShow};
use ibapi::prelude::{SubscriptionItemStreamExt, TickTypes};
use robo_trader::simulator::{SimulatorConfig, Speed, start};
use simulator_support::{OPEN, PATIENCE, Raw, config, ibapi, replay, simulator, write_minutes};
use tokio::time::timeout;

#[tokio::test]
async fn a_contract_is_found_by_symbol_and_by_number_and_an_unknown_one_is_not() {
    let running = simulator().await;
    let client = ibapi(&running, 1).await;
    let details = client.contract_details(&Contract::stock("AAPL").build()).await.unwrap();
    assert_eq!(details.len(), 1);
    let found = &details[0].contract;
    assert!(found.contract_id > 0);
    assert_eq!((found.symbol.to_string(), found.currency.to_string()), ("AAPL".to_owned(), "USD".to_owned()));
    assert_eq!(details[0].time_zone_id, "US/Eastern");
    assert!(!details[0].liquid_hours.is_empty());
    let by_number = Contract { contract_id: found.contract_id, ..Contract::default() };
    let again = client.contract_details(&by_number).await.unwrap();
    assert_eq!(again[0].contract.symbol.to_string(), "AAPL");
    let rule = client.market_rule(details[0].market_rule_ids[0].parse().unwrap()).await.unwrap();
    assert!(!rule.price_increments.is_empty());
    let unknown = client.contract_details(&Contract::stock("NOSUCH").build()).await;
    assert!(unknown.unwrap_err().to_string().contains("200"));
    let euros = Contract { currency: "EUR".into(), ..Contract::stock("AAPL").build() };
    assert!(client.contract_details(&euros).await.is_err());
    client.disconnect().await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn every_bar_size_and_price_is_served_ascending() {
    let running = simulator().await;
    let client = ibapi(&running, 1).await;
    let contract = Contract::stock("NVDA").build();
    let sizes = [
        (BarSize::Sec5, 600.seconds()),
        (BarSize::Sec30, 1.days()),
        (BarSize::Min, 2.days()),
        (BarSize::Min5, 5.days()),
        (BarSize::Min15, 1.weeks()),
        (BarSize::Hour, 1.weeks()),
        (BarSize::Hour4, 1.weeks()),
        (BarSize::Day, 2.months()),
        (BarSize::Week, 2.months()),
        (BarSize::Month, 6.months()),
    ];
    for (size, duration) in sizes {
        let request = client.historical_data(&contract, size).duration(duration).what_to_show(WhatToShow::Trades);
        let data = request.trading_hours(TradingHours::Extended).fetch().await.unwrap();
        assert!(data.bars.len() > 4, "{size:?}: {} bars", data.bars.len());
        assert!(data.bars.windows(2).all(|pair| instant(&pair[0].date) < instant(&pair[1].date)), "{size:?}");
        for bar in &data.bars {
            assert!(bar.low <= bar.open.min(bar.close) && bar.high >= bar.open.max(bar.close) && bar.low > 0.0);
        }
    }
    for show in [WhatToShow::MidPoint, WhatToShow::Bid, WhatToShow::Ask, WhatToShow::BidAsk] {
        let request = client.historical_data(&contract, BarSize::Min).duration(1.days()).what_to_show(show);
        assert!(!request.fetch().await.unwrap().bars.is_empty(), "{show:?}");
    }
    let head = client.head_timestamp(&contract, WhatToShow::Trades, TradingHours::Regular).await.unwrap();
    assert!(head.year() > 2000);
    client.disconnect().await;
    running.stop().await.unwrap();
}

fn instant(date: &BarTimestamp) -> i64 {
    match date {
        BarTimestamp::Date(date) => date.midnight().assume_utc().unix_timestamp(),
        BarTimestamp::DateTime(at) => at.unix_timestamp(),
    }
}

#[tokio::test]
async fn bars_kept_up_to_date_join_their_history_without_gap_or_overlap() {
    let running = start(SimulatorConfig { speed: Speed::Times(50.0), ..config() }).await.unwrap();
    let client = ibapi(&running, 1).await;
    let contract = Contract::stock("TSLA").build();
    let request = client.historical_data(&contract, BarSize::Sec5).duration(1_800.seconds());
    let stream = request.trading_hours(TradingHours::Extended).stream().await.unwrap();
    let mut stream = stream.filter_data();
    let (mut bars, mut updates) = (Vec::new(), 0);
    let reading = async {
        while updates < 60 {
            match stream.next().await.unwrap().unwrap() {
                HistoricalBarUpdate::Historical(data) => bars.extend(data.bars.iter().map(|bar| instant(&bar.date))),
                HistoricalBarUpdate::Update(bar) => {
                    updates += 1;
                    let at = instant(&bar.date);
                    match *bars.last().unwrap() {
                        last if at == last => {}
                        last => {
                            assert_eq!(at, last + 5, "the next bar follows the last");
                            bars.push(at);
                        }
                    }
                }
                HistoricalBarUpdate::End { .. } => {}
            }
        }
    };
    timeout(PATIENCE, reading).await.unwrap();
    assert!(bars.len() > 370, "history and at least a dozen live bars: {}", bars.len());
    drop(stream);
    client.disconnect().await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_replayed_bar_is_announced_by_the_next_ones_open() {
    let dir = tempfile::tempdir().unwrap();
    write_minutes(dir.path(), "AAA", &[100.0, 101.0, 102.0, 103.0]);
    let running = start(replay(dir.path())).await.unwrap();
    let client = ibapi(&running, 1).await;
    let contract = Contract::stock("AAA").build();
    let request = client.historical_data(&contract, BarSize::Min).duration(1.days());
    let mut stream = request.stream().await.unwrap().filter_data();
    let mut last: Vec<(i64, f64, f64)> = Vec::new();
    let mut firsts = Vec::new();
    let reading = async {
        while let Some(Ok(item)) = stream.next().await {
            let HistoricalBarUpdate::Update(bar) = item else { continue };
            let at = instant(&bar.date);
            if last.last().is_none_or(|(seen, _, _)| *seen != at) {
                firsts.push((bar.open == bar.high && bar.low == bar.close && bar.open == bar.close, bar.open));
                last.push((at, bar.close, bar.volume));
            }
            *last.last_mut().unwrap() = (at, bar.close, bar.volume);
            if last.len() == 4 && bar.volume == 1_000.0 {
                break;
            }
        }
    };
    timeout(PATIENCE, reading).await.unwrap();
    let minute = |n: i64| OPEN + 60 * n;
    assert_eq!(
        last,
        [
            (minute(0), 100.0, 1_000.0),
            (minute(1), 101.0, 1_000.0),
            (minute(2), 102.0, 1_000.0),
            (minute(3), 103.0, 1_000.0),
        ]
    );
    assert_eq!(firsts, [(true, 100.0), (true, 100.0), (true, 101.0), (true, 102.0)]);
    client.disconnect().await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn real_time_bars_and_ticks_flow_until_cancelled() {
    let running = start(SimulatorConfig { speed: Speed::Times(50.0), ..config() }).await.unwrap();
    let client = ibapi(&running, 1).await;
    let contract = Contract::stock("AAPL").build();
    let bars = client.realtime_bars(&contract).subscribe().await.unwrap().filter_data();
    let times: Vec<i64> =
        timeout(PATIENCE, bars.take(3).map(|bar| bar.unwrap().date.unix_timestamp()).collect()).await.unwrap();
    assert!(times.iter().all(|at| at % 5 == 0) && times[1] == times[0] + 5 && times[2] == times[1] + 5, "{times:?}");
    let ticks = client.market_data(&contract).subscribe().await.unwrap().filter_data();
    let kinds: Vec<TickTypes> = timeout(PATIENCE, ticks.take(20).map(|tick| tick.unwrap()).collect()).await.unwrap();
    assert!(kinds.iter().any(|tick| matches!(tick, TickTypes::PriceSize(_) | TickTypes::Price(_))), "{kinds:?}");
    let snapshot = client.market_data(&contract).snapshot().subscribe().await.unwrap().filter_data();
    let ended = snapshot.any(|tick| async move { matches!(tick, Ok(TickTypes::SnapshotEnd)) });
    assert!(timeout(PATIENCE, ended).await.unwrap());
    client.disconnect().await;
    running.stop().await.unwrap();
}

/// A historical request as raw fields.
#[derive(Clone, PartialEq, prost::Message)]
struct History {
    #[prost(int32, optional, tag = "1")]
    req_id: Option<i32>,
    #[prost(message, optional, tag = "2")]
    contract: Option<Stock>,
    #[prost(string, optional, tag = "3")]
    end: Option<String>,
    #[prost(string, optional, tag = "4")]
    size: Option<String>,
    #[prost(string, optional, tag = "5")]
    duration: Option<String>,
    #[prost(string, optional, tag = "7")]
    show: Option<String>,
    #[prost(int32, optional, tag = "8")]
    format: Option<i32>,
    #[prost(bool, optional, tag = "9")]
    live: Option<bool>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Stock {
    #[prost(string, optional, tag = "2")]
    symbol: Option<String>,
    #[prost(string, optional, tag = "3")]
    sec_type: Option<String>,
}

fn history(req_id: i32, size: &str, duration: &str) -> History {
    let contract = Stock { symbol: Some("AAPL".into()), sec_type: Some("STK".into()) };
    History {
        req_id: Some(req_id),
        contract: Some(contract),
        size: Some(size.into()),
        duration: Some(duration.into()),
        show: Some("TRADES".into()),
        format: Some(1),
        ..History::default()
    }
}

#[tokio::test]
async fn wrong_requests_are_refused_as_tws_refuses_them() {
    let running = simulator().await;
    let mut raw = Raw::started(&running, 1).await;
    let wrong = [
        (History { size: Some("7 mins".into()), ..history(1, "", "1 D") }, 321),
        (history(2, "1 min", "1 X"), 321),
        (history(3, "1 min", "366 D"), 321),
        (History { show: Some("NONSENSE".into()), ..history(4, "1 min", "1 D") }, 321),
        (History { end: Some("yesterday".into()), ..history(5, "1 min", "1 D") }, 10_314),
        (History { end: Some("20240304-15:00:00".into()), live: Some(true), ..history(6, "1 min", "1 D") }, 321),
        (history(7, "1 day", "60 S"), 162),
        (history(8, "5 secs", "1 Y"), 162),
        (History { end: Some("19700101-00:00:00".into()), ..history(9, "1 min", "1 D") }, 162),
        (History { contract: None, ..history(10, "1 min", "1 D") }, 321),
    ];
    for (request, code) in wrong {
        raw.send(20, &request).await;
        let (id, seen, text) = raw.error().await;
        assert_eq!((Some(id), seen), (request.req_id, code), "{text}");
    }
    // Cancels of what is not there.
    for (cancel, code) in [(25, 366), (2, 300), (51, 300), (98, 300), (11, 310)] {
        raw.send(cancel, &simulator_support::Number { id: Some(77) }).await;
        let (id, seen, _) = raw.error().await;
        assert_eq!((id, seen), (77, code));
    }
    raw.send(20, &history(20, "1 min", "1 D")).await;
    let bars = raw.until(17).await;
    assert!(String::from_utf8_lossy(&bars).contains(" US/Eastern"), "format 1 writes local times");
    raw.until(108).await;
    running.stop().await.unwrap();
}
