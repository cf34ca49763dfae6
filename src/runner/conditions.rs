//! What lasts and is no fact: a session that cannot be had, a desk that does not answer. Both are told once, and again
//! until they end.

use std::time::Duration;

use tokio::time::Instant;

use super::alive;
use crate::notify::{Lasting, Level, Notice};
use crate::robust_connection::{ConnectionState, Fault, Phase};

/// The condition that a connection is which needs a human.
const CONNECTION: &str = "connection";
/// The condition that a stuck desk is.
const DESK: &str = "desk";

/// See the module.
#[derive(Debug)]
pub(super) struct Conditions {
    /// Without a session for longer than this, somebody is told; `None`: never.
    after: Option<Duration>,
    /// Since when no session is held; a planned outage begins it anew, for what comes back after it needs its time, too.
    without: Option<Instant>,
    /// The breaker was told to be open since a session was held last.
    open: bool,
    /// Somebody was told that only a human can get a session.
    asking: bool,
    /// Somebody was told that there is none.
    absent: bool,
    /// Somebody was told that the desk is stuck.
    stuck: bool,
}

impl Conditions {
    /// Of a daemon that begins now, without a session.
    pub(super) fn new(after: Option<Duration>, now: Instant) -> Self {
        Self { after, without: Some(now), open: false, asking: false, absent: false, stuck: false }
    }

    /// Whether a human is needed.
    pub(super) fn need_human(&self) -> bool {
        self.asking || self.absent
    }

    /// Takes a look at how things are; what is to be told of it. `planned`: an expected outage is on.
    pub(super) fn look(
        &mut self,
        connection: &ConnectionState,
        answered: Option<Instant>,
        planned: bool,
        now: Instant,
    ) -> Vec<Notice> {
        let mut told = Vec::new();
        let phase = &connection.phase;
        // One that is had again and again and never gets ready is none: only a held one ends the want of it.
        let held = matches!(phase, Phase::Held);
        let there = held || (matches!(phase, Phase::Connected) && !self.absent);
        self.without = if held { None } else { self.without.filter(|_| !planned).or(Some(now)) };
        let opens = matches!(phase, Phase::Open { .. });
        if opens && !self.open {
            let text = "the circuit breaker is open: too many attempts in a row have failed".to_owned();
            told.push(Notice { planned, ..notice("connection.breaker_open", Level::Warning, text) });
        }
        self.open = opens || (self.open && !matches!(phase, Phase::Held));
        match needs_human(phase) {
            Some(error) if !self.asking => {
                self.asking = true;
                let text = format!("no session without a human: {error}");
                told.push(lasting(true, CONNECTION, notice("connection.needs_human", Level::Critical, text)));
            }
            Some(_) => {}
            None if there && self.need_human() => {
                (self.asking, self.absent) = (false, false);
                let text = "a session was had again".to_owned();
                told.push(lasting(false, CONNECTION, notice("connection.back", Level::Info, text)));
            }
            None => told.extend(self.absence(connection, now)),
        }
        told.extend(self.desk(answered, now));
        told
    }

    /// Too long without a session, and nobody has been told that it takes a human.
    fn absence(&mut self, connection: &ConnectionState, now: Instant) -> Option<Notice> {
        let (after, for_) = (self.after?, now.saturating_duration_since(self.without?));
        if self.need_human() || for_ < after {
            return None;
        }
        self.absent = true;
        let last = connection.last_error.as_deref().map(|error| format!(": {error}")).unwrap_or_default();
        let text = format!(
            "no session for {} minutes{last}; see that TWS or the gateway runs and is logged in, then robo-trader status",
            for_.as_secs() / 60
        );
        Some(lasting(true, CONNECTION, notice("connection.absent", Level::Critical, text)))
    }

    fn desk(&mut self, answered: Option<Instant>, now: Instant) -> Option<Notice> {
        let stuck = !alive::lives(answered, now);
        if stuck == std::mem::replace(&mut self.stuck, stuck) {
            return None;
        }
        Some(match answered {
            Some(at) if stuck => {
                let for_s = now.saturating_duration_since(at).as_secs();
                let text = format!(
                    "the desk has not answered for {for_s} s: nothing is decided; look at the log and the disk"
                );
                lasting(true, DESK, notice("desk.stuck", Level::Critical, text))
            }
            _ => lasting(false, DESK, notice("desk.back", Level::Info, "the desk answers again".to_owned())),
        })
    }
}

/// Why a human is needed for a session, where one is.
fn needs_human(phase: &Phase) -> Option<&str> {
    match phase {
        Phase::BackingOff { error, fault: Fault::NeedsHuman, .. } | Phase::Failed { error } => Some(error),
        _ => None,
    }
}

