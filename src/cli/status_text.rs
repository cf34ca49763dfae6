//! A daemon's status as text for people. A value that is not known is shown as unknown.

use std::fmt::Write;

use serde_json::Value;

use crate::domain::plain;

/// What is shown where nothing is known.
const UNKNOWN: &str = "unknown";

fn text(value: &Value) -> String {
    match value {
        Value::Null => UNKNOWN.to_owned(),
        Value::String(text) => plain(text),
        other => other.to_string(),
    }
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

pub(super) fn line(out: &mut String, name: &str, value: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{name:<12} {value}");
}

/// Everything of `status`.
pub(super) fn status(_: &str, status: &Value) -> String {
    let mut out = String::new();
    line(&mut out, "trading", &format!("{}, since {}", text(&status["trading"]), text(&status["reason_since"])));
    if status["trading"] != "yes" && status["trading_since"] != status["reason_since"] {
        line(&mut out, "blocked", &format!("since {}, by other reasons before", text(&status["trading_since"])));
    }
    if let Some(why) = status["why"].as_str().filter(|why| !why.is_empty()) {
        line(&mut out, "why", why);
    }
    let connection = &status["connection"];
    let breaker = text(&connection["breaker"]);
    line(&mut out, "connection", &format!("{}, breaker {breaker}", text(&connection["text"])));
    if !status["outage"].is_null() {
        line(&mut out, "outage", &format!("expected: {}", text(&status["outage"])));
    }
    for halt in list(status, "halts_waiting") {
        line(&mut out, "halted", &text(halt));
    }
    for layer in list(status, "layers") {
        let state = if layer["up"] == true { "up" } else { "DOWN" };
        let mut words = format!("{:<22} {state} since {}", text(&layer["layer"]), text(&layer["since"]));
        if layer["up"] == false {
            words += &format!(": {}; it blocks {}", text(&layer["why"]), text(&layer["blocks"]));
        }
        line(&mut out, "layer", &words);
    }
    measured(&mut out, &status["measured"]);
    for channel in list(status, "alerts").iter().filter(|channel| !channel["failing_for_s"].is_null()) {
        let (name, since, why) = (text(&channel["channel"]), text(&channel["failing_for_s"]), text(&channel["error"]));
        line(&mut out, "alerts", &format!("by {name} DO NOT GET THROUGH for {since} s: {why}"));
    }
    let desk = &status["desk"];
    if desk.is_null() {
        line(&mut out, "desk", "no session was Ready yet: book and positions are not open");
        return out;
    }
    money(&mut out, desk);
    locks(&mut out, desk);
    for symbol in list(desk, "symbols") {
        let words = format!(
            "{:<8} held {:>6}  target {:>7}  working {}  last bar {}{}",
            text(&symbol["symbol"]),
            text(&symbol["held_shares"]),
            if symbol["target"].is_null() { "none".to_owned() } else { text(&symbol["target"]) },
            text(&symbol["working_orders"]),
            text(&symbol["last_bar_end"]),
            if symbol["disarmed"].is_null() {
                String::new()
            } else {
                format!("  disarmed: {}", text(&symbol["disarmed"]))
            },
        );
        line(&mut out, "symbol", &words);
    }
    out += &differing(desk);
    for incident in list(desk, "incidents") {
        let mut words = format!("{} {}: {}", text(&incident["at"]), text(&incident["name"]), text(&incident["text"]));
        if let Some(symbol) = incident["symbol"].as_str() {
            words = format!("{symbol} {words}");
        }
        line(&mut out, "incident", &words);
    }
    out
}

/// How long things take, so far as they have happened.
fn measured(out: &mut String, measured: &Value) {
    let rows =
        [("tick_to_order", "tick to order"), ("lost_to_ready", "lost to ready"), ("dial_to_ready", "dial to ready")];
    let rows = rows.into_iter().filter_map(|(key, name)| {
        let row = &measured[key];
        let count = row["count"].as_u64().filter(|count| *count > 0)?;
        Some(format!("{name} p50 {} ms, p99 {} ms ({count})", text(&row["p50_ms"]), text(&row["p99_ms"])))
    });
    let words = rows.collect::<Vec<_>>().join("; ");
    if !words.is_empty() {
        line(out, "took", &words);
    }
    let stages = ["strategy", "desk", "journal", "send"].into_iter().filter_map(|stage| {
        let row = &measured["tick_to_order_by_stage"][stage];
        row["count"].as_u64().filter(|count| *count > 0)?;
        Some(format!("{stage} {}", text(&row["p50_ms"])))
    });
    let words = stages.collect::<Vec<_>>().join(", ");
    if !words.is_empty() {
        line(out, "of an order", &format!("p50 in ms: {words}"));
    }
    // Nothing is said where nothing has waited.
    if let Some(orders) = measured["pacing"]["orders_held_back"].as_u64().filter(|orders| *orders > 0) {
        line(out, "held back", &format!("{orders} orders waited for the message limit"));
    }
}

fn money(out: &mut String, desk: &Value) {
    line(out, "account", &text(&desk["account"]));
    line(out, "market time", &text(&desk["market_time"]));
    for (name, key) in [("equity", "equity_usd"), ("day", "day_pnl_usd"), ("cash", "cash_usd"), ("fees", "fees_usd")] {
        let value = text(&desk[key]);
        let unit = if value == UNKNOWN { "" } else { " USD" };
        line(out, name, &format!("{value}{unit}"));
    }
    let orders = format!("{} working, {} in doubt", text(&desk["working_orders"]), text(&desk["unknown_orders"]));
    line(out, "orders", &orders);
}

fn locks(out: &mut String, desk: &Value) {
    for lock in list(desk, "locks") {
        let words = format!(
            "{} ({}) since {}: {}; ends: {}",
            text(&lock["what"]),
            text(&lock["cause"]),
            text(&lock["since"]),
            text(&lock["why"]),
            text(&lock["ends"])
        );
        line(out, "locked", &words);
    }
}

/// What `reconcile` tells.
pub(super) fn differences(said: &str, status: &Value) -> String {
    let desk = &status["desk"];
    let mut out = String::new();
    line(&mut out, "reconcile", said);
    if desk.is_null() {
        return out;
    }
    out += &differing(desk);
    line(
        &mut out,
        "cash",
        &format!(
            "the broker states {}, the ledger {}",
            text(&desk["broker_cash_usd"]),
            text(&desk["expected_cash_usd"])
        ),
    );
    line(&mut out, "orders", &format!("{} in doubt", text(&desk["unknown_orders"])));
    if list(desk, "differences").is_empty() {
        line(&mut out, "positions", "broker and book agree");
    }
    out
}

fn differing(desk: &Value) -> String {
    let mut out = String::new();
    for difference in list(desk, "differences") {
        let symbol = text(&difference["symbol"]);
        let mut words = format!(
            "{symbol}: the broker holds {}, the book {}, others {}",
            text(&difference["at_broker_shares"]),
            text(&difference["held_shares"]),
            text(&difference["foreign_shares"])
        );
        if difference["locked"] == true {
            let split = difference["split"].as_str().map_or_else(String::new, |split| format!(" --split {split}"));
            words += &format!("; locked: robo-trader reconcile accept {symbol}{split} --reason TEXT");
        }
        line(&mut out, "differs", &words);
    }
    for holding in list(desk, "foreign_holdings") {
        line(&mut out, "others hold", &format!("{} {}", text(&holding["quantity_shares"]), text(&holding["symbol"])));
    }
    for order in list(desk, "foreign_orders") {
        line(&mut out, "others' order", &format!("{} (client {})", text(&order["order"]), text(&order["client_id"])));
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn what_blocks_trading_is_named_and_what_is_unknown_says_so() {
        let status = json!({
            "trading": "exits only: locked", "trading_since": "t4", "reason_since": "t5",
            "connection": {"text": "connected for 5 s", "breaker": "closed"},
            "outage": null,
            "measured": {
                "tick_to_order": {"count": 3, "p50_ms": 0.4, "p99_ms": 1.5, "max_ms": 1.5},
                "tick_to_order_by_stage": {
                    "strategy": {"count": 3, "p50_ms": 0.01}, "desk": {"count": 3, "p50_ms": 0.05},
                    "journal": {"count": 3, "p50_ms": 0.3}, "send": {"count": 3, "p50_ms": 0.04},
                },
                "pacing": {"orders_held_back": 2},
                "lost_to_ready": {"count": 0, "p50_ms": null, "p99_ms": null, "max_ms": null},
            },
            "layers": [
                {"layer": "socket", "up": true, "since": "t0", "why": null, "blocks": null},
                {"layer": "farm usfarm (market data)", "up": false, "since": "t1", "why": "2103", "blocks": "bars"},
            ],
            "desk": {
                "account": "DU1", "market_time": "t2", "equity_usd": null, "day_pnl_usd": null, "cash_usd": "5",
                "fees_usd": "0", "working_orders": 1, "unknown_orders": 0,
                "locks": [{"what": "account", "cause": "operator", "since": "t3", "why": "news", "ends": "robo-trader resume"}],
                "symbols": [{"symbol": "AAPL", "held_shares": 10, "target": null, "working_orders": 1, "last_bar_end": null, "disarmed": null}],
                "differences": [{"symbol": "TSLA", "at_broker_shares": 70, "held_shares": 10, "foreign_shares": 0, "split": "7:1", "locked": true}],
                "foreign_orders": [], "foreign_holdings": [], "incidents": []
            }
        });
        let shown = super::status("", &status);
        for part in [
            "trading      exits only: locked, since t5",
            "blocked      since t4, by other reasons before",
            "DOWN since t1: 2103; it blocks bars",
            "took         tick to order p50 0.4 ms, p99 1.5 ms (3)\n",
            "of an order  p50 in ms: strategy 0.01, desk 0.05, journal 0.3, send 0.04\n",
            "held back    2 orders waited for the message limit\n",
            "equity       unknown",
            "locked       account (operator) since t3: news; ends: robo-trader resume",
            "last bar unknown",
            "robo-trader reconcile accept TSLA --split 7:1 --reason TEXT",
        ] {
            assert!(shown.contains(part), "{part} in\n{shown}");
        }
        assert!(!shown.contains("null"), "{shown}");
    }
}
