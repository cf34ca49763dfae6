//! What a simulator is told when it starts, and what can keep it from starting.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::bar_files::BarFileError;
use crate::domain::broker::AccountId;
use crate::domain::progress::Progress;
use crate::domain::{BarSize, Shares, Symbol, Usd};
use crate::exchange::{ChildRule, CommissionPlan, Friction};
use crate::simulator::faults::{Scenario, ScenarioError};
use crate::simulator::market::MarketError;
use crate::simulator::tap::Tap;

/// Where prices come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Invented from the seed, any symbol on demand.
    Synthetic {
        /// Whether the market never closes.
        always_open: bool,
    },
    /// Bar files of a folder (`SYMBOL-1min-*.csv`, `SYMBOL-1day*.csv`).
    Replay {
        /// The folder.
        dir: PathBuf,
    },
}

/// How fast market time may pass.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Speed {
    /// At most this many market seconds in a real second.
    Times(f64),
    /// As fast as the lock-step with the daemon allows. Only for an embedded simulator.
    Max,
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Times(times) => write!(f, "{times}"),
            Self::Max => f.write_str("max"),
        }
    }
}

/// A text that is no speed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a speed: use a number from 0.001 to 1000000, or max")]
pub struct BadSpeed(pub String);

impl FromStr for Speed {
    type Err = BadSpeed;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.eq_ignore_ascii_case("max") {
            return Ok(Self::Max);
        }
        let times = text.trim().trim_end_matches('x').parse::<f64>().ok();
        times.filter(|t| (0.001..=1e6).contains(t)).map(Self::Times).ok_or_else(|| BadSpeed(text.to_owned()))
    }
}

/// Everything that a simulator is told.
#[derive(Debug, Clone)]
pub struct SimulatorConfig {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The one account it keeps.
    pub account: AccountId,
    /// The cash that a new account begins with.
    pub cash: Usd,
    /// From which synthetic prices follow.
    pub seed: u64,
    /// Where prices come from.
    pub source: Source,
    /// How fast market time may pass.
    pub speed: Speed,
    /// A replay stands still until bars of all of these are subscribed; with none named, until
    /// bars of anything are.
    pub symbols: Vec<Symbol>,
    /// Where account and exchange are kept across restarts; nowhere if unset.
    pub state_dir: Option<PathBuf>,
    /// Begin anew, whatever was kept.
    pub fresh: bool,
    /// Messages a second that one client may send (TWS: 50); 0 for no limit.
    pub message_rate: u32,
    /// Stop by itself when the tape has been played to its end.
    pub exit_at_end: bool,
    /// How far the embedding daemon has come: the market then moves in lock-step with it.
    pub progress: Option<watch::Receiver<Progress>>,
    /// In lock-step, the bar size that decisions are made on where a client subscribes to 5-second
    /// real-time bars and aggregates them itself; unset: no decision is waited for at those.
    pub decision_size: Option<BarSize>,
    /// What happens to bracket children of an entry that fills in part.
    pub children: ChildRule,
    /// The most that one order fills at a time; unset: all of it. What is left waits for the next
    /// bar: partial fills.
    pub slice: Option<Shares>,
    /// What trading at once costs beside the price.
    pub friction: Friction,
    /// What trades cost.
    pub commission: CommissionPlan,
    /// Whether stocks can be borrowed to sell short.
    pub allow_short: bool,
    /// Symbols whose shares must be located before they are sold short (404).
    pub hard_to_borrow: Vec<Symbol>,
    /// The client that hears of every client's orders and fills; unset: none.
    pub master_client: Option<i32>,
    /// Whether IBKR's limits on requests are enforced: market data lines (101), historical pacing
    /// (162) and real-time bars (420). The limit on messages is `message_rate`.
    pub pacing: bool,
    /// Whether new clients are entitled to live market data; otherwise it is delayed.
    pub live_data: bool,
    /// What goes wrong, and when.
    pub scenario: Scenario,
    /// Watches the sockets, for measurements; unset: nobody does.
    pub tap: Option<Tap>,
}

impl Default for SimulatorConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7497)),
            account: AccountId("DU1234567".into()),
            cash: Usd::of(100_000.into()),
            seed: 1,
            source: Source::Synthetic { always_open: true },
            speed: Speed::Times(1.0),
            symbols: Vec::new(),
            state_dir: None,
            fresh: false,
            message_rate: 50,
            exit_at_end: false,
            progress: None,
            decision_size: None,
            children: ChildRule::ProRata,
            slice: None,
            friction: Friction::default(),
            commission: CommissionPlan::default(),
            allow_short: true,
            hard_to_borrow: Vec::new(),
            master_client: None,
            pacing: true,
            live_data: true,
            scenario: Scenario::default(),
            tap: None,
        }
    }
}

/// Why a simulator cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {source}; choose another with --host and --port")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Only an embedded simulator has someone to keep step with.
    #[error("--speed max needs the daemon that it keeps step with (run --simulator); give a number here")]
    MaxSpeedAlone,
    /// Bar files cannot be read.
    #[error(transparent)]
    BarFiles(#[from] BarFileError),
    /// The folder has no bar file.
    #[error(
        "{dir} holds no bar files; expected names are SYMBOL-1min-*.csv and SYMBOL-1day*.csv, with the header time,open,high,low,close,volume"
    )]
    NoBars {
        /// Which folder.
        dir: PathBuf,
    },
    /// The series make no market.
    #[error(transparent)]
    Market(#[from] MarketError),
    /// What was kept cannot be read. It is never silently replaced.
    #[error("the kept state {path} cannot be read: {why}; repair or move it away, or start anew with --fresh")]
    State {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// What was kept belongs to another account.
    #[error(
        "the kept state {path} is of account {kept}, not {asked}; name that account, another --state-dir, or --fresh"
    )]
    OtherAccount {
        /// Which file.
        path: PathBuf,
        /// The kept account.
        kept: AccountId,
        /// The account asked for.
        asked: AccountId,
    },
    /// What was kept was played on other prices.
    #[error("the kept state {path} was played on {kept}, not on {asked}; use another --state-dir, or --fresh")]
    OtherMarket {
        /// Which file.
        path: PathBuf,
        /// The kept market.
        kept: String,
        /// The market asked for.
        asked: String,
    },
    /// State cannot be written.
    #[error("cannot keep state in {path}: {source}")]
    Save {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What was to happen cannot.
    #[error("it cannot happen: {0}")]
    Act(String),
    /// The scenario will not do.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// Nobody is there to be told anything.
    #[error("the simulator has ended: it cannot be told anything")]
    Ended,
    /// A task ended by a panic.
    #[error("a task of the simulator failed: {0}")]
    Task(String),
}
