//! Trade lists that other engines computed from real bars, reproduced to the cent.
//!
//! The rule (oracles' README): SMA(10) and SMA(30) of closes; a tie neither triggers nor resets;
//! an up-cross buys 100 when flat, a down-cross sells 100 when long; fills at the next open.

use std::path::PathBuf;

use super::*;
use crate::bar_files;
use crate::calendar::Calendar;
use crate::domain::{BarSize, Symbol};
use crate::tape::{Series, Step, Tape};

/// A crossing of two averages, in whole ten-thousandths of a dollar: ties are exact.
#[derive(Default)]
struct Cross {
    closes: Vec<i64>,
    sign: i64,
}

impl Cross {
    /// The new sign where the averages have crossed.
    fn close(&mut self, close: f64) -> Option<i64> {
        self.closes.push((close * 10_000.0).round() as i64);
        let count = self.closes.len();
        let sum = |days: usize| self.closes[count - days..].iter().sum::<i64>();
        let sign = if count < 30 { 0 } else { (sum(10) * 3 - sum(30)).signum() };
        let crossed = sign != 0 && self.sign != 0 && sign != self.sign;
        if sign != 0 {
            self.sign = sign;
        }
        crossed.then_some(sign)
    }
}

struct Story {
    file: &'static str,
    oracle: &'static str,
    symbol: &'static str,
    size: BarSize,
    commission: &'static str,
    equity: &'static str,
    open_at_end: bool,
}

fn shared(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared").join(path)
}

/// Plays the bars through the exchange; `None` where they are not on this machine.
fn play(story: &Story) -> Option<Exchange> {
    let path = shared(&format!("data/{}", story.file));
    if !path.exists() {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    }
    let mut exchange = Exchange::new(Config { commission: story.commission.parse().unwrap(), ..Config::default() });
    exchange.open_account(account_id(), Usd(1_000_000.into()));
    exchange.list(AAA, PriceRule::flat(price("0.01")));
    let symbol: Symbol = story.symbol.parse().unwrap();
    let bars = bar_files::read(&path, story.size, Calendar::Xnys).unwrap().into();
    let (mut cross, mut id, mut long) = (Cross::default(), 0, false);
    for step in Tape::new([Series { contract: AAA, symbol, bars }]) {
        match step {
            Step::Open { contract, at, price } => {
                exchange.open(contract, at, price, true);
            }
            Step::End { contract, bar } => {
                exchange.close(contract, &bar, true);
                exchange.end_of_session(contract, bar.end);
                let Some(sign) = cross.close(bar.close).filter(|sign| (*sign > 0) != long) else { continue };
                long = sign > 0;
                id += 1;
                let day = NewOrder { tif: TimeInForce::Day, ..order(id, 100 * sign, OrderKind::Market) };
                exchange.place(bar.end, day).unwrap();
            }
        }
    }
    Some(exchange)
}

/// Fills as the oracles write them: symbol, entry, exit, profit with fees.
fn trades(story: &Story, exchange: &Exchange) -> Vec<String> {
    let at = |fill: &Fill| {
        if story.size == BarSize::Day1 { Calendar::Xnys.date_of(fill.at).to_string() } else { fill.at.to_string() }
    };
    let line = |pair: &[Fill]| {
        let [entry, exit] = pair else { return None };
        let profit = exit.realized.unwrap();
        Some(format!(
            "{},{},{:.4},{},{:.4},{:.2}",
            story.symbol,
            at(entry),
            entry.price.0,
            at(exit),
            exit.price.0,
            profit.0
        ))
    };
    exchange.fills().chunks(2).filter_map(line).collect()
}

fn check(story: &Story) {
    let Some(exchange) = play(story) else { return };
    let text = std::fs::read_to_string(shared(&format!("oracles/{}", story.oracle))).unwrap();
    let expected: Vec<&str> = text.lines().skip(1).collect();
    let closed: Vec<&str> = expected.iter().copied().filter(|line| !line.contains(",,")).collect();
    assert_eq!(trades(story, &exchange), closed);
    check_ledger(&exchange);
    let view = exchange.account(&account_id()).unwrap();
    assert_eq!(view.equity, story.equity.parse().unwrap());
    assert_eq!(!view.positions.is_empty(), story.open_at_end);
}

#[test]
fn the_oracles_trades_are_reproduced() {
    let story = |file, oracle, symbol, size, commission, equity, open_at_end| Story {
        file,
        oracle,
        symbol,
        size,
        commission,
        equity,
        open_at_end,
    };
    let (day, minute) = (BarSize::Day1, BarSize::Min1);
    for story in [
        story("SPY-1day.csv", "SPY-1day-sma10-30.csv", "SPY", day, "none", "1012003.00", true),
        story("SPY-1day.csv", "SPY-1day-sma10-30-commission.csv", "SPY", day, "per-share=0.005", "1011901.50", true),
        story("SPY-1min-2013-10.csv", "SPY-1min-2013-10-sma10-30.csv", "SPY", minute, "none", "999972.00", false),
        story("BAC-1min-2013-10.csv", "BAC-1min-2013-10-sma10-30.csv", "BAC", minute, "none", "999980.00", false),
    ] {
        check(&story);
    }
}
