//! The settings of locks that set themselves, of what others do, and of expected outages.

use super::reader::Reader;
use crate::calendar::ExpectedWindows;
use crate::desk::{ForeignPolicy, Guards};
use crate::domain::Usd;

pub(super) fn read(read: &mut Reader<'_>) -> Guards {
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let policies =
        [("ignore", ForeignPolicy::Ignore), ("watch", ForeignPolicy::Watch), ("adopt", ForeignPolicy::Adopt)];
    Guards {
        foreign: read.choice("FOREIGN", &policies, ForeignPolicy::Watch),
        cash_limit: Usd(read.decimal("CASH_LIMIT", "0", "1000000000")),
        max_drawdown: read.decimal("RISK_MAX_DRAWDOWN_PCT", "0.0001", "1"),
        max_losses: small(read.whole("RISK_MAX_LOSSES", 1, 1_000_000)),
        loss_pause: read.span("RISK_LOSS_PAUSE", 60, "0.1", "10080"),
        max_orders: small(read.whole("RISK_MAX_ORDERS", 1, 1_000_000)),
        max_rejects: small(read.whole("RISK_MAX_REJECTS", 1, 1_000_000)),
        max_sessions_lost: small(read.whole("RISK_MAX_SESSIONS_LOST", 1, 1_000_000)),
        flapping_pause: read.span("RISK_FLAPPING_PAUSE", 60, "0.1", "10080"),
        expected: read.parsed("EXPECTED_WINDOWS", ExpectedWindows::default()),
        hold_before: read.span("HOLD_BEFORE", 60, "0", "240"),
    }
}
