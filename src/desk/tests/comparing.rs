//! Broker and book compared while trading goes on, and everything that closes the fence.

use rust_decimal::Decimal;

use super::*;
use crate::domain::book::LockCause;

impl Story {
    /// A read in steady state that began when nothing had moved since.
    fn compare(&mut self, snapshot: BrokerSnapshot) -> Decided {
        let since = self.desk.book().facts();
        let read = Recovered { client_id: CLIENT, snapshot, disturbed: false, since };
        let decided = self.desk.decide(Event::Compared(Box::new(read)));
        self.records.extend(decided.records.clone());
        self.check();
        decided
    }

    /// The broker's state as the book has it, its stop included.
    fn agreeing(&self) -> BrokerSnapshot {
        let live = self.desk.book().live_orders().map(|order| order.ticket.order_ref.intent);
        let open_orders = live.map(|intent| self.at_broker(intent, BrokerStatus::PreSubmitted)).collect();
        BrokerSnapshot { open_orders, account: self.money(), ..self.snapshot() }
    }

    fn money(&self) -> AccountState {
        AccountState { total_cash: self.desk.book().cash(), ..funds(100_000) }
    }

    fn incidents(&self, name: &str) -> usize {
        let named = |record: &&Record| matches!(&record.fact, Fact::Incident(incident) if incident.name == name);
        self.records.iter().filter(named).count()
    }
}

#[test]
fn a_comparison_that_agrees_changes_nothing() {
    let mut story = Story::long(plan(|_| {}));
    let before = story.records.len();
    for _ in 0..3 {
        let decided = story.compare(story.agreeing());
        assert!(decided.actions.is_empty() && !decided.wants_reconcile);
    }
    assert!(story.desk.is_ready());
    assert_eq!(story.records.len(), before);
}

#[test]
fn a_position_that_differs_closes_the_fence_and_two_reads_behind_it_lock_the_symbol() {
    let mut story = Story::long(plan(|_| {}));
    let mut snapshot = story.agreeing();
    snapshot.positions.get_mut(&AAPL).unwrap().quantity = Decimal::from(99);
    assert!(story.compare(snapshot.clone()).wants_reconcile);
    assert!(!story.desk.is_ready());
    assert_eq!(story.bar(50.0, Some(0.0)), NOTHING, "behind the fence nothing leaves");
    story.recover(snapshot.clone());
    assert_eq!(story.recover(snapshot.clone()), ["amend 2: SELL 99 STP 47.5"], "never more than both agree on");
    assert!(story.desk.is_ready() && story.desk.book().unexplained(AAPL).is_some());
    // Compared again it is no news; agreed on again it goes through the fence.
    assert!(!story.compare(snapshot).wants_reconcile);
    let agreeing = story.agreeing();
    assert!(story.compare(agreeing.clone()).wants_reconcile);
    assert_eq!(story.recover(agreeing), ["cancel 2"], "and the exit goes on");
    assert!(story.desk.book().unexplained(AAPL).is_none());
}

#[test]
fn what_moved_while_it_was_read_is_no_difference() {
    let mut story = Story::new(plan(|_| {}));
    let before = story.agreeing();
    let since = story.desk.book().facts();
    story.bar(50.0, Some(1.0));
    story.accepted(&[1, 2]);
    story.fill(1, 100, 50.0);
    let read = Recovered { client_id: CLIENT, snapshot: before, disturbed: true, since };
    story.tell(Event::Compared(Box::new(read)));
    assert!(story.desk.is_ready());
    assert_eq!(story.incidents("difference"), 0);
}

#[test]
fn a_stop_that_vanished_is_noticed_told_and_put_back() {
    let mut story = Story::long(plan(|_| {}));
    let without = BrokerSnapshot { open_orders: Vec::new(), ..story.agreeing() };
    assert!(story.compare(without.clone()).wants_reconcile);
    story.recover(without.clone());
    assert_eq!(story.recover(without), ["SELL 100 STP 47.5"]);
    assert_eq!(story.incidents("stop_missing"), 1);
}

#[test]
fn a_fill_that_never_reached_us_is_found_by_the_comparison() {
    let mut story = Story::long(plan(|_| {}));
    let execution = story.execution(2, 100, 47.5);
    let mut snapshot = BrokerSnapshot { executions: vec![execution], ..story.agreeing() };
    snapshot.positions.clear();
    snapshot.open_orders.clear();
    story.compare(snapshot);
    assert_eq!((story.desk.book().held(AAPL), story.desk.is_ready()), (Shares::ZERO, true));
    assert_eq!(story.disarmed(), Some(Disarm::Protected));
}

