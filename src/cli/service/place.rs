//! Where a service lies, and the words that start and stop it there.

use std::path::PathBuf;

use super::ServiceError;

/// Whose service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Systemd,
    Launchd,
}

/// Where everything of it lies.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) kind: Kind,
    pub(super) system: bool,
    /// The unit or job.
    pub(super) file: PathBuf,
    /// Settings: the working directory.
    pub(super) config: String,
    /// State and log, where the manager has no directory of its own for them.
    pub(super) state: String,
    /// What has to be there before the first start.
    pub(super) directories: Vec<PathBuf>,
}

impl Place {
    pub(super) fn of(kind: Kind, system: bool) -> Result<Self, ServiceError> {
        let home =
            || std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from).ok_or(ServiceError::Home);
        let text = |path: &PathBuf| path.to_string_lossy().into_owned();
        let config_home = || {
            let named = std::env::var_os("XDG_CONFIG_HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
            named.map_or_else(|| Ok(home()?.join(".config")), Ok)
        };
        let (file, config, state) = match (kind, system) {
            (Kind::Systemd, true) => {
                (PathBuf::from("/etc/systemd/system/robo-trader.service"), PathBuf::from("/etc/robo-trader"), None)
            }
            (Kind::Systemd, false) => {
                let config = config_home()?;
                (config.join("systemd/user/robo-trader.service"), config.join("robo-trader"), None)
            }
            (Kind::Launchd, true) => (
                PathBuf::from("/Library/LaunchDaemons/robo-trader.plist"),
                PathBuf::from("/usr/local/etc/robo-trader"),
                Some(PathBuf::from("/usr/local/var/robo-trader")),
            ),
            (Kind::Launchd, false) => {
                let home = home()?;
                let state = home.join("Library/Application Support/robo-trader");
                (home.join("Library/LaunchAgents/robo-trader.plist"), config_home()?.join("robo-trader"), Some(state))
            }
        };
        let directories = std::iter::once(config.clone()).chain(state.clone()).collect();
        let state = state.as_ref().map(text).unwrap_or_default();
        Ok(Self { kind, system, file, config: text(&config), state, directories })
    }

    pub(super) fn how_to_start(&self, user: &str) -> String {
        let settings = format!("settings: {}/robo-trader.toml and .env there\n", self.config);
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
                        self.config, self.state
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
