//! Outcomes for tests: random walks with round trips whose money adds up.

use std::time::Duration;

use chrono::{Datelike, NaiveDate, Weekday};

use crate::backtest::outcome::{Chart, DayPoint, EquityPoint, ExitReason, FillMark, Outcome, Running, Trade};
use crate::domain::{Bar, BarSize, MarketTime, Price, Shares, Side, Symbol, Usd};

/// Bars a day.
const BARS_A_DAY: i64 = 7;
const HOUR: i64 = 3_600;

/// What a sample is of.
pub struct Sample {
    pub symbols: usize,
    pub days: usize,
    /// Chance that a flat symbol is entered at a bar.
    pub eagerness: f64,
    /// Growth of prices a bar.
    pub drift: f64,
}

/// A linear congruential generator: the same numbers for ever.
struct Dice(u64);

impl Dice {
    /// From 0 to 1.
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// About normal: twelve rolls.
    fn bell(&mut self) -> f64 {
        (0..12).map(|_| self.roll()).sum::<f64>() - 6.0
    }
}

struct Held {
    quantity: i64,
    entry: f64,
    since: MarketTime,
    bars: u32,
    until: u32,
}

struct Desk {
    outcome: Outcome,
    held: Vec<Option<Held>>,
    prices: Vec<f64>,
    cash: f64,
    dice: Dice,
    high: f64,
    high_at: MarketTime,
}

/// An outcome of nothing: tests take it and say what theirs has.
pub fn empty() -> Outcome {
    Outcome {
        described: vec![
            ("strategy".into(), "sma-cross".into()),
            ("fast".into(), "10".into()),
            ("slow".into(), "30".into()),
        ],
        warnings: vec![],
        symbols: vec![],
        bar_size: BarSize::Hour1,
        inside: Default::default(),
        bars: 0,
        span: None,
        cash: usd(100_000.0),
        final_equity: usd(100_000.0),
        realized: Usd::ZERO,
        unrealized: Usd::ZERO,
        fees: Usd::ZERO,
        trades: Default::default(),
        open_positions: 0,
        orders: 0,
        fills: 0,
        refusals: Default::default(),
        ambiguous: 0,
        equity: vec![],
        days: vec![],
        running: Running::default(),
        charts: vec![],
        load: Duration::from_millis(35),
        run: Duration::from_millis(7),
    }
}

fn usd(amount: f64) -> Usd {
    Usd::from_f64((amount * 100.0).round() / 100.0).unwrap()
}

fn price(price: f64) -> Price {
    Price::from_f64((price * 100.0).round() / 100.0).unwrap()
}

/// Plays a sample.
pub fn played(sample: &Sample) -> Outcome {
    let names = ["SPY", "AAPL", "BRK B", "KO", "GE", "XOM", "T", "F", "MSFT", "IBM", "JNJ", "PG"];
    let mut outcome = empty();
    outcome.symbols = (0..sample.symbols)
        .map(|index| match names.get(index) {
            Some(name) => name.parse().unwrap(),
            None => format!("S{index}").parse::<Symbol>().unwrap(),
        })
        .collect();
    outcome.charts = outcome
        .symbols
        .iter()
        .map(|symbol| Chart { symbol: *symbol, bars: vec![], fills: vec![], fills_left_out: 0 })
        .collect();
    let mut desk = Desk {
        held: (0..sample.symbols).map(|_| None).collect(),
        prices: (0..sample.symbols).map(|index| 40.0 + 37.0 * index as f64).collect(),
        cash: 100_000.0,
        dice: Dice(42),
        high: 100_000.0,
        high_at: MarketTime::MAX,
        outcome,
    };
    let first_prices = desk.prices.clone();
    let start = NaiveDate::from_ymd_opt(2021, 3, 15).unwrap();
    let dates = start.iter_days().filter(|date| !matches!(date.weekday(), Weekday::Sat | Weekday::Sun));
    for date in dates.take(sample.days) {
        let open = date.and_hms_opt(14, 0, 0).unwrap().and_utc().timestamp();
        for bar in 0..BARS_A_DAY {
            desk.bar(sample, MarketTime::from_secs(open + bar * HOUR));
        }
        let part = 100_000.0 / sample.symbols as f64;
        let benchmark = desk.prices.iter().zip(&first_prices).map(|(now, first)| part * now / first).sum();
        desk.outcome.days.push(DayPoint { date, equity: desk.equity().0, benchmark: Some(benchmark) });
    }
    desk.end()
}

