//! The journal's upkeep and the reports from it: beside the daemon that writes it, and after its end.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod cli_support;

use cli_support::{Daemon, Place};
use serde_json::Value;

fn busy(place: &Place) -> Daemon {
    let words = "run --simulator --symbols AAPL,NVDA --speed 60 --param fast=2 --param slow=5 \
                 --set RISK_MAX_LOSSES=1000000 --set RISK_STOP_LOSS_PCT=0.1";
    place.start(&[], &words.split_whitespace().collect::<Vec<_>>())
}

fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_backup_of_a_journal_that_is_written_is_whole_and_replaces_nothing() {
    let place = Place::new();
    let mut daemon = busy(&place);
    daemon.says("fill: ");
    let told = place.tell(&["journal", "backup", "copy.db", "--json"]).ends(0, &[]);
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(place.path("cwd").join("copy.db")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600, "an account is nobody else's to read");
    let copied = read(&told.out);
    assert!(copied["fills"].as_u64().unwrap() >= 1 && copied["account"] == "DU1234567", "{copied}");
    // The daemon goes on meanwhile, and its journal is sound while it does.
    daemon.says("fill: ");
    place.tell(&["journal", "verify"]).ends(0, &[]);
    daemon.ends_well_on("TERM");
    let again = read(&place.tell(&["journal", "verify", "copy.db", "--json"]).ends(0, &[]).out);
    assert_eq!((&again["records"], &again["fills"]), (&copied["records"], &copied["fills"]));
    let now = read(&place.tell(&["journal", "verify", "--json"]).ends(0, &[]).out);
    assert!(now["records"].as_u64() > copied["records"].as_u64());
    place.tell(&["journal", "backup", "copy.db"]).ends(2, &["a backup replaces nothing"]);
    place.tell(&["journal", "backup", "nowhere/copy.db"]).ends(2, &["nowhere/copy.db"]);
    assert!(!place.path("cwd").join("copy.db.partial").exists());
    // A copy can take the journal's place: it is a journal.
    std::fs::copy(place.path("cwd").join("copy.db"), place.journal()).unwrap();
    for suffix in ["-wal", "-shm"] {
        let beside = format!("{}{suffix}", place.journal().display());
        assert!(!std::path::Path::new(&beside).exists() || std::fs::remove_file(&beside).is_ok());
    }
    let mut daemon = busy(&place);
    daemon.says("ready:");
    daemon.ends_well_on("TERM");
}

#[test]
fn what_is_wrong_with_a_journal_is_found_and_named() {
    let place = Place::new();
    place.tell(&["run", "--simulator", "--once", "--symbols", "AAPL"]).ends(0, &[]);
    let journal = rusqlite::Connection::open(place.journal()).unwrap();
    journal.execute("DELETE FROM facts WHERE seq = 2", []).unwrap();
    place.tell(&["journal", "verify"]).ends(4, &["has no record 2"]);
    journal.execute_batch("PRAGMA application_id = 7").unwrap();
    place.tell(&["journal", "verify"]).ends(4, &["not written by robo-trader"]);
    drop(journal);
    place.file("text.db", "no database at all, and long enough to be one if it were one: so many words there are");
    place.tell(&["journal", "verify", "text.db"]).ends(4, &["text.db"]);
    place.tell(&["journal", "verify", "missing.db"]).ends(4, &["missing.db"]);
}

#[test]
fn exports_hold_every_fact_once_in_both_forms() {
    let place = Place::new();
    let mut daemon = busy(&place);
    for _ in 0..4 {
        daemon.says("fill: ");
    }
    daemon.ends_well_on("TERM");
    let records = read(&place.tell(&["journal", "verify", "--json"]).ends(0, &[]).out)["records"].as_u64().unwrap();
    let lines = place.tell(&["journal", "export"]).ends(0, &[]).out;
    let facts: Vec<Value> = lines.lines().map(read).collect();
    assert_eq!(facts.len() as u64, records);
    assert!(facts.iter().zip(1..).all(|(fact, seq)| fact["seq"] == seq && fact["body"].is_object()));
    place.tell(&["journal", "export", "--format", "csv", "--out", "facts.csv"]).ends(0, &[]);
    let mut table = csv::Reader::from_path(place.path("cwd").join("facts.csv")).unwrap();
    let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
    assert_eq!(rows.len() as u64, records);
    for (row, fact) in rows.iter().zip(&facts) {
        assert_eq!(read(&row[9]), fact["body"]);
        assert_eq!((&row[1], &row[7]), (fact["at"].as_str().unwrap(), fact["kind"].as_str().unwrap()));
    }
    place.tell(&["journal", "export", "--out", "facts.csv"]).ends(1, &["facts.csv"]);
    let fills = place.tell(&["journal", "export", "--kind", "fill.executed", "--symbol", "AAPL"]).ends(0, &[]).out;
    let wanted = |fact: &&Value| fact["kind"] == "fill.executed" && fact["symbol"] == "AAPL";
    assert_eq!(fills.lines().count(), facts.iter().filter(wanted).count());
}

#[test]
fn a_report_tells_the_same_in_three_forms() {
    let place = Place::new();
    let mut daemon = busy(&place);
    for _ in 0..6 {
        daemon.says("fill: ");
    }
    daemon.ends_well_on("TERM");
    let pnl = read(&place.tell(&["pnl", "month", "--json"]).ends(0, &[]).out);
    let report = read(&place.tell(&["report", "month", "--json"]).ends(0, &[]).out);
    let months = pnl["pnl"].as_array().unwrap();
    assert_eq!(report["in_all"]["realized_net_usd"], months.last().unwrap()["realized_net_usd"]);
    assert_eq!(report["in_all"]["fills"].as_u64().unwrap(), report["fills"].as_array().unwrap().len() as u64);
    let net = report["in_all"]["realized_net_usd"].as_str().unwrap();
    let text = place.tell(&["report", "month"]).ends(0, &[]).out;
    assert!(text.contains(&format!("{net} USD realized net")) && text.contains("\nFills\n"), "{text}");
    place.tell(&["report", "month", "--format", "html", "--out", "month.html"]).ends(0, &[]);
    let page = std::fs::read_to_string(place.path("cwd").join("month.html")).unwrap();
    assert!(page.contains(&format!("{net} USD realized net")) && page.starts_with("<!DOCTYPE html>"));
    // It needs nothing else: no script, nothing fetched.
    for word in ["<script", "http:", "https:", "src=", "@import", "url("] {
        assert!(!page.contains(word), "{word}");
    }
    let empty = place.tell(&["report", "day", "--date", "2020-01-02"]).ends(0, &[]).out;
    assert!(empty.contains("robo-trader: 2020-01-02") && empty.contains("0.00 USD realized net"), "{empty}");
}
