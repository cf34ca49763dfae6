//! Trade lists that were computed otherwise: by others (beside the project), and by definition here.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use robo_trader::backtest::data::{Data, Wanted};
use robo_trader::backtest::{Played, Setup, run};
use robo_trader::calendar::Calendar;
use robo_trader::config::{Layers, Settings, Source, WIDE_LIMITS};
use robo_trader::domain::book::Record;
use robo_trader::domain::broker::AccountId;
use robo_trader::domain::{Bar, BarSize, MarketTime, Symbol};
use robo_trader::exchange::Config;
use robo_trader::strategy::build;
use rust_decimal::Decimal;

/// 100 shares, a million of cash, no stop; limits are so wide that nothing is refused.
const PLAIN: [(&str, &str); 6] = [
    ("RISK_POSITION_SIZING", "shares"),
    ("RISK_FIXED_SHARES", "100"),
    ("DEFAULT_CASH", "1000000"),
    ("RISK_STOP", "none"),
    ("AFTER_CLOSE", "requeue-at-open"),
    ("DATA_DURATION", "60 Y"),
];

fn settings(pairs: &[(&str, &str)]) -> Settings {
    let mut layers = Layers::new();
    for (name, value) in WIDE_LIMITS.iter().chain(&PLAIN).chain(pairs) {
        layers.set(name, *value, Source::Default);
    }
    Settings::resolve(&layers).unwrap()
}

fn play(settings: &Settings, data: &Data, commission: &str) -> (Played, Vec<Record>) {
    let mut plan = settings.plan(AccountId("".into()));
    // There is no gateway that could be away at night.
    plan.guards.expected = Default::default();
    let setup = Setup {
        plan,
        exchange: Config { commission: commission.parse().unwrap(), allow_short: false, ..Config::default() },
        cash: settings.default_cash,
        seed: 1,
        trade_from: MarketTime::MIN,
        forgets: false,
        charts: false,
        described: Vec::new(),
        warnings: Vec::new(),
    };
    let one = |(symbol, plan): &(Symbol, robo_trader::desk::SymbolPlan)| {
        (*symbol, build(&plan.strategy, &plan.params).unwrap())
    };
    let mut records = Vec::new();
    let strategies: BTreeMap<_, _> = settings.symbols.iter().map(one).collect();
    let played = run(&setup, data, strategies, &mut |record: &Record| records.push(record.clone()));
    (played, records)
}

/// Entry and exit of each round trip with its profit, as the lists beside the project write them.
fn rows(played: &Played, dates: bool) -> Vec<String> {
    let time = |at: MarketTime| {
        let text = at.to_string();
        if dates { text[..10].to_owned() } else { text }
    };
    let row = |trade: &robo_trader::backtest::outcome::Trade| {
        format!(
            "{},{},{:.4},{},{:.4},{:.2}",
            trade.symbol,
            time(trade.entry_time),
            trade.entry_price.decimal(),
            time(trade.exit_time),
            trade.exit_price.decimal(),
            trade.pnl.decimal()
        )
    };
    played.outcome.trades.kept().iter().map(row).collect()
}

fn beside(folder: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(folder);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is not there", path.display());
    None
}

#[test]
fn the_four_lists_of_others_to_the_cent() {
    let (Some(data), Some(oracles)) = (beside("data"), beside("oracles")) else { return };
    for (list, file, size, commission, equity, open) in [
        ("SPY-1day-sma10-30", "SPY-1day", "1 day", "none", "1012003.00", 1),
        ("SPY-1day-sma10-30-commission", "SPY-1day", "1 day", "per-share=0.005", "1011901.50", 1),
        ("SPY-1min-2013-10-sma10-30", "SPY-1min-2013-10", "1 min", "none", "999972.00", 0),
        ("BAC-1min-2013-10-sma10-30", "BAC-1min-2013-10", "1 min", "none", "999980.00", 0),
    ] {
        let symbol = &list[..3];
        let pairs = [("SYMBOLS", symbol), ("DATA_BAR_SIZE", size), ("STRATEGY_PARAMS", "fast=10,slow=30,entry=cross")];
        let settings = settings(&pairs);
        let wanted = Wanted {
            paths: vec![data.join(format!("{file}.csv"))],
            symbols: Vec::new(),
            size: None,
            intrabar: Vec::new(),
            from: None,
            to: None,
            calendar: Calendar::Xnys,
            jumps: Default::default(),
        };
        let (played, _) = play(&settings, &wanted.load().unwrap(), commission);
        let expected = std::fs::read_to_string(oracles.join(format!("{list}.csv"))).unwrap();
        let expected: Vec<&str> = expected.lines().skip(1).collect();
        assert_eq!(rows(&played, size == "1 day"), expected, "{list}");
        assert_eq!(format!("{:.2}", played.outcome.final_equity.decimal()), equity, "{list}");
        assert_eq!((played.outcome.open_positions, played.outcome.refusals.len()), (open, 0), "{list}");
    }
}

