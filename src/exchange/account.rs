//! An account's money and holdings, by average cost.
//!
//! Ledger invariant: cash + market value = starting cash + adjustments + realized + unrealized -
//! commissions, to the last digit.

#![deny(clippy::float_arithmetic)]

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::MarginPlan;
use crate::domain::value::{Quote, Value};
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
    positions: BTreeMap<ContractId, Position>,
    /// Cash that came or went without a trade.
    #[serde(default)]
    adjusted: Usd,
    /// Realized + unrealized - commissions when the day began.
    #[serde(default)]
    profit_before: Usd,
    /// What each contract traded or held today began the day with and has brought since.
    #[serde(default, with = "days")]
    today: BTreeMap<ContractId, DayBook>,
}

/// A contract's day.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct DayBook {
    /// Unrealized profit when the day began.
    unrealized_before: Usd,
    /// Realized today, fees included as IBKR counts them.
    realized: Usd,
}

/// A contract's profit since the day began, USD.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Today {
    /// Of closed trades, fees included as IBKR counts them.
    pub realized: Usd,
    /// That, and the change of the unrealized profit.
    pub profit: Usd,
}

/// Days as a list: a JSON object's keys are text.
mod days {
    use super::{BTreeMap, ContractId, DayBook, Deserialize};
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        days: &BTreeMap<ContractId, DayBook>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(days)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<ContractId, DayBook>, D::Error> {
        Ok(Vec::<(ContractId, DayBook)>::deserialize(deserializer)?.into_iter().collect())
    }
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
    /// Cash that came (or went, below zero) without a trade: deposits, dividends, fees for data.
    pub adjusted: Usd,
    /// Profit since the day began, fees included and adjustments not.
    pub daily: Usd,
    /// The same by contract, of those that were traded or held today.
    pub today: BTreeMap<ContractId, Today>,
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

/// An account's sums, USD.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Balances {
    /// Cash.
    pub cash: Usd,
    /// Cash and positions at the marks.
    pub equity: Usd,
    /// Equity less what positions tie up at first.
    pub available_funds: Usd,
    /// Worth of all positions, absolute values added.
    pub gross_position_value: Usd,
}

impl Account {
    /// Its sums at these marks.
    pub(super) fn balances(&self, margin: MarginPlan, mark: impl Fn(ContractId) -> Option<Quote>) -> Balances {
        let (mut worth, mut gross) = (Value::default(), Value::default());
        for (contract, held) in &self.positions {
            match mark(*contract) {
                Some(mark) => {
                    worth.add(mark, held.quantity);
                    gross.add(mark, held.quantity.abs());
                }
                None => {
                    worth.add_known(held.cost);
                    gross.add_known(held.cost.abs());
                }
            }
        }
        let (equity, gross) = (self.cash + worth.usd(), gross.usd());
        let available_funds = equity - gross * margin.initial();
        Balances { cash: self.cash, equity, available_funds, gross_position_value: gross }
    }

    pub(super) fn new(cash: Usd) -> Self {
        Self { start: cash, cash, ..Self::default() }
    }

    pub(super) fn cash(&self) -> Usd {
        self.cash
    }

    /// What its shares cost on average, without fees; `None` where it holds none.
    pub(super) fn average_price(&self, contract: ContractId) -> Option<Price> {
        Some(self.positions.get(&contract)?.at(None).average_price)
    }

    pub(super) fn position(&self, contract: ContractId) -> Shares {
        self.positions.get(&contract).map_or(Shares::ZERO, |held| held.quantity)
    }

