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
    typed_to(place, line, &[0])
}

/// The same, where it may end with one of these.
fn typed_to(place: &Place, line: &str, codes: &[i32]) -> String {
    let mut shell = Command::new("/bin/sh");
    // The state of the first try is what the tour comes upon.
    shell.env_clear().env("DASH_PORT", "0").env("PATH", place.path("bin")).current_dir(place.path("cwd"));
    shell.env("XDG_STATE_HOME", place.path("state")).env("XDG_RUNTIME_DIR", place.path("runtime"));
    let output = shell.args(["-c", &line.replace("target/release/robo-trader", ROBO_TRADER)]).output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.code().is_some_and(|code| codes.contains(&code)), "{line}: {}\n{text}", output.status);
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

#[test]
fn what_is_said_to_a_running_daemon_goes_as_written() {
    let place = Place::new();
    std::fs::create_dir(place.path("bin")).unwrap();
    std::os::unix::fs::symlink(ROBO_TRADER, place.path("bin").join("robo-trader")).unwrap();
    // A moving market, and a strategy that trades: something is to be told.
    let run = ["run", "--simulator", "--symbols", "AAPL,NVDA", "--speed", "20"];
    // However long the commands take, it does not lock itself.
    let variables = [
        ("STRATEGY_PARAMS", "fast=2,slow=5"),
        ("RISK_MAX_LOSSES", "1000000"),
        ("RISK_MAX_ORDERS", "1000000"),
        ("RISK_MAX_ORDERS_PER_MINUTE", "10000"),
        ("RISK_MAX_DAILY_LOSS_PCT", "1"),
        ("RISK_MAX_DRAWDOWN_PCT", "1"),
    ];
    let mut daemon = place.start(&variables, &run);
    for _ in 0..4 {
        daemon.says("fill: ");
    }
    let lines = commands("Operating it");
    assert!(lines.len() >= 14, "{lines:#?}");
    for line in &lines {
        let command = line.split_whitespace().nth(1).unwrap();
        // What there is to find wrong, or to take back, is not the same everywhere; a live view wants a terminal.
        let codes: &[i32] = match command {
            "check" => &[0, 3],
            "cancel" => &[0, 2, 3],
            "top" => &[2],
            _ => &[0],
        };
        let told = typed_to(&place, line, codes);
        let expected = match command {
            "status" => "tick to order",
            "positions" => "positions: ",
            "top" => "terminal",
            "completions" => "robo-trader",
            "check" => "journal",
            "cancel" => "order 17",
            "halt" => "no entries",
            "resume" => "entries are allowed again",
            "park" => "AAPL is parked",
            "reload" => "nothing has changed",
            "flatten" => "entries are blocked",
            "reconcile" => "broker and book agree",
            "journal" => "copy.db",
            "report" => "week.html",
            "bench" => "tick to order",
            "shutdown" => "stops stay",
            other => panic!("{other} is in the README and nobody has said what it tells"),
        };
        assert!(told.contains(expected), "{line}\n{told}");
        // What a comment says of it besides.
        let besides: &[&str] = match command {
            "positions" => &["orders --open", "fills", "signals", "pnl week", "incidents"],
            "top" => &["logs"],
            "park" => &["unpark AAPL"],
            "journal" => &["journal verify", "journal export"],
            _ => &[],
        };
        for words in besides {
            assert!(words == &"logs" || line.contains(words), "{words} in {line}");
            typed(&place, &format!("robo-trader {words}"));
        }
    }
    assert_eq!(daemon.ends_within(cli_support::PATIENCE).code(), Some(0), "{:#?}", daemon.log);
    for written in ["copy.db", "week.html"] {
        assert!(place.path("cwd").join(written).is_file(), "{written}");
    }
}
