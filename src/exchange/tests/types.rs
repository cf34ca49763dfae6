//! Order types, times and holds that only other people's clients use; halts.

use super::*;

fn close_at(limit: &str) -> Kind {
    Kind::LimitOnClose { limit: price(limit) }
}

fn end_of_session(floor: &mut Floor) -> String {
    let now = floor.now();
    let events = floor.exchange.end_of_session(AAA, now);
    floor.tell(&events)
}

#[test]
fn orders_for_the_close_trade_at_the_last_price_and_only_then() {
    let mut floor = Floor::new();
    floor.open(10.0);
    assert_eq!(floor.place(order(1, 100, Kind::MarketOnClose)), "1 PreSubmitted 0/100");
    floor.place(order(2, 100, close_at("11")));
    floor.place(order(3, 100, close_at("10.5")));
    assert_eq!(floor.close([10.0, 12.0, 9.0, 10.8]), "", "a range is no close");
    // Decided on the last bar, at the close itself: for the next session.
    assert_eq!(floor.place(order(4, 100, Kind::MarketOnClose)), "4 PreSubmitted 0/100");
    assert_eq!(
        end_of_session(&mut floor),
        "1 buys 100 @ 10.8, 1 Filled, 2 buys 100 @ 10.8, 2 Filled, 3 Cancelled, 3 gone"
    );
    check_ledger(&floor.exchange);
    assert_eq!(floor.bar([10.0; 4]), "");
    assert_eq!(end_of_session(&mut floor), "4 buys 100 @ 10, 4 Filled");
}

#[test]
fn if_touched_orders_wait_for_a_better_price() {
    let mut floor = Floor::new();
    let touched = |trigger: &str| Kind::MarketIfTouched { trigger: price(trigger) };
    let limited = |trigger: &str, limit: &str| Kind::LimitIfTouched { trigger: price(trigger), limit: price(limit) };
    floor.open(10.0);
    assert_eq!(floor.place(order(1, 100, touched("9.5"))), "1 PreSubmitted 0/100");
    floor.place(order(2, 100, limited("9.5", "9.6")));
    floor.place(order(3, 100, limited("9.5", "9.2")));
    assert_eq!(floor.close([10.0, 10.1, 9.6, 9.8]), "");
    assert_eq!(
        floor.bar([9.8, 9.8, 9.4, 9.7]),
        "1 buys 100 @ 9.5, 1 Filled, 2 buys 100 @ 9.5, 2 Filled, 3 Submitted 0/100"
    );
    assert_eq!(floor.bar([9.0, 9.1, 8.9, 9.0]), "3 buys 100 @ 9, 3 Filled", "a limit order by now");
    // On the other side better is higher; a gap through the trigger fills at the open.
    floor.place(order(4, -100, touched("9.5")));
    assert_eq!(floor.bar([9.7, 9.7, 9.7, 9.7]), "4 sells 100 @ 9.7, 4 Filled");
}

#[test]
fn a_trailing_limit_follows_and_then_stays_where_it_was_set_off() {
    let mut floor = Floor::new();
    floor.open(10.0);
    floor.place(order(1, 100, OrderKind::Market));
    let by = TrailBy::Amount(price("1"));
    floor.place(order(2, -100, Kind::TrailLimit { by, trigger: None, offset: price("0.2") }));
    let trigger = |floor: &Floor| floor.exchange.order(key(2)).unwrap().order.kind.trigger().unwrap();
    assert_eq!(trigger(&floor), price("9"));
    floor.close([10.0, 12.0, 10.0, 12.0]);
    assert_eq!(trigger(&floor), price("11"));
    // A gap below trigger and limit: it rests as a limit order at 10.80.
    assert_eq!(floor.bar([10.5, 10.7, 10.4, 10.6]), "2 Submitted 0/100");
    assert_eq!(trigger(&floor), price("11"), "it follows no longer");
    assert_eq!(floor.bar([10.6, 13.0, 10.6, 13.0]), "2 sells 100 @ 10.8, 2 Filled");
    let odd = Kind::TrailLimit { by, trigger: None, offset: price("0.001") };
    assert!(floor.place(order(3, -100, odd)).starts_with("110 "));
}

#[test]
fn fill_or_kill_fills_whole_or_not_at_all() {
    let fok = |id, quantity, kind: OrderKind| NewOrder { tif: Tif::Fok, ..order(id, quantity, kind) };
    let mut floor = Floor::with(Config { slice: Some(Shares(50)), ..Config::default() });
    floor.open(10.0);
    assert!(floor.place(fok(1, 51, OrderKind::Market)).ends_with("1 Cancelled, 1 gone"));
    assert!(floor.place(fok(2, 50, OrderKind::Market)).ends_with("2 Filled"));
    assert!(floor.place(fok(3, 50, limit("9"))).ends_with("3 Cancelled, 3 gone"));
}

