//! Marks: last prices, ranges and the account's stated money. Volatile: rebuilt after a restart.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use rust_decimal::Decimal;
use rust_decimal::prelude::FromPrimitive;

use crate::domain::broker::AccountState;
use crate::domain::value::Quote;
use crate::domain::{Ascending, Bar, Contract, ContractId, MarketTime, Price, Symbol, Usd};
use crate::strategy::Gauges;

/// What is known of one contract's market.
#[derive(Debug, Clone, Default)]
pub struct Mark {
    /// Close of the last closed bar, USD a share.
    pub close: Option<f64>,
    /// Its end.
    pub end: Option<MarketTime>,
    /// What was measured on its bars.
    pub gauges: Gauges,
    /// An exchange day, and the last close before it, USD a share, where history told it.
    pub prior: Option<(NaiveDate, f64)>,
}

impl Mark {
    /// The last close as money.
    fn price(&self) -> Option<Price> {
        self.close.and_then(Price::from_f64)
    }
}

/// What is known of the markets and of the account.
#[derive(Debug, Clone, Default)]
pub struct Marks {
    contracts: BTreeMap<ContractId, Contract>,
    marks: Ascending<ContractId, Mark>,
    account: Option<Stated>,
}

/// The account's money as the broker stated it, and the exposure that it knew of then.
#[derive(Debug, Clone)]
pub struct Stated {
    /// The statement.
    pub state: AccountState,
    /// What the book's positions and entries on their way cost at that moment, USD.
    pub committed: Usd,
}

impl Marks {
    pub(super) fn list(&mut self, contract: Contract) {
        self.contracts.insert(contract.id, contract);
    }

    /// Takes a closed bar in; the last close before it, USD a share.
    #[inline(always)]
    pub(super) fn see(&mut self, contract: ContractId, bar: &Bar, gauges: Gauges) -> Option<f64> {
        let mark = self.marks.or_default(contract);
        let before = mark.close;
        if mark.end.is_none_or(|end| bar.end >= end) {
            mark.close = Some(bar.close);
            mark.end = Some(bar.end);
        }
        mark.gauges.take_in(gauges);
        before
    }

    pub(super) fn close_before(&mut self, contract: ContractId, day: NaiveDate, close: f64) {
        self.marks.or_default(contract).prior = Some((day, close));
    }

    /// The last close before an exchange day, as money; `None` where no history told it.
    pub fn prior(&self, id: ContractId, day: NaiveDate) -> Option<Price> {
        let (known, close) = self.marks.get(&id)?.prior?;
        Price::from_f64(close).filter(|_| known == day)
    }

    pub(super) fn state(&mut self, state: AccountState, committed: Usd) {
        self.account = Some(Stated { state, committed });
    }

    /// The contracts resolved so far.
    pub fn listed(&self) -> impl Iterator<Item = ContractId> {
        self.contracts.keys().copied()
    }

    /// A resolved contract.
    pub fn contract(&self, id: ContractId) -> Option<&Contract> {
        self.contracts.get(&id)
    }

    /// Its label.
    pub fn symbol(&self, id: ContractId) -> Option<Symbol> {
        self.contracts.get(&id).map(|contract| contract.symbol)
    }

    /// What is known of its market.
    pub fn mark(&self, id: ContractId) -> Option<&Mark> {
        self.marks.get(&id)
    }

    /// The last close as money.
    pub fn price(&self, id: ContractId) -> Option<Price> {
        self.marks.get(&id)?.price()
    }

    /// The same, to be multiplied.
    pub fn quote(&self, id: ContractId) -> Option<Quote> {
        self.marks.get(&id)?.close.and_then(Quote::from_f64)
    }

    /// The average true range as money.
    pub fn range(&self, id: ContractId) -> Option<Price> {
        self.marks.get(&id)?.gauges.atr.and_then(Price::from_f64)
    }

    /// The volatility of a year of so many bars, as a fraction of the price.
    pub fn volatility(&self, id: ContractId, bars: f64) -> Option<Decimal> {
        Decimal::from_f64(self.marks.get(&id)?.gauges.volatility?.annual(bars))
    }

    /// The account's money as last stated.
    pub fn stated(&self) -> Option<&Stated> {
        self.account.as_ref()
    }
}
