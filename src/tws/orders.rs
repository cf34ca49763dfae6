//! Tickets into the API's orders, and the API's orders and executions into our words.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono_tz::Tz;
use ibapi::contracts::{Contract as ApiContract, SecurityType};
use ibapi::orders::{
    Action, CommissionReport, ExecutionData, ExecutionSide, OcaType, Order, OrderData, OrderStatus,
    TimeInForce as ApiTif,
};
use rust_decimal::Decimal;
use tracing::{error, warn};

use super::zones::parse_instant;
use crate::domain::broker::{AccountId, BrokerOrder, BrokerStatus, Commission, Execution, ExecutionId, StatusReport};
use crate::domain::order::TrailBy;
use crate::domain::plain;
use crate::domain::{
    Contract, ContractId, MarketTime, OrderKind, Price, Shares, Side, Symbol, Ticket, TimeInForce, Usd,
};

/// Why a ticket cannot be written down in the API's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTicket {
    /// Not a positive number of shares.
    #[error("{0} shares cannot be ordered")]
    Quantity(Shares),
    /// A price that is not a positive number.
    #[error("{0} is no price to order at")]
    Price(Decimal),
    /// The ticket is for another contract than the one given with it.
    #[error("the ticket is for contract {ticket}, not for {given}")]
    Contract {
        /// The ticket's.
        ticket: ContractId,
        /// The one given.
        given: ContractId,
    },
}

/// The API's contract of one of ours: fully qualified, so that nothing is left to look up.
pub fn api_contract(contract: &Contract) -> ApiContract {
    ApiContract {
        contract_id: contract.id.0,
        symbol: contract.symbol.as_str().into(),
        security_type: contract.security_type.parse().unwrap_or(SecurityType::Stock),
        exchange: contract.exchange.as_str().into(),
        primary_exchange: contract.primary_exchange.as_str().into(),
        currency: contract.currency.as_str().into(),
        local_symbol: contract.local_symbol.clone(),
        trading_class: contract.trading_class.clone(),
        ..ApiContract::default()
    }
}

/// A positive price as the API's number: by its decimal text, which reads back as the same.
fn number(value: Decimal) -> Result<f64, BadTicket> {
    let number: f64 = value.to_string().parse().map_err(|_| BadTicket::Price(value))?;
    if number.is_finite() && number > 0.0 { Ok(number) } else { Err(BadTicket::Price(value)) }
}

/// The API's order of a ticket. Every field that IBKR could fill from a preset is stated.
///
/// # Errors
/// What cannot be ordered; nothing was sent.
pub fn api_order(ticket: &Ticket, contract: &Contract) -> Result<Order, BadTicket> {
    if ticket.contract != contract.id {
        return Err(BadTicket::Contract { ticket: ticket.contract, given: contract.id });
    }
    if ticket.quantity.0 <= 0 {
        return Err(BadTicket::Quantity(ticket.quantity));
    }
    let mut order = Order {
        order_id: ticket.order_id,
        action: match ticket.side {
            Side::Buy => Action::Buy,
            Side::Sell => Action::Sell,
        },
        total_quantity: number(Decimal::from(ticket.quantity.0))?,
        order_type: ticket.kind.as_str().to_owned(),
        tif: match ticket.tif {
            TimeInForce::Day => ApiTif::Day,
            TimeInForce::Gtc => ApiTif::GoodTillCanceled,
            TimeInForce::Ioc => ApiTif::ImmediateOrCancel,
        },
        outside_rth: ticket.outside_rth,
        account: ticket.account.to_string(),
        order_ref: ticket.order_ref.to_string(),
        parent_id: ticket.parent_id.unwrap_or(0),
        transmit: ticket.transmit,
        ..Order::default()
    };
    if let Some(group) = &ticket.oca_group {
        order.oca_group = group.to_string();
        // With block: IBKR holds one leg back while another may be filling (trading-rules 12).
        order.oca_type = OcaType::CancelWithBlock;
    }
    match ticket.kind {
        OrderKind::Market => {}
        OrderKind::Limit { limit } => order.limit_price = Some(number(limit.decimal())?),
        OrderKind::Stop { trigger } => order.aux_price = Some(number(trigger.decimal())?),
        OrderKind::StopLimit { trigger, limit } => {
            order.aux_price = Some(number(trigger.decimal())?);
            order.limit_price = Some(number(limit.decimal())?);
        }
        OrderKind::Trail { by, trigger } => {
            match by {
                TrailBy::Amount(amount) => order.aux_price = Some(number(amount.decimal())?),
                TrailBy::Percent(percent) => order.trailing_percent = Some(number(percent)?),
            }
            order.trail_stop_price = trigger.map(|price| number(price.decimal())).transpose()?;
        }
    }
    Ok(order)
}

