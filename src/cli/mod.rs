//! The command line: one file a subcommand.

mod backtest;
mod bars;
mod bench;
mod broker;
mod check;
mod compare;
mod config;
mod history;
mod journal;
mod logging;
mod logs;
mod manual;
mod notify;
mod operate;
mod records;
mod report;
mod resident;
mod run;
mod service;
pub mod settings_args;
pub mod simulator;
mod state_dir;
mod status_text;
mod strategies;
mod sweep;
mod top;

use std::process::ExitCode;

pub use bench::syncs;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

/// An async trading daemon for Interactive Brokers that an operator can leave alone.
///
/// Exit codes: 0 done; 1 start it again; 2 wrong settings or command line; 3 a human is needed
/// (account, mode, gateway, lock, clock); 4 the journal or ledger cannot be used; 5 (of status alone) no order can
/// leave now.
#[derive(Debug, Parser)]
#[command(name = "robo-trader", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Trade: get a session, fetch history, drive one strategy task per symbol.
    Run(Box<run::RunArgs>),
    /// Serve the TWS protocol on a simulated market.
    Simulator(Box<simulator::SimulatorArgs>),
    /// Tell how a running daemon is: what it does, what stops it, and since when.
    Status(Box<operate::StatusArgs>),
    /// No more entries, in one symbol or at all; exits pass.
    Halt(Box<operate::LockArgs>),
    /// Entries again, in one symbol or in the account.
    Resume(Box<operate::LockArgs>),
    /// No entries in a symbol until it is unparked.
    Park(Box<operate::ParkArgs>),
    /// Entries in a parked symbol again.
    Unpark(Box<operate::UnparkArgs>),
    /// Have the daemon read its settings again and take the limits and locks, all of them or none.
    Reload(Box<operate::ReloadArgs>),
    /// Have the daemon end, as on SIGTERM: entries are cancelled, stops stay.
    Shutdown(Box<operate::ShutdownArgs>),
    /// List what is held, with what protects it.
    Positions(Box<records::ListArgs>),
    /// List our orders with where they stand.
    Orders(Box<records::OrdersArgs>),
    /// List our executions with their costs.
    Fills(Box<records::RangeArgs>),
    /// List what strategies wanted, and what held it back.
    Signals(Box<records::RangeArgs>),
    /// Profit and loss by day, week, month or in all.
    Pnl(Box<records::PnlArgs>),
    /// List incidents, lost sessions and locks.
    Incidents(Box<records::RangeArgs>),
    /// Show the running daemon, live in a terminal.
    Top(Box<top::TopArgs>),
    /// Show the end of the log file; with -f, go on with what is written.
    Logs(Box<logs::LogsArgs>),
    /// Look at settings, state, disk, clock, calendar, journal and gateway, and say what to do.
    Check(Box<check::CheckArgs>),
    /// Measure how fast this machine is for the daemon, and, with --connect, the gateway.
    Bench(Box<bench::BenchArgs>),
    /// Fetch bars of the gateway into files.
    History(Box<history::HistoryArgs>),
    /// Print the completions of a shell.
    Completions(manual::CompletionsArgs),
    /// Print the manual page, or write those of all subcommands.
    Man(manual::ManArgs),
    /// Tell a day, a week or a month by the journal, as text, JSON or HTML.
    Report(Box<report::ReportArgs>),
    /// Back up, verify or export the journal, also while the daemon writes it.
    Journal(Box<journal::JournalArgs>),
    /// Cancel one entry or exit of ours.
    Cancel(Box<operate::CancelArgs>),
    /// Install the systemd unit or launchd job, take it away, or look at it.
    Service(Box<service::ServiceArgs>),
    /// Block entries, cancel our orders, close our positions, in one symbol or all.
    Flatten(Box<operate::FlattenArgs>),
    /// Compare broker and book now and show each difference; accept one.
    Reconcile(Box<operate::ReconcileArgs>),
    /// Trade bars of the past with the code that trades, and say what came of it.
    Backtest(Box<backtest::BacktestArgs>),
    /// Backtest many choices of parameters on all cores, and say how much of the best is luck.
    Sweep(Box<sweep::SweepArgs>),
    /// Print the effective settings with the source of each, secrets masked.
    Config(Box<config::ConfigArgs>),
    /// List the strategies with their parameters.
    Strategies(strategies::StrategiesArgs),
    /// Try out the alerts.
    Notify(notify::NotifyArgs),
    /// Look at, check, aggregate, convert and generate bar files.
    Bars(Box<bars::BarsArgs>),
}

