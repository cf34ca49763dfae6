//! `status`, `halt`, `resume`, `park`, `unpark`, `flatten`, `cancel`, `reconcile`, `reload`, `shutdown`: an operator
//! speaks to a running daemon.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use super::records;
use super::state_dir::DaemonArgs;
use super::status_text;
use crate::control::{self, ControlError};
use crate::domain::Symbol;
use crate::domain::order::OrderRef;
use crate::runner::exit;
use crate::runner::operate::{Reply, Request};

/// How long a daemon may take to answer: longer than it takes itself.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Flags of `status`.
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    daemon: DaemonArgs,
    /// Print everything as JSON.
    #[arg(long)]
    json: bool,
}

/// Flags of `halt` and `resume`.
#[derive(Debug, Args)]
pub(super) struct LockArgs {
    #[command(flatten)]
    daemon: DaemonArgs,
    /// The symbol; the whole account without it.
    symbol: Option<Symbol>,
    /// Why: it goes into the journal.
    #[arg(long, default_value = "", value_name = "TEXT")]
    reason: String,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
}

/// Flags of `park`.
#[derive(Debug, Args)]
pub(super) struct ParkArgs {
    #[command(flatten)]
    daemon: DaemonArgs,
    /// The symbol.
    symbol: Symbol,
    /// Why: it goes into the journal.
    #[arg(long, default_value = "", value_name = "TEXT")]
    reason: String,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
}

/// Flags of `unpark`.
#[derive(Debug, Args)]
pub(super) struct UnparkArgs {
    #[command(flatten)]
    daemon: DaemonArgs,
    /// The symbol.
    symbol: Symbol,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
}

/// Flags of `reload`.
#[derive(Debug, Args)]
pub(super) struct ReloadArgs {
    #[command(flatten)]
    daemon: DaemonArgs,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
}

/// Flags of `shutdown`.
#[derive(Debug, Args)]
pub(super) struct ShutdownArgs {
    #[command(flatten)]
    daemon: DaemonArgs,
    /// Why: it goes into the log.
    #[arg(long, default_value = "", value_name = "TEXT")]
    reason: String,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
}

/// Flags of `cancel`.
#[derive(Debug, Args)]
pub(super) struct CancelArgs {
    #[command(flatten)]
    daemon: DaemonArgs,
    /// The order: its number in robo-trader orders, or its reference (rt-LEDGER-NUMBER).
    #[arg(value_parser = intent)]
    order: u64,
    /// Why: it goes into the journal.
    #[arg(long, default_value = "", value_name = "TEXT")]
    reason: String,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
}

/// Flags of `flatten`.
#[derive(Debug, Args)]
pub(super) struct FlattenArgs {
    #[command(flatten)]
    lock: LockArgs,
    /// Also cancel EVERY order in the account, of every program and placed by hand; to be confirmed
    /// twice.
    #[arg(long, conflicts_with = "symbol")]
    everything: bool,
    /// The account's id, to confirm --everything.
    #[arg(long, value_name = "ACCOUNT", requires = "everything")]
    confirm: Option<String>,
    /// The account's id once more.
    #[arg(long, value_name = "ACCOUNT", requires = "confirm")]
    confirm_again: Option<String>,
}

/// Flags of `reconcile`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct ReconcileArgs {
    #[command(flatten)]
    status: StatusArgs,
    #[command(subcommand)]
    accept: Option<Accept>,
}

