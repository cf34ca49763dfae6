//! What a sweep has come to: on the terminal, as `points.csv` and `result.json`, and as a report.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;

use serde_json::json;

use super::folder::{Folder, FolderError};
use crate::backtest::metrics::DAYS_A_YEAR;
use crate::backtest::metrics::sharpe::deflated_sharpe;
use crate::backtest::metrics::words::{self, UNKNOWN, Unit};
use crate::backtest::report::html::{Colours, HeatMap, heat_map, read_first};
use crate::backtest::report::svg::{Across, Line, Plot, line_chart};
use crate::backtest::report::{Cell, Section, escape, page, table};
use crate::backtest::sweep::overfit::Overfit;
use crate::backtest::sweep::walk_forward::Walk;
use crate::backtest::sweep::{Row, best};
use crate::runner::exit;

/// Points listed in the report.
const LISTED: usize = 25;
/// Figures listed of each point.
const FIGURES: [&str; 7] =
    ["sharpe", "annual_return", "max_drawdown", "trades", "win_rate", "profit_factor", "net_profit"];

/// Reasons of refusals that are told; of many, the most frequent.
const REASONS: usize = 10;

/// Writes and says it; a shard only says where it is. Where no point of the whole could be run, the command
/// line was wrong.
pub(super) fn tell(folder: &Folder, walk: Option<&Walk>, as_json: bool) -> Result<ExitCode, FolderError> {
    let rows = folder.rows();
    folder.write("points.csv", csv(&rows).as_bytes())?;
    if !folder.is_whole() {
        if as_json {
            let part = json!({ "whole": false, "points": rows.len(), "folder": folder.path() });
            return Ok(super::super::say(&format!("{part:#}")));
        }
        let mut text = head(folder, &rows);
        let _ = write!(
            text,
            "{} points done in {}; robo-trader sweep merge puts parts together",
            rows.len(),
            folder.path().display()
        );
        return Ok(super::super::say(&text));
    }
    let (space, metric) = (&folder.about.space, folder.about.metric.as_str());
    let overfit = Overfit::of(space, &rows, metric, &daily, &deflate);
    let refusals = refusals(&rows);
    let told = refusals.iter().take(LISTED).map(|(why, points)| json!({ "reason": why, "points": points }));
    let result = json!({
        "warnings": folder.about.warnings,
        "overfit": overfit,
        "refusals": told.collect::<Vec<_>>(),
        "walk_forward": walk,
        "described": folder.about.described,
    });
    folder.write("result.json", format!("{result:#}\n").as_bytes())?;
    folder.write("report.html", report(folder, &rows, &overfit, walk).as_bytes())?;
    let text = if as_json { format!("{result:#}") } else { text(folder, &rows, &overfit, walk) };
    let said = super::super::say(&text.trim_end());
    Ok(if overfit.trials == 0 { ExitCode::from(exit::USAGE) } else { said })
}

/// Why points were refused and how many for it, the most frequent first.
fn refusals(rows: &[Row]) -> Vec<(&str, u64)> {
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for why in rows.iter().filter_map(|row| row.refused.as_deref()) {
        *reasons.entry(why).or_default() += 1;
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, points)| std::cmp::Reverse(*points));
    reasons
}

/// What comes first on the terminal: warnings, and why points were refused.
fn head(folder: &Folder, rows: &[Row]) -> String {
    let mut text = String::new();
    for warning in &folder.about.warnings {
        let _ = writeln!(text, "WARNING: {warning}");
    }
    let reasons = refusals(rows);
    for (why, points) in reasons.iter().take(REASONS) {
        let _ = writeln!(text, "REFUSED: {points} of {} points: {why}", rows.len());
    }
    if let Some(more) = reasons.len().checked_sub(REASONS).filter(|more| *more > 0) {
        let _ = writeln!(text, "REFUSED: {more} more reasons, see points.csv");
    }
    text
}

/// The Sharpe ratio of one day.
fn daily(row: &Row) -> Option<f64> {
    Some(row.score("sharpe")? / DAYS_A_YEAR.sqrt())
}

fn deflate(row: &Row, trials: u64, variance: f64) -> Option<f64> {
    let days = row.score("days")?;
    let days = if days >= 0.0 { days as u64 } else { return None };
    deflated_sharpe(daily(row)?, days, row.score("skew")?, row.score("kurtosis")?, trials, variance)
}

