//! Lists of orders, and orders placed by hand.

use prost::Message;

use super::order_words::{status, terms};
use super::orders::order_state;
use super::{Handled, code, invalid};
use crate::exchange::Order;
use crate::simulator::engine::Engine;
use crate::simulator::sessions::ConnectionId;
use crate::simulator::wire::Empty;
use crate::simulator::wire::ids::answer;
use crate::simulator::wire::orders::{
    AutoOpenOrdersRequest, CompletedOrder, CompletedOrdersRequest, OrderBound, OrderState,
};
use crate::simulator::words;

/// Working orders: the client's own, or all.
pub fn open(engine: &mut Engine, from: ConnectionId, all: bool) -> Handled {
    let client_id = engine.clients.get(from).and_then(|client| client.id);
    if client_id == Some(0) && !all {
        // Asking is how client 0 binds what was placed by hand so far.
        let bound = engine.exchange.bind_manual();
        engine.tell_bound(&bound);
    }
    let wanted = |order: &&Order| all || Some(order.order.key.client_id) == client_id;
    let mut orders: Vec<Order> = engine.exchange.live_orders().filter(wanted).cloned().collect();
    orders.sort_by_key(|order| order.perm_id);
    for order in &orders {
        engine.send_order(from, order);
    }
    engine.send(from, answer::OPEN_ORDERS_END, &Empty {});
    Ok(())
}

/// Orders that ended today; those of the API only, where asked for.
pub fn completed(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let api_only = CompletedOrdersRequest::decode(payload)?.api_only.unwrap_or(false);
    let today = engine.calendar.date_of(engine.now);
    let ended_today = |order: &&Order| order.ended_at.is_some_and(|at| engine.calendar.date_of(at) == today);
    let wanted = |order: &&Order| !(api_only && order.manual) && ended_today(order);
    let mut orders: Vec<Order> = engine.exchange.orders().filter(wanted).cloned().collect();
    orders.sort_by_key(|order| (order.ended_at, order.perm_id));
    for order in &orders {
        let Some(contract) = engine.wire_contract(order.order.contract) else { continue };
        let ended = order.ended_at.map(words::date_time_zone);
        let reason = if order.reason.is_empty() { status(order.status) } else { &order.reason };
        let state = OrderState {
            completed_time: ended,
            completed_status: Some(reason.to_owned()),
            ..order_state(order, order.status)
        };
        let left = order.order.quantity - order.filled;
        let mut order = terms(order);
        order.total_quantity = Some(left.to_string());
        let message = CompletedOrder { contract: Some(contract), order: Some(order), order_state: Some(state) };
        engine.send(from, answer::COMPLETED_ORDER, &message);
    }
    engine.send(from, answer::COMPLETED_ORDERS_END, &Empty {});
    Ok(())
}

/// From now on client 0 gets an id for every order that is placed by hand, and hears of it.
pub fn auto_open(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let bind = AutoOpenOrdersRequest::decode(payload)?.auto_bind.unwrap_or(false);
    let Some(client) = engine.clients.get(from) else { return Ok(()) };
    if client.id == Some(0) {
        client.wishes.auto_bind = bind;
    } else {
        let text = "Only the default client (i.e 0) can auto bind orders";
        engine.error(from, -1, code::INVALID, invalid(text));
    }
    Ok(())
}

impl Engine {
    /// Binds an order that was just placed by hand, where client 0 wishes that.
    pub fn bind_if_wished(&mut self, order: &Order) {
        if !order.manual || order.bound || !order.status.is_live() {
            return;
        }
        let Some(owner) = self.clients.started(0) else { return };
        if self.clients.get(owner).is_some_and(|client| client.wishes.auto_bind) {
            let bound = self.exchange.bind_manual();
            self.tell_bound(&bound);
        }
    }

    /// Tells client 0 which ids orders placed by hand have got.
    pub fn tell_bound(&mut self, orders: &[Order]) {
        let Some(owner) = self.clients.started(0) else { return };
        self.dirty |= !orders.is_empty();
        for order in orders {
            let message = OrderBound {
                perm_id: Some(order.perm_id),
                client_id: Some(0),
                order_id: Some(order.order.key.order_id),
            };
            self.send(owner, answer::ORDER_BOUND, &message);
        }
    }
}
