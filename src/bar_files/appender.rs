//! Bar files that grow: what was written stays, whatever ends the writer.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::writer::{HEADER, line};
use super::{BarFileError, Reader};
use crate::calendar::Calendar;
use crate::domain::{Bar, BarSize};

/// How far back the end of the last whole line is looked for at a time, bytes.
const STEP: u64 = 4_096;

/// A CSV bar file to which bars are added.
#[derive(Debug)]
pub struct Appender {
    path: PathBuf,
    to: BufWriter<File>,
    intraday: bool,
    last: Option<Bar>,
}

impl Appender {
    /// Opens a file, or begins it. A last line that was cut off is taken away.
    ///
    /// # Errors
    /// The file has other columns than ours, a fault, or cannot be written.
    pub fn open(path: &Path, size: BarSize, calendar: Calendar) -> Result<Self, BarFileError> {
        let failed = |source| BarFileError::Write { path: path.to_owned(), source };
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
        let whole = whole_lines(&mut file).map_err(failed)?;
        file.set_len(whole).map_err(failed)?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let mut last = None;
        if whole == 0 {
            writeln!(file, "{HEADER}").map_err(failed)?;
        } else {
            let mut first = String::new();
            BufReader::new(&file).read_line(&mut first).map_err(failed)?;
            if first.trim_end() != HEADER {
                let other = format!("its first line is {:?}, not {HEADER:?}", first.trim_end());
                return Err(failed(std::io::Error::new(std::io::ErrorKind::InvalidData, other)));
            }
            if whole > first.len() as u64 {
                for bar in Reader::open(path, size, calendar)? {
                    last = Some(bar?);
                }
            }
        }
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        Ok(Self { path: path.to_owned(), to: BufWriter::new(file), intraday: size.is_intraday(), last })
    }

    /// The last bar of it.
    pub fn last(&self) -> Option<&Bar> {
        self.last.as_ref()
    }

    /// Adds those of the bars that come after its last one; tells how many. They are in the file when this returns.
    ///
    /// # Errors
    /// The system refuses.
    pub fn extend(&mut self, bars: impl IntoIterator<Item = Bar>) -> Result<u64, BarFileError> {
        let path = self.path.clone();
        let failed = |source| BarFileError::Write { path: path.clone(), source };
        let mut added = 0;
        for bar in bars {
            if self.last.as_ref().is_some_and(|last| bar.time < last.end) {
                continue;
            }
            line(&mut self.to, &bar, self.intraday).map_err(failed)?;
            self.last = Some(bar);
            added += 1;
        }
        self.to.flush().map_err(failed)?;
        Ok(added)
    }
}

/// Length of a file up to the end of its last whole line.
fn whole_lines(file: &mut File) -> std::io::Result<u64> {
    let mut end = file.metadata()?.len();
    let mut bytes = Vec::new();
    while end > 0 {
        let from = end.saturating_sub(STEP);
        file.seek(SeekFrom::Start(from))?;
        bytes.clear();
        Read::by_ref(file).take(end - from).read_to_end(&mut bytes)?;
        if let Some(place) = bytes.iter().rposition(|byte| *byte == b'\n') {
            return Ok(from + place as u64 + 1);
        }
        end = from;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::MarketTime;

    fn bar(minute: i64) -> Bar {
        let time = MarketTime::from_secs(1_600_000_020 + minute * 60);
        let end = MarketTime::from_secs(time.secs() + 60);
        Bar { time, end, open: 10.0, high: 11.5, low: 9.0, close: 10.25, volume: Some(7) }
    }

    #[test]
    fn a_file_grows_without_repeating_anything_and_heals_a_torn_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("T-1min.csv");
        let open = || Appender::open(&path, BarSize::Min1, Calendar::Always).unwrap();
        let mut file = open();
        assert!(file.last().is_none());
        assert_eq!(file.extend([bar(0), bar(1)]).unwrap(), 2);
        assert_eq!(file.extend([bar(1), bar(2)]).unwrap(), 1);
        drop(file);
        let whole = std::fs::read_to_string(&path).unwrap();
        let torn = format!("{whole}2020-09-13T12:2");
        std::fs::write(&path, torn).unwrap();
        let mut file = open();
        assert_eq!(file.last().unwrap().time, bar(2).time);
        assert_eq!(file.extend([bar(2), bar(3)]).unwrap(), 1);
        let bars = super::super::read(&path, BarSize::Min1, Calendar::Always).unwrap();
        assert_eq!(bars, [bar(0), bar(1), bar(2), bar(3)]);
        // Only a header, or not even that whole.
        for text in [format!("{HEADER}\n"), "time,op".to_owned(), String::new()] {
            std::fs::write(&path, text).unwrap();
            assert!(open().last().is_none());
            assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{HEADER}\n"));
        }
        std::fs::write(&path, "date,price\n1,2\n").unwrap();
        let other = Appender::open(&path, BarSize::Min1, Calendar::Always).unwrap_err().to_string();
        assert!(other.contains("date,price"), "{other}");
    }
}
