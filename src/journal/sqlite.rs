//! The journal in SQLite: write-ahead log, one writer.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};
use tracing::warn;

use super::decode::{BODY_VERSION, COLUMNS, Decoder};
use super::schema::{APPLICATION_ID, CREATE, VERSION};
use super::{Durability, Journal, JournalError, Row, Trouble};
use crate::domain::book::{Fact, LedgerFact, Record};
use crate::domain::{MarketTime, Symbol};

/// How long SQLite waits by itself for another program's lock.
const BUSY: Duration = Duration::from_secs(1);

/// How often that is tried before the journal counts as lost. The desk waits as long and decides
/// nothing: a backup or a query must not end the daemon.
const TRIES: u32 = 60;

/// Pages in the write-ahead log, about, that it is written back at: 4 MB, as SQLite has it by itself.
const PAGES: u64 = 1_000;

/// The same where nobody has asked for it: no append waits for that without need.
const FAR_TOO_MANY: u64 = 10 * PAGES;

/// Pages that a batch changes at least, and rows that fill one, about.
const PAGES_A_BATCH: u64 = 3;
const ROWS_A_PAGE: u64 = 8;

/// A journal in one SQLite file.
#[derive(Debug)]
pub struct SqliteJournal {
    pub(super) connection: Connection,
    path: PathBuf,
    account: String,
    /// Device and number of the file that was opened for writing.
    file: Option<(u64, u64)>,
    durability: Option<Durability>,
    /// How long SQLite waits by itself now.
    busy: Duration,
    /// Pages written to the log since it was last written back, about.
    pages: u64,
    pub(super) tries: u32,
}

impl SqliteJournal {
    /// Opens the journal, creating it (and its directory) where there is none.
    ///
    /// # Errors
    /// A directory or file that cannot be used, a file that is no journal, or a later version's.
    pub fn open(path: &Path, account: &str) -> Result<Self, JournalError> {
        let connection = connect(path)?;
        check(&connection, path)?;
        Self::of(connection, path, account)
    }

    /// Of a connection to a file that was found to be good.
    pub(super) fn of(connection: Connection, path: &Path, account: &str) -> Result<Self, JournalError> {
        let open = |source| cannot_open(path, source);
        connection.pragma_update(None, "journal_mode", "WAL").map_err(open)?;
        // On macOS an fsync leaves the bytes in the drive's own cache, unless asked like this. No other system looks.
        connection.pragma_update(None, "fullfsync", true).map_err(open)?;
        connection.pragma_update(None, "checkpoint_fullfsync", true).map_err(open)?;
        // Writing the log back waits for the disk: it has a time of its own, see `tidy`.
        connection.pragma_update(None, "wal_autocheckpoint", 0).map_err(open)?;
        Ok(Self { file: identity(path), ..Self::new(connection, path, account) })
    }

    /// Opens an existing journal for reading, beside its writer.
    ///
    /// # Errors
    /// A file that is not there or is no journal of a known version.
    pub fn open_read_only(path: &Path) -> Result<Self, JournalError> {
        let open = |source| cannot_open(path, source);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(open)?;
        connection.busy_timeout(BUSY).map_err(open)?;
        let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(open)?;
        let tables: i64 =
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(open)?;
        if tables == 0 {
            return Err(JournalError::Empty { path: path.to_path_buf() });
        }
        if found != VERSION {
            return Err(JournalError::Schema { path: path.to_path_buf(), found, known: VERSION });
        }
        Ok(Self::new(connection, path, ""))
    }

    fn new(connection: Connection, path: &Path, account: &str) -> Self {
        let (path, account) = (path.to_path_buf(), account.to_owned());
        Self { connection, path, account, file: None, durability: None, busy: BUSY, pages: 0, tries: TRIES }
    }

    /// Where the journal of a ledger lies within the state directory.
    pub fn path(state_dir: &Path, venue: &str, account: &str) -> PathBuf {
        state_dir.join(venue).join(account).join("journal.db")
    }

    /// As if the disk were full at so many pages (never fewer than there are).
    #[cfg(test)]
    pub(super) fn limit_pages(&self, pages: u32) -> rusqlite::Result<()> {
        self.connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
    }

    /// As if the file system were mounted read-only.
    #[cfg(test)]
    pub(super) fn forbid_writing(&self) -> rusqlite::Result<()> {
        self.connection.pragma_update(None, "query_only", true)
    }

    pub(super) fn failed(&self) -> impl Fn(rusqlite::Error) -> JournalError + use<> {
        failed(&self.path)
    }

    /// Facts that go where the next start does not look would be lost.
    fn is_in_place(&self) -> Result<(), JournalError> {
        if self.file.is_some() && identity(&self.path) != self.file {
            return Err(JournalError::Moved { path: self.path.clone() });
        }
        Ok(())
    }

