//! What is measured of the running daemon: how long things take, how much waits in each queue, what pacing leaves.
//! Written where it happens, read by status and metrics; nobody waits for it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::histogram::{Histogram, MOMENTS_US, WHILES_US};
use super::stages::{Course, Stages, StagesView};
use crate::desk::Event;
use crate::feed::{Tick, Ticks};
use crate::notify::{ChannelView, Notifier};
use crate::robust_connection::ConnectionState;
use crate::tws::Budget;

/// The daemon's measurements. One a process, shared.
#[derive(Debug)]
pub struct Stats {
    /// Appending a batch to the journal.
    pub journal: Histogram,
    /// From taking a batch of inputs to the release of the orders that it led to.
    pub decide: Histogram,
    /// From a closed bar's arrival in its feed to the moment at which the entry or exit that it led to has been
    /// handed to the gateway's socket: decoding is before it, strategy, risk, journal and the message limit are in it.
    pub tick_to_order: Histogram,
    /// The same by stage.
    pub stages: Stages,
    /// From the beginning of the attempt that got a session to the first order permitted in it: what coming back
    /// takes without the waits between attempts.
    pub dial_to_ready: Histogram,
    /// From the moment at which no order was permitted any more, because a session was lost, to the first order
    /// permitted in another one: waits between attempts included.
    pub lost_to_ready: Histogram,
    /// When bars came.
    pub ticks: Arc<Ticks>,
    queues: Mutex<BTreeMap<&'static str, Queue>>,
    budget: OnceLock<Budget>,
    answered: OnceLock<watch::Receiver<Option<Instant>>>,
    notifier: OnceLock<Notifier>,
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            journal: Histogram::new(MOMENTS_US),
            decide: Histogram::new(MOMENTS_US),
            tick_to_order: Histogram::new(MOMENTS_US),
            stages: Stages::default(),
            dial_to_ready: Histogram::new(WHILES_US),
            lost_to_ready: Histogram::new(WHILES_US),
            ticks: Arc::default(),
            queues: Mutex::default(),
            budget: OnceLock::new(),
            answered: OnceLock::new(),
            notifier: OnceLock::new(),
        }
    }
}

/// A bounded queue, and how to look into it.
struct Queue {
    capacity: usize,
    waiting: Box<dyn Fn() -> Option<usize> + Send + Sync>,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

/// A bounded queue at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct QueueView {
    /// Its name.
    pub queue: &'static str,
    /// What waits in it; null while it does not exist.
    pub waiting: Option<usize>,
    /// What it holds at most.
    pub capacity: usize,
}

/// What IBKR's rules leave at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PacingView {
    /// Messages that may leave now before the message limit holds one back.
    pub messages_left: usize,
    /// Messages that wait for it.
    pub messages_waiting: usize,
    /// Orders that it has held back so far, in this process.
    pub orders_held_back: u64,
    /// Requests for bars of 30 seconds or less that ten minutes still allow; null where they are not paced.
    pub small_bar_requests_left: Option<u32>,
    /// Historical requests that may be opened beside those that are open.
    pub open_requests_left: usize,
    /// The same for those that stay open.
    pub streams_left: usize,
}

/// How long something has taken so far, in this process.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct LatencyView {
    /// How often.
    pub count: u64,
    /// Half of them took no longer, milliseconds; null before the first.
    pub p50_ms: Option<f64>,
    /// 90 of 100 took no longer, milliseconds.
    pub p90_ms: Option<f64>,
    /// 99 of 100 took no longer, milliseconds.
    pub p99_ms: Option<f64>,
    /// 999 of 1,000 took no longer, milliseconds.
    pub p99_9_ms: Option<f64>,
    /// The longest, milliseconds.
    pub max_ms: Option<f64>,
}

impl From<&Histogram> for LatencyView {
    fn from(histogram: &Histogram) -> Self {
        let ms = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
        let quantiles = histogram.quantiles([0.5, 0.9, 0.99, 0.999]);
        let [p50_ms, p90_ms, p99_ms, p99_9_ms] = match quantiles {
            Some(times) => times.map(|time| Some(ms(time))),
            None => [None; 4],
        };
        Self { count: histogram.count(), p50_ms, p90_ms, p99_ms, p99_9_ms, max_ms: histogram.max().map(ms) }
    }
}

/// Everything that is measured, for people and programs.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct MeasuredView {
    /// From a closed bar's arrival to its order at the socket.
    pub tick_to_order: LatencyView,
    /// The same by stage.
    pub tick_to_order_by_stage: StagesView,
    /// Appending a batch to the journal.
    pub journal_append: LatencyView,
    /// From dialling to the first permitted order.
    pub dial_to_ready: LatencyView,
    /// From losing a session to the first permitted order of another.
    pub lost_to_ready: LatencyView,
    /// Seconds since the desk gave its last sign of life; null before the first.
    pub desk_heartbeat_age_s: Option<f64>,
    /// What waits where.
    pub queues: Vec<QueueView>,
    /// What IBKR's rules leave; null before the runner has begun.
    pub pacing: Option<PacingView>,
}

impl Stats {
    /// What pacing leaves is read there.
    pub(super) fn paced_by(&self, budget: Budget) {
        // A second runner in a process would be a defect of ours; the first one stays.
        drop(self.budget.set(budget));
    }

    /// When the desk gave its last sign of life is read there.
    pub(super) fn alive_by(&self, answered: watch::Receiver<Option<Instant>>) {
        drop(self.answered.set(answered));
    }

    /// How alerts get through is read there, where anybody is told.
    pub(super) fn told_by(&self, notifier: Option<Notifier>) {
        drop(notifier.map(|notifier| self.notifier.set(notifier)));
    }

