//! A start: the file is checked, its rows are read, and what they say is taken in, all at the same time. A start that
//! waits for one after the other waits longest where there is most to be known.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Builder, ScopedJoinHandle, scope};

use rusqlite::{Connection, OpenFlags};

use super::sqlite::{self, SqliteJournal};
use super::{JournalError, Row};

/// Rows that go from the reader to the taker together, and such lots that may wait.
const LOT: usize = 256;
const WAITING: usize = 4;

impl SqliteJournal {
    /// Opens the journal as [`open`](Self::open) does, and gives every record to `take` while the file is still checked:
    /// nothing of them may be used before this returns, and nothing unless it returns well. A damaged file is told as
    /// [`open`](Self::open) tells it, whatever the reading met in it.
    ///
    /// # Errors
    /// As [`open`](Self::open), and as [`replay`](super::Journal::replay).
    pub fn open_and_replay(path: &Path, account: &str, take: &mut dyn FnMut(Row)) -> Result<Self, JournalError> {
        let mut connection = sqlite::connect(path)?;
        let (checked, read) = scope(|threads| {
            let own = path.to_path_buf();
            let check = Builder::new().name("journal-check".into()).spawn_scoped(threads, || check(own));
            let (lots, given) = sync_channel(WAITING);
            let (source, own) = (&mut connection, path.to_path_buf());
            let reader =
                Builder::new().name("journal-read".into()).spawn_scoped(threads, move || read(source, &own, lots));
            given.into_iter().flatten().for_each(take);
            (joined(check), joined(reader))
        });
        checked?;
        read?;
        Self::of(connection, path, account)
    }
}

/// What a thread came to. Its panic is this one's.
fn joined(thread: std::io::Result<ScopedJoinHandle<'_, Result<(), JournalError>>>) -> Result<(), JournalError> {
    thread.map_err(JournalError::Thread)?.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Checks the file on a connection of its own.
fn check(path: PathBuf) -> Result<(), JournalError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&path, flags).map_err(|source| sqlite::cannot_open(&path, source))?;
    sqlite::check(&connection, &path)
}

/// Reads all rows, a lot at a time.
fn read(connection: &mut Connection, path: &Path, lots: SyncSender<Vec<Row>>) -> Result<(), JournalError> {
    let mut lot = Vec::with_capacity(LOT);
    sqlite::rows(connection, path, 1, &mut |row| {
        lot.push(row);
        if lot.len() == LOT {
            // The taker takes until this end is dropped.
            drop(lots.send(std::mem::replace(&mut lot, Vec::with_capacity(LOT))));
        }
    })?;
    drop(lots.send(lot));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Durability, Journal};
    use super::*;
    use crate::domain::MarketTime;
    use crate::domain::book::{Fact, IncidentFact, Record};

    fn written(path: &Path, count: usize) {
        let record = |number: usize| Record {
            at: MarketTime::from_secs(number as i64),
            strategy: None,
            symbol: None,
            contract: None,
            fact: Fact::Incident(IncidentFact::new("test", number.to_string())),
        };
        let records: Vec<Record> = (0..count).map(record).collect();
        let mut journal = SqliteJournal::open(path, "DU1").unwrap();
        journal.append(&records, Durability::Process, MarketTime::from_secs(9)).unwrap();
    }

    fn replayed(path: &Path) -> (Vec<Row>, Result<SqliteJournal, JournalError>) {
        let mut rows = Vec::new();
        let opened = SqliteJournal::open_and_replay(path, "DU1", &mut |row| rows.push(row));
        (rows, opened)
    }

    #[test]
    fn every_record_is_taken_in_its_order_and_the_journal_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/journal.db");
        assert!(replayed(&path).0.is_empty(), "there was none");
        let count = LOT * (WAITING + 3) + 1;
        written(&path, count);
        let (rows, opened) = replayed(&path);
        let mut journal = opened.unwrap();
        let mut same = Vec::new();
        journal.replay(1, &mut |row| same.push(row)).unwrap();
        assert_eq!((rows.len(), &rows), (count, &same));
        assert!(journal.append_at_once(&[rows[0].record.clone()], MarketTime::from_secs(9)).unwrap());
        assert_eq!(replayed(&path).0.len(), count + 1);
    }

    #[test]
    fn a_damaged_file_is_told_by_its_check_whatever_the_reading_met() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        written(&path, 2_000);
        let other = Connection::open(&path).unwrap();
        other.execute_batch("UPDATE facts SET kind = 'order.teleported' WHERE seq = 3").unwrap();
        drop(other);
        assert!(matches!(replayed(&path).1, Err(JournalError::UnknownKind { seq: 3, .. })), "a whole file");
        let whole = std::fs::read(&path).unwrap();
        let middle = whole.len() / 2 / 4_096 * 4_096;
        let mut scratched = whole.clone();
        scratched[middle..middle + 4_096].fill(0xA5);
        for bytes in [scratched, whole[..middle].to_vec(), whole[..middle + 100].to_vec(), vec![7; 5_000]] {
            std::fs::write(&path, &bytes).unwrap();
            let told = SqliteJournal::open(&path, "DU1").unwrap_err().to_string();
            assert_eq!(replayed(&path).1.unwrap_err().to_string(), told);
            assert_eq!(std::fs::read(&path).unwrap(), bytes, "the file was changed");
        }
    }
}
