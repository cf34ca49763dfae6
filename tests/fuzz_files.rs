//! Files that nobody in his right mind would write: bars, settings, `.env`. They are read or refused
//! with a reason, and never bring anything down.
//!
//! `PROPTEST_CASES=100000 cargo test --release --test fuzz_files` runs them long.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod fuzz;

use std::path::PathBuf;

use fuzz::{cases, scratched};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use robo_trader::bar_files;
use robo_trader::calendar::Calendar;
use robo_trader::config::table::TABLE;
use robo_trader::config::{Layers, Settings, Source};
use robo_trader::domain::{Bar, BarSize, MarketTime};
use robo_trader::simulator::faults::Scenario;
use robo_trader::simulator::faults::kinds::KINDS;
use tempfile::TempDir;

/// A file of its own, written anew for every case.
struct Scrap {
    _dir: TempDir,
    path: PathBuf,
}

impl Scrap {
    fn new(name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        Self { _dir: dir, path }
    }

    fn write(&self, bytes: &[u8]) -> &std::path::Path {
        std::fs::write(&self.path, bytes).unwrap();
        &self.path
    }
}

/// Texts at the edges of what a value can be.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "-?[0-9]{1,40}(\\.[0-9]{0,40})?",
        "-?[0-9]{1,3}[eE]-?[0-9]{1,4}",
        Just("NaN".to_owned()),
        Just("inf".to_owned()),
        Just("-0".to_owned()),
        Just(String::new()),
        Just("2024-06-03T13:30:00Z".to_owned()),
        Just("9999-12-31T23:59:59.999Z".to_owned()),
        Just("-262143-01-01".to_owned()),
        Just("2024-02-30".to_owned()),
        Just("yes".to_owned()),
        Just("fast=2,slow=5".to_owned()),
        Just("AAPL,NVDA,AAPL".to_owned()),
        ".{0,40}",
    ]
}

fn size() -> impl Strategy<Value = BarSize> {
    let sizes: Vec<BarSize> = BarSize::all().collect();
    prop::sample::select(sizes)
}

fn right_bars() -> Vec<u8> {
    let mut text = String::from("time,open,high,low,close,volume\n");
    for minute in 0..30 {
        text.push_str(&format!("2024-06-03T13:{:02}:00Z,50.1,50.4,49.9,50.2,{}\n", 30 + minute, minute * 100));
    }
    text.into_bytes()
}

#[test]
fn no_bar_file_panics_and_what_is_read_is_in_order() {
    let scrap = Scrap::new("SPY-1min.csv");
    let right = right_bars();
    assert_eq!(bar_files::read(scrap.write(&right), BarSize::Min1, Calendar::Xnys).unwrap().len(), 30);
    let lines = prop::collection::vec(prop::collection::vec(value(), 1..8), 0..12).prop_map(|rows| {
        let rows: Vec<String> = rows.iter().map(|row| row.join(",")).collect();
        format!("time,open,high,low,close,volume\n{}", rows.join("\n")).into_bytes()
    });
    let file = prop_oneof![
        prop::collection::vec(scratched(), 1..4)
            .prop_map(move |scratches| scratches.iter().fold(right.clone(), |bytes, scratch| scratch.of(&bytes))),
        lines,
        prop::collection::vec(any::<u8>(), 0..400),
    ];
    TestRunner::new(cases(3_000))
        .run(&(file, size(), any::<bool>()), |(bytes, size, always)| {
            let calendar = if always { Calendar::Always } else { Calendar::Xnys };
            if let Ok(bars) = bar_files::read(scrap.write(&bytes), size, calendar) {
                prop_assert!(bars.windows(2).all(|pair| pair[0].end <= pair[1].time), "{bars:?}");
                prop_assert!(bars.iter().all(|bar| bar.low <= bar.high && bar.low > 0.0 && bar.time < bar.end));
            }
            every_fault_has_its_place(&scrap.path, size, calendar)
        })
        .unwrap();
}

