//! Locks for a time that answer what has just gone wrong.

use rust_decimal::Decimal;

use super::*;
use crate::domain::book::LockCause;

const fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

fn protected(change: impl FnOnce(&mut Protections)) -> Plan {
    plan(|plan| change(&mut plan.guards.protections))
}

fn causes(story: &Story) -> Vec<LockCause> {
    story.desk.book().locks().map(|(_, cause, _)| cause).collect()
}

/// Enters at 50; the legs' first intent number.
fn enter(story: &mut Story) -> u64 {
    let first = story.desk.book().next_intent();
    assert_eq!(story.bar(50.0, Some(1.0)), ["BUY 100 MKT", "SELL 100 STP 47.5"]);
    story.accepted(&[first, first + 1]);
    story.fill(first, 100, 50.0);
    first + 1
}

/// Enters at 50, is stopped out at 47.5, and the strategy gives up.
fn stopped_out(story: &mut Story) {
    let stop = enter(story);
    assert_eq!(story.fill(stop, 100, 47.5), NOTHING);
    assert_eq!(story.disarmed(), Some(Disarm::Protected));
    assert_eq!(story.bar(50.0, Some(0.0)), NOTHING);
}

/// One round trip at the strategy's own wish.
fn round_trip(story: &mut Story, exit: f64) {
    let stop = enter(story);
    assert_eq!(story.bar(exit, Some(0.0)), [format!("cancel {stop}")]);
    assert_eq!(story.status(stop, BrokerStatus::Cancelled), ["SELL 100 MKT"]);
    story.fill(stop + 1, 100, exit);
}

#[test]
fn a_symbol_cools_down_after_its_stop_and_a_restart_forgets_nothing() {
    let mut story = Story::new(protected(|set| set.cool_down = Some(minutes(10))));
    round_trip(&mut story, 49.0);
    assert_eq!(causes(&story), [], "a loss that the strategy took is no stop");
    // Stopped at 12:03; the strategy gives up at 12:04.
    stopped_out(&mut story);
    assert_eq!(causes(&story), [LockCause::CoolDown]);
    assert_eq!(story.bar(50.0, Some(1.0)), NOTHING);
    assert_eq!(story.disarmed(), Some(Disarm::Refused));
    let mut story = story.restart();
    story.recover(story.snapshot());
    assert_eq!(causes(&story), [LockCause::CoolDown]);
    assert_eq!(story.bar(50.0, Some(0.0)), NOTHING);
    story.minute = 12;
    story.tell(Event::Time(story.now()));
    assert_eq!(causes(&story), [LockCause::CoolDown], "12:12 is a minute early");
    assert_eq!(story.bar(50.0, Some(1.0)).len(), 2, "12:13: its time is over");
    assert_eq!(causes(&story), []);
}

#[test]
fn a_cool_down_lasts_from_the_stops_last_part_and_resuming_ends_it_for_good() {
    let mut story = Story::new(protected(|set| set.cool_down = Some(minutes(10))));
    let stop = enter(&mut story);
    story.fill(stop, 60, 47.5);
    story.minute += 5;
    story.fill(stop, 40, 47.5);
    let until = story.desk.book().locks().map(|(_, _, lock)| lock.until_at).collect::<Vec<_>>();
    assert_eq!(until, [Some(story.now() + minutes(10))]);
    let symbol = Some("AAPL".parse().unwrap());
    story.tell(Event::Operator(operator::Order::Resume { symbol, reason: "seen".into() }));
    story.bar(50.0, Some(0.0));
    assert_eq!(causes(&story), []);
    enter(&mut story);
}

#[test]
fn stops_within_a_while_pause_the_account_and_those_before_are_forgotten() {
    let mut story = Story::new(protected(|set| {
        (set.max_stops, set.stops_within, set.stops_pause) = (Some(2), minutes(30), minutes(20));
    }));
    stopped_out(&mut story);
    story.minute += 30;
    stopped_out(&mut story);
    assert_eq!(causes(&story), [], "the first is half an hour old");
    let stop = enter(&mut story);
    story.fill(stop, 50, 47.5);
    assert_eq!(causes(&story), [LockCause::StopGuard]);
    story.fill(stop, 50, 47.5);
    story.bar(50.0, Some(0.0));
    assert_eq!(story.bar(50.0, Some(1.0)), NOTHING);
    story.bar(50.0, Some(0.0));
    let mut story = story.restart();
    story.recover(story.snapshot());
    assert_eq!(causes(&story), [LockCause::StopGuard]);
    story.minute += 20;
    story.tell(Event::Time(story.now()));
    assert_eq!(causes(&story), []);
    stopped_out(&mut story);
    assert_eq!(causes(&story), [], "they are counted anew");
}

