//! Orders as other people's clients place them: every type, warnings, what-if, hands and masters.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod simulator_support;

use futures::StreamExt;
use ibapi::contracts::{Contract, TagValue};
use ibapi::orders::conditions::PriceCondition;
use ibapi::orders::{Action, ExecutionFilter, Executions, Order, OrderUpdate, Orders, TimeInForce};
use ibapi::prelude::{SubscriptionItem, SubscriptionItemStreamExt};
use prost::Message;
use robo_trader::domain::{Shares, Side};
use robo_trader::exchange::{Kind, Tif};
use robo_trader::simulator::{Act, SimulatorConfig, start};
use simulator_support::orders::{order, story, table, watch};
use simulator_support::{PATIENCE, Raw, config, ibapi, replay, simulator, write_minutes};
use tokio::time::timeout;

fn sell(kind: &str) -> Order {
    order(Action::Sell, 10.0, kind)
}

fn buy(kind: &str) -> Order {
    order(Action::Buy, 10.0, kind)
}

/// The next working order as the simulator tells it, and where it stands.
async fn told(client: &ibapi::Client, id: i32) -> Order {
    let mut open = client.all_open_orders().await.unwrap().filter_data();
    let mut found = None;
    while let Some(Ok(item)) = timeout(PATIENCE, open.next()).await.unwrap() {
        if let Orders::OrderData(data) = item
            && data.order_id == id
        {
            found = Some(data.order);
        }
    }
    found.expect("it works")
}

