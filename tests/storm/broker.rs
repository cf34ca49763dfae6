//! A broker for the storm: small, lawful, and written without a look at `src/exchange`.
//!
//! It keeps the promises that IBKR keeps (it fills nothing twice, tells fills in order, and no
//! child trades before its parent) and none that IBKR does not.

use std::collections::{BTreeMap, BTreeSet};

use robo_trader::domain::broker::*;
use robo_trader::domain::order::{OrderKind, Role, TrailBy};
use robo_trader::domain::ticket::Ticket;
use robo_trader::domain::{ContractId, MarketTime, Price, Shares, Side, Symbol, TimeInForce, Usd};
use rust_decimal::Decimal;

pub const CLIENT: i32 = 7;

/// What the broker does with the next new order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Takes it and says so.
    Accept,
    /// Refuses it (201).
    Refuse,
    /// Takes it and says nothing.
    Silent,
    /// Takes it with another time in force (10349).
    Preset,
}

/// One order of ours as the broker has it.
#[derive(Debug, Clone)]
pub struct Placed {
    pub ticket: Ticket,
    pub perm_id: i64,
    pub status: BrokerStatus,
    pub filled: i64,
    pub quantity: i64,
    /// It went to work (a parent waits for its last child).
    pub transmitted: bool,
    /// IBKR has it, not only the gateway: it survives a restart of the gateway.
    pub deep: bool,
    /// Its size follows its parent's fills.
    pub tied: bool,
    /// It ended on an earlier day.
    pub old: bool,
    /// The best price since it was placed, cents (trailing stops).
    pub best: Option<i64>,
}

impl Placed {
    pub fn is_live(&self) -> bool {
        matches!(self.status, BrokerStatus::PendingSubmit | BrokerStatus::PreSubmitted | BrokerStatus::Submitted)
    }

    pub fn left(&self) -> i64 {
        if self.is_live() { self.quantity - self.filled } else { 0 }
    }
}

/// How this broker differs from others.
#[derive(Debug, Clone, Copy)]
pub struct Habits {
    /// Children die with a parent that ends half filled; else they stay for what filled.
    pub children_die: bool,
    /// A partial fill cancels the others of an OCA group; else it shrinks them.
    pub oca_cancels: bool,
}

#[derive(Debug, Clone)]
pub struct Broker {
    pub habits: Habits,
    pub account: AccountId,
    pub symbols: BTreeMap<ContractId, Symbol>,
    pub prices: BTreeMap<ContractId, i64>,
    pub orders: Vec<Placed>,
    pub accepted: BTreeSet<String>,
    pub executions: Vec<Execution>,
    pub costs: BTreeMap<String, Commission>,
    /// Costs that nobody was told yet.
    pub unsaid: Vec<Commission>,
    pub ours: BTreeMap<ContractId, i64>,
    pub foreign: BTreeMap<ContractId, i64>,
    pub cash: Usd,
    /// What trades by hand brought, USD.
    pub foreign_cash: Usd,
    pub next_id: i32,
    pub now: MarketTime,
    /// What it has to say.
    pub out: Vec<OrderUpdate>,
    /// Contracts whose trading is halted.
    pub halted: BTreeSet<ContractId>,
    /// The gateway has no link to it: new orders wait there.
    pub cut_off: bool,
    /// What must never happen, and did.
    pub wrong: Vec<String>,
    serial: u32,
}

impl Broker {
    pub fn new(habits: Habits, account: AccountId, symbols: BTreeMap<ContractId, Symbol>, now: MarketTime) -> Self {
        Self {
            habits,
            account,
            halted: BTreeSet::new(),
            prices: symbols.keys().map(|id| (*id, 5_000)).collect(),
            symbols,
            orders: Vec::new(),
            accepted: BTreeSet::new(),
            executions: Vec::new(),
            costs: BTreeMap::new(),
            unsaid: Vec::new(),
            ours: BTreeMap::new(),
            foreign: BTreeMap::new(),
            cash: Usd::of(Decimal::from(100_000)),
            foreign_cash: Usd::ZERO,
            next_id: 1,
            now,
            out: Vec::new(),
            cut_off: false,
            wrong: Vec::new(),
            serial: 0,
        }
    }

    pub fn held(&self, contract: ContractId) -> i64 {
        self.ours.get(&contract).copied().unwrap_or(0)
    }

    pub fn price(&self, contract: ContractId) -> Price {
        cents(self.prices.get(&contract).copied().unwrap_or(5_000))
    }

    fn by_id(&self, order_id: i32) -> Option<usize> {
        self.orders.iter().position(|order| order.ticket.order_id == order_id)
    }

