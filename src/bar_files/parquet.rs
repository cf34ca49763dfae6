//! Bar files in Parquet: the same columns, in batches of rows.
//!
//! `time` is a timestamp of any unit, a date, or a text as in CSV; prices and volume are numbers.

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use parquet::basic::{Compression, ConvertedType, LogicalType, TimeUnit};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{DataType, DoubleType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnDescriptor;

use crate::calendar::Calendar;
use crate::domain::{Bar, MarketTime};

use super::layout::{COLUMNS, Layout, Times, When, WrongTime};
use super::{BarFileError, Row};

/// Rows that are in memory at a time on reading.
const BATCH: usize = 8_192;

/// Rows of a row group on writing.
const GROUP: usize = 131_072;

/// More shares or money than f64 counts one by one.
const WHOLE_AT_MOST: f64 = 9e15;

/// The rows of a Parquet file.
pub(super) struct ParquetRows {
    path: PathBuf,
    file: SerializedFileReader<File>,
    layout: Layout,
    intraday: bool,
    /// Where each of the columns is in the schema.
    columns: [Option<usize>; 6],
    time: TimeKind,
    /// The next row group, and the columns of the one that is being read.
    group: usize,
    readers: Vec<Option<(ColumnReader, i16)>>,
    batch: VecDeque<Values>,
    row: u64,
}

/// How the column of times is to be understood.
#[derive(Debug, Clone, Copy)]
enum TimeKind {
    /// So many units a second since 1970; of UTC, or of a wall clock that is not named.
    Stamp {
        units: i64,
        utc: bool,
    },
    Date,
    Text,
}

/// What a cell holds.
#[derive(Debug, Clone)]
enum Value {
    None,
    Whole(i64),
    Real(f64),
    Text(Vec<u8>),
}

type Values = [Value; 6];

impl std::fmt::Debug for ParquetRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParquetRows").field("path", &self.path).field("row", &self.row).finish_non_exhaustive()
    }
}

impl ParquetRows {
    pub(super) fn open(path: &Path, intraday: bool, layout: Layout) -> Result<Self, BarFileError> {
        let file = File::open(path).map_err(|source| BarFileError::Io { path: path.to_owned(), source })?;
        let file = fenced(|| SerializedFileReader::new(file)).map_err(|error| Failed(error).at(path))?;
        let schema = file.metadata().file_metadata().schema_descr_ptr();
        let mut columns = [None; 6];
        for (column, name) in layout.names.iter().enumerate() {
            let mut named = schema.columns().iter().map(|found| found.name().eq_ignore_ascii_case(name));
            columns[column] = named.position(|named| named);
            if named.any(|named| named) {
                return Err(BarFileError::ColumnTwice { path: path.to_owned(), column: name.clone() });
            }
            if columns[column].is_none() && COLUMNS[column] != "volume" {
                return Err(BarFileError::Column { path: path.to_owned(), column: name.clone() });
            }
        }
        let refused = |reason: String| BarFileError::Parquet { path: path.to_owned(), reason };
        for at in columns.iter().flatten() {
            let column = schema.column(*at);
            // A decimal is a number whose point is elsewhere: a list, or a price a hundred times too high.
            if column.max_rep_level() > 0 || column.converted_type() == ConvertedType::DECIMAL {
                let told = format!("column {:?} is a list or a decimal, not plain numbers", column.name());
                return Err(refused(told));
            }
        }
        if file.metadata().row_groups().iter().flat_map(|group| group.columns()).any(nowhere) {
            return Err(refused("it is damaged: a column begins before the file does".to_owned()));
        }
        let described = schema.column(columns[0].unwrap_or_default());
        let time = time_kind(&described, &layout.times)
            .ok_or_else(|| refused(format!("column {:?} is no timestamp, date or text", layout.names[0])))?;
        let (readers, batch) = (Vec::new(), VecDeque::new());
        Ok(Self { path: path.to_owned(), file, layout, intraday, columns, time, group: 0, readers, batch, row: 0 })
    }

