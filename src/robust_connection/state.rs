//! What the connection is doing, published at every change.

use std::time::Duration;

use tokio::time::Instant;

use super::{BreakerState, Fault};

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
    /// Attempts to get one so far in this process.
    pub dials: u64,
    /// Sessions lost so far in this process.
    pub lost: u64,
    /// When the latest attempt began.
    pub dialled_at: Option<Instant>,
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
        /// The attempt that failed.
        attempt: u32,
        /// How long in all.
        wait: Duration,
        /// When the next attempt begins.
        until: Instant,
        /// Why the attempt failed.
        error: String,
        /// What the failure asks of us: [`Fault::NeedsHuman`] means that a person has to act,
        /// [`Fault::Expected`] that this is a planned outage.
        fault: Fault,
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
        /// When the next attempt begins at the earliest.
        until: Instant,
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
            dials: 0,
            lost: 0,
            dialled_at: None,
            last_error: None,
        }
    }
}

impl Phase {
    /// One word for it, for status and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Dialing { .. } => "dialing",
            Self::BackingOff { .. } => "backing-off",
            Self::Open { .. } => "breaker-open",
            Self::Connected => "connected",
            Self::Held => "held",
            Self::Lost { .. } => "lost",
            Self::Failed { .. } => "failed",
        }
    }
}
