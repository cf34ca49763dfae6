//! A backtest's results as files: lists for other programs, a summary, and the report for people.
//!
//! Timings are in `summary.json` only: everything else is the same byte for byte whenever the run
//! is.

use std::fs;
use std::path::{Path, PathBuf};

use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::metrics::Metrics;
use super::metrics::series::day_returns;
use super::outcome::{Outcome, Trade};
use super::report;
use crate::domain::Usd;

#[cfg(test)]
mod tests;

/// Why results cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refuses.
    #[error("{path}: {source}; check that the folder may be written and the disk has room")]
    Io {
        /// File or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A list cannot be written.
    #[error("{path}: {source}; check that the folder may be written and the disk has room")]
    Csv {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: csv::Error,
    },
    /// The summary is no JSON.
    #[error("{path}: {source}")]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
}

/// Writes `equity.csv`, `daily.csv`, `summary.json` and `report.html` into a folder,
/// which is made where it is missing; files of these names are replaced.
///
/// # Errors
/// The first file that cannot be written.
pub fn write(folder: &Path, outcome: &Outcome, metrics: &Metrics) -> Result<(), FileError> {
    fs::create_dir_all(folder).map_err(|source| FileError::Io { path: folder.to_owned(), source })?;
    equity(&folder.join("equity.csv"), outcome)?;
    daily(&folder.join("daily.csv"), outcome)?;
    let path = folder.join("summary.json");
    let mut text = serde_json::to_string_pretty(&summary(outcome, metrics))
        .map_err(|source| FileError::Json { path: path.clone(), source })?;
    text.push('\n');
    text_file(&path, &text)?;
    text_file(&folder.join("report.html"), &report::of(outcome, metrics))
}

fn text_file(path: &Path, text: &str) -> Result<(), FileError> {
    fs::write(path, text).map_err(|source| FileError::Io { path: path.to_owned(), source })
}

/// A list with a header, one record an item.
fn list<T, const N: usize>(
    path: &Path,
    header: [&str; N],
    items: impl Iterator<Item = T>,
    record: impl Fn(T) -> [String; N],
) -> Result<(), FileError> {
    let broken = |source| FileError::Csv { path: path.to_owned(), source };
    let mut writer = csv::Writer::from_path(path).map_err(broken)?;
    writer.write_record(header).map_err(broken)?;
    for item in items {
        writer.write_record(record(item)).map_err(broken)?;
    }
    writer.flush().map_err(|source| FileError::Io { path: path.to_owned(), source })
}

/// The columns of `trades.csv`.
pub const TRADE_COLUMNS: [&str; 11] = [
    "symbol",
    "entry_time",
    "entry_price",
    "exit_time",
    "exit_price",
    "quantity",
    "pnl",
    "fees",
    "exit_reason",
    "side",
    "bars",
];

/// A round trip's row in `trades.csv`.
pub fn trade_row(trade: &Trade) -> [String; 11] {
    [
        trade.symbol.to_string(),
        trade.entry_time.to_string(),
        trade.entry_price.normalized().to_string(),
        trade.exit_time.to_string(),
        trade.exit_price.normalized().to_string(),
        trade.quantity.abs().to_string(),
        money(trade.pnl),
        money(trade.fees),
        trade.reason.as_str().to_owned(),
        side(trade).to_owned(),
        trade.bars.to_string(),
    ]
}

/// Which way a round trip went.
pub fn side(trade: &Trade) -> &'static str {
    if trade.quantity.0 < 0 { "short" } else { "long" }
}

/// An amount, exact, with at least two decimals.
fn money(amount: Usd) -> String {
    let amount = amount.decimal().normalize();
    // Nothing has no sign.
    let mut amount = if amount.is_zero() { Decimal::ZERO } else { amount };
    if amount.scale() < 2 {
        amount.rescale(2);
    }
    amount.to_string()
}

