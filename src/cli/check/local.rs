//! This machine: settings, state directory, secrets, disk, clock, calendar, journals, the dashboard's port.

use std::io::{self, Read};
use std::net::{IpAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use chrono::Days;

use super::{Finding, State};
use crate::calendar::{Calendar, Day};
use crate::cli::operate;
use crate::cli::records::ledgers;
use crate::cli::state_dir::daemons;
use crate::clock::wall_now;
use crate::config::Settings;
use crate::domain::MarketTime;
use crate::journal::upkeep;
use crate::runner::CONTROL_SOCKET;
use crate::runner::operate::Request;
use crate::web::token::TOKEN_FILE;

/// Room below which one is warned, and below which a day of trading may not fit.
const ROOM: (u64, u64) = (2 << 30, 200 << 20);
/// The calendar has to reach so far ahead.
const DAYS_AHEAD: u64 = 90;

/// How often one looks whether timedatectl has answered, and how long between two looks.
const LOOKS: (u32, Duration) = (100, Duration::from_millis(20));

/// Names that look like settings and are none.
pub(super) fn warnings(warnings: &[String]) -> Finding {
    match warnings {
        [] => Finding::ok("settings", "all can be read"),
        some => Finding::of("settings", State::Warn, some.join("; "), "correct or remove these names"),
    }
}

pub(super) fn all(settings: &Settings) -> Vec<Finding> {
    let dir = match daemons(settings.state_dir.clone()) {
        Ok(dir) => dir,
        Err(error) => return vec![Finding::of("state", State::Fail, error, "set STATE_DIR")],
    };
    let mut found = vec![state_dir(&dir), disk(&dir)];
    found.extend([dir.join(TOKEN_FILE), ".env".into()].iter().filter_map(|path| secret(path)));
    if settings.web.enabled {
        found.push(dashboard(settings.web.bind, settings.web.port, || served(&dir)));
    }
    if let Some(log) = &settings.log_file {
        let parent = log.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        found.push(writable("log", parent));
    }
    found.push(calendar(settings.calendar));
    let mut newest: Option<MarketTime> = None;
    for ledger in ledgers(&dir) {
        let name = format!("{} {}", ledger.venue, ledger.account);
        match upkeep::verify(&ledger.path) {
            Ok(sound) => {
                let words = format!("{name}: {} records up to {}, sound", sound.records, sound.newest);
                found.push(Finding::ok("journal", words));
            }
            Err(error) => found.push(Finding::of(
                "journal",
                State::Fail,
                format!("{name}: {error}"),
                "keep the file, restore a backup",
            )),
        }
        newest = newest.max(upkeep::last_written(&ledger.path).ok().flatten());
    }
    found.push(clock(newest, wall_now(), by_ntp(Command::new("timedatectl"), LOOKS)));
    found
}

fn state_dir(dir: &Path) -> Finding {
    let about = match std::fs::metadata(dir) {
        Ok(about) => about,
        Err(error) => return no_state_dir(dir, &error),
    };
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let found = format!("{} may be read by others (mode {mode:o})", dir.display());
        return Finding::of("state", State::Warn, found, format!("chmod 700 {}", dir.display()));
    }
    writable("state", dir)
}

/// One that is not there yet, or that others may not look into, as a machine's service has it.
fn no_state_dir(dir: &Path, error: &io::Error) -> Finding {
    if error.kind() == io::ErrorKind::PermissionDenied {
        return Finding::of(
            "state",
            State::Unknown,
            format!("{}: {error}", dir.display()),
            "check as its user, or by sudo",
        );
    }
    let above = dir.ancestors().find(|part| part.exists()).unwrap_or(Path::new("."));
    match writable("state", above) {
        Finding { state: State::Ok, .. } => {
            Finding::ok("state", format!("{} is not there yet: the first start makes it", dir.display()))
        }
        Finding { found, remedy, .. } => {
            let found = format!("{} is not there and cannot be made: {found}", dir.display());
            Finding::of("state", State::Fail, found, format!("{remedy}, or name another by STATE_DIR"))
        }
    }
}

