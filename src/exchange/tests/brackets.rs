//! Families and groups.

use super::*;

/// A bracket of 100: entry 1, stop 2, target 3.
fn bracket(floor: &mut Floor, entry: OrderKind, stop_at: &str, target: &str) -> String {
    [
        floor.place(NewOrder { transmit: false, ..order(1, 100, entry) }),
        floor.place(child(2, 1, -100, stop(stop_at), false)),
        floor.place(child(3, 1, -100, limit(target), true)),
    ]
    .join("; ")
}

fn both_rules(story: impl Fn(Floor, ChildRule)) {
    for children in [ChildRule::ProRata, ChildRule::DieWithParent] {
        let config = Config { commission: CommissionPlan::Free, children, slice: None, ..Config::default() };
        story(Floor::with(config), children);
    }
}

#[test]
fn nothing_of_a_family_works_before_one_of_it_is_transmitted() {
    both_rules(|mut floor, _| {
        floor.place(NewOrder { transmit: false, ..order(1, 100, OrderKind::Market) });
        floor.place(child(2, 1, -100, stop("9"), false));
        assert_eq!(floor.bar([10.0, 10.0, 8.0, 10.0]), "");
        assert_eq!(
            floor.place(child(3, 1, -100, limit("11"), true)),
            "1 Submitted 0/100, 2 PreSubmitted 0/100, 3 PreSubmitted 0/100"
        );
        assert_eq!(floor.open(10.0), "1 buys 100 @ 10, 1 Filled, 2 PreSubmitted 0/100, 3 Submitted 0/100");
        assert_eq!(floor.close([10.0, 11.0, 9.5, 10.5]), "3 sells 100 @ 11, 3 Filled, 2 Cancelled, 2 gone");
        assert_eq!(floor.exchange.ambiguous(), 0);
    });
}

#[test]
fn where_one_bar_touches_both_the_stop_is_taken_and_counted() {
    both_rules(|mut floor, _| {
        bracket(&mut floor, OrderKind::Market, "9", "11");
        floor.open(10.0);
        assert_eq!(floor.close([10.0, 11.0, 9.0, 10.5]), "2 sells 100 @ 9, 2 Filled, 3 Cancelled, 3 gone");
        assert_eq!(floor.exchange.ambiguous(), 1);
        assert_eq!(floor.position(), 0);
    });
}

#[test]
fn children_of_an_entry_that_fills_in_the_range_are_evaluated_over_the_same_bar() {
    both_rules(|mut floor, _| {
        bracket(&mut floor, limit("9.5"), "9", "11");
        assert_eq!(
            floor.bar([10.0, 11.0, 8.9, 10.0]),
            "1 buys 100 @ 9.5, 1 Filled, 2 PreSubmitted 0/100, 3 Submitted 0/100, \
             2 sells 100 @ 9, 2 Filled, 3 Cancelled, 3 gone"
        );
        assert_eq!(floor.exchange.ambiguous(), 1);
    });
}

#[test]
fn a_child_that_is_past_its_price_when_its_parent_fills_trades_at_that_fill() {
    both_rules(|mut floor, _| {
        bracket(&mut floor, OrderKind::Market, "9", "11");
        assert_eq!(
            floor.open(8.5),
            "1 buys 100 @ 8.5, 1 Filled, 2 PreSubmitted 0/100, 2 sells 100 @ 8.5, 2 Filled, 3 Cancelled, 3 gone"
        );
    });
}

#[test]
fn cancelling_a_parent_that_never_filled_cancels_its_children() {
    both_rules(|mut floor, _| {
        bracket(&mut floor, limit("9.5"), "9", "11");
        let events = floor.exchange.cancel(floor.now(), key(1)).unwrap();
        assert_eq!(floor.tell(&events), "1 Cancelled, 2 Cancelled, 2 gone, 3 Cancelled, 3 gone");
        assert_eq!(floor.exchange.cancel(floor.now(), key(2)), Err(CancelRefusal::Ended(Status::Cancelled)));
    });
}

#[test]
fn a_parent_cancelled_in_part_leaves_its_children_by_the_rule() {
    both_rules(|floor, children| {
        let config = Config { slice: Some(Shares(40)), ..floor.exchange.config().clone() };
        let mut floor = Floor::with(config);
        bracket(&mut floor, OrderKind::Market, "9", "11");
        assert_eq!(floor.open(10.0), "1 buys 40 @ 10, 1 Submitted 40/100, 2 PreSubmitted 0/100, 3 Submitted 0/100");
        let events = floor.exchange.cancel(floor.now(), key(1)).unwrap();
        let events = floor.tell(&events);
        match children {
            ChildRule::ProRata => {
                assert_eq!(events, "1 Cancelled 40/100, 2 PreSubmitted 0/40, 3 Submitted 0/40");
                assert_eq!(floor.close([10.0, 10.0, 8.0, 8.5]), "2 sells 40 @ 9, 2 Filled, 3 Cancelled, 3 gone");
                assert_eq!(floor.position(), 0);
            }
            ChildRule::DieWithParent => {
                assert_eq!(events, "1 Cancelled 40/100, 2 Cancelled, 2 gone, 3 Cancelled, 3 gone");
                assert_eq!(floor.position(), 40, "left without protection");
            }
        }
    });
}

