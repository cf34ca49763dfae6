//! What a state directory's journals say where no daemon tells more: for `status` while none runs, or while the one that
//! runs had no session yet.

use std::path::Path;

use serde_json::{Value, json};

use super::Taken;
use super::listing::words;
use super::lists::{self, cents};
use super::source::{Source, ledgers};
use crate::calendar::Calendar;
use crate::domain::MarketTime;
use crate::runner::view::LockView;

/// The latest incidents that are told of each ledger.
const INCIDENTS: usize = 5;

/// Every ledger of a state directory: account, money, what is held, which orders live, what is locked, what happened.
/// One that cannot be read says why.
pub(in crate::cli) fn at_rest(dir: &Path, calendar: Calendar) -> Vec<Value> {
    let told = |ledger: super::source::Ledger| {
        let place = json!({"venue": ledger.venue, "account": ledger.account, "journal": ledger.path});
        match Source::read(ledger, calendar, None) {
            Ok(source) => of(&source),
            Err(error) => json!({"source": place, "error": error.to_string()}),
        }
    };
    ledgers(dir).into_iter().map(told).collect()
}

fn of(source: &Source) -> Value {
    let book = &source.book;
    let all = Taken { since: MarketTime::MIN, until: MarketTime::MAX, symbol: None };
    let mut incidents = lists::incidents(source, &all);
    incidents.keep_latest(INCIDENTS);
    json!({
        "source": source.json(), "cash_usd": book.cash().map(cents), "realized_usd": cents(book.realized()),
        "fees_usd": cents(book.fees()), "positions": lists::positions(source, None).rows,
        "orders": lists::orders(source, true, &all).rows, "locks": LockView::all(book), "incidents": incidents.rows,
    })
}

/// The same for people: a name and its value, line by line.
pub(in crate::cli) fn lines(ledger: &Value) -> Vec<(&'static str, String)> {
    let source = &ledger["source"];
    let mut lines = vec![("account", format!("{} ({})", words(&source["account"]), words(&source["venue"])))];
    if let Some(error) = ledger["error"].as_str() {
        lines.push(("journal", error.to_owned()));
        return lines;
    }
    lines.push(("journal", format!("{} facts, the newest of {}", words(&source["records"]), words(&source["as_of"]))));
    let money = ["cash", "realized", "fees"].map(|name| {
        let value = words(&ledger[format!("{name}_usd")]);
        format!("{name} {value}{}", if value == "unknown" { "" } else { " USD" })
    });
    lines.push(("money", format!("{}; equity unknown", money.join(", "))));
    for row in rows(ledger, "positions") {
        let [symbol, held, price, by] =
            ["symbol", "quantity_shares", "average_price_usd", "protection"].map(|key| words(&row[key]));
        lines.push(("held", format!("{symbol} {held} shares at {price} USD on average; protected by {by}")));
    }
    for row in rows(ledger, "orders") {
        let keys = ["order", "side", "quantity_shares", "symbol", "terms", "tif", "role", "state", "filled_shares"];
        let [order, side, quantity, symbol, terms, tif, role, state, filled] = keys.map(|key| words(&row[key]));
        lines.push((
            "order",
            format!("{order}: {side} {quantity} {symbol} {terms} {tif} ({role}), {state}, {filled} filled"),
        ));
    }
    for row in rows(ledger, "locks") {
        let [what, cause, since, why, ends] = ["what", "cause", "since", "why", "ends"].map(|key| words(&row[key]));
        lines.push(("locked", format!("{what} ({cause}) since {since}: {why}; ends: {ends}")));
    }
    for row in rows(ledger, "incidents").iter().rev() {
        let [at, symbol, name, text] = ["at", "symbol", "name", "text"].map(|key| words(&row[key]));
        let of = if symbol.is_empty() { String::new() } else { format!("{symbol} ") };
        lines.push(("incident", format!("{of}{at} {name}: {text}")));
    }
    lines
}

fn rows<'a>(ledger: &'a Value, key: &str) -> &'a [Value] {
    ledger[key].as_array().map_or(&[], Vec::as_slice)
}
