//! What the runner asks of the desk loop, and what the loop asks of a session's scope.

use tokio::sync::{mpsc, oneshot};

use super::outbox::Outbox;
use crate::desk::recovery::Stranger;
use crate::desk::{Recovered, Unable, operator};
use crate::tws::OrderStream;

/// What the runner asks of the loop, each with its answer.
pub enum Command {
    /// A session begins: its order stream and its outbox.
    Attach {
        /// The session's order stream.
        orders: OrderStream,
        /// The session's outbox.
        outbox: Outbox,
        /// Told when the order stream ends or lags.
        trouble: mpsc::Sender<Trouble>,
        /// Answered once attached.
        done: oneshot::Sender<()>,
    },
    /// The broker's state is about to be read, behind the fence.
    BeginRead {
        /// Answered once noted, with the number of facts that the book is made of.
        done: oneshot::Sender<u64>,
    },
    /// The broker's state is about to be read while trading goes on.
    BeginCompare {
        /// Answered with the number of facts that the book is made of.
        done: oneshot::Sender<u64>,
    },
    /// An operator's order.
    Operate {
        /// What.
        order: operator::Order,
        /// Answered once its facts are durable.
        done: oneshot::Sender<Result<String, Unable>>,
    },
    /// The broker's state was read.
    Recover {
        /// The read.
        recovered: Box<Recovered>,
        /// Whether the desk is Ready now, or why this session may never be.
        done: oneshot::Sender<Result<bool, Stranger>>,
    },
    /// The session is over.
    Detach {
        /// Why.
        why: String,
        /// Answered once its facts are durable.
        done: oneshot::Sender<()>,
    },
}

/// What a session's scope has to do something about.
#[derive(Debug)]
pub enum Trouble {
    /// The order stream ended.
    OrdersEnded(String),
    /// The broker's state has to be read again, behind the fence.
    Reconcile(&'static str),
    /// The broker's state should be compared soon.
    Compare,
}
