//! How much a price moves from bar to bar.

/// How much a weight is of the one after it: RiskMetrics' daily decay.
const DECAY: f64 = 0.94;
/// Returns that a volatility needs.
const RETURNS: u32 = 20;

/// A volatility that nobody has asked for yet: hardly any bar's is wanted, and its root takes longer than all the
/// rest of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moves {
    squares: f64,
    weight: f64,
}

impl Moves {
    /// Of a deviation that is known.
    pub fn of(deviation: f64) -> Self {
        Self { squares: deviation * deviation, weight: 1.0 }
    }

    /// The standard deviation of a bar's return, as a fraction.
    pub fn deviation(self) -> f64 {
        (self.squares / self.weight).sqrt()
    }

    /// The same of a year of so many bars.
    pub fn annual(self, bars: f64) -> f64 {
        self.deviation() * bars.sqrt()
    }
}

/// The standard deviation of simple returns about zero, exponentially weighted as RiskMetrics does
/// (decay 0.94), as a fraction a bar.
#[derive(Debug, Clone)]
pub struct Volatility {
    seen: u32,
    last: Option<f64>,
    /// Weighted squares, and the sum of their weights: a weighted mean from the first return on.
    moves: Moves,
}

impl Volatility {
    /// Takes a close in; the volatility of one bar once 20 returns were seen.
    pub fn push(&mut self, close: f64) -> Option<Moves> {
        let last = self.last.replace(close).filter(|last| *last > 0.0)?;
        let (change, moves) = (close / last - 1.0, &mut self.moves);
        moves.squares = DECAY * moves.squares + (1.0 - DECAY) * change * change;
        moves.weight = DECAY * moves.weight + (1.0 - DECAY);
        self.seen = self.seen.saturating_add(1);
        (self.seen >= RETURNS).then_some(*moves)
    }
}

impl Default for Volatility {
    fn default() -> Self {
        Self { seen: 0, last: None, moves: Moves { squares: 0.0, weight: 0.0 } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volatility_is_the_root_of_the_weighted_mean_of_squared_returns() {
        let closes: Vec<f64> = (0..60).map(|n| 100.0 + f64::from((n * 7919) % 13) - 6.0).collect();
        let mut volatility = Volatility::default();
        for (index, close) in closes.iter().enumerate() {
            let seen = volatility.push(*close).map(Moves::deviation);
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
}
