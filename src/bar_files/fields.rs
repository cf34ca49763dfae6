//! What stands in a field: instants and prices, read by hand where they are written as usual and by
//! the libraries where they are not. Both give the same values.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

use crate::domain::MarketTime;

/// What a field that should be an instant is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Instant {
    At(MarketTime),
    /// A date and time without a zone.
    NoZone,
    Wrong,
}

/// An RFC 3339 instant. `2013-10-04T13:30:00` or with a space, seconds and an offset of whole
/// minutes are read by hand.
pub(super) fn instant(text: &[u8]) -> Instant {
    if let Some(at) = usual_instant(text) {
        return Instant::At(at);
    }
    let Ok(text) = std::str::from_utf8(text) else { return Instant::Wrong };
    if let Ok(at) = text.parse::<DateTime<Utc>>() {
        return Instant::At(at.into());
    }
    if local(text).is_some() || date(text.as_bytes()).is_some() { Instant::NoZone } else { Instant::Wrong }
}

fn usual_instant(text: &[u8]) -> Option<MarketTime> {
    let (wall, zone) = text.split_at_checked(19)?;
    let offset = match zone {
        b"Z" => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (two(*h1, *h2)?, two(*m1, *m2)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = hours * 3_600 + minutes * 60;
            if *sign == b'-' { -seconds } else { seconds }
        }
        _ => return None,
    };
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T' | b' ', h1, h2, b':', n1, n2, b':', s1, s2] = wall else {
        return None;
    };
    let days = days(two(*y1, *y2)? * 100 + two(*y3, *y4)?, two(*m1, *m2)?, two(*d1, *d2)?)?;
    let (hour, minute, second) = (two(*h1, *h2)?, two(*n1, *n2)?, two(*s1, *s2)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some(MarketTime::from_secs(days * 86_400 + hour * 3_600 + minute * 60 + second - offset))
}

fn two(tens: u8, ones: u8) -> Option<i64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then_some(i64::from(tens) * 10 + i64::from(ones))
}

/// Days since 1970-01-01 of a Gregorian date (Howard Hinnant's days_from_civil).
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        _ => return None,
    };
    if !(1..=last).contains(&day) {
        return None;
    }
    // Years begin in March, so that the leap day is their last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// A date and time without zone, with `T` or a space, with or without seconds.
pub(super) fn local(text: &str) -> Option<NaiveDateTime> {
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]
        .into_iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
}

/// A date like `2013-10-04`.
pub(super) fn date(text: &[u8]) -> Option<NaiveDate> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Powers of ten that f64 holds exactly.
const TENS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// The nearest f64 of a decimal number.
pub(super) fn number(text: &[u8]) -> Option<f64> {
    usual_number(text).or_else(|| std::str::from_utf8(text).ok()?.parse().ok())
}

/// Up to 15 digits with or without a point: digits and power of ten are exact, so that their
/// quotient is rounded once, as it must be (Clinger's fast path).
fn usual_number(text: &[u8]) -> Option<f64> {
    if text.is_empty() || text.len() > 16 {
        return None;
    }
    let (mut digits, mut count, mut point) = (0_u64, 0, None);
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            digits = digits * 10 + u64::from(digit);
            count += 1;
        } else if *byte == b'.' && point.is_none() {
            point = Some(count);
        } else {
            return None;
        }
    }
    if count == 0 || count > 15 {
        return None;
    }
    Some(digits as f64 / TENS.get(count - point.unwrap_or(count))?)
}

/// More shares than any day has seen in one stock by far: beyond it, a number is no volume.
const SHARES_AT_MOST: u64 = 1_000_000_000_000_000;

/// Shares; some sources write whole volumes with a point. `None` where it is no volume.
pub(super) fn shares(text: &[u8]) -> Option<u64> {
    let whole = match text.iter().position(|byte| *byte == b'.') {
        Some(at) => {
            let (whole, rest) = text.split_at(at);
            if !rest.iter().skip(1).all(u8::is_ascii_digit) {
                return None;
            }
            whole
        }
        None => text,
    };
    if whole.is_empty() || whole.len() > 19 {
        return None;
    }
    let mut shares = 0_u64;
    for byte in whole {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        shares = shares * 10 + u64::from(digit);
    }
    (shares <= SHARES_AT_MOST).then_some(shares)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secs(text: &str) -> Instant {
        instant(text.as_bytes())
    }

    #[test]
    fn instants_of_every_usual_form() {
        let at = Instant::At("2013-10-04T13:30:00Z".parse::<DateTime<Utc>>().unwrap().into());
        for text in [
            "2013-10-04T13:30:00Z",
            "2013-10-04 13:30:00Z",
            "2013-10-04T13:30:00+00:00",
            "2013-10-04 09:30:00-04:00",
            "2013-10-04T13:30:00.000Z",
            "2013-10-04T15:30:00+02:00",
        ] {
            assert_eq!(secs(text), at, "{text}");
        }
        for text in ["2013-10-04T13:30:00", "2013-10-04 13:30", "2013-10-04", "2013-10-04T13:30:00.5"] {
            assert_eq!(secs(text), Instant::NoZone, "{text}");
        }
        for text in ["2013-02-30T13:30:00Z", "2013-10-04T24:30:00Z", "yesterday", "", "2013-10-04T13:30:00+99:00"] {
            assert_eq!(secs(text), Instant::Wrong, "{text}");
        }
        assert_eq!(instant(b"\xff\xfe"), Instant::Wrong);
    }

    #[test]
    fn volumes() {
        assert_eq!(shares(b"120"), Some(120));
        assert_eq!(shares(b"120.0"), Some(120));
        for wrong in ["-1", "1e3", "1.x", ".5", "99999999999999999999", "1000000000000001", "many"] {
            assert_eq!(shares(wrong.as_bytes()), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn instants_are_what_chrono_reads(millis in -60_000_000_000_000_i64..200_000_000_000_000, zone in -86_399..86_399_i32) {
            let zone = chrono::FixedOffset::east_opt(zone / 60 * 60).unwrap();
            let at = MarketTime::from_millis(millis / 1_000 * 1_000);
            for text in [at.utc().to_rfc3339(), at.utc().with_timezone(&zone).to_rfc3339()] {
                let read = text.parse::<DateTime<Utc>>().map(|at| Instant::At(at.into())).unwrap_or(Instant::Wrong);
                prop_assert_eq!(secs(&text), read, "{}", text);
            }
        }

        #[test]
        fn any_text_by_hand_is_what_chrono_reads(text in "[0-9]{4}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](Z|[+-][0-2][0-9]:[0-6][0-9])") {
            if let Some(at) = usual_instant(text.as_bytes()) {
                prop_assert_eq!(text.parse::<DateTime<Utc>>().map(MarketTime::from), Ok(at));
            }
        }

        #[test]
        fn numbers_are_what_the_library_reads(text in "[0-9]{0,12}(\\.[0-9]{0,12})?") {
            prop_assert_eq!(number(text.as_bytes()), text.parse::<f64>().ok());
        }

        #[test]
        fn prices_are_exact(price in 0.0001_f64..1e7) {
            prop_assert_eq!(number(price.to_string().as_bytes()), Some(price));
        }
    }
}
