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
    ByHand(NewOrder),
    Halt(bool),
    Lend(Borrow),
    Cash(i64),
    Split(u32, u32),
    Forget,
}

fn cents(price: i64) -> Price {
    Price::of(rust_decimal::Decimal::new(price, 2))
}

fn kinds() -> impl Strategy<Value = Kind> {
    let others = prop_oneof![
        Just(Kind::MarketOnClose),
        NEAR.prop_map(|limit| Kind::LimitOnClose { limit: cents(limit) }),
        NEAR.prop_map(|trigger| Kind::MarketIfTouched { trigger: cents(trigger) }),
        (NEAR, NEAR).prop_map(|(trigger, limit)| Kind::LimitIfTouched { trigger: cents(trigger), limit: cents(limit) }),
        (1_i64..60, 0_i64..60).prop_map(|(by, offset)| Kind::TrailLimit {
            by: TrailBy::Amount(cents(by)),
            trigger: None,
            offset: cents(offset)
        }),
    ];
    prop_oneof![3 => plain_kinds().prop_map(Kind::from), 1 => others]
}

const NEAR: std::ops::Range<i64> = 900..1_100;

fn plain_kinds() -> impl Strategy<Value = OrderKind> {
    let near = NEAR;
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
    let tif = prop_oneof![3 => Just(Tif::Gtc), 2 => Just(Tif::Day), 1 => Just(Tif::Ioc), 1 => Just(Tif::Fok),
        1 => (1_i64..60).prop_map(|minute| Tif::Gtd(MarketTime::from_secs(minute * 60)))];
    let after = prop::option::weighted(0.1, (1_i64..60).prop_map(|minute| MarketTime::from_secs(minute * 60)));
    let group = prop_oneof![3 => Just(""), 1 => Just("g"), 1 => Just("h")];
    (1_i32..40, any::<bool>(), 1_i64..400, kinds(), tif, group, prop::option::of(1_i32..40), any::<bool>(), after)
        .prop_map(|(id, buys, quantity, kind, tif, group, parent_id, transmit, good_after)| NewOrder {
            tif,
            good_after,
            oca_group: group.into(),
            parent_id: parent_id.filter(|_| !buys),
            transmit: transmit || parent_id.is_none(),
            ..order(id, if buys { quantity } else { -quantity }, kind)
        })
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
        1 => orders().prop_map(|order| Act::ByHand(NewOrder { parent_id: None, ..order })),
        1 => any::<bool>().prop_map(Act::Halt),
        1 => prop_oneof![Just(Borrow::Easy), Just(Borrow::Locate)].prop_map(Act::Lend),
        1 => (-50_000_i64..50_000).prop_map(Act::Cash),
        1 => (1_u32..5, 1_u32..5).prop_map(|(to, from)| Act::Split(to, from)),
        1 => Just(Act::Forget),
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
        Act::EndOfSession => {
            let events = floor.exchange.end_of_session(AAA, now);
            floor.exchange.end_of_day();
            (events, None)
        }
        Act::ByHand(order) => {
            (floor.exchange.manual(now, order.clone()).map(|(_, events)| events).unwrap_or_default(), None)
        }
        Act::Halt(true) => (floor.exchange.halt(AAA).then(Vec::new).unwrap_or_default(), None),
        Act::Halt(false) => (floor.exchange.resume(AAA).then(Vec::new).unwrap_or_default(), None),
        Act::Lend(borrow) => {
            floor.exchange.set_borrow(AAA, *borrow);
            (Vec::new(), None)
        }
        Act::Cash(amount) => {
            let amount = Usd::of(rust_decimal::Decimal::new(*amount, 2));
            (floor.exchange.adjust_cash(&account_id(), amount, "any").unwrap(), None)
        }
        Act::Split(to, from) => (floor.exchange.split(AAA, now, *to, *from), None),
        Act::Forget => {
            floor.exchange.forget_before(MarketTime::from_secs(now.secs() - 600));
            (Vec::new(), None)
        }
        Act::Bar(prices) => {
            let bar = floor.make(prices.map(|price| price as f64 / 100.0));
            floor.minute += 1;
            let mut events = floor.exchange.open(AAA, now, bar.open, true);
            events.extend(floor.exchange.close(AAA, &bar, true));
            (events, Some([prices[2], prices[1]]))
        }
    }
}

