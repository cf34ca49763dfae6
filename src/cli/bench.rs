//! `bench`: how fast this machine is for the daemon, and the gateway for whoever asks it. It orders nothing anywhere
//! but at a simulator of its own, and leaves nothing behind.

mod disk;
mod gateway;
mod loopback;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::broker::BrokerError;
use super::settings_args::SettingsArgs;
use super::state_dir::default_state_dir;
use crate::config::Settings;
use crate::journal::JournalError;
use crate::private_dir;
use crate::runner::{RunError, exit};
use crate::simulator::SimulatorError;
pub use disk::syncs;

/// Flags of `bench`.
#[derive(Debug, Args)]
pub(super) struct BenchArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Seconds that the daemon trades on the loopback at each durability.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// Also ask the gateway, for its time and for what the account holds: by the running daemon's session, or, where
    /// none runs, by one with IBKR_TOOL_CLIENT_ID that is closed again. Nothing is ordered.
    #[arg(long)]
    connect: bool,
    /// Print everything as JSON.
    #[arg(long)]
    json: bool,
}

/// How long something took, again and again, microseconds; null without any.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Times {
    count: usize,
    p50_us: Option<f64>,
    p90_us: Option<f64>,
    p99_us: Option<f64>,
    max_us: Option<f64>,
}

impl Times {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let count = times.len();
        // The shortest that so many of a hundred do not exceed.
        let part = |percent: usize| {
            let rank = (count * percent).div_ceil(100).max(1);
            times.get(rank - 1).map(|time| (time.as_secs_f64() * 1e7).round() / 10.0)
        };
        Self { count, p50_us: part(50), p90_us: part(90), p99_us: part(99), max_us: part(100) }
    }

    fn line(&self, name: &str) -> String {
        let ms = |us: Option<f64>| us.map_or_else(|| "unknown".to_owned(), |us| format!("{:.3}", us / 1e3));
        let [p50, p90, p99, max] = [self.p50_us, self.p90_us, self.p99_us, self.max_us].map(ms);
        format!("  {name:<30} {p50:>9} {p90:>9} {p99:>9} {max:>9}   {}\n", self.count)
    }
}

/// The same at both settings of `JOURNAL_DURABILITY`.
#[derive(Debug, Serialize)]
struct AtBoth {
    process: Times,
    full: Times,
}

/// Everything that was measured.
#[derive(Debug, Serialize)]
struct Figures {
    /// Where it was written.
    state_dir: PathBuf,
    /// Writing 8 kB and having it on the disk for sure.
    fsync: Times,
    /// Appending three facts.
    journal_append: AtBoth,
    /// Replaying a journal into a book.
    replay: disk::Replayed,
    /// From the last byte of a bar's frame leaving the simulator's socket to the first of its order's arriving there.
    tick_to_order: AtBoth,
    /// The gateway; null where it was not asked.
    gateway: Option<gateway::Asked>,
}

/// Why it was not measured.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("{0}")]
    Usage(String),
    #[error("cannot write below {dir}: {source}; make room there, or choose another --state-dir")]
    Disk { dir: PathBuf, source: std::io::Error },
    #[error("cannot start: {0}")]
    Start(std::io::Error),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Simulator(#[from] SimulatorError),
    #[error("the daemon on the loopback: {0}")]
    Run(#[from] RunError),
    #[error("the daemon on the loopback {0}; is the machine very busy?")]
    Loopback(&'static str),
    #[error("the gateway: {0}")]
    Broker(#[from] BrokerError),
}

impl Failed {
    fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => exit::USAGE,
            Self::Disk { .. } | Self::Start(_) | Self::Loopback(_) => exit::RESTART,
            Self::Journal(_) => exit::JOURNAL,
            Self::Simulator(error) => super::simulator::exit_code(error),
            Self::Run(error) => error.code(),
            Self::Broker(error) => error.code(),
        }
    }
}

/// A folder in the state directory, for a while: on the disk that the journal will be on.
struct Scratch {
    dir: PathBuf,
    /// The state directory, where it was made for this.
    made: Option<PathBuf>,
}

impl Scratch {
    fn make(state_dir: &Path) -> Result<Self, Failed> {
        let dir = state_dir.join(format!("bench-{}", std::process::id()));
        let made = (!state_dir.exists()).then(|| state_dir.to_path_buf());
        private_dir::make(&dir).map_err(|source| Failed::Disk { dir: state_dir.to_path_buf(), source })?;
        Ok(Self { dir, made })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.dir) {
            super::complain(&format_args!("{} is left behind: {error}", self.dir.display()));
        }
        // Only where it is as empty as it was made.
        drop(self.made.as_ref().map(std::fs::remove_dir));
    }
}

