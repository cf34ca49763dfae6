//! Stories of the desk: what happens, and what it does about it.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use rust_decimal::Decimal;

use super::*;
use crate::calendar::Calendar;
use crate::domain::book::{Disarm, LockScope, OrderFact};
use crate::domain::broker::*;
use crate::domain::order::{OrderState, Role};
use crate::domain::*;
use crate::risk::{Limits, Sizing};

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
        sizing: Sizing::FixedShares(Shares(100)),
        stop: StopPolicy::Fixed(Decimal::new(5, 2)),
        take_profit: None,
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
        allow_unprotected: false,
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
    let usd = Some(Usd(Decimal::from(usd)));
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
        let selling: Shares = book
            .live_in(AAPL)
            .filter(|order| order.ticket.side == Side::Sell && order.ticket.oca_group.is_none())
            .map(|order| order.remaining())
            .sum();
        let entering = book.live_in(AAPL).any(|order| order.ticket.role == Role::Entry);
        assert!(entering || selling.0 <= held.0.max(0), "would oversell: {selling} of {held}");
        let exits = book.live_in(AAPL).filter(|order| order.ticket.role == Role::Exit).count();
        assert!(exits <= 1, "{exits} exits");
    }

    fn bar(&mut self, close: f64, target: Option<f64>) -> Vec<String> {
        let time = self.now();
        self.minute += 1;
        let bar = Bar { time, end: self.now(), open: close, high: close, low: close, close, volume: None };
        let target = target.map(|value| Target::new(value).unwrap());
        self.tell(Event::Bar { contract: AAPL, bar, target, atr: Some(1.0), newest: true })
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
            order_ref: ticket.order_ref.to_string(),
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
            assert_eq!(self.tell(Event::Order(OrderUpdate::Open(open))), Vec::<String>::new());
        }
    }

    fn execution(&mut self, intent: u64, quantity: i64, at_price: f64) -> Execution {
        self.executions += 1;
        let ticket = &self.order(intent).ticket;
        Execution {
            id: ExecutionId(format!("0001.{:08}.01.01", self.executions)),
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
            order_ref: ticket.order_ref.to_string(),
            is_liquidation: false,
        }
    }

    fn fill(&mut self, intent: u64, quantity: i64, at_price: f64) -> Vec<String> {
        let execution = self.execution(intent, quantity, at_price);
        let commission =
            Commission { execution: execution.id.clone(), amount: Usd(Decimal::ONE), currency: "USD".into() };
        let mut actions = self.tell(Event::Order(OrderUpdate::Execution(execution)));
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
        self.tell(Event::Recovered(Box::new(Recovered { client_id: CLIENT, snapshot })))
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
            OrderKind::Limit { limit } => format!("LMT {}", limit.0.normalize()),
            OrderKind::Stop { trigger } => format!("STP {}", trigger.0.normalize()),
            other => other.as_str().to_owned(),
        };
        format!("{} {} {kind}", ticket.side, ticket.quantity)
    };
    match action {
        Action::Submit(order) => terms(order),
        Action::Amend(order) => format!("amend {}: {}", order.ticket().order_ref.intent, terms(order)),
        Action::Cancel { intent, .. } => format!("cancel {intent}"),
    }
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_target_becomes_an_entry_with_its_stop_and_repeating_it_changes_nothing() {
    let mut story = Story::long(plan(|_| {}));
    assert_eq!(story.bar(51.0, Some(1.0)), NOTHING);
    assert_eq!(story.bar(52.0, None), NOTHING);
    let stop = &story.order(2).ticket;
    assert_eq!((stop.tif, stop.parent_id, stop.transmit), (TimeInForce::Gtc, Some(1), true));
    assert!(!story.order(1).ticket.transmit);
}

