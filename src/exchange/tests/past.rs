//! What has ended and is forgotten; cash, splits and orders by hand.

use super::*;

fn text(amount: Usd) -> String {
    amount.decimal().normalize().to_string()
}

/// An exchange as a keeper writes and reads it: a core, and an archive in pieces.
fn kept(exchange: &Exchange, archive: &str) -> Exchange {
    let core = serde_json::to_string(&exchange.core()).unwrap();
    let entries = archive.lines().map(|line| serde_json::from_str(line).unwrap());
    Exchange::restore(serde_json::from_str(&core).unwrap(), entries.collect::<Vec<Entry>>())
}

fn lines(exchange: &Exchange, mark: ArchiveMark) -> String {
    exchange.archive_since(mark).map(|entry| serde_json::to_string(&entry).unwrap() + "\n").collect()
}

#[test]
fn a_core_and_an_archive_are_the_whole_and_the_core_stays_small() {
    let mut floor = Floor::new();
    let (mut archive, mut mark) = (String::new(), ArchiveMark::default());
    let mut sizes = Vec::new();
    for round in 0..50 {
        floor.open(10.0);
        floor.place(order(10 * round + 1, 10, OrderKind::Market));
        floor.place(order(10 * round + 2, 0, OrderKind::Market));
        floor.place(order(10 * round + 3, 10, limit("9")));
        assert!(floor.exchange.cancel(floor.now(), key(10 * round + 3)).is_ok());
        floor.close([10.0; 4]);
        archive += &lines(&floor.exchange, mark);
        mark = floor.exchange.archive_mark();
        sizes.push(serde_json::to_string(&floor.exchange.core()).unwrap().len());
    }
    assert_eq!(kept(&floor.exchange, &archive), floor.exchange);
    assert!(sizes[49] < sizes[0] + 200, "it grows by digits only: {sizes:?}");
    let tallies = floor.exchange.tallies();
    assert_eq!((tallies.orders, tallies.rejected, tallies.fills), (150, 50, 50));
}

#[test]
fn what_is_forgotten_is_still_counted_and_its_ids_stay_used() {
    let mut floor = Floor::new();
    floor.bar([10.0; 4]);
    floor.open(10.0);
    floor.place(order(1, 10, OrderKind::Market));
    floor.place(NewOrder { transmit: false, ..order(2, 10, OrderKind::Market) });
    floor.place(child(3, 2, -10, stop("9"), true));
    for _ in 0..10 {
        floor.bar([10.0; 4]);
    }
    let tallies = floor.exchange.tallies();
    let now = floor.now();
    floor.exchange.forget_before(now);
    assert!(floor.exchange.order(key(1)).is_none());
    assert!(floor.exchange.order(key(2)).is_some(), "the parent of a working stop is known");
    let known: Vec<OrderKey> = floor.exchange.fills().iter().map(|fill| fill.key).collect();
    assert_eq!(known, [key(2)], "with its fills");
    assert_eq!(floor.exchange.tallies(), tallies);
    assert_eq!(floor.place(order(1, 10, OrderKind::Market)), "103 Duplicate order id");
    assert_eq!(floor.exchange.cancel(now, key(1)).unwrap_err().code(), 135);
    assert_eq!(floor.exchange.cancel(now, key(2)).unwrap_err().code(), 10_148);
    assert_eq!(floor.exchange.cancel(now, key(99)).unwrap_err().code(), 10_147);
    // The next fill's id goes on, and the account is what it was.
    floor.open(10.0);
    floor.place(order(4, 10, OrderKind::Market));
    let last = floor.exchange.fills().last().unwrap().id.clone();
    assert!(last.0.ends_with(".00000003.01.01"), "{last}");
    assert_eq!(floor.position(), 30);
    check_ledger(&floor.exchange);
}

#[test]
fn refused_and_ended_orders_cannot_be_cancelled() {
    let mut floor = Floor::new();
    floor.open(10.0);
    floor.place(order(1, 1_000_000, OrderKind::Market));
    floor.place(order(2, 10, OrderKind::Market));
    let refusal = |floor: &mut Floor, id| floor.exchange.cancel(floor.now(), key(id)).unwrap_err().code();
    assert_eq!(refusal(&mut floor, 1), 161);
    assert_eq!(refusal(&mut floor, 2), 10_148);
    assert_eq!(refusal(&mut floor, 3), 10_147);
}

