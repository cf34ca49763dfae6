//! The account's figures under TWS's names.

use rust_decimal::Decimal;

use crate::domain::{Price, Shares, Usd};
use crate::exchange::{AccountView, Holding, Today};
use crate::simulator::wire::accounts::{PortfolioValue, Position};
use crate::simulator::wire::contracts::Contract;

/// One figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// TWS's name for it.
    pub tag: &'static str,
    /// Its value.
    pub value: String,
    /// Its currency; empty where it has none.
    pub currency: &'static str,
}

/// Every figure of the account.
pub fn rows(view: &AccountView) -> Vec<Row> {
    let usd = |tag, amount: Usd| Row { tag, value: format!("{:.2}", amount.to_cent().decimal()), currency: "USD" };
    let word = |tag, value: &str| Row { tag, value: value.to_owned(), currency: "" };
    let cushion = if view.equity > Usd::ZERO {
        (view.excess_liquidity.decimal() / view.equity.decimal()).clamp(Decimal::ZERO, Decimal::ONE).round_dp(6)
    } else {
        Decimal::ZERO
    };
    let leverage = if view.equity > Usd::ZERO {
        (view.gross_position_value.decimal() / view.equity.decimal()).round_dp(2)
    } else {
        Decimal::ZERO
    };
    vec![
        word("AccountType", "INDIVIDUAL"),
        word("AccountReady", "true"),
        word("Currency", "USD"),
        word("Cushion", &cushion.to_string()),
        word("DayTradesRemaining", "-1"),
        word("Leverage-S", &leverage.to_string()),
        word("Leverage", &leverage.to_string()),
        usd("AccruedCash", Usd::ZERO),
        usd("AvailableFunds", view.available_funds),
        usd("BuyingPower", view.buying_power),
        usd("CashBalance", view.cash),
        usd("EquityWithLoanValue", view.equity),
        usd("ExcessLiquidity", view.excess_liquidity),
        Row { tag: "ExchangeRate", value: "1.00".to_owned(), currency: "USD" },
        usd("FullAvailableFunds", view.available_funds),
        usd("FullExcessLiquidity", view.excess_liquidity),
        usd("FullInitMarginReq", view.initial_margin),
        usd("FullMaintMarginReq", view.maintenance_margin),
        usd("GrossPositionValue", view.gross_position_value),
        usd("InitMarginReq", view.initial_margin),
        usd("LookAheadAvailableFunds", view.available_funds),
        usd("LookAheadExcessLiquidity", view.excess_liquidity),
        usd("LookAheadInitMarginReq", view.initial_margin),
        usd("LookAheadMaintMarginReq", view.maintenance_margin),
        usd("MaintMarginReq", view.maintenance_margin),
        usd("NetDividend", Usd::ZERO),
        usd("NetLiquidation", view.equity),
        usd("NetLiquidationByCurrency", view.equity),
        word("RealCurrency", "USD"),
        usd("RealizedPnL", view.realized),
        usd("RegTEquity", view.equity),
        usd("RegTMargin", view.initial_margin),
        usd("SettledCash", view.cash),
        usd("StockMarketValue", view.positions.values().map(|held| held.market_value).sum()),
        usd("TotalCashBalance", view.cash),
        usd("TotalCashValue", view.cash),
        usd("UnrealizedPnL", view.unrealized),
    ]
}

/// Tags that `$LEDGER` stands for: balances by currency.
const LEDGER: [&str; 11] = [
    "AccruedCash",
    "CashBalance",
    "Currency",
    "ExchangeRate",
    "NetLiquidationByCurrency",
    "RealCurrency",
    "RealizedPnL",
    "StockMarketValue",
    "TotalCashBalance",
    "UnrealizedPnL",
    "NetDividend",
];

/// Whether a tag is one of the ledger's.
pub fn is_ledger(tag: &str) -> bool {
    LEDGER.contains(&tag)
}

/// Whether a list of tags asks for a figure: by its name, by `All`, or as a part of the ledger
/// (`$LEDGER`, `$LEDGER:USD`, `$LEDGER:ALL`; in other currencies there is nothing).
pub fn is_wanted(tags: &[String], tag: &str) -> bool {
    tags.iter().any(|asked| match asked.as_str() {
        "All" | "AllTags" => true,
        "$LEDGER" | "$LEDGER:USD" | "$LEDGER:ALL" | "$LEDGER:BASE" => is_ledger(tag),
        other => other == tag,
    })
}

/// A holding as position messages carry it; a closed one has quantity 0.
pub fn position(account: &str, contract: Contract, held: Option<&Holding>) -> Position {
    Position {
        account: Some(account.to_owned()),
        contract: Some(Contract { exchange: None, ..contract }),
        position: Some(held.map_or(Shares::ZERO, |held| held.quantity).to_string()),
        avg_cost: Some(held.map_or(Price::ZERO, |held| held.average_cost).to_f64()),
    }
}

/// A holding as account updates carry it.
pub fn portfolio(account: &str, contract: Contract, held: Option<&Holding>, today: Today) -> PortfolioValue {
    let amount = |of: fn(&Holding) -> Usd| Some(held.map_or(0.0, |held| of(held).to_f64()));
    PortfolioValue {
        contract: Some(Contract { exchange: None, ..contract }),
        position: Some(held.map_or(Shares::ZERO, |held| held.quantity).to_string()),
        market_price: Some(held.map_or(0.0, |held| held.mark.to_f64())),
        market_value: amount(|held| held.market_value),
        average_cost: Some(held.map_or(0.0, |held| held.average_cost.to_f64())),
        unrealized_pnl: amount(|held| held.unrealized),
        realized_pnl: Some(today.realized.to_cent().to_f64()),
        account_name: Some(account.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ledger_is_a_part_of_the_figures() {
        let tags = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        assert!(is_wanted(&tags("$LEDGER"), "CashBalance") && !is_wanted(&tags("$LEDGER:USD"), "BuyingPower"));
        assert!(!is_wanted(&tags("$LEDGER:EUR"), "CashBalance"));
        assert!(is_wanted(&tags("BuyingPower,$LEDGER:ALL"), "BuyingPower"));
        assert!(is_wanted(&tags("All"), "Cushion") && !is_wanted(&tags("Cushion"), "BuyingPower"));
    }
}
