//! Bytes that no client would send, through real connections to a simulator that runs: it stays up
//! and goes on serving another client.
//!
//! `PROPTEST_CASES=100000 cargo test --release --test fuzz_wire` runs them long.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod fuzz;
mod simulator_support;
mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use fuzz::{cases, payload, scratched};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use robo_trader::simulator::{Running, start};
use simulator_support::{Number, PATIENCE, Raw, config};
use support::{Daemon, Start, settings, synthetic};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// The request that the watching client asks with, and the answer to it: the server's time.
const CURRENT_TIME: i32 = 49;

/// A simulator under fire, and the client that watches it.
struct Range {
    runtime: Runtime,
    running: Running,
    watcher: Mutex<Raw>,
    next_client: AtomicI32,
}

impl Range {
    fn open() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (running, watcher) = runtime.block_on(async {
            let running = start(config()).await.unwrap();
            let watcher = Raw::started(&running, 1_000_000).await;
            (running, watcher)
        });
        Self { runtime, running, watcher: Mutex::new(watcher), next_client: AtomicI32::new(1) }
    }

    /// Fires bytes in pieces; then the simulator still answers somebody else.
    fn fire(&self, bytes: &[u8], piece: usize) {
        self.runtime.block_on(async {
            let mut target = TcpStream::connect(self.running.address).await.unwrap();
            for piece in bytes.chunks(piece.max(1)) {
                // The server may well have closed by now: that is its right.
                if target.write_all(piece).await.is_err() {
                    break;
                }
            }
            // What it answers is taken, so that it is not held back by it; the end comes when it has
            // taken everything and has nothing more to say, or closes.
            if target.shutdown().await.is_ok() {
                let mut answers = Vec::new();
                let _closed = timeout(PATIENCE, target.read_to_end(&mut answers)).await.expect("the server hangs");
            }
            let mut watcher = self.watcher.lock().await;
            watcher.send(CURRENT_TIME, &Number { id: None }).await;
            watcher.until(CURRENT_TIME).await;
        });
    }

    /// A hello and the start of the API, as every client says them.
    fn greeting(&self) -> Vec<u8> {
        let mut bytes = b"API\0".to_vec();
        bytes.extend(9_u32.to_be_bytes());
        bytes.extend(b"v213..226");
        let id = self.next_client.fetch_add(1, Ordering::Relaxed);
        bytes.extend(frame(71, &prost::Message::encode_to_vec(&Number { id: Some(id) })));
        bytes
    }

    fn close(self) {
        let account = self.runtime.block_on(self.running.stop()).unwrap();
        println!("the simulator has served on; its account has {} orders, {} fills", account.orders, account.fills);
    }
}

fn frame(id: i32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len() + 4).unwrap().to_be_bytes().to_vec();
    bytes.extend((id + 200).to_be_bytes());
    bytes.extend(payload);
    bytes
}

#[test]
fn no_hello_and_no_length_brings_the_simulator_down() {
    let range = Range::open();
    let hello = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        (any::<u32>(), prop::collection::vec(any::<u8>(), 0..60))
            .prop_map(|(length, text)| { [&b"API\0"[..], &length.to_be_bytes(), &text].concat() }),
        "v[0-9]{0,12}(\\.\\.[0-9]{0,12})?( .{0,20})?".prop_map(|text| {
            [&b"API\0"[..], &u32::try_from(text.len()).unwrap().to_be_bytes(), text.as_bytes()].concat()
        }),
    ];
    TestRunner::new(cases(400))
        .run(&(hello, 1_usize..30), |(bytes, piece)| {
            range.fire(&bytes, piece);
            Ok(())
        })
        .unwrap();
    range.close();
}

