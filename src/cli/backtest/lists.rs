//! Lists that are written while a backtest runs: `facts.jsonl`, `orders.csv` and `trades.csv`. Nothing
//! of them is kept.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::{BacktestError, orders};
use crate::backtest::Listener;
use crate::backtest::files::{TRADE_COLUMNS, trade_row};
use crate::backtest::outcome::Trade;
use crate::domain::book::{OrderRecord, Record};

/// A file that grows; after its first failure nothing more is tried.
struct Growing {
    path: PathBuf,
    file: BufWriter<File>,
    failed: Option<io::Error>,
}

impl Growing {
    fn create(dir: &Path, name: &str) -> Result<Self, BacktestError> {
        let path = dir.join(name);
        let opened = std::fs::create_dir_all(dir).and_then(|()| File::create(&path));
        let file = opened.map_err(|source| BacktestError::Write { path: path.clone(), source })?;
        Ok(Self { path, file: BufWriter::new(file), failed: None })
    }

    fn write(&mut self, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) {
        if self.failed.is_none() {
            self.failed = write(&mut self.file).err();
        }
    }

    fn finish(mut self) -> Result<(), BacktestError> {
        let result = self.failed.take().map_or_else(|| self.file.flush(), Err);
        result.map_err(|source| BacktestError::Write { path: self.path, source })
    }
}

/// The lists of a folder.
pub(super) struct Lists {
    facts: Growing,
    orders: Growing,
    trades: Growing,
    line: String,
}

impl Lists {
    /// Begins them anew, in a folder that is made where it is missing.
    pub(super) fn create(dir: &Path) -> Result<Self, BacktestError> {
        let (facts, mut orders) = (Growing::create(dir, "facts.jsonl")?, Growing::create(dir, "orders.csv")?);
        let mut trades = Growing::create(dir, "trades.csv")?;
        orders.write(|file| file.write_all(orders::HEADER.as_bytes()));
        trades.write(|file| writeln!(file, "{}", TRADE_COLUMNS.join(",")));
        Ok(Self { facts, orders, trades, line: String::new() })
    }

    /// Everything is on the disk, or the first thing that is not.
    pub(super) fn finish(self) -> Result<(), BacktestError> {
        self.facts.finish()?;
        self.trades.finish()?;
        self.orders.finish()
    }
}

impl Listener for Lists {
    fn fact(&mut self, record: &Record) {
        self.facts.write(|file| {
            serde_json::to_writer(&mut *file, record).map_err(io::Error::from)?;
            file.write_all(b"\n")
        });
    }

    fn trade(&mut self, trade: &Trade) {
        // Neither a symbol nor anything else of it holds a comma or a quote.
        self.trades.write(|file| writeln!(file, "{}", trade_row(trade).join(",")));
    }

    fn order(&mut self, order: &OrderRecord) {
        self.line.clear();
        orders::line(order, &mut self.line);
        let line = self.line.as_bytes();
        self.orders.write(|file| file.write_all(line));
    }
}
