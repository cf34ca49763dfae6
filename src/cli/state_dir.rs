//! Where all state lies, for every subcommand alike.

use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Once;

use clap::Args;

use super::service;
use super::settings_args::SettingsArgs;
use crate::config::Layers;
use crate::runner::CONTROL_SOCKET;

/// The flags by which a daemon is found: those of its own start.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct DaemonArgs {
    /// Settings file; robo-trader.toml in the working directory is read where there is one.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory of all state (STATE_DIR), as the daemon has it; without it the default one, or, where no daemon has
    /// that, the installed service's.
    #[arg(long, value_name = "DIR")]
    state_dir: Option<String>,
}

impl DaemonArgs {
    /// The settings that the daemon has, but for its flags.
    pub(super) fn layers(&self) -> Result<Layers, String> {
        let Self { config, state_dir } = self.clone();
        let args = SettingsArgs { config, state_dir, ..SettingsArgs::default() };
        args.layers().map_err(|error| error.to_string())
    }

    /// A setting's text.
    pub(super) fn setting(&self, name: &str) -> Result<String, String> {
        Ok(self.layers()?.get(name).0)
    }

    /// The state directory that somebody has named.
    pub(super) fn named(&self) -> Result<Option<PathBuf>, String> {
        Ok(Some(self.setting("STATE_DIR")?).filter(|text| !text.is_empty()).map(PathBuf::from))
    }

    /// The daemon's state directory.
    pub(super) fn state_dir(&self) -> Result<PathBuf, String> {
        daemons(self.named()?)
    }

    /// The daemon's control socket.
    pub(super) fn socket(&self) -> Result<PathBuf, String> {
        Ok(self.state_dir()?.join(CONTROL_SOCKET))
    }
}

/// The state directory of the daemon that is meant: the one that is named; else the default one, unless no daemon is
/// there and a service is installed that has one of its own. Which one that is, is said.
pub(super) fn daemons(named: Option<PathBuf>) -> Result<PathBuf, String> {
    if let Some(dir) = named {
        return Ok(dir);
    }
    let default = default_state_dir()?;
    let dir = meant(default.clone(), service::state_dirs());
    if dir != default {
        static SAID: Once = Once::new();
        let words = format!("no daemon at {}: --state-dir {dir:?}, the installed service's", default.display());
        SAID.call_once(|| super::complain(&words));
    }
    Ok(dir)
}

/// The first that a daemon has; where there is none, whatever was there before.
pub(super) fn meant(default: PathBuf, services: Vec<PathBuf>) -> PathBuf {
    if let Some(dir) = std::iter::once(&default).chain(&services).find(|dir| has_daemon(dir)) {
        return dir.clone();
    }
    if default.exists() { default } else { services.into_iter().next().unwrap_or(default) }
}

/// Says where a daemon runs that has settings of its own: what a command sees here is what one started here would have.
pub(super) fn tell_of_daemon(layers: &Layers) {
    let named = Some(PathBuf::from(layers.get("STATE_DIR").0)).filter(|path| !path.as_os_str().is_empty());
    if let Ok(dir) = daemons(named)
        && has_daemon(&dir)
    {
        super::complain(&format_args!(
            "a daemon runs with state directory {}: these are the settings of this place and environment, not its own \
             (GET /api/v1/config of its page has those)",
            dir.display()
        ));
    }
}

/// Whether somebody listens there, or only others may know.
fn has_daemon(dir: &Path) -> bool {
    match UnixStream::connect(dir.join(CONTROL_SOCKET)) {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::PermissionDenied,
    }
}

/// The service manager's place for state (systemd's `StateDirectory=`), else `XDG_STATE_HOME`, else the system's own.
pub(super) fn default_state_dir() -> Result<PathBuf, String> {
    let given = std::env::var("STATE_DIRECTORY").unwrap_or_default();
    // Several are separated by colons; the first one is ours.
    if let Some(first) = given.split(':').next().filter(|first| !first.is_empty()) {
        return Ok(PathBuf::from(first));
    }
    use etcetera::BaseStrategy;
    let base = etcetera::base_strategy::choose_native_strategy()
        .map_err(|error| format!("cannot find a state directory ({error}): name one with --state-dir"))?;
    let named = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
    let home = named.or_else(|| base.state_dir()).unwrap_or_else(|| base.data_dir());
    Ok(home.join("robo-trader"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_daemon_is_found_where_it_is_and_without_one_what_was_there_before() {
        let place = tempfile::tempdir().unwrap();
        let [default, user, machine] = ["default", "user", "machine"].map(|name| place.path().join(name));
        let meant = || meant(default.clone(), vec![user.clone(), machine.clone()]);
        assert_eq!(meant(), user, "nothing is there yet");
        std::fs::create_dir(&default).unwrap();
        assert_eq!(meant(), default, "a stopped trial's");
        std::fs::create_dir(&machine).unwrap();
        let _service = UnixListener::bind(machine.join(CONTROL_SOCKET)).unwrap();
        // Left behind by a kill.
        drop(UnixListener::bind(default.join(CONTROL_SOCKET)).unwrap());
        assert_eq!(meant(), machine);
        std::fs::remove_file(default.join(CONTROL_SOCKET)).unwrap();
        let _own = UnixListener::bind(default.join(CONTROL_SOCKET)).unwrap();
        assert_eq!(meant(), default);
    }

    #[test]
    fn on_macos_the_default_is_where_the_users_job_has_its_state() {
        use etcetera::BaseStrategy;
        let apple = etcetera::base_strategy::Apple::new().unwrap();
        assert_eq!(apple.state_dir(), None);
        let job = service::place::Place::of(service::place::Kind::Launchd, false).unwrap();
        assert_eq!(job.state, apple.data_dir().join("robo-trader"));
    }
}
