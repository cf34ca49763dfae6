//! What a rule does when it fires, and what ends with a fault that lasted.

use std::time::Duration;

use tokio::time::Instant;
use tracing::info;

use super::book::{Active, Fired, Muted, Now, When};
use super::canned;
use super::fault::{ErrorId, Fault, Malformed, Wall};
use super::names::On;
use super::rule::Rule;
use crate::domain::ContractId;
use crate::simulator::door::Gate;
use crate::simulator::engine::Engine;
use crate::simulator::outbox::Shape;
use crate::simulator::sessions::ConnectionId;
use crate::simulator::wire::frame;
use crate::simulator::wire::ids::answer;

/// A frame that ends too early: what it promises never comes.
fn half_frame() -> Vec<u8> {
    let mut bytes = 64_u32.to_be_bytes().to_vec();
    bytes.extend((answer::ORDER_STATUS + frame::PROTOBUF_OFFSET).to_be_bytes());
    bytes.extend([8, 1, 18]);
    bytes
}

fn raw(id: i32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len() + 4).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    bytes.extend(id.to_be_bytes());
    bytes.extend(payload);
    bytes
}

impl Engine {
    /// Both clocks now.
    pub(in crate::simulator) fn both_clocks(&self) -> Now {
        Now { real: Instant::now(), market: self.now, began: self.began }
    }

    /// Puts rules into force; returns the number of the last.
    pub(in crate::simulator) fn arm(&mut self, rules: Vec<Rule>) -> u64 {
        let now = self.both_clocks();
        let mut number = 0;
        for rule in rules {
            number = self.faults.arm(rule, now);
        }
        // What is due at once happens before anything else.
        self.time_faults();
        number
    }

    /// Ends every fault and forgets every rule; what was held back comes.
    pub(in crate::simulator) fn clear_faults(&mut self) {
        self.faults.disarm();
        for active in std::mem::take(&mut self.faults.active) {
            self.end_fault(active);
        }
        self.faults.silenced.clear();
        for later in &mut self.faults.later {
            later.at = Some(Instant::now());
        }
        for later in &mut self.faults.later_in {
            later.at = Instant::now();
        }
        self.refit();
        info!("faults cleared");
    }

    /// Everything that time alone brings about.
    pub(in crate::simulator) fn time_faults(&mut self) {
        if self.faults.is_idle() {
            return;
        }
        let now = self.both_clocks();
        let ended = self.faults.ended(now);
        if !ended.is_empty() {
            for active in ended {
                self.end_fault(active);
            }
            self.refit();
        }
        for fired in self.faults.due(now) {
            self.fire(&fired);
        }
        self.step_faults(now.real);
        let due: Vec<_> = self.faults.later_in.extract_if(.., |later| later.at <= now.real).collect();
        for later in due {
            self.serve(later.from, &later.frame);
        }
    }

    /// When time brings about something next.
    pub(in crate::simulator) fn next_fault(&self) -> Option<Instant> {
        let instant = |when| match when {
            When::Real(at) => Some(at),
            When::Market(at) => self.real_instant(at),
        };
        // A market that is a little late is asked again soon, not at once.
        let soon = Instant::now() + Duration::from_millis(1);
        self.faults.moments().filter_map(instant).min().map(|at| at.max(soon))
    }

    /// Faults that have more than one part.
    fn step_faults(&mut self, real: Instant) {
        for index in 0..self.faults.active.len() {
            let Some(active) = self.faults.active.get_mut(index) else { return };
            if active.next.is_none_or(|next| next > real) {
                continue;
            }
            active.stage += 1;
            let (fault, client) = (active.fault.clone(), active.client);
            match fault {
                Fault::LinkLoss { code, every, .. } => {
                    active.next = Some(real + every.0.max(Duration::from_millis(10)));
                    self.tell_all(client, code, None);
                }
                Fault::Restart { lower_ids, .. } => {
                    active.next = None;
                    self.go_down(lower_ids);
                }
                _ => active.next = None,
            }
        }
    }

    /// The gateway is gone: every connection with it.
    pub(super) fn go_down(&mut self, lower_ids: bool) {
        for connection in self.targets(None, None) {
            self.clients.reset(connection);
        }
        if lower_ids {
            self.next_ids.clear();
        }
        self.refit();
    }

    /// Whom a fault concerns: the connection it came from, or all of the client it names.
    pub(super) fn targets(&self, client: Option<i32>, from: Option<ConnectionId>) -> Vec<ConnectionId> {
        if let Some(from) = from {
            return vec![from];
        }
        let meant = self.clients.iter().filter(|(_, known)| client.is_none_or(|id| known.id == Some(id)));
        meant.map(|(connection, _)| connection).collect()
    }

