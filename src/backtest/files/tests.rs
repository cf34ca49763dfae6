//! What is in the files.

use super::*;
use crate::backtest::report::sample_tests::{Sample, empty, played};
use crate::domain::{MarketTime, Price, Shares};

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

#[test]
fn a_round_trip_is_a_line_with_exact_money() {
    let folder = tempfile::tempdir().unwrap();
    let mut outcome = empty();
    let at = |text: &str| MarketTime::from(chrono::DateTime::parse_from_rfc3339(text).unwrap().to_utc());
    let long = Trade {
        symbol: "BAC".parse().unwrap(),
        entry_time: at("2013-10-04T14:18:00Z"),
        entry_price: "14.0500".parse::<Price>().unwrap(),
        exit_time: at("2013-10-04T14:23:00Z"),
        exit_price: "14.01".parse::<Price>().unwrap(),
        quantity: Shares(100),
        pnl: "-4.0".parse().unwrap(),
        fees: "0.00335".parse().unwrap(),
        reason: crate::backtest::outcome::ExitReason::Stop,
        bars: 5,
    };
    let short = Trade { quantity: Shares(-7), pnl: "-0".parse().unwrap(), fees: Usd::ZERO, ..long.clone() };
    let rows = [TRADE_COLUMNS.map(str::to_owned), trade_row(&long), trade_row(&short)].map(|row| row.join(","));
    assert_eq!(
        rows,
        [
            "symbol,entry_time,entry_price,exit_time,exit_price,quantity,pnl,fees,exit_reason,side,bars",
            "BAC,2013-10-04T14:18:00Z,14.05,2013-10-04T14:23:00Z,14.01,100,-4.00,0.00335,stop,long,5",
            "BAC,2013-10-04T14:18:00Z,14.05,2013-10-04T14:23:00Z,14.01,7,0.00,0.00,stop,short,5",
        ]
    );
    outcome.trades = [long, short].into_iter().collect();
    write(folder.path(), &outcome, &Metrics::of(&outcome, 0.0)).unwrap();
    assert_eq!(read(folder.path(), "equity.csv"), "time,equity,exposure,drawdown\n");
    assert_eq!(read(folder.path(), "daily.csv"), "date,equity,return,benchmark\n");
}

#[test]
fn curves_are_written_with_their_falls_and_returns() {
    let folder = tempfile::tempdir().unwrap();
    let mut outcome = empty();
    let date = chrono::NaiveDate::from_ymd_opt(2024, 1, 2).unwrap();
    let equities = [110_000.0, 99_000.0, 0.0, 0.0];
    for ((equity, day), date) in equities.into_iter().zip(1..).zip(date.iter_days()) {
        let at = MarketTime::from_secs(day * 86_400);
        outcome.equity.push(crate::backtest::outcome::EquityPoint { at, equity, exposure: 5.0 });
        let benchmark = (day == 2).then_some(101_000.0);
        outcome.days.push(crate::backtest::outcome::DayPoint { date, equity, benchmark });
    }
    write(folder.path(), &outcome, &Metrics::of(&outcome, 0.0)).unwrap();
    assert_eq!(
        read(folder.path(), "equity.csv"),
        "time,equity,exposure,drawdown\n\
         1970-01-02T00:00:00Z,110000.00,5.00,0.000000\n\
         1970-01-03T00:00:00Z,99000.00,5.00,0.100000\n\
         1970-01-04T00:00:00Z,0.00,5.00,1.000000\n\
         1970-01-05T00:00:00Z,0.00,5.00,1.000000\n"
    );
    assert_eq!(
        read(folder.path(), "daily.csv"),
        "date,equity,return,benchmark\n\
         2024-01-02,110000.00,0.10000000,\n\
         2024-01-03,99000.00,-0.10000000,101000.00\n\
         2024-01-04,0.00,-1.00000000,\n\
         2024-01-05,0.00,,\n"
    );
}

