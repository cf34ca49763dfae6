//! Getting a session: connect, then prove that the gateway works before anyone trusts it.

use std::io::ErrorKind;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use ibapi::subscriptions::NoticeStream;
use ibapi::{Client, Error};
use tokio::time::timeout;
use tracing::{info, warn};

use super::budget::Budget;
use super::codes;
use super::error::{DialError, RequestError};
use super::limiter::{Limiter, Priority};
use super::order_stream::{Notices, OrderStream};
use super::orders::LatestTime;
use super::pacer::Pacer;
use super::requests::Desk;
use super::session::{Parts, Session};
use super::sockets;
use crate::clock::wall_now;
use crate::domain::broker::{AccountId, SIMULATOR_MARK, Venue};
use crate::domain::{MarketTime, plain};
use crate::robust_connection::{Dial, Fault};

/// Broker and machine may differ by this much (design, section 6).
const CLOCK_TOLERANCE: Duration = Duration::from_secs(300);

/// How long a gateway may take to say who it is.
const USER_INFO_WITHIN: Duration = Duration::from_secs(2);

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
    /// One request; a question for history gets four times as long.
    pub reply_within: Duration,
    /// Writing one message.
    pub send_within: Duration,
    /// Messages in any second; IBKR allows 50.
    pub message_rate: u32,
    /// Whether IBKR's pacing rules for history are kept; only a simulator does without.
    pub historical_pacing: bool,
}

impl Default for TwsConfig {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 7497,
            client_id: 1,
            account: None,
            connect_within: Duration::from_secs(12),
            reply_within: Duration::from_secs(15),
            send_within: Duration::from_secs(5),
            message_rate: 45,
            historical_pacing: true,
        }
    }
}

impl TwsConfig {
    /// How long a whole attempt may take: connecting, then everything that makes a session usable,
    /// or closing what is not. A wait for the message limit counts like the answer behind it.
    pub fn attempt_within(&self) -> Duration {
        let user_info = self.reply_within.min(USER_INFO_WITHIN);
        let ready = (self.reply_within + user_info).saturating_mul(2);
        // The order stream's message and the closing of a session that was rejected.
        self.connect_within + ready + self.send_within + self.reply_within
    }

