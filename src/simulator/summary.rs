//! The account at the end of a run, for people and for machines.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::domain::broker::AccountId;
use crate::domain::{ContractId, MarketTime, Price, Shares, Symbol, Usd};
use crate::exchange::Exchange;

/// One holding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HoldingSummary {
    /// Shares, negative where short.
    pub quantity: Shares,
    /// Average price paid or received, USD a share, fees not included.
    pub average_price: Price,
    /// Latest price, USD a share.
    pub mark: Price,
    /// Its value, USD.
    pub market_value: Usd,
}

/// The account as the simulator has it. Amounts in USD; as JSON, decimals are text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Whose.
    pub account: AccountId,
    /// At which exchange.
    pub exchange: String,
    /// Market time reached.
    pub at: MarketTime,
    /// What the account began with.
    pub starting_cash: Usd,
    /// Cash.
    pub cash: Usd,
    /// Holdings by symbol.
    pub positions: BTreeMap<String, HoldingSummary>,
    /// Profit of closed trades, fees not included.
    pub realized: Usd,
    /// Profit of open positions at the latest prices, fees not included.
    pub unrealized: Usd,
    /// Fees paid.
    pub commissions: Usd,
    /// Cash that came or went without a trade.
    pub adjusted: Usd,
    /// Cash and the value of the positions.
    pub equity: Usd,
    /// Orders placed, refused ones included.
    pub orders: u64,
    /// Orders that can still trade.
    pub working: u64,
    /// Orders refused.
    pub rejected: u64,
    /// Fills.
    pub fills: u64,
    /// Bars that touched a stop and the target beside it (the stop was taken).
    pub ambiguous_bars: u64,
}

impl Summary {
    /// Of an account at an exchange.
    pub(super) fn of(
        account: &AccountId,
        exchange_id: &str,
        exchange: &Exchange,
        symbols: &BTreeMap<ContractId, Symbol>,
        at: MarketTime,
    ) -> Self {
        let view = exchange.account(account);
        let tallies = exchange.tallies();
        let amount = |of: fn(&crate::exchange::AccountView) -> Usd| view.as_ref().map_or(Usd::ZERO, of);
        let holdings = view.as_ref().map(|view| &view.positions);
        let positions = holdings.into_iter().flatten().map(|(contract, held)| {
            let name = symbols.get(contract).map_or_else(|| contract.to_string(), Symbol::to_string);
            let summary = HoldingSummary {
                quantity: held.quantity,
                average_price: held.average_price,
                mark: held.mark,
                market_value: held.market_value,
            };
            (name, summary)
        });
        Self {
            account: account.clone(),
            exchange: exchange_id.to_owned(),
            at,
            starting_cash: amount(|view| view.starting_cash),
            cash: amount(|view| view.cash),
            positions: positions.collect(),
            realized: amount(|view| view.realized),
            unrealized: amount(|view| view.unrealized),
            commissions: amount(|view| view.commissions),
            adjusted: amount(|view| view.adjusted),
            equity: amount(|view| view.equity),
            orders: tallies.orders,
            working: exchange.live_orders().count() as u64,
            rejected: tallies.rejected,
            fills: tallies.fills,
            ambiguous_bars: exchange.ambiguous(),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Simulator account {} at {} (exchange {})", self.account, self.at, self.exchange)?;
        let rows = [
            ("starting cash", self.starting_cash),
            ("cash", self.cash),
            ("realized", self.realized),
            ("unrealized", self.unrealized),
            ("commissions", self.commissions),
            ("adjusted", self.adjusted),
            ("equity", self.equity),
        ];
        for (name, amount) in rows {
            writeln!(f, "  {name:<14} {:>16.2} USD", amount.to_cent().decimal())?;
        }
        writeln!(
            f,
            "  orders {} (working {}, rejected {}), fills {}",
            self.orders, self.working, self.rejected, self.fills
        )?;
        if self.positions.is_empty() {
            return write!(f, "  no positions");
        }
        write!(f, "  positions:")?;
        for (symbol, held) in &self.positions {
            let value = held.market_value.to_cent().decimal();
            write!(
                f,
                "\n    {symbol:<8} {:>8} at {}, now {}: {value:.2} USD",
                held.quantity, held.average_price, held.mark
            )?;
        }
        Ok(())
    }
}
