//! The gateway module against the simulator: a real session over TCP, in real time.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod connection_support;

use std::net::SocketAddr;
use std::time::Duration;

use connection_support::PATIENCE;
use robo_trader::domain::broker::{BrokerStatus, OrderNews, OrderUpdate, Venue};
use robo_trader::domain::order::Role;
use robo_trader::domain::{
    Bar, BarSize, Contract, HistoryDuration, HistoryRequest, OrderKind, OrderRef, Price, Rounding, Shares, Side,
    Ticket, TimeInForce, WhatToShow,
};
use robo_trader::robust_connection::{BackoffPolicy, BreakerState, Dial, Phase, Policy, RobustConnection, health};
use robo_trader::simulator::{Running, SimulatorConfig, Speed, start};
use robo_trader::tws::{
    BarItem, ContractError, DialError, FarmState, Gateway, Notice, OrderItem, OrderStream, SendError, Session,
    StreamEnd, TwsConfig,
};
use rust_decimal::Decimal;
use tokio::time::timeout;

fn simulated() -> SimulatorConfig {
    SimulatorConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        message_rate: 0,
        pacing: false,
        speed: Speed::Times(20.0),
        ..SimulatorConfig::default()
    }
}

fn config(address: SocketAddr) -> TwsConfig {
    TwsConfig {
        port: address.port(),
        client_id: 7,
        connect_within: PATIENCE,
        reply_within: PATIENCE,
        send_within: PATIENCE,
        message_rate: 1_000,
        historical_pacing: false,
        ..TwsConfig::default()
    }
}

async fn session(running: &Running) -> Session {
    timeout(PATIENCE, Gateway::new(config(running.address)).dial()).await.unwrap().unwrap()
}

async fn aapl(session: &Session) -> Contract {
    session.contract(&"AAPL".parse().unwrap()).await.unwrap()
}

fn request(size: BarSize, duration: &str) -> HistoryRequest {
    HistoryRequest {
        duration: duration.parse().unwrap(),
        size,
        show: WhatToShow::Trades,
        regular_only: false,
        end: None,
    }
}

fn check(bars: &[Bar]) {
    let mut previous = None;
    for bar in bars {
        bar.check(previous).unwrap();
        previous = Some(bar.time);
    }
}

fn ticket(session: &Session, contract: &Contract, order_id: i32, side: Side, kind: OrderKind) -> Ticket {
    Ticket {
        order_id,
        order_ref: OrderRef { ledger: "test".into(), intent: u64::try_from(order_id).unwrap() },
        account: session.account().clone(),
        contract: contract.id,
        role: Role::Entry,
        side,
        quantity: Shares(10),
        kind,
        tif: TimeInForce::Day,
        outside_rth: false,
        oca_group: None,
        parent_id: None,
        transmit: true,
    }
}

/// Order news up to and with the first that satisfies.
async fn news(orders: &mut OrderStream, until: impl Fn(&OrderUpdate) -> bool) -> Vec<OrderUpdate> {
    let reading = async {
        let mut seen = Vec::new();
        loop {
            let OrderItem::Update(update) = orders.next().await.unwrap() else { panic!("lagged") };
            let last = until(&update);
            seen.push(update);
            if last {
                return seen;
            }
        }
    };
    timeout(PATIENCE, reading).await.unwrap()
}

