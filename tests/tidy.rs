//! The house rules, as a test: who may name whom, what is pure, how long a file may be.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A module, the modules it may name, and whether it is pure. Arrows point down only.
const HOUSE: &[(&str, &[&str], bool)] = &[
    ("domain", &[], true),
    ("calendar", &["domain"], true),
    ("tape", &["domain", "calendar"], true),
    ("strategy", &["domain"], true),
    ("risk", &["domain"], true),
    ("exchange", &["domain"], true),
    ("desk", &["domain", "calendar", "strategy", "risk"], true),
    ("clock", &["domain"], false),
    ("bar_files", &["domain", "calendar"], false),
    ("private_dir", &[], false),
    ("control", &["private_dir"], false),
    ("service_manager", &[], false),
    ("backtest", &["domain", "calendar", "tape", "strategy", "risk", "exchange", "desk", "clock", "bar_files"], false),
    ("robust_connection", &[], false),
    ("tws", &["domain", "calendar", "clock", "robust_connection"], false),
    ("feed", &["domain", "calendar", "strategy", "desk", "tws"], false),
    ("journal", &["domain", "clock", "private_dir"], false),
    ("notify", &["domain"], false),
    ("config", &["domain", "calendar", "strategy", "risk", "desk", "notify"], false),
    (
        "runner",
        &[
            "private_dir",
            "domain",
            "calendar",
            "strategy",
            "risk",
            "desk",
            "clock",
            "robust_connection",
            "tws",
            "feed",
            "journal",
            "config",
            "control",
            "notify",
            "service_manager",
        ],
        false,
    ),
    ("simulator", &["private_dir", "domain", "calendar", "tape", "exchange", "clock", "bar_files", "control"], false),
    ("web", &["private_dir", "domain", "clock", "config", "notify", "runner"], false),
    (
        "cli",
        &[
            "private_dir",
            "web",
            "domain",
            "calendar",
            "tape",
            "bar_files",
            "backtest",
            "risk",
            "control",
            "strategy",
            "config",
            "runner",
            "simulator",
            "clock",
            "journal",
            "desk",
            "exchange",
            "notify",
        ],
        false,
    ),
    ("main", &["cli"], false),
    ("lib", &[], false),
];

/// What pure modules do not contain.
const IMPURE: &[&str] = &[
    "async fn",
    ".await",
    "tokio::",
    "std::fs",
    "std::env",
    "std::net",
    "std::thread",
    "Utc::now",
    "Instant",
    "SystemTime",
    "HashMap",
    "HashSet",
    "rand::rng(",
    "thread_rng",
    "println!",
    "tracing::",
];

/// A word, and the only places (path prefixes under `src`) that may say it.
const ONLY: &[(&str, &[&str])] = &[
    ("ibapi::", &["tws/"]),
    ("rusqlite", &["journal/"]),
    ("backoff::", &["robust_connection/"]),
    ("Utc::now", &["clock.rs"]),
    ("SystemTime", &[]),
    ("unbounded_channel", &[]),
    ("tokio::spawn", &[]),
    ("unsafe ", &[]),
    ("todo!", &[]),
    ("unimplemented!", &[]),
    ("#[ignore", &[]),
];

const LINES_AT_MOST: usize = 500;
const MEDIAN_AT_MOST: usize = 200;

struct File {
    path: String,
    lines: usize,
    /// Code without comments and without what follows `#[cfg(test)] mod`; empty for test files.
    code: String,
}

fn files(root: &Path) -> Vec<File> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(read(root, &path));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn read(root: &Path, path: &Path) -> File {
    let text = std::fs::read_to_string(path).unwrap();
    let name = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
    let is_test = name.split('/').any(|part| part == "tests" || part == "tests.rs" || part.ends_with("_tests.rs"));
    let mut code = String::new();
    if !is_test {
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let opens_tests = line.trim() == "#[cfg(test)]"
                && lines.peek().is_some_and(|next| next.trim_start().starts_with("mod ") && next.ends_with('{'));
            if opens_tests {
                break;
            }
            code.push_str(line.split("//").next().unwrap_or_default());
            code.push('\n');
        }
    }
    File { path: name, lines: text.lines().count(), code }
}

