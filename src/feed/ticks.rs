//! When bars came: what the time from tick to order is measured from.

use std::collections::BTreeMap;
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

/// The newest live bar of each contract: its end, and its way.
#[derive(Debug, Default)]
pub struct Ticks(Mutex<BTreeMap<ContractId, (MarketTime, Tick)>>);

impl Ticks {
    /// A closed bar came, and goes to the desk.
    pub(super) fn came(&self, contract: ContractId, end: MarketTime, tick: Tick) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(contract, (end, tick));
    }

    /// The way of the bar that ended then; `None` where it was history, or a later one has come since.
    pub fn of(&self, contract: ContractId, end: MarketTime) -> Option<Tick> {
        let newest = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&contract).copied();
        newest.filter(|(newest, _)| *newest == end).map(|(_, tick)| tick)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_bar_has_come_at_an_instant_that_is_known() {
        let (ticks, contract, now) = (Ticks::default(), ContractId(1), Instant::now());
        let tick = Tick { came: now, handed: now };
        let end = MarketTime::from_secs;
        ticks.came(contract, end(60), tick);
        assert_eq!(ticks.of(contract, end(60)), Some(tick));
        assert_eq!((ticks.of(contract, end(120)), ticks.of(ContractId(2), end(60))), (None, None));
        ticks.came(contract, end(120), tick);
        assert_eq!(ticks.of(contract, end(60)), None);
    }
}