#[test]
fn dates_begin_and_end_orders() {
    let mut floor = Floor::new();
    let at = |minute: i64| MarketTime::from_secs(minute * 60);
    floor.open(10.0);
    floor.place(NewOrder { tif: Tif::Gtd(at(2)), ..order(1, 100, limit("9")) });
    assert_eq!(floor.place(NewOrder { good_after: Some(at(2)), ..order(2, 100, limit("11")) }), "2 PreSubmitted 0/100");
    assert_eq!(floor.close([10.0; 4]), "");
    assert_eq!(floor.bar([10.0; 4]), "");
    assert_eq!(floor.open(10.0), "1 Cancelled, 1 gone, 2 Submitted 0/100, 2 buys 100 @ 10, 2 Filled");
    // One whose date is the session's end ends with it.
    floor.place(NewOrder { tif: Tif::Gtd(at(3)), ..order(3, 100, limit("9")) });
    floor.close([10.0; 4]);
    assert_eq!(end_of_session(&mut floor), "3 Cancelled, 3 gone");
}

#[test]
fn shares_that_must_be_located_are_sold_later() {
    let mut floor = Floor::new();
    floor.exchange.set_borrow(AAA, Borrow::Locate);
    floor.open(10.0);
    floor.place(order(1, 100, OrderKind::Market));
    assert!(floor.place(order(2, -100, OrderKind::Market)).ends_with("2 Filled"), "what is held needs no loan");
    assert_eq!(floor.place(order(3, -100, OrderKind::Market)), "3 PreSubmitted 0/100");
    assert_eq!(floor.exchange.order(key(3)).unwrap().held, Some(Held::Locate));
    floor.close([10.0; 4]);
    for _ in 0..4 {
        assert_eq!(floor.bar([10.0; 4]), "");
    }
    assert_eq!(floor.bar([10.0; 4]), "3 Submitted 0/100, 3 sells 100 @ 10, 3 Filled");
    assert_eq!(floor.exchange.order(key(3)).unwrap().held, None);
    floor.exchange.set_borrow(AAA, Borrow::None);
    assert!(floor.place(order(4, -1, OrderKind::Market)).starts_with("201 "));
}

#[test]
fn nothing_trades_in_a_halt_and_the_first_price_after_it_counts() {
    let mut floor = Floor::new();
    floor.open(10.0);
    floor.place(order(1, 100, limit("9")));
    floor.place(order(2, 100, limit("8")));
    assert!(floor.exchange.halt(AAA) && !floor.exchange.halt(AAA));
    assert_eq!(
        floor.place(order(3, 100, OrderKind::Market)),
        "154 Orders cannot be transmitted for a halted security."
    );
    assert!(floor.place(order(1, 100, limit("9.5"))).starts_with("154 "), "a change is an order too");
    assert_eq!(floor.touch(8.5), "");
    assert_eq!(floor.close([10.0, 10.0, 8.5, 8.5]), "");
    assert_eq!(floor.bar([8.5, 8.5, 7.0, 8.8]), "", "nor over a whole bar");
    floor.open(8.8);
    let events = floor.exchange.cancel(floor.now(), key(2)).unwrap();
    assert_eq!(floor.tell(&events), "2 Cancelled", "cancels pass");
    assert!(floor.exchange.resume(AAA) && !floor.exchange.is_halted(AAA));
    // The low of this bar was before the end of the halt, for all that anybody knows.
    assert_eq!(floor.close([8.8, 9.2, 7.0, 9.1]), "");
    assert_eq!(floor.bar([8.9; 4]), "1 buys 100 @ 8.9, 1 Filled");
    check_ledger(&floor.exchange);
}

#[test]
fn what_an_order_would_do_is_said_and_not_done() {
    let mut floor = Floor::with(Config::default());
    floor.open(100.0);
    floor.place(order(1, 100, OrderKind::Market));
    let before = floor.exchange.clone();
    let effect = floor.exchange.what_if(&order(2, 900, OrderKind::Market)).unwrap();
    assert_eq!(floor.exchange, before, "nothing has changed");
    assert_eq!(effect.before.initial_margin, Usd::of(5_000.into()));
    assert_eq!(effect.after.initial_margin, Usd::of(50_000.into()));
    assert_eq!(effect.after.maintenance_margin, Usd::of(25_000.into()));
    assert_eq!(effect.commission.to_string(), "4.50");
    assert_eq!(effect.before.equity - effect.after.equity, effect.commission);
    assert_eq!(floor.exchange.what_if(&order(2, 9_000, OrderKind::Market)).unwrap_err().code(), 201);
}
