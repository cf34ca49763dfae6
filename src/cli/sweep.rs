//! `robo-trader sweep`: many backtests on the same bars.

mod folder;
mod identity;
mod results;
mod vary;

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use super::backtest::{BacktestError, BacktestOptions, Prepared, prepare, setup, strategies};
use super::settings_args::SettingsArgs;
use crate::backtest::data::Data;
use crate::backtest::metrics::{Metrics, words};
use crate::backtest::sweep::space::{Axis, BadSpace, Point, Space};
use crate::backtest::sweep::walk_forward::{Lengths, Walk, Window, walk, windows};
use crate::backtest::sweep::{Scores, Shard, Trial};
use crate::backtest::{Setup, run};
use crate::calendar::Calendar;
use crate::config::{Layers, Settings, Source};
use crate::runner::exit;
use folder::{Folder, FolderError};

/// Figures that a choice can be made by: more of them is better.
const METRICS: [&str; 9] = [
    "sharpe",
    "sortino",
    "calmar",
    "total_return",
    "annual_return",
    "net_profit",
    "profit_factor",
    "expectancy",
    "win_rate",
];

/// Flags of `sweep`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct SweepArgs {
    #[command(subcommand)]
    command: Option<SweepCommand>,
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    options: Option<BacktestOptions>,
    /// A parameter and its values, name=a,b,c or name=from:to:step; several make a grid. A name in upper
    /// case is a setting; what changes bars, calendar or cash cannot vary.
    #[arg(long, value_name = "AXIS", required = true)]
    vary: Vec<Axis>,
    /// So many points of the grid, drawn by --seed, instead of all.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    random: Option<u64>,
    /// The figure to choose by: sharpe, sortino, calmar, total_return, annual_return, net_profit,
    /// profit_factor, expectancy or win_rate.
    #[arg(long, value_name = "NAME", default_value = "sharpe", value_parser = METRICS)]
    metric: String,
    /// Only part I of N of the points: one sweep on many machines; sweep merge puts them together.
    #[arg(long, value_name = "I/N")]
    shard: Option<ShardArg>,
    /// Threads; all cores without it.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Choose in IN exchange days, trade the choice in the OUT after them, and so on: 250:60.
    #[arg(long, value_name = "IN:OUT", conflicts_with = "shard")]
    walk_forward: Option<Lengths>,
    /// Folder of the results; a sweep that was interrupted goes on in it.
    #[arg(long, value_name = "DIR", required = true)]
    out: Option<PathBuf>,
    /// Print what result.json holds, instead of the text.
    #[arg(long)]
    json: bool,
}

/// What else is done with sweeps.
#[derive(Debug, Subcommand)]
pub enum SweepCommand {
    /// Put the parts of a sweep together that were made with --shard.
    Merge {
        /// Folders of the parts.
        #[arg(required = true)]
        parts: Vec<PathBuf>,
        /// Folder of the whole.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Print what result.json holds, instead of the text.
        #[arg(long)]
        json: bool,
    },
}

/// `I/N`, from 1.
#[derive(Debug, Clone, Copy)]
pub struct ShardArg(Shard);

impl FromStr for ShardArg {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse::<u64>().ok()?, n.parse::<u64>().ok()?)));
        match parts {
            Some((i, n)) if 1 <= i && i <= n => Ok(Self(Shard { number: i - 1, of: n })),
            Some(_) | None => Err(format!("{text:?} is not I/N with I from 1 to N, such as 2/8")),
        }
    }
}

