//! The journal in SQLite: write-ahead log, one writer.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, params};

use super::schema::{APPLICATION_ID, CREATE, VERSION};
use super::{Durability, Journal, JournalError, Row};
use crate::domain::MarketTime;
use crate::domain::book::{Fact, Record};
use crate::domain::{ContractId, Symbol};

/// The version of fact bodies that this program writes.
const BODY_VERSION: i64 = 1;

/// How long a reader of the same file (an operator's query) may keep the writer waiting.
const BUSY: Duration = Duration::from_secs(5);

/// A journal in one SQLite file.
#[derive(Debug)]
pub struct SqliteJournal {
    connection: Connection,
    account: String,
    durability: Option<Durability>,
}

impl SqliteJournal {
    /// Opens the journal, creating it (and its directory) where there is none.
    ///
    /// # Errors
    /// A directory or file that cannot be used, a file that is no journal, or a later version's.
    pub fn open(path: &Path, account: &str) -> Result<Self, JournalError> {
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)
                .map_err(|source| JournalError::Directory { path: directory.to_path_buf(), source })?;
        }
        let open = |source| JournalError::Open { path: path.to_path_buf(), source };
        let connection = Connection::open(path).map_err(open)?;
        connection.busy_timeout(BUSY).map_err(open)?;
        let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(open)?;
        let owner: i64 = connection.query_row("PRAGMA application_id", [], |row| row.get(0)).map_err(open)?;
        let tables: i64 =
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(open)?;
        let foreign = tables > 0 && owner != APPLICATION_ID;
        if foreign || found > VERSION {
            return Err(JournalError::Schema { path: path.to_path_buf(), found, known: VERSION });
        }
        connection.pragma_update(None, "journal_mode", "WAL").map_err(open)?;
        if tables == 0 {
            let create = format!(
                "BEGIN; {CREATE} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT;"
            );
            connection.execute_batch(&create).map_err(open)?;
        }
        Ok(Self { connection, account: account.to_owned(), durability: None })
    }

    /// Opens an existing journal for reading, beside its writer.
    ///
    /// # Errors
    /// A file that is not there or is no journal of a known version.
    pub fn open_read_only(path: &Path) -> Result<Self, JournalError> {
        let open = |source| JournalError::Open { path: path.to_path_buf(), source };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(open)?;
        connection.busy_timeout(BUSY).map_err(open)?;
        let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(open)?;
        if found != VERSION {
            return Err(JournalError::Schema { path: path.to_path_buf(), found, known: VERSION });
        }
        Ok(Self { connection, account: String::new(), durability: None })
    }

    /// Where the journal of a ledger lies within the state directory.
    pub fn path(state_dir: &Path, venue: &str, account: &str) -> PathBuf {
        state_dir.join(venue).join(account).join("journal.db")
    }

    fn set_durability(&mut self, wanted: Durability) -> Result<(), JournalError> {
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
        self.set_durability(durability)?;
        let transaction = self.connection.transaction()?;
        {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO facts (at, recorded_at, account, strategy, symbol, con_id, kind, version, body)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?;
            let recorded_at = recorded_at.to_string();
            for record in records {
                insert.execute(params![
                    record.at.to_string(),
                    recorded_at,
                    self.account,
                    record.strategy,
                    record.symbol.as_ref().map(Symbol::as_str),
                    record.contract.map(|contract| contract.0),
                    record.fact.kind(),
                    BODY_VERSION,
                    serde_json::to_string(&record.fact)?,
                ])?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    fn replay(&mut self, from: u64, take: &mut dyn FnMut(Row)) -> Result<(), JournalError> {
        let mut select = self.connection.prepare(
            "SELECT seq, at, strategy, symbol, con_id, kind, version, body FROM facts WHERE seq >= ?1 ORDER BY seq",
        )?;
        let mut rows = select.query([i64::try_from(from).unwrap_or(i64::MAX)])?;
        while let Some(row) = rows.next()? {
            let seq = u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0);
            let unreadable = |why: String| JournalError::Unreadable { seq, why };
            let (kind, version): (String, i64) = (row.get(5)?, row.get(6)?);
            if version != BODY_VERSION || !Fact::KINDS.contains(&kind.as_str()) {
                return Err(JournalError::UnknownKind { seq, kind, version });
            }
            let at: String = row.get(1)?;
            let symbol: Option<String> = row.get(3)?;
            let body: String = row.get(7)?;
            let record = Record {
                at: serde_json::from_value(serde_json::Value::String(at)).map_err(|e| unreadable(e.to_string()))?,
                strategy: row.get(2)?,
                symbol: symbol.map(|s| s.parse()).transpose().map_err(|e| unreadable(format!("{e}")))?,
                contract: row.get::<_, Option<i32>>(4)?.map(ContractId),
                fact: serde_json::from_str(&body).map_err(|e| unreadable(e.to_string()))?,
            };
            take(Row { seq, record });
        }
        Ok(())
    }
}
