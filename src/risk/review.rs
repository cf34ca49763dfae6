//! The review that every order passes, and the proof that it did.

#![deny(clippy::float_arithmetic)]

use std::sync::Arc;

use rust_decimal::Decimal;

use super::{Limits, Refusal};
use crate::domain::order::Role;
use crate::domain::ticket::Ticket;
use crate::domain::{Price, Shares, Usd};

/// An order that [`review`] let pass. There is no other way to make one.
#[derive(Debug, Clone, PartialEq)]
pub struct ApprovedOrder(Arc<Ticket>);

impl ApprovedOrder {
    /// The order.
    pub fn ticket(&self) -> &Arc<Ticket> {
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
/// every limit, and every value that a limit is measured with: only they ask for the exposure.
///
/// # Errors
/// The first limit that it breaks, with its numbers.
pub fn review(
    proposal: Proposal,
    limits: &Limits,
    exposure: impl FnOnce() -> Exposure,
) -> Result<ApprovedOrder, Refusal> {
    let ticket = &proposal.ticket;
    if ticket.quantity.0 <= 0 {
        return Err(Refusal::Quantity { quantity: ticket.quantity });
    }
    for price in [Some(proposal.reference), proposal.price].into_iter().flatten() {
        if price <= Price::ZERO {
            return Err(Refusal::BadPrice { price });
        }
    }
    match ticket.role {
        Role::Exit | Role::Stop | Role::Target => {}
        Role::Entry => entry(&proposal, limits, &exposure())?,
    }
    Ok(ApprovedOrder(Arc::new(proposal.ticket)))
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
    let limit = Usd::of(equity.decimal().max(Decimal::ZERO) * limits.max_leverage);
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

#[cold]
fn unknown(what: &str) -> Refusal {
    Refusal::Unknown { what: what.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::broker::AccountId;
    use crate::domain::{ContractId, OrderKind, OrderRef, Side, TimeInForce};

    fn usd(value: i64) -> Usd {
        Usd::of(Decimal::from(value))
    }

    fn proposal(role: Role, side: Side, quantity: i64, price: Option<i64>) -> Proposal {
        let ticket = Ticket {
            order_id: 1,
            order_ref: OrderRef { ledger: "test".into(), intent: 1 },
            account: AccountId("DU1".into()),
            contract: ContractId(1),
            role,
            side,
            quantity: Shares(quantity),
            kind: OrderKind::Market,
            tif: TimeInForce::Day,
            outside_rth: false,
            oca_group: None,
            parent_id: None,
            transmit: true,
        };
        Proposal { ticket, reference: Price::of(Decimal::from(100)), price: price.map(|p| Price::of(Decimal::from(p))) }
    }

    fn calm() -> Exposure {
        Exposure {
            position: Shares::ZERO,
            gross: Some(Usd::ZERO),
            open_elsewhere: 0,
            equity: Some(usd(100_000)),
            day_equity: Some(usd(100_000)),
            day_entered: Usd::ZERO,
            recent_entries: 0,
            available_funds: Some(usd(100_000)),
            day_trades_remaining: None,
            locked: None,
        }
    }

    /// Buys so many shares at 100 after `change` to the calm exposure; the refusal's name, if any.
    fn buy(quantity: i64, limits: &Limits, change: impl FnOnce(&mut Exposure)) -> Option<Refusal> {
        let mut exposure = calm();
        change(&mut exposure);
        review(proposal(Role::Entry, Side::Buy, quantity, None), limits, || exposure.clone()).err()
    }

    #[test]
    fn every_limit_lets_its_boundary_pass_and_refuses_one_step_beyond() {
        let limits = Limits::default();
        let no = |refusal: Option<Refusal>| refusal.is_none();
        assert!(no(buy(100, &limits, |_| {})));
        assert!(matches!(buy(101, &limits, |_| {}), Some(Refusal::OrderNotional { .. })));
        let entered = |usd_entered| move |e: &mut Exposure| e.day_entered = usd(usd_entered);
        assert!(no(buy(100, &limits, entered(490_000))));
        assert!(matches!(buy(100, &limits, entered(490_001)), Some(Refusal::DailyNotional { .. })));
        let held = |shares| move |e: &mut Exposure| e.position = Shares(shares);
        assert!(no(buy(100, &limits, held(100))));
        assert!(matches!(buy(100, &limits, held(101)), Some(Refusal::PositionNotional { .. })));
        let gross = |worth| move |e: &mut Exposure| e.gross = Some(usd(worth));
        assert!(no(buy(100, &limits, gross(90_000))));
        assert!(matches!(buy(100, &limits, gross(90_001)), Some(Refusal::GrossExposure { .. })));
        let open = |count| move |e: &mut Exposure| e.open_elsewhere = count;
        assert!(no(buy(1, &limits, open(29))));
        assert!(matches!(buy(1, &limits, open(30)), Some(Refusal::OpenPositions { .. })));
        let recent = |count| move |e: &mut Exposure| e.recent_entries = count;
        assert!(no(buy(1, &limits, recent(59))));
        assert!(matches!(buy(1, &limits, recent(60)), Some(Refusal::OrderRate { .. })));
        let funds = |left| move |e: &mut Exposure| e.available_funds = Some(usd(left));
        assert!(no(buy(100, &limits, funds(5_000))));
        assert!(matches!(buy(100, &limits, funds(4_999)), Some(Refusal::Funds { .. })));
        assert!(matches!(buy(1, &limits, |e| e.day_trades_remaining = Some(0)), Some(Refusal::DayTrades)));
        assert!(no(buy(1, &limits, |e| e.day_trades_remaining = Some(-1))));
    }

    #[test]
    fn a_loss_of_one_dollar_passes_and_one_of_the_limit_halts_entries() {
        let limits = Limits { max_daily_loss: Decimal::new(5, 3), ..Limits::default() };
        let equity = |usd_equity| move |e: &mut Exposure| e.equity = Some(usd(usd_equity));
        assert!(buy(1, &limits, equity(99_999)).is_none());
        assert!(buy(1, &limits, equity(99_501)).is_none());
        assert!(matches!(buy(1, &limits, equity(99_500)), Some(Refusal::DailyLoss { .. })));
    }

    #[test]
    fn what_is_unknown_refuses_an_entry_and_names_itself() {
        let limits = Limits::default();
        type Change = fn(&mut Exposure);
        let cases: [(&str, Change); 4] = [
            ("equity", |e| e.equity = None),
            ("worth of the open positions", |e| e.gross = None),
            ("equity at the day's start", |e| e.day_equity = None),
            ("available funds", |e| e.available_funds = None),
        ];
        for (name, change) in cases {
            assert_eq!(buy(1, &limits, change), Some(Refusal::Unknown { what: name.to_owned() }));
        }
    }

    #[test]
    fn prices_outside_the_collar_and_shorts_are_refused() {
        let limits = Limits::default();
        let entry = |side, price| review(proposal(Role::Entry, side, 1, price), &limits, calm).err();
        assert_eq!(entry(Side::Buy, Some(105)), None);
        assert!(matches!(entry(Side::Buy, Some(106)), Some(Refusal::Collar { .. })));
        assert!(matches!(entry(Side::Buy, Some(94)), Some(Refusal::Collar { .. })));
        assert!(matches!(entry(Side::Sell, None), Some(Refusal::Short { .. })));
        let shorts = Limits { allow_short: true, ..Limits::default() };
        assert!(review(proposal(Role::Entry, Side::Sell, 1, None), &shorts, calm).is_ok());
    }

    #[test]
    fn exits_and_stops_pass_every_limit_and_lock_but_not_nonsense() {
        let mut exposure = calm();
        exposure.locked = Some("the day's loss".into());
        exposure.equity = None;
        exposure.available_funds = None;
        for role in [Role::Exit, Role::Stop, Role::Target] {
            let sell = |quantity, price| {
                review(proposal(role, Side::Sell, quantity, price), &Limits::default(), || exposure.clone()).err()
            };
            assert_eq!(sell(1_000_000, Some(1)), None);
            assert!(matches!(sell(0, None), Some(Refusal::Quantity { .. })));
            assert!(matches!(sell(-5, None), Some(Refusal::Quantity { .. })));
            assert!(matches!(sell(1, Some(0)), Some(Refusal::BadPrice { .. })));
        }
        let refused = review(proposal(Role::Entry, Side::Buy, 1, None), &Limits::default(), || exposure.clone()).err();
        assert!(matches!(refused, Some(Refusal::Locked { .. })));
    }
}