/// What the acts so far must have led to; forgotten fills are counted here.
#[derive(Default)]
struct Seen {
    filled: BTreeMap<i64, Shares>,
    position: Shares,
    fills: u64,
    /// After a split, quantities of before it compare with nothing.
    split: bool,
}

impl Seen {
    fn take(&mut self, exchange: &Exchange, act: &Act, events: &[Event]) {
        self.split |= matches!(act, Act::Split(..));
        for event in events {
            let Event::Filled(place) = event else { continue };
            let fill = &exchange.fills()[*place];
            assert!(fill.quantity.0 > 0 && fill.commission >= Usd::ZERO);
            let filled = self.filled.entry(fill.perm_id).or_default();
            *filled += fill.quantity;
            assert_eq!(fill.cumulative, *filled);
            self.position += Shares(fill.side.signed(fill.quantity).0);
            self.fills += 1;
        }
    }
}

fn check_orders(floor: &Floor, seen: &Seen) {
    let live: Vec<OrderKey> = floor.exchange.live_keys().collect();
    for order in floor.exchange.orders() {
        assert_eq!(order.filled, seen.filled.get(&order.perm_id).copied().unwrap_or_default());
        assert!(order.filled <= order.order.quantity);
        assert_eq!(order.status == Status::Filled, order.filled == order.order.quantity && order.ended_at.is_some());
        assert_eq!(live.contains(&order.order.key), order.status.is_live());
        // One that has filled in part can be changed to sleep; one whose shares are not located cannot have.
        assert!(order.held != Some(Held::Locate) || order.filled.is_zero());
    }
    let tallies = floor.exchange.tallies();
    assert_eq!(tallies.fills, seen.fills);
    if !seen.split {
        assert_eq!(floor.position(), seen.position.0);
    }
    if !floor.exchange.can_short() {
        assert!(floor.position() >= 0, "nothing can be borrowed");
    }
    let view = floor.view();
    assert_eq!(view.available_funds, view.equity - view.initial_margin);
    assert_eq!(view.excess_liquidity, view.equity - view.maintenance_margin);
    let today: Usd = view.today.values().map(|today| today.profit).sum();
    let apart = (today.decimal() - view.daily.decimal()).abs();
    // By contract, fees count once their shares are sold: those of what is held make the difference.
    let open_fees: Usd =
        view.positions.values().map(|held| (held.average_cost - held.average_price) * held.quantity.abs()).sum();
    assert!(apart <= open_fees.decimal().abs() + view.commissions.decimal(), "{apart} {open_fees}");
}

proptest! {
    #[test]
    fn the_books_always_balance(acts in acts(), config in configs()) {
        let mut floor = Floor::with(config);
        let mut seen = Seen::default();
        for step in &acts {
            let (events, span) = act(&mut floor, step);
            check_ledger(&floor.exchange);
            seen.take(&floor.exchange, step, &events);
            check_orders(&floor, &seen);
            for event in events {
                if let (Event::Filled(place), Some([low, high])) = (event, span) {
                    let fill = &floor.exchange.fills()[place];
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
            if index == (cut + 7) % acts.len() {
                // As a keeper writes it: what can change, and lines of what cannot.
                let core = serde_json::to_string(&broken.exchange.core()).unwrap();
                let entries = broken.exchange.archive_since(ArchiveMark::default());
                let lines: Vec<String> = entries.map(|entry| serde_json::to_string(&entry).unwrap()).collect();
                let entries: Vec<Entry> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
                broken.exchange = Exchange::restore(serde_json::from_str(&core).unwrap(), entries);
                prop_assert_eq!(&broken.exchange, &whole.exchange);
            }
            prop_assert_eq!(act(&mut whole, step).0, act(&mut broken, step).0);
        }
        prop_assert_eq!(whole.exchange, broken.exchange);
    }
}