    /// The next row; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Row>, BarFileError> {
        while self.batch.is_empty() {
            if !fenced(|| self.fill()).map_err(|error| Failed(error).at(&self.path))? {
                return Ok(None);
            }
        }
        let Some(values) = self.batch.pop_front() else { return Ok(None) };
        self.row += 1;
        let when = self.when(&values[0])?;
        let price = |column: usize| match &values[column] {
            Value::Real(price) => Ok(*price),
            // Exact up to 2^53; a price beyond is refused anyway.
            Value::Whole(price) => Ok(*price as f64),
            other => Err(self.wrong(column, other, "a price")),
        };
        let prices = [price(1)?, price(2)?, price(3)?, price(4)?];
        let volume = match &values[5] {
            Value::None => None,
            Value::Real(shares) if shares.is_nan() => None,
            Value::Real(shares) if (0.0..=WHOLE_AT_MOST).contains(shares) => Some(*shares as u64),
            Value::Whole(shares) if *shares >= 0 => Some(shares.unsigned_abs()),
            other => return Err(self.wrong(5, other, "a number of shares")),
        };
        Ok(Some(Row { line: self.row, when, prices, volume }))
    }

    fn wrong(&self, column: usize, value: &Value, expected: &'static str) -> BarFileError {
        let value = match value {
            Value::None => "empty".to_owned(),
            Value::Whole(value) => value.to_string(),
            Value::Real(value) => value.to_string(),
            Value::Text(text) => String::from_utf8_lossy(text).chars().take(60).collect(),
        };
        BarFileError::Value { path: self.path.clone(), line: self.row, field: COLUMNS[column], value, expected }
    }

    /// Reads the next rows of this row group or the next one; `false` at the end.
    fn fill(&mut self) -> Result<bool, ParquetError> {
        loop {
            if self.readers.is_empty() {
                if self.group >= self.file.num_row_groups() {
                    return Ok(false);
                }
                let group = self.file.get_row_group(self.group)?;
                self.group += 1;
                for column in self.columns {
                    let level = |at: usize| group.metadata().schema_descr().column(at).max_def_level();
                    self.readers.push(match column {
                        Some(at) => Some((group.get_column_reader(at)?, level(at))),
                        None => None,
                    });
                }
            }
            let columns: Vec<Vec<Value>> = self
                .readers
                .iter_mut()
                .flatten()
                .map(|(reader, level)| take(reader, *level))
                .collect::<Result<_, _>>()?;
            let rows = columns.first().map_or(0, Vec::len);
            if columns.iter().any(|column| column.len() != rows) {
                return Err(ParquetError::General("its columns are of different lengths".to_owned()));
            }
            if rows == 0 {
                self.readers.clear();
                continue;
            }
            let mut columns: Vec<_> = columns.into_iter().map(Vec::into_iter).collect();
            for _ in 0..rows {
                // Only the volume may be missing, which is the last.
                let mut cells = columns.iter_mut().map(|column| column.next().unwrap_or(Value::None));
                self.batch.push_back(std::array::from_fn(|_| cells.next().unwrap_or(Value::None)));
            }
            return Ok(true);
        }
    }

    fn when(&self, value: &Value) -> Result<When, BarFileError> {
        let wrong = |expected| self.wrong(0, value, expected);
        match (self.time, value) {
            (TimeKind::Text, Value::Text(text)) => {
                self.layout.times.read(text, self.intraday).map_err(|error| match error {
                    WrongTime::NoZone => self.no_zone(String::from_utf8_lossy(text).into_owned()),
                    WrongTime::Expected(what) => wrong(what),
                })
            }
            (TimeKind::Date, Value::Whole(days)) if !self.intraday => {
                let date = TimeDelta::try_days(*days).and_then(|days| NaiveDate::default().checked_add_signed(days));
                date.map(When::On).ok_or_else(|| wrong("a date"))
            }
            (TimeKind::Stamp { units, utc }, Value::Whole(count)) => {
                let at = stamp(*count, units).ok_or_else(|| wrong("a time that a calendar has"))?;
                if !self.intraday {
                    return Ok(When::On(at.date_naive()));
                }
                match &self.layout.times {
                    Times::Local { zone, .. } if !utc => {
                        let local = at.naive_utc().and_local_timezone(*zone).earliest();
                        let at = local.ok_or_else(|| wrong("a time of the zone that was said"))?;
                        Ok(When::At(at.with_timezone(&Utc).into()))
                    }
                    Times::Rfc3339 if !utc => Err(self.no_zone(at.naive_utc().to_string())),
                    _ => Ok(When::At(at.into())),
                }
            }
            _ => Err(wrong(if self.intraday { "an instant" } else { "a date" })),
        }
    }

    fn no_zone(&self, value: String) -> BarFileError {
        BarFileError::Zone { path: self.path.clone(), line: self.row, value }
    }
}

