//! What a backtest keeps, streams and measures: flags of the command line, and what its files say.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod backtest_support;

use std::path::Path;

use backtest_support::{complains, folder, says};
use rust_decimal::Decimal;
use serde_json::Value;

fn read(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The summary without what depends on the clock.
fn summary(dir: &Path, out: &str) -> Value {
    let mut summary: Value = serde_json::from_str(&read(dir, &format!("{out}/summary.json"))).unwrap();
    for name in ["load_seconds", "run_seconds", "bars_per_second"] {
        assert!(summary.as_object_mut().unwrap().remove(name).is_some(), "{name}");
    }
    summary
}

fn same(dir: &Path, whole: &str, streamed: &str) {
    for name in ["trades.csv", "orders.csv", "equity.csv", "daily.csv", "facts.jsonl"] {
        assert_eq!(read(dir, &format!("{whole}/{name}")), read(dir, &format!("{streamed}/{name}")), "{name}");
    }
    assert_eq!(summary(dir, whole), summary(dir, streamed));
}

#[test]
fn streamed_bars_give_what_whole_ones_give() {
    let dir = folder("AAA,BBB");
    let stops = "--strategy sma-cross --shares 100 --limits wide --stop trailing";
    for (number, flags) in [
        (1, format!("--data data {stops}")),
        (2, format!("--data data {stops} --bar-size 5mins --from 2024-01-03 --slippage-bps 3")),
        (3, "--data data --symbols BBB --strategy rsi-reversion --limits wide --stop fixed".to_owned()),
    ] {
        says(dir.path(), &format!("backtest {flags} --out whole{number}"));
        says(dir.path(), &format!("backtest {flags} --out streamed{number} --stream"));
        same(dir.path(), &format!("whole{number}"), &format!("streamed{number}"));
    }
    assert!(read(dir.path(), "whole1/trades.csv").lines().count() > 20);
}

#[test]
fn parts_of_a_streamed_symbol_are_joined_in_their_order() {
    let dir = folder("AAA,BBB");
    let text = read(dir.path(), "data/AAA-1min.csv");
    let (header, rows) = text.split_once('\n').unwrap();
    let rows: Vec<&str> = rows.lines().collect();
    std::fs::create_dir(dir.path().join("parts")).unwrap();
    let write = |name: &str, rows: &[&str]| {
        std::fs::write(dir.path().join("parts").join(name), format!("{header}\n{}\n", rows.join("\n"))).unwrap();
    };
    // By name the later part comes first.
    write("AAA-1min-a.csv", &rows[500..]);
    write("AAA-1min-b.csv", &rows[..500]);
    let flags = "--symbols AAA --strategy sma-cross --shares 100 --limits wide --stop none";
    says(dir.path(), &format!("backtest --data data {flags} --out whole"));
    says(dir.path(), &format!("backtest --data parts {flags} --out streamed --stream"));
    for name in ["trades.csv", "daily.csv"] {
        assert_eq!(read(dir.path(), &format!("whole/{name}")), read(dir.path(), &format!("streamed/{name}")), "{name}");
    }
    write("AAA-1min-c.csv", &rows[490..510]);
    let error = complains(dir.path(), &format!("backtest --data parts {flags} --stream"), 2);
    assert!(error.contains("two files of 1 min bars overlap"), "{error}");
}

#[test]
fn a_fault_in_the_middle_of_a_stream_is_no_result() {
    let dir = folder("AAA,BBB");
    let path = dir.path().join("data/BBB-1min.csv");
    let text = std::fs::read_to_string(&path).unwrap();
    let broken: Vec<String> = text
        .lines()
        .enumerate()
        .map(|(at, line)| if at == 700 { line.replace(',', ",-") } else { line.into() })
        .collect();
    std::fs::write(&path, broken.join("\n")).unwrap();
    let error = complains(dir.path(), "backtest --data data --stream --out out --limits wide", 2);
    assert!(error.contains("BBB-1min.csv") && error.contains("701"), "{error}");
    assert!(!dir.path().join("out/summary.json").exists());
    let error = complains(dir.path(), "backtest --data data --intrabar data --bar-size 5mins --stream", 2);
    assert!(error.contains("--stream and --intrabar"), "{error}");
}

#[test]
fn a_streamed_jump_ends_its_symbol_and_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let row = |day: u32, price: f64| format!("2024-01-{day:02},{price},{},{},{price},100\n", price + 1.0, price - 1.0);
    let days = [2, 3, 4, 5, 8, 9, 10, 11, 12];
    let rows: String = days.iter().map(|day| row(*day, if *day < 10 { 70.0 } else { 10.0 })).collect();
    std::fs::write(dir.path().join("AAA-1day.csv"), format!("time,open,high,low,close,volume\n{rows}")).unwrap();
    let flags = "backtest --data . --strategy buy-and-hold --limits wide --stop none";
    let (whole, streamed) = (says(dir.path(), flags), says(dir.path(), &format!("{flags} --stream")));
    for text in [whole, streamed] {
        assert!(text.contains("the price jumps from 70 to 10") && text.contains("7:1"), "{text}");
        assert!(text.contains("6 of 1 day"), "{text}");
    }
    let through = says(dir.path(), &format!("{flags} --stream --jumps trade"));
    assert!(through.contains("it is traded through") && through.contains("9 of 1 day"), "{through}");
}