/// Reads to the end: each fault names the file, and its line where it has one.
fn every_fault_has_its_place(path: &std::path::Path, size: BarSize, calendar: Calendar) -> Result<(), TestCaseError> {
    let faults: Vec<_> = match bar_files::Reader::open(path, size, calendar) {
        Ok(reader) => reader.filter_map(Result::err).collect(),
        Err(error) => vec![error],
    };
    for fault in faults {
        let told = fault.to_string();
        prop_assert!(told.contains(&path.display().to_string()), "{}", told);
        prop_assert!(fault.ends_reading() || told.contains(", line "), "{}", told);
        prop_assert!(told.len() < 1_000, "{}", told);
    }
    Ok(())
}

#[test]
fn what_is_written_is_what_was_read() {
    let scrap = Scrap::new("SPY-1min.csv");
    let prices = prop::collection::vec((1e-4_f64..1e9, 0.0_f64..0.5, 0.0_f64..0.5, any::<Option<u32>>()), 1..40);
    TestRunner::new(cases(500))
        .run(&prices, |rows| {
            let bars: Vec<Bar> = (0..)
                .zip(rows)
                .map(|(minute, (open, up, down, volume))| {
                    let time = MarketTime::from_secs(1_717_421_400 + minute * 60);
                    let end = Calendar::Always.bar_end(time, BarSize::Min1);
                    let (high, low) = (open * (1.0 + up), open * (1.0 - down));
                    Bar { time, end, open, high, low, close: high, volume: volume.map(u64::from) }
                })
                .collect();
            bar_files::write(&scrap.path, BarSize::Min1, bars.clone()).unwrap();
            prop_assert_eq!(bar_files::read(&scrap.path, BarSize::Min1, Calendar::Always).unwrap(), bars);
            Ok(())
        })
        .unwrap();
}

#[cfg(feature = "parquet")]
#[test]
fn no_parquet_file_panics() {
    let scrap = Scrap::new("SPY-1min.parquet");
    let csv = Scrap::new("SPY-1min.csv");
    let bars = bar_files::read(csv.write(&right_bars()), BarSize::Min1, Calendar::Xnys).unwrap();
    bar_files::write(&scrap.path, BarSize::Min1, bars.clone()).unwrap();
    assert_eq!(bar_files::read(&scrap.path, BarSize::Min1, Calendar::Xnys).unwrap(), bars);
    let right = std::fs::read(&scrap.path).unwrap();
    let file = prop_oneof![
        6 => prop::collection::vec(scratched(), 1..4)
            .prop_map(move |scratches| scratches.iter().fold(right.clone(), |bytes, scratch| scratch.of(&bytes))),
        1 => prop::collection::vec(any::<u8>(), 0..400),
    ];
    TestRunner::new(cases(3_000))
        .run(&(file, size()), |(bytes, size)| {
            scrap.write(&bytes);
            every_fault_has_its_place(&scrap.path, size, Calendar::Xnys)
        })
        .unwrap();
}

