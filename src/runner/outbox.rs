//! A session's outbox: what the desk released, sent by priority. It is dropped with its session.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tracing::{Instrument, error, trace_span, warn};

use super::TRACES;
use super::measured::Stats;
use super::stages::Course;
use crate::desk::Action;
use crate::domain::order::Role;
use crate::domain::{Contract, ContractId};
use crate::tws::{SendError, Session};

/// An action that the desk released, with its course so far where it follows from a bar that came live.
pub type Released = (Action, Option<Course>);

/// The desk's end of the outbox.
#[derive(Debug, Clone)]
pub struct Outbox {
    queue: mpsc::Sender<Released>,
    waiting: Arc<watch::Sender<u64>>,
}

/// The outbox is full: the desk released more than its invariants allow.
#[derive(Debug, thiserror::Error)]
#[error(
    "the outbox is full: more orders are on their way than the desk may release; this is a defect, nothing more is sent"
)]
pub struct Overflow;

impl Outbox {
    /// An outbox for so many symbols, and the task's end of it. It holds the largest burst there
    /// can be: every leg of every symbol cancelled, an exit, protection again.
    pub fn new(symbols: usize) -> (Self, mpsc::Receiver<Released>) {
        let (queue, actions) = mpsc::channel(8 * symbols + 64);
        (Self { queue, waiting: Arc::new(watch::Sender::new(0)) }, actions)
    }

    /// Queues an action. One for a session that just ended is dropped: its order is Unknown by
    /// then, and reconciliation decides.
    ///
    /// # Errors
    /// The outbox is full.
    pub fn release(&self, released: Released) -> Result<(), Overflow> {
        self.waiting.send_modify(|waiting| *waiting += 1);
        match self.queue.try_send(released) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Closed((action, _))) => {
                self.waiting.send_modify(|waiting| *waiting -= 1);
                warn!(?action, "not sent: its session has ended");
                Ok(())
            }
            Err(mpsc::error::TrySendError::Full(_)) => Err(Overflow),
        }
    }

    /// Actions not sent yet.
    pub fn waiting(&self) -> u64 {
        *self.waiting.borrow()
    }

    /// Actions that it holds at most.
    pub fn capacity(&self) -> usize {
        self.queue.max_capacity()
    }

    /// Follows how many actions are not sent yet.
    pub fn follow(&self) -> watch::Receiver<u64> {
        self.waiting.subscribe()
    }
}

/// Lower goes first: cancels, exits, stops, entries (rule 15). A bracket's children go with their
/// entry: the gateway has to know the parent first.
fn rank(action: &Action) -> u8 {
    match action {
        Action::Cancel { .. } | Action::CancelEverything => 0,
        Action::Submit(order) | Action::Amend(order) => match (order.ticket().role, order.ticket().parent_id) {
            (Role::Exit, _) => 1,
            (Role::Stop | Role::Target, None) => 2,
            (Role::Entry, _) | (Role::Stop | Role::Target, Some(_)) => 3,
        },
    }
}

/// Whether it is the order that a bar led to, not one of those that protect it.
fn is_trade(action: &Action) -> bool {
    matches!(action, Action::Submit(order) if matches!(order.ticket().role, Role::Entry | Role::Exit))
}

/// Queues by rank. A cancel never overtakes the order that it cancels: it goes right behind it.
fn enqueue(queued: &mut BTreeMap<u8, VecDeque<Released>>, released: Released) {
    let action = &released.0;
    let cancelled = match action {
        Action::Cancel { intent, .. } => Some(*intent),
        Action::Submit(_) | Action::Amend(_) | Action::CancelEverything => None,
    };
    let own = |(queued, _): &Released| match queued {
        Action::Submit(order) => Some(order.ticket().order_ref.intent) == cancelled,
        Action::Amend(_) | Action::Cancel { .. } | Action::CancelEverything => false,
    };
    let behind = queued.iter().find(|(_, waiting)| waiting.iter().any(own)).map(|(rank, _)| *rank);
    queued.entry(behind.unwrap_or_else(|| rank(action))).or_default().push_back(released);
}

/// Sends until the session fails or the desk lets go of the outbox.
///
/// # Errors
/// A send that failed in a way that ends the session.
pub async fn send(
    session: Session,
    contracts: BTreeMap<ContractId, Contract>,
    outbox: Outbox,
    mut actions: mpsc::Receiver<Released>,
    stats: Arc<Stats>,
) -> Result<(), SendError> {
    let waiting = Arc::clone(&outbox.waiting);
    // Only the desk's end keeps the queue open.
    drop(outbox);
    let mut queued: BTreeMap<u8, VecDeque<Released>> = BTreeMap::new();
    loop {
        if queued.is_empty() {
            let Some(action) = actions.recv().await else { return Ok(()) };
            enqueue(&mut queued, action);
        }
        while let Ok(action) = actions.try_recv() {
            enqueue(&mut queued, action);
        }
        let Some(mut first) = queued.first_entry() else { continue };
        let next = first.get_mut().pop_front();
        if first.get().is_empty() {
            first.remove();
        }
        let Some((action, course)) = next else { continue };
        let sent = match &action {
            Action::Submit(order) | Action::Amend(order) => {
                let ticket = order.ticket();
                match contracts.get(&ticket.contract) {
                    Some(contract) => {
                        session.submit(ticket, contract).instrument(trace_span!(target: TRACES, "order.send")).await
                    }
                    None => {
                        let reason = format!("contract {} is not resolved in this session", ticket.contract);
                        Err(SendError::Invalid { order_id: ticket.order_id, reason })
                    }
                }
            }
            Action::Cancel { order_id, .. } => session.cancel(*order_id).await,
            Action::CancelEverything => session.cancel_everything().await,
        };
        waiting.send_modify(|waiting| *waiting -= 1);
        match sent {
            Ok(()) => {
                if let Some(course) = course.filter(|_| is_trade(&action)) {
                    stats.sent(course);
                }
            }
            // It stays unanswered, becomes Unknown at its deadline and is settled by two reads.
            Err(error) if error.never_left() => error!(%error, "order not sent"),
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cancel(intent: u64) -> Released {
        (Action::Cancel { intent, order_id: 1 }, None)
    }

    #[test]
    fn it_holds_the_largest_burst_of_a_hundred_symbols_and_says_when_it_is_full() {
        let (outbox, actions) = Outbox::new(100);
        // Every symbol: entry cancelled, both legs cancelled, an exit, both legs again.
        for intent in 0..100 * 6 {
            outbox.release(cancel(intent)).unwrap();
        }
        for intent in 600..864 {
            outbox.release(cancel(intent)).unwrap();
        }
        assert!(outbox.release(cancel(864)).is_err());
        drop(actions);
        assert!(outbox.release(cancel(865)).is_ok(), "with its session gone it is dropped, not an error");
    }
}
