//! Expected outages: the times at which IBKR resets its servers, a gateway restarts itself, or a
//! log-in ends. Orders are held before them, alarms rest inside them, and what is still down at
//! their end is told with a louder voice.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, Days, NaiveDate, NaiveTime, TimeZone, Timelike, Utc, Weekday};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::domain::{MarketTime, Window};

/// IBKR's own windows, as its system-status page states them: North America's, Europe's and Asia's
/// nightly resets, each with the weekend's one for all; and the hour in which log-ins of the week
/// end.
const PRESETS: &[(&str, &[&str])] = &[
    (
        "ibkr-us",
        &["America/New_York Sun-Fri 00:15-01:45 nightly reset", "America/New_York Fri 23:00-03:00 weekend reset"],
    ),
    (
        "ibkr-europe",
        &["Europe/Zurich Sun-Fri 06:25-07:45 nightly reset", "America/New_York Fri 23:00-03:00 weekend reset"],
    ),
    (
        "ibkr-asia",
        &[
            "Asia/Hong_Kong Sun-Fri 04:45-06:05 nightly reset",
            "Asia/Hong_Kong Sun-Fri 20:15-21:15 nightly reset",
            "America/New_York Fri 23:00-03:00 weekend reset",
        ],
    ),
    ("weekly-login", &["America/New_York Sun 01:00-02:00 weekly log-in"]),
];

const DAYS: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Mon),
    ("Tue", Weekday::Tue),
    ("Wed", Weekday::Wed),
    ("Thu", Weekday::Thu),
    ("Fri", Weekday::Fri),
    ("Sat", Weekday::Sat),
    ("Sun", Weekday::Sun),
];

/// A window that comes again on some days of the week, by a zone's wall clock. One that ends before
/// it begins ends on the next day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedWindow {
    zone: Tz,
    /// By days from Monday: whether it begins on that day.
    days: [bool; 7],
    from: NaiveTime,
    to: NaiveTime,
    name: String,
}

/// A text that is no list of windows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no expected window ({why}); use ibkr-us, ibkr-europe, ibkr-asia, weekly-login, or ZONE DAYS HH:MM-HH:MM NAME, such as \"America/New_York daily 23:45-23:50 gateway restart\", several separated by ;"
)]
pub struct BadWindow {
    /// The part that is wrong.
    pub text: String,
    /// What is wrong with it.
    pub why: String,
}

/// All of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ExpectedWindows {
    text: String,
    windows: Vec<ExpectedWindow>,
}

impl ExpectedWindows {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    /// The window that `at` lies in, with its name: the one that ends last.
    pub fn active(&self, at: MarketTime) -> Option<(&str, Window)> {
        let around = self.windows.iter().filter_map(|window| Some((window.name.as_str(), window.around(at)?)));
        around.max_by_key(|(_, window)| window.close)
    }

    /// The window that `at` lies in, or that begins within `ahead` of it.
    pub fn near(&self, at: MarketTime, ahead: std::time::Duration) -> Option<(&str, Window)> {
        let begins = |window: &'_ ExpectedWindow| {
            let date = at.utc().with_timezone(&window.zone).date_naive();
            let dates = [Some(date), date.succ_opt()].into_iter().flatten();
            dates.filter_map(|date| window.on(date)).find(|next| at <= next.open && next.open <= at + ahead)
        };
        let next = || self.windows.iter().find_map(|window| Some((window.name.as_str(), begins(window)?)));
        self.active(at).or_else(next)
    }
}

impl ExpectedWindow {
    /// This window's occurrence around `at`, if there is one.
    fn around(&self, at: MarketTime) -> Option<Window> {
        let today = at.utc().with_timezone(&self.zone).date_naive();
        let yesterday = today.checked_sub_days(Days::new(1));
        let occurs = [Some(today), yesterday].into_iter().flatten().filter_map(|date| self.on(date));
        occurs.into_iter().find(|window| window.open <= at && at < window.close)
    }

    fn on(&self, date: NaiveDate) -> Option<Window> {
        if !self.days[date.weekday().num_days_from_monday() as usize] {
            return None;
        }
        let ends = if self.to > self.from { date } else { date.checked_add_days(Days::new(1))? };
        Some(Window { open: self.instant(date, self.from)?, close: self.instant(ends, self.to)? })
    }

    /// The instant of a wall clock: the first of two, and where spring skips it, an hour later.
    fn instant(&self, date: NaiveDate, time: NaiveTime) -> Option<MarketTime> {
        let wall = date.and_time(time);
        let found = self.zone.from_local_datetime(&wall).earliest().or_else(|| {
            let later = wall.checked_add_signed(chrono::TimeDelta::hours(1))?;
            self.zone.from_local_datetime(&later).earliest()
        });
        Some(MarketTime::from(found?.with_timezone(&Utc)))
    }
}

fn days(text: &str) -> Option<[bool; 7]> {
    if text.eq_ignore_ascii_case("daily") {
        return Some([true; 7]);
    }
    let day = |name: &str| {
        let found = DAYS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name.trim()));
        found.map(|(_, day)| day.num_days_from_monday() as usize)
    };
    let mut days = [false; 7];
    for part in text.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (mut at, to) = (day(from)?, day(to)?);
        days[at] = true;
        while at != to {
            at = (at + 1) % 7;
            days[at] = true;
        }
    }
    Some(days)
}

