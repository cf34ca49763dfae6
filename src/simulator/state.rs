//! What survives a restart: one JSON file, written whole and moved into place, and an archive that
//! is only appended to.
//!
//! The file holds what can still change (accounts, markets, working orders): it stays small
//! however long the simulator has run. The archive (see `archive.rs`) holds ended orders and
//! fills; the file says how much of it counts.
//!
//! The engine keeps both before any client hears of what has changed, so a client never knows of an
//! order or a fill that a killed simulator has forgotten. (A power cut may take the last moments:
//! files are not forced to the disk.)

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::archive::{self, Archive, Extent};
use super::config::{SimulatorConfig, SimulatorError, Source};
use crate::clock::wall_now;
use crate::domain::broker::AccountId;
use crate::domain::{MarketTime, Symbol};
use crate::exchange::{Config, Core, Exchange};

/// The file's name in the state directory.
const FILE: &str = "simulator.json";
/// The layout of the file.
const VERSION: u32 = 2;
/// The layout before there was an archive: everything in the file. It is still read.
const WHOLE: u32 = 1;
/// How often the clock alone is kept, real time.
const CLOCK_EVERY: Duration = Duration::from_secs(10);

/// What was kept, or a new beginning.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The exchange's own id.
    pub exchange_id: String,
    /// Market time reached, if the market has ever moved.
    pub clock: Option<MarketTime>,
    /// Symbols that somebody asked about.
    pub symbols: Vec<Symbol>,
    /// The next order id of each client id.
    pub next_ids: BTreeMap<i32, i32>,
    /// Orders, fills and account.
    pub exchange: Exchange,
    /// Executions of orders with the daemon's reference, over the exchange's whole life; unset
    /// where only the exchange can tell.
    pub executions: Option<u64>,
}

/// The file.
#[derive(Debug, Deserialize)]
struct File {
    version: u32,
    exchange_id: String,
    account: AccountId,
    market: String,
    clock: MarketTime,
    symbols: Vec<Symbol>,
    next_ids: BTreeMap<i32, i32>,
    exchange: Exchange,
    #[serde(default)]
    executions: Option<u64>,
    #[serde(default)]
    archive: Extent,
}

/// The file as written: borrowed from the engine.
#[derive(Debug, Serialize)]
struct FileView<'a> {
    version: u32,
    market: &'a str,
    exchange_id: &'a str,
    account: &'a AccountId,
    clock: MarketTime,
    symbols: &'a [&'a Symbol],
    next_ids: &'a BTreeMap<i32, i32>,
    executions: u64,
    archive: Extent,
    exchange: Core<'a>,
}

/// What the engine keeps.
#[derive(Debug)]
pub struct View<'a> {
    /// The exchange's own id.
    pub exchange_id: &'a str,
    /// The one account.
    pub account: &'a AccountId,
    /// Market time reached.
    pub clock: MarketTime,
    /// Symbols that somebody asked about.
    pub symbols: Vec<&'a Symbol>,
    /// The next order id of each client id.
    pub next_ids: &'a BTreeMap<i32, i32>,
    /// Orders, fills and account.
    pub exchange: &'a Exchange,
    /// Executions of orders with the daemon's reference.
    pub executions: u64,
}

/// Which market a state belongs to: prices of another one would make nonsense of it.
fn market_name(config: &SimulatorConfig) -> String {
    match &config.source {
        Source::Synthetic { always_open: true } => format!("synthetic prices, seed {}, always open", config.seed),
        Source::Synthetic { always_open: false } => format!("synthetic prices, seed {}, NYSE hours", config.seed),
        Source::Replay { dir } => {
            let dir = std::fs::canonicalize(dir).unwrap_or_else(|_| dir.clone());
            format!("the bar files of {}", dir.display())
        }
    }
}