#[tokio::test]
async fn each_type_is_taken_and_told_as_it_was_sent() {
    let dir = tempfile::tempdir().unwrap();
    let (running, client, mut updates, contract) = table(dir.path(), &[100.0; 4]).await;
    let gtc = TimeInForce::GoodTillCanceled;
    let types = [
        Order { limit_price: Some(99.0), ..buy("LMT") },
        Order { aux_price: Some(90.0), tif: gtc.clone(), ..sell("STP") },
        Order { aux_price: Some(90.0), limit_price: Some(89.0), ..sell("STP LMT") },
        Order { aux_price: Some(2.0), ..sell("TRAIL") },
        Order { trailing_percent: Some(2.5), ..sell("TRAIL") },
        Order {
            aux_price: Some(2.0),
            limit_price_offset: Some(0.5),
            trail_stop_price: Some(90.0),
            ..sell("TRAIL LIMIT")
        },
        buy("MOC"),
        Order { limit_price: Some(99.0), ..buy("LOC") },
        Order { aux_price: Some(99.0), ..buy("MIT") },
        Order { aux_price: Some(99.0), limit_price: Some(98.5), ..buy("LIT") },
        Order {
            limit_price: Some(99.0),
            tif: TimeInForce::GoodTillDate,
            good_till_date: "20300104 15:00:00 US/Eastern".into(),
            good_after_time: "20240304 10:00:00 US/Eastern".into(),
            ..buy("LMT")
        },
        Order {
            limit_price: Some(99.0),
            algo_strategy: "Adaptive".into(),
            algo_params: vec![TagValue { tag: "adaptivePriority".into(), value: "Patient".into() }],
            ..buy("LMT")
        },
    ];
    for (id, sent) in (1..).zip(&types) {
        client.submit_order(id, &contract, sent).await.unwrap();
        story(&mut updates, &format!("status {id}")).await;
        let told = told(&client, id).await;
        let terms = |order: &Order| {
            let prices = (order.limit_price, order.aux_price, order.trailing_percent, order.limit_price_offset);
            let times = (order.tif.clone(), order.good_till_date.clone(), order.good_after_time.clone());
            (order.order_type.clone(), order.trail_stop_price, prices, times, order.algo_strategy.clone())
        };
        let mut expected = terms(sent);
        match sent.order_type.as_str() {
            // The exchange fills in where they stand.
            "TRAIL" => expected.1 = told.trail_stop_price,
            "TRAIL LIMIT" => expected.2.0 = Some(89.5),
            _ => {}
        }
        assert_eq!(terms(&told), expected, "order {id}");
        assert_eq!(told.algo_params.len(), sent.algo_params.len());
    }
    client.disconnect().await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_not_served_is_refused_in_words() {
    let running = simulator().await;
    let client = ibapi(&running, 7).await;
    let mut updates = client.order_update_stream().await.unwrap();
    let contract = Contract::stock("AAPL").build();
    let condition = PriceCondition::builder(1, "SMART").greater_than(1.0);
    let refused = [
        Order { conditions: vec![condition.into()], ..buy("MKT") },
        Order { algo_strategy: "Vwap".into(), ..buy("MKT") },
        Order { display_size: Some(1), ..buy("MKT") },
        Order { min_qty: Some(1), ..buy("MKT") },
        Order { cash_qty: Some(100.0), ..buy("MKT") },
        Order { all_or_none: true, ..buy("MKT") },
    ];
    for (id, sent) in (1..).zip(&refused) {
        client.submit_order(id, &contract, sent).await.unwrap();
        match timeout(PATIENCE, updates.next()).await.unwrap().unwrap().unwrap() {
            SubscriptionItem::Notice(notice) => {
                assert_eq!(notice.code, 321);
                assert!(notice.message.contains("does not serve"), "{}", notice.message);
            }
            other => panic!("{other:?}"),
        }
    }
    client.submit_order(50, &contract, &buy("MIDPRICE")).await.unwrap();
    assert_eq!(story(&mut updates, "notice").await, ["notice 387"]);
    client.disconnect().await;
    let end = running.stop().await.unwrap();
    assert_eq!(end.orders, 0);
}

#[tokio::test]
async fn what_an_order_would_do_is_told_and_nothing_is_placed() {
    let dir = tempfile::tempdir().unwrap();
    let (running, client, mut updates, contract) = table(dir.path(), &[100.0; 40]).await;
    let _bars = watch(&client, &contract).await;
    client.submit_order(1, &contract, &order(Action::Buy, 100.0, "MKT")).await.unwrap();
    story(&mut updates, "cost").await;
    let asked = Order { what_if: true, ..order(Action::Buy, 900.0, "MKT") };
    client.submit_order(2, &contract, &asked).await.unwrap();
    let state = match timeout(PATIENCE, updates.next()).await.unwrap().unwrap().unwrap() {
        SubscriptionItem::Data(OrderUpdate::OpenOrder(open)) => open.order_state,
        other => panic!("{other:?}"),
    };
    assert_eq!((state.initial_margin_before, state.initial_margin_after), (Some(5_000.0), Some(50_000.0)));
    assert_eq!((state.initial_margin_change, state.maintenance_margin_change), (Some(45_000.0), Some(22_500.0)));
    assert_eq!((state.commission, state.minimum_commission), (Some(4.5), None));
    assert_eq!(state.equity_with_loan_change, Some(-4.5));
    let mut open = client.all_open_orders().await.unwrap();
    assert!(timeout(PATIENCE, open.next()).await.unwrap().is_none());
    client.disconnect().await;
    assert_eq!(running.stop().await.unwrap().orders, 1);
}

#[tokio::test]
async fn orders_for_a_closed_market_wait_for_it_and_are_told_so() {
    let dir = tempfile::tempdir().unwrap();
    // Monday's last minutes are Monday's first: the tape ends, and with it nothing opens.
    write_minutes(dir.path(), "AAA", &[100.0; 390]);
    let running =
        start(SimulatorConfig { speed: robo_trader::simulator::Speed::Times(40_000.0), ..replay(dir.path()) })
            .await
            .unwrap();
    let client = ibapi(&running, 7).await;
    let mut updates = client.order_update_stream().await.unwrap();
    let contract = Contract::stock("AAA").build();
    let _bars = watch(&client, &contract).await;
    let mut tape = running.tape_finished();
    timeout(PATIENCE, tape.wait_for(|over| *over)).await.unwrap().unwrap();
    client.submit_order(1, &contract, &Order { limit_price: Some(90.0), ..buy("LMT") }).await.unwrap();
    let begun = story(&mut updates, "notice").await;
    assert_eq!(begun, ["open 1 PreSubmitted", "status 1 PreSubmitted 0/10", "notice 399"]);
    // Once only: a change of it says nothing new.
    client.submit_order(1, &contract, &Order { limit_price: Some(91.0), ..buy("LMT") }).await.unwrap();
    story(&mut updates, "status 1 PreSubmitted").await;
    client.submit_order(2, &contract, &Order { outside_rth: true, ..buy("MKT") }).await.unwrap();
    assert_eq!(story(&mut updates, "notice 2109").await[2..], ["notice 399", "notice 2109"]);
    let evening = Order { outside_rth: true, limit_price: Some(90.0), ..buy("LMT") };
    client.submit_order(3, &contract, &evening).await.unwrap();
    assert_eq!(story(&mut updates, "status").await, ["open 3 Submitted", "status 3 Submitted 0/10"]);
    client.disconnect().await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn presets_loans_and_halts_have_their_codes() {
    let hard_to_borrow = vec!["AAPL".parse().unwrap()];
    let running = start(SimulatorConfig { hard_to_borrow, ..config() }).await.unwrap();
    let client = ibapi(&running, 7).await;
    let mut updates = client.order_update_stream().await.unwrap();
    let contract = Contract::stock("AAPL").build();
    // Alive all: a preset time in force, and a sale that waits for a loan.
    client.submit_order(1, &contract, &Order { limit_price: Some(1.0), tif: "".into(), ..buy("LMT") }).await.unwrap();
    assert_eq!(story(&mut updates, "notice").await[1..], ["status 1 Submitted 0/10", "notice 10349"]);
    client.submit_order(2, &contract, &sell("MKT")).await.unwrap();
    let status = async {
        loop {
            if let Ok(SubscriptionItem::Data(OrderUpdate::OrderStatus(status))) = updates.next().await.unwrap() {
                break status;
            }
        }
    };
    let status = timeout(PATIENCE, status).await.unwrap();
    assert_eq!((status.status.to_string().as_str(), status.why_held.as_str()), ("PreSubmitted", "locate"));
    assert_eq!(story(&mut updates, "notice").await, ["notice 404"]);
    running.act(Act::Halt { symbol: "AAPL".parse().unwrap(), on: true }).await.unwrap();
    client.submit_order(3, &contract, &buy("MKT")).await.unwrap();
    assert_eq!(story(&mut updates, "notice").await, ["notice 154"]);
    drop(client.cancel_order(1, "").await.unwrap());
    story(&mut updates, "notice 202").await;
    running.act(Act::Halt { symbol: "AAPL".parse().unwrap(), on: false }).await.unwrap();
    client.submit_order(4, &contract, &Order { limit_price: Some(1.0), ..buy("LMT") }).await.unwrap();
    story(&mut updates, "status 4 Submitted").await;
    // A price off the grid: new, it is dead; as a change, the old order lives.
    client.submit_order(5, &contract, &Order { limit_price: Some(1.001), ..buy("LMT") }).await.unwrap();
    assert_eq!(story(&mut updates, "notice").await, ["notice 110"]);
    client.submit_order(4, &contract, &Order { limit_price: Some(1.001), ..buy("LMT") }).await.unwrap();
    assert_eq!(story(&mut updates, "notice").await, ["notice 110"]);
    assert_eq!(told(&client, 4).await.limit_price, Some(1.0));
    // Cancels: refused orders 161, unknown ones 10147, ended ones 10148.
    for (id, code) in [(5, "notice 161"), (77, "notice 10147"), (1, "notice 10148")] {
        drop(client.cancel_order(id, "").await.unwrap());
        assert_eq!(story(&mut updates, "notice").await.last().map(String::as_str), Some(code));
    }
    client.disconnect().await;
    running.stop().await.unwrap();
}

/// The id of the next open order that a raw client is told of. (The real client drops what it
/// hears of others' orders.)
async fn next_open(raw: &mut Raw) -> i32 {
    simulator_support::Number::decode(&raw.until(5).await[..]).unwrap().id.unwrap()
}

#[tokio::test]
async fn orders_by_hand_are_bound_to_client_zero_and_the_master_hears_of_everybody() {
    let running = start(SimulatorConfig { master_client: Some(9), ..config() }).await.unwrap();
    let by_hand = |price: &str| Act::ByHand {
        symbol: "AAPL".parse().unwrap(),
        side: Side::Buy,
        quantity: Shares(10),
        kind: Kind::Limit { limit: price.parse().unwrap() },
        tif: Tif::Gtc,
    };
    let zero = ibapi(&running, 0).await;
    let mut master = Raw::started(&running, 9).await;
    let other = ibapi(&running, 7).await;
    let mut own = zero.order_update_stream().await.unwrap();
    running.act(by_hand("1")).await.unwrap();
    assert_eq!(next_open(&mut master).await, 0, "it has no id");
    let contract = Contract::stock("AAPL").build();
    other.submit_order(1, &contract, &Order { limit_price: Some(1.0), ..buy("LMT") }).await.unwrap();
    assert_eq!(next_open(&mut master).await, 1);
    // Asking for its open orders binds what there is; what comes later is bound by wish.
    let open = zero.open_orders().await.unwrap().filter_data();
    let open: Vec<i32> = timeout(PATIENCE, open.map(|item| item.unwrap()).collect::<Vec<_>>())
        .await
        .unwrap()
        .iter()
        .filter_map(|item| if let Orders::OrderData(data) = item { Some(data.order_id) } else { None })
        .collect();
    assert!(open.len() == 1 && open[0] < 0, "{open:?}");
    assert_eq!(story(&mut own, "bound").await, [format!("bound {}", open[0])]);
    let _wish = zero.auto_open_orders(true).await.unwrap();
    assert!(zero.next_valid_order_id().await.unwrap() > 0);
    running.act(by_hand("2")).await.unwrap();
    let bound = story(&mut own, "bound").await;
    let id = bound.last().and_then(|line| line.strip_prefix("bound ")).unwrap().to_owned();
    assert_eq!(
        story(&mut own, "status").await,
        [format!("open {id} Submitted"), format!("status {id} Submitted 0/10")]
    );
    assert!(next_open(&mut master).await < 0);
    // Client 0 may change and cancel them as its own.
    drop(zero.cancel_order(open[0], "").await.unwrap());
    story(&mut own, "notice 202").await;
    // Completed: the API's alone, or by hand too.
    for (api_only, count) in [(false, 1), (true, 0)] {
        let completed = zero.completed_orders(api_only).await.unwrap().filter_data();
        assert_eq!(timeout(PATIENCE, completed.collect::<Vec<_>>()).await.unwrap().len(), count);
    }
    for client in [zero, other] {
        client.disconnect().await;
    }
    running.stop().await.unwrap();
}

#[tokio::test]
async fn only_client_zero_binds() {
    let running = simulator().await;
    let mut raw = Raw::started(&running, 3).await;
    raw.send(15, &simulator_support::Number { id: Some(1) }).await;
    let (id, code, text) = raw.error().await;
    assert_eq!((id, code), (-1, 321));
    assert!(text.contains("default client"), "{text}");
    running.stop().await.unwrap();
}

#[tokio::test]
async fn executions_are_filtered_by_everything_that_a_filter_says() {
    let dir = tempfile::tempdir().unwrap();
    let (running, client, mut updates, contract) = table(dir.path(), &[100.0; 400]).await;
    client.submit_order(1, &contract, &buy("MKT")).await.unwrap();
    client.submit_order(2, &contract, &sell("MKT")).await.unwrap();
    let _bars = watch(&client, &contract).await;
    story(&mut updates, "cost").await;
    story(&mut updates, "cost").await;
    let none = ExecutionFilter::default;
    let side = |side: ibapi::orders::ExecutionFilterSide| ExecutionFilter { side: Some(side), ..none() };
    let filters = [
        (none(), 2),
        (ExecutionFilter { client_id: Some(7), ..none() }, 2),
        (ExecutionFilter { client_id: Some(8), ..none() }, 0),
        (ExecutionFilter { account_code: "DU1234567".into(), ..none() }, 2),
        (ExecutionFilter { account_code: "DU7".into(), ..none() }, 0),
        (ExecutionFilter { time: "20240304-14:30:00".into(), ..none() }, 2),
        (ExecutionFilter { time: "20240304 09:30:00 US/Eastern".into(), ..none() }, 2),
        (ExecutionFilter { time: "20240304".into(), ..none() }, 2),
        (ExecutionFilter { time: "20240304 15:59:59".into(), ..none() }, 0),
        (ExecutionFilter { symbol: "AAA".into(), ..none() }, 2),
        (ExecutionFilter { symbol: "BBB".into(), ..none() }, 0),
        (ExecutionFilter { security_type: "OPT".into(), ..none() }, 0),
        (ExecutionFilter { exchange: "SMART".into(), security_type: "STK".into(), ..none() }, 2),
        (ExecutionFilter { exchange: "NASDAQ".into(), ..none() }, 2),
        (ExecutionFilter { exchange: "NYSE".into(), ..none() }, 0),
        (side(ibapi::orders::ExecutionFilterSide::Buy), 1),
        (ExecutionFilter { last_n_days: 7, ..none() }, 2),
        (ExecutionFilter { specific_dates: vec!["20240304".into()], ..none() }, 2),
        (ExecutionFilter { specific_dates: vec!["20240301".into()], ..none() }, 0),
    ];
    for (filter, count) in filters {
        let text = format!("{filter:?}");
        let rows = client.executions(filter).await.unwrap().filter_data();
        let rows: Vec<_> = timeout(PATIENCE, rows.map(|row| row.unwrap()).collect()).await.unwrap();
        let fills = rows.iter().filter(|row| matches!(row, Executions::ExecutionData(_))).count();
        assert_eq!((fills, rows.len()), (count, 2 * count), "each with its cost: {text}");
    }
    client.disconnect().await;
    running.stop().await.unwrap();
}
