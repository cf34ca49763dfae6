//! What can be wrong with a bar file, told with file, line and what to do.

use std::path::PathBuf;

use crate::domain::{BarFault, BarSize, MarketTime};

/// Why a bar file or folder cannot be read or written.
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
    /// A file cannot be written.
    #[error("{path} cannot be written: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A bar file whose name does not say what it holds.
    #[error("{path}: the name must be SYMBOL-SIZE.csv or SYMBOL-SIZE-anything.csv, for example SPY-1min-2013-10.csv")]
    Name {
        /// The file.
        path: PathBuf,
    },
    /// Neither the name nor the times say of which size the bars are.
    #[error(
        "{path}: neither its name nor the steps between its bars say of which size they are; say it with --bar-size"
    )]
    Size {
        /// The file.
        path: PathBuf,
    },
    /// There is not even a header.
    #[error("{path}: the file is empty; the first line must name time,open,high,low,close,volume")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// There is nothing but a header.
    #[error("{path}: there are no bars in it")]
    NoBars {
        /// The file.
        path: PathBuf,
    },
    /// A column that every bar needs is not in the header.
    #[error("{path}: there is no column {column:?}; the first line must name time,open,high,low,close,volume")]
    Column {
        /// The file.
        path: PathBuf,
        /// What is missing.
        column: String,
    },
    /// Nobody can say which of the two is meant.
    #[error("{path}: the first line names the column {column:?} twice; rename or remove one of them")]
    ColumnTwice {
        /// The file.
        path: PathBuf,
        /// Which column.
        column: String,
    },
    /// A line has not as many fields as the header.
    #[error("{path}, line {line}: {found} fields, but the header names {expected}")]
    Fields {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// How many the line has.
        found: usize,
        /// How many the header has.
        expected: usize,
    },
    /// A line is longer than any line of bars.
    #[error("{path}, line {line}: longer than {} bytes; this is no file of bars", super::LINE_AT_MOST)]
    Long {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
    },
    /// A time does not say in which zone it is.
    #[error(
        "{path}, line {line}: time {value:?} names no timezone: it needs a Z or an offset like -05:00 (robo-trader bars convert --timezone writes such a file)"
    )]
    Zone {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What it holds.
        value: String,
    },
    /// A value cannot be read.
    #[error("{path}, line {line}: {field} is {value:?}, not {expected}")]
    Value {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The column.
        field: &'static str,
        /// What it holds.
        value: String,
        /// What it should hold.
        expected: &'static str,
    },
    /// A bar is not possible, or not after the one before it.
    #[error("{path}, line {line}: {fault}")]
    Bar {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        fault: BarFault,
    },
    /// Two bars open at one instant.
    #[error("{path}, line {line}: a second bar of {time}")]
    Duplicate {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// Open of both.
        time: MarketTime,
    },
    /// A bar begins before the one before it has ended: the file's bars are of another size.
    #[error(
        "{path}, line {line}: the bar of {time} begins before the one before it ends at {previous_end}; are these bars of {size}?"
    )]
    Overlap {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// Open of the bar.
        time: MarketTime,
        /// End of the bar before it.
        previous_end: MarketTime,
        /// What the name says.
        size: BarSize,
    },
    /// A Parquet file cannot be read or written.
    #[error("{path}: {reason}")]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// This program cannot read Parquet.
    #[error("{path}: this robo-trader is built without parquet: cargo build --features parquet")]
    NoParquet {
        /// The file.
        path: PathBuf,
    },
}

impl BarFileError {
    /// Whether nothing more can be read after it; a faulty line is followed by others.
    pub fn ends_reading(&self) -> bool {
        match self {
            Self::Fields { .. }
            | Self::Long { .. }
            | Self::Zone { .. }
            | Self::Value { .. }
            | Self::Bar { .. }
            | Self::Duplicate { .. }
            | Self::Overlap { .. } => false,
            Self::Io { .. }
            | Self::Write { .. }
            | Self::Name { .. }
            | Self::Size { .. }
            | Self::Empty { .. }
            | Self::NoBars { .. }
            | Self::Column { .. }
            | Self::ColumnTwice { .. }
            | Self::Parquet { .. }
            | Self::NoParquet { .. } => true,
        }
    }
}
