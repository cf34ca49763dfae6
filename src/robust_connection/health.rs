//! Is the held session still good?

use std::future::Future;
use std::time::Duration;

/// How a held session is probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthPolicy {
    /// Time between the end of one probe and the next.
    pub interval: Duration,
    /// How long one probe may take.
    pub deadline: Duration,
    /// So many consecutive misses mean that the session is lost; at least 1.
    pub misses: u32,
}

impl Default for HealthPolicy {
    fn default() -> Self {
        Self { interval: Duration::from_secs(15), deadline: Duration::from_secs(10), misses: 3 }
    }
}

/// Why a held session is no good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{misses} probes in a row failed, the last: {last}")]
pub struct Lost {
    /// Consecutive misses.
    pub misses: u32,
    /// What the last probe said.
    pub last: String,
}

/// Resolves when the session is no good: `policy.misses` consecutive probes failed or timed out.
///
/// The first probe runs at once, each next one an interval after the last ended.
pub async fn lost<F, Fut, E>(policy: &HealthPolicy, mut probe: F) -> Lost
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<(), E>>,
    E: std::fmt::Display,
{
    let mut misses = 0;
    loop {
        let last = match tokio::time::timeout(policy.deadline, probe()).await {
            Ok(Ok(())) => {
                misses = 0;
                None
            }
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("no answer within {:?}", policy.deadline)),
        };
        if let Some(last) = last {
            misses += 1;
            tracing::warn!(misses, of = policy.misses, error = %last, "health probe missed");
            if misses >= policy.misses.max(1) {
                return Lost { misses, last };
            }
        }
        tokio::time::sleep(policy.interval).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::time::Instant;

    use super::*;

    const POLICY: HealthPolicy =
        HealthPolicy { interval: Duration::from_secs(15), deadline: Duration::from_secs(10), misses: 3 };

    #[tokio::test(start_paused = true)]
    async fn consecutive_misses_lose_the_session_and_an_answer_forgives_them() {
        let probes = Cell::new(0);
        let story = [false, false, true, false, false, false];
        let found = lost(&POLICY, || {
            let answered = story[probes.get()];
            probes.set(probes.get() + 1);
            async move { if answered { Ok(()) } else { Err("no time") } }
        })
        .await;
        assert_eq!(probes.get(), story.len());
        assert_eq!(found, Lost { misses: 3, last: "no time".to_owned() });
    }

    #[tokio::test(start_paused = true)]
    async fn a_mute_session_is_lost_by_deadlines() {
        let start = Instant::now();
        let found = lost(&POLICY, std::future::pending::<Result<(), String>>).await;
        assert_eq!(found.misses, 3);
        assert_eq!(start.elapsed(), Duration::from_secs(3 * 10 + 2 * 15));
    }

    #[tokio::test(start_paused = true)]
    async fn a_good_session_is_never_lost() {
        let watch = lost(&POLICY, || async { Ok::<(), String>(()) });
        assert!(tokio::time::timeout(Duration::from_secs(86_400), watch).await.is_err());
    }
}
