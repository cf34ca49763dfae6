//! `history download`: bars of the gateway into files, within IBKR's pacing, to be gone on with after any end.

mod growing;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::broker::{Broker, BrokerError};
use super::records::When;
use super::settings_args::SettingsArgs;
use crate::bar_files::BarFileError;
use crate::calendar::Calendar;
use crate::config::Settings;
use crate::domain::{BarSize, HistoryDuration, HistoryRequest, MarketTime, Symbol};
use crate::runner::exit;
use growing::Growing;

/// Flags of `history`.
#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Fetch the bars of SYMBOLS (of DATA_BAR_SIZE, made of DATA_SHOW, DATA_RTH) into a folder, a file a symbol.
    Download(Box<DownloadArgs>),
}

/// What kind of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A line a bar.
    Csv,
    /// Needs a program that was built with the feature parquet.
    Parquet,
}

#[derive(Debug, Args)]
struct DownloadArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// From when (2024-01-02, an instant, or back from now, as 30d), for a file that is not there yet; one that is there
    /// is gone on with after its last bar, whatever is said here, so that it has no hole.
    #[arg(long, value_name = "WHEN")]
    from: Option<When>,
    /// Until when; now without it.
    #[arg(long, value_name = "WHEN")]
    until: Option<When>,
    /// The folder.
    #[arg(long, value_name = "DIR", default_value = "bars")]
    out: PathBuf,
    /// The files' kind.
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
    /// Print what was done as JSON.
    #[arg(long)]
    json: bool,
}

