//! Reading orders as clients write them.
//!
//! What TWS would do with an order and the simulator does not is refused in words, never ignored.

use rust_decimal::Decimal;

use super::{code, invalid};
use crate::domain::broker::AccountId;
use crate::domain::order::TrailBy;
use crate::domain::{ContractId, MarketTime, Price, Shares, Side};
use crate::exchange::{Algo, Kind, NewOrder, OrderKey, Tif};
use crate::simulator::wire::orders as wire;
use crate::simulator::words;

/// A refusal or a warning: TWS's code and words.
pub type Notice = (i32, String);

/// An order as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// What goes to the exchange.
    pub order: NewOrder,
    /// What TWS says of it although it takes it.
    pub warnings: Vec<Notice>,
    /// Only its effect on the account is asked for.
    pub what_if: bool,
}

/// What an order is read against.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Its name.
    pub key: OrderKey,
    /// What it trades.
    pub contract: ContractId,
    /// The one account.
    pub own: &'a AccountId,
    /// Market time.
    pub now: MarketTime,
    /// Whether there are hours outside the regular ones.
    pub has_hours: bool,
}

/// TWS's word that a preset has filled in the time in force.
const PRESET_TIF: i32 = 10_349;
/// TWS's word that it ignores an attribute.
const IGNORED: i32 = 2_109;

fn refuse(cause: impl AsRef<str>) -> Notice {
    (code::INVALID, invalid(cause.as_ref()))
}

fn unserved(what: &str) -> Notice {
    refuse(format!("The simulator does not serve {what}"))
}

/// A number that is set: TWS's clients write "unset" as absent, or as the largest double.
fn set(number: Option<f64>) -> Option<f64> {
    number.filter(|n| *n != f64::MAX)
}

fn text(field: &Option<String>) -> &str {
    field.as_deref().unwrap_or_default()
}

/// The first thing asked for that is not served.
fn unserved_part(order: &wire::Order) -> Option<&'static str> {
    let on = |flag: Option<bool>| flag == Some(true);
    let number = |n: Option<f64>| set(n).is_some_and(|n| n != 0.0);
    let count = |n: Option<i32>| n.is_some_and(|n| n != 0 && n != i32::MAX);
    let said = |field: &Option<String>| !matches!(text(field), "" | "None");
    let asked = [
        (!order.conditions.is_empty(), "order conditions"),
        (on(order.all_or_none), "all-or-none orders"),
        (on(order.sweep_to_fill), "sweep-to-fill orders"),
        (on(order.block_order), "block orders"),
        (on(order.hidden), "hidden orders"),
        (on(order.post_only), "post-only orders"),
        (on(order.not_held), "orders not held"),
        (on(order.solicited), "solicited orders"),
        (on(order.randomize_size) || on(order.randomize_price), "randomized sizes and prices"),
        (on(order.discretionary_up_to_limit_price), "discretionary orders"),
        (on(order.is_oms_container), "OMS containers"),
        (on(order.auto_cancel_parent) || said(&order.auto_cancel_date), "automatic cancels"),
        (on(order.imbalance_only), "imbalance-only orders"),
        (on(order.include_overnight), "overnight trading"),
        (on(order.deactivate), "deactivated orders"),
        (on(order.allow_pre_open) || on(order.ignore_open_auction), "auction instructions"),
        (on(order.continuous_update) || count(order.reference_price_type), "volatility orders"),
        (count(order.display_size), "iceberg orders"),
        (count(order.min_qty) || count(order.min_trade_qty) || count(order.min_compete_size), "minimum quantities"),
        (number(order.compete_against_best_offset), "pegged orders"),
        (number(order.mid_offset_at_whole) || number(order.mid_offset_at_half), "pegged orders"),
        (count(order.reference_contract_id) || number(order.starting_price), "pegged orders"),
        (number(order.stock_ref_price) || number(order.delta), "pegged orders"),
        (number(order.stock_range_lower) || number(order.stock_range_upper), "pegged orders"),
        (count(order.duration), "durations"),
        (count(order.post_to_ats), "posting to an ATS"),
        (number(order.discretionary_amt), "discretionary amounts"),
        (number(order.cash_qty), "cash quantities"),
        (number(order.percent_offset), "percent offsets"),
        (number(order.volatility) || count(order.volatility_type), "volatility orders"),
        (count(order.scale_init_level_size) || count(order.scale_subs_level_size), "scale orders"),
        (said(&order.active_start_time) || said(&order.active_stop_time), "active times"),
        (said(&order.hedge_type), "hedging orders"),
        (said(&order.delta_neutral_order_type), "delta-neutral orders"),
        (said(&order.fa_group) || said(&order.fa_percentage), "advisor groups"),
        (said(&order.model_code), "models"),
        (said(&order.designated_location), "designated locations"),
        (said(&order.rule80_a), "rule 80A"),
        (said(&order.adjusted_order_type), "adjusted orders"),
        (number(order.trigger_price) || number(order.adjusted_stop_price), "adjusted orders"),
        (order.trigger_method.is_some_and(|n| !matches!(n, 0 | 2 | i32::MAX)), "trigger methods but the last price"),
        (order.origin.is_some_and(|n| !matches!(n, 0 | i32::MAX)), "orders of firms"),
        (order.oca_type.is_some_and(|n| !matches!(n, 0..=3 | i32::MAX)), "that OCA type"),
    ];
    asked.into_iter().find(|(wanted, _)| *wanted).map(|(_, what)| what)
}

