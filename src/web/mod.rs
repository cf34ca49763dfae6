//! Dashboard, HTTP API, WebSocket feed and metrics: what the board shows, for browsers and programs.
//!
//! It reads the board and asks as an operator does on the control socket; it never asks the broker, and the
//! desk never waits for it.

mod commands;
mod connection;
mod feed;
mod guard;
pub mod log_tail;
pub mod metrics;
mod openapi;
pub mod page;
mod reads;
pub mod routes;
pub mod server;
mod talk;
pub mod thread;
pub mod token;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::clock::wall_now;
use crate::config::{Settings, words};
use crate::domain::MarketTime;
use crate::runner::board::Board;
use crate::runner::reload::Reload;
use guard::Guard;
use token::Token;

pub use routes::router;

/// How a symbol is traded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StrategyView {
    /// Which symbol.
    pub symbol: String,
    /// The strategy's name.
    pub strategy: String,
    /// Its parameters.
    pub params: std::collections::BTreeMap<String, String>,
    /// How a full target is sized.
    pub sizing: String,
    /// Its protective stop.
    pub stop: String,
}

/// What the web part is told.
#[derive(Clone)]
pub struct WebConfig {
    /// Address.
    pub bind: IpAddr,
    /// Port; 0: one that is free.
    pub port: u16,
    /// A second port.
    pub second_port: Option<u16>,
    /// Names by which a browser may come.
    pub hosts: Vec<String>,
    /// Where the token's file is.
    pub state_dir: PathBuf,
    /// The settings in force.
    pub reload: Arc<Reload>,
    /// How each symbol is traded.
    pub strategies: Vec<StrategyView>,
    /// How long a feed client may take to take a message, and any client to take anything at all.
    pub send_within: Duration,
    /// Time between two pings of a feed client.
    pub ping_every: Duration,
    /// Time between two attempts to get a port that is in use.
    pub again_after: Duration,
}

impl WebConfig {
    /// By the settings, and what reads them anew.
    pub fn of(settings: &Settings, reload: Arc<Reload>, state_dir: PathBuf) -> Self {
        let strategies = settings.symbols.iter().map(|(symbol, plan)| StrategyView {
            symbol: symbol.to_string(),
            strategy: plan.strategy.clone(),
            params: plan.params.clone(),
            sizing: words::sizing(&plan.sizing),
            stop: words::stop(&plan.stop),
        });
        Self {
            bind: settings.web.bind,
            port: settings.web.port,
            second_port: settings.web.second_port,
            hosts: settings.web.hosts.clone(),
            state_dir,
            reload,
            strategies: strategies.collect(),
            send_within: Duration::from_secs(10),
            ping_every: Duration::from_secs(20),
            again_after: Duration::from_secs(5),
        }
    }
}

/// What every request shares.
pub struct Shared {
    board: Arc<Board>,
    config: WebConfig,
    guard: Guard,
    /// A word that no other process of this daemon has: numbers of the feed are its own.
    boot: String,
    started: MarketTime,
    clients: feed::Places,
    /// Feed clients dropped because they did not read.
    dropped: AtomicU64,
    address: watch::Sender<Option<SocketAddr>>,
    /// Ends the feed's clients with the server.
    closing: CancellationToken,
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// Beyond loopback everything needs the token, and there is none.
    #[error("DASH_BIND={bind} is not this machine alone, and there is no token: {source}")]
    Tokenless {
        /// Where it was to be served.
        bind: IpAddr,
        /// Why there is no token.
        #[source]
        source: token::TokenError,
    },
}

impl Shared {
    /// Reads or makes the token.
    ///
    /// # Errors
    /// There is none, and it is to be served beyond this machine.
    pub fn new(config: WebConfig, board: Arc<Board>) -> Result<Arc<Self>, WebError> {
        let loopback = config.bind.is_loopback();
        let token = match Token::of(&config.state_dir) {
            Ok(token) => Some(token),
            Err(source) if !loopback => return Err(WebError::Tokenless { bind: config.bind, source }),
            Err(why) => {
                error!("the dashboard takes no commands: {why}");
                None
            }
        };
        let guard = Guard::new(loopback, config.hosts.clone(), token);
        Ok(Arc::new(Self {
            board,
            config,
            guard,
            boot: format!("{:016x}", rand::random::<u64>()),
            started: wall_now(),
            clients: feed::Places::default(),
            dropped: AtomicU64::new(0),
            address: watch::Sender::new(None),
            closing: CancellationToken::new(),
        }))
    }

    fn config(&self) -> &WebConfig {
        &self.config
    }

    /// Tells with the status how the dashboard is.
    fn note(&self, text: String) {
        *self.board.dashboard().lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
    }

    fn served_at(&self, address: SocketAddr) {
        self.address.send_replace(Some(address));
    }

    /// Where it is served, once it is.
    pub fn address(&self) -> watch::Receiver<Option<SocketAddr>> {
        self.address.subscribe()
    }
}

/// Serves a board until dropped, once the runner is there; or says why it cannot.
pub async fn run(config: WebConfig, board: Arc<Board>) {
    board.attached().await;
    match Shared::new(config, Arc::clone(&board)) {
        Ok(shared) => served(shared).await,
        Err(why) => {
            error!("there is no dashboard: {why}; the daemon trades on");
            *board.dashboard().lock().unwrap_or_else(PoisonError::into_inner) = Some(format!("not there: {why}"));
        }
    }
}

/// Serves until dropped; the feed's clients end with it.
pub async fn served(shared: Arc<Shared>) {
    let _closed_with_us = shared.closing.clone().drop_guard();
    server::run(shared).await;
}