/// A file with secrets, where it is there: for its user alone.
fn secret(path: &Path) -> Option<Finding> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Some(Finding::ok("secrets", format!("{} is its user's alone", path.display())));
    }
    let found = format!("{} may be read by others (mode {mode:o})", path.display());
    Some(Finding::of("secrets", State::Warn, found, format!("chmod 600 {}", path.display())))
}

/// Where the daemon that runs says that its dashboard is.
fn served(dir: &Path) -> Option<String> {
    let reply = operate::asked_at(&dir.join(CONTROL_SOCKET), &Request::Status {}).ok()?;
    Some(reply.status?["dashboard"].as_str()?.to_owned())
}

/// Whether the dashboard's port can be had, or is the daemon's own (`served`). Who has it is not asked at the port: it
/// might be the gateway.
fn dashboard(bind: IpAddr, port: u16, served: impl FnOnce() -> Option<String>) -> Finding {
    let told = |words: &str| format!("{bind} port {port}: {words}");
    match TcpListener::bind((bind, port)) {
        Ok(_) => Finding::ok("dashboard", told("free")),
        Err(_) if served().is_some_and(|at| at.ends_with(&format!(":{port}/"))) => {
            Finding::ok("dashboard", told("served by the daemon that runs"))
        }
        Err(error) => {
            let remedy = "set DASH_PORT or DASH_BIND: the daemon trades, but shows nothing until it gets the port";
            Finding::of("dashboard", State::Warn, told(&error.to_string()), remedy)
        }
    }
}

/// Whether a file can be made there; the one that was is taken away again.
fn writable(name: &'static str, dir: &Path) -> Finding {
    let probe = dir.join(format!(".robo-trader-check-{}", std::process::id()));
    match std::fs::write(&probe, "").and_then(|()| std::fs::remove_file(&probe)) {
        Ok(()) => Finding::ok(name, format!("{} can be written", dir.display())),
        Err(error) => Finding::of(
            name,
            State::Fail,
            format!("{} cannot be written: {error}", dir.display()),
            "check its owner and permissions",
        ),
    }
}

fn disk(dir: &Path) -> Finding {
    // What is not there yet will lie on the disk of what is.
    let there = dir.ancestors().find(|part| part.exists()).unwrap_or(Path::new("/"));
    match rustix::fs::statvfs(there) {
        Ok(about) => room(about.f_bavail.saturating_mul(about.f_frsize), ROOM),
        Err(error) => Finding::of("disk", State::Unknown, format!("{}: {error}", there.display()), "look with df"),
    }
}

fn room(free: u64, (little, too_little): (u64, u64)) -> Finding {
    let words = format!("{} MB free", free >> 20);
    match free {
        free if free < too_little => Finding::of("disk", State::Fail, words, "make room: without it trading stops"),
        free if free < little => Finding::of("disk", State::Warn, words, "make room soon"),
        _ => Finding::ok("disk", words),
    }
}

fn calendar(calendar: Calendar) -> Finding {
    let today = calendar.date_of(wall_now());
    let reaches = |days: u64| calendar.day(today + Days::new(days)) != Day::Unknown;
    let name = calendar.as_str();
    if !reaches(0) {
        return Finding::of(
            "calendar",
            State::Fail,
            format!("{name} does not know {today}"),
            "use a newer version of this program",
        );
    }
    if !reaches(DAYS_AHEAD) {
        let found = format!("{name} ends within {DAYS_AHEAD} days");
        return Finding::of("calendar", State::Warn, found, "use a newer version of this program soon");
    }
    Finding::ok("calendar", format!("{name} reaches beyond {}", today + Days::new(DAYS_AHEAD)))
}

