//! What was lost, found, foreign or corrected.

use rust_decimal::Decimal;

use super::*;
use crate::domain::book::LockScope;

#[test]
fn an_order_lost_with_its_session_is_found_again_and_never_sent_twice() {
    let mut story = Story::new(plan(|_| {}));
    story.bar(50.0, Some(1.0));
    story.tell(Event::Lost { why: "reset".into() });
    assert_eq!(story.order(1).state, OrderState::Unknown);
    let open = vec![story.at_broker(1, BrokerStatus::Submitted), story.at_broker(2, BrokerStatus::PreSubmitted)];
    let snapshot = BrokerSnapshot { open_orders: open, ..story.snapshot() };
    assert_eq!(story.recover(snapshot), NOTHING);
    assert!(story.desk.is_ready());
    assert_eq!((story.order(1).state, story.order(2).state), (OrderState::Working, OrderState::Working));
    assert_eq!(story.bar(50.0, Some(1.0)), NOTHING);
}

#[test]
fn an_order_that_never_arrived_needs_two_agreeing_reads_and_only_a_later_bar_decides_anew() {
    let mut story = Story::new(plan(|_| {}));
    story.bar(50.0, Some(1.0));
    story.tell(Event::Lost { why: "reset".into() });
    assert_eq!(story.recover(story.snapshot()), NOTHING);
    assert!(!story.desk.is_ready(), "one read proves nothing");
    assert_eq!(story.recover(story.snapshot()), NOTHING);
    assert!(story.desk.is_ready());
    assert_eq!((story.order(1).state, story.order(2).state), (OrderState::NeverSent, OrderState::NeverSent));
    assert_eq!(story.bar(50.0, None), ["BUY 100 MKT", "SELL 100 STP 47.5"]);
    assert_eq!(story.order(3).state, OrderState::Sent);
}

#[test]
fn an_order_that_filled_while_we_were_away_is_a_fill_and_gets_its_stop() {
    let mut story = Story::new(plan(|_| {}));
    story.bar(50.0, Some(1.0));
    story.tell(Event::Lost { why: "reset".into() });
    let execution = story.execution(1, 100, 50.1);
    let mut snapshot = BrokerSnapshot { executions: vec![execution], ..story.snapshot() };
    let position = BrokerPosition {
        account: account(),
        contract: AAPL,
        symbol: "AAPL".parse().unwrap(),
        quantity: Decimal::from(100),
        average_cost: None,
    };
    snapshot.positions.insert(AAPL, position);
    assert_eq!(story.recover(snapshot.clone()), NOTHING);
    assert_eq!((story.order(1).state, story.desk.book().held(AAPL)), (OrderState::Filled, Shares(100)));
    // Its stop is not at the broker: two reads agree, and it is placed anew.
    assert_eq!(story.recover(snapshot), ["SELL 100 STP 47.6"]);
}

#[test]
fn an_unexplained_position_locks_its_symbol_after_two_reads() {
    let mut story = Story::long(plan(|_| {}));
    story.tell(Event::Lost { why: "reset".into() });
    let open = vec![story.at_broker(2, BrokerStatus::PreSubmitted)];
    let mut snapshot = BrokerSnapshot { open_orders: open, ..story.snapshot() };
    snapshot.positions.get_mut(&AAPL).unwrap().quantity = Decimal::from(60);
    story.recover(snapshot.clone());
    assert!(!story.desk.is_ready());
    story.recover(snapshot);
    assert!(story.desk.is_ready());
    let locked: Vec<&LockScope> = story.desk.book().locks().map(|(scope, _)| scope).collect();
    assert_eq!(locked, [&LockScope::Contract(AAPL)]);
}

#[test]
fn shares_that_were_there_before_are_foreign_and_left_alone() {
    let mut story = Story::new(plan(|_| {}));
    story.tell(Event::Lost { why: "reset".into() });
    let mut snapshot = story.snapshot();
    let position = BrokerPosition {
        account: account(),
        contract: AAPL,
        symbol: "AAPL".parse().unwrap(),
        quantity: Decimal::new(4_005, 1),
        average_cost: None,
    };
    snapshot.positions.insert(AAPL, position);
    story.recover(snapshot);
    assert!(story.desk.is_ready());
    assert_eq!((story.desk.book().foreign(AAPL), story.desk.book().held(AAPL)), (Some(Shares(400)), Shares::ZERO));
    assert_eq!(story.bar(50.0, Some(0.0)), NOTHING);
}

#[test]
fn another_installations_order_or_another_client_id_refuses_the_session() {
    let mut story = Story::new(plan(|_| {}));
    story.bar(50.0, Some(1.0));
    let mut foreign = story.at_broker(1, BrokerStatus::Submitted);
    foreign.order_ref = "rt-other-1".into();
    let snapshot = BrokerSnapshot { open_orders: vec![foreign], ..story.snapshot() };
    let admits = |client_id, snapshot: &BrokerSnapshot| {
        story.desk.admits(&Recovered { client_id, snapshot: snapshot.clone() }).map_err(|e| e.to_string())
    };
    assert!(admits(CLIENT, &snapshot).unwrap_err().contains("rt-other-1"));
    assert!(admits(8, &story.snapshot()).unwrap_err().contains("IBKR_CLIENT_ID=7"));
    assert!(admits(CLIENT, &story.snapshot()).is_ok());
}

#[test]
fn a_corrected_execution_replaces_the_former_report() {
    let mut story = Story::long(plan(|_| {}));
    let mut corrected = story.desk.book().fills().next().unwrap().execution.clone();
    corrected.id = ExecutionId(corrected.id.0.replace(".01.01", ".01.02"));
    corrected.price = price(49.0);
    let cash = story.desk.book().cash().unwrap();
    story.tell(Event::Order(OrderUpdate::Execution(corrected.clone())));
    assert_eq!(story.desk.book().cash().unwrap() - cash, Usd(Decimal::from(100)));
    assert_eq!(story.desk.book().counts().executions, 1);
    story.tell(Event::Order(OrderUpdate::Execution(corrected)));
    assert_eq!(story.desk.book().held(AAPL), Shares(100));
}
