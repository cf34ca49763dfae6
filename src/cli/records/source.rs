//! Where records come from: the journal of one ledger, replayed, and the daemon that keeps it, if one answers.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use crate::calendar::Calendar;
use crate::cli::operate::{self, Silence};
use crate::cli::state_dir::DaemonArgs;
use crate::domain::MarketTime;
use crate::domain::book::{Book, Record};
use crate::journal::sqlite::SqliteJournal;
use crate::journal::{Journal, JournalError};
use crate::runner::operate::Request;
use crate::runner::{CONTROL_SOCKET, exit};

/// Which ledger.
#[derive(Debug, Args)]
pub(in crate::cli) struct SourceArgs {
    #[command(flatten)]
    daemon: DaemonArgs,
    /// The account, where the state directory has ledgers of several.
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// ibkr or simulator, where it has ledgers of both.
    #[arg(long, value_name = "VENUE")]
    venue: Option<String>,
}

/// Why there is nothing to read.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum SourceError {
    #[error("{0}")]
    Settings(String),
    #[error("no ledger under {0}: nothing has traded with this state directory yet (give the daemon's --state-dir)")]
    None(PathBuf),
    #[error("several ledgers: {0}; choose one with --venue and --account")]
    Several(String),
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl SourceError {
    /// The exit code.
    pub(in crate::cli) fn code(&self) -> u8 {
        match self {
            Self::Settings(_) | Self::Several(_) => exit::USAGE,
            Self::None(_) => exit::RESTART,
            Self::Journal(_) => exit::JOURNAL,
        }
    }
}

/// A journal in the state directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cli) struct Ledger {
    pub(in crate::cli) venue: String,
    pub(in crate::cli) account: String,
    pub(in crate::cli) path: PathBuf,
}

/// What was read.
pub(in crate::cli) struct Source {
    pub(in crate::cli) ledger: Ledger,
    pub(in crate::cli) calendar: Calendar,
    /// Every record, in order.
    pub(in crate::cli) records: Vec<Record>,
    /// What they add up to.
    pub(in crate::cli) book: Book,
    /// The status of the daemon that keeps this ledger.
    pub(in crate::cli) daemon: Option<Value>,
}

impl SourceArgs {
    /// The journal that is meant, and the status of a daemon that answers.
    pub(in crate::cli) fn find(&self) -> Result<(Ledger, Option<Value>), SourceError> {
        let dir = self.daemon.state_dir().map_err(SourceError::Settings)?;
        let status = status_of(&dir);
        let desk = status.as_ref().map(|status| &status["desk"]);
        let said = |key: &str| desk.and_then(|desk| desk[key].as_str()).map(str::to_owned);
        // What the command line says comes before what the daemon trades.
        let chosen = self.account.is_some() || self.venue.is_some();
        let (venue, account) =
            if chosen { (self.venue.clone(), self.account.clone()) } else { (said("venue"), said("account")) };
        let mut found = ledgers(&dir);
        found.retain(|ledger| {
            venue.as_ref().is_none_or(|venue| *venue == ledger.venue)
                && account.as_ref().is_none_or(|account| *account == ledger.account)
        });
        let named: Vec<String> = found.iter().map(|ledger| format!("{} {}", ledger.venue, ledger.account)).collect();
        let ledger = match found.len() {
            0 => return Err(SourceError::None(dir)),
            1 => found.remove(0),
            _ => return Err(SourceError::Several(named.join(", "))),
        };
        let keeps =
            said("account").as_deref() == Some(&ledger.account) && said("venue").as_deref() == Some(&ledger.venue);
        Ok((ledger, status.filter(|_| keeps)))
    }

    /// Reads it.
    pub(in crate::cli) fn open(&self) -> Result<Source, SourceError> {
        let calendar = self.daemon.setting("CALENDAR").map_err(SourceError::Settings)?;
        let calendar = calendar.parse().map_err(|error| SourceError::Settings(format!("CALENDAR: {error}")))?;
        let (ledger, daemon) = self.find()?;
        Source::read(ledger, calendar, daemon)
    }
}

impl Source {
    /// Reads a ledger.
    pub(super) fn read(ledger: Ledger, calendar: Calendar, daemon: Option<Value>) -> Result<Self, SourceError> {
        let mut journal = SqliteJournal::open_read_only(&ledger.path)?;
        let (mut records, mut book) = (Vec::new(), Book::default());
        journal.replay(1, &mut |row| {
            book.apply(&row.record);
            records.push(row.record);
        })?;
        Ok(Self { ledger, calendar, records, book, daemon })
    }
}

/// The book of one account's ledger; `None` where it has none.
pub(in crate::cli) fn book_of(dir: &Path, venue: &str, account: &str) -> Result<Option<Book>, SourceError> {
    let Some(ledger) = ledgers(dir).into_iter().find(|found| found.venue == venue && found.account == account) else {
        return Ok(None);
    };
    let mut book = Book::default();
    SqliteJournal::open_read_only(&ledger.path)?.replay(1, &mut |row| book.apply(&row.record))?;
    Ok(Some(book))
}

/// The status of a daemon, where one answers.
fn status_of(dir: &Path) -> Option<Value> {
    match operate::asked_at(&dir.join(CONTROL_SOCKET), &Request::Status {}) {
        Ok(reply) => reply.status,
        Err(Silence::Control(_) | Silence::Unreadable(_) | Silence::Start(_) | Silence::Where(_)) => None,
    }
}

/// Every ledger of a state directory.
pub(in crate::cli) fn ledgers(dir: &Path) -> Vec<Ledger> {
    let mut found = Vec::new();
    for venue in ["ibkr", "simulator"] {
        // A directory that cannot be read has no ledger that could be.
        let accounts = std::fs::read_dir(dir.join(venue)).into_iter().flatten().flatten();
        for account in accounts {
            let path = account.path().join("journal.db");
            if path.is_file() {
                let account = account.file_name().to_string_lossy().into_owned();
                found.push(Ledger { venue: venue.to_owned(), account, path });
            }
        }
    }
    found.sort();
    found
}

impl Source {
    /// Market time of the newest fact.
    pub(in crate::cli) fn as_of(&self) -> MarketTime {
        self.book.now()
    }

    /// One symbol of the daemon's status.
    pub(super) fn live(&self, symbol: &str) -> Option<&Value> {
        let symbols = self.daemon.as_ref()?["desk"]["symbols"].as_array()?;
        symbols.iter().find(|one| one["symbol"] == symbol)
    }

    /// Tells on standard error that no daemon answers.
    pub(in crate::cli) fn say_if_alone(&self) {
        if self.daemon.is_none() {
            crate::cli::complain(&format_args!(
                "no daemon trades this ledger now: this is what its journal says, up to {}",
                self.as_of()
            ));
        }
    }

    pub(in crate::cli) fn json(&self) -> Value {
        json!({
            "venue": self.ledger.venue, "account": self.ledger.account, "journal": self.ledger.path,
            "as_of": self.as_of(), "records": self.records.len(), "daemon": self.daemon.is_some(),
        })
    }

    pub(super) fn words(&self) -> String {
        format!("ledger of {} ({}), up to {}", self.ledger.account, self.ledger.venue, self.as_of())
    }
}