/// Every point with every figure.
fn csv(rows: &[Row]) -> String {
    let mut text = "index".to_owned();
    let names = rows.first().map(|row| row.values.clone()).unwrap_or_default();
    for (name, _) in &names {
        text.push(',');
        text.push_str(name);
    }
    for word in words::WORDS {
        text.push(',');
        text.push_str(word.key);
    }
    text.push_str(",refused\n");
    for row in rows {
        text.push_str(&row.index.to_string());
        for (_, value) in &row.values {
            text.push(',');
            text.push_str(value);
        }
        for word in words::WORDS {
            text.push(',');
            if let Some(score) = row.score(word.key) {
                text.push_str(&score.to_string());
            }
        }
        let refused = row.refused.as_deref().unwrap_or_default().replace('"', "\"\"");
        // Writing to a String cannot fail.
        let _ = writeln!(text, ",\"{refused}\"");
    }
    text
}

fn named(values: &[(String, String)]) -> String {
    values.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| UNKNOWN.to_owned(), |value| format!("{value:.3}"))
}

fn unit(key: &str) -> Unit {
    words::WORDS.iter().find(|word| word.key == key).map_or(Unit::Ratio, |word| word.unit)
}

/// What is to be known of the choice, name and value.
fn findings(rows: &[Row], overfit: &Overfit, walk: Option<&Walk>) -> Vec<(String, String)> {
    let chosen = best(rows, &overfit.metric);
    let shown = |value| words::shown(unit(&overfit.metric), value);
    // Few days have no annual figures, and without losses there is no profit factor.
    let none = || "unknown: no point has this figure, see docs/metrics.md".to_owned();
    let mut lines = vec![
        ("points".to_owned(), format!("{} run, {} refused", overfit.trials, overfit.refused)),
        (format!("best by {}", overfit.metric), chosen.map_or_else(none, |row| named(&row.values))),
        (format!("its {}", overfit.metric), shown(overfit.best_score)),
        ("middle of all points".to_owned(), shown(overfit.median_score)),
        ("its neighbours".to_owned(), format!("{} of {} run", overfit.neighbours_run, overfit.neighbours)),
        ("mean of its neighbours".to_owned(), shown(overfit.neighbours_score)),
        ("stability (1 broad, 0 a needle)".to_owned(), number(overfit.stability)),
        ("deflated Sharpe ratio (probability of skill)".to_owned(), number(overfit.deflated_sharpe)),
    ];
    if let Some(walk) = walk {
        let gain = walk.stitched.last().map(|(_, worth)| worth - 1.0);
        let refused = walk.steps.iter().filter(|step| step.refused.is_some()).count();
        lines.push(("walk-forward windows".to_owned(), walk.steps.len().to_string()));
        if refused > 0 {
            lines.push(("windows that failed out of sample".to_owned(), refused.to_string()));
        }
        lines.push(("return out of sample".to_owned(), words::shown(Unit::Percent, gain)));
        lines.push(("Sharpe ratio out of sample".to_owned(), words::shown(Unit::Ratio, walk.sharpe)));
        lines.push((
            "max drawdown out of sample, of days' ends".to_owned(),
            words::shown(Unit::Percent, walk.max_drawdown),
        ));
        lines.push(("round trips out of sample".to_owned(), words::shown(Unit::Count, Some(walk.trades as f64))));
        lines.push(("out of sample / in sample".to_owned(), number(walk.decay)));
    }
    lines
}

fn text(folder: &Folder, rows: &[Row], overfit: &Overfit, walk: Option<&Walk>) -> String {
    let mut text = head(folder, rows);
    for (name, value) in findings(rows, overfit, walk) {
        let _ = writeln!(text, "{name:<45} {value}");
    }
    let _ = writeln!(text, "{:<45} {}", "written", folder.path().display());
    text
}

