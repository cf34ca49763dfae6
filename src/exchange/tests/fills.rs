//! When and at which price each kind of order fills.

use super::*;

#[test]
fn a_market_order_waits_for_the_next_open_or_takes_the_last_price() {
    let mut floor = Floor::new();
    assert_eq!(floor.place(order(1, 100, OrderKind::Market)), "1 Submitted 0/100");
    assert_eq!(floor.open(10.5), "1 buys 100 @ 10.5, 1 Filled");
    assert_eq!(floor.place(order(2, 50, OrderKind::Market)), "2 Submitted 0/50, 2 buys 50 @ 10.5, 2 Filled");
    floor.touch(10.7);
    assert_eq!(floor.place(order(3, -150, OrderKind::Market)), "3 Submitted 0/150, 3 sells 150 @ 10.7, 3 Filled");
    assert_eq!(floor.position(), 0);
}

/// (order, bars) -> what the last bar brings.
#[test]
fn each_kind_at_the_open_and_in_the_range() {
    let calm = [10.0, 10.2, 9.8, 10.0];
    for (kind, quantity, bar, brings) in [
        // A limit fills at its own price in the range (a touch is enough), at a better open at that.
        (limit("9.8"), 100, calm, "1 buys 100 @ 9.8, 1 Filled"),
        (limit("9.79"), 100, calm, ""),
        (limit("9.8"), 100, [9.5, 10.0, 9.0, 9.9], "1 buys 100 @ 9.5, 1 Filled"),
        (limit("10.2"), -100, calm, "1 sells 100 @ 10.2, 1 Filled"),
        (limit("10.2"), -100, [10.4, 10.5, 10.3, 10.4], "1 sells 100 @ 10.4, 1 Filled"),
        // A stop fills at its trigger in the range, at the worse open after a gap.
        (stop("9.8"), -100, calm, "1 sells 100 @ 9.8, 1 Filled"),
        (stop("9.79"), -100, calm, ""),
        (stop("9.8"), -100, [9.5, 10.0, 9.0, 9.9], "1 sells 100 @ 9.5, 1 Filled"),
        (stop("10.2"), 100, calm, "1 buys 100 @ 10.2, 1 Filled"),
        (stop("10.2"), 100, [10.6, 10.7, 10.5, 10.6], "1 buys 100 @ 10.6, 1 Filled"),
        // A stop-limit fills where its trigger does, unless its limit forbids.
        (stop_limit("10.1", "10.15"), 100, calm, "1 buys 100 @ 10.1, 1 Filled"),
        (stop_limit("10.1", "10.05"), 100, calm, "1 Submitted 0/100"),
        (stop_limit("10.1", "10.15"), 100, [10.3, 10.4, 10.2, 10.3], "1 Submitted 0/100"),
        (stop_limit("10.1", "10.15"), 100, [10.3, 10.4, 10.1, 10.3], "1 Submitted 0/100; 1 buys 100 @ 10.15, 1 Filled"),
        (stop_limit("9.9", "9.85"), -100, [9.88, 9.9, 9.8, 9.8], "1 sells 100 @ 9.88, 1 Filled"),
    ] {
        let mut floor = Floor::new();
        floor.place(order(1, quantity, kind));
        assert_eq!(floor.bar(bar), brings, "{kind:?} {quantity} {bar:?}");
    }
}

#[test]
fn a_triggered_stop_limit_rests_as_a_limit_from_the_next_bar_on() {
    let mut floor = Floor::new();
    floor.place(order(1, 100, stop_limit("10.1", "10.05")));
    assert_eq!(floor.bar([10.0, 10.2, 9.8, 10.1]), "1 Submitted 0/100", "the low may have been before the trigger");
    assert_eq!(floor.bar([10.1, 10.2, 10.05, 10.1]), "1 buys 100 @ 10.05, 1 Filled");
}

#[test]
fn a_trail_moves_only_by_what_was_known_before() {
    let mut floor = Floor::new();
    floor.bar([10.0, 10.0, 10.0, 10.0]);
    floor.place(order(1, 100, OrderKind::Market));
    floor.place(order(2, -100, trail("0.5")));
    let trigger = |floor: &Floor| match floor.exchange.order(key(2)).unwrap().order.kind {
        Kind::Trail { trigger, .. } => trigger.unwrap().to_string(),
        _ => unreachable!(),
    };
    assert_eq!(trigger(&floor), "9.5");
    // Both the new high and 10.3 below it lie in this bar; their order is not known.
    assert_eq!(floor.bar([10.0, 11.0, 9.6, 10.3]), "1 buys 100 @ 10, 1 Filled");
    assert_eq!(trigger(&floor), "10.5");
    assert_eq!(floor.open(10.4), "2 sells 100 @ 10.4, 2 Filled", "the gap below the trigger");
}

