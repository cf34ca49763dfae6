//! What the service manager hears: that the daemon is ready, what blocks trading, and that the desk lives.
//!
//! The sign of life is the desk's own: it is given only when the desk loop has answered, after everything that
//! was sent to it before. A desk that is stuck, or that does not catch up, gives none.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::outlook::Outlook;
use super::view::DeskView;
use crate::robust_connection::ConnectionState;
use crate::service_manager::ServiceManager;

/// Time between two questions to the desk where no service manager asks for more.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// Longer than this without an answer, and the desk is stuck.
pub(super) const STUCK_AFTER: Duration = Duration::from_secs(30);
/// Time between two looks at what is to be told.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What a shell says of a process that has ended itself by SIGABRT.
const ABORTED: u8 = 134;

/// The end of the process where its desk has stalled: watched by a thread of its own, for a runtime that is stuck as a
/// whole looks after nothing.
pub(super) struct Stall {
    after: Duration,
    signs: SyncSender<()>,
}

impl Stall {
    /// Does `end` after so long without a sign of life; nothing once this is dropped.
    pub(super) fn guard(after: Duration, end: impl FnOnce() + Send + 'static) -> std::io::Result<Self> {
        let (signs, heard) = sync_channel(1);
        std::thread::Builder::new().name("stall".into()).spawn(move || {
            if lasts_until_silent(&heard, after) {
                error!(
                    exit_code = ABORTED,
                    after_s = after.as_secs(),
                    "the desk has stalled: this process ends itself, to be started again"
                );
                end();
            }
        })?;
        Ok(Self { after, signs })
    }

    fn alive(&self) {
        match self.signs.try_send(()) {
            // One that waits to be heard says as much as two; a thread that has ended the process hears nothing.
            Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
        }
    }
}

/// Waits for a silence of so long; `false` where there will be no more signs.
fn lasts_until_silent(signs: &Receiver<()>, after: Duration) -> bool {
    loop {
        // In two parts: a process that was stopped as a whole and goes on gets the second one to give a sign in.
        let heard = signs.recv_timeout(after / 2).or_else(|error| match error {
            RecvTimeoutError::Timeout => signs.recv_timeout(after / 2),
            RecvTimeoutError::Disconnected => Err(error),
        });
        match heard {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}

/// Asks the desk again and again, and gives a sign of life for every answer. Ends with the desk.
pub(super) async fn watch(
    desk: mpsc::Sender<oneshot::Sender<()>>,
    manager: ServiceManager,
    answered_at: watch::Sender<Option<Instant>>,
    stall: Option<Stall>,
) {
    let asked_for = [manager.watchdog().map(|within| within / 3), stall.as_ref().map(|stall| stall.after / 4)];
    let every = asked_for.into_iter().flatten().fold(ASK_EVERY, Duration::min);
    // It has just begun: one that never answers is stuck, too.
    answered_at.send_replace(Some(Instant::now()));
    let mut tick = tokio::time::interval(every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let (done, answer) = oneshot::channel();
        if desk.send(done).await.is_err() || answer.await.is_err() {
            return;
        }
        if let Some(stall) = &stall {
            stall.alive();
        }
        manager.alive();
        answered_at.send_replace(Some(Instant::now()));
    }
}

/// Whether the desk lives: it has answered of late, or there is none yet.
pub(super) fn lives(answered_at: Option<Instant>, now: Instant) -> bool {
    answered_at.is_none_or(|at| now.saturating_duration_since(at) < STUCK_AFTER)
}

/// Tells what the daemon is doing, whenever that changes; that it is ready, once the first recovery is done; that it
/// stops, once it is told to.
pub(super) async fn report(manager: ServiceManager, outlook: Outlook, stop: CancellationToken) {
    if !manager.is_there() {
        return;
    }
    let mut tick = tokio::time::interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut told, mut ready) = (String::new(), false);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => {
                manager.status("stopping: entries are cancelled, stops stay");
                return manager.stopping();
            }
            _ = tick.tick() => {}
        }
        let view = outlook.view();
        let words = words(outlook.trading().word, &outlook.connection.borrow(), view.as_deref());
        if words != told {
            manager.status(&words);
            told = words;
        }
        if !ready && view.is_some_and(|view| view.ready) {
            ready = true;
            manager.ready();
        }
    }
}

/// What blocks trading, without what changes by the second.
fn words(trading: &str, connection: &ConnectionState, view: Option<&DeskView>) -> String {
    let locks: Vec<String> = view.iter().flat_map(|view| &view.locks).map(ToString::to_string).collect();
    let error = connection.last_error.as_deref().filter(|_| !view.is_some_and(|view| view.ready));
    let particulars = match error {
        Some(error) => format!(" ({}: {error})", connection.phase.as_str()),
        None if trading.ends_with("locked") => format!(" ({})", locks.join("; ")),
        None => String::new(),
    };
    format!("trading: {trading}{particulars}")
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use tokio::task::JoinSet;

    use super::*;

    /// A desk that answers so many questions, and hangs on the next one.
    async fn stuck_after(answers: usize, mut asked: mpsc::Receiver<oneshot::Sender<()>>) {
        for _ in 0..answers {
            asked.recv().await.unwrap().send(()).unwrap();
        }
        let _held = asked.recv().await.unwrap();
        std::future::pending::<()>().await;
    }

    fn signs(theirs: &UnixDatagram) -> usize {
        let mut bytes = [0; 64];
        let mut count = 0;
        while let Ok(length) = theirs.recv(&mut bytes) {
            assert_eq!(&bytes[..length], b"WATCHDOG=1");
            count += 1;
        }
        count
    }

    #[tokio::test(start_paused = true)]
    async fn a_stuck_desk_stops_feeding_the_watchdog() {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        let (ask, asked) = mpsc::channel(1);
        let mut tasks = JoinSet::new();
        tasks.spawn(stuck_after(3, asked));
        tasks.spawn(watch(
            ask,
            ServiceManager::to(ours, Some(Duration::from_secs(30))),
            watch::Sender::new(None),
            None,
        ));
        // An hour passes at once: nobody else has anything to do.
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        assert_eq!(signs(&theirs), 3);
        tasks.shutdown().await;
    }

    #[test]
    fn a_silence_ends_it_signs_put_that_off_and_one_that_is_over_ends_nothing() {
        let (signs, heard) = sync_channel(1);
        drop(signs);
        assert!(!lasts_until_silent(&heard, Duration::from_secs(3_600)), "there will be no more");
        let (signs, heard) = sync_channel(1);
        signs.send(()).unwrap();
        assert!(lasts_until_silent(&heard, Duration::from_millis(20)));
        assert!(heard.try_recv().is_err(), "the sign was heard before");
    }

    /// Nobody runs the runtime of this test: the end comes all the same.
    #[test]
    fn a_runtime_that_is_stuck_as_a_whole_is_ended_too() {
        let (tell, ended) = sync_channel(1);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (ask, mut asked) = mpsc::channel::<oneshot::Sender<()>>(1);
        runtime.block_on(async {
            let stall = Stall::guard(Duration::from_millis(200), move || tell.send(()).unwrap()).unwrap();
            let mut tasks = JoinSet::new();
            tasks.spawn(watch(ask, ServiceManager::default(), watch::Sender::new(None), Some(stall)));
            asked.recv().await.unwrap().send(()).unwrap();
            // The only worker waits here, as one does that is stuck.
            ended.recv_timeout(Duration::from_secs(60)).unwrap();
            tasks.shutdown().await;
        });
    }
}
