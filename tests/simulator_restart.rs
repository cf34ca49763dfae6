//! What survives: the account, the orders and the ids, whatever happens to the process.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod simulator_support;

use futures::StreamExt;
use ibapi::contracts::Contract;
use ibapi::orders::{Action, ExecutionFilter, Executions, Order, OrderUpdate, order_builder};
use ibapi::prelude::{SubscriptionItem, SubscriptionItemStreamExt};
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use robo_trader::simulator::{SimulatorConfig, SimulatorError, Speed, start};
use simulator_support::{PATIENCE, Raw, config, hex, ibapi};
use tokio::time::timeout;

#[tokio::test]
async fn a_killed_simulator_has_forgotten_nothing_that_a_client_was_told() {
    let dir = tempfile::tempdir().unwrap();
    let kept = SimulatorConfig { state_dir: Some(dir.path().to_owned()), speed: Speed::Times(50.0), ..config() };
    let running = start(kept.clone()).await.unwrap();
    let exchange = running.exchange_id.clone();
    let client = ibapi(&running, 7).await;
    let mut updates = client.order_update_stream().await.unwrap();
    let contract = Contract::stock("AAPL").build();
    let order = Order { transmit: true, order_ref: "rt-x-1".into(), ..order_builder::market_order(Action::Buy, 10.0) };
    client.submit_order(41, &contract, &order).await.unwrap();
    let told = async {
        loop {
            if let SubscriptionItem::Data(OrderUpdate::ExecutionData(fill)) = updates.next().await.unwrap().unwrap() {
                return fill.execution;
            }
        }
    };
    let told = timeout(PATIENCE, told).await.unwrap();
    // Dropped, not stopped: its tasks end where they are.
    drop(running);
    drop((client, updates));
    let running = start(kept.clone()).await.unwrap();
    assert_eq!(running.exchange_id, exchange);
    let client = ibapi(&running, 7).await;
    assert_eq!(client.next_order_id(), 42);
    let filter = ExecutionFilter { last_n_days: 3, ..ExecutionFilter::default() };
    let mut fills = client.executions(filter).await.unwrap();
    let mut seen = Vec::new();
    while let Some(Ok(item)) = timeout(PATIENCE, fills.next()).await.unwrap() {
        if let SubscriptionItem::Data(Executions::ExecutionData(fill)) = item {
            seen.push(fill.execution);
        }
    }
    assert_eq!(seen.len(), 1);
    assert_eq!((&seen[0].execution_id, &seen[0].time, seen[0].price), (&told.execution_id, &told.time, told.price));
    client.disconnect().await;
    let end = running.stop().await.unwrap();
    assert_eq!(end.positions["AAPL"].quantity.0, 10);
    // Fresh begins anew; another seed is another market.
    let fresh = start(SimulatorConfig { fresh: true, ..kept.clone() }).await.unwrap();
    assert_ne!(fresh.exchange_id, exchange);
    assert!(fresh.stop().await.unwrap().positions.is_empty());
    let other = start(SimulatorConfig { seed: 2, ..kept }).await.unwrap_err();
    assert!(matches!(other, SimulatorError::OtherMarket { .. }), "{other}");
}

#[tokio::test]
async fn market_time_never_goes_back() {
    let dir = tempfile::tempdir().unwrap();
    let kept = SimulatorConfig { state_dir: Some(dir.path().to_owned()), ..config() };
    let mut last = 0;
    // A market day in 0.86 s, then market seconds that are nearly real ones.
    for speed in [100_000.0, 2.0, 2.0, 2.0] {
        let kept = SimulatorConfig { speed: Speed::Times(speed), ..kept.clone() };
        let running = start(kept).await.unwrap();
        let client = ibapi(&running, 7).await;
        for _ in 0..5 {
            let now = client.server_time_millis().await.unwrap().unix_timestamp_nanos();
            assert!(now >= last, "{now} after {last}");
            last = now;
        }
        client.disconnect().await;
        running.stop().await.unwrap();
    }
}

