//! `orders.csv`: every order that was sent, and what became of it.

use std::fmt::Write as _;

use crate::domain::OrderKind;
use crate::domain::book::OrderRecord;

/// The columns.
pub(super) const HEADER: &str =
    "intent,time,symbol,role,side,quantity,type,limit,trigger,time_in_force,state,filled,reference_price,note\n";

/// One order's row.
pub(super) fn line(order: &OrderRecord, text: &mut String) {
    let ticket = &order.ticket;
    let (name, limit, trigger) = match ticket.kind {
        OrderKind::Market => ("MKT", None, None),
        OrderKind::Limit { limit } => ("LMT", Some(limit), None),
        OrderKind::Stop { trigger } => ("STP", None, Some(trigger)),
        OrderKind::StopLimit { trigger, limit } => ("STP LMT", Some(limit), Some(trigger)),
        OrderKind::Trail { trigger, .. } => ("TRAIL", None, trigger),
    };
    let price = |price: Option<crate::domain::Price>| price.map(|price| price.to_string()).unwrap_or_default();
    let symbol = order.symbol.as_ref().map(ToString::to_string).unwrap_or_default();
    // Notes hold commas: they are quoted, and their quotes doubled.
    let note = order.note.replace('"', "\"\"");
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "{},{},{symbol},{:?},{},{},{name},{},{},{},{:?},{},{},\"{note}\"",
        ticket.order_ref.intent,
        order.at,
        ticket.role,
        ticket.side,
        ticket.quantity,
        price(limit),
        price(trigger),
        ticket.tif.as_str(),
        order.state,
        order.filled,
        order.reference,
    );
}