#[test]
fn an_exit_waits_for_its_stop_to_be_gone_and_never_sells_more_than_is_held() {
    let mut story = Story::long(plan(|_| {}));
    assert_eq!(story.bar(51.0, Some(0.0)), ["cancel 2"]);
    // The stop filled in part before the cancel reached it.
    assert_eq!(story.fill(2, 30, 47.5), NOTHING);
    assert_eq!(story.status(2, BrokerStatus::Cancelled), ["SELL 70 MKT"]);
    story.accepted(&[3]);
    assert_eq!(story.fill(3, 70, 51.0), NOTHING);
    assert_eq!(story.desk.book().held(AAPL), Shares::ZERO);
    assert_eq!(story.bar(51.0, None), NOTHING);
}

#[test]
fn a_stopped_out_symbol_is_not_bought_back_before_its_target_changes() {
    let mut story = Story::long(plan(|_| {}));
    assert_eq!(story.fill(2, 100, 47.5), NOTHING);
    assert_eq!(story.disarmed(), Some(Disarm::Protected));
    assert_eq!(story.bar(47.0, Some(1.0)), NOTHING);
    assert_eq!(story.bar(47.0, Some(0.0)), NOTHING);
    assert_eq!(story.bar(47.0, Some(1.0)), ["BUY 100 MKT", "SELL 100 STP 44.65"]);
}

#[test]
fn an_entry_that_ends_half_filled_leaves_a_stop_of_what_was_filled() {
    // The broker lets the children die with their parent …
    let mut story = Story::new(plan(|_| {}));
    story.bar(50.0, Some(1.0));
    story.accepted(&[1, 2]);
    assert_eq!(story.fill(1, 40, 50.0), NOTHING);
    assert_eq!(story.status(2, BrokerStatus::Cancelled), NOTHING);
    assert_eq!(story.status(1, BrokerStatus::Cancelled), ["SELL 40 STP 47.5"]);
    assert_eq!(story.disarmed(), Some(Disarm::Expired));
    // … or leaves them as they were.
    let mut story = Story::new(plan(|_| {}));
    story.bar(50.0, Some(1.0));
    story.accepted(&[1, 2]);
    story.fill(1, 40, 50.0);
    assert_eq!(story.status(1, BrokerStatus::Cancelled), ["amend 2: SELL 40 STP 47.5"]);
}

#[test]
fn a_changed_mind_cancels_a_working_entry_before_anything_else() {
    let mut story = Story::new(plan(|_| {}));
    story.bar(50.0, Some(1.0));
    story.accepted(&[1, 2]);
    assert_eq!(story.bar(51.0, Some(0.0)), ["cancel 1"]);
    assert_eq!(story.bar(51.0, None), NOTHING);
    assert_eq!(story.fill(1, 10, 51.0), NOTHING);
    assert_eq!(story.status(1, BrokerStatus::Cancelled), ["cancel 2"]);
    assert_eq!(story.status(2, BrokerStatus::Cancelled), ["SELL 10 MKT"]);
}

#[test]
fn a_rejected_entry_disarms_and_a_rejected_exit_puts_the_stop_back() {
    let mut story = Story::new(plan(|_| {}));
    story.bar(50.0, Some(1.0));
    let refused = |story: &mut Story, intent| {
        let order_id = story.order(intent).ticket.order_id;
        let news = OrderNews::Refused;
        story.tell(Event::Order(OrderUpdate::News { order_id, code: 201, news, text: "no".into() }))
    };
    refused(&mut story, 1);
    refused(&mut story, 2);
    assert_eq!(story.disarmed(), Some(Disarm::Rejected));
    assert_eq!(story.bar(50.0, Some(1.0)), NOTHING);

    let mut story = Story::long(plan(|_| {}));
    story.bar(50.0, Some(0.0));
    assert_eq!(story.status(2, BrokerStatus::Cancelled), ["SELL 100 MKT"]);
    assert_eq!(refused(&mut story, 3), ["SELL 100 STP 47.5"]);
    story.accepted(&[4]);
    // The exit is tried again with the next fresh bar.
    assert_eq!(story.bar(50.0, None), ["cancel 4"]);
    assert_eq!(story.status(4, BrokerStatus::Cancelled), ["SELL 100 MKT"]);
}

