//! What the API promises: metrics by their table, answers by the document.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod support;
mod web_support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use futures::{SinkExt, StreamExt};
use robo_trader::domain::{Bar, MarketTime};
use robo_trader::runner::board::Board;
use robo_trader::web::routes::READS;
use robo_trader::web::{Shared, metrics, page, router};
use serde_json::{Value, json};
use support::proxy::{Cut, Proxy};
use support::{Daemon, Start, settings, synthetic};
use tokio_tungstenite::tungstenite::Message;
use tower::ServiceExt;
use web_support::schema::Schemas;
use web_support::{BUSY, PATIENCE, Served, busy, config};

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

#[tokio::test]
async fn the_document_has_the_routes_and_the_routes_have_the_document() {
    let dir = tempfile::tempdir().unwrap();
    let app = router(Shared::new(config(dir.path()), Board::new()).unwrap());
    let ask = |method: &str, path: &str| {
        let request = Request::builder().method(method).uri(path).header("Host", "localhost");
        app.clone().oneshot(request.body(Body::empty()).unwrap())
    };
    let answer = ask("GET", "/api/v1/openapi.json").await.unwrap();
    let bytes = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    let document: Value = serde_json::from_slice(&bytes).unwrap();
    let paths = document["paths"].as_object().unwrap();
    for (path, operations) in paths {
        if operations.get("get").is_some() {
            let status = ask("GET", path).await.unwrap().status().as_u16();
            assert!(![404, 405].contains(&status), "{path}: {status}");
        }
        assert!(operations.get("get").or(operations.get("post")).unwrap()["summary"].is_string());
    }
    // Every route of the code is in the document. The page's own files are a list of their own, routed as it is.
    let code = include_str!("../src/web/routes.rs");
    let routed: BTreeSet<&str> = code.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let told: BTreeSet<&str> = READS.iter().map(|(path, ..)| *path).collect();
    assert_eq!(routed, told.iter().copied().chain(["/api/v1/commands/{name}"]).collect());
    for file in page::FILES {
        let answer = ask("GET", file.path).await.unwrap();
        assert_eq!((answer.status().as_u16(), &answer.headers()["content-type"]), (200, &file.kind.parse().unwrap()));
    }
    assert!(told.iter().all(|path| paths.contains_key(*path)));
    assert_eq!(ask("GET", "/api/v1/nothing").await.unwrap().status(), 404);
}

/// The commands of a page's table: of each the fields of its body, and whether they are needed.
fn tabled(page: &str) -> BTreeMap<String, BTreeMap<String, bool>> {
    let table = page.split("| Name | Body | Does |\n").nth(1).expect("a table of commands");
    let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    let of = |row: &str| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let fields = cells[2].split(',').map(str::trim).filter(|field| !field.is_empty());
        let fields =
            fields.map(|field| (field.trim_end_matches('?').trim_matches('`').to_owned(), !field.ends_with('?')));
        (cells[1].trim_matches('`').to_owned(), fields.collect())
    };
    rows.map(of).collect()
}

