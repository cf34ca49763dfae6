//! A guard of speed that does not depend on the machine's mood: instructions of the pure hot paths, counted by valgrind
//! and compared with `budget.toml`: `cargo bench --bench instructions`, or with `--profile dev` from what the tests have
//! built already, as `.ci/run` does it. Paths:
//!
//! - `decision`: a bar through tape, strategy, desk, risk, exchange, facts and book, as a backtest plays it.
//! - `replay`: a fact applied to a book.
//! - `read`: a fact read from the journal's file and decoded.
//!
//! Each is played in two sizes; their difference is free of what a start costs.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench that cannot go on fails")]

use std::collections::BTreeMap;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use robo_trader::domain::book::{Book, Record};
use robo_trader::domain::{Bar, MarketTime};
use robo_trader::journal::sqlite::SqliteJournal;
use robo_trader::journal::{Durability, Journal};
use serde::Deserialize;

#[path = "../trading/mod.rs"]
mod trading;

/// A path, what it is counted by, and its two sizes.
const PATHS: [(&str, &str, [usize; 2]); 3] =
    [("decision", "bar", [1_000, 5_000]), ("replay", "fact", [200, 1_000]), ("read", "fact", [200, 1_000])];

/// Bars of the walk, whatever the size: a start costs the same.
const BARS: usize = 5_000;

const AVERAGES: (usize, usize) = (10, 30);

/// Counts and what they hold for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Budget {
    /// What `rustc --version` says where they were counted.
    rustc: String,
    /// The processor's architecture.
    arch: String,
    /// The part by which a count may be above its budget.
    allowance: f64,
    /// Instructions by path, by profile of the build.
    profiles: BTreeMap<String, BTreeMap<String, f64>>,
}

fn play(bars: &[Bar], listener: &mut dyn robo_trader::backtest::Listener) {
    let series = [Arc::from(bars)];
    let outcome = trading::play(&series, &trading::settings(1, AVERAGES), listener);
    assert!(outcome.refusals.is_empty(), "{:?}", outcome.refusals);
}

/// Everything that was journaled over these bars.
fn facts(bars: &[Bar]) -> Vec<Record> {
    let mut facts = Vec::new();
    play(bars, &mut |record: &Record| facts.push(record.clone()));
    facts
}

/// Does nothing but the path, so many times.
fn walk_path(path: &str, size: usize) {
    let bars = trading::walk(1, BARS);
    match path {
        "decision" => play(&bars[..size], &mut ()),
        "read" => {
            let (dir, facts) = (tempfile::tempdir().unwrap(), facts(&bars));
            let mut journal = SqliteJournal::open(&dir.path().join("journal.db"), "DU1234567").unwrap();
            let all = facts.len();
            journal.append(&facts, Durability::Process, MarketTime::from_secs(1_700_000_000)).unwrap();
            let mut read = 0;
            journal.replay((all - size + 1) as u64, &mut |_| read += 1).unwrap();
            assert_eq!(read, size);
        }
        "replay" => {
            let facts = facts(&bars);
            assert!(facts.len() >= size, "{} facts", facts.len());
            let mut book = Book::default();
            for record in &facts[..size] {
                book.apply(record);
            }
            assert_eq!(book.facts(), size as u64);
        }
        other => panic!("{other} is no path"),
    }
}

/// Instructions of a path in a size, start included.
fn count(path: &str, size: usize) -> f64 {
    let counted = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().unwrap())
        .args([path, &size.to_string()])
        .output()
        .expect("valgrind counts: apt-get install valgrind");
    let said = String::from_utf8_lossy(&counted.stderr);
    assert!(counted.status.success(), "{said}");
    let number = said.lines().find_map(|line| line.split_once("Collected :"));
    number.and_then(|(_, number)| number.trim().parse().ok()).unwrap_or_else(|| panic!("no count in {said}"))
}

fn rustc() -> String {
    let program = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let said = Command::new(program).arg("--version").output().expect("rustc tells its version");
    String::from_utf8_lossy(&said.stdout).trim().to_owned()
}

/// Whether a count is within its budget, in words.
fn judge(path: &str, of: &str, counted: f64, budget: f64, allowance: f64) -> Result<String, String> {
    let (change, percent) = (counted / budget - 1.0, allowance * 100.0);
    let words =
        format!("{path}: {counted:.0} instructions a {of}, {:+.1} % of the budget's {budget:.0}", change * 100.0);
    if change > allowance {
        let this = std::env::current_exe().unwrap();
        let (_, _, [_, size]) = PATHS.iter().find(|(name, ..)| *name == path).unwrap();
        return Err(format!(
            "{words}, at most +{percent:.0} %.\n\
             Where they go: valgrind --tool=callgrind --callgrind-out-file=callgrind.out {} {path} {size}\n\
             and then: callgrind_annotate callgrind.out\n\
             Make it cheaper again, or raise the budget in benches/instructions/budget.toml and say why.",
            this.display()
        ));
    }
    if change < -allowance {
        return Ok(format!("{words}: the budget in benches/instructions/budget.toml may be lowered"));
    }
    Ok(words)
}

fn guard() -> ExitCode {
    let budget: Budget = toml::from_str(include_str!("budget.toml")).expect("the budget is readable");
    let profile = if cfg!(debug_assertions) { "dev" } else { "bench" };
    let (compiler, arch) = (rustc(), std::env::consts::ARCH);
    let same = budget.rustc == compiler && budget.arch == arch;
    println!("instructions, profile {profile}, {compiler}, {arch}");
    if !same {
        println!("the budget was counted with {} on {}: told, not judged", budget.rustc, budget.arch);
    }
    let mut failed = false;
    for (path, of, [few, many]) in PATHS {
        let counted = (count(path, many) - count(path, few)) / (many - few) as f64;
        match budget.profiles.get(profile).and_then(|paths| paths.get(path)).filter(|_| same) {
            None if same => {
                eprintln!("{path}: {counted:.0} instructions a {of}, and budget.toml has none for profile {profile}");
                failed = true;
            }
            None => println!("{path}: {counted:.0} instructions a {of}"),
            Some(budgeted) => match judge(path, of, counted, *budgeted, budget.allowance) {
                Ok(words) => println!("{words}"),
                Err(words) => {
                    eprintln!("{words}");
                    failed = true;
                }
            },
        }
    }
    ExitCode::from(u8::from(failed))
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match &args[..] {
        [path, size] => walk_path(path, size.parse().expect("a size is a number")),
        _ => return guard(),
    }
    ExitCode::SUCCESS
}