/// 100,000 USD in a share that opens at 50 and closes at 51, 49 and 52: 2,000 shares, each day at that
/// day's close.
#[test]
fn the_benchmark_of_a_day_is_of_its_own_close() {
    let day = |(number, close): (i64, f64)| {
        let time = MarketTime::from_secs(1_717_421_400 + number * 86_400);
        let end = time + Duration::from_secs(23_400);
        Bar { time, end, open: 50.0, high: 60.0, low: 40.0, close, volume: None }
    };
    let bars: Vec<Bar> = [(0, 51.0), (1, 49.0), (2, 52.0)].into_iter().map(day).collect();
    let data = Data { size: BarSize::Day1, ..data(bars) };
    let settings = settings(&[("SYMBOLS", "SYN"), ("DATA_BAR_SIZE", "1 day"), ("DEFAULT_CASH", "100000")]);
    let (played, _) = play(&settings, &data, "none");
    let days: Vec<String> = played.outcome.days.iter().map(|day| format!("{} {:?}", day.date, day.benchmark)).collect();
    assert_eq!(days, ["2024-06-03 Some(102000.0)", "2024-06-04 Some(98000.0)", "2024-06-05 Some(104000.0)"]);
}

/// Minute bars of a market that never closes, in whole cents.
fn series(cents: &[(i64, i64, i64, i64)]) -> Vec<Bar> {
    let bar = |(minute, (open, up, down, close)): (usize, &(i64, i64, i64, i64))| {
        let time = MarketTime::from_secs(1_717_400_000 / 60 * 60 + minute as i64 * 60);
        let price = |cents: i64| cents as f64 / 100.0;
        Bar {
            time,
            end: time + Duration::from_secs(60),
            open: price(*open),
            high: price(open.max(close) + up),
            low: price(open.min(close) - down),
            close: price(*close),
            volume: Some(1_000),
        }
    };
    cents.iter().enumerate().map(bar).collect()
}

fn data(bars: Vec<Bar>) -> Data {
    let series = BTreeMap::from([("SYN".parse().unwrap(), Arc::from(bars))]);
    Data {
        series,
        size: BarSize::Min1,
        inside: Default::default(),
        jumps: Vec::new(),
        on_jump: Default::default(),
        load: Duration::ZERO,
    }
}

/// A walk in cents from small steps.
fn walk(steps: &[(i64, i64, u8, u8)]) -> Vec<(i64, i64, i64, i64)> {
    let mut last = 5_000;
    let mut bars = Vec::new();
    for (gap, change, up, down) in steps {
        let open = (last + gap).max(500);
        let close = (open + change).max(500);
        bars.push((open, i64::from(*up), i64::from(*down), close));
        last = close;
    }
    bars
}

fn steps(least: usize) -> impl Strategy<Value = Vec<(i64, i64, u8, u8)>> {
    prop::collection::vec((-2_i64..3, -14_i64..15, 0_u8..6, 0_u8..6), least..least + 250)
}

