//! Round trips: how their results lie, by symbol, reason and side, the best and the worst.

use std::collections::BTreeMap;

use super::curves::histogram;
use super::html::{Cell, table};
use super::nothing;
use crate::backtest::files::side;
use crate::backtest::metrics::trade_return;
use crate::backtest::metrics::words::{Unit, grouped};
use crate::backtest::outcome::{Outcome, Trade};
use crate::backtest::trades::Tally;

pub(super) fn section(outcome: &Outcome) -> String {
    let trades = &outcome.trades;
    if trades.all().count == 0 {
        return nothing("No round trip was closed.");
    }
    let returns: Vec<f64> = trades.kept().iter().filter_map(trade_return).filter(|value| value.is_finite()).collect();
    let lying = if returns.is_empty() {
        nothing("No round trip has a return.")
    } else {
        histogram("Distribution of round trips' returns", "round trips", &returns)
    };
    let kept = trades.kept().len() as u64;
    let part = if kept < trades.all().count {
        nothing(&format!("The distribution is of the first {} round trips.", grouped(&kept.to_string())))
    } else {
        String::new()
    };
    format!(
        "{lying}{part}<h3>By symbol</h3>\n{}<h3>By reason of exit</h3>\n{}<h3>By side</h3>\n{}\
         <h3>Best</h3>\n{}<h3>Worst</h3>\n{}",
        groups("Symbol", &trades.by_symbol()),
        groups("Exit", &trades.by_reason()),
        groups("Side", &trades.by_side()),
        list(trades.best(), "No round trip won."),
        list(trades.worst(), "No round trip lost.")
    )
}

fn groups(name: &str, tallies: &BTreeMap<&str, Tally>) -> String {
    let rows: Vec<Vec<Cell>> = tallies.iter().map(|(key, tally)| row(key, tally)).collect();
    table(
        &[name, "Round trips", "Win rate", "Profit", "Fees", "Average", "Profit factor", "Average return", "Bars held"],
        &rows,
    )
}

fn row(key: &str, tally: &Tally) -> Vec<Cell> {
    let (count, profit) = (tally.count as f64, tally.profit().to_f64());
    vec![
        Cell::text(key),
        Cell::number(grouped(&tally.count.to_string())),
        Cell::value(Unit::Percent, Some(tally.wins as f64 / count)),
        Cell::signed(Unit::Usd, Some(profit)),
        Cell::value(Unit::Usd, Some(tally.fees.to_f64())),
        Cell::signed(Unit::Usd, Some(profit / count)),
        Cell::value(Unit::Ratio, tally.profit_factor()),
        Cell::signed(Unit::Percent, tally.average_return()),
        Cell::value(Unit::Ratio, Some(tally.bars as f64 / count)),
    ]
}

fn list(trades: &[Trade], none: &str) -> String {
    if trades.is_empty() {
        return nothing(none);
    }
    let time = |at: crate::domain::MarketTime| Cell::number(at.utc().format("%Y-%m-%d %H:%M"));
    let rows: Vec<Vec<Cell>> = trades
        .iter()
        .map(|trade| {
            vec![
                Cell::text(trade.symbol),
                Cell::text(side(trade)),
                Cell::number(grouped(&trade.quantity.abs().to_string())),
                time(trade.entry_time),
                price(trade.entry_price),
                time(trade.exit_time),
                price(trade.exit_price),
                Cell::text(trade.reason.as_str()),
                Cell::number(trade.bars),
                Cell::signed(Unit::Usd, Some(trade.pnl.to_f64())),
                Cell::signed(Unit::Percent, trade_return(trade)),
            ]
        })
        .collect();
    let headings = [
        "Symbol",
        "Side",
        "Shares",
        "Entry, UTC",
        "at USD",
        "Exit, UTC",
        "at USD",
        "Reason",
        "Bars",
        "Profit",
        "Return",
    ];
    table(&headings, &rows)
}

/// A price with two to four decimals: an average has many, the file has them all.
fn price(price: crate::domain::Price) -> Cell {
    let mut price = price.decimal().round_dp(4).normalize();
    if price.scale() < 2 {
        price.rescale(2);
    }
    Cell::number(grouped(&price.to_string()))
}
