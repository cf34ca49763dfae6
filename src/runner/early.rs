//! Halts that an operator orders before a ledger is open: they are kept, over a restart, too, and are in force before the
//! first session may send anything.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tracing::{error, warn};

use super::request::Reply;
use crate::desk::operator::Order;
use crate::domain::Symbol;
use crate::private_dir;

/// The file's name in the state directory.
const FILE: &str = "halts-waiting.json";

/// One halt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Halt {
    /// In one symbol; `None`: in the account.
    symbol: Option<Symbol>,
    reason: String,
}

impl Halt {
    fn what(&self) -> String {
        self.symbol.as_ref().map_or_else(|| "account".to_owned(), ToString::to_string)
    }
}

/// What waits for a ledger. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Early {
    /// `None` once there is a ledger.
    halts: Arc<Mutex<Option<Vec<Halt>>>>,
    symbols: Arc<Vec<Symbol>>,
    file: Arc<PathBuf>,
}

impl Early {
    /// With what a former run was told and has not journaled; what may be halted are these symbols.
    pub(super) fn new(symbols: Vec<Symbol>, state_dir: &Path) -> Self {
        let file = state_dir.join(FILE);
        let halts = read(&file).unwrap_or_else(|why| {
            // Something was to be halted: rather everything than nothing.
            error!(
                "{}: {why}: entries in every symbol are blocked instead; robo-trader resume lifts it",
                file.display()
            );
            vec![Halt { symbol: None, reason: format!("a halt that waited cannot be read ({why})") }]
        });
        for halt in &halts {
            warn!("halted before a ledger was open, by a former run: {}: {}", halt.what(), halt.reason);
        }
        Self { halts: Arc::new(Mutex::new(Some(halts))), symbols: Arc::new(symbols), file: Arc::new(file) }
    }

