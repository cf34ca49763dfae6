//! `robo-trader bars inspect`: what files hold, one line each.

use std::process::ExitCode;

use clap::Args;

use crate::runner::exit;

use super::survey::{Survey, or_dash};
use super::{BarsError, Files};

#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    #[command(flatten)]
    files: Files,
}

pub(super) fn run(args: &InspectArgs) -> Result<ExitCode, BarsError> {
    let surveys = Survey::of_all(&args.files)?;
    for survey in &surveys {
        if let Some(fault) = survey.faults.first.first() {
            crate::cli::complain(fault);
        }
    }
    let code = if surveys.iter().any(|survey| survey.faults.count > 0) { exit::USAGE } else { exit::DONE };
    if args.files.json {
        return Ok(super::report(&serde_json::json!(surveys), code));
    }
    Ok(super::report(&table(&surveys).trim_end(), code))
}

const HEAD: [&str; 11] =
    ["FILE", "SYMBOL", "SIZE", "BARS", "FIRST", "LAST", "LOW", "HIGH", "VOLUME", "MISSING", "JUMPS"];

/// Columns from here on are numbers, and stand to the right.
const NUMBERS: usize = 6;

fn table(surveys: &[Survey]) -> String {
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(surveys.iter().map(row));
    let mut widths = [0; HEAD.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
            if column >= NUMBERS || column == 3 { format!("{cell:>width$}") } else { format!("{cell:width$}") }
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn row(survey: &Survey) -> [String; HEAD.len()] {
    let missing = match (survey.missing_days, survey.missing_bars) {
        (0, 0) => "-".to_owned(),
        (0, bars) => format!("{bars} bars"),
        (days, 0) => format!("{days} days"),
        (days, bars) => format!("{days} days, {bars} bars"),
    };
    [
        survey.file.clone(),
        or_dash(survey.symbol.as_ref()),
        or_dash(survey.size),
        survey.bars.to_string(),
        or_dash(survey.first),
        or_dash(survey.last),
        or_dash(survey.lowest),
        or_dash(survey.highest),
        or_dash(survey.volume),
        missing,
        survey.jumps.count.to_string(),
    ]
}
