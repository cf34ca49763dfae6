//! How long between attempts? The only file that names the `backoff` crate.
//!
//! The crate computes the exponential; the jitter is ours. Its own randomization draws from a
//! generator that cannot be seeded, and it would give up after 15 minutes: both are switched off.

use std::time::Duration;

use ::backoff::backoff::Backoff as _;
use ::backoff::{ExponentialBackoff, ExponentialBackoffBuilder};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// The numbers of the exponential.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BackoffPolicy {
    /// The first wait, before jitter.
    pub base: Duration,
    /// No wait is longer than this, jitter included.
    pub cap: Duration,
    /// Each wait is so many times the one before it; less than 1 counts as 1.
    pub multiplier: f64,
    /// Jitter: a wait is moved by at most this fraction of itself up or down, 0 to 1.
    pub jitter: f64,
}

impl Default for BackoffPolicy {
    fn default() -> Self {
        Self { base: Duration::from_secs(1), cap: Duration::from_secs(60), multiplier: 2.0, jitter: 0.25 }
    }
}

impl BackoffPolicy {
    /// The policy with every number forced into its range: base at most cap, multiplier finite
    /// and at least 1, jitter from 0 to 1. Configuration reports such values; here they only must
    /// not panic or stop the waiting.
    fn sane(self) -> Self {
        Self {
            base: self.base.min(self.cap),
            cap: self.cap,
            multiplier: if self.multiplier.is_finite() { self.multiplier.max(1.0) } else { 1.0 },
            jitter: if self.jitter.is_finite() { self.jitter.clamp(0.0, 1.0) } else { 0.0 },
        }
    }
}

/// The waits between attempts.
#[derive(Debug)]
pub struct Backoff {
    policy: BackoffPolicy,
    exponential: ExponentialBackoff,
    rng: StdRng,
}

impl Backoff {
    /// Waits that begin at the policy's base. Equal seeds give equal waits.
    pub fn new(policy: BackoffPolicy, seed: u64) -> Self {
        let policy = policy.sane();
        let exponential = ExponentialBackoffBuilder::new()
            .with_initial_interval(policy.base)
            .with_max_interval(policy.cap)
            .with_multiplier(policy.multiplier)
            .with_randomization_factor(0.0)
            .with_max_elapsed_time(None)
            .build();
        Self { policy, exponential, rng: StdRng::seed_from_u64(seed) }
    }

    /// The next wait: the exponential, moved by a jitter drawn anew, never above the cap.
    pub fn next_wait(&mut self) -> Duration {
        // Without an elapsed-time limit the crate always answers.
        let base = self.exponential.next_backoff().unwrap_or(self.policy.cap).min(self.policy.cap);
        let jitter = self.policy.jitter;
        let factor = if jitter > 0.0 { 1.0 + self.rng.random_range(-jitter..=jitter) } else { 1.0 };
        // A cap near Duration::MAX could overflow when stretched; the cap is then the answer.
        let seconds = base.as_secs_f64() * factor.max(0.0);
        Duration::try_from_secs_f64(seconds).unwrap_or(self.policy.cap).min(self.policy.cap)
    }

    /// Begins again at the base. The generator is not reset: waits do not repeat themselves.
    pub fn reset(&mut self) {
        self.exponential.reset();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn policy(base_ms: u64, cap_ms: u64, multiplier: f64, jitter: f64) -> BackoffPolicy {
        BackoffPolicy { base: Duration::from_millis(base_ms), cap: Duration::from_millis(cap_ms), multiplier, jitter }
    }

    fn waits(policy: BackoffPolicy, seed: u64, count: usize) -> Vec<Duration> {
        let mut backoff = Backoff::new(policy, seed);
        (0..count).map(|_| backoff.next_wait()).collect()
    }

    #[test]
    fn without_jitter_it_is_the_exponential_up_to_the_cap() {
        let seconds: Vec<u64> =
            waits(policy(1_000, 60_000, 2.0, 0.0), 7, 9).iter().map(|wait| wait.as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn reset_begins_again_at_the_base() {
        let mut backoff = Backoff::new(policy(1_000, 60_000, 2.0, 0.0), 7);
        for _ in 0..5 {
            backoff.next_wait();
        }
        backoff.reset();
        assert_eq!(backoff.next_wait(), Duration::from_secs(1));
    }

    #[test]
    fn impossible_numbers_still_wait() {
        let odd = [(2_000, 1_000, 2.0, 0.25), (10, 1_000, f64::NAN, f64::INFINITY), (10, 1_000, 0.1, -3.0)];
        for (base, cap, multiplier, jitter) in odd {
            for wait in waits(policy(base, cap, multiplier, jitter), 1, 20) {
                assert!(wait > Duration::ZERO && wait <= Duration::from_millis(cap));
            }
        }
    }

    #[test]
    fn it_never_gives_up() {
        assert_eq!(waits(policy(1_000, 60_000, 2.0, 0.25), 3, 10_000).len(), 10_000);
    }

    proptest! {
        #[test]
        fn every_wait_lies_between_nothing_and_the_cap(
            base in 1u64..120_000, cap in 1u64..600_000, multiplier in 1.0f64..10.0,
            jitter in 0.0f64..=1.0, seed: u64,
        ) {
            for wait in waits(policy(base, cap, multiplier, jitter), seed, 40) {
                prop_assert!(wait <= Duration::from_millis(cap), "{wait:?}");
            }
        }

        #[test]
        fn jitter_stays_within_its_fraction(base in 1u64..120_000, jitter in 0.0f64..=1.0, seed: u64) {
            let plain = waits(policy(base, 600_000, 2.0, 0.0), seed, 12);
            let moved = waits(policy(base, 600_000, 2.0, jitter), seed, 12);
            for (plain, moved) in plain.into_iter().zip(moved) {
                let off = (moved.as_secs_f64() - plain.as_secs_f64()).abs();
                prop_assert!(off <= plain.as_secs_f64() * jitter + 1e-6, "{plain:?} {moved:?}");
            }
        }

        #[test]
        fn without_jitter_waits_never_shrink(base in 1u64..120_000, cap in 1u64..600_000, multiplier in 1.0f64..10.0) {
            let waits = waits(policy(base, cap, multiplier, 0.0), 0, 40);
            prop_assert!(waits.is_sorted());
        }

        #[test]
        fn equal_seeds_wait_equally(seed: u64, jitter in 0.01f64..=1.0) {
            let policy = policy(500, 60_000, 2.0, jitter);
            prop_assert_eq!(waits(policy, seed, 20), waits(policy, seed, 20));
            prop_assert_ne!(waits(policy, seed, 20), waits(policy, seed.wrapping_add(1), 20));
        }
    }
}
