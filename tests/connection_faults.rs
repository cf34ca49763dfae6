//! What is wrong with a gateway has a name each, and no failed attempt leaves a socket behind.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod connection_support;

use std::time::Duration;

use connection_support::{Fake, Habit, PATIENCE, accounts, config, error, next_id};
use robo_trader::clock::wall_now;
use robo_trader::domain::broker::{AccountId, Venue};
use robo_trader::domain::order::Role;
use robo_trader::domain::{Contract, ContractId, Hours, OrderKind, PriceRule, Shares, Side, Ticket, TimeInForce};
use robo_trader::robust_connection::{BackoffPolicy, BreakerPolicy, Dial, Fault, Policy, RobustConnection};
use robo_trader::tws::{DialError, FarmState, Gateway, Notice, SendError, Session, StreamEnd, TwsConfig, sockets};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

/// One attempt against a gateway with this habit.
async fn dial(habit: Habit) -> (DialError, Fault) {
    let fake = Fake::start(habit).await;
    attempt(fake.config()).await
}

async fn attempt(config: TwsConfig) -> (DialError, Fault) {
    let port = config.port;
    let gateway = Gateway::new(config);
    let error = timeout(PATIENCE, gateway.dial()).await.unwrap().unwrap_err();
    no_socket_left(port).await;
    let fault = gateway.fault(&error);
    (error, fault)
}

/// Waits until no socket of ours is left at the port (Linux; elsewhere there is no list).
async fn no_socket_left(port: u16) {
    let gone = async {
        while sockets::to_port(port).is_some_and(|open| !open.is_empty()) {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, gone).await.unwrap();
}

#[tokio::test]
async fn nobody_listening_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let (error, fault) = attempt(config(port)).await;
    assert!(matches!(error, DialError::Refused { .. }), "{error}");
    assert_eq!(fault, Fault::Transient);
}

#[tokio::test]
async fn an_unanswered_handshake_is_told_from_an_unreachable_host() {
    let (error, fault) = dial(Habit::Mute).await;
    assert!(matches!(error, DialError::HandshakeSilent { .. }), "{error}");
    assert_eq!(fault, Fault::Transient);
}

