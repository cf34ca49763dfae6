//! One day of one symbol's seeded random walk, in bars of five seconds.
//!
//! A day is a function of (seed, symbol, date) alone, whatever was asked before: where it begins
//! and ends comes from a slow noise over the days, and a Brownian bridge joins the two. Volume and
//! volatility are high after the open and before the close, and now and then the price jumps.

use chrono::{Datelike, NaiveDate};

/// Seconds that a bar lasts.
pub(super) const STEP_SECS: u32 = 5;

/// Longest period of the slow noise: 2^9 days.
const OCTAVES: u32 = 9;

/// A bar with prices in cents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packed {
    pub(super) open: u32,
    pub(super) high: u32,
    pub(super) low: u32,
    pub(super) close: u32,
    pub(super) volume: u32,
}

/// What is peculiar to a symbol.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Character {
    seed: u64,
    /// Logarithm of the price about which it wanders, in USD.
    level: f64,
    /// Standard deviation of a day's logarithmic return.
    volatility: f64,
    /// Mean shares in five seconds at a quiet time.
    volume: f64,
}

impl Character {
    pub(super) fn of(market_seed: u64, symbol: &str) -> Self {
        let seed = symbol.bytes().fold(mix(market_seed), |hash, byte| mix(hash ^ u64::from(byte)));
        let mut dice = Dice(seed);
        Self {
            seed,
            level: 15_f64.ln() + dice.uniform() * (400_f64 / 15.0).ln(),
            volatility: 0.015 + 0.02 * dice.uniform(),
            volume: 300.0 + 4_000.0 * dice.uniform().powi(2),
        }
    }

    /// Logarithm of the price at the end of a date's session.
    fn anchor(&self, date: NaiveDate) -> f64 {
        let day = i64::from(date.num_days_from_ce());
        let wander: f64 = (0..=OCTAVES)
            .map(|octave| {
                let period = 1_i64 << octave;
                let knot = |index: i64| {
                    // Each octave has a series of its own; the index wraps without harm.
                    let place = mix(self.seed ^ u64::from(octave).wrapping_mul(0x9E37_79B9)).wrapping_add(index as u64);
                    Dice(mix(place)).normal()
                };
                let (index, part) = (day.div_euclid(period), day.rem_euclid(period) as f64 / period as f64);
                (period as f64).sqrt() * (knot(index) * (1.0 - part) + knot(index + 1) * part)
            })
            .sum();
        self.level + 0.4 * self.volatility * wander
    }

    /// The bars of a date's session; `previous` is the date of the session before it. A market
    /// that never closes has no gap between the two.
    pub(super) fn day(&self, date: NaiveDate, previous: NaiveDate, bars: usize, gap: bool) -> Vec<Packed> {
        let mut dice = Dice(mix(self.seed ^ mix(u64::from(date.num_days_from_ce().unsigned_abs()))));
        let overnight = if gap { 0.3 * self.volatility * dice.normal() } else { 0.0 };
        let (first, last) = (self.anchor(previous) + overnight, self.anchor(date));
        let path = self.bridge(first, last, bars, &mut dice);
        let mut before = cents(first);
        let mut out = Vec::with_capacity(bars);
        for (index, level) in path.into_iter().enumerate() {
            let close = cents(level);
            let open = if index > 0 { dice.nudge(before) } else { before };
            let shape = shape(index, bars);
            // Wicks are as long as the price usually moves in a bar.
            let usual = f64::from(close) * self.volatility * shape / (bars as f64).sqrt();
            let mut wick = || (usual * dice.uniform() * dice.uniform() * 1.5).round() as u32;
            let (up, down) = (wick(), wick());
            let moved = f64::from(open.abs_diff(close)) / usual.max(1.0);
            let crowd = dice.uniform();
            let volume = self.volume * shape * shape * (0.1 + 2.4 * crowd * crowd) * (1.0 + moved);
            out.push(Packed {
                open,
                high: open.max(close) + up,
                low: open.min(close).saturating_sub(down).max(1),
                close,
                volume: (volume as u32).max(1),
            });
            before = close;
        }
        out
    }

    /// A random path of closes that ends where it must.
    fn bridge(&self, first: f64, last: f64, bars: usize, dice: &mut Dice) -> Vec<f64> {
        let scale = self.volatility / (bars.max(1) as f64).sqrt();
        let (mut walked, mut variance) = (0.0, 0.0);
        let mut path = Vec::with_capacity(bars);
        for index in 0..bars {
            let sigma = scale * shape(index, bars);
            let jump = if dice.next().is_multiple_of(3_000) { 0.25 * self.volatility * dice.normal() } else { 0.0 };
            walked += sigma * dice.normal() + jump;
            variance += sigma * sigma;
            path.push((walked, variance));
        }
        let miss = walked - (last - first);
        let bent = |(walked, so_far): (f64, f64)| first + walked - miss * so_far / variance;
        let mut path: Vec<f64> = path.into_iter().map(bent).collect();
        if let Some(end) = path.last_mut() {
            // To the last bit, so that the next day begins where this one ends.
            *end = last;
        }
        path
    }
}

/// How lively a bar of the session is: about twice as much at its ends as in its middle.
fn shape(index: usize, bars: usize) -> f64 {
    let side = 2.0 * (index as f64 + 0.5) / bars.max(1) as f64 - 1.0;
    0.75 + 1.25 * side.powi(4)
}

/// A price in whole cents, at least one.
fn cents(level: f64) -> u32 {
    ((level.exp() * 100.0).round() as u32).max(1)
}

/// SplitMix64's finalizer. Our own few lines, because a market must stay the same for a seed
/// whatever version of whatever crate is built in.
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A seeded source of chance.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// From 0 up to 1.
    fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// About normal, mean 0 and variance 1: the sum of four uniform 16-bit parts of one draw.
    fn normal(&mut self) -> f64 {
        let draw = self.next();
        let sum: u64 = (0..4).map(|part| (draw >> (16 * part)) & 0xFFFF).sum();
        (sum as f64 / 65_535.0 - 2.0) * 3_f64.sqrt()
    }

    /// The same price, or now and then a cent beside it.
    fn nudge(&mut self, cents: u32) -> u32 {
        match self.next() % 8 {
            0 => cents + 1,
            1 => cents.saturating_sub(1).max(1),
            _ => cents,
        }
    }
}
