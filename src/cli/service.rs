//! `service`: the systemd unit or the launchd job, written to its place, taken away, looked at.

mod launchd;
pub(super) mod place;
mod systemd;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::operate::{self, Silence};
use super::state_dir::{DaemonArgs, default_state_dir, meant};
use crate::runner::operate::{Reply, Request};
use crate::runner::{CONTROL_SOCKET, exit};
use place::{Kind, Place};

/// The first line of whatever we write: what does not have it is not ours to replace.
const MARK: &str = "Written by robo-trader service install";

/// The user as whom a machine's launchd job runs, where nobody says.
const USER: &str = "robo-trader";

/// A user's name, as systems allow it.
fn user(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let name = !text.is_empty() && !text.starts_with('-') && text.chars().all(fits);
    if name { Ok(text.to_owned()) } else { Err("use a user's name".to_owned()) }
}

/// Flags of `service`.
#[derive(Debug, Args)]
pub(super) struct ServiceArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write the unit or job, and say how to start it.
    Install(InstallArgs),
    /// Take it away again, and say how to stop it.
    Uninstall(UninstallArgs),
    /// Tell whether it is installed, and what the daemon says.
    Status(StatusArgs),
}

#[derive(Debug, Args)]
struct PlaceArgs {
    /// For systemd (the default, but on macOS).
    #[arg(long, conflicts_with = "launchd")]
    systemd: bool,
    /// For launchd (the default on macOS).
    #[arg(long)]
    launchd: bool,
    /// For this user (the default).
    #[arg(long, conflicts_with = "system")]
    user: bool,
    /// For the machine, to be written by root.
    #[arg(long)]
    system: bool,
}

#[derive(Debug, Args)]
struct InstallArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Print it instead of writing it.
    #[arg(long)]
    print: bool,
    /// Replace a file that differs, whoever wrote it.
    #[arg(long)]
    force: bool,
    /// The program to run; this one without it.
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// The user as whom launchd runs it, with --system; systemd makes one of its own.
    #[arg(long, value_name = "USER", default_value = USER, value_parser = user, requires = "system")]
    run_as: String,
    /// Print what was done as JSON.
    #[arg(long, conflicts_with = "print")]
    json: bool,
}

#[derive(Debug, Args)]
struct UninstallArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Print what was done as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct StatusArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    daemon: DaemonArgs,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

/// Why it cannot be done.
#[derive(Debug, thiserror::Error)]
pub(super) enum ServiceError {
    #[error("HOME is not set: name it, or use --system")]
    Home,
    #[error("this program's own path is not known ({0}): name it with --program")]
    Program(#[source] std::io::Error),
    #[error("--program {0}: there is no such file; name the program by its whole path")]
    NoProgram(PathBuf),
    #[error(
        "{0} is in a home, which a machine's service does not see (ProtectHome): copy it to /usr/local/bin, and name it with --program"
    )]
    InAHome(PathBuf),
    #[error("{0} is there and is not what would be written: look at it, then use --force")]
    Differs(PathBuf),
    #[error("{0} was not written by robo-trader service install: it is left alone")]
    NotOurs(PathBuf),
    #[error("{path}: {source}; with --system, run it as root")]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

impl PlaceArgs {
    fn place(&self) -> Result<Place, ServiceError> {
        let launchd = self.launchd || (cfg!(target_os = "macos") && !self.systemd);
        Place::of(if launchd { Kind::Launchd } else { Kind::Systemd }, self.system)
    }
}

/// The state directories of the services that are installed.
pub(super) fn state_dirs() -> Vec<PathBuf> {
    Place::all().filter(|place| place.file.exists()).map(|place| place.state).collect()
}

/// The text for a place and a program.
fn text(place: &Place, program: &str, user: &str) -> String {
    match place.kind {
        Kind::Systemd => systemd::unit(place, program),
        Kind::Launchd => launchd::job(place, program, user),
    }
}

pub(super) fn main(args: &ServiceArgs) -> ExitCode {
    let (done, json) = match &args.action {
        Action::Install(args) => (install(args), args.json),
        Action::Uninstall(args) => (uninstall(&args.place), args.json),
        Action::Status(args) => return status(args),
    };
    let (ok, text, code) = match done {
        Ok(text) => (true, text, exit::DONE),
        Err(error) => (false, error.to_string(), exit::USAGE),
    };
    let said = if json {
        super::say(&format!("{:#}", json!({ "ok": ok, "text": text.trim_end() })))
    } else if ok {
        super::say(&text.trim_end())
    } else {
        super::complain(&text);
        ExitCode::SUCCESS
    };
    if said == ExitCode::SUCCESS { ExitCode::from(code) } else { said }
}

fn install(args: &InstallArgs) -> Result<String, ServiceError> {
    let place = args.place.place()?;
    let program = match &args.program {
        Some(program) => program.clone(),
        None => std::env::current_exe().map_err(ServiceError::Program)?,
    };
    runs_there(&place, &program)?;
    let text = text(&place, &program.to_string_lossy(), &args.run_as);
    if args.print {
        return Ok(text);
    }
    let file = |source| ServiceError::File { path: place.file.clone(), source };
    match std::fs::read_to_string(&place.file) {
        Ok(old) if old != text && !args.force => return Err(ServiceError::Differs(place.file)),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(file(error)),
    }
    for directory in place.file.parent().into_iter().chain(place.directories.iter().map(PathBuf::as_path)) {
        std::fs::create_dir_all(directory)
            .map_err(|source| ServiceError::File { path: directory.to_path_buf(), source })?;
    }
    std::fs::write(&place.file, text).map_err(file)?;
    let (start, speak) = (place.how_to_start(&args.run_as), place.how_to_speak());
    Ok(format!("written: {}\n{start}\n{speak}", place.file.display()))
}