/// The library trusts what a file says of itself, and panics on some damaged ones: that is an error
/// of the file. Whatever was half read is not used again.
fn fenced<T>(read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(read));
    read.unwrap_or_else(|_| Err(ParquetError::General("it is damaged: what it says of itself cannot be".to_owned())))
}

/// Whether a column's place cannot be: the most common damage, told without a panic in between.
fn nowhere(column: &ColumnChunkMetaData) -> bool {
    let begin = column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset());
    begin < 0 || column.compressed_size() < 0
}

fn stamp(count: i64, units: i64) -> Option<DateTime<Utc>> {
    let millis = if units == 1 { count.checked_mul(1_000)? } else { count.div_euclid(units / 1_000) };
    DateTime::from_timestamp_millis(millis)
}

fn time_kind(column: &ColumnDescriptor, times: &Times) -> Option<TimeKind> {
    use parquet::basic::Type as Physical;
    let stamp = |units, utc| Some(TimeKind::Stamp { units, utc });
    match (column.physical_type(), column.logical_type_ref(), column.converted_type()) {
        (Physical::INT64, Some(LogicalType::Timestamp(kind)), _) => {
            let units = match kind.unit {
                TimeUnit::MILLIS => 1_000,
                TimeUnit::MICROS => 1_000_000,
                TimeUnit::NANOS => 1_000_000_000,
            };
            stamp(units, kind.is_adjusted_to_u_t_c)
        }
        (Physical::INT64, _, ConvertedType::TIMESTAMP_MILLIS) => stamp(1_000, true),
        (Physical::INT64, _, ConvertedType::TIMESTAMP_MICROS) => stamp(1_000_000, true),
        // Old Spark and Impala: nanoseconds of UTC in twelve bytes; taken as milliseconds.
        (Physical::INT96, _, _) => stamp(1_000, true),
        (Physical::INT32, Some(LogicalType::Date), _) | (Physical::INT32, _, ConvertedType::DATE) => {
            Some(TimeKind::Date)
        }
        (Physical::BYTE_ARRAY, _, _) => Some(TimeKind::Text),
        // A bare number is a time only where somebody says so.
        (Physical::INT64 | Physical::INT32, _, _) => match times {
            Times::EpochSeconds => stamp(1, true),
            Times::EpochMillis => stamp(1_000, true),
            Times::Rfc3339 | Times::Local { .. } => None,
        },
        _ => None,
    }
}

/// The next values of a column, empty ones included.
fn take(reader: &mut ColumnReader, level: i16) -> Result<Vec<Value>, ParquetError> {
    match reader {
        ColumnReader::Int32ColumnReader(reader) => typed(reader, level, |value| Value::Whole(value.into())),
        ColumnReader::Int64ColumnReader(reader) => typed(reader, level, Value::Whole),
        ColumnReader::Int96ColumnReader(reader) => typed(reader, level, |value| Value::Whole(value.to_millis())),
        // A float's shortest text is the price that was meant.
        ColumnReader::FloatColumnReader(reader) => {
            typed(reader, level, |value| Value::Real(value.to_string().parse().unwrap_or(f64::NAN)))
        }
        ColumnReader::DoubleColumnReader(reader) => typed(reader, level, Value::Real),
        ColumnReader::ByteArrayColumnReader(reader) => typed(reader, level, |value| Value::Text(value.data().to_vec())),
        ColumnReader::BoolColumnReader(_) | ColumnReader::FixedLenByteArrayColumnReader(_) => Err(
            ParquetError::General("times are timestamps, dates or texts, prices and volumes are numbers".to_owned()),
        ),
    }
}

