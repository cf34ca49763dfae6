//! Times in force, changes, cancels and refusals.

use super::*;

#[test]
fn day_orders_end_with_the_session_but_not_those_decided_at_its_end() {
    let mut floor = Floor::new();
    let day = |order| NewOrder { tif: Tif::Day, ..order };
    floor.place(day(order(1, 100, limit("9"))));
    floor.place(order(2, 100, limit("9")));
    floor.bar([10.0, 10.0, 10.0, 10.0]);
    floor.place(day(order(3, 100, OrderKind::Market)));
    let now = floor.now();
    let events = floor.exchange.end_of_session(AAA, now);
    assert_eq!(floor.tell(&events), "1 Cancelled, 1 gone");
    assert_eq!(floor.open(10.0), "3 buys 100 @ 10, 3 Filled");
    assert!(floor.exchange.order(key(2)).unwrap().status.is_live());
}

#[test]
fn an_expiring_parent_takes_its_children_along_once() {
    let mut floor = Floor::new();
    let day = |order| NewOrder { tif: Tif::Day, ..order };
    floor.place(day(NewOrder { transmit: false, ..order(1, 100, limit("9")) }));
    floor.place(day(child(2, 1, -100, stop("8"), true)));
    floor.bar([10.0, 10.0, 10.0, 10.0]);
    let now = floor.now();
    let events = floor.exchange.end_of_session(AAA, now);
    assert_eq!(floor.tell(&events), "1 Cancelled, 1 gone, 2 Cancelled, 2 gone");
}

#[test]
fn immediate_or_cancel_has_one_chance() {
    let mut floor = Floor::new();
    let ioc = |order| NewOrder { tif: Tif::Ioc, ..order };
    assert_eq!(floor.place(ioc(order(1, 100, limit("9")))), "1 Submitted 0/100", "no bar is open yet");
    assert_eq!(floor.open(10.0), "1 Cancelled, 1 gone");
    assert_eq!(floor.place(ioc(order(2, 100, limit("9")))), "2 Submitted 0/100, 2 Cancelled, 2 gone");
    assert_eq!(floor.place(ioc(order(3, 100, limit("10")))), "3 Submitted 0/100, 3 buys 100 @ 10, 3 Filled");
    let mut floor = Floor::with(Config { slice: Some(Shares(30)), ..floor.exchange.config().clone() });
    floor.open(10.0);
    assert_eq!(
        floor.place(ioc(order(1, 100, limit("10")))),
        "1 Submitted 0/100, 1 buys 30 @ 10, 1 Submitted 30/100, 1 Cancelled 30/100, 1 gone"
    );
}

#[test]
fn a_change_keeps_the_permanent_id_and_may_fill_at_once() {
    let mut floor = Floor::new();
    floor.open(10.0);
    floor.place(order(1, 100, limit("9")));
    let id = floor.exchange.order(key(1)).unwrap().perm_id;
    assert_eq!(floor.place(order(1, 80, limit("9.5"))), "1 Submitted 0/80");
    assert_eq!(floor.place(order(1, 80, limit("10"))), "1 Submitted 0/80, 1 buys 80 @ 10, 1 Filled");
    assert_eq!(floor.exchange.order(key(1)).unwrap().perm_id, id);
    assert_eq!(floor.place(order(1, 90, limit("10"))), "104 Can't modify a filled order.");
    assert_eq!(floor.place(order(1, 80, limit("10"))), "103 Duplicate order id");
}

#[test]
fn a_change_of_what_may_not_change_is_refused_and_the_order_lives() {
    let mut floor = Floor::new();
    floor.place(order(1, 100, limit("9")));
    let mismatch = "105 Order being modified does not match original order";
    assert_eq!(floor.place(order(1, -100, limit("9"))), mismatch);
    assert_eq!(floor.place(NewOrder { oca_group: "g".into(), ..order(1, 100, limit("9")) }), mismatch);
    assert!(floor.place(order(1, 100, limit("9.001"))).starts_with("110 "));
    assert_eq!(floor.bar([9.5, 9.5, 9.0, 9.0]), "1 buys 100 @ 9, 1 Filled");
}