    /// A new order, or new terms of a known one: TWS has one message for both.
    pub fn place(&mut self, ticket: &Ticket, mood: Mood) {
        if let Some(index) = self.by_id(ticket.order_id) {
            self.modify(index, ticket);
            return;
        }
        let name = ticket.order_ref.to_string();
        if !self.accepted.insert(name.clone()) {
            self.wrong.push(format!("{name} was accepted twice"));
        }
        self.next_id = self.next_id.max(ticket.order_id + 1);
        let parent = ticket.parent_id.and_then(|id| self.by_id(id));
        let orphan = ticket.parent_id.is_some()
            && parent.is_none_or(|p| !self.orders[p].is_live() && self.orders[p].filled == 0);
        let spent = self.is_spent(ticket);
        self.serial += 1;
        let halted = self.halted.contains(&ticket.contract);
        let refused = orphan || spent || halted || mood == Mood::Refuse;
        self.orders.push(Placed {
            perm_id: 1_000 + i64::from(self.serial),
            status: if refused { BrokerStatus::Inactive } else { BrokerStatus::PendingSubmit },
            filled: 0,
            quantity: ticket.quantity.0,
            transmitted: false,
            deep: false,
            old: false,
            tied: parent.is_some_and(|p| self.orders[p].is_live()),
            best: self.prices.get(&ticket.contract).copied(),
            ticket: ticket.clone(),
        });
        let index = self.orders.len() - 1;
        if mood == Mood::Preset {
            let tif = &mut self.orders[index].ticket.tif;
            *tif = if *tif == TimeInForce::Gtc { TimeInForce::Day } else { TimeInForce::Gtc };
        }
        if refused {
            self.say_status(index);
            let text = match (orphan, spent) {
                (true, _) => "parent order is not there",
                (false, true) => "its OCA group is filled",
                (false, false) => "order rejected - reason:storm",
            };
            self.news(ticket.order_id, 201, OrderNews::Refused, text);
            return;
        }
        if ticket.transmit {
            self.transmit(index);
        }
        if mood != Mood::Silent {
            self.tell(index);
        }
    }

    /// Whether the OCA group of an order has filled: nothing can join it any more.
    pub fn is_spent(&self, ticket: &Ticket) -> bool {
        let grouped = |other: &&Placed| ticket.oca_group.is_some() && other.ticket.oca_group == ticket.oca_group;
        self.orders.iter().filter(grouped).any(|other| other.status == BrokerStatus::Filled)
    }

    /// The link is back: what waited at the gateway goes to work.
    pub fn let_go(&mut self) {
        self.cut_off = false;
        for index in 0..self.orders.len() {
            if self.orders[index].is_live() && self.orders[index].ticket.transmit {
                self.transmit(index);
            }
        }
    }

    fn transmit(&mut self, index: usize) {
        if self.cut_off {
            return;
        }
        let root = self.orders[index].ticket.parent_id.unwrap_or(self.orders[index].ticket.order_id);
        for order in &mut self.orders {
            let family = order.ticket.order_id == root || order.ticket.parent_id == Some(root);
            if family && order.is_live() && !order.transmitted {
                order.transmitted = true;
                let rests = order.ticket.role.is_protective();
                order.status = if rests { BrokerStatus::PreSubmitted } else { BrokerStatus::Submitted };
            }
        }
    }

    fn modify(&mut self, index: usize, ticket: &Ticket) {
        let order = &self.orders[index];
        if order.ticket.order_ref != ticket.order_ref {
            let text =
                format!("order id {} of {} was used for {}", ticket.order_id, order.ticket.order_ref, ticket.order_ref);
            self.wrong.push(text);
            return;
        }
        if !order.is_live() {
            let filled = order.status == BrokerStatus::Filled;
            let (code, news) = if filled { (104, OrderNews::ChangeRefused) } else { (103, OrderNews::DuplicateId) };
            self.news(ticket.order_id, code, news, "too late");
            return;
        }
        if ticket.quantity.0 <= order.filled {
            self.news(ticket.order_id, 321, OrderNews::ChangeRefused, "size is not above what has filled");
            return;
        }
        let order = &mut self.orders[index];
        let parent_id = order.ticket.parent_id;
        order.quantity = ticket.quantity.0;
        order.ticket = ticket.clone();
        order.ticket.parent_id = parent_id;
        if ticket.transmit && !order.transmitted {
            self.transmit(index);
        }
        self.tell(index);
    }

    pub fn cancel(&mut self, order_id: i32) {
        let Some(index) = self.by_id(order_id) else {
            self.news(order_id, 10_147, OrderNews::CancelRace, "not found");
            return;
        };
        if !self.orders[index].is_live() {
            self.news(order_id, 10_148, OrderNews::CancelRace, "cannot be cancelled");
            return;
        }
        self.end(index, BrokerStatus::Cancelled);
        self.news(order_id, 202, OrderNews::Cancelled, "Order Canceled - reason:");
    }

