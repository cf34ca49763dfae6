//! Every indicator agrees with an independent oracle (the `ta` crate, or its definition worked out
//! anew at each bar) on generated bars and on real ones.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod series;

use proptest::prelude::*;
use robo_trader::domain::{Bar, MarketTime};
use robo_trader::strategy::indicators::{Atr, Change, Deviation, Ema, Extreme, Macd, MovingSum, Rsi};
use ta::Next;
use ta::indicators as other;

/// What two ways of computing may differ by, beside the size of what is computed.
fn near(is: f64, should_be: f64, size: f64) -> bool {
    (is - should_be).abs() <= 1e-9 * size.max(1.0)
}

/// One indicator beside its oracle, both warm at the same bar, over the series.
fn agree(name: &str, bars: &[Bar], mut ours: impl FnMut(&Bar) -> Option<f64>, oracle: &[Option<f64>], loose: f64) {
    assert_eq!(bars.len(), oracle.len());
    for (index, (bar, expected)) in bars.iter().zip(oracle).enumerate() {
        match (ours(bar), expected) {
            (None, None) => {}
            (Some(is), Some(should_be)) if near(is, *should_be, loose * bar.close) => {}
            (is, should_be) => panic!("{name} at bar {index}: {is:?}, the oracle says {should_be:?}"),
        }
    }
}

fn closes(bars: &[Bar]) -> Vec<f64> {
    bars.iter().map(|bar| bar.close).collect()
}

/// A definition over a window, worked out anew at each bar.
fn windows(values: &[f64], length: usize, of: impl Fn(&[f64]) -> f64) -> Vec<Option<f64>> {
    (1..=values.len()).map(|end| (end >= length).then(|| of(&values[end - length..end]))).collect()
}

/// An indicator of `ta`, from its first value on; `warm` says from which bar on it is asked.
fn ta_says(values: &[f64], warm: usize, mut indicator: impl Next<f64, Output = f64>) -> Vec<Option<f64>> {
    let says = |(index, value): (usize, &f64)| Some(indicator.next(*value)).filter(|_| index + 1 >= warm);
    values.iter().enumerate().map(says).collect()
}

/// Wilder's average, unrolled: the plain mean of the first `length` values, and each later one, all with the weight
/// that is left of them.
fn wilder(values: &[f64], length: usize) -> Vec<Option<f64>> {
    let share = 1.0 / length as f64;
    let weights: Vec<f64> = (0..values.len()).map(|age| (1.0 - share).powi(age as i32)).collect();
    let average = |end: usize| {
        let first: f64 = values[..length].iter().sum::<f64>() * share;
        let later = values[length..end].iter().rev().zip(&weights).map(|(value, weight)| value * weight * share);
        first * weights[end - length] + later.sum::<f64>()
    };
    (1..=values.len()).map(|end| (end >= length).then(|| average(end))).collect()
}

fn mean(window: &[f64]) -> f64 {
    window.iter().sum::<f64>() / window.len() as f64
}

fn deviation(window: &[f64]) -> f64 {
    let middle = mean(window);
    (window.iter().map(|value| (value - middle).powi(2)).sum::<f64>() / window.len() as f64).sqrt()
}

fn window_indicators(bars: &[Bar], length: usize) {
    let closes = closes(bars);
    let column = |of: fn(&Bar) -> f64| bars.iter().map(of).collect::<Vec<f64>>();

    let mut sum = MovingSum::new(length);
    let average = |bar: &Bar| sum.push(bar.close).map(|total| total as f64 / (length as f64 * 1e6));
    agree("sma", bars, average, &windows(&closes, length, mean), 1.0);

    let mut highest = Extreme::highest(length);
    let high = |bar: &Bar| {
        highest.push(bar.high);
        highest.value()
    };
    let oracle = ta_says(&column(|bar| bar.high), length, other::Maximum::new(length).unwrap());
    agree("highest", bars, high, &oracle, 0.0);
    let mut lowest = Extreme::lowest(length);
    let low = |bar: &Bar| {
        lowest.push(bar.low);
        lowest.value()
    };
    let oracle = ta_says(&column(|bar| bar.low), length, other::Minimum::new(length).unwrap());
    agree("lowest", bars, low, &oracle, 0.0);

    // The bands of Bollinger are made of these two.
    let (mut middle, mut spread) = (Deviation::new(length), Deviation::new(length));
    agree("band", bars, |bar| middle.push(bar.close).map(|s| s.mean), &windows(&closes, length, mean), 1.0);
    // Both sides of a deviation near nothing lose half their digits to the square root, ours fewest.
    let oracle = windows(&closes, length, deviation);
    agree("stddev", bars, |bar| spread.push(bar.close).map(|s| s.deviation), &oracle, 10.0);
    let mut score = Deviation::new(length);
    let scores = windows(&closes, length, |window| {
        let width = deviation(window);
        // A window of one price has no score; what an oracle in floats calls its width is noise.
        if width < 1e-7 { 0.0 } else { (window[length - 1] - mean(window)) / width }
    });
    agree("zscore", bars, |bar| score.push(bar.close).map(|s| s.score), &scores, 10.0);

    let mut change = Change::new(length);
    // `ta` gives a change from the first value until it has as many as it needs: ours gives none.
    let oracle = ta_says(&closes, length + 1, other::RateOfChange::new(length).unwrap());
    agree("change", bars, |bar| change.push(bar.close), &oracle, 1.0);
}

