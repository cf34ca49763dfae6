//! Indicators, constant time a bar.

use std::collections::VecDeque;

use crate::domain::Bar;

/// A price in whole millionths of a dollar: sums of these are exact, whatever the order of
/// additions and however many bars pass.
fn micros(price: f64) -> i64 {
    // Prices are checked finite and positive; above nine trillion dollars a share it saturates.
    (price * 1e6).round() as i64
}

/// A moving sum of closes over a fixed number of bars, exact to a millionth of a dollar.
#[derive(Debug, Clone)]
pub struct MovingSum {
    window: VecDeque<i64>,
    length: usize,
    sum: i128,
}

impl MovingSum {
    /// Over `length` bars (at least 1).
    pub fn new(length: usize) -> Self {
        let length = length.max(1);
        Self { window: VecDeque::with_capacity(length + 1), length, sum: 0 }
    }

    /// Takes a price in; the sum in millionths once the window is full.
    pub fn push(&mut self, price: f64) -> Option<i128> {
        let value = micros(price);
        self.window.push_back(value);
        self.sum += i128::from(value);
        if self.window.len() > self.length {
            self.sum -= i128::from(self.window.pop_front().unwrap_or(0));
        }
        (self.window.len() == self.length).then_some(self.sum)
    }

    /// Bars it covers.
    pub fn length(&self) -> usize {
        self.length
    }
}

/// The relative strength index with Wilder's smoothing, 0 to 100.
#[derive(Debug, Clone)]
pub struct Rsi {
    length: usize,
    seen: usize,
    last: Option<f64>,
    gain: f64,
    loss: f64,
}

impl Rsi {
    /// Over `length` changes (at least 1).
    pub fn new(length: usize) -> Self {
        Self { length: length.max(1), seen: 0, last: None, gain: 0.0, loss: 0.0 }
    }

    /// Takes a close in; the index once `length` changes were seen. 50 where nothing moved.
    pub fn push(&mut self, close: f64) -> Option<f64> {
        let last = self.last.replace(close)?;
        let (gain, loss) = ((close - last).max(0.0), (last - close).max(0.0));
        self.seen += 1;
        let n = self.length as f64;
        if self.seen <= self.length {
            self.gain += gain / n;
            self.loss += loss / n;
        } else {
            self.gain += (gain - self.gain) / n;
            self.loss += (loss - self.loss) / n;
        }
        let sum = self.gain + self.loss;
        (self.seen >= self.length).then(|| if sum > 0.0 { 100.0 * self.gain / sum } else { 50.0 })
    }
}

/// The average true range with Wilder's smoothing, USD a share.
#[derive(Debug, Clone)]
pub struct Atr {
    length: usize,
    seen: usize,
    last_close: Option<f64>,
    value: f64,
}

impl Atr {
    /// Over `length` bars (at least 1).
    pub fn new(length: usize) -> Self {
        Self { length: length.max(1), seen: 0, last_close: None, value: 0.0 }
    }

    /// Takes a bar in; the range once `length` bars were seen.
    pub fn push(&mut self, bar: &Bar) -> Option<f64> {
        let last = self.last_close.replace(bar.close).unwrap_or(bar.open);
        let range = bar.high.max(last) - bar.low.min(last);
        self.seen += 1;
        let n = self.length as f64;
        if self.seen <= self.length {
            self.value += range / n;
        } else {
            self.value += (range - self.value) / n;
        }
        self.value()
    }

    /// The range now, if enough bars were seen.
    pub fn value(&self) -> Option<f64> {
        (self.seen >= self.length).then_some(self.value)
    }
}

/// How much a weight is of the one after it: RiskMetrics' daily decay.
const DECAY: f64 = 0.94;
/// Returns that a volatility needs.
const RETURNS: u32 = 20;

/// The standard deviation of simple returns about zero, exponentially weighted as RiskMetrics does
/// (decay 0.94), as a fraction a bar.
#[derive(Debug, Clone, Default)]
pub struct Volatility {
    seen: u32,
    last: Option<f64>,
    /// Weighted squares, and the sum of their weights: a weighted mean from the first return on.
    squares: f64,
    weight: f64,
}

impl Volatility {
    /// Takes a close in; the volatility of one bar once 20 returns were seen.
    pub fn push(&mut self, close: f64) -> Option<f64> {
        let last = self.last.replace(close).filter(|last| *last > 0.0)?;
        let change = close / last - 1.0;
        self.squares = DECAY * self.squares + (1.0 - DECAY) * change * change;
        self.weight = DECAY * self.weight + (1.0 - DECAY);
        self.seen = self.seen.saturating_add(1);
        (self.seen >= RETURNS).then(|| (self.squares / self.weight).sqrt())
    }