fn typed<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    level: i16,
    value: impl Fn(T::T) -> Value,
) -> Result<Vec<Value>, ParquetError> {
    let (mut levels, mut values) = (Vec::new(), Vec::new());
    // One call may end with a page.
    let mut rows = 0;
    while rows < BATCH {
        let (more, _, _) = reader.read_records(BATCH - rows, (level > 0).then_some(&mut levels), None, &mut values)?;
        if more == 0 {
            break;
        }
        rows += more;
    }
    let mut values = values.into_iter().map(value);
    if level == 0 {
        return Ok(values.collect());
    }
    let cell = |held: &i16| if *held == level { values.next().unwrap_or(Value::None) } else { Value::None };
    Ok(levels.iter().map(cell).collect())
}

/// A Parquet file that is being written.
pub(super) struct ParquetSink {
    to: SerializedFileWriter<File>,
    intraday: bool,
    bars: Vec<Bar>,
}

impl std::fmt::Debug for ParquetSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParquetSink").field("bars", &self.bars.len()).finish_non_exhaustive()
    }
}

impl ParquetSink {
    pub(super) fn open(file: File, intraday: bool) -> Result<Self, Failed> {
        let time = if intraday { "INT64 time (TIMESTAMP(MILLIS,true))" } else { "INT32 time (DATE)" };
        let prices = "REQUIRED DOUBLE open; REQUIRED DOUBLE high; REQUIRED DOUBLE low; REQUIRED DOUBLE close";
        let schema = format!("message bars {{ REQUIRED {time}; {prices}; OPTIONAL INT64 volume; }}");
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let schema = Arc::new(parse_message_type(&schema)?);
        Ok(Self { to: SerializedFileWriter::new(file, schema, Arc::new(properties))?, intraday, bars: Vec::new() })
    }

    pub(super) fn push(&mut self, bar: &Bar) -> Result<(), Failed> {
        self.bars.push(*bar);
        if self.bars.len() >= GROUP { self.flush() } else { Ok(()) }
    }

    pub(super) fn finish(mut self) -> Result<(), Failed> {
        self.flush()?;
        self.to.close()?;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Failed> {
        if self.bars.is_empty() {
            return Ok(());
        }
        let bars = std::mem::take(&mut self.bars);
        let mut group = self.to.next_row_group()?;
        let mut place = 0;
        while let Some(mut column) = group.next_column()? {
            let price = |of: fn(&Bar) -> f64| bars.iter().map(of).collect::<Vec<f64>>();
            let prices = match place {
                1 => price(|bar| bar.open),
                2 => price(|bar| bar.high),
                3 => price(|bar| bar.low),
                _ => price(|bar| bar.close),
            };
            match place {
                0 if self.intraday => {
                    let times: Vec<i64> = bars.iter().map(|bar| bar.time.millis()).collect();
                    column.typed::<Int64Type>().write_batch(&times, None, None)?;
                }
                0 => {
                    let dates: Vec<i32> = bars.iter().map(|bar| days(bar.time)).collect();
                    column.typed::<Int32Type>().write_batch(&dates, None, None)?;
                }
                5 => {
                    let shares = |bar: &Bar| bar.volume.map(|shares| i64::try_from(shares).unwrap_or(i64::MAX));
                    let volumes: Vec<i64> = bars.iter().filter_map(shares).collect();
                    let levels: Vec<i16> = bars.iter().map(|bar| i16::from(bar.volume.is_some())).collect();
                    column.typed::<Int64Type>().write_batch(&volumes, Some(&levels), None)?;
                }
                _ => {
                    column.typed::<DoubleType>().write_batch(&prices, None, None)?;
                }
            }
            column.close()?;
            place += 1;
        }
        group.close()?;
        Ok(())
    }
}

/// Days since 1970 of a bar's date.
fn days(at: MarketTime) -> i32 {
    let days = Calendar::Xnys.date_of(at).signed_duration_since(NaiveDate::default()).num_days();
    i32::try_from(days).unwrap_or(i32::MAX)
}

/// What the library says, before it is known of which file.
pub(super) struct Failed(ParquetError);

impl From<ParquetError> for Failed {
    fn from(error: ParquetError) -> Self {
        Self(error)
    }
}

impl Failed {
    pub(super) fn at(self, path: &Path) -> BarFileError {
        let reason = self.0.to_string();
        BarFileError::Parquet { path: path.to_owned(), reason: reason.chars().take(200).collect() }
    }
}
