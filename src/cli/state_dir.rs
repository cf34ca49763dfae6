//! Where all state lies, for every subcommand alike.

use std::path::PathBuf;

use clap::Args;

use super::settings_args::SettingsArgs;
use crate::runner::CONTROL_SOCKET;

/// The flags by which a daemon is found: those of its own start.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct DaemonArgs {
    /// Settings file; robo-trader.toml in the working directory is read where there is one.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory of all state (STATE_DIR), as the daemon has it.
    #[arg(long, value_name = "DIR")]
    state_dir: Option<String>,
}

impl DaemonArgs {
    /// The daemon's control socket.
    pub(super) fn socket(&self) -> Result<PathBuf, String> {
        let Self { config, state_dir } = self.clone();
        let args = SettingsArgs { config, state_dir, ..SettingsArgs::default() };
        let layers = args.layers().map_err(|error| error.to_string())?;
        let (text, _) = layers.get("STATE_DIR");
        let dir = if text.is_empty() { default_state_dir()? } else { PathBuf::from(text) };
        Ok(dir.join(CONTROL_SOCKET))
    }
}

/// The platform's own place for state.
pub(super) fn default_state_dir() -> Result<PathBuf, String> {
    use etcetera::BaseStrategy;
    let base = etcetera::choose_base_strategy()
        .map_err(|error| format!("cannot find a state directory ({error}): name one with --state-dir"))?;
    Ok(base.state_dir().unwrap_or_else(|| base.data_dir()).join("robo-trader"))
}
