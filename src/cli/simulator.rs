//! `robo-trader simulator`: a TWS server without TWS.

pub mod tell;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use tracing::info;

use crate::domain::broker::AccountId;
use crate::domain::{Symbol, Usd};
use crate::runner::exit;
use crate::simulator::faults::Scenario;
use crate::simulator::{SimulatorConfig, SimulatorError, Source, Speed, Summary, start};

/// Serves the TWS API over TCP, with a market and an exchange behind it, until Ctrl-C.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct SimulatorArgs {
    /// To a simulator that runs already, instead of serving.
    #[command(subcommand)]
    pub command: Option<SimulatorCommand>,

    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    pub host: IpAddr,

    /// Port to listen on (0: any free one; TWS paper trading uses 7497).
    #[arg(long, default_value_t = 7497)]
    pub port: u16,

    /// Seed of the synthetic prices.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// The account's id; paper accounts begin with D.
    #[arg(long, default_value = "DU1234567", value_parser = parse_account)]
    pub account: AccountId,

    /// Cash of a new account, USD.
    #[arg(long, default_value = "100000", value_parser = parse_cash)]
    pub cash: Usd,

    /// Replay the bar files of this folder (SYMBOL-1min-*.csv, SYMBOL-1day*.csv) instead of
    /// synthetic prices.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,

    /// Market seconds in a real second.
    #[arg(long, default_value = "1", value_name = "N")]
    pub speed: Speed,

    /// A replay starts when bars of all of these are subscribed (default: of anything).
    #[arg(long, value_delimiter = ',', value_name = "SYMBOLS")]
    pub symbols: Vec<Symbol>,

    /// Trade synthetic prices in the NYSE's hours only, instead of at any hour.
    #[arg(long)]
    pub exchange_hours: bool,

    /// Keep account, orders and fills in this folder across restarts.
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,

    /// Begin anew, whatever --state-dir holds.
    #[arg(long)]
    pub fresh: bool,

    /// Exit when the replay has reached its end, instead of serving on.
    #[arg(long)]
    pub exit_at_end: bool,

    /// Write the final account to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub summary_json: Option<PathBuf>,

    /// Play the faults of this file: what goes wrong, and when (docs/faults.md).
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,

    /// Messages a second that one client may send (TWS: 50; 0: any number).
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub message_rate: u32,
}

/// What is said to a simulator that runs.
#[derive(Debug, Clone, Subcommand)]
pub enum SimulatorCommand {
    /// Tell a running simulator a fault, or ask it: help lists what can be said.
    Tell(tell::TellArgs),
}

fn parse_account(text: &str) -> Result<AccountId, String> {
    let fits = (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
    if fits { Ok(AccountId(text.into())) } else { Err("use 1 to 32 letters and digits, such as DU1234567".to_owned()) }
}

fn parse_cash(text: &str) -> Result<Usd, String> {
    let cash: Usd = text.parse().map_err(|_| "use a number of dollars, such as 100000".to_owned())?;
    if cash > Usd::ZERO { Ok(cash) } else { Err("cash must be above zero".to_owned()) }
}

impl SimulatorArgs {
    fn config(&self) -> Result<SimulatorConfig, SimulatorError> {
        let source = match &self.data {
            Some(dir) => Source::Replay { dir: dir.clone() },
            None => Source::Synthetic { always_open: !self.exchange_hours },
        };
        let scenario = self.scenario.as_deref().map(Scenario::read).transpose()?.unwrap_or_default();
        Ok(SimulatorConfig {
            scenario,
            listen: SocketAddr::new(self.host, self.port),
            account: self.account.clone(),
            cash: self.cash,
            seed: self.seed,
            source,
            speed: self.speed,
            symbols: self.symbols.clone(),
            state_dir: self.state_dir.clone(),
            fresh: self.fresh,
            message_rate: self.message_rate,
            exit_at_end: self.exit_at_end,
            ..SimulatorConfig::default()
        })
    }
}

/// Serves until SIGINT or SIGTERM (or the tape's end, where asked for), then prints the account.
pub async fn run(args: SimulatorArgs) -> ExitCode {
    match serve(&args).await {
        Ok(summary) => {
            println!("{summary}");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::from(problem.exit_code())
        }
    }
}

/// What ends the command with an error.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error(transparent)]
    Simulator(#[from] SimulatorError),
    #[error("cannot listen for signals: {0}")]
    Signals(std::io::Error),
    #[error("cannot write the summary to {path}: {source}")]
    Summary { path: PathBuf, source: std::io::Error },
}

impl Problem {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Simulator(error) => exit_code(error),
            Self::Signals(_) | Self::Summary { .. } => exit::RESTART,
        }
    }
}

