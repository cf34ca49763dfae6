//! What the connection is doing, published at every change.

use std::time::Duration;

use tokio::time::Instant;

use super::BreakerState;

/// The connection's state with its numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectionState {
    /// What it is doing.
    pub phase: Phase,
    /// Since when.
    pub since: Instant,
    /// The breaker.
    pub breaker: BreakerState,
    /// Attempts since the last session that was held.
    pub attempts: u32,
    /// Sessions got so far in this process.
    pub sessions: u64,
    /// The latest failure or loss, if any.
    pub last_error: Option<String>,
}

/// What the connection is doing.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    /// Nobody has asked for a session yet.
    Idle,
    /// An attempt is under way.
    Dialing {
        /// Which one since the last held session, from 1.
        attempt: u32,
        /// Whether it is the half-open breaker's probe.
        probe: bool,
    },
    /// Waiting for the next attempt.
    BackingOff {
        /// The attempt that failed; 0 after a loss.
        attempt: u32,
        /// How long in all.
        wait: Duration,
        /// When the next attempt begins.
        until: Instant,
        /// Why the attempt failed (or the session was lost).
        error: String,
        /// Whether a person has to act.
        needs_human: bool,
        /// Whether this is a planned outage.
        expected: bool,
    },
    /// The breaker is open: no dialling.
    Open {
        /// When the next probe is admitted.
        until: Instant,
    },
    /// A session is in the caller's hands, not yet held.
    Connected,
    /// The session reached Ready and answered its first probe.
    Held,
    /// The session ended.
    Lost {
        /// Why.
        why: String,
    },
    /// No session can be had.
    Failed {
        /// Why.
        error: String,
    },
}

impl ConnectionState {
    /// The state before the first attempt.
    pub fn idle() -> Self {
        Self {
            phase: Phase::Idle,
            since: Instant::now(),
            breaker: BreakerState::Closed { failures: 0 },
            attempts: 0,
            sessions: 0,
            last_error: None,
        }
    }
}
