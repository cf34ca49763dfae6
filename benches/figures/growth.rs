//! How the figures grow with symbols and with the journal.

use std::time::Duration;

use super::Form;
use super::live::Live;
use super::matching::Orders;
use super::page::{Outcome, known, number, table};
use super::plot::{Line, Plot, exponent};
use super::start::with_journal;
use super::world::{World, config};

/// Market seconds in a real one: a bar of each symbol every second.
const SPEED: f64 = 5.0;

/// Of the frames that the speed asks for so many must come; with fewer, something else was measured.
const ENOUGH: f64 = 0.9;
/// How much steeper than all before a step must be, to be called worse than linear.
const STEEPER: f64 = 1.5;
/// What a step must add at least to say anything, as a part of what was there.
const ADDED: f64 = 0.2;

/// Figures at one size; nothing where it is unknown.
struct Point {
    size: f64,
    /// What the figures rest on, in words.
    counted: Vec<String>,
    figures: Vec<Option<f64>>,
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
    // Few symbols have few orders.
    let time = if symbols < 24 { 3 * time } else { time };
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::start(config(SPEED));
    // The same kind of bars for all: more than 45 streams are not to be had.
    let more = [("DATA_FEED", "realtime"), ("STRATEGY_PARAMS", "fast=1,slow=2"), ("RISK_STOP", "none")];
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
    let (rate, asked) = (seen.seen.frames as f64 / time.as_secs_f64(), symbols as f64 * SPEED / 5.0);
    let all = rate >= ENOUGH * asked;
    let us = |part| seen.us(part).filter(|_| all);
    let figures = vec![
        us(0.5),
        us(0.99),
        Some(after.rss as f64 / 1e6),
        all.then(|| after.cpu_since(&before)),
        Some(started),
        Some(warm.saturating_duration_since(ready).as_secs_f64() * 1e3),
    ];
    let dropped = seen.seen.others + seen.seen.timed;
    let counted =
        vec![format!("{} of {}", number(rate), number(asked)), seen.latency.len().to_string(), dropped.to_string()];
    told(Point { size: symbols as f64, counted, figures })
}

fn with_facts(count: usize, times: usize) -> Point {
    let found = with_journal(count, times);
    let figures = [found.ready, found.rss as f64 / 1e6, found.bytes as f64 / 1e6].map(Some);
    told(Point { size: found.facts as f64, counted: Vec::new(), figures: figures.to_vec() })
}

fn told(point: Point) -> Point {
    let figures = point.figures.iter().copied().map(known);
    println!("{}  {}", number(point.size), point.counted.iter().cloned().chain(figures).collect::<Vec<_>>().join("  "));
    point
}

/// The points at which a figure is known.
fn line(points: &[Point], figure: usize) -> Vec<(f64, f64)> {
    points.iter().filter_map(|point| Some((point.size, point.figures[figure]?))).collect()
}

/// What each further one adds between two sizes that follow one another.
fn slopes(line: &[(f64, f64)]) -> Vec<f64> {
    line.windows(2).map(|two| (two[1].1 - two[0].1) / (two[1].0 - two[0].0)).collect()
}

/// From which size on each step is steeper than all before it together; nothing where the last one is not.
fn worse_from(line: &[(f64, f64)]) -> Option<f64> {
    let first = line.first()?;
    let worse = |two: &[(f64, f64)]| {
        let before = (two[0].1 - first.1) / (two[0].0 - first.0);
        let adds = two[1].1 - two[0].1;
        before > 0.0 && adds / (two[1].0 - two[0].0) > STEEPER * before && adds > ADDED * two[0].1
    };
    let steps = line.windows(2).skip(1);
    steps.rev().take_while(|two| worse(two)).last().map(|two| two[0].0)
}

/// One sentence of what the figures say.
fn conclusion(size: &str, names: &[&str], points: &[Point]) -> String {
    let (mut fine, mut told, mut few) = (Vec::new(), Vec::new(), Vec::new());
    for (figure, name) in names.iter().enumerate() {
        let name = name.split(',').next().unwrap();
        let line = line(points, figure);
        match worse_from(&line) {
            _ if line.len() < 4 => few.push(name),
            Some(from) => told.push(format!("{name} grows worse than linearly from {} {size} on", number(from))),
            None => fine.push(name),
        }
    }
    if !fine.is_empty() {
        told.push(format!(
            "linear or better up to {} {size}: {}",
            number(points[points.len() - 1].size),
            fine.join(", ")
        ));
    }
    if !few.is_empty() {
        told.push(format!("known at too few sizes to say: {}", few.join(", ")));
    }
    format!("What the figures say: {}.", told.join("; "))
}

