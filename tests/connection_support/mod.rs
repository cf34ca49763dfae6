//! A gateway of raw frames with bad habits, for what no simulator should do by itself.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;

use robo_trader::tws::TwsConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Longer than anything here should ever take.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What the gateway does with a connection.
#[derive(Debug, Clone)]
pub enum Habit {
    /// Accepts and says nothing.
    Mute,
    /// Accepts and closes.
    Close,
    /// Answers these bytes, as another service would.
    Bytes(&'static [u8]),
    /// Acknowledges with this protocol version, and then sends these frames.
    Speak(i32, Vec<Vec<u8>>),
    /// As `Speak` with version 222, and answers every question for the time with this.
    Time(Vec<Vec<u8>>, i64),
    /// As `Time`, but reads nothing after the first answer.
    Deaf(Vec<Vec<u8>>, i64),
}

/// A running fake; it ends with the value.
pub struct Fake {
    pub address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Fake {
    pub async fn start(habit: Habit) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(serve(stream, habit.clone()));
            }
        });
        Self { address, _tasks: tasks }
    }

    /// Settings to reach it, with short deadlines.
    pub fn config(&self) -> TwsConfig {
        config(self.address.port())
    }
}

pub fn config(port: u16) -> TwsConfig {
    TwsConfig {
        port,
        client_id: 7,
        connect_within: Duration::from_millis(300),
        reply_within: Duration::from_millis(300),
        ..TwsConfig::default()
    }
}

async fn serve(mut stream: TcpStream, habit: Habit) {
    match habit {
        // Holding the socket is the point: a gateway that hangs does not close.
        Habit::Mute => pending().await,
        Habit::Close => {}
        Habit::Bytes(bytes) => {
            let mut hello = [0; 17];
            if stream.read_exact(&mut hello).await.is_ok() && stream.write_all(bytes).await.is_ok() {
                pending().await
            }
        }
        Habit::Speak(version, frames) => {
            greet(&mut stream, version, &frames).await;
            pending().await
        }
        Habit::Deaf(frames, millis) => {
            greet(&mut stream, 222, &frames).await;
            while let Some((id, _)) = read(&mut stream).await {
                if id == 305 && stream.write_all(&frame(309, &number(1, millis))).await.is_ok() {
                    pending::<()>().await;
                }
            }
        }
        Habit::Time(frames, millis) => {
            greet(&mut stream, 222, &frames).await;
            while let Some((id, _)) = read(&mut stream).await {
                if id == 305 {
                    let answer = frame(309, &number(1, millis));
                    if stream.write_all(&answer).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

async fn greet(stream: &mut TcpStream, version: i32, frames: &[Vec<u8>]) {
    let mut hello = [0; 17];
    if stream.read_exact(&mut hello).await.is_err() {
        return;
    }
    let text = format!("{version}\020261123 10:00:00 US/Eastern\0");
    let mut answer = u32::try_from(text.len()).unwrap().to_be_bytes().to_vec();
    answer.extend_from_slice(text.as_bytes());
    for frame in frames {
        answer.extend_from_slice(frame);
    }
    // A client that has left by now is not this fake's business.
    if stream.write_all(&answer).await.is_err() {}
}

async fn read(stream: &mut TcpStream) -> Option<(i32, Vec<u8>)> {
    let length = stream.read_u32().await.ok()?;
    let id = stream.read_i32().await.ok()?;
    let mut payload = vec![0; usize::try_from(length).ok()?.checked_sub(4)?];
    stream.read_exact(&mut payload).await.ok()?;
    Some((id, payload))
}

/// A whole frame.
pub fn frame(id: i32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len() + 4).unwrap().to_be_bytes().to_vec();
    bytes.extend_from_slice(&id.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

fn varint(mut value: u64, into: &mut Vec<u8>) {
    while value >= 0x80 {
        into.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    into.push(u8::try_from(value).unwrap());
}

/// A protobuf number field.
pub fn number(tag: u8, value: i64) -> Vec<u8> {
    let mut bytes = vec![tag << 3];
    varint(u64::from_ne_bytes(value.to_ne_bytes()), &mut bytes);
    bytes
}

/// A protobuf text field.
pub fn text(tag: u8, value: &str) -> Vec<u8> {
    let mut bytes = vec![(tag << 3) | 2];
    varint(u64::try_from(value.len()).unwrap(), &mut bytes);
    bytes.extend_from_slice(value.as_bytes());
    bytes
}

pub fn next_id(id: i64) -> Vec<u8> {
    frame(209, &number(1, id))
}

pub fn accounts(list: &str) -> Vec<u8> {
    frame(215, &text(1, list))
}

/// An error message with id -1.
pub fn error(code: i64, words: &str) -> Vec<u8> {
    frame(204, &[number(1, -1), number(3, code), text(4, words)].concat())
}