/// What each strategy wants after each bar, by its definition: windows are looked at anew every
/// time, in whole cents.
fn wanted(strategy: &str, bars: &[(i64, i64, i64, i64)]) -> Vec<Option<bool>> {
    let closes: Vec<i64> = bars.iter().map(|bar| bar.3).collect();
    let sum = |end: usize, n: usize| closes[end + 1 - n..=end].iter().sum::<i64>();
    let mut side = None;
    let mut held = false;
    let mut says = Vec::new();
    for end in 0..bars.len() {
        let said = match strategy {
            "sma-cross" if end + 1 >= 30 => {
                // 10-bar average against 30-bar average, both times 30.
                let sign = (3 * sum(end, 10) - sum(end, 30)).signum();
                let before = side;
                if sign != 0 {
                    side = Some(sign);
                }
                (sign != 0 && before.is_some_and(|before| before != sign)).then_some(sign > 0)
            }
            "donchian-breakout" => {
                let high = |bar: &(i64, i64, i64, i64)| bar.0.max(bar.3) + bar.1;
                let low = |bar: &(i64, i64, i64, i64)| bar.0.min(bar.3) - bar.2;
                let top = (end >= 20).then(|| bars[end - 20..end].iter().map(high).max().unwrap());
                let bottom = (end >= 10).then(|| bars[end - 10..end].iter().map(low).min().unwrap());
                if !held && top.is_some_and(|top| closes[end] > top) {
                    Some(true)
                } else if held && bottom.is_some_and(|bottom| closes[end] < bottom) {
                    Some(false)
                } else {
                    None
                }
            }
            "bollinger-reversion" if end >= 20 => {
                let (before, now) = (bands(&closes, end - 1).unwrap(), bands(&closes, end).unwrap());
                match (!before.0 && now.0, !before.1 && now.1) {
                    (true, _) => Some(true),
                    (false, true) => Some(false),
                    (false, false) => None,
                }
            }
            _ => None,
        };
        held = said.unwrap_or(held);
        says.push(said);
    }
    says
}

/// Whether a close lies below the lower band of the 20 closes that end with it, and whether above their middle:
/// 20 times its distance d from their mean, and 400 times their variance v. Two deviations below is d < 0
/// and d * d > 4 * v, in whole numbers.
fn bands(closes: &[i64], end: usize) -> Option<(bool, bool)> {
    let window = &closes[(end + 1).checked_sub(20)?..=end];
    let sum: i64 = window.iter().sum();
    let distance = 20 * closes[end] - sum;
    let variance = 20 * window.iter().map(|close| close * close).sum::<i64>() - sum * sum;
    Some((distance < 0 && distance * distance > 4 * variance, distance > 0))
}

/// A round trip: bar and price in cents of entry and exit, fees and profit after them in cents.
type Trip = ((usize, i64), (usize, i64), i64, i64);

/// Round trips of so many shares at the next bar's open, by a commission in cents a side.
fn trips(says: &[Option<bool>], bars: &[(i64, i64, i64, i64)], shares: i64, side_cents: i64) -> Vec<Trip> {
    let mut entry: Option<usize> = None;
    let mut trips = Vec::new();
    for (at, said) in says.iter().enumerate().take(bars.len() - 1) {
        match (said, entry) {
            (Some(true), None) => entry = Some(at + 1),
            (Some(false), Some(began)) => {
                let (bought, sold, fees) = (bars[began].0, bars[at + 1].0, 2 * side_cents);
                trips.push(((began, bought), (at + 1, sold), fees, shares * (sold - bought) - fees));
                entry = None;
            }
            _ => {}
        }
    }
    trips
}

