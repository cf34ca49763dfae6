//! IBKR's limits on what clients may ask for, and what the simulator does with one that does not
//! listen.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod simulator_support;

use prost::Message;
use robo_trader::simulator::{Running, SimulatorConfig, Speed, start};
use simulator_support::{Number, Raw, config, hex, ibapi};

#[derive(Clone, PartialEq, Message)]
struct Stock {
    #[prost(string, optional, tag = "2")]
    symbol: Option<String>,
    #[prost(string, optional, tag = "3")]
    sec_type: Option<String>,
    #[prost(string, optional, tag = "8")]
    exchange: Option<String>,
}

fn stock(symbol: &str) -> Option<Stock> {
    Some(Stock { symbol: Some(symbol.into()), sec_type: Some("STK".into()), exchange: Some("SMART".into()) })
}

/// A request for market data or real-time bars: a number and a contract.
#[derive(Clone, PartialEq, Message)]
struct Stream {
    #[prost(int32, optional, tag = "1")]
    req_id: Option<i32>,
    #[prost(message, optional, tag = "2")]
    contract: Option<Stock>,
}

#[derive(Clone, PartialEq, Message)]
struct History {
    #[prost(int32, optional, tag = "1")]
    req_id: Option<i32>,
    #[prost(message, optional, tag = "2")]
    contract: Option<Stock>,
    #[prost(string, optional, tag = "4")]
    size: Option<String>,
    #[prost(string, optional, tag = "5")]
    duration: Option<String>,
    #[prost(string, optional, tag = "7")]
    show: Option<String>,
    #[prost(bool, optional, tag = "9")]
    live: Option<bool>,
}

fn history(req_id: i32, symbol: &str, size: &str, show: &str) -> History {
    History {
        req_id: Some(req_id),
        contract: stock(symbol),
        size: Some(size.into()),
        duration: Some("600 S".into()),
        show: Some(show.into()),
        live: None,
    }
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(int32, optional, tag = "1")]
    req_id: Option<i32>,
    #[prost(string, optional, tag = "2")]
    group: Option<String>,
    #[prost(string, optional, tag = "3")]
    tags: Option<String>,
}

async fn limited() -> Running {
    start(SimulatorConfig { pacing: true, speed: Speed::Times(0.001), ..config() }).await.unwrap()
}

#[tokio::test]
async fn a_hundred_lines_are_shared_by_all_clients_and_freed_by_cancels_and_leaving() {
    let running = limited().await;
    let mut first = Raw::started(&running, 1).await;
    let mut second = Raw::started(&running, 2).await;
    for id in 0..60 {
        first.send(1, &Stream { req_id: Some(id), contract: stock("AAPL") }).await;
        second.send(1, &Stream { req_id: Some(id), contract: stock("AAPL") }).await;
    }
    let mut refused = 0;
    for (raw, id) in [(&mut first, 3_000), (&mut second, 4_000)] {
        // A clock is asked for behind the requests: its answer ends them.
        raw.send(49, &Number { id: Some(id) }).await;
        loop {
            let (kind, payload) = raw.next().await.unwrap();
            let code = simulator_support::ErrorMessage::decode(&payload[..]).ok().and_then(|error| error.error_code);
            match kind {
                49 => break,
                4 if code == Some(101) => refused += 1,
                _ => {}
            }
        }
    }
    assert_eq!(refused, 20);
    // One is cancelled, and one may follow.
    first.send(2, &Number { id: Some(0) }).await;
    first.send(1, &Stream { req_id: Some(200), contract: stock("NVDA") }).await;
    first.until(58).await;
    first.send(1, &Stream { req_id: Some(201), contract: stock("NVDA") }).await;
    assert_eq!(first.error().await.1, 101);
    // The other leaves, and its lines with it.
    drop(second);
    loop {
        first.send(1, &Stream { req_id: Some(202), contract: stock("NVDA") }).await;
        let (kind, _) = first.next().await.unwrap();
        if kind == 58 {
            break;
        }
    }
    running.stop().await.unwrap();
}

#[tokio::test]
async fn small_bars_are_paced_and_large_ones_are_not() {
    let running = limited().await;
    let mut raw = Raw::started(&running, 1).await;
    raw.send(20, &history(1, "AAPL", "5 secs", "TRADES")).await;
    raw.until(108).await;
    raw.send(20, &history(2, "AAPL", "5 secs", "TRADES")).await;
    let (id, code, text) = raw.error().await;
    assert_eq!((id, code), (2, 162), "the same again");
    assert!(text.ends_with("Historical data request pacing violation"), "{text}");
    for id in 3..20 {
        raw.send(20, &history(id, "AAPL", "1 min", "TRADES")).await;
        raw.until(108).await;
    }
    running.stop().await.unwrap();
}

