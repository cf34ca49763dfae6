//! Getting a session.

use std::sync::Arc;
use std::time::Duration;

use super::error::DialError;
use super::session::Session;
use crate::domain::broker::AccountId;
use crate::robust_connection::{Dial, Fault};

/// Where the gateway is and how long it may take.
#[derive(Debug, Clone, PartialEq)]
pub struct TwsConfig {
    /// Name or address.
    pub host: String,
    /// TWS: 7496 live, 7497 paper; IB Gateway: 4001 live, 4002 paper.
    pub port: u16,
    /// Ours; fixed and non-zero (trading-rules 14).
    pub client_id: i32,
    /// The account to trade; `None` takes the only one that the gateway serves.
    pub account: Option<AccountId>,
    /// TCP connection and handshake.
    pub connect_within: Duration,
    /// One request.
    pub reply_within: Duration,
    /// Writing one message.
    pub send_within: Duration,
    /// Messages in any second; IBKR allows 50.
    pub message_rate: u32,
    /// Whether IBKR's pacing rules for history are kept; only a simulator does without.
    pub historical_pacing: bool,
}

/// Whether an outage now is planned (a restart window of the gateway).
pub type Planned = Arc<dyn Fn() -> bool + Send + Sync>;

/// The gateway as something to dial.
pub struct Gateway {
    config: TwsConfig,
    planned: Option<Planned>,
}

impl Gateway {
    /// The gateway at that address.
    pub fn new(config: TwsConfig) -> Self {
        Self { config, planned: None }
    }

    /// Makes transient failures [`Fault::Expected`] while `planned` says so.
    #[must_use]
    pub fn planned_outages(mut self, planned: Planned) -> Self {
        self.planned = Some(planned);
        self
    }

    /// Its settings.
    pub fn config(&self) -> &TwsConfig {
        &self.config
    }
}

impl Dial for Gateway {
    type Session = Session;
    type Error = DialError;

    async fn dial(&self) -> Result<Session, DialError> {
        Err(DialError::NoOrderId)
    }

    fn fault(&self, error: &DialError) -> Fault {
        match error.fault() {
            Fault::Transient if self.planned.as_ref().is_some_and(|planned| planned()) => Fault::Expected,
            fault => fault,
        }
    }
}
