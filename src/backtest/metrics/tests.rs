//! Metrics against values that were computed by hand.

use rust_decimal::Decimal;

use super::words::{self, Unit, WORDS};
use super::*;
use crate::backtest::outcome::{DayPoint, ExitReason, Running};
use crate::backtest::report::sample_tests::empty;
use crate::domain::{BarSize, MarketTime, Price, Shares};

/// An outcome of these equities at days' ends, with cash of 1000 USD; a calendar year long.
fn outcome(days: &[(f64, Option<f64>)]) -> Outcome {
    let start = chrono::NaiveDate::from_ymd_opt(2024, 1, 1).unwrap();
    let last = days.last().map_or(1000.0, |(equity, _)| *equity);
    Outcome {
        bar_size: BarSize::Day1,
        span: Some((MarketTime::from_secs(0), MarketTime::from_secs(31_557_600))),
        cash: usd("1000"),
        final_equity: Usd::from_f64(last).unwrap(),
        days: start
            .iter_days()
            .zip(days)
            .map(|(date, (equity, benchmark))| DayPoint { date, equity: *equity, benchmark: *benchmark })
            .collect(),
        ..empty()
    }
}

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

fn trade(pnl: &str, bars: u32) -> Trade {
    Trade {
        symbol: "SPY".parse().unwrap(),
        entry_time: MarketTime::from_secs(0),
        entry_price: Price::of(Decimal::from(10)),
        exit_time: MarketTime::from_secs(60),
        exit_price: Price::of(Decimal::from(11)),
        quantity: Shares(-20),
        pnl: usd(pnl),
        fees: Usd::ZERO,
        reason: ExitReason::Signal,
        bars,
    }
}

fn near(value: Option<f64>, expected: f64) {
    let value = value.expect("is known");
    assert!((value - expected).abs() < 1e-9 * expected.abs().max(1.0), "{value} is not {expected}");
}

#[test]
fn four_days_by_hand() {
    // 1000, 1100, 1045, 1045, 1149.5: returns +0.1, -0.05, 0, +0.1; mean 0.15 / 4 = 0.0375.
    // Differences 0.0625, -0.0875, -0.0375, 0.0625; squares 0.00390625, 0.00765625, 0.00140625, 0.00390625: 0.016875.
    // Deviation sqrt(0.016875 / 3) = sqrt(0.005625) = 0.075.
    let metrics = Metrics::of(&outcome(&[(1100.0, None), (1045.0, None), (1045.0, None), (1149.5, None)]), 0.0);
    near(metrics.total_return, 0.1495);
    near(metrics.annual_return, 0.1495);
    near(metrics.annual_volatility, 0.075 * 252_f64.sqrt());
    near(metrics.sharpe, 0.0375 / 0.075 * 252_f64.sqrt());
    // Only -0.05 falls short: sqrt(0.0025 / 4) = 0.025; 0.0375 / 0.025 = 1.5.
    near(metrics.sortino, 1.5 * 252_f64.sqrt());
    near(metrics.best_day, 0.1);
    near(metrics.worst_day, -0.05);
    // m2 = 0.016875 / 4 = 0.00421875. Cubes of the differences: 2 * 0.000244140625 - 0.000669921875
    // - 0.000052734375 = -0.000234375; m3 = -0.00005859375; g3 = m3 / m2^1.5.
    near(metrics.skew, -0.000_058_593_75 / 0.004_218_75_f64.powf(1.5));
    // Fourth powers: 2 * 0.0000152587890625 + 0.0000586181640625 + 0.0000019775390625 = 0.00009111328125;
    // m4 = 0.0000227783203125; g4 = m4 / 0.0000177978515625 = 1.27983539...
    near(metrics.kurtosis, 0.000_022_778_320_312_5 / 0.000_017_797_851_562_5);
    let expected = probabilistic_sharpe(0.5, 0.0, 4, metrics.skew.unwrap(), metrics.kurtosis.unwrap());
    assert_eq!(metrics.probabilistic_sharpe, expected);
    let (skew, kurtosis) = (metrics.skew.unwrap(), metrics.kurtosis.unwrap());
    near(deflated_sharpe(0.5, 4, skew, kurtosis, 1, 0.1), expected.unwrap());
    assert!(deflated_sharpe(0.5, 4, skew, kurtosis, 50, 0.1) < expected, "the best of many is worth less");
    assert_eq!((metrics.value_at_risk, metrics.beta, metrics.benchmark_return), (None, None, None));
}

