//! Bars that are read while they are played, once: memory does not grow with them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::vec::IntoIter;

use super::data::{DataError, Jumps, Wanted, jump_warnings};
use crate::bar_files::{BarFile, Reader};
use crate::calendar::Calendar;
use crate::domain::{Bar, BarSize, MarketTime, Symbol};
use crate::tape::aggregate;
use crate::tape::jumps::{Jump, JumpWatch};
use crate::tape::streamed::Bars;

/// Series that are read while they are played.
pub struct Streams {
    /// By symbol.
    pub series: BTreeMap<Symbol, Bars<'static>>,
    /// Size of the bars.
    pub size: BarSize,
    /// When the first of them opens.
    pub start: MarketTime,
    /// What comes to light while they are read.
    pub notes: Notes,
}

/// What comes to light while bars are read.
#[derive(Clone, Default)]
pub struct Notes(Rc<RefCell<Noted>>);

#[derive(Default)]
struct Noted {
    failed: Option<DataError>,
    jumps: Vec<(Symbol, Jump)>,
    on_jump: Jumps,
}

impl Streams {
    /// Opens what is asked for; nothing but the first bars is read.
    ///
    /// # Errors
    /// The first thing that is wrong or missing.
    pub fn open(wanted: &Wanted) -> Result<Self, DataError> {
        if !wanted.intrabar.is_empty() {
            return Err(DataError::StreamedInside);
        }
        let files = wanted.files()?;
        let (symbols, size) = wanted.chosen(&files)?;
        let notes = Notes::default();
        notes.0.borrow_mut().on_jump = wanted.jumps;
        let (mut series, mut start) = (BTreeMap::new(), MarketTime::MAX);
        for symbol in symbols {
            let best = wanted.best_size(&symbol, size, &files)?;
            let own = files.iter().filter(|file| file.symbol == symbol && file.size == best);
            let mut bars = of_symbol(wanted, &symbol, (best, size), in_order(own, wanted.calendar)?, &notes).peekable();
            let first = bars.peek().map(|bar| bar.time);
            notes.check()?;
            start = start.min(first.ok_or(DataError::Span { symbol })?);
            series.insert(symbol, Box::new(bars) as Bars<'static>);
        }
        Ok(Self { series, size, start, notes })
    }
}

impl Notes {
    fn check(&self) -> Result<(), DataError> {
        self.0.borrow_mut().failed.take().map_or(Ok(()), Err)
    }

    /// What has to be known of the bars that were played.
    ///
    /// # Errors
    /// What ended a series before its time: what was played is no result.
    pub fn finish(&self) -> Result<Vec<String>, DataError> {
        self.check()?;
        let noted = self.0.borrow();
        Ok(jump_warnings(&noted.jumps, noted.on_jump))
    }
}

/// Files by their first bar.
fn in_order<'a>(files: impl Iterator<Item = &'a BarFile>, calendar: Calendar) -> Result<Vec<PathBuf>, DataError> {
    let mut begun = Vec::new();
    for file in files {
        if let Some(first) = Reader::open(&file.path, file.size, calendar)?.next() {
            begun.push((first?.time, file.path.clone()));
        }
    }
    begun.sort();
    Ok(begun.into_iter().map(|(_, path)| path).collect())
}

/// One symbol's bars as they are decided on: read, joined, within the dates, up to a jump.
fn of_symbol(
    wanted: &Wanted,
    symbol: &Symbol,
    (best, size): (BarSize, BarSize),
    paths: Vec<PathBuf>,
    notes: &Notes,
) -> Watched {
    let (calendar, symbol) = (wanted.calendar, *symbol);
    let read = Reading {
        paths: paths.into_iter(),
        reader: None,
        end: MarketTime::MIN,
        symbol,
        size: best,
        calendar,
        notes: notes.clone(),
    };
    let bars: Bars<'static> = if best == size { Box::new(read) } else { Box::new(aggregate(read, calendar, size)) };
    let (asks, notes) = (wanted.clone(), notes.clone());
    Watched { bars: Box::new(bars.filter(move |bar| asks.asked(bar))), watch: JumpWatch::default(), symbol, notes }
}

/// The bars of a symbol's files, one after the other. What is wrong ends them, and is noted.
struct Reading {
    paths: IntoIter<PathBuf>,
    reader: Option<Reader>,
    /// Of the bar before.
    end: MarketTime,
    symbol: Symbol,
    size: BarSize,
    calendar: Calendar,
    notes: Notes,
}

impl Reading {
    fn read(&mut self) -> Result<Option<Bar>, DataError> {
        loop {
            if let Some(bar) = self.reader.as_mut().and_then(Iterator::next) {
                let bar = bar?;
                if bar.time < self.end {
                    let (symbol, size, at) = (self.symbol, self.size, bar.time);
                    return Err(DataError::Overlap { symbol, size, at });
                }
                self.end = bar.end;
                return Ok(Some(bar));
            }
            let Some(path) = self.paths.next() else { return Ok(None) };
            self.reader = Some(Reader::open(&path, self.size, self.calendar)?);
        }
    }
}

impl Iterator for Reading {
    type Item = Bar;

    fn next(&mut self) -> Option<Bar> {
        self.read().unwrap_or_else(|error| {
            (self.reader, self.paths) = (None, Vec::new().into_iter());
            self.notes.0.borrow_mut().failed.get_or_insert(error);
            None
        })
    }
}

/// Bars whose jumps are noted, and end them where they are told to.
struct Watched {
    bars: Bars<'static>,
    watch: JumpWatch,
    symbol: Symbol,
    notes: Notes,
}

impl Iterator for Watched {
    type Item = Bar;

    fn next(&mut self) -> Option<Bar> {
        let bar = self.bars.next()?;
        let Some(jump) = self.watch.see(&bar) else { return Some(bar) };
        let mut noted = self.notes.0.borrow_mut();
        noted.jumps.push((self.symbol, jump));
        if noted.on_jump == Jumps::Stop {
            self.bars = Box::new(std::iter::empty());
            return None;
        }
        Some(bar)
    }
}
