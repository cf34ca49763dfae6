//! What an operator orders, and what comes of it.

use rust_decimal::Decimal;

use super::*;
use crate::desk::operator::{Acceptance, Order};
use crate::domain::book::{LockCause, LockScope};

fn aapl() -> Option<Symbol> {
    Some("AAPL".parse().unwrap())
}

impl Story {
    /// Orders something; the actions, or why not.
    fn order_by_operator(&mut self, order: Order) -> Result<Vec<String>, String> {
        let decided = self.desk.decide(Event::Operator(order));
        self.records.extend(decided.records);
        self.check();
        decided.answer.unwrap().map(|_| decided.actions.iter().map(describe).collect()).map_err(|why| why.to_string())
    }

    fn causes(&self) -> Vec<LockCause> {
        self.desk.book().locks().map(|(_, cause, _)| cause).collect()
    }
}

fn halt(symbol: Option<Symbol>) -> Order {
    Order::Halt { symbol, reason: "news".into() }
}

fn resume(symbol: Option<Symbol>, reason: &str) -> Order {
    Order::Resume { symbol, reason: reason.into() }
}

fn flatten(symbol: Option<Symbol>) -> Order {
    Order::Flatten { symbol, reason: "enough".into(), everything: false }
}

#[test]
fn a_halt_stops_entries_and_cancels_the_waiting_one_and_survives_a_restart() {
    for symbol in [None, aapl()] {
        let mut story = Story::new(plan(|_| {}));
        assert_eq!(story.bar(50.0, Some(1.0)), ["BUY 100 MKT", "SELL 100 STP 47.5"]);
        story.accepted(&[1, 2]);
        assert_eq!(story.order_by_operator(halt(symbol)).unwrap(), ["cancel 1"]);
        story.status(1, BrokerStatus::Cancelled);
        story.status(2, BrokerStatus::Cancelled);
        let mut story = story.restart();
        story.recover(story.snapshot());
        assert_eq!(story.causes(), [LockCause::Operator]);
        assert_eq!(story.bar(51.0, Some(0.0)), NOTHING);
        assert_eq!(story.bar(51.0, Some(1.0)), NOTHING, "still halted");
        story.order_by_operator(resume(symbol, "")).unwrap();
        assert_eq!(story.causes(), []);
        assert_eq!(story.bar(51.0, Some(0.0)), NOTHING);
        assert_eq!(story.bar(51.0, Some(1.0)).len(), 2, "entries again");
    }
}

#[test]
fn exits_pass_a_halt() {
    let mut story = Story::long(plan(|_| {}));
    story.order_by_operator(halt(None)).unwrap();
    assert_eq!(story.bar(50.0, Some(0.0)), ["cancel 2"]);
    assert_eq!(story.status(2, BrokerStatus::Cancelled), ["SELL 100 MKT"]);
}

#[test]
fn a_lock_that_set_itself_is_lifted_only_with_a_reason_and_the_days_loss_is_measured_anew() {
    let mut story = Story::long(plan(|plan| plan.limits.max_daily_loss = Decimal::new(1, 3)));
    story.bar(48.0, None);
    assert_eq!(story.causes(), [LockCause::DailyLoss]);
    let refused = story.order_by_operator(resume(None, " ")).unwrap_err();
    assert!(refused.contains("--reason"), "{refused}");
    assert_eq!(story.causes(), [LockCause::DailyLoss], "nothing has changed");
    story.order_by_operator(resume(None, "the loss is the feed's mistake")).unwrap();
    story.bar(48.0, None);
    assert_eq!(story.causes(), [], "it does not come back for the same loss");
    story.bar(46.9, None);
    assert_eq!(story.causes(), [LockCause::DailyLoss], "but for a further one");
}

