//! Writing bar files: whole or not at all.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::calendar::Calendar;
use crate::domain::{Bar, BarSize};

use super::BarFileError;

/// The first line of a CSV file of ours.
pub(super) const HEADER: &str = "time,open,high,low,close,volume";

/// A bar file in the making: it appears under its name when it is whole, by [`Writer::finish`].
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    /// Beside it, until it is whole; gone when it is dropped unfinished.
    draft: Draft,
    to: Sink,
    intraday: bool,
    bars: u64,
}

#[derive(Debug)]
enum Sink {
    Csv(BufWriter<File>),
    #[cfg(feature = "parquet")]
    Parquet(Box<super::parquet::ParquetSink>),
}

impl Writer {
    /// Begins a file: Parquet where its name ends so, else CSV. `size` says whether times are instants or dates.
    ///
    /// # Errors
    /// The folder refuses, or this program cannot write that kind of file.
    pub fn create(path: &Path, size: BarSize) -> Result<Self, BarFileError> {
        if super::is_parquet(path) && !cfg!(feature = "parquet") {
            return Err(BarFileError::NoParquet { path: path.to_owned() });
        }
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let draft = Draft { path: name.into(), done: false };
        let failed = |source| BarFileError::Write { path: path.to_owned(), source };
        let file = File::create(&draft.path).map_err(failed)?;
        let intraday = size.is_intraday();
        let to = Sink::open(path, file, intraday)?;
        Ok(Self { path: path.to_owned(), draft, to, intraday, bars: 0 })
    }

    /// Adds a bar.
    ///
    /// # Errors
    /// The system refuses.
    pub fn push(&mut self, bar: &Bar) -> Result<(), BarFileError> {
        self.bars += 1;
        match &mut self.to {
            Sink::Csv(to) => {
                line(to, bar, self.intraday).map_err(|source| BarFileError::Write { path: self.path.clone(), source })
            }
            #[cfg(feature = "parquet")]
            Sink::Parquet(to) => to.push(bar).map_err(|error| error.at(&self.path)),
        }
    }

    /// Puts the whole file under its name, in place of one that was there; tells how many bars it has.
    ///
    /// # Errors
    /// The system refuses.
    pub fn finish(mut self) -> Result<u64, BarFileError> {
        let failed = |source| BarFileError::Write { path: self.path.clone(), source };
        match self.to {
            Sink::Csv(mut to) => to.flush().map_err(failed)?,
            #[cfg(feature = "parquet")]
            Sink::Parquet(to) => to.finish().map_err(|error| error.at(&self.path))?,
        }
        std::fs::rename(&self.draft.path, &self.path).map_err(failed)?;
        self.draft.done = true;
        Ok(self.bars)
    }
}

impl Sink {
    fn open(path: &Path, file: File, intraday: bool) -> Result<Self, BarFileError> {
        #[cfg(feature = "parquet")]
        if super::is_parquet(path) {
            let sink = super::parquet::ParquetSink::open(file, intraday).map_err(|error| error.at(path))?;
            return Ok(Self::Parquet(Box::new(sink)));
        }
        let _ = intraday;
        let mut to = BufWriter::with_capacity(256 * 1_024, file);
        writeln!(to, "{HEADER}").map_err(|source| BarFileError::Write { path: path.to_owned(), source })?;
        Ok(Self::Csv(to))
    }
}

/// One line. Prices are written by the shortest text that reads back as the same number.
pub(super) fn line(to: &mut impl Write, bar: &Bar, intraday: bool) -> std::io::Result<()> {
    if intraday {
        write!(to, "{}", bar.time)?;
    } else {
        // Any calendar's date is New York's.
        write!(to, "{}", Calendar::Xnys.date_of(bar.time))?;
    }
    write!(to, ",{},{},{},{},", bar.open, bar.high, bar.low, bar.close)?;
    match bar.volume {
        Some(volume) => writeln!(to, "{volume}"),
        None => writeln!(to),
    }
}

/// A file that is not whole yet.
#[derive(Debug)]
struct Draft {
    path: PathBuf,
    done: bool,
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.done {
            // What cannot be removed is left: the error that led here is the one to tell.
            std::fs::remove_file(&self.path).unwrap_or_default();
        }
    }
}

/// Writes a whole file of bars; tells how many.
///
/// # Errors
/// The system refuses; the file is then as it was.
pub fn write(path: &Path, size: BarSize, bars: impl IntoIterator<Item = Bar>) -> Result<u64, BarFileError> {
    let mut writer = Writer::create(path, size)?;
    for bar in bars {
        writer.push(&bar)?;
    }
    writer.finish()
}
