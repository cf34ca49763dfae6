//! Orders, fills and the account, by the real client on replayed bars.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod simulator_support;

use futures::StreamExt;
use ibapi::accounts::types::{AccountGroup, AccountId};
use ibapi::accounts::{AccountSummaryResult, AccountUpdate, PositionUpdate};
use ibapi::contracts::Contract;
use ibapi::orders::{Action, ExecutionFilter, Executions, Order, Orders, TimeInForce};
use ibapi::prelude::SubscriptionItem;
use robo_trader::simulator::{SimulatorConfig, start};
use simulator_support::orders::{order, story, table, watch};
use simulator_support::{PATIENCE, ibapi, replay, write_minutes};
use tokio::time::timeout;

#[tokio::test]
async fn a_market_order_lives_its_life_and_the_account_shows_it() {
    let dir = tempfile::tempdir().unwrap();
    let (running, client, mut updates, contract) = table(dir.path(), &[100.0; 40]).await;
    client.submit_order(1, &contract, &order(Action::Buy, 300.0, "MKT")).await.unwrap();
    let begun = story(&mut updates, "status 1 Submitted").await;
    assert_eq!(begun, ["open 1 Submitted", "status 1 Submitted 0/300"], "it waits while the tape stands still");
    let _bars = watch(&client, &contract).await;
    let filled = story(&mut updates, "cost").await;
    assert_eq!(filled, ["fill 1 300 at 100", "open 1 Filled", "status 1 Filled 300/0", "cost 1.5"]);
    // A second order with its number is refused, and the account holds the shares.
    client.submit_order(1, &contract, &order(Action::Sell, 5.0, "MKT")).await.unwrap();
    assert_eq!(story(&mut updates, "notice").await, ["notice 103"]);
    let mut positions = client.positions().await.unwrap();
    let SubscriptionItem::Data(PositionUpdate::Position(held)) = positions.next().await.unwrap().unwrap() else {
        panic!("no position")
    };
    assert_eq!((held.account.as_str(), held.position, held.average_cost), ("DU1234567", 300.0, 100.005));
    let tags = ["NetLiquidation", "TotalCashValue"];
    let mut summary = client.account_summary(&AccountGroup("All".into()), &tags).await.unwrap();
    let mut values = Vec::new();
    while let Some(Ok(SubscriptionItem::Data(row))) = summary.next().await {
        match row {
            AccountSummaryResult::Summary(row) => values.push((row.tag, row.value, row.currency)),
            AccountSummaryResult::End => break,
        }
    }
    values.sort();
    let row = |tag: &str, value: &str| (tag.to_owned(), value.to_owned(), "USD".to_owned());
    assert_eq!(values, [row("NetLiquidation", "999998.50"), row("TotalCashValue", "969998.50")]);
    let mut updates = client.account_updates(&AccountId("DU1234567".into())).await.unwrap();
    let mut portfolio = 0;
    loop {
        match timeout(PATIENCE, updates.next()).await.unwrap().unwrap().unwrap() {
            SubscriptionItem::Data(AccountUpdate::End) => break,
            SubscriptionItem::Data(AccountUpdate::PortfolioValue(_)) => portfolio += 1,
            _ => {}
        }
    }
    assert_eq!(portfolio, 1);
    client.disconnect().await;
    let end = running.stop().await.unwrap();
    assert_eq!((end.fills, end.commissions.to_cent().to_string().as_str()), (1, "1.50"));
    assert_eq!(end.positions["AAA"].quantity.0, 300);
}

