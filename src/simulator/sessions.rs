//! Connections: greet, read frames, write frames. What they mean is the engine's business.
//!
//! Each connection has one task that reads and one that writes, joined together; all connections
//! are joined by the listening task. The engine owns the sending end of every outbox: dropping it
//! closes the connection once everything in it is written.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::engine::acts::Asked;
use super::rate::{Breach, Rate};
use super::wire::frame::{Deframer, Frame, FrameError};
use super::wire::hello::{self, Hello, HelloError};

/// Clients served at once (TWS's own limit).
const MAX_CLIENTS: usize = 32;
/// How long a connection may take to say hello.
const HELLO_WITHIN: Duration = Duration::from_secs(30);
/// How long a closing connection may take to read what was sent to it last.
const DRAIN_WITHIN: Duration = Duration::from_secs(2);
/// Frames that wait for a client before it counts as slow.
const OUTBOX_FRAMES: usize = 16_384;
/// Bytes that wait for a client before it counts as slow.
const OUTBOX_BYTES: usize = 64 << 20;

/// A connection's number, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// What connections tell the engine.
#[derive(Debug)]
pub enum Input {
    /// A client said hello; the reply is the engine's (it knows the time).
    Joined {
        /// Who.
        connection: ConnectionId,
        /// From where.
        peer: SocketAddr,
        /// The version to speak.
        version: i32,
        /// Where answers go.
        outbox: Outbox,
    },
    /// A client sent a message.
    Frame {
        /// Who.
        connection: ConnectionId,
        /// What.
        frame: Frame,
        /// Set where it came too fast and must be refused.
        breach: Option<Breach>,
    },
    /// The connection is over.
    Left {
        /// Who.
        connection: ConnectionId,
    },
    /// Something is to happen that no connection asks for.
    Act(Asked),
}

/// The sending end of a connection.
#[derive(Debug)]
pub struct Outbox {
    frames: mpsc::Sender<Vec<u8>>,
    queued: Arc<AtomicUsize>,
    kill: CancellationToken,
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

impl Outbox {
    /// Queues bytes; never waits.
    pub fn push(&self, bytes: Vec<u8>) -> Result<(), Undelivered> {
        let waiting = self.queued.fetch_add(bytes.len(), Ordering::Relaxed);
        let slow = || Undelivered::Slow { frames: OUTBOX_FRAMES - self.frames.capacity(), bytes: waiting };
        // A single answer may be larger than the limit; what counts is what was waiting before it.
        if waiting > OUTBOX_BYTES {
            return Err(slow());
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
}

/// Accepts connections until told to stop; returns when the last one has ended.
pub async fn serve(listener: TcpListener, engine: mpsc::Sender<Input>, message_rate: u32, stop: CancellationToken) {
    let seats = Arc::new(Semaphore::new(MAX_CLIENTS));
    let mut connections = JoinSet::new();
    let mut next = 0;
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(ended) = connections.join_next() => { report(ended); continue }
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, or a connection reset before we took it: neither ends us.
                warn!(%error, "could not accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(seat) = seats.clone().try_acquire_owned() else {
            warn!(%peer, clients = MAX_CLIENTS, "connection refused: all seats are taken");
            continue;
        };
        next += 1;
        let connection = Connection { id: ConnectionId(next), peer, engine: engine.clone(), stop: stop.child_token() };
        connections.spawn(async move {
            connection.run(stream, message_rate).await;
            drop(seat);
        });
    }
    while let Some(ended) = connections.join_next().await {
        report(ended);
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection's task failed");
    }
}

/// Why a connection ended, as seen from here.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the client closed it")]
    ByClient,
    #[error("the simulator closed it")]
    ByUs,
    #[error("no hello within {} s", HELLO_WITHIN.as_secs())]
    Silent,
    #[error(transparent)]
    Hello(#[from] HelloError),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

struct Connection {
    id: ConnectionId,
    peer: SocketAddr,
    engine: mpsc::Sender<Input>,
    stop: CancellationToken,
}

impl Connection {
    async fn run(self, stream: TcpStream, message_rate: u32) {
        if let Err(error) = stream.set_nodelay(true) {
            debug!(peer = %self.peer, %error, "no TCP_NODELAY");
        }
        let (mut reader, writer) = stream.into_split();
        let greeted = tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Ended::ByUs),
            greeted = timeout(HELLO_WITHIN, greet(&mut reader)) => greeted.unwrap_or(Err(Ended::Silent)),
        };
        let hello = match greeted {
            Ok(hello) => hello,
            Err(why) => return info!(peer = %self.peer, %why, "connection ended before its session"),
        };
        let (frames, waiting) = mpsc::channel(OUTBOX_FRAMES);
        let queued = Arc::new(AtomicUsize::new(0));
        let outbox = Outbox { frames, queued: queued.clone(), kill: self.stop.clone() };
        let joined = Input::Joined { connection: self.id, peer: self.peer, version: hello.version, outbox };
        if self.engine.send(joined).await.is_err() {
            return;
        }
        // The writer ends when the engine drops the outbox, and so ends the session.
        let (why, _) = tokio::join!(
            async {
                let why = tokio::select! {
                    biased;
                    () = self.stop.cancelled() => Ended::ByUs,
                    why = self.read(&mut reader, Rate::new(message_rate, hello.paced)) => why,
                };
                // The engine drops the outbox on hearing this, which ends the writer.
                let told = self.engine.send(Input::Left { connection: self.id }).await.is_ok();
                debug!(told, "left");
                self.stop.cancel();
                why
            },
            write(writer, waiting, queued, &self.stop),
        );
        info!(peer = %self.peer, %why, "connection ended");
    }

