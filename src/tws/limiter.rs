//! The message limiter: IBKR allows 50 messages a second and ends a session that keeps exceeding
//! it (code 100); we send at most 45 in any second, the most urgent first.
//!
//! `ibapi`'s own limiter spreads messages (bursts of 4) and lets no one overtake; this one allows
//! the whole second's worth at once.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::domain::order::Role;

/// Who goes first when messages wait for the limit (trading-rules 15).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Priority {
    Cancel,
    Exit,
    Heartbeat,
    Stop,
    Entry,
    Data,
}

impl From<Role> for Priority {
    fn from(role: Role) -> Self {
        match role {
            Role::Entry => Self::Entry,
            Role::Exit => Self::Exit,
            Role::Stop | Role::Target => Self::Stop,
        }
    }
}

/// A tenth longer than IBKR's second: it counts messages as it reads them, so that a burst read
/// late and the next one read at once come closer together than they left.
const WINDOW: Duration = Duration::from_millis(1_100);

/// After IBKR says that we were too fast all the same.
const HOLD: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
struct State {
    /// When the messages of the last second left, ascending.
    sent: VecDeque<Instant>,
    /// Who waits: most urgent first, then first come.
    waiting: BTreeSet<(Priority, u64)>,
    next_ticket: u64,
    /// Orders that had to wait for the limit.
    orders_held_back: u64,
    not_before: Option<Instant>,
}

/// At most `rate` messages in any sliding second, by priority.
#[derive(Debug)]
pub struct Limiter {
    rate: usize,
    state: Mutex<State>,
    changed: Notify,
}

/// A waiter's place in the queue; leaving it, for whatever reason, lets the next one look.
struct Place<'a> {
    limiter: &'a Limiter,
    key: (Priority, u64),
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.limiter.lock().waiting.remove(&self.key);
        self.limiter.changed.notify_waiters();
    }
}

