//! What the feeds of a session tell each other, and when a silent one is taken for stalled.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::calendar::{Calendar, Day};
use crate::domain::{Contract, MarketTime, Window};

/// Bars that may be missing in an open market before a feed is taken for stalled.
const BARS_MISSED: u32 = 3;

/// Bars that may be missing of every symbol alike: the whole market may be silent for a while, but
/// so may every stream.
const BARS_MISSED_BY_ALL: u32 = 10;

/// A stream that spoke so lately is not stalled, however fast the market's clock runs.
const QUIET_AT_LEAST: Duration = Duration::from_secs(30);

/// First and longest time between two new subscriptions of a symbol for being silent: a stock
/// that nobody trades is asked for anew now and then, and no more.
const AGAIN_AFTER: (Duration, Duration) = (Duration::from_secs(180), Duration::from_secs(3_600));

/// What the feeds of one session share.
#[derive(Debug)]
pub struct Pulse {
    alone: bool,
    newest: watch::Sender<MarketTime>,
    /// Why bars stay away from every symbol alike: a link or farm that is known to be down.
    outage: AtomicBool,
    farms: watch::Sender<u64>,
}

impl Pulse {
    /// For so many symbols; no bar seen, no farm lost.
    pub fn new(symbols: usize) -> Arc<Self> {
        let (newest, farms) = (watch::Sender::new(MarketTime::MIN), watch::Sender::new(0));
        Arc::new(Self { alone: symbols <= 1, newest, outage: AtomicBool::new(false), farms })
    }

    /// A data farm that was broken is back: streams that went through it may be dead, and the
    /// gateway does not say which.
    pub fn farm_back(&self) {
        self.farms.send_modify(|generation| *generation += 1);
    }

    /// Says whether TWS's link or a farm that bars come through is down.
    pub fn outage(&self, on: bool) {
        self.outage.store(on, Ordering::Relaxed);
    }

    /// Whether bars stay away for a reason that is known: no failure of a symbol's own.
    pub(super) fn is_outage(&self) -> bool {
        self.outage.load(Ordering::Relaxed)
    }

    /// Changes whenever a farm is back.
    pub(super) fn farms(&self) -> watch::Receiver<u64> {
        self.farms.subscribe()
    }

    /// A feed has a bar that ends there.
    pub(super) fn heard(&self, end: MarketTime) {
        self.newest.send_if_modified(|newest| {
            let later = end > *newest;
            *newest = end.max(*newest);
            later
        });
    }

    /// Whether some other symbol has a bar that ends after `end`: without one the whole market
    /// may be silent, and silence alone is no fault.
    fn others_go_on(&self, end: MarketTime) -> bool {
        self.alone || *self.newest.borrow() > end
    }
}

/// The regular session open at `now`: by the contract's own hours, else by the calendar.
pub fn session(contract: &Contract, calendar: Calendar, now: MarketTime) -> Option<Window> {
    let hours = &contract.liquid_hours;
    if hours.is_open(now).is_some() {
        return hours.window(now);
    }
    match calendar.day(calendar.date_of(now)) {
        Day::Open(session) if session.open <= now && now < session.close => Some(session),
        Day::Open(_) | Day::Closed | Day::Unknown => None,
    }
}

/// How long a symbol has been without bars while others had them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Silence {
    /// The session open now.
    pub(super) session: Option<Window>,
    /// End of the newest bar, closed or forming.
    pub(super) last_end: Option<MarketTime>,
    /// Broker time.
    pub(super) now: MarketTime,
    /// Time since the stream said anything, by this machine.
    pub(super) quiet: Duration,
    /// Size of a bar.
    pub(super) bar: Duration,
}

impl Silence {
    /// The age of the newest bar where it means that the stream is stalled.
    pub(super) fn stalled(&self, pulse: &Pulse) -> Option<Duration> {
        // Before the open there was nothing to be heard.
        let since = self.session?.open.max(self.last_end.unwrap_or(MarketTime::MIN));
        let age = self.now.since(since);
        let alone = age > self.bar * BARS_MISSED && pulse.others_go_on(since);
        let all = age > self.bar * BARS_MISSED_BY_ALL;
        (self.quiet >= QUIET_AT_LEAST && (alone || all)).then_some(age)
    }
}

/// When a silent symbol was last subscribed anew, and how long it must wait for the next time.
#[derive(Debug, Default)]
pub struct Again(Option<(Instant, Duration)>);

impl Again {
    /// Whether it may be subscribed anew now; if so, the next wait is twice as long, or the first
    /// one again after a good while without silence.
    pub(super) fn may(&mut self, now: Instant) -> bool {
        let (first, longest) = AGAIN_AFTER;
        let wait = match self.0 {
            Some((at, wait)) if now < at + wait => return false,
            Some((at, wait)) if now < at + 3 * wait => (2 * wait).min(longest),
            Some(_) | None => first,
        };
        self.0 = Some((now, wait));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> MarketTime {
        MarketTime::from_secs(minute * 60)
    }

    fn silence(last_end: i64, now: i64) -> Silence {
        let session = Some(Window { open: at(570), close: at(960) });
        let quiet = Duration::from_secs(60);
        Silence { session, last_end: Some(at(last_end)), now: at(now), quiet, bar: Duration::from_secs(60) }
    }

    #[test]
    fn a_symbol_is_stalled_when_others_go_on_without_it() {
        let pulse = Pulse::new(2);
        pulse.heard(at(600));
        assert_eq!(silence(600, 604).stalled(&pulse), None, "everything is quiet");
        pulse.heard(at(604));
        assert_eq!(silence(600, 603).stalled(&pulse), None, "three bars may be missing");
        assert_eq!(silence(600, 604).stalled(&pulse), Some(Duration::from_secs(240)));
        assert_eq!(Silence { quiet: Duration::from_secs(29), ..silence(600, 604) }.stalled(&pulse), None);
        assert_eq!(Silence { session: None, ..silence(600, 604) }.stalled(&pulse), None, "closed");
        assert!(silence(600, 604).stalled(&Pulse::new(1)).is_some(), "nobody else can say");
        let silent = Pulse::new(2);
        silent.heard(at(600));
        assert_eq!(silence(600, 610).stalled(&silent), None);
        assert!(silence(600, 611).stalled(&silent).is_some(), "all of them, for too long");
    }

    #[test]
    fn the_night_counts_for_nothing() {
        let pulse = Pulse::new(2);
        pulse.heard(at(574));
        assert_eq!(silence(-480, 573).stalled(&pulse), None);
        assert_eq!(silence(-480, 574).stalled(&pulse), Some(Duration::from_secs(240)));
    }

    #[test]
    fn a_stock_that_nobody_trades_is_subscribed_anew_ever_more_rarely() {
        let begin = Instant::now();
        let mut again = Again::default();
        let minutes: Vec<u64> = (0..120).filter(|m| again.may(begin + Duration::from_secs(60 * m))).collect();
        assert_eq!(minutes, [0, 3, 9, 21, 45, 93]);
        assert!(again.may(begin + Duration::from_secs(86_400)));
        assert!(again.may(begin + Duration::from_secs(86_400 + 180)), "begun anew after a good while");
    }
}
