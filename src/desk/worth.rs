//! What the account is worth as prices move: kept up to date bar by bar, not added up anew.

use chrono::NaiveDate;

use super::Desk;
use crate::domain::book::Fact;
use crate::domain::{Bar, ContractId, MarketTime, Price, Usd};
use crate::strategy::Gauges;

/// Equity and the bounds within which it needs no attention; volatile.
#[derive(Debug, Clone, Default)]
pub(super) struct Worth {
    /// Cash and positions at the last prices; `None` where something of it is not known.
    equity: Option<Usd>,
    /// Above the first and up to the second neither loss nor peak has anything to say. `None` where
    /// facts have changed since they were computed.
    calm: Option<(Usd, Usd)>,
    /// Facts of the book when limits of counts were looked at last.
    counted: u64,
    /// The exchange date of the latest event, and the span of it.
    date: Option<(NaiveDate, MarketTime, MarketTime)>,
}

impl Desk {
    /// Cash and positions at the last prices, USD; `None` where cash or a held contract's price is
    /// not known.
    pub fn equity(&self) -> Option<Usd> {
        debug_assert_eq!(self.worth.equity, self.valued(), "equity kept is equity added up");
        self.worth.equity
    }

    /// The same, added up.
    fn valued(&self) -> Option<Usd> {
        let mut equity = self.book.cash()?;
        for (contract, position) in self.book.positions().filter(|(_, p)| !p.quantity().is_zero()) {
            equity += position.market_value(self.last_price(contract)?);
        }
        Some(equity)
    }

    /// Everything is added up anew.
    pub(super) fn revalue(&mut self) {
        self.worth.equity = self.valued();
    }

    /// A price moves: of a held contract, equity moves with it.
    pub(super) fn see(&mut self, contract: ContractId, bar: &Bar, gauges: Gauges) {
        let held = self.book.held(contract);
        if held.is_zero() {
            self.marks.see(contract, bar, gauges);
            return;
        }
        let before = self.last_price(contract);
        self.marks.see(contract, bar, gauges);
        match (self.worth.equity, before, self.last_price(contract)) {
            (Some(equity), Some(before), Some(now)) => {
                self.worth.equity = Some(equity + Price(now.0 - before.0) * held);
            }
            _ => self.revalue(),
        }
    }

    /// The book has changed.
    pub(super) fn facts_changed(&mut self, fact: &Fact) {
        self.worth.calm = None;
        if matches!(fact, Fact::Fill(_) | Fact::Ledger(_)) {
            self.revalue();
        }
    }

    /// Whether equity lies where neither the day's loss nor the drawdown nor the peak has anything to
    /// say (rule 21).
    pub(super) fn is_calm(&mut self) -> bool {
        let Some(equity) = self.equity() else { return false };
        if self.worth.calm.is_none() {
            self.worth.calm = self.bounds();
        }
        self.worth.calm.is_some_and(|(low, high)| low < equity && equity <= high)
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
