//! What waits to be written to a client, and how it is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use super::door::Gate;
use super::faults::fault::Overflow;
use super::tap::Tap;

/// How long a closing connection may take to read what was sent to it last.
const DRAIN_WITHIN: Duration = Duration::from_secs(2);
/// Frames that wait for a client before it counts as slow.
const OUTBOX_FRAMES: usize = 16_384;
/// Bytes that wait for a client before it counts as slow.
const OUTBOX_BYTES: usize = 64 << 20;
/// Frames written together at most.
const AT_ONCE: usize = 256;
/// How often a slow client is given its share.
const SLOW_EVERY: Duration = Duration::from_millis(20);

/// How bytes are written; a fault may want them otherwise than at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shape {
    /// In pieces of so many bytes.
    pub split: Option<usize>,
    /// So long after they came.
    pub coalesce: Option<Duration>,
    /// At most so many bytes a second.
    pub rate: Option<u32>,
}

/// The sending end of a connection.
#[derive(Debug)]
pub struct Outbox {
    frames: mpsc::Sender<Vec<u8>>,
    shared: Arc<Shared>,
    kill: CancellationToken,
    shape: watch::Sender<Shape>,
    limit: Option<(usize, Overflow)>,
}

/// What both ends of an outbox know.
#[derive(Debug, Default)]
struct Shared {
    queued: AtomicUsize,
    /// Bytes at the front that are dropped instead of written.
    discard: AtomicUsize,
    /// The connection ends with RST instead of FIN.
    abort: AtomicBool,
    /// It ends with RST, now.
    abort_now: CancellationToken,
}

/// The writing end of a connection.
#[derive(Debug)]
pub struct Waiting {
    frames: mpsc::Receiver<Vec<u8>>,
    shared: Arc<Shared>,
    kill: CancellationToken,
    shape: watch::Receiver<Shape>,
}

/// A client that does not read what is sent to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undelivered {
    /// Too much waits for it.
    #[error("{frames} frames, {bytes} bytes wait to be read by it")]
    Slow {
        /// Frames waiting.
        frames: usize,
        /// Bytes waiting.
        bytes: usize,
    },
    /// It is gone already.
    #[error("it is gone")]
    Gone,
}

/// Both ends of an outbox; `kill` ends its connection.
pub fn outbox(kill: CancellationToken) -> (Outbox, Waiting) {
    let (frames, waiting) = mpsc::channel(OUTBOX_FRAMES);
    let shared = Arc::new(Shared::default());
    let (shape, shaped) = watch::channel(Shape::default());
    let outbox = Outbox { frames, shared: Arc::clone(&shared), kill: kill.clone(), shape, limit: None };
    (outbox, Waiting { frames: waiting, shared, kill, shape: shaped })
}

impl Outbox {
    /// Queues bytes; never waits.
    pub fn push(&self, bytes: Vec<u8>) -> Result<(), Undelivered> {
        let waiting = self.shared.queued.fetch_add(bytes.len(), Ordering::Relaxed);
        let slow = || Undelivered::Slow { frames: OUTBOX_FRAMES - self.frames.capacity(), bytes: waiting };
        // A single answer may be larger than the limit; what counts is what was waiting before it.
        if waiting > OUTBOX_BYTES {
            return Err(slow());
        }
        match self.limit {
            Some((most, Overflow::Reset)) if waiting > most => {
                self.reset();
                return Err(slow());
            }
            Some((most, Overflow::DropHalf)) if waiting > most => {
                info!(waiting, most, "fault: output exceeded the limit, its first half is dropped");
                self.shared.discard.store(waiting / 2, Ordering::Relaxed);
            }
            Some(_) | None => {}
        }
        self.frames.try_send(bytes).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => slow(),
            mpsc::error::TrySendError::Closed(_) => Undelivered::Gone,
        })
    }

    /// Ends the connection at once, whatever still waits in the outbox.
    pub fn kill(&self) {
        self.kill.cancel();
    }

    /// Ends the connection with RST at once; what was not written is lost.
    pub fn reset(&self) {
        self.shared.abort.store(true, Ordering::Relaxed);
        self.shared.abort_now.cancel();
        self.kill.cancel();
    }

    /// Lets the connection end with RST instead of FIN once everything is written.
    pub fn reset_at_end(&self) {
        self.shared.abort.store(true, Ordering::Relaxed);
    }

    /// Has bytes written so from now on, and no more of them wait than the limit says.
    pub fn set_shape(&mut self, shape: Shape, limit: Option<(usize, Overflow)>) {
        self.limit = limit;
        self.shape.send_if_modified(|known| std::mem::replace(known, shape) != shape);
    }
}

