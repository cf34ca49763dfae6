//! What it takes to open a journal and replay it into a book, for journals of 10^4, 10^5 and 10^6 facts:
//! `cargo bench --bench replay`. `FACTS` says how many at most, `RUNS` how often each (3).
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "it measures, and stops where it cannot")]

use std::path::Path;
use std::time::Instant;

use robo_trader::domain::MarketTime;
use robo_trader::domain::book::{Book, Record};
use robo_trader::journal::sqlite::SqliteJournal;
use robo_trader::journal::{Durability, Journal};

#[path = "trading/mod.rs"]
mod trading;

/// Facts of a batch as the bench writes them: a daemon's are smaller, which no reader sees.
const BATCH: usize = 1_000;

/// The first facts of an account of one symbol that trades: about 240 of a thousand bars.
fn facts(count: usize) -> Vec<Record> {
    let mut facts = Vec::new();
    let series = [trading::walk(1, count * 5)];
    trading::play(&series, &trading::settings(1, (10, 30)), &mut |record: &Record| {
        if facts.len() < count {
            facts.push(record.clone());
        }
    });
    assert_eq!(facts.len(), count, "the walk is long enough");
    facts
}

fn write(path: &Path, facts: &[Record]) {
    let mut journal = SqliteJournal::open(path, "DU1234567").unwrap();
    for batch in facts.chunks(BATCH) {
        journal.append(batch, Durability::Process, MarketTime::from_secs(1_700_000_000)).unwrap();
    }
}

/// Seconds to open the journal, and to replay it.
fn read(path: &Path, facts: usize) -> (f64, f64) {
    let began = Instant::now();
    let mut journal = SqliteJournal::open(path, "DU1234567").unwrap();
    let opened = began.elapsed().as_secs_f64();
    let mut book = Book::default();
    journal.replay(1, &mut |row| book.apply(&row.record)).unwrap();
    assert_eq!(book.facts(), facts as u64, "the book is made of all of them");
    (opened, began.elapsed().as_secs_f64() - opened)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn main() {
    let number = |name: &str, default| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (most, runs): (usize, usize) = (number("FACTS", 1_000_000), number("RUNS", 3));
    let facts = facts(most);
    let room = tempfile::tempdir().unwrap();
    let sizes = [10_000, 100_000, 1_000_000].into_iter().filter(|size| *size <= most);
    for size in sizes {
        let path = room.path().join(format!("{size}.db"));
        write(&path, &facts[..size]);
        let bytes = std::fs::metadata(&path).unwrap().len();
        let runs: Vec<(f64, f64)> = (0..runs).map(|_| read(&path, size)).collect();
        let (opened, replayed) = (median(runs.iter().map(|run| run.0)), median(runs.iter().map(|run| run.1)));
        println!(
            "{size} facts, {} MB: opened and checked in {opened:.3} s, replayed in {replayed:.3} s ({:.2} us a fact)",
            bytes / 1_000_000,
            replayed / size as f64 * 1e6
        );
    }
}
