//! Orders as clients write them, and what they are read as.

use super::*;

fn order() -> wire::Order {
    wire::Order {
        action: Some("BUY".into()),
        total_quantity: Some("10".into()),
        order_type: Some("LMT".into()),
        lmt_price: Some(226.08),
        tif: Some("GTC".into()),
        transmit: Some(true),
        ..wire::Order::default()
    }
}

fn read(order: &wire::Order) -> Result<Reading, Notice> {
    let own = AccountId("DU1".into());
    let key = OrderKey { client_id: 1, order_id: 2 };
    let now = MarketTime::from_secs(1_795_446_000); // 2026-11-23 10:00 New York
    super::read(Context { key, contract: ContractId(3), own: &own, now, has_hours: true }, order)
}

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

#[test]
fn what_ibkrs_own_client_leaves_unset_is_unset() {
    let unset = wire::Order {
        aux_price: Some(f64::MAX),
        trail_stop_price: Some(f64::MAX),
        min_qty: Some(i32::MAX),
        cash_qty: Some(f64::MAX),
        duration: Some(i32::MAX),
        post_to_ats: Some(i32::MAX),
        parent_id: Some(0),
        exempt_code: Some(-1),
        origin: Some(0),
        oca_type: Some(0),
        starting_price: Some(f64::MAX),
        stock_ref_price: Some(0.0),
        adjusted_order_type: Some("None".into()),
        delta_neutral_order_type: Some("None".into()),
        ..order()
    };
    let placed = read(&unset).unwrap().order;
    assert_eq!(placed.kind, Kind::Limit { limit: price("226.08") });
    assert_eq!((placed.parent_id, placed.tif, &*placed.account.0), (None, Tif::Gtc, "DU1"));
}

#[test]
fn every_type_that_is_served_is_read() {
    let typed = |word: &str| wire::Order { order_type: Some(word.into()), aux_price: Some(2.0), ..order() };
    let kind = |order: &wire::Order| read(order).unwrap().order.kind;
    let (two, limit) = (price("2"), price("226.08"));
    assert_eq!(kind(&typed("MOC")), Kind::MarketOnClose);
    assert_eq!(kind(&typed("LOC")), Kind::LimitOnClose { limit });
    assert_eq!(kind(&typed("MIT")), Kind::MarketIfTouched { trigger: two });
    assert_eq!(kind(&typed("LIT")), Kind::LimitIfTouched { trigger: two, limit });
    let trail = wire::Order { lmt_price: None, lmt_price_offset: Some(0.5), ..typed("TRAIL LIMIT") };
    let by = TrailBy::Amount(two);
    assert_eq!(kind(&trail), Kind::TrailLimit { by, trigger: None, offset: price("0.5") });
    // Or by the two prices.
    let both = wire::Order { trail_stop_price: Some(226.58), ..typed("TRAIL LIMIT") };
    let trigger = Some(price("226.58"));
    assert_eq!(kind(&both), Kind::TrailLimit { by, trigger, offset: price("0.50") });
    let percent = wire::Order { trailing_percent: Some(1.5), ..typed("TRAIL") };
    assert_eq!(kind(&percent), Kind::Trail { by: TrailBy::Percent(Decimal::new(15, 1)), trigger: None });
}

#[test]
fn times_and_algorithms_are_read() {
    let dated = wire::Order {
        tif: Some("GTD".into()),
        good_till_date: Some("20261124 15:00:00 US/Eastern".into()),
        good_after_time: Some("20261123-16:00:00".into()),
        ..order()
    };
    let placed = read(&dated).unwrap().order;
    assert_eq!(placed.tif, Tif::Gtd(MarketTime::from_secs(1_795_550_400)));
    assert_eq!(placed.good_after, Some(MarketTime::from_secs(1_795_449_600)));
    let params = [("adaptivePriority".to_owned(), "Patient".to_owned())].into();
    let adaptive = wire::Order { algo_strategy: Some("Adaptive".into()), algo_params: params, ..order() };
    assert_eq!(read(&adaptive).unwrap().order.algo.unwrap().strategy, "Adaptive");
}

#[test]
fn what_tws_says_although_it_takes_the_order() {
    let codes = |order: &wire::Order| read(order).unwrap().warnings.iter().map(|(code, _)| *code).collect::<Vec<_>>();
    assert_eq!(codes(&order()), Vec::<i32>::new());
    assert_eq!(codes(&wire::Order { tif: None, ..order() }), [10_349]);
    let market = wire::Order { order_type: Some("MKT".into()), outside_rth: Some(true), ..order() };
    assert_eq!(codes(&market), [2_109]);
    assert!(!read(&market).unwrap().order.outside_rth);
    let limit = wire::Order { outside_rth: Some(true), ..order() };
    assert!(read(&limit).unwrap().order.outside_rth && codes(&limit).is_empty());
}

#[test]
fn what_is_not_served_is_refused_not_ignored() {
    let word = |word: &str| Some(word.to_owned());
    let cases = [
        (wire::Order { conditions: vec![vec![]], ..order() }, 321),
        (wire::Order { hidden: Some(true), ..order() }, 321),
        (wire::Order { display_size: Some(5), ..order() }, 321),
        (wire::Order { trigger_method: Some(1), ..order() }, 321),
        (wire::Order { starting_price: Some(1.0), ..order() }, 321),
        (wire::Order { algo_strategy: word("Vwap"), ..order() }, 321),
        (wire::Order { algo_strategy: word("Adaptive"), order_type: word("MOC"), ..order() }, 321),
        (wire::Order { tif: word("OPG"), ..order() }, 321),
        (wire::Order { tif: word("GTD"), ..order() }, 321),
        (wire::Order { tif: word("GTD"), good_till_date: word("20200101 10:00:00"), ..order() }, 321),
        (wire::Order { good_till_date: word("20300101 10:00:00"), ..order() }, 321),
        (wire::Order { good_after_time: word("tomorrow"), ..order() }, 321),
        (wire::Order { account: word("U9"), ..order() }, 321),
        (wire::Order { order_type: word("MIDPRICE"), ..order() }, 387),
        (wire::Order { order_type: word("TRAIL LIMIT"), aux_price: Some(1.0), ..order() }, 321),
        (wire::Order { lmt_price: None, ..order() }, 321),
        (wire::Order { lmt_price: Some(-1.0), ..order() }, 321),
        (wire::Order { total_quantity: word("0"), ..order() }, 321),
        (wire::Order { total_quantity: word("1.5"), ..order() }, 10_243),
        (wire::Order { total_quantity: word("79228162514264337593543950335"), ..order() }, 321),
        (wire::Order { total_quantity: None, ..order() }, 321),
        (wire::Order { action: None, ..order() }, 321),
    ];
    for (order, code) in cases {
        assert_eq!(read(&order).map_err(|(code, _)| code).map(|_| ()), Err(code), "{order:?}");
    }
}