/// Reads an order as a client places it.
///
/// # Errors
/// TWS's code and words for what is wrong with it, before the exchange sees it.
pub fn read(context: Context<'_>, order: &wire::Order) -> Result<Reading, Notice> {
    if let Some(what) = unserved_part(order) {
        return Err(unserved(what));
    }
    let Context { key, contract, own, now, has_hours } = context;
    let side = match text(&order.action) {
        "BUY" => Side::Buy,
        "SELL" | "SSHORT" | "SLONG" => Side::Sell,
        other => return Err(refuse(format!("Invalid action: \"{other}\""))),
    };
    let account = text(&order.account);
    if !account.is_empty() && *account != *own.0 {
        return Err(refuse(format!("Invalid account code '{account}'")));
    }
    let kind = kind(order)?;
    let mut warnings = Vec::new();
    if text(&order.tif).is_empty() {
        warnings.push((PRESET_TIF, "Order TIF was set to DAY based on order preset.".to_owned()));
    }
    let mut outside_rth = order.outside_rth.unwrap_or(false);
    let regular_only = matches!(kind, Kind::Market | Kind::MarketOnClose | Kind::LimitOnClose { .. });
    if outside_rth && regular_only && has_hours {
        outside_rth = false;
        let ignored = "Order Event Warning:Attribute 'Outside Regular Trading Hours' is ignored based on the order \
                       type and destination. PlaceOrder is now being processed.";
        warnings.push((IGNORED, ignored.to_owned()));
    }
    let placed = NewOrder {
        key,
        account: own.clone(),
        contract,
        side,
        quantity: quantity(text(&order.total_quantity))?,
        kind,
        tif: tif(order, now)?,
        good_after: time(&order.good_after_time, "Good After Time")?,
        outside_rth,
        oca_group: text(&order.oca_group).into(),
        parent_id: order.parent_id.filter(|id| *id != 0),
        transmit: order.transmit.unwrap_or(false),
        order_ref: text(&order.order_ref).into(),
        algo: algo(order, kind)?,
    };
    Ok(Reading { order: placed, warnings, what_if: order.what_if == Some(true) })
}

fn time(field: &Option<String>, name: &str) -> Result<Option<MarketTime>, Notice> {
    let written = text(field).trim();
    if written.is_empty() {
        return Ok(None);
    }
    let bad = || refuse(format!("Invalid {name}: \"{written}\"; write yyyymmdd hh:mm:ss xx/xxxx"));
    words::parse_date_time(written).map(Some).ok_or_else(bad)
}

fn tif(order: &wire::Order, now: MarketTime) -> Result<Tif, Notice> {
    let until = time(&order.good_till_date, "Good Till Date")?;
    match (text(&order.tif), until) {
        ("GTD", Some(until)) if until > now => Ok(Tif::Gtd(until)),
        ("GTD", Some(_)) => Err(refuse("Good Till Date is in the past")),
        ("GTD", None) => Err(refuse("Good Till Date is missing")),
        (other, Some(_)) => Err(refuse(format!("Good Till Date needs the time in force GTD, not \"{other}\""))),
        ("" | "DAY", None) => Ok(Tif::Day),
        ("GTC", None) => Ok(Tif::Gtc),
        ("IOC", None) => Ok(Tif::Ioc),
        ("FOK", None) => Ok(Tif::Fok),
        (other, None) => Err(unserved(&format!("the time in force \"{other}\""))),
    }
}