/// Reads what was kept, or begins anew where nothing was (or `fresh` says so).
///
/// # Errors
/// A file is there and cannot be used. It is left as it is.
pub fn load(config: &SimulatorConfig) -> Result<Kept, SimulatorError> {
    let path = config.state_dir.as_ref().map(|dir| dir.join(FILE));
    let text = match &path {
        Some(path) if !config.fresh => match std::fs::read(path) {
            Ok(text) => Some((path, text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(SimulatorError::State { path: path.clone(), why: error.to_string() }),
        },
        Some(_) | None => None,
    };
    match text {
        Some((path, text)) => read(config, path, &text),
        None => Ok(begin(config)),
    }
}

fn read(config: &SimulatorConfig, path: &Path, text: &[u8]) -> Result<Kept, SimulatorError> {
    let unreadable = |why: String| SimulatorError::State { path: path.to_owned(), why };
    let file: File = serde_json::from_slice(text).map_err(|error| unreadable(error.to_string()))?;
    if !matches!(file.version, WHOLE | VERSION) {
        return Err(unreadable(format!("its version is {}, this program writes {VERSION}", file.version)));
    }
    if file.account != config.account {
        return Err(SimulatorError::OtherAccount {
            path: path.to_owned(),
            kept: file.account,
            asked: config.account.clone(),
        });
    }
    let market = market_name(config);
    if file.market != market {
        return Err(SimulatorError::OtherMarket { path: path.to_owned(), kept: file.market, asked: market });
    }
    if file.exchange.account(&file.account).is_none() {
        return Err(unreadable(format!("its exchange has no account {}", file.account)));
    }
    let dir = path.parent().unwrap_or(Path::new("."));
    let entries = archive::read(dir, file.archive)?;
    Ok(Kept {
        exchange_id: file.exchange_id,
        clock: Some(file.clock),
        symbols: file.symbols,
        next_ids: file.next_ids,
        exchange: Exchange::restore(file.exchange, entries),
        executions: file.executions,
    })
}

fn begin(config: &SimulatorConfig) -> Kept {
    let SimulatorConfig { children, allow_short, slice, friction, commission, .. } = *config;
    let rules = Config { children, allow_short, slice, friction, commission, ..Config::default() };
    let mut exchange = Exchange::new(rules);
    exchange.open_account(config.account.clone(), config.cash);
    Kept {
        exchange_id: new_id(config.seed),
        clock: None,
        symbols: Vec::new(),
        next_ids: BTreeMap::new(),
        exchange,
        executions: None,
    }
}

/// An id that no other exchange has: a client's ledger belongs to one exchange. It decides
/// nothing else, so it need not follow from the seed.
fn new_id(seed: u64) -> String {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_i64(wall_now().millis());
    hasher.write_u64(seed);
    format!("{:016x}", hasher.finish())
}

/// Writes the file and the archive.
#[derive(Debug)]
pub struct Keeper {
    path: Option<PathBuf>,
    archive: Archive,
    market: String,
    kept_at: Instant,
    clock: MarketTime,
}

impl Keeper {
    /// For this configuration; creates the directory.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn new(config: &SimulatorConfig) -> Result<Self, SimulatorError> {
        if let Some(dir) = &config.state_dir {
            crate::private_dir::make(dir).map_err(|source| SimulatorError::Save { path: dir.clone(), source })?;
        }
        Ok(Self {
            path: config.state_dir.as_ref().map(|dir| dir.join(FILE)),
            archive: Archive::new(config.state_dir.as_deref())?,
            market: market_name(config),
            kept_at: Instant::now(),
            clock: MarketTime::MIN,
        })
    }

    /// Whether anything is kept at all.
    pub fn is_on(&self) -> bool {
        self.path.is_some()
    }

    /// Whether the clock has moved on for so long that it should be kept even if nothing else
    /// happened.
    pub fn is_due(&self, clock: MarketTime, now: Instant) -> bool {
        self.is_on() && clock != self.clock && now.duration_since(self.kept_at) >= CLOCK_EVERY
    }

    /// Adds to the archive, writes the state beside the file and moves it into place.
    ///
    /// # Errors
    /// The file system refuses.
    pub async fn keep(&mut self, view: &View<'_>, now: Instant) -> Result<(), SimulatorError> {
        let Some(path) = &self.path else { return Ok(()) };
        let archive = self.archive.write(view.exchange).await?;
        let failed = |source| SimulatorError::Save { path: path.clone(), source };
        let file = FileView {
            version: VERSION,
            market: &self.market,
            exchange_id: view.exchange_id,
            account: view.account,
            clock: view.clock,
            symbols: &view.symbols,
            next_ids: view.next_ids,
            executions: view.executions,
            archive,
            exchange: view.exchange.core(),
        };
        let text = serde_json::to_vec(&file).map_err(|error| failed(error.into()))?;
        let beside = path.with_extension("json.new");
        tokio::fs::write(&beside, text).await.map_err(failed)?;
        tokio::fs::rename(&beside, path).await.map_err(failed)?;
        (self.kept_at, self.clock) = (now, view.clock);
        self.archive.drop_former().await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(dir: &Path) -> SimulatorConfig {
        SimulatorConfig { state_dir: Some(dir.to_owned()), ..SimulatorConfig::default() }
    }

    async fn keep(config: &SimulatorConfig, kept: &Kept) {
        let view = View {
            exchange_id: &kept.exchange_id,
            account: &config.account,
            clock: MarketTime::from_secs(60),
            symbols: kept.symbols.iter().collect(),
            next_ids: &kept.next_ids,
            exchange: &kept.exchange,
            executions: 0,
        };
        Keeper::new(config).unwrap().keep(&view, Instant::now()).await.unwrap();
    }

    #[tokio::test]
    async fn what_was_kept_comes_back_and_fresh_begins_anew() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        let mut kept = load(&config).unwrap();
        kept.next_ids.insert(7, 42);
        keep(&config, &kept).await;
        let again = load(&config).unwrap();
        assert_eq!(again.exchange_id, kept.exchange_id);
        assert_eq!(again.clock, Some(MarketTime::from_secs(60)));
        assert_eq!(again.next_ids, kept.next_ids);
        assert_eq!(again.exchange, kept.exchange);
        let fresh = load(&SimulatorConfig { fresh: true, ..config }).unwrap();
        assert_ne!(fresh.exchange_id, kept.exchange_id);
    }

    #[test]
    fn a_file_of_before_there_was_an_archive_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        let kept = begin(&config);
        let mut exchange = serde_json::to_value(&kept.exchange).unwrap();
        for new in ["ended", "forgotten", "tallies", "holds_sells"] {
            exchange.as_object_mut().unwrap().remove(new);
        }
        let file = serde_json::json!({
            "version": 1, "exchange_id": "0123456789abcdef", "account": config.account, "market": market_name(&config),
            "clock": MarketTime::from_secs(60), "symbols": ["AAPL"], "next_ids": {"7": 42}, "exchange": exchange,
        });
        std::fs::write(dir.path().join(FILE), file.to_string()).unwrap();
        let read = load(&config).unwrap();
        assert_eq!((read.exchange_id.as_str(), read.next_ids[&7], read.executions), ("0123456789abcdef", 42, None));
        assert_eq!(read.exchange, kept.exchange);
    }

    #[tokio::test]
    async fn a_state_that_does_not_fit_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        keep(&config, &load(&config).unwrap()).await;
        let other = SimulatorConfig { account: AccountId("DU7".into()), ..config.clone() };
        assert!(matches!(load(&other), Err(SimulatorError::OtherAccount { .. })));
        let other = SimulatorConfig { seed: 99, ..config.clone() };
        assert!(matches!(load(&other), Err(SimulatorError::OtherMarket { .. })));
        let path = dir.path().join(FILE);
        std::fs::write(&path, "{\"version\":1,").unwrap();
        let error = load(&config).unwrap_err().to_string();
        assert!(error.contains("simulator.json") && error.contains("--fresh"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"version\":1,");
    }
}
