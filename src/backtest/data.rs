//! The bars of a backtest: which files, which symbols, which size, which span.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;

use crate::bar_files::{self, BarFile, BarFileError};
use crate::calendar::Calendar;
use crate::clock::Stopwatch;
use crate::domain::{Bar, BarSize, MarketTime, Symbol};
use crate::tape::aggregate;
use crate::tape::jumps::{Jump, jumps};

/// Which bars are asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// Files and folders.
    pub paths: Vec<PathBuf>,
    /// The symbols; empty: all that are there.
    pub symbols: Vec<Symbol>,
    /// Size of the bars that are decided on; `None`: the one size that is there.
    pub size: Option<BarSize>,
    /// Files and folders of smaller bars that are played inside; empty: none are.
    pub intrabar: Vec<PathBuf>,
    /// First exchange date.
    pub from: Option<NaiveDate>,
    /// Last exchange date.
    pub to: Option<NaiveDate>,
    /// Sessions and bar boundaries.
    pub calendar: Calendar,
    /// What becomes of a symbol whose price jumps as it does at a split.
    pub jumps: Jumps,
}

/// What becomes of a symbol whose price jumps, as it does at a split that the prices are not adjusted
/// for. Nothing in prices tells a split from a disaster; a profit over one is not to be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Jumps {
    /// Its bars end before the jump: what is held then is valued at the last price before.
    #[default]
    Stop,
    /// It is traded through.
    Trade,
}

/// Bars, ready to be played.
#[derive(Debug, Clone)]
pub struct Data {
    /// The tape's bars, by symbol.
    pub series: BTreeMap<Symbol, Arc<[Bar]>>,
    /// Size of the bars that are decided on.
    pub size: BarSize,
    /// The tape's bars where they are smaller than those.
    pub inside: Inside,
    /// Jumps of prices in the bars that were read.
    pub jumps: Vec<(Symbol, Jump)>,
    /// What becomes of them.
    pub on_jump: Jumps,
    /// Time it took to read them.
    pub load: Duration,
}

/// What smaller bars are played inside of those decided on.
#[derive(Debug, Clone, Default)]
pub struct Inside {
    /// Their sizes; empty: there are none.
    pub sizes: BTreeSet<BarSize>,
    /// Where they do not reach as far as those decided on.
    pub short: Vec<String>,
}

/// Why there is nothing to play.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A file is wrong.
    #[error(transparent)]
    File(#[from] BarFileError),
    /// No file holds what is asked for.
    #[error("no bars of {symbol} that are {size} or smaller in --data; it holds {found}")]
    Missing {
        /// The symbol.
        symbol: Symbol,
        /// Size asked for.
        size: BarSize,
        /// What is there.
        found: String,
    },
    /// A symbol that no file is of.
    #[error("--data holds no bars of {symbol}; it holds {found}")]
    Unknown {
        /// The symbol.
        symbol: Symbol,
        /// The symbols that are there.
        found: String,
    },
    /// Several sizes, and none is chosen.
    #[error("--data holds bars of {found}: choose one with --bar-size")]
    Sizes {
        /// What is there.
        found: String,
    },
    /// No bar file at all.
    #[error("--data {paths} holds no bar file; files are named SYMBOL-SIZE.csv, for example SPY-1min.csv")]
    Nothing {
        /// What was looked at.
        paths: String,
    },
    /// Files of one symbol and size overlap.
    #[error("{symbol}: two files of {size} bars overlap at {at}; give one of them")]
    Overlap {
        /// The symbol.
        symbol: Symbol,
        /// The size.
        size: BarSize,
        /// Where.
        at: MarketTime,
    },
    /// Nothing is left of a symbol.
    #[error("{symbol}: no bar lies within --from and --to")]
    Span {
        /// The symbol.
        symbol: Symbol,
    },
    /// Two series cannot be read side by side for one.
    #[error("--stream and --intrabar exclude each other: leave one of them out")]
    StreamedInside,
    /// Bars inside of bars must be smaller.
    #[error("--intrabar: no bars of {symbol} smaller than {size} in {paths}")]
    Intrabar {
        /// The symbol.
        symbol: Symbol,
        /// Size of the bars decided on.
        size: BarSize,
        /// What was looked at.
        paths: String,
    },
}

impl Wanted {
    /// The symbols and the size that will be played, by the files' names alone.
    ///
    /// # Errors
    /// No file, or several sizes and none chosen.
    pub fn look(&self) -> Result<(BTreeSet<Symbol>, BarSize), DataError> {
        self.chosen(&self.files()?)
    }

    pub(super) fn chosen(&self, files: &[BarFile]) -> Result<(BTreeSet<Symbol>, BarSize), DataError> {
        let size = match self.size {
            Some(size) => size,
            None => self.only_size(files)?,
        };
        Ok((self.symbols_of(files), size))
    }

