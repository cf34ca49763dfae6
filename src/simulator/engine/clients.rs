//! The table of connected clients, and what each has subscribed to.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use prost::Message;
use tracing::{info, warn};

use super::recent::Wishes;
use super::streams::{BarStream, RealTimeBars, TickStream};
use crate::domain::ContractId;
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
    waiting: Vec<(ConnectionId, Vec<u8>)>,
    leaving: Vec<ConnectionId>,
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
        self.waiting.push((connection, reply));
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
            self.waiting.push((to, frame::encode(id, message)));
        }
    }

    /// Hands everything queued to the connections. A client that does not read is disconnected
    /// here, and slows nobody.
    pub fn flush(&mut self) {
        for (to, bytes) in self.waiting.drain(..) {
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
