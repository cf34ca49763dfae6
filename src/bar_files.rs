//! Bar files: CSV with the columns `time,open,high,low,close,volume`, named `SYMBOL-SIZE….csv`.
//!
//! `time` is a bar's open: an RFC 3339 instant for intraday bars, the exchange's date for daily and
//! longer ones. Prices are USD a share; volume is in shares and may be empty or missing.

use std::fs::File;
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDate, Utc};

use crate::calendar::Calendar;
use crate::domain::{Bar, BarFault, BarSize, MarketTime, Symbol};

#[cfg(test)]
mod tests;

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
    /// A CSV file whose name does not say what it holds.
    #[error("{path}: the name must be SYMBOL-SIZE.csv or SYMBOL-SIZE-anything.csv, for example SPY-1min-2013-10.csv")]
    Name {
        /// The file.
        path: PathBuf,
    },
    /// A column that every bar needs is not in the header.
    #[error("{path}: there is no column {column:?}; the first line must name time,open,high,low,close,volume")]
    Column {
        /// The file.
        path: PathBuf,
        /// What is missing.
        column: &'static str,
    },
    /// A line is no CSV of the header's shape.
    #[error("{path}: {source}")]
    Csv {
        /// The file.
        path: PathBuf,
        /// What is wrong, with its line.
        source: csv::Error,
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
}

/// The columns, in the order in which a record is taken apart.
const COLUMNS: [&str; 6] = ["time", "open", "high", "low", "close", "volume"];

/// Reads a file's bars, of the size that its name says.
///
/// # Errors
/// The first thing wrong with it.
pub fn read(path: &Path, size: BarSize, calendar: Calendar) -> Result<Vec<Bar>, BarFileError> {
    let file = File::open(path).map_err(|source| BarFileError::Io { path: path.to_owned(), source })?;
    let broken = |source| BarFileError::Csv { path: path.to_owned(), source };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
    let columns = columns(path, reader.headers().map_err(broken)?)?;
    let mut bars: Vec<Bar> = Vec::new();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(broken)? {
        let line = record.position().map_or(0, csv::Position::line);
        let row = Row { path, line, record: &record, columns: &columns };
        let bar = row.bar(size, calendar)?;
        let previous = bars.last();
        bar.check(previous.map(|bar| bar.time)).map_err(|fault| BarFileError::Bar {
            path: path.to_owned(),
            line,
            fault,
        })?;
        if let Some(previous) = previous.filter(|previous| previous.end > bar.time) {
            let (time, previous_end) = (bar.time, previous.end);
            return Err(BarFileError::Overlap { path: path.to_owned(), line, time, previous_end, size });
        }
        bars.push(bar);
    }
    Ok(bars)
}

/// Finds the bar files of a folder, by symbol, then size, then name. Files that are no CSV are
/// passed over.
///
/// # Errors
/// The folder cannot be read, or a CSV file in it has no proper name.
pub fn discover(dir: &Path) -> Result<Vec<BarFile>, BarFileError> {
    let failed = |source| BarFileError::Io { path: dir.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_none_or(|extension| !extension.eq_ignore_ascii_case("csv")) || !path.is_file() {
            continue;
        }
        let named = path.file_stem().and_then(|stem| name(&stem.to_string_lossy()));
        let Some((symbol, size)) = named else { return Err(BarFileError::Name { path }) };
        files.push(BarFile { symbol, size, path });
    }
    files.sort();
    Ok(files)
}

/// What a file's name says that it holds; `None` where it says nothing.
pub fn file(path: &Path) -> Option<BarFile> {
    let (symbol, size) = name(&path.file_stem()?.to_string_lossy())?;
    Some(BarFile { symbol, size, path: path.to_owned() })
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
    let digits = word.find(|c: char| !c.is_ascii_digit())?;
    let (count, rest) = word.split_at(digits);
    let unit = rest.split(|c: char| !c.is_ascii_alphabetic()).next()?;
    format!("{count} {unit}").parse().ok()
}

fn columns(path: &Path, header: &csv::StringRecord) -> Result<[Option<usize>; 6], BarFileError> {
    let mut found = [None; 6];
    for (column, at) in COLUMNS.into_iter().zip(&mut found) {
        *at = header.iter().position(|name| name.eq_ignore_ascii_case(column));
        if at.is_none() && column != "volume" {
            return Err(BarFileError::Column { path: path.to_owned(), column });
        }
    }
    Ok(found)
}

/// One line of a file.
struct Row<'a> {
    path: &'a Path,
    line: u64,
    record: &'a csv::StringRecord,
    columns: &'a [Option<usize>; 6],
}

impl Row<'_> {
    fn bar(&self, size: BarSize, calendar: Calendar) -> Result<Bar, BarFileError> {
        let at = self.time(size, calendar)?;
        let span = calendar.bar_window(at, size);
        Ok(Bar {
            time: if size.is_intraday() { at } else { span.open },
            end: span.close,
            open: self.price(1)?,
            high: self.price(2)?,
            low: self.price(3)?,
            close: self.price(4)?,
            volume: self.volume()?,
        })
    }

    fn text(&self, column: usize) -> &str {
        self.columns[column].and_then(|at| self.record.get(at)).unwrap_or_default()
    }

    fn wrong(&self, column: usize, expected: &'static str) -> BarFileError {
        BarFileError::Value {
            path: self.path.to_owned(),
            line: self.line,
            field: COLUMNS[column],
            value: self.text(column).to_owned(),
            expected,
        }
    }

    fn time(&self, size: BarSize, calendar: Calendar) -> Result<MarketTime, BarFileError> {
        let text = self.text(0);
        if size.is_intraday() {
            let at = text.parse::<DateTime<Utc>>();
            return at.map(MarketTime::from).map_err(|_| self.wrong(0, "an instant like 2013-10-04T13:30:00Z"));
        }
        let date: NaiveDate = text.parse().map_err(|_| self.wrong(0, "a date like 2013-10-04"))?;
        Ok(calendar.nominal_session(date).open)
    }

    fn price(&self, column: usize) -> Result<f64, BarFileError> {
        self.text(column).parse().map_err(|_| self.wrong(column, "a price"))
    }

    /// Some sources write whole volumes with a point.
    fn volume(&self) -> Result<Option<u64>, BarFileError> {
        let text = self.text(5);
        let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
        if text.is_empty() {
            return Ok(None);
        }
        whole.parse().map(Some).map_err(|_| self.wrong(5, "a number of shares"))
    }
}
