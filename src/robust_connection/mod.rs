//! The one door to a session: backoff, circuit breaker and health, generic over [`Dial`].
//!
//! Invariant: nothing of this program is named here. A caller implements [`Dial`], asks
//! [`RobustConnection::session`], and reports back with [`RobustConnection::held`] and
//! [`RobustConnection::lost`].

pub mod backoff;
pub mod circuit_breaker;
pub mod health;
pub mod state;

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;

pub use backoff::{Backoff, BackoffPolicy};
pub use circuit_breaker::{BreakerPolicy, BreakerState, CircuitBreaker};
pub use health::{HealthPolicy, Lost};
pub use state::{ConnectionState, Phase};

/// What a failed attempt to get a session asks of us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It may pass by itself: back off; counts for the breaker.
    Transient,
    /// A planned outage: wait, do not count.
    Expected,
    /// A person has to act (log-in, second factor, a setting): probe slowly, tell them.
    NeedsHuman,
    /// No retry can help.
    Fatal,
}

/// How a session is made.
pub trait Dial {
    /// What is made. Dropping it must close what it holds.
    type Session;
    /// Why it could not be made.
    type Error: std::error::Error + Send + Sync + 'static;

    /// One attempt. Dropping the future must close what is half-open: it is dropped at the
    /// policy's deadline and at shutdown.
    fn dial(&self) -> impl Future<Output = Result<Self::Session, Self::Error>> + Send;

    /// What the error asks of us.
    fn fault(&self, error: &Self::Error) -> Fault;
}

/// All the numbers of a [`RobustConnection`].
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// How long between attempts.
    pub backoff: BackoffPolicy,
    /// Whether to attempt at all.
    pub breaker: BreakerPolicy,
    /// How long one attempt may take in all.
    pub dial_deadline: Duration,
    /// How a held session is watched (used by [`health::lost`]).
    pub health: HealthPolicy,
    /// Wait between attempts while a person has to act.
    pub human_interval: Duration,
    /// Wait between attempts during a planned outage.
    pub expected_interval: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            backoff: BackoffPolicy::default(),
            breaker: BreakerPolicy::default(),
            dial_deadline: Duration::from_secs(30),
            health: HealthPolicy::default(),
            human_interval: Duration::from_secs(300),
            expected_interval: Duration::from_secs(20),
        }
    }
}

/// No session can be had: an attempt failed in a way that no retry can help.
#[derive(Debug, thiserror::Error)]
#[error("no session after {attempts} attempts")]
pub struct Exhausted<E: std::error::Error + 'static> {
    /// Attempts since the last session, this one included.
    pub attempts: u32,
    /// The last failure.
    #[source]
    pub source: E,
}

/// Gets sessions, one after another, and nothing else does.
pub struct RobustConnection<D: Dial> {
    dial: D,
    #[allow(dead_code)]
    policy: Policy,
    state: watch::Sender<ConnectionState>,
}

impl<D: Dial> RobustConnection<D> {
    /// A connection that has no session yet. The seed decides the jitter.
    pub fn new(dial: D, policy: Policy, _seed: u64) -> Self {
        Self { dial, policy, state: watch::Sender::new(ConnectionState::idle()) }
    }

    /// What it dials with.
    pub fn dial(&self) -> &D {
        &self.dial
    }

    /// The next session. Asks the breaker before every attempt, dials within the deadline, backs
    /// off between attempts; returns only with a session or a [`Fault::Fatal`]. The session
    /// before it must have been closed by now.
    ///
    /// Dropping the future at any point closes what is half-open and changes nothing else.
    ///
    /// # Errors
    /// The failure that no retry can help.
    pub async fn session(&mut self) -> Result<D::Session, Exhausted<D::Error>> {
        self.dial.dial().await.map_err(|source| Exhausted { attempts: 1, source })
    }

    /// The session reached Ready and answered its first probe: the breaker's success.
    pub fn held(&mut self) {}

    /// The session is gone and closed. One that was never [`held`](Self::held) counts as a
    /// failure for the breaker, as does one that `failed_before_ready`.
    pub fn lost(&mut self, _why: &str, _failed_before_ready: bool) {}

    /// The state, published at every change.
    pub fn state(&self) -> watch::Receiver<ConnectionState> {
        self.state.subscribe()
    }
}
