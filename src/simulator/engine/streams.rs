//! Live subscriptions: bars kept up to date, 5-second bars, ticks.

use std::time::Duration;

use tokio::time::Instant;

use crate::calendar::Calendar;
use crate::domain::{Bar, BarSize, ContractId, MarketTime, Price};
use crate::simulator::prices::Show;

/// The shortest real time between two updates of a bar that is still forming.
pub const FORMING_EVERY: Duration = Duration::from_millis(250);
/// At most this many forming updates of one bar in lock-step, so that a long bar on a fine tape
/// does not flood the client.
const FORMING_PER_BAR: u32 = 48;

/// Bars kept up to date: the bar that is forming, built from the tape's own bars.
#[derive(Debug)]
pub struct BarStream {
    /// Of what.
    pub contract: ContractId,
    /// Of which size.
    pub size: BarSize,
    /// Which price.
    pub show: Show,
    /// Regular hours only.
    pub regular_only: bool,
    /// How its dates are written.
    pub format_date: i32,
    /// The contract's price step, for bid and ask.
    pub tick: f64,
    /// The bar so far: whole tape bars only.
    pub forming: Option<Bar>,
    /// When an update was last sent, in real and in market time.
    pub sent: Option<(Instant, MarketTime)>,
}

impl BarStream {
    /// Whether a tape bar (or price) at `at` belongs to this stream at all.
    pub fn covers(&self, regular: bool) -> bool {
        regular || !(self.regular_only || self.size >= BarSize::Day1)
    }

    /// Whether the forming bar has ended at `now`.
    pub fn ended(&self, now: MarketTime) -> bool {
        self.forming.is_some_and(|bar| bar.end <= now)
    }

    /// Begins the bar that contains `at` with its first price.
    pub fn begin(&mut self, calendar: Calendar, at: MarketTime, price: f64) -> Bar {
        let time = calendar.bar_open(at, self.size);
        let end = calendar.bar_end(time, self.size);
        let bar = Bar { time, end, open: price, high: price, low: price, close: price, volume: Some(0) };
        self.forming = Some(bar);
        bar
    }

    /// Adds a whole tape bar.
    pub fn fold(&mut self, calendar: Calendar, bar: &Bar) {
        let continues = self.forming.is_some_and(|forming| forming.time <= bar.time && bar.time < forming.end);
        if !continues {
            self.begin(calendar, bar.time, bar.open);
        }
        if let Some(forming) = &mut self.forming {
            *forming = merged(forming, bar);
        }
    }

    /// Whether a forming update may be sent now: in lock-step by market time (so that what is sent
    /// follows from the tape alone), otherwise by real time.
    pub fn due(&self, now: MarketTime, real: Instant, lock_step: bool) -> bool {
        match self.sent {
            None => true,
            Some((_, market)) if lock_step => now.since(market) >= self.size.duration() / FORMING_PER_BAR,
            Some((at, _)) => real.duration_since(at) >= FORMING_EVERY,
        }
    }
}

/// A bar with a later part of it added.
pub fn merged(bar: &Bar, part: &Bar) -> Bar {
    Bar {
        high: bar.high.max(part.high),
        low: bar.low.min(part.low),
        close: part.close,
        volume: Some(bar.volume.unwrap_or(0).saturating_add(part.volume.unwrap_or(0))),
        ..*bar
    }
}

/// 5-second bars: one for every tape bar.
#[derive(Debug)]
pub struct RealTimeBars {
    /// Of what.
    pub contract: ContractId,
    /// Which price.
    pub show: Show,
    /// Regular hours only.
    pub regular_only: bool,
    /// The contract's price step, for bid and ask.
    pub tick: f64,
}

/// Ticks: what was last sent, so that only changes are.
#[derive(Debug)]
pub struct TickStream {
    /// Of what.
    pub contract: ContractId,
    /// The day's figures so far.
    pub day: Day,
    /// Bid, ask and last price last sent.
    pub sent: [Option<Price>; 3],
    /// When anything was last sent.
    pub at: Option<Instant>,
    /// Whether it tells what was fifteen minutes ago.
    pub delayed: bool,
    /// Whether every trade is told with the day's volume (generic tick 233).
    pub real_time_volume: bool,
}

/// Which single ticks are followed, by TWS's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TickKind {
    /// Trades.
    Last = 1,
    /// Trades, odd ones too: here the same.
    AllLast = 2,
    /// Best prices.
    BidAsk = 3,
    /// Their middle.
    MidPoint = 4,
}

/// Single ticks.
#[derive(Debug, Clone, Copy)]
pub struct TickByTick {
    /// Of what.
    pub contract: ContractId,
    /// Which.
    pub kind: TickKind,
    /// Whether sizes are left out.
    pub ignore_size: bool,
    /// What happened before this has been told.
    pub since: MarketTime,
}

/// The day's figures of a contract.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Day {
    /// First price.
    pub open: f64,
    /// Highest.
    pub high: f64,
    /// Lowest.
    pub low: f64,
    /// The day before's last.
    pub close: f64,
    /// Shares so far.
    pub volume: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_grows_by_its_parts_and_keeps_its_open() {
        let at = MarketTime::from_secs;
        let bar = |from, to, open, high, low, close| Bar {
            time: at(from),
            end: at(to),
            open,
            high,
            low,
            close,
            volume: Some(10),
        };
        let whole = merged(&bar(0, 60, 10.0, 11.0, 9.0, 10.5), &bar(5, 10, 10.5, 12.0, 10.0, 11.5));
        assert_eq!(whole, Bar { volume: Some(20), ..bar(0, 60, 10.0, 12.0, 9.0, 11.5) });
    }
}