#[test]
fn riskless_return_is_taken_off() {
    // (1 + R)^(1/252) - 1 = 0.01 a day; returns 0.03 and 0.01, mean above it 0.01, deviation 0.02 / sqrt(2).
    let metrics = Metrics::of(&outcome(&[(1030.0, None), (1040.3, None)]), 1.01_f64.powi(252) - 1.0);
    near(metrics.sharpe, 0.01 / (0.02 / 2_f64.sqrt()) * 252_f64.sqrt());
    assert_eq!(metrics.sortino, None, "no day falls short of it");
}

#[test]
fn against_the_benchmark_by_hand() {
    // Benchmark +0.1, -0.1, +0.3 (mean 0.1); own twice that and 0.01: 0.21, -0.19, 0.61.
    let (mut own, mut benchmark) = (1000.0, 1000.0);
    let days: Vec<(f64, Option<f64>)> = [0.1, -0.1, 0.3]
        .iter()
        .map(|day| {
            own *= 1.0 + 2.0 * day + 0.01;
            benchmark *= 1.0 + day;
            (own, Some(benchmark))
        })
        .collect();
    let metrics = Metrics::of(&outcome(&days), 0.0);
    near(metrics.beta, 2.0);
    near(metrics.alpha, 0.01 * 252.0);
    near(metrics.correlation, 1.0);
    near(metrics.benchmark_return, 1.1 * 0.9 * 1.3 - 1.0);
}

#[test]
fn one_day_in_twenty() {
    // 40 days: k = 2. Worst -0.04 and -0.02: at risk 0.02, beyond it 0.03.
    let mut equity = 1000.0;
    let days: Vec<(f64, Option<f64>)> = (0..40)
        .map(|day| {
            equity *= 1.0
                + if day == 7 {
                    -0.04
                } else if day == 20 {
                    -0.02
                } else {
                    0.01
                };
            (equity, None)
        })
        .collect();
    let metrics = Metrics::of(&outcome(&days), 0.0);
    near(metrics.value_at_risk, 0.02);
    near(metrics.expected_shortfall, 0.03);
    assert_eq!(Metrics::of(&outcome(&days[..19]), 0.0).value_at_risk, None);
}

#[test]
fn trades_by_hand() {
    // 30 + 50 - 20 + 0 - 20 = 40 over five; wins 80 / 2 = 40, losses -40 / 2 = -20.
    let mut played = outcome(&[(1040.0, None)]);
    played.trades = [("30", 1), ("50.00", 2), ("-20", 3), ("0", 4), ("-20.0", 10)]
        .map(|(pnl, bars)| trade(pnl, bars))
        .into_iter()
        .collect();
    let metrics = Metrics::of(&played, 0.0);
    assert_eq!((metrics.trades, metrics.wins, metrics.losses), (5, 2, 2));
    near(metrics.win_rate, 0.4);
    near(metrics.profit_factor, 2.0);
    near(metrics.average_trade, 8.0);
    near(metrics.expectancy, 0.4);
    near(metrics.average_win, 40.0);
    near(metrics.average_loss, -20.0);
    near(metrics.largest_win, 50.0);
    near(metrics.largest_loss, -20.0);
    near(metrics.average_bars_held, 4.0);
    // 20 shares sold at 10: 200 USD opened; 40 / 5 / 200.
    near(metrics.average_trade_return, 0.04);
}

#[test]
fn running_sums_by_hand() {
    let mut played = outcome(&[(900.0, None), (1100.0, None)]);
    played.running = Running {
        instants: 8,
        exposed: 2,
        leverage_sum: 4.0,
        leverage_most: 2.5,
        drawdown: 0.2,
        drawdown_usd: 220.0,
        drawdown_seconds: 129_600,
        traded: 3000.0,
        slippage: 1.5,
    };
    let metrics = Metrics::of(&played, 0.0);
    near(metrics.exposure, 0.25);
    near(metrics.average_leverage, 0.5);
    near(metrics.max_leverage, 2.5);
    near(metrics.longest_drawdown_days, 1.5);
    near(metrics.calmar, 0.1 / 0.2);
    near(metrics.turnover, 3.0);
    near(metrics.annual_turnover, 3.0);
    assert_eq!((metrics.max_drawdown_usd, metrics.slippage), (Some(220.0), 1.5));
}

