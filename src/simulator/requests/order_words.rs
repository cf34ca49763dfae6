//! Orders in TWS's words, both ways.

use rust_decimal::Decimal;

use super::{code, invalid};
use crate::domain::broker::AccountId;
use crate::domain::order::TrailBy;
use crate::domain::{ContractId, OrderKind, Price, Shares, Side, TimeInForce};
use crate::exchange::{NewOrder, Order, OrderKey, Status};
use crate::simulator::wire::orders as wire;

/// A refusal: TWS's code and words.
pub type Refused = (i32, String);

fn refuse(cause: impl AsRef<str>) -> Refused {
    (code::INVALID, invalid(cause.as_ref()))
}

/// A number that is set: TWS's clients write "unset" as absent, or as the largest double.
fn set(number: Option<f64>) -> Option<f64> {
    number.filter(|n| *n != f64::MAX)
}

fn text(field: &Option<String>) -> &str {
    field.as_deref().unwrap_or_default()
}

/// What TWS would do with an order and the simulator does not: refused, never ignored.
fn unserved(order: &wire::Order) -> Option<&'static str> {
    let on = |flag: Option<bool>| flag == Some(true);
    let number = |n: Option<f64>| set(n).is_some_and(|n| n != 0.0);
    let count = |n: Option<i32>| n.is_some_and(|n| n != 0 && n != i32::MAX);
    let asked = [
        (on(order.what_if), "what-if orders"),
        (on(order.all_or_none), "all-or-none orders"),
        (on(order.sweep_to_fill), "sweep-to-fill orders"),
        (on(order.block_order), "block orders"),
        (on(order.hidden), "hidden orders"),
        (on(order.post_only), "post-only orders"),
        (on(order.not_held), "orders not held"),
        (count(order.display_size), "iceberg orders"),
        (count(order.min_qty), "minimum quantities"),
        (number(order.discretionary_amt), "discretionary amounts"),
        (number(order.cash_qty), "cash quantities"),
        (number(order.percent_offset), "percent offsets"),
        (number(order.volatility), "volatility orders"),
        (count(order.scale_init_level_size), "scale orders"),
        (!order.conditions.is_empty(), "conditional orders"),
        (!text(&order.good_after_time).is_empty(), "good-after times"),
        (!text(&order.good_till_date).is_empty(), "good-till dates"),
        (!text(&order.algo_strategy).is_empty(), "algorithmic orders"),
        (!text(&order.hedge_type).is_empty(), "hedging orders"),
        (!text(&order.fa_group).is_empty(), "advisor groups"),
        (!text(&order.model_code).is_empty(), "models"),
        (!matches!(text(&order.adjusted_order_type), "" | "None"), "adjusted orders"),
    ];
    asked.into_iter().find(|(wanted, _)| *wanted).map(|(_, what)| what)
}

/// Reads an order as a client places it.
///
/// # Errors
/// TWS's code and words for what is wrong with it, before the exchange sees it.
pub fn read(key: OrderKey, contract: ContractId, own: &AccountId, order: &wire::Order) -> Result<NewOrder, Refused> {
    if let Some(what) = unserved(order) {
        return Err(refuse(format!("The simulator does not serve {what}")));
    }
    let side = match text(&order.action) {
        "BUY" => Side::Buy,
        "SELL" | "SSHORT" | "SLONG" => Side::Sell,
        other => return Err(refuse(format!("Invalid action: \"{other}\""))),
    };
    let account = text(&order.account);
    if !account.is_empty() && account != own.0 {
        return Err(refuse(format!("Invalid account code '{account}'")));
    }
    let tif = match text(&order.tif) {
        "" | "DAY" => TimeInForce::Day,
        "GTC" => TimeInForce::Gtc,
        "IOC" => TimeInForce::Ioc,
        other => return Err(refuse(format!("Invalid time in force: \"{other}\""))),
    };
    Ok(NewOrder {
        key,
        account: own.clone(),
        contract,
        side,
        quantity: quantity(text(&order.total_quantity))?,
        kind: kind(order)?,
        tif,
        outside_rth: order.outside_rth.unwrap_or(false),
        oca_group: text(&order.oca_group).to_owned(),
        parent_id: order.parent_id.filter(|id| *id != 0),
        transmit: order.transmit.unwrap_or(false),
        order_ref: text(&order.order_ref).to_owned(),
    })
}

/// The most shares that one order can be for.
const MOST: i64 = 1_000_000_000;

fn quantity(text: &str) -> Result<Shares, Refused> {
    let bad = || refuse(format!("The size value should be a positive number: \"{text}\""));
    let number: Decimal = text.parse().map_err(|_| bad())?;
    if !number.fract().is_zero() {
        // TWS's own code for it.
        let text =
            "Fractional-sized order cannot be placed via API. Please refer to desktop Platform to place this order.";
        return Err((10_243, text.to_owned()));
    }
    let whole = i64::try_from(number).ok().filter(|n| (1..=MOST).contains(n));
    whole.map(Shares).ok_or_else(bad)
}

fn price(number: Option<f64>, name: &str) -> Result<Price, Refused> {
    let bad = || refuse(format!("Invalid {name}"));
    let price = set(number).and_then(Price::from_f64).ok_or_else(bad)?;
    if price > Price::ZERO { Ok(price) } else { Err(bad()) }
}

