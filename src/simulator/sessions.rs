//! Connections: greet, read frames, write frames. What they mean is the engine's business.
//!
//! Each connection has one task that reads and one that writes, joined together; all connections
//! are joined by the listening task. The engine owns the sending end of every outbox: dropping it
//! closes the connection once everything in it is written.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::door::{Door, Gate};
use super::engine::acts::Asked;
pub use super::outbox::{Outbox, Undelivered};
use super::rate::{Breach, Rate};
use super::tap::{Tap, What};
use super::wire::frame::{Deframer, Frame, FrameError};
use super::wire::hello::{self, Hello, HelloError};

/// Clients served at once (TWS's own limit).
const MAX_CLIENTS: usize = 32;
/// How long a connection may take to say hello.
const HELLO_WITHIN: Duration = Duration::from_secs(30);

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

/// Accepts connections until told to stop; returns when the last one has ended.
pub async fn serve(
    mut door: Door,
    engine: mpsc::Sender<Input>,
    message_rate: u32,
    (mut gate, seen): (watch::Receiver<Gate>, watch::Sender<Gate>),
    tap: Option<Tap>,
    stop: CancellationToken,
) {
    let seats = Arc::new(Semaphore::new(MAX_CLIENTS));
    let mut connections = JoinSet::new();
    let mut next = 0;
    loop {
        let now = *gate.borrow_and_update();
        door.set(now.refuse);
        seen.send_if_modified(|known| std::mem::replace(known, now) != now);
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Ok(()) = gate.changed() => continue,
            Some(ended) = connections.join_next() => { report(ended); continue }
            accepted = door.accept(now.refuse) => accepted,
        };
        let at = Instant::now();
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, or a connection reset before we took it: neither ends us.
                warn!(%error, "could not accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let now = *gate.borrow();
        if now.accept_close || now.refuse {
            info!(%peer, "fault: connection accepted and closed");
            continue;
        }
        let seat = seats.clone().try_acquire_owned();
        // A gateway full of dead connections does not say so.
        if now.blackhole || (now.zombies && seat.is_err()) {
            info!(%peer, "fault: connection accepted, and not answered");
            connections.spawn(ignore(stream, gate.clone(), stop.child_token()));
            continue;
        }
        let Ok(seat) = seat else {
            warn!(%peer, clients = MAX_CLIENTS, "connection refused: all seats are taken");
            continue;
        };
        next += 1;
        if let Some(tap) = &tap {
            tap.saw(next, at, What::Accepted);
        }
        let connection = Connection {
            id: ConnectionId(next),
            peer,
            engine: engine.clone(),
            stop: stop.child_token(),
            house: stop.clone(),
            gate: gate.clone(),
            tap: tap.clone(),
        };
        connections.spawn(async move {
            connection.run(stream, message_rate).await;
            drop(seat);
        });
    }
    while let Some(ended) = connections.join_next().await {
        report(ended);
    }
}

/// Reads what comes, answers nothing, until the client leaves or the fault is over.
async fn ignore(mut stream: TcpStream, mut gate: watch::Receiver<Gate>, stop: CancellationToken) {
    let mut chunk = [0; 1_024];
    let reading = async { while stream.read(&mut chunk).await.is_ok_and(|read| read > 0) {} };
    tokio::select! {
        () = stop.cancelled() => {}
        () = reading => {}
        // The end of the simulator ends this as well.
        _ended = gate.wait_for(|gate| !gate.blackhole && !gate.zombies) => {}
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
    /// This connection's.
    stop: CancellationToken,
    /// The simulator's.
    house: CancellationToken,
    gate: watch::Receiver<Gate>,
    tap: Option<Tap>,
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
        let (outbox, waiting) = super::outbox::outbox(self.stop.clone());
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
                self.linger(&why).await;
                // The engine drops the outbox on hearing this, which ends the writer.
                let told = self.engine.send(Input::Left { connection: self.id }).await.is_ok();
                debug!(told, "left");
                self.stop.cancel();
                why
            },
            waiting.write(writer, self.gate.clone(), self.tap.clone().map(|tap| (tap, self.id.0))),
        );
        if let Some(tap) = &self.tap {
            tap.saw(self.id.0, Instant::now(), What::Ended);
        }
        info!(peer = %self.peer, %why, "connection ended");
    }

    /// A gateway that does not notice that its client has left, where a fault wants it so.
    async fn linger(&self, why: &Ended) {
        if !self.gate.borrow().zombies || matches!(why, Ended::ByUs) {
            return;
        }
        info!(peer = %self.peer, "fault: the client has left, and keeps its place");
        let mut gate = self.gate.clone();
        tokio::select! {
            () = self.house.cancelled() => {}
            _over = gate.wait_for(|gate| !gate.zombies) => {}
        }
    }

    /// Hands frames to the engine until the connection ends.
    async fn read(&self, reader: &mut OwnedReadHalf, mut rate: Rate) -> Ended {
        let mut deframer = Deframer::default();
        let mut chunk = vec![0; 16 << 10];
        // When the next frame's first byte was read, and when the last byte so far was.
        let (mut first, mut last) = (Instant::now(), Instant::now());
        loop {
            loop {
                let frame = match deframer.next_frame() {
                    Ok(Some(frame)) => frame,
                    Ok(None) => break,
                    Err(error) => return error.into(),
                };
                if let Some(tap) = &self.tap {
                    tap.came(self.id.0, std::mem::replace(&mut first, last), frame.id, &frame.payload);
                }
                let breach = rate.admit().await;
                let input = Input::Frame { connection: self.id, frame, breach };
                if self.engine.send(input).await.is_err() {
                    return Ended::ByUs;
                }
            }
            match reader.read(&mut chunk).await {
                Ok(0) => return Ended::ByClient,
                Ok(n) => {
                    if self.tap.is_some() {
                        last = Instant::now();
                        first = if deframer.is_empty() { last } else { first };
                    }
                    deframer.push(&chunk[..n]);
                }
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
