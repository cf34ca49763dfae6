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
    /// What `later` ones know takes the place of what these do.
    #[inline]
    pub fn take_in(&mut self, later: Self) {
        if later.atr.is_some() {
            self.atr = later.atr;
        }
        if later.volatility.is_some() {
            self.volatility = later.volatility;
        }
    }
}

/// Which gauges the rules of a symbol ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Asked {
    /// [`Gauges::atr`].
    pub atr: bool,
    /// [`Gauges::volatility`].
    pub volatility: bool,
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
    atr: Option<Atr>,
    volatility: Option<Volatility>,
    seen: usize,
}

impl Running {
    /// A strategy that has seen nothing; everything is measured beside it.
    pub fn new(strategy: Box<dyn Strategy>) -> Self {
        Self { strategy, atr: Some(Atr::new(ATR_BARS)), volatility: Some(Volatility::default()), seen: 0 }
    }

    /// The same, with nothing measured but what is asked for here: what no rule will ask for need not be known.
    pub fn measuring_only(self, asked: Asked) -> Self {
        let (atr, volatility) = (self.atr.filter(|_| asked.atr), self.volatility.filter(|_| asked.volatility));
        Self { atr, volatility, ..self }
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
        let atr = self.atr.as_mut().and_then(|atr| atr.push(bar));
        let volatility = self.volatility.as_mut().and_then(|volatility| volatility.push(bar.close));
        let gauges = Gauges { atr, volatility };
        Heard { target: self.strategy.on_bar(bar), gauges }
    }
}
