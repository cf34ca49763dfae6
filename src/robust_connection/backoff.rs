//! How long between attempts? The only file that names the `backoff` crate.

use std::time::Duration;

/// The numbers of the exponential.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BackoffPolicy {
    /// The first wait, before jitter.
    pub base: Duration,
    /// No wait is longer than this, jitter included.
    pub cap: Duration,
    /// Each wait is so many times the one before it; at least 1.
    pub multiplier: f64,
    /// Jitter: a wait is moved by at most this fraction of itself up or down, 0 to 1.
    pub jitter: f64,
}

impl Default for BackoffPolicy {
    fn default() -> Self {
        Self { base: Duration::from_secs(1), cap: Duration::from_secs(60), multiplier: 2.0, jitter: 0.25 }
    }
}

/// The waits between attempts.
pub struct Backoff {}
