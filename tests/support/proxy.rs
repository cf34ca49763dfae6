//! A TCP proxy between daemon and simulator that cuts the line where a story wants it cut.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Wire id of an order on its way to the gateway.
const PLACE_ORDER: i32 = 203;

/// What happens to the next order that comes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Cut {
    /// It passes.
    Nothing = 0,
    /// The line is cut before it: it never reaches the gateway.
    Before = 1,
    /// It passes, then the line is cut before any answer to it.
    After = 2,
}

/// A proxy; dropping it closes everything.
pub struct Proxy {
    pub address: SocketAddr,
    cut: Arc<AtomicU8>,
    connections: Arc<AtomicU32>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    pub async fn to(gateway: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (cut, connections) = (Arc::new(AtomicU8::new(0)), Arc::new(AtomicU32::new(0)));
        let (shared, counted) = (Arc::clone(&cut), Arc::clone(&connections));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut lines = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                lines.spawn(line(client, gateway, Arc::clone(&shared)));
            }
        });
        Self { address, cut, connections, _tasks: tasks }
    }

    /// Cuts at the next order.
    pub fn cut_next_order(&self, cut: Cut) {
        self.cut.store(cut as u8, Ordering::SeqCst);
    }

    /// Whether the cut was made.
    pub fn has_cut(&self) -> bool {
        self.cut.load(Ordering::SeqCst) == Cut::Nothing as u8
    }

    /// Connections so far.
    pub fn connections(&self) -> u32 {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn line(client: TcpStream, gateway: SocketAddr, cut: Arc<AtomicU8>) {
    let Ok(server) = TcpStream::connect(gateway).await else { return };
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = server.into_split();
    tokio::select! {
        () = to_gateway(client_in, server_out, cut) => {}
        () = to_client(server_in, client_out) => {}
    }
}

async fn to_client(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    // An end or error of either side ends the line.
    drop(tokio::io::copy(&mut from, &mut to).await);
}

/// Passes frames one by one, watching for orders.
async fn to_gateway(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, cut: Arc<AtomicU8>) {
    let mut hello = [0; 8];
    if from.read_exact(&mut hello).await.is_err() || to.write_all(&hello).await.is_err() {
        return;
    }
    let length = u32::from_be_bytes([hello[4], hello[5], hello[6], hello[7]]);
    let mut versions = vec![0; length as usize];
    if from.read_exact(&mut versions).await.is_err() || to.write_all(&versions).await.is_err() {
        return;
    }
    loop {
        let Ok(length) = from.read_u32().await else { return };
        let mut frame = vec![0; length as usize];
        if from.read_exact(&mut frame).await.is_err() {
            return;
        }
        let id = i32::from_be_bytes([frame[0], frame[1], frame[2], frame[3]]);
        let plan = if id == PLACE_ORDER { cut.swap(Cut::Nothing as u8, Ordering::SeqCst) } else { 0 };
        if plan == Cut::Before as u8 {
            return;
        }
        let sent = to.write_u32(length).await.is_ok() && to.write_all(&frame).await.is_ok();
        if !sent || plan == Cut::After as u8 {
            return;
        }
    }
}
