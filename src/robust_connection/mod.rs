//! The one door to a session: backoff, circuit breaker and health, generic over [`Dial`].
//!
//! Three small values answer three questions: [`Backoff`] how long to wait between attempts,
//! [`CircuitBreaker`] whether to attempt at all, [`health::lost`] whether the held session is
//! still good. [`RobustConnection`] joins them.
//!
//! Invariant: nothing of this program is named here. A caller implements [`Dial`], asks
//! [`RobustConnection::session`], and reports back with [`RobustConnection::held`] and
//! [`RobustConnection::lost`]. It must have closed a session before it reports the loss: then
//! nothing of ours stands open at the peer during any wait.

pub mod backoff;
pub mod circuit_breaker;
pub mod health;
pub mod state;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{error, info, warn};

pub use backoff::{Backoff, BackoffPolicy};
pub use circuit_breaker::{Admission, BreakerPolicy, BreakerState, CircuitBreaker};
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
            // Longer than a dial's own deadlines together: those name what was wrong.
            dial_deadline: Duration::from_secs(60),
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
    /// Attempts since the last held session, this one included.
    pub attempts: u32,
    /// The last failure.
    #[source]
    pub source: E,
}

/// A session that the caller has and has not reported lost.
#[derive(Debug, Clone, Copy)]
struct Outstanding {
    /// Since when it is held, once it is.
    held: Option<Instant>,
}

/// Gets sessions, one after another, and nothing else does.
#[derive(Debug)]
pub struct RobustConnection<D: Dial> {
    dial: D,
    policy: Policy,
    backoff: Backoff,
    breaker: CircuitBreaker,
    /// Attempts since the last held session.
    attempts: u32,
    /// No attempt before then: the wait survives a dropped `session()` future.
    not_before: Option<Instant>,
    outstanding: Option<Outstanding>,
    state: watch::Sender<ConnectionState>,
}

impl<D: Dial> RobustConnection<D> {
    /// A connection that has no session yet. The seed decides the jitter.
    pub fn new(dial: D, policy: Policy, seed: u64) -> Self {
        Self {
            backoff: Backoff::new(policy.backoff, seed),
            breaker: CircuitBreaker::new(policy.breaker),
            dial,
            policy,
            attempts: 0,
            not_before: None,
            outstanding: None,
            state: watch::Sender::new(ConnectionState::idle()),
        }
    }

    /// What it dials with.
    pub fn dial(&self) -> &D {
        &self.dial
    }

    /// Its numbers.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The state, published at every change.
    pub fn state(&self) -> watch::Receiver<ConnectionState> {
        self.state.subscribe()
    }

    /// The next session. Asks the breaker before every attempt, dials within the deadline, backs
    /// off between attempts; returns only with a session or a [`Fault::Fatal`]. The session
    /// before it must have been closed by now; where it was not reported [`lost`](Self::lost),
    /// it is taken as such.
    ///
    /// Dropping the future at any point closes what is half-open; a wait that was due stays due.
    ///
    /// # Errors
    /// The failure that no retry can help.
    pub async fn session(&mut self) -> Result<D::Session, Exhausted<D::Error>> {
        if self.outstanding.is_some() {
            self.lost("given up without a word", false);
        }
        loop {
            let probe = self.admitted().await;
            self.attempts = self.attempts.saturating_add(1);
            info!(attempt = self.attempts, breaker = %self.breaker.state(), "dialling");
            self.state.send_modify(|state| {
                state.dials += 1;
                state.dialled_at = Some(Instant::now());
            });
            self.publish(Phase::Dialing { attempt: self.attempts, probe });
            // The attempt's own future ends here, and with it its socket, before any wait.
            let outcome = timeout(self.policy.dial_deadline, self.dial.dial()).await;
            match outcome {
                Ok(Ok(session)) => {
                    self.outstanding = Some(Outstanding { held: None });
                    self.state.send_modify(|state| state.sessions += 1);
                    info!(attempt = self.attempts, breaker = %self.breaker.state(), "connected");
                    self.publish(Phase::Connected);
                    return Ok(session);
                }
                Ok(Err(failure)) => match self.dial.fault(&failure) {
                    Fault::Fatal => return Err(self.failed(failure)),
                    fault @ (Fault::Transient | Fault::Expected | Fault::NeedsHuman) => {
                        self.put_off(fault, failure.to_string());
                    }
                },
                Err(_) => {
                    let within = self.policy.dial_deadline;
                    self.put_off(Fault::Transient, format!("the attempt did not end within {within:?}"));
                }
            }
        }
    }