    fn set_busy(&mut self, wanted: Duration) -> rusqlite::Result<()> {
        if self.busy != wanted {
            self.connection.busy_timeout(wanted)?;
            self.busy = wanted;
        }
        Ok(())
    }

    fn set_durability(&mut self, wanted: Durability) -> rusqlite::Result<()> {
        if self.durability != Some(wanted) {
            let word = match wanted {
                Durability::Process => "NORMAL",
                Durability::PowerCut => "FULL",
            };
            self.connection.pragma_update(None, "synchronous", word)?;
            self.durability = Some(wanted);
        }
        Ok(())
    }
}

/// A new journal, which is there whole or not at all.
fn create(path: &Path) -> Result<(), JournalError> {
    let file = |path: &Path| {
        let path = path.to_path_buf();
        move |source| JournalError::File { path, source }
    };
    let new = path.with_extension("db.new");
    // Left behind by a kill in just this moment.
    for suffix in ["", "-wal", "-shm"] {
        let mut name = new.clone().into_os_string();
        name.push(suffix);
        match std::fs::remove_file(&name) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(file(Path::new(&name))(error)),
            Ok(()) | Err(_) => {}
        }
    }
    let connection = Connection::open(&new).map_err(|source| cannot_open(&new, source))?;
    let all =
        format!("BEGIN; {CREATE} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT;");
    connection.execute_batch(&all).map_err(|source| cannot_open(&new, source))?;
    connection.close().map_err(|(_, source)| cannot_open(&new, source))?;
    std::fs::rename(&new, path).map_err(file(path))?;
    if let Some(directory) = path.parent() {
        // Its name, too, survives a power cut.
        let synced = std::fs::File::open(directory).and_then(|opened| opened.sync_all());
        synced.map_err(file(directory))?;
    }
    Ok(())
}

/// Which file a path leads to: device and number.
fn identity(path: &Path) -> Option<(u64, u64)> {
    let file = std::fs::metadata(path).ok()?;
    Some((file.dev(), file.ino()))
}

/// A connection for writing; the file and its directory are made where they are not there.
pub(super) fn connect(path: &Path) -> Result<Connection, JournalError> {
    if let Some(directory) = path.parent() {
        crate::private_dir::make(directory)
            .map_err(|source| JournalError::Directory { path: directory.to_path_buf(), source })?;
    }
    if !path.exists() {
        create(path)?;
    }
    let connection = Connection::open(path).map_err(|source| cannot_open(path, source))?;
    look_into(&connection, path)?;
    Ok(connection)
}

/// Another program's file, a later version's or an emptied one is told before anything is done with it.
fn look_into(connection: &Connection, path: &Path) -> Result<(), JournalError> {
    let open = |source| cannot_open(path, source);
    let number = |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, i64>(0)).map_err(open);
    connection.busy_timeout(BUSY).map_err(open)?;
    let (found, owner) = (number("PRAGMA user_version")?, number("PRAGMA application_id")?);
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    if tables == 0 {
        return Err(JournalError::Empty { path: path.to_path_buf() });
    }
    if owner != APPLICATION_ID || found > VERSION {
        return Err(JournalError::Schema { path: path.to_path_buf(), found, known: VERSION });
    }
    Ok(())
}

/// A damaged file is told before anything is done with what it says.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<(), JournalError> {
    let finding = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    let finding = finding.map_err(|source| cannot_open(path, source))?;
    if finding != "ok" {
        return Err(JournalError::Damaged { path: path.to_path_buf(), finding: finding.replace('\n', " ") });
    }
    Ok(())
}

fn failed(path: &Path) -> impl Fn(rusqlite::Error) -> JournalError + use<> {
    let path = path.to_path_buf();
    move |source| JournalError::Store { path: path.clone(), trouble: Trouble::of(&source), source }
}

pub(super) fn cannot_open(path: &Path, source: rusqlite::Error) -> JournalError {
    JournalError::Open { path: path.to_path_buf(), trouble: Trouble::of(&source), source }
}

/// Records as the rows of a batch, made before the database is touched.
fn bodies(records: &[Record]) -> Result<Vec<String>, JournalError> {
    records.iter().map(|record| Ok(serde_json::to_string(&record.fact)?)).collect()
}

