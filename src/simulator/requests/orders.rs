//! Placing, changing and cancelling orders, and lists of them.

use prost::Message;
use tracing::{debug, info};

use super::contracts::{resolve, wire_contract};
use super::order_words::{order_status, read, terms};
use super::{Handled, code, invalid};
use crate::domain::broker::AccountId;
use crate::exchange::{CancelRefusal, Order, OrderKey, Refusal, Status};
use crate::simulator::engine::Engine;
use crate::simulator::market::Listing;
use crate::simulator::sessions::ConnectionId;
use crate::simulator::wire::Empty;
use crate::simulator::wire::contracts::Contract;
use crate::simulator::wire::ids::answer;
use crate::simulator::wire::orders::{
    CancelOrderRequest, CompletedOrder, GlobalCancelRequest, OpenOrder, OrderState, OrderStatus, PlaceOrderRequest,
};
use crate::simulator::words;

/// TWS's codes about orders.
mod order_code {
    pub const REJECTED: i32 = 201;
    pub const NOT_FOUND: i32 = 10_147;
    pub const NOT_CANCELLABLE: i32 = 10_148;
    pub const BAD_ID: i32 = 10_149;
}

/// Error 202, which confirms every cancel.
pub const CANCELLED: i32 = 202;
/// Error 201, which explains every `Inactive`.
pub const REJECTED: i32 = order_code::REJECTED;

/// Places a new order, or changes a working one.
pub fn place(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let request = PlaceOrderRequest::decode(payload)?;
    let order_id = request.order_id.unwrap_or(0);
    if order_id <= 0 {
        engine.error(from, order_id, order_code::BAD_ID, format!("Invalid order id: {order_id}"));
        return Ok(());
    }
    let Some(client_id) = engine.clients.get(from).and_then(|client| client.id) else { return Ok(()) };
    let key = OrderKey { client_id, order_id };
    let listing = match resolve(engine, request.contract.as_ref()) {
        Ok(listing) => listing,
        Err(error) => {
            let (code, text) = error.message();
            engine.error(from, order_id, code, text);
            return Ok(());
        }
    };
    let order = request.order.unwrap_or_default();
    let placed = match read(key, listing.contract.id, &engine.config.account, &order) {
        Ok(placed) => placed,
        Err((code, text)) => {
            engine.error(from, order_id, code, text);
            return Ok(());
        }
    };
    // The order brings its contract onto the tape: without prices it could never fill.
    engine.activate(listing.contract.id);
    let next = engine.next_ids.entry(client_id).or_insert(1);
    *next = (*next).max(order_id.saturating_add(1));
    engine.dirty = true;
    let (side, quantity, kind) = (placed.side, placed.quantity, placed.kind);
    match engine.exchange.place(engine.now, placed) {
        Ok(events) => {
            info!(client_id, order_id, %side, %quantity, symbol = %listing.contract.symbol, kind = kind.as_str(), "order");
            engine.deliver(events);
        }
        Err(refusal) => {
            info!(client_id, order_id, %side, %quantity, symbol = %listing.contract.symbol, %refusal, "order refused");
            refuse(engine, from, key, &refusal);
        }
    }
    Ok(())
}

fn refuse(engine: &mut Engine, from: ConnectionId, key: OrderKey, refusal: &Refusal) {
    let id = key.order_id;
    let text = match refusal.code() {
        order_code::REJECTED => {
            // A live order whose change is refused lives on as it was.
            if let Some(order) = engine.exchange.order(key).filter(|order| order.status == Status::Rejected) {
                let status = order_status(order);
                engine.send(from, answer::ORDER_STATUS, &status);
            }
            format!("Order rejected - reason:{refusal}")
        }
        code::INVALID => invalid(&refusal.to_string()),
        _ => refusal.to_string(),
    };
    engine.error(from, id, refusal.code(), text);
}

