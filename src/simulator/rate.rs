//! The message rate that TWS allows one client (error 100).

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The window in which messages are counted.
const WINDOW: Duration = Duration::from_secs(1);
/// A client is disconnected at this many breaches.
const LAST_BREACH: u32 = 3;

/// A message that came too fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breach {
    /// Messages allowed a second.
    pub allowed: u32,
    /// Messages received in the last second, refused ones included.
    pub received: u32,
    /// Seconds with such messages so far.
    pub count: u32,
}

impl Breach {
    /// Whether the client has used up TWS's patience.
    pub fn is_last(&self) -> bool {
        self.count >= LAST_BREACH
    }
}

/// Counts one client's messages.
#[derive(Debug)]
pub struct Rate {
    allowed: u32,
    paced: bool,
    admitted: VecDeque<Instant>,
    refused: u32,
    breaches: u32,
    breached_at: Option<Instant>,
}

impl Rate {
    /// At most `allowed` messages in any second (0: no limit). A paced client is slowed down
    /// instead of refused.
    pub fn new(allowed: u32, paced: bool) -> Self {
        Self { allowed, paced, admitted: VecDeque::new(), refused: 0, breaches: 0, breached_at: None }
    }

    /// Counts a message; says whether it is to be refused.
    pub async fn admit(&mut self) -> Option<Breach> {
        if self.allowed == 0 {
            return None;
        }
        let mut now = Instant::now();
        self.forget(now);
        if self.admitted.len() >= self.allowed as usize {
            match self.admitted.front() {
                Some(first) if self.paced => {
                    sleep_until(*first + WINDOW).await;
                    now = Instant::now();
                    self.forget(now);
                }
                Some(_) | None => return Some(self.refuse(now)),
            }
        }
        self.admitted.push_back(now);
        None
    }

    fn forget(&mut self, now: Instant) {
        while self.admitted.front().is_some_and(|first| now.duration_since(*first) >= WINDOW) {
            self.admitted.pop_front();
        }
    }

    fn refuse(&mut self, now: Instant) -> Breach {
        let new = self.breached_at.is_none_or(|at| now.duration_since(at) >= WINDOW);
        if new {
            self.breaches += 1;
            self.refused = 0;
            self.breached_at = Some(now);
        }
        self.refused += 1;
        Breach { allowed: self.allowed, received: self.allowed + self.refused, count: self.breaches }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_51st_message_in_a_second_is_refused_and_the_third_such_second_is_the_last() {
        let mut rate = Rate::new(50, false);
        for second in 1..=3 {
            for _ in 0..50 {
                assert_eq!(rate.admit().await, None);
            }
            let breach = rate.admit().await.unwrap();
            assert_eq!((breach.received, breach.count, breach.is_last()), (51, second, second == 3));
            assert_eq!(rate.admit().await.unwrap().received, 52);
            tokio::time::advance(WINDOW).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_paced_client_waits_instead() {
        let mut rate = Rate::new(2, true);
        let start = Instant::now();
        for _ in 0..6 {
            assert_eq!(rate.admit().await, None);
        }
        assert_eq!(Instant::now() - start, 2 * WINDOW);
    }
}
