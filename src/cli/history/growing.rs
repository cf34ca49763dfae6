//! A file of bars that grows by what is fetched. CSV grows by itself; Parquet says only at its end what it holds, so
//! that what comes is kept in lines beside it until it can be written anew with all of them.

use std::path::{Path, PathBuf};

use super::Format;
use crate::bar_files::{self, Appender, BarFileError, Reader, Writer};
use crate::calendar::Calendar;
use crate::domain::{Bar, BarSize, MarketTime, Symbol};

/// See the module.
pub(super) struct Growing {
    path: PathBuf,
    lines: Appender,
    /// Of Parquet: where the lines are, and the end of the last bar that the file itself has.
    beside: Option<(PathBuf, Option<MarketTime>)>,
    size: BarSize,
    calendar: Calendar,
}

impl Growing {
    /// Opens a symbol's file in a folder, or begins it.
    pub(super) fn open(
        format: Format,
        dir: &Path,
        symbol: &Symbol,
        size: BarSize,
        calendar: Calendar,
    ) -> Result<Self, BarFileError> {
        let stem = bar_files::stem(symbol, size);
        if format == Format::Csv {
            let path = dir.join(format!("{stem}.csv"));
            let lines = Appender::open(&path, size, calendar)?;
            return Ok(Self { path, lines, beside: None, size, calendar });
        }
        let path = dir.join(format!("{stem}.parquet"));
        if !cfg!(feature = "parquet") {
            return Err(BarFileError::NoParquet { path });
        }
        // Its name ends so that nobody takes it for a file of bars.
        let lines_at = dir.join(format!("{stem}.parquet.lines"));
        let mut end = None;
        if path.exists() {
            for bar in Reader::open(&path, size, calendar)? {
                end = Some(bar?.end);
            }
        }
        let lines = Appender::open(&lines_at, size, calendar)?;
        Ok(Self { path, lines, beside: Some((lines_at, end)), size, calendar })
    }

    /// Where the bars are.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The end of the last bar; `None` where there is none.
    pub(super) fn end(&self) -> Option<MarketTime> {
        let written = self.beside.as_ref().and_then(|(_, end)| *end);
        self.lines.last().map(|bar| bar.end).max(written)
    }

    /// Adds those of the bars that come after its last one; tells how many. They outlast whatever ends the process.
    pub(super) fn extend(&mut self, bars: impl IntoIterator<Item = Bar>) -> Result<u64, BarFileError> {
        let end = self.end();
        self.lines.extend(bars.into_iter().filter(|bar| end.is_none_or(|end| bar.time >= end)))
    }

    /// Brings what has come to where it belongs.
    pub(super) fn settle(self) -> Result<(), BarFileError> {
        let Self { path, lines, beside, size, calendar } = self;
        let Some((lines_at, end)) = beside else { return Ok(()) };
        if lines.last().is_some() {
            let mut writer = Writer::create(&path, size)?;
            if end.is_some() {
                for bar in Reader::open(&path, size, calendar)? {
                    writer.push(&bar?)?;
                }
            }
            for bar in Reader::open(&lines_at, size, calendar)? {
                let bar = bar?;
                // They may be in the file already, where the process ended before it took the lines away.
                if end.is_none_or(|end| bar.time >= end) {
                    writer.push(&bar)?;
                }
            }
            writer.finish()?;
        }
        drop(lines);
        std::fs::remove_file(&lines_at).map_err(|source| BarFileError::Write { path: lines_at, source })
    }
}

#[cfg(all(test, feature = "parquet"))]
mod tests {
    use super::*;

    fn bar(minute: i64) -> Bar {
        let time = MarketTime::from_secs(1_600_000_020 + minute * 60);
        let end = MarketTime::from_secs(time.secs() + 60);
        Bar { time, end, open: 10.0, high: 11.5, low: 9.0, close: 10.25, volume: Some(7) }
    }

    #[test]
    fn parquet_grows_over_any_end_of_the_process() {
        let dir = tempfile::tempdir().unwrap();
        let symbol: Symbol = "T".parse().unwrap();
        let open = || Growing::open(Format::Parquet, dir.path(), &symbol, BarSize::Min1, Calendar::Always).unwrap();
        let bars = |file: &Path| bar_files::read(file, BarSize::Min1, Calendar::Always).unwrap();
        let mut file = open();
        assert_eq!((file.end(), file.extend([bar(0), bar(1)]).unwrap()), (None, 2));
        // The process ends here: nothing was settled, and nothing is lost.
        drop(file);
        let mut file = open();
        assert_eq!((file.end(), file.extend([bar(1), bar(2)]).unwrap()), (Some(bar(1).end), 1));
        let path = file.path().to_owned();
        file.settle().unwrap();
        assert_eq!(bars(&path), [bar(0), bar(1), bar(2)]);
        // It ended between the new file and the lines' removal: they are in it already.
        std::fs::write(dir.path().join("T-1min.parquet.lines"), "").unwrap();
        let mut file = open();
        file.lines.extend([bar(1), bar(2)]).unwrap();
        assert_eq!(file.extend([bar(2), bar(3)]).unwrap(), 1);
        file.settle().unwrap();
        assert_eq!(bars(&path), [bar(0), bar(1), bar(2), bar(3)]);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    }
}
