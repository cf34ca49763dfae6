//! The broker of a backtest: the exchange, and what the wire would tell the desk of it.

use std::collections::{BTreeMap, VecDeque};

use compact_str::CompactString;

use crate::domain::broker::{
    AccountId, AccountState, BrokerOrder, BrokerSnapshot, BrokerStatus, Commission, Execution, OrderNews, OrderUpdate,
    StatusReport,
};
use crate::domain::{Ascending, Bar, ContractId, MarketTime, PriceRule, Shares, Symbol, Ticket, TimeInForce, Usd};
use crate::exchange::{AccountView, Change, Config, Event, Exchange, Fill, Kind, NewOrder, OrderKey, Refusal, Status};

/// The client whose orders these are.
pub const CLIENT: i32 = 1;

/// Of everything.
const CURRENCY: CompactString = CompactString::const_new("USD");

/// The exchange with one account.
pub struct Broker {
    exchange: Exchange,
    account: AccountId,
    symbols: Ascending<ContractId, Symbol>,
    /// The quantity of each live order when the desk was told of it last: only what differs is told
    /// again.
    told: Ascending<i32, Shares>,
    /// Where in the exchange's list the fills of late are: they are taken before anything is forgotten.
    fills: Vec<usize>,
}

impl Broker {
    /// An exchange with the account's cash.
    pub fn new(config: Config, account: AccountId, cash: Usd) -> Self {
        let mut exchange = Exchange::new(config);
        exchange.open_account(account.clone(), cash);
        Self { exchange, account, symbols: Ascending::default(), told: Ascending::default(), fills: Vec::new() }
    }

    /// Makes a contract tradable.
    pub fn list(&mut self, contract: ContractId, symbol: Symbol) {
        self.exchange.list(contract, PriceRule::us_stock());
        self.symbols.insert(contract, symbol);
    }

    /// The broker's state at the beginning, as a session reads it.
    pub fn snapshot(&self, at: MarketTime) -> BrokerSnapshot {
        BrokerSnapshot {
            at,
            next_order_id: 1,
            open_orders: Vec::new(),
            completed_orders: Vec::new(),
            executions: Vec::new(),
            commissions: Vec::new(),
            positions: BTreeMap::new(),
            account: self.account_state(),
        }
    }

    /// The account's money as it is stated.
    pub fn account_state(&self) -> AccountState {
        let balances = self.exchange.balances(&self.account);
        AccountState {
            net_liquidation: balances.map(|sums| sums.equity),
            total_cash: balances.map(|sums| sums.cash),
            available_funds: balances.map(|sums| sums.available_funds),
            buying_power: None,
            gross_position_value: balances.map(|sums| sums.gross_position_value),
            day_trades_remaining: None,
            currency: Some(CURRENCY),
        }
    }

    /// The account as it stands.
    pub fn account(&self) -> Option<AccountView> {
        self.exchange.account(&self.account)
    }

    /// The exchange.
    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// Fills since this was asked last.
    pub fn take_fills(&mut self) -> impl Iterator<Item = &Fill> {
        let known = self.exchange.fills();
        self.fills.drain(..).filter_map(|place| known.get(place))
    }

    /// A bar opens.
    pub fn open(
        &mut self,
        contract: ContractId,
        at: MarketTime,
        price: f64,
        regular: bool,
        updates: &mut VecDeque<OrderUpdate>,
    ) {
        let events = self.exchange.open(contract, at, price, regular);
        if !events.is_empty() {
            self.tell(events, updates);
        }
    }

    /// A bar ends.
    #[inline(always)]
    pub fn close(&mut self, contract: ContractId, bar: &Bar, regular: bool, updates: &mut VecDeque<OrderUpdate>) {
        let events = self.exchange.close(contract, bar, regular);
        if !events.is_empty() {
            self.tell(events, updates);
        }
    }

    /// The session has ended: day orders expire.
    pub fn end_of_session(&mut self, at: MarketTime, updates: &mut VecDeque<OrderUpdate>) {
        let contracts: Vec<ContractId> = self.symbols.iter().map(|(contract, _)| *contract).collect();
        let events = contracts.into_iter().flat_map(|contract| self.exchange.end_of_session(contract, at)).collect();
        self.tell(events, updates);
    }

    /// Forgets what ended before this instant: nobody comes back to it.
    pub fn forget_before(&mut self, at: MarketTime) {
        debug_assert!(self.fills.is_empty(), "fills are where they were until something is forgotten");
        self.exchange.forget_before(at);
    }

    /// Places or changes an order.
    pub fn place(&mut self, now: MarketTime, ticket: &Ticket, updates: &mut VecDeque<OrderUpdate>) {
        let key = key(ticket.order_id);
        let known = self.exchange.order(key).is_some();
        match self.exchange.place(now, new_order(ticket, key)) {
            Ok(events) => self.tell(events, updates),
            Err(refusal) => updates.push_back(refused(ticket.order_id, known, &refusal)),
        }
    }

    /// Cancels an order.
    pub fn cancel(&mut self, now: MarketTime, order_id: i32, updates: &mut VecDeque<OrderUpdate>) {
        match self.exchange.cancel(now, key(order_id)) {
            Ok(events) => self.tell(events, updates),
            Err(refusal) => {
                let (code, news) = (refusal.code(), OrderNews::CancelRace);
                updates.push_back(OrderUpdate::News { order_id, code, news, text: refusal.to_string() });
            }
        }
    }