    /// How each channel of the alerts is; none where nobody is told.
    pub fn alerts(&self) -> Vec<ChannelView> {
        self.notifier.get().map(Notifier::channels).unwrap_or_default()
    }

    fn queues(&self) -> MutexGuard<'_, BTreeMap<&'static str, Queue>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A queue to look into, in the place of one with the same name. The look must keep nothing alive.
    pub(super) fn queue(
        &self,
        name: &'static str,
        capacity: usize,
        waiting: impl Fn() -> Option<usize> + Send + Sync + 'static,
    ) {
        self.queues().insert(name, Queue { capacity, waiting: Box::new(waiting) });
    }

    /// The same of a channel.
    pub(super) fn channel<T: Send + 'static>(&self, name: &'static str, sender: &mpsc::Sender<T>) {
        // Weak: who is only looked at must be able to end.
        let (capacity, weak) = (sender.max_capacity(), sender.downgrade());
        self.queue(name, capacity, move || weak.upgrade().map(|sender| sender.max_capacity() - sender.capacity()));
    }

    /// The way of an event's bar through its feed, where it came live.
    pub(super) fn came(&self, event: &Event) -> Option<Tick> {
        match event {
            Event::Bar { contract, bar, .. } => self.ticks.of(*contract, bar.end),
            _ => None,
        }
    }

    /// An entry or exit has been handed to the gateway's socket now.
    pub(super) fn sent(&self, course: Course) {
        self.tick_to_order.record(self.stages.sent(course, Instant::now()));
    }

    /// Every queue.
    pub fn queue_views(&self) -> Vec<QueueView> {
        let view = |(queue, look): (&&'static str, &Queue)| QueueView {
            queue,
            waiting: (look.waiting)(),
            capacity: look.capacity,
        };
        self.queues().iter().map(view).collect()
    }

    /// What IBKR's rules leave now.
    pub fn pacing(&self) -> Option<PacingView> {
        let budget = self.budget.get()?;
        Some(PacingView {
            messages_left: budget.messages_left(),
            messages_waiting: budget.messages_waiting(),
            orders_held_back: budget.orders_held_back(),
            small_bar_requests_left: budget.small_bar_requests_left(),
            open_requests_left: budget.open_requests_left(),
            streams_left: budget.streams_left(),
        })
    }

    /// How long ago the desk gave its last sign of life.
    pub fn desk_heartbeat_age(&self) -> Option<Duration> {
        let at = *self.answered.get()?.borrow();
        at.map(|at| at.elapsed())
    }

    /// Everything.
    pub fn view(&self) -> MeasuredView {
        MeasuredView {
            tick_to_order: (&self.tick_to_order).into(),
            tick_to_order_by_stage: (&self.stages).into(),
            journal_append: (&self.journal).into(),
            dial_to_ready: (&self.dial_to_ready).into(),
            lost_to_ready: (&self.lost_to_ready).into(),
            desk_heartbeat_age_s: self.desk_heartbeat_age().map(|age| age.as_secs_f64()),
            queues: self.queue_views(),
            pacing: self.pacing(),
        }
    }
}

/// Measures how long coming back takes, look by look.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    ready: bool,
    /// Sessions got when orders were last permitted.
    session: u64,
    /// Since when no order is permitted.
    fenced: Option<Instant>,
}

impl Recovery {
    /// Whether orders are permitted now, in which session.
    pub(super) fn saw(&mut self, ready: bool, connection: &ConnectionState, now: Instant, stats: &Stats) {
        if ready == self.ready {
            return;
        }
        self.ready = ready;
        if !ready {
            self.fenced = Some(now);
            return;
        }
        let fenced = self.fenced.take();
        // Within a session it was fenced for another reason: nothing was lost.
        if self.session == connection.sessions {
            return;
        }
        self.session = connection.sessions;
        if let Some(dialled) = connection.dialled_at {
            stats.dial_to_ready.record(now.saturating_duration_since(dialled));
        }
        if let Some(fenced) = fenced {
            stats.lost_to_ready.record(now.saturating_duration_since(fenced));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coming_back_is_measured_from_the_loss_and_from_the_dial_and_a_fence_within_a_session_is_neither() {
        let (stats, begin) = (Stats::default(), Instant::now());
        let at = |ms| begin + Duration::from_millis(ms);
        let session = |sessions, ms| ConnectionState { sessions, dialled_at: Some(at(ms)), ..ConnectionState::idle() };
        let mut recovery = Recovery::default();
        let story = [
            (false, session(0, 0), 10),
            (true, session(1, 50), 100),
            // Fenced and back within the session.
            (false, session(1, 50), 200),
            (true, session(1, 50), 300),
            // Lost; the second attempt succeeds.
            (false, session(1, 50), 1_000),
            (false, session(1, 1_400), 1_500),
            (true, session(2, 1_800), 2_000),
        ];
        for (ready, connection, ms) in story {
            recovery.saw(ready, &connection, at(ms), &stats);
        }
        assert_eq!((stats.dial_to_ready.count(), stats.dial_to_ready.max()), (2, Some(Duration::from_millis(200))));
        assert_eq!((stats.lost_to_ready.count(), stats.lost_to_ready.max()), (1, Some(Duration::from_secs(1))));
    }

    #[test]
    fn a_queue_is_looked_into_and_not_kept_open() {
        let stats = Stats::default();
        let (sender, inbox) = mpsc::channel(4);
        stats.channel("inbox", &sender);
        sender.try_send(()).unwrap();
        assert_eq!(stats.queue_views(), [QueueView { queue: "inbox", waiting: Some(1), capacity: 4 }]);
        drop(sender);
        assert!(inbox.is_closed());
        assert_eq!(stats.queue_views()[0].waiting, None, "there is none: not an empty one");
    }
}
