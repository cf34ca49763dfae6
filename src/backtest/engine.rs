//! The loop: tape, exchange, desk; no shell.
//!
//! At one instant first the bars end, in symbol order: fills within the ended bar, then its close to
//! the strategy and the desk. A bar with no successor at that same instant ends after the others, as
//! nothing but time tells of it. Then the session may end. Then the next bars open, in symbol order:
//! fills at the open, what they lead to, until nothing more follows. Whatever is decided on a closed
//! bar therefore trades at the next bar's open at the earliest, and no strategy sees a bar before
//! it has ended.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::Listener;
use super::broker::{Broker, CLIENT};
use super::observer::Observer;
use crate::calendar::Calendar;
use crate::desk::{Action, Desk, Event, Plan, Recovered, SymbolPlan, ledger_id};
use crate::domain::book::{Book, LedgerFact, OrderRecord};
use crate::domain::broker::{AccountId, OrderUpdate, Venue};
use crate::domain::{Ascending, Bar, BarSize, Contract, ContractId, MarketTime, PriceRule, Symbol, Usd};
use crate::exchange;
use crate::strategy::{Running, Strategy};
use crate::tape::{End, Open, Steps};

/// The account of a backtest.
const ACCOUNT: &str = "DU1234567";

/// Orders after which what has ended is forgotten, though the session goes on: what these leave free, the next ones take,
/// as the allocator keeps a few pieces of each size at hand. No fewer than those that live on, and than symbols: all of
/// these are looked through.
const FORGET_AFTER: u64 = 3;

/// What an engine is made of.
pub struct Parts {
    /// What the desk is told; its account is replaced.
    pub plan: Plan,
    /// What kind of exchange.
    pub exchange: exchange::Config,
    /// Cash at the beginning, USD.
    pub cash: Usd,
    /// Seed of the ledger's id.
    pub seed: u64,
    /// The strategies, each as it comes from its registry.
    pub strategies: BTreeMap<Symbol, Box<dyn Strategy>>,
    /// Whether the tape's bars are smaller than those that are decided on.
    pub finer: bool,
    /// Bars that are decided on before this instant only warm the strategies.
    pub trade_from: MarketTime,
    /// Whether ended orders leave the book.
    pub forgets: bool,
}

/// One symbol.
pub(super) struct Line {
    pub(super) symbol: Symbol,
    pub(super) contract: ContractId,
    running: Running,
    /// The decision bar that is being built of smaller ones.
    forming: Option<Bar>,
}

/// See the module.
pub struct Engine<'a> {
    desk: Desk,
    broker: Broker,
    lines: Vec<Line>,
    places: Ascending<ContractId, usize>,
    /// The line of each series of the tape: all are lines, but for those without bars. One of another contract is passed
    /// over.
    series: Vec<Option<usize>>,
    /// Room for bars that ended and whose successor does not open at that instant; empty between two.
    unfollowed: Vec<(usize, Bar)>,
    observer: Observer,
    listener: &'a mut dyn Listener,
    updates: VecDeque<OrderUpdate>,
    actions: VecDeque<Action>,
    calendar: Calendar,
    bar_size: BarSize,
    finer: bool,
    trade_from: MarketTime,
    forgets: bool,
    /// Ended orders that the book has forgotten, to be told with their session.
    #[allow(clippy::vec_box, reason = "they come in boxes, and need not be moved")]
    ended: Vec<Box<OrderRecord>>,
    /// The number of orders with which the book forgets next.
    forget_with: u64,
    session_end: Option<MarketTime>,
    /// Where the exchange day began in which bars opened last.
    day: Option<MarketTime>,
    hours_until: MarketTime,
    regular: Regular,
}

/// The regular session of the latest date that was asked about.
#[derive(Debug, Clone, Copy)]
struct Regular {
    /// The date's span.
    from: MarketTime,
    until: MarketTime,
    open: MarketTime,
    close: MarketTime,
}

impl Regular {
    const NONE: Self =
        Self { from: MarketTime::MAX, until: MarketTime::MIN, open: MarketTime::MAX, close: MarketTime::MIN };

    #[inline]
    fn covers(&mut self, calendar: Calendar, at: MarketTime) -> bool {
        if at < self.from || at >= self.until {
            *self = Self::of(calendar, at);
        }
        self.open <= at && at < self.close
    }