impl Waiting {
    /// Writes until the outbox is dropped (then drains it) or the connection is killed. The tap sees
    /// what was written to the connection of this number.
    pub async fn write(mut self, mut writer: OwnedWriteHalf, gate: watch::Receiver<Gate>, tap: Option<(Tap, u64)>) {
        let shared = Arc::clone(&self.shared);
        let kill = self.kill.clone();
        {
            let writing = self.drain(&mut writer, gate, tap);
            tokio::pin!(writing);
            tokio::select! {
                biased;
                () = shared.abort_now.cancelled() => {}
                () = &mut writing => {}
                () = kill.cancelled() => {
                    // What was queued before the end (a refusal, a last status) may still be read.
                    if timeout(DRAIN_WITHIN, &mut writing).await.is_err() {
                        debug!("the client did not read its last frames in time");
                    }
                }
            }
        }
        // The reader sees the token; a client that was told to go (326) sees the end of the stream.
        kill.cancel();
        if shared.abort.load(Ordering::Relaxed) {
            let socket: &tokio::net::TcpStream = writer.as_ref();
            if let Err(error) = socket.set_zero_linger() {
                debug!(%error, "the connection ends with FIN: it cannot be reset");
            }
            // Dropped without a FIN; the socket closes with its reading half.
            writer.forget();
        } else if let Err(error) = writer.shutdown().await {
            debug!(%error, "the connection was gone already");
        }
    }

    /// Writes frames, many at a time, until the outbox is dropped or the socket fails.
    async fn drain(&mut self, writer: &mut OwnedWriteHalf, gate: watch::Receiver<Gate>, tap: Option<(Tap, u64)>) {
        let mut frames = Vec::new();
        loop {
            let at_once = if self.shape.borrow().rate.is_some() { 1 } else { AT_ONCE };
            if self.frames.recv_many(&mut frames, at_once).await == 0 {
                return;
            }
            // As it is wanted now: it may have changed while there was nothing to write.
            let shape = *self.shape.borrow_and_update();
            if let Some(within) = shape.coalesce {
                sleep(within).await;
                while frames.len() < AT_ONCE
                    && let Ok(frame) = self.frames.try_recv()
                {
                    frames.push(frame);
                }
            }
            let all: usize = frames.iter().map(Vec::len).sum();
            frames.retain(|frame| !self.is_discarded(frame.len()));
            let bytes = frames.concat();
            frames.clear();
            let written = match &tap {
                None => write_shaped(writer, &bytes, shape).await,
                Some((tap, connection)) => {
                    let written = write_timed(writer, &bytes, shape).await;
                    written.map(|at| tap.left(*connection, at, &bytes))
                }
            };
            self.shared.queued.fetch_sub(all, Ordering::Relaxed);
            if let Err(error) = written {
                debug!(%error, "write failed");
                if gate.borrow().zombies {
                    // A gateway that has not noticed goes on writing to nobody.
                    while self.frames.recv().await.is_some() {}
                }
                return;
            }
        }
    }

    /// Whether a frame belongs to what is dropped; it then counts for it.
    fn is_discarded(&self, bytes: usize) -> bool {
        let left = self.shared.discard.load(Ordering::Relaxed);
        if left == 0 {
            return false;
        }
        self.shared.discard.store(left.saturating_sub(bytes), Ordering::Relaxed);
        true
    }
}

async fn write_shaped(writer: &mut OwnedWriteHalf, bytes: &[u8], shape: Shape) -> std::io::Result<()> {
    let share = shape.rate.map(|rate| (rate as usize / 50).max(1));
    let Some(piece) = shape.split.or(share) else { return writer.write_all(bytes).await };
    for part in bytes.chunks(piece.max(1)) {
        writer.write_all(part).await?;
        match share {
            Some(_) => sleep(SLOW_EVERY).await,
            // Lets the piece leave by itself.
            None => tokio::task::yield_now().await,
        }
    }
    Ok(())
}

/// The same, and says when the write began that took the last byte. Not when it returned: the reader may have been woken
/// by it, and have answered, before this thread runs again.
async fn write_timed(writer: &mut OwnedWriteHalf, bytes: &[u8], shape: Shape) -> std::io::Result<Instant> {
    let mut at = Instant::now();
    if shape != Shape::default() {
        write_shaped(writer, bytes, shape).await?;
        return Ok(at);
    }
    let mut rest = bytes;
    while !rest.is_empty() {
        writer.writable().await?;
        at = Instant::now();
        match writer.try_write(rest) {
            Ok(written) => rest = &rest[written..],
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(at)
}
