//! The table of connected clients, and what each has subscribed to.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use prost::Message;
use tracing::{info, warn};

use super::recent::Wishes;
use super::streams::{BarStream, RealTimeBars, TickStream};
use crate::domain::ContractId;
use crate::simulator::faults::fault::Overflow;
use crate::simulator::outbox::Shape;
use crate::simulator::sessions::{ConnectionId, Outbox, Undelivered};
use crate::simulator::wire::frame;

/// A balance subscription: what it covers and the values last sent.
#[derive(Debug, Default)]
pub struct Rows {
    /// The tags asked for.
    pub tags: Vec<String>,
    /// Values last sent, by tag.
    pub sent: BTreeMap<String, String>,
}

/// A profit subscription.
#[derive(Debug)]
pub struct Profit {
    /// One contract, or the whole account.
    pub contract: Option<ContractId>,
    /// The message last sent, to send only changes.
    pub sent: Vec<u8>,
}

/// A message on its way out.
#[derive(Debug, Clone)]
pub struct Out {
    /// To whom.
    pub to: ConnectionId,
    /// The message's id; nothing for what is no message (the reply to the hello, broken bytes).
    pub id: Option<i32>,
    /// All of it.
    pub bytes: Vec<u8>,
    /// What brought it about, if a client's message did.
    pub cause: Option<Cause>,
    /// Whether a fault did: no rule waits for it then.
    pub by_fault: bool,
}

/// A client's message that is being served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause {
    /// Its id.
    pub id: i32,
    /// Its number among all that were served.
    pub number: u64,
}

/// One connected client.
#[derive(Debug)]
pub struct Client {
    /// From where.
    pub peer: SocketAddr,
    outbox: Option<Outbox>,
    /// Its client id, once it has started the API.
    pub id: Option<i32>,
    /// Positions are sent on change.
    pub positions: bool,
    /// Positions are sent on change under these request ids.
    pub positions_multi: Vec<i32>,
    /// Account summaries by request id.
    pub summaries: BTreeMap<i32, Rows>,
    /// Account updates, if subscribed.
    pub account: Option<Rows>,
    /// Profit by request id.
    pub profits: BTreeMap<i32, Profit>,
    /// Bars kept up to date, by request id.
    pub bars: BTreeMap<i32, BarStream>,
    /// 5-second bars, by request id.
    pub real_time: BTreeMap<i32, RealTimeBars>,
    /// Ticks, by request id.
    pub ticks: BTreeMap<i32, TickStream>,
    /// What else it asked for.
    pub wishes: Wishes,
}

/// All connections, and the frames that wait for the end of the engine's turn.
///
/// Frames leave together after whatever they report has been kept (see `state.rs`): a client
/// never knows of a fill that the simulator could forget.
#[derive(Debug, Default)]
pub struct Clients {
    table: BTreeMap<ConnectionId, Client>,
    waiting: Vec<Out>,
    leaving: Vec<ConnectionId>,
    /// The message that is being served.
    pub cause: Option<Cause>,
    /// Whether a fault is being carried out.
    pub by_fault: bool,
}

impl Clients {
    /// A client said hello; `reply` goes out before everything else.
    pub fn join(&mut self, connection: ConnectionId, peer: SocketAddr, outbox: Outbox, reply: Vec<u8>) {
        let client = Client {
            peer,
            outbox: Some(outbox),
            id: None,
            positions: false,
            positions_multi: Vec::new(),
            summaries: BTreeMap::new(),
            account: None,
            profits: BTreeMap::new(),
            bars: BTreeMap::new(),
            real_time: BTreeMap::new(),
            ticks: BTreeMap::new(),
            wishes: Wishes::default(),
        };
        self.table.insert(connection, client);
        self.queue(connection, None, reply);
    }

    /// A connection is over: its subscriptions end, its orders live on.
    pub fn leave(&mut self, connection: ConnectionId) {
        if let Some(client) = self.table.remove(&connection) {
            info!(peer = %client.peer, client_id = client.id, "client left");
        }
    }