#[tokio::test]
async fn the_pages_table_of_commands_is_the_documents() {
    let dir = tempfile::tempdir().unwrap();
    let app = router(Shared::new(config(dir.path()), Board::new()).unwrap());
    let request = Request::builder().uri("/api/v1/openapi.json").header("Host", "localhost");
    let answer = app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let bytes = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    let document: Value = serde_json::from_slice(&bytes).unwrap();
    let commands = document["paths"].as_object().unwrap().iter();
    let commands = commands.filter_map(|(path, operations)| {
        let name = path.strip_prefix("/api/v1/commands/")?;
        let body = &operations["post"]["requestBody"]["content"]["application/json"]["schema"];
        let needed = body["required"].as_array().cloned().unwrap_or_default();
        let fields = body["properties"].as_object().into_iter().flat_map(|fields| fields.keys());
        let fields = fields.map(|field| (field.clone(), needed.contains(&json!(field))));
        Some((name.to_owned(), fields.collect::<BTreeMap<String, bool>>()))
    });
    let commands: BTreeMap<_, _> = commands.collect();
    assert!(commands["flatten"].len() == 4 && commands["accept"]["reason"], "{commands:?}");
    assert_eq!(tabled(include_str!("../docs/api.md")), commands);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_those_of_the_table_and_grafana_asks_for_no_others() {
    let dir = tempfile::tempdir().unwrap();
    let (simulator, mut daemon, served) = busy(dir.path()).await;
    daemon.until("some fills", |progress| progress.executions >= 2).await;
    let told = served.raw("GET", "/metrics", &[], "").await;
    daemon.stop().await.1.unwrap();
    simulator.stop().await.unwrap();
    let known: BTreeSet<&str> = metrics::METRICS.iter().map(|(name, ..)| *name).collect();
    let heads: BTreeSet<&str> =
        told.body.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert_eq!(heads, known, "every metric is told by a daemon that trades, and no other");
    for queue in ["desk", "desk_commands", "operators", "outbox", "journal", "feed_client"] {
        let depth = format!("robo_trader_queue_depth{{queue=\"{queue}\"}}");
        assert!(told.body.contains(&depth), "{depth} in {}", told.body);
    }
    for line in told.body.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        let name = name.split('{').next().unwrap();
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        assert!(known.contains(name) || known.contains(base), "{line}");
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
    let grafana = include_str!("../deploy/grafana.json");
    let board: Value = serde_json::from_str(grafana).unwrap();
    let exprs: Vec<&str> = board["panels"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|panel| panel["targets"].as_array().unwrap())
        .map(|target| target["expr"].as_str().unwrap())
        .collect();
    assert!(exprs.len() >= 12);
    for name in known.iter().filter(|name| name.starts_with("robo_trader_alerts_")) {
        assert!(exprs.iter().any(|expr| expr.contains(name)), "{name} has no panel");
    }
    for expr in exprs {
        let words = expr.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for word in words.filter(|word| word.starts_with("robo_trader_")) {
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word);
            assert!(known.contains(word) || known.contains(base), "{word} in {expr}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_order_can_leave_the_metrics_say_so_though_the_desk_is_ready() {
    for (mode, sends) in [("observe", "0"), ("paper", "1")] {
        let dir = tempfile::tempdir().unwrap();
        let simulator = synthetic(None, 0).await;
        let board = Board::new();
        let how = Start { board: Some(Arc::clone(&board)), ..Start::default() };
        let settings = settings(simulator.address, &[BUSY, &[("EXECUTION_MODE", mode)]].concat());
        let mut daemon = Daemon::start(settings, dir.path(), how);
        let served = Served::of(board, config(dir.path())).await;
        daemon.until("ready", |progress| progress.ready).await;
        served.until("/api/v1/status", "the desk is ready", |answer| answer.json()["ready"] == true).await;
        let told = served.raw("GET", "/metrics", &[], "").await;
        assert!(told.body.contains(&format!("\nrobo_trader_ready {sends}\n")), "{mode}: {}", told.body);
        daemon.stop().await.1.unwrap();
        simulator.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tick_to_order_and_coming_back_are_measured_live() {
    let dir = tempfile::tempdir().unwrap();
    let simulator = synthetic(None, 0).await;
    let proxy = Proxy::to(simulator.address).await;
    let board = Board::new();
    let how = Start { board: Some(Arc::clone(&board)), ..Start::default() };
    let mut daemon = Daemon::start(settings(proxy.address, BUSY), dir.path(), how);
    let served = Served::of(board, config(dir.path())).await;
    daemon.until("some fills", |progress| progress.executions >= 2).await;
    let count = |status: &Value, what: &str| status["measured"][what]["count"].as_u64().unwrap();
    let before = served.get("/api/v1/status").await;
    assert!(count(&before, "tick_to_order") >= 1 && before["measured"]["tick_to_order"]["p50_ms"].is_f64(), "{before}");
    for stage in ["strategy", "desk", "journal", "send"] {
        let row = &before["measured"]["tick_to_order_by_stage"][stage];
        assert!(row["count"].as_u64() >= Some(1) && row["p99_9_ms"].is_f64(), "{stage}: {row}");
    }
    assert_eq!(before["measured"]["pacing"]["orders_held_back"], 0, "so few orders are never too many");
    assert_eq!((count(&before, "dial_to_ready"), count(&before, "lost_to_ready")), (1, 0));
    assert!(before["measured"]["lost_to_ready"]["p50_ms"].is_null(), "what has not happened took no time, not 0");
    proxy.cut_next_order(Cut::Before);
    let is_back = |status: &Value| count(status, "lost_to_ready") == 1 && count(status, "dial_to_ready") == 2;
    let status = served.until("/api/v1/status", "back after the cut", |answer| is_back(&answer.json())).await.json();
    assert_eq!((&status["connection"]["lost"], &status["connection"]["sessions"]), (&1.into(), &2.into()));
    let (back, dial) = (&status["measured"]["lost_to_ready"]["max_ms"], &status["measured"]["dial_to_ready"]["p50_ms"]);
    assert!(back.as_f64() > Some(0.0) && dial.as_f64() > Some(0.0), "{status}");
    daemon.stop().await.1.unwrap();
    simulator.stop().await.unwrap();
}

/// An answer's schema in the document.
fn promised<'a>(document: &'a Value, method: &str, path: &str, status: u16) -> &'a Value {
    &document["paths"][path][method]["responses"][status.to_string()]["content"]["application/json"]["schema"]
}

/// What commands take and answer.
async fn commanded(served: &Served, schemas: &mut Schemas<'_>, document: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, body) in [
        ("halt", json!({ "symbol": "NVDA", "reason": "a test" })),
        ("resume", json!({ "symbol": "NVDA" })),
        ("resume", json!({ "symbol": "NVDA" })),
        ("park", json!({ "symbol": "NVDA" })),
        ("cancel", json!({ "intent": 999_999 })),
        ("cancel", json!({})),
        ("reload", json!({})),
        ("acknowledge", json!({})),
        ("reconcile", json!({})),
        ("halt", json!({ "reason": "x".repeat(20_000) })),
    ] {
        let path = format!("/api/v1/commands/{name}");
        let answer = served.command(name, &body).await;
        faults.extend(schemas.faults(&path, &answer.json(), promised(document, "post", &path, answer.status)));
        let takes = &document["paths"][&path]["post"]["requestBody"]["content"]["application/json"]["schema"];
        let fits = schemas.faults(&path, &body, takes).is_empty();
        assert_eq!(fits, answer.status != 422, "the body {body} of {name} fits, or is refused");
    }
    faults
}

/// What every path answers, and refuses.
async fn read(served: &Served, schemas: &mut Schemas<'_>, document: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let asked = [
        "/api/v1/version",
        "/api/v1/health",
        "/api/v1/status",
        "/api/v1/account",
        "/api/v1/positions",
        "/api/v1/orders",
        "/api/v1/fills",
        "/api/v1/signals",
        "/api/v1/refusals",
        "/api/v1/incidents",
        "/api/v1/locks",
        "/api/v1/strategies",
        "/api/v1/limits",
        "/api/v1/config",
        "/api/v1/equity",
        "/api/v1/bars?symbol=AAPL",
        "/api/v1/bars",
        "/api/v1/indicators?symbol=AAPL",
        "/api/v1/indicators",
        "/api/v1/bars?symbol=NONE",
        "/api/v1/log",
        "/api/v1/log?level=loud",
        "/api/v1/orders?limit=x",
        "/api/v1/openapi.json",
        "/api/v1/ws?types=everything",
    ];
    let paths: BTreeSet<&str> = asked.iter().map(|path| path.split('?').next().unwrap()).collect();
    assert_eq!(paths, READS.iter().map(|(path, ..)| *path).filter(|path| *path != "/metrics").collect());
    for path in asked {
        let answer = served.raw("GET", path, &[], "").await;
        if path.starts_with("/api/v1/ws") || path.ends_with("openapi.json") {
            continue;
        }
        let schema = promised(document, "get", path.split('?').next().unwrap(), answer.status);
        faults.extend(schemas.faults(path, &answer.json(), schema));
    }
    faults
}

/// What the feed tells, until every kind of message has come: read as it comes, as a client that lags is not told all.
async fn told(feed: &mut Socket) -> Vec<Value> {
    let mut missing = BTreeSet::from([
        "snapshot",
        "connection",
        "bar",
        "history",
        "order",
        "fill",
        "position",
        "account",
        "lock",
        "target",
    ]);
    let (mut told, deadline) = (Vec::new(), tokio::time::Instant::now() + 3 * PATIENCE);
    while !missing.is_empty() {
        let heard = tokio::time::timeout_at(deadline, feed.next()).await;
        let heard = heard.unwrap_or_else(|_| panic!("never told: {missing:?}"));
        let Message::Text(text) = heard.expect("it goes on").unwrap() else { continue };
        let heard: Value = serde_json::from_str(&text).unwrap();
        missing.remove(heard["type"].as_str().unwrap());
        told.push(heard);
    }
    told
}

/// Fields of money, prices and shares whose names do not say so.
fn unitless(document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (of, schema) in document["components"]["schemas"].as_object().unwrap() {
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let holds = |kind: &str| field.to_string().contains(&format!("schemas/{kind}\""));
            let unit = if holds("Shares") { "_shares" } else { "_usd" };
            if (holds("Shares") || holds("Usd") || holds("Price")) && !name.ends_with(unit) {
                found.push(format!("{of}.{name} does not end with {unit}"));
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_and_message_of_a_daemon_that_trades_is_what_the_document_says() {
    let dir = tempfile::tempdir().unwrap();
    let (simulator, mut daemon, served) = busy(dir.path()).await;
    let document = served.get("/api/v1/openapi.json").await;
    let mut schemas = Schemas::of(&document);
    let mut faults = Vec::new();
    // From the first moment on: what is unknown is null there, and must be promised as such.
    let early = served.get("/api/v1/status").await;
    faults.extend(schemas.faults("early status", &early, promised(&document, "get", "/api/v1/status", 200)));
    // Of the feed everything, from its first message on, and a snapshot.
    let boot = served.get("/api/v1/version").await["boot"].as_str().unwrap().to_owned();
    let address = format!("ws://{}/api/v1/ws?boot={boot}&from=0", served.address);
    let (mut feed, _) = tokio_tungstenite::connect_async(address).await.unwrap();
    feed.send(Message::text(r#"{"type":"snapshot"}"#)).await.unwrap();
    let asked = async {
        daemon.until("some fills", |progress| progress.executions >= 6).await;
        // What a start reads may have been told before the feed began anew with the account.
        let bar = |minute: i64| {
            let time = MarketTime::from_secs(60 * minute);
            Bar { time, end: time + Duration::from_secs(60), open: 9.0, high: 9.5, low: 8.5, close: 9.25, volume: None }
        };
        served.board.bars(&"READ".parse().unwrap(), &[bar(1), bar(2)]);
        faults.extend(commanded(&served, &mut schemas, &document).await);
        faults.extend(read(&served, &mut schemas, &document).await);
    };
    let (told, ()) = tokio::join!(told(&mut feed), asked);
    let message = &document["components"]["schemas"]["FeedMessage"];
    faults.extend(told.iter().flat_map(|heard| schemas.faults("feed", heard, message)));
    daemon.stop().await.1.unwrap();
    simulator.stop().await.unwrap();
    faults.extend(unitless(&document));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let written: BTreeSet<String> = document["components"]["schemas"].as_object().unwrap().keys().cloned().collect();
    let unmet: Vec<&String> = written.difference(&schemas.met).collect();
    // What this story does not bring about; the feed's is met without its name.
    let quiet = [
        "ChannelView",
        "DifferenceView",
        "FeedMessage",
        "ForeignHoldingView",
        "ForeignOrderView",
        "RefusalView",
        "LogView",
    ];
    assert!(unmet.iter().all(|name| quiet.contains(&name.as_str())), "never met: {unmet:?}");
}

#[test]
fn a_document_that_says_otherwise_is_found_out() {
    let document = json!({ "components": { "schemas": { "Row": {
        "type": "object", "required": ["a"], "properties": { "a": { "type": ["integer", "null"] } }
    } } } });
    let mut schemas = Schemas::of(&document);
    let mut fits =
        |value: Value| schemas.faults("it", &value, &json!({ "$ref": "#/components/schemas/Row" })).is_empty();
    assert!(fits(json!({ "a": 1 })) && fits(json!({ "a": null })));
    for wrong in [json!({}), json!({ "a": "1" }), json!({ "a": 1.5 }), json!({ "a": 1, "b": 2 }), json!([])] {
        assert!(!fits(wrong.clone()), "{wrong}");
    }
}
