//! The lines of a CSV file, one at a time, in bounded memory.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::fields;
use super::layout::{COLUMNS, Layout, WrongTime};
use super::{BarFileError, LINE_AT_MOST, Row};

/// How much of a wrong value a message shows, in characters.
const SHOWN: usize = 60;

/// A CSV file after its header.
#[derive(Debug)]
pub(super) struct CsvRows {
    path: PathBuf,
    input: BufReader<File>,
    layout: Layout,
    intraday: bool,
    /// Where each of the columns is in a line.
    columns: [Option<usize>; 6],
    /// Fields of the header.
    width: usize,
    /// The line's bytes, and where its fields are in them.
    text: Vec<u8>,
    cells: Vec<Range<usize>>,
    line: u64,
}

impl CsvRows {
    /// Opens a file and reads its header.
    pub(super) fn open(path: &Path, intraday: bool, layout: Layout) -> Result<Self, BarFileError> {
        let file = File::open(path).map_err(|source| BarFileError::Io { path: path.to_owned(), source })?;
        let input = BufReader::with_capacity(256 * 1_024, file);
        let (text, cells) = (Vec::new(), Vec::new());
        let path = path.to_owned();
        let mut rows = Self { path, input, layout, intraday, columns: [None; 6], width: 0, text, cells, line: 0 };
        if !rows.advance()? {
            return Err(BarFileError::Empty { path: rows.path });
        }
        rows.width = rows.cells.len();
        for (column, name) in rows.layout.names.iter().enumerate() {
            let named = |cell: &Range<usize>| {
                rows.text.get(cell.clone()).is_some_and(|text| text.eq_ignore_ascii_case(name.as_bytes()))
            };
            rows.columns[column] = rows.cells.iter().position(named);
            if rows.cells.iter().filter(|cell| named(cell)).count() > 1 {
                return Err(BarFileError::ColumnTwice { path: rows.path, column: name.clone() });
            }
            if rows.columns[column].is_none() && COLUMNS[column] != "volume" {
                return Err(BarFileError::Column { path: rows.path, column: name.clone() });
            }
        }
        Ok(rows)
    }

    /// The next line's values; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Row>, BarFileError> {
        if !self.advance()? {
            return Ok(None);
        }
        if self.cells.len() != self.width {
            let (path, found) = (self.path.clone(), self.cells.len());
            return Err(BarFileError::Fields { path, line: self.line, found, expected: self.width });
        }
        let when = self.layout.times.read(self.cell(0), self.intraday).map_err(|wrong| match wrong {
            WrongTime::NoZone => BarFileError::Zone { path: self.path.clone(), line: self.line, value: self.shown(0) },
            WrongTime::Expected(what) => self.wrong(0, what),
        })?;
        let price = |column| fields::number(self.cell(column)).ok_or_else(|| self.wrong(column, "a price"));
        let prices = [price(1)?, price(2)?, price(3)?, price(4)?];
        let volume = match self.cell(5) {
            [] => None,
            text => Some(fields::shares(text).ok_or_else(|| self.wrong(5, "a number of shares"))?),
        };
        Ok(Some(Row { line: self.line, when, prices, volume }))
    }

    /// Takes the next line that is not empty apart; `false` at the end.
    fn advance(&mut self) -> Result<bool, BarFileError> {
        loop {
            if !self.take_line()? {
                return Ok(false);
            }
            if self.line == 1 && self.text.starts_with(b"\xef\xbb\xbf") {
                self.text.drain(..3);
            }
            while self.text.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
                self.text.pop();
            }
            if !self.text.is_empty() {
                self.split();
                return Ok(true);
            }
        }
    }

    /// Reads a line, its end included, and never more than a line may have.
    fn take_line(&mut self) -> Result<bool, BarFileError> {
        let failed = |source| BarFileError::Io { path: self.path.clone(), source };
        self.text.clear();
        self.line += 1;
        let bound = u64::try_from(LINE_AT_MOST).unwrap_or(u64::MAX) + 1;
        let read = self.input.by_ref().take(bound).read_until(b'\n', &mut self.text).map_err(failed)?;
        if read > LINE_AT_MOST && self.text.last() != Some(&b'\n') {
            self.input.skip_until(b'\n').map_err(failed)?;
            return Err(BarFileError::Long { path: self.path.clone(), line: self.line });
        }
        Ok(read > 0)
    }

    fn split(&mut self) {
        self.cells.clear();
        if self.text.contains(&b'"') && self.split_quoted().is_some() {
            return;
        }
        let mut from = 0;
        for (at, byte) in self.text.iter().enumerate() {
            if *byte == self.layout.delimiter {
                self.cells.push(trimmed(&self.text, from..at));
                from = at + 1;
            }
        }
        self.cells.push(trimmed(&self.text, from..self.text.len()));
    }

    /// Fields in quotes are rare in bars: the library takes them apart. A quote does not reach
    /// beyond its line.
    fn split_quoted(&mut self) -> Option<()> {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .delimiter(self.layout.delimiter)
            .from_reader(self.text.as_slice());
        let mut record = csv::ByteRecord::new();
        if !reader.read_byte_record(&mut record).ok()? {
            return None;
        }
        self.text.clear();
        self.text.extend_from_slice(record.as_slice());
        for field in 0..record.len() {
            self.cells.push(trimmed(&self.text, record.range(field)?));
        }
        Some(())
    }

    fn cell(&self, column: usize) -> &[u8] {
        let cell = self.columns.get(column).copied().flatten().and_then(|at| self.cells.get(at));
        cell.and_then(|range| self.text.get(range.clone())).unwrap_or_default()
    }

    fn shown(&self, column: usize) -> String {
        String::from_utf8_lossy(self.cell(column)).chars().take(SHOWN).collect()
    }

    fn wrong(&self, column: usize, expected: &'static str) -> BarFileError {
        let (path, value) = (self.path.clone(), self.shown(column));
        BarFileError::Value { path, line: self.line, field: COLUMNS[column], value, expected }
    }
}

fn trimmed(text: &[u8], cell: Range<usize>) -> Range<usize> {
    let Range { mut start, mut end } = cell;
    let blank = |at: usize| text.get(at).is_some_and(u8::is_ascii_whitespace);
    while start < end && blank(start) {
        start += 1;
    }
    while start < end && blank(end - 1) {
        end -= 1;
    }
    start..end
}
