//! What can go wrong with a gateway, and what the operator can do.

use std::time::Duration;

use crate::domain::Symbol;
use crate::domain::broker::AccountId;
use crate::robust_connection::Fault;

/// Why a session could not be had.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Nobody listens.
    #[error("nothing listens at {address}: start TWS or IB Gateway, enable its API, and check host and port")]
    Refused {
        /// Where.
        address: String,
    },
    /// The host does not answer, or its name is unknown.
    #[error("cannot reach {address}: {reason}; check host, network and firewall")]
    Unreachable {
        /// Where.
        address: String,
        /// What the system said.
        reason: String,
    },
    /// No connection in time.
    #[error("no connection to {address} within {within:?}: check host, network and firewall")]
    ConnectTimeout {
        /// Where.
        address: String,
        /// The deadline.
        within: Duration,
    },
    /// Connected, but the handshake is not answered.
    #[error(
        "{address} accepts but does not answer within {within:?}: look for a dialog or a log-in prompt in TWS, or restart the gateway"
    )]
    HandshakeSilent {
        /// Where.
        address: String,
        /// The deadline.
        within: Duration,
    },
    /// Connected and closed during the handshake.
    #[error(
        "{address} closed the connection during the handshake ({reason}): another service on that port, an address that the gateway does not trust, or a gateway still starting"
    )]
    ClosedEarly {
        /// Where.
        address: String,
        /// What was seen.
        reason: String,
    },
    /// Too old to speak with.
    #[error("the gateway at {address} is too old ({reason}): update TWS or IB Gateway")]
    ServerTooOld {
        /// Where.
        address: String,
        /// Versions.
        reason: String,
    },
    /// Our client id is held by another connection (326).
    #[error(
        "client id {client_id} is in use at {address}: another program uses it, or the gateway has not noticed yet that our last session ended"
    )]
    ClientIdInUse {
        /// Where.
        address: String,
        /// Ours.
        client_id: i32,
    },
    /// No order id was given.
    #[error("the gateway gave no next order id: it is not logged in completely; look at its window")]
    NoOrderId,
    /// No account was given.
    #[error("the gateway names no account: it is not logged in completely; look at its window")]
    NoAccount,
    /// Not the account that was asked for.
    #[error("the gateway serves {}, not account {expected}: log in with the right user or set IBKR_ACCOUNT", list(.got))]
    AccountMismatch {
        /// Asked for.
        expected: AccountId,
        /// Served.
        got: Vec<AccountId>,
    },
    /// Several accounts and none chosen.
    #[error("the gateway serves several accounts ({}): choose one with IBKR_ACCOUNT", list(.got))]
    AmbiguousAccount {
        /// Served.
        got: Vec<AccountId>,
    },
    /// It answers the handshake but not a request for its time.
    #[error("the gateway does not tell its time within {within:?}: it is not working; restart it if this lasts")]
    TimeSilent {
        /// The deadline.
        within: Duration,
    },
    /// The API is read-only.
    #[error("the gateway's API is read-only ({text}): clear \"Read-Only API\" in its API settings")]
    ReadOnly {
        /// IBKR's words.
        text: String,
    },
    /// A request of the readiness check failed.
    #[error("the gateway failed the readiness check {step}: {reason}")]
    NotReady {
        /// Which.
        step: &'static str,
        /// What it said.
        reason: String,
    },
    /// Our own configuration is impossible.
    #[error("impossible connection settings: {reason}")]
    Settings {
        /// What is wrong.
        reason: String,
    },
}

fn list(accounts: &[AccountId]) -> String {
    accounts.iter().map(|a| a.0.as_str()).collect::<Vec<_>>().join(", ")
}

impl DialError {
    /// What it asks of the connection.
    pub fn fault(&self) -> Fault {
        match self {
            Self::ServerTooOld { .. }
            | Self::AccountMismatch { .. }
            | Self::AmbiguousAccount { .. }
            | Self::Settings { .. } => Fault::Fatal,
            Self::ReadOnly { .. } => Fault::NeedsHuman,
            Self::Refused { .. }
            | Self::Unreachable { .. }
            | Self::ConnectTimeout { .. }
            | Self::HandshakeSilent { .. }
            | Self::ClosedEarly { .. }
            | Self::ClientIdInUse { .. }
            | Self::NoOrderId
            | Self::NoAccount
            | Self::TimeSilent { .. }
            | Self::NotReady { .. } => Fault::Transient,
        }
    }
}

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The session is gone.
    #[error("the session is lost: {reason}")]
    SessionLost {
        /// What was seen.
        reason: String,
    },
    /// No answer in time.
    #[error("{what}: no answer within {within:?}")]
    Deadline {
        /// Which request.
        what: String,
        /// The deadline.
        within: Duration,
    },
    /// The gateway refused it.
    #[error("{what}: IBKR {code}: {text}")]
    Refused {
        /// Which request.
        what: String,
        /// IBKR's code.
        code: i32,
        /// IBKR's words.
        text: String,
    },
    /// The answer cannot be read.
    #[error("{what}: unreadable answer: {reason}")]
    Unreadable {
        /// Which request.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Why a symbol has no contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContractError {
    /// IBKR knows no such stock (200).
    #[error("IBKR knows no US stock or ETF {symbol} (SMART, USD): check the spelling")]
    Unknown {
        /// Which.
        symbol: Symbol,
    },
    /// Several fit.
    #[error("{symbol} is ambiguous: {}", candidates.join("; "))]
    Ambiguous {
        /// Which.
        symbol: Symbol,
        /// What fits.
        candidates: Vec<String>,
    },
    /// The request failed.
    #[error("contract of {symbol}")]
    Request {
        /// Which.
        symbol: Symbol,
        /// Why.
        #[source]
        source: RequestError,
    },
}

/// Why an order or a cancel could not be handed to the gateway.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Not written in time: it may be half out. The session must end; the order is Unknown.
    #[error("order {order_id}: not sent within {within:?}; whether the gateway has it is unknown")]
    Deadline {
        /// Which order.
        order_id: i32,
        /// The deadline.
        within: Duration,
    },
    /// The session is gone. Whether the gateway has it is unknown.
    #[error("order {order_id}: the session is lost: {reason}")]
    SessionLost {
        /// Which order.
        order_id: i32,
        /// What was seen.
        reason: String,
    },
    /// It was never sent: it cannot be written down in the API's words.
    #[error("order {order_id}: not sent: {reason}")]
    Invalid {
        /// Which order.
        order_id: i32,
        /// What is wrong with it.
        reason: String,
    },
}

impl SendError {
    /// Whether the order surely did not leave.
    pub fn never_left(&self) -> bool {
        matches!(self, Self::Invalid { .. })
    }
}

/// Why a stream ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamEnd {
    /// The session is gone.
    #[error("the session is lost: {reason}")]
    SessionLost {
        /// What was seen.
        reason: String,
    },
    /// The gateway ended it.
    #[error("IBKR {code}: {text}")]
    Refused {
        /// IBKR's code.
        code: i32,
        /// IBKR's words.
        text: String,
    },
    /// A message could not be read, which ends the stream though the session may live.
    #[error("unreadable message: {reason}")]
    Unreadable {
        /// What is wrong with it.
        reason: String,
    },
    /// Updates were lost on the way to us: ask for the missing history, then stream again.
    #[error("updates were lost")]
    Lagged,
}