    /// Hands frames to the engine until the connection ends.
    async fn read(&self, reader: &mut OwnedReadHalf, mut rate: Rate) -> Ended {
        let mut deframer = Deframer::default();
        let mut chunk = vec![0; 16 << 10];
        loop {
            loop {
                let frame = match deframer.next_frame() {
                    Ok(Some(frame)) => frame,
                    Ok(None) => break,
                    Err(error) => return error.into(),
                };
                let breach = rate.admit().await;
                let input = Input::Frame { connection: self.id, frame, breach };
                if self.engine.send(input).await.is_err() {
                    return Ended::ByUs;
                }
            }
            match reader.read(&mut chunk).await {
                Ok(0) => return Ended::ByClient,
                Ok(n) => deframer.push(&chunk[..n]),
                Err(error) => return error.into(),
            }
        }
    }
}

/// Reads the hello.
async fn greet(reader: &mut OwnedReadHalf) -> Result<Hello, Ended> {
    let mut mark = [0; 4];
    reader.read_exact(&mut mark).await?;
    if mark != hello::MARK {
        return Err(HelloError::NotApi.into());
    }
    let length = reader.read_u32().await? as usize;
    if length > hello::MAX_TEXT {
        return Err(HelloError::Unreadable(format!("{length} bytes of them")).into());
    }
    let mut text = vec![0; length];
    reader.read_exact(&mut text).await?;
    Ok(hello::parse(&text)?)
}

/// Writes until the outbox is dropped (then drains it) or the connection is killed.
async fn write(
    mut writer: OwnedWriteHalf,
    mut waiting: mpsc::Receiver<Vec<u8>>,
    queued: Arc<AtomicUsize>,
    kill: &CancellationToken,
) {
    {
        let writing = drain(&mut writer, &mut waiting, &queued);
        tokio::pin!(writing);
        tokio::select! {
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
    if let Err(error) = writer.shutdown().await {
        debug!(%error, "the connection was gone already");
    }
}

/// Writes frames, many at a time, until the outbox is dropped or the socket fails.
async fn drain(writer: &mut OwnedWriteHalf, waiting: &mut mpsc::Receiver<Vec<u8>>, queued: &AtomicUsize) {
    let mut frames = Vec::new();
    while waiting.recv_many(&mut frames, 256).await > 0 {
        let bytes = frames.concat();
        frames.clear();
        let written = writer.write_all(&bytes).await;
        queued.fetch_sub(bytes.len(), Ordering::Relaxed);
        if let Err(error) = written {
            debug!(%error, "write failed");
            return;
        }
    }
}
