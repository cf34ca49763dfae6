//! Follows the connection and the layers of health, and tells what has changed.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use super::Board;
use super::told::Kind;
use super::views::LinkView;
use crate::clock::wall_now;
use crate::domain::MarketTime;
use crate::robust_connection::{ConnectionState, Phase};
use crate::runner::outlook::Outlook;
use crate::runner::view::DeskView;

/// Time between two looks at what does not tell of its changes itself.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What a desk shows of itself.
type Shows = watch::Receiver<Arc<DeskView>>;

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
        let (mut connection, mut shown) = (outlook.connection.clone(), outlook.shown.clone());
        let mut desk = shown.borrow_and_update().clone();
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
                // A lock is told with its consequence, not half a second before it.
                () = desk_moves(&mut shown, &mut desk) => {}
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

/// Waits until the desk shows something else than before; for ever where no desk will.
async fn desk_moves(shown: &mut watch::Receiver<Option<Shows>>, desk: &mut Option<Shows>) {
    let moves = async {
        match desk {
            Some(desk) => desk.changed().await,
            None => pending().await,
        }
    };
    tokio::select! {
        Ok(()) = shown.changed() => *desk = shown.borrow_and_update().clone(),
        Ok(()) = moves => {}
        else => pending().await,
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
        halts_waiting: outlook.early.words(),
        layers: outlook.layers.view(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::operator::Order;
    use crate::domain::book::LockCause;
    use crate::runner::early::Early;
    use crate::runner::layers::Layers;
    use crate::runner::view::{LockView, tests_view};

    /// What can be seen of a daemon without a session, with what may wait for one.
    fn sessionless(early: Early, shown: watch::Receiver<Option<Shows>>) -> Outlook {
        Outlook {
            // Its sender is gone, which ends whoever follows.
            connection: watch::channel(ConnectionState::idle()).1,
            shown,
            early,
            layers: Layers::new(Default::default()),
            dashboard: Arc::default(),
            permitted: Arc::default(),
            stats: Arc::default(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_halt_that_waits_for_the_first_session_is_told_and_told_no_more_once_it_is_in_force() {
        let dir = tempfile::tempdir().unwrap();
        let early = Early::new(vec!["AAPL".parse().unwrap()], dir.path());
        let (_connection, connection) = watch::channel(ConnectionState::idle());
        let outlook = Outlook { connection, ..sessionless(early.clone(), watch::channel(None).1) };
        let board = Board::new();
        let (snapshot, _, mut deltas) = board.snapshot();
        assert!(snapshot.connection.is_none());
        let mut follows = tokio::task::JoinSet::new();
        follows.spawn(Arc::clone(&board).follow(outlook));
        let mut waits = async || {
            deltas.recv().await.unwrap();
            board.snapshot().0.connection.unwrap().halts_waiting.clone()
        };
        assert_eq!(waits().await, Vec::<String>::new());
        assert!(early.keep(&Order::Halt { symbol: None, reason: "news".to_owned() }).unwrap().ok);
        assert_eq!(waits().await, ["account, from the first session on: news"]);
        assert!(early.end(drop));
        assert_eq!(waits().await, Vec::<String>::new());
    }

    #[tokio::test(start_paused = true)]
    async fn a_lock_and_a_desk_that_is_new_are_told_at_once() {
        let (_connection, connection) = watch::channel(ConnectionState::idle());
        let (shown, shown_out) = watch::channel(None);
        let outlook = Outlook { connection, ..sessionless(Early::over(), shown_out) };
        let board = Board::new();
        let mut follows = tokio::task::JoinSet::new();
        follows.spawn(Arc::clone(&board).follow(outlook));
        // While this looks again and again, no time passes: nothing is told because it was its time.
        let told = async |word: &str| {
            let began = Instant::now();
            for _ in 0..1_000 {
                if board.snapshot().0.connection.is_some_and(|link| link.trading == word) {
                    assert_eq!(began.elapsed(), Duration::ZERO, "{word}");
                    return;
                }
                tokio::task::yield_now().await;
            }
            panic!("never told: {word}");
        };
        told("no: no session was Ready yet").await;
        let (view, view_out) = watch::channel(Arc::new(tests_view()));
        shown.send_replace(Some(view_out));
        told("yes").await;
        let lock = LockView {
            what: "account".to_owned(),
            cause: LockCause::Operator,
            why: "lunch".to_owned(),
            since: MarketTime::from_secs(1),
            ends: "robo-trader resume".to_owned(),
            ends_itself: false,
        };
        view.send_replace(Arc::new(DeskView { locks: vec![lock], ..tests_view() }));
        told("exits only: locked").await;
        view.send_replace(Arc::new(tests_view()));
        told("yes").await;
    }
}
