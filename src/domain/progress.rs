//! How far the daemon has come, for a simulator that must not run ahead of it.

use std::collections::BTreeMap;

use super::{MarketTime, Symbol};

/// What the desk has done so far; published after every batch.
///
/// An embedded simulator in lock-step compares it with what it has delivered, and moves the
/// market only when the two agree: results then depend on neither speed nor load.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// Whether a session is Ready. While none is, the market does not wait for anyone.
    pub ready: bool,
    /// The latest market time that the desk knows.
    pub time: MarketTime,
    /// The end of the newest bar that each symbol's strategy has decided on.
    pub decided: BTreeMap<Symbol, MarketTime>,
    /// Distinct executions that the book knows, corrections counted each.
    pub executions: u64,
    /// Executions whose cost the book knows.
    pub commissions: u64,
    /// Orders that the book believes to be working at the broker.
    pub working: u64,
    /// Orders sent or cancelled whose answer is outstanding, and actions not yet sent.
    pub unanswered: u64,
}

impl Progress {
    /// Takes in where the desk is `now` (its own `decided` is not looked at), and the ends of bars that it has `newly`
    /// decided on; what was decided of other symbols stays. Says whether anything has changed.
    pub fn advance(&mut self, now: Self, newly: impl Iterator<Item = (Symbol, MarketTime)>) -> bool {
        let mut decided = std::mem::take(&mut self.decided);
        let mut changed = *self != Self { decided: BTreeMap::new(), ..now };
        for (symbol, end) in newly {
            let last = decided.entry(symbol).or_insert(MarketTime::MIN);
            changed |= end > *last;
            *last = end.max(*last);
        }
        *self = Self { decided, ..now };
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_advances_by_what_is_new_and_says_whether_anything_is() {
        let (one, other): (Symbol, Symbol) = ("AAA".parse().unwrap(), "BBB".parse().unwrap());
        let at = MarketTime::from_secs;
        let now = || Progress { ready: true, time: at(9), ..Progress::default() };
        let mut told = Progress::default();
        assert!(told.advance(now(), [(one, at(5)), (other, at(5))].into_iter()));
        assert!(!told.advance(now(), std::iter::empty()), "nothing has happened");
        assert!(!told.advance(now(), [(one, at(4))].into_iter()), "an older bar is nothing new");
        assert!(told.advance(now(), [(one, at(6))].into_iter()));
        assert!(told.advance(Progress { executions: 1, ..now() }, std::iter::empty()));
        let decided = BTreeMap::from([(one, at(6)), (other, at(5))]);
        assert_eq!(told, Progress { executions: 1, decided, ..now() });
    }
}
