//! Journals of any length, as a daemon would have written them that trades now and then.

use std::path::Path;

use robo_trader::domain::book::{Book, Fact, LedgerFact, Record};
use robo_trader::domain::broker::{AccountId, Venue};
use robo_trader::domain::{MarketTime, Usd};
use robo_trader::journal::sqlite::SqliteJournal;
use robo_trader::journal::{Durability, Journal};

use super::trading;

/// The account of the simulator.
pub const ACCOUNT: &str = "DU1234567";
/// Facts of a batch as the bench writes them: a daemon's are smaller, which no reader sees.
const BATCH: usize = 1_000;
/// Symbols that take turns.
const SYMBOLS: usize = 4;

/// Writes a journal of at least so many facts, up to a moment at which nothing is held; says how many it has, and the
/// cash of its account.
pub fn write(path: &Path, exchange: &str, count: usize) -> (u64, Usd) {
    let bars = (count / SYMBOLS * 2).max(2_000);
    let series: Vec<_> = (0..SYMBOLS).map(|symbol| trading::walk(symbol as u64 + 1, bars)).collect();
    let mut journal = SqliteJournal::open(path, ACCOUNT).unwrap();
    let (mut book, mut batch, mut done) = (Book::default(), Vec::with_capacity(BATCH), false);
    let at = MarketTime::from_secs(1_700_000_000);
    trading::play(&series, &trading::settings(SYMBOLS, (2, 5)), &mut |record: &Record| {
        if done {
            return;
        }
        let mut record = record.clone();
        if let Fact::Ledger(LedgerFact::Opened { venue, account, .. }) = &mut record.fact {
            *venue = Venue::Simulator { exchange: exchange.into() };
            *account = AccountId(ACCOUNT.into());
        }
        book.apply(&record);
        batch.push(record);
        let flat = || {
            book.live_orders().next().is_none() && book.positions().all(|(_, position)| position.quantity().is_zero())
        };
        done = book.facts() >= count as u64 && flat();
        if done || batch.len() == BATCH {
            journal.append(&batch, Durability::Process, at).unwrap();
            batch.clear();
        }
    });
    assert!(done, "{} facts of {count}: the walk is long enough", book.facts());
    (book.facts(), book.cash().unwrap())
}

/// Seconds to check a journal's file, and to open it as a start does: checked, read and taken into a book at once.
pub fn replay(path: &Path) -> (f64, f64) {
    let began = std::time::Instant::now();
    drop(SqliteJournal::open(path, ACCOUNT).unwrap());
    let checked = began.elapsed().as_secs_f64();
    let (mut book, began) = (Book::default(), std::time::Instant::now());
    SqliteJournal::open_and_replay(path, ACCOUNT, &mut |row| book.apply(&row.record)).unwrap();
    (checked, began.elapsed().as_secs_f64())
}
