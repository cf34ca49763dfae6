//! `backtest` and `sweep` as a user calls them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use assert_cmd::Command;

/// The binary, in an empty folder and environment.
fn robo(dir: &Path, words: &str) -> Command {
    let mut command = Command::cargo_bin("robo-trader").unwrap();
    command.env_clear().current_dir(dir).args(words.split_whitespace());
    command
}

fn says(dir: &Path, words: &str) -> String {
    String::from_utf8(robo(dir, words).assert().success().get_output().stdout.clone()).unwrap()
}

fn complains(dir: &Path, words: &str, code: i32) -> String {
    String::from_utf8(robo(dir, words).assert().code(code).get_output().stderr.clone()).unwrap()
}

/// A folder with three generated days of two symbols.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    says(dir.path(), "bars generate --symbols AAA,BBB --bars 1170 --seed 7 --start 2024-01-02 --out data");
    dir
}

const PLAIN: &str = "--data data --strategy sma-cross --shares 100 --limits wide --stop none";

#[test]
fn a_backtest_writes_its_results_and_they_agree() {
    let dir = folder();
    let text = says(dir.path(), &format!("backtest {PLAIN} --out out"));
    assert!(text.contains("AAA BBB") && text.contains("2,340 of 1 min"), "{text}");
    let read = |name: &str| std::fs::read_to_string(dir.path().join("out").join(name)).unwrap();
    let summary: serde_json::Value = serde_json::from_str(&read("summary.json")).unwrap();
    let trades = read("trades.csv").lines().count() - 1;
    assert!(trades > 20, "only {trades} trades");
    assert_eq!(summary["closed_trades"], trades);
    assert_eq!(summary["bars"], 2_340);
    assert_eq!(summary["refusals"], 0);
    let fills = read("facts.jsonl").lines().filter(|line| line.contains("\"what\":\"executed\"")).count();
    assert_eq!(summary["fills"], fills);
    assert_eq!(summary["orders"], read("orders.csv").lines().count() - 1);
    assert!(read("report.html").starts_with("<!doctype html>"));
    assert!(read("equity.csv").lines().count() > 1_000);
    let again = folder();
    says(again.path(), &format!("backtest {PLAIN} --out out"));
    for name in ["trades.csv", "orders.csv", "equity.csv", "daily.csv", "facts.jsonl", "report.html"] {
        let other = std::fs::read_to_string(again.path().join("out").join(name)).unwrap();
        assert_eq!(read(name), other, "{name} is the same to the byte in another run");
    }
}

#[test]
fn refusals_and_optimistic_fills_are_told_first() {
    let dir = folder();
    let text = says(dir.path(), "backtest --data data --shares 100 --stop none --set RISK_MAX_ORDER_NOTIONAL=10");
    assert!(text.contains("order_notional"), "{text}");
    let text = says(dir.path(), &format!("backtest {PLAIN} --fill this-close"));
    assert!(text.starts_with("WARNING: optimistic fills"), "{text}");
}