#[test]
fn an_order_lost_with_its_session_is_found_again_and_never_sent_twice() {
    let mut story = Story::new(plan(|_| {}));
    story.bar(50.0, Some(1.0));
    story.tell(Event::Lost { why: "reset".into() });
    assert_eq!(story.order(1).state, OrderState::Unknown);
    let open = vec![story.at_broker(1, BrokerStatus::Submitted), story.at_broker(2, BrokerStatus::PreSubmitted)];
    let snapshot = BrokerSnapshot { open_orders: open, ..story.snapshot() };
    assert_eq!(story.recover(snapshot), NOTHING);
    assert!(story.desk.is_ready());
    assert_eq!((story.order(1).state, story.order(2).state), (OrderState::Working, OrderState::Working));
    assert_eq!(story.bar(50.0, Some(1.0)), NOTHING);
}

#[test]
fn an_order_that_never_arrived_needs_two_agreeing_reads_and_only_a_later_bar_decides_anew() {
    let mut story = Story::new(plan(|_| {}));
    story.bar(50.0, Some(1.0));
    story.tell(Event::Lost { why: "reset".into() });
    assert_eq!(story.recover(story.snapshot()), NOTHING);
    assert!(!story.desk.is_ready(), "one read proves nothing");
    assert_eq!(story.recover(story.snapshot()), NOTHING);
    assert!(story.desk.is_ready());
    assert_eq!((story.order(1).state, story.order(2).state), (OrderState::NeverSent, OrderState::NeverSent));
    assert_eq!(story.bar(50.0, None), ["BUY 100 MKT", "SELL 100 STP 47.5"]);
    assert_eq!(story.order(3).state, OrderState::Sent);
}

#[test]
fn an_order_that_filled_while_we_were_away_is_a_fill_and_gets_its_stop() {
    let mut story = Story::new(plan(|_| {}));
    story.bar(50.0, Some(1.0));
    story.tell(Event::Lost { why: "reset".into() });
    let execution = story.execution(1, 100, 50.1);
    let mut snapshot = BrokerSnapshot { executions: vec![execution], ..story.snapshot() };
    let position = BrokerPosition {
        account: account(),
        contract: AAPL,
        symbol: "AAPL".parse().unwrap(),
        quantity: Decimal::from(100),
        average_cost: None,
    };
    snapshot.positions.insert(AAPL, position);
    assert_eq!(story.recover(snapshot.clone()), NOTHING);
    assert_eq!((story.order(1).state, story.desk.book().held(AAPL)), (OrderState::Filled, Shares(100)));
    // Its stop is not at the broker: two reads agree, and it is placed anew.
    assert_eq!(story.recover(snapshot), ["SELL 100 STP 47.6"]);
}

#[test]
fn an_unexplained_position_locks_its_symbol_after_two_reads() {
    let mut story = Story::long(plan(|_| {}));
    story.tell(Event::Lost { why: "reset".into() });
    let open = vec![story.at_broker(2, BrokerStatus::PreSubmitted)];
    let mut snapshot = BrokerSnapshot { open_orders: open, ..story.snapshot() };
    snapshot.positions.get_mut(&AAPL).unwrap().quantity = Decimal::from(60);
    story.recover(snapshot.clone());
    assert!(!story.desk.is_ready());
    story.recover(snapshot);
    assert!(story.desk.is_ready());
    let locked: Vec<&LockScope> = story.desk.book().locks().map(|(scope, _)| scope).collect();
    assert_eq!(locked, [&LockScope::Contract(AAPL)]);
}

#[test]
fn shares_that_were_there_before_are_foreign_and_left_alone() {
    let mut story = Story::new(plan(|_| {}));
    story.tell(Event::Lost { why: "reset".into() });
    let mut snapshot = story.snapshot();
    let position = BrokerPosition {
        account: account(),
        contract: AAPL,
        symbol: "AAPL".parse().unwrap(),
        quantity: Decimal::new(4_005, 1),
        average_cost: None,
    };
    snapshot.positions.insert(AAPL, position);
    story.recover(snapshot);
    assert!(story.desk.is_ready());
    assert_eq!((story.desk.book().foreign(AAPL), story.desk.book().held(AAPL)), (Some(Shares(400)), Shares::ZERO));
    assert_eq!(story.bar(50.0, Some(0.0)), NOTHING);
}

