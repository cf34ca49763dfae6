//! Trading from memory, as benches need it: bars of a seeded walk, settings that refuse nothing, and the
//! backtest's own engine over them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use robo_trader::backtest::data::Data;
use robo_trader::backtest::outcome::Outcome;
use robo_trader::backtest::{Listener, Setup, run};
use robo_trader::config::{Layers, Settings, Source};
use robo_trader::domain::broker::AccountId;
use robo_trader::domain::{Bar, BarSize, MarketTime, Symbol};
use robo_trader::exchange::{CommissionPlan, Config};
use robo_trader::strategy::build;

/// Everything evaluated, nothing refused.
const SETTINGS: [(&str, &str); 16] = [
    ("CALENDAR", "always"),
    ("DATA_DURATION", "60 Y"),
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

/// One-minute bars of a seeded random walk of cents.
pub fn walk(seed: u64, count: usize) -> Arc<[Bar]> {
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

/// Settings for so many symbols and a crossing of two averages.
pub fn settings(symbols: usize, (fast, slow): (usize, usize)) -> Settings {
    let names: Vec<String> = (0..symbols).map(|number| format!("S{number:02}")).collect();
    let mut layers = Layers::new();
    for (setting, value) in SETTINGS {
        layers.set(setting, value, Source::Default);
    }
    layers.set("STRATEGY_PARAMS", format!("fast={fast},slow={slow}"), Source::Default);
    layers.set("SYMBOLS", names.join(","), Source::Default);
    Settings::resolve(&layers).unwrap()
}

/// Plays the series, one a symbol; the listener hears every fact.
pub fn play(series: &[Arc<[Bar]>], settings: &Settings, listener: &mut dyn Listener) -> Outcome {
    let named = settings.symbols.iter().zip(series);
    let data = Data {
        series: named.map(|((symbol, _), bars)| (*symbol, Arc::clone(bars))).collect(),
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
        forgets: true,
        charts: false,
        described: Vec::new(),
        warnings: Vec::new(),
    };
    let strategies: BTreeMap<Symbol, _> =
        settings.symbols.iter().map(|(symbol, plan)| (*symbol, build(&plan.strategy, &plan.params).unwrap())).collect();
    run(&setup, &data, strategies, listener).outcome
}