/// The table; what each further one adds, with the exponents of what is added to the smallest; the conclusion.
fn grown(size: &str, counted: &[&str], names: &[&str], points: &[Point]) -> String {
    let row = |point: &Point| {
        let figures = point.figures.iter().copied().map(known);
        std::iter::once(number(point.size)).chain(point.counted.iter().cloned()).chain(figures).collect()
    };
    let rows: Vec<Vec<String>> = points.iter().map(row).collect();
    let head: Vec<&str> = std::iter::once(size).chain(counted.iter().copied()).chain(names.iter().copied()).collect();
    let mut added: Vec<Vec<String>> = points
        .windows(2)
        .map(|two| {
            let slope = |figure: usize| slopes(&line(two, figure)).first().map(|slope| format!("{slope:.4}"));
            let figures = (0..names.len()).map(|figure| slope(figure).unwrap_or_else(|| "unknown".to_owned()));
            std::iter::once(format!("{} to {}", number(two[0].size), number(two[1].size))).chain(figures).collect()
        })
        .collect();
    let power = |figure: usize| {
        let line = line(points, figure);
        let over: Vec<(f64, f64)> = line.iter().skip(1).map(|(x, y)| (x - line[0].0, y - line[0].1)).collect();
        known(Some(exponent(&over)))
    };
    added.push(std::iter::once("*exponent*".to_owned()).chain((0..names.len()).map(power)).collect());
    let steps = format!("added by each, {size}");
    let added_head: Vec<&str> = std::iter::once(steps.as_str()).chain(names.iter().copied()).collect();
    format!("{}\n{}\n{}", table(&head, &rows), table(&added_head, &added), conclusion(size, names, points))
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
    // Some 300 bytes each: up to 5 GB in the long form.
    let counts: &[usize] = form.of(
        &[1_000, 3_000, 10_000, 30_000],
        &[1_000, 10_000, 100_000, 300_000, 1_000_000],
        &[1_000, 10_000, 100_000, 1_000_000, 4_000_000, 16_000_000],
    );
    let journal: Vec<Point> = counts.iter().map(|count| with_facts(*count, form.of(1, 3, 3))).collect();
    let text = format!(
        "Bars of five seconds, one a second of each symbol, as real-time bars, {} s for each number of symbols (three \
         times that below 24); the limits of the simulator and of the setting `SYMBOLS` (100) are lifted for more, the \
         message limit is 1,000 in 1.1 s. The binary takes 100 symbols: beyond that the process is the bench's own \
         binary, with the same library behind it, and its RSS is that of another program. Bars of all symbols close at \
         the same moment, so that the last order waits for those before it; orders are dropped as in the first section \
         (the cut is a second). Where fewer than 90 % of the frames came that the speed asks for, tick to order and CPU \
         are unknown. The second table has what each further symbol or fact adds between two sizes, and the exponent of \
         what is added to the smallest: 1 is as much again for each. *Worse than linear* is a figure of which each step \
         up to the last adds {STEEPER} times as much for each as all steps before it.\n\n{}\n\n\
         ![growth with symbols](benchmarks/growth-symbols.svg)\n\n\
         With the journal: the process's start to Ready, memory then, and the file, up to {} facts; medians of several \
         starts.\n\n{}\n\n\
         ![growth with the journal](benchmarks/growth-journal.svg)",
        time.as_secs(),
        grown("symbols", &["frames/s of those asked for", "orders", "dropped"], &BY_SYMBOLS, &symbols),
        number(journal[journal.len() - 1].size),
        grown("facts", &[], &BY_JOURNAL, &journal),
    );
    let plots = vec![
        ("growth-symbols", plot("Growth with symbols", "symbols", &BY_SYMBOLS, &symbols)),
        ("growth-journal", plot("Growth with the journal", "facts", &BY_JOURNAL, &journal)),
    ];
    Outcome { text, targets: Vec::new(), plots }
}
