//! Clients' messages, looked at before they are served: what becomes of each.

use prost::Message;
use tokio::time::Instant;
use tracing::{info, warn};

use super::book::{Fired, LaterIn, Muted, Passing};
use super::canned;
use super::fault::{FarmKind, Fault, RejectOrder};
use super::names::Direction;
use super::reading::{About, contract_symbol, log, number_of};
use crate::domain::{ContractId, Symbol};
use crate::exchange::OrderKey;
use crate::simulator::engine::Engine;
use crate::simulator::engine::clients::Cause;
use crate::simulator::requests;
use crate::simulator::sessions::ConnectionId;
use crate::simulator::wire::frame::Frame;
use crate::simulator::wire::ids::{answer, request};
use crate::simulator::wire::orders::{Order, OrderStatus, PlaceOrderRequest};

/// What becomes of a client's message.
struct Verdict {
    /// The message to serve, perhaps changed; nothing where it is lost or answered.
    serve: Option<Frame>,
    /// Errors sent after it was served: id, code, words.
    after: Vec<(i32, i32, String)>,
    /// Its direct answers are lost.
    unanswered: bool,
    /// All news of its order is lost.
    silent: bool,
    /// Actions that come before it is served.
    actions: Vec<Fired>,
}

impl Engine {
    /// A client's message: serves it, unless a fault wants otherwise.
    pub(in crate::simulator) fn receive(&mut self, from: ConnectionId, frame: Frame) {
        if self.faults.is_idle() {
            return self.serve(from, &frame);
        }
        let client = self.clients.get(from).and_then(|client| client.id);
        if self
            .faults
            .muted
            .get(&from)
            .is_some_and(|muted| !(muted.serves || muted.greets && frame.id == request::START_API))
        {
            return;
        }
        if frame.id == request::START_API {
            self.mute_by_id(from, &frame);
        }
        if let Some((code, text, id)) = self.standing_refusal(client, &frame) {
            info!(client, message = frame.id, code, "fault: refused");
            self.clients.by_fault = true;
            self.error(from, id, code, text);
            if code == requests::code::CLIENT_ID_IN_USE {
                self.clients.close(from);
            }
            self.clients.by_fault = false;
            return;
        }
        if self.is_lost_in_restart(&frame) {
            info!(client, "fault: an order arrives too late, and is lost");
            return;
        }
        let verdict = self.judge(from, client, frame);
        for fired in &verdict.actions {
            self.fire(fired);
        }
        let Some(frame) = verdict.serve else { return };
        let order = number_of(&frame.payload);
        if verdict.unanswered {
            self.faults.unanswered.insert(self.served + 1);
        }
        if let Some(order) = order.filter(|_| verdict.silent) {
            self.faults.silenced.insert((from, order));
        }
        self.serve(from, &frame);
        self.clients.by_fault = true;
        for (id, code, text) in verdict.after {
            self.error(from, id, code, text);
        }
        self.clients.by_fault = false;
    }

    /// A client that is to be mute is known by its id only now.
    fn mute_by_id(&mut self, from: ConnectionId, frame: &Frame) {
        let id = number_of(&frame.payload).unwrap_or(0);
        let mute = self.faults.active.iter().find_map(|active| match active.fault {
            Fault::Mute { after_handshake, serves } if active.client == Some(id) => {
                Some(Muted { greets: after_handshake, serves })
            }
            _ => None,
        });
        if let Some(muted) = mute {
            self.faults.muted.insert(from, muted);
        }
    }

    /// Serves a message.
    pub(in crate::simulator) fn serve(&mut self, from: ConnectionId, frame: &Frame) {
        self.served += 1;
        self.clients.cause = Some(Cause { id: frame.id, number: self.served });
        if let Err(error) = requests::handle(self, from, frame) {
            let peer = self.clients.get(from).map(|client| client.peer);
            warn!(?peer, message = frame.id, %error, "undecodable message: connection closed");
            self.clients.close(from);
        }
        self.clients.cause = None;
        if frame.id == request::START_API
            && let Some(id) = self.clients.get(from).and_then(|client| client.id)
        {
            self.faults.known.insert(from, id);
            if !self.faults.is_idle() {
                self.shape(from);
            }
        }
    }

    /// What faults that hold refuse: code, words and number.
    fn standing_refusal(&mut self, client: Option<i32>, frame: &Frame) -> Option<(i32, String, i32)> {
        let id = number_of(&frame.payload);
        let number = id.unwrap_or(-1);
        let say = |code, meaning: Option<&str>, number| Some((code, canned::text(code, meaning, number)?, number));
        match frame.id {
            request::START_API => {
                let wanted = id.unwrap_or(0);
                let held =
                    self.faults.active.iter().any(|active| {
                        matches!(active.fault, Fault::HoldClientId {}) && active.held_ids.contains(&wanted)
                    });
                if held { say(requests::code::CLIENT_ID_IN_USE, None, -1) } else { None }
            }
            request::PLACE_ORDER | request::CANCEL_ORDER => {
                let read_only = self.faults.active.iter().find_map(|active| match active.fault {
                    Fault::ReadOnly { anonymous } if active.client.is_none_or(|id| Some(id) == client) => {
                        Some(anonymous)
                    }
                    _ => None,
                });
                if let Some(anonymous) = read_only {
                    return say(321, Some("read-only"), if anonymous { -1 } else { number });
                }
                let halted = frame.id == request::PLACE_ORDER
                    && self.request_contract(&frame.payload).is_some_and(|contract| self.is_halted(contract));
                if halted { say(154, None, number) } else { None }
            }
            request::HISTORICAL_DATA => {
                if self.faults.holds(client, None, |fault| matches!(fault, Fault::CompetingSession {})) {
                    return say(162, Some("other-address"), number);
                }
                if self.is_away(client, FarmKind::Historical) { say(162, Some("farm"), number) } else { None }
            }
            request::CONTRACT_DATA if self.is_away(client, FarmKind::Definitions) => say(200, None, number),
            _ => None,
        }
    }