/// Whether NTP keeps the clock, by what systemd says; `None` where nobody says, or not in time.
fn by_ntp(mut timedatectl: Command, (looks, between): (u32, Duration)) -> Option<bool> {
    let asked = timedatectl.args(["show", "-p", "NTPSynchronized", "--value"]);
    let mut child = asked.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let ended = (0..looks).find_map(|_| {
        let ended = child.try_wait().transpose();
        if ended.is_none() {
            std::thread::sleep(between);
        }
        ended
    });
    let mut text = String::new();
    match ended {
        Some(_) => child.stdout?.read_to_string(&mut text).ok()?,
        None => return child.kill().and_then(|()| child.wait()).ok().and(None),
    };
    match text.trim() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

/// The wall clock never runs behind what was written by it; that it is right, only NTP knows.
fn clock(newest: Option<MarketTime>, now: MarketTime, by_ntp: Option<bool>) -> Finding {
    if let Some(newest) = newest.filter(|newest| *newest > now) {
        let found = format!("{now}, yet the journal was written at {newest}");
        let remedy = "set the clock (NTP): one that is off by five minutes gets no session";
        return Finding::of("clock", State::Fail, found, remedy);
    }
    match by_ntp {
        Some(true) => Finding::ok("clock", format!("{now}, synchronized by NTP")),
        Some(false) => {
            let remedy = "timedatectl set-ntp true: a clock that is off by five minutes gets no session";
            Finding::of("clock", State::Warn, format!("{now}, not synchronized"), remedy)
        }
        None => Finding::of(
            "clock",
            State::Unknown,
            format!("{now}; timedatectl does not say whether it is synchronized"),
            "see that it is set by NTP; check --connect compares it with the gateway's",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_behind_the_journal_and_a_full_disk_are_found() {
        let (early, late) = (MarketTime::from_secs(1_000), MarketTime::from_secs(2_000));
        let found = [
            clock(Some(early), late, Some(true)),
            clock(None, early, Some(false)),
            clock(Some(early), late, None),
            clock(Some(late), early, Some(true)),
        ];
        let states = found.map(|found| found.state);
        assert_eq!(states, [State::Ok, State::Warn, State::Unknown, State::Fail]);
        let states = [50, 150, 250].map(|free| room(free, (200, 100)).state);
        assert_eq!(states, [State::Fail, State::Warn, State::Ok]);
    }

    #[test]
    fn a_calendar_that_ends_is_found() {
        assert_eq!(calendar(Calendar::Always).state, State::Ok);
        assert_ne!(calendar(Calendar::Xnys).state, State::Unknown);
    }

    #[test]
    fn whoever_does_not_answer_about_the_clock_is_not_waited_for() {
        let mut hangs = Command::new("sh");
        hangs.args(["-c", "exec sleep 600"]);
        assert_eq!(by_ntp(hangs, (3, Duration::from_millis(1))), None);
        assert_eq!(by_ntp(Command::new("no-such-program"), LOOKS), None);
    }

    #[test]
    fn a_state_directory_that_is_closed_is_not_taken_for_one_that_is_missing() {
        let place = tempfile::tempdir().unwrap();
        let state = |kind: io::ErrorKind| no_state_dir(&place.path().join("state"), &io::Error::from(kind)).state;
        assert_eq!([io::ErrorKind::NotFound, io::ErrorKind::PermissionDenied].map(state), [State::Ok, State::Unknown]);
    }

    #[test]
    fn a_port_is_free_the_daemons_own_or_somebody_elses() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let (bind, port) = (taken.local_addr().unwrap().ip(), taken.local_addr().unwrap().port());
        let state = |served: Option<String>| dashboard(bind, port, || served).state;
        assert_eq!(state(Some(format!("http://{bind}:{port}/"))), State::Ok);
        assert_eq!([state(Some("http://127.0.0.1:1/".to_owned())), state(None)], [State::Warn, State::Warn]);
        drop(taken);
        assert_eq!(state(None), State::Ok);
    }
}