/// The command line's definition.
fn command() -> clap::Command {
    // These two share the flags of run, some of which mean nothing to them.
    Cli::command().mut_subcommand("backtest", backtest::hide).mut_subcommand("sweep", backtest::hide)
}

/// Runs the command line.
pub fn main() -> ExitCode {
    let cli = Cli::from_arg_matches(&command().get_matches()).unwrap_or_else(|error| error.exit());
    match cli.command {
        Command::Run(args) => run::main(*args),
        Command::Simulator(args) => serve(*args),
        Command::Status(args) => operate::status(&args),
        Command::Halt(args) => operate::halt(*args),
        Command::Resume(args) => operate::resume(*args),
        Command::Park(args) => operate::park(*args),
        Command::Unpark(args) => operate::unpark(*args),
        Command::Reload(args) => operate::reload(&args),
        Command::Shutdown(args) => operate::shutdown(*args),
        Command::Positions(args) => records::positions(&args),
        Command::Orders(args) => records::orders(&args),
        Command::Fills(args) => records::fills(&args),
        Command::Signals(args) => records::signals(&args),
        Command::Pnl(args) => records::pnl(&args),
        Command::Incidents(args) => records::incidents(&args),
        Command::Top(args) => top::main(&args),
        Command::Logs(args) => logs::main(&args),
        Command::Check(args) => check::main(&args),
        Command::Bench(args) => bench::main(&args),
        Command::History(args) => history::main(&args),
        Command::Completions(args) => manual::completions(&args, command()),
        Command::Man(args) => manual::man(&args, command()),
        Command::Report(args) => report::main(&args),
        Command::Journal(args) => journal::main(&args),
        Command::Cancel(args) => operate::cancel(*args),
        Command::Service(args) => service::main(&args),
        Command::Flatten(args) => operate::flatten(*args),
        Command::Reconcile(args) => operate::reconcile(*args),
        Command::Backtest(args) => backtest::main(*args),
        Command::Sweep(args) => sweep::main(*args),
        Command::Config(args) => config::main(&args),
        Command::Strategies(args) => strategies::main(&args),
        Command::Notify(args) => notify::main(&args),
        Command::Bars(args) => bars::main(*args),
    }
}

/// The separate simulator, with the console's log; or a word to one that runs.
fn serve(args: simulator::SimulatorArgs) -> ExitCode {
    if let Some(simulator::SimulatorCommand::Tell(args)) = &args.command {
        return simulator::tell::main(args);
    }
    if let Err(error) = logging::console("info") {
        complain(&error);
        return ExitCode::from(crate::runner::exit::USAGE);
    }
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(simulator::run(args)),
        Err(error) => {
            complain(&format_args!("cannot start: {error}"));
            ExitCode::from(crate::runner::exit::RESTART)
        }
    }
}

/// Writes a line for people to standard error.
#[allow(clippy::print_stderr, reason = "the one place where the command line speaks before or beside the log")]
pub(crate) fn complain(message: &dyn std::fmt::Display) {
    eprintln!("robo-trader: {message}");
}

/// Whether what is written there may have colours: only where a person sees it who has not said otherwise (`NO_COLOR`).
pub(crate) fn colours(to: &impl std::io::IsTerminal) -> bool {
    to.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty())
}

/// Says on standard error why something cannot be done, and to a program that wants JSON on standard output, too.
pub(crate) fn refuse(json: bool, why: &dyn std::fmt::Display, code: u8) -> ExitCode {
    complain(why);
    let told = if json {
        say(&format_args!("{:#}", serde_json::json!({ "ok": false, "text": why.to_string() })))
    } else {
        ExitCode::SUCCESS
    };
    if told == ExitCode::SUCCESS { ExitCode::from(code) } else { told }
}

/// Writes text to standard output; a closed pipe (`| head`) is no error.
pub(crate) fn say(text: &dyn std::fmt::Display) -> ExitCode {
    use std::io::Write;
    match writeln!(std::io::stdout().lock(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