#[tokio::test]
async fn sixty_requests_in_ten_minutes_are_the_most() {
    let running = limited().await;
    let mut raw = Raw::started(&running, 1).await;
    let symbol = |n: i32| format!("S{n}");
    for id in 0..30 {
        raw.send(20, &history(id, &symbol(id), "30 secs", "BID_ASK")).await;
        raw.until(108).await;
    }
    raw.send(20, &history(99, "LAST", "30 secs", "TRADES")).await;
    assert_eq!(raw.error().await.1, 162);
    // Real-time bars have their own sixty.
    for id in 0..60 {
        raw.send(50, &Stream { req_id: Some(1_000 + id), contract: stock("AAPL") }).await;
        raw.send(51, &Number { id: Some(1_000 + id) }).await;
    }
    raw.send(50, &Stream { req_id: Some(2_000), contract: stock("AAPL") }).await;
    let (id, code, text) = raw.error().await;
    assert_eq!((id, code), (2_000, 420));
    assert!(text.starts_with("Invalid Real-time Query:"), "{text}");
    running.stop().await.unwrap();
}

#[tokio::test]
async fn six_of_a_kind_at_once_and_fifty_open_ones_are_too_many() {
    let running = limited().await;
    let mut raw = Raw::started(&running, 1).await;
    for id in 0..5 {
        let request = History { duration: Some(format!("{} S", 600 + id)), ..history(id, "AAPL", "5 secs", "TRADES") };
        raw.send(20, &request).await;
        raw.until(108).await;
    }
    raw.send(20, &history(9, "AAPL", "10 secs", "TRADES")).await;
    assert_eq!(raw.error().await.1, 162, "the sixth within two seconds");
    for id in 0..50 {
        raw.send(20, &History { live: Some(true), ..history(100 + id, "NVDA", "1 min", "TRADES") }).await;
        raw.until(108).await;
    }
    raw.send(20, &History { live: Some(true), ..history(200, "NVDA", "1 min", "TRADES") }).await;
    assert_eq!(raw.error().await.1, 162, "fifty are open");
    raw.send(25, &Number { id: Some(100) }).await;
    raw.send(20, &History { live: Some(true), ..history(201, "NVDA", "1 min", "TRADES") }).await;
    raw.until(108).await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn the_third_summary_is_one_too_many() {
    let running = limited().await;
    let mut raw = Raw::started(&running, 1).await;
    let summary = |id| Summary { req_id: Some(id), group: Some("All".into()), tags: Some("NetLiquidation".into()) };
    for id in [1, 2] {
        raw.send(62, &summary(id)).await;
        raw.until(64).await;
    }
    raw.send(62, &summary(3)).await;
    let (id, code, text) = raw.error().await;
    assert_eq!((id, code), (3, 322));
    assert!(text.contains("desubscribe to previous request first"), "{text}");
    raw.send(63, &Number { id: Some(1) }).await;
    raw.send(62, &summary(3)).await;
    raw.until(64).await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn the_third_second_of_too_many_messages_ends_the_session() {
    let running = start(SimulatorConfig { message_rate: 1, ..config() }).await.unwrap();
    let mut raw = Raw::started(&running, 1).await;
    // One message a second: each of these is one too many, and the third such second is the last.
    // The greeting is read first, so that from then on each message has one answer.
    for _greeting in 0..5 {
        raw.next().await.unwrap();
    }
    let mut codes = Vec::new();
    while codes.last() != Some(&3) {
        raw.write(&hex("00000004000000f9")).await;
        let (kind, payload) = raw.next().await.unwrap();
        let error = simulator_support::ErrorMessage::decode(&payload[..]).unwrap_or_default();
        if kind == 4 && error.error_code == Some(100) {
            let text = error.error_msg.unwrap();
            let nth = text.trim_end_matches(')').rsplit('(').next().unwrap().parse::<i32>().unwrap();
            codes.push(nth);
        }
    }
    codes.dedup();
    assert_eq!(codes, [1, 2, 3]);
    raw.closed().await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn thirty_two_clients_are_served_and_no_more() {
    let running = limited().await;
    let mut seats = Vec::new();
    for id in 1..=32 {
        let mut raw = Raw::started(&running, id).await;
        raw.until(15).await;
        seats.push(raw);
    }
    let mut late = Raw::connect(&running).await;
    late.hello("v213..226").await;
    assert_eq!(late.reply().await, None);
    drop(seats.pop());
    loop {
        let mut again = Raw::connect(&running).await;
        again.hello("v213..226").await;
        if again.reply().await.is_some() {
            break;
        }
    }
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_client_that_does_not_read_is_let_go_and_nobody_else_notices() {
    let running = start(config()).await.unwrap();
    let mut deaf = Raw::started(&running, 1).await;
    // Each answer is some 700 kB; nobody reads them.
    let mut asked = 0;
    for id in 0..600 {
        let request = History { duration: Some("2 D".into()), ..history(id, "AAPL", "30 secs", "TRADES") };
        let mut bytes = Vec::new();
        let payload = request.encode_to_vec();
        bytes.extend(u32::try_from(payload.len() + 4).unwrap().to_be_bytes());
        bytes.extend(220_i32.to_be_bytes());
        bytes.extend(payload);
        if !deaf.try_write(&bytes).await {
            break;
        }
        asked = id + 1;
    }
    let client = ibapi(&running, 2).await;
    assert!(client.server_time().await.is_ok(), "others are served");
    deaf.closed().await;
    assert!(asked > 10);
    client.disconnect().await;
    running.stop().await.unwrap();
}
