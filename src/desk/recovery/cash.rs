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

/// Reads with trades between them that must show the same difference where there is no quiet: a
/// statement that lags shows another one after each trade.
const BUSY_READS: u32 = 3;

/// A difference of cash that reads have shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::desk) struct CashSeen {
    difference: Usd,
    executions: u64,
    /// Reads that showed it after further trades, the first one counted.
    busy_reads: u32,
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
        let quiet = self.book.last_execution().is_none_or(|at| self.now.since(at) >= LAG);
        let moving = self.book.live_orders().any(|order| order.state == OrderState::Unknown);
        let difference = stated - expected;
        if disturbed || moving || counts.costed < counts.executions || difference.abs().decimal() <= CENT {
            self.cash_seen = None;
            return;
        }
        let executions = counts.executions;
        let former = self.cash_seen.filter(|seen| seen.difference == difference);
        let traded = former.is_some_and(|seen| seen.executions != executions);
        let busy_reads = former.map_or(1, |seen| seen.busy_reads + u32::from(traded));
        let agreed = (former.is_some() && !traded && quiet) || busy_reads >= BUSY_READS;
        if !agreed {
            self.cash_seen = Some(CashSeen { difference, executions, busy_reads });
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