/// Whether the service manager could run the program from that place.
fn runs_there(place: &Place, program: &Path) -> Result<(), ServiceError> {
    let path = program.to_path_buf();
    if !program.is_absolute() || !program.is_file() {
        return Err(ServiceError::NoProgram(path));
    }
    let homes = ["/home", "/root", "/run/user"];
    let hidden = place.system && place.kind == Kind::Systemd && homes.iter().any(|home| program.starts_with(home));
    if hidden { Err(ServiceError::InAHome(path)) } else { Ok(()) }
}

fn uninstall(args: &PlaceArgs) -> Result<String, ServiceError> {
    let place = args.place()?;
    let file = |source| ServiceError::File { path: place.file.clone(), source };
    match std::fs::read_to_string(&place.file) {
        Ok(text) if !text.contains(MARK) => return Err(ServiceError::NotOurs(place.file)),
        Ok(_) => std::fs::remove_file(&place.file).map_err(file)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(format!("not installed: there is no {}", place.file.display()));
        }
        Err(error) => return Err(file(error)),
    }
    Ok(format!("removed: {}; journals and settings stay\n{}", place.file.display(), place.how_to_stop()))
}

/// What the place's daemon says. A user's service may have the default state directory; a machine's has its own.
fn asked(daemon: &DaemonArgs, place: &Place) -> Result<Reply, Silence> {
    let dir = match daemon.named() {
        Ok(None) if place.system => Ok(place.state.clone()),
        Ok(None) => default_state_dir().map(|default| meant(default, vec![place.state.clone()])),
        Ok(Some(dir)) => Ok(dir),
        Err(error) => Err(error),
    };
    operate::asked_at(&dir.map_err(Silence::Where)?.join(CONTROL_SOCKET), &Request::Status {})
}

/// Installed or not, and what the daemon says of itself.
fn status(args: &StatusArgs) -> ExitCode {
    let place = match args.place.place() {
        Ok(place) => place,
        Err(error) => {
            super::complain(&error);
            return ExitCode::from(exit::USAGE);
        }
    };
    let installed = place.file.exists();
    let asked = asked(&args.daemon, &place);
    if args.json {
        let (status, silence, code) = match asked {
            Ok(reply) => {
                let leave = reply.status.as_ref().is_some_and(operate::orders_leave);
                (reply.status, None, if leave { exit::DONE } else { exit::NOT_READY })
            }
            Err(error) => (None, Some(error.to_string()), exit::RESTART),
        };
        let status =
            status.map(|status| json!({"trading": status["trading"], "why": status["why"], "ready": status["ready"]}));
        let all = json!({"installed": installed, "file": place.file, "daemon": status, "silence": silence});
        let said = super::say(&format!("{all:#}"));
        return if said == ExitCode::SUCCESS { ExitCode::from(code) } else { said };
    }
    let words = if installed { "installed" } else { "not installed" };
    let mut text = format!("service     {words}: {}\n", place.file.display());
    let code = match asked {
        Ok(reply) => {
            let status = reply.status.unwrap_or_default();
            let word = |key: &str| status[key].as_str().filter(|word| !word.is_empty()).map(str::to_owned);
            text += &format!("daemon      trading: {}\n", word("trading").unwrap_or_else(|| "unknown".to_owned()));
            text += &word("why").map(|why| format!("why         {why}\n")).unwrap_or_default();
            if operate::orders_leave(&status) { exit::DONE } else { exit::NOT_READY }
        }
        Err(error) => {
            text += &format!("daemon      {error}\n");
            exit::RESTART
        }
    };
    text += &format!("more        {}", place.how_to_look());
    let said = super::say(&text);
    if said == ExitCode::SUCCESS { ExitCode::from(code) } else { said }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The files in deploy/ are what is written for a machine.
    #[test]
    fn the_files_in_deploy_are_those_that_are_installed() {
        for (kind, name) in
            [(Kind::Systemd, "deploy/systemd/robo-trader.service"), (Kind::Launchd, "deploy/launchd/robo-trader.plist")]
        {
            let wanted = text(&Place::of(kind, true).unwrap(), "/usr/local/bin/robo-trader", USER);
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
            if std::env::var_os("UPDATE_DOCS").is_some() {
                std::fs::write(&path, &wanted).unwrap();
            }
            let is = std::fs::read_to_string(&path).unwrap();
            assert_eq!(is, wanted, "{name}: UPDATE_DOCS=1 cargo test --lib cli::service writes it");
            assert!(is.contains(MARK));
        }
    }

    #[test]
    fn a_human_needed_ends_or_stays_by_what_the_manager_can_do() {
        let unit = text(&Place::of(Kind::Systemd, true).unwrap(), "/usr/local/bin/robo-trader", USER);
        let codes = format!("RestartPreventExitStatus={} {} {}", exit::USAGE, exit::HUMAN, exit::JOURNAL);
        for line in ["Type=notify", "WatchdogSec=180", "TimeoutStartSec=infinity", codes.as_str()] {
            assert!(unit.lines().any(|is| is == line), "{line}");
        }
        let job = text(&Place::of(Kind::Launchd, true).unwrap(), "/usr/local/bin/robo-trader", USER);
        assert!(job.contains("<string>--stay</string>") && job.contains("<key>DESK_STALL_ABORT</key>"), "{job}");
    }
}
