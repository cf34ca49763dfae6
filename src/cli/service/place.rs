//! Where a service lies, and the words that start and stop it there.

use std::path::PathBuf;

use super::ServiceError;

/// Whose service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Kind {
    Systemd,
    Launchd,
}

/// Where everything of it lies.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Place {
    pub(super) kind: Kind,
    pub(super) system: bool,
    /// The unit or job.
    pub(super) file: PathBuf,
    /// Settings: the working directory.
    pub(super) config: String,
    /// State.
    pub(in crate::cli) state: PathBuf,
    /// What has to be there before the first start.
    pub(super) directories: Vec<PathBuf>,
}

impl Place {
    pub(in crate::cli) fn of(kind: Kind, system: bool) -> Result<Self, ServiceError> {
        let home =
            || std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from).ok_or(ServiceError::Home);
        let config_home = || {
            let named = std::env::var_os("XDG_CONFIG_HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
            named.map_or_else(|| Ok(home()?.join(".config")), Ok)
        };
        let (file, config, state) = match (kind, system) {
            (Kind::Systemd, true) => (
                PathBuf::from("/etc/systemd/system/robo-trader.service"),
                PathBuf::from("/etc/robo-trader"),
                PathBuf::from("/var/lib/robo-trader"),
            ),
            (Kind::Systemd, false) => {
                let config = config_home()?;
                // The user's manager has the environment of no shell.
                let state = home()?.join(".local/state/robo-trader");
                (config.join("systemd/user/robo-trader.service"), config.join("robo-trader"), state)
            }
            (Kind::Launchd, true) => (
                PathBuf::from("/Library/LaunchDaemons/robo-trader.plist"),
                PathBuf::from("/usr/local/etc/robo-trader"),
                PathBuf::from("/usr/local/var/robo-trader"),
            ),
            (Kind::Launchd, false) => {
                let home = home()?;
                let state = home.join("Library/Application Support/robo-trader");
                (home.join("Library/LaunchAgents/robo-trader.plist"), config_home()?.join("robo-trader"), state)
            }
        };
        // systemd makes the state's itself.
        let made = Some(state.clone()).filter(|_| kind == Kind::Launchd);
        let directories = std::iter::once(config.clone()).chain(made).collect();
        Ok(Self { kind, system, file, config: config.to_string_lossy().into_owned(), state, directories })
    }

    /// Every place that a service may be installed in, those of the user first.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let kinds = [(Kind::Systemd, false), (Kind::Launchd, false), (Kind::Systemd, true), (Kind::Launchd, true)];
        // Without a home there is none of the user's.
        kinds.into_iter().filter_map(|(kind, system)| Self::of(kind, system).ok())
    }

    /// How a command line finds the daemon.
    pub(super) fn how_to_speak(&self) -> String {
        // The directory is closed to all but the job's own user.
        let sudo = if self.system { "sudo " } else { "" };
        format!("speak to it: {sudo}robo-trader status --state-dir '{}'", self.state.display())
    }

    pub(super) fn how_to_start(&self, user: &str) -> String {
        let settings = match (self.kind, self.system) {
            // The unit's user is none that could own a secret.
            (Kind::Systemd, true) => format!(
                "settings: {0}/robo-trader.toml; secrets: {0}/environment, NAME=value lines, root's (chmod 600)\n",
                self.config
            ),
            (Kind::Systemd | Kind::Launchd, _) => {
                format!("settings: {}/robo-trader.toml and .env there\n", self.config)
            }
        };
        match (self.kind, self.system) {
            (Kind::Systemd, true) => {
                settings
                    + "start: systemctl daemon-reload && systemctl enable robo-trader && systemctl start --no-block robo-trader\n\
                 (start is complete once the first recovery is done; systemctl status robo-trader tells what it waits for)"
            }
            (Kind::Systemd, false) => {
                settings
                    + "start: systemctl --user daemon-reload && systemctl --user enable robo-trader && systemctl --user start --no-block robo-trader\n\
                 also while nobody is logged in: loginctl enable-linger"
            }
            (Kind::Launchd, system) => {
                let owner = if system {
                    format!(
                        "once, where user {user} does not exist yet: sysadminctl -addUser {user}\n\
                         chown -R {user} '{}' '{}'\n",
                        self.config,
                        self.state.display()
                    )
                } else {
                    String::new()
                };
                format!("{settings}{owner}start: launchctl bootstrap {} '{}'", domain(system), self.file.display())
            }
        }
    }

    pub(super) fn how_to_stop(&self) -> String {
        match (self.kind, self.system) {
            (Kind::Systemd, true) => "stop: systemctl disable --now robo-trader; systemctl daemon-reload".to_owned(),
            (Kind::Systemd, false) => {
                "stop: systemctl --user disable --now robo-trader; systemctl --user daemon-reload".to_owned()
            }
            (Kind::Launchd, system) => format!("stop: launchctl bootout {}/robo-trader", domain(system)),
        }
    }

    pub(super) fn how_to_look(&self) -> String {
        match (self.kind, self.system) {
            (Kind::Systemd, true) => "systemctl status robo-trader".to_owned(),
            (Kind::Systemd, false) => "systemctl --user status robo-trader".to_owned(),
            (Kind::Launchd, system) => format!("launchctl print {}/robo-trader", domain(system)),
        }
    }
}

fn domain(system: bool) -> &'static str {
    if system { "system" } else { "gui/$(id -u)" }
}
