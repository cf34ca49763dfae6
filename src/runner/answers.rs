//! The desk loop's answers: held until the facts that they tell of are durable.

use tokio::sync::oneshot;
use tracing::error;

use crate::desk::recovery::Stranger;
use crate::desk::{Desk, Unable};

/// An answer that waits until its facts are durable.
pub(super) enum Answer {
    Done(oneshot::Sender<()>),
    Facts(oneshot::Sender<u64>, u64),
    Operated(oneshot::Sender<Result<String, Unable>>, Option<Result<String, Unable>>),
    Ready(oneshot::Sender<Result<bool, Stranger>>),
    Refused(oneshot::Sender<Result<bool, Stranger>>, Stranger),
}

impl Answer {
    pub(super) fn send(self, desk: &Desk) {
        let heard = match self {
            Self::Done(done) => done.send(()).is_ok(),
            Self::Facts(done, facts) => done.send(facts).is_ok(),
            // The desk answers every order of an operator; without its answer the asker hears that
            // it is gone.
            Self::Operated(done, said) => said.is_none_or(|said| done.send(said).is_ok()),
            Self::Ready(done) => done.send(Ok(desk.is_ready())).is_ok(),
            Self::Refused(done, stranger) => done.send(Err(stranger)).is_ok(),
        };
        if !heard {
            error!("an answer of the desk was not waited for");
        }
    }
}
