//! Stories of the exchange: orders and bars in, lines of text out.

mod brackets;
mod fills;
mod lifecycle;
mod money;
mod past;
mod properties;
mod types;

use super::*;
use crate::domain::order::TrailBy;
use crate::domain::{Bar, OrderKind, Shares, Side};

const AAA: ContractId = ContractId(1);

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

fn limit(text: &str) -> OrderKind {
    OrderKind::Limit { limit: price(text) }
}

fn stop(text: &str) -> OrderKind {
    OrderKind::Stop { trigger: price(text) }
}

fn stop_limit(trigger: &str, limit: &str) -> OrderKind {
    OrderKind::StopLimit { trigger: price(trigger), limit: price(limit) }
}

fn trail(by: &str) -> OrderKind {
    OrderKind::Trail { by: TrailBy::Amount(price(by)), trigger: None }
}

fn account_id() -> AccountId {
    AccountId("DU1".into())
}

fn key(order_id: i32) -> OrderKey {
    OrderKey { client_id: 7, order_id }
}

/// A buy at the market; tests change what matters to them.
fn order(order_id: i32, quantity: i64, kind: impl Into<Kind>) -> NewOrder {
    NewOrder {
        key: key(order_id),
        account: account_id(),
        contract: AAA,
        side: if quantity < 0 { Side::Sell } else { Side::Buy },
        quantity: Shares(quantity.abs()),
        kind: kind.into(),
        tif: Tif::Gtc,
        good_after: None,
        outside_rth: false,
        oca_group: "".into(),
        parent_id: None,
        transmit: true,
        order_ref: format!("t-{order_id}").into(),
        algo: None,
    }
}

fn child(order_id: i32, parent: i32, quantity: i64, kind: impl Into<Kind>, transmit: bool) -> NewOrder {
    NewOrder { parent_id: Some(parent), transmit, ..order(order_id, quantity, kind) }
}

/// An exchange with one account, one contract and a clock that counts bars of a minute.
struct Floor {
    exchange: Exchange,
    minute: i64,
}

impl Floor {
    fn new() -> Self {
        Self::with(Config { commission: CommissionPlan::Free, ..Config::default() })
    }

    fn with(config: Config) -> Self {
        let mut exchange = Exchange::new(config);
        exchange.open_account(account_id(), Usd::of(100_000.into()));
        exchange.list(AAA, PriceRule::flat(price("0.01")));
        Self { exchange, minute: 0 }
    }

    fn now(&self) -> MarketTime {
        MarketTime::from_secs(self.minute * 60)
    }

    fn place(&mut self, order: NewOrder) -> String {
        match self.exchange.place(self.now(), order) {
            Ok(events) => self.tell(&events),
            Err(refusal) => format!("{} {refusal}", refusal.code()),
        }
    }

    fn open(&mut self, price: f64) -> String {
        let events = self.exchange.open(AAA, self.now(), price, true);
        self.tell(&events)
    }

    fn touch(&mut self, price: f64) -> String {
        let events = self.exchange.touch(AAA, self.now(), price);
        self.tell(&events)
    }

    /// Ends the bar that is open; `bar` is open, high, low, close.
    fn close(&mut self, bar: [f64; 4]) -> String {
        let bar = self.make(bar);
        self.minute += 1;
        let events = self.exchange.close(AAA, &bar, true);
        self.tell(&events)
    }

    /// A whole bar: what its open and its range bring.
    fn bar(&mut self, bar: [f64; 4]) -> String {
        let first = self.open(bar[0]);
        let second = self.close(bar);
        [first, second].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
    }

    /// Events as text: `1 buys 100 @ 10.5`, `1 Filled`, `2 PreSubmitted 0/100`, `2 gone`.
    fn tell(&self, events: &[Event]) -> String {
        let line = |event: &Event| match event {
            Event::Changed(order) => {
                let (id, status) = (order.key.order_id, order.status);
                match status {
                    Status::Filled => format!("{id} Filled"),
                    Status::Cancelled if order.filled.is_zero() => format!("{id} Cancelled"),
                    _ => format!("{id} {status:?} {}/{}", order.filled, order.quantity),
                }
            }
            Event::Filled(place) => {
                let fill = &self.exchange.fills()[*place];
                let verb = if fill.side == Side::Buy { "buys" } else { "sells" };
                format!("{} {verb} {} @ {}", fill.key.order_id, fill.quantity, fill.price)
            }
            Event::CancelledByRule { key, .. } => format!("{} gone", key.order_id),
            Event::Adjusted { amount, reason, .. } => format!("{amount} by {reason}"),
        };
        events.iter().map(line).collect::<Vec<_>>().join(", ")
    }

    fn make(&self, [open, high, low, close]: [f64; 4]) -> Bar {
        let time = self.now();
        Bar { time, end: MarketTime::from_secs(self.minute * 60 + 60), open, high, low, close, volume: None }
    }

    fn position(&self) -> i64 {
        self.view().positions.get(&AAA).map_or(0, |held| held.quantity.0)
    }

    fn view(&self) -> AccountView {
        self.exchange.account(&account_id()).unwrap()
    }
}

/// cash + market value = starting cash + adjustments + realized + unrealized - commissions.
fn check_ledger(exchange: &Exchange) {
    let view = exchange.account(&account_id()).unwrap();
    let value: Usd = view.positions.values().map(|held| held.market_value).sum();
    let profit = view.realized + view.unrealized - view.commissions;
    let (left, right) = (view.cash + value, view.starting_cash + view.adjusted + profit);
    assert_eq!(left.decimal().normalize(), right.decimal().normalize());
    assert_eq!(view.equity, left);
}
