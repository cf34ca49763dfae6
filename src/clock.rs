//! The one read of the wall clock. It stamps logs and `recorded_at`; no rule reads it.

use crate::domain::MarketTime;

/// The machine's own time now.
#[allow(clippy::disallowed_methods, reason = "the one place that may read the wall clock")]
pub fn wall_now() -> MarketTime {
    MarketTime::from(chrono::Utc::now())
}
