//! Axes: round ticks for numbers, calendar ticks for time.

use chrono::{DateTime, Datelike, Months, NaiveDate, Timelike, Utc};

use crate::backtest::metrics::words::{Unit, grouped};
use crate::domain::MarketTime;

/// From a lowest to a highest value, never the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// Lowest.
    pub from: f64,
    /// Highest.
    pub until: f64,
}

impl Scale {
    /// Around all finite values, with a little room; around zero where there are none.
    pub fn around(values: impl Iterator<Item = f64>) -> Self {
        let exact = Self::exactly(values);
        let room = (exact.until - exact.from) * 0.04;
        Self { from: exact.from - room, until: exact.until + room }
    }

    /// From the lowest to the highest finite value; a single one gets room around it.
    pub fn exactly(values: impl Iterator<Item = f64>) -> Self {
        let (from, until) = values
            .filter(|value| value.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if from > until {
            return Self { from: 0.0, until: 1.0 };
        }
        // Less than this is rounding: drawn in full it would look like a movement.
        let least = from.abs().max(until.abs()) * 1e-9;
        if until - from > least {
            return Self { from, until };
        }
        let room = if from == 0.0 { 1.0 } else { from.abs() * 0.01 };
        Self { from: from - room, until: until + room }
    }

    /// Widened to hold a value.
    pub fn with(self, value: f64) -> Self {
        Self { from: self.from.min(value), until: self.until.max(value) }
    }

    /// Where a value lies: 0 at the lowest, 1 at the highest.
    pub fn place(self, value: f64) -> f64 {
        (value - self.from) / (self.until - self.from)
    }

    /// A step of 1, 2 or 5 times a power of ten, for about so many steps.
    pub fn step(self, about: u32) -> f64 {
        let raw = (self.until - self.from) / f64::from(about.max(1));
        let power = 10_f64.powf(raw.log10().floor());
        let times = [1.0, 2.0, 5.0].into_iter().find(|times| times * power >= raw * 0.999).unwrap_or(10.0);
        times * power
    }

    /// Round values on it, with their texts.
    pub fn ticks(self, unit: Unit, about: u32) -> Vec<(f64, String)> {
        let step = self.step(about);
        // There is no half of a day or a round trip.
        let step = if unit == Unit::Count { step.max(1.0) } else { step };
        let first = (self.from / step).ceil();
        let (factor, after) = self.written(unit);
        (0..=2 * about)
            .map(|index| (first + f64::from(index)) * step)
            .take_while(|value| *value <= self.until + step * 1e-6)
            .map(|value| (value, format!("{}{after}", tick_text(value * factor, step * factor))))
            .collect()
    }

    /// What values are multiplied by for their texts, and what stands after them: the same all along
    /// an axis.
    fn written(self, unit: Unit) -> (f64, &'static str) {
        match unit {
            Unit::Percent => (100.0, " %"),
            Unit::Times => (1.0, " x"),
            Unit::Usd if self.from.abs().max(self.until.abs()) >= 1e7 => (1e-6, " M"),
            Unit::Usd | Unit::Ratio | Unit::Days | Unit::Years | Unit::Bars | Unit::Count => (1.0, ""),
        }
    }
}

/// A tick's number, with the decimals that its step needs.
fn tick_text(value: f64, step: f64) -> String {
    let decimals = (-(step * 1.001).log10().floor()).clamp(0.0, 9.0) as usize;
    let value = if value.abs() < step * 1e-6 { 0.0 } else { value };
    grouped(&format!("{value:.decimals$}"))
}

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Steps of fixed length, seconds.
const STEPS: [i64; 13] = [
    MINUTE,
    5 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    4 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    4 * DAY,
    7 * DAY,
    14 * DAY,
];

/// Steps of calendar months.
const MONTHS: [u32; 8] = [1, 3, 6, 12, 24, 60, 120, 240];

/// At most so many ticks of time.
const TICKS: i64 = 8;

/// Calendar ticks on a scale of seconds since 1970 (UTC), with their texts.
pub fn time_ticks(scale: Scale) -> Vec<(f64, String)> {
    let (from, until) = (scale.from as i64, scale.until as i64);
    let span = until - from;
    if let Some(step) = STEPS.into_iter().find(|step| span / step <= TICKS) {
        let first = from.div_euclid(step) + i64::from(from.rem_euclid(step) > 0);
        let ticks = (0..=TICKS).map(|index| (first + index) * step).take_while(|at| *at <= until);
        return ticks.map(|at| (at as f64, time_text(at, span, step))).collect();
    }
    let months = MONTHS.into_iter().find(|months| span / (i64::from(*months) * 30 * DAY) <= TICKS).unwrap_or(480);
    month_ticks(scale, months)
}

fn time_text(at: i64, span: i64, step: i64) -> String {
    let at = MarketTime::from_secs(at).utc();
    let format = if step >= DAY {
        "%b %-d"
    } else if span > DAY {
        "%b %-d %H:%M"
    } else {
        "%H:%M"
    };
    at.format(format).to_string()
}

fn month_ticks(scale: Scale, months: u32) -> Vec<(f64, String)> {
    let start = MarketTime::from_secs(scale.from as i64).utc();
    let since = u32::try_from(start.year()).unwrap_or(0) * 12 + start.month0();
    let first = since / months * months;
    let date = NaiveDate::from_ymd_opt(i32::try_from(first / 12).unwrap_or(0), first % 12 + 1, 1);
    let mut ticks = Vec::new();
    let mut next = date;
    while let Some(date) = next {
        let at = date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp() as f64;
        if at > scale.until {
            break;
        }
        if at >= scale.from {
            let format = if months >= 12 { "%Y" } else { "%b %Y" };
            ticks.push((at, date.format(format).to_string()));
        }
        next = date.checked_add_months(Months::new(months));
    }
    ticks
}

/// About seven ticks over instants that stand side by side, by their index: nights and weekends
/// take no room.
pub fn index_ticks(times: &[MarketTime]) -> Vec<(f64, String)> {
    let (Some(first), Some(last)) = (times.first(), times.last()) else { return Vec::new() };
    let span = last.secs() - first.secs();
    let part = |at: DateTime<Utc>| {
        if span > 1200 * DAY {
            (i64::from(at.year()), "%Y")
        } else if span > 90 * DAY {
            (i64::from(at.year()) * 12 + i64::from(at.month0()), "%b %Y")
        } else if span > 2 * DAY {
            (at.timestamp().div_euclid(DAY), "%b %-d")
        } else {
            (i64::from(at.hour()) + at.timestamp().div_euclid(DAY) * 24, "%H:%M")
        }
    };
    // A tick stands where the part of the calendar that is written changes.
    let changes: Vec<(usize, String)> = times
        .windows(2)
        .enumerate()
        .filter_map(|(index, pair)| match pair {
            [before, after] => {
                let (new, format) = part(after.utc());
                (part(before.utc()).0 != new).then(|| (index + 1, after.utc().format(format).to_string()))
            }
            _ => None,
        })
        .collect();
    let every = changes.len().div_ceil(7).max(1);
    changes.into_iter().step_by(every).map(|(index, text)| (index as f64, text)).collect()
}