#[test]
fn a_stated_holding_that_differs_asks_for_a_comparison_and_judges_nothing() {
    let mut story = Story::long(plan(|_| {}));
    let mut position = story.snapshot().positions[&AAPL].clone();
    assert!(!story.desk.decide(Event::Position(position.clone())).wants_compare);
    position.quantity = Decimal::from(70);
    let decided = story.desk.decide(Event::Position(position));
    assert!(decided.wants_compare && decided.records.is_empty());
    assert!(story.desk.is_ready());
}

#[test]
fn cash_that_moved_enters_the_ledger_after_two_quiet_reads_and_much_of_it_stops_entries() {
    let mut story = Story::long(plan(|plan| plan.guards.cash_limit = Usd::of(Decimal::from(500))));
    let paid = |story: &Story, usd: i64| {
        let total_cash = story.desk.book().cash().map(|cash| cash + Usd::of(Decimal::from(usd)));
        BrokerSnapshot { account: AccountState { total_cash, ..funds(100_000) }, ..story.agreeing() }
    };
    let snapshot = paid(&story, 12);
    story.compare(snapshot.clone());
    story.compare(snapshot);
    assert_eq!(story.desk.book().adjustments(), Usd::ZERO, "a fill is too near: account data lag");
    story.minute += 5;
    story.tell(Event::Time(story.now()));
    let dividend = paid(&story, 12);
    story.compare(dividend);
    assert_eq!(story.desk.book().adjustments(), Usd::of(Decimal::from(12)));
    assert_eq!(story.desk.book().locks().count(), 0);
    let deposit = paid(&story, 501);
    story.compare(deposit.clone());
    story.compare(deposit);
    let causes: Vec<LockCause> = story.desk.book().locks().map(|(_, cause, _)| cause).collect();
    assert_eq!((story.desk.book().adjustments(), causes), (Usd::of(Decimal::from(513)), vec![LockCause::Cash]));
}

#[test]
fn cash_that_moved_is_seen_also_where_there_is_never_quiet() {
    let mut story = Story::long(plan(|_| {}));
    let buy = |story: &mut Story, quantity: i64| {
        let mut more = story.execution(1, quantity, 50.0);
        more.at = story.now();
        story.tell(Event::Order(more.clone().into()));
        let amount = Usd::of(Decimal::ONE);
        let cost = Commission { execution: more.id, amount, currency: "USD".into() };
        story.tell(Event::Order(OrderUpdate::Commission(cost)));
    };
    let read = |story: &mut Story, usd: i64| {
        let total_cash = story.desk.book().cash().map(|cash| cash + Usd::of(Decimal::from(usd)));
        let snapshot = BrokerSnapshot { account: AccountState { total_cash, ..funds(100_000) }, ..story.agreeing() };
        story.compare(snapshot);
        story.desk.book().adjustments()
    };
    // A statement that lags differs by another trade each time.
    for quantity in [1, 2, 3, 4] {
        buy(&mut story, quantity);
        assert_eq!(read(&mut story, 50 * quantity + 1), Usd::ZERO);
    }
    // A dividend is the same whatever is traded meanwhile.
    for _ in 0..2 {
        buy(&mut story, 1);
        assert_eq!(read(&mut story, 12), Usd::ZERO);
    }
    buy(&mut story, 1);
    assert_eq!(read(&mut story, 12), Usd::of(Decimal::from(12)));
}

#[test]
fn orders_of_others_are_told_once_and_shown_and_left_alone() {
    for (policy, told) in [(ForeignPolicy::Watch, 1), (ForeignPolicy::Ignore, 0)] {
        let mut story = Story::long(plan(|plan| plan.guards.foreign = policy));
        let mut foreign = story.at_broker(2, BrokerStatus::Submitted);
        (foreign.client_id, foreign.order_id, foreign.perm_id) = (0, 0, 77);
        foreign.order_ref = "".into();
        let mut snapshot = story.agreeing();
        snapshot.open_orders.push(foreign);
        for _ in 0..2 {
            assert!(story.compare(snapshot.clone()).actions.is_empty());
        }
        assert_eq!((story.incidents("foreign_order"), story.desk.foreign_orders().len()), (told, 1));
    }
}

#[test]
fn a_holding_of_a_planned_symbol_is_adopted_where_the_policy_says_so_and_gets_its_stop() {
    let mut story = Story::new(plan(|plan| plan.guards.foreign = ForeignPolicy::Adopt));
    story.bar(50.0, None);
    let position = BrokerPosition {
        account: account(),
        contract: AAPL,
        symbol: "AAPL".parse().unwrap(),
        quantity: Decimal::from(30),
        average_cost: Some(price(48.0)),
    };
    let mut snapshot = story.agreeing();
    snapshot.positions.insert(AAPL, position);
    story.compare(snapshot.clone());
    story.compare(snapshot);
    let book = story.desk.book();
    assert_eq!((book.held(AAPL), book.foreign(AAPL)), (Shares(30), Some(Shares::ZERO)));
    assert_eq!(book.position(AAPL).unwrap().average_price(), Some(price(48.0)));
    assert_eq!(story.bar(50.0, None), ["SELL 30 STP 45.6"]);
}

