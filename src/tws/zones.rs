//! Wall clocks in the zones that TWS names.

use chrono::{DateTime, NaiveDateTime, TimeDelta, TimeZone};
use chrono_tz::{TZ_VARIANTS, Tz};

use crate::domain::MarketTime;

/// Abbreviations and Windows names that gateways were seen to use, and what they mean in the
/// Americas (`EST` in the IANA database is a zone without summer time, which no exchange keeps).
const ALIASES: [(&str, Tz); 14] = [
    ("EST", Tz::America__New_York),
    ("EDT", Tz::America__New_York),
    ("ET", Tz::America__New_York),
    ("EASTERN STANDARD TIME", Tz::America__New_York),
    ("CST", Tz::America__Chicago),
    ("CDT", Tz::America__Chicago),
    ("CT", Tz::America__Chicago),
    ("CENTRAL STANDARD TIME", Tz::America__Chicago),
    ("MST", Tz::America__Denver),
    ("MDT", Tz::America__Denver),
    ("PST", Tz::America__Los_Angeles),
    ("PDT", Tz::America__Los_Angeles),
    ("PACIFIC STANDARD TIME", Tz::America__Los_Angeles),
    ("GMT STANDARD TIME", Tz::Europe__London),
];

/// The zone of that name: an alias, an IANA name in any case, or either before a remark in
/// parentheses (`EST (Eastern Standard Time)`).
pub fn zone(name: &str) -> Option<Tz> {
    let name = name.split('(').next().unwrap_or(name).trim();
    let alias = ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(name)).map(|(_, zone)| *zone);
    let exact = || name.parse().ok();
    let any_case = || TZ_VARIANTS.iter().copied().find(|zone| zone.name().eq_ignore_ascii_case(name));
    alias.or_else(exact).or_else(any_case)
}

/// The instant of a wall clock in a zone. Of two (clocks set back) the first; of none (clocks set
/// forward) the one an hour later, as the wall clock itself shows it.
pub fn instant(zone: Tz, wall: NaiveDateTime) -> Option<MarketTime> {
    let at = |wall: NaiveDateTime| -> Option<DateTime<Tz>> { zone.from_local_datetime(&wall).earliest() };
    at(wall).or_else(|| at(wall + TimeDelta::hours(1))).map(|at| MarketTime::from(at.to_utc()))
}

/// An instant as TWS writes it: `20261123 10:30:00 US/Eastern`, `20261123-10:30:00` (UTC),
/// two blanks after the date (older gateways), or without a zone, which then is `default`.
pub fn parse_instant(text: &str, default: Tz) -> Option<MarketTime> {
    let text = text.trim();
    if text.len() > 8 && text.as_bytes()[8] == b'-' {
        let wall = NaiveDateTime::parse_from_str(text, "%Y%m%d-%H:%M:%S").ok()?;
        return instant(Tz::UTC, wall);
    }
    let mut parts = text.splitn(2, ' ');
    let (date, rest) = (parts.next()?, parts.next()?.trim_start());
    let (time, zone_name) = rest.split_once(' ').map_or((rest, ""), |(time, zone)| (time, zone.trim()));
    let zone = if zone_name.is_empty() { default } else { zone(zone_name)? };
    instant(zone, NaiveDateTime::parse_from_str(&format!("{date} {time}"), "%Y%m%d %H:%M:%S").ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> Option<MarketTime> {
        DateTime::parse_from_rfc3339(text).ok().map(|at| MarketTime::from(at.to_utc()))
    }

    #[test]
    fn execution_times_are_read_in_every_form_seen() {
        let expected = utc("2026-11-23T15:30:00Z");
        for text in [
            "20261123 10:30:00 US/Eastern",
            "20261123  10:30:00 US/Eastern",
            "20261123 10:30:00 America/New_York",
            "20261123 10:30:00 america/new_york",
            "20261123 10:30:00 EST",
            "20261123 10:30:00 EST (Eastern Standard Time)",
            "20261123 10:30:00 Eastern Standard Time",
            "20261123 15:30:00 UTC",
            "20261123-15:30:00",
            " 20261123  10:30:00 ",
        ] {
            assert_eq!(parse_instant(text, Tz::America__New_York), expected, "{text}");
        }
        assert_eq!(parse_instant("20260701 10:30:00 EST", Tz::UTC), utc("2026-07-01T14:30:00Z"));
    }

    #[test]
    fn clock_changes_have_an_answer() {
        let read = |text| parse_instant(text, Tz::UTC);
        assert_eq!(read("20261101 01:30:00 US/Eastern"), utc("2026-11-01T05:30:00Z"));
        assert_eq!(read("20260308 02:30:00 US/Eastern"), utc("2026-03-08T07:30:00Z"));
    }

    #[test]
    fn nonsense_is_refused_without_panic() {
        for bad in ["", "20261123", "20261123 ", "20261399 10:00:00 UTC", "20261123 10:00:00 Mars/Olympus", "éééééé 1"]
        {
            assert_eq!(parse_instant(bad, Tz::UTC), None, "{bad}");
        }
    }
}