    fn address(&self) -> String {
        if self.host.contains(':') {
            // An IPv6 address stands in brackets before its port.
            format!("[{}]:{}", self.host.trim_matches(['[', ']']), self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// Whether an outage now is planned (a restart window of the gateway).
pub type Planned = Arc<dyn Fn() -> bool + Send + Sync>;

/// The gateway as something to dial. The message limit and the pacing of history are the
/// log-in's, so that they outlive its sessions.
pub struct Gateway {
    config: TwsConfig,
    planned: Option<Planned>,
    limiter: Arc<Limiter>,
    pacer: Arc<Pacer>,
    /// Handshakes in a row that were none.
    garbled: AtomicU32,
    /// Whether a session was had there.
    known: AtomicBool,
}

/// Answers in a row that are no handshake, at which what answers is another service: one alone may be a gateway that
/// goes down just then, or a damaged frame.
const OTHER_SERVICE: u32 = 2;

impl Gateway {
    /// The gateway at that address.
    pub fn new(config: TwsConfig) -> Self {
        Self {
            limiter: Arc::new(Limiter::new(config.message_rate)),
            pacer: Arc::new(Pacer::new(config.historical_pacing)),
            config,
            planned: None,
            garbled: AtomicU32::new(0),
            known: AtomicBool::new(false),
        }
    }

    /// Makes transient failures [`Fault::Expected`] while `planned` says so.
    #[must_use]
    pub fn planned_outages(mut self, planned: Planned) -> Self {
        self.planned = Some(planned);
        self
    }

    /// What its limits leave, for whoever looks.
    pub fn budget(&self) -> Budget {
        Budget { limiter: Arc::clone(&self.limiter), pacer: Arc::clone(&self.pacer) }
    }

    /// Its settings.
    pub fn config(&self) -> &TwsConfig {
        &self.config
    }

    async fn connect(&self) -> Result<(Client, NoticeStream), DialError> {
        let config = &self.config;
        let address = config.address();
        let connecting = Client::builder()
            .address(&address)
            .client_id(config.client_id)
            .tcp_no_delay(true)
            // One owner of reconnection, and it is not the crate.
            .max_reconnect_attempts(0)
            // Ours come first; this only bounds what they would miss.
            .one_shot_timeout(config.reply_within.saturating_mul(5).max(Duration::from_millis(1)))
            .connect_with_notice_stream();
        let mut connecting = pin!(connecting);
        match timeout(config.connect_within, connecting.as_mut()).await {
            Ok(Ok(connected)) => Ok(connected),
            Ok(Err(error)) => Err(connect_error(address, config.client_id, &error)),
            Err(_) => {
                let within = config.connect_within;
                // The attempt is still alive here, so that its socket can be looked at. Without
                // such a list: loopback never swallows a connection, so it must be the handshake.
                let local = ["127.0.0.1", "localhost", "::1", "[::1]"].contains(&config.host.as_str());
                Err(if sockets::is_established(config.port).unwrap_or(local) {
                    DialError::HandshakeSilent { address, within }
                } else {
                    DialError::ConnectTimeout { address, within }
                })
            }
        }
    }

    /// Which account to trade.
    fn account(&self, served: &[String]) -> Result<AccountId, DialError> {
        let served = served.iter().map(|id| id.trim()).filter(|id| !id.is_empty());
        let got: Vec<AccountId> = served.map(|id| AccountId(id.into())).collect();
        match (&self.config.account, got.as_slice()) {
            (_, []) => Err(DialError::NoAccount),
            (Some(expected), _) if got.contains(expected) => Ok(expected.clone()),
            (Some(expected), _) => Err(DialError::AccountMismatch { expected: expected.clone(), got }),
            (None, [only]) => Ok(only.clone()),
            (None, _) => Err(DialError::AmbiguousAccount { got }),
        }
    }

    /// Everything that must hold before the session may be used.
    async fn ready(&self, client: Client, notices: NoticeStream) -> Result<Session, (Client, DialError)> {
        match self.check(&client).await {
            Ok(checked) => Ok(Session::new(Parts {
                client,
                client_id: self.config.client_id,
                checked,
                notices: Notices::new(notices),
                limiter: self.limiter.clone(),
                pacer: self.pacer.clone(),
                reply_within: self.config.reply_within,
                send_within: self.config.send_within,
            })),
            Err(error) => Err((client, error)),
        }
    }

    async fn check(&self, client: &Client) -> Result<Checked, DialError> {
        let latest = Arc::new(LatestTime::default());
        // Before anything is asked, so that no news of an order is missed.
        let updates = client
            .order_update_stream()
            .await
            .map_err(|error| DialError::NotReady { step: "order stream", reason: error.to_string() })?;
        let next_order_id = client.next_order_id();
        if next_order_id < 1 {
            return Err(DialError::NoOrderId);
        }
        let account = self.account(client.handshake_managed_accounts())?;
        let desk = Desk { limiter: &self.limiter, within: self.config.reply_within };
        let time = desk.ask("time", Priority::Heartbeat, client.server_time_millis()).await.map_err(time_error)?;
        let at = market_time(time);
        latest.saw(at);
        let venue = self.venue(client).await?;
        self.check_clock(at, &venue)?;
        info!(%account, next_order_id, venue = venue.as_str(), server_version = client.server_version(), broker_time = %at, "session ready to reconcile");
        Ok(Checked { account, next_order_id, venue, orders: OrderStream::new(updates, latest.clone()), latest })
    }

    /// Who answers: asked once and briefly. The simulator answers at once, behind the time that it
    /// has just told; a gateway that is silent on the question, or refuses it, is IBKR's and is
    /// usable as such.
    async fn venue(&self, client: &Client) -> Result<Venue, DialError> {
        let desk = Desk { limiter: &self.limiter, within: self.config.reply_within.min(USER_INFO_WITHIN) };
        match desk.ask("user info", Priority::Heartbeat, client.user_info()).await {
            Ok(info) => Ok(venue(&info.white_branding_id)),
            Err(error @ RequestError::SessionLost { .. }) => {
                Err(DialError::NotReady { step: "user info", reason: error.to_string() })
            }
            Err(error) => {
                warn!(%error, "no user info: taken for IBKR");
                Ok(Venue::Ibkr)
            }
        }
    }

    fn check_clock(&self, broker: MarketTime, venue: &Venue) -> Result<(), DialError> {
        let machine = wall_now();
        let apart = broker.since(machine).max(machine.since(broker));
        match venue {
            // It serves its market's clock wherever TWS serves time.
            Venue::Simulator { .. } => Ok(()),
            Venue::Ibkr if apart > CLOCK_TOLERANCE => Err(DialError::ClockSkew { broker, machine, apart }),
            Venue::Ibkr => Ok(()),
        }
    }
}

/// What the readiness check found.
pub(super) struct Checked {
    pub(super) account: AccountId,
    pub(super) next_order_id: i32,
    pub(super) venue: Venue,
    pub(super) orders: OrderStream,
    pub(super) latest: Arc<LatestTime>,
}

pub(super) fn market_time(at: time::OffsetDateTime) -> MarketTime {
    let millis = at.unix_timestamp_nanos() / 1_000_000;
    MarketTime::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

fn venue(branding: &str) -> Venue {
    match branding.strip_prefix(SIMULATOR_MARK) {
        Some(exchange) => Venue::Simulator { exchange: exchange.to_owned() },
        None => Venue::Ibkr,
    }
}

fn time_error(error: RequestError) -> DialError {
    match error {
        RequestError::Deadline { within, .. } => DialError::TimeSilent { within },
        RequestError::Refused { text, .. } if codes::is_read_only(&text) => DialError::ReadOnly { text },
        error => DialError::NotReady { step: "time", reason: error.to_string() },
    }
}

fn connect_error(address: String, client_id: i32, error: &Error) -> DialError {
    let reason = plain(&error.to_string());
    match error {
        Error::Io(io) => match io.kind() {
            ErrorKind::ConnectionRefused => DialError::Refused { address },
            // Connected, then gone: a reset or an end in the middle of the handshake.
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof => DialError::ClosedEarly { address, reason },
            _ => DialError::Unreachable { address, reason },
        },
        Error::ConnectionRejected(_) | Error::ConnectionReset | Error::ConnectionFailed | Error::Shutdown => {
            DialError::ClosedEarly { address, reason }
        }
        Error::ClientIdInUse { .. } => DialError::ClientIdInUse { address, client_id },
        Error::ServerVersion(..) => DialError::ServerTooOld { address, reason },
        Error::InvalidArgument(_) => DialError::Settings { reason },
        Error::Notice(notice) if codes::is_read_only(&notice.message) => {
            DialError::ReadOnly { text: plain(&notice.message) }
        }
        // The answer was no handshake.
        Error::InvalidFrame(_) | Error::Parse(..) | Error::ParseInt(_) | Error::FromUtf8(_) => {
            DialError::NotAGateway { address, reason }
        }
        _ => DialError::ClosedEarly { address, reason },
    }
}

impl Dial for Gateway {
    type Session = Session;
    type Error = DialError;

    async fn dial(&self) -> Result<Session, DialError> {
        let connected = self.connect().await;
        if matches!(connected, Err(DialError::NotAGateway { .. })) {
            self.garbled.fetch_add(1, Ordering::Relaxed);
        } else {
            self.garbled.store(0, Ordering::Relaxed);
        }
        let (client, notices) = connected?;
        match self.ready(client, notices).await {
            Ok(session) => {
                self.known.store(true, Ordering::Relaxed);
                Ok(session)
            }
            Err((client, error)) => {
                // Close before anyone waits. Bounded, because a close never may hold up a retry.
                if timeout(self.config.reply_within, client.disconnect()).await.is_err() {
                    warn!(within = ?self.config.reply_within, "the rejected session did not close in time");
                }
                Err(error)
            }
        }
    }

    fn fault(&self, error: &DialError) -> Fault {
        let is_other = || !self.known.load(Ordering::Relaxed) && self.garbled.load(Ordering::Relaxed) >= OTHER_SERVICE;
        let fault = match error {
            DialError::NotAGateway { .. } if !is_other() => Fault::Transient,
            error => error.fault(),
        };
        match fault {
            Fault::Transient if self.planned.as_ref().is_some_and(|planned| planned()) => Fault::Expected,
            fault => fault,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway(account: Option<&str>) -> Gateway {
        let account = account.map(|id| AccountId(id.into()));
        Gateway::new(TwsConfig { account, ..TwsConfig::default() })
    }

    #[test]
    fn the_account_is_never_guessed() {
        let served = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        assert_eq!(gateway(None).account(&served(&["DU1", ""])).unwrap().to_string(), "DU1");
        assert_eq!(gateway(Some("DU2")).account(&served(&["DU1", "DU2"])).unwrap().to_string(), "DU2");
        assert!(matches!(gateway(None).account(&[]), Err(DialError::NoAccount)));
        let two = gateway(None).account(&served(&["DU1", "DU2"])).unwrap_err();
        assert_eq!((two.to_string().contains("DU1, DU2"), two.fault()), (true, Fault::Fatal));
        let other = gateway(Some("U9")).account(&served(&["DU1"])).unwrap_err();
        assert!(matches!(other, DialError::AccountMismatch { .. }));
        assert_eq!(other.fault(), Fault::Fatal);
    }

    #[test]
    fn an_attempt_has_time_for_everything_within_it() {
        let within = |reply| TwsConfig { reply_within: Duration::from_secs(reply), ..TwsConfig::default() };
        let config = within(10);
        assert!(config.attempt_within() >= config.connect_within + 2 * config.reply_within + USER_INFO_WITHIN);
        // Where replies must be quick, so must this one.
        assert_eq!(within(1).attempt_within(), within(1).connect_within + Duration::from_secs(4 + 5 + 1));
    }

    #[test]
    fn only_the_mark_makes_a_simulator() {
        assert_eq!(venue("robo-trader-simulator/x1"), Venue::Simulator { exchange: "x1".to_owned() });
        assert_eq!(venue(""), Venue::Ibkr);
        assert_eq!(venue("robo"), Venue::Ibkr);
    }

    #[test]
    fn a_clock_far_off_needs_a_person_unless_the_market_is_simulated() {
        let past = wall_now() - Duration::from_secs(3_600);
        let skew = gateway(None).check_clock(past, &Venue::Ibkr).unwrap_err();
        assert_eq!(skew.fault(), Fault::NeedsHuman);
        assert!(gateway(None).check_clock(past, &Venue::Simulator { exchange: "x".into() }).is_ok());
        assert!(gateway(None).check_clock(wall_now(), &Venue::Ibkr).is_ok());
    }

    #[test]
    fn a_planned_outage_turns_transient_faults_into_expected_ones() {
        let gateway = gateway(None).planned_outages(Arc::new(|| true));
        assert_eq!(gateway.fault(&DialError::NoOrderId), Fault::Expected);
        assert_eq!(gateway.fault(&DialError::Settings { reason: String::new() }), Fault::Fatal);
    }

    #[test]
    fn what_was_a_gateway_before_is_no_other_service_however_it_answers() {
        let (garbled, gateway) =
            (DialError::NotAGateway { address: String::new(), reason: String::new() }, gateway(None));
        gateway.garbled.store(9, Ordering::Relaxed);
        assert_eq!(gateway.fault(&garbled), Fault::Fatal);
        gateway.known.store(true, Ordering::Relaxed);
        assert_eq!(gateway.fault(&garbled), Fault::Transient);
    }

    #[test]
    fn addresses_of_both_kinds_are_written_right() {
        let address = |host: &str| TwsConfig { host: host.into(), ..TwsConfig::default() }.address();
        assert_eq!(address("localhost"), "localhost:7497");
        assert_eq!(address("::1"), "[::1]:7497");
    }
}
