//! Attempt at all? A breaker that stops dialling a peer which keeps failing.
//!
//! Closed passes attempts and counts consecutive failures; open passes none; half-open passes
//! one at a time. Its clock is an argument, its state a value: every edge can be tested.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

/// The breaker's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// So many consecutive failures open it; 0 counts as 1.
    pub threshold: u32,
    /// How long it stays open.
    pub timeout: Duration,
    /// So many successes in half-open close it; 0 counts as 1. With more than one, each session
    /// counts once: it stays half-open, and the next failed attempt opens it again.
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

impl BreakerState {
    /// One word for it: `closed`, `open` or `half-open`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Closed { .. } => "closed",
            Self::Open { .. } => "open",
            Self::HalfOpen { .. } => "half-open",
        }
    }
}

impl fmt::Display for BreakerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { failures } => write!(f, "closed ({failures} failures)"),
            Self::Open { .. } => f.write_str("open"),
            Self::HalfOpen { successes } => write!(f, "half-open ({successes} successes)"),
        }
    }
}

/// Whether an attempt may be made now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Yes.
    Go,
    /// Yes, as the half-open breaker's probe.
    Probe,
    /// Not before then.
    Wait(Instant),
}

/// The breaker.
#[derive(Debug)]
pub struct CircuitBreaker {
    policy: BreakerPolicy,
    state: BreakerState,
}

impl CircuitBreaker {
    /// A closed breaker.
    pub fn new(policy: BreakerPolicy) -> Self {
        Self { policy, state: BreakerState::Closed { failures: 0 } }
    }

    /// Where it is.
    pub fn state(&self) -> BreakerState {
        self.state
    }

    /// Asked before every attempt. An open breaker whose time has passed becomes half-open here.
    ///
    /// Attempts come one after another (its owner makes them through `&mut self`), so half-open
    /// passes exactly one at a time; each must be answered by [`success`](Self::success),
    /// [`failure`](Self::failure), or by nothing where it was abandoned or does not count.
    pub fn admit(&mut self, now: Instant) -> Admission {
        match self.state {
            BreakerState::Closed { .. } => Admission::Go,
            BreakerState::Open { until } if now < until => Admission::Wait(until),
            BreakerState::Open { .. } => {
                self.state = BreakerState::HalfOpen { successes: 0 };
                info!(successes_needed = self.needed(), "breaker half-open: one probe passes");
                Admission::Probe
            }
            BreakerState::HalfOpen { .. } => Admission::Probe,
        }
    }

    /// A session reached Ready and answered its first probe.
    pub fn success(&mut self) {
        match self.state {
            BreakerState::Closed { failures } => {
                if failures > 0 {
                    info!(failures, "breaker stays closed: failures forgotten");
                }
                self.state = BreakerState::Closed { failures: 0 };
            }
            BreakerState::HalfOpen { successes } if successes + 1 >= self.needed() => {
                self.state = BreakerState::Closed { failures: 0 };
                info!(successes = successes + 1, "breaker closed");
            }
            BreakerState::HalfOpen { successes } => {
                self.state = BreakerState::HalfOpen { successes: successes + 1 };
                info!(successes = successes + 1, needed = self.needed(), "breaker still half-open");
            }
            // Only an admitted attempt can succeed, and an open breaker admits none.
            BreakerState::Open { .. } => {}
        }
    }

    /// An attempt failed in a way that counts.
    pub fn failure(&mut self, now: Instant) {
        match self.state {
            BreakerState::Closed { failures } if failures + 1 >= self.policy.threshold.max(1) => {
                self.open(now, failures + 1);
            }
            BreakerState::Closed { failures } => self.state = BreakerState::Closed { failures: failures + 1 },
            BreakerState::HalfOpen { .. } => self.open(now, 1),
            BreakerState::Open { .. } => {}
        }
    }

    /// Whether it is half-open, where every failure opens it again.
    pub fn is_half_open(&self) -> bool {
        matches!(self.state, BreakerState::HalfOpen { .. })
    }

    fn needed(&self) -> u32 {
        self.policy.half_open_successes.max(1)
    }

