//! How fast the trading code plays bars from memory, beside a bare event-driven loop in the same run:
//! `cargo bench --bench backtest`. `BARS` says how many (default 1,000,000), `RUNS` how often (5),
//! `ONLY` which case: the one with these words in its name. Rates are of the median run. How many times the bare loop's
//! time ours takes is the median, too, each run compared with the bare one right before it: on a shared machine, whose
//! speed changes within seconds, nothing else compares like with like.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "it measures, and stops where it cannot")]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use robo_trader::config::Settings;
use robo_trader::domain::Bar;

#[path = "trading/mod.rs"]
mod trading;

/// The strategies of the bare loop stand behind this, as ours do behind theirs.
trait Rule {
    fn on_bar(&mut self, bar: &Bar) -> Option<bool>;
}

/// The crossing of two averages.
struct Cross {
    closes: VecDeque<i64>,
    length: (usize, usize),
    sums: (i64, i64),
    above: Option<bool>,
}

impl Cross {
    fn new(fast: usize, slow: usize) -> Self {
        Self { closes: VecDeque::with_capacity(slow + 1), length: (fast, slow), sums: (0, 0), above: None }
    }
}

impl Rule for Cross {
    fn on_bar(&mut self, bar: &Bar) -> Option<bool> {
        let cents = (bar.close * 100.0).round() as i64;
        self.closes.push_back(cents);
        self.sums.0 += cents;
        self.sums.1 += cents;
        let ((fast, slow), length) = (self.length, self.closes.len());
        if length > fast {
            self.sums.0 -= self.closes[length - fast - 1];
        }
        if length > slow {
            self.sums.1 -= self.closes.pop_front()?;
        }
        let difference = self.sums.0 * slow as i64 - self.sums.1 * fast as i64;
        if length < slow || difference == 0 {
            return None;
        }
        let above = difference > 0;
        let crossed = self.above.replace(above).is_some_and(|before| before != above);
        crossed.then_some(above)
    }
}

/// What passes through the bare loop's queue.
enum Passing {
    Open { place: usize, price: f64 },
    Close { place: usize, bar: Bar },
    Signal { place: usize, long: bool },
    Fill { place: usize, change: i64, price: f64 },
}

/// An order of the bare loop.
struct Waiting {
    place: usize,
    change: i64,
}

/// An event-driven loop without everything that makes ours: floating money, a queue of events, orders
/// that wait for the next open, positions, and equity after every bar. No risk, no ledger, no exchange.
fn bare(series: &[Arc<[Bar]>], (fast, slow): (usize, usize)) -> (u64, f64) {
    let mut rules: Vec<Box<dyn Rule>> = series.iter().map(|_| Box::new(Cross::new(fast, slow)) as _).collect();
    let (mut held, mut marks) = (vec![0_i64; series.len()], vec![0.0; series.len()]);
    let (mut cash, mut worth, mut fills) = (100_000_000.0, 0.0, 0);
    let mut orders: VecDeque<Waiting> = VecDeque::new();
    let mut queue: VecDeque<Passing> = VecDeque::new();
    let mut equity = Vec::new();
    for index in 0..series[0].len() {
        for (place, bars) in series.iter().enumerate() {
            queue.push_back(Passing::Open { place, price: bars[index].open });
            queue.push_back(Passing::Close { place, bar: bars[index] });
        }
        while let Some(passing) = queue.pop_front() {
            match passing {
                Passing::Open { place, price } => {
                    orders.retain(|order| {
                        let trades = order.place == place;
                        if trades {
                            queue.push_front(Passing::Fill { place, change: order.change, price });
                        }
                        !trades
                    });
                }
                Passing::Fill { place, change, price } => {
                    cash -= change as f64 * price;
                    worth += change as f64 * marks[place];
                    held[place] += change;
                    fills += 1;
                }
                Passing::Close { place, bar } => {
                    worth += held[place] as f64 * (bar.close - marks[place]);
                    marks[place] = bar.close;
                    if let Some(long) = rules[place].on_bar(&bar) {
                        queue.push_front(Passing::Signal { place, long });
                    }
                    equity.push(cash + worth);
                }
                Passing::Signal { place, long } => match (long, held[place]) {
                    (true, 0) => orders.push_back(Waiting { place, change: 100 }),
                    (false, 1..) => orders.push_back(Waiting { place, change: -held[place] }),
                    _ => {}
                },
            }
        }
    }
    (fills, equity.last().copied().unwrap_or(cash))
}

