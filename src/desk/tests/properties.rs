//! Restarts and storms: whatever happens, the books balance.

use proptest::prelude::*;

use super::*;

#[test]
fn a_restart_between_two_bars_changes_nothing() {
    let straight = |bars: &[(f64, Option<f64>)], restart_at: Option<usize>| {
        let mut story = Story::new(plan(|_| {}));
        let mut sent = Vec::new();
        for (index, (close, target)) in bars.iter().enumerate() {
            if restart_at == Some(index) {
                story = story.restart();
                let open: Vec<BrokerOrder> = story
                    .desk
                    .book()
                    .live_orders()
                    .map(|order| story.at_broker(order.ticket.order_ref.intent, BrokerStatus::Submitted))
                    .collect();
                let snapshot = BrokerSnapshot { open_orders: open, ..story.snapshot() };
                sent.extend(story.recover(snapshot));
            }
            for action in story.bar(*close, *target) {
                sent.push(action);
            }
            settle(&mut story, *close, &mut sent);
        }
        sent
    };
    let bars = [(50.0, Some(1.0)), (51.0, None), (52.0, Some(0.0)), (53.0, None), (50.0, Some(1.0)), (49.0, Some(0.0))];
    let expected = straight(&bars, None);
    assert!(expected.len() >= 8, "{expected:?}");
    for restart_at in 0..bars.len() {
        assert_eq!(straight(&bars, Some(restart_at)), expected, "restarted before bar {restart_at}");
    }
}

/// A broker that accepts, cancels and fills market orders at once.
fn settle(story: &mut Story, close: f64, sent: &mut Vec<String>) {
    loop {
        let next = story.desk.book().live_orders().find_map(|order| {
            let intent = order.ticket.order_ref.intent;
            match (order.state, order.ticket.kind) {
                (OrderState::Cancelling, _) => Some((intent, true)),
                (OrderState::Sent | OrderState::Working, OrderKind::Market) => Some((intent, false)),
                (OrderState::Sent, _) => Some((intent, false)),
                _ => None,
            }
        });
        let Some((intent, cancel)) = next else { return };
        let actions = if cancel {
            story.status(intent, BrokerStatus::Cancelled)
        } else if story.order(intent).state == OrderState::Sent {
            let open = story.at_broker(intent, BrokerStatus::Submitted);
            story.tell(Event::Order(open.into()))
        } else {
            let left = story.order(intent).remaining().0;
            story.fill(intent, left, close)
        };
        sent.extend(actions);
    }
}

#[derive(Debug, Clone)]
enum Happening {
    Bar(i64, Option<i8>),
    Accept(usize),
    Fill(usize, i64),
    Cancelled(usize),
    Refused(usize),
    Lost,
    Recover,
    Repeat,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => (4_000_i64..6_000, prop::option::of(-1_i8..=1)).prop_map(|(c, t)| Happening::Bar(c, t)),
        4 => (0_usize..4).prop_map(Happening::Accept),
        4 => (0_usize..4, 1_i64..150).prop_map(|(o, q)| Happening::Fill(o, q)),
        2 => (0_usize..4).prop_map(Happening::Cancelled),
        1 => (0_usize..4).prop_map(Happening::Refused),
        1 => Just(Happening::Lost),
        2 => Just(Happening::Recover),
        1 => Just(Happening::Repeat),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Whatever happens in whatever order: replay equals the live book, the ledger balances, never
    /// more is sold than held, at most one exit works (`Story::check`, after every event).
    #[test]
    fn whatever_happens_the_books_balance(
        happenings in prop::collection::vec(happening(), 1..60), allow_short: bool,
    ) {
        let mut story = Story::new(plan(|plan| plan.limits.allow_short = allow_short));
        for happening in happenings {
            let live: Vec<u64> = story.desk.book().live_orders().map(|o| o.ticket.order_ref.intent).collect();
            let pick = |index: usize| live.get(index % live.len().max(1)).copied();
            match happening {
                Happening::Bar(cents, target) => {
                    story.bar(cents as f64 / 100.0, target.map(f64::from));
                }
                Happening::Accept(index) => if let Some(intent) = pick(index) {
                    let open = story.at_broker(intent, BrokerStatus::Submitted);
                    story.tell(Event::Order(open.into()));
                },
                Happening::Fill(index, quantity) => if let Some(intent) = pick(index) {
                    // A broker fills protective orders only for what is held.
                    let order = story.order(intent);
                    let mut left = order.remaining().0;
                    if order.ticket.role != Role::Entry {
                        left = left.min(story.desk.book().held(AAPL).0.abs());
                    }
                    if left > 0 {
                        story.fill(intent, quantity.min(left), 50.0);
                    }
                },
                Happening::Cancelled(index) => if let Some(intent) = pick(index) {
                    story.status(intent, BrokerStatus::Cancelled);
                },
                Happening::Refused(index) => if let Some(intent) = pick(index) {
                    let order_id = story.order(intent).ticket.order_id;
                    let news = OrderNews::Refused;
                    story.tell(Event::Order(OrderUpdate::News { order_id, code: 201, news, text: "no".into() }));
                },
                Happening::Lost => { story.tell(Event::Lost { why: "storm".into() }); }
                Happening::Recover => { story.recover(story.snapshot()); }
                Happening::Repeat => {
                    let known: Vec<_> = story.desk.book().fills().cloned().collect();
                    for fill in known {
                        let before = story.records.len();
                        story.tell(Event::Order(fill.execution.as_ref().clone().into()));
                        prop_assert_eq!(story.records.len(), before);
                    }
                }
            }
        }
    }
}

