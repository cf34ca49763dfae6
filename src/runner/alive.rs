//! What the service manager hears: that the daemon is ready, what blocks trading, and that the desk lives.
//!
//! The sign of life is the desk's own: it is given only when the desk loop has answered, after everything that
//! was sent to it before. A desk that is stuck, or that does not catch up, gives none.

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

/// The end of the process where its desk has stalled.
pub(super) struct Stall {
    /// After so long without an answer.
    pub(super) after: Duration,
    /// What is done then.
    pub(super) end: fn(),
}

/// Asks the desk again and again, and gives a sign of life for every answer. Ends with the desk.
pub(super) async fn watch(
    desk: mpsc::Sender<oneshot::Sender<()>>,
    manager: ServiceManager,
    answered_at: watch::Sender<Option<Instant>>,
    stall: Option<Stall>,
) {
    let asked_for = [manager.watchdog().map(|within| within / 3), stall.as_ref().map(|stall| stall.after / 3)];
    let every = asked_for.into_iter().flatten().fold(ASK_EVERY, Duration::min);
    // It has just begun: one that never answers is stuck, too.
    answered_at.send_replace(Some(Instant::now()));
    let mut tick = tokio::time::interval(every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let asked = Instant::now();
        let (done, answer) = oneshot::channel();
        let answered = async { desk.send(done).await.is_ok() && answer.await.is_ok() };
        tokio::pin!(answered);
        let lives = match &stall {
            None => answered.await,
            Some(stall) => match tokio::time::timeout(stall.after, &mut answered).await {
                Ok(lives) => lives,
                Err(_) => {
                    let for_s = asked.elapsed().as_secs();
                    error!(
                        exit_code = ABORTED,
                        for_s, "the desk has stalled: this process ends itself, to be started again"
                    );
                    (stall.end)();
                    answered.await
                }
            },
        };
        if !lives {
            return;
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
    use std::sync::atomic::{AtomicBool, Ordering};

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

    #[tokio::test(start_paused = true)]
    async fn a_desk_that_has_ended_is_not_stalled_and_one_that_hangs_ends_the_process() {
        static ENDED: AtomicBool = AtomicBool::new(false);
        let stall = || Some(Stall { after: Duration::from_secs(60), end: || ENDED.store(true, Ordering::SeqCst) });
        let (ask, asked) = mpsc::channel(1);
        drop(asked);
        watch(ask, ServiceManager::default(), watch::Sender::new(None), stall()).await;
        assert!(!ENDED.load(Ordering::SeqCst));
        let (ask, asked) = mpsc::channel(1);
        let mut tasks = JoinSet::new();
        tasks.spawn(stuck_after(1, asked));
        tasks.spawn(watch(ask, ServiceManager::default(), watch::Sender::new(None), stall()));
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        assert!(ENDED.load(Ordering::SeqCst));
        tasks.shutdown().await;
    }
}