impl SqliteJournal {
    fn write(
        &mut self,
        records: &[Record],
        bodies: &[String],
        durability: Durability,
        recorded_at: &str,
    ) -> rusqlite::Result<()> {
        self.set_durability(durability)?;
        // The lock is taken at once: a transaction that began with reading could not wait for it.
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO facts (at, recorded_at, account, strategy, symbol, con_id, kind, version, body)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?;
            for (record, body) in records.iter().zip(bodies) {
                insert.execute(params![
                    record.at.to_string(),
                    recorded_at,
                    self.account,
                    record.strategy.as_deref(),
                    record.symbol.as_ref().map(Symbol::as_str),
                    record.contract.map(|contract| contract.0),
                    record.fact.kind(),
                    BODY_VERSION,
                    body,
                ])?;
            }
        }
        transaction.commit()?;
        self.pages += PAGES_A_BATCH + u64::try_from(records.len()).unwrap_or(u64::MAX) / ROWS_A_PAGE;
        Ok(())
    }

    /// The ledger's identity goes from the log into the file itself: whatever becomes of the log,
    /// our orders at the broker are known for ours.
    fn settle_identity(&self) -> rusqlite::Result<()> {
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
    }
}

impl Journal for SqliteJournal {
    fn append(
        &mut self,
        records: &[Record],
        durability: Durability,
        recorded_at: MarketTime,
    ) -> Result<(), JournalError> {
        if records.is_empty() {
            return Ok(());
        }
        self.is_in_place()?;
        let (bodies, recorded_at) = (bodies(records)?, recorded_at.to_string());
        self.set_busy(BUSY).map_err(self.failed())?;
        let mut tries = 0;
        // A batch that met a lock left nothing behind, and is written again whole.
        while let Err(error) = self.write(records, &bodies, durability, &recorded_at) {
            tries += 1;
            if Trouble::of(&error) != Trouble::Locked || tries >= self.tries {
                return Err(self.failed()(error));
            }
            warn!(
                path = %self.path.display(), tries, at_most = self.tries,
                "another program holds the journal locked: the desk waits and decides nothing"
            );
        }
        if records.iter().any(|record| matches!(record.fact, Fact::Ledger(LedgerFact::Opened { .. }))) {
            self.settle_identity().map_err(self.failed())?;
        }
        // Whoever holds this journal tidies up in time; where nobody does, the log must not grow for ever.
        if self.pages >= FAR_TOO_MANY {
            self.tidy();
        }
        Ok(())
    }

    fn append_at_once(&mut self, records: &[Record], recorded_at: MarketTime) -> Result<bool, JournalError> {
        // The ledger's first fact is settled in the file itself.
        if records.iter().any(|record| matches!(record.fact, Fact::Ledger(LedgerFact::Opened { .. }))) {
            return Ok(false);
        }
        self.is_in_place()?;
        let (bodies, recorded_at) = (bodies(records)?, recorded_at.to_string());
        self.set_busy(Duration::ZERO).map_err(self.failed())?;
        match self.write(records, &bodies, Durability::Process, &recorded_at) {
            Ok(()) => Ok(true),
            Err(error) if Trouble::of(&error) == Trouble::Locked => Ok(false),
            Err(error) => Err(self.failed()(error)),
        }
    }

    fn is_untidy(&self) -> bool {
        self.pages >= PAGES
    }

    fn tidy(&mut self) {
        self.pages = 0;
        // Passive: it takes what no reader needs any more, and keeps nobody from anything.
        if let Err(error) = self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
            warn!(path = %self.path.display(), %error, "the journal's log was not written back: it grows until it can be");
        }
    }

    fn replay(&mut self, from: u64, take: &mut dyn FnMut(Row)) -> Result<(), JournalError> {
        rows(&self.connection, &self.path, from, take)
    }
}

/// Reads the records from number `from` on, in order, into `take`.
pub(super) fn rows(
    connection: &Connection,
    path: &Path,
    from: u64,
    take: &mut dyn FnMut(Row),
) -> Result<(), JournalError> {
    let failed = failed(path);
    // Numbers that no append gives are seen, too: they are found missing, not passed over.
    let first = if from <= 1 { i64::MIN } else { i64::try_from(from).unwrap_or(i64::MAX) };
    let mut expected = from.max(1);
    let mut decoder = Decoder::default();
    let query = format!("SELECT {COLUMNS} FROM facts WHERE seq >= ?1 ORDER BY seq");
    let mut select = connection.prepare(&query).map_err(&failed)?;
    let mut rows = select.query([first]).map_err(&failed)?;
    while let Some(row) = rows.next().map_err(&failed)? {
        let found = row.get::<_, i64>(0).map_err(&failed)?;
        let seq = u64::try_from(found).unwrap_or(0);
        if seq != expected {
            return Err(JournalError::Gap { path: path.to_path_buf(), expected, found });
        }
        expected += 1;
        let record = decoder.record(row, seq)?;
        take(Row { seq, record });
    }
    Ok(())
}
