//! How the figures grow with symbols and with the journal.

use std::time::Duration;

use super::Form;
use super::live::Live;
use super::matching::Orders;
use super::page::{Outcome, number, table};
use super::plot::{Line, Plot, exponent, short};
use super::start::with_journal;
use super::world::{World, config};

/// Market seconds in a real one: a bar of each symbol every second.
const SPEED: f64 = 5.0;

/// Figures at one size.
struct Point {
    size: f64,
    figures: Vec<f64>,
}

const BY_SYMBOLS: [&str; 6] = [
    "tick to order p50, us",
    "tick to order p99, us",
    "RSS, MB",
    "CPU, % of a core",
    "to Ready, ms",
    "Ready to all warm, ms",
];
const BY_JOURNAL: [&str; 3] = ["to Ready, ms", "RSS once Ready, MB", "file, MB"];

fn with_symbols(symbols: usize, time: Duration) -> Point {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::start(config(SPEED));
    // The same kind of bars for all: more than 45 streams are not to be had.
    let more = [("DATA_FEED", "realtime"), ("STRATEGY_PARAMS", "fast=2,slow=5"), ("RISK_STOP", "none")];
    let mut live = Live::start(world.address, dir.path(), symbols, &more);
    let ready = live.says(" ready: ");
    let warm = live.warm(symbols);
    let mut seen = Orders::default();
    world.watch(Duration::from_secs(3), |event| seen.hear(&event));
    seen.begin();
    let before = live.usage();
    world.watch(time, |event| seen.hear(&event));
    let after = live.usage();
    let started = ready.saturating_duration_since(live.spawned).as_secs_f64() * 1e3;
    live.stop();
    world.stop();
    let us = |part| seen.latency.value_at_quantile(part) as f64 / 1e3;
    let figures = vec![
        us(0.5),
        us(0.99),
        after.rss as f64 / 1e6,
        after.cpu_since(&before),
        started,
        warm.saturating_duration_since(ready).as_secs_f64() * 1e3,
    ];
    println!("{symbols}  {}", figures.iter().map(|figure| number(*figure)).collect::<Vec<_>>().join("  "));
    Point { size: symbols as f64, figures }
}

fn with_facts(count: usize) -> Point {
    let found = with_journal(count, 1);
    let figures = vec![found.ready, found.rss as f64 / 1e6, found.bytes as f64 / 1e6];
    println!("{count}  {}", figures.iter().map(|figure| number(*figure)).collect::<Vec<_>>().join("  "));
    Point { size: found.facts as f64, figures }
}

fn line(points: &[Point], figure: usize) -> Vec<(f64, f64)> {
    points.iter().map(|point| (point.size, point.figures[figure])).collect()
}

/// The table, with the exponents of the whole and of its upper half in the last rows.
fn grown(size: &str, names: &[&str], points: &[Point]) -> String {
    let row = |point: &Point| {
        let figures = point.figures.iter().map(|figure| number(*figure));
        std::iter::once(short(point.size)).chain(figures).collect()
    };
    let mut rows: Vec<Vec<String>> = points.iter().map(row).collect();
    let fitted = |name: &str, points: &[Point]| {
        let exponents = (0..names.len()).map(|figure| format!("{:.2}", exponent(&line(points, figure))));
        std::iter::once(name.to_owned()).chain(exponents).collect::<Vec<String>>()
    };
    rows.push(fitted("*exponent*", points));
    rows.push(fitted("*of the upper half*", &points[points.len() / 2..]));
    let head: Vec<&str> = std::iter::once(size).chain(names.iter().copied()).collect();
    table(&head, &rows)
}

fn plot(title: &str, size: &str, names: &[&str], points: &[Point]) -> String {
    let line = |(figure, name): (usize, &&str)| Line {
        name: (*name).to_owned(),
        floor: false,
        points: line(points, figure),
        marks: true,
    };
    let lines = names.iter().enumerate().map(line).collect();
    Plot { title, x: size, y: "each in its unit", ticks: Vec::new(), lines }.svg()
}

pub fn measure(form: Form) -> Outcome {
    let time = form.seconds(3, 8, 60);
    let symbols: Vec<Point> =
        [1, 5, 24, 50, 100, 250, 500].into_iter().map(|count| with_symbols(count, time)).collect();
    let counts: &[usize] = form.of(
        &[1_000, 3_000, 10_000, 30_000],
        &[1_000, 10_000, 100_000, 300_000, 1_000_000],
        &[1_000, 10_000, 100_000, 1_000_000, 4_000_000, 12_000_000],
    );
    let journal: Vec<Point> = counts.iter().map(|count| with_facts(*count)).collect();
    let text = format!(
        "A fitted exponent of 1 is as much again for each symbol or fact; what grows faster than that shows above 1. Bars \
         of five seconds, one a second of each symbol, as real-time bars; the limits of the simulator and of the setting \
         `SYMBOLS` (100) are lifted for more, the message limit is 1,000 in 1.1 s. Bars of all symbols close at the same \
         moment, so that the last order waits for those before it.\n\n{}\n![growth with symbols](benchmarks/growth-symbols.svg)\n\n\
         With the journal: the process's start to Ready, memory then, and the file.\n\n{}\n\
         ![growth with the journal](benchmarks/growth-journal.svg)",
        grown("symbols", &BY_SYMBOLS, &symbols),
        grown("facts", &BY_JOURNAL, &journal),
    );
    let plots = vec![
        ("growth-symbols", plot("Growth with symbols", "symbols", &BY_SYMBOLS, &symbols)),
        ("growth-journal", plot("Growth with the journal", "facts", &BY_JOURNAL, &journal)),
    ];
    Outcome { text, targets: Vec::new(), plots }
}