fn equity(path: &Path, outcome: &Outcome) -> Result<(), FileError> {
    let falls = report::drawdowns(outcome.cash.to_f64(), outcome.equity.iter().map(|point| point.equity));
    list(path, ["time", "equity", "exposure", "drawdown"], outcome.equity.iter().zip(falls), |(point, fall)| {
        [
            point.at.to_string(),
            decimals(point.equity, 2),
            decimals(point.exposure, 2),
            // A fall is a loss in charts (below zero) and a size in files and metrics.
            decimals(-fall, 6),
        ]
    })
}

fn daily(path: &Path, outcome: &Outcome) -> Result<(), FileError> {
    let returns = day_returns(outcome.cash.to_f64(), &outcome.days);
    let mut returns = returns.into_iter();
    // Days after a total loss have no return.
    let days: Vec<_> = outcome.days.iter().map(|day| (day, returns.next())).collect();
    list(path, ["date", "equity", "return", "benchmark"], days.into_iter(), |(day, change)| {
        [
            day.date.to_string(),
            decimals(day.equity, 2),
            change.map(|change| decimals(change.own, 8)).unwrap_or_default(),
            day.benchmark.map(|worth| decimals(worth, 2)).unwrap_or_default(),
        ]
    })
}

/// A number for a list: empty where it is none, and no `-0.00`.
fn decimals(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return String::new();
    }
    let text = format!("{value:.decimals$}");
    if text.chars().all(|c| matches!(c, '-' | '0' | '.')) { text.trim_start_matches('-').to_owned() } else { text }
}

/// What `summary.json` holds beside the metrics.
#[derive(Serialize)]
struct Summary<'a> {
    #[serde(flatten)]
    metrics: &'a Metrics,
    bars: u64,
    bar_size: &'static str,
    played_bar_sizes: Vec<&'static str>,
    symbols: Vec<String>,
    first_bar: Option<String>,
    last_bar_end: Option<String>,
    cash: f64,
    final_equity: f64,
    realized: f64,
    unrealized: f64,
    closed_trades: u64,
    open_positions: u32,
    orders: u64,
    fills: u64,
    refusals: u64,
    refusals_by_reason: Map<String, Value>,
    ambiguous_bars: u64,
    load_seconds: f64,
    run_seconds: f64,
    bars_per_second: Option<f64>,
    warnings: &'a [String],
    settings: Vec<Value>,
}

/// The summary as JSON; numbers that are not known are `null`.
pub fn summary(outcome: &Outcome, metrics: &Metrics) -> Value {
    let run_seconds = outcome.run.as_secs_f64();
    let summary = Summary {
        metrics,
        bars: outcome.bars,
        bar_size: outcome.bar_size.as_str(),
        played_bar_sizes: outcome.played_sizes(),
        symbols: outcome.symbols.iter().map(ToString::to_string).collect(),
        first_bar: outcome.span.map(|(from, _)| from.to_string()),
        last_bar_end: outcome.span.map(|(_, until)| until.to_string()),
        cash: outcome.cash.to_f64(),
        final_equity: outcome.final_equity.to_f64(),
        realized: outcome.realized.to_f64(),
        unrealized: outcome.unrealized.to_f64(),
        closed_trades: outcome.trades.all().count,
        open_positions: outcome.open_positions,
        orders: outcome.orders,
        fills: outcome.fills,
        refusals: outcome.refusals.values().sum(),
        refusals_by_reason: outcome.refusals.iter().map(|(reason, times)| (reason.clone(), json!(times))).collect(),
        ambiguous_bars: outcome.ambiguous,
        load_seconds: outcome.load.as_secs_f64(),
        run_seconds,
        bars_per_second: (run_seconds > 0.0).then(|| outcome.bars as f64 / run_seconds),
        warnings: &outcome.warnings,
        // A list, not an object: the order is part of what was told, and a name may come twice.
        settings: outcome.described.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect(),
    };
    // Strings, numbers and lists always serialize.
    serde_json::to_value(summary).unwrap_or_default()
}
