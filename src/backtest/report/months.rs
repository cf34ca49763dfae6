//! Returns by month and year.

use std::collections::BTreeMap;

use chrono::Datelike;

use super::html::{Colours, HeatMap, heat_map};
use super::nothing;
use crate::backtest::outcome::Outcome;

const NAMES: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Growth from one period's end to the next, the first against the cash; ends with a total loss.
fn growth<K: Ord + Copy>(cash: f64, ends: impl Iterator<Item = (K, f64)>) -> BTreeMap<K, f64> {
    let ends: BTreeMap<K, f64> = ends.collect();
    let mut before = cash;
    let mut growth = BTreeMap::new();
    for (period, worth) in ends {
        if before.is_nan() || before <= 0.0 {
            break;
        }
        growth.insert(period, worth / before - 1.0);
        before = worth;
    }
    growth
}

/// A table of years and months, with each year's total and the benchmark's beside it.
pub(super) fn table(outcome: &Outcome) -> String {
    let cash = outcome.cash.to_f64();
    if outcome.days.is_empty() || cash <= 0.0 {
        return nothing("No exchange day: there are no months.");
    }
    let months = growth(cash, outcome.days.iter().map(|day| ((day.date.year(), day.date.month0()), day.equity)));
    let years = growth(cash, outcome.days.iter().map(|day| (day.date.year(), day.equity)));
    let benchmark = growth(cash, outcome.days.iter().filter_map(|day| Some((day.date.year(), day.benchmark?))));
    let rows: Vec<String> = years.keys().map(ToString::to_string).collect();
    let values: Vec<Vec<Option<f64>>> = years
        .iter()
        .map(|(year, total)| {
            let mut row: Vec<Option<f64>> = (0..12).map(|month| months.get(&(*year, month)).copied()).collect();
            row.extend([Some(*total), benchmark.get(year).copied()]);
            row
        })
        .collect();
    let columns: Vec<String> = NAMES.iter().chain(&["Year", "Benchm."]).map(ToString::to_string).collect();
    let map = HeatMap {
        corner: "Percent",
        rows: &rows,
        columns: &columns,
        values: &values,
        show: &|value| crate::backtest::metrics::words::Unit::Ratio.show(value * 100.0),
        colours: Colours::AroundZero,
        sums: 2,
    };
    format!("{}<p class=\"note\">First and last periods may be partial.</p>\n", heat_map(&map))
}