#[test]
fn a_change_below_what_has_filled_is_refused() {
    let mut floor = Floor::with(Config { slice: Some(Shares(30)), ..Config::default() });
    floor.open(10.0);
    floor.place(order(1, 100, limit("10")));
    assert_eq!(floor.place(order(1, 30, limit("10"))), "321 order size 30 is not above the 30 shares already filled");
    assert_eq!(floor.place(order(1, 50, limit("9"))), "1 Submitted 30/50");
}

#[test]
fn refusals_use_the_number_up() {
    let mut floor = Floor::new();
    assert_eq!(floor.place(order(1, 0, limit("9"))), "321 order size 0 is not a positive number of shares");
    assert_eq!(floor.place(order(1, 100, limit("9"))), "103 Duplicate order id");
    assert!(floor.place(order(2, 100, limit("9.001"))).starts_with("110 "));
    assert!(floor.place(order(3, 100, limit("-1"))).starts_with("321 price -1 "));
    assert!(floor.place(order(4, 100, trail("0"))).starts_with("321 trailing distance 0 "));
    assert!(floor.place(NewOrder { contract: ContractId(9), ..order(5, 1, limit("9")) }).starts_with("321 "));
    assert!(floor.place(NewOrder { account: AccountId("U9".into()), ..order(6, 1, limit("9")) }).starts_with("321 "));
    assert!(floor.place(order(7, 2_000_000_000, limit("9"))).starts_with("321 "));
    let refused = floor.exchange.order(key(2)).unwrap();
    assert_eq!((refused.status, refused.reason.is_empty()), (Status::Rejected, false));
    assert_eq!(floor.bar([9.0, 9.0, 9.0, 9.0]), "");
}

#[test]
fn cancels_of_the_unknown_and_the_ended_are_refused() {
    let mut floor = Floor::new();
    let now = floor.now();
    assert_eq!(floor.exchange.cancel(now, key(1)), Err(CancelRefusal::NotFound));
    floor.open(10.0);
    floor.place(order(1, 100, OrderKind::Market));
    let refusal = floor.exchange.cancel(now, key(1)).unwrap_err();
    assert_eq!((refusal.code(), refusal), (10_148, CancelRefusal::Ended(Status::Filled)));
}

#[test]
fn cancelling_everything_spares_no_client() {
    let mut floor = Floor::new();
    floor.place(order(1, 100, limit("9")));
    floor.place(child(2, 1, -100, stop("8"), true));
    let other = OrderKey { client_id: 8, order_id: 1 };
    floor.place(NewOrder { key: other, ..order(1, 100, limit("9")) });
    let now = floor.now();
    floor.exchange.cancel_all(now);
    assert!(floor.exchange.orders().all(|order| order.status == Status::Cancelled));
    assert_eq!(floor.exchange.orders().count(), 3);
}

#[test]
fn what_changed_is_told_as_it_was() {
    let commission = CommissionPlan::PerShare("0.01".parse().unwrap());
    let mut floor = Floor::with(Config { commission, ..Config::default() });
    floor.open(10.0);
    let mut placed = |order: NewOrder| {
        let key = order.key;
        let events = floor.exchange.place(floor.now(), order).unwrap();
        let known = floor.exchange.order(key).unwrap().clone();
        let told = |event: &Event| match event {
            Event::Changed(change) => Some(known.as_of(change)),
            Event::Filled(_) | Event::CancelledByRule { .. } | Event::Adjusted { .. } => None,
        };
        (events.iter().filter_map(told).collect::<Vec<Order>>(), known)
    };
    let (told, filled) = placed(order(1, 100, OrderKind::Market));
    assert_eq!(
        (filled.status, filled.commission, filled.ended_at),
        (Status::Filled, Usd::of(1.into()), Some(MarketTime::from_secs(0)))
    );
    let sent = Order {
        status: Status::Submitted,
        filled: Shares::ZERO,
        average_price: None,
        last_price: None,
        commission: Usd::ZERO,
        ended_at: None,
        ..filled.clone()
    };
    assert_eq!(told, [sent, filled]);
    let (told, trailing) = placed(order(2, -100, trail("0.5")));
    let triggers = |order: &Order| match order.order.kind {
        Kind::Trail { trigger, .. } => trigger,
        other => panic!("{other:?}"),
    };
    assert_eq!((told.iter().map(triggers).next(), triggers(&trailing)), (Some(None), Some(price("9.5"))));
}
