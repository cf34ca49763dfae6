//! IBKR's three rules, checked on what the pacer lets through.

use proptest::prelude::*;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::*;
use crate::domain::{HistoryDuration, Hours, PriceRule};

fn contract(id: i32) -> Contract {
    Contract {
        id: ContractId(id),
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
    }
}

fn request(size: BarSize, show: WhatToShow, days: u32) -> HistoryRequest {
    HistoryRequest { duration: HistoryDuration::days(days), size, show, regular_only: true, end: None }
}

fn small(days: u32) -> HistoryRequest {
    request(BarSize::Secs5, WhatToShow::Trades, days)
}

/// Sends all at once and returns when each was let through, in whole seconds.
fn run(asks: Vec<(i32, HistoryRequest)>) -> Vec<(u64, i32, HistoryRequest)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let pacer = Arc::new(Pacer::new(true));
        let start = Instant::now();
        let mut tasks = JoinSet::new();
        for (id, request) in asks {
            let pacer = pacer.clone();
            tasks.spawn(async move {
                drop(pacer.admit(&contract(id), &request).await);
                (start.elapsed().as_secs(), id, request)
            });
        }
        let mut through = tasks.join_all().await;
        through.sort_by_key(|(at, ..)| *at);
        through
    })
}

#[test]
fn bars_above_thirty_seconds_are_not_paced() {
    let asks = (0..200).map(|_| (1, request(BarSize::Min1, WhatToShow::Trades, 1))).collect();
    assert!(run(asks).iter().all(|(at, ..)| *at == 0));
}

#[test]
fn the_sixty_first_waits_ten_minutes() {
    let through = run((0..61).map(|id| (id, small(1))).collect());
    assert_eq!(through.iter().filter(|(at, ..)| *at == 0).count(), 60);
    assert_eq!(through[60].0, 600);
}

#[test]
fn bid_ask_counts_twice() {
    let asks = (0..31).map(|id| (id, request(BarSize::Secs30, WhatToShow::BidAsk, 1))).collect();
    let through = run(asks);
    assert_eq!((through[29].0, through[30].0), (0, 600));
}

#[test]
fn an_identical_question_waits_fifteen_seconds() {
    let through = run(vec![(1, small(1)), (1, small(1)), (1, small(2))]);
    assert_eq!(through.iter().map(|(at, ..)| *at).collect::<Vec<_>>(), [0, 0, 15]);
}

#[test]
fn the_sixth_of_one_contract_waits_two_seconds() {
    let through = run((1..=6).map(|days| (1, small(days))).collect());
    assert_eq!(through.iter().map(|(at, ..)| *at).collect::<Vec<_>>(), [0, 0, 0, 0, 0, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_reported_violation_holds_small_bars_back_for_a_minute() {
    let pacer = Pacer::new(true);
    let start = Instant::now();
    pacer.violated();
    pacer.admit(&contract(1), &request(BarSize::Min1, WhatToShow::Trades, 1)).await;
    assert_eq!(start.elapsed().as_secs(), 0);
    pacer.admit(&contract(1), &small(1)).await;
    assert_eq!(start.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn at_most_fifty_are_open_and_streams_leave_some_of_them() {
    let pacer = Pacer::new(false);
    let mut open = Vec::new();
    for id in 0..45 {
        open.push(pacer.admit_stream(&contract(id), &small(1)).await.unwrap());
    }
    assert_eq!(pacer.admit_stream(&contract(99), &small(1)).await.unwrap_err(), TooManyStreams { limit: 45 });
    for id in 0..5 {
        open.push(pacer.admit(&contract(id), &small(1)).await);
    }
    let another = contract(99);
    let request = small(1);
    let mut next = std::pin::pin!(pacer.admit(&another, &request));
    assert!(timeout(Duration::from_secs(3_600), next.as_mut()).await.is_err());
    open.pop();
    next.await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_wait_counts_nothing_and_frees_its_place() {
    let pacer = Pacer::new(true);
    drop(pacer.admit(&contract(1), &small(1)).await);
    for _ in 0..100 {
        assert!(timeout(Duration::from_millis(1), pacer.admit(&contract(1), &small(1))).await.is_err());
    }
    assert_eq!(pacer.open.available_permits(), OPEN);
    assert_eq!(pacer.lock().asked.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn nothing_let_through_violates_a_rule(
        asks in prop::collection::vec((0i32..4, 1u32..4, prop::bool::ANY), 1..150),
    ) {
        let asks: Vec<_> = asks
            .into_iter()
            .map(|(id, days, both)| {
                let show = if both { WhatToShow::BidAsk } else { WhatToShow::Trades };
                (id, request(BarSize::Secs5, show, days))
            })
            .collect();
        let count = asks.len();
        let through = run(asks);
        prop_assert_eq!(through.len(), count);
        for (index, (at, id, asked)) in through.iter().enumerate() {
            let within = |span: u64| through[index..].iter().take_while(move |(later, ..)| *later < at + span);
            let weight: u32 = within(600).map(|(_, _, r)| if r.show == WhatToShow::BidAsk { 2 } else { 1 }).sum();
            prop_assert!(weight <= 60, "{weight} in ten minutes from {at}");
            let identical = within(15).filter(|(_, i, r)| i == id && r == asked).count();
            prop_assert_eq!(identical, 1);
            let same = within(2).filter(|(_, i, r)| i == id && r.show == asked.show).count();
            prop_assert!(same < 6);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn guests_leave_a_part_of_the_ten_minutes_to_the_daemon() {
    let pacer = Pacer::new(true);
    let soon = Duration::from_secs(15);
    let mut through = 0;
    // Each a question of its own, and far enough from the last six.
    while pacer.admit_guest(&contract(through), &small(1), soon).await.is_some() {
        through += 1;
    }
    assert_eq!(through, 40);
    let begun = Instant::now();
    for id in 100..120 {
        drop(pacer.admit(&contract(id), &small(1)).await);
    }
    assert_eq!(Instant::now(), begun, "the daemon's own need not wait");
    // Bars above thirty seconds are not paced, for guests either.
    assert!(pacer.admit_guest(&contract(1), &request(BarSize::Min1, WhatToShow::Trades, 1), soon).await.is_some());
    tokio::time::advance(LONG).await;
    assert!(pacer.admit_guest(&contract(1), &small(1), soon).await.is_some());
}
