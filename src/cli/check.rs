//! `check`: what an operator would look at before the daemon is trusted, each with what to do about it. It connects to
//! nothing, unless it is told to.

mod gateway;
mod local;

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::broker::{Broker, BrokerError};
use super::settings_args::SettingsArgs;
use crate::config::Settings;
use crate::runner::exit;
use crate::runner::tool::Look;

/// Flags of `check`.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Also ask the gateway: by the running daemon's session, or, where none runs, by one with IBKR_TOOL_CLIENT_ID that
    /// is closed again. Nothing is ordered.
    #[arg(long)]
    connect: bool,
    /// Print everything as JSON.
    #[arg(long)]
    json: bool,
}

/// How something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    Warn,
    Fail,
    /// It cannot be seen from here.
    Unknown,
}

/// One thing that was looked at.
#[derive(Debug, Clone, serde::Serialize)]
struct Finding {
    name: &'static str,
    state: State,
    found: String,
    /// What to do; empty where there is nothing to do.
    remedy: String,
}

impl Finding {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, state: State::Ok, found: found.into(), remedy: String::new() }
    }

    fn of(name: &'static str, state: State, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, state, found: found.into(), remedy: remedy.into() }
    }
}

/// What has to be set in TWS or IB Gateway by hand; nobody can see it from outside.
const BY_HAND: [(&str, &str); 6] = [
    ("API enabled", "API > Settings: tick Enable ActiveX and Socket Clients (IB Gateway: always on)"),
    ("Read-only off", "API > Settings: clear Read-Only API, or no order is taken"),
    ("Port", "API > Settings: Socket port is IBKR_PORT"),
    ("Trusted IPs", "API > Settings: Allow connections from localhost only, or the daemon's address under Trusted IPs"),
    ("Precautions", "API > Precautions: tick Bypass Order Precautions for API Orders, or an order waits for a dialog"),
    ("Auto restart", "Lock and Exit: Auto restart, at a time outside the session (one full log-in a week remains)"),
];

pub(super) fn main(args: &CheckArgs) -> ExitCode {
    let layers = match args.settings.layers() {
        Ok(layers) => layers,
        Err(error) => {
            super::complain(&error);
            return ExitCode::from(exit::USAGE);
        }
    };
    super::state_dir::tell_of_daemon(&layers);
    let mut found = Vec::new();
    let mut session = None;
    match Settings::resolve(&layers) {
        Ok(settings) => {
            found.push(local::warnings(layers.warnings()));
            found.extend(local::all(&settings));
            found.extend(gateway::all(&settings));
            if args.connect {
                session = Some(connect(&settings));
            }
        }
        Err(error) => {
            found.push(Finding::of("settings", State::Fail, error.to_string(), "correct them: robo-trader config"))
        }
    }
    match &session {
        Some(Ok((look, by))) => found.extend(gateway::looked(look, by)),
        Some(Err(error)) => {
            found.push(Finding::of("session", State::Fail, error.to_string(), "see docs/operations.md"))
        }
        None => {}
    }
    let failed = found.iter().any(|finding| finding.state == State::Fail);
    let said = if args.json {
        let by_hand: Vec<_> = BY_HAND.iter().map(|(name, what)| json!({"name": name, "set": what})).collect();
        let (look, by) = session.and_then(Result::ok).unzip();
        let all = json!({"ok": !failed, "checks": found, "by_hand": by_hand, "session": look, "asked_by": by});
        super::say(&format!("{all:#}"))
    } else {
        super::say(&text(&found))
    };
    if said == ExitCode::SUCCESS && failed { ExitCode::from(exit::HUMAN) } else { said }
}

fn text(found: &[Finding]) -> String {
    let mut out = String::new();
    for finding in found {
        let word = match finding.state {
            State::Ok => "ok",
            State::Warn => "WARN",
            State::Fail => "FAIL",
            State::Unknown => "unknown",
        };
        out += &format!("{word:<8} {:<14} {}\n", finding.name, finding.found);
        if !finding.remedy.is_empty() {
            out += &format!("{:23} -> {}\n", "", finding.remedy);
        }
    }
    out += "\nIn TWS or IB Gateway, by hand (nobody can see these from outside):\n";
    for (name, what) in BY_HAND {
        out += &format!("{:<8} {name:<14} {what}\n", "look");
    }
    out.trim_end().to_owned()
}

/// A look by the daemon's session, or by one real session that asks and orders nothing; and by which.
fn connect(settings: &Settings) -> Result<(Look, &'static str), BrokerError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.map_err(BrokerError::Start)?.block_on(async {
        let broker = Broker::reach(settings).await?;
        let look = broker.look().await;
        let by = broker.by();
        broker.close().await;
        Ok((look?, by))
    })
}
