//! The broker's words: orders, statuses, errors, holdings and money as it tells them.

use std::collections::BTreeMap;

use robo_trader::domain::broker::*;
use robo_trader::domain::{ContractId, Shares, Usd};
use rust_decimal::Decimal;

use super::broker::{Broker, CLIENT};

impl Broker {
    /// TWS tells an order whole whenever it moves, and its status beside it.
    pub fn tell(&mut self, index: usize) {
        let open = self.describe(index);
        self.out.push(open.into());
        self.say_status(index);
    }

    pub fn say_status(&mut self, index: usize) {
        let order = &self.orders[index];
        self.out.push(OrderUpdate::Status(StatusReport {
            client_id: CLIENT,
            order_id: order.ticket.order_id,
            perm_id: order.perm_id,
            status: order.status,
            filled: Shares(order.filled),
            remaining: Shares(order.left()),
            why_held: None,
        }));
    }

    pub fn news(&mut self, order_id: i32, code: i32, news: OrderNews, text: &str) {
        self.out.push(OrderUpdate::News { order_id, code, news, text: text.to_owned() });
    }

    pub fn describe(&self, index: usize) -> BrokerOrder {
        let order = &self.orders[index];
        let ticket = &order.ticket;
        BrokerOrder {
            client_id: CLIENT,
            order_id: ticket.order_id,
            perm_id: order.perm_id,
            account: self.account.clone(),
            contract: ticket.contract,
            symbol: self.symbols[&ticket.contract],
            order_ref: ticket.order_ref.to_string().into(),
            side: ticket.side,
            quantity: Shares(order.quantity),
            filled: (order.filled > 0).then_some(Shares(order.filled)),
            kind: Some(ticket.kind),
            tif: Some(ticket.tif),
            outside_rth: false,
            oca_group: ticket.oca_group.clone().unwrap_or_default(),
            parent_id: ticket.parent_id.unwrap_or(0),
            status: order.status,
            note: String::new(),
        }
    }

    pub fn positions(&self) -> BTreeMap<ContractId, BrokerPosition> {
        let mut positions = BTreeMap::new();
        for (contract, symbol) in &self.symbols {
            let quantity = self.held(*contract) + self.foreign.get(contract).copied().unwrap_or(0);
            if quantity != 0 {
                let position = BrokerPosition {
                    account: self.account.clone(),
                    contract: *contract,
                    symbol: *symbol,
                    quantity: Decimal::from(quantity),
                    average_cost: None,
                };
                positions.insert(*contract, position);
            }
        }
        positions
    }

    pub fn money(&self, complete: bool) -> AccountState {
        let worth: Usd = self.symbols.keys().map(|id| self.price(*id) * Shares(self.held(*id))).sum();
        let cash = self.cash + self.foreign_cash;
        let equity = cash + worth;
        AccountState {
            net_liquidation: complete.then_some(equity),
            total_cash: Some(cash),
            available_funds: Some(equity),
            ..AccountState::default()
        }
    }
}
