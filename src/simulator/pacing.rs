//! IBKR's limits on historical and real-time bar requests (162, 420): all of a gateway's clients
//! share them, and they are counted in real time.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::{BarSize, ContractId};

/// The same request may be repeated after this.
const IDENTICAL: Duration = Duration::from_secs(15);
/// Requests of one kind that come within this...
const BURST: Duration = Duration::from_secs(2);
/// ... may be one fewer than this.
const MOST_IN_BURST: usize = 6;
/// Requests that come within this...
const LONG: Duration = Duration::from_secs(600);
/// ... may be so many; those for bid and ask together count twice.
const MOST_IN_LONG: usize = 60;
/// Historical requests that are open at a time, at most.
pub const MOST_OPEN: usize = 50;

/// A historical request, as the limits see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Of what.
    pub contract: ContractId,
    /// At which exchange.
    pub exchange: String,
    /// Which price (`TRADES`).
    pub show: String,
    /// Everything else: end, duration, size, hours.
    pub rest: String,
}

/// Whether the limits hold for bars of this size.
pub fn is_small(size: BarSize) -> bool {
    size <= BarSize::Secs30
}

/// What has been asked lately.
#[derive(Debug, Default)]
pub struct Pacing {
    history: VecDeque<(Instant, Asked)>,
    real_time: VecDeque<Instant>,
}

impl Pacing {
    /// Takes a request for history, or refuses it (a pacing violation). Refused requests do not
    /// count.
    pub fn history(&mut self, asked: Asked, now: Instant) -> bool {
        while self.history.front().is_some_and(|(at, _)| now.duration_since(*at) >= LONG) {
            self.history.pop_front();
        }
        let weight = |show: &str| if show == "BID_ASK" { 2 } else { 1 };
        let since = |window| self.history.iter().filter(move |(at, _)| now.duration_since(*at) < window);
        let identical = since(IDENTICAL).any(|(_, known)| *known == asked);
        let kind = |known: &Asked| (known.contract, known.exchange.clone(), known.show.clone());
        let burst = since(BURST).filter(|(_, known)| kind(known) == kind(&asked)).count() + 1;
        let long: usize = since(LONG).map(|(_, known)| weight(&known.show)).sum::<usize>() + weight(&asked.show);
        if identical || burst >= MOST_IN_BURST || long > MOST_IN_LONG {
            return false;
        }
        self.history.push_back((now, asked));
        true
    }

    /// Takes a request for real-time bars, or refuses it.
    pub fn real_time(&mut self, now: Instant) -> bool {
        while self.real_time.front().is_some_and(|at| now.duration_since(*at) >= LONG) {
            self.real_time.pop_front();
        }
        let fits = self.real_time.len() < MOST_IN_LONG;
        if fits {
            self.real_time.push_back(now);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(contract: i32, show: &str, rest: usize) -> Asked {
        Asked { contract: ContractId(contract), exchange: "SMART".into(), show: show.into(), rest: rest.to_string() }
    }

    #[test]
    fn the_same_request_again_within_15_seconds_is_a_violation() {
        let (mut pacing, now) = (Pacing::default(), Instant::now());
        assert!(pacing.history(asked(1, "TRADES", 0), now));
        assert!(!pacing.history(asked(1, "TRADES", 0), now + Duration::from_secs(14)));
        assert!(pacing.history(asked(1, "TRADES", 0), now + Duration::from_secs(15)));
    }

    #[test]
    fn the_sixth_of_one_kind_within_two_seconds_is_a_violation() {
        let (mut pacing, now) = (Pacing::default(), Instant::now());
        assert!((0..5).all(|n| pacing.history(asked(1, "TRADES", n), now)));
        assert!(!pacing.history(asked(1, "TRADES", 5), now));
        assert!(pacing.history(asked(2, "TRADES", 5), now), "another contract");
        assert!(pacing.history(asked(1, "BID", 5), now), "another price");
        assert!(pacing.history(asked(1, "TRADES", 5), now + BURST));
    }

    #[test]
    fn sixty_in_ten_minutes_and_bid_ask_counts_twice() {
        let (mut pacing, now) = (Pacing::default(), Instant::now());
        assert!((0..29).all(|n| pacing.history(asked(n, "BID_ASK", 0), now)));
        assert!((0..2).all(|n| pacing.history(asked(n, "TRADES", 0), now)));
        assert!(!pacing.history(asked(9, "TRADES", 1), now));
        assert!(pacing.history(asked(9, "TRADES", 1), now + LONG));
        assert!((0..60).all(|_| pacing.real_time(now)));
        assert!(!pacing.real_time(now));
        assert!(pacing.real_time(now + LONG));
    }
}
