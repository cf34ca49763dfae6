//! The folder of a sweep: what it is of (`sweep.json`), and a line for each point that is done
//! (`points.jsonl`), so that one that was interrupted goes on.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use super::super::backtest::Prepared;
use super::identity::About;
use crate::backtest::sweep::space::Space;
use crate::backtest::sweep::{Row, Shard};
use crate::runner::exit;

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The system refuses.
    #[error("{path}: {source}; choose another --out, or free some room")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It holds something else.
    #[error("{path} holds another sweep, different is: {what}; choose another --out")]
    Other {
        /// The folder.
        path: PathBuf,
        /// What is different.
        what: String,
    },
    /// A part is of something else than the first.
    #[error("{path} is no part of the same sweep as the first one, different is: {what}; run it again as that was run")]
    Part {
        /// The part.
        path: PathBuf,
        /// What is different.
        what: String,
    },
    /// A file is not what it should be.
    #[error("{path}, line {line}: {why}; remove the line, its point is run again")]
    Broken {
        /// Which file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// It is no folder of a sweep.
    #[error("{path} is no folder of a sweep: {why}")]
    NoSweep {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Parts do not make a whole.
    #[error("{missing} of {of} points are in none of the parts: run the missing shards first")]
    Incomplete {
        /// Points that are nowhere.
        missing: u64,
        /// Points in all.
        of: u64,
    },
}

impl FolderError {
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Io { .. } => exit::RESTART,
            Self::Other { .. }
            | Self::Part { .. }
            | Self::Broken { .. }
            | Self::NoSweep { .. }
            | Self::Incomplete { .. } => exit::USAGE,
        }
    }
}

/// See the module.
pub(super) struct Folder {
    path: PathBuf,
    pub(super) about: About,
    shard: (u64, u64),
    state: Mutex<State>,
}

struct State {
    file: File,
    rows: Vec<Row>,
    failed: Option<std::io::Error>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    shard: (u64, u64),
    about: About,
}

impl Folder {
    /// Opens the folder of a sweep, or begins it.
    pub(super) fn open(
        path: &Path,
        space: &Space,
        metric: &str,
        shard: Shard,
        prepared: &Prepared,
    ) -> Result<Self, FolderError> {
        std::fs::create_dir_all(path).map_err(io(path))?;
        let (about, shard) = (About::of(space, metric, prepared), (shard.number + 1, shard.of));
        let name = path.join("sweep.json");
        if name.exists() {
            let kept = read(path)?;
            if kept.about != about || kept.shard != shard {
                return Err(FolderError::Other { path: path.to_owned(), what: kept.about.differs(&about) });
            }
        } else {
            let text = serde_json::to_vec_pretty(&Kept { shard, about: about.clone() }).unwrap_or_default();
            std::fs::write(&name, text).map_err(io(&name))?;
        }
        Self::with(path, about, shard, rows(&path.join("points.jsonl"))?)
    }

    /// Puts parts together.
    pub(super) fn merge(parts: &[PathBuf], out: &Path) -> Result<Self, FolderError> {
        let mut whole: Option<About> = None;
        let mut all: Vec<Row> = Vec::new();
        for part in parts {
            let kept = read(part)?;
            if let Some(about) = whole.as_ref().filter(|about| **about != kept.about) {
                return Err(FolderError::Part { path: part.clone(), what: kept.about.differs(about) });
            }
            whole = Some(kept.about);
            all.extend(rows(&part.join("points.jsonl"))?);
        }
        let Some(about) = whole else {
            return Err(FolderError::NoSweep { path: out.to_owned(), why: "no part is given".to_owned() });
        };
        all.sort_by_key(|row| row.index);
        all.dedup_by_key(|row| row.index);
        let of = about.space.count();
        if (all.len() as u64) < of {
            return Err(FolderError::Incomplete { missing: of - all.len() as u64, of });
        }
        std::fs::create_dir_all(out).map_err(io(out))?;
        let name = out.join("sweep.json");
        let text = serde_json::to_vec_pretty(&Kept { shard: (1, 1), about: about.clone() }).unwrap_or_default();
        std::fs::write(&name, text).map_err(io(&name))?;
        Self::with(out, about, (1, 1), all)
    }

    fn with(path: &Path, about: About, shard: (u64, u64), rows: Vec<Row>) -> Result<Self, FolderError> {
        let name = path.join("points.jsonl");
        // Written anew: a line that was cut by a kill goes.
        let temporary = path.join("points.jsonl.new");
        let mut text = Vec::new();
        for row in &rows {
            line(row, &mut text);
        }
        std::fs::write(&temporary, text).and_then(|()| std::fs::rename(&temporary, &name)).map_err(io(&name))?;
        let file = OpenOptions::new().append(true).open(&name).map_err(io(&name))?;
        let state = Mutex::new(State { file, rows, failed: None });
        Ok(Self { path: path.to_owned(), about, shard, state })
    }

    /// The points that are done.
    pub(super) fn done(&self) -> BTreeSet<u64> {
        self.rows().into_iter().map(|row| row.index).collect()
    }

    /// Keeps a row; what fails is told by [`Folder::close`].
    pub(super) fn keep(&self, row: Row) {
        let Ok(mut state) = self.state.lock() else { return };
        let mut text = Vec::new();
        line(&row, &mut text);
        if state.failed.is_none() {
            state.failed = state.file.write_all(&text).err();
        }
        state.rows.push(row);
    }

    /// Says whether everything was kept.
    pub(super) fn close(&self) -> Result<(), FolderError> {
        let failed = self.state.lock().ok().and_then(|mut state| state.failed.take());
        failed.map_or(Ok(()), |source| Err(FolderError::Io { path: self.path.join("points.jsonl"), source }))
    }

    /// Every row so far, by number.
    pub(super) fn rows(&self) -> Vec<Row> {
        let mut rows = self.state.lock().map(|state| state.rows.clone()).unwrap_or_default();
        rows.sort_by_key(|row| row.index);
        rows
    }

    /// Whether it is the whole sweep and no part of one.
    pub(super) fn is_whole(&self) -> bool {
        self.shard.1 == 1
    }

    /// Writes a file into the folder.
    pub(super) fn write(&self, name: &str, text: &[u8]) -> Result<(), FolderError> {
        let path = self.path.join(name);
        std::fs::write(&path, text).map_err(io(&path))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> FolderError {
    let path = path.to_owned();
    move |source| FolderError::Io { path, source }
}

fn line(row: &Row, text: &mut Vec<u8>) {
    // Numbers, texts and nulls: it always serializes.
    text.extend(serde_json::to_vec(row).unwrap_or_default());
    text.push(b'\n');
}

fn read(path: &Path) -> Result<Kept, FolderError> {
    let name = path.join("sweep.json");
    let text = std::fs::read(&name).map_err(io(&name))?;
    serde_json::from_slice(&text)
        .map_err(|error| FolderError::NoSweep { path: path.to_owned(), why: error.to_string() })
}

/// The rows of a file; its last line may have been cut by a kill.
fn rows(path: &Path) -> Result<Vec<Row>, FolderError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io(path)(error)),
    };
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    let mut rows = Vec::new();
    for (number, line) in text[..whole].lines().enumerate() {
        let row = serde_json::from_str(line).map_err(|error| FolderError::Broken {
            path: path.to_owned(),
            line: number + 1,
            why: error.to_string(),
        })?;
        rows.push(row);
    }
    Ok(rows)
}