    /// The session reached Ready and answered its first probe: the breaker's success.
    pub fn held(&mut self) {
        let Some(outstanding) = &mut self.outstanding else { return };
        if outstanding.held.is_some() {
            return;
        }
        outstanding.held = Some(Instant::now());
        self.breaker.success();
        info!(attempts = self.attempts, breaker = %self.breaker.state(), "session held");
        self.attempts = 0;
        self.publish(Phase::Held);
    }

    /// The session is gone and closed. One that was never [`held`](Self::held) counts as a
    /// failure for the breaker, as does one that `failed_before_ready`.
    ///
    /// The next attempt waits as after a failed one. The waits begin again at the base only after
    /// a session that was held for longer than the longest of them: one that comes and goes is
    /// not asked for ever faster.
    pub fn lost(&mut self, why: &str, failed_before_ready: bool) {
        let Some(outstanding) = self.outstanding.take() else { return };
        let now = Instant::now();
        let held_for = outstanding.held.map(|since| now - since);
        if failed_before_ready || held_for.is_none() {
            self.breaker.failure(now);
        }
        if held_for.is_some_and(|held| held > self.policy.backoff.cap) {
            self.backoff.reset();
        }
        let wait = self.backoff.next_wait();
        self.not_before = Some(now + wait);
        warn!(why, ?held_for, next_attempt_in = ?wait, breaker = %self.breaker.state(), "session lost");
        self.state.send_modify(|state| {
            state.last_error = Some(why.to_owned());
            state.lost += 1;
        });
        self.publish(Phase::Lost { why: why.to_owned(), until: now + wait });
    }

    /// Waits until an attempt may be made: first the wait that is due, then the breaker. Returns
    /// whether the attempt is the half-open breaker's probe.
    async fn admitted(&mut self) -> bool {
        if let Some(due) = self.not_before {
            sleep_until(due).await;
            self.not_before = None;
        }
        loop {
            match self.breaker.admit(Instant::now()) {
                Admission::Go => return false,
                Admission::Probe => return true,
                Admission::Wait(until) => {
                    info!(retry_in = ?until.saturating_duration_since(Instant::now()), "breaker open: not dialling");
                    self.publish(Phase::Open { until });
                    sleep_until(until).await;
                }
            }
        }
    }

    /// Counts a failed attempt where it counts, and sets and publishes the wait.
    fn put_off(&mut self, fault: Fault, error: String) {
        let now = Instant::now();
        let (attempt, breaker) = (self.attempts, &mut self.breaker);
        let wait = match fault {
            Fault::Expected => self.policy.expected_interval,
            Fault::NeedsHuman => {
                // Not a sign of a sick peer, so closed does not count it; but a probe it is not.
                if breaker.is_half_open() {
                    breaker.failure(now);
                }
                self.policy.human_interval
            }
            Fault::Transient | Fault::Fatal => {
                breaker.failure(now);
                self.backoff.next_wait()
            }
        };
        let state = breaker.state();
        match fault {
            Fault::NeedsHuman => error!(attempt, %error, wait = ?wait, breaker = %state, "a person has to act"),
            Fault::Expected => info!(attempt, %error, wait = ?wait, breaker = %state, "planned outage"),
            Fault::Transient | Fault::Fatal => {
                warn!(attempt, %error, wait = ?wait, breaker = %state, "attempt failed");
            }
        }
        self.not_before = Some(now + wait);
        self.state.send_modify(|state| state.last_error = Some(error.clone()));
        self.publish(Phase::BackingOff { attempt, wait, until: now + wait, error, fault });
    }

    fn failed(&mut self, source: D::Error) -> Exhausted<D::Error> {
        let (attempts, text) = (self.attempts, source.to_string());
        error!(attempts, error = %text, "no session can be had");
        self.state.send_modify(|state| state.last_error = Some(text.clone()));
        self.publish(Phase::Failed { error: text });
        Exhausted { attempts, source }
    }

    fn publish(&self, phase: Phase) {
        self.state.send_modify(|state| {
            state.phase = phase;
            state.since = Instant::now();
            state.breaker = self.breaker.state();
            state.attempts = self.attempts;
        });
    }
}