fn kind(order: &wire::Order) -> Result<OrderKind, Refused> {
    Ok(match text(&order.order_type) {
        "MKT" => OrderKind::Market,
        "LMT" => OrderKind::Limit { limit: price(order.lmt_price, "limit price")? },
        "STP" => OrderKind::Stop { trigger: price(order.aux_price, "stop price")? },
        "STP LMT" => OrderKind::StopLimit {
            trigger: price(order.aux_price, "stop price")?,
            limit: price(order.lmt_price, "limit price")?,
        },
        "TRAIL" => {
            let by = match set(order.trailing_percent).filter(|n| *n != 0.0) {
                Some(percent) => TrailBy::Percent(share(percent)?),
                None => TrailBy::Amount(price(order.aux_price, "trailing amount")?),
            };
            let trigger = set(order.trail_stop_price).filter(|n| *n != 0.0);
            let trigger = trigger.map(|n| price(Some(n), "trailing stop price")).transpose()?;
            OrderKind::Trail { by, trigger }
        }
        other => {
            let text = format!("Unsupported order type for this exchange and security type: {other}");
            return Err((387, text));
        }
    })
}

fn share(percent: f64) -> Result<Decimal, Refused> {
    let exact = Price::from_f64(percent).map(|number| number.0);
    let sane = exact.filter(|n| *n > Decimal::ZERO && *n < Decimal::ONE_HUNDRED);
    sane.ok_or_else(|| refuse("Invalid trailing percent"))
}

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

/// An order's status message.
pub fn order_status(order: &Order) -> wire::OrderStatus {
    let of = |price: Option<Price>| Some(price.map_or(0.0, Price::to_f64));
    wire::OrderStatus {
        order_id: Some(order.order.key.order_id),
        status: Some(status(order.status).to_owned()),
        filled: Some(order.filled.to_string()),
        remaining: Some((order.order.quantity - order.filled).to_string()),
        avg_fill_price: of(order.average_price),
        perm_id: Some(order.perm_id),
        parent_id: Some(order.order.parent_id.unwrap_or(0)),
        last_fill_price: of(order.last_price),
        client_id: Some(order.order.key.client_id),
        why_held: None,
        mkt_cap_price: Some(0.0),
    }
}

/// An order's terms.
pub fn terms(order: &Order) -> wire::Order {
    let placed = &order.order;
    let word = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let mut terms = wire::Order {
        client_id: Some(placed.key.client_id),
        order_id: Some(placed.key.order_id),
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
    match placed.kind {
        OrderKind::Market => {}
        OrderKind::Limit { limit } => terms.lmt_price = Some(limit.to_f64()),
        OrderKind::Stop { trigger } => terms.aux_price = Some(trigger.to_f64()),
        OrderKind::StopLimit { trigger, limit } => {
            terms.aux_price = Some(trigger.to_f64());
            terms.lmt_price = Some(limit.to_f64());
        }
        OrderKind::Trail { by, trigger } => {
            match by {
                TrailBy::Amount(amount) => terms.aux_price = Some(amount.to_f64()),
                TrailBy::Percent(percent) => terms.trailing_percent = Some(Price(percent).to_f64()),
            }
            terms.trail_stop_price = trigger.map(Price::to_f64);
        }
    }
    terms
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> wire::Order {
        wire::Order {
            action: Some("BUY".into()),
            total_quantity: Some("10".into()),
            order_type: Some("LMT".into()),
            lmt_price: Some(226.08),
            tif: Some("GTC".into()),
            transmit: Some(true),
            ..wire::Order::default()
        }
    }

    fn read(order: &wire::Order) -> Result<NewOrder, Refused> {
        let key = OrderKey { client_id: 1, order_id: 2 };
        super::read(key, ContractId(3), &AccountId("DU1".into()), order)
    }

    #[test]
    fn what_ibkrs_own_client_leaves_unset_is_unset() {
        let unset = wire::Order {
            aux_price: Some(f64::MAX),
            trail_stop_price: Some(f64::MAX),
            min_qty: Some(i32::MAX),
            cash_qty: Some(f64::MAX),
            parent_id: Some(0),
            exempt_code: Some(-1),
            adjusted_order_type: Some("None".into()),
            ..order()
        };
        let placed = read(&unset).unwrap();
        assert_eq!(placed.kind, OrderKind::Limit { limit: "226.08".parse().unwrap() });
        assert_eq!((placed.parent_id, placed.tif, placed.account.0.as_str()), (None, TimeInForce::Gtc, "DU1"));
    }

    #[test]
    fn what_is_not_served_is_refused_not_ignored() {
        let cases = [
            (wire::Order { what_if: Some(true), ..order() }, 321),
            (wire::Order { conditions: vec![vec![]], ..order() }, 321),
            (wire::Order { tif: Some("GTD".into()), ..order() }, 321),
            (wire::Order { account: Some("U9".into()), ..order() }, 321),
            (wire::Order { order_type: Some("MIDPRICE".into()), ..order() }, 387),
            (wire::Order { lmt_price: None, ..order() }, 321),
            (wire::Order { lmt_price: Some(-1.0), ..order() }, 321),
            (wire::Order { total_quantity: Some("0".into()), ..order() }, 321),
            (wire::Order { total_quantity: Some("1.5".into()), ..order() }, 10_243),
            (wire::Order { total_quantity: Some("79228162514264337593543950335".into()), ..order() }, 321),
            (wire::Order { total_quantity: None, ..order() }, 321),
            (wire::Order { action: None, ..order() }, 321),
        ];
        for (order, code) in cases {
            assert_eq!(read(&order).map_err(|(code, _)| code), Err(code), "{order:?}");
        }
    }
}
