//! Attempt at all? A breaker that stops dialling a peer which keeps failing.

use std::time::Duration;

use tokio::time::Instant;

/// The breaker's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// So many consecutive failures open it; at least 1.
    pub threshold: u32,
    /// How long it stays open.
    pub timeout: Duration,
    /// So many successes in half-open close it; at least 1.
    pub half_open_successes: u32,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self { threshold: 5, timeout: Duration::from_secs(300), half_open_successes: 1 }
    }
}

/// Where the breaker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Attempts pass.
    Closed {
        /// Consecutive failures so far.
        failures: u32,
    },
    /// No attempt passes.
    Open {
        /// When it becomes half-open.
        until: Instant,
    },
    /// One attempt at a time passes, as a probe.
    HalfOpen {
        /// Successes so far.
        successes: u32,
    },
}

/// The breaker.
pub struct CircuitBreaker {}
