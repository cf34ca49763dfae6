//! Locks that set themselves (rules 21 and 22), and how locks end.

use std::time::Duration;

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::{Desk, Trigger};
use crate::domain::book::{DayFact, Fact, LockCause, LockFact, LockScope};
use crate::domain::{ContractId, MarketTime};
use crate::risk::OnDailyLoss;

/// The window in which orders of all roles are counted.
const ORDERS_WINDOW: Duration = Duration::from_secs(60);
/// The window in which rejections are counted.
const REJECTS_WINDOW: Duration = Duration::from_secs(600);
/// The window in which lost sessions are counted.
const SESSIONS_WINDOW: Duration = Duration::from_secs(1_800);
/// How much higher than the last peak on record equity must be to be written down: a fact for each
/// cent would fill the journal.
pub(super) const PEAK_STEP: Decimal = Decimal::from_parts(1_001, 0, 0, false, 3);

/// How a lock ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// It does not.
    Resumed,
    /// When this exchange day begins.
    Day(Option<NaiveDate>),
    /// At this market time.
    At(MarketTime),
}

impl Desk {
    /// Sets a lock where none of its scope and cause stands. Whether it is new.
    #[cold]
    pub(super) fn lock(&mut self, scope: LockScope, cause: LockCause, why: String, until: Until) -> bool {
        if self.book.lock(&scope, cause).is_some() {
            return false;
        }
        let (until, until_at) = match until {
            Until::Resumed => (None, None),
            Until::Day(day) => (day, None),
            Until::At(at) => (None, Some(at)),
        };
        self.record(scope.contract(), Fact::Lock(LockFact::Set { scope, cause, why, until, until_at }));
        true
    }

    #[cold]
    pub(super) fn unlock(&mut self, scope: LockScope, cause: Option<LockCause>, why: &str) {
        self.record(scope.contract(), Fact::Lock(LockFact::Cleared { scope, cause, why: why.to_owned() }));
    }

    /// Clears the locks whose time has come.
    #[inline]
    pub(super) fn expire_locks(&mut self) {
        if self.book.is_locked() {
            self.clear_expired();
        }
    }

    #[cold]
    fn clear_expired(&mut self) {
        let over: Vec<(LockScope, LockCause)> = self
            .book
            .locks()
            .filter(|(_, _, lock)| lock.until_at.is_some_and(|at| at <= self.now))
            .map(|(scope, cause, _)| (scope.clone(), cause))
            .collect();
        for (scope, cause) in over {
            self.unlock(scope, Some(cause), "its time is over");
        }
    }

    /// Everything that stops the account's entries by itself.
    pub(super) fn watch_limits(&mut self) {
        if !self.is_calm() {
            self.watch_daily_loss();
            self.watch_drawdown();
        }
        self.watch_counts();
    }

    /// What can reach its limit without a fresh bar, by fills and rejections.
    pub(super) fn watch_between_bars(&mut self) {
        if !self.is_calm() {
            self.watch_daily_loss();
        }
        self.watch_counts();
    }

    /// Counts that only facts can raise.
    #[inline(always)]
    fn watch_counts(&mut self) {
        if self.has_new_facts() {
            self.count_anew();
        }
    }

    fn count_anew(&mut self) {
        self.watch_streaks();
        self.watch_protections();
    }

    /// A parked symbol's bars have come again.
    #[inline]
    pub(super) fn unpark(&mut self, contract: ContractId) {
        if !self.book.is_locked() {
            return;
        }
        let scope = LockScope::Contract(contract);
        if self.book.lock(&scope, LockCause::Parked).is_some() {
            self.unlock(scope, Some(LockCause::Parked), "its bars have come again");
        }
    }

