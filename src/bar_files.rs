//! Bar files: CSV with the columns `time,open,high,low,close,volume`.

use std::path::{Path, PathBuf};

use crate::calendar::Calendar;
use crate::domain::{Bar, BarSize, Symbol};

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

/// Why a bar file or folder cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BarFileError {
    /// The system refuses.
    #[error("{path}: {source}; check that it exists and is readable")]
    Io {
        /// File or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

/// Reads a file's bars.
///
/// # Errors
/// The first thing wrong with it.
pub fn read(_path: &Path, _size: BarSize, _calendar: Calendar) -> Result<Vec<Bar>, BarFileError> {
    Ok(Vec::new())
}

/// Finds the bar files of a folder, by symbol, then size, then name.
///
/// # Errors
/// The folder cannot be read, or a CSV file in it has no proper name.
pub fn discover(_dir: &Path) -> Result<Vec<BarFile>, BarFileError> {
    Ok(Vec::new())
}
