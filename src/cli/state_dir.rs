//! Where all state lies, for every subcommand alike.

use std::path::PathBuf;

use clap::Args;

use super::settings_args::SettingsArgs;
use crate::config::Layers;
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
    /// The settings that the daemon has, but for its flags.
    fn layers(&self) -> Result<Layers, String> {
        let Self { config, state_dir } = self.clone();
        let args = SettingsArgs { config, state_dir, ..SettingsArgs::default() };
        args.layers().map_err(|error| error.to_string())
    }

    /// A setting's text.
    pub(super) fn setting(&self, name: &str) -> Result<String, String> {
        Ok(self.layers()?.get(name).0)
    }

    /// The daemon's state directory.
    pub(super) fn state_dir(&self) -> Result<PathBuf, String> {
        let text = self.setting("STATE_DIR")?;
        if text.is_empty() { default_state_dir() } else { Ok(PathBuf::from(text)) }
    }

    /// The daemon's control socket.
    pub(super) fn socket(&self) -> Result<PathBuf, String> {
        Ok(self.state_dir()?.join(CONTROL_SOCKET))
    }
}

/// The service manager's place for state (systemd's `StateDirectory=`), else the platform's own.
pub(super) fn default_state_dir() -> Result<PathBuf, String> {
    let given = std::env::var("STATE_DIRECTORY").unwrap_or_default();
    // Several are separated by colons; the first one is ours.
    if let Some(first) = given.split(':').next().filter(|first| !first.is_empty()) {
        return Ok(PathBuf::from(first));
    }
    use etcetera::BaseStrategy;
    let base = etcetera::choose_base_strategy()
        .map_err(|error| format!("cannot find a state directory ({error}): name one with --state-dir"))?;
    Ok(base.state_dir().unwrap_or_else(|| base.data_dir()).join("robo-trader"))
}
