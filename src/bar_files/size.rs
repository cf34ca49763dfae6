//! Of which size a file's bars are, from the steps between them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::domain::{BarSize, MarketTime};

use super::BarFileError;
use super::csv_rows::CsvRows;
use super::layout::{Layout, When};

/// Lines that are looked at: some days of minutes, or years of days.
const LOOKED_AT: usize = 1_000;

const DAY: i64 = 86_400_000;

/// The size that the most common step between the first bars' times is the length of. Faulty lines
/// do not count.
///
/// # Errors
/// The file cannot be read, or its steps are no size's.
pub fn guess_size(path: &Path, layout: &Layout) -> Result<BarSize, BarFileError> {
    let unknown = || BarFileError::Size { path: path.to_owned() };
    if super::is_parquet(path) {
        return Err(unknown());
    }
    // Files of instants and files of dates each read only as what they are, where times are text;
    // counts since 1970 read as both, and their instants say more.
    let mut first = None;
    for intraday in [true, false] {
        match sized(path, intraday, layout)? {
            Ok(Some(size)) => return Ok(size),
            // Times that can be read have no size's steps: that is the fault, not the other reading's.
            Ok(None) => return Err(unknown()),
            Err(fault) => first = first.or(Some(fault)),
        }
    }
    Err(first.unwrap_or_else(unknown))
}

/// The size, if the lines' steps tell it; the first line's fault where no line can be read.
fn sized(path: &Path, intraday: bool, layout: &Layout) -> Result<Result<Option<BarSize>, BarFileError>, BarFileError> {
    let mut rows = CsvRows::open(path, intraday, layout.clone())?;
    let mut steps: BTreeMap<i64, usize> = BTreeMap::new();
    let mut last: Option<MarketTime> = None;
    let mut fault = None;
    for _ in 0..LOOKED_AT {
        let at = match rows.next() {
            Ok(Some(row)) => match row.when {
                When::At(at) => at,
                When::On(date) => MarketTime::from(date.and_time(chrono::NaiveTime::MIN).and_utc()),
            },
            Ok(None) => break,
            Err(error) if error.ends_reading() => return Err(error),
            Err(error) => {
                fault = fault.or(Some(error));
                continue;
            }
        };
        if let Some(last) = last.replace(at).filter(|last| *last < at) {
            *steps.entry(at.millis().saturating_sub(last.millis())).or_default() += 1;
        }
    }
    if last.is_none() {
        return Ok(Err(fault.unwrap_or_else(|| BarFileError::NoBars { path: path.to_owned() })));
    }
    // Of equally common steps the smallest: gaps make steps longer, never shorter.
    let common = steps.iter().max_by_key(|(step, count)| (**count, -**step)).map(|(step, _)| *step);
    Ok(Ok(common.and_then(of_length)))
}

fn of_length(step: i64) -> Option<BarSize> {
    match step / DAY {
        0 => {
            let step = Duration::from_millis(u64::try_from(step).ok()?);
            BarSize::all().find(|size| size.duration() == step)
        }
        // Fridays to Mondays and holidays stand between days.
        1..=4 => Some(BarSize::Day1),
        7 => Some(BarSize::Week1),
        27..=31 => Some(BarSize::Month1),
        _ => None,
    }
}
