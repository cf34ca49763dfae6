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
    #[error("cannot open the journal {path}: {source}; {}", .trouble.advice())]
    Open {
        /// Which.
        path: PathBuf,
        /// What kind of trouble it is.
        trouble: Trouble,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// SQLite's own check finds it damaged.
    #[error("the journal {path} is damaged ({finding}); {}", Trouble::Damaged.advice())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What the check says first.
        finding: String,
    },
    /// A file without a single table.
    #[error("the journal {path} is there and holds nothing: somebody has emptied it; {}, or move it away to begin a new ledger", Trouble::Damaged.advice())]
    Empty {
        /// Which.
        path: PathBuf,
    },
    /// The file was moved away or replaced while it was open.
    #[error(
        "the journal {path} was moved away or replaced while it was in use: nothing more is sent; put it back, and start again"
    )]
    Moved {
        /// Which.
        path: PathBuf,
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
    /// A record is missing in the middle.
    #[error("the journal {path} has no record {expected} (the next is {found}): somebody has removed it; {}", Trouble::Damaged.advice())]
    Gap {
        /// Which journal.
        path: PathBuf,
        /// The number that should come next.
        expected: u64,
        /// The number that came.
        found: i64,
    },
    /// A row that cannot be read.
    #[error("journal record {seq} cannot be read: {why}; restore the journal from a backup")]
    Unreadable {
        /// Its number.
        seq: u64,
        /// Why.
        why: String,
    },
    /// Reading or writing failed. Nothing of the batch is kept, and nothing of it was sent.
    #[error("the journal {path} {}: {source}; nothing more is sent: {}", .trouble.as_str(), .trouble.advice())]
    Store {
        /// Which.
        path: PathBuf,
        /// What kind of trouble it is.
        trouble: Trouble,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// A file beside the journal, or the journal's own, cannot be used.
    #[error("{path}: {source}; check the path, its permissions and the room on its disk")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A record cannot be written as JSON.
    #[error("a record cannot be written: {0}")]
    Encode(#[from] serde_json::Error),
    /// The writer thread is gone.
    #[error("the journal's writer has stopped after an earlier error")]
    Stopped,
    /// A thread of its own cannot be started.
    #[error("cannot start a thread for the journal: {0}")]
    Thread(#[source] std::io::Error),
}

/// Kinds of trouble with the database, by what an operator can do about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// No space, or the disk refuses to write or read.
    Disk,
    /// It may not be written.
    ReadOnly,
    /// Another program keeps it locked.
    Locked,
    /// Its pages make no sense, or it is no database.
    Damaged,
    /// Anything else.
    Other,
}

impl Trouble {
    pub(super) fn of(error: &rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as C;
        match error.sqlite_error_code() {
            Some(C::DiskFull | C::SystemIoFailure) => Self::Disk,
            Some(C::ReadOnly | C::PermissionDenied) => Self::ReadOnly,
            Some(C::DatabaseBusy | C::DatabaseLocked) => Self::Locked,
            Some(C::DatabaseCorrupt | C::NotADatabase) => Self::Damaged,
            Some(_) | None => Self::Other,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Disk => "cannot be written to its disk",
            Self::ReadOnly => "cannot be written",
            Self::Locked => "stays locked by another program",
            Self::Damaged => "is damaged",
            Self::Other => "failed",
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Self::Disk => "make room (df, quota), check the disk, then start again: what filled meanwhile is found",
            Self::ReadOnly => {
                "check the permissions of the file and of its directory, and that the file system is mounted writable"
            }
            Self::Locked => "end the program that holds it (fuser names it); readers and backups may stay",
            Self::Damaged => {
                "restore the file from a backup, however old: what is missing from it is found at the broker; \
                 keep the damaged one for a closer look"
            }
            Self::Other => "look at the file and its directory; a backup of it can be restored, however old",
        }
    }
}
