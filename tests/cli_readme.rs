//! What the README tells a newcomer to type does what it says, in that order and in one home.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod cli_support;

use std::path::Path;
use std::process::Command;

use cli_support::{Place, ROBO_TRADER};

/// The program's own lines among those of a chapter's first shell block, as they stand there.
fn commands(chapter: &str) -> Vec<String> {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let (_, text) = readme.split_once(&format!("\n## {chapter}\n")).expect("the chapter");
    let block = text.split("```").nth(1).expect("a block of code").trim_start_matches("sh\n");
    block.lines().filter(|line| line.contains("robo-trader ") || line.contains(" -- ")).map(str::to_owned).collect()
}

/// Types a line into a shell that ends well, and gives all it printed.
fn typed(place: &Place, line: &str) -> String {
    let mut shell = Command::new("sh");
    // The state of the first try is what the tour comes upon.
    shell.env_clear().env("DASH_PORT", "0").env("XDG_STATE_HOME", place.path("state")).current_dir(place.path("cwd"));
    let output = shell.args(["-c", &line.replace("target/release/robo-trader", ROBO_TRADER)]).output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(0), "{line}\n{text}");
    text
}

/// The figure that stands behind a word at the beginning of a line, without its grouping.
fn figure(text: &str, word: &str) -> String {
    let line = text.lines().rev().find(|line| line.starts_with(word)).unwrap_or_else(|| panic!("{word} in {text}"));
    line.split_whitespace().nth(1).unwrap().replace(',', "")
}

#[test]
fn the_five_minutes_go_as_written_after_the_first_try() {
    let place = Place::new();
    let first = commands("Try it");
    let words: Vec<&str> = first[0].split_once(" -- ").unwrap().1.split(' ').collect();
    let mut daemon = place.start(&[], &words);
    daemon.says("ready: the broker's state is reconciled");
    daemon.ends_well_on("INT");

    let told: Vec<String> = commands("Five minutes").iter().map(|line| typed(&place, line)).collect();
    let [bars, backtest, sweep, run] = told.as_slice() else { panic!("{told:?}") };
    assert!(bars.contains("AAA") && bars.contains("BBB"), "{bars}");
    assert!(sweep.contains("best by"), "{sweep}");
    assert_eq!(figure(run, "equity"), figure(backtest, "Equity"), "{run}\n{backtest}");
    let orders = format!(" {} orders, ", figure(backtest, "Orders"));
    assert!(run.contains(&orders), "{orders} in {run}");
    for written in ["results/report.html", "found/report.html"] {
        assert!(place.path("cwd").join(written).is_file(), "{written}");
    }
}
