//! When bars came: what the time from tick to order is measured from.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use crate::domain::{ContractId, MarketTime};

/// The newest live bar of each contract: its end, and the instant at which it was known to be closed.
#[derive(Debug, Default)]
pub struct Ticks(Mutex<BTreeMap<ContractId, (MarketTime, Instant)>>);

impl Ticks {
    /// A closed bar came.
    pub(super) fn came(&self, contract: ContractId, end: MarketTime, at: Instant) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(contract, (end, at));
    }

    /// When the bar came that ended then; `None` where it was history, or a later one has come since.
    pub fn of(&self, contract: ContractId, end: MarketTime) -> Option<Instant> {
        let newest = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&contract).copied();
        newest.filter(|(newest, _)| *newest == end).map(|(_, at)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_bar_has_come_at_an_instant_that_is_known() {
        let (ticks, contract, now) = (Ticks::default(), ContractId(1), Instant::now());
        let end = MarketTime::from_secs;
        ticks.came(contract, end(60), now);
        assert_eq!(ticks.of(contract, end(60)), Some(now));
        assert_eq!((ticks.of(contract, end(120)), ticks.of(ContractId(2), end(60))), (None, None));
        ticks.came(contract, end(120), now);
        assert_eq!(ticks.of(contract, end(60)), None);
    }
}