/// The kind of an API order; `None` for one that this program never sends.
pub fn kind(order: &Order) -> Option<OrderKind> {
    // The API writes an unset price as 0 or leaves it out.
    let price = |value: Option<f64>| value.and_then(Price::from_f64).filter(|price| *price > Price::ZERO);
    let (limit, aux) = (price(order.limit_price), price(order.aux_price));
    match order.order_type.as_str() {
        "MKT" => Some(OrderKind::Market),
        "LMT" => limit.map(|limit| OrderKind::Limit { limit }),
        "STP" => aux.map(|trigger| OrderKind::Stop { trigger }),
        "STP LMT" => Some(OrderKind::StopLimit { trigger: aux?, limit: limit? }),
        "TRAIL" => {
            let percent = price(order.trailing_percent).map(|percent| TrailBy::Percent(percent.decimal()));
            let by = percent.or(aux.map(TrailBy::Amount))?;
            Some(OrderKind::Trail { by, trigger: price(order.trail_stop_price) })
        }
        _ => None,
    }
}

fn tif(tif: &ApiTif) -> Option<TimeInForce> {
    match tif.as_str() {
        "DAY" => Some(TimeInForce::Day),
        "GTC" => Some(TimeInForce::Gtc),
        "IOC" => Some(TimeInForce::Ioc),
        _ => None,
    }
}

/// A label for whatever the account holds: symbols of other markets are forced into ours.
pub fn label(text: &str) -> Symbol {
    let fitting: String = text
        .to_ascii_uppercase()
        .chars()
        .map(|c| if c.is_ascii_uppercase() || c.is_ascii_digit() || ".-/ ".contains(c) { c } else { '-' })
        .take(24)
        .collect();
    // What is left empty gets a text that surely parses.
    fitting.parse().or_else(|_| "UNKNOWN".parse()).unwrap_or_else(|_| unreachable!("a plain word is a symbol"))
}

/// A whole number of shares; fractions (of foreign orders and holdings) are cut off.
fn shares(value: f64, of: &str) -> Shares {
    if value.fract() != 0.0 {
        warn!(value, of, "fractional quantity; the fraction is not ours");
    }
    // The cast saturates, and a NaN becomes 0.
    #[allow(clippy::cast_possible_truncation, reason = "saturates by definition")]
    Shares((value.trunc() as i64).clamp(-Shares::MOST, Shares::MOST))
}

/// An order that works or may work.
pub fn open_order(data: &OrderData) -> BrokerOrder {
    let order = &data.order;
    let quantity = shares(order.total_quantity, "an open order");
    let filled = shares(order.filled_quantity, "an open order");
    broker_order(data, quantity, (!filled.is_zero()).then_some(filled))
}

/// An order that ended. Its quantity on the wire is what was left of it.
pub fn completed_order(data: &OrderData) -> BrokerOrder {
    let filled = shares(data.order.filled_quantity, "a completed order");
    broker_order(data, shares(data.order.total_quantity, "a completed order") + filled, Some(filled))
}