    /// Watches the day's loss; at its limit, locks the account's entries until the next exchange
    /// day and, if so told, closes every position (rule 21).
    #[cold]
    fn watch_daily_loss(&mut self) {
        let (Some(equity), Some(day)) = (self.equity(), self.book.day()) else { return };
        let loss = day.equity + day.adjusted - equity;
        let limit = day.equity.abs() * self.plan.limits.max_daily_loss;
        if loss < limit {
            return;
        }
        let until = Until::Day(day.date.succ_opt());
        let why = format!("the day's loss is {loss} USD, the limit is {limit} USD");
        self.lock(LockScope::Account, LockCause::DailyLoss, why, until);
        if self.plan.limits.on_daily_loss == OnDailyLoss::Flatten {
            let contracts: Vec<ContractId> = self.marks.listed().collect();
            for contract in contracts.into_iter().filter(|id| !self.book.held(*id).is_zero()).collect::<Vec<_>>() {
                self.disarm(contract, crate::domain::book::Disarm::Flattened);
                self.drive(contract, Trigger::Order);
            }
        }
    }

    /// Watches the loss since the highest equity; it clears by `resume`, or after its pause where one is
    /// set.
    fn watch_drawdown(&mut self) {
        let Some(equity) = self.equity() else { return };
        let Some(peak) = self.book.peak_equity() else {
            self.record(None, Fact::Day(DayFact::PeakRaised { equity }));
            return;
        };
        // Money paid in or out is no profit and no loss: the book moves the peak with it.
        if equity > peak * PEAK_STEP {
            self.record(None, Fact::Day(DayFact::PeakRaised { equity }));
            return;
        }
        let loss = peak - equity;
        let limit = peak * self.plan.guards.max_drawdown;
        if loss >= limit && limit > crate::domain::Usd::ZERO {
            let why = format!("the loss since the highest equity ({peak} USD) is {loss} USD, the limit is {limit} USD");
            let pause = self.plan.guards.protections.drawdown_pause;
            let until = pause.map_or(Until::Resumed, |pause| Until::At(self.now + pause));
            self.lock(LockScope::Account, LockCause::Drawdown, why, until);
        }
    }

    fn watch_streaks(&mut self) {
        let guards = &self.plan.guards;
        let losses = self.book.losses_in_a_row();
        if losses >= guards.max_losses {
            let until = Until::At(self.now + guards.loss_pause);
            let why = format!("{losses} losing round trips in a row, the limit is {}", guards.max_losses);
            self.lock(LockScope::Account, LockCause::Losses, why, until);
        }
        let (orders, most) = (self.book.orders_within(self.now, ORDERS_WINDOW), self.plan.guards.max_orders);
        if orders >= most {
            let why = format!("{orders} orders within a minute, the limit is {most}: something runs away");
            self.lock(LockScope::Account, LockCause::OrderRate, why, Until::Resumed);
        }
        let (rejects, most) = (self.book.rejects_within(self.now, REJECTS_WINDOW), self.plan.guards.max_rejects);
        if rejects >= most {
            let why = format!("the broker rejected {rejects} orders within ten minutes, the limit is {most}");
            self.lock(LockScope::Account, LockCause::Rejects, why, Until::Resumed);
        }
    }

    /// Sessions that come and go: entries pause, so that no order is caught between two of them.
    #[cold]
    pub(super) fn watch_sessions(&mut self) {
        let lost = self.book.sessions_lost_within(self.now, SESSIONS_WINDOW);
        let guards = &self.plan.guards;
        if lost >= guards.max_sessions_lost {
            let until = Until::At(self.now + guards.flapping_pause);
            let why =
                format!("{lost} sessions were lost within thirty minutes, the limit is {}", guards.max_sessions_lost);
            self.lock(LockScope::Account, LockCause::Flapping, why, until);
        }
    }

    /// Whether a lock wants the contract's position closed, whatever its strategy says.
    pub(super) fn must_flatten(&self, contract: ContractId) -> bool {
        let by = |scope: LockScope| self.book.lock(&scope, LockCause::Flatten).is_some();
        let loss = self.plan.limits.on_daily_loss == OnDailyLoss::Flatten
            && self.book.lock(&LockScope::Account, LockCause::DailyLoss).is_some();
        loss || by(LockScope::Account) || by(LockScope::Contract(contract))
    }
}
