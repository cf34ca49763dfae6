//! The broker, for commands that only ask: by the running daemon's session and within its pacing, or, where none runs,
//! by a session of their own with `IBKR_TOOL_CLIENT_ID`. Never by a second session beside the daemon's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::operate::ANSWER_WITHIN;
use super::state_dir::daemons;
use crate::config::Settings;
use crate::control::{self, ControlError};
use crate::domain::{Bar, Contract, HistoryRequest, MarketTime, Symbol};
use crate::runner::guests::{NoAnswer, taken};
use crate::runner::operate::{Reply, Request};
use crate::runner::tool::{Look, Tool, ToolError};
use crate::runner::{CONTROL_SOCKET, exit};

/// How long the daemon may take to answer one question to the broker: others' may stand before it, each waits a while
/// for pacing, and history is slow.
const BROKER_WITHIN: Duration = Duration::from_secs(300);

/// Why the broker has not answered.
#[derive(Debug, thiserror::Error)]
pub(super) enum BrokerError {
    #[error("{0}")]
    StateDir(String),
    #[error(transparent)]
    Tool(#[from] ToolError),
    #[error("cannot start: {0}")]
    Start(std::io::Error),
    #[error("a daemon has this state directory, but does not answer: {0}")]
    Silent(ControlError),
    #[error("the daemon's answer cannot be read ({0}): is it of the same version?")]
    Unreadable(#[from] serde_json::Error),
    #[error(transparent)]
    Daemon(#[from] NoAnswer),
}

impl BrokerError {
    /// The exit code.
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::StateDir(_) | Self::Tool(ToolError::Contract(_)) => exit::USAGE,
            Self::Tool(ToolError::Never(_)) => exit::HUMAN,
            Self::Tool(ToolError::NotNow { .. } | ToolError::Request(_))
            | Self::Start(_)
            | Self::Silent(_)
            | Self::Unreadable(_)
            | Self::Daemon(_) => exit::RESTART,
        }
    }
}

/// The way to the broker.
pub(super) enum Broker {
    /// The daemon that runs, by its control socket.
    Daemon(PathBuf),
    /// A session of our own, and the contracts that it has looked up.
    Own(Tool, BTreeMap<Symbol, Contract>),
}

impl Broker {
    /// By the daemon with these settings' state directory, where one runs, else by a session that is got now.
    pub(super) async fn reach(settings: &Settings) -> Result<Self, BrokerError> {
        let dir = daemons(settings.state_dir.clone()).map_err(BrokerError::StateDir)?;
        let socket = dir.join(CONTROL_SOCKET);
        let line = serde_json::to_string(&Request::Status {})?;
        let reply: Option<Reply> = match control::ask(&socket, &line, ANSWER_WITHIN).await {
            Ok(answer) => Some(serde_json::from_str(&answer)?),
            Err(ControlError::Nobody { .. }) => None,
            Err(error) => return Err(BrokerError::Silent(error)),
        };
        match reply {
            Some(reply) if reply.is_later() => Err(NoAnswer::Again(reply.text).into()),
            Some(reply) if holds_a_connection(&reply) => Ok(Self::Daemon(socket)),
            // One that stays because a human is needed has no connection, and gets none.
            Some(_) | None => Ok(Self::Own(Tool::connect(settings).await?, BTreeMap::new())),
        }
    }

    /// Who asks, in words.
    pub(super) fn by(&self) -> &'static str {
        match self {
            Self::Daemon(_) => "the running daemon's session",
            Self::Own(..) => "a session of its own",
        }
    }

    /// A look at the gateway.
    pub(super) async fn look(&self) -> Result<Look, BrokerError> {
        match self {
            Self::Own(tool, _) => Ok(tool.look().await?),
            Self::Daemon(socket) => ask(socket, &Request::Look {}).await,
        }
    }

    /// The gateway's time.
    pub(super) async fn time(&self) -> Result<MarketTime, BrokerError> {
        match self {
            Self::Own(tool, _) => Ok(tool.time().await?),
            Self::Daemon(_) => Ok(self.look().await?.gateway_time),
        }
    }

    /// Bars of the past, within IBKR's pacing; `waits` hears whenever the daemon has not yet let the question through.
    pub(super) async fn history(
        &mut self,
        symbol: &Symbol,
        request: &HistoryRequest,
        waits: impl Fn(&str),
    ) -> Result<Vec<Bar>, BrokerError> {
        let socket = match self {
            Self::Daemon(socket) => socket,
            Self::Own(tool, known) => {
                let contract = match known.get(symbol) {
                    Some(contract) => contract,
                    None => known.entry(*symbol).or_insert(tool.contract(symbol).await?),
                };
                return Ok(tool.history(contract, request).await?);
            }
        };
        let question = Request::History { symbol: *symbol, ask: request.clone() };
        loop {
            match ask(socket, &question).await {
                Err(BrokerError::Daemon(NoAnswer::Again(why))) => {
                    waits(&why);
                    // The daemon has held the question for a while already, unless others stood before it.
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                answer => return answer,
            }
        }
    }

    /// Closes what is ours.
    pub(super) async fn close(self) {
        if let Self::Own(tool, _) = self {
            tool.close().await;
        }
    }
}

fn holds_a_connection(reply: &Reply) -> bool {
    reply.status.as_ref().is_some_and(|status| !status["connection"].is_null())
}

async fn ask<T: DeserializeOwned>(socket: &Path, question: &Request) -> Result<T, BrokerError> {
    let line = serde_json::to_string(question)?;
    let answer = control::ask(socket, &line, BROKER_WITHIN).await.map_err(BrokerError::Silent)?;
    Ok(taken(serde_json::from_str(&answer)?)?)
}