    /// A trade that was booked at `was` (price, shares) was really one at `is`. Of what is still
    /// held of it the cost changes, of the rest the realized profit; shares more or less are
    /// traded at the right price. Fees stay.
    pub(super) fn correct(&mut self, (contract, side): (ContractId, Side), was: (Price, Shares), is: (Price, Shares)) {
        let dearer = Price::of(is.0.decimal() - was.0.decimal());
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
            let net = profit - fees - closing_fee;
            self.today.entry(contract).or_default().realized += net;
            realized = Some(net);
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

    /// Cash comes or goes without a trade.
    pub(super) fn adjust(&mut self, amount: Usd) {
        self.cash += amount;
        self.adjusted += amount;
    }

    /// Every share becomes `to / from` shares. What is not a whole share is paid out at `mark`,
    /// the price of before: what it cost leaves with it, and the difference is realized.
    pub(super) fn split(&mut self, contract: ContractId, to: u32, from: u32, mark: Option<Price>) {
        let Some(held) = self.positions.get_mut(&contract) else { return };
        let (to, from) = (i128::from(to.max(1)), i128::from(from.max(1)));
        let scaled = i128::from(held.quantity.0) * to;
        let whole = Shares(i64::try_from(scaled / from).unwrap_or(held.quantity.0));
        let rest = Decimal::from(i64::try_from(scaled % from).unwrap_or(0));
        if !rest.is_zero() {
            // `rest` is a part of a new share in units of 1 / from; an old one is worth to / from.
            let old_shares = rest / Decimal::from(i64::try_from(to).unwrap_or(1));
            let of_all = old_shares / Decimal::from(held.quantity.0);
            let cost = Usd::of((held.cost.decimal() * of_all).round_dp(COST_DIGITS));
            let fees = Usd::of((held.fees.decimal() * of_all).round_dp(COST_DIGITS));
            let paid = mark.map_or(cost, |mark| Usd::of((mark.decimal() * old_shares).round_dp(COST_DIGITS)));
            held.cost -= cost;
            held.fees -= fees;
            self.cash += paid;
            self.realized += paid - cost;
            self.today.entry(contract).or_default().realized += paid - cost - fees;
        }
        held.quantity = whole;
        if held.quantity.is_zero() {
            // Less than a share was held: all of it was paid out but for what rounding left.
            self.realized -= held.cost;
            self.positions.remove(&contract);
        }
    }

    /// A day ends at these marks: what is counted by the day begins anew.
    pub(super) fn end_day(&mut self, mark: impl Fn(ContractId) -> Option<Price>) {
        let unrealized = |contract, held: &Position| held.at(mark(contract)).unrealized;
        self.today = self
            .positions
            .iter()
            .map(|(contract, held)| {
                (*contract, DayBook { unrealized_before: unrealized(*contract, held), realized: Usd::ZERO })
            })
            .collect();
        let held: Usd = self.today.values().map(|day| day.unrealized_before).sum();
        self.profit_before = self.realized + held - self.commissions;
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
        let unrealized: Usd = positions.values().map(|holding| holding.unrealized).sum();
        let of = |contract| positions.get(contract).map_or(Usd::ZERO, |held: &Holding| held.unrealized);
        let mut today: BTreeMap<ContractId, Today> = positions.keys().map(|id| (*id, Today::default())).collect();
        today.extend(self.today.keys().map(|id| (*id, Today::default())));
        for (contract, shown) in &mut today {
            let day = self.today.get(contract).copied().unwrap_or_default();
            *shown = Today { realized: day.realized, profit: day.realized + of(contract) - day.unrealized_before };
        }
        AccountView {
            starting_cash: self.start,
            cash: self.cash,
            realized: self.realized,
            unrealized,
            commissions: self.commissions,
            adjusted: self.adjusted,
            daily: self.realized + unrealized - self.commissions - self.profit_before,
            today,
            equity,
            initial_margin,
            maintenance_margin,
            available_funds,
            excess_liquidity: equity - maintenance_margin,
            buying_power: Usd::of(available_funds.decimal().max(Decimal::ZERO) / margin.initial()),
            gross_position_value: gross,
            positions,
        }
    }
}

impl Position {
    fn at(&self, mark: Option<Price>) -> Holding {
        let count = Decimal::from(self.quantity.0);
        // A position is removed when it is flat, so the quotient exists.
        let average =
            |cost: Usd| Price::of(cost.decimal().checked_div(count).unwrap_or_default().round_dp(COST_DIGITS));
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
    let share = amount.decimal() * Decimal::from(some.0) / Decimal::from(all.0.max(1));
    Usd::of(share.round_dp(COST_DIGITS))
}
