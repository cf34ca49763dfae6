//! Cash that moves by no trade of ours: dividends, interest, fees, deposits (rule 20).

use std::time::Duration;

use rust_decimal::Decimal;

use super::super::Desk;
use super::super::locks::Until;
use crate::domain::Usd;
use crate::domain::book::{Fact, LedgerFact, LockCause, LockScope};
use crate::domain::broker::BrokerSnapshot;
use crate::domain::order::OrderState;

/// The broker states whole cents.
const CENT: Decimal = Decimal::from_parts(1, 0, 0, false, 2);

/// Account data lag behind trades by up to three minutes (IBKR, account updates).
const LAG: Duration = Duration::from_secs(200);

/// A difference of cash seen in one read: it counts once another read, with no fill between, says
/// the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::desk) struct CashSeen {
    difference: Usd,
    executions: u64,
}

impl Desk {
    /// Compares cash; what two quiet reads agree on enters the ledger, and where it is more than may
    /// move unasked, entries stop.
    pub(super) fn compare_cash(&mut self, snapshot: &BrokerSnapshot, disturbed: bool) {
        let usd = snapshot.account.currency.as_deref().is_none_or(|currency| currency == "USD");
        let (Some(stated), Some(expected)) = (snapshot.account.total_cash.filter(|_| usd), self.book.cash_at_broker())
        else {
            return;
        };
        let counts = self.book.counts();
        let traded_late = self.book.last_execution().is_some_and(|at| self.now.since(at) < LAG);
        let moving = traded_late || self.book.live_orders().any(|order| order.state == OrderState::Unknown);
        let difference = stated - expected;
        if disturbed || moving || counts.costed < counts.executions || difference.abs().0 <= CENT {
            self.cash_seen = None;
            return;
        }
        let seen = CashSeen { difference, executions: counts.executions };
        if self.cash_seen != Some(seen) {
            self.cash_seen = Some(seen);
            return;
        }
        self.cash_seen = None;
        let reason =
            "the broker's cash differs from the ledger's: a dividend, interest, a fee or a transfer".to_owned();
        self.record(None, Fact::Ledger(LedgerFact::CashAdjusted { amount: difference, reason }));
        let limit = self.plan.guards.cash_limit;
        if difference.abs() > limit {
            let why = format!("{difference} USD of cash moved by no trade of ours, more than CASH_LIMIT ({limit} USD)");
            self.lock(LockScope::Account, LockCause::Cash, why, Until::Resumed);
        }
    }
}