    fn is_lost_in_restart(&self, frame: &Frame) -> bool {
        let going = |active: &super::book::Active| matches!(active.fault, Fault::Restart { .. }) && active.stage == 0;
        frame.id == request::PLACE_ORDER && self.faults.active.iter().any(going)
    }

    /// The contract that a request names.
    fn request_contract(&mut self, payload: &[u8]) -> Option<ContractId> {
        let symbol = contract_symbol(&About::decode(payload).ok()?.contract?)?;
        self.find(&symbol).map(|listing| listing.contract.id)
    }

    /// What the rules make of a client's message.
    fn judge(&mut self, from: ConnectionId, client: Option<i32>, frame: Frame) -> Verdict {
        let id = number_of(&frame.payload);
        let symbol = if self.faults.asks_symbols() { self.symbol_in(client, &frame) } else { None };
        let passing = Passing {
            direction: Direction::In,
            message: frame.id,
            connection: from,
            client,
            symbol: symbol.as_ref(),
            id,
        };
        let fired = self.faults.matching(&passing);
        let mut verdict =
            Verdict { serve: Some(frame), after: Vec::new(), unanswered: false, silent: false, actions: Vec::new() };
        for fired in fired {
            if !fired.rule.fault.is_of_messages() {
                verdict.actions.push(fired);
                continue;
            }
            log(&fired, client);
            let number = id.unwrap_or(-1);
            match &fired.rule.fault {
                Fault::Drop {} => verdict.serve = None,
                Fault::Delay { by } => {
                    if let Some(frame) = verdict.serve.take() {
                        self.faults.later_in.push(LaterIn { at: Instant::now() + by.0, from, frame });
                    }
                }
                Fault::LoseAnswers { all } => {
                    verdict.unanswered = true;
                    verdict.silent |= all;
                }
                Fault::Answer { code, meaning, text } if verdict.serve.take().is_some() => {
                    let words = text.clone().or_else(|| canned::text(*code, meaning.as_deref(), number));
                    self.say(from, number, *code, words.unwrap_or_default());
                }
                Fault::Reject { code, meaning, text, first } => {
                    if let Some(frame) = verdict.serve.take() {
                        let words = text.clone().or_else(|| canned::text(*code, meaning.as_deref(), number));
                        self.reject(from, &frame, (*code, words.unwrap_or_default()), *first);
                    }
                }
                Fault::ChangeTif { tif } => {
                    if let Some(frame) = &mut verdict.serve
                        && let Some(payload) = with_tif(&frame.payload, *tif)
                    {
                        frame.payload = payload;
                        let words = format!("Order TIF was set to {} based on order preset.", tif.as_str());
                        verdict.after.push((number, 10_349, words));
                    }
                }
                _ => {}
            }
        }
        verdict
    }

    fn say(&mut self, to: ConnectionId, id: i32, code: i32, text: String) {
        self.clients.by_fault = true;
        self.error(to, id, code, text);
        self.clients.by_fault = false;
    }

    /// A rejection of an order that the exchange never sees.
    fn reject(&mut self, to: ConnectionId, frame: &Frame, (code, text): (i32, String), first: RejectOrder) {
        let Ok(placed) = PlaceOrderRequest::decode(&frame.payload[..]) else { return };
        let id = placed.order_id.unwrap_or(-1);
        let client_id = self.clients.get(to).and_then(|client| client.id);
        let order = placed.order.unwrap_or_default();
        let status = OrderStatus {
            order_id: placed.order_id,
            status: Some("Inactive".to_owned()),
            filled: Some("0".to_owned()),
            remaining: order.total_quantity,
            avg_fill_price: Some(0.0),
            perm_id: Some(0),
            parent_id: order.parent_id.or(Some(0)),
            last_fill_price: Some(0.0),
            client_id,
            why_held: None,
            mkt_cap_price: Some(0.0),
        };
        self.clients.by_fault = true;
        if first == RejectOrder::Status {
            self.send(to, answer::ORDER_STATUS, &status);
        }
        self.error(to, id, code, text);
        if first == RejectOrder::Error {
            self.send(to, answer::ORDER_STATUS, &status);
        }
        self.clients.by_fault = false;
    }

    /// The symbol that a client's message is about.
    fn symbol_in(&self, client: Option<i32>, frame: &Frame) -> Option<Symbol> {
        if frame.id == request::CANCEL_ORDER {
            let (client_id, order_id) = (client?, number_of(&frame.payload)?);
            let order = self.exchange.order(OrderKey { client_id, order_id })?;
            return self.listed.get(&order.order.contract).cloned();
        }
        // Questions without a contract have something else there, which names no symbol that is.
        contract_symbol(&About::decode(&frame.payload[..]).ok()?.contract?)
    }
}

/// An order with another time in force.
fn with_tif(payload: &[u8], tif: crate::domain::TimeInForce) -> Option<Vec<u8>> {
    let mut placed = PlaceOrderRequest::decode(payload).ok()?;
    let order: &mut Order = placed.order.as_mut()?;
    order.tif = Some(tif.as_str().to_owned());
    Some(placed.encode_to_vec())
}
