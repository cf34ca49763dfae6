//! The feed of deltas: numbered messages, each written once, for however many clients.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::broadcast;

use crate::domain::Symbol;

/// Messages that a client may be behind before it is dropped.
const QUEUE: usize = 1_024;
/// Messages kept for clients that come back.
const KEPT: usize = 8_192;

/// What a message tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The connection, its breaker, the layers of health.
    Connection,
    /// A closed bar.
    Bar,
    /// Bars that came many at once, or in the place of others: to be read.
    History,
    /// A strategy's target.
    Target,
    /// An order, whole, after its life moved on.
    Order,
    /// An execution, or its cost.
    Fill,
    /// A symbol: its shares, worth, stop and last bar.
    Position,
    /// The account's money and limits.
    Account,
    /// Every lock in force.
    Lock,
    /// An order that risk refused.
    Refusal,
    /// Something that a human may want to know about.
    Incident,
    /// A line of the log.
    Log,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::Connection,
        Self::Bar,
        Self::History,
        Self::Target,
        Self::Order,
        Self::Fill,
        Self::Position,
        Self::Account,
        Self::Lock,
        Self::Refusal,
        Self::Incident,
        Self::Log,
    ];

    /// Its word in a message.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Bar => "bar",
            Self::History => "history",
            Self::Target => "target",
            Self::Order => "order",
            Self::Fill => "fill",
            Self::Position => "position",
            Self::Account => "account",
            Self::Lock => "lock",
            Self::Refusal => "refusal",
            Self::Incident => "incident",
            Self::Log => "log",
        }
    }

    /// The kind of a word; the predecessor's words are understood, too.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "market_data" => Some(Self::Bar),
            "signal" => Some(Self::Target),
            "trade" => Some(Self::Fill),
            "positions" => Some(Self::Position),
            "performance" => Some(Self::Account),
            _ => Self::ALL.into_iter().find(|kind| kind.as_str() == word),
        }
    }
}

/// One message.
#[derive(Debug, PartialEq, Eq)]
pub struct Told {
    /// Its number in this process, from 1.
    pub seq: u64,
    /// What it tells of.
    pub kind: Kind,
    /// The symbol concerned, where one is.
    pub symbol: Option<Symbol>,
    /// The message as it is sent: JSON.
    pub text: String,
}

/// Messages as they come; bounded: who is too slow is told so.
pub type Live = broadcast::Receiver<Arc<Told>>;

#[derive(Debug, Default)]
struct Kept {
    last: u64,
    told: VecDeque<Arc<Told>>,
}

/// The feed.
#[derive(Debug)]
pub struct Feed {
    kept: Mutex<Kept>,
    listeners: broadcast::Sender<Arc<Told>>,
}

impl Default for Feed {
    fn default() -> Self {
        Self { kept: Mutex::default(), listeners: broadcast::Sender::new(QUEUE) }
    }
}

impl Feed {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells everybody; never waits. Says nothing to the log: the log itself is told here.
    pub(super) fn tell(&self, kind: Kind, symbol: Option<&Symbol>, data: &impl Serialize) {
        // What cannot be written as JSON (no view is so) is not told.
        let Ok(data) = serde_json::to_string(data) else { return };
        let name = symbol.map_or_else(|| "null".to_owned(), |symbol| format!("\"{symbol}\""));
        let mut kept = self.kept();
        kept.last += 1;
        let seq = kept.last;
        let text = format!(r#"{{"type":"{}","seq":{seq},"symbol":{name},"data":{data}}}"#, kind.as_str());
        let told = Arc::new(Told { seq, kind, symbol: symbol.cloned(), text });
        if kept.told.len() == KEPT {
            kept.told.pop_front();
        }
        kept.told.push_back(Arc::clone(&told));
        // Nobody listening is no fault.
        drop(self.listeners.send(told));
    }

    /// The number of the last message, and a receiver of all after it.
    pub fn listen(&self) -> (u64, Live) {
        let kept = self.kept();
        (kept.last, self.listeners.subscribe())
    }

    /// The messages after `seq`, and a receiver of all after those; `None` where some are gone.
    pub fn resume(&self, seq: u64) -> Option<(Vec<Arc<Told>>, Live)> {
        let kept = self.kept();
        let oldest = kept.told.front().map_or(kept.last + 1, |told| told.seq);
        if seq > kept.last || seq + 1 < oldest {
            return None;
        }
        let missed = kept.told.iter().filter(|told| told.seq > seq).cloned().collect();
        Some((missed, self.listeners.subscribe()))
    }

    /// Clients that listen now.
    pub fn listeners(&self) -> usize {
        self.listeners.receiver_count()
    }

    /// Messages that the slowest client has still to be sent, and how many it may be behind before it is dropped.
    pub fn behind(&self) -> (usize, usize) {
        (self.listeners.len().min(QUEUE), QUEUE)
    }

    /// Messages told so far.
    pub fn told(&self) -> u64 {
        self.kept().last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_numbered_and_the_missed_ones_come_back_while_they_are_kept() {
        let feed = Feed::default();
        feed.tell(Kind::Log, None, &"first");
        let (last, mut live) = feed.listen();
        assert_eq!(last, 1);
        let symbol: Symbol = "AAPL".parse().unwrap();
        feed.tell(Kind::Bar, Some(&symbol), &1);
        assert_eq!(live.try_recv().unwrap().text, r#"{"type":"bar","seq":2,"symbol":"AAPL","data":1}"#);
        let (missed, _) = feed.resume(0).unwrap();
        assert_eq!(missed.iter().map(|told| told.seq).collect::<Vec<_>>(), [1, 2]);
        assert!(feed.resume(2).unwrap().0.is_empty());
        assert!(feed.resume(3).is_none(), "a number of another process");
        for _ in 0..KEPT {
            feed.tell(Kind::Log, None, &"more");
        }
        assert!(feed.resume(0).is_none());
    }

    #[test]
    fn the_predecessors_words_are_understood() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_word(kind.as_str()), Some(kind));
        }
        assert_eq!(Kind::from_word("market_data"), Some(Kind::Bar));
        assert_eq!(Kind::from_word("everything"), None);
    }
}