#[test]
fn to_flatten_is_to_block_entries_cancel_sell_and_stay_out() {
    let mut story = Story::long(plan(|_| {}));
    assert_eq!(story.order_by_operator(flatten(None)).unwrap(), ["cancel 2"], "its stop goes first");
    assert_eq!(story.status(2, BrokerStatus::Cancelled), ["SELL 100 MKT"]);
    story.accepted(&[3]);
    // The strategy changes its mind in the middle of it: nobody asks it.
    assert_eq!(story.bar(50.0, Some(0.0)), NOTHING);
    assert_eq!(story.bar(50.0, Some(1.0)), NOTHING);
    assert_eq!(story.fill(3, 100, 50.0), NOTHING);
    let told: Vec<String> = story.desk.incidents().map(|record| record.fact.kind().to_owned()).collect();
    assert!(!told.is_empty());
    let flat = |record: &Record| matches!(&record.fact, Fact::Incident(incident) if incident.name == "flat");
    assert_eq!(story.records.iter().filter(|record| flat(record)).count(), 1);
    assert_eq!(story.bar(50.0, Some(0.5)), NOTHING, "entries stay blocked");
    let mut story = story.restart();
    story.recover(story.snapshot());
    assert_eq!(story.causes(), [LockCause::Flatten], "a restart forgets nothing");
    story.order_by_operator(resume(None, "")).unwrap();
    assert_eq!(story.bar(50.0, Some(1.0)).len(), 2);
}

#[test]
fn a_flatten_without_a_session_goes_on_with_the_next_one() {
    let mut story = Story::long(plan(|_| {}));
    story.tell(Event::Lost { why: "reset".into() });
    assert_eq!(story.order_by_operator(flatten(aapl())).unwrap(), NOTHING);
    let open = vec![story.at_broker(2, BrokerStatus::PreSubmitted)];
    let snapshot = BrokerSnapshot { open_orders: open, ..story.snapshot() };
    assert_eq!(story.recover(snapshot), ["cancel 2"]);
    assert_eq!(story.status(2, BrokerStatus::Cancelled), ["SELL 100 MKT"]);
}

#[test]
fn everything_cancels_what_is_not_ours_too() {
    let mut story = Story::long(plan(|_| {}));
    let order = Order::Flatten { symbol: None, reason: String::new(), everything: true };
    assert_eq!(story.order_by_operator(order).unwrap(), ["cancel everything", "cancel 2"]);
}

#[test]
fn what_cannot_be_done_says_why_and_changes_nothing() {
    let mut story = Story::new(plan(|_| {}));
    let msft = Some("MSFT".parse::<Symbol>().unwrap());
    let before = story.records.len();
    for (order, part) in [
        (halt(msft), "MSFT is neither in SYMBOLS nor held: AAPL"),
        (resume(None, "x"), "nothing is locked"),
        (flatten(msft), "MSFT"),
        (Order::Accept { symbol: aapl().unwrap(), reason: "x".into(), how: Acceptance::Ours }, "nothing to accept"),
    ] {
        let why = story.order_by_operator(order).unwrap_err();
        assert!(why.contains(part), "{why}");
    }
    assert_eq!(story.records.len(), before);
}

/// Long 100 in the book, while the broker states another quantity in two reads.
fn differing(at_broker: i64) -> Story {
    let mut story = Story::long(plan(|_| {}));
    story.tell(Event::Lost { why: "weekend".into() });
    let open = vec![story.at_broker(2, BrokerStatus::PreSubmitted)];
    let mut snapshot = BrokerSnapshot { open_orders: open, ..story.snapshot() };
    snapshot.positions.get_mut(&AAPL).unwrap().quantity = Decimal::from(at_broker);
    story.recover(snapshot.clone());
    let sent = story.recover(snapshot);
    let expected: &[&str] = match at_broker {
        200 => &["cancel 2"],
        60 => &["amend 2: SELL 60 STP 47.5"],
        _ => &[],
    };
    assert_eq!(sent, expected);
    assert!(story.desk.book().unexplained(AAPL).is_some());
    story
}

#[test]
fn an_accepted_difference_becomes_the_books_and_the_ledger_balances() {
    let mut story = differing(60);
    let resumed = story.order_by_operator(resume(aapl(), "x")).unwrap_err();
    assert!(resumed.contains("reconcile accept AAPL"), "{resumed}");
    let accept = Order::Accept {
        symbol: aapl().unwrap(),
        reason: "sold by hand on another machine".into(),
        how: Acceptance::Ours,
    };
    story.order_by_operator(accept).unwrap();
    assert_eq!((story.desk.book().held(AAPL), story.causes()), (Shares(60), vec![]));
    assert!(!story.desk.is_ready(), "the broker is read again first");
    // 40 shares left at the last price: the ledger's cash stays, its adjustments say why.
    let book = story.desk.book();
    assert_eq!(book.adjustments(), Usd::of(Decimal::from(-40 * 50)));
    assert_eq!(book.cash(), Some(Usd::of(Decimal::from(100_000 - 5_000 - 1))));
}

