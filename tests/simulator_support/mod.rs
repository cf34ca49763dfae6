//! What the simulator's tests share: a simulator of their own on a free port, a client that speaks
//! raw bytes, and one that is the real `ibapi`.
#![allow(dead_code, reason = "every test binary uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

pub mod orders;

use std::net::SocketAddr;
use std::time::Duration;

use prost::Message;
use robo_trader::simulator::{Running, SimulatorConfig, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// No test waits longer for anything; it is never reached where all is well.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Synthetic prices on a free port, no message limit.
pub fn config() -> SimulatorConfig {
    let cash = robo_trader::domain::Usd::of(1_000_000.into());
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    SimulatorConfig { listen, cash, message_rate: 0, pacing: false, ..SimulatorConfig::default() }
}

pub async fn simulator() -> Running {
    start(config()).await.unwrap()
}

pub async fn ibapi(running: &Running, client_id: i32) -> ibapi::Client {
    let builder = ibapi::Client::builder().address(running.address.to_string()).client_id(client_id);
    timeout(PATIENCE, builder.max_reconnect_attempts(0).connect()).await.unwrap().unwrap()
}

pub fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

/// The fields of an error message that tests look at.
#[derive(Clone, PartialEq, Message)]
pub struct ErrorMessage {
    #[prost(int32, optional, tag = "1")]
    pub id: Option<i32>,
    #[prost(int32, optional, tag = "3")]
    pub error_code: Option<i32>,
    #[prost(string, optional, tag = "4")]
    pub error_msg: Option<String>,
}

/// A client that speaks bytes.
pub struct Raw {
    stream: TcpStream,
}

impl Raw {
    pub async fn connect(running: &Running) -> Self {
        Self { stream: TcpStream::connect(running.address).await.unwrap() }
    }

    /// Connected, with hello said and the API started.
    pub async fn started(running: &Running, client_id: i32) -> Self {
        let mut raw = Self::connect(running).await;
        raw.hello("v213..226").await;
        raw.reply().await.unwrap();
        raw.send(71, &Number { id: Some(client_id) }).await;
        raw
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    pub async fn hello(&mut self, versions: &str) {
        let mut bytes = b"API\0".to_vec();
        bytes.extend(u32::try_from(versions.len()).unwrap().to_be_bytes());
        bytes.extend(versions.as_bytes());
        self.write(&bytes).await;
    }

    pub async fn send(&mut self, id: i32, message: &impl Message) {
        let payload = message.encode_to_vec();
        let mut bytes = u32::try_from(payload.len() + 4).unwrap().to_be_bytes().to_vec();
        bytes.extend((id + 200).to_be_bytes());
        bytes.extend(payload);
        self.write(&bytes).await;
    }

    /// Length-prefixed bytes; `None` where the server has closed.
    pub async fn reply(&mut self) -> Option<Vec<u8>> {
        timeout(PATIENCE, async {
            let length = self.stream.read_u32().await.ok()?;
            let mut bytes = vec![0; length as usize];
            self.stream.read_exact(&mut bytes).await.ok()?;
            Some(bytes)
        })
        .await
        .expect("an answer or the end, not silence")
    }

    /// The next message: its base id and payload; `None` where the server has closed.
    pub async fn next(&mut self) -> Option<(i32, Vec<u8>)> {
        let bytes = self.reply().await?;
        let (id, payload) = bytes.split_first_chunk::<4>().unwrap();
        Some((i32::from_be_bytes(*id) - 200, payload.to_vec()))
    }

    /// Skips messages up to the next with this base id.
    pub async fn until(&mut self, id: i32) -> Vec<u8> {
        loop {
            let (seen, payload) = self.next().await.expect("the server closed");
            if seen == id {
                return payload;
            }
        }
    }

    /// Skips messages up to the next error that is no notice about data farms.
    pub async fn error(&mut self) -> (i32, i32, String) {
        loop {
            let error = ErrorMessage::decode(&self.until(4).await[..]).unwrap();
            let code = error.error_code.unwrap();
            if !(2_100..2_200).contains(&code) {
                return (error.id.unwrap(), code, error.error_msg.unwrap());
            }
        }
    }

    /// Reads on until the server closes.
    pub async fn closed(&mut self) {
        while self.reply().await.is_some() {}
    }
}

/// A message of one number.
#[derive(Clone, PartialEq, Message)]
pub struct Number {
    #[prost(int32, optional, tag = "1")]
    pub id: Option<i32>,
}

/// Writes one day of 1-minute bars of a symbol, 09:30 to `09:30 + closes.len()` New York time on
/// Monday 2024-03-04; each bar opens at the close before it (the first at its own close) and
/// ranges 10 cents around both.
pub fn write_minutes(dir: &std::path::Path, symbol: &str, closes: &[f64]) {
    let mut text = String::from("time,open,high,low,close,volume\n");
    let mut open = closes[0];
    for (minute, close) in closes.iter().enumerate() {
        let at = chrono::DateTime::from_timestamp(OPEN + 60 * i64::try_from(minute).unwrap(), 0).unwrap();
        let (high, low) = (open.max(*close) + 0.1, open.min(*close) - 0.1);
        let at = at.format("%Y-%m-%dT%H:%M:%SZ");
        text.push_str(&format!("{at},{open:.2},{high:.2},{low:.2},{close:.2},1000\n"));
        open = *close;
    }
    std::fs::write(dir.join(format!("{symbol}-1min-2024.csv")), text).unwrap();
}

/// 2024-03-04 09:30 New York.
pub const OPEN: i64 = 1_709_562_600;

/// Replays a folder at 20 one-minute bars in a real second.
pub fn replay(dir: &std::path::Path) -> SimulatorConfig {
    SimulatorConfig {
        source: robo_trader::simulator::Source::Replay { dir: dir.to_owned() },
        speed: robo_trader::simulator::Speed::Times(1_200.0),
        ..config()
    }
}

impl Raw {
    /// Writes what the server may well cut short.
    pub async fn noise(&mut self, bytes: &[u8]) {
        let _cut_short = self.stream.write_all(bytes).await;
    }

    /// Writes; says whether the server still takes it.
    pub async fn try_write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }
}

impl Raw {
    /// Sends; says whether the server still takes it.
    pub async fn try_send(&mut self, id: i32, message: &impl Message) -> bool {
        let payload = message.encode_to_vec();
        let mut bytes = u32::try_from(payload.len() + 4).unwrap().to_be_bytes().to_vec();
        bytes.extend((id + 200).to_be_bytes());
        bytes.extend(payload);
        self.try_write(&bytes).await
    }

    /// The next error, notices about farms included; nothing where the server has closed.
    pub async fn first_error(&mut self) -> Option<(i32, i32, String)> {
        loop {
            let (id, payload) = self.next().await?;
            if id == 4 {
                let error = ErrorMessage::decode(&payload[..]).unwrap();
                return Some((error.id.unwrap(), error.error_code.unwrap(), error.error_msg.unwrap()));
            }
        }
    }

    /// Reads on until the connection ends; says how: the end of the stream, or a reset.
    pub async fn end(&mut self) -> std::io::ErrorKind {
        let mut chunk = [0; 4_096];
        timeout(PATIENCE, async {
            loop {
                match self.stream.read(&mut chunk).await {
                    Ok(0) => return std::io::ErrorKind::UnexpectedEof,
                    Ok(_) => {}
                    Err(error) => return error.kind(),
                }
            }
        })
        .await
        .expect("an end, not silence")
    }

    /// The length with which the next frame begins.
    pub async fn length(&mut self) -> u32 {
        timeout(PATIENCE, self.stream.read_u32()).await.expect("bytes, not silence").unwrap()
    }
}

impl Raw {
    /// Skips messages up to an error of this code; returns its id.
    pub async fn error_code(&mut self, code: i32) -> i32 {
        loop {
            let error = ErrorMessage::decode(&self.until(4).await[..]).unwrap();
            if error.error_code == Some(code) {
                return error.id.unwrap();
            }
        }
    }
}

impl ErrorMessage {
    /// The code of an encoded error; 0 where it is none.
    pub fn decode_code(payload: &[u8]) -> i32 {
        Self::decode(payload).ok().and_then(|error| error.error_code).unwrap_or(0)
    }
}
