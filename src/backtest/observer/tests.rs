//! What a watcher makes of bars and fills, told bar by bar.

use super::*;
use crate::config::{Layers, Settings, Source};
use crate::domain::Side;
use crate::domain::book::Book;
use crate::domain::broker::{AccountId, ExecutionId};
use crate::exchange::OrderKey;

const CONTRACT: ContractId = ContractId(1);

fn at(minute: i64) -> MarketTime {
    MarketTime::from_secs(60 * minute)
}

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

/// An observer of one symbol with 1,000 USD, and a desk that has decided nothing.
struct Story {
    observer: Observer,
    desk: Desk,
    places: Ascending<ContractId, usize>,
    minute: i64,
}

impl Story {
    fn begins() -> Self {
        let mut layers = Layers::new();
        layers.set("SYMBOLS", "AAA", Source::Default);
        let plan = Settings::resolve(&layers).unwrap().plan(AccountId("DU1".into()));
        let symbol: Symbol = "AAA".parse().unwrap();
        let cash = "1000".parse().unwrap();
        Self {
            observer: Observer::new(Calendar::Always, cash, MarketTime::MIN, [&symbol]),
            desk: Desk::new(plan, Book::default()),
            places: std::iter::once((CONTRACT, 0)).collect(),
            minute: 0,
        }
    }

    /// A minute goes by and ends at this price.
    fn bar(&mut self, close: f64) {
        let (time, end) = (at(self.minute), at(self.minute + 1));
        let bar = Bar { time, end, open: close, high: close, low: close, close, volume: None };
        self.observer.open(0, time, close);
        self.observer.bar(0, &bar);
        self.observer.decided(0, &bar);
        self.observer.instant(end);
        self.minute += 1;
    }

    fn trades(&mut self, side: Side, shares: i64, paid: &str, fee: &str) -> Option<Trade> {
        let (quantity, paid, commission) = (Shares(shares), price(paid), fee.parse().unwrap());
        let fill = Fill {
            id: ExecutionId("0.1".into()),
            key: OrderKey { client_id: 1, order_id: 1 },
            perm_id: 1,
            order_ref: "".into(),
            account: AccountId("DU1".into()),
            contract: CONTRACT,
            side,
            quantity,
            price: paid,
            at: at(self.minute),
            cumulative: quantity,
            average_price: paid,
            commission,
            friction: Usd::ZERO,
            realized: None,
        };
        let mut ended = None;
        self.observer.fill(&self.places, &self.desk, &fill, |trade| ended = Some(trade.clone()));
        ended
    }

    /// The longest fall, seconds.
    fn longest_fall(mut self) -> u64 {
        self.observer.finish();
        self.observer.seen().running.drawdown_seconds
    }
}

/// Ten shares from 10 USD on, in so many minutes at these prices.
fn held_through(closes: &[f64]) -> Story {
    let mut story = Story::begins();
    story.bar(10.0);
    assert_eq!(story.trades(Side::Buy, 10, "10", "0"), None);
    closes.iter().for_each(|close| story.bar(*close));
    story
}

#[test]
fn a_fall_lasts_from_the_highest_equity_to_the_next_as_high() {
    // The top at the end of the second minute, again at that of the sixth.
    assert_eq!(held_through(&[12.0, 11.0, 9.0, 11.0, 12.0, 13.0]).longest_fall(), 4 * 60);
}

#[test]
fn a_fall_that_is_not_over_lasts_to_the_end() {
    assert_eq!(held_through(&[12.0, 11.0, 12.0, 11.0, 10.0, 10.5]).longest_fall(), 3 * 60);
    assert_eq!(held_through(&[9.0, 9.5]).longest_fall(), 2 * 60, "from the first instant, too");
    assert_eq!(held_through(&[11.0, 12.0]).longest_fall(), 0, "none");
}

#[test]
fn prices_and_fills_are_kept_only_where_charts_are_asked_for() {
    for asked in [false, true] {
        let mut story = Story::begins();
        if asked {
            story.observer = story.observer.with_charts();
        }
        story.bar(10.0);
        assert_eq!(story.trades(Side::Buy, 10, "10", "0"), None);
        story.bar(11.0);
        let kept: Vec<_> = story.observer.seen().charts.iter().map(|c| (c.bars.len(), c.fills.len())).collect();
        assert_eq!(kept, if asked { vec![(2, 1)] } else { vec![] });
    }
}

#[test]
fn a_round_trip_of_many_fills_has_their_average_prices() {
    let mut story = Story::begins();
    for (shares, paid) in [(10, "10"), (20, "10.3")] {
        assert_eq!(story.trades(Side::Buy, shares, paid, "1"), None);
    }
    assert_eq!(story.trades(Side::Sell, 15, "11", "1"), None);
    let trade = story.trades(Side::Sell, 15, "12", "1").unwrap();
    assert_eq!((trade.entry_price, trade.exit_price), (price("10.2"), price("11.5")));
    assert_eq!((trade.quantity, trade.fees.to_string().as_str()), (Shares(30), "4"));
    assert_eq!(trade.pnl, "35".parse().unwrap(), "30 x (11.5 - 10.2) - 4");
}

#[test]
fn what_goes_through_flat_is_the_next_round_trip() {
    let mut story = Story::begins();
    assert_eq!(story.trades(Side::Buy, 10, "10", "0"), None);
    let long = story.trades(Side::Sell, 25, "11", "0").unwrap();
    assert_eq!((long.quantity, long.exit_price, long.pnl), (Shares(10), price("11"), "10".parse().unwrap()));
    let short = story.trades(Side::Buy, 15, "10", "0").unwrap();
    assert_eq!((short.quantity, short.entry_price), (Shares(-15), price("11")));
    assert_eq!((short.exit_price, short.pnl), (price("10"), "15".parse().unwrap()));
    // One that brought nothing brought no less than nothing.
    assert_eq!(story.trades(Side::Sell, 10, "10", "0"), None);
    assert_eq!(story.trades(Side::Buy, 10, "10", "0").unwrap().pnl.to_string(), "0");
}