/// Why there is no sweep.
#[derive(Debug, thiserror::Error)]
pub(super) enum SweepError {
    #[error(transparent)]
    Backtest(#[from] BacktestError),
    #[error(transparent)]
    Space(#[from] BadSpace),
    #[error(transparent)]
    Vary(#[from] vary::BadVary),
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error("--threads {0}: use a number from 1 to 1024")]
    Threads(usize),
    #[error("--walk-forward: the bars hold {days} exchange days, fewer than one window needs")]
    Short {
        /// Days there are.
        days: usize,
    },
}

impl SweepError {
    fn code(&self) -> u8 {
        match self {
            Self::Backtest(error) => error.code(),
            Self::Space(_) | Self::Vary(_) | Self::Threads(_) | Self::Short { .. } => exit::USAGE,
            Self::Folder(error) => error.code(),
        }
    }
}

pub(super) fn main(args: SweepArgs) -> ExitCode {
    match sweep(args) {
        Ok(code) => code,
        Err(error) => {
            super::complain(&error);
            ExitCode::from(error.code())
        }
    }
}

fn sweep(args: SweepArgs) -> Result<ExitCode, SweepError> {
    if let Some(SweepCommand::Merge { parts, out, json }) = args.command {
        let folder = Folder::merge(&parts, &out)?;
        return Ok(results::tell(&folder, None, json)?);
    }
    // clap has asked for both where there is no subcommand.
    let (Some(options), Some(out)) = (args.options, args.out) else { return Ok(ExitCode::from(exit::USAGE)) };
    let mut space = Space::grid(args.vary)?;
    if let Some(count) = args.random {
        space = space.drawn(count, options.seed);
    }
    let prepared = prepare(&args.settings, &options)?;
    vary::check(&space, &prepared)?;
    let threads = args.threads.unwrap_or(0);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.ok().filter(|_| threads <= 1_024).ok_or(SweepError::Threads(threads))?;
    let runs = Runs { options: &options, prepared: &prepared };
    let shard = args.shard.map_or(Shard::WHOLE, |shard| shard.0);
    let folder = Folder::open(&out, &space, &args.metric, shard, &prepared)?;
    pool.install(|| runs.all(&space, shard, &folder))?;
    let walked = match args.walk_forward {
        Some(lengths) => Some(pool.install(|| runs.walk(&space, &args.metric, lengths))?),
        None => None,
    };
    Ok(results::tell(&folder, walked.as_ref(), args.json)?)
}

/// Runs of points on the same bars.
struct Runs<'a> {
    options: &'a BacktestOptions,
    prepared: &'a Prepared,
}

impl Runs<'_> {
    fn all(&self, space: &Space, shard: Shard, folder: &Folder) -> Result<(), FolderError> {
        let done = folder.done();
        let mine = space.points(shard.number, shard.of).count() as u64;
        let bar = bar(mine, "points");
        bar.set_position(done.len() as u64);
        let trial = |point: &Point| self.trial(point, &self.prepared.data, None);
        crate::backtest::sweep::run(space, shard, &done, &trial, &|row| {
            folder.keep(row);
            bar.inc(1);
        });
        bar.finish_and_clear();
        folder.close()
    }

    fn walk(&self, space: &Space, metric: &str, lengths: Lengths) -> Result<Walk, SweepError> {
        let dates = self.prepared.data.dates(self.prepared.settings.calendar);
        let found = windows(&dates, lengths);
        if found.is_empty() {
            return Err(SweepError::Short { days: dates.len() });
        }
        let bar = bar(found.len() as u64, "windows");
        let within = |point: &Point, window: Window, outside: bool| {
            if outside {
                let data = self.prepared.data.between(window.from, window.last);
                self.trial(point, &data, Some(window))
            } else {
                let day_before = window.trade.pred_opt().unwrap_or(window.trade);
                self.trial(point, &self.prepared.data.between(window.from, day_before), None)
            }
        };
        let cash = self.prepared.setup.cash.to_f64();
        let walked = walk(space, &found, metric, (cash, self.options.risk_free), &within, &|| bar.inc(1));
        bar.finish_and_clear();
        Ok(walked)
    }

    /// One run; with a window, trading begins where that says.
    fn trial(&self, point: &Point, data: &Data, window: Option<Window>) -> Result<Trial, String> {
        let settings = self.settings(point)?;
        let mut told: Setup = setup(self.options, &settings);
        if let Some(window) = window {
            told.trade_from = Calendar::Always.nominal_session(window.trade).open;
        }
        let strategies = strategies(&settings).map_err(|error| error.to_string())?;
        let outcome = run(&told, data, strategies, &mut ()).outcome;
        // All that is to be known before is known of the sweep as a whole; what is new, strategies have failed at.
        if !outcome.warnings.is_empty() {
            return Err(outcome.warnings.join("; "));
        }
        let metrics = Metrics::of(&outcome, self.options.risk_free);
        let scores: Scores =
            words::values(&metrics).into_iter().map(|(word, value)| (word.key.to_owned(), value)).collect();
        Ok(Trial { scores, days: outcome.days })
    }

    /// The settings with the point's values in them.
    fn settings(&self, point: &Point) -> Result<Settings, String> {
        let (params, settings) = point.split();
        let mut layers: Layers = self.prepared.layers.clone();
        if !params.is_empty() {
            let base = layers.get("STRATEGY_PARAMS").0;
            let kept = base.split(',').filter(|part| {
                let name = part.split('=').next().unwrap_or_default().trim();
                !name.is_empty() && !params.contains_key(name)
            });
            let given = params.iter().map(|(name, value)| format!("{name}={value}"));
            let text: Vec<String> = kept.map(str::to_owned).chain(given).collect();
            layers.set("STRATEGY_PARAMS", text.join(","), Source::Flag("--vary"));
        }
        for (name, value) in settings {
            layers.set(&name, value, Source::Flag("--vary"));
        }
        Settings::resolve(&layers)
            .map_err(|error| error.0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    }
}

/// A progress bar with what is left, on a terminal only.
fn bar(length: u64, what: &str) -> ProgressBar {
    let bar = ProgressBar::new(length);
    let template = format!("{{bar:40}} {{pos}}/{{len}} {what}, {{per_sec}}, {{eta}} left");
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar
}
