//! What the tests of the web part share: a served board, a plain HTTP client, a feed client.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, reason = "shared by several test binaries")]

pub mod browser;
pub mod schema;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use robo_trader::config::{Layers, Settings};
use robo_trader::runner::board::Board;
use robo_trader::runner::board::views::SettingView;
use robo_trader::runner::reload::Reload;
use robo_trader::simulator::Running;
use robo_trader::web::{Shared, WebConfig, token};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::{Daemon, Start, settings, synthetic};

/// How long a test waits for something that must come. Never reached where all is well.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A configuration for tests, on a port that is free.
pub fn config(state_dir: &Path) -> WebConfig {
    let layers = Layers::new();
    let settings = Settings::resolve(&layers).unwrap();
    let reload = Reload::new(|| Err("not in tests".to_owned()), SettingView::all(&layers));
    WebConfig {
        port: 0,
        again_after: Duration::from_millis(20),
        ..WebConfig::of(&settings, reload, state_dir.to_path_buf())
    }
}

/// The settings of [`busy`].
pub const BUSY: &[(&str, &str)] =
    &[("SYMBOLS", "AAPL,NVDA"), ("STRATEGY_PARAMS", "fast=2,slow=5"), ("RISK_MAX_DAILY_NOTIONAL", "1000000000")];

/// A daemon that trades often, and its board served.
pub async fn busy(dir: &Path) -> (Running, Daemon, Served) {
    let simulator = synthetic(None, 0).await;
    let board = Board::new();
    let how = Start { board: Some(Arc::clone(&board)), ..Start::default() };
    let daemon = Daemon::start(settings(simulator.address, BUSY), dir, how);
    let served = Served::of(board, config(dir)).await;
    (simulator, daemon, served)
}

/// A board that is served.
pub struct Served {
    pub board: Arc<Board>,
    pub address: SocketAddr,
    pub token: String,
    task: JoinSet<()>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Served {
    pub async fn of(board: Arc<Board>, config: WebConfig) -> Self {
        let state_dir = config.state_dir.clone();
        let shared = Shared::new(config, Arc::clone(&board)).unwrap();
        let mut address = shared.address();
        let mut task = JoinSet::new();
        task.spawn(robo_trader::web::served(shared));
        let waited = tokio::time::timeout(PATIENCE, address.wait_for(Option::is_some)).await;
        let address = waited.expect("never served").unwrap().unwrap();
        let token = std::fs::read_to_string(state_dir.join(token::TOKEN_FILE)).unwrap().trim().to_owned();
        Self { board, address, token, task }
    }

    /// What another process serves.
    pub fn elsewhere(address: SocketAddr, token: String) -> Self {
        Self { board: Board::new(), address, token, task: JoinSet::new() }
    }

    /// Ends the server, not what it served.
    pub async fn stop(mut self) {
        self.task.shutdown().await;
    }

    pub async fn get(&self, path: &str) -> Value {
        let answer = self.raw("GET", path, &[], "").await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }

    /// A list of the API: the newest rows of it.
    pub async fn list(&self, name: &str) -> Vec<Value> {
        self.get(&format!("/api/v1/{name}?limit=5000")).await[name].as_array().unwrap().clone()
    }

    /// A command with the right token.
    pub async fn command(&self, name: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        self.raw("POST", &format!("/api/v1/commands/{name}"), &headers, &body.to_string()).await
    }

    pub async fn raw(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut text = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        if !headers.iter().any(|(name, _)| *name == "Host") {
            text += &format!("Host: {}\r\n", self.address);
        }
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        let bytes = self.bytes(format!("{text}\r\n{body}").as_bytes(), false).await;
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// Says some bytes (`is_all`: and that no more will come) and takes whatever comes back until the end.
    pub async fn bytes(&self, said: &[u8], is_all: bool) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // The server may have hung up before it heard everything.
        drop(stream.write_all(said).await);
        if is_all {
            drop(stream.shutdown().await);
        }
        let mut heard = Vec::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut heard)).await;
        drop(read.expect("no end of the answer"));
        heard
    }

    /// Asks again and again until it is so; the requests themselves take the time.
    pub async fn until(&self, path: &str, what: &str, mut is_so: impl FnMut(&Answer) -> bool) -> Answer {
        let asking = async {
            loop {
                let answer = self.raw("GET", path, &[], "").await;
                if is_so(&answer) {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("never: {what}"))
    }
}

/// The loopback address.
pub const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