#[test]
fn the_summary_holds_every_metric_and_count() {
    let mut outcome = played(&Sample { symbols: 2, days: 30, eagerness: 0.3, drift: 0.0 });
    outcome.refusals = [("order notional".to_owned(), 2), ("shortable".to_owned(), 3)].into();
    outcome.ambiguous = 4;
    let metrics = Metrics::of(&outcome, 0.0);
    let summary = summary(&outcome, &metrics);
    for word in crate::backtest::metrics::words::WORDS {
        assert!(summary.get(word.key).is_some(), "{}", word.key);
    }
    assert_eq!(summary["bars"], 2 * 30 * 7);
    assert_eq!(summary["closed_trades"], outcome.trades.all().count);
    assert_eq!(summary["final_equity"].to_string(), outcome.final_equity.decimal().normalize().to_string());
    assert_eq!((&summary["refusals"], &summary["refusals_by_reason"]["shortable"]), (&json!(5), &json!(3)));
    assert_eq!((&summary["run_seconds"], &summary["bars_per_second"]), (&json!(0.007), &json!(60_000.0)));
    assert_eq!(summary["ambiguous_bars"], 4);
    assert_eq!(summary["settings"][1], json!({ "name": "fast", "value": "10" }));
    assert_eq!(Metrics::default().sharpe.map(|_| ()), None);
    assert_eq!(super::summary(&empty(), &Metrics::of(&empty(), 0.0))["sharpe"], Value::Null);
}

#[test]
fn only_the_summary_knows_how_long_it_took() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut outcome = played(&Sample { symbols: 2, days: 30, eagerness: 0.3, drift: 0.0 });
    write(first.path(), &outcome, &Metrics::of(&outcome, 0.0)).unwrap();
    outcome.run *= 2;
    write(second.path(), &outcome, &Metrics::of(&outcome, 0.0)).unwrap();
    for name in ["equity.csv", "daily.csv", "report.html"] {
        assert_eq!(read(first.path(), name), read(second.path(), name), "{name}");
    }
    assert_ne!(read(first.path(), "summary.json"), read(second.path(), "summary.json"));
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("taken");
    fs::write(&file, "").unwrap();
    let error = write(&file, &empty(), &Metrics::default()).unwrap_err().to_string();
    assert!(error.contains("taken") && error.contains("check that the folder may be written"), "{error}");
}

/// `REPORT_DIR=folder cargo test --lib backtest::files` leaves reports there to be looked at.
#[test]
fn a_large_outcome_is_written() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = std::env::var_os("REPORT_DIR").map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    let mut outcome = played(&Sample { symbols: 4, days: 756, eagerness: 0.15, drift: 0.000_03 });
    outcome.warnings = vec![
        "fills at this close are optimistic: an order fills at the very price that decided it".to_owned(),
        "AAPL jumps by -85.7 % on 2014-06-09: the data may not be adjusted for a split".to_owned(),
    ];
    outcome.refusals =
        [("order notional above the limit".to_owned(), 12), ("cool-down after a stop".to_owned(), 7)].into();
    let metrics = Metrics::of(&outcome, 0.02);
    write(&folder.join("large"), &outcome, &metrics).unwrap();
    assert_eq!(read(&folder.join("large"), "daily.csv").lines().count(), outcome.days.len() + 1);
    for (name, sample) in [
        ("day", Sample { symbols: 1, days: 1, eagerness: 0.5, drift: 0.0 }),
        ("short", Sample { symbols: 1, days: 20, eagerness: 0.2, drift: 0.0 }),
    ] {
        let outcome = played(&sample);
        write(&folder.join(name), &outcome, &Metrics::of(&outcome, 0.0)).unwrap();
    }
    write(&folder.join("empty"), &empty(), &Metrics::of(&empty(), 0.0)).unwrap();
    let text = crate::backtest::summary_text::summary_text(&outcome, &metrics);
    fs::write(folder.join("large/summary.txt"), text).unwrap();
}