#[tokio::test]
async fn random_bytes_never_hurt_the_server() {
    let running = start(config()).await.unwrap();
    let seed = [7; 32];
    println!("seed {seed:?}");
    let mut random = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    for round in 0..200 {
        let mut raw = Raw::connect(&running).await;
        if round % 4 == 0 {
            raw.noise(&random_bytes(&mut random, 200)).await;
        } else {
            raw = Raw::started(&running, 1_000 + round).await;
            // A frame of the right form with any id and any payload.
            for _ in 0..20 {
                let payload = random_bytes(&mut random, 60);
                let mut frame = u32::try_from(payload.len() + 4).unwrap().to_be_bytes().to_vec();
                frame.extend((201 + i32::try_from(random.next_u32() % 120).unwrap()).to_be_bytes());
                frame.extend(payload);
                raw.noise(&frame).await;
            }
        }
    }
    let mut good = Raw::started(&running, 1).await;
    good.write(&hex("00000004000000f9")).await;
    good.until(49).await;
    running.stop().await.unwrap();
}

fn random_bytes(random: &mut TestRng, most: usize) -> Vec<u8> {
    let mut bytes = vec![0; random.next_u32() as usize % most];
    random.fill_bytes(&mut bytes);
    // Protobuf is mostly small tags: make half of the bytes look like them.
    for byte in bytes.iter_mut().step_by(2) {
        *byte %= 32;
    }
    bytes
}

#[tokio::test]
async fn a_client_that_does_not_read_is_dropped_and_slows_nobody() {
    let running = start(config()).await.unwrap();
    let mut good = Raw::started(&running, 1).await;
    let mut slow = Raw::started(&running, 2).await;
    // It asks for time for ever and reads nothing: its own writes end in an error.
    let requests: Vec<u8> = (0..1_000).flat_map(|_| hex("00000004000000f9")).collect();
    let dropped = async { while slow.try_write(&requests).await {} };
    timeout(3 * PATIENCE, dropped).await.unwrap();
    good.write(&hex("00000004000000f9")).await;
    good.until(49).await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn ended_orders_and_fills_are_told_of_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let kept = SimulatorConfig { state_dir: Some(dir.path().to_owned()), speed: Speed::Times(10.0), ..config() };
    let told = async |client: &ibapi::Client| {
        let completed = client.completed_orders(true).await.unwrap().filter_data();
        let completed: Vec<String> = completed.map(|order| format!("{:?}", order.unwrap())).collect().await;
        let fills = client.executions(ExecutionFilter::default()).await.unwrap().filter_data();
        let fills = fills.map(|fill| match fill.unwrap() {
            Executions::ExecutionData(fill) => format!("{:?}", fill.execution),
            Executions::CommissionReport(cost) => format!("{cost:?}"),
        });
        let fills: Vec<String> = fills.collect().await;
        (completed, fills)
    };
    let running = start(kept.clone()).await.unwrap();
    let client = ibapi(&running, 7).await;
    let contract = Contract::stock("AAPL").build();
    let resting = Order { transmit: true, ..order_builder::limit_order(Action::Buy, 10.0, 1.0) };
    client.submit_order(1, &contract, &resting).await.unwrap();
    let market = Order { transmit: true, ..order_builder::market_order(Action::Buy, 10.0) };
    client.submit_order(2, &contract, &market).await.unwrap();
    drop(client.cancel_order(1, "").await.unwrap());
    let both = async {
        loop {
            let told = told(&client).await;
            if told.0.len() == 2 {
                break told;
            }
        }
    };
    let before = timeout(PATIENCE, both).await.unwrap();
    assert_eq!(before.1.len(), 2, "a fill and its cost");
    client.disconnect().await;
    let end = running.stop().await.unwrap();
    let running = start(kept).await.unwrap();
    let client = ibapi(&running, 7).await;
    assert_eq!(told(&client).await, before);
    client.disconnect().await;
    let again = running.stop().await.unwrap();
    assert_eq!((again.orders, again.fills, again.cash), (end.orders, end.fills, end.cash));
}