#[test]
fn another_installations_order_or_another_client_id_refuses_the_session() {
    let mut story = Story::new(plan(|_| {}));
    story.bar(50.0, Some(1.0));
    let mut foreign = story.at_broker(1, BrokerStatus::Submitted);
    foreign.order_ref = "rt-other-1".into();
    let snapshot = BrokerSnapshot { open_orders: vec![foreign], ..story.snapshot() };
    let admits = |client_id, snapshot: &BrokerSnapshot| {
        story.desk.admits(&Recovered { client_id, snapshot: snapshot.clone() }).map_err(|e| e.to_string())
    };
    assert!(admits(CLIENT, &snapshot).unwrap_err().contains("rt-other-1"));
    assert!(admits(8, &story.snapshot()).unwrap_err().contains("IBKR_CLIENT_ID=7"));
    assert!(admits(CLIENT, &story.snapshot()).is_ok());
}

#[test]
fn old_bars_only_update_and_a_missed_exit_goes_with_the_next_fresh_bar() {
    let mut story = Story::long(plan(|_| {}));
    let time = story.now();
    let bar =
        Bar { time, end: time + Duration::from_secs(60), open: 50.0, high: 50.0, low: 50.0, close: 50.0, volume: None };
    story.minute += 10;
    story.tell(Event::Time(story.now()));
    let target = Some(Target::FLAT);
    let missed = Event::Bar { contract: AAPL, bar, target, atr: None, newest: true };
    assert_eq!(story.tell(missed), NOTHING);
    assert_eq!(story.bar(50.0, None), ["cancel 2"]);

    // An entry that old is not made at all.
    let mut story = Story::new(plan(|_| {}));
    story.minute += 10;
    story.tell(Event::Time(story.now()));
    let missed = Event::Bar { contract: AAPL, bar, target: Some(Target::LONG), atr: None, newest: true };
    assert_eq!(story.tell(missed), NOTHING);
    assert_eq!(story.bar(50.0, None), NOTHING);
    assert_eq!(story.disarmed(), Some(Disarm::Stale));
}

#[test]
fn after_the_close_an_entry_is_dropped_or_waits_for_the_open() {
    let hours = |story: &mut Story| {
        let at = |minutes: i64| MarketTime::from_secs(NOON + minutes * 60);
        let windows = vec![Window { open: at(-60), close: at(1) }, Window { open: at(10), close: at(60) }];
        let covers = Some(Window { open: at(-600), close: at(600) });
        let mut contract = contract();
        contract.liquid_hours = Hours { windows, covers };
        story.tell(Event::Listed(contract));
    };
    let mut story = Story::new(plan(|_| {}));
    hours(&mut story);
    assert_eq!(story.bar(50.0, Some(1.0)), NOTHING);
    assert_eq!(story.disarmed(), Some(Disarm::Dropped));

    let mut story = Story::new(plan(|plan| {
        for symbol in plan.symbols.values_mut() {
            symbol.after_close = AfterClose::RequeueAtOpen;
        }
    }));
    hours(&mut story);
    assert_eq!(story.bar(50.0, Some(1.0)), NOTHING);
    story.minute = 9;
    assert_eq!(story.tell(Event::Time(story.now())), NOTHING);
    story.minute = 10;
    assert_eq!(story.tell(Event::Time(story.now())), ["BUY 100 MKT", "SELL 100 STP 47.5"]);
}

#[test]
fn long_to_short_is_two_orders_and_the_second_waits_for_flat() {
    let mut story = Story::long(plan(|plan| plan.limits.allow_short = true));
    assert_eq!(story.bar(50.0, Some(-1.0)), ["cancel 2"]);
    assert_eq!(story.status(2, BrokerStatus::Cancelled), ["SELL 100 MKT"]);
    story.accepted(&[3]);
    assert_eq!(story.fill(3, 60, 50.0), NOTHING);
    assert_eq!(story.fill(3, 40, 50.0), ["SELL 100 MKT", "BUY 100 STP 52.5"]);
}

