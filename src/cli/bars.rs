//! `robo-trader bars`: look at, check, aggregate, convert and generate bar files.

mod aggregate;
mod convert;
mod generate;
mod inspect;
mod survey;
mod validate;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::bar_files::BarFileError;
use crate::calendar::Calendar;
use crate::domain::BarSize;
use crate::runner::exit;

/// Exit codes: 0 done; 2 faults in a bar file, or a wrong command line.
#[derive(Debug, Args)]
pub struct BarsArgs {
    #[command(subcommand)]
    command: BarsCommand,
}

#[derive(Debug, Subcommand)]
enum BarsCommand {
    /// Tell what files hold: bars, dates, prices, gaps, jumps.
    Inspect(inspect::InspectArgs),
    /// Check order, duplicates, prices, gaps by the calendar, jumps; exit code 2 where there are faults.
    Validate(validate::ValidateArgs),
    /// Make bigger bars of a file's.
    Aggregate(aggregate::AggregateArgs),
    /// Write a file as this program reads it: other columns, delimiters, times; CSV or Parquet by the name.
    Convert(Box<convert::ConvertArgs>),
    /// Write bar files of made-up prices: the same arguments give the same bytes.
    Generate(generate::GenerateArgs),
}

/// Which files, and how to take them.
#[derive(Debug, Args)]
struct Files {
    /// Bar files, or folders of them.
    #[arg(required = true, value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    /// Size of the bars of files whose names do not say it (`1min`, "5 mins", `1day`).
    #[arg(long)]
    bar_size: Option<BarSize>,
    /// The market's calendar: XNYS or always.
    #[arg(long, default_value_t)]
    calendar: Calendar,
    /// How many findings of each kind to show for each file.
    #[arg(long, default_value_t = 20)]
    limit: usize,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Tells of a file that was written; as JSON an object a line.
fn written(path: &Path, bars: u64, size: BarSize, from: Option<(u64, BarSize)>, json: bool) -> ExitCode {
    if json {
        let from = from.map(|(bars, size)| json!({"bars": bars, "bar_size": size.to_string()}));
        let row = json!({"file": path, "bars": bars, "bar_size": size.to_string(), "from": from});
        return crate::cli::say(&row);
    }
    let from = from.map_or_else(String::new, |(bars, size)| format!(" from {bars} bars of {size}"));
    crate::cli::say(&format_args!("{}: {bars} bars of {size}{from}", path.display()))
}

/// Why a command did nothing.
#[derive(Debug, thiserror::Error)]
enum BarsError {
    #[error(transparent)]
    File(#[from] BarFileError),
    #[error("{dir} holds no bar files; they are named like SPY-1min.csv or SPY-1day.csv")]
    NoFiles { dir: String },
    #[error("bars of {from} cannot be made into bars of {to}: the size must be longer")]
    Shorter { from: BarSize, to: BarSize },
    #[error("{0}")]
    Usage(String),
}

pub(super) fn main(args: BarsArgs) -> ExitCode {
    let done = match args.command {
        BarsCommand::Inspect(args) => inspect::run(&args),
        BarsCommand::Validate(args) => validate::run(&args),
        BarsCommand::Aggregate(args) => aggregate::run(&args),
        BarsCommand::Convert(args) => convert::run(&args),
        BarsCommand::Generate(args) => generate::run(&args),
    };
    done.unwrap_or_else(|error| {
        super::complain(&error);
        ExitCode::from(exit::USAGE)
    })
}

/// Says a report and ends with its code; a closed pipe does not change it.
fn report(text: &dyn std::fmt::Display, code: u8) -> ExitCode {
    let said = super::say(text);
    if code == exit::DONE { said } else { ExitCode::from(code) }
}
