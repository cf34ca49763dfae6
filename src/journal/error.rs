//! What can go wrong with the journal, and what to do.

use std::path::PathBuf;

/// Why the journal cannot be used. Trading stops: without a journal nothing may be sent.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The directory cannot be made.
    #[error(
        "cannot create {path}: {source}; check the state directory's permissions or choose another with --state-dir"
    )]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The database cannot be opened or is no database.
    #[error(
        "cannot open the journal {path}: {source}; it may be damaged or not a database: restore it from a backup, or move it away and reconcile by hand"
    )]
    Open {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// Another program's database, or a later version's.
    #[error(
        "the journal {path} has schema version {found}, this program knows versions up to {known}; use the program version that wrote it"
    )]
    Schema {
        /// Which.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// A row of a kind or version that this program does not know.
    #[error(
        "journal record {seq} is of kind {kind:?} version {version}, unknown to this program version; use the program version that wrote it"
    )]
    UnknownKind {
        /// Its number.
        seq: u64,
        /// Its kind.
        kind: String,
        /// Its version.
        version: i64,
    },
    /// A row that cannot be read.
    #[error("journal record {seq} cannot be read: {why}; restore the journal from a backup")]
    Unreadable {
        /// Its number.
        seq: u64,
        /// Why.
        why: String,
    },
    /// Reading or writing failed.
    #[error("the journal failed: {0}; check free space and the disk")]
    Store(#[from] rusqlite::Error),
    /// A record cannot be written as JSON.
    #[error("a record cannot be written: {0}")]
    Encode(#[from] serde_json::Error),
    /// The writer thread is gone.
    #[error("the journal's writer has stopped after an earlier error")]
    Stopped,
    /// The writer thread cannot be started.
    #[error("cannot start the journal's writer thread: {0}")]
    Thread(#[source] std::io::Error),
}
