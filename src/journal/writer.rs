//! The journal's own thread.

use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};
use tracing::Instrument;

use super::{Durability, Journal, JournalError};
use crate::clock;
use crate::domain::book::Record;

/// Batches that may wait for the disk; the desk loop waits for each before it goes on, so one is
/// the usual number.
const WAITING: usize = 4;

struct Batch {
    records: Vec<Record>,
    durability: Durability,
    done: oneshot::Sender<Result<(), JournalError>>,
}

/// A handle to the writer thread.
#[derive(Debug)]
pub struct Writer {
    batches: Option<mpsc::Sender<Batch>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Gives the journal a thread.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(mut journal: Box<dyn Journal>) -> Result<Self, JournalError> {
        let (batches, mut inbox) = mpsc::channel::<Batch>(WAITING);
        let work = move || {
            while let Some(Batch { records, durability, done }) = inbox.blocking_recv() {
                let result = journal.append(&records, durability, clock::wall_now());
                let failed = result.is_err();
                // The one who asked may be gone (the process is ending); the batch is kept all the same.
                if done.send(result).is_err() || failed {
                    break;
                }
            }
        };
        let thread = std::thread::Builder::new().name("journal".into()).spawn(work).map_err(JournalError::Thread)?;
        Ok(Self { batches: Some(batches), thread: Some(thread) })
    }

    /// Appends a batch; durable as asked when it returns.
    ///
    /// # Errors
    /// The store refused, or the writer has stopped after an earlier refusal.
    pub async fn append(&self, records: Vec<Record>, durability: Durability) -> Result<(), JournalError> {
        if records.is_empty() {
            return Ok(());
        }
        let (done, answer) = oneshot::channel();
        let batches = self.batches.as_ref().ok_or(JournalError::Stopped)?;
        // The target of what a collector of traces hears (runner::TRACES), and no log.
        let span = tracing::trace_span!(target: "robo_trader::traces", "journal.append", facts = records.len());
        let appended = async {
            batches.send(Batch { records, durability, done }).await.map_err(|_| JournalError::Stopped)?;
            answer.await.map_err(|_| JournalError::Stopped)?
        };
        appended.instrument(span).await
    }

    /// Batches that may wait, and a look at how many do, which keeps nothing open: `None` once it has ended.
    pub fn queue(&self) -> (usize, impl Fn() -> Option<usize> + Send + Sync + use<>) {
        let weak = self.batches.as_ref().map(mpsc::Sender::downgrade);
        let look = move || weak.as_ref()?.upgrade().map(|batches| batches.max_capacity() - batches.capacity());
        (WAITING, look)
    }

    /// Ends the thread after its last batch.
    pub fn close(mut self) {
        self.join();
    }

    fn join(&mut self) {
        self.batches = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the journal's writer thread panicked");
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.join();
    }
}
