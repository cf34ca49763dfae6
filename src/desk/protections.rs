//! Protections: locks for a time that answer what has just gone wrong. All of them are off unless
//! set; what they look at follows from facts, so that a restart forgets nothing.

use std::time::Duration;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::Desk;
use super::locks::Until;
use crate::domain::book::{Disarm, Fact, LockCause, LockFact, LockScope};
use crate::domain::position::Position;
use crate::domain::{ContractId, MarketTime, Usd};

/// What pauses entries for a time by itself; spans are of market time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protections {
    /// How long a contract is not entered after its protective stop has filled; `None`: off.
    pub cool_down: Option<Duration>,
    /// Protective stops of all symbols within `stops_within` at which the account's entries pause;
    /// `None`: off.
    pub max_stops: Option<u32>,
    /// See `max_stops`.
    pub stops_within: Duration,
    /// How long entries pause then.
    pub stops_pause: Duration,
    /// Last round trips of a symbol that together may not lose money, fees included; `None`: off.
    pub low_profit_trips: Option<u32>,
    /// How long a symbol is not entered whose last round trips did.
    pub low_profit_pause: Duration,
    /// How long a drawdown stops entries; its peak starts anew then. `None`: until somebody resumes.
    pub drawdown_pause: Option<Duration>,
}

impl Default for Protections {
    fn default() -> Self {
        Self {
            cool_down: None,
            max_stops: None,
            stops_within: Duration::from_secs(3_600),
            stops_pause: Duration::from_secs(3_600),
            low_profit_trips: None,
            low_profit_pause: Duration::from_secs(86_400),
            drawdown_pause: None,
        }
    }
}

impl Desk {
    /// Sets the locks that stops and round trips ask for. Level-triggered: a fill whose lock was
    /// never written down has it from the next look.
    pub(super) fn watch_protections(&mut self) {
        self.watch_cool_down();
        self.watch_stops();
        self.watch_low_profit();
    }

    fn watch_cool_down(&mut self) {
        let Some(pause) = self.plan.guards.protections.cool_down else { return };
        let stopped: Vec<(ContractId, MarketTime)> =
            self.book.stopped().filter(|(_, at)| *at + pause > self.now).collect();
        for (contract, at) in stopped {
            let (scope, cause, ends) = (LockScope::Contract(contract), LockCause::CoolDown, at + pause);
            // A stop may fill in parts, and its lock lasts from the latest of them.
            if self.book.lock(&scope, cause).is_some_and(|lock| lock.until_at.is_none_or(|until| until >= ends)) {
                continue;
            }
            let why = format!("its protective stop filled at {at}: no entry for {} minutes", minutes(pause));
            let set = LockFact::Set { scope, cause, why, until: None, until_at: Some(ends) };
            self.record(Some(contract), Fact::Lock(set));
        }
    }

    fn watch_stops(&mut self) {
        let set = &self.plan.guards.protections;
        let Some(most) = set.max_stops else { return };
        let (window, pause) = (set.stops_within, set.stops_pause);
        let stops = self.book.stops_within(self.now, window);
        if stops >= most {
            let why = format!(
                "{stops} protective stops filled within {} minutes, the limit is {most}: no entry for {} minutes",
                minutes(window),
                minutes(pause)
            );
            self.lock(LockScope::Account, LockCause::StopGuard, why, Until::At(self.now + pause));
        }
    }

    fn watch_low_profit(&mut self) {
        let set = &self.plan.guards.protections;
        let Some(trips) = set.low_profit_trips.and_then(|trips| usize::try_from(trips).ok()) else { return };
        let pause = set.low_profit_pause;
        let contracts: Vec<ContractId> = self.seats.iter().map(|(contract, _)| *contract).collect();
        for contract in contracts {
            let Some(profit) = self.book.last_trips(contract, trips).filter(|profit| *profit < Usd::ZERO) else {
                continue;
            };
            let why =
                format!("its last {trips} round trips brought {profit} USD: no entry for {} minutes", minutes(pause));
            self.lock(LockScope::Contract(contract), LockCause::LowProfit, why, Until::At(self.now + pause));
        }
    }
}

impl Desk {
    /// Closes a position that has been held for as many closed bars as it may be, where its strategy
    /// does not want it gone anyway. `end` is the end of the bar that has just closed.
    pub(super) fn watch_age(&mut self, contract: ContractId, end: MarketTime) {
        let Some(most) = self.plan_of(contract).and_then(|plan| plan.time_exit) else { return };
        let Some(opened) = self.book.position(contract).and_then(Position::opened_at) else { return };
        let held = self.book.held(contract).0.signum();
        let wanted = self.target_of(contract).is_none_or(|target| target.size.0.signum() == held);
        if wanted && self.has_aged(opened, end, most) {
            self.disarm(contract, Disarm::Timed);
        }
    }

    /// Whether `bars` bars have closed from the one in which a position was opened to the one that
    /// ended at `end`. Told from the times alone, never counted: a restart between two bars, or a bar
    /// that was missed, changes nothing.
    pub(super) fn has_aged(&self, opened: MarketTime, end: MarketTime, bars: u32) -> bool {
        let (calendar, size) = (self.plan.calendar, self.plan.bar_size);
        if size.is_intraday() {
            // From the start of its bar: a fill some seconds into it has this bar for its first, too.
            return end.since(calendar.bar_open(opened, size)) >= size.duration() * bars;
        }
        let (first, last) = (calendar.date_of(opened), calendar.date_of(end - Duration::from_millis(1)));
        let most = usize::try_from(bars).unwrap_or(usize::MAX);
        // A fill at or after a day's close has that day's bar behind it.
        let lived = |date: &NaiveDate| calendar.session(*date).is_some_and(|session| opened < session.close);
        first.iter_days().take_while(|date| *date <= last).filter(lived).take(most).count() >= most
    }
}

/// A span in minutes, for whoever reads it; parts of a minute are kept.
fn minutes(span: Duration) -> rust_decimal::Decimal {
    (rust_decimal::Decimal::from(span.as_secs()) / rust_decimal::Decimal::from(60)).round_dp(1).normalize()
}
