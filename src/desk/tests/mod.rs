//! Stories of the desk: what happens, and what it does about it.

mod comparing;
mod guarding;
mod operating;
mod properties;
mod protecting;
mod recovering;
mod sized;
mod storms;
mod trading;

use std::collections::BTreeMap;
use std::time::Duration;

use rust_decimal::Decimal;

use super::*;
use crate::calendar::Calendar;
use crate::domain::book::{Disarm, OrderFact};
use crate::domain::broker::*;
use crate::domain::order::{OrderState, Role};
use crate::domain::*;
use crate::risk::{ApprovedOrder, Limits, Sizing};
use crate::strategy::Gauges;

const AAPL: ContractId = ContractId(265_598);
const CLIENT: i32 = 7;

fn price(value: f64) -> Price {
    Price::from_f64(value).unwrap()
}

fn account() -> AccountId {
    AccountId("DU1".into())
}

/// A desk with one symbol, and everything it sent so far.
struct Story {
    desk: Desk,
    records: Vec<Record>,
    minute: i64,
    executions: u32,
}

fn plan(change: impl FnOnce(&mut Plan)) -> Plan {
    let symbol = SymbolPlan {
        strategy: "sma-cross".into(),
        params: BTreeMap::new(),
        script: None,
        sizing: Sizing::FixedShares(Shares(100)),
        stop: StopPolicy::Fixed(Decimal::new(5, 2)),
        take_profit: None,
        time_exit: None,
        style: OrderStyle::Market,
        after_close: AfterClose::Drop,
    };
    let mut plan = Plan {
        account: account(),
        mode: Mode::Paper,
        limits: Limits::default(),
        symbols: BTreeMap::from([("AAPL".parse().unwrap(), symbol)]),
        bar_size: BarSize::Min1,
        calendar: Calendar::Always,
        freshness: None,
        stop_breached: StopBreached::Hold,
        no_entry_after_open: Duration::ZERO,
        no_entry_before_close: Duration::ZERO,
        flat_by_close: None,
        trades_at_close: false,
        allow_unprotected: false,
        guards: Guards::wide(),
    };
    change(&mut plan);
    plan
}

fn contract() -> Contract {
    Contract {
        id: AAPL,
        symbol: "AAPL".parse().unwrap(),
        security_type: "STK".into(),
        exchange: "SMART".into(),
        primary_exchange: "NASDAQ".into(),
        currency: "USD".into(),
        local_symbol: "AAPL".into(),
        trading_class: "NMS".into(),
        price_rule: PriceRule::flat(price(0.01)),
        time_zone: "US/Eastern".into(),
        trading_hours: Hours::default(),
        liquid_hours: Hours::default(),
    }
}

fn funds(usd: i64) -> AccountState {
    let usd = Some(Usd::of(Decimal::from(usd)));
    AccountState { net_liquidation: usd, total_cash: usd, available_funds: usd, ..AccountState::default() }
}

/// Noon of a day in June, New York.
const NOON: i64 = 1_780_675_200;

impl Story {
    fn new(plan: Plan) -> Self {
        let desk = Desk::new(plan, Book::default());
        let mut story = Self { desk, records: Vec::new(), minute: 0, executions: 0 };
        let opened = LedgerFact::Opened {
            ledger: "test".into(),
            venue: Venue::Simulator { exchange: "x".into() },
            account: account(),
        };
        let facts = story.desk.open_ledger(opened, serde_json::json!({}), MarketTime::from_secs(NOON));
        story.records.extend(facts);
        story.tell(Event::Listed(contract()));
        story.recover(story.snapshot());
        assert!(story.desk.is_ready());
        story
    }

    fn now(&self) -> MarketTime {
        MarketTime::from_secs(NOON + self.minute * 60)
    }

