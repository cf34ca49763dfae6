//! docs/benchmarks.md: each section's results are kept beside it, so that one can be measured anew alone.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
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
    pub met: bool,
    /// Where it is not met: what forbids it.
    pub why: String,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn results(section: &Section) -> PathBuf {
    root().join("docs/benchmarks").join(format!("{}.json", section.name))
}

/// Keeps what a section has found.
pub fn keep(section: &Section, outcome: &Outcome, form: Form, took: Duration) {
    let dir = root().join("docs/benchmarks");
    fs::create_dir_all(&dir).unwrap();
    for (name, svg) in &outcome.plots {
        fs::write(dir.join(format!("{name}.svg")), svg).unwrap();
    }
    let target = |target: &Target| json!({"what": target.what, "aim": target.aim, "measured": target.measured, "met": target.met, "why": target.why});
    let kept = json!({
        "text": outcome.text.trim(), "targets": outcome.targets.iter().map(target).collect::<Vec<_>>(),
        "form": form.of("QUICK=1 ", "", "LONG=1 "), "took_s": took.as_secs_f64().round(),
        "machine": machine::words(), "load": machine::load(),
    });
    fs::write(results(section), format!("{kept:#}\n")).unwrap();
}

const HEAD: &str = "\
# Benchmarks

Written by `cargo bench --bench figures`, which measures everything on this page anew, in less than 15 minutes;
`ONLY=tick cargo bench --bench figures` (or `recover`, `start`, `footprint`, `growth`, `simulator`; several with commas)
measures one section and leaves the others as they are, and `LONG=1` is the long form. Do not edit it: what it says of
methods stands in `benches/figures/`. For the same figures of your own machine and gateway: `robo-trader bench`
([operations](operations.md#how-fast-it-is-here)).

The daemon is the real binary, as `cargo build --release` makes it, in a process of its own. At the other end is the simulator in the
bench's process (in one of its own for the footprint), on loopback: both share the machine's cores, as the daemon and
the gateway do. A tap at the simulator's sockets says when the last byte of a frame left (when the write began that
took it: by its return the answer may be there) and when the first byte of a frame had come (when the read was done).
";

/// Writes the page from what is kept of all sections.
pub fn write(sections: &[Section]) {
    let kept: Vec<(&Section, Value)> = sections
        .iter()
        .filter_map(|section| Some((section, serde_json::from_slice(&fs::read(results(section)).ok()?).ok()?)))
        .collect();
    let mut text = HEAD.to_owned();
    let word = |kept: &Value, name: &str| kept[name].as_str().unwrap_or_default().to_owned();
    let mut machines: Vec<String> = kept.iter().map(|(_, kept)| word(kept, "machine")).collect();
    machines.dedup();
    write!(text, "\nThe machine: {}.\n\n## What was aimed at\n\n", machines.join("; and ")).unwrap();
    text += "| What | Aim | Measured | |\n| --- | --- | --- | --- |\n";
    for target in kept.iter().flat_map(|(_, kept)| kept["targets"].as_array().into_iter().flatten()) {
        let met = if target["met"] == true { "met".to_owned() } else { format!("not met: {}", word(target, "why")) };
        let (what, aim, measured) = (word(target, "what"), word(target, "aim"), word(target, "measured"));
        writeln!(text, "| {what} | {aim} | {measured} | {met} |").unwrap();
    }
    for (section, kept) in &kept {
        let (title, body) = (section.title, word(kept, "text"));
        let form = word(kept, "form");
        write!(
            text,
            "\n## {title}\n\n`{form}ONLY={} cargo bench --bench figures`, {} s; the machine's load after it: {}.\n\n{body}\n",
            section.name,
            kept["took_s"],
            word(kept, "load")
        )
        .unwrap();
    }
    fs::write(root().join(PATH), text).unwrap();
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
    let digits = if value.abs() >= 100.0 {
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

/// The middle one of some figures.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