pub(super) fn main(args: &BenchArgs) -> ExitCode {
    match measure(args) {
        Ok(figures) if args.json => match serde_json::to_string_pretty(&figures) {
            Ok(text) => super::say(&text),
            Err(error) => {
                super::complain(&error);
                ExitCode::from(exit::RESTART)
            }
        },
        Ok(figures) => super::say(&text(&figures)),
        Err(error) => {
            super::complain(&error);
            ExitCode::from(error.code())
        }
    }
}

fn measure(args: &BenchArgs) -> Result<Figures, Failed> {
    let layers = args.settings.layers().map_err(|error| Failed::Usage(error.to_string()))?;
    let settings = Settings::resolve(&layers).map_err(|error| Failed::Usage(error.to_string()))?;
    let state_dir = settings.state_dir.clone().map_or_else(default_state_dir, Ok).map_err(Failed::Usage)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failed::Start)?;
    let scratch = Scratch::make(&state_dir)?;
    let fsync = disk::fsync(&scratch.dir)?;
    let time = Duration::from_secs(args.seconds);
    let (process, facts) = runtime.block_on(loopback::trade(&scratch.dir.join("process"), "process", time))?;
    let (full, _) = runtime.block_on(loopback::trade(&scratch.dir.join("full"), "full", time))?;
    let journal_append = disk::append(&scratch.dir, &facts)?;
    let replay = disk::replay(&scratch.dir, &facts)?;
    let gateway = args.connect.then(|| runtime.block_on(gateway::ask(&settings))).transpose()?;
    Ok(Figures { state_dir, fsync, journal_append, replay, tick_to_order: AtBoth { process, full }, gateway })
}

fn text(figures: &Figures) -> String {
    let mut out = format!("{:<32} {:>9} {:>9} {:>9} {:>9}   times\n", "milliseconds", "p50", "p90", "p99", "max");
    out += &format!("disk of {}\n", figures.state_dir.display());
    out += &figures.fsync.line("fsync of 8 kB");
    out += "journal\n";
    out += &figures.journal_append.process.line("append, durability process");
    out += &figures.journal_append.full.line("append, durability full");
    out += &format!("  {:<30} {:>9.3}   for a thousand facts\n", "replay", figures.replay.us_per_fact);
    out += "from tick to order, on the loopback\n";
    out += &figures.tick_to_order.process.line("durability process");
    out += &figures.tick_to_order.full.line("durability full");
    if let Some(gateway) = &figures.gateway {
        out += &gateway.text();
    }
    out.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_few_is_one_of_them_and_of_none_unknown() {
        let ms = Duration::from_millis;
        let times = Times::of(vec![ms(3), ms(1), ms(2)]);
        assert_eq!((times.p50_us, times.p99_us, times.max_us), (Some(2_000.0), Some(3_000.0), Some(3_000.0)));
        let none = Times::of(Vec::new());
        assert_eq!((none.count, none.p50_us, none.max_us), (0, None, None));
        assert!(none.line("nothing").contains("unknown"));
    }

    #[test]
    fn what_was_made_for_it_goes_and_what_was_there_stays() {
        let place = tempfile::tempdir().unwrap();
        let state = place.path().join("state");
        let scratch = Scratch::make(&state).unwrap();
        std::fs::write(scratch.dir.join("file"), "x").unwrap();
        drop(scratch);
        assert!(!state.exists());
        std::fs::create_dir(&state).unwrap();
        std::fs::write(state.join("kept"), "x").unwrap();
        drop(Scratch::make(&state).unwrap());
        assert_eq!(std::fs::read_dir(&state).unwrap().count(), 1);
    }
}