#[test]
fn no_frame_brings_the_simulator_down() {
    let range = Range::open();
    let broken = prop_oneof![
        // Any bytes, and lengths that nobody could mean.
        prop::collection::vec(any::<u8>(), 0..300),
        (any::<u32>(), any::<i32>(), prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(length, id, rest)| [
            &length.to_be_bytes()[..],
            &id.to_be_bytes(),
            &rest
        ]
        .concat()),
        // Every message id with a payload that protobuf could read, or not.
        (1_i32..130, payload()).prop_map(|(id, payload)| frame(id, &payload)),
        (1_i32..130, prop::collection::vec(any::<u8>(), 0..120)).prop_map(|(id, payload)| frame(id, &payload)),
    ];
    let volley = prop::collection::vec(broken, 1..8);
    TestRunner::new(cases(600))
        .run(&(volley, 1_usize..400), |(frames, piece)| {
            range.fire(&[range.greeting(), frames.concat()].concat(), piece);
            Ok(())
        })
        .unwrap();
    range.close();
}

#[test]
fn no_change_of_what_a_real_daemon_says_brings_the_simulator_down() {
    let range = Range::open();
    let frames = range.runtime.block_on(recorded());
    assert!(frames.len() > 20, "only {} frames were recorded", frames.len());
    let count = frames.len();
    let volley = prop::collection::vec((0..count, scratched()), 1..10);
    TestRunner::new(cases(600))
        .run(&(volley, 1_usize..400), |(volley, piece)| {
            let mut bytes = range.greeting();
            for (index, scratch) in volley {
                let (id, payload) = &frames[index];
                bytes.extend(frame(*id, &scratch.of(payload)));
            }
            range.fire(&bytes, piece);
            Ok(())
        })
        .unwrap();
    range.close();
}

/// Everything that a daemon says while it trades for a moment, by id and payload.
async fn recorded() -> Vec<(i32, Vec<u8>)> {
    let running = synthetic(None, 0).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let said = Arc::new(Mutex::new(Vec::new()));
    let mut relay = JoinSet::new();
    relay.spawn(listen_in(listener, running.address, Arc::clone(&said)));
    let dir = tempfile::tempdir().unwrap();
    let pairs = [
        ("SYMBOLS", "AAPL,NVDA"),
        ("STRATEGY_PARAMS", "fast=2,slow=5"),
        ("RISK_TAKE_PROFIT_PCT", "0.02"),
        ("RISK_MAX_ORDERS_PER_MINUTE", "1000"),
    ];
    let mut daemon = Daemon::start(settings(address, &pairs), dir.path(), Start::default());
    daemon.until("fills", |p| p.executions >= 4).await;
    daemon.stop().await.1.unwrap();
    relay.shutdown().await;
    running.stop().await.unwrap();
    let bytes = said.lock().await.clone();
    // Behind the hello: frames of a length, an id and a payload.
    let mut rest = &bytes[8 + u32::from_be_bytes(bytes[4..8].try_into().unwrap()) as usize..];
    let mut frames = Vec::new();
    while rest.len() >= 8 {
        let length = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
        let id = i32::from_be_bytes(rest[4..8].try_into().unwrap()) - 200;
        let Some(payload) = rest.get(8..4 + length) else { break };
        frames.push((id, payload.to_vec()));
        rest = &rest[4 + length..];
    }
    frames
}

/// Passes one connection on, and keeps what the client says.
async fn listen_in(listener: TcpListener, to: SocketAddr, said: Arc<Mutex<Vec<u8>>>) {
    let (client, _) = listener.accept().await.unwrap();
    let server = TcpStream::connect(to).await.unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let there = async {
        let mut bytes = vec![0; 65_536];
        while let Ok(read @ 1..) = from_client.read(&mut bytes).await {
            said.lock().await.extend_from_slice(&bytes[..read]);
            if to_server.write_all(&bytes[..read]).await.is_err() {
                break;
            }
        }
    };
    let back = tokio::io::copy(&mut from_server, &mut to_client);
    tokio::select! {
        () = there => {}
        _ended = back => {}
    }
}
