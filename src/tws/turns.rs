//! IBKR's rule for real-time bars, kept before they are asked for (error 420): at most 60 subscriptions may begin in any
//! ten minutes. Whoever is beyond them waits for a turn, in the order of lining up.
//!
//! The rule holds for the log-in, not for the session: what one session has begun counts in the next.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::domain::Symbol;

const MOST: usize = 60;
/// Ten minutes, and a second: IBKR counts what has come, we count what has left.
const WINDOW: Duration = Duration::from_secs(601);

/// Everybody's turns.
#[derive(Debug)]
pub struct Turns {
    paced: bool,
    state: Mutex<State>,
    /// Somebody has left the line.
    moved: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The number of the next one that lines up.
    next: u64,
    /// Subscriptions that began within the window, by number.
    begun: BTreeMap<u64, Instant>,
    /// Those in the line, by number, and whether they have no bars until then.
    line: BTreeMap<u64, (Symbol, bool)>,
}

/// Somebody who has to wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Who.
    pub symbol: Symbol,
    /// For how long.
    pub left: Duration,
    /// Whether there are no bars until then.
    pub blind: bool,
}

/// A place in the line; dropping it gives it up, or does nothing once it has come.
#[derive(Debug)]
pub struct Turn {
    turns: Arc<Turns>,
    number: u64,
}

impl Turns {
    /// With `paced` false every turn comes at once.
    pub(super) fn new(paced: bool) -> Arc<Self> {
        Arc::new(Self { paced, state: Mutex::default(), moved: Notify::new() })
    }

    /// A place at the end of the line; `blind`: there are no bars until the turn has come.
    pub(super) fn line_up(self: &Arc<Self>, symbol: &Symbol, blind: bool) -> Turn {
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        if self.paced {
            state.line.insert(number, (*symbol, blind));
        }
        Turn { turns: Arc::clone(self), number }
    }

    /// Who has to wait, in order.
    pub(super) fn waiting(&self) -> Vec<Waiting> {
        let (mut state, now) = (self.state(), Instant::now());
        let count = state.line.len();
        let due = state.due(count, now);
        let line = state.line.values().zip(due).filter(|(_, due)| *due > now);
        line.map(|((symbol, blind), due)| Waiting { symbol: *symbol, left: due - now, blind: *blind }).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// When the first so many of the line may begin, ascending.
    fn due(&mut self, count: usize, now: Instant) -> Vec<Instant> {
        self.begun.retain(|_, at| *at + WINDOW > now);
        let mut all: Vec<Instant> = self.begun.values().copied().collect();
        all.sort_unstable();
        let begun = all.len();
        for _ in 0..count {
            let free = all.len().checked_sub(MOST).and_then(|former| all.get(former));
            all.push(free.map_or(now, |former| now.max(*former + WINDOW)));
        }
        all.split_off(begun)
    }

    /// Takes the turn with this number where it has come; otherwise says when to look again.
    fn take(&mut self, number: u64, now: Instant) -> Option<Instant> {
        if !self.line.contains_key(&number) {
            return None;
        }
        let before = self.line.range(..number).count();
        let due = self.due(before + 1, now).pop().filter(|due| *due > now);
        if due.is_none() {
            self.line.remove(&number);
            self.begun.insert(number, now);
        }
        due
    }
}

impl Turn {
    /// Whether it would have to be waited for now.
    pub fn waits(&self) -> bool {
        let (mut state, now) = (self.turns.state(), Instant::now());
        let before = state.line.range(..self.number).count();
        self.turns.paced && state.due(before + 1, now).pop().is_some_and(|due| due > now)
    }

    /// Waits until it has come, and counts it, once. Cancel-safe.
    pub async fn come(&self) {
        if !self.turns.paced {
            return;
        }
        loop {
            // Before the look: whoever leaves after it is heard.
            let mut moved = std::pin::pin!(self.turns.moved.notified());
            moved.as_mut().enable();
            let Some(due) = self.turns.state().take(self.number, Instant::now()) else { return };
            tokio::select! {
                () = sleep_until(due) => {}
                () = moved => {}
            }
        }
    }

