//! Script strategies from the command line: refused with file and line, or run; and one that fails
//! on a bar falls silent, aloud.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod cli_support;

use cli_support::Place;

fn run<'a>(strategy: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["run", "--simulator", "--once", "--symbols", "AAPL", "--strategy", strategy], more].concat()
}

/// What the journal holds of a kind: a field of each body.
fn facts(place: &Place, kind: &str, field: &str) -> Vec<String> {
    let journal = rusqlite::Connection::open(place.journal()).unwrap();
    let query = format!("SELECT CAST(json_extract(body, '$.{field}') AS TEXT) FROM facts WHERE kind = ?1 ORDER BY seq");
    let mut statement = journal.prepare(&query).unwrap();
    let rows = statement.query_map([kind], |row| row.get::<_, String>(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn a_bad_script_is_refused_with_its_file_and_line_before_anything_starts() {
    let place = Place::new();
    place.file("syntax.rhai", "const WARM_UP = 3;\nfn on_bar(bar) {\n    let x = ;\n}\n");
    place.file("good.rhai", "const WARM_UP = 3;\nfn params() { #{ level: 1.0 } }\nfn on_bar(bar) { 1 }\n");
    place.file("hungry.rhai", "const WARM_UP = 900000;\nfn on_bar(bar) { 1 }\n");
    place.file("large.rhai", &"/".repeat(300_000));
    std::fs::write(place.path("cwd").join("binary.rhai"), [0xff, 0xfe, 0x00]).unwrap();
    let refused = |strategy: &str, more: &[&str], parts: &[&str]| {
        place.tell(&run(strategy, more)).ends(2, parts);
        assert!(!place.state().exists(), "nothing was started");
    };
    refused("script:none.rhai", &[], &["STRATEGY is \"script:none.rhai\"", "none.rhai: cannot be read:"]);
    refused("script:syntax.rhai", &[], &["syntax.rhai line 3, column 13:"]);
    refused("script:large.rhai", &[], &["large.rhai: cannot be read: it is larger than 262144 bytes"]);
    refused("script:binary.rhai", &[], &["binary.rhai: cannot be read: it is not UTF-8"]);
    refused("script:", &[], &["name the script's file"]);
    refused("script:good.rhai", &["--param", "levels=2"], &["STRATEGY_PARAMS", "\"levels\" does not exist", "level"]);
    refused("script:good.rhai", &["--param", "level=high"], &["level is \"high\"; use a number"]);
    refused("script:hungry.rhai", &[], &["DATA_DURATION", "needs 900000"]);
}

#[test]
fn a_script_trades_under_its_own_name() {
    let place = Place::new();
    place.file("long.rhai", "const WARM_UP = 3;\nfn on_bar(bar) { 1 }\n");
    place.tell(&run("script:long.rhai", &[])).ends(0, &[]);
    assert_eq!(facts(&place, "target.accepted", "value").len(), 1);
    let journal = rusqlite::Connection::open(place.journal()).unwrap();
    let query = "SELECT strategy FROM facts WHERE kind = 'target.accepted'";
    assert_eq!(journal.query_row(query, [], |row| row.get::<_, String>(0)).unwrap(), "script:long.rhai");
    assert!(facts(&place, "incident", "name").iter().all(|name| name != "strategy_failed"));
}

#[test]
fn a_script_that_fails_on_a_bar_is_told_once_and_trades_no_more() {
    let place = Place::new();
    let source =
        "const WARM_UP = 3;\nfn on_bar(bar) {\n    if bar.index == 7 {\n        throw \"enough\";\n    }\n    ()\n}\n";
    place.file("fails.rhai", source);
    let told = place.tell(&run("script:fails.rhai", &[])).ends(0, &["the strategy has failed", "fails.rhai line 4"]);
    assert_eq!(told.err.matches("the strategy has failed").count(), 1, "{told:#?}");
    let texts = facts(&place, "incident", "text");
    let failed: Vec<_> = texts.iter().filter(|text| text.contains("fails.rhai line 4, column 9: enough")).collect();
    assert_eq!(failed.len(), 1, "{texts:?}");
    assert!(facts(&place, "incident", "name").contains(&"strategy_failed".to_owned()));
    assert!(facts(&place, "target.accepted", "value").is_empty());
}
