//! Faults of orders and of the account: fills by force, corrections, what others do.

use tracing::{info, warn};

use super::book::Fired;
use super::fault::Fault;
use super::rule::Rule;
use crate::domain::{ContractId, OrderKind, Price, Shares, Side};
use crate::exchange::{Fill, NewOrder, OrderKey, Tif, closing_side};
use crate::simulator::engine::Engine;

impl Engine {
    /// Faults of orders and of the account that happen once.
    pub(super) fn amend_account(&mut self, fired: &Fired) {
        let rule = &fired.rule;
        match &rule.fault {
            Fault::Fill { quantity, price } => {
                for key in self.orders_meant(fired) {
                    let events = self.exchange.fill_now(self.now, key, *quantity, *price);
                    self.deliver(events);
                }
            }
            Fault::CancelOrders { reason } => {
                for key in self.orders_meant(fired) {
                    let events = self.exchange.cancel_by_broker(self.now, key, reason);
                    self.deliver(events);
                }
            }
            Fault::Correct { price, quantity } => self.correct(rule, *price, *quantity),
            Fault::Trade { side, quantity, client_id, rests } => {
                self.trade_foreign(rule, (*side, *quantity), *client_id, *rests);
            }
            Fault::Liquidate { quantity } => self.liquidate(rule, *quantity),
            Fault::Cash { amount } => {
                let account = self.own_account();
                match self.exchange.adjust_cash(&account, *amount, "a fault") {
                    Ok(events) => self.deliver(events),
                    Err(refusal) => warn!(%refusal, "fault: the cash could not move"),
                }
                self.balances_moved = true;
            }
            Fault::StockSplit { new, old } => {
                let Some(contract) = self.contract_meant(rule) else { return };
                let events = self.exchange.split(contract, self.now, *new, *old);
                self.deliver(events);
                self.balances_moved = true;
                self.publish_positions(&[contract]);
            }
            Fault::RepeatExecutions {} => self.repeat_executions(fired),
            _ => {}
        }
    }

    /// The working orders that a fault means: the one of its message, else all that fit.
    fn orders_meant(&self, fired: &Fired) -> Vec<OrderKey> {
        let rule = &fired.rule;
        if let (Some(order_id), Some(client_id)) = (fired.id, fired.client) {
            return vec![OrderKey { client_id, order_id }];
        }
        let meant = |order: &&crate::exchange::Order| {
            let key = order.order.key;
            order.status.is_live()
                && rule.client.is_none_or(|id| id == key.client_id)
                && (rule.symbol.is_none() || self.listed.get(&order.order.contract) == rule.symbol.as_ref())
        };
        self.exchange.orders().filter(meant).map(|order| order.order.key).collect()
    }

    fn contract_meant(&mut self, rule: &Rule) -> Option<ContractId> {
        let symbol = rule.symbol.as_ref()?;
        let found = self.find(symbol).map(|listing| listing.contract.id);
        if found.is_none() {
            warn!(%symbol, "fault: this market does not have the symbol");
        }
        found
    }

    fn correct(&mut self, rule: &Rule, price: Option<Price>, quantity: Option<Shares>) {
        let contract = match &rule.symbol {
            Some(_) => match self.contract_meant(rule) {
                Some(contract) => Some(contract),
                None => return,
            },
            None => None,
        };
        let Some(fill) = self.exchange.correct(contract, price, quantity) else {
            warn!("fault: there is no execution to correct");
            return;
        };
        info!(id = %fill.id, quantity = %fill.quantity, price = %fill.price, "fault: execution corrected");
        self.dirty = true;
        self.balances_moved = true;
        if let Some(owner) = self.clients.started(fill.key.client_id) {
            self.send_execution(owner, -1, &fill);
            self.send_commission(owner, &fill);
        }
        self.publish_positions(&[fill.contract]);
    }

    /// Somebody else's order; it fills at once, or rests far from the market.
    fn trade_foreign(&mut self, rule: &Rule, trade: (Side, Shares), client_id: i32, rests: bool) {
        let Some(contract) = self.contract_meant(rule) else { return };
        let Some(last) = self.market.quote(contract).and_then(|quote| Price::from_f64(quote.last)) else {
            warn!("fault: nobody can trade, there is no price yet");
            return;
        };
        let (side, quantity) = trade;
        let far = match side {
            Side::Buy => Price::of((last.decimal() / rust_decimal::Decimal::TWO).round_dp(0)),
            Side::Sell => Price::of((last.decimal() * rust_decimal::Decimal::TWO).round_dp(0)),
        };
        let kind = if rests { OrderKind::Limit { limit: far } } else { OrderKind::Market };
        let Some(key) = self.place_foreign(contract, (side, quantity), kind, client_id) else { return };
        if !rests {
            let events = self.exchange.fill_now(self.now, key, Some(quantity), Some(last));
            self.deliver(events);
        }
    }

    fn place_foreign(
        &mut self,
        contract: ContractId,
        (side, quantity): (Side, Shares),
        kind: OrderKind,
        client_id: i32,
    ) -> Option<OrderKey> {
        let next = self.next_ids.entry(client_id).or_insert(1);
        // Orders of people have no order of their own; any free number will do.
        while self.exchange.order(OrderKey { client_id, order_id: *next }).is_some() {
            *next = next.saturating_add(1);
        }
        let key = OrderKey { client_id, order_id: *next };
        *next = next.saturating_add(1);
        let order = NewOrder {
            key,
            account: self.own_account(),
            contract,
            side,
            quantity,
            kind: kind.into(),
            tif: Tif::Gtc,
            good_after: None,
            algo: None,
            outside_rth: true,
            oca_group: "".into(),
            parent_id: None,
            transmit: true,
            order_ref: "".into(),
        };
        self.activate(contract);
        self.dirty = true;
        match self.exchange.place(self.now, order) {
            Ok(events) => {
                self.deliver(events);
                Some(key)
            }
            Err(refusal) => {
                warn!(%refusal, "fault: the other's order was refused");
                None
            }
        }
    }

    fn liquidate(&mut self, rule: &Rule, quantity: Option<Shares>) {
        let Some(contract) = self.contract_meant(rule) else { return };
        let held = self.exchange.position(&self.own_account(), contract);
        let quantity = quantity.unwrap_or(held.abs()).min(held.abs());
        if quantity.is_zero() {
            warn!("fault: there is no position to liquidate");
            return;
        }
        let from = self.exchange.fills().len();
        let Some(key) = self.place_foreign(contract, (closing_side(held), quantity), OrderKind::Market, 0) else {
            return;
        };
        let events = self.exchange.fill_now(self.now, key, Some(quantity), None);
        let fills: Vec<Fill> = self.exchange.fills().iter().skip(from).cloned().collect();
        self.faults.liquidations.extend(fills.iter().map(|fill| fill.id.to_string()));
        // Liquidations are nobody's order: every client hears of them.
        self.deliver(events);
        for connection in self.targets(rule.client, None) {
            for fill in &fills {
                self.send_execution(connection, -1, fill);
                self.send_commission(connection, fill);
            }
        }
    }

    fn repeat_executions(&mut self, fired: &Fired) {
        let today = self.calendar.date_of(self.now);
        let fills: Vec<Fill> =
            self.exchange.fills().iter().filter(|fill| self.calendar.date_of(fill.at) == today).cloned().collect();
        for connection in self.targets(fired.rule.client, fired.connection) {
            let client = self.faults.known.get(&connection).copied();
            for fill in fills.iter().filter(|fill| Some(fill.key.client_id) == client) {
                self.send_execution(connection, -1, fill);
                self.send_commission(connection, fill);
            }
        }
    }
}