    fn tell(&mut self, event: Event) -> Vec<String> {
        let decided = self.desk.decide(event);
        // Facts before actions: every order that leaves is on record.
        for action in &decided.actions {
            if let Action::Submit(order) = action {
                let intended = decided.records.iter().any(
                    |r| matches!(&r.fact, Fact::Order(OrderFact::Intended { ticket, .. }) if ticket == order.ticket()),
                );
                assert!(intended, "{action:?} left without its fact");
            }
        }
        self.records.extend(decided.records);
        self.check();
        decided.actions.iter().map(describe).collect()
    }

    /// What holds after every event.
    fn check(&self) {
        let book = self.desk.book();
        let mut replayed = Book::default();
        self.records.iter().for_each(|record| replayed.apply(record));
        assert_eq!(&replayed, book, "replay differs from the live book");
        if let (Some(cash), Some(start)) = (book.cash(), book.started_with()) {
            let cost: Usd = book.positions().map(|(_, position)| position.cost()).sum();
            assert_eq!(cash + cost, start + book.adjustments() + book.realized() - book.fees(), "ledger identity");
        }
        let held = book.held(AAPL);
        let sells = || book.live_in(AAPL).filter(|order| order.ticket.side == Side::Sell);
        let entering = book.live_in(AAPL).any(|order| order.ticket.role == Role::Entry);
        let exiting: Shares = sells().filter(|o| o.ticket.role == Role::Exit).map(|order| order.remaining()).sum();
        assert!(exiting.0 <= held.0.max(0), "would oversell: {exiting} of {held}");
        // Protective sells are one family, of which one can fill.
        let resting = sells().filter(|o| o.ticket.role.is_protective() && o.state == OrderState::Working);
        let families: std::collections::BTreeSet<_> = resting.map(|order| order.ticket.oca_group.clone()).collect();
        assert!(entering || held.0 <= 0 || families.len() <= 1, "{families:?} on {held} shares");
        let exits = book.live_in(AAPL).filter(|order| order.ticket.role == Role::Exit).count();
        assert!(exits <= 1, "{exits} exits");
    }

    fn bar(&mut self, close: f64, target: Option<f64>) -> Vec<String> {
        let time = self.now();
        self.minute += 1;
        let bar = Bar { time, end: self.now(), open: close, high: close, low: close, close, volume: None };
        let target = target.map(|value| Target::new(value).unwrap());
        self.tell(Event::Bar {
            contract: AAPL,
            bar,
            target,
            gauges: Gauges { atr: Some(1.0), volatility: None },
            newest: true,
        })
    }

    fn order(&self, intent: u64) -> &crate::domain::book::OrderRecord {
        self.desk.book().order(intent).unwrap()
    }

    fn at_broker(&self, intent: u64, status: BrokerStatus) -> BrokerOrder {
        let ticket = &self.order(intent).ticket;
        BrokerOrder {
            client_id: CLIENT,
            order_id: ticket.order_id,
            perm_id: 1_000 + i64::from(ticket.order_id),
            account: account(),
            contract: AAPL,
            symbol: "AAPL".parse().unwrap(),
            order_ref: ticket.order_ref.to_string().into(),
            side: ticket.side,
            quantity: ticket.quantity,
            filled: None,
            kind: Some(ticket.kind),
            tif: Some(ticket.tif),
            outside_rth: false,
            oca_group: ticket.oca_group.clone().unwrap_or_default(),
            parent_id: ticket.parent_id.unwrap_or(0),
            status,
            note: String::new(),
        }
    }

    fn accepted(&mut self, intents: &[u64]) {
        for intent in intents {
            let open = self.at_broker(*intent, BrokerStatus::Submitted);
            assert_eq!(self.tell(Event::Order(open.into())), Vec::<String>::new());
        }
    }

    fn execution(&mut self, intent: u64, quantity: i64, at_price: f64) -> Execution {
        self.executions += 1;
        let ticket = &self.order(intent).ticket;
        Execution {
            id: ExecutionId(format!("0001.{:08}.01.01", self.executions).into()),
            at: self.now(),
            account: account(),
            contract: AAPL,
            symbol: "AAPL".parse().unwrap(),
            side: ticket.side,
            quantity: Shares(quantity),
            price: price(at_price),
            client_id: CLIENT,
            order_id: ticket.order_id,
            perm_id: 0,
            order_ref: ticket.order_ref.to_string().into(),
            is_liquidation: false,
        }
    }

