//! Closed round trips: their sums, the best, the worst, and as many of them as are kept. What they
//! take does not grow with their number.

use std::collections::BTreeMap;

use super::files::side;
use super::metrics::trade_return;
use super::outcome::{ExitReason, Trade};
use crate::domain::{Symbol, Usd};

/// Round trips that are kept, the first ones.
pub const KEPT: usize = 100_000;
/// Best and worst ones that are kept.
const RANKED: usize = 10;

/// Sums over round trips.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tally {
    /// How many.
    pub count: u64,
    /// Those with a profit after fees.
    pub wins: u64,
    /// Those with a loss after fees.
    pub losses: u64,
    /// Of the wins, USD.
    pub won: Usd,
    /// Of the losses, USD, below zero.
    pub lost: Usd,
    /// Fees, USD.
    pub fees: Usd,
    /// The largest win, USD.
    pub largest_win: Option<Usd>,
    /// The largest loss, USD, below zero.
    pub largest_loss: Option<Usd>,
    /// Bars from entry to exit, together.
    pub bars: u64,
    /// Sum of returns, and of how many: one that opened nothing of worth has none.
    returns: (f64, u64),
}

impl Tally {
    fn add(&mut self, trade: &Trade, value: Option<f64>) {
        self.count += 1;
        if trade.fees != Usd::ZERO {
            self.fees += trade.fees;
        }
        self.bars += u64::from(trade.bars);
        if trade.pnl > Usd::ZERO {
            self.wins += 1;
            self.won += trade.pnl;
            self.largest_win = self.largest_win.max(Some(trade.pnl));
        } else if trade.pnl < Usd::ZERO {
            self.losses += 1;
            self.lost += trade.pnl;
            self.largest_loss = Some(self.largest_loss.map_or(trade.pnl, |largest| largest.min(trade.pnl)));
        }
        if let Some(value) = value {
            self.returns.0 += value;
            self.returns.1 += 1;
        }
    }

    /// Takes in the sums of others.
    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.wins += other.wins;
        self.losses += other.losses;
        self.won += other.won;
        self.lost += other.lost;
        self.fees += other.fees;
        self.largest_win = self.largest_win.max(other.largest_win);
        // None is less than any loss.
        self.largest_loss = [self.largest_loss, other.largest_loss].into_iter().flatten().min();
        self.bars += other.bars;
        self.returns = (self.returns.0 + other.returns.0, self.returns.1 + other.returns.1);
    }

    /// Profit after fees, USD.
    pub fn profit(&self) -> Usd {
        self.won + self.lost
    }

    /// Mean profit as a fraction of what was opened.
    pub fn average_return(&self) -> Option<f64> {
        let (sum, count) = self.returns;
        (count > 0).then(|| sum / count as f64)
    }

    /// Sum of wins over sum of losses; `None` without a loss.
    pub fn profit_factor(&self) -> Option<f64> {
        (self.losses > 0).then(|| self.won.to_f64() / -self.lost.to_f64())
    }
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trades {
    kept: Vec<Trade>,
    all: Tally,
    /// The same for each symbol, by why they ended and which side they were: summed up when asked.
    kinds: BTreeMap<Symbol, BTreeMap<(ExitReason, &'static str), Tally>>,
    best: Vec<Trade>,
    worst: Vec<Trade>,
}

impl Trades {
    /// Takes in the next one, in the order of exits.
    pub fn push(&mut self, trade: Trade) {
        let value = trade_return(&trade);
        self.all.add(&trade, value);
        let kinds = match self.kinds.get_mut(&trade.symbol) {
            Some(kinds) => kinds,
            None => self.kinds.entry(trade.symbol).or_default(),
        };
        kinds.entry((trade.reason, side(&trade))).or_default().add(&trade, value);
        self.rank(&trade);
        if self.kept.len() < KEPT {
            self.kept.push(trade);
        }
    }

    /// Of equal ones the earlier is the better, so that the same run gives the same lists.
    fn rank(&mut self, trade: &Trade) {
        let (ranked, place) = if trade.pnl > Usd::ZERO {
            let place = self.best.partition_point(|other| other.pnl >= trade.pnl);
            (&mut self.best, place)
        } else if trade.pnl < Usd::ZERO {
            let place = self.worst.partition_point(|other| other.pnl < trade.pnl);
            (&mut self.worst, place)
        } else {
            return;
        };
        if place < RANKED {
            ranked.insert(place, trade.clone());
            ranked.truncate(RANKED);
        }
    }

    /// Those that are kept, in the order of their exits: all of them, up to [`KEPT`].
    pub fn kept(&self) -> &[Trade] {
        &self.kept
    }

    /// Sums over all of them.
    pub fn all(&self) -> &Tally {
        &self.all
    }

    /// The same for each symbol.
    pub fn by_symbol(&self) -> BTreeMap<&str, Tally> {
        self.summed(|symbol, _, _| symbol)
    }

    /// The same for each reason of exit, by its word.
    pub fn by_reason(&self) -> BTreeMap<&str, Tally> {
        self.summed(|_, reason, _| reason.as_str())
    }

    /// The same for each side.
    pub fn by_side(&self) -> BTreeMap<&str, Tally> {
        self.summed(|_, _, side| side)
    }

    fn summed<'a>(&'a self, name: impl Fn(&'a str, ExitReason, &'static str) -> &'a str) -> BTreeMap<&'a str, Tally> {
        let mut sums: BTreeMap<&str, Tally> = BTreeMap::new();
        for (symbol, kinds) in &self.kinds {
            for ((reason, side), tally) in kinds {
                sums.entry(name(symbol.as_str(), *reason, side)).or_default().merge(tally);
            }
        }
        sums
    }

    /// The ones that won most, best first; at most ten.
    pub fn best(&self) -> &[Trade] {
        &self.best
    }

    /// The ones that lost most, worst first; at most ten.
    pub fn worst(&self) -> &[Trade] {
        &self.worst
    }
}

impl FromIterator<Trade> for Trades {
    fn from_iter<I: IntoIterator<Item = Trade>>(trades: I) -> Self {
        let mut all = Self::default();
        trades.into_iter().for_each(|trade| all.push(trade));
        all
    }
}
