//! The summary of a run: for people on the console, for machines as JSON.

use std::fmt;

use rust_decimal::Decimal;
use serde::Serialize;

use crate::desk::Desk;
use crate::domain::book::Counts;
use crate::domain::order::OrderState;
use crate::domain::{MarketTime, Price, Shares, Symbol, Usd};

/// A holding at the end.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PositionLine {
    /// Which; `None` where no fact named it.
    pub symbol: Option<Symbol>,
    /// IBKR's number.
    pub con_id: i32,
    /// Signed shares.
    pub quantity: Shares,
    /// USD a share.
    pub average_price_usd: Option<Price>,
    /// USD a share; `None` where no price is known.
    pub last_price_usd: Option<Price>,
    /// USD.
    pub unrealized_usd: Option<Usd>,
}

/// What a run did. `None` means unknown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The ledger's id.
    pub ledger: Option<String>,
    /// `simulator` or `ibkr`.
    pub venue: Option<String>,
    /// The account.
    pub account: Option<String>,
    /// Market time of the newest event.
    pub market_time: Option<MarketTime>,
    /// Sessions that became Ready in this run.
    pub sessions: u64,
    /// Orders sent in this run.
    pub orders: u64,
    /// Executions in this run.
    pub fills: u64,
    /// Refusals in this run.
    pub refusals: u64,
    /// Incidents in this run.
    pub incidents: u64,
    /// Orders observed, not sent, in this run.
    pub observed: u64,
    /// Orders working at the end.
    pub working_orders: u64,
    /// Orders in doubt at the end.
    pub unknown_orders: u64,
    /// USD.
    pub cash_usd: Option<Usd>,
    /// USD, since the ledger began, fees not deducted.
    pub realized_usd: Option<Usd>,
    /// USD.
    pub unrealized_usd: Option<Usd>,
    /// USD, since the ledger began.
    pub fees_usd: Option<Usd>,
    /// USD.
    pub equity_usd: Option<Usd>,
    /// Shares held at the end.
    pub positions: Vec<PositionLine>,
    /// Why entries are locked at the end.
    pub locks: Vec<String>,
}

impl Summary {
    /// Of a run whose ledger was never opened.
    pub fn nothing() -> Self {
        Self {
            ledger: None,
            venue: None,
            account: None,
            market_time: None,
            sessions: 0,
            orders: 0,
            fills: 0,
            refusals: 0,
            incidents: 0,
            observed: 0,
            working_orders: 0,
            unknown_orders: 0,
            cash_usd: None,
            realized_usd: None,
            unrealized_usd: None,
            fees_usd: None,
            equity_usd: None,
            positions: Vec::new(),
            locks: Vec::new(),
        }
    }

    /// Of a desk whose book had counted `before` when the run began.
    pub fn of(desk: &Desk, before: Counts) -> Self {
        let book = desk.book();
        let view = super::view::DeskView::of(desk);
        let counts = book.counts();
        let positions = book.positions().filter(|(_, position)| !position.quantity().is_zero());
        let line = |(id, position): (crate::domain::ContractId, &crate::domain::position::Position)| {
            let last = desk.marks().price(id);
            PositionLine {
                symbol: book.symbol(id).cloned(),
                con_id: id.0,
                quantity: position.quantity(),
                average_price_usd: position.average_price().map(|price| price.rounded(6).normalized()),
                last_price_usd: last,
                unrealized_usd: last.map(|last| position.unrealized(last)),
            }
        };
        let unknown = book.live_orders().filter(|order| order.state == OrderState::Unknown).count();
        let identity = book.identity();
        Self {
            ledger: identity.map(|me| me.ledger.to_string()),
            venue: identity.map(|me| me.venue.as_str().to_owned()),
            account: identity.map(|me| me.account.to_string()),
            market_time: Some(desk.now()),
            sessions: counts.sessions - before.sessions,
            orders: counts.orders - before.orders,
            fills: counts.executions - before.executions,
            refusals: counts.refusals - before.refusals,
            incidents: counts.incidents - before.incidents,
            observed: counts.observed - before.observed,
            working_orders: view.working_orders,
            unknown_orders: u64::try_from(unknown).unwrap_or(u64::MAX),
            cash_usd: view.cash_usd,
            realized_usd: Some(view.realized_usd),
            unrealized_usd: view.unrealized_usd,
            fees_usd: Some(view.fees_usd),
            equity_usd: view.equity_usd,
            positions: positions.map(line).collect(),
            locks: view.locks.iter().map(ToString::to_string).collect(),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "unknown".to_owned());
        let usd = |value: &Option<Usd>| money(value.map(|usd| usd.decimal()));
        writeln!(f, "account     {} ({}), ledger {}", text(&self.account), text(&self.venue), text(&self.ledger))?;
        writeln!(
            f,
            "this run    {} orders, {} fills, {} refusals, {} incidents, {} sessions",
            self.orders, self.fills, self.refusals, self.incidents, self.sessions
        )?;
        if self.observed > 0 {
            writeln!(f, "observed    {} orders, not sent", self.observed)?;
        }
        writeln!(f, "working     {} orders, {} in doubt", self.working_orders, self.unknown_orders)?;
        writeln!(f, "cash        {}", usd(&self.cash_usd))?;
        writeln!(
            f,
            "profit      {} realized, {} unrealized, {} fees",
            usd(&self.realized_usd),
            usd(&self.unrealized_usd),
            usd(&self.fees_usd)
        )?;
        write!(f, "equity      {}", usd(&self.equity_usd))?;
        for line in &self.positions {
            let symbol = line.symbol.as_ref().map_or("?", |symbol| symbol.as_str());
            let average = money(line.average_price_usd.map(|price| price.decimal()));
            write!(
                f,
                "\nposition    {symbol:<8} {:>8} at {average}, unrealized {}",
                line.quantity,
                usd(&line.unrealized_usd)
            )?;
        }
        for lock in &self.locks {
            write!(f, "\nlocked      {lock}")?;
        }
        Ok(())
    }
}

fn money(value: Option<Decimal>) -> String {
    value.map_or_else(|| "unknown".to_owned(), |value| format!("{value:.2} USD"))
}