#[derive(Debug, Subcommand)]
enum Accept {
    /// Take what the broker states of a symbol for right, and journal it with a reason.
    Accept {
        #[command(flatten)]
        daemon: DaemonArgs,
        /// The symbol.
        symbol: Symbol,
        /// Why: it goes into the journal.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// The split that explains it: NEW:OLD, as 2:1.
        #[arg(long, value_name = "NEW:OLD")]
        split: Option<String>,
        /// What the broker holds beside the book's shares is others': it is left alone.
        #[arg(long, conflicts_with = "split")]
        foreign: bool,
        /// Print the answer as JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn status(args: &StatusArgs) -> ExitCode {
    let mut reply = match asked_now(&args.daemon, &Request::Status {}) {
        Ok(reply) if reply.ok => reply,
        Ok(reply) => {
            super::complain(&reply.text);
            return ExitCode::from(refused(&reply));
        }
        Err(error) => return alone(args, &error),
    };
    // Before the first session the daemon has no book: its journals have.
    let ledgers = match &mut reply.status {
        Some(status) if status["desk"].is_null() => {
            let ledgers = at_rest(&args.daemon).unwrap_or_default();
            status["ledgers"] = json!(ledgers);
            ledgers
        }
        Some(_) | None => Vec::new(),
    };
    let shown =
        shown(&reply, args.json, |said, status| status_text::status(said, status) + of_ledgers(&ledgers).as_str());
    let orders_leave = reply.status.as_ref().is_some_and(orders_leave);
    if orders_leave || shown != ExitCode::SUCCESS { shown } else { ExitCode::from(exit::NOT_READY) }
}

/// Whether a daemon with this status may send orders: one that observes sends none.
pub(super) fn orders_leave(status: &serde_json::Value) -> bool {
    status["ready"] == true && status["desk"]["observes"] != true
}

/// What is known where no daemon answers: what the journals say.
fn alone(args: &StatusArgs, error: &Silence) -> ExitCode {
    let trading = match error {
        Silence::Control(ControlError::Nobody { .. }) => "no: no daemon runs",
        Silence::Control(_) | Silence::Unreadable(_) => "unknown: the daemon gives no answer",
        Silence::Where(_) | Silence::Start(_) => {
            super::complain(error);
            return ExitCode::from(error.code());
        }
    };
    let ledgers = match at_rest(&args.daemon) {
        Ok(ledgers) => ledgers,
        Err(why) => {
            super::complain(&why);
            return ExitCode::from(exit::USAGE);
        }
    };
    let text = if args.json {
        let why = error.to_string();
        format!("{:#}", json!({"trading": trading, "why": why, "ready": false, "desk": null, "ledgers": ledgers}))
    } else {
        super::complain(error);
        let mut out = String::new();
        status_text::line(&mut out, "trading", trading);
        if ledgers.is_empty() {
            status_text::line(&mut out, "journal", "none yet: nothing has traded with this state directory");
        }
        out + of_ledgers(&ledgers).as_str()
    };
    let shown = super::say(&text.trim_end());
    if shown == ExitCode::SUCCESS { ExitCode::from(error.code()) } else { shown }
}

/// What the journals of the daemon's state directory say.
fn at_rest(daemon: &DaemonArgs) -> Result<Vec<serde_json::Value>, String> {
    let calendar = daemon.setting("CALENDAR")?.parse().map_err(|error| format!("CALENDAR: {error}"))?;
    Ok(records::at_rest(&daemon.state_dir()?, calendar))
}

fn of_ledgers(ledgers: &[serde_json::Value]) -> String {
    let mut out = String::new();
    for (name, value) in ledgers.iter().flat_map(records::lines) {
        status_text::line(&mut out, name, &value);
    }
    out
}

pub(super) fn halt(args: LockArgs) -> ExitCode {
    let LockArgs { daemon, symbol, reason, json } = args;
    order(&daemon, &Request::Halt { symbol, reason }, json)
}

pub(super) fn resume(args: LockArgs) -> ExitCode {
    let LockArgs { daemon, symbol, reason, json } = args;
    order(&daemon, &Request::Resume { symbol, reason }, json)
}

pub(super) fn park(args: ParkArgs) -> ExitCode {
    let ParkArgs { daemon, symbol, reason, json } = args;
    order(&daemon, &Request::Park { symbol, reason }, json)
}

pub(super) fn unpark(args: UnparkArgs) -> ExitCode {
    let UnparkArgs { daemon, symbol, json } = args;
    order(&daemon, &Request::Unpark { symbol }, json)
}

pub(super) fn reload(args: &ReloadArgs) -> ExitCode {
    order(&args.daemon, &Request::Reload {}, args.json)
}

pub(super) fn shutdown(args: ShutdownArgs) -> ExitCode {
    let ShutdownArgs { daemon, reason, json } = args;
    order(&daemon, &Request::Shutdown { reason }, json)
}

pub(super) fn acknowledge(daemon: &DaemonArgs, json: bool) -> ExitCode {
    order(daemon, &Request::Acknowledge {}, json)
}

pub(super) fn cancel(args: CancelArgs) -> ExitCode {
    let CancelArgs { daemon, order: intent, reason, json } = args;
    order(&daemon, &Request::Cancel { intent, reason }, json)
}

/// The number of an order, by that number or by its reference.
fn intent(text: &str) -> Result<u64, String> {
    let number = text.parse().ok().or_else(|| OrderRef::parts(text).map(|(_, intent)| intent));
    number.ok_or_else(|| "use its number in robo-trader orders, or its reference rt-LEDGER-NUMBER".to_owned())
}

pub(super) fn flatten(args: FlattenArgs) -> ExitCode {
    let FlattenArgs { lock: LockArgs { daemon, symbol, reason, json }, everything, confirm, confirm_again } = args;
    let confirm = confirm.into_iter().chain(confirm_again).collect();
    order(&daemon, &Request::Flatten { symbol, reason, everything, confirm }, json)
}

pub(super) fn reconcile(args: ReconcileArgs) -> ExitCode {
    match args.accept {
        None => {
            let StatusArgs { daemon, json } = args.status;
            match asked_now(&daemon, &Request::Reconcile {}) {
                Err(Silence::Control(ControlError::Nobody { .. })) => super::compare::alone(&daemon, json),
                asked => hand_on(asked, |reply| {
                    let shown = shown(reply, json, status_text::differences);
                    let differs = reply.status.as_ref().is_some_and(differs);
                    if differs && shown == ExitCode::SUCCESS { ExitCode::from(exit::HUMAN) } else { shown }
                }),
            }
        }
        Some(Accept::Accept { daemon, symbol, reason, split, foreign, json }) => {
            order(&daemon, &Request::Accept { symbol, reason, split, foreign }, json)
        }
    }
}

/// Whether broker and book differ in what a human has to judge.
fn differs(status: &serde_json::Value) -> bool {
    status["desk"]["differences"].as_array().is_some_and(|rows| !rows.is_empty())
}

fn said(reply: &Reply) -> ExitCode {
    super::say(&reply.text)
}

fn shown(reply: &Reply, json: bool, text: impl Fn(&str, &serde_json::Value) -> String) -> ExitCode {
    match &reply.status {
        Some(status) if json => super::say(&format!("{status:#}")),
        Some(status) => super::say(&text(&reply.text, status).trim_end()),
        None => said(reply),
    }
}

/// The exit code where the daemon does not do it.
fn refused(reply: &Reply) -> u8 {
    if reply.is_mistaken() {
        exit::USAGE
    } else if reply.is_later() {
        exit::RESTART
    } else {
        exit::HUMAN
    }
}

/// Says one thing to the daemon and hands its answer on.
fn speak(daemon: &DaemonArgs, request: &Request, answered: impl FnOnce(&Reply) -> ExitCode) -> ExitCode {
    hand_on(asked_now(daemon, request), answered)
}

fn hand_on(asked: Result<Reply, Silence>, answered: impl FnOnce(&Reply) -> ExitCode) -> ExitCode {
    match asked {
        Ok(reply) if reply.ok => answered(&reply),
        Ok(reply) => {
            super::complain(&reply.text);
            ExitCode::from(refused(&reply))
        }
        Err(error) => {
            super::complain(&error);
            ExitCode::from(error.code())
        }
    }
}

/// Has the daemon do something. As JSON, what came of it is told however it ended, with the same exit code.
fn order(daemon: &DaemonArgs, request: &Request, json: bool) -> ExitCode {
    if !json {
        return speak(daemon, request, said);
    }
    let (ok, text, code) = match asked_now(daemon, request) {
        Ok(Reply { ok: true, text, .. }) => (true, text, exit::DONE),
        Ok(reply) => {
            let code = refused(&reply);
            (false, reply.text, code)
        }
        Err(error) => (false, error.to_string(), error.code()),
    };
    let shown = super::say(&format!("{:#}", json!({ "ok": ok, "text": text })));
    if shown == ExitCode::SUCCESS { ExitCode::from(code) } else { shown }
}

/// What the daemon answers to one thing.
pub(super) fn asked_now(daemon: &DaemonArgs, request: &Request) -> Result<Reply, Silence> {
    asked_at(&daemon.socket().map_err(Silence::Where)?, request)
}

/// What the daemon with this socket answers.
pub(super) fn asked_at(socket: &Path, request: &Request) -> Result<Reply, Silence> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Silence::Start)?;
    runtime.block_on(asked(socket, request))
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Silence {
    #[error("{0}")]
    Where(String),
    #[error("cannot start: {0}")]
    Start(#[source] std::io::Error),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error("the answer cannot be read ({0}): is the daemon of the same version?")]
    Unreadable(#[from] serde_json::Error),
}

impl Silence {
    pub(super) fn code(&self) -> u8 {
        if matches!(self, Self::Where(_)) { exit::USAGE } else { exit::RESTART }
    }
}

async fn asked(socket: &Path, request: &Request) -> Result<Reply, Silence> {
    let line = serde_json::to_string(request)?;
    let answer = control::ask(socket, &line, ANSWER_WITHIN).await?;
    Ok(serde_json::from_str(&answer)?)
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_order_is_named_by_its_number_or_its_reference() {
        assert_eq!((super::intent("12"), super::intent("rt-k3x9-12")), (Ok(12), Ok(12)));
        for text in ["", "AAPL", "-1", "rt-k3x9-", "12;13"] {
            assert!(super::intent(text).is_err(), "{text}");
        }
    }
}
