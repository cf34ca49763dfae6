//! `backtest` and `sweep` as a user calls them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod backtest_support;

use std::path::Path;

use backtest_support::{complains, folder, robo, says};

const PLAIN: &str = "--data data --strategy sma-cross --shares 100 --limits wide --stop none";

#[test]
fn a_backtest_writes_its_results_and_they_agree() {
    let dir = folder("AAA,BBB");
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
    let report = read("report.html");
    assert!(report.starts_with("<!doctype html>") && report.contains("Prices and fills of AAA"));
    assert!(read("equity.csv").lines().count() > 1_000);
    let told = says(dir.path(), &format!("backtest {PLAIN} --out out --json"));
    assert_eq!(told.trim_end(), read("summary.json").trim_end());
    let again = folder("AAA,BBB");
    says(again.path(), &format!("backtest {PLAIN} --out out"));
    for name in ["trades.csv", "orders.csv", "equity.csv", "daily.csv", "facts.jsonl", "report.html"] {
        let other = std::fs::read_to_string(again.path().join("out").join(name)).unwrap();
        assert_eq!(read(name), other, "{name} is the same to the byte in another run");
    }
}

#[test]
fn refusals_and_optimistic_fills_are_told_first() {
    let dir = folder("AAA,BBB");
    let text = says(dir.path(), "backtest --data data --shares 100 --stop none --set RISK_MAX_ORDER_NOTIONAL=10");
    assert!(text.contains("order_notional"), "{text}");
    let text = says(dir.path(), &format!("backtest {PLAIN} --fill this-close"));
    assert!(text.starts_with("WARNING: optimistic fills"), "{text}");
}

/// An hour of minute bars from 100 USD a share, which go to these prices from its eleventh minute on
/// and back.
fn minutes(hour: u32, prices: &[u32]) -> String {
    let mut last = 100;
    let row = |minute: u32| {
        let step = usize::try_from(minute).unwrap().checked_sub(10).and_then(|step| prices.get(step));
        let (open, close) = (last, *step.unwrap_or(&100));
        last = close;
        let (high, low) = (open.max(close), open.min(close));
        format!("2024-06-03T{hour}:{minute:02}:00Z,{open},{high},{low},{close},1000\n")
    };
    (0..60).map(row).collect()
}

/// An hour's bar reaches 98 and 102 USD, past the stop at 99 and the target at 101 of shares bought
/// at 100. Which was first, its minutes tell.
#[test]
fn smaller_bars_tell_what_an_hour_cannot() {
    const HEAD: &str = "time,open,high,low,close,volume\n";
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, rows: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, format!("{HEAD}{rows}")).unwrap();
    };
    let hour = |hour: u32, range: &str| format!("2024-06-03T{hour}:00:00Z,100,{range},100,60000\n");
    let hours: String =
        [(14, "100,100"), (15, "100,100"), (16, "102,98"), (17, "100,100")].map(|(at, range)| hour(at, range)).concat();
    write("hours/SYN-1hour.csv", &hours);
    for (name, way) in [("up", [102, 98]), ("down", [98, 102])] {
        let rows = [minutes(14, &[]), minutes(15, &[]), minutes(16, &way), minutes(17, &[])].concat();
        write(&format!("{name}/SYN-1min.csv"), &rows);
    }
    // Decided on at 15:00, bought at that hour's open.
    let said = "--calendar always --strategy buy-and-hold --shares 100 --limits wide --commission none \
                --set RISK_STOP_LOSS_PCT=0.01 --set RISK_TAKE_PROFIT_PCT=0.01 --out out";
    let bought = "SYN,2024-06-03T15:00:00Z,100";
    let (stop, target) = ("99,100,-100.00,0.00,stop", "101,100,100.00,0.00,target");
    let hours = ("4 of 1 hour,", "4 bars of 1 hour<", "[\"1 hour\"]");
    let inside = ("240 of 1 min inside bars of 1 hour,", "240 bars of 1 min inside bars of 1 hour<", "[\"1 min\"]");
    for (bars, at, end, ambiguous, (shown, reported, sizes)) in [
        ("--data hours", "17:00", stop, 1, hours),
        ("--data up --bar-size 1hour", "17:00", stop, 1, hours),
        ("--data hours --intrabar up", "16:11", target, 0, inside),
        ("--data hours --intrabar down", "16:11", stop, 0, inside),
        ("--data up --bar-size 1hour --fill intrabar", "16:11", target, 0, inside),
        ("--data hours up/SYN-1min.csv --bar-size 1hour --fill intrabar", "16:11", target, 0, inside),
    ] {
        let text = says(dir.path(), &format!("backtest {bars} {said}"));
        let read = |name: &str| std::fs::read_to_string(dir.path().join("out").join(name)).unwrap();
        let row = format!("{bought},2024-06-03T{at}:00Z,{end},long,1");
        assert_eq!(read("trades.csv").lines().skip(1).collect::<Vec<_>>(), [row], "{bars}");
        assert!(text.contains(shown) && !text.contains("WARNING"), "{bars}: {text}");
        assert!(read("report.html").contains(reported), "{bars}");
        let summary: serde_json::Value = serde_json::from_str(&read("summary.json")).unwrap();
        assert_eq!(summary["ambiguous_bars"], ambiguous, "{bars}");
        assert_eq!((&summary["bar_size"], summary["played_bar_sizes"].to_string().as_str()), (&"1 hour".into(), sizes));
    }
    // Minutes of three of the four hours.
    write("short/SYN-1min.csv", &[minutes(14, &[]), minutes(15, &[]), minutes(16, &[])].concat());
    let text = says(dir.path(), &format!("backtest --data hours --intrabar short {said}"));
    let warning = "SYN: its smaller bars (--intrabar) are from 2024-06-03T14:00:00Z to 2024-06-03T17:00:00Z, \
                   those of 1 hour from 2024-06-03T14:00:00Z to 2024-06-03T18:00:00Z";
    assert!(text.starts_with(&format!("WARNING: {warning}")), "{text}");
}