#[test]
fn children_protect_what_has_filled_while_the_parent_still_works() {
    both_rules(|floor, children| {
        let mut floor = Floor::with(Config { slice: Some(Shares(40)), ..floor.exchange.config().clone() });
        bracket(&mut floor, limit("10"), "9", "11");
        floor.bar([10.0, 10.9, 9.5, 10.8]);
        assert_eq!(floor.position(), 80);
        assert_eq!(
            floor.bar([10.8, 11.0, 10.8, 11.0]),
            "3 sells 40 @ 11, 3 Submitted 40/100, 2 PreSubmitted 0/60",
            "the stop gives up what its sibling sold"
        );
        let events = floor.exchange.cancel(floor.now(), key(1)).unwrap();
        let events = floor.tell(&events);
        match children {
            ChildRule::ProRata => {
                assert_eq!(events, "1 Cancelled 80/100, 2 PreSubmitted 0/40, 3 Submitted 40/80");
                assert_eq!(floor.bar([9.5, 9.5, 9.0, 9.0]), "2 sells 40 @ 9, 2 Filled, 3 Cancelled 40/80, 3 gone");
                assert_eq!(floor.position(), 0);
            }
            ChildRule::DieWithParent => assert_eq!(floor.position(), 40),
        }
    });
}

#[test]
fn one_of_a_group_cancels_the_others_also_across_families() {
    both_rules(|mut floor, _| {
        let grouped = |order| NewOrder { oca_group: "g".into(), ..order };
        floor.place(NewOrder { transmit: false, ..order(1, 100, OrderKind::Market) });
        floor.place(grouped(child(2, 1, -100, stop("9"), true)));
        floor.open(10.0);
        let exit = floor.place(grouped(order(3, -100, OrderKind::Market)));
        assert_eq!(exit, "3 Submitted 0/100, 3 sells 100 @ 10, 3 Filled, 2 Cancelled, 2 gone");
        assert_eq!(floor.position(), 0);
    });
}

#[test]
fn one_of_a_group_that_fills_in_part_shrinks_the_others_and_keeps_them_from_that_bar() {
    let config = Config { commission: CommissionPlan::Free, slice: Some(Shares(30)), ..Config::default() };
    let mut floor = Floor::with(config);
    let grouped = |order| NewOrder { oca_group: "g".into(), ..order };
    floor.place(order(1, 30, OrderKind::Market));
    floor.bar([10.0, 10.0, 10.0, 10.0]);
    floor.place(order(4, 20, OrderKind::Market));
    floor.bar([10.0, 10.0, 10.0, 10.0]);
    floor.place(grouped(order(2, -50, stop("9"))));
    floor.place(grouped(order(3, -50, limit("11"))));
    assert_eq!(floor.bar([10.0, 11.0, 9.0, 10.0]), "2 sells 30 @ 9, 2 Submitted 30/50, 3 Submitted 0/20");
    // The stop is triggered: the rest of it is a market order.
    assert_eq!(floor.open(10.2), "2 sells 20 @ 10.2, 2 Filled, 3 Cancelled, 3 gone");
    assert_eq!(floor.position(), 0);
}

#[test]
fn a_child_can_come_after_its_parents_fill_but_not_after_its_death() {
    let mut floor = Floor::new();
    floor.open(10.0);
    floor.place(order(1, 100, OrderKind::Market));
    assert_eq!(floor.place(child(2, 1, -100, stop("9"), true)), "2 PreSubmitted 0/100");
    floor.place(order(3, 100, limit("9")));
    floor.exchange.cancel(floor.now(), key(3)).unwrap();
    assert_eq!(floor.place(child(4, 3, -100, stop("8"), true)), "321 parent order 3 has ended without a fill");
    assert_eq!(floor.place(child(5, 99, -100, stop("8"), true)), "321 parent order 99 is not known");
}

#[test]
fn two_targets_of_half_share_the_parents_fill() {
    let mut floor = Floor::new();
    floor.place(NewOrder { transmit: false, ..order(1, 100, OrderKind::Market) });
    floor.place(child(2, 1, -50, limit("11"), false));
    floor.place(child(3, 1, -100, stop("9"), true));
    floor.open(10.0);
    assert_eq!(floor.position(), 100);
    assert_eq!(floor.close([10.0, 11.0, 10.0, 11.0]), "2 sells 50 @ 11, 2 Filled, 3 Cancelled, 3 gone");
}

/// The market opens at 10, below the stop of an entry that waits for it: both sides pay their
/// slippage of 1 % against the 10 that the market showed.
#[test]
fn a_stop_that_its_entrys_fill_sets_off_pays_its_own_slippage() {
    let friction = Friction { slippage_bps: rust_decimal::Decimal::ONE_HUNDRED, ..Friction::default() };
    let mut floor = Floor::with(Config { commission: CommissionPlan::Free, friction, ..Config::default() });
    bracket(&mut floor, OrderKind::Market, "10.05", "12");
    let told = floor.open(10.0);
    assert!(told.starts_with("1 buys 100 @ 10.1, 1 Filled"), "{told}");
    assert!(told.contains("2 sells 100 @ 9.9"), "{told}");
}