#[test]
fn a_run_can_be_run_again_from_what_its_files_say() {
    let dir = folder();
    std::fs::write(dir.path().join("own.toml"), "[symbol.BBB]\nrisk_stop = \"atr\"\n").unwrap();
    let words = "backtest --data data --out out --config own.toml --shares 50 --stop trailing --limits wide --jumps trade \
                 --after-close requeue-at-open --from 2024-01-03 --cash 50000 --risk-free 0.04 --param fast=7 \
                 --set RISK_TAKE_PROFIT_PCT=0.05 --set RISK_TIME_EXIT=30 --set RISK_COOL_DOWN=5";
    says(dir.path(), words);
    let read = |name: &str| std::fs::read_to_string(dir.path().join("out").join(name)).unwrap();
    let summary: serde_json::Value = serde_json::from_str(&read("summary.json")).unwrap();
    assert_eq!(summary["risk_free"], 0.04);
    let report = read("report.html");
    for (name, value) in [
        ("strategy", "sma-cross fast=7"),
        ("sizing", "50 shares"),
        ("stop", "trailing, 0.015 of the best price away (AAA); 3 average true ranges away (BBB)"),
        ("take-profit", "0.05"),
        ("time exit", "30 bars"),
        ("limits", "wide"),
        ("cash", "50000 USD"),
        ("after the close", "requeue-at-open"),
        ("jumps", "trade"),
        ("dates", "2024-01-03 to the last"),
        ("riskless return a year", "0.04"),
        ("RISK_COOL_DOWN", "5"),
        ("RISK_FIXED_SHARES", "50"),
        ("BBB: RISK_STOP", "atr"),
    ] {
        let told = serde_json::json!({ "name": name, "value": value });
        assert!(summary["settings"].as_array().unwrap().contains(&told), "{told}: {}", summary["settings"]);
        assert!(report.contains(value), "{value}");
    }
    assert!(!read("summary.json").contains("IBKR_"), "what a backtest has no use for is not told");
    let orders = read("orders.csv");
    let column = |name: &str| orders.lines().next().unwrap().split(',').position(|head| head == name).unwrap();
    let cell = |line: &str, name: &str| line.split(',').nth(column(name)).unwrap().to_owned();
    let trails: Vec<&str> = orders.lines().filter(|line| cell(line, "type") == "TRAIL").collect();
    assert!(!trails.is_empty() && trails.iter().all(|line| cell(line, "trail") == "1.5%"), "{orders}");
}

#[test]
fn bars_at_odd_hours_and_without_volume_are_told_of() {
    let dir = tempfile::tempdir().unwrap();
    // New York's morning written as if it were UTC: of 09:30 to 15:59 only 14:30 to 15:59 is in the session.
    let mut text = "time,open,high,low,close\n".to_owned();
    for minute in 570..960 {
        text += &format!("2024-01-02T{:02}:{:02}:00Z,10,10,10,10\n", minute / 60, minute % 60);
    }
    std::fs::write(dir.path().join("ODD-1min.csv"), text).unwrap();
    let told = says(dir.path(), "backtest --data ODD-1min.csv --volume-share 0.1");
    let odd = "300 of 390 bars of ODD (76.9 %) lie outside XNYS sessions; are its times UTC?";
    assert!(told.contains(&format!("WARNING: {odd}")), "{told}");
    assert!(
        told.contains("WARNING: 390 of 390 bars of ODD have no volume: there --volume-share limits nothing"),
        "{told}"
    );
    let told = says(dir.path(), "backtest --data ODD-1min.csv --calendar always");
    assert!(!told.contains("WARNING"), "{told}");
    let told = says(folder().path(), &format!("backtest {PLAIN} --volume-share 0.1"));
    assert!(!told.contains("WARNING"), "{told}");
}

#[test]
fn flags_of_the_daemon_alone_are_neither_shown_nor_taken() {
    let dir = folder();
    for command in ["backtest", "sweep --vary fast=5,6 --out s"] {
        for flag in ["--host 10.0.0.1", "--client-id 7", "--feed poll", "--message-rate 9", "--set LOG_LEVEL=debug"] {
            let error = complains(dir.path(), &format!("{command} --data data {flag}"), 2);
            let name = flag.split(' ').next().unwrap();
            assert!(error.contains(name) && error.contains("means nothing to a backtest"), "{flag}: {error}");
        }
        let help = says(dir.path(), &format!("{} --help", command.split(' ').next().unwrap()));
        assert!(help.contains("--strategy") && help.contains("--risk-free"), "{help}");
        for flag in ["--host", "--port", "--client-id", "--feed", "--message-rate", "--duration", "--state-dir"] {
            assert!(!help.contains(flag), "{flag}: {help}");
        }
    }
    assert!(says(dir.path(), "run --help").contains("--client-id"));
    // What files and the environment say is for run, too.
    let mut command = robo(dir.path(), &format!("backtest {PLAIN}"));
    command.env("IBKR_HOST", "10.0.0.1").assert().success();
}

#[test]
fn a_script_that_fails_ends_with_2_and_what_it_did_until_then_is_written() {
    let dir = folder();
    std::fs::write(dir.path().join("bad.rhai"), "const WARM_UP = 1;\nfn on_bar(bar) { throw \"never\"; }\n").unwrap();
    let words = "backtest --data data --symbols AAA --strategy script:bad.rhai --shares 1 --out out";
    let error = complains(dir.path(), words, 2);
    assert!(error.contains("AAA: its strategy failed: bad.rhai line 2"), "{error}");
    let summary = std::fs::read_to_string(dir.path().join("out/summary.json")).unwrap();
    assert!(summary.contains("its strategy failed"), "{summary}");
}