    /// Does what a fired rule says.
    pub(in crate::simulator) fn fire(&mut self, fired: &Fired) {
        let Fired { number, rule, client, id, .. } = fired;
        info!(
            rule = number,
            what = %rule.fault.name(),
            client,
            symbol = rule.symbol.as_ref().map(ToString::to_string),
            id,
            "fault: {rule}"
        );
        let before = std::mem::replace(&mut self.clients.by_fault, true);
        if rule.fault.lasts() {
            self.begin_fault(fired);
        } else {
            self.do_once(fired);
        }
        self.clients.by_fault = before;
    }

    fn begin_fault(&mut self, fired: &Fired) {
        let Fired { number, rule, connection, .. } = fired;
        let now = self.both_clocks();
        // What a message sets off concerns the client that it came from or goes to.
        let client = rule.client.or(fired.client);
        let mut active = Active {
            rule: *number,
            fault: rule.fault.clone(),
            client,
            symbol: rule.symbol,
            until: When::Real(now.real).plus(rule.lasts, rule.lasts_market, now),
            next: None,
            stage: 0,
            held_ids: self.faults.known.values().copied().chain(fired.client).collect(),
        };
        match &rule.fault {
            Fault::Mute { after_handshake, serves } => {
                let muted = Muted { greets: *after_handshake, serves: *serves };
                for connection in self.targets(client, *connection) {
                    self.faults.muted.insert(connection, muted);
                }
            }
            Fault::Restart { lose_orders, lower_ids } => {
                if lose_orders.0.is_zero() {
                    active.stage = 1;
                    self.faults.active.push(active);
                    return self.go_down(*lower_ids);
                }
                active.next = Some(now.real + lose_orders.0);
            }
            Fault::LoginWall { .. } => {
                for connection in self.targets(None, None) {
                    self.clients.reset(connection);
                }
            }
            Fault::LinkLoss { every, .. } if !every.0.is_zero() => active.next = Some(now.real + every.0),
            _ => {}
        }
        self.begin_state(&active);
        self.faults.active.push(active);
        self.refit();
    }

    fn end_fault(&mut self, active: Active) {
        info!(rule = active.rule, what = %active.fault.name(), "fault over");
        let before = std::mem::replace(&mut self.clients.by_fault, true);
        if matches!(active.fault, Fault::Freeze {}) {
            let others = self.faults.active.iter().any(|other| matches!(other.fault, Fault::Freeze {}));
            if !others {
                for later in self.faults.later.iter_mut().filter(|later| later.at.is_none()) {
                    later.at = Some(Instant::now());
                }
            }
        }
        self.end_state(&active);
        self.clients.by_fault = before;
    }

    /// Makes what follows from the faults that hold now: the port, how bytes are written, the
    /// exchange's ways.
    pub(in crate::simulator) fn refit(&mut self) {
        let mut gate = Gate::default();
        for active in &self.faults.active {
            match &active.fault {
                Fault::Refuse {} | Fault::LoginWall { how: Wall::Refuse } => gate.refuse = true,
                Fault::Restart { .. } => gate.refuse |= active.stage > 0,
                Fault::AcceptClose {} => gate.accept_close = true,
                Fault::Blackhole {} | Fault::LoginWall { how: Wall::Mute } => gate.blackhole = true,
                Fault::Zombies {} => gate.zombies = true,
                _ => {}
            }
        }
        self.faults.gate.send_if_modified(|known| std::mem::replace(known, gate) != gate);
        for connection in self.targets(None, None) {
            self.shape(connection);
        }
        self.refit_exchange();
    }

    /// How bytes are written to a connection.
    pub(in crate::simulator) fn shape(&mut self, connection: ConnectionId) {
        let client = self.faults.known.get(&connection).copied();
        let (mut shape, mut limit) = (Shape::default(), None);
        let meant = |active: &&Active| active.client.is_none_or(|id| Some(id) == client);
        for active in self.faults.active.iter().filter(meant) {
            match active.fault {
                Fault::SplitWrites { bytes } => shape.split = Some(bytes),
                Fault::Coalesce { within } => shape.coalesce = Some(within.0),
                Fault::SlowReader { bytes_per_second, outbox, then } => {
                    shape.rate = Some(bytes_per_second);
                    limit = Some((outbox, then));
                }
                _ => {}
            }
        }
        self.clients.set_shape(connection, shape, limit);
    }

