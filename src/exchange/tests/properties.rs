//! Whatever happens, some things always hold.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Act {
    Place(NewOrder),
    Cancel(i32),
    Touch(i64),
    Bar([i64; 4]),
    EndOfSession,
}

fn cents(price: i64) -> Price {
    Price(rust_decimal::Decimal::new(price, 2))
}

fn kinds() -> impl Strategy<Value = OrderKind> {
    let near = 900_i64..1_100;
    prop_oneof![
        3 => Just(OrderKind::Market),
        3 => near.clone().prop_map(|limit| OrderKind::Limit { limit: cents(limit) }),
        3 => near.clone().prop_map(|trigger| OrderKind::Stop { trigger: cents(trigger) }),
        1 => (near.clone(), near).prop_map(|(trigger, limit)| OrderKind::StopLimit {
            trigger: cents(trigger),
            limit: cents(limit)
        }),
        1 => (1_i64..60).prop_map(|by| OrderKind::Trail { by: TrailBy::Amount(cents(by)), trigger: None }),
        1 => (1_i64..9).prop_map(|by| OrderKind::Trail { by: TrailBy::Percent(by.into()), trigger: None }),
    ]
}

fn orders() -> impl Strategy<Value = NewOrder> {
    let tif = prop_oneof![3 => Just(TimeInForce::Gtc), 2 => Just(TimeInForce::Day), 1 => Just(TimeInForce::Ioc)];
    let group = prop_oneof![3 => Just(""), 1 => Just("g"), 1 => Just("h")];
    (1_i32..40, any::<bool>(), 1_i64..400, kinds(), tif, group, prop::option::of(1_i32..40), any::<bool>()).prop_map(
        |(id, buys, quantity, kind, tif, group, parent_id, transmit)| NewOrder {
            tif,
            oca_group: group.into(),
            parent_id: parent_id.filter(|_| !buys),
            transmit: transmit || parent_id.is_none(),
            ..order(id, if buys { quantity } else { -quantity }, kind)
        },
    )
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let near = 900_i64..1_100;
    let bar = (near.clone(), near.clone(), 0_i64..60, 0_i64..60)
        .prop_map(|(open, close, up, down)| [open, open.max(close) + up, open.min(close) - down, close]);
    let act = prop_oneof![
        5 => orders().prop_map(Act::Place),
        1 => (1_i32..40).prop_map(Act::Cancel),
        1 => near.prop_map(Act::Touch),
        5 => bar.prop_map(Act::Bar),
        1 => Just(Act::EndOfSession),
    ];
    prop::collection::vec(act, 1..80)
}

fn configs() -> impl Strategy<Value = Config> {
    (any::<bool>(), any::<bool>(), any::<bool>(), prop::option::of(1_i64..200)).prop_map(
        |(die, allow_short, cash, slice)| Config {
            children: if die { ChildRule::DieWithParent } else { ChildRule::ProRata },
            allow_short,
            margin: if cash { MarginPlan::Cash } else { MarginPlan::RegT },
            slice: slice.map(Shares),
            ..Config::default()
        },
    )
}

/// Does one act; the events, and the prices between which fills may lie.
fn act(floor: &mut Floor, act: &Act) -> (Vec<Event>, Option<[i64; 2]>) {
    let now = floor.now();
    match act {
        Act::Place(order) => (floor.exchange.place(now, order.clone()).unwrap_or_default(), None),
        Act::Cancel(id) => (floor.exchange.cancel(now, key(*id)).unwrap_or_default(), None),
        Act::Touch(price) => (floor.exchange.touch(AAA, now, *price as f64 / 100.0), Some([*price; 2])),
        Act::EndOfSession => (floor.exchange.end_of_session(AAA, now), None),
        Act::Bar(prices) => {
            let bar = floor.make(prices.map(|price| price as f64 / 100.0));
            floor.minute += 1;
            let mut events = floor.exchange.open(AAA, now, bar.open, true);
            events.extend(floor.exchange.close(AAA, &bar, true));
            (events, Some([prices[2], prices[1]]))
        }
    }
}

