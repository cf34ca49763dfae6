//! What the storm (`tests/storm_desk.rs`) has found, each as its smallest story.

use rust_decimal::Decimal;

use super::*;
use crate::domain::book::IncidentFact;

/// With a stop 5 % below and a target 4 % above.
fn two_legs() -> Plan {
    plan(|plan| {
        for symbol in plan.symbols.values_mut() {
            symbol.take_profit = Some(Decimal::new(4, 2));
        }
    })
}

fn refused(story: &mut Story, intent: u64) -> Vec<String> {
    let order_id = story.order(intent).ticket.order_id;
    let news = OrderNews::Refused;
    story.tell(Event::Order(OrderUpdate::News { order_id, code: 201, news, text: "no".into() }))
}

fn incidents(story: &Story, name: &str) -> usize {
    let named = |record: &&Record| matches!(&record.fact, Fact::Incident(IncidentFact { name: n, .. }) if n == name);
    story.records.iter().filter(named).count()
}

#[test]
fn legs_of_a_former_family_end_before_a_new_family_is_sent() {
    let mut story = Story::new(two_legs());
    story.bar(50.0, Some(1.0));
    story.accepted(&[1, 2, 3]);
    assert_eq!(story.bar(50.0, Some(0.0)), ["cancel 1"]);
    assert_eq!(story.bar(50.0, Some(1.0)), NOTHING);
    assert_eq!(story.status(1, BrokerStatus::Cancelled), NOTHING, "its legs still work, for all we know");
    assert_eq!(story.status(2, BrokerStatus::Cancelled), NOTHING);
    assert_eq!(story.status(3, BrokerStatus::Cancelled), ["BUY 100 MKT", "SELL 100 STP 47.5", "SELL 100 LMT 52"]);
}

#[test]
fn an_entry_is_cancelled_when_the_leg_that_would_transmit_it_is_refused() {
    let mut story = Story::new(two_legs());
    story.bar(50.0, Some(1.0));
    story.accepted(&[1, 2]);
    assert_eq!(refused(&mut story, 3), ["cancel 1"]);
}

#[test]
fn an_entry_is_cancelled_when_the_leg_that_would_transmit_it_never_left() {
    let mut story = Story::new(two_legs());
    story.bar(50.0, Some(1.0));
    story.tell(Event::Lost { why: "cut between the second leg and the third".into() });
    let open = [1, 2].map(|intent| story.at_broker(intent, BrokerStatus::PendingSubmit));
    let snapshot = BrokerSnapshot { open_orders: open.into(), ..story.snapshot() };
    story.recover(snapshot.clone());
    assert_eq!(story.recover(snapshot), ["cancel 1"]);
}

#[test]
fn a_stop_is_put_back_only_when_the_leg_that_rests_is_gone() {
    let mut story = Story::new(two_legs());
    story.bar(50.0, Some(1.0));
    story.accepted(&[1]);
    refused(&mut story, 2);
    story.accepted(&[3]);
    story.fill(1, 100, 50.0);
    assert_eq!(story.bar(50.0, None), ["cancel 3"]);
    // It fills in part before the cancel reaches it: the stop is for what is left.
    assert_eq!(story.fill(3, 30, 52.0), NOTHING);
    assert_eq!(story.status(3, BrokerStatus::Cancelled), ["SELL 70 STP 47.5"]);
}

#[test]
fn a_pair_is_the_brokers_to_size_and_one_that_stays_wrong_is_broken_for_the_stop_alone() {
    let long = || {
        let mut story = Story::new(two_legs());
        story.bar(50.0, Some(1.0));
        story.accepted(&[1, 2, 3]);
        story.fill(1, 100, 50.0);
        assert_eq!(story.fill(3, 40, 52.0), NOTHING, "the broker shrinks the stop by itself");
        story
    };
    let mut story = long();
    let mut shrunk = story.at_broker(2, BrokerStatus::PreSubmitted);
    shrunk.quantity = Shares(60);
    assert_eq!(story.tell(Event::Order(shrunk.into())), NOTHING);
    assert_eq!(story.tell(Event::Time(story.now())), NOTHING);
    // Another broker does not.
    let mut story = long();
    assert_eq!(story.tell(Event::Time(story.now())), ["cancel 3"]);
    assert_eq!(story.status(3, BrokerStatus::Cancelled), ["amend 2: SELL 60 STP 47.5"]);
}

#[test]
fn terms_that_the_broker_changed_are_not_put_right_behind_the_fence_but_after_it() {
    let mut story = Story::long(plan(|_| {}));
    story.tell(Event::Fenced);
    let mut preset = story.at_broker(2, BrokerStatus::PreSubmitted);
    preset.tif = Some(TimeInForce::Day);
    assert_eq!(story.tell(Event::Order(preset.clone().into())), NOTHING);
    assert_eq!(incidents(&story, "terms_differ"), 0);
    let snapshot = BrokerSnapshot { open_orders: vec![preset], ..story.snapshot() };
    assert_eq!(story.recover(snapshot), ["amend 2: SELL 100 STP 47.5"]);
    assert_eq!(incidents(&story, "terms_differ"), 1);
}