/// Plays the strategy on the walk and compares every round trip, under four commissions; gives them without
/// one.
fn agrees(strategy: &str, params: &str, steps: &[(i64, i64, u8, u8)]) -> Vec<Trip> {
    let cents = walk(steps);
    let bars = series(&cents);
    let says = wanted(strategy, &cents);
    // A side of 100 shares at 0.005 USD is 0.50, at least 1.00 by the fixed tariff; of 350 shares 1.75.
    for (commission, shares, side_cents) in
        [("none", "100", 0), ("per-share=0.005", "100", 50), ("ibkr-fixed", "100", 100), ("ibkr-fixed", "350", 175)]
    {
        let settings = settings(&[
            ("SYMBOLS", "SYN"),
            ("CALENDAR", "always"),
            ("STRATEGY", strategy),
            ("STRATEGY_PARAMS", params),
            ("RISK_FIXED_SHARES", shares),
        ]);
        let (played, _) = play(&settings, &data(bars.clone()), commission);
        let own = played.outcome.trades.kept().iter().map(|trade| {
            let place = |at: MarketTime| bars.iter().position(|bar| bar.time == at).unwrap();
            let cents = |usd: Decimal| (usd * Decimal::ONE_HUNDRED).normalize().to_string().parse::<i64>().unwrap();
            let entry = (place(trade.entry_time), cents(trade.entry_price.decimal()));
            let exit = (place(trade.exit_time), cents(trade.exit_price.decimal()));
            (entry, exit, cents(trade.fees.decimal()), cents(trade.pnl.decimal()))
        });
        let expected = trips(&says, &cents, shares.parse().unwrap(), side_cents);
        assert_eq!(own.collect::<Vec<_>>(), expected, "{strategy} of {shares} at {commission}");
    }
    trips(&says, &cents, 100, 0)
}

/// Both outcomes are in what the generated bars lead to.
#[test]
fn reversions_by_their_definition_win_and_lose() {
    let mut seed = 11_u64;
    let mut draw = |many: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % many
    };
    let mut step = || (draw(5) as i64 - 2, draw(29) as i64 - 14, draw(6) as u8, draw(6) as u8);
    let steps: Vec<_> = (0..3_000).map(|_| step()).collect();
    let trips = agrees("bollinger-reversion", "period=20,width=2", &steps);
    let won = trips.iter().filter(|trip| trip.3 > 0).count();
    let lost = trips.iter().filter(|trip| trip.3 < 0).count();
    assert!(won >= 20 && lost >= 10, "{won} won, {lost} lost");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn crossings_by_their_definition(steps in steps(120)) {
        agrees("sma-cross", "fast=10,slow=30", &steps);
    }

    #[test]
    fn breakouts_by_their_definition(steps in steps(120)) {
        agrees("donchian-breakout", "entry_bars=20,exit_bars=10", &steps);
    }

    #[test]
    fn reversions_by_their_definition(steps in steps(120)) {
        agrees("bollinger-reversion", "period=20,width=2", &steps);
    }

    /// Whatever the future is, what was decided and traded before it is the same.
    #[test]
    fn nobody_sees_the_future(steps in steps(120), other in steps(120), at in 40_usize..110, which in 0_usize..3) {
        let (strategy, stop) = [("sma-cross", "trailing"), ("rsi-reversion", "atr"), ("donchian-breakout", "fixed")][which];
        let pairs = [
            ("SYMBOLS", "SYN"), ("CALENDAR", "always"), ("STRATEGY", strategy), ("RISK_STOP", stop),
            ("RISK_TRAILING_STOP_PCT", "0.003"), ("RISK_STOP_LOSS_PCT", "0.003"), ("RISK_TAKE_PROFIT_PCT", "0.004"),
        ];
        let settings = settings(&pairs);
        let past: Vec<_> = steps[..at].to_vec();
        let changed: Vec<_> = past.iter().chain(&other).copied().collect();
        let bars = series(&walk(&steps));
        let until = bars[at - 1].end;
        let (_, one) = play(&settings, &data(bars), "ibkr-fixed");
        let (_, two) = play(&settings, &data(series(&walk(&changed))), "ibkr-fixed");
        // What the next bar's open did at this very instant comes after what was decided on the past.
        let known = |records: Vec<Record>| records.into_iter().filter(|record| record.at < until).collect::<Vec<_>>();
        prop_assert_eq!(known(one), known(two));
    }

    #[test]
    fn the_same_run_is_the_same_to_the_byte(steps in steps(120)) {
        let settings = settings(&[("SYMBOLS", "SYN"), ("CALENDAR", "always"), ("RISK_STOP", "trailing")]);
        let bars = series(&walk(&steps));
        let facts = || {
            let (_, records) = play(&settings, &data(bars.clone()), "ibkr-fixed");
            records.iter().map(|record| serde_json::to_string(record).unwrap()).collect::<Vec<_>>()
        };
        prop_assert_eq!(facts(), facts());
    }
}