#[test]
fn cash_that_moves_without_a_trade_is_no_profit() {
    let mut floor = Floor::new();
    floor.open(10.0);
    floor.place(order(1, 100, OrderKind::Market));
    let moved = floor.exchange.adjust_cash(&account_id(), "12.34".parse().unwrap(), "dividend").unwrap();
    assert_eq!(floor.tell(&moved), "12.34 by dividend");
    floor.exchange.adjust_cash(&account_id(), "-2".parse().unwrap(), "data fee").unwrap();
    let view = floor.view();
    assert_eq!(
        (text(view.adjusted), text(view.cash), text(view.daily)),
        ("10.34".into(), "99010.34".into(), "0".into())
    );
    check_ledger(&floor.exchange);
    assert!(floor.exchange.adjust_cash(&AccountId("X".into()), Usd::ZERO, "").is_err());
}

#[test]
fn a_split_keeps_what_was_paid_and_cancels_what_rests() {
    let mut floor = Floor::new();
    floor.open(30.0);
    floor.place(order(1, 101, OrderKind::Market));
    floor.place(order(2, -101, stop("25")));
    let now = floor.now();
    let events = floor.exchange.split(AAA, now, 3, 2);
    assert_eq!(floor.tell(&events), "2 Cancelled, 2 gone");
    let held = floor.view().positions[&AAA];
    // 151.5 shares: half a new one, a third of an old one, is paid out.
    assert_eq!((held.quantity, held.mark), (Shares(151), price("20")));
    check_ledger(&floor.exchange);
    assert_eq!(floor.view().equity.to_cent(), Usd::of(100_000.into()).to_cent());
    // And back, into nothing.
    floor.exchange.split(AAA, now, 1, 1_000);
    assert!(floor.view().positions.is_empty());
    check_ledger(&floor.exchange);
}

#[test]
fn an_order_by_hand_is_client_zeros_and_has_an_id_once_bound() {
    let mut floor = Floor::new();
    floor.open(10.0);
    let by_hand = |kind: OrderKind| NewOrder { order_ref: "".into(), ..order(0, 10, kind) };
    let (first, _) = floor.exchange.manual(floor.now(), by_hand(limit("9"))).unwrap();
    let (second, events) = floor.exchange.manual(floor.now(), by_hand(OrderKind::Market)).unwrap();
    assert!(first != second && first.client_id == 0 && first.order_id < 0);
    assert!(floor.tell(&events).ends_with("Filled"));
    let bound = floor.exchange.bind_manual();
    assert_eq!(bound.iter().map(|order| order.order.key).collect::<Vec<_>>(), [first]);
    assert!(floor.exchange.bind_manual().is_empty(), "once");
    assert!(floor.exchange.order(first).is_some_and(|order| order.manual && order.bound));
    assert_eq!(floor.position(), 10);
}

#[test]
fn a_day_counts_its_own_profit() {
    let mut floor =
        Floor::with(Config { commission: CommissionPlan::PerShare("0.01".parse().unwrap()), ..Config::default() });
    floor.open(10.0);
    floor.place(order(1, 100, OrderKind::Market));
    floor.touch(11.0);
    assert_eq!(text(floor.view().daily), "99", "a hundred less a dollar of fees");
    floor.exchange.end_of_day();
    assert_eq!(text(floor.view().daily), "0");
    floor.touch(12.0);
    let day = floor.view().today[&AAA];
    assert_eq!(
        (text(day.profit), text(day.realized), text(floor.view().daily)),
        ("100".into(), "0".into(), "100".into())
    );
    floor.place(order(2, -100, OrderKind::Market));
    let day = floor.view().today[&AAA];
    // Two hundred by average cost less both fees; a hundred of it was yesterday's.
    assert_eq!((text(day.realized), text(day.profit)), ("198".into(), "98".into()));
    assert_eq!(text(floor.view().daily), "99");
}
