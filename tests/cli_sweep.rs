//! `sweep` as a user calls it: what it tells, what it refuses, and when it goes on.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod backtest_support;

use std::path::Path;

use backtest_support::{complains, folder, robo, says};
use serde_json::Value;

fn read(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).unwrap()
}

fn result(dir: &Path, out: &str) -> Value {
    serde_json::from_str(&read(dir, &format!("{out}/result.json"))).unwrap()
}

const PLAIN: &str = "--data data --strategy sma-cross --shares 100 --limits wide --stop none";

#[test]
fn what_has_to_be_known_first_is_in_every_report_of_a_sweep() {
    let dir = folder("AAA");
    // In the second file a share is suddenly worth half: a split that nobody adjusted for.
    let mut text = "time,open,high,low,close,volume\n".to_owned();
    for (day, price) in [(2, 100), (3, 100), (4, 50), (5, 50)] {
        text += &format!("2024-01-0{day},{price},{price},{price},{price},1000\n");
    }
    std::fs::create_dir(dir.path().join("split")).unwrap();
    std::fs::write(dir.path().join("split/JMP-1day.csv"), text).unwrap();
    for (words, out, warning) in [
        (format!("{PLAIN} --vary fast=5,10 --fill this-close"), "close", "optimistic fills"),
        ("--data split --strategy buy-and-hold --vary RISK_STOP_LOSS_PCT=0.1,0.2".to_owned(), "jump", "JMP: the price"),
    ] {
        let told = says(dir.path(), &format!("sweep {words} --out {out}"));
        assert!(told.starts_with("WARNING: ") && told.contains(warning), "{told}");
        let warnings = result(dir.path(), out)["warnings"].clone();
        assert_eq!(warnings.as_array().unwrap().len(), 1, "each once: {warnings}");
        assert!(warnings[0].as_str().unwrap().contains(warning), "{warnings}");
        let report = read(dir.path(), &format!("{out}/report.html"));
        assert!(report.contains("Read first") && report.contains(warning));
    }
    says(dir.path(), &format!("sweep {PLAIN} --vary fast=5,10 --out plain"));
    assert!(!read(dir.path(), "plain/report.html").contains("Read first"));
}

/// Buys now and then, and fails at the bar that its parameter says.
const FAILS: &str = "const WARM_UP = 3;\nfn params() { #{ last: 2000 } }\n\
    fn init(params) { #{ last: params.last, seen: 0 } }\n\
    fn on_bar(bar) {\n    this.seen += 1;\n    if this.seen >= this.last { throw \"enough\"; }\n    \
    if this.seen % 10 == 5 { 1 } else if this.seen % 10 == 0 { 0 } else { () }\n}\n";

#[test]
fn a_script_that_fails_half_way_is_no_good_point() {
    let dir = folder("AAA");
    std::fs::write(dir.path().join("mine.rhai"), FAILS).unwrap();
    let sweep =
        "sweep --data data --strategy script:mine.rhai --shares 10 --limits wide --stop none --metric net_profit";
    let told = says(dir.path(), &format!("{sweep} --vary last=500,2000 --out out"));
    assert!(told.contains("REFUSED: 1 of 2 points: AAA: its strategy failed: mine.rhai line 6"), "{told}");
    let result = result(dir.path(), "out");
    assert_eq!((&result["overfit"]["trials"], &result["overfit"]["refused"]), (&1.into(), &1.into()));
    assert_eq!(result["refusals"][0]["points"], 1);
    assert!(result["refusals"][0]["reason"].as_str().unwrap().contains("enough"));
    assert!(read(dir.path(), "out/report.html").contains("its strategy failed"));
}

