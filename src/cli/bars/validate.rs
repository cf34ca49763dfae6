//! `robo-trader bars validate`: every fault of files, and what is odd about them.

use std::fmt::{Display, Write};
use std::process::ExitCode;

use clap::Args;

use crate::runner::exit;

use super::survey::{Findings, Survey, or_dash};
use super::{BarsError, Files};

#[derive(Debug, Args)]
pub(super) struct ValidateArgs {
    #[command(flatten)]
    files: Files,
    /// Gaps, jumps and bars outside sessions are faults, too.
    #[arg(long)]
    strict: bool,
}

pub(super) fn run(args: &ValidateArgs) -> Result<ExitCode, BarsError> {
    let surveys = Survey::of_all(&args.files)?;
    let bad = |survey: &Survey| survey.faults.count > 0 || (args.strict && survey.warnings() > 0);
    let code = if surveys.iter().any(bad) { exit::USAGE } else { exit::DONE };
    if args.files.json {
        return Ok(super::report(&serde_json::json!(surveys), code));
    }
    let text: String = surveys.iter().map(told).collect();
    Ok(super::report(&text.trim_end(), code))
}

fn told(survey: &Survey) -> String {
    let Survey { file, symbol, size, bars, .. } = survey;
    let (first, last) = (or_dash(survey.first), or_dash(survey.last));
    let (faults, warnings) = (count(survey.faults.count, "fault"), count(survey.warnings(), "warning"));
    let (symbol, size) = (or_dash(symbol.as_ref()), or_dash(*size));
    let mut text = format!("{file}: {symbol}, {bars} bars of {size} from {first} to {last}: {faults}, {warnings}\n");
    list(&mut text, "fault", &survey.faults, |fault| fault);
    list(&mut text, "jump", &survey.jumps, |jump| &jump.words);
    list(&mut text, "gap", &survey.gaps, |gap| gap);
    let since = or_dash(survey.first_outside);
    for (bars, what) in
        [(survey.outside_hours, "outside regular hours"), (survey.on_closed_days, "on days without a session")]
    {
        if bars > 0 {
            line(
                &mut text,
                "outside",
                &format_args!("{} {what}, the first bar outside at {since}", count(bars, "bar")),
            );
        }
    }
    if survey.unknown_days > 0 {
        let bars = count(survey.unknown_days, "bar");
        line(&mut text, "calendar", &format_args!("{bars} on days that it does not reach; their gaps are not known"));
    }
    text
}

fn list<T, D: Display + ?Sized>(text: &mut String, kind: &str, findings: &Findings<T>, words: impl Fn(&T) -> &D) {
    for finding in &findings.first {
        line(text, kind, &words(finding));
    }
    if findings.more() > 0 {
        line(text, kind, &format_args!("and {} more (--limit shows more)", findings.more()));
    }
}

fn line(text: &mut String, kind: &str, words: &dyn Display) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "  {kind}: {words}");
}

fn count(number: u64, what: &str) -> String {
    match number {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}
