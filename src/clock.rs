//! The one read of the wall clock. It stamps logs and `recorded_at`; no rule reads it.

use crate::domain::MarketTime;

/// The machine's own time now.
#[allow(clippy::disallowed_methods, reason = "the one place that may read the wall clock")]
pub fn wall_now() -> MarketTime {
    MarketTime::from(chrono::Utc::now())
}

/// Measures how long work takes. It is told, never decided on.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// From now on.
    #[allow(clippy::disallowed_methods, reason = "nothing waits for it: it measures")]
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// Since its start.
    pub fn elapsed(self) -> std::time::Duration {
        self.0.elapsed()
    }
}
