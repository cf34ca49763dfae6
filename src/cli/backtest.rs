//! `robo-trader backtest`: bars of the past through the code that trades.

mod options;

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::settings_args::{LayersError, SettingsArgs};
use crate::backtest::data::{Data, DataError, Wanted};
use crate::backtest::{Played, Setup, run};
use crate::config::{BadSettings, Settings};
use crate::domain::Symbol;
use crate::domain::book::Record;
use crate::domain::broker::AccountId;
use crate::runner::exit;
use crate::strategy::{BuildError, Strategy, build};
pub use options::BacktestOptions;

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
    #[error("{path}: {source}; choose another --out, or free some room")]
    Write { path: PathBuf, source: std::io::Error },
}

impl BacktestError {
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Layers(_) | Self::Settings(_) | Self::Data(_) | Self::Strategy(_) => exit::USAGE,
            Self::Write { .. } => exit::RESTART,
        }
    }
}

/// Everything that a backtest needs, checked.
pub(super) struct Prepared {
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
    let prepared = prepare(&args.settings, &args.options)?;
    let strategies = strategies(&prepared.settings)?;
    let mut facts = args.out.as_deref().map(FactFile::create).transpose()?;
    let mut hear = |record: &Record| {
        if let Some(file) = &mut facts {
            file.write(record);
        }
    };
    let played = run(&prepared.setup, &prepared.data, strategies, &mut hear);
    if let Some(file) = facts {
        file.finish()?;
    }
    tell(&played, args.out.as_deref())
}

fn tell(played: &Played, _out: Option<&Path>) -> Result<ExitCode, BacktestError> {
    let outcome = &played.outcome;
    let run = outcome.run.as_secs_f64();
    Ok(super::say(&format!(
        "bars {} load {:.3} run {:.3} bars/s {:.0} trades {} open {} orders {} fills {} equity {} fees {} refusals {:?}",
        outcome.bars,
        outcome.load.as_secs_f64(),
        run,
        outcome.bars as f64 / run,
        outcome.trades.len(),
        outcome.open_positions,
        outcome.orders,
        outcome.fills,
        outcome.final_equity,
        outcome.fees,
        outcome.refusals
    )))
}

/// Settings, bars and exchange of a command line.
pub(super) fn prepare(settings: &SettingsArgs, options: &BacktestOptions) -> Result<Prepared, BacktestError> {
    let mut layers = settings.layers()?;
    options.apply(&mut layers);
    let mut wanted: Wanted = options.wanted(&layers);
    let (symbols, size) = wanted.look()?;
    options.bars_say(&mut layers, &symbols, size);
    let resolved = Settings::resolve(&layers)?;
    wanted.calendar = resolved.calendar;
    let data = wanted.load()?;
    let mut plan = resolved.plan(AccountId(String::new()));
    if resolved.has_default_windows() {
        // IBKR's own outages mean nothing where there is no gateway, as on the simulator.
        plan.guards.expected = Default::default();
    }
    let setup = Setup {
        plan,
        exchange: options.exchange(resolved.limits.allow_short),
        cash: resolved.default_cash,
        seed: options.seed,
        trade_from: crate::domain::MarketTime::MIN,
        described: options.described(&resolved),
        warnings: options.warnings().into_iter().chain(data.warnings()).collect(),
    };
    Ok(Prepared { settings: resolved, setup, data })
}

/// The strategies of the settings, new.
pub(super) fn strategies(settings: &Settings) -> Result<BTreeMap<Symbol, Box<dyn Strategy>>, BuildError> {
    let each = settings.symbols.iter().map(|(symbol, plan)| Ok((symbol.clone(), build(&plan.strategy, &plan.params)?)));
    each.collect()
}

/// `facts.jsonl`: every fact, one a line, as it is made.
struct FactFile {
    path: PathBuf,
    file: BufWriter<std::fs::File>,
    failed: Option<std::io::Error>,
}

impl FactFile {
    fn create(dir: &Path) -> Result<Self, BacktestError> {
        let path = dir.join("facts.jsonl");
        let opened = std::fs::create_dir_all(dir).and_then(|()| std::fs::File::create(&path));
        let file = opened.map_err(|source| BacktestError::Write { path: path.clone(), source })?;
        Ok(Self { path, file: BufWriter::new(file), failed: None })
    }

    fn write(&mut self, record: &Record) {
        if self.failed.is_some() {
            return;
        }
        let written = serde_json::to_writer(&mut self.file, record).map_err(std::io::Error::from);
        self.failed = written.and_then(|()| self.file.write_all(b"\n")).err();
    }

    fn finish(mut self) -> Result<(), BacktestError> {
        let result = self.failed.take().map_or_else(|| self.file.flush(), Err);
        result.map_err(|source| BacktestError::Write { path: self.path.clone(), source })
    }
}
