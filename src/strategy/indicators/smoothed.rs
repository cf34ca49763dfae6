//! Indicators that remember every bar, each less than the one after it.

use crate::domain::Bar;

/// Bars after which an exponential average of `length` has forgotten where it began: four times
/// its length, when what is left of its first value is e^-8, a three-thousandth.
///
/// An average begun later, after a restart with less history, then differs by no more than that
/// from one that never stopped. A strategy that smooths keeps silent for so long.
pub fn memory(length: usize) -> usize {
    length.saturating_mul(4)
}

/// The same for Wilder's smoothing, whose `length` forgets as slowly as an exponential average of
/// twice as many bars (less one).
pub fn wilder_memory(length: usize) -> usize {
    memory(length.saturating_mul(2).saturating_sub(1))
}

/// An exponential moving average: each value counts for 2 / (length + 1), the first for itself.
#[derive(Debug, Clone)]
pub struct Ema {
    length: usize,
    seen: usize,
    weight: f64,
    value: f64,
}

impl Ema {
    /// Of `length` values (at least 1).
    pub fn new(length: usize) -> Self {
        let length = length.max(1);
        Self { length, seen: 0, weight: 2.0 / (length as f64 + 1.0), value: 0.0 }
    }

    /// Takes a value in; the average once `length` values were seen, in the values' unit.
    #[inline]
    pub fn push(&mut self, value: f64) -> Option<f64> {
        if self.seen == 0 {
            self.value = value;
        } else {
            self.value += self.weight * (value - self.value);
        }
        self.seen += 1;
        self.value()
    }

    /// The average as it is, once it has seen its length.
    #[inline]
    pub fn value(&self) -> Option<f64> {
        (self.seen >= self.length).then_some(self.value)
    }
}

/// Moving average convergence and divergence: a fast exponential average less a slow one, and the
/// exponential average of that difference, the signal.
#[derive(Debug, Clone)]
pub struct Macd {
    fast: Ema,
    slow: Ema,
    signal: Ema,
}

impl Macd {
    /// Of averages of so many values.
    pub fn new(fast: usize, slow: usize, signal: usize) -> Self {
        Self { fast: Ema::new(fast), slow: Ema::new(slow), signal: Ema::new(signal) }
    }

    /// Takes a close in; the difference and its signal, USD a share, once all averages have seen
    /// their length.
    #[inline]
    pub fn push(&mut self, close: f64) -> Option<(f64, f64)> {
        let (fast, slow) = (self.fast.push(close), self.slow.push(close));
        let difference = fast? - slow?;
        self.signal.push(difference).map(|signal| (difference, signal))
    }

    /// The difference and its average as they are, where there are any.
    pub fn values(&self) -> (Option<f64>, Option<f64>) {
        let difference = self.fast.value().zip(self.slow.value()).map(|(fast, slow)| fast - slow);
        (difference, self.signal.value())
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
    /// Of a new range: one part in `length`.
    weight: f64,
    seen: usize,
    last_close: Option<f64>,
    value: f64,
}

impl Atr {
    /// Over `length` bars (at least 1).
    pub fn new(length: usize) -> Self {
        let length = length.max(1);
        Self { length, weight: 1.0 / length as f64, seen: 0, last_close: None, value: 0.0 }
    }

    /// Takes a bar in; the range once `length` bars were seen.
    #[inline]
    pub fn push(&mut self, bar: &Bar) -> Option<f64> {
        let last = self.last_close.replace(bar.close).unwrap_or(bar.open);
        let (high, low) = (if last > bar.high { last } else { bar.high }, if last < bar.low { last } else { bar.low });
        let range = high - low;
        self.seen += 1;
        let former = if self.seen <= self.length { 0.0 } else { self.value };
        self.value += (range - former) * self.weight;
        self.value()
    }

    /// The range now, if enough bars were seen.
    pub fn value(&self) -> Option<f64> {
        (self.seen >= self.length).then_some(self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn after_its_memory_an_average_has_forgotten_its_first_value() {
        for length in [2, 9, 26, 200] {
            let mut averages = [Ema::new(length), Ema::new(length)];
            let mut last = [None; 2];
            for bar in 0..=memory(length) {
                for (index, average) in averages.iter_mut().enumerate() {
                    let first = [100.0, 200.0][index];
                    last[index] = average.push(if bar == 0 { first } else { 50.0 });
                }
            }
            let [a, b] = last.map(Option::unwrap);
            assert!((b - a) / 100.0 <= (-8.0_f64).exp(), "{length}: {a} {b}");
        }
    }
}