fn window(text: &str) -> Result<ExpectedWindow, BadWindow> {
    let bad = |why: &str| BadWindow { text: text.trim().to_owned(), why: why.to_owned() };
    let mut words = text.split_whitespace();
    let zone = words.next().and_then(|word| word.parse::<Tz>().ok()).ok_or_else(|| bad("its zone is no IANA zone"))?;
    let days = words.next().and_then(days).ok_or_else(|| bad("its days are not daily, Mon, Mon-Fri or Sat,Sun"))?;
    let times = words.next().and_then(|word| word.split_once('-'));
    let time = |text: &str| NaiveTime::parse_from_str(text, "%H:%M").ok();
    let (from, to) = times
        .and_then(|(from, to)| Some((time(from)?, time(to)?)))
        .ok_or_else(|| bad("its times are not HH:MM-HH:MM"))?;
    if from == to {
        return Err(bad("it ends when it begins"));
    }
    let name = words.collect::<Vec<_>>().join(" ");
    let unnamed = || format!("{:02}:{:02}-{:02}:{:02} {zone}", from.hour(), from.minute(), to.hour(), to.minute());
    Ok(ExpectedWindow { zone, days, from, to, name: if name.is_empty() { unnamed() } else { name } })
}

impl FromStr for ExpectedWindows {
    type Err = BadWindow;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut windows = Vec::new();
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            match PRESETS.iter().find(|(name, _)| name.eq_ignore_ascii_case(part)) {
                Some((_, lines)) => {
                    for line in *lines {
                        windows.push(window(line)?);
                    }
                }
                None => windows.push(window(part)?),
            }
        }
        Ok(Self { text: text.trim().to_owned(), windows })
    }
}

impl fmt::Display for ExpectedWindows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for ExpectedWindows {
    type Error = BadWindow;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ExpectedWindows> for String {
    fn from(windows: ExpectedWindows) -> Self {
        windows.text
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(text: &str) -> MarketTime {
        MarketTime::from(chrono::DateTime::parse_from_rfc3339(text).unwrap().with_timezone(&Utc))
    }

    fn named(windows: &str, when: &str) -> Option<String> {
        let windows: ExpectedWindows = windows.parse().unwrap();
        windows.active(at(when)).map(|(name, _)| name.to_owned())
    }

    #[test]
    fn ibkrs_nightly_reset_follows_new_yorks_clock_through_the_year() {
        for (when, inside) in [
            ("2026-11-24T05:14:59Z", false), // Tuesday 00:14:59 EST
            ("2026-11-24T05:15:00Z", true),
            ("2026-11-24T06:44:59Z", true),
            ("2026-11-24T06:45:00Z", false),
            ("2026-06-23T04:15:00Z", true), // Tuesday 00:15 EDT
            ("2026-06-23T05:45:00Z", false),
            ("2026-11-28T05:30:00Z", true), // Saturday 00:30: the weekend's one, begun on Friday
            ("2026-11-28T08:00:00Z", false), // 03:00
        ] {
            assert_eq!(named("ibkr-us", when).is_some(), inside, "{when}");
        }
    }

    #[test]
    fn a_window_of_ones_own_is_told_by_its_name_and_orders_are_held_before_it() {
        let text = "weekly-login; America/New_York daily 23:45-23:50 gateway restart";
        assert_eq!(named(text, "2026-11-24T04:47:00Z").as_deref(), Some("gateway restart"));
        assert_eq!(named(text, "2026-11-22T06:30:00Z").as_deref(), Some("weekly log-in"));
        let windows: ExpectedWindows = text.parse().unwrap();
        let before = at("2026-11-24T04:44:00Z");
        assert_eq!(windows.active(before), None);
        assert!(windows.near(before, Duration::from_secs(120)).is_some());
        assert!(windows.near(before, Duration::from_secs(30)).is_none());
        assert!(windows.near(before, Duration::from_secs(3_600)).is_some(), "longer than the window itself");
        assert_eq!(String::from(windows), text);
    }

    #[test]
    fn across_the_change_of_clocks_a_window_still_begins_and_ends() {
        // New York skips 02:00 to 03:00 on 2026-03-08.
        let text = "America/New_York Sun 01:30-02:30 dst";
        assert!(named(text, "2026-03-08T06:45:00Z").is_some());
        assert!(named(text, "2026-03-08T07:20:00Z").is_some(), "03:20 by the new clock");
        assert!(named(text, "2026-03-08T07:31:00Z").is_none());
    }

    #[test]
    fn a_bad_window_is_named_with_what_is_wrong() {
        for (text, part) in [
            ("ibkr-mars", "IANA zone"),
            ("America/New_York someday 01:00-02:00", "days"),
            ("America/New_York daily 1-2", "HH:MM"),
            ("America/New_York daily 25:00-26:00", "HH:MM"),
            ("America/New_York daily 01:00-01:00", "ends when it begins"),
            ("America/New_York", "days"),
        ] {
            let error = text.parse::<ExpectedWindows>().unwrap_err().to_string();
            assert!(error.contains(part) && error.contains(text), "{text}: {error}");
        }
        assert!("".parse::<ExpectedWindows>().unwrap().is_empty());
    }
}
