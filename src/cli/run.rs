//! `robo-trader run`: the daemon, against a gateway or on the embedded simulator.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::settings_args::{LayersError, SettingsArgs};
use crate::config::{Layers, NotifySettings, Settings, Source};
use crate::desk::Mode;
use crate::domain::progress::Progress;
use crate::runner::alerts;
use crate::runner::board::Board;
use crate::runner::board::views::SettingView;
use crate::runner::lock::{LockError, ProcessLock};
use crate::runner::reload::Reload;
use crate::runner::{self, RunConfig, Summary, exit};
use crate::simulator;
use crate::web::WebConfig;
use crate::web::thread::WebThread;

/// Flags of `run`.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Run on the embedded simulator: no TWS, no network, no real money.
    #[arg(long)]
    simulator: bool,
    /// Folder of bar files that the embedded simulator replays (SYMBOL-1min-*.csv); synthetic
    /// markets without it.
    #[arg(long, value_name = "DIR", requires = "simulator")]
    data: Option<PathBuf>,
    /// Scenario of faults that the embedded simulator plays (see docs/faults.md).
    #[arg(long, value_name = "FILE", requires = "simulator")]
    scenario: Option<PathBuf>,
    /// Upper bound of the embedded simulator's speed: market seconds in a real second, or max.
    #[arg(long, value_name = "N", requires = "simulator")]
    speed: Option<simulator::Speed>,
    /// Seed of the embedded simulator's market, and of ledger id and jitter.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Begin a new ledger (the former one is put aside) and a new exchange.
    #[arg(long, requires = "simulator")]
    fresh: bool,
    /// Fetch history, show it to the strategies, let the newest bar trade, and end.
    #[arg(long)]
    once: bool,
    /// Needed, with EXECUTION_MODE=live and IBKR_ACCOUNT, to trade real money.
    #[arg(long)]
    confirm_live: bool,
    /// Serve no dashboard, API or feed (DASH_ENABLED=no).
    #[arg(long)]
    no_web: bool,
    /// Address of dashboard, API and feed (DASH_BIND).
    #[arg(long, value_name = "ADDRESS", conflicts_with = "no_web")]
    bind: Option<String>,
    /// Where a human is needed, stay and say so instead of ending; end on a signal (for launchd, which would start
    /// it again).
    #[arg(long)]
    stay: bool,
    /// Write the summary as JSON to this file, too.
    #[arg(long, value_name = "FILE")]
    summary_json: Option<PathBuf>,
}

/// Seed of the embedded simulator where none is given.
const SEED: u64 = 1;

/// How a run ended.
pub(super) struct Ended {
    /// The exit code.
    pub(super) code: u8,
    /// Why, where it was not as asked.
    pub(super) why: String,
    /// Where its state lies, where that is known.
    pub(super) state_dir: Option<PathBuf>,
    /// Who is told.
    pub(super) notify: NotifySettings,
}

impl Ended {
    /// Before anything was started: told on standard error, for there may be no log.
    fn early(code: u8, why: &dyn std::fmt::Display) -> Self {
        super::complain(why);
        Self { code, why: why.to_string(), state_dir: None, notify: NotifySettings::default() }
    }

    /// The same, and told to whoever the settings name: an exit code alone tells nobody.
    fn told(code: u8, why: &dyn std::fmt::Display, notify: &NotifySettings) -> Self {
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => {
                runtime.block_on(alerts::not_started(notify, &why.to_string(), false));
                // A post that hangs is not waited for.
                runtime.shutdown_background();
            }
            Err(error) => super::complain(&format_args!("nobody could be told: {error}")),
        }
        Self { notify: notify.clone(), ..Self::early(code, why) }
    }

    /// The same, with where its state would lie.
    fn at(self, state_dir: Option<PathBuf>) -> Self {
        Self { state_dir, ..self }
    }
}

