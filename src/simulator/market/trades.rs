//! Single trades and the quotes around them, as the bars of the tape imply them: the same at every
//! asking, and never one that has not happened yet.

use super::{Market, Source, cents_away, spread};
use crate::domain::{Bar, ContractId, MarketTime, Shares};

/// One trade.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trade {
    /// When.
    pub at: MarketTime,
    /// USD a share.
    pub price: f64,
    /// Shares.
    pub size: u64,
}

/// Best prices around a trade.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Around {
    /// Best bid, USD a share.
    pub bid: f64,
    /// Best offer, USD a share.
    pub ask: f64,
    /// Shares wanted at the bid.
    pub bid_size: Shares,
    /// Shares offered at the ask.
    pub ask_size: Shares,
}

/// Shares of a trade where the tape states no volume.
const USUAL_SIZE: u64 = 100;

/// A bar's trades: its open, one extreme, the other and its close, a quarter of its time apart and
/// each a quarter of its volume, in the order in which the bar forms (see [`Market::forming`]).
pub(super) fn trades_of(bar: &Bar) -> [Trade; 4] {
    let quarter = bar.end.since(bar.time) / 4;
    let rising = bar.close >= bar.open;
    let (first, second) = if rising { (bar.low, bar.high) } else { (bar.high, bar.low) };
    let volume = bar.volume.unwrap_or(4 * USUAL_SIZE);
    let nth = |n: u32, price: f64, size: u64| Trade { at: bar.time + quarter * n, price, size };
    [
        nth(0, bar.open, volume / 4),
        nth(1, first, volume / 4),
        nth(2, second, volume / 4),
        nth(3, bar.close, volume - 3 * (volume / 4)),
    ]
}

/// Best prices around a trade: a few hundred shares on each side, different at every instant and
/// the same every time.
pub(super) fn around(contract: ContractId, at: MarketTime, price: f64) -> Around {
    let lot = |salt: i64| Shares(100 * (1 + (at.secs() / 5 + salt).rem_euclid(9)));
    Around {
        bid: cents_away(price, -spread(price)),
        ask: cents_away(price, spread(price)),
        bid_size: lot(i64::from(contract.0)),
        ask_size: lot(i64::from(contract.0) * 7 + 3),
    }
}

impl Market {
    /// Trades in `from..to`, ascending. Those of the bar that is being formed at `to` are told as
    /// far as they have happened.
    pub fn trades(&self, contract: ContractId, from: MarketTime, to: MarketTime, regular_only: bool) -> Vec<Trade> {
        let size = self.base_size(contract);
        let mut bars = self.bars(contract, size, from - size.duration(), to, regular_only);
        if let Some(forming) = bars.last_mut().filter(|bar| bar.end > to) {
            // The whole bar: what of it is still to come is filtered below.
            let whole = match &self.source {
                Source::Synthetic(synthetic) => synthetic.base_bar(contract, to),
                Source::Replay(replay) => replay.base_bar(contract, to),
            };
            *forming = whole.filter(|whole| whole.time == forming.time).unwrap_or(*forming);
        }
        let trades = bars.iter().flat_map(trades_of);
        trades.filter(|trade| from <= trade.at && trade.at < to && trade.size > 0).collect()
    }

    /// Best prices when a trade happened.
    pub fn around(&self, contract: ContractId, trade: &Trade) -> Around {
        around(contract, trade.at, trade.price)
    }
}
