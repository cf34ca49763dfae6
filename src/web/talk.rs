//! Who gives way where every place is taken: a connection that nobody is being answered on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

/// What a connection is doing, shared by whoever serves it and whoever has places to give. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Talk {
    state: Arc<Mutex<State>>,
    /// Told when one has been answered, of all connections of a door.
    answered: Arc<Notify>,
}

#[derive(Debug)]
struct State {
    /// Whether there was a request on it.
    has_asked: bool,
    /// Requests that are being answered.
    answers: usize,
    /// Whether its client is yet to take what it is sent.
    writes: bool,
    /// When it was accepted, or an answer was last given or taken: not when bytes came, for these cost nothing.
    since: Instant,
    /// It was chosen, and answers no more.
    is_over: bool,
}

/// An answer is being given; over once dropped.
#[derive(Debug)]
pub(super) struct Answering(Talk);

impl Talk {
    /// A connection that was accepted now.
    pub(super) fn begun(answered: Arc<Notify>) -> Self {
        let state = State { has_asked: false, answers: 0, writes: false, since: Instant::now(), is_over: false };
        Self { state: Arc::new(Mutex::new(state)), answered }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request is there; `None` where the connection has given way, and nothing may be done for it.
    pub(super) fn asked(&self) -> Option<Answering> {
        let mut state = self.state();
        if state.is_over {
            return None;
        }
        state.has_asked = true;
        state.answers += 1;
        Some(Answering(self.clone()))
    }

    /// Whether its client keeps something waiting that it is sent.
    pub(super) fn writes(&self, waits: bool) {
        let mut state = self.state();
        // One looks again and again, also where nothing is sent.
        if state.writes == waits {
            return;
        }
        state.since = Instant::now();
        state.writes = waits;
        drop(state);
        if !waits {
            self.answered.notify_one();
        }
    }

    /// Whether both are the same connection's.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.state, &other.state)
    }

    /// How long it has waited for a request, the first one before others; `None` where one is being answered.
    fn idle(&self) -> Option<(bool, Instant)> {
        let state = self.state();
        (state.answers == 0 && !state.writes && !state.is_over).then_some((state.has_asked, state.since))
    }

    /// Whether it could give way.
    pub(super) fn is_idle(&self) -> bool {
        self.idle().is_some()
    }

    /// Takes its place from it; not where a request has come in the meantime.
    fn gives_way(&self) -> bool {
        let mut state = self.state();
        state.is_over = state.answers == 0 && !state.writes;
        state.is_over
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.answers = state.answers.saturating_sub(1);
        state.since = Instant::now();
        drop(state);
        self.0.answered.notify_one();
    }
}

/// Of some connections the one that gives way: of those that have asked nothing yet the one that has waited longest;
/// else of those that wait for another request. It answers no more.
pub(super) fn giving_way<'a>(talks: impl Iterator<Item = &'a Talk> + Clone) -> Option<&'a Talk> {
    loop {
        let idle = talks.clone().filter_map(|talk| Some((talk.idle()?, talk)));
        let (_, talk) = idle.min_by_key(|(idle, _)| *idle)?;
        if talk.gives_way() {
            return Some(talk);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_has_asked_nothing_gives_way_first_then_who_waits_longest_and_nobody_who_is_answered() {
        let answered = Arc::new(Notify::new());
        let mut talks = Vec::new();
        for _ in 0..5 {
            talks.push(Talk::begun(Arc::clone(&answered)));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        let which = |talk: &Talk| talks.iter().position(|known| known.is(talk)).unwrap();
        let gives_way = || giving_way(talks.iter()).map(which);
        // The first asks twice and the second once; the third is being answered, and the fourth does not read.
        for asks in [0, 1, 0] {
            drop(talks[asks].asked().unwrap());
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        let answering = talks[2].asked().unwrap();
        talks[3].writes(true);
        assert_eq!(gives_way(), Some(4), "the newest, but it has asked nothing");
        assert!(talks[4].asked().is_none(), "nothing is done for it any more");
        assert_eq!((gives_way(), gives_way(), gives_way()), (Some(1), Some(0), None));
        // Whoever has the places is told when one may be had.
        answered.notified().await;
        drop(answering);
        answered.notified().await;
        assert_eq!((gives_way(), gives_way()), (Some(2), None));
        talks[3].writes(false);
        answered.notified().await;
        assert_eq!((gives_way(), gives_way()), (Some(3), None));
    }
}