    /// The volatility of a year of so many bars, of that of one.
    pub fn annual(of_a_bar: f64, bars: f64) -> f64 {
        of_a_bar * bars.sqrt()
    }
}

/// Highest or lowest of the last bars, by a monotonic queue.
#[derive(Debug, Clone)]
pub struct Extreme {
    length: usize,
    seen: usize,
    highest: bool,
    queue: VecDeque<(usize, f64)>,
}

impl Extreme {
    /// The highest of `length` values.
    pub fn highest(length: usize) -> Self {
        Self { length: length.max(1), seen: 0, highest: true, queue: VecDeque::new() }
    }

    /// The lowest of `length` values.
    pub fn lowest(length: usize) -> Self {
        Self { highest: false, ..Self::highest(length) }
    }

    /// The extreme of the values so far in the window, once it is full.
    pub fn value(&self) -> Option<f64> {
        if self.seen < self.length { None } else { self.queue.front().map(|(_, value)| *value) }
    }

    /// Takes a value in.
    pub fn push(&mut self, value: f64) {
        let beaten = |old: f64| if self.highest { old <= value } else { old >= value };
        while self.queue.back().is_some_and(|(_, old)| beaten(*old)) {
            self.queue.pop_back();
        }
        self.queue.push_back((self.seen, value));
        self.seen += 1;
        while self.queue.front().is_some_and(|(index, _)| index + self.length < self.seen) {
            self.queue.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn volatility_is_the_root_of_the_weighted_mean_of_squared_returns() {
        let closes: Vec<f64> = (0..60).map(|n| 100.0 + f64::from((n * 7919) % 13) - 6.0).collect();
        let mut volatility = Volatility::default();
        for (index, close) in closes.iter().enumerate() {
            let seen = volatility.push(*close);
            let returns: Vec<f64> = closes[..=index].windows(2).map(|two| two[1] / two[0] - 1.0).collect();
            let weights = (0..returns.len()).rev().map(|age| 0.94_f64.powi(i32::try_from(age).unwrap()));
            let (mut squares, mut all) = (0.0, 0.0);
            for (change, weight) in returns.iter().zip(weights) {
                squares += weight * change * change;
                all += weight;
            }
            let expected = (returns.len() >= 20).then(|| (squares / all).sqrt());
            assert_eq!(seen.is_some(), expected.is_some(), "{index}");
            assert!((seen.unwrap_or(0.0) - expected.unwrap_or(0.0)).abs() < 1e-12, "{index}");
        }
    }

    proptest! {
        #[test]
        fn moving_values_agree_with_their_definitions(
            cents in prop::collection::vec(1_u32..1_000_000, 1..200), length in 1_usize..30,
        ) {
            let prices: Vec<f64> = cents.iter().map(|c| f64::from(*c) / 100.0).collect();
            let (mut sum, mut high, mut low) =
                (MovingSum::new(length), Extreme::highest(length), Extreme::lowest(length));
            for (index, price) in prices.iter().enumerate() {
                let total = sum.push(*price);
                high.push(*price);
                low.push(*price);
                if index + 1 < length {
                    prop_assert_eq!((total, high.value(), low.value()), (None, None, None));
                    continue;
                }
                let window = &prices[index + 1 - length..=index];
                let exact: i128 = cents[index + 1 - length..=index].iter().map(|c| i128::from(*c) * 10_000).sum();
                prop_assert_eq!(total, Some(exact));
                prop_assert_eq!(high.value(), window.iter().copied().reduce(f64::max));
                prop_assert_eq!(low.value(), window.iter().copied().reduce(f64::min));
            }
        }
    }

    #[test]
    fn rsi_knows_its_ends() {
        let run = |closes: &[f64]| {
            let mut rsi = Rsi::new(3);
            closes.iter().filter_map(|c| rsi.push(*c)).last()
        };
        assert_eq!(run(&[1.0, 2.0, 3.0]), None);
        assert_eq!(run(&[1.0, 2.0, 3.0, 4.0]), Some(100.0));
        assert_eq!(run(&[4.0, 3.0, 2.0, 1.0]), Some(0.0));
        assert_eq!(run(&[5.0, 5.0, 5.0, 5.0]), Some(50.0));
        // Gains 1, 0, 2 and losses 0, 1, 0: averages 1 and 1/3.
        assert!(run(&[10.0, 11.0, 10.0, 12.0]).is_some_and(|rsi| (rsi - 75.0).abs() < 1e-9));
    }
}