fn check_orders(floor: &Floor) {
    let mut filled: BTreeMap<OrderKey, Shares> = BTreeMap::new();
    for fill in floor.exchange.fills() {
        assert!(fill.quantity.0 > 0 && fill.commission >= Usd::ZERO);
        *filled.entry(fill.key).or_default() += fill.quantity;
        assert!(fill.cumulative >= filled[&fill.key]);
    }
    let live: Vec<OrderKey> = floor.exchange.live_keys().collect();
    for order in floor.exchange.orders() {
        assert_eq!(order.filled, filled.get(&order.order.key).copied().unwrap_or_default());
        assert!(order.filled <= order.order.quantity);
        assert_eq!(order.status == Status::Filled, order.filled == order.order.quantity && order.ended_at.is_some());
        assert_eq!(live.contains(&order.order.key), order.status.is_live());
    }
    let traded: Shares = floor.exchange.fills().iter().map(|fill| fill.side.signed(fill.quantity)).sum();
    assert_eq!(floor.position(), traded.0);
    if !floor.exchange.can_short() {
        assert!(floor.position() >= 0, "nothing can be borrowed");
    }
}

proptest! {
    #[test]
    fn the_books_always_balance(acts in acts(), config in configs()) {
        let mut floor = Floor::with(config);
        for step in &acts {
            let (events, span) = act(&mut floor, step);
            check_ledger(&floor.exchange);
            check_orders(&floor);
            for event in events {
                if let (Event::Filled(fill), Some([low, high])) = (event, span) {
                    // An order inside the bar that the market came through fills at its limit.
                    let touched = matches!(step, Act::Touch(_));
                    prop_assert!(touched || (cents(low) <= fill.price && fill.price <= cents(high)), "{:?}", fill);
                }
            }
        }
    }

    #[test]
    fn a_group_never_sells_more_than_one_of_it(
        stops in prop::collection::vec((900_i64..1_000, 1_i64..3), 1..3),
        targets in prop::collection::vec((1_000_i64..1_100, 1_i64..3), 1..3),
        bars in prop::collection::vec((900_i64..1_100, 900_i64..1_100, 0_i64..60, 0_i64..60), 1..12),
        slice in prop::option::of(1_i64..130),
        bracket: bool,
    ) {
        let mut floor = Floor::with(Config { slice: slice.map(Shares), ..Config::default() });
        floor.place(NewOrder { transmit: !bracket, ..order(1, 100, OrderKind::Market) });
        if !bracket {
            for _ in 0..100 {
                floor.bar([10.0; 4]);
            }
        }
        let kinds = stops.iter().map(|(at, _)| OrderKind::Stop { trigger: cents(*at) })
            .chain(targets.iter().map(|(at, _)| OrderKind::Limit { limit: cents(*at) }));
        for (id, kind) in (2..).zip(kinds) {
            let leg = NewOrder { oca_group: "g".into(), ..order(id, -100, kind) };
            floor.place(if bracket { NewOrder { parent_id: Some(1), ..leg } } else { leg });
        }
        for (open, close, up, down) in bars {
            let bar = [open, open.max(close) + up, open.min(close) - down, close];
            floor.bar(bar.map(|price| price as f64 / 100.0));
            prop_assert!(floor.position() >= 0, "sold {} more than were bought", -floor.position());
        }
        let sold: i64 = floor.exchange.fills().iter().filter(|f| f.side == Side::Sell).map(|f| f.quantity.0).sum();
        prop_assert!(sold <= 100);
    }

    #[test]
    fn an_exchange_read_back_from_disk_goes_on_as_if_nothing_had_happened(
        acts in acts(), config in configs(), cut in 0_usize..80,
    ) {
        let mut whole = Floor::with(config.clone());
        let mut broken = Floor::with(config);
        for (index, step) in acts.iter().enumerate() {
            if index == cut % acts.len() {
                let text = serde_json::to_string(&broken.exchange).unwrap();
                broken.exchange = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(&broken.exchange, &whole.exchange);
            }
            prop_assert_eq!(act(&mut whole, step).0, act(&mut broken, step).0);
        }
        prop_assert_eq!(whole.exchange, broken.exchange);
    }
}
