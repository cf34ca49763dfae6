//! `history download`: bars of the gateway into CSV files, within IBKR's pacing, to be gone on with after any end.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use super::operate;
use super::records::When;
use super::settings_args::SettingsArgs;
use super::state_dir::default_state_dir;
use crate::bar_files::{self, Appender, BarFileError};
use crate::calendar::Calendar;
use crate::config::Settings;
use crate::control;
use crate::domain::{BarSize, HistoryDuration, HistoryRequest, MarketTime, Symbol};
use crate::runner::operate::Request;
use crate::runner::tool::{Tool, ToolError};
use crate::runner::{CONTROL_SOCKET, exit};

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

#[derive(Debug, Args)]
struct DownloadArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// From when (2024-01-02, an instant, or back from now, as 30d); a file that is there is gone on with after its last
    /// bar.
    #[arg(long, value_name = "WHEN")]
    from: Option<When>,
    /// Until when; now without it.
    #[arg(long, value_name = "WHEN")]
    until: Option<When>,
    /// The folder.
    #[arg(long, value_name = "DIR", default_value = "bars")]
    out: PathBuf,
    /// Also while a daemon runs with these settings: both ask within one log-in's pacing.
    #[arg(long)]
    beside: bool,
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
    #[error(
        "a daemon runs with these settings, and IBKR's pacing counts for a whole log-in: stop it, or use --beside to \
         risk that it waits for its history"
    )]
    Beside,
    #[error(transparent)]
    File(#[from] BarFileError),
    #[error("{0}; run it again to go on after the last bar")]
    Tool(#[from] ToolError),
    #[error("cannot start: {0}")]
    Start(std::io::Error),
}

impl Failed {
    fn code(&self) -> u8 {
        match self {
            Self::Settings(_) | Self::From { .. } | Self::Folder { .. } | Self::File(_) => exit::USAGE,
            Self::Beside | Self::Tool(ToolError::Never(_)) => exit::HUMAN,
            Self::Tool(ToolError::NotNow { .. } | ToolError::Request(_)) | Self::Start(_) => exit::RESTART,
            Self::Tool(ToolError::Contract(_)) => exit::USAGE,
        }
    }
}

pub(super) fn main(args: &HistoryArgs) -> ExitCode {
    let Action::Download(args) = &args.action;
    match download(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            super::complain(&error);
            ExitCode::from(error.code())
        }
    }
}

fn download(args: &DownloadArgs) -> Result<(), Failed> {
    let layers = args.settings.layers().map_err(|error| Failed::Settings(error.to_string()))?;
    let settings = Settings::resolve(&layers).map_err(|error| Failed::Settings(error.to_string()))?;
    std::fs::create_dir_all(&args.out).map_err(|source| Failed::Folder { path: args.out.clone(), source })?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.map_err(Failed::Start)?.block_on(fetch_all(args, &settings))
}

async fn fetch_all(args: &DownloadArgs, settings: &Settings) -> Result<(), Failed> {
    let dir = settings.state_dir.clone().map_or_else(default_state_dir, Ok).map_err(Failed::Settings)?;
    let status = serde_json::to_string(&Request::Status {}).unwrap_or_default();
    let runs = control::ask(&dir.join(CONTROL_SOCKET), &status, operate::ANSWER_WITHIN).await.is_ok();
    if runs && !args.beside {
        return Err(Failed::Beside);
    }
    // Files first: what is wrong with one is told before anything is asked.
    let mut files = Vec::new();
    for (symbol, _) in &settings.symbols {
        let path = args.out.join(format!("{}.csv", bar_files::stem(symbol, settings.bar_size)));
        if !path.exists() && args.from.is_none() {
            return Err(Failed::From { path });
        }
        files.push((symbol, Appender::open(&path, settings.bar_size, settings.calendar)?, path));
    }
    let tool = Tool::connect(settings).await?;
    let mut done = Ok(());
    for (symbol, file, path) in &mut files {
        match fetch(args, settings, &tool, symbol, file).await {
            Ok(bars) => {
                // Who does not read on still gets the files.
                let _ = super::say(&format_args!("{}: {bars} bars of {} added", path.display(), settings.bar_size));
            }
            Err(error) => {
                done = Err(error);
                break;
            }
        }
    }
    tool.close().await;
    done
}

/// One symbol, from where its file ends, question by question; each answer is in the file before the next is asked.
async fn fetch(
    args: &DownloadArgs,
    settings: &Settings,
    tool: &Tool,
    symbol: &Symbol,
    file: &mut Appender,
) -> Result<u64, Failed> {
    let now = tool.time().await?;
    let until = args.until.map_or(now, |until| until.before(now)).min(now);
    let asked = args.from.map_or(MarketTime::MIN, |from| from.before(now));
    let begin = file.last().map_or(asked, |last| last.end.max(asked));
    let contract = tool.contract(symbol).await?;
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
        let bars = tool.history(&contract, &request).await?;
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
    let style = ProgressStyle::with_template("{prefix:<8} [{bar:40}] {percent:>3}%");
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
