//! `robo-trader notify`: alerts tried out.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::settings_args::SettingsArgs;
use super::state_dir::DaemonArgs;
use crate::config::Settings;
use crate::notify::{Level, Message, PostError};
use crate::runner::exit;

/// Flags of `notify`.
#[derive(Debug, Args)]
pub struct NotifyArgs {
    #[command(subcommand)]
    command: NotifyCommand,
}

#[derive(Debug, Subcommand)]
enum NotifyCommand {
    /// Send a message through every channel of the settings, and say what became of it.
    Test(Box<TestArgs>),
    /// Tell the running daemon that a human has taken notice: what stands is not told again.
    Ack(Box<AckArgs>),
}

#[derive(Debug, Args)]
struct TestArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Print what became of it as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct AckArgs {
    #[command(flatten)]
    daemon: DaemonArgs,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
}

/// Why nothing was sent.
#[derive(Debug, thiserror::Error)]
enum NotifyError {
    #[error(transparent)]
    Layers(#[from] super::settings_args::LayersError),
    #[error(transparent)]
    Settings(#[from] crate::config::BadSettings),
    #[error(
        "nobody is told anything: set NOTIFY_WEBHOOK, NOTIFY_SLACK, NOTIFY_DISCORD, NOTIFY_NTFY, NOTIFY_TELEGRAM or NOTIFY_EMAIL_TO"
    )]
    Nobody,
}

/// A channel, and what became of the message.
type Tried = (&'static str, Result<(), PostError>);

pub(super) fn main(args: &NotifyArgs) -> ExitCode {
    let args = match &args.command {
        NotifyCommand::Test(args) => args,
        NotifyCommand::Ack(args) => return super::operate::acknowledge(&args.daemon, args.json),
    };
    match test(&args.settings) {
        Ok(results) if args.json => {
            let row = |(channel, result): &Tried| {
                let error = result.as_ref().err().map(ToString::to_string);
                json!({"channel": channel, "taken": result.is_ok(), "error": error})
            };
            let channels: Vec<_> = results.iter().map(row).collect();
            super::say(&format!("{:#}", json!({ "channels": channels })));
            ended(&results)
        }
        Ok(results) => {
            let line = |(name, result): &Tried| match result {
                Ok(()) => format!("{name:<9} taken"),
                Err(error) => format!("{name:<9} not taken: {error}"),
            };
            super::say(&results.iter().map(line).collect::<Vec<_>>().join("\n"));
            ended(&results)
        }
        Err(error) => super::refuse(args.json, &error, exit::USAGE),
    }
}

fn ended(results: &[Tried]) -> ExitCode {
    let failed = results.iter().any(|(_, result)| result.is_err());
    if failed { ExitCode::from(exit::RESTART) } else { ExitCode::SUCCESS }
}

fn test(settings: &SettingsArgs) -> Result<Vec<Tried>, NotifyError> {
    let layers = settings.layers()?;
    super::state_dir::tell_of_daemon(&layers);
    let settings = Settings::resolve(&layers)?;
    let channels = settings.notify.channels;
    if channels.is_empty() {
        return Err(NotifyError::Nobody);
    }
    let text = "this is a test of robo-trader's alerts: nothing has happened".to_owned();
    let message = Message { level: Level::Info, kind: "test".into(), symbol: None, text, at: None };
    Ok(channels.iter().map(|channel| (channel.name(), channel.deliver(&message))).collect())
}
