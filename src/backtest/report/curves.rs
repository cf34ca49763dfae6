//! Curves over time: equity beside the benchmark, drawdown, exposure; and how days' returns lie.

use super::scale::Scale;
use super::svg::{Across, Column, Line, Plot, columns, line_chart};
use super::{drawdowns, nothing};
use crate::backtest::metrics::series::{day_returns, mean};
use crate::backtest::metrics::words::Unit;
use crate::backtest::outcome::{DayPoint, Outcome};

/// Points of exposure that are drawn at most.
const EXPOSURES: usize = 240;

/// A day's end on the time axis, seconds since 1970: about when New York closes, since a day is
/// only a date.
fn day_end(day: &DayPoint) -> f64 {
    day.date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp() as f64 + 21.0 * 3_600.0
}

/// Equity from the cash on: every instant that was kept, or days' ends where none was.
fn curve(outcome: &Outcome) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> =
        outcome.span.iter().map(|(from, _)| (from.secs() as f64, outcome.cash.to_f64())).collect();
    if outcome.equity.is_empty() {
        points.extend(outcome.days.iter().map(|day| (day_end(day), day.equity)));
    } else {
        points.extend(outcome.equity.iter().map(|point| (point.at.secs() as f64, point.equity)));
    }
    points
}

fn benchmark(outcome: &Outcome) -> Vec<(f64, f64)> {
    let start = outcome.span.map(|(from, _)| (from.secs() as f64, outcome.cash.to_f64()));
    let ends: Vec<(f64, f64)> = outcome.days.iter().filter_map(|day| Some((day_end(day), day.benchmark?))).collect();
    if ends.is_empty() {
        return ends;
    }
    let until = outcome.span.map_or(f64::INFINITY, |(_, until)| until.secs() as f64);
    let from = start.map_or(f64::NEG_INFINITY, |start| start.0);
    let inside = ends.into_iter().map(|(at, worth)| (at.clamp(from, until), worth));
    start.into_iter().chain(inside).collect()
}

fn plot(label: &str, unit: Unit, size: &'static str, zero: bool) -> Plot {
    Plot { label: label.to_owned(), across: Across::Time, unit, size, zero }
}

/// Equity with the benchmark, and drawdown under it.
pub(super) fn equity(outcome: &Outcome) -> String {
    let curve = curve(outcome);
    if curve.len() < 2 {
        return nothing("No bar was played: there is no curve.");
    }
    let falls = drawdowns(outcome.cash.to_f64(), curve.iter().map(|point| point.1));
    let falls = curve.iter().zip(falls).map(|(point, fall)| (point.0, fall)).collect();
    let mut lines = vec![Line { name: "Equity".to_owned(), class: "c1", points: curve, filled: false }];
    let benchmark = benchmark(outcome);
    if !benchmark.is_empty() {
        lines.push(Line {
            name: "Benchmark: bought and held".to_owned(),
            class: "c2",
            points: benchmark,
            filled: false,
        });
    }
    let fall = Line { name: "Drawdown from the highest equity".to_owned(), class: "bad", points: falls, filled: true };
    format!(
        "{}{}",
        line_chart(&plot("Equity and benchmark over time", Unit::Usd, "tall", false), &lines),
        line_chart(&plot("Drawdown over time", Unit::Percent, "low", true), &[fall])
    )
}

/// Exposure over equity.
pub(super) fn exposure(outcome: &Outcome) -> String {
    let points: Vec<(f64, f64)> = outcome
        .equity
        .iter()
        .filter(|point| point.equity > 0.0)
        .map(|point| (point.at.secs() as f64, point.exposure / point.equity))
        .collect();
    if points.len() < 2 {
        return nothing("Exposure was measured fewer than twice.");
    }
    // Positions come and go within days: drawn one by one they are a wall of lines, so neighbours are averaged.
    let run = points.len().div_ceil(EXPOSURES);
    let name = if run == 1 { String::new() } else { format!(", mean of {run} instants") };
    let points = points.chunks(run).filter_map(|run| {
        let worths: Vec<f64> = run.iter().map(|point| point.1).collect();
        Some((run.first()?.0, mean(&worths)?))
    });
    let name = format!("Worth of positions over equity{name}");
    let line = Line { name, class: "c4", points: steps(points), filled: true };
    line_chart(&plot("Exposure over time", Unit::Percent, "low", true), &[line])
}

/// What is held stays so until the next instant: steps, not slopes.
fn steps(points: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let mut steps: Vec<(f64, f64)> = Vec::new();
    for (at, value) in points {
        if let Some((_, before)) = steps.last().copied().filter(|last| last.1 != value) {
            steps.push((at, before));
        }
        steps.push((at, value));
    }
    steps
}

/// How days' returns lie.
pub(super) fn daily_returns(outcome: &Outcome) -> String {
    let returns: Vec<f64> = day_returns(outcome.cash.to_f64(), &outcome.days)
        .iter()
        .map(|day| day.own)
        .filter(|day| day.is_finite())
        .collect();
    if returns.len() < 2 {
        return nothing("Fewer than two exchange days: there is no distribution.");
    }
    histogram("Distribution of daily returns", "days", &returns)
}

/// A histogram of fractions, in steps with zero at an edge; losses and gains in their colours.
pub(super) fn histogram(label: &str, of: &str, values: &[f64]) -> String {
    let scale = Scale::exactly(values.iter().copied()).with(0.0);
    // About as many columns as the eye can use for so many values.
    let about = ((values.len() as f64).sqrt() * 2.0).clamp(6.0, 48.0) as u32;
    let step = scale.step(about);
    let first = (scale.from / step).floor() as i64;
    let last = ((scale.until / step).floor() as i64).max(first);
    let mut counts = vec![0_u64; usize::try_from(last - first).unwrap_or(0) + 1];
    for value in values {
        let place = usize::try_from((value / step).floor() as i64 - first).unwrap_or(0);
        if let Some(count) = counts.get_mut(place) {
            *count += 1;
        }
    }
    let bars: Vec<Column> = counts
        .iter()
        .zip(first..)
        .map(|(count, place)| Column {
            from: place as f64 * step,
            until: (place + 1) as f64 * step,
            count: *count,
            class: if place < 0 { "bad" } else { "good" },
        })
        .collect();
    let plot = Plot {
        label: label.to_owned(),
        across: Across::Numbers(Unit::Percent),
        unit: Unit::Count,
        size: "",
        zero: true,
    };
    format!(
        "<figcaption>{} {of} by return; losses to the left of zero</figcaption>\n{}",
        crate::backtest::metrics::words::grouped(&values.len().to_string()),
        columns(&plot, &bars)
    )
}
