//! Locks that set themselves, and the broker's expected outages.

use rust_decimal::Decimal;

use super::*;
use crate::domain::book::LockCause;

fn causes(story: &Story) -> Vec<LockCause> {
    story.desk.book().locks().map(|(_, cause, _)| cause).collect()
}

/// One round trip that ends at `exit`, entered at 50.
fn round_trip(story: &mut Story, exit: f64) {
    let first = story.desk.book().next_intent();
    assert_eq!(story.bar(50.0, Some(1.0)).len(), 2);
    story.accepted(&[first, first + 1]);
    story.fill(first, 100, 50.0);
    assert_eq!(story.bar(exit, Some(0.0)), [format!("cancel {}", first + 1)]);
    assert_eq!(story.status(first + 1, BrokerStatus::Cancelled), ["SELL 100 MKT"]);
    story.fill(first + 2, 100, exit);
}

#[test]
fn losses_in_a_row_pause_entries_for_a_while_and_a_gain_breaks_the_row() {
    let mut story = Story::new(plan(|plan| plan.guards.max_losses = 3));
    for exit in [49.0, 49.0, 51.0, 49.0, 49.0] {
        round_trip(&mut story, exit);
    }
    assert_eq!(story.desk.book().losses_in_a_row(), 2);
    round_trip(&mut story, 49.5);
    story.bar(50.0, None);
    assert_eq!(causes(&story), [LockCause::Losses]);
    assert_eq!(story.bar(50.0, Some(1.0)), NOTHING);
    let mut story = story.restart();
    story.recover(story.snapshot());
    assert_eq!(causes(&story), [LockCause::Losses], "a restart forgets nothing");
    story.minute += 30;
    story.tell(Event::Time(story.now()));
    assert_eq!(causes(&story), [], "its time is over");
    story.bar(50.0, Some(0.0));
    assert_eq!(story.bar(50.0, Some(1.0)).len(), 2, "and the row begins anew");
}

#[test]
fn a_drawdown_stops_entries_until_somebody_resumes_and_is_measured_anew_then() {
    let mut story = Story::long(plan(|plan| {
        plan.guards.max_drawdown = Decimal::new(1, 2);
        plan.limits.max_daily_loss = Decimal::ONE;
    }));
    story.bar(60.0, None);
    let peak = story.desk.book().peak_equity().unwrap();
    story.bar(50.5, None);
    assert_eq!(causes(&story), []);
    story.bar(49.0, None);
    assert_eq!(causes(&story), [LockCause::Drawdown]);
    assert!(peak > Usd::of(Decimal::from(100_900)), "{peak}");
    let resume = operator::Order::Resume { symbol: None, reason: "seen".into() };
    story.tell(Event::Operator(resume));
    story.bar(49.0, None);
    assert_eq!(causes(&story), []);
    assert!(story.desk.book().peak_equity().unwrap() < peak);
}

#[test]
fn a_deposit_is_no_gain_and_a_withdrawal_no_drawdown() {
    let mut story = Story::long(plan(|plan| {
        plan.guards.max_drawdown = Decimal::new(5, 2);
        plan.limits.max_daily_loss = Decimal::new(5, 2);
    }));
    story.bar(50.0, None);
    let withdrawn =
        Fact::Ledger(LedgerFact::CashAdjusted { amount: Usd::of(Decimal::from(-50_000)), reason: "out".into() });
    story.desk.record(None, withdrawn);
    let records = std::mem::take(&mut story.desk.decided).records;
    story.records.extend(records);
    story.bar(50.0, None);
    assert_eq!(causes(&story), []);
}

#[test]
fn rejections_orders_and_lost_sessions_each_have_their_lock() {
    let mut story = Story::new(plan(|plan| plan.guards.max_rejects = 4));
    for _ in 0..2 {
        let intent = story.desk.book().next_intent();
        story.bar(50.0, Some(0.0));
        assert_eq!(story.bar(50.0, Some(1.0)).len(), 2);
        let order_id = story.order(intent).ticket.order_id;
        for order_id in [order_id, order_id + 1] {
            let news = OrderUpdate::News { order_id, code: 201, news: OrderNews::Refused, text: "no".into() };
            story.tell(Event::Order(news));
        }
    }
    story.bar(50.0, None);
    assert_eq!(causes(&story), [LockCause::Rejects]);

    let mut story = Story::new(plan(|plan| plan.guards.max_orders = 2));
    assert_eq!(story.bar(50.0, Some(1.0)).len(), 2);
    story.minute -= 1;
    story.bar(50.0, None);
    assert_eq!(causes(&story), [LockCause::OrderRate]);

    let mut story = Story::new(plan(|plan| plan.guards.max_sessions_lost = 3));
    for _ in 0..3 {
        assert_eq!(causes(&story), []);
        story.tell(Event::Lost { why: "reset".into() });
        story.recover(story.snapshot());
    }
    assert_eq!(causes(&story), [LockCause::Flapping]);
    story.minute += 10;
    story.tell(Event::Time(story.now()));
    assert_eq!(causes(&story), []);
}

#[test]
fn before_and_in_an_expected_outage_entries_are_held_and_exits_pass() {
    // Noon in New York is where the story begins.
    let mut story = Story::new(plan(|plan| {
        plan.guards.expected = "America/New_York daily 12:04-12:06 restart".parse().unwrap();
        plan.guards.hold_before = Duration::from_secs(60);
    }));
    assert_eq!(story.bar(50.0, Some(1.0)).len(), 2, "12:01");
    story.accepted(&[1, 2]);
    story.fill(1, 100, 50.0);
    assert_eq!(story.bar(50.0, Some(0.0)), ["cancel 2"]);
    assert_eq!(story.status(2, BrokerStatus::Cancelled), ["SELL 100 MKT"]);
    story.fill(3, 100, 50.0);
    assert_eq!(story.bar(50.0, Some(1.0)), NOTHING, "12:03: held");
    assert_eq!(story.bar(50.0, None), NOTHING, "12:04");
    assert_eq!(story.bar(50.0, None), NOTHING, "12:05");
    let held = |record: &&Record| matches!(&record.fact, Fact::Refused(refused) if refused.refusal.is_transient());
    assert_eq!(story.records.iter().filter(held).count(), 3);
    assert_eq!(story.bar(50.0, None).len(), 2, "12:06: it is over");
}

#[test]
fn the_days_loss_is_measured_from_the_prior_close_whenever_the_daemon_starts() {
    let story = Story::long(plan(|plan| plan.limits.max_daily_loss = Decimal::new(1, 2)));
    let mut story = story.restart();
    // The next noon: the close of the day before was 52, and the price is 45 by now.
    story.minute += 24 * 60;
    let open = vec![story.at_broker(2, BrokerStatus::PreSubmitted)];
    let snapshot = BrokerSnapshot { open_orders: open, ..story.snapshot() };
    story.recover(snapshot);
    let day = chrono::NaiveDate::from_ymd_opt(2026, 6, 6).unwrap();
    story.tell(Event::PriorClose { contract: AAPL, day, close: 52.0 });
    story.bar(45.0, None);
    let opened = story.desk.book().day().unwrap();
    assert_eq!((opened.date, opened.equity), (day, Usd::of(Decimal::from(100_000 - 5_000 - 1 + 5_200))));
    story.bar(41.9, None);
    assert_eq!(causes(&story), [LockCause::DailyLoss]);
}