impl Desk {
    fn bar(&mut self, sample: &Sample, time: MarketTime) {
        let end = time + Duration::from_secs(HOUR.unsigned_abs());
        for index in 0..sample.symbols {
            let open = self.prices[index];
            self.decide(sample, index, open, time);
            let close = open * (1.0 + sample.drift + 0.005 * self.dice.bell());
            let high = open.max(close) * (1.0 + 0.002 * self.dice.roll());
            let low = open.min(close) * (1.0 - 0.002 * self.dice.roll());
            self.prices[index] = close;
            self.outcome.charts[index].bars.push(Bar { time, end, open, high, low, close, volume: Some(1000) });
            self.outcome.bars += 1;
        }
        let (equity, exposure) = self.equity();
        self.outcome.equity.push(EquityPoint { at: end, equity, exposure });
        if equity >= self.high {
            (self.high, self.high_at) = (equity, end);
        }
        let running = &mut self.outcome.running;
        running.instants += 1;
        running.exposed += u64::from(exposure > 0.0);
        running.leverage_sum += exposure / equity;
        running.leverage_most = running.leverage_most.max(exposure / equity);
        running.drawdown = running.drawdown.max(1.0 - equity / self.high);
        running.drawdown_usd = running.drawdown_usd.max(self.high - equity);
        running.drawdown_seconds = running.drawdown_seconds.max(end.since(self.high_at).as_secs());
        let from = self.outcome.span.map_or(time, |(from, _)| from);
        self.outcome.span = Some((from, end));
    }

    fn decide(&mut self, sample: &Sample, index: usize, open: f64, at: MarketTime) {
        let roll = self.dice.roll();
        match self.held[index].take() {
            Some(held) if held.bars + 1 >= held.until => self.close(index, &held, open, at),
            Some(held) => self.held[index] = Some(Held { bars: held.bars + 1, ..held }),
            None if roll < sample.eagerness => {
                let side = if self.dice.roll() < 0.7 { 1 } else { -1 };
                let quantity = side * (80_000.0 / sample.symbols as f64 / open) as i64;
                let until = 2 + (self.dice.roll() * 30.0) as u32;
                self.fill(index, quantity, open, at);
                self.held[index] = Some(Held { quantity, entry: open, since: at, bars: 0, until });
            }
            None => {}
        }
    }

    fn fill(&mut self, index: usize, change: i64, at_price: f64, at: MarketTime) {
        self.cash -= change as f64 * at_price + 1.0;
        self.outcome.fees += usd(1.0);
        self.outcome.fills += 1;
        self.outcome.orders += 1;
        self.outcome.running.traded += change.abs() as f64 * at_price;
        self.outcome.running.slippage += change.abs() as f64 * 0.01;
        let side = if change > 0 { Side::Buy } else { Side::Sell };
        let mark = FillMark { at, side, quantity: Shares(change.abs()), price: price(at_price) };
        self.outcome.charts[index].fills.push(mark);
    }

    fn close(&mut self, index: usize, held: &Held, open: f64, at: MarketTime) {
        self.fill(index, -held.quantity, open, at);
        let reasons =
            [ExitReason::Signal, ExitReason::Stop, ExitReason::Target, ExitReason::Time, ExitReason::Flattened];
        self.outcome.trades.push(Trade {
            symbol: self.outcome.symbols[index],
            entry_time: held.since,
            entry_price: price(held.entry),
            exit_time: at,
            exit_price: price(open),
            quantity: Shares(held.quantity),
            pnl: usd(held.quantity as f64 * (open - held.entry) - 2.0),
            fees: usd(2.0),
            reason: reasons[(self.dice.roll() * 5.0) as usize],
            bars: held.bars + 1,
        });
    }

    fn equity(&self) -> (f64, f64) {
        let worths =
            self.held.iter().zip(&self.prices).filter_map(|(held, price)| Some(held.as_ref()?.quantity as f64 * price));
        let (net, gross) = worths.fold((0.0, 0.0), |(net, gross), worth| (net + worth, gross + f64::abs(worth)));
        (self.cash + net, gross)
    }

    fn end(mut self) -> Outcome {
        self.outcome.final_equity = usd(self.equity().0);
        self.outcome.open_positions = self.held.iter().flatten().count() as u32;
        self.outcome
    }
}