fn module(path: &str) -> &str {
    path.split('/').next().unwrap().trim_end_matches(".rs")
}

/// The modules of ours that a file's code names.
fn named(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for part in code.split("crate::").skip(1) {
        if let Some(list) = part.strip_prefix('{') {
            let list = list.split("};").next().unwrap_or_default();
            let mut depth = 0;
            let mut word = String::new();
            for c in list.chars().chain(",".chars()) {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        names.insert(word.split("::").next().unwrap_or_default().trim().to_owned());
                        word.clear();
                    }
                    c if depth == 0 => word.push(c),
                    _ => {}
                }
            }
        } else {
            names.insert(part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    names.remove("");
    names
}

fn source() -> Vec<File> {
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

#[test]
fn arrows_point_down_only() {
    let house: BTreeMap<&str, &[&str]> = HOUSE.iter().map(|(module, may, _)| (*module, *may)).collect();
    let mut wrong = Vec::new();
    for file in source() {
        let own = module(&file.path);
        let Some(may) = house.get(own) else {
            wrong.push(format!("{}: module {own} is not in the table of tests/tidy.rs", file.path));
            continue;
        };
        for name in named(&file.code) {
            if house.contains_key(name.as_str()) && name != own && !may.contains(&name.as_str()) {
                wrong.push(format!("{}: {own} may not name {name}", file.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pure_rooms_are_pure() {
    let pure: BTreeSet<&str> = HOUSE.iter().filter(|(_, _, pure)| *pure).map(|(module, ..)| *module).collect();
    let mut wrong = Vec::new();
    for file in source().iter().filter(|file| pure.contains(module(&file.path))) {
        wrong.extend(IMPURE.iter().filter(|word| file.code.contains(**word)).map(|w| format!("{}: {w}", file.path)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn some_words_have_one_home() {
    let mut wrong = Vec::new();
    for file in source() {
        for (word, homes) in ONLY {
            if file.code.contains(word) && !homes.iter().any(|home| file.path.starts_with(home)) {
                wrong.push(format!("{}: {word}", file.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_are_short() {
    let mut sizes: Vec<(usize, String)> = source().into_iter().map(|file| (file.lines, file.path)).collect();
    let tests = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"));
    let long: Vec<String> = sizes
        .iter()
        .map(|(lines, path)| (*lines, path.clone()))
        .chain(tests.iter().map(|file| (file.lines, format!("tests/{}", file.path))))
        .filter(|(lines, _)| *lines > LINES_AT_MOST)
        .map(|(lines, path)| format!("{path}: {lines} lines, at most {LINES_AT_MOST}: which two rooms is it?"))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
    sizes.sort();
    let median = sizes[sizes.len() / 2].0;
    assert!(median <= MEDIAN_AT_MOST, "the median file has {median} lines, at most {MEDIAN_AT_MOST}");
}

#[test]
fn the_checks_can_fail() {
    assert_eq!(named("use crate::desk::Desk; use crate::{risk::{Limits, size}, tape::Step};").len(), 3);
    assert!(named("use std::fmt;").is_empty());
    assert!(HOUSE.iter().all(|(module, may, _)| !may.contains(module)));
}

#[test]
fn no_arrow_of_the_table_makes_a_circle() {
    // Rows are in building order: each names only rows above it.
    for (index, (module, may, _)) in HOUSE.iter().enumerate() {
        for name in *may {
            let place = HOUSE.iter().position(|(other, ..)| other == name).expect("every name is in the table");
            assert!(place < index, "{module} names {name}, which stands below it");
        }
    }
}
