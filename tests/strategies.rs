//! Strategies against rules written anew from their description: no code shared, every window
//! worked out afresh at every bar, the same target at every bar.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod series;

use std::collections::BTreeMap;

use robo_trader::domain::Bar;
use robo_trader::strategy::{REGISTRY, Script, build};

/// What a strategy says at every bar.
fn says(name: &str, given: &[(&str, &str)], bars: &[Bar]) -> Vec<Option<f64>> {
    let given: BTreeMap<_, _> = given.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let mut strategy = build(name, &given).unwrap();
    bars.iter().map(|bar| strategy.on_bar(bar).map(|target| target.value())).collect()
}

fn cents(bars: &[Bar]) -> Vec<i128> {
    // Real prices have up to four decimals.
    bars.iter().map(|bar| (bar.close * 10_000.0).round() as i128).collect()
}

/// Compares a strategy with its oracle over every series, and demands that it spoke at all.
fn check(name: &str, given: &[(&str, &str)], oracle: impl Fn(&[Bar]) -> Vec<Option<f64>>) {
    let mut spoken = 0;
    for (series, bars) in series::all() {
        let (is, should_be) = (says(name, given, &bars), oracle(&bars));
        let differs = is.iter().zip(&should_be).position(|(is, should_be)| is != should_be);
        if let Some(index) = differs {
            panic!("{name} {given:?}, {series}, bar {index}: {:?}, the oracle {:?}", is[index], should_be[index]);
        }
        spoken += is.iter().flatten().count();
    }
    assert!(spoken > 100, "{name} {given:?} spoke {spoken} times");
}

#[test]
fn sma_cross_is_its_definition() {
    let rule = |fast: usize, slow: usize, below: f64| {
        move |bars: &[Bar]| {
            let prices = cents(bars);
            // 1 above, -1 below, 0 a tie or not enough bars: by sums over a common denominator.
            let sign = |end: usize| {
                let sum = |length: usize| prices[end - length..end].iter().sum::<i128>();
                if end < slow { 0 } else { (sum(fast) * slow as i128 - sum(slow) * fast as i128).signum() }
            };
            let signs: Vec<i128> = (1..=prices.len()).map(sign).collect();
            let said = |index: usize| {
                let before = signs[..index].iter().rev().find(|sign| **sign != 0)?;
                match (signs[index], *before) {
                    (1, -1) => Some(1.0),
                    (-1, 1) => Some(below),
                    _ => None,
                }
            };
            (0..signs.len()).map(said).collect()
        }
    };
    check("sma-cross", &[("fast", "10"), ("slow", "30")], rule(10, 30, 0.0));
    check("sma-cross", &[("fast", "3"), ("slow", "7"), ("short", "yes")], rule(3, 7, -1.0));
}

#[test]
fn donchian_breakout_is_its_definition() {
    let rule = |entry: usize, exit: usize, short: bool| {
        move |bars: &[Bar]| {
            let mut side = 0.0;
            let said = |index: usize| {
                let before = |length: usize| index.checked_sub(length).map(|from| &bars[from..index]);
                let high = |length| before(length).map(|all| all.iter().map(|bar| bar.high).fold(f64::MIN, f64::max));
                let low = |length| before(length).map(|all| all.iter().map(|bar| bar.low).fold(f64::MAX, f64::min));
                let close = bars[index].close;
                let over = |level: Option<f64>| level.is_some_and(|level| close > level);
                let under = |level: Option<f64>| level.is_some_and(|level| close < level);
                let new = if over(high(entry)) {
                    1.0
                } else if short && under(low(entry)) {
                    -1.0
                } else if (side > 0.0 && under(low(exit))) || (side < 0.0 && over(high(exit))) {
                    0.0
                } else {
                    side
                };
                let changed = new != side;
                side = new;
                changed.then_some(new)
            };
            (0..bars.len()).map(said).collect()
        }
    };
    check("donchian-breakout", &[("entry_bars", "20"), ("exit_bars", "10")], rule(20, 10, false));
    check("donchian-breakout", &[("entry_bars", "9"), ("exit_bars", "4"), ("short", "yes")], rule(9, 4, true));
}