#[tokio::test]
async fn a_host_without_a_name_is_unreachable() {
    let unknown = TwsConfig { host: "gateway.invalid".into(), connect_within: PATIENCE, ..config(4_002) };
    let (error, _) = attempt(unknown).await;
    assert!(matches!(error, DialError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_close_during_the_handshake_is_told() {
    let (error, fault) = dial(Habit::Close).await;
    assert!(matches!(error, DialError::ClosedEarly { .. }), "{error}");
    assert_eq!(fault, Fault::Transient);
}

#[tokio::test]
async fn another_service_is_no_gateway() {
    for bytes in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], &b"SSH-2.0-OpenSSH_9.6\r\n"[..], &b"\0\0\0\x05hello"[..]] {
        let fake = Fake::start(Habit::Bytes(bytes)).await;
        let gateway = Gateway::new(fake.config());
        // One such answer may be a frame that was damaged on its way.
        for expected in [Fault::Transient, Fault::Fatal] {
            let error = timeout(PATIENCE, gateway.dial()).await.unwrap().unwrap_err();
            assert!(matches!(error, DialError::NotAGateway { .. }), "{error}");
            assert_eq!(gateway.fault(&error), expected);
        }
    }
}

#[tokio::test]
async fn an_old_gateway_is_fatal() {
    let (error, fault) = dial(Habit::Speak(178, vec![])).await;
    assert!(matches!(error, DialError::ServerTooOld { .. }), "{error}");
    assert_eq!(fault, Fault::Fatal);
}

#[tokio::test]
async fn a_taken_client_id_is_tried_again() {
    let taken = "Unable to connect as the client id is already in use. Retry with a unique client id.";
    let (error, fault) = dial(Habit::Speak(222, vec![error(326, taken)])).await;
    assert!(matches!(error, DialError::ClientIdInUse { client_id: 7, .. }), "{error}");
    assert_eq!(fault, Fault::Transient);
}

#[tokio::test]
async fn an_acknowledgement_without_an_order_id_or_accounts_is_not_enough() {
    let farm = || error(2104, "Market data farm connection is OK:usfarm");
    let (neither, _) = dial(Habit::Speak(222, (0..=100).map(|_| farm()).collect())).await;
    assert!(matches!(neither, DialError::NoOrderId), "{neither}");
    let (zero, _) = dial(Habit::Speak(222, vec![next_id(0), accounts("DU1234567")])).await;
    assert!(matches!(zero, DialError::NoOrderId), "{zero}");
    let (nobody, fault) = dial(Habit::Speak(222, vec![next_id(1), accounts("")])).await;
    assert!(matches!(nobody, DialError::NoAccount), "{nobody}");
    assert_eq!(fault, Fault::Transient);
}

#[tokio::test]
async fn the_wrong_account_is_fatal_and_names_both() {
    let fake = Fake::start(Habit::Speak(222, vec![next_id(1), accounts("DU1234567,DU7654321")])).await;
    let wrong = TwsConfig { account: Some(AccountId("U42".into())), ..fake.config() };
    let (error, fault) = attempt(wrong).await;
    assert!(matches!(error, DialError::AccountMismatch { .. }), "{error}");
    assert!(error.to_string().contains("U42") && error.to_string().contains("DU7654321"), "{error}");
    assert_eq!(fault, Fault::Fatal);
    let (error, fault) = attempt(fake.config()).await;
    assert!(matches!(error, DialError::AmbiguousAccount { .. }), "{error}");
    assert_eq!(fault, Fault::Fatal);
}

#[tokio::test]
async fn a_gateway_that_does_not_tell_its_time_does_not_work() {
    let (error, fault) = dial(Habit::Speak(222, vec![next_id(1), accounts("DU1234567")])).await;
    assert!(matches!(error, DialError::TimeSilent { .. }), "{error}");
    assert_eq!(fault, Fault::Transient);
}

#[tokio::test]
async fn a_broker_clock_far_from_ours_needs_a_person() {
    let frames = vec![next_id(1), accounts("DU1234567")];
    let (error, fault) = dial(Habit::Time(frames, wall_now().millis() - 3_600_000)).await;
    assert!(matches!(error, DialError::ClockSkew { .. }), "{error}");
    assert_eq!(fault, Fault::NeedsHuman);
}

#[tokio::test]
async fn a_gateway_that_is_no_simulator_is_ibkr_and_its_handshake_notices_are_kept() {
    let farm = error(2104, "Market data farm connection is OK:usfarm");
    let fake = Fake::start(Habit::Time(vec![farm, next_id(42), accounts("DU1234567")], wall_now().millis())).await;
    let session = timeout(PATIENCE, Gateway::new(fake.config()).dial()).await.unwrap().unwrap();
    assert_eq!((session.venue(), session.next_order_id()), (&Venue::Ibkr, 42));
    assert_eq!((&*session.account().0, session.server_version()), ("DU1234567", 222));
    let mut notices = session.take_notices().unwrap();
    assert!(session.take_notices().is_none());
    let Some(Notice::Farm(farm)) = notices.next().await else { panic!("the farm's notice came first") };
    assert_eq!((farm.name.as_str(), farm.state), ("usfarm", FarmState::Ok));
    session.close().await;
    no_socket_left(fake.address.port()).await;
    assert_eq!(notices.next().await, None);
    assert!(session.take_orders().unwrap().next().await.is_err());
    assert!(session.server_time().await.is_err());
}

/// Sockets of ours to the port right now, where the system lists them.
fn open_sockets(port: u16) -> usize {
    sockets::to_port(port).map_or(0, |open| open.len())
}

#[tokio::test]
async fn a_hundred_attempts_at_a_mute_gateway_leave_no_socket() {
    if sockets::to_port(1).is_none() {
        println!("skipped: this system does not list its sockets");
        return;
    }
    let fake = Fake::start(Habit::Mute).await;
    let port = fake.address.port();
    // Half of them end by the gateway's own deadline, half by the connection's.
    for (connect_ms, dial_ms) in [(5, 1_000), (1_000, 5)] {
        let gateway = Gateway::new(TwsConfig { connect_within: Duration::from_millis(connect_ms), ..fake.config() });
        let pause = Duration::from_millis(1);
        let policy = Policy {
            backoff: BackoffPolicy { base: pause, cap: pause, ..BackoffPolicy::default() },
            breaker: BreakerPolicy { threshold: u32::MAX, ..BreakerPolicy::default() },
            dial_deadline: Duration::from_millis(dial_ms),
            ..Policy::default()
        };
        let mut connection = RobustConnection::new(gateway, policy, 1);
        let mut state = connection.state();
        let attempts = async {
            let dialling = connection.session();
            let watching = state.wait_for(|now| now.attempts > 50);
            tokio::pin!(dialling);
            tokio::pin!(watching);
            loop {
                tokio::select! {
                    session = &mut dialling => panic!("a session with a mute gateway: {session:?}"),
                    enough = &mut watching => break drop(enough),
                    () = sleep(Duration::from_millis(1)) => assert!(open_sockets(port) <= 1, "two at once"),
                }
            }
        };
        timeout(PATIENCE, attempts).await.unwrap();
        drop(connection);
        assert_eq!(open_sockets(port), 0);
    }
}

#[tokio::test]
async fn an_attempt_given_up_during_the_readiness_check_leaves_no_socket() {
    let fake = Fake::start(Habit::Speak(222, vec![next_id(1), accounts("DU1234567")])).await;
    let gateway = Gateway::new(TwsConfig { reply_within: PATIENCE, ..fake.config() });
    for _ in 0..20 {
        assert!(timeout(Duration::from_millis(20), gateway.dial()).await.is_err());
    }
    no_socket_left(fake.address.port()).await;
}

#[tokio::test]
async fn a_message_that_cannot_be_written_in_time_ends_the_session() {
    let frames = vec![next_id(1), accounts("DU1234567")];
    let fake = Fake::start(Habit::Deaf(frames, wall_now().millis())).await;
    let fast = TwsConfig { message_rate: u32::MAX, send_within: Duration::from_millis(50), ..fake.config() };
    let session = timeout(PATIENCE, Gateway::new(fast).dial()).await.unwrap().unwrap();
    let mut orders = session.take_orders().unwrap();
    let (contract, ticket) = long_order(&session);
    // The system's buffers take a while to fill.
    let filling = async {
        for order_id in 1.. {
            if let Err(error) = session.submit(&Ticket { order_id, ..ticket.clone() }, &contract).await {
                return error;
            }
        }
        unreachable!("buffers are finite")
    };
    let error = timeout(PATIENCE, filling).await.unwrap();
    assert!(matches!(error, SendError::Deadline { .. }), "{error}");
    assert!(!error.never_left(), "half of it may be out");
    session.close().await;
    assert!(matches!(orders.next().await, Err(StreamEnd::SessionLost { .. })));
    no_socket_left(fake.address.port()).await;
}

/// An order whose group has a very long name.
fn long_order(session: &Session) -> (Contract, Ticket) {
    let contract = Contract {
        id: ContractId(265_598),
        symbol: "AAPL".parse().unwrap(),
        security_type: "STK".into(),
        exchange: "SMART".into(),
        primary_exchange: "NASDAQ".into(),
        currency: "USD".into(),
        local_symbol: "AAPL".into(),
        trading_class: "NMS".into(),
        price_rule: PriceRule::new(vec![]),
        time_zone: "US/Eastern".into(),
        trading_hours: Hours::default(),
        liquid_hours: Hours::default(),
    };
    let ticket = Ticket {
        order_id: 1,
        order_ref: "rt-test-1".parse().unwrap(),
        account: session.account().clone(),
        contract: contract.id,
        role: Role::Exit,
        side: Side::Sell,
        quantity: Shares(1),
        kind: OrderKind::Market,
        tif: TimeInForce::Day,
        outside_rth: false,
        oca_group: Some("x".repeat(100_000).into()),
        parent_id: None,
        transmit: true,
    };
    (contract, ticket)
}
