//! Ended orders and fills on disk: lines of JSON, only ever appended.
//!
//! The kept state names the archive by its generation and says how many bytes of it count, so that
//! a line written without its state (the process was killed in between) is no part of it. When most
//! of an archive is of what the exchange has forgotten, or a correction has changed a line of it,
//! what the exchange knows is written to one of the next generation, and the former is removed once
//! the state names the new one.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tracing::warn;

use super::config::SimulatorError;
use crate::exchange::{ArchiveMark, Entry, Exchange};

/// Archives smaller than this are not written anew.
const SMALL: u64 = 64 << 10;
/// An archive is written anew when it has grown to so many times what it was at its beginning.
const GROWN: u64 = 4;

/// Which archive, and how much of it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Extent {
    generation: u64,
    bytes: u64,
}

fn name(generation: u64) -> String {
    format!("simulator-archive-{generation}.jsonl")
}

/// Reads what counts of an archive.
///
/// # Errors
/// It is not there, is too short, or holds something else.
pub fn read(dir: &Path, extent: Extent) -> Result<Vec<Entry>, SimulatorError> {
    if extent.bytes == 0 {
        return Ok(Vec::new());
    }
    let path = dir.join(name(extent.generation));
    let unreadable = |why: String| SimulatorError::State { path: path.clone(), why };
    let bytes = std::fs::read(&path).map_err(|error| unreadable(error.to_string()))?;
    let counted = usize::try_from(extent.bytes).ok().and_then(|length| bytes.get(..length));
    let counted = counted
        .ok_or_else(|| unreadable(format!("it has {} bytes of the {} that were written", bytes.len(), extent.bytes)))?;
    let lines = counted.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let entries = lines.map(|line| serde_json::from_slice(line).map_err(|error| unreadable(error.to_string())));
    entries.collect()
}

/// Writes an archive.
#[derive(Debug)]
pub struct Archive {
    dir: Option<PathBuf>,
    file: Option<tokio::fs::File>,
    extent: Extent,
    /// Its bytes when it was begun.
    begun_with: u64,
    mark: ArchiveMark,
    /// Archives that are to go once the state names this one.
    former: Vec<PathBuf>,
}

impl Archive {
    /// The next archive of a folder: the one that is there is read, but never written to.
    ///
    /// # Errors
    /// The folder cannot be listed.
    pub fn new(dir: Option<&Path>) -> Result<Self, SimulatorError> {
        let mut former = Vec::new();
        let mut newest = 0;
        if let Some(dir) = dir {
            let failed = |source| SimulatorError::Save { path: dir.to_owned(), source };
            for file in std::fs::read_dir(dir).map_err(failed)? {
                let file = file.map_err(failed)?;
                let number = file.file_name().to_str().and_then(generation);
                if let Some(number) = number {
                    newest = newest.max(number);
                    former.push(file.path());
                }
            }
        }
        Ok(Self {
            dir: dir.map(Path::to_owned),
            file: None,
            extent: Extent { generation: newest, bytes: 0 },
            begun_with: 0,
            mark: ArchiveMark::default(),
            former,
        })
    }

    /// Adds what has come to its end since the last time; says what of the archive counts now.
    ///
    /// # Errors
    /// The file system refuses.
    pub async fn write(&mut self, exchange: &Exchange) -> Result<Extent, SimulatorError> {
        let Some(dir) = self.dir.clone() else { return Ok(self.extent) };
        let grown = self.extent.bytes > SMALL.max(self.begun_with * GROWN);
        if self.file.is_none() || grown || exchange.has_rewritten_since(self.mark) {
            if self.file.is_some() {
                self.former.push(dir.join(name(self.extent.generation)));
            }
            self.extent = Extent { generation: self.extent.generation + 1, bytes: 0 };
            self.mark = ArchiveMark::default();
            let path = dir.join(name(self.extent.generation));
            let file = tokio::fs::File::create(&path).await;
            self.file = Some(file.map_err(|source| SimulatorError::Save { path, source })?);
        }
        let path = dir.join(name(self.extent.generation));
        let failed = |source| SimulatorError::Save { path: path.clone(), source };
        let mut text = Vec::new();
        for entry in exchange.archive_since(self.mark) {
            serde_json::to_writer(&mut text, &entry).map_err(|error| failed(error.into()))?;
            text.push(b'\n');
        }
        let begins = self.extent.bytes == 0 && self.mark == ArchiveMark::default();
        self.mark = exchange.archive_mark();
        if let Some(file) = self.file.as_mut().filter(|_| !text.is_empty()) {
            file.write_all(&text).await.map_err(failed)?;
            file.flush().await.map_err(failed)?;
            self.extent.bytes += text.len() as u64;
        }
        if begins {
            self.begun_with = self.extent.bytes;
        }
        Ok(self.extent)
    }

