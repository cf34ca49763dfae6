//! The review that every order passes, and the proof that it did.

#![deny(clippy::float_arithmetic)]

use rust_decimal::Decimal;

use super::{Limits, Refusal};
use crate::domain::order::Role;
use crate::domain::ticket::Ticket;
use crate::domain::{Price, Shares, Usd};

/// An order that [`review`] let pass. There is no other way to make one.
#[derive(Debug, Clone, PartialEq)]
pub struct ApprovedOrder(Ticket);

impl ApprovedOrder {
    /// The order.
    pub fn ticket(&self) -> &Ticket {
        &self.0
    }
}

/// An order as the desk proposes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// The order.
    pub ticket: Ticket,
    /// The last close of its contract, USD a share.
    pub reference: Price,
    /// The price it may trade at, where it states one (limit), USD a share.
    pub price: Option<Price>,
}

/// What the limits are measured against: the book and the account as they are now, orders on
/// their way included.
#[derive(Debug, Clone, PartialEq)]
pub struct Exposure {
    /// Signed shares held and on their way in this contract.
    pub position: Shares,
    /// Worth of all positions and entries on their way, this contract's included, USD; unknown
    /// where a held contract has no price yet.
    pub gross: Option<Usd>,
    /// Contracts held or being entered, this one not counted.
    pub open_elsewhere: u32,
    /// The book's equity, USD.
    pub equity: Option<Usd>,
    /// Equity when the exchange day began, USD.
    pub day_equity: Option<Usd>,
    /// Worth of the day's entries so far, USD.
    pub day_entered: Usd,
    /// Entries within the last minute of market time.
    pub recent_entries: u32,
    /// The broker's available funds less our own reservations, USD.
    pub available_funds: Option<Usd>,
    /// Day trades remaining, where the broker reports them.
    pub day_trades_remaining: Option<i32>,
    /// Why entries are locked, if they are.
    pub locked: Option<String>,
}

/// Initial margin that an entry is taken to need, as a fraction of its worth: Regulation T.
const INITIAL_MARGIN: Decimal = Decimal::from_parts(5, 0, 0, false, 1);

/// Lets an order pass or says why not.
///
/// Exits and protective orders only need a positive quantity and positive prices. Entries need
/// every limit, and every value that a limit is measured with.
///
/// # Errors
/// The first limit that it breaks, with its numbers.
pub fn review(proposal: Proposal, limits: &Limits, exposure: &Exposure) -> Result<ApprovedOrder, Refusal> {
    let ticket = &proposal.ticket;
    if ticket.quantity.0 <= 0 {
        return Err(Refusal::Quantity { quantity: ticket.quantity });
    }
    for price in [Some(proposal.reference), proposal.price].into_iter().flatten() {
        if price.0 <= Decimal::ZERO {
            return Err(Refusal::BadPrice { price });
        }
    }
    match ticket.role {
        Role::Exit | Role::Stop | Role::Target => {}
        Role::Entry => entry(&proposal, limits, exposure)?,
    }
    Ok(ApprovedOrder(proposal.ticket))
}

fn entry(proposal: &Proposal, limits: &Limits, exposure: &Exposure) -> Result<(), Refusal> {
    let ticket = &proposal.ticket;
    if let Some(why) = &exposure.locked {
        return Err(Refusal::Locked { why: why.clone() });
    }
    let change = ticket.side.signed(ticket.quantity);
    let would_hold = exposure.position + change;
    if would_hold.0 < 0 && !limits.allow_short {
        return Err(Refusal::Short { would_be: would_hold });
    }
    let worst = worst_price(proposal);
    if let Some(price) = proposal.price {
        collar(price, proposal.reference, limits.price_collar)?;
    }
    within_notional(worst, change, would_hold, limits, exposure)?;
    if exposure.open_elsewhere >= limits.max_open_positions {
        return Err(Refusal::OpenPositions { open: exposure.open_elsewhere, limit: limits.max_open_positions });
    }
    if exposure.recent_entries >= limits.max_orders_per_minute {
        return Err(Refusal::OrderRate { sent: exposure.recent_entries, limit: limits.max_orders_per_minute });
    }
    daily_loss(limits, exposure)?;
    funds(worst * ticket.quantity, exposure)
}

/// The price at which the limits count an order: what it may trade at, where that is worse than
/// the last close.
fn worst_price(proposal: &Proposal) -> Price {
    proposal.price.map_or(proposal.reference, |price| price.max(proposal.reference))
}

fn collar(price: Price, reference: Price, width: Decimal) -> Result<(), Refusal> {
    let low = reference * (Decimal::ONE - width);
    let high = reference * (Decimal::ONE + width);
    if price < low || price > high { Err(Refusal::Collar { price, low, high }) } else { Ok(()) }
}

fn within_notional(
    price: Price,
    change: Shares,
    would_hold: Shares,
    limits: &Limits,
    exposure: &Exposure,
) -> Result<(), Refusal> {
    let notional = price * change.abs();
    if notional > limits.max_order_notional {
        return Err(Refusal::OrderNotional { notional, limit: limits.max_order_notional });
    }
    let would_be = exposure.day_entered + notional;
    if would_be > limits.max_daily_notional {
        return Err(Refusal::DailyNotional { would_be, limit: limits.max_daily_notional });
    }
    let would_be = price * would_hold.abs();
    if would_be > limits.max_position_notional {
        return Err(Refusal::PositionNotional { would_be, limit: limits.max_position_notional });
    }
    let equity = exposure.equity.ok_or_else(|| unknown("equity"))?;
    let would_be = exposure.gross.ok_or_else(|| unknown("worth of the open positions"))? + notional;
    let limit = Usd(equity.0.max(Decimal::ZERO) * limits.max_leverage);
    if would_be > limit {
        return Err(Refusal::GrossExposure { would_be, limit });
    }
    Ok(())
}

fn daily_loss(limits: &Limits, exposure: &Exposure) -> Result<(), Refusal> {
    let equity = exposure.equity.ok_or_else(|| unknown("equity"))?;
    let began = exposure.day_equity.ok_or_else(|| unknown("equity at the day's start"))?;
    let loss = began - equity;
    let limit = began.abs() * limits.max_daily_loss;
    if loss >= limit { Err(Refusal::DailyLoss { loss, limit }) } else { Ok(()) }
}

fn funds(notional: Usd, exposure: &Exposure) -> Result<(), Refusal> {
    let available = exposure.available_funds.ok_or_else(|| unknown("available funds"))?;
    let needed = notional * INITIAL_MARGIN;
    if needed > available {
        return Err(Refusal::Funds { needed, available });
    }
    // IBKR reports -1 where day trades are not limited.
    if exposure.day_trades_remaining == Some(0) {
        return Err(Refusal::DayTrades);
    }
    Ok(())
}

fn unknown(what: &str) -> Refusal {
    Refusal::Unknown { what: what.to_owned() }
}
