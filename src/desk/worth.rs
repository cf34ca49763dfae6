//! What the account is worth, and how far prices may move before that has to be added up again.

use chrono::NaiveDate;

use super::Desk;
use crate::domain::book::{DayFact, Fact, FillFact};
use crate::domain::value::Value;
use crate::domain::{Bar, ContractId, MarketTime, Shares, Usd};
use crate::strategy::Gauges;

/// A part of each move that is counted on top of it, so that the rounding of many never adds up to
/// a move that nobody has seen.
const ROUNDING: f64 = 1e-6;

/// How far equity is from the bounds within which it needs no attention; volatile.
#[derive(Debug, Clone, Default)]
pub(super) struct Worth {
    /// USD that equity can still move, either way, before it may have reached a bound: never more
    /// than it really can. Zero or less: it has to be looked at. No money, only a bound on it.
    room: f64,
    /// Above the first and up to the second neither loss nor peak has anything to say. `None` where
    /// facts have changed since they were computed.
    calm: Option<(Usd, Usd)>,
    /// What the book's trades have brought so far, fees deducted, as `room` knows of it.
    settled: Usd,
    /// Facts of the book when limits of counts were looked at last.
    counted: u64,
    /// The exchange date of the latest event, and the span of it.
    date: Option<(NaiveDate, MarketTime, MarketTime)>,
    /// Before this, the exchange day that the book has opened is not over.
    day_until: Option<MarketTime>,
}

/// What a fact does to the account's worth, or to what it is measured against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// An execution of ours.
    Trade,
    /// Its cost.
    Cost,
    /// What losses are measured from.
    Bounds,
    /// Nothing.
    Nothing,
}

impl Effect {
    /// That of this fact.
    pub(super) fn of(fact: &Fact) -> Self {
        match fact {
            Fact::Fill(FillFact::Executed { .. }) => Self::Trade,
            Fact::Fill(FillFact::Costed { .. }) => Self::Cost,
            Fact::Day(DayFact::Opened { .. } | DayFact::PeakRaised { .. }) | Fact::Lock(_) | Fact::Ledger(_) => {
                Self::Bounds
            }
            // Others' trades are none of the book's worth.
            Fact::Fill(FillFact::Foreign { .. })
            | Fact::Session(_)
            | Fact::Target(_)
            | Fact::Order(_)
            | Fact::Refused(_)
            | Fact::Incident(_) => Self::Nothing,
        }
    }
}

impl Worth {
    /// Equity has moved by so much, USD, either way.
    #[inline]
    fn moves(&mut self, by: f64) {
        self.room -= by.abs() * (1.0 + ROUNDING) + ROUNDING;
    }

    /// Nobody knows by how much.
    fn is_lost(&mut self) {
        self.room = 0.0;
    }

    /// Whether an instant (never an earlier one than before) lies in the day that is known to be open.
    #[inline]
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
        let mut worth = Value::default();
        for (contract, shares) in self.held_now() {
            worth.add(self.marks.quote(contract)?, shares);
        }
        Some(self.book.cash()? + worth.usd())
    }

    fn held_now(&self) -> impl Iterator<Item = (ContractId, Shares)> {
        let all = self.book.positions().map(|(contract, position)| (contract, position.quantity()));
        all.filter(|(_, shares)| !shares.is_zero())
    }

    /// Equity, and what the positions are worth with their magnitudes added, USD.
    pub(super) fn worths(&self) -> Option<(Usd, Usd)> {
        let (mut worth, mut gross) = (Value::default(), Value::default());
        for (contract, shares) in self.held_now() {
            let price = self.marks.quote(contract)?;
            worth.add(price, shares);
            gross.add(price, shares.abs());
        }
        Some((self.book.cash()? + worth.usd(), gross.usd()))
    }

    /// A price moves: of a held contract, the worth moves with it.
    // Every bar passes here, and the compiler finds it too long; so with `is_calm` and `watch_counts`.
    #[inline(always)]
    pub(super) fn see(&mut self, contract: ContractId, bar: &Bar, gauges: Gauges) {
        let held = self.book.held(contract);
        let before = self.marks.see(contract, bar, gauges);
        if !held.is_zero() {
            match before {
                Some(before) => self.worth.moves(held.0 as f64 * (bar.close - before)),
                None => self.worth.is_lost(),
            }
        }
    }

    /// A fact has changed the book, in which so many shares of the contract were held before.
    pub(super) fn facts_changed(&mut self, effect: Effect, contract: Option<ContractId>, before: Shares) {
        match effect {
            Effect::Trade => self.traded(contract, before),
            Effect::Cost => {
                let paid = self.paid();
                self.worth.moves(paid.to_f64());
            }
            Effect::Bounds => {
                self.worth.calm = None;
                self.worth.is_lost();
            }
            Effect::Nothing => {}
        }
    }

    /// An execution has traded at its price what is worth the last one.
    fn traded(&mut self, contract: Option<ContractId>, before: Shares) {
        let paid = self.paid();
        let came = contract.and_then(|contract| {
            let change = self.book.held(contract) - before;
            if change.is_zero() { Some(Usd::ZERO) } else { Some(self.last_price(contract)? * change) }
        });
        match came {
            Some(came) => self.worth.moves((paid + came).to_f64()),
            None => self.worth.is_lost(),
        }
    }

    /// What trades and fees have brought since this was asked last, USD.
    fn paid(&mut self) -> Usd {
        let settled = self.settled();
        settled - std::mem::replace(&mut self.worth.settled, settled)
    }

    fn settled(&self) -> Usd {
        self.book.traded_cash() - self.book.fees()
    }

    /// Whether equity lies where neither the day's loss nor the drawdown nor the peak has anything to
    /// say (rule 21).
    #[inline(always)]
    pub(super) fn is_calm(&mut self) -> bool {
        let calm = self.worth.room > 0.0;
        debug_assert!(!calm || self.clearance().is_some_and(|(left, _)| left > Usd::ZERO), "what is left is enough");
        calm || self.looks_calm()
    }

    fn looks_calm(&mut self) -> bool {
        if self.worth.calm.is_none() {
            self.worth.calm = self.bounds();
        }
        let Some((left, is_calm)) = self.clearance() else { return false };
        self.worth.room = left.to_f64() * (1.0 - ROUNDING);
        self.worth.settled = self.settled();
        is_calm
    }

    /// How far equity is from the nearer bound, USD, and whether it lies between them.
    fn clearance(&self) -> Option<(Usd, bool)> {
        let (low, high) = self.worth.calm?;
        let equity = self.equity()?;
        Some(((equity - low).min(high - equity), low < equity && equity <= high))
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
