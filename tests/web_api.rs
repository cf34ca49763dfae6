//! The HTTP API: what it tells is what the journal has, what it is told is done, and who may tell it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod support;
mod web_support;

use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use proptest::prelude::*;
use robo_trader::runner::board::Board;
use robo_trader::web::{Shared, router};
use serde_json::{Value, json};
use support::{Daemon, Start, book, settings};
use tower::ServiceExt;
use web_support::{Answer, BUSY, PATIENCE, Served, busy, config};

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no whole number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_number_is_the_journals() {
    let dir = tempfile::tempdir().unwrap();
    let (simulator, mut daemon, served) = busy(dir.path()).await;
    daemon.until("some fills", |progress| progress.executions >= 8).await;
    let (_, result) = daemon.stop().await;
    result.unwrap();
    let book = book(dir.path());
    let fills = served.list("fills").await;
    assert_eq!(fills.len(), usize::try_from(book.counts().executions).unwrap());
    let mut journaled: Vec<_> = book.fills().collect();
    journaled.sort_by_key(|fill| fill.intent);
    let mut shown = fills.clone();
    shown.sort_by_key(|fill| number(&fill["intent"]));
    for (fill, shown) in journaled.iter().zip(&shown) {
        assert_eq!(shown["price_usd"], json!(fill.execution.price), "text-exact");
        assert_eq!(shown["commission_usd"], json!(fill.commission));
        assert_eq!(shown["quantity_shares"], json!(fill.execution.quantity));
    }
    let orders = served.list("orders").await;
    assert_eq!(orders.len(), book.orders().count());
    for order in book.orders() {
        let intent = order.ticket.order_ref.intent;
        let shown = orders.iter().find(|shown| number(&shown["intent"]) == intent).unwrap();
        assert_eq!(shown["filled_shares"], json!(order.filled));
        assert_eq!(shown["is_live"], json!(order.state.is_live()));
        assert_eq!(shown["life"][0]["what"], "intended");
    }
    let account = &served.get("/api/v1/account").await["account"];
    assert_eq!(account["cash_usd"], json!(book.cash()));
    assert_eq!(account["fees_usd"], json!(book.fees()));
    assert_eq!(account["realized_usd"], json!(book.realized()));
    assert!(account["equity_usd"].is_string());
    assert_eq!(number(&account["counts"]["orders"]), book.counts().orders);
    for row in served.list("positions").await {
        let held = book.positions().find(|(id, _)| json!(book.symbol(*id)) == row["symbol"]).map(|(_, held)| held);
        assert_eq!(row["held_shares"], json!(held.map_or_else(Default::default, |held| held.quantity())), "{row}");
    }
    assert!(served.list("signals").await.len() >= 8);
    assert!(!served.list("equity").await.is_empty());
    simulator.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_shows_what_was_before_and_bars_reach_back_into_history() {
    let dir = tempfile::tempdir().unwrap();
    let (simulator, mut daemon, served) = busy(dir.path()).await;
    daemon.until("some fills", |progress| progress.executions >= 4).await;
    daemon.stop().await.1.unwrap();
    let before = served.list("fills").await;
    let board = Board::new();
    let again = Served::of(Arc::clone(&board), config(dir.path())).await;
    // Before the first session a symbol of the settings is known, and has no bars; the other is not known at all.
    for what in ["bars", "indicators"] {
        let none = again.get(&format!("/api/v1/{what}?symbol=AAPL")).await;
        assert_eq!((&none["symbol"], &none[what]), (&json!("AAPL"), &json!([])), "{none}");
        let other = again.raw("GET", &format!("/api/v1/{what}?symbol=NONE"), &[], "").await;
        assert_eq!(other.status, 404, "{other:?}");
    }
    let how = Start { board: Some(board), ..Start::default() };
    let mut daemon = Daemon::start(settings(simulator.address, BUSY), dir.path(), how);
    daemon.until("ready", |progress| progress.ready).await;
    let now = again.list("fills").await;
    assert_eq!(now[..before.len()], before[..]);
    let all = |answer: &Answer| answer.json()["bars"].as_array().unwrap().len() == 100;
    again.until("/api/v1/bars?symbol=AAPL&limit=100", "bars of the history", all).await;
    // The curve says which of its points are the journal's; those are followed by measured ones.
    let measured =
        |answer: &Answer| answer.json()["equity"].as_array().unwrap().iter().any(|p| p["source"] == "measured");
    let curve = again.until("/api/v1/equity", "a measured point", measured).await.json();
    let curve = curve["equity"].as_array().unwrap();
    let restored = curve.iter().take_while(|point| point["source"] != "measured").count();
    assert!(restored > 0 && curve[restored..].iter().all(|point| point["source"] == "measured"), "{curve:?}");
    for point in curve {
        // A ledger's first day opens before there is any height.
        assert!(point["peak_usd"].is_string() || point == &curve[0], "{point}");
        assert!(point["source"] != "peak" || point["peak_usd"] == point["equity_usd"], "{point}");
    }
    daemon.stop().await.1.unwrap();
    simulator.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_are_carried_out_and_their_refusals_told() {
    let dir = tempfile::tempdir().unwrap();
    let (simulator, mut daemon, served) = busy(dir.path()).await;
    daemon.until("some fills", |progress| progress.executions >= 2).await;
    let without = served.raw("POST", "/api/v1/commands/halt", &[("Content-Type", "application/json")], "{}").await;
    assert_eq!(without.status, 401, "{without:?}");
    let trades = |answer: &Answer, word: &str| answer.json()["connection"]["trading"] == word;
    let before = served.until("/api/v1/health", "it trades", |answer| trades(answer, "yes")).await.json();
    let said = served.command("halt", &json!({ "symbol": "NVDA", "reason": "earnings" })).await;
    assert_eq!((said.status, said.json()["ok"].as_bool()), (200, Some(true)), "{said:?}");
    served.until("/api/v1/locks", "the lock", |answer| answer.body.contains("earnings")).await;
    // The others go on, and the status tells which does not.
    let words = |answer: &Answer| answer.json()["why"].as_str().unwrap().to_owned();
    let names = |answer: &Answer| words(answer).contains("NVDA") && words(answer).contains("earnings");
    let status = served.until("/api/v1/status", "the reason", names).await;
    assert_eq!(status.json()["trading"], "yes");
    assert_eq!(served.command("halt", &json!({ "reason": "lunch" })).await.status, 200);
    // Since when, by the connection's part as by the status.
    let halted = served.until("/api/v1/health", "it halts", |answer| trades(answer, "exits only: locked")).await.json();
    let since = |health: &Value| health["connection"]["trading_since"].as_str().unwrap().to_owned();
    assert!(since(&halted) >= since(&before), "{before} {halted}");
    assert_eq!(served.get("/api/v1/status").await["trading_since"], since(&halted));
    assert_eq!(served.command("resume", &json!({})).await.status, 200);
    assert_eq!(served.command("resume", &json!({ "symbol": "NVDA" })).await.status, 200);
    let again = served.command("resume", &json!({ "symbol": "NVDA" })).await;
    assert_eq!((again.status, again.json()["ok"].as_bool()), (200, Some(true)), "{again:?}");
    assert_eq!(served.command("park", &json!({ "symbol": "AAPL" })).await.status, 200);
    assert_eq!(served.command("unpark", &json!({ "symbol": "AAPL" })).await.status, 200);
    let ended = served.command("cancel", &json!({ "intent": 1 })).await;
    assert_eq!(ended.status, 409, "{ended:?}");
    for (name, body) in [("cancel", json!({ "intent": 999_999 })), ("halt", json!({ "symbol": "MSFT" }))] {
        let stranger = served.command(name, &body).await;
        let fields: Vec<String> = stranger.json().as_object().unwrap().keys().cloned().collect();
        assert_eq!((stranger.status, fields), (404, vec!["ok".to_owned(), "text".to_owned()]), "{stranger:?}");
    }
    assert_eq!(served.command("reconcile", &json!({})).await.status, 200);
    let flat = served.command("flatten", &json!({ "reason": "enough" })).await;
    assert_eq!(flat.status, 200, "{flat:?}");
    let is_flat = |positions: &Value| {
        let rows = positions["positions"].as_array().unwrap();
        rows.iter().all(|row| row["held_shares"] == 0 && row["working_orders"] == 0)
    };
    served.until("/api/v1/positions", "flat", |answer| is_flat(&answer.json())).await;
    assert_eq!(served.command("shutdown", &json!({})).await.status, 200);
    daemon.ended().await.1.unwrap();
    assert_eq!(served.command("halt", &json!({})).await.status, 409, "nobody is there to do it");
    simulator.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_told_and_taken_once_it_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind((web_support::HERE, 0)).unwrap();
    let (board, mut config) = (Board::new(), config(dir.path()));
    config.port = taken.local_addr().unwrap().port();
    let mut task = tokio::task::JoinSet::new();
    let shared = Shared::new(config, Arc::clone(&board)).unwrap();
    let mut address = shared.address();
    task.spawn(robo_trader::web::served(shared));
    let told = async {
        while board.dashboard().lock().unwrap().as_ref().is_none_or(|text| !text.contains("the daemon trades on")) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.unwrap();
    drop(taken);
    tokio::time::timeout(PATIENCE, address.wait_for(Option::is_some)).await.unwrap().unwrap();
    assert!(board.dashboard().lock().unwrap().as_ref().unwrap().starts_with("http://127.0.0.1:"));
    task.shutdown().await;
}

#[test]
fn beyond_loopback_nothing_is_served_without_a_token() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    let path = dir.path().join("web.token");
    std::fs::write(&path, "0".repeat(64)).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(Shared::new(config.clone(), Board::new()).is_ok(), "on loopback it can be read");
    config.bind = "0.0.0.0".parse().unwrap();
    let error = Shared::new(config, Board::new()).err().unwrap().to_string();
    assert!(error.contains("no token") && error.contains("delete it"), "{error}");
}

/// Method, path, headers and body.
type Said = (String, String, Vec<(String, Vec<u8>)>, Vec<u8>);

/// A request that means no good.
fn requests() -> impl Strategy<Value = Said> {
    let method = prop_oneof![Just("POST"), Just("GET"), Just("PUT"), Just("DELETE"), Just("OPTIONS"), Just("HEAD")];
    let command = prop_oneof![
        Just("halt"),
        Just("flatten"),
        Just("shutdown"),
        Just("resume"),
        Just("cancel"),
        Just("%68alt"),
        Just("..")
    ];
    let path = prop_oneof![
        command.prop_map(|name| format!("/api/v1/commands/{name}")),
        "/[a-z0-9/%.?=&_-]{0,40}",
        Just("/api/v1/ws?from=18446744073709551615&boot=x".to_owned()),
        Just("/api/v1/orders?limit=99999999999".to_owned()),
        Just("/api/v1/bars?symbol=%00".to_owned()),
    ];
    let name = prop_oneof![
        Just("authorization"),
        Just("host"),
        Just("origin"),
        Just("content-type"),
        Just("sec-websocket-protocol"),
        Just("sec-fetch-site"),
        Just("connection"),
        Just("upgrade"),
        Just("x-http-method-override")
    ];
    let value = prop_oneof![
        Just(b"Bearer ".to_vec()),
        Just(b"Bearer 0000000000000000000000000000000000000000000000000000000000000000".to_vec()),
        Just(b"localhost".to_vec()),
        Just(b"http://localhost".to_vec()),
        Just(b"application/json".to_vec()),
        Just(b"token.".to_vec()),
        Just(b"websocket".to_vec()),
        Just(b"POST".to_vec()),
        proptest::collection::vec(0x20_u8..0x7f, 0..40),
        proptest::collection::vec(0x80_u8..=0xff, 0..8),
    ];
    let headers = proptest::collection::vec((name.prop_map(str::to_owned), value), 0..6);
    let body = prop_oneof![
        Just(b"{}".to_vec()),
        Just(br#"{"reason":"x"}"#.to_vec()),
        Just(b"[[[[".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..200),
        Just(vec![b' '; 40_000]),
    ];
    (method.prop_map(str::to_owned), path, headers, body)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_request_without_the_token_is_a_command_and_none_breaks_anything((method, path, headers, body) in requests()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let shared = Shared::new(config(dir.path()), Board::new()).unwrap();
        let mut request = Request::builder().method(method.as_str()).uri(path.as_str());
        for (name, value) in &headers {
            request = request.header(name.as_str(), value.as_slice());
        }
        if !headers.iter().any(|(name, _)| name == "host") {
            request = request.header("host", "localhost");
        }
        // What is no request at all never reaches the router.
        if let Ok(request) = request.body(Body::from(body)) {
            let answer = runtime.block_on(router(shared).oneshot(request)).unwrap();
            let status = answer.status().as_u16();
            if !["GET", "HEAD"].contains(&method.as_str()) {
                prop_assert!([401, 403, 421].contains(&status), "{method} {path}: {status}");
            }
            prop_assert!(status != 500, "{method} {path}: {status}");
            prop_assert!(answer.headers().contains_key("content-security-policy"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_request_end_their_own_connection_only() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::of(Board::new(), config(dir.path())).await;
    let long = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(100_000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(5_000));
    let twice = "GET /api/v1/version HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    for said in ["\0\0\0\0", "GET", "POST / HTTP/9.9\r\n\r\n", "\x16\x03\x01\x02", &long, &many] {
        let heard = served.bytes(said.as_bytes(), true).await;
        assert!(!heard.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&heard));
    }
    assert!(served.bytes(twice.as_bytes(), false).await.starts_with(b"HTTP/1.1 4"));
    let large = served.command("halt", &json!({ "reason": "x".repeat(100_000) })).await;
    assert_eq!(large.status, 413, "{large:?}");
    let foreign = [("Origin", "http://evil.example")];
    assert_eq!(served.raw("GET", "/api/v1/version", &foreign, "").await.status, 403);
    assert_eq!(served.raw("GET", "/api/v1/version", &[("Host", "evil.example")], "").await.status, 421);
    assert_eq!(served.get("/api/v1/version").await["name"], "robo-trader");
    served.stop().await;
}
