//! Opens the ledger that belongs to a session: its place, its journal, its book.

use std::path::Path;

use tracing::{info, warn};

use super::RunConfig;
use super::alerts::Unseen;
use super::board::Past;
use super::exit::RunError;
use crate::calendar::ExpectedWindows;
use crate::clock;
use crate::config::Settings;
use crate::desk::Desk;
use crate::domain::book::{Book, Counts, LedgerFact};
use crate::domain::broker::{AccountId, Venue};
use crate::domain::{ContractId, MarketTime, Shares, Symbol};
use crate::journal::sqlite::SqliteJournal;
use crate::journal::{Durability, Journal, Writer};
use crate::tws::Session;

/// Whose ledger is open.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Identity {
    venue: Venue,
    account: AccountId,
}

impl Identity {
    /// Whether a later session is with the same venue, exchange and account.
    pub(super) fn check(&self, venue: &Venue, account: &AccountId) -> Result<(), RunError> {
        if self.venue == *venue && self.account == *account {
            return Ok(());
        }
        Err(RunError::Ledger(format!(
            "the gateway answers as {} for account {account}, the open ledger is for {} and account {}: \
             a different gateway listens at this address now",
            named(venue),
            named(&self.venue),
            self.account
        )))
    }
}

fn named(venue: &Venue) -> String {
    match venue {
        Venue::Ibkr => "IBKR".to_owned(),
        Venue::Simulator { exchange } => format!("the simulator's exchange {exchange}"),
    }
}

/// An open ledger.
pub(super) struct Opened {
    pub(super) desk: Desk,
    pub(super) writer: Writer,
    pub(super) before: Counts,
    pub(super) unseen: Unseen,
    pub(super) identity: Identity,
}

/// Opens (or begins) the ledger of the session's venue and account, replays its journal, and
/// writes the facts that begin a run.
pub(super) fn open(config: &RunConfig, session: &Session, now: MarketTime) -> Result<Opened, RunError> {
    let (venue, account) = (session.venue().clone(), session.account().clone());
    let path = SqliteJournal::path(&config.state_dir, venue.as_str(), &account.0);
    let (mut book, mut unseen, mut records) = (Book::default(), Unseen::default(), 0_u64);
    let mut past = config.board.is_some().then(Past::default);
    let mut journal = SqliteJournal::open_and_replay(&path, &account.0, &mut |row| {
        book.apply(&row.record);
        unseen.note(&row.record);
        if let Some(past) = &mut past {
            past.note(&row.record, &book);
        }
        records += 1;
    })?;
    if let Some(mine) = book.identity() {
        if mine.venue != venue || mine.account != account {
            return Err(RunError::Ledger(format!(
                "the ledger {} is for {} and account {}, the session is with {} and account {account}: \
                 choose another --state-dir, or move the ledger away",
                path.display(),
                named(&mine.venue),
                mine.account,
                named(&venue)
            )));
        }
        info!(records, path = %path.display(), "journal replayed");
    }
    if let Some((board, past)) = config.board.as_ref().zip(past) {
        board.opened(past, &book);
    }
    let planned = |symbol: &Symbol| config.settings.symbols.iter().any(|(name, _)| name == symbol);
    for (name, shares) in unmanaged(&book, planned) {
        warn!(
            symbol = %name, %shares,
            "held but not in SYMBOLS: nobody manages it, and equity stays unknown; add it to SYMBOLS, or close it by hand"
        );
    }
    tell_locks(&book);
    let before = book.counts();
    let mut plan = config.settings.plan(account.clone());
    if ignores_windows(&config.settings, &venue) {
        plan.guards.expected = ExpectedWindows::default();
    }
    let mut desk = Desk::new(plan, book);
    let ledger = crate::desk::ledger_id(config.seed.unwrap_or_else(|| clock::wall_now().millis().unsigned_abs()));
    let opened = LedgerFact::Opened { ledger: ledger.into(), venue: venue.clone(), account: account.clone() };
    let limits = serde_json::to_value(&config.settings.limits)
        .map_err(|error| RunError::Internal(format!("limits cannot be written: {error}")))?;
    let facts = desk.open_ledger(opened, limits, now);
    for record in &facts {
        super::fact_log::log(record);
    }
    journal.append(&facts, Durability::PowerCut, clock::wall_now())?;
    let writer = Writer::start(Box::new(journal))?;
    Ok(Opened { desk, writer, before, unseen, identity: Identity { venue, account } })
}

/// What the book holds of contracts that are not `planned`, by name.
fn unmanaged(book: &Book, planned: impl Fn(&Symbol) -> bool) -> Vec<(String, Shares)> {
    let held = book.positions().filter(|(_, position)| !position.quantity().is_zero());
    let unmanaged = held.filter(|(id, _)| !book.symbol(*id).is_some_and(&planned));
    let named = |id: ContractId| book.symbol(id).map_or_else(|| format!("contract {id}"), ToString::to_string);
    unmanaged.map(|(id, position)| (named(id), position.quantity())).collect()
}

/// Moves the journal of a ledger away, so that the next run begins a new one. It is never deleted.
///
/// # Errors
/// A file that cannot be moved.
pub fn put_aside(state_dir: &Path, venue: &str, account: &AccountId) -> Result<(), RunError> {
    let path = SqliteJournal::path(state_dir, venue, &account.0);
    let stamp = clock::wall_now().utc().format("%Y%m%dT%H%M%S%3f").to_string();
    for suffix in ["", "-wal", "-shm"] {
        let mut from = path.as_os_str().to_owned();
        from.push(suffix);
        let mut to = path.as_os_str().to_owned();
        to.push(format!(".{stamp}{suffix}"));
        match std::fs::rename(&from, &to) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(RunError::Ledger(format!("cannot move {} aside: {error}", Path::new(&from).display())));
            }
        }
    }
    Ok(())
}

/// Whether the expected outages mean nothing there: IBKR's own ones, at a simulator.
pub(super) fn ignores_windows(settings: &Settings, venue: &Venue) -> bool {
    matches!(venue, Venue::Simulator { .. }) && settings.has_default_windows()
}

/// Tells at the start what is locked, why, and how it ends.
fn tell_locks(book: &Book) {
    for (scope, cause, lock) in book.locks() {
        let symbol = scope.contract().and_then(|id| book.symbol(id)).map(ToString::to_string);
        warn!(symbol, ?cause, since = %lock.since, ends = cause.remedy(), "still locked: {}", lock.why);
    }
}