#[test]
fn what_is_not_known_is_not_a_number() {
    let mut nothing = outcome(&[]);
    nothing.span = None;
    let metrics = Metrics::of(&nothing, 0.0);
    let known: Vec<&str> =
        words::values(&metrics).iter().filter(|(_, value)| value.is_some()).map(|(word, _)| word.key).collect();
    let always = ["risk_free", "days", "net_profit", "total_return", "trades", "wins", "losses", "fees", "slippage"];
    assert_eq!(known, always);

    let one = Metrics::of(&outcome(&[(1010.0, Some(1020.0))]), 0.0);
    near(one.best_day, 0.01);
    assert_eq!((one.sharpe, one.sortino, one.annual_volatility, one.skew, one.beta), (None, None, None, None, None));

    let constant = Metrics::of(&outcome(&[(1000.0, Some(1000.0)); 30]), 0.0);
    near(constant.annual_volatility, 0.0);
    assert_eq!((constant.sharpe, constant.sortino, constant.kurtosis, constant.calmar), (None, None, None, None));
    assert_eq!((constant.beta, constant.correlation, constant.probabilistic_sharpe), (None, None, None));

    let mut short = outcome(&[(1010.0, None)]);
    short.span = Some((MarketTime::from_secs(0), MarketTime::from_secs(86_400)));
    assert_eq!(Metrics::of(&short, 0.0).annual_return, None, "a day is not a year");
}

#[test]
fn all_wins_have_no_profit_factor_and_a_total_loss_has_returns_until_it() {
    let mut won = outcome(&[(1010.0, None)]);
    won.trades = [trade("10", 1)].into_iter().collect();
    let metrics = Metrics::of(&won, 0.0);
    assert_eq!((metrics.profit_factor, metrics.expectancy, metrics.average_loss), (None, None, None));
    near(metrics.win_rate, 1.0);

    let lost = Metrics::of(&outcome(&[(500.0, None), (0.0, None), (0.0, None), (0.0, None)]), 0.0);
    near(lost.total_return, -1.0);
    near(lost.annual_return, -1.0);
    near(lost.worst_day, -1.0);
    // Returns -0.5 and -1, then none: mean -0.75, deviation 0.5 / sqrt(2).
    near(lost.sharpe, -0.75 / (0.5 / 2_f64.sqrt()) * 252_f64.sqrt());
    assert_eq!(Metrics::of(&outcome(&[(-10.0, None)]), 0.0).annual_return, None, "a debt has no growth");
}

#[test]
fn every_metric_has_its_row_and_the_document_says_them() {
    let fields = serde_json::to_string(&Metrics::default()).unwrap();
    let keys: Vec<String> = WORDS.iter().map(|word| format!("\"{}\":", word.key)).collect();
    let mut from = 0;
    for key in &keys {
        from += fields[from..].find(key.as_str()).unwrap_or_else(|| panic!("{key} is missing or out of order"));
    }
    assert_eq!(fields.matches("\":").count(), WORDS.len());

    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let begin = text.find("| key |").expect("docs/metrics.md has the table");
    let end = begin + text[begin..].find("\n\n").expect("text follows the table") + 1;
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{}{}{}", &text[..begin], words::markdown(), &text[end..])).unwrap();
    } else {
        assert_eq!(&text[begin..end], words::markdown(), "UPDATE_DOCS=1 cargo test --lib backtest:: writes it anew");
    }
}

#[test]
fn values_have_units() {
    let cases = [
        (Unit::Percent, 0.12345, "12.35 %"),
        (Unit::Usd, -1_234_567.5, "-1,234,567.50 USD"),
        (Unit::Usd, 999.0, "999.00 USD"),
        (Unit::Ratio, -0.001, "0.00"),
        (Unit::Count, 39_000.0, "39,000"),
        (Unit::Times, 1.5, "1.50 x"),
    ];
    for (unit, value, text) in cases {
        assert_eq!(unit.show(value), text);
    }
    assert_eq!(words::shown(Unit::Usd, None), "unknown");
    assert_eq!(words::shown(Unit::Usd, Some(f64::NAN)), "unknown");
}
