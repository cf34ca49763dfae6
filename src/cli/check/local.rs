//! This machine: settings, state directory, disk, clock, calendar, journals.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use chrono::Days;

use super::{Finding, State};
use crate::calendar::{Calendar, Day};
use crate::cli::records::ledgers;
use crate::cli::state_dir::default_state_dir;
use crate::clock::wall_now;
use crate::config::Settings;
use crate::domain::MarketTime;
use crate::journal::upkeep;

/// Room below which one is warned, and below which a day of trading may not fit.
const ROOM: (u64, u64) = (2 << 30, 200 << 20);
/// The calendar has to reach so far ahead.
const DAYS_AHEAD: u64 = 90;

/// Names that look like settings and are none.
pub(super) fn warnings(warnings: &[String]) -> Finding {
    match warnings {
        [] => Finding::ok("settings", "all can be read"),
        some => Finding::of("settings", State::Warn, some.join("; "), "correct or remove these names"),
    }
}

pub(super) fn all(settings: &Settings) -> Vec<Finding> {
    let dir = match settings.state_dir.clone().map_or_else(default_state_dir, Ok) {
        Ok(dir) => dir,
        Err(error) => return vec![Finding::of("state", State::Fail, error, "set STATE_DIR")],
    };
    let mut found = vec![state_dir(&dir), disk(&dir)];
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
    found.push(clock(newest, wall_now()));
    found
}

fn state_dir(dir: &Path) -> Finding {
    let Ok(about) = std::fs::metadata(dir) else {
        return Finding::ok("state", format!("{} is not there yet: the first start makes it", dir.display()));
    };
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let found = format!("{} may be read by others (mode {mode:o})", dir.display());
        return Finding::of("state", State::Warn, found, format!("chmod 700 {}", dir.display()));
    }
    writable("state", dir)
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

/// The wall clock never runs behind what was written by it.
fn clock(newest: Option<MarketTime>, now: MarketTime) -> Finding {
    match newest {
        None => Finding::of(
            "clock",
            State::Unknown,
            format!("{now}; no journal to compare it with"),
            "see that it is set by NTP",
        ),
        Some(newest) if newest > now => Finding::of(
            "clock",
            State::Fail,
            format!("{now}, yet the journal was written at {newest}"),
            "set the clock (NTP): one that is off by five minutes gets no session",
        ),
        Some(newest) => Finding::ok("clock", format!("{now}; the journal was last written at {newest}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_behind_the_journal_and_a_full_disk_are_found() {
        let (early, late) = (MarketTime::from_secs(1_000), MarketTime::from_secs(2_000));
        let states = [clock(None, early), clock(Some(early), late), clock(Some(late), early)].map(|found| found.state);
        assert_eq!(states, [State::Unknown, State::Ok, State::Fail]);
        let states = [50, 150, 250].map(|free| room(free, (200, 100)).state);
        assert_eq!(states, [State::Fail, State::Warn, State::Ok]);
    }

    #[test]
    fn a_calendar_that_ends_is_found() {
        assert_eq!(calendar(Calendar::Always).state, State::Ok);
        assert_ne!(calendar(Calendar::Xnys).state, State::Unknown);
    }
}