#[test]
fn a_split_locks_its_symbol_takes_the_old_stop_away_and_is_accepted_only_where_it_fits() {
    let mut story = differing(200);
    story.status(2, BrokerStatus::Cancelled);
    let why = story.desk.book().unexplained(AAPL).unwrap().why.clone();
    assert!(why.contains("--split 2:1"), "{why}");
    let accept =
        |new, old| Order::Accept { symbol: aapl().unwrap(), reason: "2:1".into(), how: Acceptance::Split { new, old } };
    let refused = story.order_by_operator(accept(3, 1)).unwrap_err();
    assert!(refused.contains("the broker holds 200"), "{refused}");
    story.order_by_operator(accept(2, 1)).unwrap();
    let book = story.desk.book();
    assert_eq!((book.held(AAPL), book.position(AAPL).unwrap().average_price()), (Shares(200), Some(price(25.0))));
    assert_eq!(book.target(AAPL, "sma-cross").unwrap().size, Shares(200));
    story.bar(25.5, None);
    // The next read agrees, and the new shares get their stop.
    assert_eq!(story.recover(story.snapshot()), ["SELL 200 STP 23.75"]);
}

#[test]
fn a_parked_symbol_is_not_entered_until_its_bars_come_again() {
    let mut story = Story::new(plan(|_| {}));
    let symbol = aapl().unwrap();
    story.order_by_operator(Order::Park { symbol, reason: "silent".into() }).unwrap();
    assert!(story.desk.book().lock(&LockScope::Contract(AAPL), LockCause::Parked).is_some());
    story.order_by_operator(Order::Unpark { symbol }).unwrap();
    assert_eq!(story.causes(), []);
    story.order_by_operator(Order::Park { symbol, reason: "silent again".into() }).unwrap();
    let mut story = story.restart();
    story.recover(story.snapshot());
    assert_eq!(story.causes(), [LockCause::Parked]);
    // A fresh bar is what it waited for, whatever process it comes to.
    assert_eq!(story.bar(50.0, Some(1.0)).len(), 2);
    assert_eq!(story.causes(), []);
}

#[test]
fn what_an_operator_parks_stays_parked_whatever_bars_come() {
    let mut story = Story::new(plan(|_| {}));
    let symbol = aapl().unwrap();
    let park = || Order::Shelve { symbol, reason: "news".into() };
    for _ in 0..2 {
        story.order_by_operator(park()).unwrap();
        assert_eq!(story.causes(), [LockCause::Shelved]);
        assert_eq!(story.bar(50.0, Some(1.0)), Vec::<String>::new());
    }
    let mut story = story.restart();
    story.recover(story.snapshot());
    assert_eq!(story.causes(), [LockCause::Shelved]);
    story.order_by_operator(Order::Unshelve { symbol }).unwrap();
    assert_eq!(story.causes(), []);
}

#[test]
fn without_a_price_an_exit_waits_and_its_stop_stays() {
    let limits = |plan: &mut Plan| {
        for symbol in plan.symbols.values_mut() {
            symbol.style = OrderStyle::MarketableLimit(Decimal::new(2, 3));
        }
    };
    let mut story = Story::new(plan(limits));
    story.bar(50.0, Some(1.0));
    story.accepted(&[1, 2]);
    story.fill(1, 100, 50.0);
    story.order_by_operator(halt(None)).unwrap();
    let mut story = story.restart();
    let open = vec![story.at_broker(2, BrokerStatus::PreSubmitted)];
    let snapshot = BrokerSnapshot { open_orders: open, ..story.snapshot() };
    story.recover(snapshot);
    assert_eq!(story.order_by_operator(flatten(None)).unwrap(), NOTHING, "no price is known yet");
    assert_eq!(story.order(2).state, OrderState::Working);
    assert_eq!(story.bar(50.0, None), ["cancel 2"]);
    assert_eq!(story.status(2, BrokerStatus::Cancelled), ["SELL 100 LMT 49.9"]);
}

#[test]
fn a_flatten_tries_a_failed_exit_again_without_waiting_for_a_bar() {
    let mut story = Story::long(plan(|_| {}));
    story.order_by_operator(flatten(None)).unwrap();
    assert_eq!(story.status(2, BrokerStatus::Cancelled), ["SELL 100 MKT"]);
    assert_eq!(story.status(3, BrokerStatus::Cancelled), ["SELL 100 STP 47.5"], "the exit failed: its stop is back");
    story.accepted(&[4]);
    let later = story.now() + Duration::from_secs(5);
    assert_eq!(story.tell(Event::Time(later)), ["cancel 4"]);
    assert_eq!(story.status(4, BrokerStatus::Cancelled), ["SELL 100 MKT"]);
}