/// Of the algorithms only the adaptive one is taken; it works as its type alone says.
fn algo(order: &wire::Order, kind: Kind) -> Result<Option<Algo>, Notice> {
    match text(&order.algo_strategy) {
        "" => Ok(None),
        "Adaptive" if matches!(kind, Kind::Market | Kind::Limit { .. }) => {
            let priority = order.algo_params.get("adaptivePriority").map_or("Normal", String::as_str);
            if !matches!(priority, "Urgent" | "Normal" | "Patient") {
                return Err(refuse(format!("Invalid adaptivePriority: \"{priority}\"; use Urgent, Normal or Patient")));
            }
            Ok(Some(Algo { strategy: "Adaptive".to_owned(), params: order.algo_params.clone() }))
        }
        "Adaptive" => Err(refuse(format!("The algorithm Adaptive is not for the order type {}", kind.as_str()))),
        other => Err(unserved(&format!("the algorithm \"{other}\""))),
    }
}

/// The most shares that one order can be for.
const MOST: i64 = 1_000_000_000;

fn quantity(text: &str) -> Result<Shares, Notice> {
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

fn price(number: Option<f64>, name: &str) -> Result<Price, Notice> {
    let bad = || refuse(format!("Invalid {name}"));
    let price = set(number).and_then(Price::from_f64).ok_or_else(bad)?;
    if price > Price::ZERO { Ok(price) } else { Err(bad()) }
}

fn kind(order: &wire::Order) -> Result<Kind, Notice> {
    let limit = || price(order.lmt_price, "limit price");
    let trigger = || price(order.aux_price, "stop price");
    Ok(match text(&order.order_type) {
        "MKT" => Kind::Market,
        "LMT" => Kind::Limit { limit: limit()? },
        "STP" => Kind::Stop { trigger: trigger()? },
        "STP LMT" | "STPLMT" => Kind::StopLimit { trigger: trigger()?, limit: limit()? },
        "TRAIL" => Kind::Trail { by: distance(order)?, trigger: trail_trigger(order)? },
        "TRAIL LIMIT" | "TRAILLMT" => {
            let trigger = trail_trigger(order)?;
            Kind::TrailLimit { by: distance(order)?, trigger, offset: offset(order, trigger)? }
        }
        "MOC" => Kind::MarketOnClose,
        "LOC" => Kind::LimitOnClose { limit: limit()? },
        "MIT" => Kind::MarketIfTouched { trigger: trigger()? },
        "LIT" => Kind::LimitIfTouched { trigger: trigger()?, limit: limit()? },
        other => {
            let text = format!("Unsupported order type for this exchange and security type: {other}");
            return Err((387, text));
        }
    })
}

fn distance(order: &wire::Order) -> Result<TrailBy, Notice> {
    match set(order.trailing_percent).filter(|n| *n != 0.0) {
        Some(percent) => share(percent).map(TrailBy::Percent),
        None => price(order.aux_price, "trailing amount").map(TrailBy::Amount),
    }
}

fn trail_trigger(order: &wire::Order) -> Result<Option<Price>, Notice> {
    let trigger = set(order.trail_stop_price).filter(|n| *n != 0.0);
    trigger.map(|n| price(Some(n), "trailing stop price")).transpose()
}

/// How far the limit of a trailing limit order is from its trigger: said, or by both prices.
fn offset(order: &wire::Order, trigger: Option<Price>) -> Result<Price, Notice> {
    let bad = || refuse("A TRAIL LIMIT order needs a limit price offset, or a stop price and a limit price");
    if let Some(offset) = set(order.lmt_price_offset) {
        return Price::from_f64(offset).filter(|offset| *offset >= Price::ZERO).ok_or_else(bad);
    }
    let limit = set(order.lmt_price).and_then(Price::from_f64).filter(|limit| *limit > Price::ZERO);
    let (limit, trigger) = limit.zip(trigger).ok_or_else(bad)?;
    Ok(Price::of((trigger - limit).decimal().abs()))
}

fn share(percent: f64) -> Result<Decimal, Notice> {
    let exact = Price::from_f64(percent).map(|number| number.decimal());
    let sane = exact.filter(|n| *n > Decimal::ZERO && *n < Decimal::ONE_HUNDRED);
    sane.ok_or_else(|| refuse("Invalid trailing percent"))
}

#[cfg(test)]
#[path = "order_reading_tests.rs"]
mod tests;
