//! The disk below the state directory, and the journal on it.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::{AtBoth, Failed, Times};
use crate::clock::wall_now;
use crate::domain::book::{Book, Record};
use crate::journal::sqlite::SqliteJournal;
use crate::journal::{Durability, Journal};

/// What is written before each fsync: about what a batch adds to the journal's log.
const BYTES: [u8; 8_192] = [7; 8_192];
/// How often it is done.
const SYNCS: usize = 200;
/// Facts of a batch: what an order is appended with.
const BATCH: usize = 3;
/// Batches appended at most.
const BATCHES: usize = 200;
/// How often the journal is replayed.
const REPLAYS: u32 = 10;

/// What replay costs.
#[derive(Debug, Serialize)]
pub(super) struct Replayed {
    /// Facts of the journal that was replayed, each time.
    facts: usize,
    /// Reading one and adding it to the book, microseconds.
    pub(super) us_per_fact: f64,
}

/// Writing a little to a new file of this folder and having it on the disk for sure, so many times, each after a pause:
/// how long each took.
///
/// # Errors
/// The file system refuses.
pub fn syncs(dir: &Path, times: usize, pause: Duration) -> io::Result<Vec<Duration>> {
    let mut file = crate::private_dir::create_new(&dir.join("fsync"))?;
    let mut took = Vec::with_capacity(times);
    for _ in 0..times {
        std::thread::sleep(pause);
        let began = Instant::now();
        file.write_all(&BYTES).and_then(|()| file.sync_all())?;
        took.push(began.elapsed());
    }
    Ok(took)
}

/// The same as what an operator is told.
pub(super) fn fsync(dir: &Path) -> Result<Times, Failed> {
    syncs(dir, SYNCS, Duration::ZERO).map(Times::of).map_err(|source| Failed::Disk { dir: dir.to_path_buf(), source })
}

/// Appending facts, batch by batch.
pub(super) fn append(dir: &Path, facts: &[Record]) -> Result<AtBoth, Failed> {
    let at = |name: &str, durability| {
        let mut journal = SqliteJournal::open(&dir.join(name), "")?;
        let mut times = Vec::new();
        // The first begins a ledger, which does more.
        for batch in facts.chunks(BATCH).take(BATCHES + 1) {
            let began = Instant::now();
            journal.append(batch, durability, wall_now())?;
            times.push(began.elapsed());
        }
        times.drain(..1.min(times.len()));
        Ok::<_, Failed>(Times::of(times))
    };
    Ok(AtBoth { process: at("process.db", Durability::Process)?, full: at("full.db", Durability::PowerCut)? })
}

/// Replaying all facts into a book, again and again.
pub(super) fn replay(dir: &Path, facts: &[Record]) -> Result<Replayed, Failed> {
    let mut journal = SqliteJournal::open(&dir.join("replay.db"), "")?;
    journal.append(facts, Durability::Process, wall_now())?;
    let mut took = Duration::ZERO;
    for _ in 0..REPLAYS {
        let (began, mut book) = (Instant::now(), Book::default());
        journal.replay(1, &mut |row| book.apply(&row.record))?;
        took += began.elapsed();
    }
    let facts_in_all = u32::try_from(facts.len()).unwrap_or(u32::MAX).saturating_mul(REPLAYS);
    let us_per_fact = took.as_secs_f64() * 1e6 / f64::from(facts_in_all.max(1));
    Ok(Replayed { facts: facts.len(), us_per_fact: (us_per_fact * 1e3).round() / 1e3 })
}
