//! Messages to clients, looked at as they leave: what becomes of each.

use prost::Message;
use tokio::time::Instant;

use super::book::{Fired, Later, Passing};
use super::canned;
use super::fault::Fault;
use super::names::{Direction, is_live_data};
use super::reading::{About, OfContract, contract_symbol, is_question, log, number_of};
use super::rewrite;
use crate::domain::Symbol;
use crate::exchange::OrderKey;
use crate::simulator::engine::Engine;
use crate::simulator::engine::clients::Out;
use crate::simulator::sessions::ConnectionId;
use crate::simulator::wire::frame;
use crate::simulator::wire::ids::{answer, request};

impl Engine {
    /// Looks through everything that goes out at the end of this turn.
    pub(in crate::simulator) fn send_through_faults(&mut self) {
        if self.faults.is_idle() {
            return;
        }
        for _ in 0..100 {
            let waiting = self.clients.take_waiting();
            let mut passed = Vec::with_capacity(waiting.len());
            for out in waiting {
                self.pass(out, &mut passed);
            }
            self.clients.put_waiting(passed);
            // What outgoing messages set off comes after them.
            let queued = std::mem::take(&mut self.faults.queued);
            if queued.is_empty() {
                break;
            }
            let sent = self.clients.take_waiting();
            for fired in &queued {
                self.fire(fired);
            }
            let mut caused = Vec::new();
            for out in self.clients.take_waiting() {
                self.pass(out, &mut caused);
            }
            self.clients.put_waiting(sent);
            self.clients.put_waiting(caused);
            if self.faults.queued.is_empty() {
                break;
            }
        }
        self.faults.unanswered.clear();
        let real = Instant::now();
        let due = self.faults.later.extract_if(.., |later| later.at.is_some_and(|at| at <= real));
        let due: Vec<Out> = due.map(|later| later.out).collect();
        // What was held back is older than what comes now.
        let newer = self.clients.take_waiting();
        self.clients.put_waiting(due);
        self.clients.put_waiting(newer);
    }

    /// One message on its way out.
    fn pass(&mut self, mut out: Out, passed: &mut Vec<Out>) {
        let to = out.to;
        let client = self.faults.known.get(&to).copied();
        let greeting = out.cause.is_some_and(|cause| cause.id == request::START_API);
        if self.faults.muted.get(&to).is_some_and(|muted| !(muted.greets && (greeting || out.id.is_none()))) {
            return;
        }
        let Some(message) = out.id else { return self.pass_on(out, client, passed) };
        if self.is_omitted(client, message) {
            // Clients give up waiting for them after a hundred other messages.
            let text = canned::text(2_104, None, -1).unwrap_or_default();
            let error = crate::simulator::wire::session::ErrorMessage {
                id: Some(-1),
                error_time: Some(self.now.millis()),
                error_code: Some(2_104),
                error_msg: Some(text),
                advanced_order_reject_json: None,
            };
            let bytes = frame::encode(answer::ERROR, &error);
            passed.extend((0..101).map(|_| Out { id: Some(answer::ERROR), bytes: bytes.clone(), ..out.clone() }));
            return;
        }
        let payload = out.bytes.get(8..).unwrap_or_default();
        let id = number_of(payload);
        if is_live_data(message) {
            let contract = id.and_then(|id| self.stream_contract(to, id));
            if self.is_silent(client, contract) {
                return;
            }
        }
        if self.is_unheard(&out, message, id) {
            return;
        }
        match rewrite::rewrite(&self.faults, message, payload, client, self.listed_symbol(message, payload).as_ref()) {
            rewrite::Written::Same => {}
            rewrite::Written::Gone => return,
            rewrite::Written::Other(payload) => {
                let length = u32::try_from(payload.len() + 4).unwrap_or(u32::MAX);
                out.bytes.truncate(8);
                out.bytes[..4].copy_from_slice(&length.to_be_bytes());
                out.bytes.extend(payload);
            }
        }
        if out.by_fault {
            return self.pass_on(out, client, passed);
        }
        let symbol = if self.faults.asks_symbols() { self.symbol_out(to, client, message, &out.bytes) } else { None };
        let passing =
            Passing { direction: Direction::Out, message, connection: to, client, symbol: symbol.as_ref(), id };
        let fired = self.faults.matching(&passing);
        self.apply(fired, out, client, passed);
    }

