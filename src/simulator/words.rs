//! TWS's ways of writing times, dates and numbers.

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeZone};
use chrono_tz::Tz;

use crate::domain::MarketTime;

/// The zone in which this gateway writes its times, by the name that IBKR uses.
pub const ZONE: Tz = chrono_tz::US::Eastern;
/// Its name on the wire.
pub const ZONE_NAME: &str = "US/Eastern";

/// The date that the gateway's clock shows.
pub fn local_date(at: MarketTime) -> NaiveDate {
    local(at).date_naive()
}

fn local(at: MarketTime) -> DateTime<Tz> {
    at.utc().with_timezone(&ZONE)
}

/// `20261123 10:00:00 US/Eastern`.
pub fn date_time_zone(at: MarketTime) -> String {
    format!("{} {ZONE_NAME}", local(at).format("%Y%m%d %H:%M:%S"))
}

/// `2026-11-23 10:00:00 US/Eastern`, as messages for people write it.
pub fn dashed_date_time(at: MarketTime) -> String {
    format!("{} {ZONE_NAME}", local(at).format("%Y-%m-%d %H:%M:%S"))
}

/// `20261123-10:00:00`, wall clock of [`ZONE`].
pub fn joined_date_time(at: MarketTime) -> String {
    local(at).format("%Y%m%d-%H:%M:%S").to_string()
}

/// `20261123`.
pub fn date(date: NaiveDate) -> String {
    date.format("%Y%m%d").to_string()
}

/// `10:00`.
pub fn clock(at: MarketTime) -> String {
    local(at).format("%H:%M").to_string()
}

/// `20261123:0930`, wall clock of [`ZONE`].
pub fn hours_edge(at: MarketTime) -> String {
    local(at).format("%Y%m%d:%H%M").to_string()
}

/// The instant of a wall-clock time in `zone`; the earlier one where it happens twice, the next
/// existing one where a clock change skips it.
pub fn instant(zone: Tz, at: NaiveDateTime) -> Option<MarketTime> {
    let found = zone.from_local_datetime(&at).earliest();
    let found = found.or_else(|| zone.from_local_datetime(&(at + chrono::TimeDelta::hours(1))).earliest());
    found.map(|at| MarketTime::from_millis(at.timestamp_millis()))
}

/// Midnight of a date in [`ZONE`].
pub fn midnight(date: NaiveDate) -> MarketTime {
    date.and_hms_opt(0, 0, 0).and_then(|at| instant(ZONE, at)).unwrap_or(MarketTime::MIN)
}

/// A zone by its IANA name or one of the American abbreviations that TWS writes.
fn zone(name: &str) -> Option<Tz> {
    match name {
        "" | "EST" | "EDT" => Some(ZONE),
        "CST" | "CDT" => Some(chrono_tz::US::Central),
        "MST" | "MDT" => Some(chrono_tz::US::Mountain),
        "PST" | "PDT" => Some(chrono_tz::US::Pacific),
        "Z" | "GMT" => Some(Tz::UTC),
        other => other.parse().ok(),
    }
}

/// Reads a time as filters write it: a bare date is its first second, everything else as
/// [`parse_date_time`] says.
pub fn parse_since(text: &str) -> Option<MarketTime> {
    match NaiveDate::parse_from_str(text.trim(), "%Y%m%d") {
        Ok(day) => Some(midnight(day)),
        Err(_) => parse_date_time(text),
    }
}

/// Reads a time as requests write it: `YYYYMMDD HH:MM:SS Zone` (no zone: the gateway's own),
/// `YYYYMMDD-HH:MM:SS` (UTC), either without seconds, or a bare date (its last second).
pub fn parse_date_time(text: &str) -> Option<MarketTime> {
    let text = text.trim();
    // Byte positions: anything that is not ASCII cannot be a time.
    if !text.is_ascii() || text.len() < 8 {
        return None;
    }
    let (day, rest) = text.split_at(8);
    let day = NaiveDate::parse_from_str(day, "%Y%m%d").ok()?;
    if rest.is_empty() {
        return day.and_hms_opt(23, 59, 59).and_then(|at| instant(ZONE, at));
    }
    let dashed = rest.starts_with('-');
    let rest = rest[1..].trim_start();
    let (time, zone_name) = rest.split_once(' ').unwrap_or((rest, ""));
    let time = ["%H:%M:%S", "%H:%M"].iter().find_map(|f| chrono::NaiveTime::parse_from_str(time, f).ok())?;
    let zone = if dashed && zone_name.is_empty() { Tz::UTC } else { zone(zone_name.trim())? };
    instant(zone, day.and_time(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_all_their_forms() {
        let ten = MarketTime::from_secs(1_795_446_000); // 2026-11-23 15:00:00 UTC
        assert_eq!(date_time_zone(ten), "20261123 10:00:00 US/Eastern");
        for text in [
            "20261123 10:00:00 US/Eastern",
            "20261123 10:00:00",
            "20261123 10:00:00 EST",
            "20261123-15:00:00",
            "20261123 15:00:00 UTC",
            "20261123 16:00:00 Europe/Berlin",
            "20261123 10:00 America/New_York",
        ] {
            assert_eq!(parse_date_time(text), Some(ten), "{text}");
        }
        for bad in ["", "x", "2026-11-23 10:00", "20261323 10:00:00", "20261123 25:00:00", "20261123 10:00:00 Mars/X"] {
            assert_eq!(parse_date_time(bad), None, "{bad}");
        }
        assert_eq!(parse_date_time("2026112é 10:00"), None);
        assert_eq!(parse_since("20261123").map(date_time_zone).as_deref(), Some("20261123 00:00:00 US/Eastern"));
        assert_eq!(parse_since("20261123 10:00:00"), Some(ten));
    }

    #[test]
    fn a_skipped_hour_becomes_the_next_that_exists() {
        let skipped = NaiveDate::from_ymd_opt(2026, 3, 8).unwrap().and_hms_opt(2, 30, 0).unwrap();
        assert_eq!(instant(ZONE, skipped).map(date_time_zone).as_deref(), Some("20260308 03:30:00 US/Eastern"));
    }
}