    /// Reads what is asked for.
    ///
    /// # Errors
    /// The first thing that is wrong or missing.
    pub fn load(&self) -> Result<Data, DataError> {
        let began = Stopwatch::start();
        let files = self.files()?;
        let (symbols, size) = self.chosen(&files)?;
        let finer = self.files_in(&self.intrabar)?;
        let (mut series, mut inside, mut found) = (BTreeMap::new(), Inside::default(), Vec::new());
        for symbol in symbols {
            let mut bars = if self.intrabar.is_empty() {
                self.within(&symbol, self.decided(&symbol, size, &files)?)?
            } else {
                let (smaller, bars) = self.smaller(&symbol, size, &finer)?;
                let bars = self.within(&symbol, bars)?;
                inside.sizes.insert(smaller);
                inside.short.extend(self.short(&symbol, size, &files, &bars)?);
                bars
            };
            let jumped = jumps(&bars);
            if let (Jumps::Stop, Some(first)) = (self.jumps, jumped.first()) {
                bars.truncate(bars.partition_point(|bar| bar.time < first.at));
            }
            found.extend(jumped.into_iter().map(|jump| (symbol, jump)));
            series.insert(symbol, Arc::from(bars));
        }
        Ok(Data { series, size, inside, jumps: found, on_jump: self.jumps, load: began.elapsed() })
    }

    pub(super) fn files(&self) -> Result<Vec<BarFile>, DataError> {
        let files = self.files_in(&self.paths)?;
        if files.is_empty() {
            return Err(DataError::Nothing { paths: told(&self.paths) });
        }
        let held: BTreeSet<&Symbol> = files.iter().map(|file| &file.symbol).collect();
        if let Some(symbol) = self.symbols.iter().find(|symbol| !held.contains(symbol)) {
            let found = held.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            return Err(DataError::Unknown { symbol: *symbol, found });
        }
        Ok(files)
    }

    fn files_in(&self, paths: &[PathBuf]) -> Result<Vec<BarFile>, DataError> {
        let mut files = Vec::new();
        for path in paths {
            files.extend(self.files_of(path)?);
        }
        Ok(files)
    }

    fn files_of(&self, path: &Path) -> Result<Vec<BarFile>, DataError> {
        if path.is_dir() {
            return Ok(bar_files::discover(path)?);
        }
        // A name that says nothing is no matter where the symbol is said beside it.
        let named = bar_files::named(path).is_some();
        let symbol = if let ([symbol], false) = (self.symbols.as_slice(), named) { Some(*symbol) } else { None };
        Ok(vec![BarFile::of(path, symbol, None)?])
    }

    fn only_size(&self, files: &[BarFile]) -> Result<BarSize, DataError> {
        let wanted = |file: &&BarFile| self.symbols.is_empty() || self.symbols.contains(&file.symbol);
        let sizes: BTreeSet<BarSize> = files.iter().filter(wanted).map(|file| file.size).collect();
        match (sizes.first(), sizes.len()) {
            (Some(size), 1) => Ok(*size),
            (Some(_) | None, _) => Err(DataError::Sizes { found: listed(sizes) }),
        }
    }

    fn symbols_of(&self, files: &[BarFile]) -> BTreeSet<Symbol> {
        if self.symbols.is_empty() {
            return files.iter().map(|file| file.symbol).collect();
        }
        self.symbols.iter().cloned().collect()
    }

    /// Bars of the size that is decided on: as they are, or made of the biggest that are smaller.
    fn decided(&self, symbol: &Symbol, size: BarSize, files: &[BarFile]) -> Result<Vec<Bar>, DataError> {
        let best = self.best_size(symbol, size, files)?;
        let own = files.iter().filter(|file| file.symbol == *symbol && file.size == best);
        let bars = self.joined(symbol, best, own)?;
        if best == size { Ok(bars) } else { Ok(aggregate(bars, self.calendar, size).collect()) }
    }

    /// The biggest size that there is of a symbol, up to the one that is decided on.
    pub(super) fn best_size(&self, symbol: &Symbol, size: BarSize, files: &[BarFile]) -> Result<BarSize, DataError> {
        let own = || files.iter().filter(|file| file.symbol == *symbol).map(|file| file.size);
        own().filter(|own| *own <= size).max().ok_or_else(|| {
            let found = listed(own().collect());
            DataError::Missing { symbol: *symbol, size, found }
        })
    }

    /// The smallest bars that there are, smaller than those that are decided on.
    fn smaller(&self, symbol: &Symbol, size: BarSize, files: &[BarFile]) -> Result<(BarSize, Vec<Bar>), DataError> {
        let own = || files.iter().filter(|file| file.symbol == *symbol && file.size < size);
        let Some(best) = own().map(|file| file.size).min() else {
            return Err(DataError::Intrabar { symbol: *symbol, size, paths: told(&self.intrabar) });
        };
        Ok((best, self.joined(symbol, best, own().filter(|file| file.size == best))?))
    }