#[test]
fn a_child_of_a_working_entry_is_not_changed_before_the_entry_ends() {
    let mut story = Story::new(plan(|_| {}));
    story.bar(50.0, Some(1.0));
    story.accepted(&[1]);
    let mut preset = story.at_broker(2, BrokerStatus::PreSubmitted);
    preset.tif = Some(TimeInForce::Day);
    assert_eq!(story.tell(Event::Order(preset.clone().into())), NOTHING);
    story.fill(1, 100, 50.0);
    assert_eq!(story.tell(Event::Order(preset.into())), ["amend 2: SELL 100 STP 47.5"]);
}

#[test]
fn an_entry_that_waits_for_its_children_is_not_transmitted_by_putting_its_terms_right() {
    let mut story = Story::new(plan(|_| {}));
    story.bar(50.0, Some(1.0));
    let mut preset = story.at_broker(1, BrokerStatus::PendingSubmit);
    preset.tif = Some(TimeInForce::Gtc);
    assert_eq!(story.tell(Event::Order(preset.clone().into())), NOTHING);
    preset.status = BrokerStatus::Submitted;
    assert_eq!(story.tell(Event::Order(preset.into())), ["amend 1: BUY 100 MKT"]);
}

#[test]
fn a_holding_is_others_only_when_two_statements_say_so_without_a_trade_between() {
    let position = |quantity: i64| BrokerPosition {
        account: account(),
        contract: AAPL,
        symbol: "AAPL".parse().unwrap(),
        quantity: Decimal::from(quantity),
        average_cost: None,
    };
    let mut by_hand = {
        let mut story = Story::long(plan(|_| {}));
        story.execution(1, 40, 50.0)
    };
    (by_hand.client_id, by_hand.order_id, by_hand.order_ref) = (0, 0, "".into());
    let desk = Desk::new(plan(|_| {}), Book::default());
    let mut story = Story { desk, records: Vec::new(), minute: 0, executions: 0 };
    let venue = Venue::Simulator { exchange: "x".into() };
    let opened = LedgerFact::Opened { ledger: "test".into(), venue, account: account() };
    let facts = story.desk.open_ledger(opened, serde_json::json!({}), story.now());
    story.records.extend(facts);
    story.tell(Event::Listed(contract()));
    // Somebody bought between the executions and the positions of the first read.
    let read = BrokerSnapshot { positions: BTreeMap::from([(AAPL, position(40))]), ..story.snapshot() };
    story.recover(read.clone());
    assert!(!story.desk.is_ready(), "one statement proves nothing");
    story.recover(BrokerSnapshot { executions: vec![by_hand], ..read });
    assert!(story.desk.is_ready());
    assert_eq!(story.desk.book().foreign(AAPL), Some(Shares(40)), "counted once");
}

#[test]
fn a_stop_that_fills_beyond_a_change_on_its_way_still_works_for_its_former_size() {
    let mut story = Story::new(plan(|_| {}));
    story.bar(50.0, Some(1.0));
    story.accepted(&[1, 2]);
    story.fill(1, 40, 50.0);
    assert_eq!(story.status(1, BrokerStatus::Cancelled), ["amend 2: SELL 40 STP 47.5"]);
    // Its child was the broker's to size after all, and somebody gave the rest: it has sold 44.
    let order_id = story.order(2).ticket.order_id;
    let quantity = story.execution(2, 44, 47.5);
    story.tell(Event::Order(quantity.into()));
    assert!(story.order(2).state.is_live(), "{:?}", story.order(2).state);
    let news = OrderNews::ChangeRefused;
    story.tell(Event::Order(OrderUpdate::News { order_id, code: 321, news, text: "too late".into() }));
    assert!(story.order(2).state.is_live());
}

#[test]
fn an_order_that_works_at_the_broker_after_its_end_in_the_book_is_cancelled() {
    let mut story = Story::new(plan(|_| {}));
    story.bar(50.0, Some(1.0));
    story.accepted(&[1, 2]);
    story.fill(1, 40, 50.0);
    assert_eq!(story.status(1, BrokerStatus::Cancelled), ["amend 2: SELL 40 STP 47.5"]);
    // As many fill as the change would leave, before it arrives: it is refused, and 60 work on.
    story.fill(2, 40, 47.5);
    assert_eq!(story.order(2).state, OrderState::Filled);
    let mut ghost = story.at_broker(2, BrokerStatus::PreSubmitted);
    (ghost.quantity, ghost.filled) = (Shares(100), Some(Shares(40)));
    let snapshot = BrokerSnapshot { open_orders: vec![ghost], ..story.snapshot() };
    let since = story.desk.book().facts();
    let recovered = Recovered { client_id: CLIENT, snapshot, disturbed: false, since };
    assert_eq!(story.tell(Event::Recovered(Box::new(recovered))), ["cancel 2"]);
}

#[test]
fn terms_of_one_of_a_pair_are_not_sent_anew_beside_the_other() {
    let mut story = Story::new(two_legs());
    story.bar(50.0, Some(1.0));
    story.accepted(&[1, 2, 3]);
    story.fill(1, 100, 50.0);
    // A preset made the target a day order. Its size would travel with its terms, while the stop fills.
    let preset = BrokerOrder { tif: Some(TimeInForce::Day), ..story.at_broker(3, BrokerStatus::Submitted) };
    assert_eq!(story.tell(Event::Order(preset.into())), ["cancel 3"]);
    assert_eq!(incidents(&story, "target_dropped"), 1);
    assert_eq!(story.order(2).state, OrderState::Working, "the stop stays");
}