fn lasting(begins: bool, condition: &str, notice: Notice) -> Notice {
    let condition = condition.to_owned();
    Notice { lasts: Some(if begins { Lasting::Begins(condition) } else { Lasting::Ends(condition) }), ..notice }
}

pub(super) fn notice(kind: &str, level: Level, text: String) -> Notice {
    Notice { kind: kind.to_owned(), symbol: None, level, text, at: None, planned: false, lasts: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(phase: Phase) -> ConnectionState {
        ConnectionState { phase, last_error: Some("connection refused".to_owned()), ..ConnectionState::idle() }
    }

    fn kinds(told: &[Notice]) -> Vec<(&str, Level)> {
        told.iter().map(|notice| (notice.kind.as_str(), notice.level)).collect()
    }

    #[test]
    fn a_gateway_that_stays_away_needs_a_human_but_not_in_a_planned_window() {
        let begin = Instant::now();
        let at = |minutes: u64| begin + Duration::from_secs(60 * minutes);
        let mut conditions = Conditions::new(Some(Duration::from_secs(600)), begin);
        let away = state(Phase::Dialing { attempt: 7, probe: false });
        assert_eq!(kinds(&conditions.look(&away, None, false, at(9))), []);
        assert_eq!(kinds(&conditions.look(&away, None, true, at(10))), [], "it is expected");
        assert_eq!(kinds(&conditions.look(&away, None, true, at(40))), [], "however long it lasts");
        assert_eq!(kinds(&conditions.look(&away, None, false, at(41))), [], "a window's end is no alarm");
        assert!(!conditions.need_human());
        let told = conditions.look(&away, None, false, at(51));
        assert_eq!(kinds(&told), [("connection.absent", Level::Critical)]);
        assert!(told[0].text.contains("11 minutes: connection refused"), "{}", told[0].text);
        assert!(matches!(told[0].lasts, Some(Lasting::Begins(_))) && conditions.need_human());
        assert_eq!(kinds(&conditions.look(&away, None, false, at(52))), [], "it is repeated by who tells it");
        assert_eq!(
            kinds(&conditions.look(&state(Phase::Held), None, false, at(53))),
            [("connection.back", Level::Info)]
        );
        assert!(!conditions.need_human());
        // Lost again: counted from there.
        assert_eq!(kinds(&conditions.look(&away, None, false, at(60))), []);
        assert_eq!(kinds(&conditions.look(&away, None, false, at(69))), []);
        assert_eq!(kinds(&conditions.look(&away, None, false, at(70))), [("connection.absent", Level::Critical)]);
    }

    #[test]
    fn a_session_that_is_had_again_and_again_and_never_gets_ready_is_none() {
        let begin = Instant::now();
        let at = |minutes: u64| begin + Duration::from_secs(60 * minutes);
        let mut conditions = Conditions::new(Some(Duration::from_secs(600)), begin);
        let (connected, lost) = (state(Phase::Connected), state(Phase::Dialing { attempt: 1, probe: false }));
        for minute in 0..5 {
            assert_eq!(kinds(&conditions.look(&connected, None, false, at(2 * minute))), []);
            assert_eq!(kinds(&conditions.look(&lost, None, false, at(2 * minute + 1))), []);
        }
        assert_eq!(kinds(&conditions.look(&connected, None, false, at(10))), [("connection.absent", Level::Critical)]);
        assert_eq!(kinds(&conditions.look(&connected, None, false, at(11))), []);
        assert!(conditions.need_human());
        assert_eq!(
            kinds(&conditions.look(&state(Phase::Held), None, false, at(12))),
            [("connection.back", Level::Info)]
        );
    }

    #[test]
    fn a_stuck_desk_is_told_once_and_its_end_too() {
        let begin = Instant::now();
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        let (mut conditions, held) = (Conditions::new(None, begin), state(Phase::Held));
        assert_eq!(kinds(&conditions.look(&held, None, false, at(500))), [], "there is none yet");
        assert_eq!(kinds(&conditions.look(&held, Some(at(500)), false, at(529))), []);
        let told = conditions.look(&held, Some(at(500)), false, at(535));
        assert_eq!(kinds(&told), [("desk.stuck", Level::Critical)]);
        assert!(told[0].text.contains("35 s"), "{}", told[0].text);
        assert_eq!(kinds(&conditions.look(&held, Some(at(500)), false, at(600))), []);
        assert_eq!(kinds(&conditions.look(&held, Some(at(601)), false, at(602))), [("desk.back", Level::Info)]);
    }
}