    fn end(&mut self, index: usize, status: BrokerStatus) {
        self.orders[index].status = status;
        self.say_status(index);
        let (parent, filled, quantity) = {
            let order = &self.orders[index];
            (order.ticket.order_id, order.filled, order.quantity)
        };
        let dies = filled == 0 || (filled < quantity && self.habits.children_die);
        let children: Vec<usize> = (0..self.orders.len())
            .filter(|i| self.orders[*i].is_live() && self.orders[*i].ticket.parent_id == Some(parent))
            .collect();
        let family = self.orders.iter().filter(|child| child.ticket.parent_id == Some(parent));
        let closed: i64 = family.map(|child| child.filled).sum();
        for child in children {
            if dies {
                self.end(child, BrokerStatus::Cancelled);
                continue;
            }
            self.orders[child].tied = false;
            if filled <= closed {
                self.end(child, BrokerStatus::Cancelled);
            } else if self.orders[child].left() > filled - closed {
                self.orders[child].quantity = self.orders[child].filled + filled - closed;
                self.tell(child);
            }
        }
    }

    /// Shares of an order that may trade now.
    pub fn workable(&self, index: usize) -> i64 {
        let order = &self.orders[index];
        let works = order.transmitted && order.is_live() && !self.halted.contains(&order.ticket.contract);
        if works { order.left().min(self.entitled(index)).max(0) } else { 0 }
    }

    /// The most that may ever trade of an order as its parent stands now.
    pub fn entitled(&self, index: usize) -> i64 {
        let order = &self.orders[index];
        let parent = order.ticket.parent_id.filter(|_| order.tied).and_then(|id| self.by_id(id));
        parent.map_or(i64::MAX, |parent| {
            // What the whole family has closed already is not there to be closed again.
            let family = self.orders.iter().filter(|child| child.ticket.parent_id == order.ticket.parent_id);
            self.orders[parent].filled - family.map(|child| child.filled).sum::<i64>()
        })
    }

    /// Part of an order trades.
    pub fn fill(&mut self, index: usize, quantity: i64, price: Price) {
        let quantity = quantity.min(self.workable(index));
        if quantity <= 0 {
            return;
        }
        self.orders[index].filled += quantity;
        self.deepen(Some(self.orders[index].ticket.contract));
        let ticket = self.orders[index].ticket.clone();
        let perm_id = self.orders[index].perm_id;
        let name = ticket.order_ref.to_string();
        self.execute(ticket.contract, ticket.side, quantity, price, CLIENT, ticket.order_id, perm_id, name.into());
        let signed = ticket.side.signed(Shares(quantity)).0;
        let held = self.ours.entry(ticket.contract).or_default();
        let before = *held;
        *held += signed;
        let after = *held;
        self.cash -= price * Shares(signed);
        let crosses = before != 0 && (before > 0) != (after > 0) && after != 0;
        if crosses || (ticket.role != Role::Entry && after.abs() > before.abs()) {
            let text = format!("{:?} {} took the position from {before} to {after}", ticket.role, ticket.order_ref);
            self.wrong.push(text);
        }
        let whole = self.orders[index].left() == 0;
        for sibling in self.group(index) {
            let left = self.orders[sibling].quantity - quantity;
            if whole || self.habits.oca_cancels || left <= self.orders[sibling].filled {
                self.end(sibling, BrokerStatus::Cancelled);
            } else {
                self.orders[sibling].quantity = left;
                self.tell(sibling);
            }
        }
        if whole {
            self.end(index, BrokerStatus::Filled);
        } else {
            self.say_status(index);
        }
    }

    fn group(&self, index: usize) -> Vec<usize> {
        let group = self.orders[index].ticket.oca_group.clone();
        let same = |i: &usize| *i != index && group.is_some() && self.orders[*i].ticket.oca_group == group;
        (0..self.orders.len()).filter(same).filter(|i| self.orders[*i].is_live()).collect()
    }

    #[allow(clippy::too_many_arguments, reason = "an execution has as many parts")]
    fn execute(
        &mut self,
        contract: ContractId,
        side: Side,
        quantity: i64,
        price: Price,
        client_id: i32,
        order_id: i32,
        perm_id: i64,
        order_ref: compact_str::CompactString,
    ) {
        self.serial += 1;
        let id = ExecutionId(format!("0001.{:08}.01.01", self.serial).into());
        let execution = Execution {
            id: id.clone(),
            at: self.now,
            account: self.account.clone(),
            contract,
            symbol: self.symbols[&contract],
            side,
            quantity: Shares(quantity),
            price,
            client_id,
            order_id,
            perm_id,
            order_ref,
            is_liquidation: false,
        };
        if client_id == CLIENT {
            let cost = Commission { execution: id.clone(), amount: Usd::of(Decimal::ONE), currency: "USD".into() };
            self.cash -= cost.amount;
            self.costs.insert(id.stem().to_owned(), cost.clone());
            self.unsaid.push(cost);
        }
        self.executions.push(execution.clone());
        self.out.push(execution.into());
    }

