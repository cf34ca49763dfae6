//! How fast the trading code plays bars from memory, beside a bare event-driven loop in the same run:
//! `cargo bench --bench backtest`. `BARS` says how many (default 1,000,000), `RUNS` how often (5).
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "it measures, and stops where it cannot")]

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use robo_trader::backtest::data::Data;
use robo_trader::backtest::{Setup, run};
use robo_trader::config::{Layers, Settings, Source};
use robo_trader::domain::broker::AccountId;
use robo_trader::domain::{Bar, BarSize, MarketTime, Symbol};
use robo_trader::exchange::{CommissionPlan, Config};
use robo_trader::strategy::build;

/// Everything evaluated, nothing refused.
const SETTINGS: [(&str, &str); 17] = [
    ("CALENDAR", "always"),
    ("DATA_DURATION", "60 Y"),
    ("STRATEGY_PARAMS", "fast=10,slow=30"),
    ("RISK_POSITION_SIZING", "shares"),
    ("RISK_FIXED_SHARES", "100"),
    ("RISK_STOP", "none"),
    ("AFTER_CLOSE", "requeue-at-open"),
    ("DEFAULT_CASH", "100000000"),
    ("RISK_MAX_ORDER_NOTIONAL", "1000000000"),
    ("RISK_MAX_DAILY_NOTIONAL", "1000000000"),
    ("RISK_MAX_POSITION_NOTIONAL", "1000000000"),
    ("RISK_MAX_DAILY_LOSS_PCT", "1"),
    ("RISK_MAX_DRAWDOWN_PCT", "1"),
    ("RISK_MAX_LOSSES", "1000000"),
    ("RISK_MAX_ORDERS", "1000000"),
    ("RISK_MAX_ORDERS_PER_MINUTE", "10000"),
    ("RISK_MAX_OPEN_POSITIONS", "1000"),
];

fn walk(seed: u64, count: usize) -> Arc<[Bar]> {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut last: i64 = 10_000;
    let price = |cents: i64| cents as f64 / 100.0;
    (0..count)
        .map(|minute| {
            let open = (last + random.random_range(-3..=3)).max(500);
            let close = (open + random.random_range(-12..=12)).max(500);
            last = close;
            let time = MarketTime::from_secs(1_420_070_400 + 60 * minute as i64);
            Bar {
                time,
                end: time + Duration::from_secs(60),
                open: price(open),
                high: price(open.max(close) + random.random_range(0..=5)),
                low: price(open.min(close) - random.random_range(0..=5)),
                close: price(close),
                volume: Some(1_000),
            }
        })
        .collect()
}

/// The strategy of the bare loop.
#[derive(Default)]
struct Cross {
    closes: VecDeque<i64>,
    fast: i64,
    slow: i64,
    above: Option<bool>,
}

impl Cross {
    fn on_bar(&mut self, bar: &Bar) -> Option<bool> {
        let cents = (bar.close * 100.0).round() as i64;
        self.closes.push_back(cents);
        self.fast += cents;
        self.slow += cents;
        let length = self.closes.len();
        if length > 10 {
            self.fast -= self.closes[length - 11];
        }
        if length > 30 {
            self.slow -= self.closes.pop_front()?;
        }
        let difference = 3 * self.fast - self.slow;
        if length < 30 || difference == 0 {
            return None;
        }
        let above = difference > 0;
        let crossed = self.above.replace(above).is_some_and(|before| before != above);
        crossed.then_some(above)
    }
}

/// Orders wait in a queue for the next open; cash and position are kept; nothing else is done.
fn bare(series: &[Arc<[Bar]>]) -> (u64, f64) {
    let mut desks: Vec<(Cross, VecDeque<i64>, i64)> = series.iter().map(|_| Default::default()).collect();
    let (mut cash, mut fills) = (100_000_000.0, 0);
    for index in 0..series[0].len() {
        for (bars, (strategy, orders, held)) in series.iter().zip(&mut desks) {
            let bar = &bars[index];
            while let Some(change) = orders.pop_front() {
                cash -= change as f64 * bar.open;
                *held += change;
                fills += 1;
            }
            match strategy.on_bar(bar) {
                Some(true) if *held == 0 => orders.push_back(100),
                Some(false) if *held > 0 => orders.push_back(-100),
                _ => {}
            }
        }
    }
    let worth: f64 = series.iter().zip(&desks).map(|(bars, desk)| desk.2 as f64 * bars[bars.len() - 1].close).sum();
    (fills, cash + worth)
}

fn engine(series: &[Arc<[Bar]>], settings: &Settings) -> (u64, f64) {
    let named = settings.symbols.iter().zip(series);
    let data = Data {
        series: named.map(|((symbol, _), bars)| (symbol.clone(), Arc::clone(bars))).collect(),
        size: BarSize::Min1,
        inside: Default::default(),
        jumps: Vec::new(),
        on_jump: Default::default(),
        load: Duration::ZERO,
    };
    let mut plan = settings.plan(AccountId("".into()));
    // There is no gateway that could be away.
    plan.guards.expected = Default::default();
    let setup = Setup {
        plan,
        exchange: Config { commission: CommissionPlan::Free, ..Config::default() },
        cash: settings.default_cash,
        seed: 1,
        trade_from: MarketTime::MIN,
        described: Vec::new(),
        warnings: Vec::new(),
    };
    let strategies: BTreeMap<Symbol, _> = settings
        .symbols
        .iter()
        .map(|(symbol, plan)| (symbol.clone(), build(&plan.strategy, &plan.params).unwrap()))
        .collect();
    let outcome = run(&setup, &data, strategies, &mut |_| {}).outcome;
    assert!(outcome.refusals.is_empty(), "{:?}", outcome.refusals);
    (outcome.fills, outcome.final_equity.to_f64())
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

fn compare(name: &str, symbols: usize, bars: usize, runs: usize) {
    let series: Vec<Arc<[Bar]>> = (0..symbols).map(|number| walk(number as u64 + 1, bars)).collect();
    let names: Vec<String> = (0..symbols).map(|number| format!("S{number:02}")).collect();
    let mut layers = Layers::new();
    for (setting, value) in SETTINGS {
        layers.set(setting, value, Source::Default);
    }
    layers.set("SYMBOLS", names.join(","), Source::Default);
    let settings = Settings::resolve(&layers).unwrap();
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    let mut results = Vec::new();
    for _ in 0..runs {
        let began = Instant::now();
        let bare = bare(&series);
        floor.push(began.elapsed().as_secs_f64());
        let began = Instant::now();
        let engine = engine(&series, &settings);
        ours.push(began.elapsed().as_secs_f64());
        results.push((bare, engine));
    }
    let ((bare_fills, bare_equity), (fills, equity)) = results[0];
    assert_eq!((bare_fills, bare_equity.round()), (fills, equity.round()), "both have traded the same");
    let (ours, floor) = (median(ours), median(floor));
    let all = (symbols * bars) as f64;
    println!(
        "{name}: {:.2} M bars/s ({fills} fills); bare loop {:.1} M bars/s; {:.1} times its time",
        all / ours / 1e6,
        all / floor / 1e6,
        ours / floor
    );
}

fn main() {
    let number = |name: &str, default| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (bars, runs): (usize, usize) = (number("BARS", 1_000_000), number("RUNS", 5));
    compare("1 symbol", 1, bars, runs);
    compare("a tenth of the bars", 1, bars / 10, runs);
    compare("24 symbols", 24, bars / 10, runs);
}
