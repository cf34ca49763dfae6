//! The settings of locks that set themselves, of what others do, and of expected outages.

use super::reader::Reader;
use crate::calendar::ExpectedWindows;
use crate::desk::{ForeignPolicy, Guards, Protections};
use crate::domain::Usd;
use crate::domain::book::TRIPS_KEPT;

pub(super) fn read(read: &mut Reader<'_>) -> Guards {
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let policies =
        [("ignore", ForeignPolicy::Ignore), ("watch", ForeignPolicy::Watch), ("adopt", ForeignPolicy::Adopt)];
    Guards {
        foreign: read.choice("FOREIGN", &policies, ForeignPolicy::Watch),
        cash_limit: Usd::of(read.decimal("CASH_LIMIT", "0", "1000000000")),
        max_drawdown: read.decimal("RISK_MAX_DRAWDOWN_PCT", "0.0001", "1"),
        max_losses: small(read.whole("RISK_MAX_LOSSES", 1, 1_000_000)),
        loss_pause: read.span("RISK_LOSS_PAUSE", 60, "0.1", "10080"),
        max_orders: small(read.whole("RISK_MAX_ORDERS", 1, 1_000_000)),
        max_rejects: small(read.whole("RISK_MAX_REJECTS", 1, 1_000_000)),
        max_sessions_lost: small(read.whole("RISK_MAX_SESSIONS_LOST", 1, 1_000_000)),
        flapping_pause: read.span("RISK_FLAPPING_PAUSE", 60, "0.1", "10080"),
        expected: read.parsed("EXPECTED_WINDOWS", ExpectedWindows::default()),
        hold_before: read.span("HOLD_BEFORE", 60, "0", "240"),
        protections: protections(read),
    }
}

fn protections(read: &mut Reader<'_>) -> Protections {
    const MONTH: &str = "44640";
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let trips = u64::try_from(TRIPS_KEPT).unwrap_or(u64::MAX);
    Protections {
        cool_down: read.optional_span("RISK_COOL_DOWN", 60, "0.1", MONTH),
        max_stops: read.optional_whole("RISK_STOP_GUARD", 1, 1_000).map(small),
        stops_within: read.span("RISK_STOP_GUARD_WINDOW", 60, "0.1", MONTH),
        stops_pause: read.span("RISK_STOP_GUARD_PAUSE", 60, "0.1", MONTH),
        low_profit_trips: read.optional_whole("RISK_LOW_PROFIT_TRIPS", 1, trips).map(small),
        low_profit_pause: read.span("RISK_LOW_PROFIT_PAUSE", 60, "0.1", MONTH),
        drawdown_pause: read.optional_span("RISK_DRAWDOWN_PAUSE", 60, "0.1", MONTH),
    }
}