fn smoothed_indicators(bars: &[Bar], length: usize) {
    let closes = closes(bars);
    let mut ema = Ema::new(length);
    let oracle = ta_says(&closes, length, other::ExponentialMovingAverage::new(length).unwrap());
    agree("ema", bars, |bar| ema.push(bar.close), &oracle, 1.0);

    let (slow, signal) = (2 * length + 1, length + 1);
    let mut theirs = other::MovingAverageConvergenceDivergence::new(length, slow, signal).unwrap();
    let mut macd = Macd::new(length, slow, signal);
    let mut signals_of_ours = Ema::new(signal);
    for (index, close) in closes.iter().enumerate() {
        let expected = theirs.next(*close);
        let is = macd.push(*close);
        if index + 1 >= slow {
            // Ours averages the difference from when the slow average is warm, theirs from the start: the
            // signal is the average of `ta`'s own differences from there on.
            let signal_line = signals_of_ours.push(expected.macd);
            assert_eq!(is.is_some(), signal_line.is_some());
            if let (Some((difference, line)), Some(expected_line)) = (is, signal_line) {
                assert!(near(difference, expected.macd, *close), "macd at bar {index}");
                assert!(near(line, expected_line, *close), "signal at bar {index}");
            }
        } else {
            assert_eq!(is, None);
        }
    }

    let moves: Vec<f64> = closes.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let (gains, losses): (Vec<f64>, Vec<f64>) = moves.iter().map(|step| (step.max(0.0), (-step).max(0.0))).unzip();
    let (gains, losses) = (wilder(&gains, length), wilder(&losses, length));
    let strength = |(gain, loss): (&Option<f64>, &Option<f64>)| {
        let (gain, loss) = ((*gain)?, (*loss)?);
        // Long lulls leave sums that floats no longer tell from nothing; ours and the oracle's alike.
        Some(if gain + loss > 0.0 { 100.0 * gain / (gain + loss) } else { 50.0 })
    };
    let oracle: Vec<Option<f64>> = std::iter::once(None).chain(gains.iter().zip(&losses).map(strength)).collect();
    let mut rsi = Rsi::new(length);
    agree("rsi", bars, |bar| rsi.push(bar.close), &oracle, 10.0);

    let before = std::iter::once(bars[0].open).chain(closes.iter().copied());
    let ranges: Vec<f64> = bars
        .iter()
        .zip(before)
        .map(|(bar, last)| (bar.high - bar.low).max((bar.high - last).abs()).max((bar.low - last).abs()))
        .collect();
    let mut atr = Atr::new(length);
    agree("atr", bars, |bar| atr.push(bar), &wilder(&ranges, length), 1.0);
}

#[test]
fn indicators_agree_with_their_oracles_on_generated_and_real_series() {
    for (name, bars) in series::all() {
        for length in [1, 2, 5, 20, 100] {
            eprintln!("{name}, {length} bars");
            window_indicators(&bars, length);
        }
        // Unrolled averages cost the square of the length: enough of the long series is enough.
        let bars = &bars[..bars.len().min(1_500)];
        for length in [2, 9, 14, 50] {
            eprintln!("{name}, {length} bars, smoothed");
            smoothed_indicators(bars, length);
        }
    }
}

fn any_bars() -> impl Strategy<Value = Vec<Bar>> {
    let prices = (1_u32..500_000, 0_u32..500, 0_u32..500, 0_u32..1_000);
    prop::collection::vec(prices, 1..120).prop_map(|all| {
        let bar = |(index, (low, up, more, at)): (usize, (u32, u32, u32, u32))| {
            let usd = |cents: u32| f64::from(cents) / 100.0;
            let high = low + up + more;
            let (open, close) = (low + up, low + at.min(up + more));
            let (time, end) = (MarketTime::from_secs(index as i64), MarketTime::from_secs(index as i64 + 1));
            Bar { time, end, open: usd(open), high: usd(high), low: usd(low), close: usd(close), volume: None }
        };
        all.into_iter().enumerate().map(bar).collect()
    })
}

proptest! {
    #[test]
    fn indicators_agree_with_their_oracles_whatever_the_bars(bars in any_bars(), length in 1_usize..40) {
        window_indicators(&bars, length);
        smoothed_indicators(&bars, length.min(bars.len()));
    }
}