#[test]
fn a_trail_by_percent_lies_on_the_grid_and_buys_too() {
    let mut floor = Floor::new();
    floor.bar([10.0, 10.0, 10.0, 10.0]);
    let by = TrailBy::Percent("3.333".parse().unwrap());
    floor.place(order(1, 100, OrderKind::Trail { by, trigger: Some(price("12")) }));
    let trigger = |floor: &Floor| format!("{:?}", floor.exchange.order(key(1)).unwrap().order.kind);
    assert!(trigger(&floor).contains("10.33"), "{}", trigger(&floor));
    floor.bar([10.0, 10.1, 9.0, 9.1]);
    assert!(trigger(&floor).contains("9.3"), "{}", trigger(&floor));
    assert_eq!(floor.bar([9.1, 9.5, 9.1, 9.2]), "1 buys 100 @ 9.3, 1 Filled");
}

#[test]
fn what_arrives_inside_a_bar_meets_only_what_is_shown_after_it() {
    let mut floor = Floor::new();
    floor.open(10.0);
    floor.touch(9.0);
    floor.touch(9.5);
    assert_eq!(floor.place(order(1, 100, limit("9.2"))), "1 Submitted 0/100");
    assert_eq!(floor.place(order(2, 100, stop("10.2"))), "2 PreSubmitted 0/100");
    assert_eq!(floor.touch(9.3), "");
    // The bar's low of 9 and high of 10.4 were before the orders, or nobody knows.
    assert_eq!(floor.close([10.0, 10.4, 9.0, 9.4]), "");
    assert_eq!(floor.open(9.4), "");
    assert_eq!(floor.touch(9.1), "", "it rested since the open: its turn is the bar's end");
    assert_eq!(floor.close([9.4, 9.4, 9.1, 9.3]), "1 buys 100 @ 9.2, 1 Filled");
}

#[test]
fn an_order_that_arrived_inside_a_bar_fills_by_a_later_touch_or_the_close() {
    let mut floor = Floor::new();
    floor.open(10.0);
    floor.touch(10.1);
    floor.place(order(1, 100, limit("9.9")));
    floor.place(order(2, 100, stop("10.3")));
    assert_eq!(floor.touch(9.8), "1 buys 100 @ 9.9, 1 Filled", "the market came through the limit");
    assert_eq!(floor.close([10.0, 10.4, 9.8, 10.4]), "2 buys 100 @ 10.4, 2 Filled");
}

#[test]
fn an_order_placed_at_the_open_price_counts_as_resting_since_the_open() {
    let mut floor = Floor::new();
    floor.open(10.0);
    floor.place(order(1, 100, limit("9.9")));
    assert_eq!(floor.close([10.0, 10.1, 9.9, 10.0]), "1 buys 100 @ 9.9, 1 Filled");
    assert_eq!(floor.exchange.fills()[0].at, MarketTime::from_secs(60), "it is known when the bar ends");
}

#[test]
fn orders_without_outside_rth_sleep_through_other_hours() {
    let mut floor = Floor::new();
    floor.place(order(1, 100, limit("10")));
    floor.place(NewOrder { outside_rth: true, ..order(2, 100, limit("10")) });
    let early = floor.exchange.open(AAA, floor.now(), 9.0, false);
    assert_eq!(floor.tell(&early), "2 buys 100 @ 9, 2 Filled");
    assert_eq!(floor.place(order(3, 100, OrderKind::Market)), "3 Submitted 0/100");
    let bar = floor.make([9.0, 9.0, 8.0, 9.0]);
    let events = floor.exchange.close(AAA, &bar, false);
    assert_eq!(floor.tell(&events), "");
    assert_eq!(floor.open(9.5), "3 buys 100 @ 9.5, 3 Filled, 1 buys 100 @ 9.5, 1 Filled");
}

#[test]
fn a_bar_that_was_not_opened_is_opened_first() {
    let mut floor = Floor::new();
    floor.place(order(1, 100, OrderKind::Market));
    floor.place(order(2, 100, limit("9.9")));
    assert_eq!(floor.close([10.0, 10.1, 9.9, 10.0]), "1 buys 100 @ 10, 1 Filled, 2 buys 100 @ 9.9, 2 Filled");
}
