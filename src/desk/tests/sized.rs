//! Sizes by volatility and by the symbol's own round trips.

use rust_decimal::Decimal;

use super::*;
use crate::strategy::indicators::Moves;

fn sized(sizing: Sizing) -> Plan {
    plan(|plan| {
        for symbol in plan.symbols.values_mut() {
            symbol.sizing = sizing;
        }
        let wide = Usd::of(Decimal::from(1_000_000));
        (plan.limits.max_order_notional, plan.limits.max_position_notional) = (wide, wide);
    })
}

/// The next bar closes at 50, and a bar's volatility is this.
fn bar(story: &mut Story, volatility: Option<f64>, target: Option<f64>) -> Vec<String> {
    let time = story.now();
    story.minute += 1;
    let bar = Bar { time, end: story.now(), open: 50.0, high: 50.0, low: 50.0, close: 50.0, volume: None };
    let target = target.map(|value| Target::new(value).unwrap());
    let gauges = Gauges { atr: Some(1.0), volatility: volatility.map(Moves::of) };
    story.tell(Event::Bar { contract: AAPL, bar, target, gauges, newest: true })
}

#[test]
fn a_volatility_that_is_not_known_yet_refuses_and_the_size_is_frozen_once_it_is() {
    let half = Sizing::Volatility { target: Decimal::new(1, 1), most: Decimal::new(5, 1) };
    let mut story = Story::new(sized(half));
    assert_eq!(bar(&mut story, None, Some(1.0)), NOTHING);
    assert_eq!(story.disarmed(), None, "it may be known at the next bar");
    // 365 x 1440 minutes a year: 0.000552 x sqrt(525600) = 0.40019; 100,000 x 0.1 / 0.40019 / 50 = 499.8.
    assert_eq!(bar(&mut story, Some(0.000_552), None), ["BUY 499 MKT", "SELL 499 STP 47.5"]);
    story.accepted(&[1, 2]);
    story.fill(1, 499, 50.0);
    assert_eq!(bar(&mut story, Some(0.01), Some(1.0)), NOTHING);
}

/// One round trip of one size in, whatever that is.
fn round_trip(story: &mut Story, exit: f64) {
    let first = story.desk.book().next_intent();
    assert_eq!(story.bar(50.0, Some(1.0)).len(), 2);
    let shares = story.order(first).ticket.quantity.0;
    story.accepted(&[first, first + 1]);
    story.fill(first, shares, 50.0);
    story.bar(exit, Some(0.0));
    story.status(first + 1, BrokerStatus::Cancelled);
    story.fill(first + 2, shares, exit);
}

#[test]
fn kelly_goes_by_the_books_own_round_trips_and_refuses_where_they_have_no_edge() {
    let kelly =
        Sizing::Kelly { part: Decimal::new(25, 2), trips: 3, start: Decimal::new(1, 2), most: Decimal::new(5, 1) };
    let mut story = Story::new(sized(kelly));
    // 1 % of about 100,000 USD: 20 shares, then 19 (fees); 2 USD of fees a trip.
    for exit in [52.0, 52.0, 49.0] {
        round_trip(&mut story, exit);
    }
    let mut story = story.restart();
    story.recover(story.snapshot());
    let trips: Vec<_> = story.desk.book().trips(AAPL).map(|usd| usd.decimal().normalize().to_string()).collect();
    assert_eq!(trips, ["-22", "38", "38"], "20 shares each");
    // W = 2/3, R = 38 / 22: 2/3 - 1/3 x 22/38 = 0.47368, a quarter of it 0.11842; equity 100,054 USD.
    assert_eq!(story.bar(50.0, Some(1.0)), ["BUY 236 MKT", "SELL 236 STP 47.5"]);

    let mut story = Story::new(sized(kelly));
    for exit in [49.0, 49.0, 50.2] {
        round_trip(&mut story, exit);
    }
    assert_eq!(story.bar(50.0, Some(1.0)), NOTHING);
    assert_eq!(story.disarmed(), Some(Disarm::Refused), "too small: no edge is no short position either");
}
