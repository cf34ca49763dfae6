//! Entries, exits and protection while all is well.

use std::time::Duration;

use rust_decimal::Decimal;

use super::*;
use crate::domain::book::{LockCause, LockFact, LockScope};

#[test]
fn a_target_becomes_an_entry_with_its_stop_and_repeating_it_changes_nothing() {
    let mut story = Story::long(plan(|_| {}));
    assert_eq!(story.bar(51.0, Some(1.0)), NOTHING);
    assert_eq!(story.bar(52.0, None), NOTHING);
    let stop = &story.order(2).ticket;
    assert_eq!((stop.tif, stop.parent_id, stop.transmit), (TimeInForce::Gtc, Some(1), true));
    assert!(!story.order(1).ticket.transmit);
}

#[test]
fn an_exit_waits_for_its_stop_to_be_gone_and_never_sells_more_than_is_held() {
    let mut story = Story::long(plan(|_| {}));
    assert_eq!(story.bar(51.0, Some(0.0)), ["cancel 2"]);
    // The stop filled in part before the cancel reached it.
    assert_eq!(story.fill(2, 30, 47.5), NOTHING);
    assert_eq!(story.status(2, BrokerStatus::Cancelled), ["SELL 70 MKT"]);
    story.accepted(&[3]);
    assert_eq!(story.fill(3, 70, 51.0), NOTHING);
    assert_eq!(story.desk.book().held(AAPL), Shares::ZERO);
    assert_eq!(story.bar(51.0, None), NOTHING);
}

#[test]
fn a_stopped_out_symbol_is_not_bought_back_before_its_target_changes() {
    let mut story = Story::long(plan(|_| {}));
    assert_eq!(story.fill(2, 100, 47.5), NOTHING);
    assert_eq!(story.disarmed(), Some(Disarm::Protected));
    assert_eq!(story.bar(47.0, Some(1.0)), NOTHING);
    assert_eq!(story.bar(47.0, Some(0.0)), NOTHING);
    assert_eq!(story.bar(47.0, Some(1.0)), ["BUY 100 MKT", "SELL 100 STP 44.65"]);
}

#[test]
fn an_entry_that_ends_half_filled_leaves_a_stop_of_what_was_filled() {
    // The broker lets the children die with their parent …
    let mut story = Story::new(plan(|_| {}));
    story.bar(50.0, Some(1.0));
    story.accepted(&[1, 2]);
    assert_eq!(story.fill(1, 40, 50.0), NOTHING);
    assert_eq!(story.status(2, BrokerStatus::Cancelled), NOTHING);
    assert_eq!(story.status(1, BrokerStatus::Cancelled), ["SELL 40 STP 47.5"]);
    assert_eq!(story.disarmed(), Some(Disarm::Expired));
    // … or leaves them as they were.
    let mut story = Story::new(plan(|_| {}));
    story.bar(50.0, Some(1.0));
    story.accepted(&[1, 2]);
    story.fill(1, 40, 50.0);
    assert_eq!(story.status(1, BrokerStatus::Cancelled), ["amend 2: SELL 40 STP 47.5"]);
}

#[test]
fn a_changed_mind_cancels_a_working_entry_before_anything_else() {
    let mut story = Story::new(plan(|_| {}));
    story.bar(50.0, Some(1.0));
    story.accepted(&[1, 2]);
    assert_eq!(story.bar(51.0, Some(0.0)), ["cancel 1"]);
    assert_eq!(story.bar(51.0, None), NOTHING);
    assert_eq!(story.fill(1, 10, 51.0), NOTHING);
    assert_eq!(story.status(1, BrokerStatus::Cancelled), ["cancel 2"]);
    assert_eq!(story.status(2, BrokerStatus::Cancelled), ["SELL 10 MKT"]);
}

#[test]
fn a_rejected_entry_disarms_and_a_rejected_exit_puts_the_stop_back() {
    let mut story = Story::new(plan(|_| {}));
    story.bar(50.0, Some(1.0));
    let refused = |story: &mut Story, intent| {
        let order_id = story.order(intent).ticket.order_id;
        let news = OrderNews::Refused;
        story.tell(Event::Order(OrderUpdate::News { order_id, code: 201, news, text: "no".into() }))
    };
    refused(&mut story, 1);
    refused(&mut story, 2);
    assert_eq!(story.disarmed(), Some(Disarm::Rejected));
    assert_eq!(story.bar(50.0, Some(1.0)), NOTHING);

    let mut story = Story::long(plan(|_| {}));
    story.bar(50.0, Some(0.0));
    assert_eq!(story.status(2, BrokerStatus::Cancelled), ["SELL 100 MKT"]);
    assert_eq!(refused(&mut story, 3), ["SELL 100 STP 47.5"]);
    story.accepted(&[4]);
    // The exit is tried again with the next fresh bar.
    assert_eq!(story.bar(50.0, None), ["cancel 4"]);
    assert_eq!(story.status(4, BrokerStatus::Cancelled), ["SELL 100 MKT"]);
}

