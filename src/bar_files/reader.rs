//! One bar after the other from a file, whatever its size.

use std::path::{Path, PathBuf};

use crate::calendar::Calendar;
use crate::domain::{Bar, BarFault, BarSize};

use super::csv_rows::CsvRows;
use super::layout::{Layout, When};
use super::windows::Windows;
use super::{BarFileError, Row};

/// A file's bars in order, checked, in constant memory.
///
/// A faulty line is an error, and the next call goes on behind it: take the first error as the
/// file's, or gather them all. What is not a fault of a line ends the file.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    size: BarSize,
    windows: Windows,
    rows: Rows,
    previous: Option<Bar>,
    /// Whether there was anything but the header.
    any: bool,
    ended: bool,
}

#[derive(Debug)]
enum Rows {
    Csv(CsvRows),
    #[cfg(feature = "parquet")]
    Parquet(super::parquet::ParquetRows),
}

impl Reader {
    /// Opens a file of bars of a size.
    ///
    /// # Errors
    /// It cannot be opened, or its header is not one of bars.
    pub fn open(path: &Path, size: BarSize, calendar: Calendar) -> Result<Self, BarFileError> {
        Self::open_laid_out(path, size, calendar, Layout::default())
    }

    /// The same for a file with its own columns, delimiter or times.
    ///
    /// # Errors
    /// It cannot be opened, or its header has not the layout's columns.
    pub fn open_laid_out(path: &Path, size: BarSize, calendar: Calendar, layout: Layout) -> Result<Self, BarFileError> {
        let rows = Rows::open(path, size.is_intraday(), layout)?;
        let windows = Windows::new(calendar, size);
        Ok(Self { path: path.to_owned(), size, windows, rows, previous: None, any: false, ended: false })
    }

    fn bar(&mut self, row: &Row) -> Result<Bar, BarFileError> {
        let at = match row.when {
            When::At(at) => at,
            When::On(date) => self.windows.calendar().nominal_session(date).open,
        };
        let window = self.windows.around(at);
        let [open, high, low, close] = row.prices;
        let time = if self.size.is_intraday() { at } else { window.open };
        let bar = Bar { time, end: window.close, open, high, low, close, volume: row.volume };
        self.check(&bar, row.line)?;
        self.previous = Some(bar);
        Ok(bar)
    }

    fn check(&self, bar: &Bar, line: u64) -> Result<(), BarFileError> {
        let path = || self.path.clone();
        let before = self.previous.map(|previous| previous.time);
        bar.check(before).map_err(|fault| match fault {
            BarFault::OutOfOrder { time, previous } if time == previous => {
                BarFileError::Duplicate { path: path(), line, time }
            }
            fault => BarFileError::Bar { path: path(), line, fault },
        })?;
        match self.previous.filter(|previous| previous.end > bar.time) {
            None => Ok(()),
            Some(Bar { end, .. }) => {
                let (time, previous_end, size) = (bar.time, end, self.size);
                Err(BarFileError::Overlap { path: path(), line, time, previous_end, size })
            }
        }
    }
}

impl Rows {
    fn open(path: &Path, intraday: bool, layout: Layout) -> Result<Self, BarFileError> {
        if super::is_parquet(path) {
            #[cfg(feature = "parquet")]
            return super::parquet::ParquetRows::open(path, intraday, layout).map(Self::Parquet);
            #[cfg(not(feature = "parquet"))]
            return Err(BarFileError::NoParquet { path: path.to_owned() });
        }
        CsvRows::open(path, intraday, layout).map(Self::Csv)
    }

    fn next(&mut self) -> Result<Option<Row>, BarFileError> {
        match self {
            Self::Csv(rows) => rows.next(),
            #[cfg(feature = "parquet")]
            Self::Parquet(rows) => rows.next(),
        }
    }
}

impl Iterator for Reader {
    type Item = Result<Bar, BarFileError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let bar = match self.rows.next() {
            Ok(Some(row)) => self.bar(&row),
            Ok(None) => {
                self.ended = true;
                return (!self.any).then(|| Err(BarFileError::NoBars { path: self.path.clone() }));
            }
            Err(error) => Err(error),
        };
        self.any = true;
        self.ended = bar.as_ref().is_err_and(BarFileError::ends_reading);
        Some(bar)
    }
}