#[test]
fn a_symbol_whose_last_round_trips_lost_money_after_fees_pauses() {
    let mut story = Story::new(protected(|set| {
        (set.low_profit_trips, set.low_profit_pause) = (Some(3), minutes(60));
    }));
    // Fees are 2 USD a round trip.
    for exit in [49.0, 49.0, 51.06] {
        round_trip(&mut story, exit);
    }
    story.bar(50.0, None);
    assert_eq!(causes(&story), [LockCause::LowProfit], "-102 -102 +104 USD");
    assert_eq!(story.bar(50.0, Some(1.0)), NOTHING);
    let brought = |story: &Story| story.desk.book().trips(AAPL).map(|usd| usd.to_string()).collect::<Vec<_>>();
    assert_eq!(brought(&story), ["104.00", "-102", "-102"]);
    let mut story = story.restart();
    story.recover(story.snapshot());
    assert_eq!(causes(&story), [LockCause::LowProfit]);
    story.minute += 60;
    story.bar(50.0, Some(0.0));
    assert_eq!(causes(&story), [], "its time is over, and what it answered is not held against it again");
    for exit in [49.0, 50.6] {
        round_trip(&mut story, exit);
    }
    story.bar(50.0, None);
    assert_eq!(causes(&story), [], "two are not three");
    round_trip(&mut story, 50.5);
    story.bar(50.0, None);
    assert_eq!(causes(&story), [], "-102 +58 +48 USD would be a gain of 4 USD");
    round_trip(&mut story, 48.9);
    story.bar(50.0, None);
    assert_eq!(causes(&story), [LockCause::LowProfit], "+58 +48 -112 USD");
}

#[test]
fn a_drawdown_with_a_pause_ends_by_itself_and_is_measured_anew() {
    let mut story = Story::long(plan(|plan| {
        plan.guards.max_drawdown = Decimal::new(1, 2);
        plan.guards.protections.drawdown_pause = Some(minutes(30));
        plan.limits.max_daily_loss = Decimal::ONE;
    }));
    story.bar(60.0, None);
    let peak = story.desk.book().peak_equity().unwrap();
    story.bar(49.0, None);
    assert_eq!(causes(&story), [LockCause::Drawdown]);
    let mut story = story.restart();
    story.minute += 29;
    story.tell(Event::Time(story.now()));
    assert_eq!(causes(&story), [LockCause::Drawdown], "a minute early");
    story.minute += 1;
    story.tell(Event::Time(story.now()));
    assert_eq!(causes(&story), []);
    story.bar(49.0, None);
    assert_eq!(causes(&story), []);
    assert!(story.desk.book().peak_equity().unwrap() < peak);
}

#[test]
fn nothing_is_locked_where_nothing_is_set() {
    let mut story = Story::new(plan(|_| {}));
    for _ in 0..5 {
        stopped_out(&mut story);
    }
    assert_eq!(causes(&story), []);
}

/// A plan in which positions are held for `bars` bars at most.
fn timed(bars: u32, change: impl FnOnce(&mut Plan)) -> Plan {
    plan(|plan| {
        for symbol in plan.symbols.values_mut() {
            symbol.time_exit = Some(bars);
        }
        change(plan);
    })
}

#[test]
fn a_position_is_closed_after_its_bars_and_a_restart_between_two_of_them_changes_nothing() {
    let mut story = Story::new(timed(3, |_| {}));
    // Filled at 12:01, with the open of the bar that ends at 12:02: its first.
    enter(&mut story);
    assert_eq!(story.bar(50.0, None), NOTHING, "one");
    let mut story = story.restart();
    let open = vec![story.at_broker(2, BrokerStatus::PreSubmitted)];
    let snapshot = BrokerSnapshot { open_orders: open, ..story.snapshot() };
    story.recover(snapshot);
    assert_eq!(story.bar(50.0, None), NOTHING, "two");
    assert_eq!(story.disarmed(), None);
    assert_eq!(story.bar(50.0, None), ["cancel 2"], "three");
    assert_eq!(story.disarmed(), Some(Disarm::Timed));
    assert_eq!(story.status(2, BrokerStatus::Cancelled), ["SELL 100 MKT"]);
    story.fill(3, 100, 50.0);
    assert_eq!(story.bar(50.0, Some(1.0)), NOTHING, "not bought back before the target changes");
    story.bar(50.0, Some(0.0));
    assert_eq!(story.bar(50.0, Some(1.0)).len(), 2);
}

#[test]
fn a_strategy_that_turns_on_the_last_bar_has_its_way() {
    let mut story = Story::new(timed(2, |plan| plan.limits.allow_short = true));
    enter(&mut story);
    assert_eq!(story.bar(50.0, None), NOTHING);
    assert_eq!(story.bar(50.0, Some(-1.0)), ["cancel 2"]);
    assert_eq!(story.disarmed(), None);
}

#[test]
fn a_fill_within_a_bar_has_this_bar_for_its_first_and_days_are_exchange_days() {
    let at = |text: &str| MarketTime::from(text.parse::<chrono::DateTime<chrono::Utc>>().unwrap());
    let minutely = Story::new(timed(2, |_| {}));
    let aged = |story: &Story, opened, end, bars| story.desk.has_aged(at(opened), at(end), bars);
    assert!(!aged(&minutely, "2026-06-05T16:01:07Z", "2026-06-05T16:02:00Z", 2));
    assert!(aged(&minutely, "2026-06-05T16:01:07Z", "2026-06-05T16:03:00Z", 2));
    let daily = Story::new(timed(2, |plan| (plan.bar_size, plan.calendar) = (BarSize::Day1, Calendar::Xnys)));
    // Opened on a Friday in the session: Friday's bar, and Monday's.
    assert!(!aged(&daily, "2026-06-05T14:00:00Z", "2026-06-05T20:00:00Z", 2));
    assert!(aged(&daily, "2026-06-05T14:00:00Z", "2026-06-08T20:00:00Z", 2));
    // Opened at its close: Monday's bar is the first.
    assert!(!aged(&daily, "2026-06-05T20:00:00Z", "2026-06-08T20:00:00Z", 2));
    assert!(aged(&daily, "2026-06-05T20:00:00Z", "2026-06-09T20:00:00Z", 2));
}
