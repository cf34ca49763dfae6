//! Orders in TWS's words.

use crate::domain::order::TrailBy;
use crate::domain::{Price, Side, Usd};
use crate::exchange::{Held, Kind, Order, Status, Tif, WhatIf};
use crate::simulator::wire::orders as wire;
use crate::simulator::words;

/// TWS's word for where an order stands.
pub fn status(status: Status) -> &'static str {
    match status {
        Status::Untransmitted => "ApiPending",
        Status::PreSubmitted => "PreSubmitted",
        Status::Submitted => "Submitted",
        Status::Filled => "Filled",
        Status::Cancelled => "Cancelled",
        Status::Rejected => "Inactive",
    }
}

/// The id under which clients know an order: 0 for one placed by hand that nobody has bound.
pub fn shown_id(order: &Order) -> i32 {
    if order.manual && !order.bound { 0 } else { order.order.key.order_id }
}

/// An order's status message; `stands` is where it stands for its client.
pub fn order_status(order: &Order, stands: Status) -> wire::OrderStatus {
    let of = |price: Option<Price>| Some(price.map_or(0.0, Price::to_f64));
    wire::OrderStatus {
        order_id: Some(shown_id(order)),
        status: Some(status(stands).to_owned()),
        filled: Some(order.filled.to_string()),
        remaining: Some((order.order.quantity - order.filled).to_string()),
        avg_fill_price: of(order.average_price),
        perm_id: Some(order.perm_id),
        parent_id: Some(order.order.parent_id.unwrap_or(0)),
        last_fill_price: of(order.last_price),
        client_id: Some(order.order.key.client_id),
        why_held: (order.held == Some(Held::Locate)).then(|| "locate".to_owned()),
        mkt_cap_price: Some(0.0),
    }
}

/// An order's terms.
pub fn terms(order: &Order) -> wire::Order {
    let placed = &order.order;
    let word = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let mut terms = wire::Order {
        client_id: Some(placed.key.client_id),
        order_id: Some(shown_id(order)),
        perm_id: Some(order.perm_id),
        parent_id: Some(placed.parent_id.unwrap_or(0)),
        action: word(placed.side.as_str()),
        total_quantity: Some(placed.quantity.to_string()),
        display_size: Some(0),
        order_type: word(placed.kind.as_str()),
        tif: word(placed.tif.as_str()),
        account: word(&placed.account.0),
        outside_rth: Some(placed.outside_rth),
        oca_group: word(&placed.oca_group),
        oca_type: (!placed.oca_group.is_empty()).then_some(1),
        order_ref: word(&placed.order_ref),
        transmit: Some(placed.transmit),
        filled_quantity: Some(order.filled.to_string()),
        ..wire::Order::default()
    };
    if let Tif::Gtd(until) = placed.tif {
        terms.good_till_date = Some(words::date_time_zone(until));
    }
    terms.good_after_time = placed.good_after.map(words::date_time_zone);
    if let Some(algo) = &placed.algo {
        terms.algo_strategy = word(&algo.strategy);
        terms.algo_params = algo.params.clone();
    }
    write_prices(&mut terms, placed.kind, placed.side);
    terms
}

fn write_prices(terms: &mut wire::Order, kind: Kind, side: Side) {
    let mut trail = |by, trigger: Option<Price>| {
        match by {
            TrailBy::Amount(amount) => terms.aux_price = Some(Price::to_f64(amount)),
            TrailBy::Percent(percent) => terms.trailing_percent = Some(Price::of(percent).to_f64()),
        }
        terms.trail_stop_price = trigger.map(Price::to_f64);
    };
    match kind {
        Kind::Market | Kind::MarketOnClose => {}
        Kind::Limit { limit } | Kind::LimitOnClose { limit } => terms.lmt_price = Some(limit.to_f64()),
        Kind::Stop { trigger } | Kind::MarketIfTouched { trigger } => terms.aux_price = Some(trigger.to_f64()),
        Kind::StopLimit { trigger, limit } | Kind::LimitIfTouched { trigger, limit } => {
            terms.aux_price = Some(trigger.to_f64());
            terms.lmt_price = Some(limit.to_f64());
        }
        Kind::Trail { by, trigger } => trail(by, trigger),
        Kind::TrailLimit { by, trigger, offset } => {
            trail(by, trigger);
            terms.lmt_price_offset = Some(offset.to_f64());
            let limit = |trigger: Price| if side == Side::Sell { trigger - offset } else { trigger + offset };
            terms.lmt_price = trigger.map(|trigger| limit(trigger).to_f64());
        }
    }
}

/// What an order would do to the account, as an order's state carries it.
pub fn what_if_state(effect: &WhatIf) -> wire::OrderState {
    let (before, after) = (&effect.before, &effect.after);
    let amount = |amount: Usd| Some(amount.to_cent().to_f64());
    wire::OrderState {
        status: Some(status(Status::PreSubmitted).to_owned()),
        init_margin_before: amount(before.initial_margin),
        maint_margin_before: amount(before.maintenance_margin),
        equity_with_loan_before: amount(before.equity),
        init_margin_change: amount(after.initial_margin - before.initial_margin),
        maint_margin_change: amount(after.maintenance_margin - before.maintenance_margin),
        equity_with_loan_change: amount(after.equity - before.equity),
        init_margin_after: amount(after.initial_margin),
        maint_margin_after: amount(after.maintenance_margin),
        equity_with_loan_after: amount(after.equity),
        commission_and_fees: amount(effect.commission),
        // TWS's "unset": the commission is known, not estimated.
        min_commission_and_fees: Some(f64::MAX),
        max_commission_and_fees: Some(f64::MAX),
        commission_and_fees_currency: Some("USD".to_owned()),
        margin_currency: Some("USD".to_owned()),
        ..wire::OrderState::default()
    }
}
