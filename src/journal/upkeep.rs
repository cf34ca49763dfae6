//! The journal's upkeep beside its writer: a copy of it, a close look at it, its rows as they are.

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::params;

use super::schema::APPLICATION_ID;
use super::sqlite::SqliteJournal;
use super::{Journal, JournalError};
use crate::domain::MarketTime;
use crate::domain::book::Book;

/// What a journal was found to be.
#[derive(Debug)]
pub struct Verified {
    /// Its records.
    pub records: u64,
    /// What they add up to.
    pub book: Book,
    /// Size of the file, bytes.
    pub bytes: u64,
    /// Market time of its newest record.
    pub newest: MarketTime,
}

/// A row as it is written, nothing read into it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the columns of facts, which schema.rs describes")]
pub struct RawRow {
    pub seq: i64,
    pub at: String,
    pub recorded_at: String,
    pub account: String,
    pub strategy: Option<String>,
    pub symbol: Option<String>,
    pub con_id: Option<i64>,
    pub kind: String,
    pub version: i64,
    pub body: String,
}

/// Looks at every page and every record of a journal, also while it is written.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn verify(path: &Path) -> Result<Verified, JournalError> {
    let mut journal = SqliteJournal::open_read_only(path)?;
    let failed = journal.failed();
    let owner: i64 = journal.connection.query_row("PRAGMA application_id", [], |row| row.get(0)).map_err(&failed)?;
    if owner != APPLICATION_ID {
        return Err(damaged(path, "it was not written by robo-trader"));
    }
    let finding: String =
        journal.connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(&failed)?;
    if finding != "ok" {
        return Err(damaged(path, &finding));
    }
    let (mut records, mut book) = (0, Book::default());
    journal.replay(1, &mut |row| {
        book.apply(&row.record);
        records += 1;
    })?;
    let bytes = std::fs::metadata(path).map_err(|source| file(path, source))?.len();
    let newest = book.now();
    Ok(Verified { records, book, bytes, newest })
}

fn damaged(path: &Path, finding: &str) -> JournalError {
    JournalError::Damaged { path: path.to_path_buf(), finding: finding.replace('\n', " ") }
}

fn file(path: &Path, source: std::io::Error) -> JournalError {
    JournalError::File { path: path.to_path_buf(), source }
}

/// Copies a journal as it is at one moment, also while it is written; the copy has its name only once it is whole,
/// verified and on the disk.
///
/// # Errors
/// A copy that exists already, a disk that does not take it, or a journal that cannot be read.
pub fn backup(from: &Path, to: &Path) -> Result<Verified, JournalError> {
    if to.exists() {
        let source = std::io::Error::new(std::io::ErrorKind::AlreadyExists, "it exists: a backup replaces nothing");
        return Err(file(to, source));
    }
    let partial = PathBuf::from(format!("{}.partial", to.display()));
    match std::fs::remove_file(&partial) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(file(&partial, error)),
    }
    let journal = SqliteJournal::open_read_only(from)?;
    let name = partial.to_string_lossy();
    // Begun here, empty, so that it is its user's alone from its first byte on: SQLite asks nobody else.
    crate::private_dir::create_new(&partial).map_err(|source| file(&partial, source))?;
    // One read of one moment: the writer goes on meanwhile.
    journal.connection.execute("VACUUM INTO ?1", params![name]).map_err(journal.failed())?;
    let verified = verify(&partial)?;
    File::open(&partial).and_then(|copy| copy.sync_all()).map_err(|source| file(&partial, source))?;
    std::fs::rename(&partial, to).map_err(|source| file(to, source))?;
    let directory = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(|source| file(directory, source))?;
    Ok(verified)
}

/// When this machine wrote the newest of its records, by its own clock; `None` where there is none.
///
/// # Errors
/// A journal that cannot be read.
pub fn last_written(path: &Path) -> Result<Option<MarketTime>, JournalError> {
    let journal = SqliteJournal::open_read_only(path)?;
    let newest: Option<String> = journal
        .connection
        .query_row("SELECT max(recorded_at) FROM facts", [], |row| row.get(0))
        .map_err(journal.failed())?;
    // A time that cannot be read is found by `verify`.
    Ok(newest.and_then(|text| serde_json::from_value(serde_json::Value::String(text)).ok()))
}

/// Reads every row as it is written, in order, until `take` says no.
///
/// # Errors
/// A journal that cannot be read.
pub fn raw_rows(path: &Path, take: &mut dyn FnMut(RawRow) -> bool) -> Result<(), JournalError> {
    let journal = SqliteJournal::open_read_only(path)?;
    let failed = journal.failed();
    let query =
        "SELECT seq, at, recorded_at, account, strategy, symbol, con_id, kind, version, body FROM facts ORDER BY seq";
    let mut select = journal.connection.prepare(query).map_err(&failed)?;
    let rows = select.query_map([], |row| {
        Ok(RawRow {
            seq: row.get(0)?,
            at: row.get(1)?,
            recorded_at: row.get(2)?,
            account: row.get(3)?,
            strategy: row.get(4)?,
            symbol: row.get(5)?,
            con_id: row.get(6)?,
            kind: row.get(7)?,
            version: row.get(8)?,
            body: row.get(9)?,
        })
    });
    for row in rows.map_err(&failed)? {
        if !take(row.map_err(&failed)?) {
            break;
        }
    }
    Ok(())
}
