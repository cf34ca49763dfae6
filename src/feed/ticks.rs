//! When bars came: what the time from tick to order is measured from.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use crate::domain::{ContractId, MarketTime};

/// A live bar's way through its feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// When it was known to be closed.
    pub came: Instant,
    /// When its strategy had seen it, and what it led to went to the desk.
    pub handed: Instant,
}

/// Bars of a contract that are remembered: a desk that is so far behind is measured all the same.
const REMEMBERED: usize = 16;

/// The latest live bars of each contract: their ends, and their ways.
#[derive(Debug, Default)]
pub struct Ticks(Mutex<BTreeMap<ContractId, VecDeque<(MarketTime, Tick)>>>);

impl Ticks {
    /// A closed bar came, and goes to the desk.
    pub(super) fn came(&self, contract: ContractId, end: MarketTime, tick: Tick) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let latest = all.entry(contract).or_insert_with(|| VecDeque::with_capacity(REMEMBERED));
        if latest.len() == REMEMBERED {
            latest.pop_front();
        }
        latest.push_back((end, tick));
    }

    /// The way of the bar that ended then; `None` where it was history, or very many have come since.
    pub fn of(&self, contract: ContractId, end: MarketTime) -> Option<Tick> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&contract)?.iter().rev().find(|(known, _)| *known == end).map(|(_, tick)| *tick)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_bars_have_come_at_instants_that_are_known() {
        let (ticks, contract, now) = (Ticks::default(), ContractId(1), Instant::now());
        let tick = Tick { came: now, handed: now };
        let end = MarketTime::from_secs;
        ticks.came(contract, end(60), tick);
        assert_eq!(ticks.of(contract, end(60)), Some(tick));
        assert_eq!((ticks.of(contract, end(120)), ticks.of(ContractId(2), end(60))), (None, None));
        let later = Tick { came: now + std::time::Duration::from_secs(60), ..tick };
        ticks.came(contract, end(120), later);
        assert_eq!((ticks.of(contract, end(60)), ticks.of(contract, end(120))), (Some(tick), Some(later)));
        for minute in 3..=REMEMBERED as i64 + 1 {
            ticks.came(contract, end(60 * minute), tick);
        }
        assert_eq!((ticks.of(contract, end(60)), ticks.of(contract, end(120))), (None, Some(later)));
    }
}