/// Parses nothing more, decides everything: settings, logging, runtime, run, exit code.
pub(super) fn main(args: RunArgs) -> ExitCode {
    let stays = args.stay;
    let ended = lived(args);
    if stays && matches!(ended.code, exit::USAGE | exit::HUMAN | exit::JOURNAL) {
        super::resident::stay(&ended);
    }
    ExitCode::from(ended.code)
}

fn lived(args: RunArgs) -> Ended {
    let layered = Layered {
        settings: args.settings.clone(),
        simulator: args.simulator,
        replay: args.data.is_some(),
        no_web: args.no_web,
        bind: args.bind.clone(),
    };
    let (settings, layers) = match layered.read() {
        Ok(prepared) => prepared,
        Err(Unread { why, notify, state_dir }) => return Ended::told(exit::USAGE, &why, &notify).at(state_dir),
    };
    if args.simulator && settings.mode == Mode::Live {
        let why = "EXECUTION_MODE=live, but --simulator has no real money: use EXECUTION_MODE=paper";
        let state_dir = settings.state_dir.clone().or_else(|| super::state_dir::default_state_dir().ok());
        return Ended::told(exit::HUMAN, &why, &settings.notify).at(state_dir);
    }
    let state_dir = match settings.state_dir.clone().map_or_else(super::state_dir::default_state_dir, Ok) {
        Ok(dir) => dir,
        Err(error) => return Ended::told(exit::USAGE, &error, &settings.notify),
    };
    let again = move || match layered.read() {
        Ok((settings, layers)) => Ok((settings, SettingView::all(&layers))),
        Err(unread) => Err(unread.why),
    };
    let reload = Reload::new(again, SettingView::all(&layers));
    let web = WebConfig::of(&settings, Arc::clone(&reload), state_dir.clone());
    let web = settings.web.enabled.then(|| (web, Board::new()));
    let board = web.as_ref().map(|(_, board)| Arc::clone(board));
    let _traces = match super::logging::init(&settings, args.simulator, board) {
        Ok(traces) => traces,
        Err(error) => return Ended::told(exit::USAGE, &error, &settings.notify).at(Some(state_dir)),
    };
    for warning in layers.warnings() {
        warn!("{warning}");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Ended::early(exit::RESTART, &format_args!("cannot start: {error}")),
    };
    let notify = settings.notify.clone();
    let (code, why) = runtime.block_on(daemon(args, settings, state_dir.clone(), web, reload));
    runtime.shutdown_background();
    Ended { code, why, state_dir: Some(state_dir), notify }
}

/// What settings are read from, at the start and whenever they are read anew.
struct Layered {
    settings: SettingsArgs,
    simulator: bool,
    replay: bool,
    no_web: bool,
    bind: Option<String>,
}

/// Why there are no settings, and those of the alerts and the state directory, as far as they could be read.
struct Unread {
    why: String,
    notify: Box<NotifySettings>,
    state_dir: Option<PathBuf>,
}

impl Layered {
    fn read(&self) -> Result<(Settings, Layers), Unread> {
        let flag = self.settings.state_dir.clone().map(PathBuf::from);
        let default = || flag.clone().or_else(|| super::state_dir::default_state_dir().ok());
        let unread =
            |error: LayersError| Unread { why: error.to_string(), notify: Box::default(), state_dir: default() };
        let mut layers = self.settings.layers().map_err(unread)?;
        if self.simulator {
            simulator_settings(&mut layers, self.replay);
        }
        if self.no_web {
            layers.set("DASH_ENABLED", "no", Source::Flag("--no-web"));
        }
        if let Some(address) = &self.bind {
            layers.set("DASH_BIND", address.clone(), Source::Flag("--bind"));
        }
        match Settings::resolve(&layers) {
            Ok(settings) => Ok((settings, layers)),
            Err(error) => {
                let named = Some(PathBuf::from(layers.get("STATE_DIR").0)).filter(|path| !path.as_os_str().is_empty());
                let notify = Box::new(NotifySettings::alone(&layers));
                Err(Unread { why: error.to_string(), notify, state_dir: named.or_else(default) })
            }
        }
    }
}