    /// What the rules do to one message on its way out.
    fn apply(&mut self, fired: Vec<Fired>, mut out: Out, client: Option<i32>, passed: &mut Vec<Out>) {
        let (mut lost, mut delay, mut copies, mut swaps) = (false, None, 0, false);
        for fired in fired {
            if !fired.rule.fault.is_of_messages() {
                self.faults.queued.push(fired);
                continue;
            }
            log(&fired, client);
            match &fired.rule.fault {
                Fault::Drop {} => lost = true,
                Fault::Delay { by } => delay = delay.max(Some(by.0)),
                Fault::Duplicate { copies: more } => copies += more,
                Fault::Reorder {} => swaps = true,
                Fault::Corrupt { how } => {
                    let bits = out.bytes.len().saturating_sub(8) * 8;
                    let bit = self.faults.draw(fired.number, bits);
                    rewrite::corrupt(&mut out.bytes, *how, bit);
                }
                _ => {}
            }
        }
        if lost {
            return;
        }
        for _ in 0..copies {
            self.pass_on(out.clone(), client, passed);
        }
        if let Some(delay) = delay {
            return self.faults.later.push(Later { at: Some(Instant::now() + delay), out });
        }
        if swaps && !self.faults.swapping.contains_key(&out.to) {
            self.faults.swapping.insert(out.to, out);
            return;
        }
        self.pass_on(out, client, passed);
    }

    /// Lets a message go, or holds it where everything is held; one that waited to change places
    /// follows it.
    fn pass_on(&mut self, out: Out, client: Option<i32>, passed: &mut Vec<Out>) {
        let swapped = self.faults.swapping.remove(&out.to);
        let frozen = self.faults.holds(client, None, |fault| matches!(fault, Fault::Freeze {}));
        for out in std::iter::once(out).chain(swapped) {
            if frozen {
                self.faults.later.push(Later { at: None, out });
            } else {
                passed.push(out);
            }
        }
    }

    fn is_omitted(&self, client: Option<i32>, message: i32) -> bool {
        self.faults.holds(client, None, |fault| match fault {
            Fault::Omit { next_id, accounts } => {
                (*next_id && message == answer::NEXT_VALID_ID) || (*accounts && message == answer::MANAGED_ACCOUNTS)
            }
            _ => false,
        })
    }

    /// Whether a message is one of those that an order's client does not get to hear.
    fn is_unheard(&mut self, out: &Out, message: i32, id: Option<i32>) -> bool {
        if out.cause.is_some_and(|cause| self.faults.unanswered.contains(&cause.number)) {
            return true;
        }
        if self.faults.silenced.is_empty() || out.cause.is_some_and(|cause| is_question(cause.id)) {
            return false;
        }
        let payload = out.bytes.get(8..).unwrap_or_default();
        match message {
            answer::ORDER_STATUS | answer::OPEN_ORDER | answer::ERROR => {
                id.is_some_and(|id| self.faults.silenced.contains(&(out.to, id)))
            }
            answer::EXECUTION_DETAILS => {
                let Some((order, execution)) = rewrite::execution_of(payload) else { return false };
                let unheard = self.faults.silenced.contains(&(out.to, order));
                if unheard {
                    self.faults.untold.insert(execution);
                }
                unheard
            }
            answer::COMMISSION_AND_FEES => {
                rewrite::commission_of(payload).is_some_and(|execution| self.faults.untold.remove(&execution))
            }
            _ => false,
        }
    }

    /// The symbol of a position, where positions are stated wrongly.
    fn listed_symbol(&self, message: i32, payload: &[u8]) -> Option<Symbol> {
        match message {
            answer::POSITION => contract_symbol(&About::decode(payload).ok()?.contract?),
            answer::PORTFOLIO_VALUE => contract_symbol(&OfContract::decode(payload).ok()?.contract?),
            _ => None,
        }
    }

    /// The symbol that a message to a client is about.
    fn symbol_out(&self, to: ConnectionId, client: Option<i32>, message: i32, bytes: &[u8]) -> Option<Symbol> {
        let payload = bytes.get(8..).unwrap_or_default();
        if matches!(message, answer::PORTFOLIO_VALUE | answer::COMPLETED_ORDER) {
            return contract_symbol(&OfContract::decode(payload).ok()?.contract?);
        }
        let carries = matches!(message, answer::OPEN_ORDER | answer::EXECUTION_DETAILS | answer::CONTRACT_DATA);
        if carries || message == answer::POSITION {
            return contract_symbol(&About::decode(payload).ok()?.contract?);
        }
        let id = number_of(payload)?;
        if matches!(message, answer::ORDER_STATUS | answer::ERROR) {
            let order = self.exchange.order(OrderKey { client_id: client?, order_id: id })?;
            return self.listed.get(&order.order.contract).cloned();
        }
        let contract = self.stream_contract(to, id)?;
        self.listed.get(&contract).cloned()
    }
}
