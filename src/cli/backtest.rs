//! `robo-trader backtest`: bars of the past through the code that trades.

mod checks;
mod described;
mod lists;
mod options;
mod orders;
mod without_effect;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use lists::Lists;

use super::settings_args::{LayersError, SettingsArgs};
use crate::backtest::data::{Data, DataError, Wanted};
use crate::backtest::files::{self, FileError};
use crate::backtest::metrics::Metrics;
use crate::backtest::stream::Streams;
use crate::backtest::summary_text::summary_text;
use crate::backtest::{Listener, Played, Setup, run, run_streamed};
use crate::config::{BadSettings, Layers, Settings};
use crate::domain::Symbol;
use crate::domain::broker::AccountId;
use crate::runner::exit;
use crate::strategy::{BuildError, Strategy, build_with};
pub use options::BacktestOptions;
pub(super) use without_effect::{WITHOUT_EFFECT, hide};

/// Flags of `backtest`.
#[derive(Debug, Args)]
pub struct BacktestArgs {
    #[command(flatten)]
    pub(super) settings: SettingsArgs,
    #[command(flatten)]
    pub(super) options: BacktestOptions,
    /// Folder for trades.csv, orders.csv, equity.csv, facts.jsonl, summary.json and report.html.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Read the bars while they are played, once: for more of them than fit into memory.
    #[arg(long)]
    stream: bool,
    /// Print what summary.json holds, instead of the text.
    #[arg(long)]
    json: bool,
}

/// Why there is no backtest.
#[derive(Debug, thiserror::Error)]
pub(super) enum BacktestError {
    #[error(transparent)]
    Layers(#[from] LayersError),
    #[error(transparent)]
    Settings(#[from] BadSettings),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Strategy(#[from] BuildError),
    #[error("{flag} ({name}) means nothing to a backtest, which has no gateway, wire or log: leave it out")]
    WithoutEffect { flag: &'static str, name: &'static str },
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{path}: {source}; choose another --out, or free some room")]
    Write { path: PathBuf, source: std::io::Error },
}

impl BacktestError {
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Layers(_) | Self::Settings(_) | Self::Data(_) | Self::Strategy(_) | Self::WithoutEffect { .. } => {
                exit::USAGE
            }
            Self::File(_) | Self::Write { .. } => exit::RESTART,
        }
    }
}

/// What a command line asks for, before any bar is read.
struct Asked {
    layers: Layers,
    settings: Settings,
    setup: Setup,
    wanted: Wanted,
}

/// Everything that a backtest needs, checked.
pub(super) struct Prepared {
    pub(super) layers: Layers,
    pub(super) settings: Settings,
    pub(super) setup: Setup,
    pub(super) data: Data,
}

pub(super) fn main(args: BacktestArgs) -> ExitCode {
    match play(&args) {
        Ok(code) => code,
        Err(error) => {
            super::complain(&error);
            ExitCode::from(error.code())
        }
    }
}

fn play(args: &BacktestArgs) -> Result<ExitCode, BacktestError> {
    let Asked { settings, mut setup, wanted, .. } = ask(&args.settings, &args.options)?;
    setup.charts = args.out.is_some();
    let strategies = strategies(&settings)?;
    let source = if args.stream {
        Source::Streams(Streams::open(&wanted)?)
    } else {
        Source::Data(load(&args.options, &wanted, &mut setup)?)
    };
    let mut lists = args.out.as_deref().map(Lists::create).transpose()?;
    let listener: &mut dyn Listener = match &mut lists {
        Some(lists) => lists,
        None => &mut (),
    };
    let played = match source {
        Source::Streams(streams) => run_streamed(&setup, streams, strategies, listener)?,
        Source::Data(data) => run(&setup, &data, strategies, listener),
    };
    lists.map_or(Ok(()), Lists::finish)?;
    let code = tell(&played, args)?;
    // What a strategy has failed at comes behind what was known before.
    for fault in &played.faults {
        super::complain(&format_args!("{fault}; it decided nothing from there on"));
    }
    Ok(if played.faults.is_empty() { code } else { ExitCode::from(exit::USAGE) })
}

fn tell(played: &Played, args: &BacktestArgs) -> Result<ExitCode, BacktestError> {
    let metrics = Metrics::of(&played.outcome, args.options.risk_free);
    if let Some(out) = args.out.as_deref() {
        files::write(out, &played.outcome, &metrics)?;
    }
    Ok(if args.json {
        super::say(&format!("{:#}", files::summary(&played.outcome, &metrics)))
    } else {
        super::say(&summary_text(&played.outcome, &metrics).trim_end())
    })
}

/// Where a backtest's bars come from.
enum Source {
    Data(Data),
    Streams(Streams),
}

/// Settings, bars and exchange of a command line.
pub(super) fn prepare(settings: &SettingsArgs, options: &BacktestOptions) -> Result<Prepared, BacktestError> {
    let Asked { layers, settings, mut setup, wanted } = ask(settings, options)?;
    let data = load(options, &wanted, &mut setup)?;
    Ok(Prepared { layers, settings, setup, data })
}

/// Reads all bars, and says what is odd about them.
fn load(options: &BacktestOptions, wanted: &Wanted, setup: &mut Setup) -> Result<Data, DataError> {
    let data = wanted.load()?;
    setup.warnings.extend(data.warnings());
    setup.warnings.extend(checks::odd(options, wanted.calendar, &data));
    Ok(data)
}

fn ask(settings: &SettingsArgs, options: &BacktestOptions) -> Result<Asked, BacktestError> {
    let mut layers = settings.layers()?;
    if let Some((flag, name)) = without_effect::ignored(&layers) {
        return Err(BacktestError::WithoutEffect { flag, name });
    }
    options.apply(&mut layers);
    let mut wanted: Wanted = options.wanted(&layers);
    let (symbols, size) = wanted.look()?;
    options.bars_say(&mut layers, &symbols, size);
    let resolved = Settings::resolve(&layers)?;
    wanted.calendar = resolved.calendar;
    let mut setup = setup(options, &resolved);
    setup.described = described::described(options, &resolved, &layers);
    setup.warnings = options.warnings();
    Ok(Asked { layers, settings: resolved, setup, wanted })
}

/// What a run is told by settings and flags, without the words about it.
pub(super) fn setup(options: &BacktestOptions, settings: &Settings) -> Setup {
    let mut plan = settings.plan(AccountId("".into()));
    if settings.has_default_windows() {
        // IBKR's own outages mean nothing where there is no gateway, as on the simulator.
        plan.guards.expected = Default::default();
    }
    Setup {
        plan,
        exchange: options.exchange(settings.limits.allow_short),
        cash: settings.default_cash,
        seed: options.seed,
        trade_from: crate::domain::MarketTime::MIN,
        forgets: true,
        charts: false,
        described: Vec::new(),
        warnings: Vec::new(),
    }
}

/// The strategies of the settings, new.
pub(super) fn strategies(settings: &Settings) -> Result<BTreeMap<Symbol, Box<dyn Strategy>>, BuildError> {
    let each = settings
        .symbols
        .iter()
        .map(|(symbol, plan)| Ok((*symbol, build_with(&plan.strategy, &plan.params, plan.script.as_ref())?)));
    each.collect()
}