/// Time in the market is counted in bars, whatever rounding leaves in sums of floating numbers: each
/// round trip is held at the ends of as many bars as its row says.
#[test]
fn time_in_the_market_is_the_bars_that_trades_were_held() {
    let dir = folder("AAA,BBB");
    says(
        dir.path(),
        "backtest --data data --symbols AAA --strategy sma-cross --shares 37 --limits wide --stop none --out out",
    );
    let trades = read(dir.path(), "out/trades.csv");
    let held: u64 = trades.lines().skip(1).map(|row| row.rsplit(',').next().unwrap().parse::<u64>().unwrap()).sum();
    let summary = summary(dir.path(), "out");
    assert_eq!(summary["open_positions"], 0, "else its bars count, too");
    let exposure = summary["exposure"].as_f64().unwrap();
    assert!(held > 100);
    assert_eq!((exposure * 1_170.0).round() as u64, held);
}

#[test]
fn this_close_fills_at_the_close_that_decided_also_of_days() {
    let dir = tempfile::tempdir().unwrap();
    let closes = [50, 49, 48, 47, 49, 52, 55, 57, 54, 50, 46, 44, 47, 52, 56, 58];
    let days = [2, 3, 4, 5, 8, 9, 10, 11, 12, 16, 17, 18, 19, 22, 23, 24];
    let row = |(day, close): (&u32, &i32)| format!("2024-01-{day:02},{},70,40,{close},1000\n", close + 3);
    let rows: String = days.iter().zip(&closes).map(row).collect();
    std::fs::write(dir.path().join("AAA-1day.csv"), format!("time,open,high,low,close,volume\n{rows}")).unwrap();
    let flags = "--data . --strategy sma-cross --param fast=2 --param slow=4 --shares 10 --limits wide --stop none";
    says(dir.path(), &format!("backtest {flags} --fill this-close --commission none --out now"));
    says(dir.path(), &format!("backtest {flags} --commission none --out next"));
    let entries = |out: &str| -> Vec<(String, String)> {
        let trades = read(dir.path(), &format!("{out}/trades.csv"));
        let row = |row: &str| row.split(',').map(str::to_owned).collect::<Vec<_>>();
        trades.lines().skip(1).map(row).map(|row| (row[1][..10].to_owned(), row[2].clone())).collect()
    };
    // Fast over slow for the first time on the 9th, at its close of 52; the next open is 58.
    assert_eq!(entries("now"), [("2024-01-09".to_owned(), "52".to_owned())]);
    assert_eq!(entries("next"), [("2024-01-10".to_owned(), "58".to_owned())]);
}

/// Realized, unrealized and fees add up to what was won, also where a position is sold in parts.
#[test]
fn profit_adds_up_where_orders_fill_in_parts() {
    let dir = folder("AAA,BBB");
    let flags = "--data data --symbols AAA --strategy sma-cross --shares 400 --limits wide --stop none";
    says(dir.path(), &format!("backtest {flags} --volume-share 0.01 --out out"));
    let summary = summary(dir.path(), "out");
    let money = |name: &str| -> Decimal { summary[name].to_string().trim_matches('"').parse().unwrap() };
    assert!(summary["fills"].as_u64() > summary["orders"].as_u64(), "orders fill in parts: {summary}");
    let won = money("realized") + money("unrealized") - money("fees");
    assert_eq!(won.normalize(), (money("final_equity") - money("cash")).normalize());
}

#[test]
fn entries_that_are_dropped_after_the_close_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    says(dir.path(), "bars generate --symbols AAA --bar-size 1day --bars 60 --seed 3 --start 2024-01-02 --out data");
    let flags = "--data data --strategy sma-cross --param fast=3 --param slow=8 --limits wide --stop none";
    says(dir.path(), &format!("backtest {flags} --after-close drop --out out"));
    let summary = summary(dir.path(), "out");
    assert_eq!((&summary["orders"], &summary["fills"]), (&Value::from(0), &Value::from(0)));
    assert!(summary["refusals_by_reason"]["dropped_after_close"].as_u64() > Some(0), "{summary}");
}
