//! The lists themselves.

use serde_json::{Value, json};

use super::listing::{Column, Listing, left, right};
use super::source::Source;
use super::{Taken, words};
use crate::domain::book::{Book, Fact, FillRecord, LockFact, LockScope, OrderRecord, SessionFact, TargetFact};
use crate::domain::order::Role;
use crate::domain::{ContractId, Price, Symbol, Usd};

const POSITIONS: &[Column] = &[
    left("symbol", "symbol"),
    right("quantity_shares", "shares"),
    right("average_price_usd", "average USD"),
    right("last_close_usd", "last USD"),
    right("unrealized_usd", "unrealized USD"),
    right("realized_usd", "realized USD"),
    right("fees_usd", "fees USD"),
    left("protection", "protected by"),
];

/// What is held.
pub(super) fn positions(source: &Source, symbol: Option<&Symbol>) -> Listing {
    let book = &source.book;
    let held = book.positions().filter(|(_, position)| !position.quantity().is_zero());
    let rows = held.filter(|(id, _)| symbol.is_none_or(|wanted| book.symbol(*id) == Some(wanted)));
    let row = |(id, position): (ContractId, &crate::domain::position::Position)| {
        let name = name(book, id);
        let last = source.live(&name).and_then(|live| live["last_close_usd"].as_str()?.parse::<Price>().ok());
        let protective = book.live_in(id).filter(|order| order.ticket.role.is_protective());
        let protection: Vec<String> = protective.map(|order| words::terms(&order.ticket.kind)).collect();
        json!({
            "symbol": name, "con_id": id.0, "quantity_shares": position.quantity(),
            "average_price_usd": position.average_price().map(|price| price.rounded(4).normalized()),
            "last_close_usd": last, "unrealized_usd": last.map(|last| cents(position.unrealized(last))),
            "realized_usd": cents(position.realized), "fees_usd": cents(position.fees),
            "opened_at": position.opened_at(),
            "protection": if protection.is_empty() { "nothing".to_owned() } else { protection.join(", ") },
        })
    };
    Listing::new("positions", POSITIONS, rows.map(row).collect())
}

const ORDERS: &[Column] = &[
    right("order", "order"),
    left("at", "at"),
    left("symbol", "symbol"),
    left("role", "role"),
    left("side", "side"),
    right("quantity_shares", "shares"),
    right("filled_shares", "filled"),
    left("terms", "terms"),
    left("tif", "tif"),
    left("state", "state"),
    left("note", "note"),
];

/// Orders of ours with where they stand.
pub(super) fn orders(source: &Source, open: bool, take: &Taken) -> Listing {
    let wanted = |order: &&OrderRecord| take.takes(order.at, order.symbol.as_ref()) && (!open || order.state.is_live());
    let row = |order: &OrderRecord| {
        let ticket = &order.ticket;
        json!({
            "order": ticket.order_ref.intent, "order_ref": ticket.order_ref.to_string(), "at": order.at,
            "symbol": order.symbol, "strategy": order.strategy, "role": role(ticket.role), "side": ticket.side,
            "quantity_shares": ticket.quantity, "filled_shares": order.filled, "terms": words::terms(&ticket.kind),
            "tif": ticket.tif, "state": words::state(order.state), "open": order.state.is_live(),
            "perm_id": order.perm_id, "reference_price_usd": order.reference, "note": order.note,
        })
    };
    Listing::new("orders", ORDERS, source.book.orders().filter(wanted).map(row).collect())
}

pub(in crate::cli) const FILLS: &[Column] = &[
    left("at", "at"),
    left("symbol", "symbol"),
    left("side", "side"),
    right("quantity_shares", "shares"),
    right("price_usd", "price USD"),
    right("commission_usd", "fee USD"),
    right("order", "order"),
    left("role", "role"),
];

/// Executions of ours, as last corrected.
pub(super) fn fills(source: &Source, take: &Taken) -> Listing {
    let book = &source.book;
    let symbol = |fill: &FillRecord| *book.symbol(fill.execution.contract).unwrap_or(&fill.execution.symbol);
    let mut fills: Vec<&FillRecord> =
        book.fills().filter(|fill| take.takes(fill.execution.at, Some(&symbol(fill)))).collect();
    fills.sort_by(|a, b| (a.execution.at, &a.execution.id.0).cmp(&(b.execution.at, &b.execution.id.0)));
    let row = |fill: &FillRecord| {
        let (execution, order) = (&fill.execution, book.order(fill.intent));
        json!({
            "at": execution.at, "symbol": symbol(fill), "side": execution.side, "quantity_shares": execution.quantity,
            "price_usd": execution.price, "commission_usd": fill.commission, "order": fill.intent,
            "role": order.map(|order| role(order.ticket.role)), "execution": execution.id.0,
            "strategy": order.and_then(|order| order.strategy.clone()),
        })
    };
    Listing::new("fills", FILLS, fills.into_iter().map(row).collect())
}