/// Cancels an order of the asking client.
pub fn cancel(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let order_id = CancelOrderRequest::decode(payload)?.order_id.unwrap_or(0);
    let Some(client_id) = engine.clients.get(from).and_then(|client| client.id) else { return Ok(()) };
    let key = OrderKey { client_id, order_id };
    match engine.exchange.cancel(engine.now, key) {
        Ok(events) => {
            engine.dirty = true;
            pending_cancel(engine, key);
            engine.deliver(events);
        }
        Err(CancelRefusal::NotFound) => {
            let text = format!("OrderId {order_id} that needs to be cancelled is not found.");
            engine.error(from, order_id, order_code::NOT_FOUND, text);
        }
        Err(CancelRefusal::Ended(status)) => {
            let state = super::order_words::status(status);
            let text = format!("OrderId {order_id} that needs to be cancelled cannot be cancelled, state: {state}.");
            engine.error(from, order_id, order_code::NOT_CANCELLABLE, text);
        }
    }
    Ok(())
}

/// TWS says first that it is about to.
fn pending_cancel(engine: &mut Engine, key: OrderKey) {
    let (Some(order), Some(owner)) = (engine.exchange.order(key), engine.clients.started(key.client_id)) else {
        return;
    };
    let status = OrderStatus { status: Some("PendingCancel".to_owned()), ..order_status(order) };
    engine.send(owner, answer::ORDER_STATUS, &status);
}

/// Cancels every working order of every client.
pub fn cancel_all(engine: &mut Engine, payload: &[u8]) -> Handled {
    GlobalCancelRequest::decode(payload)?;
    let events = engine.exchange.cancel_all(engine.now);
    engine.dirty = true;
    engine.deliver(events);
    Ok(())
}

/// Working orders: the client's own, or all.
pub fn open(engine: &mut Engine, from: ConnectionId, all: bool) -> Handled {
    let client_id = engine.clients.get(from).and_then(|client| client.id);
    let wanted = |order: &&Order| order.status.is_live() && (all || Some(order.order.key.client_id) == client_id);
    let orders: Vec<Order> = engine.exchange.orders().filter(wanted).cloned().collect();
    for order in &orders {
        engine.send_order(from, order);
    }
    engine.send(from, answer::OPEN_ORDERS_END, &Empty {});
    Ok(())
}

/// Orders that ended today.
pub fn completed(engine: &mut Engine, from: ConnectionId) -> Handled {
    let today = engine.calendar.date_of(engine.now);
    let ended_today = |order: &&Order| order.ended_at.is_some_and(|at| engine.calendar.date_of(at) == today);
    let orders: Vec<Order> = engine.exchange.orders().filter(ended_today).cloned().collect();
    for order in &orders {
        let Some(contract) = engine.wire_contract(order.order.contract) else { continue };
        let ended = order.ended_at.map(words::date_time_zone);
        let reason = if order.reason.is_empty() { super::order_words::status(order.status) } else { &order.reason };
        let state =
            OrderState { completed_time: ended, completed_status: Some(reason.to_owned()), ..order_state(order) };
        let left = order.order.quantity - order.filled;
        let mut order = terms(order);
        order.total_quantity = Some(left.to_string());
        let message = CompletedOrder { contract: Some(contract), order: Some(order), order_state: Some(state) };
        engine.send(from, answer::COMPLETED_ORDER, &message);
    }
    engine.send(from, answer::COMPLETED_ORDERS_END, &Empty {});
    Ok(())
}

fn order_state(order: &Order) -> OrderState {
    OrderState {
        status: Some(super::order_words::status(order.status).to_owned()),
        reject_reason: (order.status == Status::Rejected).then(|| order.reason.clone()),
        ..OrderState::default()
    }
}

impl Engine {
    /// A contract as messages carry it.
    pub fn wire_contract(&self, contract: crate::domain::ContractId) -> Option<Contract> {
        let listing: Option<&Listing> = self.market.listing(contract);
        if listing.is_none() {
            // Only a state kept by another market could name one; `state.rs` refuses those.
            debug!(%contract, "a contract that this market does not list");
        }
        listing.map(|listing| wire_contract(listing, None))
    }

    /// Sends an order's terms and status.
    pub fn send_order(&mut self, to: ConnectionId, order: &Order) {
        let Some(contract) = self.wire_contract(order.order.contract) else { return };
        let message = OpenOrder {
            order_id: Some(order.order.key.order_id),
            contract: Some(contract),
            order: Some(terms(order)),
            order_state: Some(order_state(order)),
        };
        self.send(to, answer::OPEN_ORDER, &message);
        self.send(to, answer::ORDER_STATUS, &order_status(order));
    }

    /// The one account, as a name that outlives a borrow.
    pub fn own_account(&self) -> AccountId {
        self.config.account.clone()
    }
}