#[test]
fn bollinger_reversion_is_its_definition() {
    // The distance from the mean and the square of the deviation, both times the number of bars, are
    // whole numbers: the comparison with two deviations is exact.
    let rule = |period: usize, short: bool| {
        move |bars: &[Bar]| {
            let prices = cents(bars);
            // -2 below the lower band, -1 below the middle, and so on up.
            let place = |end: usize| {
                let window = &prices[end.checked_sub(period)?..end];
                let (n, sum) = (period as i128, window.iter().sum::<i128>());
                let squares = window.iter().map(|price| price * price).sum::<i128>();
                let (distance, variance) = (n * prices[end - 1] - sum, n * squares - sum * sum);
                let beyond = i128::from(distance * distance > 4 * variance);
                Some(distance.signum() * (1 + beyond))
            };
            let places: Vec<Option<i128>> = (1..=prices.len()).map(place).collect();
            let said = |index: usize| {
                let (now, before) = (places[index]?, places[index.checked_sub(1)?]?);
                if now == -2 && before > -2 {
                    Some(1.0)
                } else if short && now == 2 && before < 2 {
                    Some(-1.0)
                } else {
                    let returned = (before <= 0 && now > 0) || (short && before >= 0 && now < 0);
                    returned.then_some(0.0)
                }
            };
            (0..places.len()).map(said).collect()
        }
    };
    check("bollinger-reversion", &[("period", "20")], rule(20, false));
    check("bollinger-reversion", &[("period", "11"), ("short", "yes")], rule(11, true));
}

#[test]
fn momentum_is_its_definition() {
    let rule = |bars: &[Bar]| {
        let prices = cents(bars);
        let rises = |end: usize, percent: i128| {
            let before = prices[end.checked_sub(10)?];
            Some(100 * (prices[end] - before) - percent * before)
        };
        let said = |index: usize| {
            let (now, before) = (rises(index, 1)?, rises(index.checked_sub(1)?, 1)?);
            let (up, was_up) = (rises(index, 0)?, rises(index - 1, 0)?);
            if now > 0 && before <= 0 { Some(1.0) } else { (up < 0 && was_up >= 0).then_some(0.0) }
        };
        (0..prices.len()).map(said).collect()
    };
    check("momentum", &[("period", "10"), ("threshold", "1")], rule);
}

/// Wilder's average of the values up to each, from the mean of the first `length` on.
fn wilder(values: &[f64], length: usize) -> Vec<Option<f64>> {
    let mut average = 0.0;
    let step = |(index, value): (usize, &f64)| {
        if index + 1 == length {
            average = values[..length].iter().sum::<f64>() / length as f64;
        } else if index >= length {
            average = (average * (length as f64 - 1.0) + value) / length as f64;
        }
        (index + 1 >= length).then_some(average)
    };
    values.iter().enumerate().map(step).collect()
}

#[test]
fn mean_reversion_is_its_definition() {
    let rule = |bars: &[Bar]| {
        let prices = cents(bars);
        let z = |end: usize, length: usize| {
            let window = &prices[end.checked_sub(length)?..end];
            let (n, sum) = (length as i128, window.iter().sum::<i128>());
            let variance = n * window.iter().map(|price| price * price).sum::<i128>() - sum * sum;
            let distance = (n * prices[end - 1] - sum) as f64;
            Some(if variance == 0 { 0.0 } else { distance / (variance as f64).sqrt() })
        };
        let moves: Vec<f64> = bars.windows(2).map(|pair| pair[1].close - pair[0].close).collect();
        let gains = wilder(&moves.iter().map(|step| step.max(0.0)).collect::<Vec<_>>(), 14);
        let losses = wilder(&moves.iter().map(|step| (-step).max(0.0)).collect::<Vec<_>>(), 14);
        let rsi = |end: usize| {
            let (gain, loss) = (gains[end.checked_sub(2)?]?, losses[end - 2]?);
            Some(if gain + loss > 0.0 { 100.0 * gain / (gain + loss) } else { 50.0 })
        };
        let score = |end: usize| {
            let strength = (rsi(end)? - 50.0) / 25.0;
            Some(0.4 * z(end, 20)? / 2.0 + 0.3 * strength + 0.3 * z(end, 20)? / 2.0)
        };
        let scores: Vec<Option<f64>> = (1..=bars.len()).map(score).collect();
        let said = |index: usize| {
            let (now, before) = (scores[index]?, scores[index.checked_sub(1)?]?);
            let says =
                if now < -1.0 && before >= -1.0 { Some(1.0) } else { (before <= 0.0 && now > 0.0).then_some(0.0) };
            // Eight times fourteen less four, and one.
            says.filter(|_| index + 1 >= 109)
        };
        (0..bars.len()).map(said).collect()
    };
    check("mean-reversion", &[], rule);
}