#[test]
fn an_exit_shrinks_when_others_sell_beside_it() {
    let mut story = Story::long(plan(|_| {}));
    story.bar(50.0, Some(0.0));
    assert_eq!(story.status(2, BrokerStatus::Cancelled), ["SELL 100 MKT"]);
    story.accepted(&[3]);
    let mut manual = story.execution(3, 60, 50.0);
    (manual.order_ref, manual.client_id, manual.order_id) = ("".into(), 0, 0);
    let sent = story.tell(Event::Order(manual.into()));
    assert_eq!(sent, ["amend 3: SELL 40 MKT"]);
}

#[test]
fn a_difference_may_be_others_and_then_nothing_of_it_is_sold() {
    let mut story = differing(60);
    let symbol = aapl().unwrap();
    story.tell(Event::Position(BrokerPosition {
        quantity: Decimal::from(600),
        ..story.snapshot().positions[&AAPL].clone()
    }));
    let accept = Order::Accept { symbol, reason: "transferred in".into(), how: Acceptance::Foreign };
    story.order_by_operator(accept).unwrap();
    let book = story.desk.book();
    assert_eq!((book.held(AAPL), book.foreign(AAPL)), (Shares(100), Some(Shares(500))));
}

#[test]
fn one_order_is_cancelled_alone_but_no_stop_and_none_that_works_no_more() {
    let cancel = |intent| Order::Cancel { intent, reason: "changed my mind".into() };
    let mut story = Story::new(plan(|_| {}));
    assert_eq!(story.bar(50.0, Some(1.0)), ["BUY 100 MKT", "SELL 100 STP 47.5"]);
    story.accepted(&[1, 2]);
    assert!(story.order_by_operator(cancel(2)).unwrap_err().contains("protects a position"));
    assert!(story.order_by_operator(cancel(3)).unwrap_err().contains("not in the ledger"));
    assert_eq!(story.order_by_operator(cancel(1)).unwrap(), ["cancel 1"]);
    assert!(story.order_by_operator(cancel(1)).unwrap_err().contains("already"));
    story.status(1, BrokerStatus::Cancelled);
    assert!(story.order_by_operator(cancel(1)).unwrap_err().contains("works no more"));
}

#[test]
fn other_limits_are_in_force_at_once_and_on_record() {
    let mut story = Story::new(plan(|_| {}));
    let limits = Limits { max_order_notional: Usd::of(Decimal::from(100)), ..story.desk.plan().limits.clone() };
    let guards = Box::new(story.desk.plan().guards.clone());
    let changed = "RISK_MAX_ORDER_NOTIONAL".to_owned();
    assert_eq!(story.order_by_operator(Order::Retune { limits, guards, changed }).unwrap(), NOTHING);
    assert_eq!(story.bar(50.0, Some(1.0)), NOTHING, "the entry would be worth more");
    let kinds: Vec<&str> = story.records.iter().map(|record| record.fact.kind()).collect();
    assert!(kinds.contains(&"ledger.limits_changed") && kinds.contains(&"refused"), "{kinds:?}");
}

#[test]
fn an_order_taken_back_is_not_sent_again_and_a_stop_is_not_taken_back() {
    let cancel = |intent| Order::Cancel { intent, reason: String::new() };
    let mut story = Story::new(plan(|_| {}));
    assert!(story.order_by_operator(cancel(1)).unwrap_err().contains("not in the ledger"));
    assert_eq!(story.bar(50.0, Some(1.0)), ["BUY 100 MKT", "SELL 100 STP 47.5"]);
    story.accepted(&[1, 2]);
    assert_eq!(story.order_by_operator(cancel(1)).unwrap(), ["cancel 1"]);
    assert!(story.order_by_operator(cancel(1)).unwrap_err().contains("already"), "once is enough");
    story.status(1, BrokerStatus::Cancelled);
    story.status(2, BrokerStatus::Cancelled);
    assert_eq!(story.bar(50.0, None), NOTHING, "its target is spent");
    assert!(story.order_by_operator(cancel(1)).unwrap_err().contains("works no more"));
    let mut story = Story::long(plan(|_| {}));
    assert!(story.order_by_operator(cancel(2)).unwrap_err().contains("protects"));
}