#[test]
fn bad_input_is_named_and_ends_with_2() {
    let dir = folder();
    for (words, parts) in [
        ("backtest --data nowhere", &["nowhere"][..]),
        ("backtest --data data --symbols ZZZ", &["no bars of ZZZ", "AAA, BBB"]),
        ("backtest --data data --from 2030-01-01", &["AAA", "--from"]),
        ("backtest --data data --shares 0", &["RISK_FIXED_SHARES", "--shares"]),
        ("backtest --data data --commission free", &["ibkr-tiered"]),
        ("backtest --data data --slippage-bps -1", &["0 to 5000"]),
        ("backtest --data data --risk-free 4", &["--risk-free", "-0.1 to 1", "0.04"]),
        ("backtest --data data --strategy sma", &["sma-cross"]),
        ("backtest --data data --strategy script:no.rhai", &["no.rhai"]),
        ("sweep --data data --out s --vary fast", &["no ="]),
        ("sweep --data data --out s --vary fast=1,2 --metric luck", &["sharpe"]),
        ("sweep --data data --out s --vary fast=1,2 --shard 3/2", &["I/N"]),
        ("sweep --data data --out s --vary fast=2,3 --walk-forward 9:9", &["3 exchange days"]),
    ] {
        let error = complains(dir.path(), words, 2);
        assert!(parts.iter().all(|part| error.contains(part)), "{words}: {error}");
    }
    std::fs::write(dir.path().join("BAD-1min.csv"), "time,open,high,low,close\n2024-01-02T14:30:00Z,1,2,3,x\n")
        .unwrap();
    let error = complains(dir.path(), "backtest --data BAD-1min.csv", 2);
    assert!(error.contains("BAD-1min.csv") && error.contains("line 2"), "{error}");
}

#[test]
fn a_script_of_the_examples_trades() {
    let dir = folder();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/sma-cross.rhai");
    std::fs::copy(script, dir.path().join("mine.rhai")).unwrap();
    let text = says(
        dir.path(),
        "backtest --data data --strategy script:mine.rhai --shares 100 --limits wide --stop none --symbols AAA",
    );
    assert!(text.contains("Round trips") && !text.contains("0 fills"), "{text}");
}

#[test]
fn shards_merge_to_the_whole_and_an_interrupted_sweep_goes_on() {
    let dir = folder();
    let sweep = format!("sweep {PLAIN} --vary fast=5:15:5 --vary slow=10,20,30 --metric net_profit");
    says(dir.path(), &format!("{sweep} --out whole"));
    for shard in ["1/2", "2/2"] {
        says(dir.path(), &format!("{sweep} --shard {shard} --out part{}", &shard[..1]));
    }
    let error = complains(dir.path(), "sweep merge part1 --out merged", 2);
    assert!(error.contains("4 of 9 points"), "{error}");
    says(dir.path(), "sweep merge part1 part2 --out merged");
    let read = |path: &str| std::fs::read_to_string(dir.path().join(path)).unwrap();
    assert_eq!(read("whole/points.csv"), read("merged/points.csv"));
    assert_eq!(read("whole/points.csv").lines().count(), 10);
    assert_eq!(read("whole/result.json"), read("merged/result.json"));
    assert!(read("whole/points.csv").contains("fast (10) must be less than slow (10)"));
    // Half of the lines, and half of one: as a kill leaves them.
    let lines = read("whole/points.jsonl");
    let cut = lines.len() / 2;
    std::fs::write(dir.path().join("whole/points.jsonl"), &lines[..cut]).unwrap();
    says(dir.path(), &format!("{sweep} --out whole"));
    assert_eq!(read("whole/points.csv"), read("merged/points.csv"));
    let other = format!("sweep {PLAIN} --vary fast=5:20:5 --out whole");
    assert!(complains(dir.path(), &other, 2).contains("another sweep"));
}