/// Why it did not come to its end; what was written stays and is gone on with.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("{0}")]
    Settings(String),
    #[error("{path} does not exist yet: say --from when")]
    From { path: PathBuf },
    #[error("{path}: {source}")]
    Folder { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    File(#[from] BarFileError),
    #[error("{0}; run it again to go on after the last bar")]
    Broker(#[from] BrokerError),
    #[error("cannot start: {0}")]
    Start(std::io::Error),
}

impl Failed {
    fn code(&self) -> u8 {
        match self {
            Self::Settings(_) | Self::From { .. } | Self::Folder { .. } | Self::File(_) => exit::USAGE,
            Self::Broker(error) => error.code(),
            Self::Start(_) => exit::RESTART,
        }
    }
}

/// What became of one symbol.
#[derive(Debug, serde::Serialize)]
struct Fetched {
    symbol: String,
    path: PathBuf,
    bar_size: String,
    bars_added: u64,
    /// The end of the file's last bar; `None` where it has none.
    until: Option<MarketTime>,
}

pub(super) fn main(args: &HistoryArgs) -> ExitCode {
    let Action::Download(args) = &args.action;
    let mut fetched = Vec::new();
    let done = download(args, &mut fetched);
    let said = if args.json {
        let error = done.as_ref().err().map(ToString::to_string);
        super::say(&format!("{:#}", json!({ "ok": done.is_ok(), "files": fetched, "error": error })))
    } else {
        ExitCode::SUCCESS
    };
    match done {
        Ok(()) => said,
        Err(error) => {
            super::complain(&error);
            ExitCode::from(error.code())
        }
    }
}

fn download(args: &DownloadArgs, fetched: &mut Vec<Fetched>) -> Result<(), Failed> {
    let layers = args.settings.layers().map_err(|error| Failed::Settings(error.to_string()))?;
    let settings = Settings::resolve(&layers).map_err(|error| Failed::Settings(error.to_string()))?;
    std::fs::create_dir_all(&args.out).map_err(|source| Failed::Folder { path: args.out.clone(), source })?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.map_err(Failed::Start)?.block_on(fetch_all(args, &settings, fetched))
}

async fn fetch_all(args: &DownloadArgs, settings: &Settings, fetched: &mut Vec<Fetched>) -> Result<(), Failed> {
    // Files first: what is wrong with one is told before anything is asked.
    let mut files = Vec::new();
    for (symbol, _) in &settings.symbols {
        let file = Growing::open(args.format, &args.out, symbol, settings.bar_size, settings.calendar)?;
        if file.end().is_none() && args.from.is_none() {
            let path = file.path().to_owned();
            return Err(Failed::From { path });
        }
        files.push((symbol, file));
    }
    let mut broker = match Broker::reach(settings).await {
        Ok(broker) => broker,
        Err(error) => {
            // What earlier ones have left is brought to where it belongs all the same.
            files.into_iter().try_for_each(|(_, file)| file.settle())?;
            return Err(error.into());
        }
    };
    let mut done = Ok(());
    for (symbol, mut file) in files {
        if done.is_err() {
            file.settle()?;
            continue;
        }
        let (added, end) = (fetch(args, settings, &mut broker, symbol, &mut file).await, file.end());
        // What has come is kept, whatever ended it.
        let (path, bar_size) = (file.path().to_owned(), settings.bar_size);
        let settled = file.settle().map_err(Failed::from);
        match added.and_then(|bars| settled.map(|()| bars)) {
            Ok(bars_added) => {
                if !args.json {
                    // Who does not read on still gets the files.
                    let _ = super::say(&format_args!("{}: {bars_added} bars of {bar_size} added", path.display()));
                }
                let (symbol, bar_size) = (symbol.to_string(), bar_size.to_string());
                fetched.push(Fetched { symbol, path, bar_size, bars_added, until: end });
            }
            Err(error) => done = Err(error),
        }
    }
    broker.close().await;
    done
}

/// One symbol, from where its file ends, question by question; each answer is in the file before the next is asked.
async fn fetch(
    args: &DownloadArgs,
    settings: &Settings,
    broker: &mut Broker,
    symbol: &Symbol,
    file: &mut Growing,
) -> Result<u64, Failed> {
    let now = broker.time().await?;
    let until = args.until.map_or(now, |until| until.before(now)).min(now);
    let begin = file.end().unwrap_or_else(|| args.from.map_or(MarketTime::MIN, |from| from.before(now)));
    let bar = progress(symbol, until.since(begin));
    let size = settings.bar_size;
    // A question ends where a bar does, or its last bar would be a part of one.
    let (mut at, mut added) = (if size.is_intraday() { settings.calendar.bar_open(begin, size) } else { begin }, 0);
    loop {
        at = opened(settings, at);
        let end = until.min(at + step(size));
        if end.since(at) < size.duration() {
            break;
        }
        let request = HistoryRequest {
            duration: reach(size, end.since(at)),
            size,
            show: settings.show,
            regular_only: settings.regular_only,
            end: Some(end),
        };
        let bars = broker.history(symbol, &request, |why| bar.set_message(why.to_owned())).await?;
        bar.set_message("");
        // A question in days reaches further back; a bar that has not ended is none yet.
        added += file.extend(bars.into_iter().filter(|bar| bar.time >= begin && bar.end <= end))?;
        at = end;
        bar.set_position(at.since(begin).as_secs());
    }
    bar.finish_and_clear();
    Ok(added)
}

/// No question is spent on hours in which the exchange is closed, where only its regular ones are asked for.
fn opened(settings: &Settings, at: MarketTime) -> MarketTime {
    let closed = settings.bar_size.is_intraday() && settings.regular_only && settings.calendar == Calendar::Xnys;
    let next = || settings.calendar.next_open(at).filter(|_| settings.calendar.is_open(at) == Some(false));
    if closed { next().unwrap_or(at) } else { at }
}

/// A question's length in TWS's words: days and longer bars are asked for by days.
fn reach(size: BarSize, span: Duration) -> HistoryDuration {
    let days = u32::try_from(span.as_secs().div_ceil(86_400)).unwrap_or(u32::MAX);
    if size.is_intraday() { HistoryDuration::reaching(span) } else { HistoryDuration::days(days) }
}

/// The time that one question is about, within IBKR's limits for each size.
fn step(size: BarSize) -> Duration {
    let (hour, day) = (3_600, 86_400);
    Duration::from_secs(match size.duration().as_secs() {
        0..=1 => hour / 2,
        2..=5 => hour,
        6..=15 => 4 * hour,
        16..=30 => 8 * hour,
        31..=60 => day,
        61..=180 => 2 * day,
        181..=1_800 => 7 * day,
        1_801..=28_800 => 28 * day,
        _ => 364 * day,
    })
}

/// Told on standard error, where that is a terminal.
fn progress(symbol: &Symbol, span: Duration) -> ProgressBar {
    let bar = ProgressBar::new(span.as_secs());
    let style = ProgressStyle::with_template("{prefix:<8} [{bar:40}] {percent:>3}% {eta} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_prefix(symbol.to_string());
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_about_no_more_than_ibkr_allows() {
        assert_eq!(step(BarSize::Secs1).as_secs(), 1_800);
        assert_eq!(step(BarSize::Secs5).as_secs(), 3_600);
        let words = |size| reach(size, step(size)).to_string();
        assert_eq!([words(BarSize::Min1), words(BarSize::Mins5), words(BarSize::Day1)], ["86400 S", "7 D", "364 D"]);
        assert_eq!(reach(BarSize::Day1, Duration::from_secs(86_400)).to_string(), "1 D");
    }
}