#[test]
fn old_bars_only_update_and_a_missed_exit_goes_with_the_next_fresh_bar() {
    let mut story = Story::long(plan(|_| {}));
    let time = story.now();
    let bar =
        Bar { time, end: time + Duration::from_secs(60), open: 50.0, high: 50.0, low: 50.0, close: 50.0, volume: None };
    story.minute += 10;
    story.tell(Event::Time(story.now()));
    let target = Some(Target::FLAT);
    let missed = Event::Bar { contract: AAPL, bar, target, gauges: Gauges::default(), newest: true };
    assert_eq!(story.tell(missed), NOTHING);
    assert_eq!(story.bar(50.0, None), ["cancel 2"]);

    // An entry that old is not made at all.
    let mut story = Story::new(plan(|_| {}));
    story.minute += 10;
    story.tell(Event::Time(story.now()));
    let missed =
        Event::Bar { contract: AAPL, bar, target: Some(Target::LONG), gauges: Gauges::default(), newest: true };
    assert_eq!(story.tell(missed), NOTHING);
    assert_eq!(story.bar(50.0, None), NOTHING);
    assert_eq!(story.disarmed(), Some(Disarm::Stale));
}

#[test]
fn after_the_close_an_entry_is_dropped_or_waits_for_the_open() {
    let hours = |story: &mut Story| {
        let at = |minutes: i64| MarketTime::from_secs(NOON + minutes * 60);
        let windows = vec![Window { open: at(-60), close: at(1) }, Window { open: at(10), close: at(60) }];
        let covers = Some(Window { open: at(-600), close: at(600) });
        let mut contract = contract();
        contract.liquid_hours = Hours { windows, covers };
        story.tell(Event::Listed(contract));
    };
    let mut story = Story::new(plan(|_| {}));
    hours(&mut story);
    assert_eq!(story.bar(50.0, Some(1.0)), NOTHING);
    assert_eq!(story.disarmed(), Some(Disarm::Dropped));

    let mut story = Story::new(plan(|plan| {
        for symbol in plan.symbols.values_mut() {
            symbol.after_close = AfterClose::RequeueAtOpen;
        }
    }));
    hours(&mut story);
    assert_eq!(story.bar(50.0, Some(1.0)), NOTHING);
    story.minute = 9;
    assert_eq!(story.tell(Event::Time(story.now())), NOTHING);
    story.minute = 10;
    assert_eq!(story.tell(Event::Time(story.now())), ["BUY 100 MKT", "SELL 100 STP 47.5"]);
}

#[test]
fn long_to_short_is_two_orders_and_the_second_waits_for_flat() {
    let mut story = Story::long(plan(|plan| plan.limits.allow_short = true));
    assert_eq!(story.bar(50.0, Some(-1.0)), ["cancel 2"]);
    assert_eq!(story.status(2, BrokerStatus::Cancelled), ["SELL 100 MKT"]);
    story.accepted(&[3]);
    assert_eq!(story.fill(3, 60, 50.0), NOTHING);
    assert_eq!(story.fill(3, 40, 50.0), ["SELL 100 MKT", "BUY 100 STP 52.5"]);
}

#[test]
fn the_days_loss_with_unrealized_locks_entries_until_the_next_day() {
    // 0.5 % of 100,000 is 500: 100 shares falling by 5 do it, to the cent.
    let mut story = Story::new(plan(|plan| {
        plan.symbols.values_mut().for_each(|symbol| symbol.stop = StopPolicy::None);
        plan.limits.max_daily_loss = Decimal::new(5, 3);
    }));
    assert_eq!(story.bar(50.0, Some(1.0)), ["BUY 100 MKT"]);
    story.accepted(&[1]);
    story.fill(1, 100, 50.0);
    story.bar(45.02, None);
    assert_eq!(story.desk.book().locks().count(), 0, "a loss of 499 USD (with 1 USD of fees) is within 500");
    story.bar(45.01, None);
    assert_eq!(story.desk.book().locks().count(), 1);
    assert_eq!(story.bar(45.0, Some(0.0)), ["SELL 100 MKT"], "an exit is never trapped");
    story.accepted(&[2]);
    story.fill(2, 100, 45.0);
    assert_eq!(story.bar(45.0, Some(1.0)), NOTHING);
    story.minute += 24 * 60;
    story.bar(45.0, Some(0.0));
    assert_eq!(story.desk.book().locks().count(), 0);
    assert_eq!(story.bar(45.0, Some(1.0)), ["BUY 100 MKT"]);
}

#[test]
fn a_stop_that_the_market_has_passed_is_not_sent_but_paged() {
    let mut story = Story::long(plan(|_| {}));
    story.status(2, BrokerStatus::Cancelled);
    let placed = story.order(3).ticket.clone();
    assert_eq!(placed.role, Role::Stop);
    story.accepted(&[3]);
    story.bar(47.0, None);
    assert_eq!(story.status(3, BrokerStatus::Cancelled), NOTHING);
    assert_eq!(story.desk.book().locks().count(), 1);
}

