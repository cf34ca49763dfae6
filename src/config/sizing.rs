//! The settings of how full positions are sized.

use super::reader::Reader;
use crate::domain::book::TRIPS_KEPT;
use crate::domain::{Shares, Usd};
use crate::risk::Sizing;

pub(super) fn read(read: &mut Reader<'_>) -> Sizing {
    let fraction = |read: &mut Reader<'_>, name| read.decimal(name, "0.0001", "1");
    match read.text("RISK_POSITION_SIZING").as_str() {
        "shares" => {
            let shares = read.whole("RISK_FIXED_SHARES", 1, 1_000_000);
            Sizing::FixedShares(Shares(i64::try_from(shares).unwrap_or(1)))
        }
        "notional" => Sizing::FixedNotional(Usd::of(read.decimal("RISK_FIXED_NOTIONAL", "1", "1000000000"))),
        "percent" => Sizing::PercentOfEquity(fraction(read, "RISK_MAX_POSITION_PCT")),
        "atr" => Sizing::AtrRisk {
            risk: fraction(read, "RISK_ATR_RISK_PCT"),
            atrs: read.decimal("RISK_ATR_MULTIPLE", "0.1", "100"),
        },
        "volatility" => Sizing::Volatility {
            target: read.decimal("RISK_TARGET_VOLATILITY", "0.001", "10"),
            most: fraction(read, "RISK_MAX_POSITION_PCT"),
        },
        "kelly" => {
            let kept = u64::try_from(TRIPS_KEPT).unwrap_or(u64::MAX);
            Sizing::Kelly {
                part: fraction(read, "RISK_KELLY_PART"),
                trips: u32::try_from(read.whole("RISK_KELLY_TRIPS", 1, kept)).unwrap_or(u32::MAX),
                start: fraction(read, "RISK_KELLY_START"),
                most: fraction(read, "RISK_MAX_POSITION_PCT"),
            }
        }
        _ => {
            read.reject("RISK_POSITION_SIZING", "use one of shares, notional, percent, atr, volatility, kelly");
            Sizing::FixedShares(Shares(1))
        }
    }
}
