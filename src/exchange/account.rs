//! An account's money and holdings, by average cost.
//!
//! Ledger invariant: cash + market value = starting cash + adjustments + realized + unrealized -
//! commissions, to the last digit.

#![deny(clippy::float_arithmetic)]

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::MarginPlan;
use crate::domain::{ContractId, Price, Shares, Side, Usd};

/// Digits after the point to which a part of a cost is rounded when it leaves a position. The
/// rest stays with the position, so that nothing is lost.
const COST_DIGITS: u32 = 8;

/// A holding's size and what it cost.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Position {
    /// Negative where short.
    pub(super) quantity: Shares,
    /// What was paid for it without fees; negative where short (received).
    cost: Usd,
    /// The fees of the trades that opened what is still held.
    fees: Usd,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Account {
    start: Usd,
    cash: Usd,
    realized: Usd,
    commissions: Usd,
    /// Cash that came or went beside trades.
    #[serde(default)]
    adjusted: Usd,
    positions: BTreeMap<ContractId, Position>,
}

/// A holding as the broker shows it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Holding {
    /// Shares, negative where short. Never zero.
    pub quantity: Shares,
    /// Average price paid (or received) a share, fees not included; positive.
    pub average_price: Price,
    /// Average cost a share with fees, as IBKR's position messages state it; positive.
    pub average_cost: Price,
    /// Latest price of the market; the average price where there is none yet.
    pub mark: Price,
    /// Quantity times mark; negative where short.
    pub market_value: Usd,
    /// Market value less what it cost, fees not included.
    pub unrealized: Usd,
}

/// An account as the broker shows it. All amounts in USD.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountView {
    /// What it was opened with.
    pub starting_cash: Usd,
    /// Cash that came or went beside trades: dividends, interest, fees.
    pub adjusted: Usd,
    /// Cash; below zero on credit.
    pub cash: Usd,
    /// What it holds; flat contracts are not listed.
    pub positions: BTreeMap<ContractId, Holding>,
    /// Profit of closed trades, fees not included.
    pub realized: Usd,
    /// Profit of open positions at their marks, fees not included.
    pub unrealized: Usd,
    /// Fees paid.
    pub commissions: Usd,
    /// Cash plus market value (IBKR: net liquidation, and equity with loan value).
    pub equity: Usd,
    /// What opening the positions takes.
    pub initial_margin: Usd,
    /// What holding them takes.
    pub maintenance_margin: Usd,
    /// Equity less initial margin.
    pub available_funds: Usd,
    /// Equity less maintenance margin.
    pub excess_liquidity: Usd,
    /// The value of stock that the available funds can open; never below zero.
    pub buying_power: Usd,
    /// Sum of the magnitudes of the positions' values.
    pub gross_position_value: Usd,
}

impl Account {
    pub(super) fn new(cash: Usd) -> Self {
        Self { start: cash, cash, ..Self::default() }
    }

    pub(super) fn position(&self, contract: ContractId) -> Shares {
        self.positions.get(&contract).map_or(Shares::ZERO, |held| held.quantity)
    }

    /// Cash comes or goes beside trades.
    pub(super) fn adjust(&mut self, amount: Usd) {
        self.cash += amount;
        self.adjusted += amount;
    }

    /// A position becomes `new` shares for each `old`, for the same cost; what is left of a share
    /// is dropped.
    pub(super) fn split(&mut self, contract: ContractId, new: u32, old: u32) {
        let Some(held) = self.positions.get_mut(&contract) else { return };
        let scaled = i128::from(held.quantity.0) * i128::from(new) / i128::from(old.max(1));
        held.quantity = Shares(i64::try_from(scaled).unwrap_or(held.quantity.0));
        if held.quantity.is_zero() {
            // Nothing is left of it: what it cost is lost.
            self.realized -= held.cost;
            self.positions.remove(&contract);
        }
    }

    /// A trade that was booked at `was` (price, shares) was really one at `is`. Of what is still
    /// held of it the cost changes, of the rest the realized profit; shares more or less are
    /// traded at the right price. Fees stay.
    pub(super) fn correct(&mut self, (contract, side): (ContractId, Side), was: (Price, Shares), is: (Price, Shares)) {
        let dearer = Price(is.0.0 - was.0.0);
        self.cash -= dearer * side.signed(was.1);
        let position = self.position(contract);
        let same_way = position.0.signum() == side.signed(Shares(1)).0;
        let held = if same_way { was.1.min(position.abs()) } else { Shares::ZERO };
        if let Some(known) = self.positions.get_mut(&contract).filter(|_| !held.is_zero()) {
            known.cost += dearer * side.signed(held);
        }
        self.realized -= dearer * side.signed(was.1 - held);
        let more = is.1 - was.1;
        if !more.is_zero() {
            let way = if more.0 > 0 { side } else { side.opposite() };
            // What it realizes belongs to the account; the fill itself keeps what it reported.
            let _realized = self.trade(contract, way, more.abs(), is.0, Usd::ZERO);
        }
    }

