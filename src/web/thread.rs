//! The web part's own thread: the desk never waits behind its clients for a worker of the runtime.

use std::future::Future;
use std::io;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{debug, error};

/// How long clients may take to be let go at the end.
const ENDS_WITHIN: Duration = Duration::from_secs(1);

/// A thread that serves; dropped, it ends.
#[derive(Debug)]
pub struct WebThread {
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl WebThread {
    /// Does some work on a thread of its own.
    ///
    /// # Errors
    /// The thread, or what it needs, cannot be had.
    pub fn start(work: impl Future<Output = ()> + Send + 'static) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let thread = std::thread::Builder::new().name("web".into()).spawn(move || {
            if runtime.block_on(stopped.run_until_cancelled(work)).is_some() {
                debug!("the web part has nothing to do any more");
            }
            runtime.shutdown_timeout(ENDS_WITHIN);
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for WebThread {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            error!("the web part's thread panicked");
        }
    }
}
