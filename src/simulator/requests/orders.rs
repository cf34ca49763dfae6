//! Placing, changing and cancelling orders.

use prost::Message;
use tracing::{debug, info};

use super::contracts::{resolve, wire_contract};
use super::order_reading::{Context, Notice, Reading, read};
use super::order_words::{order_status, shown_id, terms, what_if_state};
use super::{Handled, code, invalid};
use crate::calendar::Calendar;
use crate::domain::broker::AccountId;
use crate::exchange::{CancelRefusal, Held, NewOrder, Order, OrderKey, Refusal, Status};
use crate::simulator::engine::Engine;
use crate::simulator::market::Listing;
use crate::simulator::sessions::ConnectionId;
use crate::simulator::wire::contracts::Contract;
use crate::simulator::wire::ids::answer;
use crate::simulator::wire::orders::{
    CancelOrderRequest, GlobalCancelRequest, OpenOrder, OrderState, OrderStatus, PlaceOrderRequest,
};

/// TWS's codes about orders.
mod order_code {
    pub const REJECTED: i32 = 201;
    pub const BAD_ID: i32 = 10_149;
    pub const HELD: i32 = 404;
}

/// Error 202, which confirms every cancel.
pub const CANCELLED: i32 = 202;
/// Error 201, which explains every `Inactive`.
pub const REJECTED: i32 = order_code::REJECTED;

/// Places a new order, changes a working one, or says what one would do.
pub fn place(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let request = PlaceOrderRequest::decode(payload)?;
    let order_id = request.order_id.unwrap_or(0);
    let Some(client_id) = engine.clients.get(from).and_then(|client| client.id) else { return Ok(()) };
    let key = OrderKey { client_id, order_id };
    // Below zero are orders placed by hand, once they are bound.
    let by_hand = order_id < 0 && engine.exchange.order(key).is_some_and(|order| order.bound);
    if order_id <= 0 && !by_hand {
        engine.error(from, order_id, order_code::BAD_ID, format!("Invalid order id: {order_id}"));
        return Ok(());
    }
    match understand(engine, key, &request) {
        Ok((listing, reading)) if reading.what_if => what_if(engine, from, &listing, &reading.order, &request),
        Ok((listing, reading)) => submit(engine, from, &listing, reading),
        Err((code, text)) => engine.error(from, order_id, code, text),
    }
    Ok(())
}

fn understand(engine: &mut Engine, key: OrderKey, request: &PlaceOrderRequest) -> Result<(Listing, Reading), Notice> {
    let listing = resolve(engine, request.contract.as_ref()).map_err(|error| error.message())?;
    if request.attached_orders.as_ref().is_some_and(|attached| !attached.is_empty()) {
        return Err((code::INVALID, invalid("The simulator does not serve attached orders")));
    }
    let context = Context {
        key,
        contract: listing.contract.id,
        own: &engine.config.account,
        now: engine.now,
        has_hours: engine.calendar != Calendar::Always,
    };
    let reading = read(context, request.order.as_ref().unwrap_or(&Default::default()))?;
    Ok((listing, reading))
}

fn submit(engine: &mut Engine, from: ConnectionId, listing: &Listing, reading: Reading) {
    let Reading { order: placed, warnings, .. } = reading;
    let OrderKey { client_id, order_id } = placed.key;
    // The order brings its contract onto the tape: without prices it could never fill.
    engine.activate(listing.contract.id);
    let next = engine.next_ids.entry(client_id).or_insert(1);
    *next = (*next).max(order_id.saturating_add(1));
    engine.dirty = true;
    let (key, side, quantity, kind) = (placed.key, placed.side, placed.quantity, placed.kind);
    let symbol = &listing.contract.symbol;
    let is_new = engine.exchange.order(key).is_none();
    match engine.exchange.place(engine.now, placed) {
        Ok(events) => {
            info!(client_id, order_id, %side, %quantity, %symbol, kind = kind.as_str(), "order");
            engine.deliver(events);
            for (code, text) in warnings {
                engine.error(from, order_id, code, text);
            }
            let held = engine.exchange.order(key).and_then(|order| order.held);
            if is_new && held == Some(Held::Locate) {
                engine.error(from, order_id, order_code::HELD, "Order held while securities are located.");
            }
        }
        Err(refusal) => {
            info!(client_id, order_id, %side, %quantity, %symbol, %refusal, "order refused");
            refuse(engine, from, key, &refusal);
        }
    }
}