    /// Books a trade of `quantity` (positive) shares. Returns the profit it realized, fees
    /// included as IBKR reports it; `None` for a trade that only opened.
    pub(super) fn trade(
        &mut self,
        contract: ContractId,
        side: Side,
        quantity: Shares,
        price: Price,
        fee: Usd,
    ) -> Option<Usd> {
        let change = side.signed(quantity);
        self.cash -= price * change + fee;
        self.commissions += fee;
        let held = self.positions.entry(contract).or_default();
        let opposes = held.quantity.0.signum() * change.0.signum() < 0;
        let closing = if opposes { Shares(held.quantity.0.abs().min(quantity.0)) } else { Shares::ZERO };
        let closing_fee = part(fee, closing, quantity);
        let mut realized = None;
        if !closing.is_zero() {
            let cost = part(held.cost, closing, held.quantity.abs());
            let fees = part(held.fees, closing, held.quantity.abs());
            // What leaves the position at this price, against what it had cost.
            let profit = -(price * side.signed(closing)) - cost;
            held.cost -= cost;
            held.fees -= fees;
            self.realized += profit;
            realized = Some(profit - fees - closing_fee);
        }
        let opening = quantity - closing;
        held.cost += price * side.signed(opening);
        held.fees += fee - closing_fee;
        held.quantity += change;
        if held.quantity.is_zero() {
            self.positions.remove(&contract);
        }
        realized
    }

    /// The account at these marks.
    pub(super) fn view(&self, margin: MarginPlan, mark: impl Fn(ContractId) -> Option<Price>) -> AccountView {
        let positions: BTreeMap<_, _> =
            self.positions.iter().map(|(contract, held)| (*contract, held.at(mark(*contract)))).collect();
        let value: Usd = positions.values().map(|holding| holding.market_value).sum();
        let gross: Usd = positions.values().map(|holding| holding.market_value.abs()).sum();
        let equity = self.cash + value;
        let initial_margin = gross * margin.initial();
        let maintenance_margin =
            positions.values().map(|holding| holding.market_value.abs() * margin.maintenance(holding.quantity)).sum();
        let available_funds = equity - initial_margin;
        AccountView {
            starting_cash: self.start,
            adjusted: self.adjusted,
            cash: self.cash,
            realized: self.realized,
            unrealized: positions.values().map(|holding| holding.unrealized).sum(),
            commissions: self.commissions,
            equity,
            initial_margin,
            maintenance_margin,
            available_funds,
            excess_liquidity: equity - maintenance_margin,
            buying_power: Usd(available_funds.0.max(Decimal::ZERO) / margin.initial()),
            gross_position_value: gross,
            positions,
        }
    }
}

impl Position {
    fn at(&self, mark: Option<Price>) -> Holding {
        let count = Decimal::from(self.quantity.0);
        // A position is removed when it is flat, so the quotient exists.
        let average = |cost: Usd| Price(cost.0.checked_div(count).unwrap_or_default().round_dp(COST_DIGITS));
        let average_price = average(self.cost);
        let market_value = mark.map_or(self.cost, |mark| mark * self.quantity);
        Holding {
            quantity: self.quantity,
            average_price,
            average_cost: average(self.cost + self.fees),
            mark: mark.unwrap_or(average_price),
            market_value,
            unrealized: market_value - self.cost,
        }
    }
}

impl MarginPlan {
    /// The part of a position's value that opening it takes.
    pub(super) fn initial(self) -> Decimal {
        match self {
            Self::RegT => Decimal::new(5, 1),
            Self::Cash => Decimal::ONE,
        }
    }

    fn maintenance(self, quantity: Shares) -> Decimal {
        match self {
            Self::RegT if quantity.0 < 0 => Decimal::new(30, 2),
            Self::RegT => Decimal::new(25, 2),
            Self::Cash => Decimal::ONE,
        }
    }
}

/// The share of `amount` that belongs to `some` of `all`: whole where it is all of them.
fn part(amount: Usd, some: Shares, all: Shares) -> Usd {
    if some == all {
        return amount;
    }
    let share = amount.0 * Decimal::from(some.0) / Decimal::from(all.0.max(1));
    Usd(share.round_dp(COST_DIGITS))
}
