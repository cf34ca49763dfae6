//! `docs/faults.md` and the program agree: each row's test exists, each fault can be written as the page writes it, and
//! each fault that there is stands on the page.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::path::Path;

use robo_trader::simulator::faults::Rule;
use robo_trader::simulator::faults::kinds::KINDS;
use robo_trader::simulator::faults::names::On;

fn read(path: &str) -> String {
    let whole = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(whole).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The rows of the tables under a heading: their cells.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let page = read("docs/faults.md");
    let part = page.split("\n## ").find(|part| part.starts_with(heading)).unwrap_or_else(|| panic!("no {heading}"));
    let table = part.lines().filter(|line| line.starts_with('|') && !line.starts_with("| ---"));
    let cells = |line: &str| -> Vec<String> {
        let inner = line.trim().trim_matches('|');
        inner.split(" | ").map(|cell| cell.trim().to_owned()).collect()
    };
    let headings = |cells: &Vec<String>| cells[0] != "Fault" && cells[0] != "Guard";
    table.map(cells).filter(headings).collect()
}

/// What a cell writes as code.
fn codes(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Whether a test of this name (`file.rs::name`) exists.
fn exists(test: &str) -> bool {
    let (path, name) = test.rsplit_once("::").unwrap_or_else(|| panic!("{test} names no test"));
    read(path).contains(&format!("fn {name}("))
}

#[test]
fn every_row_has_four_cells_and_tests_that_exist() {
    let rows = rows("The table");
    assert!(rows.len() >= 50, "{} rows", rows.len());
    for row in rows {
        assert_eq!(row.len(), 5, "{row:?}");
        let tests = codes(&row[4]);
        assert!(!tests.is_empty(), "{row:?} names no test");
        for test in tests {
            assert!(exists(test), "{}: there is no {test}", row[0]);
        }
    }
}

#[test]
fn every_guard_names_tests_that_exist() {
    let rows = rows("Guards");
    assert_eq!(rows.len(), 6);
    for row in rows {
        let tests = codes(&row[2]);
        assert!(!tests.is_empty(), "{row:?} names no test");
        for test in tests {
            assert!(exists(test), "{}: there is no {test}", row[0]);
        }
    }
}

#[test]
fn every_fault_of_the_table_can_be_told() {
    for row in rows("The table") {
        for line in codes(&row[1]) {
            assert!(line.parse::<Rule>().is_ok(), "{}: {line}: {:?}", row[0], line.parse::<Rule>());
        }
    }
}

#[test]
fn every_fault_that_there_is_stands_in_the_table() {
    let mut told = BTreeSet::new();
    for row in rows("The table") {
        for line in codes(&row[1]) {
            told.insert(line.parse::<Rule>().unwrap().fault.name());
        }
    }
    let missing: Vec<&str> = KINDS.iter().map(|kind| kind.name).filter(|name| !told.contains(*name)).collect();
    assert!(missing.is_empty(), "not in docs/faults.md: {missing:?}");
}

#[test]
fn the_page_lists_every_fault_and_every_message_as_the_program_has_them() {
    let page = read("docs/faults.md");
    for kind in KINDS {
        let example = format!("{} = {}", kind.name, kind.example);
        assert!(page.contains(&example), "{example}");
        assert!(page.contains(kind.help), "{}", kind.help);
    }
    for word in On::all() {
        assert!(page.contains(&format!("`{word}`")), "{word}");
    }
}