    #[cold]
    fn of(calendar: Calendar, at: MarketTime) -> Self {
        let date = calendar.date_of(at);
        let day = Calendar::Always.nominal_session(date);
        let session = calendar.session(date).unwrap_or_else(|| calendar.nominal_session(date));
        let closed = matches!(calendar.day(date), crate::calendar::Day::Closed);
        let (open, close) = if closed { (MarketTime::MAX, MarketTime::MIN) } else { (session.open, session.close) };
        Self { from: day.open, until: day.close, open, close }
    }
}

/// What is left when a tape has been played.
pub struct Ended {
    /// With its book.
    pub desk: Desk,
    /// With its exchange.
    pub broker: Broker,
    /// With what it saw.
    pub observer: Observer,
    /// Strategies that failed on the way and said nothing from then on.
    pub faults: Vec<String>,
}

impl<'a> Engine<'a> {
    /// An engine whose ledger is open and whose account is funded, at the tape's first instant.
    pub fn new(parts: Parts, start: MarketTime, observer: Observer, listener: &'a mut dyn Listener) -> Self {
        let Parts { mut plan, exchange, cash, seed, strategies, finer, trade_from, forgets } = parts;
        let account = AccountId(ACCOUNT.into());
        plan.account = account.clone();
        let (calendar, bar_size) = (plan.calendar, plan.bar_size);
        let limits = serde_json::to_value(&plan.limits).unwrap_or_default();
        let mut engine = Self {
            desk: Desk::new(plan, Book::default()),
            broker: Broker::new(exchange, account.clone(), cash),
            lines: Vec::new(),
            places: Ascending::default(),
            series: Vec::new(),
            unfollowed: Vec::new(),
            observer,
            listener,
            updates: VecDeque::new(),
            actions: VecDeque::new(),
            calendar,
            bar_size,
            finer,
            trade_from,
            forgets,
            ended: Vec::new(),
            forget_with: FORGET_AFTER,
            session_end: None,
            day: None,
            hours_until: MarketTime::MIN,
            regular: Regular::NONE,
        };
        for (symbol, strategy) in strategies {
            engine.add_line(symbol, strategy);
        }
        let venue = Venue::Simulator { exchange: "backtest".to_owned() };
        let opened = LedgerFact::Opened { ledger: ledger_id(seed).into(), venue, account };
        for record in engine.desk.open_ledger(opened, limits, start) {
            engine.listener.fact(&record);
        }
        engine.state_hours(start);
        engine.begin(start);
        engine
    }

    fn add_line(&mut self, symbol: Symbol, strategy: Box<dyn Strategy>) {
        let contract = ContractId::simulated(&symbol, |id| self.places.contains_key(&id));
        let asked = self.desk.plan().symbols.get(&symbol).map(SymbolPlan::asks);
        let running = Running::new(strategy).measuring_only(asked.unwrap_or_default());
        self.broker.list(contract, symbol);
        self.places.insert(contract, self.lines.len());
        self.lines.push(Line { symbol, contract, running, forming: None });
    }

    /// The contracts of the lines, in symbol order.
    pub fn contracts(&self) -> impl Iterator<Item = (&Symbol, ContractId)> {
        self.lines.iter().map(|line| (&line.symbol, line.contract))
    }

    /// The session is up: the broker is read as the daemon reads it.
    fn begin(&mut self, start: MarketTime) {
        let snapshot = self.broker.snapshot(start);
        let recovered = Recovered { client_id: CLIENT, snapshot, disturbed: false, since: 0 };
        self.decide(Event::Recovered(Box::new(recovered)));
        self.settle(start);
    }

    /// Contracts state their hours for a week, as the gateway does.
    fn state_hours(&mut self, at: MarketTime) {
        let hours = self.calendar.hours(at, Duration::ZERO, Duration::ZERO);
        // Anew two days before the statement ends.
        self.hours_until = hours.covers.map_or(MarketTime::MAX, |covers| covers.close - Duration::from_secs(172_800));
        for place in 0..self.lines.len() {
            let line = &self.lines[place];
            let contract = contract(line.contract, &line.symbol, &hours);
            self.decide(Event::Listed(contract));
        }
    }