    /// Closes a connection once what was sent to it is written.
    pub fn close(&mut self, connection: ConnectionId) {
        self.leaving.push(connection);
    }

    /// The client of a connection, while it is here.
    pub fn get(&mut self, connection: ConnectionId) -> Option<&mut Client> {
        self.table.get_mut(&connection)
    }

    /// Everyone.
    pub fn iter(&self) -> impl Iterator<Item = (ConnectionId, &Client)> {
        self.table.iter().map(|(id, client)| (*id, client))
    }

    /// Everyone, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (ConnectionId, &mut Client)> {
        self.table.iter_mut().map(|(id, client)| (*id, client))
    }

    /// The connection on which a client id has started the API.
    pub fn started(&self, client_id: i32) -> Option<ConnectionId> {
        self.iter().find(|(_, client)| client.id == Some(client_id)).map(|(connection, _)| connection)
    }

    /// Queues one message for a client.
    pub fn send(&mut self, to: ConnectionId, id: i32, message: &impl Message) {
        if self.table.contains_key(&to) {
            self.queue(to, Some(id), frame::encode(id, message));
        }
    }

    /// Queues bytes for a client that are no message.
    pub fn send_raw(&mut self, to: ConnectionId, bytes: Vec<u8>) {
        self.queue(to, None, bytes);
    }

    fn queue(&mut self, to: ConnectionId, id: Option<i32>, bytes: Vec<u8>) {
        self.waiting.push(Out { to, id, bytes, cause: self.cause, by_fault: self.by_fault });
    }

    /// What waits for the end of the turn, to be looked through and put back.
    pub fn take_waiting(&mut self) -> Vec<Out> {
        std::mem::take(&mut self.waiting)
    }

    /// Puts messages behind what waits.
    pub fn put_waiting(&mut self, messages: Vec<Out>) {
        if self.waiting.is_empty() {
            self.waiting = messages;
        } else {
            self.waiting.extend(messages);
        }
    }

    /// Ends a connection with RST at once; what waits for it is lost. It stays in the table until
    /// the turn's end, so that what came from it is still served.
    pub fn reset(&mut self, connection: ConnectionId) {
        if let Some(outbox) = self.table.get_mut(&connection).and_then(|client| client.outbox.take()) {
            outbox.reset();
        }
    }

    /// Ends a connection after these bytes, the beginning of a message that never ends; with RST
    /// or FIN.
    pub fn cut(&mut self, connection: ConnectionId, beginning: Vec<u8>, reset: bool) {
        let Some(outbox) = self.table.get_mut(&connection).and_then(|client| client.outbox.take()) else { return };
        if reset {
            outbox.reset_at_end();
        }
        if let Err(why) = outbox.push(beginning) {
            tracing::debug!(%why, "the connection was gone already");
        }
    }

    /// How bytes are written to a client, and how many may wait.
    pub fn set_shape(&mut self, connection: ConnectionId, shape: Shape, limit: Option<(usize, Overflow)>) {
        if let Some(outbox) = self.table.get_mut(&connection).and_then(|client| client.outbox.as_mut()) {
            outbox.set_shape(shape, limit);
        }
    }

    /// Hands everything queued to the connections. A client that does not read is disconnected
    /// here, and slows nobody.
    pub fn flush(&mut self) {
        for Out { to, bytes, .. } in self.waiting.drain(..) {
            let Some(client) = self.table.get_mut(&to) else { continue };
            let Some(outbox) = &client.outbox else { continue };
            match outbox.push(bytes) {
                Ok(()) => {}
                Err(why) => {
                    if matches!(why, Undelivered::Slow { .. }) {
                        warn!(peer = %client.peer, client_id = client.id, %why, "slow client disconnected");
                    }
                    outbox.kill();
                    client.outbox = None;
                }
            }
        }
        for connection in self.leaving.drain(..) {
            self.table.remove(&connection);
        }
        self.table.retain(|_, client| client.outbox.is_some());
    }
}
