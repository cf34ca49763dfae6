//! The feed of deltas: numbered messages, each written once, for however many clients.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::{broadcast, watch};

use crate::domain::Symbol;

/// Messages that wait for a client; one that is further behind reads what is kept.
const QUEUE: usize = 1_024;
/// Messages kept for clients that come back or are behind, and bytes of them: an order with a long life has 8 kB.
const KEPT: usize = 8_192;
const KEPT_BYTES: usize = 2 << 20;

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
    /// Of their texts.
    bytes: usize,
    /// What was told up to this number does not lead to what is there now.
    anew: u64,
}

impl Kept {
    fn push(&mut self, told: Arc<Told>) {
        self.bytes += told.text.len();
        self.told.push_back(told);
        // The newest one stays, however long it is.
        while self.told.len() > 1 && (self.told.len() > KEPT || self.bytes > KEPT_BYTES) {
            self.bytes -= self.told.pop_front().map_or(0, |oldest| oldest.text.len());
        }
    }

    /// Whether every message after `seq` is still there.
    fn has_all_after(&self, seq: u64) -> bool {
        let oldest = self.told.front().map_or(self.last + 1, |told| told.seq);
        seq >= self.anew && seq <= self.last && seq + 1 >= oldest
    }
}

/// The feed.
#[derive(Debug)]
pub struct Feed {
    kept: Mutex<Kept>,
    listeners: broadcast::Sender<Arc<Told>>,
    anew: watch::Sender<u64>,
}

impl Default for Feed {
    fn default() -> Self {
        Self { kept: Mutex::default(), listeners: broadcast::Sender::new(QUEUE), anew: watch::Sender::new(0) }
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
        kept.push(Arc::clone(&told));
        // Nobody listening is no fault.
        drop(self.listeners.send(told));
    }

    /// What is there has changed by more than was told: whoever listens, or comes back, needs a snapshot.
    pub(super) fn begin_anew(&self) {
        let mut kept = self.kept();
        kept.last += 1;
        kept.anew = kept.last;
        self.anew.send_replace(kept.anew);
    }

    /// Resolves where a snapshot is needed.
    pub fn anew(&self) -> watch::Receiver<u64> {
        self.anew.subscribe()
    }

    /// The number of the last message, and a receiver of all after it.
    pub fn listen(&self) -> (u64, Live) {
        let kept = self.kept();
        (kept.last, self.listeners.subscribe())
    }

    /// A receiver of all messages from now on, for one who reads those between `seq` and now with [`Feed::after`];
    /// `None` where some of them are gone.
    pub fn resume(&self, seq: u64) -> Option<Live> {
        let kept = self.kept();
        kept.has_all_after(seq).then(|| self.listeners.subscribe())
    }

    /// The next messages after `seq`, so many at most; `None` where some are gone.
    pub fn after(&self, seq: u64, at_most: usize) -> Option<Vec<Arc<Told>>> {
        let kept = self.kept();
        if !kept.has_all_after(seq) {
            return None;
        }
        let first = kept.told.partition_point(|told| told.seq <= seq);
        Some(kept.told.range(first..).take(at_most).cloned().collect())
    }

    /// Clients that listen now.
    pub fn listeners(&self) -> usize {
        self.listeners.receiver_count()
    }

    /// Messages that wait for the slowest client, and how many may wait before it has to read what is kept.
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
        let numbers = |seq, at_most| -> Option<Vec<u64>> {
            Some(feed.after(seq, at_most)?.iter().map(|told| told.seq).collect())
        };
        assert!(feed.resume(0).is_some());
        assert_eq!((numbers(0, 9), numbers(0, 1), numbers(2, 9)), (Some(vec![1, 2]), Some(vec![1]), Some(vec![])));
        assert!(feed.resume(3).is_none() && numbers(3, 9).is_none(), "a number of another process");
        for _ in 0..KEPT {
            feed.tell(Kind::Log, None, &"more");
        }
        assert!(feed.resume(0).is_none() && numbers(1, 9).is_none());
        assert_eq!(numbers(2, 2), Some(vec![3, 4]));
    }

    #[test]
    fn what_is_kept_is_bounded_by_bytes_and_the_newest_message_always_stays() {
        let feed = Feed::default();
        let long = "x".repeat(KEPT_BYTES / 4);
        for _ in 0..6 {
            feed.tell(Kind::Log, None, &long);
        }
        let kept = feed.kept();
        assert_eq!(
            (kept.told.len(), kept.told[0].seq),
            (3, 4),
            "four of them are a little more than there is room for"
        );
        assert_eq!(kept.bytes, kept.told.iter().map(|told| told.text.len()).sum::<usize>());
        drop(kept);
        feed.tell(Kind::Log, None, &"x".repeat(KEPT_BYTES * 2));
        assert_eq!(feed.after(6, 9).unwrap().len(), 1);
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