fn broker_order(data: &OrderData, quantity: Shares, filled: Option<Shares>) -> BrokerOrder {
    let (order, state) = (&data.order, &data.order_state);
    let notes = [&state.warning_text, &state.reject_reason, &state.completed_status];
    BrokerOrder {
        client_id: order.client_id,
        // Completed orders carry it only inside.
        order_id: if data.order_id > 0 { data.order_id } else { order.order_id },
        perm_id: order.perm_id,
        account: AccountId(order.account.as_str().into()),
        contract: ContractId(data.contract.contract_id),
        symbol: label(data.contract.symbol.as_str()),
        order_ref: order.order_ref.as_str().into(),
        side: match order.action {
            Action::Buy => Side::Buy,
            Action::Sell | Action::SellShort | Action::SellLong => Side::Sell,
        },
        quantity,
        filled,
        kind: kind(order),
        tif: tif(&order.tif),
        outside_rth: order.outside_rth,
        oca_group: order.oca_group.as_str().into(),
        parent_id: order.parent_id,
        status: BrokerStatus::from_word(state.status.as_str()),
        note: notes.into_iter().filter(|note| !note.is_empty()).map(|note| plain(note)).collect::<Vec<_>>().join("; "),
    }
}

/// A status.
pub fn status(status: &OrderStatus) -> StatusReport {
    StatusReport {
        client_id: status.client_id,
        order_id: status.order_id,
        perm_id: status.perm_id,
        status: BrokerStatus::from_word(status.status.as_str()),
        filled: shares(status.filled, "an order status"),
        remaining: shares(status.remaining, "an order status"),
        why_held: Some(plain(&status.why_held)).filter(|why| !why.is_empty()),
    }
}

/// The newest broker time known, for executions whose own time cannot be read.
#[derive(Debug, Default)]
pub struct LatestTime(AtomicI64);

impl LatestTime {
    /// Remembers a broker time; never goes back.
    pub fn saw(&self, at: MarketTime) {
        self.0.fetch_max(at.millis(), Ordering::Relaxed);
    }

    /// The newest seen.
    pub fn get(&self) -> MarketTime {
        MarketTime::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// A fill. `None`, with an error logged, for one without a whole share or a price: there is
/// nothing to book, and positions will show the difference.
///
/// A time that cannot be read must not lose the fill: the newest broker time takes its place.
pub fn execution(data: &ExecutionData, latest: &LatestTime) -> Option<Execution> {
    let execution = &data.execution;
    let id = ExecutionId(execution.execution_id.as_str().into());
    let quantity = shares(execution.shares, "an execution").abs();
    let price = Price::from_f64(execution.price);
    let (Some(price), false) = (price, quantity.is_zero()) else {
        error!(%id, shares = execution.shares, price = execution.price, "execution that cannot be booked");
        return None;
    };
    let at = parse_instant(&execution.time, Tz::America__New_York).unwrap_or_else(|| {
        error!(%id, time = %execution.time, "execution time that cannot be read; the latest broker time stands in");
        latest.get()
    });
    Some(Execution {
        id,
        at,
        account: AccountId(execution.account_number.as_str().into()),
        contract: ContractId(data.contract.contract_id),
        symbol: label(data.contract.symbol.as_str()),
        side: match execution.side {
            ExecutionSide::Bought => Side::Buy,
            ExecutionSide::Sold => Side::Sell,
        },
        quantity,
        price,
        client_id: execution.client_id,
        order_id: execution.order_id,
        perm_id: execution.perm_id,
        order_ref: execution.order_reference.as_str().into(),
        is_liquidation: execution.liquidation != 0,
    })
}

/// A fill's cost; `None`, with an error logged, where it is not a number.
pub fn commission(report: &CommissionReport) -> Option<Commission> {
    let execution = ExecutionId(report.execution_id.as_str().into());
    let Some(amount) = Usd::from_f64(report.commission) else {
        error!(%execution, commission = report.commission, "commission that is not a number");
        return None;
    };
    Some(Commission { execution, amount, currency: report.currency.as_str().into() })
}

#[cfg(test)]
#[path = "orders_tests.rs"]
mod tests;
