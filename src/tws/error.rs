//! What can go wrong with a gateway, and what the operator can do.

use std::time::Duration;

use ibapi::Error;

use crate::domain::broker::AccountId;
use crate::domain::{MarketTime, Symbol, plain};
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
    /// Connected, and answered by something that is no gateway.
    #[error("what answers at {address} is no TWS or IB Gateway ({reason}): check host and port")]
    NotAGateway {
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
    /// Broker and machine disagree about the time.
    #[error("broker time {broker} and this machine's {machine} are {apart:?} apart: set this machine's clock")]
    ClockSkew {
        /// The broker's.
        broker: MarketTime,
        /// Ours.
        machine: MarketTime,
        /// The difference.
        apart: Duration,
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
    accounts.iter().map(|a| &*a.0).collect::<Vec<_>>().join(", ")
}

impl DialError {
    /// What it asks of the connection.
    pub fn fault(&self) -> Fault {
        match self {
            Self::ServerTooOld { .. }
            | Self::AccountMismatch { .. }
            | Self::AmbiguousAccount { .. }
            | Self::NotAGateway { .. }
            | Self::Settings { .. } => Fault::Fatal,
            Self::ReadOnly { .. } | Self::ClockSkew { .. } => Fault::NeedsHuman,
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
    /// Its turn under the message limit did not come: more urgent messages went first.
    #[error("{what}: not sent, no turn under the message limit within {within:?}")]
    Throttled {
        /// Which request.
        what: String,
        /// The deadline.
        within: Duration,
    },
    /// So many bar streams cannot be open.
    #[error("{what}: {limit} bar streams are open, and IBKR allows no more; use real-time bars or polling")]
    TooManyStreams {
        /// Which request.
        what: String,
        /// The limit.
        limit: usize,
    },
}

impl RequestError {
    /// What the crate's error means for one request.
    pub(super) fn from_api(what: &str, within: Duration, error: &Error) -> Self {
        let what = what.to_owned();
        match error {
            Error::Notice(notice) => Self::Refused { what, code: notice.code, text: plain(&notice.message) },
            Error::Timeout => Self::Deadline { what, within },
            error if is_loss(error) => Self::SessionLost { reason: error.to_string() },
            error => Self::Unreadable { what, reason: error.to_string() },
        }
    }
}

/// Whether nothing more can come from this session. The crate's own `is_connection_lost` leaves
/// out what can no longer be recovered, which for us is the same.
fn is_loss(error: &Error) -> bool {
    matches!(
        error,
        Error::Io(_)
            | Error::ConnectionFailed
            | Error::ConnectionReset
            | Error::ConnectionRejected(_)
            | Error::InvalidFrame(_)
            | Error::Shutdown
            | Error::Cancelled
            | Error::EndOfStream
            | Error::UnexpectedEndOfStream
    )
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
    /// It was never sent: its turn under the message limit did not come.
    #[error("order {order_id}: not sent, no turn under the message limit within {within:?}")]
    Throttled {
        /// Which order.
        order_id: i32,
        /// The deadline.
        within: Duration,
    },
}

impl SendError {
    /// Whether the order (or cancel) surely did not leave. Otherwise it is Unknown, and the
    /// session must end.
    pub fn never_left(&self) -> bool {
        matches!(self, Self::Invalid { .. } | Self::Throttled { .. })
    }

    /// What the crate's error means for one message: checks come before the write, everything
    /// else may have left half of it on the wire.
    pub(super) fn from_api(order_id: i32, error: &Error) -> Self {
        let reason = error.to_string();
        match error {
            Error::InvalidArgument(_) | Error::ServerVersion(..) | Error::OrderIdInRequestRange { .. } => {
                Self::Invalid { order_id, reason }
            }
            _ => Self::SessionLost { order_id, reason },
        }
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
    /// It cannot be had: no permission, no such contract, or an impossible question.
    #[error("not permitted: IBKR {code}: {text}")]
    NotPermitted {
        /// IBKR's code.
        code: i32,
        /// IBKR's words.
        text: String,
    },
    /// The first answer did not come in time.
    #[error("no answer within {within:?}")]
    Deadline {
        /// The deadline.
        within: Duration,
    },
    /// Updates were lost on the way to us: ask for the missing history, then stream again.
    #[error("updates were lost")]
    Lagged,
}

impl StreamEnd {
    /// What the crate's error means for a stream.
    pub(super) fn from_api(error: &Error) -> Self {
        match error {
            Error::Notice(notice) => Self::Refused { code: notice.code, text: plain(&notice.message) },
            error if is_loss(error) => Self::SessionLost { reason: error.to_string() },
            error => Self::Unreadable { reason: error.to_string() },
        }
    }
}