fn report(folder: &Folder, rows: &[Row], overfit: &Overfit, walk: Option<&Walk>) -> String {
    let about = &folder.about;
    let axes: Vec<String> = about.space.axes().iter().map(ToString::to_string).collect();
    let warnings = read_first(&about.warnings);
    let head = format!("<h1>Sweep</h1><p>{}</p>{warnings}", escape(&axes.join("; ")));
    let found = findings(rows, overfit, walk);
    let found: Vec<Vec<Cell>> = found.iter().map(|(name, value)| vec![Cell::text(name), Cell::text(value)]).collect();
    let mut sections =
        vec![Section::head(head), Section::new("The choice, and how much of it is luck", table(&["", ""], &found))];
    if let Some(map) = map(folder, rows, &overfit.metric) {
        sections.push(Section::new("Heat map", map));
    }
    if let Some(walk) = walk {
        sections.push(Section::new("Walk-forward", walked(walk, &overfit.metric)));
    }
    let reasons: Vec<Vec<Cell>> = refusals(rows)
        .into_iter()
        .take(LISTED)
        .map(|(why, points)| vec![Cell::text(why), Cell::number(points.to_string())])
        .collect();
    if !reasons.is_empty() {
        sections.push(Section::new("Points refused", table(&["Reason", "Points"], &reasons)));
    }
    sections.push(Section::new("Best points", listed(rows, &overfit.metric)));
    let told: Vec<Vec<Cell>> =
        about.described.iter().map(|(name, value)| vec![Cell::text(name), Cell::text(value)]).collect();
    sections.push(Section::new("Settings", table(&["Name", "Value"], &told)));
    page("Sweep", &sections)
}

/// The figure over the first two axes; of further ones, the best.
fn map(folder: &Folder, rows: &[Row], metric: &str) -> Option<String> {
    let [down, across, ..] = folder.about.space.axes() else { return None };
    let mut values = vec![vec![None; across.values.len()]; down.values.len()];
    for row in rows {
        let places = folder.about.space.places(row.index);
        let (Some(score), [first, second, ..]) = (row.score(metric), places.as_slice()) else { continue };
        let cell: &mut Option<f64> = &mut values[*first][*second];
        *cell = Some(cell.map_or(score, |former: f64| former.max(score)));
    }
    let corner = format!("{} / {}", down.name, across.name);
    let map = heat_map(&HeatMap {
        corner: &corner,
        rows: &down.values,
        columns: &across.values,
        values: &values,
        show: &|value| unit(metric).show(value),
        colours: Colours::AroundZero,
        sums: 0,
    });
    Some(format!(
        "<p>{} by {} (down) and {} (across).</p>{map}",
        escape(metric),
        escape(&down.name),
        escape(&across.name)
    ))
}

fn walked(walk: &Walk, metric: &str) -> String {
    let points = walk.stitched.iter().map(|(date, worth)| {
        let seconds = date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp();
        (seconds as f64, *worth - 1.0)
    });
    let plot = Plot {
        label: "Return out of sample".to_owned(),
        across: Across::Time,
        unit: Unit::Percent,
        size: "tall",
        zero: true,
    };
    let line = Line { name: "out of sample".to_owned(), class: "c1", points: points.collect(), filled: true };
    let rows: Vec<Vec<Cell>> = walk
        .steps
        .iter()
        .map(|step| {
            vec![
                Cell::text(format!("{} to {}", step.trade, step.last)),
                Cell::text(named(&step.values)),
                Cell::number(words::shown(unit(metric), step.inside)),
                match &step.refused {
                    Some(why) => Cell::text(why),
                    None => Cell::number(words::shown(unit(metric), step.outside)),
                },
            ]
        })
        .collect();
    let (inside, outside) = (format!("{metric} in sample"), format!("{metric} out of sample"));
    let chart = line_chart(&plot, &[line]);
    let steps = table(&["Traded", "Chosen", &inside, &outside], &rows);
    format!("{chart}{steps}")
}

fn listed(rows: &[Row], metric: &str) -> String {
    let mut ranked: Vec<&Row> = rows.iter().filter(|row| row.score(metric).is_some()).collect();
    let score = |row: &Row| row.score(metric).unwrap_or(f64::NEG_INFINITY);
    ranked.sort_by(|a, b| score(b).total_cmp(&score(a)));
    let cells = |row: &&Row| {
        let figures = FIGURES.iter().map(|key| Cell::number(words::shown(unit(key), row.score(key))));
        std::iter::once(Cell::text(named(&row.values))).chain(figures).collect()
    };
    let headings: Vec<&str> = std::iter::once("Values")
        .chain(
            FIGURES.iter().map(|key| words::WORDS.iter().find(|word| word.key == *key).map_or(*key, |word| word.label)),
        )
        .collect();
    table(&headings, &ranked.iter().take(LISTED).map(cells).collect::<Vec<Vec<Cell>>>())
}
