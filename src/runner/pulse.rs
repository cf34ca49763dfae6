//! The desk loop's sign of life: it answers, after everything that was sent to it before. Nothing
//! else can answer for it, and no timer of its own.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

/// Time between an answer and the next question.
const EVERY: Duration = Duration::from_secs(5);
/// Longer than this without an answer, and the desk is stuck.
pub(super) const STUCK_AFTER: Duration = Duration::from_secs(30);

/// Asks for ever, and notes when it was answered.
pub(super) async fn listen(desk: mpsc::Sender<oneshot::Sender<()>>, answered: watch::Sender<Option<Instant>>) {
    loop {
        let (ask, answer) = oneshot::channel();
        if desk.send(ask).await.is_err() || answer.await.is_err() {
            return;
        }
        answered.send_replace(Some(Instant::now()));
        tokio::time::sleep(EVERY).await;
    }
}

/// Whether the desk lives: it has answered of late, or there is none yet.
pub(super) fn lives(answered: Option<Instant>, now: Instant) -> bool {
    answered.is_none_or(|at| now.saturating_duration_since(at) < STUCK_AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_desk_that_stops_answering_is_not_alive_for_long() {
        let (ask, mut asked) = mpsc::channel(1);
        let (answered, seen) = watch::channel(None);
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(listen(ask, answered));
        assert!(lives(*seen.borrow(), Instant::now()), "before there is a desk, nothing is stuck");
        asked.recv().await.unwrap().send(()).unwrap();
        let stuck = asked.recv().await.unwrap();
        let at = seen.borrow().unwrap();
        assert!(lives(Some(at), at + STUCK_AFTER - Duration::from_millis(1)));
        tokio::time::advance(STUCK_AFTER).await;
        assert!(!lives(*seen.borrow(), Instant::now()));
        stuck.send(()).unwrap();
        asked.recv().await.unwrap();
        assert!(lives(*seen.borrow(), Instant::now()), "it has come back");
    }
}