/// What the embedded simulator needs otherwise than a gateway, where nobody said anything.
fn simulator_settings(layers: &mut Layers, replay: bool) {
    let mut default = |name: &str, value: &str| layers.set_default(name, value, Source::Simulator);
    default("PROBE_INTERVAL", "0.25");
    default("MESSAGE_RATE", "1000");
    default("HISTORICAL_PACING", "no");
    default("SETTLE_TIME", "0.2");
    if !replay {
        default("DATA_BAR_SIZE", "5 secs");
        default("DATA_DURATION", "3600 S");
        default("CALENDAR", "always");
    }
}

async fn daemon(
    args: RunArgs,
    mut settings: Settings,
    state_dir: PathBuf,
    web: Option<(WebConfig, Arc<Board>)>,
    reload: Arc<Reload>,
) -> (u8, String) {
    let stop = CancellationToken::new();
    let (progress, followed) = watch::channel(Progress::default());
    let mut helpers = tokio::task::JoinSet::new();
    helpers.spawn(signals(stop.clone()));
    let embedded = if args.simulator {
        match embed(&args, &settings, &state_dir, followed).await {
            Ok(embedded) => Some(embedded),
            Err(error) => {
                error!(exit_code = error.code(), "the simulator cannot start: {error}");
                let another = matches!(error, EmbedError::Lock(LockError::Held { .. }));
                alerts::not_started(&settings.notify, &error.to_string(), another).await;
                return (error.code(), error.to_string());
            }
        }
    } else {
        None
    };
    if let Some(Embedded { running, .. }) = &embedded {
        settings.connection.host = running.address.ip().to_string();
        settings.connection.port = running.address.port();
        settings.connection.account = None;
        helpers.spawn(stop_at_tape_end(running.tape_finished(), stop.clone()));
    }
    let board = web.as_ref().map(|(_, board)| Arc::clone(board));
    let _web = web.and_then(|(config, board)| match WebThread::start(crate::web::run(config, board)) {
        Ok(thread) => Some(thread),
        Err(why) => {
            error!("there is no dashboard ({why}); the daemon trades on");
            None
        }
    });
    let config = RunConfig {
        settings,
        state_dir,
        confirmed_live: args.confirm_live,
        once: args.once,
        seed: args.seed.or(args.simulator.then_some(SEED)),
        progress,
        stop: stop.clone(),
        board,
        reload: Some(reload),
    };
    let (summary, result) = runner::run(config).await;
    // From here on it is no surprise that the simulator ends.
    stop.cancel();
    let mut simulated = exit::DONE;
    if let Some(Embedded { running, _lock }) = embedded {
        match running.stop().await {
            Ok(account) => info!("simulator's account at the end:\n{account}"),
            Err(error) => {
                simulated = super::simulator::exit_code(&error);
                error!(exit_code = simulated, "the simulator did not end well: {error}");
            }
        }
    }
    helpers.shutdown().await;
    let why = result.as_ref().err().map(ToString::to_string).unwrap_or_default();
    match conclude(&summary, result, args.summary_json.as_deref()) {
        exit::DONE => (simulated, why),
        code => (code, why),
    }
}

/// Prints the summary and decides on the exit code.
fn conclude(summary: &Summary, result: Result<(), runner::RunError>, json: Option<&Path>) -> u8 {
    let mut code = match &result {
        Ok(()) => exit::DONE,
        Err(error) => {
            error!(exit_code = error.code(), "{error}");
            error.code()
        }
    };
    if super::say(summary) != ExitCode::SUCCESS {
        warn!("the summary could not be printed");
    }
    if let Some(path) = json {
        let written = serde_json::to_vec_pretty(summary)
            .map_err(|error| error.to_string())
            .and_then(|bytes| crate::private_dir::write(path, &bytes).map_err(|error| error.to_string()));
        if let Err(error) = written {
            code = if code == exit::DONE { exit::RESTART } else { code };
            error!(exit_code = code, "--summary-json {}: {error}", path.display());
        }
    }
    code
}