    /// Faults that are over as they happen.
    fn do_once(&mut self, fired: &Fired) {
        let Fired { rule, connection, id, .. } = fired;
        let targets = self.targets(rule.client, *connection);
        match &rule.fault {
            Fault::Close { mid_frame } | Fault::Reset { mid_frame } => {
                let reset = matches!(rule.fault, Fault::Reset { .. });
                for connection in targets {
                    match (mid_frame, reset) {
                        (true, _) => self.clients.cut(connection, half_frame(), reset),
                        (false, true) => self.clients.reset(connection),
                        (false, false) => self.clients.close(connection),
                    }
                }
            }
            Fault::PortReset { port } => {
                let text = format!("{} {port}", canned::text(1_300, None, 0).unwrap_or_default());
                for connection in targets {
                    self.error(connection, -1, 1_300, text.clone());
                    self.clients.close(connection);
                }
            }
            Fault::Malformed { what } => {
                let undecodable = [0xff; 8];
                let bytes = match what {
                    Malformed::Short => vec![0, 0, 0, 2, 0, 0],
                    Malformed::Long => vec![0x7f, 0, 0, 0, 0, 0, 0, 0],
                    Malformed::UnknownId => raw(frame::PROTOBUF_OFFSET + 199, &[8, 1]),
                    Malformed::TextId => raw(4, b"4\x002\x00-1\x002104\x00text\x00"),
                    Malformed::BadStatus => raw(frame::PROTOBUF_OFFSET + answer::ORDER_STATUS, &undecodable),
                };
                for connection in targets {
                    self.clients.send_raw(connection, bytes.clone());
                }
            }
            Fault::Error { code, meaning, text, id: whom } => {
                for connection in targets {
                    for id in self.concerned(connection, *whom, *id) {
                        let words = text.clone().or_else(|| canned::text(*code, meaning.as_deref(), id));
                        self.error(connection, id, *code, words.unwrap_or_default());
                    }
                }
            }
            _ => self.amend_account(fired),
        }
    }

    /// The numbers under which an error is sent.
    pub(super) fn concerned(&self, connection: ConnectionId, whom: ErrorId, id: Option<i32>) -> Vec<i32> {
        let found = self.clients.iter().find(|(known, _)| *known == connection);
        match (whom, found) {
            (ErrorId::None, _) | (_, None) => vec![-1],
            (ErrorId::Request, _) => vec![id.unwrap_or(-1)],
            (ErrorId::Orders, Some((_, client))) => {
                let own = |order: &&crate::exchange::Order| {
                    order.status.is_live() && Some(order.order.key.client_id) == client.id
                };
                self.exchange.orders().filter(own).map(|order| order.order.key.order_id).collect()
            }
            (ErrorId::Streams, Some((_, client))) => {
                let streams = client.bars.keys().chain(client.real_time.keys()).chain(client.ticks.keys());
                streams.copied().collect()
            }
        }
    }

    /// Sends a message that concerns no request to all of a client's connections, or everyone.
    pub(super) fn tell_all(&mut self, client: Option<i32>, code: i32, text: Option<String>) {
        let text = text.or_else(|| canned::text(code, None, -1)).unwrap_or_default();
        let before = std::mem::replace(&mut self.clients.by_fault, true);
        for connection in self.targets(client, None) {
            self.error(connection, -1, code, text.clone());
        }
        self.clients.by_fault = before;
    }

    /// The server version that a hello is answered with.
    pub(in crate::simulator) fn version_spoken(&self, version: i32) -> i32 {
        let old = self.faults.active.iter().find_map(|active| match active.fault {
            Fault::OldVersion { version } => Some(version),
            _ => None,
        });
        old.unwrap_or(version)
    }

    /// A client has come: rules that wait for that, and faults that concern it.
    pub(in crate::simulator) fn fault_joined(&mut self, connection: ConnectionId) {
        if self.faults.is_idle() {
            return;
        }
        let mute = self.faults.active.iter().find_map(|active| match active.fault {
            Fault::Mute { after_handshake, serves } if active.client.is_none() => {
                Some(Muted { greets: after_handshake, serves })
            }
            _ => None,
        });
        if let Some(muted) = mute {
            self.faults.muted.insert(connection, muted);
        }
        self.shape(connection);
        for fired in self.faults.on_event(On::Connect, connection, None) {
            self.fire(&fired);
        }
    }

    /// A connection is over.
    pub(in crate::simulator) fn fault_left(&mut self, connection: ConnectionId) {
        let client = self.faults.known.remove(&connection);
        self.faults.muted.remove(&connection);
        self.faults.swapping.remove(&connection);
        self.faults.silenced.retain(|(known, _)| *known != connection);
        self.faults.later.retain(|later| later.out.to != connection);
        if self.faults.is_idle() {
            return;
        }
        if let Some(client) = client {
            for active in &mut self.faults.active {
                active.held_ids.insert(client);
            }
        }
        for fired in self.faults.on_event(On::Leave, connection, client) {
            self.fire(&fired);
        }
    }

    /// The contract whose data a request subscribed to.
    pub(super) fn stream_contract(&self, connection: ConnectionId, req_id: i32) -> Option<ContractId> {
        let (_, client) = self.clients.iter().find(|(known, _)| *known == connection)?;
        let bars = client.bars.get(&req_id).map(|stream| stream.contract);
        let real_time = || client.real_time.get(&req_id).map(|stream| stream.contract);
        let ticks = || client.ticks.get(&req_id).map(|stream| stream.contract);
        bars.or_else(real_time).or_else(ticks)
    }
}