#[test]
fn a_trade_by_hand_moves_others_shares_and_cash_not_ours() {
    let mut story = Story::long(plan(|_| {}));
    let mut manual = story.execution(2, 30, 50.0);
    (manual.order_ref, manual.client_id, manual.order_id, manual.side) = ("".into(), 0, 0, Side::Buy);
    manual.at = story.now() + Duration::from_secs(1);
    let cash = story.desk.book().cash();
    let mut snapshot = BrokerSnapshot { executions: vec![manual], ..story.agreeing() };
    snapshot.positions.get_mut(&AAPL).unwrap().quantity = Decimal::from(130);
    assert!(!story.compare(snapshot).wants_reconcile);
    let book = story.desk.book();
    assert_eq!((book.held(AAPL), book.foreign(AAPL), book.cash()), (Shares(100), Some(Shares(30)), cash));
    assert_eq!(book.cash_at_broker(), cash.map(|cash| cash - Usd::of(Decimal::from(1_500))));
}

#[test]
fn the_link_restored_goes_through_the_fence_even_if_its_loss_was_not_told() {
    let mut story = Story::long(plan(|_| {}));
    let decided = story.desk.decide(Event::Link { up: true });
    assert!(decided.wants_reconcile && !story.desk.is_ready());
}

#[test]
fn the_fence_survives_a_second_drop_in_its_middle() {
    let mut story = Story::new(plan(|_| {}));
    story.bar(50.0, Some(1.0));
    story.tell(Event::Lost { why: "first".into() });
    let empty = story.snapshot();
    story.recover(empty.clone());
    story.tell(Event::Lost { why: "second".into() });
    // One read before and one after the second drop are not two of one session.
    story.recover(empty.clone());
    assert!(!story.desk.is_ready());
    assert_eq!(story.order(1).state, OrderState::Unknown);
    story.recover(empty);
    assert!(story.desk.is_ready());
    assert_eq!(story.order(1).state, OrderState::NeverSent);
}

#[test]
fn a_correction_of_anothers_trade_replaces_it() {
    let mut story = Story::long(plan(|_| {}));
    let mut manual = story.execution(2, 30, 50.0);
    (manual.order_ref, manual.client_id, manual.order_id, manual.side) = ("".into(), 0, 0, Side::Buy);
    manual.at = story.now() + Duration::from_secs(1);
    let mut corrected = manual.clone();
    corrected.id = ExecutionId(corrected.id.0.replace(".01.01", ".01.02").into());
    corrected.quantity = Shares(20);
    for execution in [&manual, &corrected, &manual, &corrected] {
        story.tell(Event::Order(execution.clone().into()));
    }
    let book = story.desk.book();
    assert_eq!(book.foreign(AAPL), Some(Shares(20)));
    assert_eq!(book.cash_at_broker(), book.cash().map(|cash| cash - Usd::of(Decimal::from(1_000))));
}

#[test]
fn what_rests_follows_a_locked_difference_that_grows() {
    let mut story = Story::long(plan(|_| {}));
    let mut snapshot = story.agreeing();
    snapshot.positions.get_mut(&AAPL).unwrap().quantity = Decimal::from(70);
    story.compare(snapshot.clone());
    story.recover(snapshot.clone());
    assert_eq!(story.recover(snapshot.clone()), ["amend 2: SELL 70 STP 47.5"]);
    snapshot.open_orders[0].quantity = Shares(70);
    snapshot.positions.clear();
    let actions: Vec<String> = story.compare(snapshot).actions.iter().map(describe).collect();
    assert_eq!(actions, ["cancel 2"]);
}

#[test]
fn a_refused_change_of_a_stop_is_looked_up_behind_the_fence_before_another_is_sent() {
    let mut story = Story::long(plan(|_| {}));
    let mut snapshot = story.agreeing();
    snapshot.positions.get_mut(&AAPL).unwrap().quantity = Decimal::from(70);
    story.compare(snapshot.clone());
    story.recover(snapshot.clone());
    assert_eq!(story.recover(snapshot), ["amend 2: SELL 70 STP 47.5"]);
    let order_id = story.order(2).ticket.order_id;
    let news = OrderUpdate::News { order_id, code: 201, news: OrderNews::Refused, text: "no".into() };
    let decided = story.desk.decide(Event::Order(news));
    assert!(decided.wants_reconcile && decided.actions.is_empty() && !story.desk.is_ready());
    assert_eq!(story.order(2).state, OrderState::Working);
}
