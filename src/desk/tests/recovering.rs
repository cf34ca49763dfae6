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
    let locked: Vec<&LockScope> = story.desk.book().locks().map(|(scope, _, _)| scope).collect();
    assert_eq!(locked, [&LockScope::Unexplained(AAPL)]);
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
    story.recover(snapshot.clone());
    assert_eq!(story.desk.book().foreign(AAPL), None, "one read proves nothing");
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
        story
            .desk
            .admits(&Recovered { client_id, snapshot: snapshot.clone(), disturbed: false, since: 0 })
            .map_err(|e| e.to_string())
    };
    assert!(admits(CLIENT, &snapshot).unwrap_err().contains("rt-other-1"));
    assert!(admits(8, &story.snapshot()).unwrap_err().contains("IBKR_CLIENT_ID=7"));
    assert!(admits(CLIENT, &story.snapshot()).is_ok());
}

#[test]
fn a_corrected_execution_replaces_the_former_report() {
    let mut story = Story::long(plan(|_| {}));
    let mut corrected = story.desk.book().fills().next().unwrap().execution.as_ref().clone();
    corrected.id = ExecutionId(corrected.id.0.replace(".01.01", ".01.02").into());
    corrected.price = price(49.0);
    let cash = story.desk.book().cash().unwrap();
    story.tell(Event::Order(corrected.clone().into()));
    assert_eq!(story.desk.book().cash().unwrap() - cash, Usd::of(Decimal::from(100)));
    assert_eq!(story.desk.book().counts().executions, 1);
    story.tell(Event::Order(corrected.into()));
    assert_eq!(story.desk.book().held(AAPL), Shares(100));
}

#[test]
fn nothing_is_sent_for_a_position_that_nobody_can_explain_until_both_agree_again() {
    let mut story = Story::long(plan(|_| {}));
    story.tell(Event::Lost { why: "reset".into() });
    // The broker holds nothing and knows no order: a stop fill out of reach, say.
    let empty = BrokerSnapshot { positions: BTreeMap::new(), ..story.snapshot() };
    story.recover(empty.clone());
    assert_eq!(story.recover(empty), NOTHING, "no naked stop");
    assert!(story.desk.is_ready());
    assert_eq!(story.bar(50.0, Some(0.0)), NOTHING, "no exit of what is not there");
    // Both agree again: the lock goes, and the exit with it.
    assert_eq!(story.recover(story.snapshot()), ["SELL 100 MKT"]);
    assert_eq!(story.desk.book().locks().count(), 0);
}

#[test]
fn while_the_link_to_ibkr_is_down_silence_proves_nothing() {
    let mut story = Story::new(plan(|_| {}));
    story.bar(50.0, Some(1.0));
    story.tell(Event::Link { up: false });
    story.tell(Event::Overdue { intent: 1 });
    for _ in 0..3 {
        assert_eq!(story.recover(story.snapshot()), NOTHING);
    }
    assert!(!story.desk.is_ready());
    assert_eq!(story.order(1).state, OrderState::Unknown);
    story.tell(Event::Link { up: true });
    story.recover(story.snapshot());
    story.recover(story.snapshot());
    assert!(story.desk.is_ready());
}

#[test]
fn a_read_during_which_something_moved_proves_nothing() {
    let mut story = Story::new(plan(|_| {}));
    story.bar(50.0, Some(1.0));
    story.tell(Event::Lost { why: "reset".into() });
    for _ in 0..3 {
        let disturbed = Recovered { client_id: CLIENT, snapshot: story.snapshot(), disturbed: true, since: 0 };
        story.tell(Event::Recovered(Box::new(disturbed)));
    }
    assert!(!story.desk.is_ready());
    assert_eq!(story.order(1).state, OrderState::Unknown);
}

#[test]
fn an_order_filled_out_of_sight_locks_its_symbol_instead_of_being_waited_for_for_ever() {
    let mut story = Story::long(plan(|_| {}));
    story.tell(Event::Lost { why: "weekend".into() });
    let mut done = story.at_broker(2, BrokerStatus::Filled);
    done.filled = Some(Shares(100));
    let completed_orders = vec![done];
    let snapshot = BrokerSnapshot { completed_orders, positions: BTreeMap::new(), ..story.snapshot() };
    story.recover(snapshot.clone());
    assert!(!story.desk.is_ready());
    assert_eq!(story.recover(snapshot), NOTHING);
    assert!(story.desk.is_ready());
    assert!(story.desk.book().unexplained(AAPL).is_some());
}

#[test]
fn a_manual_close_is_not_sold_again() {
    let mut story = Story::long(plan(|_| {}));
    let mut manual = story.execution(2, 100, 50.0);
    manual.order_ref = "".into();
    manual.client_id = 0;
    manual.order_id = 0;
    let sent = story.tell(Event::Order(manual.into()));
    assert_eq!(sent, ["cancel 2"], "its stop would sell short");
    assert_eq!(story.disarmed(), Some(Disarm::Manual));
    assert_eq!(story.bar(50.0, Some(0.0)), NOTHING);
}

#[test]
fn another_clients_huge_order_id_is_not_counted_on_from() {
    let mut story = Story::new(plan(|_| {}));
    story.bar(50.0, Some(1.0));
    story.accepted(&[1, 2]);
    story.tell(Event::Lost { why: "reset".into() });
    let mut foreign = story.at_broker(1, BrokerStatus::Submitted);
    (foreign.client_id, foreign.order_id, foreign.order_ref) = (99, 1_780_675_200, "".into());
    foreign.perm_id = 5;
    let mine = [1, 2].map(|intent| story.at_broker(intent, BrokerStatus::Submitted));
    let open_orders = mine.into_iter().chain([foreign]).collect();
    story.recover(BrokerSnapshot { open_orders, ..story.snapshot() });
    assert!(story.desk.is_ready());
    assert_eq!(story.desk.book().next_order_id(), 3);
}

#[test]
fn an_entry_whose_children_never_arrived_is_cancelled() {
    let mut story = Story::new(plan(|_| {}));
    story.bar(50.0, Some(1.0));
    story.tell(Event::Lost { why: "cut between parent and child".into() });
    let parent = vec![story.at_broker(1, BrokerStatus::PendingSubmit)];
    let snapshot = BrokerSnapshot { open_orders: parent, ..story.snapshot() };
    story.recover(snapshot.clone());
    assert_eq!(story.recover(snapshot), ["cancel 1"]);
}
