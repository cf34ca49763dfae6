//! Stories of the joined connection, on a paused clock with a dial that never leaves memory.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::*;

/// What the next attempts do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Script {
    Connect,
    Fail(Fault),
    Hang,
}
use Script::{Connect, Fail, Hang};

#[derive(Debug, thiserror::Error)]
#[error("scripted {0:?}")]
struct Failure(Fault);

/// Counts what is open, as sockets would be.
#[derive(Debug)]
struct Open(Arc<AtomicUsize>);

impl Open {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        assert_eq!(count.fetch_add(1, Ordering::SeqCst), 0, "two at once");
        Self(count.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[derive(Debug, Default)]
struct Scripted {
    script: Mutex<VecDeque<Script>>,
    dialled_at: Mutex<Vec<Instant>>,
    open: Arc<AtomicUsize>,
}

impl Scripted {
    fn new(script: &[Script]) -> Self {
        Self { script: Mutex::new(script.iter().copied().collect()), ..Self::default() }
    }
}

impl Dial for Scripted {
    type Session = Open;
    type Error = Failure;

    async fn dial(&self) -> Result<Open, Failure> {
        let open = Open::new(&self.open);
        self.dialled_at.lock().unwrap().push(Instant::now());
        let next = self.script.lock().unwrap().pop_front().unwrap_or(Hang);
        match next {
            Connect => Ok(open),
            Fail(fault) => Err(Failure(fault)),
            Hang => pending().await,
        }
    }

    fn fault(&self, error: &Failure) -> Fault {
        error.0
    }
}

const TRANSIENT: Script = Fail(Fault::Transient);

fn policy() -> Policy {
    Policy {
        backoff: BackoffPolicy { jitter: 0.0, ..BackoffPolicy::default() },
        breaker: BreakerPolicy { threshold: 3, timeout: Duration::from_secs(300), half_open_successes: 1 },
        dial_deadline: Duration::from_secs(15),
        human_interval: Duration::from_secs(600),
        expected_interval: Duration::from_secs(20),
        ..Policy::default()
    }
}

fn connection(script: &[Script]) -> RobustConnection<Scripted> {
    RobustConnection::new(Scripted::new(script), policy(), 1)
}

/// Seconds between the attempts made so far.
fn gaps(connection: &RobustConnection<Scripted>) -> Vec<u64> {
    let at = connection.dial().dialled_at.lock().unwrap();
    at.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect()
}

#[tokio::test(start_paused = true)]
async fn failures_back_off_then_open_the_breaker_then_one_probe_passes() {
    let mut connection = connection(&[TRANSIENT, TRANSIENT, TRANSIENT, TRANSIENT, Connect]);
    let session = connection.session().await.unwrap();
    // 1 s, 2 s; the third failure opens for 300 s; the probe fails and opens again.
    assert_eq!(gaps(&connection), [1, 2, 300, 300]);
    assert!(matches!(connection.breaker.state(), BreakerState::HalfOpen { successes: 0 }));
    connection.held();
    assert_eq!(connection.breaker.state(), BreakerState::Closed { failures: 0 });
    drop(session);
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_does_not_dial_at_all() {
    let mut connection = connection(&[TRANSIENT, TRANSIENT, TRANSIENT, Connect]);
    let state = connection.state();
    assert!(timeout(Duration::from_secs(302), connection.session()).await.is_err());
    assert_eq!(connection.dial().dialled_at.lock().unwrap().len(), 3);
    assert!(matches!(state.borrow().phase, Phase::Open { .. }));
    connection.session().await.unwrap();
    assert_eq!(gaps(&connection), [1, 2, 300]);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_attempt_ends_at_its_deadline_and_leaves_nothing_open() {
    let mut connection = connection(&[Hang, Hang, Connect]);
    let open = connection.dial().open.clone();
    let session = connection.session().await.unwrap();
    assert_eq!(gaps(&connection), [16, 17]);
    drop(session);
    assert_eq!(open.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_future_closes_what_is_half_open_and_keeps_the_wait() {
    let mut connection = connection(&[TRANSIENT, Hang, Connect]);
    let open = connection.dial().open.clone();
    assert!(timeout(Duration::from_millis(1), connection.session()).await.is_err());
    assert!(timeout(Duration::from_millis(10_500), connection.session()).await.is_err());
    assert_eq!(open.load(Ordering::SeqCst), 0);
    assert_eq!(gaps(&connection), [1]);
    // An attempt that we gave up ourselves is no failure of the peer.
    assert_eq!(connection.breaker.state(), BreakerState::Closed { failures: 1 });
    connection.session().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_planned_outage_waits_without_counting() {
    let mut script = vec![Fail(Fault::Expected); 10];
    script.push(Connect);
    let mut connection = connection(&script);
    connection.session().await.unwrap();
    assert_eq!(gaps(&connection), [20; 10]);
    assert_eq!(connection.breaker.state(), BreakerState::Closed { failures: 0 });
}

#[tokio::test(start_paused = true)]
async fn a_fault_for_a_person_is_probed_slowly() {
    let mut script = vec![Fail(Fault::NeedsHuman); 5];
    script.push(Connect);
    let mut connection = connection(&script);
    connection.session().await.unwrap();
    assert_eq!(gaps(&connection), [600; 5]);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_needs_a_person_opens_the_breaker_again() {
    let mut connection = connection(&[TRANSIENT, TRANSIENT, TRANSIENT, Fail(Fault::NeedsHuman), Connect]);
    connection.session().await.unwrap();
    assert_eq!(gaps(&connection), [1, 2, 300, 600]);
}

#[tokio::test(start_paused = true)]
async fn a_fatal_fault_returns_at_once() {
    let mut connection = connection(&[TRANSIENT, Fail(Fault::Fatal)]);
    let error = connection.session().await.unwrap_err();
    assert_eq!((error.attempts, error.source.0), (2, Fault::Fatal));
    assert!(matches!(connection.state().borrow().phase, Phase::Failed { .. }));
}

#[tokio::test(start_paused = true)]
async fn sessions_that_never_become_ready_count_for_the_breaker() {
    let mut connection = connection(&[Connect; 4]);
    for _ in 0..3 {
        drop(connection.session().await.unwrap());
        connection.lost("no answer to the snapshot", true);
    }
    assert!(matches!(connection.breaker.state(), BreakerState::Open { .. }));
    drop(connection.session().await.unwrap());
    assert_eq!(gaps(&connection), [1, 2, 300]);
}

#[tokio::test(start_paused = true)]
async fn a_half_open_probe_that_is_lost_before_it_is_held_opens_again() {
    let mut connection = connection(&[TRANSIENT, TRANSIENT, TRANSIENT, Connect, Connect]);
    drop(connection.session().await.unwrap());
    connection.lost("closed by the peer", false);
    assert!(matches!(connection.breaker.state(), BreakerState::Open { .. }));
}

#[tokio::test(start_paused = true)]
async fn losing_a_held_session_waits_but_does_not_count() {
    let mut connection = connection(&[Connect, Connect, Connect, Connect]);
    for _ in 0..2 {
        let session = connection.session().await.unwrap();
        connection.held();
        drop(session);
        connection.lost("peer closed", false);
    }
    // A session that came and went is asked for ever more slowly …
    let session = connection.session().await.unwrap();
    assert_eq!(gaps(&connection), [1, 2]);
    assert_eq!(connection.breaker.state(), BreakerState::Closed { failures: 0 });
    connection.held();
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    drop(session);
    // … one that stood for an hour is asked for at once.
    connection.lost("peer closed", false);
    drop(connection.session().await.unwrap());
    assert_eq!(gaps(&connection), [1, 2, 3_601]);
}

#[tokio::test(start_paused = true)]
async fn a_session_given_up_without_a_word_is_taken_as_lost() {
    let mut connection = connection(&[Connect, Connect]);
    drop(connection.session().await.unwrap());
    drop(connection.session().await.unwrap());
    assert_eq!(gaps(&connection), [1]);
    assert_eq!(connection.breaker.state(), BreakerState::Closed { failures: 1 });
    assert_eq!(connection.state().borrow().sessions, 2);
}

#[tokio::test(start_paused = true)]
async fn the_published_state_tells_the_story() {
    let mut connection = connection(&[TRANSIENT, Connect]);
    let state = connection.state();
    assert_eq!(state.borrow().phase, Phase::Idle);
    assert!(timeout(Duration::from_millis(1), connection.session()).await.is_err());
    {
        let now = state.borrow();
        assert!(matches!(&now.phase, Phase::BackingOff { attempt: 1, wait, fault: Fault::Transient, .. }
            if *wait == Duration::from_secs(1)));
        assert_eq!(now.last_error.as_deref(), Some("scripted Transient"));
        assert_eq!(now.breaker, BreakerState::Closed { failures: 1 });
    }
    let session = connection.session().await.unwrap();
    assert_eq!((state.borrow().phase.clone(), state.borrow().attempts), (Phase::Connected, 2));
    connection.held();
    assert_eq!((state.borrow().phase.clone(), state.borrow().attempts), (Phase::Held, 0));
    drop(session);
    connection.lost("farewell", false);
    assert!(matches!(&state.borrow().phase, Phase::Lost { why, .. } if why == "farewell"));
}

#[tokio::test(start_paused = true)]
async fn equal_seeds_dial_at_equal_instants() {
    let mut stories = Vec::new();
    for seed in [5, 5, 6] {
        let policy = Policy {
            backoff: BackoffPolicy { jitter: 0.5, ..BackoffPolicy::default() },
            breaker: BreakerPolicy { threshold: 100, ..BreakerPolicy::default() },
            ..policy()
        };
        let mut script = vec![TRANSIENT; 8];
        script.push(Connect);
        let mut connection = RobustConnection::new(Scripted::new(&script), policy, seed);
        let start = Instant::now();
        drop(connection.session().await.unwrap());
        let at = connection.dial().dialled_at.lock().unwrap();
        stories.push(at.iter().map(|at| (*at - start).as_millis()).collect::<Vec<_>>());
    }
    assert_eq!(stories[0], stories[1]);
    assert_ne!(stories[0], stories[2]);
}