    /// Plays the tape to its end, then stops as the daemon does.
    pub fn play(mut self, tape: &mut impl Steps) -> Ended {
        self.series = tape.contracts().iter().map(|contract| self.places.get(contract).copied()).collect();
        while let Some(at) = tape.next_at() {
            self.instant(at, tape);
        }
        if self.finer {
            self.decide_finished(MarketTime::MAX);
        }
        self.decide(Event::ShuttingDown);
        let now = self.desk.now();
        self.settle(now);
        self.observer.finish();
        self.tell_orders(true);
        let fault = |line: &Line| Some(format!("{}: its strategy failed: {}", line.symbol, line.running.fault()?));
        let faults = self.lines.iter().filter_map(fault).collect();
        Ended { desk: self.desk, broker: self.broker, observer: self.observer, faults }
    }

    fn instant(&mut self, at: MarketTime, tape: &mut impl Steps) {
        let session_end =
            *self.session_end.get_or_insert_with(|| self.calendar.next_close(at - Duration::from_secs(1)));
        if session_end < at {
            self.end_session(session_end);
        }
        self.ends(at, tape);
        if session_end == at {
            self.end_session(at);
        }
        if session_end <= at {
            self.session_end = Some(self.calendar.next_close(at));
        }
        self.opens(at, tape);
        if self.forgets && self.desk.book().counts().orders >= self.forget_with {
            self.forget_within(at);
        }
    }

    fn ends(&mut self, at: MarketTime, tape: &mut impl Steps) {
        let mut any = false;
        while let Some(End { place, bar, followed }) = tape.end_at(at) {
            let Some(place) = self.series.get(place).copied().flatten() else { continue };
            any = true;
            if followed {
                self.close(place, bar);
                self.decide_on(place, bar, at);
            } else {
                self.unfollowed.push((place, *bar));
            }
        }
        if !self.unfollowed.is_empty() {
            self.end_unfollowed(at);
        }
        if self.finer {
            self.decide_finished(at);
        }
        if any {
            self.observer.instant(at);
        }
    }

    #[inline(never)]
    fn end_unfollowed(&mut self, at: MarketTime) {
        let mut unfollowed = std::mem::take(&mut self.unfollowed);
        for (place, bar) in &unfollowed {
            self.close(*place, bar);
        }
        for (place, bar) in unfollowed.drain(..) {
            self.decide_on(place, &bar, at);
        }
        self.unfollowed = unfollowed;
    }

    #[inline(always)]
    fn close(&mut self, place: usize, bar: &Bar) {
        let contract = self.lines[place].contract;
        let regular = self.regular.covers(self.calendar, bar.time);
        self.broker.close(contract, bar, regular, &mut self.updates);
        self.observer.bar(place, bar);
        self.settle(bar.end);
    }

    /// A bar of the tape has ended: it is decided on, or it is part of one that will be.
    #[inline(always)]
    fn decide_on(&mut self, place: usize, bar: &Bar, at: MarketTime) {
        if !self.finer {
            self.decide_bar(place, bar);
            return;
        }
        let window = self.calendar.bar_window(bar.time, self.bar_size);
        let line = &mut self.lines[place];
        let grown = match line.forming {
            Some(mut forming) if forming.time == window.open => {
                forming.absorb(bar);
                forming
            }
            _ => Bar { time: window.open, end: window.close, ..*bar },
        };
        line.forming = Some(grown);
        if grown.end <= at {
            line.forming = None;
            self.decide_bar(place, &grown);
        }
    }

    /// Decision bars whose end has passed without a last part.
    fn decide_finished(&mut self, at: MarketTime) {
        for place in 0..self.lines.len() {
            if let Some(forming) = self.lines[place].forming.take_if(|forming| forming.end <= at) {
                self.decide_bar(place, &forming);
            }
        }
    }

    #[inline]
    fn decide_bar(&mut self, place: usize, bar: &Bar) {
        let line = &mut self.lines[place];
        let heard = line.running.show(bar);
        let contract = line.contract;
        self.observer.decided(place, bar);
        if bar.end < self.trade_from {
            self.decide(Event::Warmed { contract, opinion: None, bar: *bar, gauges: heard.gauges });
        } else if self.desk.hear_bar(contract, bar, heard, true) {
            self.decided();
        }
        self.settle(bar.end);
    }