/// Answers with the order and its effect on the account; nothing is placed.
fn what_if(engine: &mut Engine, from: ConnectionId, listing: &Listing, placed: &NewOrder, request: &PlaceOrderRequest) {
    let order_id = placed.key.order_id;
    match engine.exchange.what_if(placed) {
        Ok(effect) => {
            let mut order = request.order.clone().unwrap_or_default();
            order.order_id = Some(order_id);
            order.client_id = Some(placed.key.client_id);
            order.account = Some(placed.account.to_string());
            let message = OpenOrder {
                order_id: Some(order_id),
                contract: Some(wire_contract(listing, None)),
                order: Some(order),
                order_state: Some(what_if_state(&effect)),
            };
            engine.send(from, answer::OPEN_ORDER, &message);
        }
        Err(refusal) => {
            let (code, text) = refusal_words(&refusal);
            engine.error(from, order_id, code, text);
        }
    }
}

fn refusal_words(refusal: &Refusal) -> Notice {
    let text = match refusal.code() {
        order_code::REJECTED => format!("Order rejected - reason:{refusal}"),
        code::INVALID => invalid(&refusal.to_string()),
        _ => refusal.to_string(),
    };
    (refusal.code(), text)
}

fn refuse(engine: &mut Engine, from: ConnectionId, key: OrderKey, refusal: &Refusal) {
    let (code, text) = refusal_words(refusal);
    // A live order whose change is refused lives on as it was.
    let dead = engine.exchange.order(key).filter(|order| order.status == Status::Rejected);
    if let Some(order) = dead.filter(|_| code == order_code::REJECTED) {
        let status = order_status(order, order.status);
        engine.send(from, answer::ORDER_STATUS, &status);
    }
    engine.error(from, key.order_id, code, text);
}

/// Cancels an order of the asking client.
pub fn cancel(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let order_id = CancelOrderRequest::decode(payload)?.order_id.unwrap_or(0);
    let Some(client_id) = engine.clients.get(from).and_then(|client| client.id) else { return Ok(()) };
    let key = OrderKey { client_id, order_id };
    if order_id == 0 {
        engine.error(from, order_id, order_code::BAD_ID, format!("Invalid order id: {order_id}"));
        return Ok(());
    }
    let refusal = match engine.exchange.cancel(engine.now, key) {
        Ok(events) => {
            engine.dirty = true;
            pending_cancel(engine, key);
            engine.deliver(events);
            return Ok(());
        }
        Err(refusal) => refusal,
    };
    let text = match refusal {
        CancelRefusal::NotFound => format!("OrderId {order_id} that needs to be cancelled is not found."),
        CancelRefusal::Forgotten => format!("Can't find order with id ={order_id}"),
        CancelRefusal::Inactive { perm_id } => {
            format!("Cancel attempted when order is not in a cancellable state. Order permId ={perm_id}")
        }
        CancelRefusal::Ended(status) => {
            let state = super::order_words::status(status);
            format!("OrderId {order_id} that needs to be cancelled cannot be cancelled, state: {state}.")
        }
    };
    engine.error(from, order_id, refusal.code(), text);
    Ok(())
}

/// TWS says first that it is about to.
fn pending_cancel(engine: &mut Engine, key: OrderKey) {
    let Some(order) = engine.exchange.order(key) else { return };
    let status = OrderStatus { status: Some("PendingCancel".to_owned()), ..order_status(order, order.status) };
    for to in engine.followers(key) {
        engine.send(to, answer::ORDER_STATUS, &status);
    }
}

/// Cancels every working order of every client.
pub fn cancel_all(engine: &mut Engine, payload: &[u8]) -> Handled {
    GlobalCancelRequest::decode(payload)?;
    let events = engine.exchange.cancel_all(engine.now);
    engine.dirty = true;
    engine.deliver(events);
    Ok(())
}

pub(super) fn order_state(order: &Order, stands: Status) -> OrderState {
    OrderState {
        status: Some(super::order_words::status(stands).to_owned()),
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
            order_id: Some(shown_id(order)),
            contract: Some(contract),
            order: Some(terms(order)),
            order_state: Some(order_state(order, self.stands(order))),
        };
        self.send(to, answer::OPEN_ORDER, &message);
        self.send(to, answer::ORDER_STATUS, &order_status(order, self.stands(order)));
    }

    /// The one account, as a name that outlives a borrow.
    pub fn own_account(&self) -> AccountId {
        self.config.account.clone()
    }
}