/// The simulator within this process, and the lock on what it keeps.
struct Embedded {
    running: simulator::Running,
    _lock: ProcessLock,
}

/// Why there is no embedded simulator.
#[derive(Debug, thiserror::Error)]
enum EmbedError {
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Simulator(#[from] simulator::SimulatorError),
    #[error(transparent)]
    Ledger(#[from] runner::RunError),
}

impl EmbedError {
    fn code(&self) -> u8 {
        match self {
            Self::Lock(_) => exit::HUMAN,
            Self::Ledger(error) => error.code(),
            Self::Simulator(error) => super::simulator::exit_code(error),
        }
    }
}

async fn embed(
    args: &RunArgs,
    settings: &Settings,
    state_dir: &Path,
    progress: watch::Receiver<Progress>,
) -> Result<Embedded, EmbedError> {
    // Taken before the exchange is read: a second daemon must not write (or begin anew) what the
    // first one's exchange keeps, and the runner's own lock comes only after the simulator.
    let kept = state_dir.join("simulator").join("exchange");
    let lock =
        ProcessLock::take(&kept.join("lock"), &format!("the simulator of state directory {}", state_dir.display()))?;
    let source = match &args.data {
        Some(dir) => simulator::Source::Replay { dir: dir.clone() },
        None => simulator::Source::Synthetic { always_open: true },
    };
    let scenario = args.scenario.as_deref().map(simulator::faults::Scenario::read).transpose();
    let scenario = scenario.map_err(simulator::SimulatorError::from)?.unwrap_or_default();
    let defaults = simulator::SimulatorConfig::default();
    let config = simulator::SimulatorConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        account: settings.connection.account.clone().unwrap_or_else(|| defaults.account.clone()),
        cash: settings.default_cash,
        seed: args.seed.unwrap_or(SEED),
        source,
        speed: args.speed.unwrap_or(simulator::Speed::Times(10.0)),
        symbols: settings.symbols.iter().map(|(symbol, _)| *symbol).collect(),
        state_dir: Some(kept),
        fresh: args.fresh,
        message_rate: 0,
        pacing: false,
        progress: Some(progress),
        decision_size: Some(settings.bar_size),
        allow_short: settings.limits.allow_short,
        scenario,
        ..defaults
    };
    let account = config.account.clone();
    let running = simulator::start(config).await?;
    if args.fresh {
        // A new exchange knows nothing of the former ledger's orders: both begin anew, or neither.
        runner::put_ledger_aside(state_dir, "simulator", &account)?;
    }
    Ok(Embedded { running, _lock: lock })
}

/// At the tape's end the daemon shuts down as on SIGTERM.
async fn stop_at_tape_end(mut finished: watch::Receiver<bool>, stop: CancellationToken) {
    match finished.wait_for(|finished| *finished).await {
        Ok(_) => info!("the tape has been played to its end: shutting down"),
        Err(_) if stop.is_cancelled() => return,
        Err(_) => error!("the simulator has ended by itself: shutting down"),
    }
    stop.cancel();
}

/// The first signal shuts down, the second ends the process at once.
async fn signals(stop: CancellationToken) {
    let name = match first_signal().await {
        Ok(name) => name,
        Err(error) => {
            error!("signals cannot be heard ({error}): stop me by other means");
            return;
        }
    };
    info!(signal = name, "shutting down: entries are cancelled, stops stay; a second signal ends me at once");
    stop.cancel();
    if let Ok(name) = first_signal().await {
        error!(exit_code = exit::RESTART, signal = name, "ended at once by a second signal");
        std::process::exit(i32::from(exit::RESTART));
    }
}

/// Waits for SIGINT or SIGTERM.
pub(super) async fn first_signal() -> std::io::Result<&'static str> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            result = tokio::signal::ctrl_c() => result.map(|()| "SIGINT"),
            _ = terminate.recv() => Ok("SIGTERM"),
        }
    }
    #[cfg(not(unix))]
    {
        tokio::signal::ctrl_c().await.map(|()| "SIGINT")
    }
}
