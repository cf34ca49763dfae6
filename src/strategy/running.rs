//! A strategy at work on one symbol: live, simulated and in a backtest it is fed the same way.

use super::indicators::{Atr, Moves, Volatility};
use super::{Strategy, Target};
use crate::domain::Bar;

/// Bars of the average true range that stops and sizing use.
const ATR_BARS: usize = 14;

/// What is measured on a symbol's closed bars, for stops and sizing.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Gauges {
    /// The average true range, USD a share, once enough bars were seen.
    pub atr: Option<f64>,
    /// How much a bar's price moves, once enough bars were seen.
    pub volatility: Option<Moves>,
}

impl Gauges {
    /// These, and what they lack from `former` ones.
    pub fn or(self, former: Self) -> Self {
        Self { atr: self.atr.or(former.atr), volatility: self.volatility.or(former.volatility) }
    }
}

/// What the desk is told of one closed bar, beside the bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Heard {
    /// What the strategy said.
    pub target: Option<Target>,
    /// What was measured.
    pub gauges: Gauges,
}

/// A strategy, and what is measured on the same bars beside it.
pub struct Running {
    strategy: Box<dyn Strategy>,
    atr: Atr,
    volatility: Volatility,
    seen: usize,
}

impl Running {
    /// A strategy that has seen nothing.
    pub fn new(strategy: Box<dyn Strategy>) -> Self {
        Self { strategy, atr: Atr::new(ATR_BARS), volatility: Volatility::default(), seen: 0 }
    }

    /// Bars that the strategy needs before it can have an opinion.
    pub fn warm_up(&self) -> usize {
        self.strategy.warm_up()
    }

    /// Why the strategy has given up, where it has.
    pub fn fault(&self) -> Option<&str> {
        self.strategy.fault()
    }

    /// Closed bars that it has seen.
    pub fn seen(&self) -> usize {
        self.seen
    }

    /// Shows it the next closed bar.
    pub fn show(&mut self, bar: &Bar) -> Heard {
        self.seen += 1;
        let gauges = Gauges { atr: self.atr.push(bar), volatility: self.volatility.push(bar.close) };
        Heard { target: self.strategy.on_bar(bar), gauges }
    }
}