    fn open(&mut self, now: Instant, failures: u32) {
        self.state = BreakerState::Open { until: now + self.policy.timeout };
        warn!(failures, threshold = self.policy.threshold, no_dialling_for = ?self.policy.timeout, "breaker open");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POLICY: BreakerPolicy =
        BreakerPolicy { threshold: 3, timeout: Duration::from_secs(300), half_open_successes: 2 };

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    /// A breaker that its third failure opened at `start`.
    fn opened(start: Instant) -> CircuitBreaker {
        let mut breaker = CircuitBreaker::new(POLICY);
        for _ in 0..3 {
            assert_eq!(breaker.admit(start), Admission::Go);
            breaker.failure(start);
        }
        breaker
    }

    #[test]
    fn closed_opens_at_the_threshold_and_not_before() {
        let start = Instant::now();
        let mut breaker = CircuitBreaker::new(POLICY);
        breaker.failure(start);
        breaker.failure(start);
        assert_eq!(breaker.state(), BreakerState::Closed { failures: 2 });
        breaker.failure(start);
        assert_eq!(breaker.state(), BreakerState::Open { until: at(start, 300) });
    }

    #[test]
    fn a_success_forgets_failures() {
        let start = Instant::now();
        let mut breaker = CircuitBreaker::new(POLICY);
        breaker.failure(start);
        breaker.failure(start);
        breaker.success();
        breaker.failure(start);
        assert_eq!(breaker.state(), BreakerState::Closed { failures: 1 });
    }

    #[test]
    fn open_passes_nothing_until_its_time_and_then_a_probe() {
        let start = Instant::now();
        let mut breaker = opened(start);
        assert_eq!(breaker.admit(at(start, 299)), Admission::Wait(at(start, 300)));
        // Neither a late failure nor a late success moves an open breaker.
        breaker.failure(at(start, 299));
        breaker.success();
        assert_eq!(breaker.state(), BreakerState::Open { until: at(start, 300) });
        assert_eq!(breaker.admit(at(start, 300)), Admission::Probe);
        assert_eq!(breaker.state(), BreakerState::HalfOpen { successes: 0 });
    }

    #[test]
    fn half_open_closes_after_its_successes() {
        let start = Instant::now();
        let mut breaker = opened(start);
        breaker.admit(at(start, 300));
        breaker.success();
        assert_eq!(breaker.state(), BreakerState::HalfOpen { successes: 1 });
        assert_eq!(breaker.admit(at(start, 301)), Admission::Probe);
        breaker.success();
        assert_eq!(breaker.state(), BreakerState::Closed { failures: 0 });
        assert_eq!(breaker.admit(at(start, 302)), Admission::Go);
    }

    #[test]
    fn any_failure_in_half_open_opens_again_even_after_a_success() {
        let start = Instant::now();
        for successes in 0..2 {
            let mut breaker = opened(start);
            breaker.admit(at(start, 300));
            for _ in 0..successes {
                breaker.success();
            }
            breaker.failure(at(start, 310));
            assert_eq!(breaker.state(), BreakerState::Open { until: at(start, 610) });
        }
    }

    #[test]
    fn zeros_count_as_one() {
        let start = Instant::now();
        let mut breaker = CircuitBreaker::new(BreakerPolicy { threshold: 0, half_open_successes: 0, ..POLICY });
        breaker.failure(start);
        breaker.admit(at(start, 300));
        breaker.success();
        assert_eq!(breaker.state(), BreakerState::Closed { failures: 0 });
    }

    proptest! {
        /// Whatever happens: open admits nothing before its time, closed never holds as many
        /// failures as the threshold, half-open never as many successes as it needs.
        #[test]
        fn no_history_breaks_the_rules(steps in prop::collection::vec((0u8..3, 0u64..200), 0..200)) {
            let mut now = Instant::now();
            let mut breaker = CircuitBreaker::new(POLICY);
            for (step, seconds) in steps {
                now += Duration::from_secs(seconds);
                let before = breaker.state();
                match step {
                    0 => breaker.success(),
                    1 => breaker.failure(now),
                    _ => {
                        let admission = breaker.admit(now);
                        let open = matches!(before, BreakerState::Open { until } if now < until);
                        prop_assert_eq!(open, matches!(admission, Admission::Wait(_)));
                    }
                }
                match breaker.state() {
                    BreakerState::Closed { failures } => prop_assert!(failures < POLICY.threshold),
                    BreakerState::HalfOpen { successes } => prop_assert!(successes < POLICY.half_open_successes),
                    BreakerState::Open { until } => prop_assert!(until <= now + POLICY.timeout),
                }
            }
        }
    }
}