/// The exit code of a simulator's failure, embedded or separate.
pub(super) fn exit_code(error: &SimulatorError) -> u8 {
    match error {
        SimulatorError::MaxSpeedAlone
        | SimulatorError::Scenario(_)
        | SimulatorError::BarFiles(_)
        | SimulatorError::NoBars { .. }
        | SimulatorError::Market(_)
        | SimulatorError::OtherAccount { .. }
        | SimulatorError::OtherMarket { .. } => exit::USAGE,
        SimulatorError::State { .. } => exit::JOURNAL,
        SimulatorError::Listen { .. }
        | SimulatorError::Save { .. }
        | SimulatorError::Act(_)
        | SimulatorError::Ended
        | SimulatorError::Task(_) => exit::RESTART,
    }
}

async fn serve(args: &SimulatorArgs) -> Result<Summary, Problem> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Problem::Signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Problem::Signals)?;
    let running = start(args.config()?).await?;
    let ear = tell::Ear::listen(&running).await;
    println!("simulator listening on {}", running.address);
    tokio::select! {
        _ = interrupt.recv() => info!("interrupted"),
        _ = terminate.recv() => info!("asked to terminate"),
        () = running.ended() => {}
    }
    ear.close().await;
    let summary = running.stop().await?;
    if let Some(path) = &args.summary_json {
        let failed = |source| Problem::Summary { path: path.clone(), source };
        let text = serde_json::to_string_pretty(&summary).map_err(|error| failed(error.into()))?;
        tokio::fs::write(path, text + "\n").await.map_err(failed)?;
    }
    Ok(summary)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: SimulatorArgs,
    }

    fn parse(words: &str) -> Result<SimulatorArgs, String> {
        let words = std::iter::once("simulator").chain(words.split_whitespace());
        Command::try_parse_from(words).map(|command| command.args).map_err(|error| error.to_string())
    }

    #[test]
    fn the_command_line_of_the_issue_is_understood() {
        let args = parse(
            "--host 127.0.0.1 --port 7497 --seed 7 --account DU1234567 --cash 50000 --data d --speed 60 --symbols aapl,NVDA \
             --state-dir s --fresh --exit-at-end --summary-json f --message-rate 0",
        );
        let config = args.unwrap().config().unwrap();
        assert_eq!(config.source, Source::Replay { dir: "d".into() });
        assert_eq!(config.speed, Speed::Times(60.0));
        assert_eq!(config.symbols.iter().map(Symbol::as_str).collect::<Vec<_>>(), ["AAPL", "NVDA"]);
        assert!(config.fresh && config.exit_at_end && config.progress.is_none());
    }

    #[test]
    fn bad_values_are_named() {
        for (words, part) in [
            ("--cash 0", "above zero"),
            ("--cash x", "number of dollars"),
            ("--account D;1", "letters and digits"),
            ("--speed fast", "not a speed"),
            ("--speed 0", "not a speed"),
            ("--symbols A;B", "not a symbol"),
            ("--host nowhere", "--host"),
        ] {
            let error = parse(words).unwrap_err();
            assert!(error.contains(part), "{words}: {error}");
        }
    }
}
