//! Since when it trades, or does not.

use std::sync::{Arc, Mutex, PoisonError};

use super::heartbeat;
use super::view::DeskView;
use crate::clock::wall_now;
use crate::domain::MarketTime;

/// Why it does not trade where the desk gives no sign of life: whether it could, nobody knows.
pub const STUCK: &str = "no: the desk does not answer";

/// Whether it trades, and since when, by this machine's clock. Nothing reaches back beyond this process: one that
/// has just begun does not trade since then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trading {
    /// `yes`, or the first reason why not.
    pub word: &'static str,
    /// Since when entries are permitted, or are not, for whatever reasons one after the other.
    pub since: MarketTime,
    /// Since when the word is this one.
    pub reason_since: MarketTime,
}

impl Trading {
    fn is_permitted(self) -> bool {
        self.word == "yes"
    }
}

/// Remembers since when.
#[derive(Debug, Default)]
pub(super) struct Permitted {
    last: Mutex<Option<Trading>>,
}

impl Permitted {
    /// Looks at the desk and notes what has changed; `stuck`: it does not answer, and what it showed last says nothing
    /// about now. The desk is looked at under the lock, so that of two who look at the same time neither notes what is
    /// older.
    pub(super) fn look(
        &self,
        view: impl FnOnce() -> Option<Arc<DeskView>>,
        stuck: bool,
    ) -> (Option<Arc<DeskView>>, Trading) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let view = view();
        let word = view.as_deref().map_or("no: no session was Ready yet", heartbeat::trading);
        let word = if stuck { STUCK } else { word };
        let trading = next(*last, word, wall_now());
        *last = Some(trading);
        (view, trading)
    }
}

fn next(last: Option<Trading>, word: &'static str, now: MarketTime) -> Trading {
    let new = Trading { word, since: now, reason_since: now };
    match last {
        Some(last) if last.word == word => last,
        Some(last) if last.is_permitted() == new.is_permitted() => Trading { since: last.since, ..new },
        Some(_) | None => new,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_keeps_its_beginning_while_its_reasons_change() {
        let at = MarketTime::from_secs;
        let story = [
            ("no: not ready", 1, 1),
            ("no: not ready", 1, 1),
            ("no: market closed", 1, 3),
            ("yes", 4, 4),
            ("yes", 4, 4),
            ("exits only: locked", 6, 6),
            ("no: not ready", 6, 7),
        ];
        let mut last = None;
        for ((word, since, reason_since), now) in story.into_iter().zip(1..) {
            let trading = next(last, word, at(now));
            assert_eq!(trading, Trading { word, since: at(since), reason_since: at(reason_since) });
            last = Some(trading);
        }
    }
}
