//! What the account is worth as prices move: kept up to date bar by bar, not added up anew.

use chrono::NaiveDate;

use super::Desk;
use crate::domain::book::Fact;
use crate::domain::{Bar, ContractId, MarketTime, Price, Shares, Usd};
use crate::strategy::Gauges;

/// What positions are worth and the bounds within which equity needs no attention; volatile.
#[derive(Debug, Clone, Default)]
pub(super) struct Worth {
    /// Cash and positions at the last prices; `None` where something of it is not known.
    equity: Option<Usd>,
    /// The cash in it.
    cash: Usd,
    /// Whether equity was found calm and has not moved since, nor have its bounds.
    calm_still: bool,
    /// Above the first and up to the second neither loss nor peak has anything to say. `None` where
    /// facts have changed since they were computed.
    calm: Option<(Usd, Usd)>,
    /// Facts of the book when limits of counts were looked at last.
    counted: u64,
    /// The exchange date of the latest event, and the span of it.
    date: Option<(NaiveDate, MarketTime, MarketTime)>,
    /// Before this, the exchange day that the book has opened is not over.
    day_until: Option<MarketTime>,
}

impl Worth {
    /// Whether an instant (never an earlier one than before) lies in the day that is known to be open.
    pub(super) fn in_day(&self, now: MarketTime) -> bool {
        self.day_until.is_some_and(|until| now < until)
    }

    /// The book has opened the day of the latest date that was asked about.
    pub(super) fn day_is_open(&mut self) {
        self.day_until = self.date.map(|(_, _, until)| until);
    }
}

impl Desk {
    /// Cash and positions at the last prices, USD; `None` where cash or a held contract's price is
    /// not known.
    pub fn equity(&self) -> Option<Usd> {
        debug_assert_eq!(self.worth.equity, self.added_up(), "what is kept is what adds up");
        self.worth.equity
    }

    /// The same, added up.
    fn added_up(&self) -> Option<Usd> {
        let mut equity = self.book.cash()?;
        for (contract, position) in self.book.positions().filter(|(_, position)| !position.quantity().is_zero()) {
            equity += position.market_value(self.last_price(contract)?);
        }
        Some(equity)
    }

    /// Everything is added up anew.
    pub(super) fn revalue(&mut self) {
        self.worth.equity = self.added_up();
        self.worth.cash = self.book.cash().unwrap_or_default();
    }

    /// A price moves: of a held contract, the worth moves with it.
    pub(super) fn see(&mut self, contract: ContractId, bar: &Bar, gauges: Gauges) {
        let held = self.book.held(contract);
        if held.is_zero() {
            self.marks.see(contract, bar, gauges);
            return;
        }
        self.worth.calm_still = false;
        match (self.worth.equity, self.marks.see_price(contract, bar, gauges)) {
            (Some(equity), (Some(before), Some(now))) => {
                self.worth.equity = Some(equity + Price(now.0 - before.0) * held);
            }
            _ => self.revalue(),
        }
    }

    /// A fact has changed the book, in which so many shares of the contract were held before.
    pub(super) fn facts_changed(&mut self, fact: &Fact, contract: Option<ContractId>, before: Shares) {
        if !matches!(fact, Fact::Fill(_) | Fact::Ledger(_) | Fact::Day(_) | Fact::Lock(_)) {
            return;
        }
        (self.worth.calm, self.worth.calm_still) = (None, false);
        if !matches!(fact, Fact::Fill(_) | Fact::Ledger(_)) {
            return;
        }
        let moved = contract.and_then(|contract| {
            let change = self.book.held(contract) - before;
            if change.is_zero() { Some(Usd::ZERO) } else { Some(self.last_price(contract)? * change) }
        });
        match (self.worth.equity, self.book.cash(), moved) {
            (Some(equity), Some(cash), Some(moved)) => {
                self.worth.equity = Some(equity + (cash - self.worth.cash) + moved);
                self.worth.cash = cash;
            }
            _ => self.revalue(),
        }
    }

    /// Whether equity lies where neither the day's loss nor the drawdown nor the peak has anything to
    /// say (rule 21).
    pub(super) fn is_calm(&mut self) -> bool {
        if self.worth.calm_still {
            return true;
        }
        let Some(equity) = self.equity() else { return false };
        if self.worth.calm.is_none() {
            self.worth.calm = self.bounds();
        }
        self.worth.calm_still = self.worth.calm.is_some_and(|(low, high)| low < equity && equity <= high);
        self.worth.calm_still
    }

    fn bounds(&self) -> Option<(Usd, Usd)> {
        let (day, peak) = (self.book.day()?, self.book.peak_equity()?);
        let loss = day.equity + day.adjusted - day.equity.abs() * self.plan.limits.max_daily_loss;
        let drawdown = peak - peak * self.plan.guards.max_drawdown;
        let low = if peak > Usd::ZERO { loss.max(drawdown) } else { loss };
        Some((low, peak * super::locks::PEAK_STEP))
    }

    /// Whether facts were added since this was asked last: counts of them can only have grown then.
    pub(super) fn has_new_facts(&mut self) -> bool {
        let facts = self.book.facts();
        std::mem::replace(&mut self.worth.counted, facts) != facts
    }

    /// The exchange date of the latest event.
    pub(super) fn date(&mut self) -> NaiveDate {
        if let Some((date, from, until)) = self.worth.date
            && from <= self.now
            && self.now < until
        {
            return date;
        }
        let date = self.plan.calendar.date_of(self.now);
        let span = crate::calendar::Calendar::Always.nominal_session(date);
        self.worth.date = Some((date, span.open, span.close));
        date
    }
}