const SIGNALS: &[Column] = &[
    left("at", "at"),
    left("symbol", "symbol"),
    left("strategy", "strategy"),
    left("what", "what"),
    right("target", "target"),
    right("size_shares", "shares"),
    left("why", "why"),
];

/// What strategies wanted, and what held it back.
pub(super) fn signals(source: &Source, take: &Taken) -> Listing {
    let mut rows = Vec::new();
    for record in source.records.iter().filter(|record| take.takes(record.at, record.symbol.as_ref())) {
        // What does not apply to a row is empty text; null would say that it is unknown.
        let (what, target, shares, why) = match &record.fact {
            Fact::Target(TargetFact::Accepted { value, size, stale }) => {
                ("target", json!(value), json!(size), if *stale { "decided on an old bar" } else { "" }.to_owned())
            }
            Fact::Target(TargetFact::Disarmed { why }) => ("disarmed", json!(""), json!(""), snake(&json!(why))),
            Fact::Target(TargetFact::Deferred) => {
                ("deferred", json!(""), json!(""), "waits for the next open".to_owned())
            }
            Fact::Refused(refused) => {
                let why = format!("{}: {}", refused.refusal.name(), refused.refusal);
                ("refused", json!(""), json!(refused.change), why)
            }
            Fact::Ledger(_) | Fact::Session(_) | Fact::Day(_) | Fact::Order(_) | Fact::Fill(_) | Fact::Lock(_) => {
                continue;
            }
            Fact::Incident(_) => continue,
        };
        rows.push(json!({
            "at": record.at, "symbol": record.symbol, "strategy": record.strategy.as_deref().unwrap_or(""),
            "what": what, "target": target, "size_shares": shares, "why": why,
        }));
    }
    Listing::new("signals", SIGNALS, rows)
}

pub(in crate::cli) const INCIDENTS: &[Column] =
    &[left("at", "at"), left("symbol", "symbol"), left("name", "name"), left("text", "what happened")];

/// What a human may want to know about: incidents, lost sessions, locks.
pub(super) fn incidents(source: &Source, take: &Taken) -> Listing {
    let mut rows = Vec::new();
    for record in &source.records {
        let (name, text, detect_ms, recover_ms) = match &record.fact {
            Fact::Incident(fact) => (fact.name.clone(), fact.text.clone(), fact.detect_ms, fact.recover_ms),
            Fact::Session(SessionFact::Lost { why, .. }) if why != "shut down" => {
                ("session.lost".to_owned(), why.clone(), None, None)
            }
            Fact::Lock(LockFact::Set { scope, why, .. }) => {
                ("lock.set".to_owned(), format!("{}: {why}", scoped(&source.book, scope)), None, None)
            }
            Fact::Lock(LockFact::Cleared { scope, why, .. }) => {
                ("lock.cleared".to_owned(), format!("{}: {why}", scoped(&source.book, scope)), None, None)
            }
            Fact::Ledger(_) | Fact::Session(_) | Fact::Day(_) | Fact::Target(_) | Fact::Order(_) | Fact::Fill(_) => {
                continue;
            }
            Fact::Refused(_) => continue,
        };
        if take.takes(record.at, record.symbol.as_ref()) {
            rows.push(json!({
                "at": record.at, "symbol": record.symbol.as_ref().map_or("", Symbol::as_str), "name": name,
                "text": text, "detect_ms": detect_ms, "recover_ms": recover_ms,
            }));
        }
    }
    Listing::new("incidents", INCIDENTS, rows)
}

fn scoped(book: &Book, scope: &LockScope) -> String {
    match scope {
        LockScope::Account => "account".to_owned(),
        LockScope::Contract(id) | LockScope::Unexplained(id) => name(book, *id),
    }
}

/// A contract's symbol, or its number.
pub(in crate::cli) fn name(book: &Book, id: ContractId) -> String {
    book.symbol(id).map_or_else(|| id.to_string(), ToString::to_string)
}

pub(super) fn role(role: Role) -> &'static str {
    match role {
        Role::Entry => "entry",
        Role::Exit => "exit",
        Role::Stop => "stop",
        Role::Target => "target",
    }
}

/// A plain word of an enumeration, as the journal writes it.
fn snake(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Money to the cent, for people and programs alike.
pub(super) fn cents(amount: Usd) -> String {
    format!("{:.2}", amount.decimal())
}