    /// Where bars of the size decided on begin before the smaller ones, or end after them: they are not
    /// played.
    fn short(
        &self,
        symbol: &Symbol,
        size: BarSize,
        files: &[BarFile],
        smaller: &[Bar],
    ) -> Result<Option<String>, DataError> {
        let own = files.iter().filter(|file| file.symbol == *symbol && file.size == size);
        let whole = self.joined(symbol, size, own)?;
        let mut played = whole.iter().filter(|bar| self.asked(bar));
        let Some(begin) = played.next() else { return Ok(None) };
        let end = played.next_back().unwrap_or(begin);
        let (Some(first), Some(last)) = (smaller.first(), smaller.last()) else { return Ok(None) };
        let short = begin.end <= first.time || last.end <= end.time;
        Ok(short.then(|| {
            format!(
                "{symbol}: its smaller bars (--intrabar) are from {} to {}, those of {size} from {} to {}; what is \
                 beyond the smaller ones is not played",
                first.time, last.end, begin.time, end.end
            )
        }))
    }

    fn joined<'a>(
        &self,
        symbol: &Symbol,
        size: BarSize,
        files: impl Iterator<Item = &'a BarFile>,
    ) -> Result<Vec<Bar>, DataError> {
        let mut bars: Vec<Bar> = Vec::new();
        for file in files {
            let read = bar_files::read(&file.path, size, self.calendar)?;
            if bars.is_empty() {
                bars = read;
            } else {
                bars.extend(read);
            }
        }
        bars.sort_by_key(|bar| bar.time);
        match bars.windows(2).find(|pair| pair[1].time < pair[0].end) {
            Some(pair) => Err(DataError::Overlap { symbol: *symbol, size, at: pair[1].time }),
            None => Ok(bars),
        }
    }

    fn within(&self, symbol: &Symbol, mut bars: Vec<Bar>) -> Result<Vec<Bar>, DataError> {
        if self.from.is_some() || self.to.is_some() {
            bars.retain(|bar| self.asked(bar));
        }
        if bars.is_empty() { Err(DataError::Span { symbol: *symbol }) } else { Ok(bars) }
    }

    /// Whether a bar lies within the dates asked for.
    pub(super) fn asked(&self, bar: &Bar) -> bool {
        if self.from.is_none() && self.to.is_none() {
            return true;
        }
        let date = self.calendar.date_of(bar.time);
        self.from.is_none_or(|from| from <= date) && self.to.is_none_or(|to| date <= to)
    }
}

impl Data {
    /// The exchange dates of its bars, ascending.
    pub fn dates(&self, calendar: Calendar) -> Vec<NaiveDate> {
        let mut dates = BTreeSet::new();
        for bars in self.series.values() {
            let mut next = 0;
            while let Some(bar) = bars.get(next) {
                let date = calendar.date_of(bar.time);
                let end = Calendar::Always.nominal_session(date).close;
                dates.insert(date);
                next = bars.partition_point(|bar| bar.time < end).max(next + 1);
            }
        }
        dates.into_iter().collect()
    }

    /// The bars of these exchange dates, ends included.
    #[must_use]
    pub fn between(&self, from: NaiveDate, last: NaiveDate) -> Self {
        let begin = Calendar::Always.nominal_session(from).open;
        let end = Calendar::Always.nominal_session(last).close;
        let cut = |bars: &Arc<[Bar]>| {
            let first = bars.partition_point(|bar| bar.time < begin);
            let after = bars.partition_point(|bar| bar.time < end);
            Arc::from(&bars[first..after.max(first)])
        };
        let series = self.series.iter().map(|(symbol, bars)| (*symbol, cut(bars))).collect();
        Self { series, ..self.clone() }
    }

    /// What has to be known of the bars before results are read.
    pub fn warnings(&self) -> Vec<String> {
        self.inside.short.iter().cloned().chain(jump_warnings(&self.jumps, self.on_jump)).collect()
    }
}

/// What has to be known of jumps, by what became of them.
pub(super) fn jump_warnings(jumps: &[(Symbol, Jump)], on_jump: Jumps) -> Vec<String> {
    let (mut told, mut warnings) = (BTreeSet::new(), Vec::new());
    for (symbol, jump) in jumps {
        match on_jump {
            Jumps::Stop if told.insert(symbol) => warnings.push(format!(
                "{symbol}: the price jumps {jump}; its bars end there, and what is held is valued at the last price \
                 before. Adjust the data, or say --jumps trade"
            )),
            Jumps::Stop => {}
            Jumps::Trade => warnings.push(format!("{symbol}: the price jumps {jump}; it is traded through")),
        }
    }
    warnings
}

fn told(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ")
}

fn listed(sizes: BTreeSet<BarSize>) -> String {
    if sizes.is_empty() {
        return "none of it".to_owned();
    }
    sizes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}
