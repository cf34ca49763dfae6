//! Faults of single messages and orders, as a client meets them on the wire.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod simulator_support;

use prost::Message;
use robo_trader::simulator::Running;
use robo_trader::simulator::faults::Rule;
use simulator_support::{ErrorMessage, Number, Raw, simulator};

async fn told(running: &Running, line: &str) {
    running.inject(line.parse::<Rule>().unwrap_or_else(|error| panic!("{line}: {error}"))).await.unwrap();
}

#[derive(Clone, PartialEq, Message)]
struct Contract {
    #[prost(string, optional, tag = "2")]
    symbol: Option<String>,
    #[prost(string, optional, tag = "3")]
    sec_type: Option<String>,
    #[prost(string, optional, tag = "8")]
    exchange: Option<String>,
    #[prost(string, optional, tag = "10")]
    currency: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct Order {
    #[prost(string, optional, tag = "5")]
    action: Option<String>,
    #[prost(string, optional, tag = "6")]
    total_quantity: Option<String>,
    #[prost(string, optional, tag = "8")]
    order_type: Option<String>,
    #[prost(double, optional, tag = "9")]
    lmt_price: Option<f64>,
    #[prost(string, optional, tag = "11")]
    tif: Option<String>,
    #[prost(bool, optional, tag = "66")]
    transmit: Option<bool>,
}

fn aapl() -> Contract {
    Contract {
        symbol: Some("AAPL".into()),
        sec_type: Some("STK".into()),
        exchange: Some("SMART".into()),
        currency: Some("USD".into()),
    }
}

/// What the server says next, by kind; farm notices are left out.
async fn kinds(raw: &mut Raw, many: usize) -> Vec<String> {
    let mut kinds = Vec::new();
    while kinds.len() < many {
        kinds.push(kind(raw).await);
    }
    kinds
}

async fn kind(raw: &mut Raw) -> String {
    loop {
        let (id, payload) = raw.next().await.expect("the server closed");
        if id == 4 {
            let code = ErrorMessage::decode_code(&payload);
            if !(2_100..2_200).contains(&code) {
                return format!("error {code}");
            }
        } else if id == 49 {
            return "time".to_owned();
        } else if !matches!(id, 9 | 15) {
            return id.to_string();
        }
    }
}

async fn time(raw: &mut Raw) {
    raw.send(49, &Number { id: None }).await;
}

#[tokio::test]
async fn messages_are_lost_doubled_swapped_delayed_and_damaged() {
    let running = simulator().await;
    let mut raw = Raw::started(&running, 1).await;
    time(&mut raw).await;
    assert_eq!(kinds(&mut raw, 1).await, ["time"]);
    told(&running, "drop = true, on = \"positions-end\", nth = 1").await;
    told(&running, "duplicate = { copies = 2 }, on = \"open-orders-end\", nth = 1").await;
    told(&running, "reorder = true, on = \"positions-end\", nth = 2").await;
    for request in [61, 5, 61, 5, 61] {
        raw.send(request, &Number { id: None }).await;
    }
    // The first end of positions is lost, the first end of orders comes three times, and the
    // second end of positions changes places with what follows it.
    assert_eq!(kinds(&mut raw, 6).await, ["53", "53", "53", "53", "62", "62"]);
    told(&running, "delay = { by = \"1h\" }, on = \"positions-end\", times = 1").await;
    raw.send(61, &Number { id: None }).await;
    raw.send(5, &Number { id: None }).await;
    assert_eq!(kinds(&mut raw, 1).await, ["53"]);
    running.clear().await.unwrap();
    assert_eq!(kinds(&mut raw, 1).await, ["62"]);
    told(&running, "corrupt = { how = \"undecodable\" }, on = \"time\", times = 1").await;
    time(&mut raw).await;
    assert_eq!(raw.until(49).await, [0xff; 8]);
    told(&running, "corrupt = { how = \"bit\" }, on = \"time\", times = 1").await;
    time(&mut raw).await;
    assert_eq!(raw.until(49).await.len(), 6);
    told(&running, "corrupt = { how = \"id\" }, on = \"time\", times = 1").await;
    time(&mut raw).await;
    raw.until(199).await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn requests_are_lost_on_their_way_in_or_come_late() {
    let running = simulator().await;
    let mut raw = Raw::started(&running, 1).await;
    told(&running, "drop = true, on = \"positions\", times = 1").await;
    told(&running, "delay = { by = \"1h\" }, on = \"open-orders\", times = 1").await;
    for request in [61, 5, 61, 49] {
        raw.send(request, &Number { id: None }).await;
    }
    assert_eq!(kinds(&mut raw, 2).await, ["62", "time"]);
    running.clear().await.unwrap();
    assert_eq!(kinds(&mut raw, 1).await, ["53"]);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn chance_follows_from_the_seed() {
    let mut seen = Vec::new();
    for _ in 0..2 {
        let running = simulator().await;
        let mut raw = Raw::started(&running, 1).await;
        told(&running, "drop = true, on = \"time\", probability = 0.5").await;
        for _ in 0..40 {
            time(&mut raw).await;
            raw.send(61, &Number { id: None }).await;
        }
        raw.send(5, &Number { id: None }).await;
        let mut kinds = Vec::new();
        while kinds.last().is_none_or(|kind| kind != "53") {
            kinds.push(kind(&mut raw).await);
        }
        let came = kinds.iter().filter(|kind| *kind == "time").count();
        assert!((5..35).contains(&came), "{came} of 40");
        seen.push(kinds);
        running.stop().await.unwrap();
    }
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn rules_wait_for_counts_times_repetitions_and_clients() {
    let running = simulator().await;
    let (mut one, mut two) = (Raw::started(&running, 1).await, Raw::started(&running, 2).await);
    time(&mut one).await;
    time(&mut two).await;
    assert_eq!((kind(&mut one).await, kind(&mut two).await), ("time".to_owned(), "time".to_owned()));
    told(&running, "error = { code = 2110 }, client = 1").await;
    told(&running, "error = { code = 1100 }, after_frames = 3, client = 2").await;
    told(&running, "error = { code = 399 }, after = \"5ms\", repeat = \"10ms\", times = 3, client = 2").await;
    assert_eq!(one.error_code(2_110).await, -1);
    let mut codes = Vec::new();
    while codes.len() < 4 {
        time(&mut two).await;
        codes.push(two.error().await.1);
    }
    codes.sort_unstable();
    assert_eq!(codes, [399, 399, 399, 1_100]);
    let rules = running.rules().await.unwrap();
    assert!(rules.iter().all(|rule| rule.done), "{rules:?}");
    assert_eq!(rules.iter().map(|rule| rule.fired).collect::<Vec<_>>(), [1, 1, 3]);
    let status = running.tell("status").await.unwrap();
    assert!(status.contains("rule 3: done, fired 3"), "{status}");
    assert!(running.tell("help").await.unwrap().contains("link_loss"));
    assert!(running.tell("nonsense").await.unwrap().contains("error"));
    assert_eq!(running.tell("clear").await.unwrap(), "cleared");
    assert_eq!(running.tell("status").await.unwrap(), "no rules");
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_request_is_answered_with_each_of_a_codes_meanings() {
    let running = simulator().await;
    let mut raw = Raw::started(&running, 1).await;
    for (meaning, words) in [
        ("no-data", "returned no data"),
        ("pacing", "pacing violation"),
        ("cancelled", "query cancelled"),
        ("permissions", "No market data permissions"),
        ("invalid-step", "invalid step"),
        ("other-address", "different IP address"),
    ] {
        told(
            &running,
            &format!("answer = {{ code = 162, meaning = \"{meaning}\" }}, on = \"historical-data\", nth = 1"),
        )
        .await;
        raw.send(20, &Number { id: Some(77) }).await;
        let (id, code, text) = raw.error().await;
        assert_eq!((id, code), (77, 162));
        assert!(text.contains(words), "{text}");
    }
    running.stop().await.unwrap();
}

#[derive(Clone, PartialEq, Message)]
struct PlaceOrder {
    #[prost(int32, optional, tag = "1")]
    order_id: Option<i32>,
    #[prost(message, optional, tag = "2")]
    contract: Option<Contract>,
    #[prost(message, optional, tag = "3")]
    order: Option<Order>,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, optional, tag = "1")]
    order_id: Option<i32>,
    #[prost(string, optional, tag = "2")]
    status: Option<String>,
    #[prost(string, optional, tag = "3")]
    filled: Option<String>,
    #[prost(string, optional, tag = "4")]
    remaining: Option<String>,
}

/// Far below the market: it rests.
fn resting(order_id: i32, action: &str) -> PlaceOrder {
    let far = if action == "BUY" { 1.0 } else { 100_000.0 };
    let order = Order {
        action: Some(action.into()),
        total_quantity: Some("100".into()),
        order_type: Some("LMT".into()),
        lmt_price: Some(far),
        tif: Some("GTC".into()),
        transmit: Some(true),
    };
    PlaceOrder { order_id: Some(order_id), contract: Some(aapl()), order: Some(order) }
}

/// The next status: its order, word, filled and remaining.
async fn status(raw: &mut Raw) -> (i32, String, String, String) {
    let status = Status::decode(&raw.until(3).await[..]).unwrap();
    (status.order_id.unwrap(), status.status.unwrap(), status.filled.unwrap(), status.remaining.unwrap())
}

fn words(status: &(i32, String, String, String)) -> (i32, &str, &str, &str) {
    (status.0, &status.1, &status.2, &status.3)
}

#[tokio::test]
async fn an_order_is_lost_in_flight_or_taken_without_an_answer() {
    let running = simulator().await;
    let mut raw = Raw::started(&running, 1).await;
    told(&running, "drop = true, on = \"place-order\", nth = 1").await;
    told(&running, "lose_answers = true, on = \"place-order\", nth = 2").await;
    for id in 1..=3 {
        raw.send(3, &resting(id, "BUY")).await;
    }
    assert_eq!(words(&status(&mut raw).await), (3, "Submitted", "0", "100"));
    raw.send(5, &Number { id: None }).await;
    assert_eq!(status(&mut raw).await.0, 2, "the second is known when asked for");
    assert_eq!(status(&mut raw).await.0, 3);
    assert_eq!(running.account().await.unwrap().orders, 2);
    // News of the second come; of one whose answers are all lost, nothing does.
    told(&running, "lose_answers = { all = true }, on = \"place-order\", times = 1").await;
    raw.send(3, &resting(4, "BUY")).await;
    told(&running, "fill = { quantity = 40, price = 1 }").await;
    assert_eq!(words(&status(&mut raw).await), (2, "Submitted", "40", "60"));
    assert_eq!(words(&status(&mut raw).await), (3, "Submitted", "40", "60"));
    raw.send(5, &Number { id: None }).await;
    let ids = [status(&mut raw).await.0, status(&mut raw).await.0, status(&mut raw).await.0];
    assert_eq!(ids, [2, 3, 4], "its fill was not told; it is known when asked for");
    running.stop().await.unwrap();
}

#[tokio::test]
async fn an_order_fills_before_its_cancel_arrives_or_in_part() {
    let running = simulator().await;
    let mut raw = Raw::started(&running, 1).await;
    for id in 1..=2 {
        raw.send(3, &resting(id, "BUY")).await;
        status(&mut raw).await;
    }
    told(&running, "fill = { price = 1 }, on = \"cancel-order\", nth = 1").await;
    told(&running, "fill = { price = 1, quantity = 30 }, on = \"cancel-order\", nth = 2").await;
    raw.send(4, &Number { id: Some(1) }).await;
    assert_eq!(words(&status(&mut raw).await), (1, "Filled", "100", "0"));
    assert_eq!(raw.error().await.1, 10_148);
    raw.send(4, &Number { id: Some(2) }).await;
    assert_eq!(words(&status(&mut raw).await), (2, "Submitted", "30", "70"));
    assert_eq!(words(&status(&mut raw).await), (2, "PendingCancel", "30", "70"));
    assert_eq!(words(&status(&mut raw).await), (2, "Cancelled", "30", "70"));
    assert_eq!(raw.error().await.1, 202);
    assert_eq!(running.account().await.unwrap().positions["AAPL"].quantity.0, 130);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn rejections_come_status_first_or_error_first_or_alone() {
    let running = simulator().await;
    let mut raw = Raw::started(&running, 1).await;
    for (first, expected) in
        [("status", &["3", "error 201"][..]), ("error", &["error 201", "3"]), ("error-only", &["error 201"])]
    {
        told(
            &running,
            &format!("reject = {{ meaning = \"short\", first = \"{first}\" }}, on = \"place-order\", nth = 1"),
        )
        .await;
        raw.send(3, &resting(9, "SELL")).await;
        assert_eq!(kinds(&mut raw, expected.len()).await, expected);
    }
    for code in [103, 110, 135, 161, 154, 321, 322, 100, 10_149] {
        told(&running, &format!("answer = {{ code = {code} }}, on = \"place-order\", nth = 1")).await;
        raw.send(3, &resting(9, "SELL")).await;
        let (id, seen, _) = raw.error().await;
        assert_eq!((id, seen), (9, code));
    }
    told(&running, "read_only = { anonymous = true }").await;
    raw.send(3, &resting(9, "SELL")).await;
    let (id, code, text) = raw.error().await;
    assert_eq!((id, code), (-1, 321));
    assert!(text.contains("Read-Only"), "{text}");
    assert_eq!(running.account().await.unwrap().orders, 0);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_time_in_force_is_changed_a_sell_is_held_and_the_broker_cancels() {
    let running = simulator().await;
    let mut raw = Raw::started(&running, 1).await;
    told(&running, "change_tif = true, on = \"place-order\", nth = 1").await;
    raw.send(3, &resting(1, "BUY")).await;
    assert_eq!(kinds(&mut raw, 3).await, ["5", "3", "error 10349"]);
    told(&running, "locate").await;
    told(&running, "error = { code = 404, id = \"request\" }, on = \"place-order\", times = 1").await;
    raw.send(3, &resting(2, "SELL")).await;
    assert_eq!(raw.error().await.1, 404);
    assert_eq!(words(&status(&mut raw).await), (2, "PreSubmitted", "0", "100"));
    running.clear().await.unwrap();
    assert_eq!(words(&status(&mut raw).await), (2, "Submitted", "0", "100"));
    told(&running, "cancel_orders = { reason = \"by the broker\" }").await;
    assert_eq!(words(&status(&mut raw).await), (1, "Cancelled", "0", "100"));
    let (id, code, text) = raw.error().await;
    assert_eq!((id, code), (1, 202));
    assert!(text.ends_with("by the broker"), "{text}");
    running.stop().await.unwrap();
}