#[test]
fn a_sweep_goes_on_only_with_the_same_script_and_the_same_bars() {
    let dir = folder("AAA");
    std::fs::write(dir.path().join("mine.rhai"), FAILS).unwrap();
    let sweep =
        "sweep --data data --strategy script:mine.rhai --shares 10 --limits wide --stop none --vary last=1500,2000";
    says(dir.path(), &format!("{sweep} --out out"));
    says(dir.path(), &format!("{sweep} --out out"));
    says(dir.path(), &format!("{sweep} --out part1 --shard 1/2"));
    // The other way round: the path is the same, and so is everything but the text.
    std::fs::write(dir.path().join("mine.rhai"), FAILS.replace("% 10 == 5", "% 10 == 6")).unwrap();
    let error = complains(dir.path(), &format!("{sweep} --out out"), 2);
    assert!(error.contains("out holds another sweep") && error.contains("a script's text"), "{error}");
    says(dir.path(), &format!("{sweep} --out part2 --shard 2/2"));
    let error = complains(dir.path(), "sweep merge part1 part2 --out whole", 2);
    assert!(error.contains("part2 is no part") && error.contains("a script's text"), "{error}");
    std::fs::write(dir.path().join("mine.rhai"), FAILS).unwrap();
    // One open differs; the closes, and their sum, are as they were.
    let bars = read(dir.path(), "data/AAA-1min.csv");
    let cells = |line: &'_ str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
    let line = bars.lines().skip(1).find(|line| cells(line)[1] != cells(line)[3]).unwrap();
    let cells = cells(line);
    let other = [&cells[0], &cells[3], &cells[2], &cells[3], &cells[4], &cells[5]].map(String::as_str).join(",");
    std::fs::write(dir.path().join("data/AAA-1min.csv"), bars.replace(line, &other)).unwrap();
    let error = complains(dir.path(), &format!("{sweep} --out out"), 2);
    assert!(error.contains("different is: the bars"), "{error}");
}

#[test]
fn what_cannot_vary_is_refused_before_anything_is_run() {
    let dir = folder("AAA");
    std::fs::write(dir.path().join("own.toml"), "[symbol.AAA]\nrisk_stop = \"none\"\nstrategy_params = \"fast=5\"\n")
        .unwrap();
    for (vary, parts) in [
        ("DATA_BAR_SIZE=1min,5mins", &["--vary DATA_BAR_SIZE", "cannot vary", "RISK_", "AFTER_CLOSE"][..]),
        ("CALENDAR=XNYS,always", &["--vary CALENDAR", "cannot vary"]),
        ("DEFAULT_CASH=1000,2000", &["--vary DEFAULT_CASH", "cannot vary"]),
        ("SYMBOLS=AAA,BBB", &["--vary SYMBOLS", "cannot vary"]),
        ("IBKR_PORT=1,2", &["--vary IBKR_PORT", "cannot vary"]),
        ("RISK_FLAPPING_PAUSE=1,2", &["--vary RISK_FLAPPING_PAUSE", "no use for it"]),
        ("RISK_STOPP=fixed,atr", &["--vary RISK_STOPP", "no such setting"]),
        ("foo=1,2", &["--vary foo", "does not exist", "fast, slow"]),
        ("RISK_STOP=fixed,atr --config own.toml", &["--vary RISK_STOP", "AAA has a RISK_STOP of its own"]),
        ("fast=5,6 --config own.toml", &["--vary fast", "AAA has a STRATEGY_PARAMS of its own"]),
    ] {
        let error = complains(dir.path(), &format!("sweep {PLAIN} --out out --vary {vary}"), 2);
        assert!(parts.iter().all(|part| error.contains(part)), "{vary}: {error}");
        assert!(!dir.path().join("out").exists(), "{vary}");
    }
    says(dir.path(), &format!("sweep {PLAIN} --out out --vary STRATEGY=sma-cross,ema-cross --vary fast=5,6"));
    assert_eq!(result(dir.path(), "out")["overfit"]["trials"], 4);
}

#[test]
fn where_no_point_can_be_run_the_reasons_are_told_and_the_end_is_2() {
    let dir = folder("AAA");
    let words = format!("sweep {PLAIN} --out out --param slow=20 --vary fast=30,40");
    let told = robo(dir.path(), &words).assert().code(2).get_output().stdout.clone();
    let told = String::from_utf8(told).unwrap();
    for fast in [30, 40] {
        let reason = format!("fast ({fast}) must be less than slow (20)");
        assert!(told.contains("REFUSED: 1 of 2 points") && told.contains(&reason), "{told}");
    }
}