    /// The state names this archive: former ones go. One that cannot be removed is named, and
    /// tried again by the next process.
    pub async fn drop_former(&mut self) {
        for path in self.former.drain(..) {
            if let Err(error) = tokio::fs::remove_file(&path).await {
                warn!(path = %path.display(), %error, "a former archive could not be removed");
            }
        }
    }
}

fn generation(file_name: &str) -> Option<u64> {
    file_name.strip_prefix("simulator-archive-")?.strip_suffix(".jsonl")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::broker::AccountId;
    use crate::domain::{ContractId, MarketTime, PriceRule, Shares, Side, Usd};
    use crate::exchange::{Config, Kind, NewOrder, OrderKey, Tif};

    const AAA: ContractId = ContractId(1);

    fn exchange() -> Exchange {
        let mut exchange = Exchange::new(Config::default());
        exchange.open_account(AccountId("DU1".into()), Usd::of(1_000_000.into()));
        exchange.list(AAA, PriceRule::flat("0.01".parse().unwrap()));
        exchange.open(AAA, MarketTime::from_secs(0), 10.0, true);
        exchange
    }

    /// A market order that fills at once.
    fn buy(exchange: &mut Exchange, order_id: i32) {
        let order = NewOrder {
            key: OrderKey { client_id: 1, order_id },
            account: AccountId("DU1".into()),
            contract: AAA,
            side: Side::Buy,
            quantity: Shares(1),
            kind: Kind::Market,
            tif: Tif::Day,
            good_after: None,
            outside_rth: false,
            oca_group: "".into(),
            parent_id: None,
            transmit: true,
            order_ref: "".into(),
            algo: None,
        };
        exchange.place(MarketTime::from_secs(i64::from(order_id)), order).unwrap();
    }

    /// The exchange as the next process reads it.
    fn read_back(dir: &Path, exchange: &Exchange, extent: Extent) -> Exchange {
        let core = serde_json::to_string(&exchange.core()).unwrap();
        Exchange::restore(serde_json::from_str(&core).unwrap(), read(dir, extent).unwrap())
    }

    #[tokio::test]
    async fn what_was_written_without_its_state_is_no_part_of_the_archive() {
        let dir = tempfile::tempdir().unwrap();
        let (mut exchange, mut archive) = (exchange(), Archive::new(Some(dir.path())).unwrap());
        buy(&mut exchange, 1);
        let extent = archive.write(&exchange).await.unwrap();
        let then = exchange.clone();
        buy(&mut exchange, 2);
        let later = archive.write(&exchange).await.unwrap();
        // Killed before the state that names the second extent was in place.
        assert_eq!(read_back(dir.path(), &then, extent), then);
        assert_eq!(read_back(dir.path(), &exchange, later), exchange);
        let cut = Extent { bytes: later.bytes + 1, ..later };
        assert!(read(dir.path(), cut).unwrap_err().to_string().contains("bytes of the"));
        // The next process writes another archive, and the former goes once that is named.
        let mut next = Archive::new(Some(dir.path())).unwrap();
        let anew = next.write(&exchange).await.unwrap();
        assert_eq!(anew.generation, later.generation + 1);
        assert_eq!(read_back(dir.path(), &exchange, later), exchange, "the former is still whole");
        next.drop_former().await;
        assert_eq!(read_back(dir.path(), &exchange, anew), exchange);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_corrected_fill_is_kept_as_corrected() {
        let dir = tempfile::tempdir().unwrap();
        let (mut exchange, mut archive) = (exchange(), Archive::new(Some(dir.path())).unwrap());
        buy(&mut exchange, 1);
        archive.write(&exchange).await.unwrap();
        assert!(exchange.correct(None, Some("9.5".parse().unwrap()), None).is_some());
        let extent = archive.write(&exchange).await.unwrap();
        assert_eq!(read_back(dir.path(), &exchange, extent), exchange);
        assert!(exchange.fills()[0].id.0.ends_with(".02"));
    }

    #[tokio::test]
    async fn an_archive_of_what_is_forgotten_is_written_anew_and_smaller() {
        let dir = tempfile::tempdir().unwrap();
        let (mut exchange, mut archive) = (exchange(), Archive::new(Some(dir.path())).unwrap());
        let mut largest = 0;
        for order_id in 1..1_000 {
            buy(&mut exchange, order_id);
            exchange.forget_before(MarketTime::from_secs(i64::from(order_id) - 20));
            let extent = archive.write(&exchange).await.unwrap();
            archive.drop_former().await;
            largest = largest.max(extent.bytes);
        }
        assert!(largest < 2 * SMALL, "{largest} bytes for twenty orders");
        assert_eq!(exchange.tallies().fills, 999);
    }
}
