//! Series of bars for tests of strategies and indicators: real ones where they are on this machine,
//! and generated ones everywhere.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::path::PathBuf;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use robo_trader::bar_files;
use robo_trader::calendar::Calendar;
use robo_trader::domain::{Bar, MarketTime};

/// Bars of a wandering price in cents, with lulls (many ties) and leaps, the same for a seed.
pub fn generated(seed: u64, bars: usize) -> Vec<Bar> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut price: i64 = random.random_range(2_000..20_000);
    let mut stride: i64 = 5;
    let mut made = Vec::with_capacity(bars);
    for index in 0..bars {
        if random.random_bool(0.02) {
            stride = [0, 1, 5, 20, 120][random.random_range(0..5_usize)];
        }
        let open = (price + random.random_range(-stride..=stride)).max(100);
        price = (open + random.random_range(-2 * stride..=2 * stride)).max(100);
        let high = open.max(price) + random.random_range(0..=stride);
        let low = (open.min(price) - random.random_range(0..=stride)).max(50);
        let usd = |cents: i64| cents as f64 / 100.0;
        let time = MarketTime::from_secs(index as i64 * 60);
        let end = MarketTime::from_secs(index as i64 * 60 + 60);
        let volume = Some(random.random_range(0..10_000));
        made.push(Bar { time, end, open: usd(open), high: usd(high), low: usd(low), close: usd(price), volume });
    }
    made
}

/// Every real series on this machine by its file's name; none, said aloud, where there are none.
pub fn real() -> Vec<(String, Vec<Bar>)> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    if !dir.exists() {
        eprintln!("skipped: {} is not there", dir.display());
        return Vec::new();
    }
    let files = bar_files::discover(&dir).unwrap();
    assert!(!files.is_empty());
    let read = |file: bar_files::BarFile| {
        let name = file.path.file_name().unwrap().to_string_lossy().into_owned();
        (name, bar_files::read(&file.path, file.size, Calendar::Xnys).unwrap())
    };
    files.into_iter().map(read).collect()
}

/// All of them: some generated, and the real ones.
pub fn all() -> Vec<(String, Vec<Bar>)> {
    let mut series: Vec<_> = (1..=12).map(|seed| (format!("seed {seed}"), generated(seed, 1_500))).collect();
    series.extend(real());
    series
}