#[test]
fn figures_are_written_with_their_units() {
    let dir = folder("AAA");
    let told =
        says(dir.path(), &format!("sweep {PLAIN} --out out --vary fast=5,10 --vary slow=20,30 --metric total_return"));
    let points = read(dir.path(), "out/points.csv");
    let column = points.lines().next().unwrap().split(',').position(|name| name == "total_return").unwrap();
    let values: Vec<f64> =
        points.lines().skip(1).map(|line| line.split(',').nth(column).unwrap().parse().unwrap()).collect();
    let report = read(dir.path(), "out/report.html");
    for value in &values {
        let cell = format!(">{:.2} %</td>", 100.0 * value);
        assert!(report.contains(&cell), "{cell}");
    }
    // Three days have no figure a year, and it says so rather than 0.
    let few = says(dir.path(), &format!("sweep {PLAIN} --out few --vary fast=5,10 --metric annual_return"));
    assert!(few.contains("unknown: no point has this figure"), "{few}");
    let best = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    assert!(
        told.lines()
            .any(|line| line.starts_with("its total_return") && line.ends_with(&format!("{:.2} %", 100.0 * best))),
        "{told}"
    );
}

#[test]
fn a_random_search_says_how_few_neighbours_it_knows() {
    let dir = folder("AAA");
    let told = says(dir.path(), &format!("sweep {PLAIN} --out out --vary fast=2:10:1 --vary slow=20:60:1 --random 1"));
    let overfit = result(dir.path(), "out")["overfit"].clone();
    assert_eq!((&overfit["neighbours_run"], &overfit["stability"]), (&0.into(), &Value::Null));
    let neighbours = overfit["neighbours"].as_u64().unwrap();
    assert!((2..=4).contains(&neighbours), "a point of a grid of two axes has two to four");
    assert!(told.contains(&format!("0 of {neighbours} run")), "{told}");
    assert!(told.lines().any(|line| line.starts_with("stability") && line.ends_with("unknown")), "{told}");
}

#[test]
fn a_walk_forward_measures_its_days_out_of_sample() {
    let dir = tempfile::tempdir().unwrap();
    says(dir.path(), "bars generate --symbols AAA --bars 3900 --seed 7 --start 2024-01-02 --out data");
    let told =
        says(dir.path(), &format!("sweep {PLAIN} --out out --vary fast=5,10 --walk-forward 3:2 --risk-free 0.04"));
    let walk = result(dir.path(), "out")["walk_forward"].clone();
    let worths: Vec<f64> = walk["stitched"].as_array().unwrap().iter().map(|day| day[1].as_f64().unwrap()).collect();
    // Ten days, the first three of which are only looked at.
    assert_eq!(worths.len(), 7);
    let returns: Vec<f64> =
        std::iter::once(&1.0).chain(&worths).zip(&worths).map(|(before, after)| after / before - 1.0).collect();
    let mean = returns.iter().sum::<f64>() / 7.0;
    let deviation = (returns.iter().map(|day| (day - mean).powi(2)).sum::<f64>() / 6.0).sqrt();
    let sharpe = (mean - (1.04_f64.powf(1.0 / 252.0) - 1.0)) / deviation * 252_f64.sqrt();
    assert!((walk["sharpe"].as_f64().unwrap() - sharpe).abs() < 1e-6, "{sharpe} {walk}");
    let fall = (0..7).flat_map(|low| (0..low).map(move |high| (high, low)));
    let fall = fall.map(|(high, low)| 1.0 - worths[low] / worths[high]);
    let fall = fall.chain(worths.iter().map(|worth| 1.0 - worth)).fold(0.0, f64::max);
    assert!((walk["max_drawdown"].as_f64().unwrap() - fall).abs() < 1e-9, "{fall} {walk}");
    let trades = walk["trades"].as_u64().unwrap();
    assert!(trades > 5, "{trades}");
    for part in [format!("{sharpe:.2}"), format!("{:.2} %", 100.0 * fall), trades.to_string()] {
        assert!(told.contains(&part), "{part}: {told}");
    }
}
