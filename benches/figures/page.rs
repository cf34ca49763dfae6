//! docs/benchmarks.md: each section's results are kept beside it, so that one can be measured anew alone.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Form, Section, machine};

/// The page.
pub const PATH: &str = "docs/benchmarks.md";

/// What a section has found.
#[derive(Default)]
pub struct Outcome {
    /// Its text.
    pub text: String,
    /// What was aimed at, and what was reached.
    pub targets: Vec<Target>,
    /// Its plots: file names without ending, and SVG.
    pub plots: Vec<(&'static str, String)>,
}

/// Something that was aimed at.
pub struct Target {
    pub what: String,
    pub aim: String,
    pub measured: String,
    /// Nothing where it could not be measured.
    pub met: Option<bool>,
    /// Where it is not met: what forbids it.
    pub why: String,
}

/// Where the page is written: into the sources, or, where the figures mean little, into a temporary folder.
pub fn place(form: Form) -> PathBuf {
    if form == Form::Quick {
        let dir = std::env::temp_dir().join("robo-trader-figures");
        println!("QUICK=1: its figures mean little, so they are written to {}", dir.display());
        return dir;
    }
    if cfg!(debug_assertions) {
        panic!(
            "built without optimizations, its figures mean nothing: `cargo bench --bench figures` (or try it with QUICK=1)"
        );
    }
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn results(place: &Path, section: &Section) -> PathBuf {
    place.join("docs/benchmarks").join(format!("{}.json", section.name))
}

/// What is to be known of a measurement, taken before it begins.
pub struct Before {
    form: Form,
    commit: String,
    date: String,
    load: String,
}

impl Before {
    pub fn now(form: Form) -> Self {
        Self { form, commit: machine::commit(), date: machine::date(), load: machine::load() }
    }
}

/// Keeps what a section has found.
pub fn keep(place: &Path, section: &Section, outcome: &Outcome, before: &Before, took: Duration) {
    let dir = place.join("docs/benchmarks");
    fs::create_dir_all(&dir).unwrap();
    for (name, svg) in &outcome.plots {
        fs::write(dir.join(format!("{name}.svg")), svg).unwrap();
    }
    let target = |target: &Target| json!({"what": target.what, "aim": target.aim, "measured": target.measured, "met": target.met, "why": target.why});
    let kept = json!({
        "text": outcome.text.trim(), "targets": outcome.targets.iter().map(target).collect::<Vec<_>>(),
        "form": before.form.of("QUICK=1 ", "", "LONG=1 "), "took_s": took.as_secs_f64().round(),
        "machine": machine::words(), "load": before.load, "date": before.date, "commit": before.commit,
        "profile": if cfg!(debug_assertions) { "debug" } else { "release" },
    });
    fs::write(results(place, section), format!("{kept:#}\n")).unwrap();
}

const HEAD: &str = "\
# Benchmarks

Written by `cargo bench --bench figures`, which measures everything on this page anew (how long each section took is
said below). `ONLY=tick cargo bench --bench figures` (or `recover`, `start`, `footprint`, `growth`, `simulator`; several
with commas) measures one section and leaves the others as they are; `LONG=1` is the long form: the same for longer, an
hour of real time and an accelerated week for the footprint, sixteen million facts (5 GB) for the journal's growth, and a build
from nothing. Do not edit it: what it says of methods stands in `benches/figures/`. For the same figures of your own
machine and gateway: `robo-trader bench` ([operations](operations.md#how-fast-it-is-here)).

The daemon is the real binary, as `cargo build --release` makes it, in a process of its own. At the other end is the simulator in the
bench's process (in one of its own for the footprint), on loopback: both share the machine's cores, as the daemon and
the gateway do. A tap at the simulator's sockets says when the last byte of a frame left (when the write began that
took it: by its return the answer may be there) and when the first byte of a frame had come (when the read was done).
What was not measured, or by too few, is *unknown*.
";

fn word(kept: &Value, name: &str) -> String {
    kept[name].as_str().unwrap_or("unknown").to_owned()
}

/// The commit that most sections were measured at.
fn common(kept: &[(&Section, Value)]) -> String {
    let commits: Vec<String> = kept.iter().map(|(_, kept)| word(kept, "commit")).collect();
    let times = |commit: &String| commits.iter().filter(|other| *other == commit).count();
    commits.iter().max_by_key(|commit| times(commit)).cloned().unwrap_or_default()
}

/// Writes the page from what is kept of all sections.
pub fn write(place: &Path, sections: &[Section]) {
    let kept: Vec<(&Section, Value)> = sections
        .iter()
        .filter_map(|section| Some((section, serde_json::from_slice(&fs::read(results(place, section)).ok()?).ok()?)))
        .collect();
    let mut text = HEAD.to_owned();
    let mut machines: Vec<String> = kept.iter().map(|(_, kept)| word(kept, "machine")).collect();
    machines.dedup();
    let commit = common(&kept);
    let took: f64 = kept.iter().filter_map(|(_, kept)| kept["took_s"].as_f64()).sum();
    write!(
        text,
        "\nThe machine: {}. Measured at commit {commit}; all sections together took {} minutes.\n\n## What was aimed at\n\n",
        machines.join("; and "),
        number(took / 60.0)
    )
    .unwrap();
    text += "| What | Aim | Measured | |\n| --- | --- | --- | --- |\n";
    for target in kept.iter().flat_map(|(_, kept)| kept["targets"].as_array().into_iter().flatten()) {
        let why = word(target, "why");
        let met = match target["met"].as_bool() {
            Some(true) => "met".to_owned(),
            Some(false) => format!("not met: {why}"),
            None => format!("unknown: {why}"),
        };
        let (what, aim, measured) = (word(target, "what"), word(target, "aim"), word(target, "measured"));
        writeln!(text, "| {what} | {aim} | {measured} | {met} |").unwrap();
    }
    for (section, kept) in &kept {
        let form = kept["form"].as_str().unwrap_or_default();
        let own = word(kept, "commit");
        let other = if own == commit {
            String::new()
        } else {
            format!(" **Measured at commit {own}, not at that of the other sections.**")
        };
        write!(
            text,
            "\n## {}\n\n`{form}ONLY={} cargo bench --bench figures`, {}, {} build, {} s; the machine's load before it: \
             {}.{other}\n\n{}\n",
            section.title,
            section.name,
            word(kept, "date"),
            word(kept, "profile"),
            kept["took_s"],
            word(kept, "load"),
            word(kept, "text"),
        )
        .unwrap();
    }
    fs::write(place.join(PATH), text).unwrap();
}

/// A table.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut text = format!("| {} |\n|{}\n", head.join(" | "), " --- |".repeat(head.len()));
    for row in rows {
        writeln!(text, "| {} |", row.join(" | ")).unwrap();
    }
    text
}

/// A figure without more digits than it has meaning.
pub fn number(value: f64) -> String {
    let digits = if value.abs() >= 100.0 || value.fract() == 0.0 {
        0
    } else if value.abs() >= 10.0 {
        1
    } else {
        2
    };
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |whole| ("-", whole));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if rest.is_empty() { format!("{sign}{grouped}") } else { format!("{sign}{grouped}.{rest}") }
}

/// A figure, or that there is none.
pub fn known(value: Option<f64>) -> String {
    value.filter(|value| value.is_finite()).map_or_else(|| "unknown".to_owned(), number)
}

/// The middle one of some figures, or halfway between the middle two.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) { f64::midpoint(sorted[half - 1], sorted[half]) } else { sorted[half] }
}
