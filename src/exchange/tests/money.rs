//! Accounts, margin and costs.

use super::*;

fn text(amount: Usd) -> String {
    amount.decimal().normalize().to_string()
}

#[test]
fn average_cost_through_long_flip_and_short() {
    let mut floor =
        Floor::with(Config { commission: CommissionPlan::PerShare("0.01".parse().unwrap()), ..Config::default() });
    let trade = |floor: &mut Floor, id, quantity, price| {
        floor.open(price);
        floor.place(order(id, quantity, OrderKind::Market));
        check_ledger(&floor.exchange);
        floor.exchange.fills().last().unwrap().realized.map(text)
    };
    assert_eq!(trade(&mut floor, 1, 100, 10.0), None);
    assert_eq!(trade(&mut floor, 2, 100, 12.0), None);
    let held = floor.view().positions[&AAA];
    assert_eq!((held.average_price.to_string(), held.average_cost.to_string()), ("11".into(), "11.01".into()));
    // 150 x (13 - 11) less 1.50 for this sale and 1.50 of the purchases' fees.
    assert_eq!(trade(&mut floor, 3, -150, 13.0).as_deref(), Some("297"));
    // Sells the remaining 50 and 50 short: 50 x (14 - 11), less 0.50 each way.
    assert_eq!(trade(&mut floor, 4, -100, 14.0).as_deref(), Some("149"));
    let held = floor.view().positions[&AAA];
    assert_eq!((held.quantity, held.average_price, held.average_cost), (Shares(-50), price("14"), price("13.99")));
    assert_eq!(trade(&mut floor, 5, 50, 15.0).as_deref(), Some("-51"));
    let view = floor.view();
    assert!(view.positions.is_empty());
    assert_eq!(
        (text(view.realized), text(view.commissions), text(view.cash)),
        ("400".into(), "5".into(), "100395".into())
    );
}

#[test]
fn an_account_shows_its_margin_by_regulation_t() {
    let mut floor = Floor::new();
    floor.open(100.0);
    floor.place(order(1, 1_000, OrderKind::Market));
    floor.touch(110.0);
    let view = floor.view();
    let shown = [view.cash, view.gross_position_value, view.equity, view.initial_margin, view.maintenance_margin];
    assert_eq!(shown.map(text), ["0", "110000", "110000", "55000", "27500"]);
    let more = [view.available_funds, view.excess_liquidity, view.buying_power, view.unrealized];
    assert_eq!(more.map(text), ["55000", "82500", "110000", "10000"]);
}

#[test]
fn an_order_beyond_the_margin_is_refused_and_an_exit_never_is() {
    let mut floor = Floor::new();
    floor.open(100.0);
    assert_eq!(
        floor.place(order(1, 2_001, OrderKind::Market)),
        "201 YOUR ORDER IS NOT ACCEPTED. IN ORDER TO OBTAIN THE DESIRED POSITION YOUR EQUITY WITH LOAN VALUE \
         [100000 USD] MUST EXCEED THE INITIAL MARGIN [100050.0 USD]"
    );
    assert!(floor.place(order(2, 2_000, OrderKind::Market)).ends_with("2 Filled"));
    floor.touch(60.0);
    assert!(floor.place(order(3, 1, limit("60"))).starts_with("201 "), "under water");
    assert!(floor.place(order(4, -1_000, OrderKind::Market)).ends_with("4 Filled"));
}

#[test]
fn working_entries_count_and_a_group_counts_once() {
    let mut floor = Floor::new();
    floor.open(100.0);
    floor.place(order(1, 1_500, limit("99")));
    assert!(floor.place(order(2, 600, limit("99"))).starts_with("201 "));
    let grouped = |id| NewOrder { oca_group: "g".into(), ..order(id, 500, limit("98")) };
    assert_eq!(floor.place(grouped(3)), "3 Submitted 0/500");
    assert_eq!(floor.place(grouped(4)), "4 Submitted 0/500");
    // A bracket's children close what their parent opens.
    assert_eq!(floor.place(child(5, 1, -1_500, stop("90"), true)), "5 PreSubmitted 0/1500");
}

#[test]
fn without_credit_and_loans_there_is_no_short_sale() {
    for config in
        [Config { margin: MarginPlan::Cash, ..Config::default() }, Config { allow_short: false, ..Config::default() }]
    {
        let mut floor = Floor::with(Config { commission: CommissionPlan::Free, ..config });
        floor.open(100.0);
        let refusal = "201 The contract is not available for short sale.";
        assert_eq!(floor.place(order(1, -1, OrderKind::Market)), refusal);
        floor.place(order(2, 100, OrderKind::Market));
        assert_eq!(floor.place(order(3, -101, OrderKind::Market)), refusal);
        floor.place(order(4, -100, stop("90")));
        assert_eq!(floor.place(order(5, -100, OrderKind::Market)), refusal, "the stop rests for the same shares");
        assert_eq!(floor.close([100.0, 100.0, 80.0, 85.0]), "4 sells 100 @ 90, 4 Filled");
    }
}

#[test]
fn a_child_never_sells_more_than_is_held_where_nothing_can_be_borrowed() {
    let mut floor = Floor::with(Config { allow_short: false, commission: CommissionPlan::Free, ..Config::default() });
    floor.open(10.0);
    floor.place(NewOrder { transmit: false, ..order(1, 100, OrderKind::Market) });
    floor.place(child(2, 1, -100, stop("9"), true));
    floor.place(order(3, -60, OrderKind::Market));
    floor.close([10.0, 10.0, 9.0, 9.0]);
    assert_eq!(floor.position(), 0);
    assert_eq!(floor.exchange.order(key(2)).unwrap().filled, Shares(40));
}

#[test]
fn partial_fills_cost_what_the_whole_costs() {
    let cost = |slice| {
        let mut floor = Floor::with(Config { slice, ..Config::default() });
        floor.place(order(1, 333, limit("10")));
        for _ in 0..40 {
            floor.bar([10.0, 10.0, 10.0, 10.0]);
        }
        assert_eq!(floor.position(), 333);
        let parts: Usd = floor.exchange.fills().iter().map(|fill| fill.commission).sum();
        assert_eq!(parts, floor.view().commissions);
        (parts, floor.exchange.order(key(1)).unwrap().commission)
    };
    let whole = cost(None);
    assert_eq!(text(whole.0), "1.67");
    for slice in [10, 17, 100, 332] {
        assert_eq!(cost(Some(Shares(slice))), whole);
    }
}