#[test]
fn a_run_can_be_run_again_from_what_its_files_say() {
    let dir = folder("AAA,BBB");
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
    let told = says(folder("AAA,BBB").path(), &format!("backtest {PLAIN} --volume-share 0.1"));
    assert!(!told.contains("WARNING"), "{told}");
}

#[test]
fn flags_of_the_daemon_alone_are_neither_shown_nor_taken() {
    let dir = folder("AAA,BBB");
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
    let dir = folder("AAA,BBB");
    std::fs::write(dir.path().join("bad.rhai"), "const WARM_UP = 1;\nfn on_bar(bar) { throw \"never\"; }\n").unwrap();
    let words = "backtest --data data --symbols AAA --strategy script:bad.rhai --shares 1 --out out";
    let error = complains(dir.path(), words, 2);
    assert!(error.contains("AAA: its strategy failed: bad.rhai line 2"), "{error}");
    let summary = std::fs::read_to_string(dir.path().join("out/summary.json")).unwrap();
    assert!(summary.contains("its strategy failed"), "{summary}");
}

#[test]
fn bad_input_is_named_and_ends_with_2() {
    let dir = folder("AAA,BBB");
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
        ("backtest --data data --intrabar data", &["--intrabar", "AAA", "smaller than 1 min"]),
        ("backtest --data data --intrabar nowhere", &["nowhere"]),
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
    let dir = folder("AAA,BBB");
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
    let dir = folder("AAA,BBB");
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
    for again in [format!("{sweep} --out whole"), "sweep merge part1 part2 --out merged".to_owned()] {
        assert_eq!(says(dir.path(), &format!("{again} --json")).trim_end(), read("whole/result.json").trim_end());
    }
    let part = says(dir.path(), &format!("{sweep} --shard 1/2 --out part1 --json"));
    let part: serde_json::Value = serde_json::from_str(&part).unwrap();
    assert_eq!((&part["whole"], &part["points"]), (&false.into(), &5.into()), "{part}");
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

/// Bars in Parquet are the bars that they were in CSV.
#[cfg(feature = "parquet")]
#[test]
fn parquet_is_backtested_as_the_csv_it_was_made_of() {
    let dir = folder("AAA,BBB");
    for symbol in ["AAA", "BBB"] {
        let folder = dir.path().join("columns");
        std::fs::create_dir_all(folder).unwrap();
        says(dir.path(), &format!("bars convert data/{symbol}-1min.csv --out columns/{symbol}-1min.parquet"));
    }
    let results = |data: &str| {
        says(dir.path(), &format!("backtest --data {data} --shares 100 --limits wide --out out"));
        let read = |name: &str| std::fs::read_to_string(dir.path().join("out").join(name)).unwrap();
        let mut summary: serde_json::Value = serde_json::from_str(&read("summary.json")).unwrap();
        for timing in ["load_seconds", "run_seconds", "bars_per_second"] {
            summary.as_object_mut().unwrap().remove(timing).unwrap();
        }
        let lists = ["trades.csv", "orders.csv", "equity.csv", "daily.csv", "facts.jsonl", "report.html"].map(read);
        (summary, lists)
    };
    let (summary, lists) = results("columns");
    assert!(summary["closed_trades"].as_u64() > Some(20), "{summary}");
    assert!((summary, lists) == results("data"), "the results differ");
}
