//! The listening port: open as a rule, shut where a fault wants it so.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::sleep;
use tracing::{info, warn};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1_024;
/// Between two tries to have the port back.
const AGAIN: Duration = Duration::from_millis(20);

/// What stands at the port. Faults shut it; without any it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gate {
    /// Nobody listens.
    pub refuse: bool,
    /// What connects is closed at once.
    pub accept_close: bool,
    /// What connects is never answered.
    pub blackhole: bool,
    /// What its client has left keeps its place.
    pub zombies: bool,
}

/// The port.
#[derive(Debug)]
pub struct Door {
    address: SocketAddr,
    state: State,
}

#[derive(Debug)]
enum State {
    Open(TcpListener),
    /// Bound, so that nobody else takes the port, but not listening: connections are refused.
    Shut(TcpSocket),
    /// Another program has it at the moment.
    Lost,
}

impl Door {
    /// An open door.
    pub fn new(listener: TcpListener, address: SocketAddr) -> Self {
        Self { address, state: State::Open(listener) }
    }

    /// Opens or shuts it.
    pub fn set(&mut self, refuse: bool) {
        match (&self.state, refuse) {
            (State::Open(_), true) => {
                // The listener goes first: the port cannot be bound while it listens.
                self.state = State::Lost;
                self.state = match self.bind() {
                    Ok(socket) => State::Shut(socket),
                    Err(error) => {
                        warn!(%error, "the port is shut, and not kept from others");
                        State::Lost
                    }
                };
                info!(address = %self.address, "nobody listens");
            }
            (State::Shut(_) | State::Lost, false) => self.open(),
            (State::Open(_), false) | (State::Shut(_) | State::Lost, true) => {}
        }
    }

    fn open(&mut self) {
        let socket = match std::mem::replace(&mut self.state, State::Lost) {
            State::Shut(socket) => Ok(socket),
            State::Lost => self.bind(),
            State::Open(listener) => {
                self.state = State::Open(listener);
                return;
            }
        };
        match socket.and_then(|socket| socket.listen(BACKLOG)) {
            Ok(listener) => {
                info!(address = %self.address, "listening again");
                self.state = State::Open(listener);
            }
            Err(error) => warn!(%error, address = %self.address, "cannot listen again yet"),
        }
    }

    fn bind(&self) -> io::Result<TcpSocket> {
        let socket = if self.address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(self.address)?;
        Ok(socket)
    }

    /// The next connection; waits for good while the door is shut on purpose. `refuse` is whether
    /// it is.
    pub async fn accept(&mut self, refuse: bool) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            match &self.state {
                State::Open(listener) => return listener.accept().await,
                State::Shut(_) | State::Lost if refuse => std::future::pending::<()>().await,
                State::Shut(_) | State::Lost => {
                    sleep(AGAIN).await;
                    self.open();
                }
            }
        }
    }
}