fn engine(series: &[Arc<[Bar]>], settings: &Settings) -> (u64, f64) {
    let outcome = trading::play(series, settings, &mut ());
    assert!(outcome.refusals.is_empty(), "{:?}", outcome.refusals);
    (outcome.fills, outcome.final_equity.to_f64())
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// What a bar without an order costs and what an order adds, in seconds: from two runs over bars that
/// are alike, with many orders and with few.
fn split(many: &Measured, few: &Measured) -> (f64, f64) {
    let orders = (many.fills - few.fills) as f64;
    let order = (many.seconds - few.seconds) / orders;
    ((few.seconds - order * few.fills as f64) / few.bars, order)
}

/// A case's median time.
struct Measured {
    bars: f64,
    fills: u64,
    seconds: f64,
    bare: f64,
}

fn compare(name: &str, symbols: usize, bars: usize, runs: usize, (fast, slow): (usize, usize)) -> Measured {
    let series: Vec<Arc<[Bar]>> = (0..symbols).map(|number| trading::walk(number as u64 + 1, bars)).collect();
    let settings = trading::settings(symbols, (fast, slow));
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    let mut results = Vec::new();
    for _ in 0..runs {
        let began = Instant::now();
        let bare = bare(&series, (fast, slow));
        floor.push(began.elapsed().as_secs_f64());
        let began = Instant::now();
        let engine = engine(&series, &settings);
        ours.push(began.elapsed().as_secs_f64());
        results.push((bare, engine));
    }
    let ((bare_fills, bare_equity), (fills, equity)) = results[0];
    assert_eq!((bare_fills, bare_equity.round()), (fills, equity.round()), "both have traded the same");
    let times = median(ours.iter().zip(&floor).map(|(ours, floor)| ours / floor).collect());
    let (ours, floor) = (median(ours), median(floor));
    let all = (symbols * bars) as f64;
    println!(
        "{name}: {:.2} M bars/s ({fills} fills); bare loop {:.1} M bars/s; {:.1} times its time",
        all / ours / 1e6,
        all / floor / 1e6,
        times
    );
    Measured { bars: all, fills, seconds: ours, bare: floor }
}

fn main() {
    let number = |name: &str, default| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (bars, runs): (usize, usize) = (number("BARS", 1_000_000), number("RUNS", 5));
    let only = std::env::var("ONLY").unwrap_or_default();
    let cases = [
        ("1 symbol", 1, bars, (10, 30)),
        ("1 symbol, slow averages", 1, bars, (500, 2_000)),
        ("1 symbol, a tenth of the bars", 1, bars / 10, (10, 30)),
        ("24 symbols, a tenth of the bars each", 24, bars / 10, (10, 30)),
    ];
    let chosen = cases.into_iter().filter(|(name, ..)| name.contains(&only));
    let measured: Vec<Measured> =
        chosen.map(|(name, symbols, bars, averages)| compare(name, symbols, bars, runs, averages)).collect();
    if let [many, few, ..] = &measured[..]
        && only.is_empty()
    {
        let (bar, order) = split(many, few);
        let bare = |case: &Measured| Measured { seconds: case.bare, ..*case };
        let (bare_bar, bare_order) = split(&bare(many), &bare(few));
        println!(
            "a bar costs {:.0} ns ({:.1} times the bare loop's {:.0}), an order {:.2} us more (bare: {:.2})",
            bar * 1e9,
            bar / bare_bar,
            bare_bar * 1e9,
            order * 1e6,
            bare_order * 1e6
        );
    }
}