/// Rule 4, for every strategy: a restart between two bars, warmed by the history before it, sends
/// the same orders as no restart.
#[test]
fn a_restart_is_invisible_whatever_the_strategy() {
    // Slow waves, quick ones, and now and then a shock: something for every rule to act on.
    let shock = |bar: i64| if bar % 41 < 2 { -4.0 } else { 0.0 };
    let wave = |bar: i64| 50.0 + 3.0 * (bar as f64 / 9.0).sin() + 0.4 * (bar as f64 * 1.7).sin() + shock(bar);
    for row in crate::strategy::REGISTRY {
        let run = |restart_at: Option<i64>| {
            let named = |plan: &mut Plan| {
                for symbol in plan.symbols.values_mut() {
                    symbol.strategy = row.name.into();
                    symbol.stop = StopPolicy::Fixed(Decimal::new(3, 1));
                }
            };
            let mut story = Story::new(plan(named));
            let mut strategy = crate::strategy::build(row.name, &BTreeMap::new()).unwrap();
            let mut sent = Vec::new();
            for bar in 0..400 {
                let close = (wave(bar) * 100.0).round() / 100.0;
                let mut seen = candle(story.now(), close);
                if restart_at == Some(bar) {
                    story = story.restart();
                    strategy = crate::strategy::build(row.name, &BTreeMap::new()).unwrap();
                    let mut opinion = None;
                    for past in 0..bar {
                        let at = MarketTime::from_secs(NOON + past * 60);
                        seen = candle(at, (wave(past) * 100.0).round() / 100.0);
                        opinion = strategy.on_bar(&seen).map(|target| (seen.end, target)).or(opinion);
                    }
                    let open = story.desk.book().live_orders().map(|order| order.ticket.order_ref.intent);
                    let open: Vec<u64> = open.collect();
                    let open = open.into_iter().map(|i| story.at_broker(i, BrokerStatus::Submitted)).collect();
                    let snapshot = BrokerSnapshot { open_orders: open, ..story.snapshot() };
                    sent.extend(story.recover(snapshot));
                    sent.extend(story.tell(Event::Warmed {
                        contract: AAPL,
                        opinion,
                        bar: seen,
                        gauges: Gauges { atr: Some(1.0), volatility: None },
                    }));
                    seen = candle(story.now(), close);
                }
                let target = strategy.on_bar(&seen).map(|target| target.value());
                sent.extend(story.bar(close, target));
                settle(&mut story, close, &mut sent);
            }
            sent
        };
        let expected = run(None);
        let few = if row.name == "buy-and-hold" { 1 } else { 6 };
        assert!(expected.len() >= few, "{}: {expected:?}", row.name);
        for restart_at in [30, 47, 60, 61, 75, 88, 101, 120, 149, 260, 333] {
            assert_eq!(run(Some(restart_at)), expected, "{} restarted before bar {restart_at}", row.name);
        }
    }
}

fn candle(time: MarketTime, close: f64) -> Bar {
    let end = time + std::time::Duration::from_secs(60);
    Bar { time, end, open: close, high: close, low: close, close, volume: None }
}