    fn fill(&mut self, intent: u64, quantity: i64, at_price: f64) -> Vec<String> {
        let execution = self.execution(intent, quantity, at_price);
        let commission =
            Commission { execution: execution.id.clone(), amount: Usd::of(Decimal::ONE), currency: "USD".into() };
        let mut actions = self.tell(Event::Order(execution.into()));
        actions.extend(self.tell(Event::Order(OrderUpdate::Commission(commission))));
        actions
    }

    fn status(&mut self, intent: u64, status: BrokerStatus) -> Vec<String> {
        let order_id = self.order(intent).ticket.order_id;
        self.tell(Event::Order(OrderUpdate::Status(StatusReport {
            client_id: CLIENT,
            order_id,
            perm_id: 0,
            status,
            filled: Shares(0),
            remaining: Shares(0),
            why_held: None,
        })))
    }

    /// What the broker would say of nothing but the book's own position.
    fn snapshot(&self) -> BrokerSnapshot {
        let held = self.desk.book().held(AAPL);
        let position = BrokerPosition {
            account: account(),
            contract: AAPL,
            symbol: "AAPL".parse().unwrap(),
            quantity: Decimal::from(held.0),
            average_cost: None,
        };
        BrokerSnapshot {
            at: self.now(),
            next_order_id: 1,
            open_orders: Vec::new(),
            completed_orders: Vec::new(),
            executions: Vec::new(),
            commissions: Vec::new(),
            positions: if held.is_zero() { BTreeMap::new() } else { BTreeMap::from([(AAPL, position)]) },
            account: funds(100_000),
        }
    }

    fn recover(&mut self, snapshot: BrokerSnapshot) -> Vec<String> {
        self.tell(Event::Recovered(Box::new(Recovered {
            client_id: CLIENT,
            snapshot,
            disturbed: false,
            since: u64::MAX,
        })))
    }

    fn disarmed(&self) -> Option<Disarm> {
        self.desk.book().target(AAPL, "sma-cross").and_then(|target| target.disarmed.clone())
    }

    /// Long 100 at 50 with its stop working.
    fn long(plan: Plan) -> Self {
        let mut story = Self::new(plan);
        assert_eq!(story.bar(50.0, Some(1.0)), ["BUY 100 MKT", "SELL 100 STP 47.5"]);
        story.accepted(&[1, 2]);
        assert_eq!(story.fill(1, 100, 50.0), Vec::<String>::new());
        story
    }

    /// A new desk on what the journal holds.
    fn restart(self) -> Self {
        let mut book = Book::default();
        self.records.iter().for_each(|record| book.apply(record));
        let mut story = Self { desk: Desk::new(self.desk.plan().clone(), book), ..self };
        story.tell(Event::Listed(contract()));
        story
    }
}

fn describe(action: &Action) -> String {
    let terms = |order: &ApprovedOrder| {
        let ticket = order.ticket();
        let kind = match ticket.kind {
            OrderKind::Market => "MKT".to_owned(),
            OrderKind::Limit { limit } => format!("LMT {}", limit.decimal().normalize()),
            OrderKind::Stop { trigger } => format!("STP {}", trigger.decimal().normalize()),
            other => other.as_str().to_owned(),
        };
        format!("{} {} {kind}", ticket.side, ticket.quantity)
    };
    match action {
        Action::Submit(order) => terms(order),
        Action::Amend(order) => format!("amend {}: {}", order.ticket().order_ref.intent, terms(order)),
        Action::Cancel { intent, .. } => format!("cancel {intent}"),
        Action::CancelEverything => "cancel everything".to_owned(),
    }
}

const NOTHING: [&str; 0] = [];