impl Limiter {
    /// So many messages in any second; 0 counts as 1.
    pub fn new(rate: u32) -> Self {
        Self {
            rate: usize::try_from(rate.max(1)).unwrap_or(usize::MAX),
            state: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Waits until a message of this priority may leave, and counts it. Cancel-safe: a dropped
    /// wait counts nothing.
    pub async fn acquire(&self, priority: Priority) {
        let place = self.queue(priority);
        let mut held = false;
        loop {
            // Registered before looking, so that no change between the two is missed.
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let turn = self.turn(place.key);
            if !held && matches!(turn, Turn::At(_) | Turn::Behind { full: true }) {
                held = true;
                self.held_back(priority);
            }
            match turn {
                Turn::Go => return,
                Turn::At(instant) => {
                    tokio::select! {
                        () = sleep_until(instant) => {}
                        () = changed => {}
                    }
                }
                Turn::Behind { .. } => changed.await,
            }
        }
    }

    /// IBKR says that we were too fast (100): nothing leaves for two seconds.
    pub fn hold(&self) {
        self.lock().not_before = Some(Instant::now() + HOLD);
    }

    /// Messages that wait now.
    pub fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Orders, new or changed, that had to wait for the limit so far.
    pub fn orders_held_back(&self) -> u64 {
        self.lock().orders_held_back
    }

    fn held_back(&self, priority: Priority) {
        if matches!(priority, Priority::Exit | Priority::Stop | Priority::Entry) {
            self.lock().orders_held_back += 1;
        }
    }

    /// Messages that may leave now, one after the other without a wait.
    pub fn left(&self) -> usize {
        let (state, now) = (self.lock(), Instant::now());
        if state.not_before.is_some_and(|until| now < until) {
            return 0;
        }
        let recent = state.sent.iter().rev().take_while(|sent| **sent + WINDOW > now).count();
        self.rate.saturating_sub(recent)
    }

    fn queue(&self, priority: Priority) -> Place<'_> {
        let mut state = self.lock();
        let key = (priority, state.next_ticket);
        state.next_ticket += 1;
        state.waiting.insert(key);
        Place { limiter: self, key }
    }

    fn turn(&self, key: (Priority, u64)) -> Turn {
        let (mut state, now) = (self.lock(), Instant::now());
        while state.sent.front().is_some_and(|sent| *sent + WINDOW <= now) {
            state.sent.pop_front();
        }
        let held = state.not_before.filter(|until| now < *until);
        // Full, hence not empty: the oldest must grow out of the window.
        let full = (state.sent.len() >= self.rate).then(|| state.sent.front().map_or(now, |oldest| *oldest + WINDOW));
        let until = held.or(full);
        if state.waiting.first() != Some(&key) {
            return Turn::Behind { full: until.is_some() };
        }
        match until {
            Some(until) => Turn::At(until),
            None => {
                state.sent.push_back(now);
                Turn::Go
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held; a poisoned state would still be consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Turn {
    Go,
    At(Instant),
    /// Somebody more urgent goes first; whether that one waits for the limit, too.
    Behind {
        full: bool,
    },
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use tokio::task::JoinSet;
    use tokio::time::{advance, sleep, timeout};

    use super::*;

    const ALL: [Priority; 6] =
        [Priority::Cancel, Priority::Exit, Priority::Heartbeat, Priority::Stop, Priority::Entry, Priority::Data];

    /// Runs messages that come at (milliseconds, priority) and returns when each left, in order.
    fn run(rate: u32, arrivals: &[(u64, Priority)]) -> Vec<(u64, Priority)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let limiter = Arc::new(Limiter::new(rate));
            let start = Instant::now();
            let mut tasks = JoinSet::new();
            let left = Arc::new(Mutex::new(Vec::new()));
            for (at, priority) in arrivals.iter().copied() {
                let (limiter, left) = (limiter.clone(), left.clone());
                tasks.spawn(async move {
                    sleep_until(start + Duration::from_millis(at)).await;
                    limiter.acquire(priority).await;
                    let ms = u64::try_from(start.elapsed().as_millis()).unwrap();
                    left.lock().unwrap().push((ms, priority));
                });
            }
            tasks.join_all().await;
            Arc::try_unwrap(left).unwrap().into_inner().unwrap()
        })
    }

    #[test]
    fn a_whole_seconds_worth_leaves_at_once_and_the_rest_later() {
        let left = run(45, &[(0, Priority::Data); 100]);
        let at = |ms| left.iter().filter(|(at, _)| *at == ms).count();
        assert_eq!((at(0), at(1_100), at(2_200)), (45, 45, 10));
    }

    #[test]
    fn those_who_wait_leave_by_urgency_not_by_arrival() {
        let mut arrivals = vec![(0, Priority::Data); 2];
        arrivals.extend(ALL.iter().rev().enumerate().map(|(i, p)| (10 + i as u64, *p)));
        let left: Vec<Priority> = run(2, &arrivals).into_iter().skip(2).map(|(_, p)| p).collect();
        assert_eq!(left, ALL);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_wait_neither_counts_nor_blocks() {
        let limiter = Limiter::new(1);
        limiter.acquire(Priority::Data).await;
        let mut urgent = std::pin::pin!(limiter.acquire(Priority::Cancel));
        assert!(timeout(Duration::from_millis(10), urgent.as_mut()).await.is_err());
        let data = limiter.acquire(Priority::Data);
        assert!(timeout(Duration::from_millis(10), data).await.is_err());
        assert_eq!(limiter.waiting(), 1);
        advance(WINDOW).await;
        urgent.await;
        assert_eq!(limiter.waiting(), 0);
        sleep(WINDOW).await;
        limiter.acquire(Priority::Data).await;
    }

    #[tokio::test(start_paused = true)]
    async fn orders_that_the_limit_held_back_are_counted_once_and_others_not() {
        let limiter = Limiter::new(2);
        limiter.acquire(Priority::Entry).await;
        limiter.acquire(Priority::Entry).await;
        assert_eq!(limiter.orders_held_back(), 0);
        // The exit is held, the entry waits behind it; data is no order.
        let waiting = [Priority::Exit, Priority::Entry, Priority::Data].map(|priority| limiter.acquire(priority));
        futures::future::join_all(waiting).await;
        assert_eq!(limiter.orders_held_back(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reported_breach_holds_everything_back_for_a_while() {
        let limiter = Limiter::new(45);
        let start = Instant::now();
        assert_eq!(limiter.left(), 45);
        limiter.hold();
        assert_eq!(limiter.left(), 0);
        limiter.acquire(Priority::Cancel).await;
        assert_eq!(start.elapsed(), HOLD);
        assert_eq!(limiter.left(), 44);
        advance(WINDOW).await;
        assert_eq!(limiter.left(), 45);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn never_more_than_the_rate_in_any_second(
            rate in 1u32..60,
            arrivals in prop::collection::vec((0u64..5_000, 0usize..6), 1..300),
        ) {
            let arrivals: Vec<_> = arrivals.into_iter().map(|(at, p)| (at, ALL[p])).collect();
            let mut left: Vec<u64> = run(rate, &arrivals).into_iter().map(|(at, _)| at).collect();
            prop_assert_eq!(left.len(), arrivals.len());
            left.sort_unstable();
            for (index, from) in left.iter().enumerate() {
                let within = left[index..].iter().take_while(|at| **at < from + 1_000).count();
                prop_assert!(within <= rate as usize, "{within} from {from} ms");
            }
        }
    }
}