#[tokio::test]
async fn a_session_knows_who_it_talks_to() {
    let running = start(simulated()).await.unwrap();
    let session = session(&running).await;
    assert_eq!(session.venue(), &Venue::Simulator { exchange: running.exchange_id.clone() });
    assert_eq!((&*session.account().0, session.client_id()), ("DU1234567", 7));
    assert!(session.next_order_id() >= 1 && session.is_connected());
    let first = session.server_time().await.unwrap();
    assert!(session.server_time().await.unwrap() >= first);
    let mut notices = session.take_notices().unwrap();
    let Some(Notice::Farm(farm)) = timeout(PATIENCE, notices.next()).await.unwrap() else { panic!("no farm") };
    assert_eq!(farm.state, FarmState::Ok);
    session.close().await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn contracts_are_found_with_their_hours_and_steps() {
    let running = start(simulated()).await.unwrap();
    let session = session(&running).await;
    let contract = aapl(&session).await;
    assert!(contract.id.0 > 0);
    assert_eq!((contract.exchange.as_str(), contract.currency.as_str()), ("SMART", "USD"));
    let now = session.server_time().await.unwrap();
    assert_eq!(contract.trading_hours.is_open(now), Some(true), "{:?}", contract.trading_hours);
    let cents: Price = "10.019".parse().unwrap();
    assert_eq!(contract.price_rule.round(cents, Rounding::Down), "10.01".parse().unwrap());
    let unknown = session.contract(&"NOSUCH".parse().unwrap()).await.unwrap_err();
    assert!(matches!(unknown, ContractError::Unknown { .. }), "{unknown}");
    session.close().await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn history_is_ordered_consistent_and_ends_where_its_bars_end() {
    let running = start(simulated()).await.unwrap();
    let session = session(&running).await;
    let contract = aapl(&session).await;
    for (size, duration) in [
        (BarSize::Secs5, "1800 S"),
        (BarSize::Min1, "2 D"),
        (BarSize::Hour1, "5 D"),
        (BarSize::Hours4, "10 D"),
        (BarSize::Day1, "1 M"),
    ] {
        let bars = session.history(&contract, &request(size, duration)).await.unwrap();
        assert!(bars.len() > 10, "{size}: {}", bars.len());
        check(&bars);
        assert!(bars.windows(2).all(|pair| pair[0].end <= pair[1].time), "{size}: bars overlap");
        // A day that sets the clock back is an hour longer.
        let longest = size.duration() + if size.is_intraday() { Duration::ZERO } else { Duration::from_secs(3_600) };
        assert!(bars.iter().all(|bar| bar.end.since(bar.time) <= longest && bar.volume.is_some()), "{size}");
    }
    let past = HistoryRequest {
        end: Some(session.server_time().await.unwrap() - Duration::from_secs(7_200)),
        ..request(BarSize::Min1, "3600 S")
    };
    let bars = session.history(&contract, &past).await.unwrap();
    assert!(bars.last().unwrap().time < past.end.unwrap());
    session.close().await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_stream_goes_on_where_its_history_ends() {
    let running = start(simulated()).await.unwrap();
    let session = session(&running).await;
    let contract = aapl(&session).await;
    let mut stream = session.stream_bars(&contract, &request(BarSize::Secs5, "600 S")).await.unwrap();
    let Ok(BarItem::History(mut bars)) = timeout(PATIENCE, stream.next()).await.unwrap() else { panic!("no history") };
    check(&bars);
    let count = bars.len();
    while bars.len() < count + 5 {
        let Ok(BarItem::Update(bar)) = timeout(PATIENCE, stream.next()).await.unwrap() else { panic!("no update") };
        let last = bars.last_mut().unwrap();
        if bar.time == last.time {
            *last = bar;
        } else {
            assert_eq!(bar.time, last.end, "no gap, no overlap");
            bars.push(bar);
        }
    }
    check(&bars);
    let mut realtime = session
        .realtime_bars(session.line_up(&contract.symbol, true), &contract, WhatToShow::Trades, false)
        .await
        .unwrap();
    let Ok(BarItem::Update(bar)) = timeout(PATIENCE, realtime.next()).await.unwrap() else { panic!("no bar") };
    assert_eq!(bar.end.since(bar.time), Duration::from_secs(5));
    session.close().await;
    let end = timeout(PATIENCE, async {
        loop {
            if let Err(end) = stream.next().await {
                break end;
            }
        }
    });
    assert!(matches!(end.await.unwrap(), StreamEnd::SessionLost { .. }));
    running.stop().await.unwrap();
}

#[tokio::test]
async fn an_orders_life_comes_by_the_stream_and_the_snapshot_agrees() {
    let running = start(simulated()).await.unwrap();
    let session = session(&running).await;
    let mut orders = session.take_orders().unwrap();
    let contract = aapl(&session).await;
    let id = session.next_order_id();
    let buy = ticket(&session, &contract, id, Side::Buy, OrderKind::Market);
    session.submit(&buy, &contract).await.unwrap();
    let seen = news(&mut orders, |update| matches!(update, OrderUpdate::Commission(_))).await;
    let fill = seen.iter().find_map(|update| match update {
        OrderUpdate::Execution(fill) => Some((**fill).clone()),
        OrderUpdate::Open(_) | OrderUpdate::Status(_) | OrderUpdate::Commission(_) | OrderUpdate::News { .. } => None,
    });
    let fill = fill.expect("a commission follows its execution");
    assert_eq!((&*fill.order_ref, fill.quantity, fill.side), ("rt-test-1", Shares(10), Side::Buy));
    assert_eq!((fill.contract, &fill.account), (contract.id, session.account()));
    assert!(
        seen.iter().any(|update| matches!(update, OrderUpdate::Open(open) if open.kind == Some(OrderKind::Market)))
    );

    let limit = contract.price_rule.round(Price::of(fill.price.decimal() * Decimal::new(5, 1)), Rounding::Down);
    let low = ticket(&session, &contract, id + 1, Side::Buy, OrderKind::Limit { limit });
    session.submit(&low, &contract).await.unwrap();
    let live = |update: &OrderUpdate| matches!(update, OrderUpdate::Status(s) if s.order_id == id + 1 && s.status == BrokerStatus::Submitted);
    news(&mut orders, live).await;
    let snapshot = session.snapshot(0).await.unwrap();
    assert_eq!(snapshot.open_orders.len(), 1);
    let open = &snapshot.open_orders[0];
    assert_eq!((open.order_id, open.kind, open.tif), (id + 1, Some(low.kind), Some(TimeInForce::Day)));
    assert_eq!(snapshot.executions, [fill]);
    assert_eq!(snapshot.commissions.len(), 1);
    assert_eq!(snapshot.positions[&contract.id].quantity, 10.into());
    assert!(snapshot.account.net_liquidation.is_some() && snapshot.account.available_funds.is_some());
    assert!(snapshot.completed_orders.iter().any(|order| *order.order_ref == *"rt-test-1"));

    session.cancel(id + 1).await.unwrap();
    let cancelled = |update: &OrderUpdate| matches!(update, OrderUpdate::News { order_id, news: OrderNews::Cancelled, .. } if *order_id == id + 1);
    let seen = news(&mut orders, cancelled).await;
    assert!(seen.iter().any(|update| matches!(update, OrderUpdate::Status(s) if s.status == BrokerStatus::Cancelled)));
    session.cancel(id + 1).await.unwrap();
    news(&mut orders, |update| matches!(update, OrderUpdate::News { news: OrderNews::CancelRace, .. })).await;
    session.submit(&buy, &contract).await.unwrap();
    let refused = |update: &OrderUpdate| {
        matches!(update, OrderUpdate::News { news: OrderNews::DuplicateId | OrderNews::ChangeRefused, .. })
    };
    news(&mut orders, refused).await;
    let nothing = Ticket { quantity: Shares(0), ..buy };
    let unsent = session.submit(&nothing, &contract).await.unwrap_err();
    assert!(matches!(unsent, SendError::Invalid { .. }) && unsent.never_left());
    session.close().await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_rejected_order_is_news_of_its_end() {
    let running = start(simulated()).await.unwrap();
    let session = session(&running).await;
    let mut orders = session.take_orders().unwrap();
    let contract = aapl(&session).await;
    let id = session.next_order_id();
    let limit = OrderKind::Limit { limit: "100".parse().unwrap() };
    let huge = Ticket { quantity: Shares(10_000_000), ..ticket(&session, &contract, id, Side::Buy, limit) };
    session.submit(&huge, &contract).await.unwrap();
    let refused = |update: &OrderUpdate| matches!(update, OrderUpdate::News { order_id, news: OrderNews::Refused, code: 201, .. } if *order_id == id);
    news(&mut orders, refused).await;
    session.close().await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_second_client_of_the_same_id_is_told_so_and_the_first_stays() {
    let running = start(simulated()).await.unwrap();
    let first = session(&running).await;
    let second = timeout(PATIENCE, Gateway::new(config(running.address)).dial()).await.unwrap().unwrap_err();
    assert!(matches!(second, DialError::ClientIdInUse { client_id: 7, .. }), "{second}");
    first.server_time().await.unwrap();
    first.close().await;
    // The id is free as soon as its socket is gone.
    let connection = RobustConnection::new(Gateway::new(config(running.address)), patient(), 1);
    let again = timeout(PATIENCE, { connection }.session()).await.unwrap().unwrap();
    again.close().await;
    running.stop().await.unwrap();
}

/// Short waits, and a breaker that stays out of the way.
fn patient() -> Policy {
    let mut policy = Policy {
        backoff: BackoffPolicy {
            base: Duration::from_millis(10),
            cap: Duration::from_millis(50),
            ..BackoffPolicy::default()
        },
        ..Policy::default()
    };
    policy.breaker.threshold = u32::MAX;
    policy
}

#[tokio::test]
async fn a_lost_simulator_is_noticed_and_the_next_session_finds_everything_again() {
    let kept = tempfile::tempdir().unwrap();
    let simulated = SimulatorConfig { state_dir: Some(kept.path().to_owned()), ..simulated() };
    let running = start(simulated.clone()).await.unwrap();
    let address = running.address;
    let mut connection = RobustConnection::new(Gateway::new(config(address)), patient(), 1);
    let state = connection.state();

    let session = timeout(PATIENCE, connection.session()).await.unwrap().unwrap();
    let mut orders = session.take_orders().unwrap();
    connection.held();
    let contract = aapl(&session).await;
    let buy = ticket(&session, &contract, session.next_order_id(), Side::Buy, OrderKind::Market);
    session.submit(&buy, &contract).await.unwrap();
    news(&mut orders, |update| matches!(update, OrderUpdate::Commission(_))).await;

    let probing =
        health::HealthPolicy { interval: Duration::from_millis(10), deadline: Duration::from_secs(1), misses: 3 };
    let watching = health::lost(&probing, || async { session.server_time().await.map(drop) });
    let ((), lost) = tokio::join!(async { drop(running.stop().await.unwrap()) }, watching);
    assert_eq!(lost.misses, 3);
    assert!(matches!(
        timeout(PATIENCE, async {
            loop {
                if let Err(end) = orders.next().await {
                    break end;
                }
            }
        })
        .await
        .unwrap(),
        StreamEnd::SessionLost { .. }
    ));
    session.close().await;
    connection.lost(&lost.to_string(), false);
    assert!(matches!(state.borrow().phase, Phase::Lost { .. }));

    let restarted = async {
        // Not before the daemon has met a closed door.
        let mut state = state.clone();
        state.wait_for(|now| matches!(now.phase, Phase::BackingOff { .. })).await.unwrap();
        start(SimulatorConfig { listen: address, ..simulated }).await.unwrap()
    };
    let (session, running) = timeout(PATIENCE, async { tokio::join!(connection.session(), restarted) }).await.unwrap();
    let session = session.unwrap();
    let snapshot = session.snapshot(1).await.unwrap();
    assert_eq!(snapshot.executions.len(), 1);
    assert_eq!(snapshot.executions[0].order_ref.to_string(), buy.order_ref.to_string());
    assert_eq!(snapshot.positions[&contract.id].quantity, 10.into());
    assert!(snapshot.next_order_id > buy.order_id);
    connection.held();
    assert_eq!(state.borrow().breaker, BreakerState::Closed { failures: 0 });
    assert_eq!(state.borrow().sessions, 2);
    session.close().await;
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_symbols_are_looked_up_and_fetched_at_once_within_the_limit() {
    let running = start(SimulatorConfig { message_rate: 50, ..simulated() }).await.unwrap();
    let limited = TwsConfig { message_rate: 45, historical_pacing: true, ..config(running.address) };
    let session = timeout(PATIENCE, Gateway::new(limited).dial()).await.unwrap().unwrap();
    let names = [
        "AAPL", "NVDA", "TSLA", "IXHL", "NUAI", "BZAI", "ELTP", "OPEN", "CEG", "VRT", "PLTR", "UPST", "TEM", "HTFL",
        "SDGR", "APLD", "SOFI", "CORZ", "WULF", "QQQ", "QLD", "BBIO", "IMRX", "CRGY",
    ];
    let fetched = futures::future::join_all(names.iter().map(|name| {
        let session = session.clone();
        async move {
            let contract = session.contract(&name.parse().unwrap()).await.unwrap();
            let duration = HistoryDuration::days(1);
            let bars = session.history(&contract, &HistoryRequest { duration, ..request(BarSize::Min1, "1 D") }).await;
            bars.unwrap().len()
        }
    }));
    let counts = timeout(PATIENCE, fetched).await.unwrap();
    assert!(counts.iter().all(|count| *count > 10), "{counts:?}");
    let mut notices = session.take_notices().unwrap();
    session.close().await;
    while let Some(notice) = notices.next().await {
        assert!(!matches!(notice, Notice::TooFast { .. }), "{notice:?}");
    }
    running.stop().await.unwrap();
}
