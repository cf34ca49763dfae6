//! The journal: append-only facts, durable before anything leaves the process.
//!
//! [`Journal`] is what the runner needs of one; [`sqlite::SqliteJournal`] is the one there is. A
//! shared database can take its place behind the same trait. [`Writer`] gives it a thread of its
//! own, so that waiting for a disk never blocks the loop's other work; what needs no disk is written
//! where it is asked for.

mod decode;
mod error;
mod quick;
mod schema;
pub mod sqlite;
mod start;
#[cfg(test)]
mod tests;
pub mod upkeep;
mod writer;

use crate::domain::MarketTime;
use crate::domain::book::Record;

pub use error::{JournalError, Trouble};
pub use writer::Writer;

/// What a batch must survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// A kill of this process.
    Process,
    /// A power cut.
    PowerCut,
}

/// A record with its place in the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its number, from 1, without gaps.
    pub seq: u64,
    /// The record.
    pub record: Record,
}

/// An append-only store of facts.
pub trait Journal: Send {
    /// Appends a batch in one transaction; durable as asked when it returns. `recorded_at` is wall
    /// time, for the reader alone: no rule reads it.
    ///
    /// # Errors
    /// The store refused; nothing of the batch is kept.
    fn append(
        &mut self,
        records: &[Record],
        durability: Durability,
        recorded_at: MarketTime,
    ) -> Result<(), JournalError>;

    /// As [`append`](Self::append), durable against a kill of this process, where nothing has to be
    /// waited for: no disk, no other program that holds the store. `false` where that cannot be;
    /// nothing of the batch is kept then.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    fn append_at_once(&mut self, records: &[Record], recorded_at: MarketTime) -> Result<bool, JournalError> {
        let _ = (records, recorded_at);
        Ok(false)
    }

    /// Whether enough was written that [`tidy`](Self::tidy) should be called soon.
    fn is_untidy(&self) -> bool {
        false
    }

    /// Does what writing leaves to be done at leisure. It may wait for the disk; a failure costs
    /// room, no record, and is logged.
    fn tidy(&mut self) {}

    /// Reads the records from number `from` on, in order, into `take`. Old versions are upcast on
    /// reading.
    ///
    /// # Errors
    /// A row that this version does not know, or cannot read: nothing is guessed.
    fn replay(&mut self, from: u64, take: &mut dyn FnMut(Row)) -> Result<(), JournalError>;
}
