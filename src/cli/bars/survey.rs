//! One walk through a file: what it holds, and everything that is wrong or odd about it.

use std::path::Path;

use serde::Serialize;

use crate::bar_files::{self, BarFile, Coverage, Gap, Reader};
use crate::calendar::Calendar;
use crate::domain::{Bar, BarSize, MarketTime, Symbol};
use crate::tape::jumps::{Jump, JumpWatch};

use super::{BarsError, Files};

/// What a file holds.
#[derive(Debug, Serialize)]
pub(super) struct Survey {
    pub file: String,
    /// None where the file does not say.
    pub symbol: Option<Symbol>,
    pub size: Option<BarSize>,
    pub bars: u64,
    pub first: Option<MarketTime>,
    pub last: Option<MarketTime>,
    /// USD a share.
    pub lowest: Option<f64>,
    pub highest: Option<f64>,
    /// Shares; none where no bar says.
    pub volume: Option<u64>,
    pub faults: Findings<String>,
    pub gaps: Findings<Gap>,
    pub missing_bars: u64,
    pub missing_days: u64,
    pub outside_hours: u64,
    pub on_closed_days: u64,
    pub first_outside: Option<MarketTime>,
    /// Bars of days that the calendar does not know.
    pub unknown_days: u64,
    pub jumps: Findings<Told>,
}

/// The first findings, and how many there are in all.
#[derive(Debug, Serialize)]
pub(super) struct Findings<T> {
    pub count: u64,
    pub first: Vec<T>,
    #[serde(skip)]
    limit: usize,
}

impl<T> Findings<T> {
    fn new(limit: usize) -> Self {
        Self { count: 0, first: Vec::new(), limit }
    }

    fn add(&mut self, finding: T) {
        self.count += 1;
        if self.first.len() < self.limit {
            self.first.push(finding);
        }
    }

    /// How many there are beyond those that are kept.
    pub(super) fn more(&self) -> u64 {
        self.count.saturating_sub(u64::try_from(self.first.len()).unwrap_or(u64::MAX))
    }
}

/// A jump in JSON's words.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    at: MarketTime,
    before: f64,
    after: f64,
    ratio: f64,
    looks_like: Option<String>,
    #[serde(skip)]
    pub words: String,
}

impl From<Jump> for Told {
    fn from(jump: Jump) -> Self {
        let Jump { at, before, after, ratio, looks_like } = jump;
        let looks_like = looks_like.map(|(new, old)| format!("{new}:{old}"));
        Self { at, before, after, ratio, looks_like, words: jump.to_string() }
    }
}

impl Survey {
    /// Of the files that are asked for.
    pub(super) fn of_all(files: &Files) -> Result<Vec<Self>, BarsError> {
        let (found, faulty) = bar_files::find(&files.paths, files.bar_size)?;
        if found.is_empty() && faulty.is_empty() {
            let dir = files.paths.first().map(|path| path.display().to_string()).unwrap_or_default();
            return Err(BarsError::NoFiles { dir });
        }
        let mut surveys: Vec<Self> =
            found.into_iter().map(|file| Self::of(file, files.calendar, files.limit)).collect();
        for (path, fault) in faulty {
            let mut survey = Self::empty(&path, files.limit);
            survey.faults.add(fault.to_string());
            surveys.push(survey);
        }
        Ok(surveys)
    }

    fn of(file: BarFile, calendar: Calendar, limit: usize) -> Self {
        let mut survey = Self { symbol: Some(file.symbol), size: Some(file.size), ..Self::empty(&file.path, limit) };
        match Reader::open(&file.path, file.size, calendar) {
            Ok(reader) => survey.walk(reader, Coverage::new(calendar, file.size)),
            Err(error) => survey.faults.add(error.to_string()),
        }
        survey
    }

    fn empty(path: &Path, limit: usize) -> Self {
        Self {
            file: path.display().to_string(),
            symbol: None,
            size: None,
            bars: 0,
            first: None,
            last: None,
            lowest: None,
            highest: None,
            volume: None,
            faults: Findings::new(limit),
            gaps: Findings::new(limit),
            missing_bars: 0,
            missing_days: 0,
            outside_hours: 0,
            on_closed_days: 0,
            first_outside: None,
            unknown_days: 0,
            jumps: Findings::new(limit),
        }
    }

    fn walk(&mut self, reader: Reader, mut coverage: Coverage) {
        let mut watch = JumpWatch::default();
        for bar in reader {
            let bar = match bar {
                Ok(bar) => bar,
                Err(error) => {
                    self.faults.add(error.to_string());
                    continue;
                }
            };
            self.count(&bar);
            for gap in coverage.see(&bar) {
                match gap {
                    Gap::Bars { bars, .. } => self.missing_bars += bars,
                    Gap::Days { days, .. } => self.missing_days += days,
                }
                self.gaps.add(gap);
            }
            if let Some(jump) = watch.see(&bar) {
                self.jumps.add(jump.into());
            }
        }
        self.outside_hours = coverage.outside_hours;
        self.on_closed_days = coverage.on_closed_days;
        self.first_outside = coverage.first_outside;
        self.unknown_days = coverage.unknown_days;
    }

    fn count(&mut self, bar: &Bar) {
        self.bars += 1;
        self.first = self.first.or(Some(bar.time));
        self.last = Some(bar.time);
        self.lowest = Some(self.lowest.map_or(bar.low, |lowest| lowest.min(bar.low)));
        self.highest = Some(self.highest.map_or(bar.high, |highest| highest.max(bar.high)));
        if let Some(volume) = bar.volume {
            self.volume = Some(self.volume.unwrap_or_default().saturating_add(volume));
        }
    }

    /// What may be right, and should be looked at.
    pub(super) fn warnings(&self) -> u64 {
        let outside = u64::from(self.outside_hours > 0) + u64::from(self.on_closed_days > 0);
        self.gaps.count + self.jumps.count + outside + u64::from(self.unknown_days > 0)
    }
}

/// What people read: `-` for nothing.
pub(super) fn or_dash<T: std::fmt::Display>(value: Option<T>) -> String {
    value.map_or("-".to_owned(), |value| value.to_string())
}
