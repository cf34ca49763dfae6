//! Round trips: how their results lie, by symbol, reason and side, the best and the worst.

use std::collections::BTreeMap;

use super::curves::histogram;
use super::html::{Cell, table};
use super::nothing;
use crate::backtest::files::side;
use crate::backtest::metrics::trade_return;
use crate::backtest::metrics::words::{Unit, grouped};
use crate::backtest::outcome::{Outcome, Trade};
use crate::domain::Usd;

/// Best and worst that are shown.
const SHOWN: usize = 10;

pub(super) fn section(outcome: &Outcome) -> String {
    if outcome.trades.is_empty() {
        return nothing("No round trip was closed.");
    }
    let returns: Vec<f64> = outcome.trades.iter().filter_map(trade_return).filter(|value| value.is_finite()).collect();
    let lying = if returns.is_empty() {
        nothing("No round trip has a return.")
    } else {
        histogram("Distribution of round trips' returns", "round trips", &returns)
    };
    let by_symbol = groups("Symbol", &outcome.trades, |trade| trade.symbol.to_string());
    let by_reason = groups("Exit", &outcome.trades, |trade| trade.reason.as_str().to_owned());
    let by_side = groups("Side", &outcome.trades, |trade| side(trade).to_owned());
    // Ties keep the order of exits, so that the same run gives the same table.
    let mut ranked: Vec<&Trade> = outcome.trades.iter().collect();
    ranked.sort_by_key(|trade| std::cmp::Reverse(trade.pnl));
    let best: Vec<&Trade> = ranked.iter().copied().filter(|trade| trade.pnl > Usd::ZERO).take(SHOWN).collect();
    let worst: Vec<&Trade> = ranked.iter().rev().copied().filter(|trade| trade.pnl < Usd::ZERO).take(SHOWN).collect();
    format!(
        "{lying}<h3>By symbol</h3>\n{by_symbol}<h3>By reason of exit</h3>\n{by_reason}<h3>By side</h3>\n{by_side}\
         <h3>Best</h3>\n{}<h3>Worst</h3>\n{}",
        list(&best, "No round trip won."),
        list(&worst, "No round trip lost.")
    )
}

fn groups(name: &str, trades: &[Trade], key: impl Fn(&Trade) -> String) -> String {
    let mut groups: BTreeMap<String, Vec<&Trade>> = BTreeMap::new();
    for trade in trades {
        groups.entry(key(trade)).or_default().push(trade);
    }
    let rows: Vec<Vec<Cell>> = groups.into_iter().map(|(key, trades)| row(key, &trades)).collect();
    table(
        &[name, "Round trips", "Win rate", "Profit", "Fees", "Average", "Profit factor", "Average return", "Bars held"],
        &rows,
    )
}

fn row(key: String, trades: &[&Trade]) -> Vec<Cell> {
    let count = trades.len() as f64;
    let profit: Usd = trades.iter().map(|trade| trade.pnl).sum();
    let fees: Usd = trades.iter().map(|trade| trade.fees).sum();
    let won: Usd = trades.iter().map(|trade| trade.pnl).filter(|pnl| *pnl > Usd::ZERO).sum();
    let lost: Usd = trades.iter().map(|trade| trade.pnl).filter(|pnl| *pnl < Usd::ZERO).sum();
    let wins = trades.iter().filter(|trade| trade.pnl > Usd::ZERO).count() as f64;
    let returns: Vec<f64> = trades.iter().filter_map(|trade| trade_return(trade)).collect();
    let bars: f64 = trades.iter().map(|trade| f64::from(trade.bars)).sum();
    let factor = (lost < Usd::ZERO).then(|| won.to_f64() / -lost.to_f64());
    vec![
        Cell::text(key),
        Cell::number(grouped(&trades.len().to_string())),
        Cell::value(Unit::Percent, Some(wins / count)),
        Cell::signed(Unit::Usd, Some(profit.to_f64())),
        Cell::value(Unit::Usd, Some(fees.to_f64())),
        Cell::signed(Unit::Usd, Some(profit.to_f64() / count)),
        Cell::value(Unit::Ratio, factor),
        Cell::signed(Unit::Percent, crate::backtest::metrics::series::mean(&returns)),
        Cell::value(Unit::Ratio, Some(bars / count)),
    ]
}

fn list(trades: &[&Trade], none: &str) -> String {
    if trades.is_empty() {
        return nothing(none);
    }
    let time = |at: crate::domain::MarketTime| Cell::number(at.utc().format("%Y-%m-%d %H:%M"));
    let rows: Vec<Vec<Cell>> = trades
        .iter()
        .map(|trade| {
            vec![
                Cell::text(&trade.symbol),
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
    let mut price = price.0.round_dp(4).normalize();
    if price.scale() < 2 {
        price.rescale(2);
    }
    Cell::number(grouped(&price.to_string()))
}
