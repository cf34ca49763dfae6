//! `orders.csv`: every order that was sent, and what became of it.

use std::fmt::Write as _;

use crate::domain::OrderKind;
use crate::domain::book::OrderRecord;
use crate::domain::order::TrailBy;

/// The columns.
pub(super) const HEADER: &str =
    "intent,time,symbol,role,side,quantity,type,limit,trigger,trail,time_in_force,state,filled,reference_price,note\n";

/// One order's row.
pub(super) fn line(order: &OrderRecord, text: &mut String) {
    let ticket = &order.ticket;
    let (limit, trigger, trail) = match ticket.kind {
        OrderKind::Market => (None, None, None),
        OrderKind::Limit { limit } => (Some(limit), None, None),
        OrderKind::Stop { trigger } => (None, Some(trigger), None),
        OrderKind::StopLimit { trigger, limit } => (Some(limit), Some(trigger), None),
        OrderKind::Trail { by, trigger } => (None, trigger, Some(by)),
    };
    // How far it follows behind: USD a share, or percent of the best price.
    let trail = match trail {
        None => String::new(),
        Some(TrailBy::Amount(distance)) => distance.to_string(),
        Some(TrailBy::Percent(percent)) => format!("{}%", percent.normalize()),
    };
    let price = |price: Option<crate::domain::Price>| price.map(|price| price.to_string()).unwrap_or_default();
    let symbol = order.symbol.as_ref().map(ToString::to_string).unwrap_or_default();
    // Notes hold commas: they are quoted, and their quotes doubled.
    let note = order.note.replace('"', "\"\"");
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "{},{},{symbol},{:?},{},{},{},{},{},{trail},{},{:?},{},{},\"{note}\"",
        ticket.order_ref.intent,
        order.at,
        ticket.role,
        ticket.side,
        ticket.quantity,
        ticket.kind.as_str(),
        price(limit),
        price(trigger),
        ticket.tif.as_str(),
        order.state,
        order.filled,
        order.reference,
    );
}