#[test]
fn observe_mode_sends_nothing_and_says_so_once_per_target() {
    let mut story = Story::new(plan(|plan| plan.mode = Mode::Observe));
    assert_eq!(story.bar(50.0, Some(1.0)), NOTHING);
    assert_eq!(story.bar(50.0, None), NOTHING);
    assert_eq!(story.desk.book().counts().observed, 2, "the entry and its stop, once");
}

#[test]
fn shutting_down_cancels_entries_and_leaves_stops() {
    let mut story = Story::long(plan(|_| {}));
    assert_eq!(story.tell(Event::ShuttingDown), NOTHING);
    let mut story = Story::new(plan(|_| {}));
    story.bar(50.0, Some(1.0));
    story.accepted(&[1, 2]);
    assert_eq!(story.tell(Event::ShuttingDown), ["cancel 1"]);
}

#[test]
fn a_limit_exit_follows_the_market_and_goes_when_it_is_no_longer_wanted() {
    let limit = OrderStyle::MarketableLimit(Decimal::new(2, 3));
    let mut story = Story::new(plan(|plan| plan.symbols.values_mut().for_each(|symbol| symbol.style = limit)));
    story.bar(50.0, Some(1.0));
    story.accepted(&[1, 2]);
    story.fill(1, 100, 50.0);
    story.bar(50.0, Some(0.0));
    assert_eq!(story.status(2, BrokerStatus::Cancelled), ["SELL 100 LMT 49.9"]);
    story.accepted(&[3]);
    assert_eq!(story.bar(50.0, None), NOTHING);
    assert_eq!(story.bar(49.0, None), ["amend 3: SELL 100 LMT 48.91"]);
    assert_eq!(story.bar(49.0, Some(1.0)), ["cancel 3"]);
    assert_eq!(story.status(3, BrokerStatus::Cancelled), ["SELL 100 STP 47.5"]);
}

#[test]
fn what_adds_to_a_position_brings_no_second_family_of_sells() {
    let mut story = Story::new(plan(|plan| {
        plan.symbols
            .values_mut()
            .for_each(|symbol| symbol.sizing = Sizing::FixedNotional(Usd::of(Decimal::from(5_000))));
    }));
    assert_eq!(story.bar(50.0, Some(0.5)), ["BUY 50 MKT", "SELL 50 STP 47.5"]);
    story.accepted(&[1, 2]);
    story.fill(1, 50, 50.0);
    assert_eq!(story.bar(50.0, Some(1.0)), ["BUY 50 MKT"]);
    story.accepted(&[3]);
    assert_eq!(story.fill(3, 50, 50.0), ["amend 2: SELL 100 STP 47.5"]);
}

#[test]
fn flatten_on_the_days_loss_needs_no_target_of_the_strategy_of_now() {
    let mut story = Story::long(plan(|plan| plan.limits.on_daily_loss = crate::risk::OnDailyLoss::Flatten));
    let mut changed = story.desk.plan().clone();
    changed.symbols.values_mut().for_each(|symbol| symbol.strategy = "rsi-reversion".into());
    let mut book = Book::default();
    story.records.iter().for_each(|record| book.apply(record));
    story.desk = Desk::new(changed, book);
    story.tell(Event::Listed(contract()));
    let open_orders = vec![story.at_broker(2, BrokerStatus::PreSubmitted)];
    story.recover(BrokerSnapshot { open_orders, ..story.snapshot() });
    assert_eq!(story.bar(48.0, None), NOTHING);
    assert_eq!(story.bar(20.0, None), ["cancel 2"]);
    assert_eq!(story.status(2, BrokerStatus::Cancelled), ["SELL 100 MKT"]);
}

#[test]
fn the_longer_lock_wins() {
    let mut story = Story::new(plan(|_| {}));
    let day = story.desk.book().day().unwrap().date.succ_opt();
    for (until, left) in [(day, 1), (None, 1), (day, 1)] {
        let lock = LockFact::Set {
            scope: LockScope::Account,
            cause: LockCause::Operator,
            why: "test".into(),
            until,
            until_at: None,
        };
        story.desk.record(None, Fact::Lock(lock));
        assert_eq!(story.desk.book().locks().count(), left);
    }
    let (_, _, lock) = story.desk.book().locks().next().unwrap();
    assert_eq!(lock.until, None);
}

#[test]
fn an_oversized_exit_goes_in_slices_one_after_the_other() {
    let mut story = Story::long(plan(|_| {}));
    // The price has risen: what was worth 5,000 is worth 25,000 now, and one order may be 10,000.
    assert_eq!(story.bar(250.0, Some(0.0)), ["cancel 2"]);
    assert_eq!(story.status(2, BrokerStatus::Cancelled), ["SELL 40 MKT"]);
    story.accepted(&[3]);
    assert_eq!(story.fill(3, 40, 250.0), ["SELL 40 MKT"]);
    story.accepted(&[4]);
    assert_eq!(story.fill(4, 40, 250.0), ["SELL 20 MKT"]);
    story.accepted(&[5]);
    assert_eq!(story.fill(5, 20, 250.0), NOTHING);
    assert_eq!(story.desk.book().held(AAPL), Shares::ZERO);
}