    /// The request has left, maybe long after its turn had come: it counts from now.
    pub(super) fn left(self) {
        if let Some(at) = self.turns.state().begun.get_mut(&self.number) {
            *at = Instant::now();
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.turns.state().line.remove(&self.number).is_some() {
            self.turns.moved.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;
    use tokio::time::advance;

    use super::*;

    fn symbol(number: usize) -> Symbol {
        format!("S{number:03}").parse().unwrap()
    }

    /// Lines up so many and returns when each turn came, in seconds, in the order in which they came.
    async fn came(turns: &Arc<Turns>, numbers: std::ops::Range<usize>) -> Vec<(u64, usize)> {
        let begin = Instant::now();
        let mut tasks = JoinSet::new();
        let mut line: Vec<(usize, Turn)> =
            numbers.map(|number| (number, turns.line_up(&symbol(number), true))).collect();
        // Who asks first is not who lined up first.
        line.reverse();
        for (number, turn) in line {
            tasks.spawn(async move {
                turn.come().await;
                turn.left();
                (begin.elapsed().as_secs(), number)
            });
        }
        let mut came = tasks.join_all().await;
        came.sort_unstable();
        came
    }

    #[tokio::test(start_paused = true)]
    async fn sixty_begin_at_once_and_the_others_ten_minutes_later_in_their_order() {
        let turns = Turns::new(true);
        let came = came(&turns, 0..130).await;
        let at = |number: usize| [0, 601, 1_202][number / 60];
        assert_eq!(came, (0..130).map(|number| (at(number), number)).collect::<Vec<_>>());
        assert!(turns.waiting().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn any_ten_minutes_have_sixty_at_most_and_the_next_session_knows_of_the_last() {
        let turns = Turns::new(true);
        assert!(came(&turns, 0..40).await.iter().all(|(at, _)| *at == 0));
        advance(Duration::from_secs(300)).await;
        let second = came(&turns, 0..40).await;
        assert_eq!((second[19], second[20], second[39]), ((0, 19), (301, 20), (301, 39)));
        // Forty of the last ten minutes count now, twenty of them for another 300 s.
        let third = came(&turns, 0..21).await;
        assert_eq!((third[19], third[20]), ((0, 19), (300, 20)));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_named_with_the_time_and_who_leaves_makes_room() {
        let turns = Turns::new(true);
        came(&turns, 0..60).await;
        let (first, second) = (turns.line_up(&symbol(60), true), turns.line_up(&symbol(61), true));
        assert!(first.waits() && second.waits());
        let wait = |number: usize, blind: bool| Waiting { symbol: symbol(number), left: WINDOW, blind };
        let sees = turns.line_up(&symbol(0), false);
        assert!(sees.waits());
        assert_eq!(turns.waiting(), [wait(60, true), wait(61, true), wait(0, false)]);
        drop(sees);
        let mut second_comes = std::pin::pin!(second.come());
        assert!(futures::poll!(second_comes.as_mut()).is_pending());
        drop(first);
        assert_eq!(turns.waiting(), [wait(61, true)]);
        second_comes.await;
        assert_eq!(turns.waiting(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_left_late_counts_from_then() {
        let turns = Turns::new(true);
        came(&turns, 0..59).await;
        let slow = turns.line_up(&symbol(59), true);
        slow.come().await;
        advance(Duration::from_secs(30)).await;
        slow.left();
        let next = came(&turns, 60..120).await;
        assert_eq!((next[58], next[59]), ((571, 118), (601, 119)));
    }

    #[tokio::test(start_paused = true)]
    async fn without_pacing_every_turn_comes_at_once() {
        let turns = Turns::new(false);
        assert!(came(&turns, 0..200).await.iter().all(|(at, _)| *at == 0));
    }
}