#[tokio::test]
async fn cancels_changes_and_refusals_are_answered_as_tws_answers_them() {
    let dir = tempfile::tempdir().unwrap();
    let (running, client, mut updates, contract) = table(dir.path(), &[100.0; 400]).await;
    let _bars = watch(&client, &contract).await;
    let limit = |price: f64| Order { limit_price: Some(price), ..order(Action::Buy, 10.0, "LMT") };
    client.submit_order(1, &contract, &limit(90.0)).await.unwrap();
    let begun = story(&mut updates, "status").await;
    assert_eq!(begun, ["open 1 Submitted", "status 1 Submitted 0/10"]);
    client.submit_order(1, &contract, &limit(91.0)).await.unwrap();
    story(&mut updates, "status").await;
    drop(client.cancel_order(1, "").await.unwrap());
    let ended = story(&mut updates, "notice").await;
    assert_eq!(ended, ["status 1 PendingCancel 0/10", "open 1 Cancelled", "status 1 Cancelled 0/10", "notice 202"]);
    for (id, code) in [(1, "notice 10148"), (99, "notice 10147")] {
        drop(client.cancel_order(id, "").await.unwrap());
        assert_eq!(story(&mut updates, "notice").await, [code]);
    }
    client.submit_order(2, &contract, &limit(90.001)).await.unwrap();
    assert_eq!(story(&mut updates, "notice").await, ["notice 110"]);
    let huge = Order { total_quantity: 1_000_000.0, ..order(Action::Buy, 1.0, "MKT") };
    client.submit_order(3, &contract, &huge).await.unwrap();
    assert_eq!(story(&mut updates, "notice").await, ["status 3 Inactive 0/1000000", "notice 201"]);
    let hidden = Order { hidden: true, ..order(Action::Buy, 1.0, "MKT") };
    client.submit_order(4, &contract, &hidden).await.unwrap();
    assert_eq!(story(&mut updates, "notice").await, ["notice 321"]);
    client.submit_order(5, &Contract::stock("NOSUCH").build(), &order(Action::Buy, 1.0, "MKT")).await.unwrap();
    assert_eq!(story(&mut updates, "notice").await, ["notice 200"]);
    // Two working orders, one global cancel.
    for id in [6, 7] {
        client.submit_order(id, &contract, &limit(80.0)).await.unwrap();
        story(&mut updates, "status").await;
    }
    client.global_cancel().await.unwrap();
    story(&mut updates, "notice 202").await;
    story(&mut updates, "notice 202").await;
    let mut open = client.all_open_orders().await.unwrap();
    assert!(timeout(PATIENCE, open.next()).await.unwrap().is_none(), "nothing works any more");
    let mut completed = client.completed_orders(false).await.unwrap();
    let mut states = Vec::new();
    while let Some(Ok(item)) = timeout(PATIENCE, completed.next()).await.unwrap() {
        if let SubscriptionItem::Data(Orders::OrderData(order)) = item {
            states.push((order.order.order_id, order.order_state.status.to_string()));
        }
    }
    states.sort();
    let named = |id: i32, state: &str| (id, state.to_owned());
    assert_eq!(
        states,
        [
            named(1, "Cancelled"),
            named(2, "Inactive"),
            named(3, "Inactive"),
            named(6, "Cancelled"),
            named(7, "Cancelled")
        ]
    );
    client.disconnect().await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_bracket_fills_by_its_stop_and_the_target_goes() {
    let dir = tempfile::tempdir().unwrap();
    let mut closes = vec![100.0; 6];
    closes.extend([97.0; 30]);
    let (running, client, mut updates, contract) = table(dir.path(), &closes).await;
    let gtc = |order: Order| Order { tif: TimeInForce::GoodTillCanceled, parent_id: 1, ..order };
    let entry = Order { transmit: false, ..order(Action::Buy, 100.0, "MKT") };
    let target = Order { transmit: false, limit_price: Some(105.0), ..gtc(order(Action::Sell, 100.0, "LMT")) };
    let stop = Order { aux_price: Some(98.0), ..gtc(order(Action::Sell, 100.0, "STP")) };
    client.submit_order(1, &contract, &entry).await.unwrap();
    client.submit_order(2, &contract, &target).await.unwrap();
    client.submit_order(3, &contract, &stop).await.unwrap();
    let held = story(&mut updates, "status 3").await;
    assert!(held.contains(&"status 1 ApiPending 0/100".to_owned()), "{held:?}");
    let _bars = watch(&client, &contract).await;
    let all = story(&mut updates, "notice 202").await;
    let position = |line: &str| all.iter().position(|seen| seen == line).unwrap_or_else(|| panic!("{line}: {all:?}"));
    assert!(position("fill 1 100 at 100") < position("status 2 Submitted 0/100"), "{all:?}");
    assert!(position("status 2 Submitted 0/100") < position("fill 3 100 at 98"), "{all:?}");
    assert!(position("fill 3 100 at 98") < position("status 2 Cancelled 0/100"), "{all:?}");
    client.disconnect().await;
    let end = running.stop().await.unwrap();
    assert!(end.positions.is_empty());
    assert_eq!(end.realized.to_string(), "-200");
}

#[tokio::test]
async fn orders_live_on_without_their_client_and_are_found_by_the_next_session() {
    let dir = tempfile::tempdir().unwrap();
    let (running, client, mut updates, contract) = table(dir.path(), &[100.0; 400]).await;
    client.submit_order(5, &contract, &order(Action::Buy, 10.0, "MKT")).await.unwrap();
    story(&mut updates, "status").await;
    client.disconnect().await;
    drop((updates, client));
    // Another client sets the tape moving; it hears nothing of the first one's order.
    let other = ibapi(&running, 8).await;
    let mut others = other.order_update_stream().await.unwrap();
    let _bars = watch(&other, &contract).await;
    let limit = Order { limit_price: Some(50.0), ..order(Action::Buy, 1.0, "LMT") };
    other.submit_order(1, &contract, &limit).await.unwrap();
    assert_eq!(story(&mut others, "status").await[0], "open 1 Submitted");
    let fill = async {
        loop {
            let mut fills = other.executions(ExecutionFilter::default()).await.unwrap();
            let mut seen = Vec::new();
            while let Some(Ok(item)) = fills.next().await {
                match item {
                    SubscriptionItem::Data(Executions::ExecutionData(fill)) => seen.push(fill.execution),
                    SubscriptionItem::Data(_) | SubscriptionItem::Notice(_) => {}
                }
            }
            if let Some(fill) = seen.pop() {
                return fill;
            }
        }
    };
    let fill = timeout(PATIENCE, fill).await.unwrap();
    assert_eq!((fill.client_id, fill.order_id, fill.shares), (7, 5, 10.0));
    let again = ibapi(&running, 7).await;
    assert_eq!(again.next_order_id(), 6, "the next id goes on where the last session ended");
    let own = ExecutionFilter { client_id: Some(8), ..ExecutionFilter::default() };
    let mut none = again.executions(own).await.unwrap();
    assert!(timeout(PATIENCE, none.next()).await.unwrap().is_none());
    again.disconnect().await;
    other.disconnect().await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn shares_that_cannot_be_borrowed_are_not_sold() {
    let dir = tempfile::tempdir().unwrap();
    write_minutes(dir.path(), "AAA", &[100.0; 40]);
    let running = start(SimulatorConfig { allow_short: false, ..replay(dir.path()) }).await.unwrap();
    let client = ibapi(&running, 7).await;
    let mut updates = client.order_update_stream().await.unwrap();
    let contract = Contract::stock("AAA").build();
    client.submit_order(1, &contract, &order(Action::Sell, 10.0, "MKT")).await.unwrap();
    assert_eq!(story(&mut updates, "notice").await, ["status 1 Inactive 0/10", "notice 201"]);
    client.disconnect().await;
    running.stop().await.unwrap();
}