    fn end_session(&mut self, at: MarketTime) {
        self.broker.end_of_session(at, &mut self.updates);
        self.settle(at);
        self.broker.forget_before(at);
        if self.forgets {
            self.forget_before(at);
            self.tell_orders(false);
        }
    }

    fn forget_before(&mut self, at: MarketTime) {
        self.ended.extend(self.desk.forget_before(at));
        let book = self.desk.book();
        let kept = book.orders().count().max(self.lines.len()) as u64;
        self.forget_with = book.counts().orders + kept.max(FORGET_AFTER);
    }

    /// The same within a session. A day that the book has not opened is measured from before its fills: they stay.
    fn forget_within(&mut self, at: MarketTime) {
        let date = self.calendar.date_of(at);
        if self.desk.book().day().is_some_and(|day| day.date == date) {
            self.broker.forget_before(at);
            self.forget_before(at);
        }
    }

    /// Tells of the orders that are forgotten, and at the end of all others, by intent number.
    fn tell_orders(&mut self, others: bool) {
        let others = self.desk.book().orders().filter(|_| others);
        let mut orders: Vec<&OrderRecord> = self.ended.iter().map(Box::as_ref).chain(others).collect();
        orders.sort_by_key(|order| order.ticket.order_ref.intent);
        for order in orders {
            self.listener.order(order);
        }
        self.ended.clear();
    }

    fn opens(&mut self, at: MarketTime, tape: &mut impl Steps) {
        let mut any = false;
        while let Some(Open { place, price }) = tape.open_at(at) {
            let Some(place) = self.series.get(place).copied().flatten() else { continue };
            any = true;
            let contract = self.lines[place].contract;
            let regular = self.regular.covers(self.calendar, at);
            self.broker.open(contract, at, price, regular, &mut self.updates);
            self.observer.open(place, at, price);
            self.settle(at);
        }
        if !any {
            return;
        }
        if at >= self.hours_until {
            self.state_hours(at);
        }
        if self.day != Some(self.regular.from) {
            self.day = Some(self.regular.from);
            self.state_account();
        }
        if self.desk.hear_time(at) {
            self.decided();
        }
        self.settle(at);
    }

    fn state_account(&mut self) {
        let state = self.broker.account_state();
        if self.desk.hear_account(state) {
            self.decided();
        }
    }

    fn decide(&mut self, event: Event) {
        if self.desk.hear(event) {
            self.decided();
        }
    }

    /// Facts are told, and what they lead to waits for its turn.
    fn decided(&mut self) {
        let (listener, observer) = (&mut self.listener, &mut self.observer);
        self.desk.release(&mut self.actions, |record| {
            listener.fact(record);
            observer.fact(record);
        });
    }

    /// Until nothing more follows: what the exchange says to the desk, what the desk does at the
    /// exchange.
    #[inline]
    fn settle(&mut self, now: MarketTime) {
        if !self.updates.is_empty() || !self.actions.is_empty() {
            self.settle_all(now);
        }
    }

    fn settle_all(&mut self, now: MarketTime) {
        let mut traded = false;
        loop {
            while let Some(update) = self.updates.pop_front() {
                if self.desk.hear_order(update) {
                    self.decided();
                }
            }
            for fill in self.broker.take_fills() {
                traded = true;
                let listener = &mut self.listener;
                self.observer.fill(&self.places, &self.desk, fill, |trade| listener.trade(trade));
            }
            let Some(action) = self.actions.pop_front() else { break };
            let (broker, updates) = (&mut self.broker, &mut self.updates);
            match action {
                Action::Submit(order) | Action::Amend(order) => broker.place(now, order.ticket(), updates),
                Action::Cancel { order_id, .. } => broker.cancel(now, order_id, updates),
                Action::CancelEverything => broker.cancel_all(now, updates),
            }
        }
        if traded {
            self.state_account();
        }
    }
}

fn contract(id: ContractId, symbol: &Symbol, hours: &crate::domain::Hours) -> Contract {
    Contract {
        id,
        symbol: *symbol,
        security_type: "STK".into(),
        exchange: "SMART".into(),
        primary_exchange: "SMART".into(),
        currency: "USD".into(),
        local_symbol: symbol.to_string(),
        trading_class: "NMS".into(),
        price_rule: PriceRule::us_stock(),
        time_zone: "US/Eastern".into(),
        trading_hours: hours.clone(),
        liquid_hours: hours.clone(),
    }
}
