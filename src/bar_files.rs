//! Bar files: CSV with the columns `time,open,high,low,close,volume`, named `SYMBOL-SIZE….csv`.
//!
//! `time` is a bar's open: an RFC 3339 instant for intraday bars, the exchange's date for daily and
//! longer ones. Prices are USD a share; volume is in shares and may be empty or missing. The
//! columns may stand in any order and beside others. With the feature `parquet`, Parquet files of
//! the same columns are read and written, too.

use std::path::{Path, PathBuf};

use crate::calendar::Calendar;
use crate::domain::{Bar, BarSize, Symbol};

mod appender;
mod csv_rows;
mod error;
mod fields;
mod gaps;
mod layout;
#[cfg(feature = "parquet")]
mod parquet;
mod reader;
mod size;
#[cfg(test)]
mod tests;
mod windows;
mod writer;

pub use appender::Appender;
pub use error::BarFileError;
pub use gaps::{Coverage, Gap};
pub use layout::{Layout, Times};
pub use reader::Reader;
pub use size::guess_size;
pub use windows::Windows;
pub use writer::{Writer, write};

/// No line of a bar file is longer than this, in bytes: what is longer is something else, and is
/// not taken into memory.
pub const LINE_AT_MOST: usize = 64 * 1_024;

/// A bar file found in a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BarFile {
    /// What it is of.
    pub symbol: Symbol,
    /// Its bars' size.
    pub size: BarSize,
    /// Where it is.
    pub path: PathBuf,
}

impl BarFile {
    /// What a file holds: as its name says, or as is said here. A name that says nothing is the
    /// symbol itself (`spy.csv`), and the steps between its bars tell their size.
    ///
    /// # Errors
    /// Symbol or size cannot be told.
    pub fn of(path: &Path, symbol: Option<Symbol>, size: Option<BarSize>) -> Result<Self, BarFileError> {
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let named = named(path);
        let symbol = symbol.or_else(|| named.as_ref().map(|(symbol, _)| *symbol)).or_else(|| stem.parse().ok());
        let Some(symbol) = symbol else { return Err(BarFileError::Name { path: path.to_owned() }) };
        let size = match size.or_else(|| named.map(|(_, size)| size)) {
            Some(size) => size,
            None => guess_size(path, &Layout::default())?,
        };
        Ok(Self { symbol, size, path: path.to_owned() })
    }
}

/// One line of a file, or one row.
#[derive(Debug, Clone, Copy)]
struct Row {
    /// From 1.
    line: u64,
    when: layout::When,
    /// Open, high, low, close.
    prices: [f64; 4],
    volume: Option<u64>,
}

/// Reads a file's bars, of the size that its name (or whoever asks) says.
///
/// # Errors
/// The first thing wrong with it.
pub fn read(path: &Path, size: BarSize, calendar: Calendar) -> Result<Vec<Bar>, BarFileError> {
    Reader::open(path, size, calendar)?.collect()
}

/// Finds the bar files of a folder, by symbol, then size, then name. Files that are no CSV (nor
/// Parquet, where this program reads it) are passed over.
///
/// # Errors
/// The folder cannot be read, or a bar file in it has no proper name.
pub fn discover(dir: &Path) -> Result<Vec<BarFile>, BarFileError> {
    let mut files = Vec::new();
    for path in listed(dir)? {
        files.push(of_folder(path)?);
    }
    files.sort();
    Ok(files)
}

/// The bar files of several files and folders, as they are given, and beside them those that do not say
/// what they hold, each with its fault.
///
/// # Errors
/// A folder cannot be read.
pub fn find(paths: &[PathBuf], size: Option<BarSize>) -> Result<(Vec<BarFile>, Vec<Faulty>), BarFileError> {
    let (mut files, mut faulty) = (Vec::new(), Vec::new());
    for path in paths {
        let mut found = Vec::new();
        let told: Vec<_> = if path.is_dir() {
            listed(path)?.into_iter().map(|path| (path.clone(), of_folder(path))).collect()
        } else {
            vec![(path.clone(), BarFile::of(path, None, size))]
        };
        for (path, file) in told {
            match file {
                Ok(file) => found.push(file),
                Err(fault) => faulty.push((path, fault)),
            }
        }
        found.sort();
        files.extend(found);
    }
    faulty.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok((files, faulty))
}

/// A file that does not say what it holds, and its fault.
pub type Faulty = (PathBuf, BarFileError);

/// The files of a folder that should be bars, in no order.
fn listed(dir: &Path) -> Result<Vec<PathBuf>, BarFileError> {
    let failed = |source| BarFileError::Io { path: dir.to_owned(), source };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let ours = has_extension(&path, "csv") || (cfg!(feature = "parquet") && is_parquet(&path));
        if ours && path.is_file() {
            paths.push(path);
        }
    }
    Ok(paths)
}

/// In a folder the name alone says what a file holds.
fn of_folder(path: PathBuf) -> Result<BarFile, BarFileError> {
    match named(&path) {
        Some((symbol, size)) => Ok(BarFile { symbol, size, path }),
        None => Err(BarFileError::Name { path }),
    }
}

/// A file's proper name without its extension, like `SPY-1min`.
pub fn stem(symbol: &Symbol, size: BarSize) -> String {
    format!("{symbol}-{}", size.as_str().replace(' ', ""))
}

fn is_parquet(path: &Path) -> bool {
    has_extension(path, "parquet")
}

fn has_extension(path: &Path, wanted: &str) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(wanted))
}

/// Symbol and size as a file's name says them, if it does.
pub fn named(path: &Path) -> Option<(Symbol, BarSize)> {
    path.file_stem().and_then(|stem| name(&stem.to_string_lossy()))
}

/// Symbol and size from a file's name without its extension. A symbol may have a dash itself: the
/// first part that names a size ends it.
fn name(stem: &str) -> Option<(Symbol, BarSize)> {
    let parts: Vec<&str> = stem.split('-').collect();
    let (at, size) = parts.iter().enumerate().skip(1).find_map(|(at, part)| Some((at, size_word(part)?)))?;
    Some((parts.get(..at)?.join("-").parse().ok()?, size))
}

/// A size from a word like `1min`, `5secs` or `1day_adjusted`.
fn size_word(word: &str) -> Option<BarSize> {
    word.split(|c: char| !c.is_ascii_alphanumeric()).next()?.parse().ok()
}