    /// Somebody else trades in the account.
    pub fn trade_by_hand(&mut self, contract: ContractId, change: i64) {
        let Some(side) = Side::of_change(Shares(change)) else { return };
        *self.foreign.entry(contract).or_default() += change;
        let price = self.price(contract);
        self.foreign_cash -= price * Shares(change);
        self.execute(contract, side, change.abs(), price, 0, 0, 0, "".into());
    }

    /// An execution's price is corrected: the same id with a later revision.
    pub fn correct(&mut self, pick: usize) {
        let ours: Vec<usize> = (0..self.executions.len()).filter(|i| self.executions[*i].client_id == CLIENT).collect();
        let Some(index) = ours.get(pick % ours.len().max(1)).copied() else { return };
        let execution = &mut self.executions[index];
        let better = Price::of(execution.price.decimal() + Decimal::new(1, 2));
        let signed = execution.side.signed(execution.quantity);
        self.cash += execution.price * signed;
        self.cash -= better * signed;
        execution.price = better;
        execution.id = ExecutionId(format!("{}.{:02}", execution.id.stem(), execution.id.revision() + 1).into());
        self.out.push(execution.clone().into());
    }

    /// Some of the costs come at last.
    pub fn say_costs(&mut self, count: usize) {
        let said: Vec<Commission> = self.unsaid.drain(..count.min(self.unsaid.len())).collect();
        self.out.extend(said.into_iter().map(OrderUpdate::Commission));
    }

    /// The market moves: what it touches trades, `part` of it or all.
    pub fn print(&mut self, contract: ContractId, price: i64, part: u8) {
        self.prices.insert(contract, price);
        self.deepen(Some(contract));
        for index in 0..self.orders.len() {
            if self.orders[index].ticket.contract != contract {
                continue;
            }
            let long = self.orders[index].ticket.side == Side::Sell;
            let best =
                self.orders[index].best.map_or(price, |best| if long { best.max(price) } else { best.min(price) });
            self.orders[index].best = Some(best);
            if let Some(at) = self.touches(index, price) {
                let most = self.workable(index);
                let quantity = if part == 0 { most } else { (most * i64::from(part) / 256).max(1) };
                self.fill(index, quantity, at);
            }
        }
    }

    /// The price at which an order trades when the market is at `price`, if it does.
    pub fn touches(&self, index: usize, price: i64) -> Option<Price> {
        let order = &self.orders[index];
        let (at, buys) = (cents(price), order.ticket.side == Side::Buy);
        let best = cents(order.best.unwrap_or(price)).decimal();
        let hit = match order.ticket.kind {
            OrderKind::Market => true,
            OrderKind::Limit { limit } => (buys && at <= limit) || (!buys && at >= limit),
            OrderKind::Stop { trigger } | OrderKind::StopLimit { trigger, .. } => {
                (buys && at >= trigger) || (!buys && at <= trigger)
            }
            OrderKind::Trail { by, .. } => {
                let distance = match by {
                    TrailBy::Amount(amount) => amount.decimal(),
                    TrailBy::Percent(percent) => best * percent / Decimal::ONE_HUNDRED,
                };
                if buys { at.decimal() >= best + distance } else { at.decimal() <= best - distance }
            }
        };
        hit.then_some(at)
    }

    /// The gateway restarts: what IBKR never had is gone, and ids may count from lower on.
    pub fn restart_gateway(&mut self) {
        let lost: Vec<usize> =
            (0..self.orders.len()).filter(|i| self.orders[*i].is_live() && !self.orders[*i].deep).collect();
        let names: Vec<i32> = lost.iter().map(|i| self.orders[*i].ticket.order_id).collect();
        self.orders.retain(|order| !names.contains(&order.ticket.order_id));
        self.next_id = 1;
    }

    /// What the gateway holds has reached IBKR.
    pub fn deepen(&mut self, contract: Option<ContractId>) {
        for order in &mut self.orders {
            order.deep |= contract.is_none_or(|contract| order.ticket.contract == contract);
        }
    }

    /// The day ends: day orders expire, and what had ended before is told no more.
    pub fn night(&mut self) {
        for order in &mut self.orders {
            order.old |= !order.is_live();
        }
        for index in 0..self.orders.len() {
            if self.orders[index].is_live() && self.orders[index].ticket.tif == TimeInForce::Day {
                self.end(index, BrokerStatus::Cancelled);
            }
        }
    }
}

pub fn cents(cents: i64) -> Price {
    Price::of(Decimal::new(cents, 2))
}