    /// Cancels everything.
    pub fn cancel_all(&mut self, now: MarketTime, updates: &mut VecDeque<OrderUpdate>) {
        let events = self.exchange.cancel_all(now);
        self.tell(events, updates);
    }

    fn tell(&mut self, events: Vec<Event>, updates: &mut VecDeque<OrderUpdate>) {
        for event in &events {
            match event {
                Event::Changed(change) => self.tell_change(change, updates),
                Event::Filled(place) => {
                    let Some(fill) = self.exchange.fills().get(*place) else { continue };
                    if let Some(execution) = self.execution(fill) {
                        updates.push_back(execution.into());
                    }
                    updates.push_back(OrderUpdate::Commission(Commission {
                        execution: fill.id.clone(),
                        amount: fill.commission,
                        currency: CURRENCY,
                    }));
                    self.fills.push(*place);
                }
                Event::CancelledByRule { key, reason } => updates.push_back(cancelled(*key, reason)),
                // No cash moves in a backtest but by trades.
                Event::Adjusted { .. } => {}
            }
        }
        self.exchange.reuse(events);
    }

    fn tell_change(&mut self, change: &Change, updates: &mut VecDeque<OrderUpdate>) {
        let order_id = change.key.order_id;
        let mut resized = false;
        if !change.status.is_live() {
            self.told.remove(&order_id);
        } else if let Some(quantity) = self.told.insert(order_id, change.quantity) {
            if quantity == change.quantity {
                // A new stage of working is nothing to the desk.
                return;
            }
            resized = true;
        }
        // A new order that works is what was sent; only what waits for its family, or was resized, is
        // told whole.
        let whole = resized || change.status == Status::Untransmitted;
        let status = match change.status {
            Status::Untransmitted => BrokerStatus::PendingSubmit,
            Status::PreSubmitted => BrokerStatus::PreSubmitted,
            Status::Submitted => BrokerStatus::Submitted,
            Status::Filled => BrokerStatus::Filled,
            Status::Cancelled => BrokerStatus::Cancelled,
            Status::Rejected => BrokerStatus::Inactive,
        };
        if whole {
            updates.extend(self.open_order(change, status).map(OrderUpdate::from));
            return;
        }
        if status == BrokerStatus::Filled {
            // Executions have said so.
            return;
        }
        updates.push_back(OrderUpdate::Status(StatusReport {
            client_id: CLIENT,
            order_id,
            perm_id: change.perm_id,
            status,
            filled: change.filled,
            remaining: change.quantity - change.filled,
            why_held: None,
        }));
    }

    fn open_order(&self, change: &Change, status: BrokerStatus) -> Option<BrokerOrder> {
        let order = self.exchange.order(change.key)?;
        let placed = &order.order;
        let symbol = *self.symbols.get(&placed.contract)?;
        Some(BrokerOrder {
            client_id: CLIENT,
            order_id: placed.key.order_id,
            perm_id: order.perm_id,
            account: placed.account.clone(),
            contract: placed.contract,
            symbol,
            order_ref: placed.order_ref.clone(),
            side: placed.side,
            quantity: change.quantity,
            filled: Some(change.filled),
            // What the exchange has is what was sent; only its size can change by itself.
            kind: None,
            tif: None::<TimeInForce>,
            outside_rth: placed.outside_rth,
            oca_group: placed.oca_group.clone(),
            parent_id: placed.parent_id.unwrap_or(0),
            status,
            note: String::new(),
        })
    }

    fn execution(&self, fill: &Fill) -> Option<Execution> {
        // Orders are placed in listed contracts only: there is a symbol.
        let symbol = *self.symbols.get(&fill.contract)?;
        Some(Execution {
            id: fill.id.clone(),
            at: fill.at,
            account: fill.account.clone(),
            contract: fill.contract,
            symbol,
            side: fill.side,
            quantity: fill.quantity,
            price: fill.price,
            client_id: CLIENT,
            order_id: fill.key.order_id,
            perm_id: fill.perm_id,
            order_ref: fill.order_ref.clone(),
            is_liquidation: false,
        })
    }
}

#[cold]
fn refused(order_id: i32, known: bool, refusal: &Refusal) -> OrderUpdate {
    let news = if known { OrderNews::ChangeRefused } else { OrderNews::Refused };
    OrderUpdate::News { order_id, code: refusal.code(), news, text: refusal.to_string() }
}

fn cancelled(key: OrderKey, reason: &str) -> OrderUpdate {
    let text = format!("Order Canceled - reason:{reason}");
    OrderUpdate::News { order_id: key.order_id, code: 202, news: OrderNews::Cancelled, text }
}

fn key(order_id: i32) -> OrderKey {
    OrderKey { client_id: CLIENT, order_id }
}

fn new_order(ticket: &Ticket, key: OrderKey) -> NewOrder {
    NewOrder {
        key,
        account: ticket.account.clone(),
        contract: ticket.contract,
        side: ticket.side,
        quantity: ticket.quantity,
        kind: Kind::from(ticket.kind),
        tif: ticket.tif.into(),
        good_after: None,
        outside_rth: ticket.outside_rth,
        oca_group: ticket.oca_group.clone().unwrap_or_default(),
        parent_id: ticket.parent_id,
        transmit: ticket.transmit,
        order_ref: ticket.order_ref.text(),
        algo: None,
    }
}
