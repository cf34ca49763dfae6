//! Halts that an operator orders before a ledger is open: they are kept, and are in force before the first session may
//! send anything.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::request::Reply;
use crate::desk::operator::Order;
use crate::domain::Symbol;

/// What waits for a ledger. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Early {
    /// `None` once there is a ledger.
    halts: Arc<Mutex<Option<Vec<Order>>>>,
    symbols: Arc<Vec<Symbol>>,
}

impl Early {
    /// Nothing waits yet; what may be halted are these symbols.
    pub(super) fn new(symbols: Vec<Symbol>) -> Self {
        Self { halts: Arc::new(Mutex::new(Some(Vec::new()))), symbols: Arc::new(symbols) }
    }

    /// There is a ledger.
    #[cfg(test)]
    pub(super) fn over() -> Self {
        Self { halts: Arc::default(), symbols: Arc::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Option<Vec<Order>>> {
        self.halts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a halt, or takes one back; `None` where the order is for the desk, or cannot be kept.
    pub(super) fn keep(&self, order: &Order) -> Option<Reply> {
        let mut kept = self.kept();
        let halts = kept.as_mut()?;
        match order {
            Order::Halt { symbol: Some(symbol), .. } if !self.symbols.contains(symbol) => {
                let known: Vec<String> = self.symbols.iter().map(ToString::to_string).collect();
                Some(Reply::mistaken(format!("{symbol} is not in SYMBOLS: {}", known.join(", "))))
            }
            Order::Halt { symbol, .. } => {
                let what = symbol.as_ref().map_or_else(|| "every symbol".to_owned(), ToString::to_string);
                halts.retain(|halt| !is_halt_of(halt, symbol.as_ref()));
                halts.push(order.clone());
                Some(Reply::yes(format!(
                    "entries in {what} are blocked from the first session on, before anything is sent; the journal has it \
                     then: a daemon that ends before has forgotten it"
                )))
            }
            Order::Resume { symbol, .. } => {
                let before = halts.len();
                halts.retain(|halt| !is_halt_of(halt, symbol.as_ref()));
                (halts.len() < before).then(|| Reply::yes("the halt that waited for a ledger is taken back"))
            }
            _ => None,
        }
    }

    /// Everything that waits, in words.
    pub(super) fn words(&self) -> Vec<String> {
        let word = |halt: &Order| match halt {
            Order::Halt { symbol, reason } => {
                let what = symbol.as_ref().map_or_else(|| "account".to_owned(), ToString::to_string);
                Some(format!("{what}, from the first session on: {reason}"))
            }
            _ => None,
        };
        self.kept().iter().flatten().filter_map(word).collect()
    }

    /// There is a ledger: what waited, once `open` has made the way to the desk known, so that no order falls between.
    pub(super) fn end(&self, open: impl FnOnce(Vec<Order>)) {
        let mut kept = self.kept();
        open(kept.take().unwrap_or_default());
    }
}

fn is_halt_of(order: &Order, of: Option<&Symbol>) -> bool {
    matches!(order, Order::Halt { symbol, .. } if symbol.as_ref() == of)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn halt(symbol: Option<&str>, reason: &str) -> Order {
        Order::Halt { symbol: symbol.map(|name| name.parse().unwrap()), reason: reason.to_owned() }
    }

    #[test]
    fn a_halt_waits_is_taken_back_by_its_own_resume_and_nothing_is_kept_once_a_ledger_is_there() {
        let early = Early::new(vec!["AAPL".parse().unwrap()]);
        let stranger = early.keep(&halt(Some("MSFT"), "news")).unwrap();
        assert!(stranger.is_mistaken() && stranger.text == "MSFT is not in SYMBOLS: AAPL", "{stranger:?}");
        assert!(early.keep(&halt(None, "news")).unwrap().ok);
        assert!(early.keep(&halt(Some("AAPL"), "earnings")).unwrap().ok);
        assert!(early.keep(&halt(None, "other news")).unwrap().ok, "the later word counts");
        assert_eq!(
            early.words(),
            ["AAPL, from the first session on: earnings", "account, from the first session on: other news"]
        );
        let resume = Order::Resume { symbol: Some("MSFT".parse().unwrap()), reason: String::new() };
        assert!(early.keep(&resume).is_none(), "it was not halted");
        assert!(early.keep(&Order::Resume { symbol: None, reason: String::new() }).unwrap().ok);
        let flatten = Order::Flatten { symbol: None, reason: String::new(), everything: false };
        assert!(early.keep(&flatten).is_none());
        let mut waited = Vec::new();
        early.end(|orders| waited = orders);
        assert_eq!(waited, [halt(Some("AAPL"), "earnings")]);
        assert!(early.words().is_empty());
        assert!(early.keep(&halt(None, "later")).is_none(), "the desk takes it");
    }
}