#[test]
fn volatility_breakout_is_its_definition() {
    let rule = |bars: &[Bar]| {
        let range = |index: usize| {
            let (bar, last) = (&bars[index], if index == 0 { bars[0].open } else { bars[index - 1].close });
            (bar.high - bar.low).max((bar.high - last).abs()).max((bar.low - last).abs())
        };
        let ranges = wilder(&(0..bars.len()).map(range).collect::<Vec<_>>(), 14);
        let said = |index: usize| {
            let (before, moved) = (ranges[index.checked_sub(1)?]?, bars[index].close - bars[index - 1].close);
            // The same multiple of the same range, but computed otherwise: nobody decides by the last digit.
            assert!((moved.abs() - 1.5 * before).abs() > 1e-9 || before < 1e-9, "bar {index}: choose another seed");
            let says = if moved > 1.5 * before { Some(1.0) } else { (moved < -1.5 * before).then_some(-1.0) };
            says.filter(|_| index + 1 >= 109)
        };
        (0..bars.len()).map(said).collect()
    };
    check("volatility-breakout", &[("short", "yes")], rule);
}

#[test]
fn a_strategy_that_began_later_comes_to_say_the_same() {
    // What a restart does: the same rule, warmed by no more history than it asks for.
    for row in REGISTRY {
        let (mut differing, mut spoken) = (0, 0);
        for seed in 1..=20 {
            let bars = series::generated(seed, 1_200);
            let whole = says(row.name, &[], &bars);
            let warm_up = build(row.name, &BTreeMap::new()).unwrap().warm_up();
            let from = 600 - warm_up;
            let late = says(row.name, &[], &bars[from..]);
            let (whole, late) = (&whole[600..], &late[600 - from..]);
            spoken += whole.iter().flatten().count();
            differing += whole.iter().zip(late).filter(|(a, b)| a != b).count();
        }
        assert!(spoken > 100, "{} spoke {spoken} times", row.name);
        // The side of the Donchian channel may be older than any history; the index of Wilder's, and
        // exponential averages, agree but for bars that all but touch their edge.
        assert!(differing * 50 <= spoken, "{}: {differing} of {spoken} differ", row.name);
    }
}

#[test]
fn every_example_script_compiles_and_runs() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut seen = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "rhai") {
            continue;
        }
        seen += 1;
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let script = Script::parse(&name, &std::fs::read_to_string(&path).unwrap()).unwrap();
        let mut strategy = script.build(&name, &BTreeMap::new()).unwrap();
        let bars = series::generated(7, 3_000);
        let spoken = bars.iter().filter_map(|bar| strategy.on_bar(bar)).count();
        assert_eq!(strategy.fault(), None);
        assert!(spoken > 10, "{name} spoke {spoken} times");
    }
    assert!(seen > 0);
}

#[test]
fn the_example_of_sma_cross_is_the_built_in_at_every_bar() {
    let source = include_str!("../examples/sma-cross.rhai");
    let script = Script::parse("sma-cross.rhai", source).unwrap();
    let given = BTreeMap::from([("fast", "5"), ("slow", "12")].map(|(k, v)| (k.to_owned(), v.to_owned())));
    for (series, bars) in series::all() {
        let mut strategy = script.build("script:sma-cross.rhai", &given).unwrap();
        let is: Vec<_> = bars.iter().map(|bar| strategy.on_bar(bar).map(|target| target.value())).collect();
        assert_eq!(strategy.fault(), None, "{series}");
        assert!(is == says("sma-cross", &[("fast", "5"), ("slow", "12")], &bars), "{series}");
    }
}
