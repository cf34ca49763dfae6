//! Real market bars, where they are on this machine (`../shared/data`): the calendar agrees with
//! them, the readers read them, and the exchange reproduces to the cent the trade lists that other
//! engines computed from them.
//!
//! The rule (oracles' README): SMA(10) and SMA(30) of closes; a tie neither triggers nor resets;
//! an up-cross buys 100 when flat, a down-cross sells 100 when long; fills at the next open.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use chrono::NaiveDate;
use robo_trader::bar_files;
use robo_trader::calendar::{Calendar, Day};
use robo_trader::domain::broker::AccountId;
use robo_trader::domain::{BarSize, ContractId, MarketTime, PriceRule, Shares, Side, Symbol, Usd};
use robo_trader::exchange::{Config, Exchange, Fill, Kind, NewOrder, OrderKey, Tif};
use robo_trader::tape::{Series, Step, Tape};

const CONTRACT: ContractId = ContractId(1);

fn account() -> AccountId {
    AccountId("DU1".into())
}

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

/// A file beside the repository; `None`, said aloud, where it is not on this machine.
fn shared(path: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared").join(path);
    if !path.exists() {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

fn market_order(order_id: i32, sign: i64) -> NewOrder {
    NewOrder {
        key: OrderKey { client_id: 1, order_id },
        account: account(),
        contract: CONTRACT,
        side: if sign > 0 { Side::Buy } else { Side::Sell },
        quantity: Shares(100),
        kind: Kind::Market,
        tif: Tif::Day,
        outside_rth: false,
        oca_group: "".into(),
        parent_id: None,
        transmit: true,
        order_ref: "".into(),
        good_after: None,
        algo: None,
    }
}

/// Plays the bars through the exchange; `None` where they are not on this machine.
fn play(story: &Story) -> Option<Exchange> {
    let path = shared(&format!("data/{}", story.file))?;
    let mut exchange = Exchange::new(Config { commission: story.commission.parse().unwrap(), ..Config::default() });
    exchange.open_account(account(), Usd::of(1_000_000.into()));
    exchange.list(CONTRACT, PriceRule::flat("0.01".parse().unwrap()));
    let symbol: Symbol = story.symbol.parse().unwrap();
    let bars = bar_files::read(&path, story.size, Calendar::Xnys).unwrap().into();
    let (mut cross, mut id, mut long) = (Cross::default(), 0, false);
    for step in Tape::new([Series { contract: CONTRACT, symbol, bars }]) {
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
                exchange.place(bar.end, market_order(id, sign)).unwrap();
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
            entry.price.decimal(),
            at(exit),
            exit.price.decimal(),
            profit.decimal()
        ))
    };
    exchange.fills().chunks(2).filter_map(line).collect()
}

fn check(story: &Story) {
    let Some(exchange) = play(story) else { return };
    let Some(oracle) = shared(&format!("oracles/{}", story.oracle)) else { return };
    let text = std::fs::read_to_string(oracle).unwrap();
    let expected: Vec<&str> = text.lines().skip(1).collect();
    assert_eq!(trades(story, &exchange), expected);
    let view = exchange.account(&account()).unwrap();
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

#[test]
fn the_calendar_is_open_on_exactly_the_dates_that_have_bars() {
    let Some(path) = shared("data/SPY-1day.csv") else { return };
    let bars = bar_files::read(&path, BarSize::Day1, Calendar::Xnys).unwrap();
    let traded: BTreeSet<NaiveDate> = bars.iter().map(|bar| Calendar::Xnys.date_of(bar.time)).collect();
    let (first, last) = (NaiveDate::from_ymd_opt(2010, 1, 1).unwrap(), *traded.last().unwrap());
    for day in first.iter_days().take_while(|day| *day <= last) {
        let open = matches!(Calendar::Xnys.day(day), Day::Open(_));
        assert_eq!(open, traded.contains(&day), "{day}");
    }
}

#[test]
fn every_real_file_reads() {
    let Some(dir) = shared("data") else { return };
    let files = bar_files::discover(&dir).unwrap();
    assert!(!files.is_empty());
    for file in files {
        let bars = bar_files::read(&file.path, file.size, Calendar::Xnys).unwrap();
        assert!(bars.len() >= 1_000, "{} has {} bars", file.path.display(), bars.len());
        assert!(bars.iter().all(|bar| bar.time > MarketTime::MIN));
    }
}
