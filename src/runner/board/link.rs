//! Follows the connection and the layers of health, and tells what has changed.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use super::Board;
use super::told::Kind;
use super::views::LinkView;
use crate::clock::wall_now;
use crate::domain::MarketTime;
use crate::robust_connection::{ConnectionState, Phase};
use crate::runner::outlook::Outlook;

/// Time between two looks at what does not tell of its changes itself.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The parts of the view that are instants: computed once a state, for a clock would make each look differ.
struct Instants {
    state: ConnectionState,
    since: MarketTime,
    next_attempt_at: Option<MarketTime>,
}

impl Instants {
    fn of(state: ConnectionState) -> Self {
        let (now, wall) = (Instant::now(), wall_now());
        let until = match &state.phase {
            Phase::BackingOff { until, .. } | Phase::Open { until } | Phase::Lost { until, .. } => Some(*until),
            Phase::Idle | Phase::Dialing { .. } | Phase::Connected | Phase::Held | Phase::Failed { .. } => None,
        };
        Self {
            since: wall - now.saturating_duration_since(state.since),
            next_attempt_at: until.map(|until| wall + until.saturating_duration_since(now)),
            state,
        }
    }
}

impl Board {
    /// Follows for ever.
    pub(in crate::runner) async fn follow(self: Arc<Self>, outlook: Outlook) {
        let mut connection = outlook.connection.clone();
        let mut instants = Instants::of(connection.borrow_and_update().clone());
        let mut tick = tokio::time::interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                changed = connection.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                _ = tick.tick() => {}
            }
            let state = connection.borrow_and_update().clone();
            if state != instants.state {
                instants = Instants::of(state);
            }
            self.linked(view(&outlook, &instants));
        }
    }

    fn linked(&self, link: LinkView) {
        let mut state = self.state();
        if state.link.as_deref() != Some(&link) {
            self.feed.tell(Kind::Connection, None, &link);
            state.link = Some(Arc::new(link));
        }
    }
}

fn view(outlook: &Outlook, instants: &Instants) -> LinkView {
    let (state, trading) = (&instants.state, outlook.trading());
    LinkView {
        trading: trading.word,
        trading_since: trading.since,
        reason_since: trading.reason_since,
        phase: state.phase.as_str(),
        since: instants.since,
        breaker: state.breaker.as_str(),
        attempts: state.attempts,
        sessions: state.sessions,
        lost: state.lost,
        dials: state.dials,
        next_attempt_at: instants.next_attempt_at,
        last_error: state.last_error.clone(),
        outage: outlook.outage(),
        layers: outlook.layers.view(),
    }
}
