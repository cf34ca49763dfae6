//! What the limits are measured against: equity, exposure, reservations.

use std::time::Duration;

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::Desk;
use crate::domain::book::{DayFact, Fact, FillRecord};
use crate::domain::broker::AccountState;
use crate::domain::order::Role;
use crate::domain::{ContractId, MarketTime, Shares, Usd, Window};
use crate::risk::Exposure;

impl Desk {
    /// Begins the exchange day when the first event of it comes and equity is known.
    #[inline]
    pub(super) fn new_day(&mut self) {
        if !self.worth.in_day(self.now) {
            self.begin_day();
        }
    }

    #[cold]
    fn begin_day(&mut self) {
        let date = self.date();
        if self.book.day().is_some_and(|day| day.date >= date) {
            self.worth.day_is_open();
            return;
        }
        if let Some(equity) = self.equity_before(date) {
            self.record(None, Fact::Day(DayFact::Opened { day: date, equity }));
        }
    }

    /// Equity at the close before an exchange day (rule 21): what the day has traded so far is taken
    /// back, and what was held then is valued at that close. Where no history tells it (the daemon
    /// ran through the night), the last price is that close.
    fn equity_before(&self, date: NaiveDate) -> Option<Usd> {
        let mut equity = self.book.cash()?;
        let known: Vec<ContractId> = self.book.positions().map(|(id, _)| id).collect();
        for contract in known {
            let mut held = self.book.held(contract);
            let of_today = |fill: &&FillRecord| self.plan.calendar.date_of(fill.execution.at) >= date;
            for fill in self.book.fills_in(contract).iter().rev().take_while(of_today) {
                let change = fill.execution.side.signed(fill.execution.quantity);
                held -= change;
                equity += fill.execution.price * change + fill.commission.unwrap_or_default();
            }
            if !held.is_zero() {
                equity += self.marks.prior(contract, date).or_else(|| self.last_price(contract))? * held;
            }
        }
        Some(equity)
    }

    /// What the limits see, for an order in `contract`.
    pub(super) fn exposure(&self, contract: ContractId) -> Exposure {
        let entries = || self.book.live_orders().filter(|order| order.ticket.role == Role::Entry);
        let coming: Shares = entries()
            .filter(|order| order.ticket.contract == contract)
            .map(|order| order.ticket.side.signed(order.remaining()))
            .sum();
        let mut elsewhere: Vec<ContractId> = self
            .book
            .positions()
            .filter(|(_, position)| !position.quantity().is_zero())
            .map(|(id, _)| id)
            .chain(entries().map(|order| order.ticket.contract))
            .filter(|id| *id != contract)
            .collect();
        elsewhere.sort_unstable();
        elsewhere.dedup();
        let stated = self.marks.stated().map(|stated| &stated.state);
        let day = self.book.day();
        let worths = self.worths();
        Exposure {
            position: self.book.held(contract) + coming,
            gross: worths.map(|(_, gross)| gross + entries().map(|order| order.reference * order.remaining()).sum()),
            open_elsewhere: u32::try_from(elsewhere.len()).unwrap_or(u32::MAX),
            equity: worths.map(|(equity, _)| equity),
            day_equity: day.map(|day| day.equity + day.adjusted),
            day_entered: day.map_or(Usd::ZERO, |day| day.entered),
            recent_entries: self.book.entries_within_a_minute(self.now),
            available_funds: self.available_funds(),
            day_trades_remaining: stated.and_then(|state| state.day_trades_remaining),
            locked: self.book.lock_on(contract).map(|lock| lock.why.clone()),
        }
    }

    /// Takes the broker's statement of the account in, beside the exposure that it can know of.
    pub(super) fn take_account(&mut self, state: AccountState) {
        let committed = self.committed();
        self.marks.state(state, committed);
    }

    /// What the book's positions cost and its entries on their way will, USD: known without any
    /// price, so also right after a restart.
    fn committed(&self) -> Usd {
        let entries = self.book.live_orders().filter(|order| order.ticket.role == Role::Entry);
        self.book.tied_up() + entries.map(|order| order.reference * order.remaining()).sum()
    }

    /// The broker's available funds less what our exposure has grown by since that statement (the
    /// account data lags by up to three minutes). Unknown in a currency other than USD: nothing is
    /// converted by a guess.
    fn available_funds(&self) -> Option<Usd> {
        let stated = self.marks.stated()?;
        if stated.state.currency.as_deref().is_some_and(|currency| currency != "USD") {
            return None;
        }
        let grown = (self.committed() - stated.committed).max(Usd::ZERO);
        Some(stated.state.available_funds? - grown * Decimal::new(5, 1))
    }

    /// The session that the contract is in now: the gateway's hours, else the calendar's.
    pub(super) fn session_window(&self, contract: ContractId) -> Option<Window> {
        let hours = &self.marks.contract(contract)?.liquid_hours;
        let at = self.trading_instant();
        match hours.is_open(at) {
            Some(true) => hours.window(at),
            Some(false) => None,
            None => match self.plan.calendar.day(self.plan.calendar.date_of(at)) {
                crate::calendar::Day::Open(window) => (window.open <= at && at < window.close).then_some(window),
                crate::calendar::Day::Closed | crate::calendar::Day::Unknown => None,
            },
        }
    }

    /// Whether the contract's market is open; `None` where neither the gateway nor the calendar
    /// says (rule 24: unknown is not closed).
    pub(super) fn market_is_open(&self, contract: ContractId) -> Option<bool> {
        let hours = &self.marks.contract(contract)?.liquid_hours;
        let at = self.trading_instant();
        hours.is_open(at).or_else(|| self.plan.calendar.is_open(at))
    }

    /// The instant at which an order that is decided now would trade: the close itself, where a bar's
    /// close is still traded on (a backtest's `this-close`), belongs to its session.
    fn trading_instant(&self) -> MarketTime {
        if self.plan.trades_at_close { self.now - Duration::from_millis(1) } else { self.now }
    }
}
