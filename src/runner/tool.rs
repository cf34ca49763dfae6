//! One session for a command of an operator's, with a client id of its own: it asks, and never orders.

use super::{policy, tws_config};
use crate::config::Settings;
use crate::domain::broker::{AccountId, BrokerSnapshot, Venue};
use crate::domain::{Bar, Contract, HistoryRequest, MarketTime, Symbol};
use crate::robust_connection::{ConnectionState, Exhausted, Fault, Phase, RobustConnection};
use crate::tws::{ContractError, DialError, Gateway, RequestError, Session, TwsConfig};

/// Attempts after which a command gives up: somebody is waiting.
const ATTEMPTS: u32 = 2;

/// Messages a second: what the daemon's own limit leaves of IBKR's fifty.
const MESSAGES: u32 = 4;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// No retry can help.
    #[error("no session can be had: {}", .0.source)]
    Never(#[from] Exhausted<DialError>),
    /// Nothing but failures.
    #[error("no session after {attempts} attempts: {error}")]
    NotNow {
        /// Attempts made.
        attempts: u32,
        /// The last failure.
        error: String,
    },
    /// A question was not answered.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A symbol has no contract.
    #[error(transparent)]
    Contract(#[from] ContractError),
}

/// What a look at the gateway found.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Look {
    /// The protocol's version that it speaks.
    pub server_version: i32,
    /// `ibkr` or `simulator`.
    pub venue: String,
    /// The account of the session.
    pub account: String,
    /// Whether that is a paper account.
    pub paper: bool,
    /// The gateway's time.
    pub gateway_time: MarketTime,
    /// The gateway's time less this machine's, milliseconds.
    pub ahead_ms: i64,
    /// Contracts of which the account holds shares.
    pub positions: usize,
    /// Orders that work in the account, of whatever client.
    pub open_orders: usize,
}

/// What an account holds, as one read found it.
#[derive(Debug, Clone)]
pub struct Holdings {
    /// Whose gateway it is.
    pub venue: Venue,
    /// The account.
    pub account: AccountId,
    /// The read: positions, orders that work, money.
    pub snapshot: BrokerSnapshot,
}

/// A session that only asks.
pub struct Tool {
    session: Session,
}

impl Tool {
    /// Gets a session, the way the daemon does.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn connect(settings: &Settings) -> Result<Self, ToolError> {
        let config = TwsConfig {
            client_id: settings.connection.tool_client_id,
            message_rate: settings.connection.message_rate.min(MESSAGES),
            ..tws_config(settings)
        };
        let mut connection = RobustConnection::new(Gateway::new(config), policy(settings), 1);
        let mut state = connection.state();
        tokio::select! {
            session = connection.session() => Ok(Self { session: session? }),
            gave_up = state.wait_for(is_enough) => {
                let state = gave_up.map(|state| state.clone()).unwrap_or_else(|_| ConnectionState::idle());
                let error = state.last_error.unwrap_or_else(|| "unknown".to_owned());
                Err(ToolError::NotNow { attempts: state.attempts, error })
            }
        }
    }

    /// A look at it.
    ///
    /// # Errors
    /// A question was not answered.
    pub async fn look(&self) -> Result<Look, ToolError> {
        Ok(look(&self.session).await?)
    }

    /// What the account holds, read once.
    ///
    /// # Errors
    /// A question was not answered.
    pub async fn holdings(&self) -> Result<Holdings, ToolError> {
        let (venue, account) = (self.session.venue().clone(), self.session.account().clone());
        Ok(Holdings { venue, account, snapshot: self.session.snapshot(0).await? })
    }

    /// The gateway's time.
    ///
    /// # Errors
    /// It was not answered.
    pub async fn time(&self) -> Result<MarketTime, ToolError> {
        Ok(self.session.server_time().await?)
    }

    /// A symbol's contract.
    ///
    /// # Errors
    /// There is none, or several.
    pub async fn contract(&self, symbol: &Symbol) -> Result<Contract, ToolError> {
        Ok(self.session.contract(symbol).await?)
    }

    /// Bars of the past, within IBKR's pacing.
    ///
    /// # Errors
    /// They were not given.
    pub async fn history(&self, contract: &Contract, request: &HistoryRequest) -> Result<Vec<Bar>, ToolError> {
        Ok(self.session.history(contract, request).await?)
    }

    /// Closes it.
    pub async fn close(self) {
        self.session.close().await;
    }
}

/// A look at the gateway, by a session of whoever asks.
pub(super) async fn look(session: &Session) -> Result<Look, RequestError> {
    let at = session.server_time().await?;
    let ahead_ms = at.millis().saturating_sub(crate::clock::wall_now().millis());
    let snapshot = session.snapshot(0).await?;
    let account = session.account();
    Ok(Look {
        server_version: session.server_version(),
        venue: session.venue().as_str().to_owned(),
        account: account.to_string(),
        paper: account.is_paper(),
        gateway_time: at,
        ahead_ms,
        positions: snapshot.positions.values().filter(|held| !held.quantity.is_zero()).count(),
        open_orders: snapshot.open_orders.len(),
    })
}

/// Whether so much has failed that somebody who waits should hear of it.
fn is_enough(state: &ConnectionState) -> bool {
    match &state.phase {
        Phase::BackingOff { attempt, fault, .. } => *attempt >= ATTEMPTS || *fault == Fault::NeedsHuman,
        Phase::Open { .. } => true,
        Phase::Idle | Phase::Dialing { .. } | Phase::Connected | Phase::Held | Phase::Lost { .. } => false,
        Phase::Failed { .. } => false,
    }
}
