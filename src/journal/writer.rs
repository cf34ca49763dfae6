//! The journal's own thread, and the way past it for batches that wait for no disk: two changes of
//! thread take longer than such a batch itself.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};
use tracing::Instrument;

use super::{Durability, Journal, JournalError};
use crate::clock;
use crate::domain::book::Record;

/// Batches that may wait for the disk; the desk loop waits for each before it goes on, so one is
/// the usual number.
const WAITING: usize = 4;

enum Work {
    Append { records: Arc<[Record]>, durability: Durability, done: oneshot::Sender<Result<(), JournalError>> },
    Tidy,
}

/// The journal, until it has refused a batch, and how many batches are with the thread.
struct Shared {
    journal: Mutex<Option<Box<dyn Journal>>>,
    with_thread: AtomicUsize,
}

impl Shared {
    /// On the thread: waits for whatever there is to be waited for.
    fn append(&self, records: &[Record], durability: Durability) -> Result<(), JournalError> {
        let mut held = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let journal = held.as_mut().ok_or(JournalError::Stopped)?;
        let result = journal.append(records, durability, clock::wall_now());
        if result.is_err() {
            *held = None;
        }
        result
    }

    fn tidy(&self) {
        let mut held = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(journal) = held.as_mut().filter(|journal| journal.is_untidy()) {
            journal.tidy();
        }
    }

    /// On the asker's thread: whether the journal wants tidying now; `None` where the batch has to go
    /// to the writer's thread.
    fn append_at_once(&self, records: &[Record]) -> Option<Result<bool, JournalError>> {
        // What the thread was given before is written before.
        if self.with_thread.load(Ordering::Acquire) > 0 {
            return None;
        }
        // The thread holds it while it tidies up.
        let mut held = self.journal.try_lock().ok()?;
        let Some(journal) = held.as_mut() else { return Some(Err(JournalError::Stopped)) };
        match journal.append_at_once(records, clock::wall_now()) {
            Ok(false) => None,
            Ok(true) => Some(Ok(journal.is_untidy())),
            Err(error) => {
                *held = None;
                Some(Err(error))
            }
        }
    }
}

/// A handle to the journal and its thread.
pub struct Writer {
    shared: Arc<Shared>,
    work: Option<mpsc::Sender<Work>>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("thread", &self.thread).finish_non_exhaustive()
    }
}

impl Writer {
    /// Gives the journal a thread.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(journal: Box<dyn Journal>) -> Result<Self, JournalError> {
        let (work, mut inbox) = mpsc::channel::<Work>(WAITING);
        let shared = Arc::new(Shared { journal: Mutex::new(Some(journal)), with_thread: AtomicUsize::new(0) });
        let own = Arc::clone(&shared);
        let work_off = move || {
            while let Some(work) = inbox.blocking_recv() {
                match work {
                    Work::Tidy => own.tidy(),
                    Work::Append { records, durability, done } => {
                        let result = own.append(&records, durability);
                        own.with_thread.fetch_sub(1, Ordering::Release);
                        let failed = result.is_err();
                        // The one who asked may be gone (the process is ending); the batch is kept all the same.
                        if done.send(result).is_err() || failed {
                            break;
                        }
                        // Once the order may leave.
                        own.tidy();
                    }
                }
            }
        };
        let thread =
            std::thread::Builder::new().name("journal".into()).spawn(work_off).map_err(JournalError::Thread)?;
        Ok(Self { shared, work: Some(work), thread: Some(thread) })
    }

    /// Appends a batch; durable as asked when it returns. One that needs no disk is written on this
    /// thread, in microseconds.
    ///
    /// # Errors
    /// The store refused, or has stopped after an earlier refusal.
    pub async fn append(&self, records: &Arc<[Record]>, durability: Durability) -> Result<(), JournalError> {
        if records.is_empty() {
            return Ok(());
        }
        // The target of what a collector of traces hears (runner::TRACES), and no log.
        let span = tracing::trace_span!(target: "robo_trader::traces", "journal.append", facts = records.len());
        let appended = async {
            let work = self.work.as_ref().ok_or(JournalError::Stopped)?;
            if durability == Durability::Process
                && let Some(written) = self.shared.append_at_once(records)
            {
                if written? {
                    // A full queue has other work first; the next batch asks again.
                    drop(work.try_send(Work::Tidy));
                }
                return Ok(());
            }
            let (done, answer) = oneshot::channel();
            self.shared.with_thread.fetch_add(1, Ordering::AcqRel);
            let batch = Work::Append { records: Arc::clone(records), durability, done };
            work.send(batch).await.map_err(|_| JournalError::Stopped)?;
            answer.await.map_err(|_| JournalError::Stopped)?
        };
        appended.instrument(span).await
    }

    /// Batches that may wait, and a look at how many do, which keeps nothing open: `None` once it has ended.
    pub fn queue(&self) -> (usize, impl Fn() -> Option<usize> + Send + Sync + use<>) {
        let weak = self.work.as_ref().map(mpsc::Sender::downgrade);
        let look = move || weak.as_ref()?.upgrade().map(|work| work.max_capacity() - work.capacity());
        (WAITING, look)
    }

    /// Ends the thread after its last batch, and closes the journal.
    pub fn close(mut self) {
        self.join();
    }

    fn join(&mut self) {
        self.work = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the journal's writer thread panicked");
        }
        *self.shared.journal.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.join();
    }
}