#[test]
fn the_days_loss_with_unrealized_locks_entries_until_the_next_day() {
    // 0.5 % of 100,000 is 500: 100 shares falling by 5 do it, to the cent.
    let mut story = Story::new(plan(|plan| {
        plan.symbols.values_mut().for_each(|symbol| symbol.stop = StopPolicy::None);
        plan.limits.max_daily_loss = Decimal::new(5, 3);
    }));
    assert_eq!(story.bar(50.0, Some(1.0)), ["BUY 100 MKT"]);
    story.accepted(&[1]);
    story.fill(1, 100, 50.0);
    story.bar(45.02, None);
    assert_eq!(story.desk.book().locks().count(), 0, "a loss of 499 USD (with 1 USD of fees) is within 500");
    story.bar(45.01, None);
    assert_eq!(story.desk.book().locks().count(), 1);
    assert_eq!(story.bar(45.0, Some(0.0)), ["SELL 100 MKT"], "an exit is never trapped");
    story.accepted(&[2]);
    story.fill(2, 100, 45.0);
    assert_eq!(story.bar(45.0, Some(1.0)), NOTHING);
    story.minute += 24 * 60;
    story.bar(45.0, Some(0.0));
    assert_eq!(story.desk.book().locks().count(), 0);
    assert_eq!(story.bar(45.0, Some(1.0)), ["BUY 100 MKT"]);
}

#[test]
fn a_corrected_execution_replaces_the_former_report() {
    let mut story = Story::long(plan(|_| {}));
    let mut corrected = story.desk.book().fills().next().unwrap().execution.clone();
    corrected.id = ExecutionId(corrected.id.0.replace(".01.01", ".01.02"));
    corrected.price = price(49.0);
    let cash = story.desk.book().cash().unwrap();
    story.tell(Event::Order(OrderUpdate::Execution(corrected.clone())));
    assert_eq!(story.desk.book().cash().unwrap() - cash, Usd(Decimal::from(100)));
    assert_eq!(story.desk.book().counts().executions, 1);
    story.tell(Event::Order(OrderUpdate::Execution(corrected)));
    assert_eq!(story.desk.book().held(AAPL), Shares(100));
}

#[test]
fn a_stop_that_the_market_has_passed_is_not_sent_but_paged() {
    let mut story = Story::long(plan(|_| {}));
    story.status(2, BrokerStatus::Cancelled);
    let placed = story.order(3).ticket.clone();
    assert_eq!(placed.role, Role::Stop);
    story.accepted(&[3]);
    story.bar(47.0, None);
    assert_eq!(story.status(3, BrokerStatus::Cancelled), NOTHING);
    assert_eq!(story.desk.book().locks().count(), 1);
}

#[test]
fn observe_mode_sends_nothing_and_says_so_once_per_target() {
    let mut story = Story::new(plan(|plan| plan.mode = Mode::Observe));
    assert_eq!(story.bar(50.0, Some(1.0)), NOTHING);
    assert_eq!(story.bar(50.0, None), NOTHING);
    assert_eq!(story.desk.book().counts().observed, 2, "the entry and its stop, once");
}

#[test]
fn shutting_down_cancels_entries_and_leaves_stops() {
    let mut story = Story::long(plan(|_| {}));
    assert_eq!(story.tell(Event::ShuttingDown), NOTHING);
    let mut story = Story::new(plan(|_| {}));
    story.bar(50.0, Some(1.0));
    story.accepted(&[1, 2]);
    assert_eq!(story.tell(Event::ShuttingDown), ["cancel 1"]);
}

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
            story.tell(Event::Order(OrderUpdate::Open(open)))
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
                    story.tell(Event::Order(OrderUpdate::Open(open)));
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
                        story.tell(Event::Order(OrderUpdate::Execution(fill.execution)));
                        prop_assert_eq!(story.records.len(), before);
                    }
                }
            }
        }
    }
}