    /// There is a ledger.
    #[cfg(test)]
    pub(super) fn over() -> Self {
        Self { halts: Arc::default(), symbols: Arc::default(), file: Arc::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Option<Vec<Halt>>> {
        self.halts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a halt, or takes one back; `None` where the order is for the desk, or cannot be kept.
    pub(super) fn keep(&self, order: &Order) -> Option<Reply> {
        let mut kept = self.kept();
        let halts = kept.as_mut()?;
        let mut changed = halts.clone();
        let text = match order {
            Order::Halt { symbol: Some(symbol), .. } if !self.symbols.contains(symbol) => {
                let known: Vec<String> = self.symbols.iter().map(ToString::to_string).collect();
                return Some(Reply::mistaken(format!("{symbol} is not in SYMBOLS: {}", known.join(", "))));
            }
            Order::Halt { symbol, reason } => {
                let what = symbol.as_ref().map_or_else(|| "every symbol".to_owned(), ToString::to_string);
                changed.retain(|halt| halt.symbol != *symbol);
                changed.push(Halt { symbol: *symbol, reason: reason.clone() });
                format!(
                    "entries in {what} are blocked from the first session on, before anything is sent; the journal has it then"
                )
            }
            Order::Resume { symbol, .. } => {
                changed.retain(|halt| halt.symbol != *symbol);
                if changed.len() == halts.len() {
                    return None;
                }
                "the halt that waited for a ledger is taken back".to_owned()
            }
            _ => return None,
        };
        if let Err(why) = write(&self.file, &changed) {
            return Some(Reply::no(format!("{}: {why}; nothing was changed", self.file.display())));
        }
        *halts = changed;
        Some(Reply::yes(text))
    }

    /// Everything that waits, in words.
    pub(super) fn words(&self) -> Vec<String> {
        let word = |halt: &Halt| format!("{}, from the first session on: {}", halt.what(), halt.reason);
        self.kept().iter().flatten().map(word).collect()
    }

    /// There is a ledger: what waited, once `open` has made the way to the desk known, so that no order falls between.
    /// Whether anything did: then [`Early::forget`] is to follow.
    pub(super) fn end(&self, open: impl FnOnce(Vec<Order>)) -> bool {
        let mut kept = self.kept();
        let halts = kept.take().unwrap_or_default();
        let some = !halts.is_empty();
        open(halts.into_iter().map(|Halt { symbol, reason }| Order::Halt { symbol, reason }).collect());
        some
    }

    /// Forgets what waited once the desk has journaled everything that it was sent before.
    pub(super) async fn forget(self, barriers: mpsc::Sender<oneshot::Sender<()>>) {
        let (done, decided) = oneshot::channel();
        if barriers.send(done).await.is_ok() && decided.await.is_ok() {
            self.journaled();
        }
    }

    /// The journal has it: a later run learns it from there.
    fn journaled(&self) {
        if let Err(error) = std::fs::remove_file(&*self.file)
            && error.kind() != ErrorKind::NotFound
        {
            error!("{}: {error}: remove it, or the next start halts again", self.file.display());
        }
    }
}

fn read(file: &Path) -> io::Result<Vec<Halt>> {
    match std::fs::read(file) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// All of them or none: a file beside it takes its place.
fn write(file: &Path, halts: &[Halt]) -> io::Result<()> {
    let new = file.with_extension("new");
    private_dir::write(&new, &serde_json::to_vec(halts)?)?;
    std::fs::File::open(&new)?.sync_all()?;
    std::fs::rename(&new, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn halt(symbol: Option<&str>, reason: &str) -> Order {
        Order::Halt { symbol: symbol.map(|name| name.parse().unwrap()), reason: reason.to_owned() }
    }

    fn early(dir: &Path) -> Early {
        Early::new(vec!["AAPL".parse().unwrap()], dir)
    }

    #[test]
    fn a_halt_waits_is_taken_back_by_its_own_resume_and_nothing_is_kept_once_a_ledger_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let early = early(dir.path());
        let stranger = early.keep(&halt(Some("MSFT"), "news")).unwrap();
        assert!(stranger.is_mistaken() && stranger.text == "MSFT is not in SYMBOLS: AAPL", "{stranger:?}");
        assert!(early.keep(&halt(None, "news")).unwrap().ok);
        assert!(early.keep(&halt(Some("AAPL"), "earnings")).unwrap().ok);
        assert!(early.keep(&halt(None, "other news")).unwrap().ok, "the later word counts");
        assert_eq!(
            early.words(),
            ["AAPL, from the first session on: earnings", "account, from the first session on: other news"]
        );
        let resume = Order::Resume { symbol: Some("MSFT".parse().unwrap()), reason: String::new() };
        assert!(early.keep(&resume).is_none(), "it was not halted");
        assert!(early.keep(&Order::Resume { symbol: None, reason: String::new() }).unwrap().ok);
        let flatten = Order::Flatten { symbol: None, reason: String::new(), everything: false };
        assert!(early.keep(&flatten).is_none());
        let mut waited = Vec::new();
        assert!(early.end(|orders| waited = orders));
        assert_eq!(waited, [halt(Some("AAPL"), "earnings")]);
        assert!(early.words().is_empty());
        assert!(early.keep(&halt(None, "later")).is_none(), "the desk takes it");
    }

    #[test]
    fn another_run_knows_of_it_until_the_journal_has_it_and_what_cannot_be_read_halts_everything() {
        let dir = tempfile::tempdir().unwrap();
        assert!(early(dir.path()).keep(&halt(Some("AAPL"), "earnings")).unwrap().ok);
        let again = early(dir.path());
        assert_eq!(again.words(), ["AAPL, from the first session on: earnings"]);
        assert!(again.end(|_| ()));
        assert_eq!(early(dir.path()).words().len(), 1, "not journaled yet");
        again.journaled();
        assert!(early(dir.path()).words().is_empty());
        assert!(!early(dir.path()).end(|orders| assert!(orders.is_empty())));
        std::fs::write(dir.path().join(FILE), "[{").unwrap();
        assert!(early(dir.path()).words()[0].starts_with("account, from the first session on: a halt that waited"));
    }
}
