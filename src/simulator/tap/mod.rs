//! A tap at the sockets, for measurements: when each frame came in and when it had left.
//!
//! Nothing of the simulator depends on it, and without one nothing is done: benches and tests
//! put one into the configuration, and the command `bench`.

pub mod fields;
mod matching;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::wire::frame::PROTOBUF_OFFSET;
pub use matching::Matching;

/// Bytes of a frame's payload that are handed on: what the frame is about stands at its beginning.
const HEAD: usize = 256;

/// What happened at a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A connection was accepted.
    Accepted,
    /// A frame came in whole; the instant is that of the read which brought its first byte.
    Came {
        /// Its message id, as the descriptors number it.
        id: i32,
        /// The beginning of its payload.
        head: Vec<u8>,
    },
    /// A frame has left. The instant is that at which the write began that took its last byte: it may be
    /// answered before that write has returned. Frames that were written together share it.
    Left {
        /// Its message id.
        id: i32,
        /// The beginning of its payload.
        head: Vec<u8>,
    },
    /// The connection is over.
    Ended,
}

/// Something that happened at a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The connection's number, from 1, never used twice.
    pub connection: u64,
    /// When.
    pub at: Instant,
    /// What.
    pub what: What,
}

/// The tap: hands on what it sees, and never waits.
#[derive(Debug, Clone)]
pub struct Tap {
    seen: mpsc::Sender<Seen>,
    lost: Arc<AtomicU64>,
}

impl Tap {
    /// A tap, and where what it sees can be taken. It holds so many at most; what comes while it is
    /// full is lost, and counted.
    pub fn new(capacity: usize) -> (Self, mpsc::Receiver<Seen>) {
        let (seen, taken) = mpsc::channel(capacity);
        (Self { seen, lost: Arc::default() }, taken)
    }

    /// How many were lost because nobody had taken those before.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    pub(super) fn saw(&self, connection: u64, at: Instant, what: What) {
        if self.seen.try_send(Seen { connection, at, what }).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn came(&self, connection: u64, at: Instant, id: i32, payload: &[u8]) {
        self.saw(connection, at, What::Came { id, head: head(payload) });
    }

    /// What has been written in one go: whole frames, one after the other.
    pub(super) fn left(&self, connection: u64, at: Instant, mut bytes: &[u8]) {
        while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
            let Some((body, rest)) = rest.split_at_checked(u32::from_be_bytes(*length) as usize) else { return };
            bytes = rest;
            let Some((id, payload)) = body.split_first_chunk::<4>() else { continue };
            // The answer to a hello is no frame; it has no id, but a text.
            let id = i32::from_be_bytes(*id).saturating_sub(PROTOBUF_OFFSET);
            if (1..PROTOBUF_OFFSET).contains(&id) {
                self.saw(connection, at, What::Left { id, head: head(payload) });
            }
        }
    }
}

fn head(payload: &[u8]) -> Vec<u8> {
    payload[..payload.len().min(HEAD)].to_vec()
}