#[test]
fn no_settings_file_panics() {
    let scrap = Scrap::new("robo-trader.toml");
    let names: Vec<&str> = TABLE.iter().map(|spec| spec.name).collect();
    let key = prop_oneof![
        8 => prop::sample::select(names).prop_map(str::to_lowercase),
        1 => "[a-z_]{1,12}",
        1 => Just("symbol.AAPL.risk_stop".to_owned()),
    ];
    let quoted = prop_oneof![
        4 => value().prop_map(|value| format!("{value:?}")),
        2 => value(),
        1 => Just("[1, 2]".to_owned()),
        1 => Just("{ a = 1 }".to_owned()),
        1 => Just("1979-05-27T07:32:00Z".to_owned()),
    ];
    let lines = prop::collection::btree_map(key, quoted, 0..8);
    let right = b"symbols = [\"AAPL\", \"NVDA\"]\nrisk_stop = \"fixed\"\n[symbol.AAPL]\nstrategy = \"rsi-reversion\"\n";
    let file = prop_oneof![
        4 => lines.prop_map(|lines| {
            lines.into_iter().map(|(key, value)| format!("{key} = {value}\n")).collect::<String>().into_bytes()
        }),
        2 => prop::collection::vec(scratched(), 1..4)
            .prop_map(move |scratches| scratches.iter().fold(right.to_vec(), |bytes, scratch| scratch.of(&bytes))),
        1 => prop::collection::vec(any::<u8>(), 0..300),
    ];
    TestRunner::new(cases(3_000))
        .run(&file, |bytes| {
            let mut layers = Layers::new();
            if let Err(error) = layers.file(scrap.write(&bytes)) {
                prop_assert!(error.to_string().contains("robo-trader.toml"), "{error}");
            } else {
                drop(Settings::resolve(&layers).map_err(|error| error.to_string()));
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn no_value_of_any_setting_panics() {
    let names: Vec<&str> = TABLE.iter().map(|spec| spec.name).collect();
    let values = prop::collection::vec((prop::sample::select(names), value()), 1..4);
    TestRunner::new(cases(4_000))
        .run(&values, |values| {
            let mut layers = Layers::new();
            layers.set("SYMBOLS", "AAPL", Source::Environment);
            for (name, value) in &values {
                layers.set(name, value.clone(), Source::Environment);
            }
            if let Err(error) = Settings::resolve(&layers) {
                prop_assert!(!error.to_string().is_empty());
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn no_dot_env_panics() {
    let scrap = Scrap::new(".env");
    let line = prop_oneof![
        ("[A-Z_]{1,20}", value()).prop_map(|(name, value)| format!("{name}={value}")),
        ("[A-Z_]{1,20}", value()).prop_map(|(name, value)| format!("export {name}=\"{value}\"")),
        Just("RISK_STOP=\"${RISK_STOP}$(x)'".to_owned()),
        ".{0,60}",
    ];
    let file = prop_oneof![
        4 => prop::collection::vec(line, 0..8).prop_map(|lines| lines.join("\n").into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..200),
    ];
    TestRunner::new(cases(3_000))
        .run(&file, |bytes| {
            let mut layers = Layers::new();
            if let Err(error) = layers.dot_env(scrap.write(&bytes)) {
                prop_assert!(error.to_string().contains(".env"), "{error}");
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn no_scenario_panics_and_what_is_read_reads_back() {
    let right = b"[[rule]]\nat = \"+2m\"\nrepeat = \"40s\"\nreset = { mid_frame = true }\n\n[[rule]]\non = \"order-status\"\nprobability = 0.05\nduplicate = { copies = 1 }\n".to_vec();
    let faults: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
    let key = prop_oneof![
        Just("at".to_owned()),
        Just("after".to_owned()),
        Just("for".to_owned()),
        Just("repeat_market".to_owned()),
        Just("on".to_owned()),
        Just("probability".to_owned()),
        Just("nth".to_owned()),
        Just("symbol".to_owned()),
    ];
    let field = (key, value()).prop_map(|(key, value)| format!("{key} = {value:?}\n"));
    let fault = (prop::sample::select(faults), value()).prop_map(|(name, value)| format!("{name} = {value:?}\n"));
    let rule = (prop::collection::vec(field, 0..4), fault)
        .prop_map(|(fields, fault)| format!("[[rule]]\n{}{fault}", fields.concat()));
    let text = prop_oneof![
        4 => prop::collection::vec(rule, 1..4).prop_map(|rules| rules.concat().into_bytes()),
        3 => prop::collection::vec(scratched(), 1..4)
            .prop_map(move |scratches| scratches.iter().fold(right.clone(), |bytes, scratch| scratch.of(&bytes))),
    ];
    TestRunner::new(cases(3_000))
        .run(&text, |bytes| {
            if let Ok(scenario) = Scenario::parse("fuzz", &String::from_utf8_lossy(&bytes)) {
                let again = Scenario::parse("again", &scenario.to_toml());
                prop_assert_eq!(again.map_err(|error| error.to_string()), Ok(scenario));
            }
            Ok(())
        })
        .unwrap();
}
