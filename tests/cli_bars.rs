//! `robo-trader bars` through the binary: files in, files and words out.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod cli_support;

use std::path::PathBuf;

use cli_support::Place;

const HEAD: &str = "time,open,high,low,close,volume\n";

fn text(place: &Place, name: &str) -> String {
    std::fs::read_to_string(place.path("cwd").join(name)).unwrap()
}

/// Market bars that lie beside the repository, where they do.
fn shared(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(name);
    if !path.exists() {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

#[test]
fn generated_files_are_the_same_every_time_and_valid() {
    let place = Place::new();
    let generate = |symbols: &str, out: &str, seed: &str| {
        let size = ["--bars", "1000", "--bar-size", "1 min", "--start", "2024-06-28", "--seed", seed];
        place.tell(&[&["bars", "generate", "--symbols", symbols, "--out", out], size.as_slice()].concat())
    };
    let told = generate("AAA,bbb", "one", "7").ends(0, &[]);
    assert!(told.out.contains("AAA-1min.csv: 1000 bars of 1 min"), "{told:#?}");
    generate("BBB", "two", "7").ends(0, &[]);
    generate("BBB", "three", "8").ends(0, &[]);
    // A symbol's bars do not depend on the others.
    let one = text(&place, "one/BBB-1min.csv");
    assert_eq!(one, text(&place, "two/BBB-1min.csv"));
    assert_ne!(one, text(&place, "three/BBB-1min.csv"));
    assert_ne!(one, text(&place, "one/AAA-1min.csv"));
    let lines: Vec<&str> = one.lines().collect();
    assert_eq!(lines.len(), 1_001);
    assert!(lines[1].starts_with("2024-06-28T13:30:00Z,"));
    // 390 minutes of that Friday and of Monday, then Tuesday's.
    assert!(lines[1_000].starts_with("2024-07-02T17:09:00Z,"), "{}", lines[1_000]);
    let told = place.tell(&["bars", "validate", "one", "--strict"]).ends(0, &[]);
    assert_eq!(told.out.matches("no faults, no warnings").count(), 2, "{told:#?}");
}

/// Byte for byte: whoever changes the draw changes everybody's examples.
#[test]
fn generated_bars_never_change() {
    let place = Place::new();
    let arguments = ["--bars", "3", "--bar-size", "1day", "--start", "2024-07-03", "--seed", "7", "--out", "."];
    place.tell(&[&["bars", "generate", "--symbols", "A"], arguments.as_slice()].concat()).ends(0, &[]);
    assert_eq!(
        text(&place, "A-1day.csv"),
        format!(
            "{HEAD}2024-07-03,99.83,99.83,98.82,98.82,7500\n2024-07-05,98.58,98.58,97.14,97.15,8500\n2024-07-08,97.45,97.45,96.53,96.53,9600\n"
        )
    );
}

#[test]
fn sizes_and_calendars_of_generated_bars() {
    let place = Place::new();
    for (size, calendar, last) in [
        ("1day", "always", "2024-01-05,"),
        ("1day", "XNYS", "2024-01-05,"),
        ("1 week", "XNYS", "2024-01-22,"),
        ("1 month", "XNYS", "2024-04-01,"),
        ("8 hours", "always", "2024-01-03T05:00:00Z,"),
        ("1hour", "XNYS", "2024-01-02T17:00:00Z,"),
        ("5 secs", "always", "2024-01-02T05:00:15Z,"),
    ] {
        let arguments = ["--bars", "4", "--bar-size", size, "--calendar", calendar, "--out", "."];
        place.tell(&[&["bars", "generate", "--symbols", "A"], arguments.as_slice()].concat()).ends(0, &[]);
        let name = format!("A-{}.csv", size.replace(' ', ""));
        let lines = text(&place, &name);
        assert!(lines.lines().last().unwrap().starts_with(last), "{size} {calendar}: {lines}");
        let told = place.tell(&["bars", "validate", &name, "--calendar", calendar, "--strict"]);
        assert_eq!(told.code, Some(0), "{told:#?}");
    }
}

#[test]
fn a_misnamed_file_is_a_fault_of_its_own_and_the_others_are_looked_at() {
    let place = Place::new();
    place.tell(&["bars", "generate", "--symbols", "AAA", "--bars", "390", "--out", "bars"]).ends(0, &[]);
    place.file("bars/notes.csv", "a,b\n1,2\n");
    place.file("bars/BBB-1day.csv", "time,open,high,low,close,Close\n2024-01-02,1,1,1,1,2\n");
    let told = place.tell(&["bars", "inspect", "bars"]);
    let told = told.ends(2, &["notes.csv: the name must be SYMBOL-SIZE.csv", r#"names the column "close" twice"#]);
    assert!(told.out.contains("AAA-1min.csv") && told.out.contains("390"), "{told:#?}");
    let told = place.tell(&["bars", "validate", "bars"]).ends(2, &[]);
    assert!(
        told.out.contains("390 bars of 1 min") && told.out.contains("fault: bars/notes.csv: the name"),
        "{told:#?}"
    );
    let told = place.tell(&["bars", "validate", "bars", "--json"]).ends(2, &[]);
    let surveys: serde_json::Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!((&surveys[2]["symbol"], &surveys[2]["faults"]["count"]), (&serde_json::Value::Null, &1.into()));
    // What trades still refuses the folder.
    place.tell(&["backtest", "--data", "bars"]).ends(2, &["notes.csv: the name must be"]);
}

#[test]
fn every_fault_of_a_file_is_told_with_its_line() {
    let place = Place::new();
    let good = |minute: u32| format!("2024-06-03T13:{minute}:00Z,10,10,10,10,5\n");
    let text = [
        HEAD,
        &good(30),
        "2024-06-03T13:31:00Z,10,9,8,10,5\n",
        &good(32),
        &good(32),
        "2024-06-03 13:33,1,1,1,1,\n",
        "x\n",
        &good(34),
    ];
    place.file("AAPL-1min.csv", &text.concat());
    let told = place.tell(&["bars", "validate", "AAPL-1min.csv"]).ends(2, &[]);
    for says in [
        "AAPL, 3 bars of 1 min from 2024-06-03T13:30:00Z to 2024-06-03T13:34:00Z: 4 faults, 2 warnings",
        "line 3: low 8 and high 9 do not enclose open 10 and close 10",
        "line 5: a second bar of 2024-06-03T13:32:00Z",
        r#"line 6: time "2024-06-03 13:33" names no timezone"#,
        "line 7: 1 fields, but the header names 6",
        "gap: the bar of 2024-06-03T13:31:00Z missing",
    ] {
        assert!(told.out.contains(says), "{says:?} is not in {told:#?}");
    }
    let told = place.tell(&["bars", "validate", "AAPL-1min.csv", "--limit", "1"]).ends(2, &[]);
    assert!(told.out.contains("fault: and 3 more"), "{told:#?}");
    place.tell(&["bars", "inspect", "AAPL-1min.csv"]).ends(2, &["AAPL-1min.csv, line 3"]);
    place.tell(&["bars", "aggregate", "AAPL-1min.csv", "--bar-size", "5mins", "--out", "x.csv"]).ends(2, &["line 3"]);
    assert_eq!(std::fs::read_dir(place.path("cwd")).unwrap().count(), 1, "nothing half done is left");
}

#[test]
fn files_that_are_none_are_refused_with_words() {
    let place = Place::new();
    place.file("A-1min.csv", "").file("B-1min.csv", HEAD).file("C-1min.csv", "time,open\n1,2\n");
    std::fs::write(place.path("cwd").join("D-1min.csv"), [0xff_u8, 0, 0xfe, 10, 200, 200]).unwrap();
    place.file("E-1min.csv", &format!("{HEAD}{}\n", "9".repeat(200_000)));
    for (file, says) in [
        ("A-1min.csv", "the file is empty"),
        ("B-1min.csv", "there are no bars in it"),
        ("C-1min.csv", "there is no column \"high\""),
        ("D-1min.csv", "there is no column \"time\""),
        ("E-1min.csv", "line 2: longer than 65536 bytes"),
        ("F-1min.csv", "check that it exists"),
    ] {
        let told = place.tell(&["bars", "validate", file]).ends(2, &[]);
        assert!(told.out.contains(says), "{told:#?}");
        place.tell(&["bars", "convert", file, "--out", "x.csv"]).ends(2, &[file]);
    }
    place.tell(&["bars", "inspect", "nowhere"]).ends(2, &["nowhere", "check that it exists"]);
    std::fs::create_dir(place.path("cwd").join("none")).unwrap();
    place.tell(&["bars", "inspect", "none"]).ends(2, &["none holds no bar files"]);
    place.file("w.csv", &format!("{HEAD}2024-06-03T13:30:00Z,1,1,1,1,\n"));
    place.tell(&["bars", "inspect", "w.csv"]).ends(2, &["w.csv", "--bar-size"]);
    place.tell(&["bars", "inspect", "w.csv", "--bar-size", "1min"]).ends(0, &[]);
    #[cfg(not(feature = "parquet"))]
    place
        .tell(&["bars", "convert", "w.csv", "--bar-size", "1min", "--out", "w.parquet"])
        .ends(2, &["built without parquet", "--features parquet"]);
}

#[test]
fn warnings_fail_only_where_asked() {
    let place = Place::new();
    let row = |time: &str, price: u32| format!("{time},{price},{price},{price},{price},\n");
    let text = [HEAD, &row("2024-06-03", 100), &row("2024-06-05", 49), &row("2024-06-08", 50)];
    place.file("AAPL-1day.csv", &text.concat());
    let told = place.tell(&["bars", "validate", "AAPL-1day.csv"]).ends(0, &[]);
    for says in [
        "no faults, 4 warnings",
        "jump: from 100 to 49 at 2024-06-05T13:30:00Z (ratio 0.4900), like a 2:1 split",
        "gap: trading day 2024-06-04 missing",
        "gap: 2 trading days missing from 2024-06-06 to 2024-06-07",
        "outside: 1 bar on days without a session",
    ] {
        assert!(told.out.contains(says) || says.starts_with("gap: 2"), "{says:?} is not in {told:#?}");
    }
    place.tell(&["bars", "validate", "AAPL-1day.csv", "--strict"]).ends(2, &[]);
    let told = place.tell(&["bars", "inspect", "AAPL-1day.csv", "--json"]).ends(0, &[]);
    let json: serde_json::Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!((&json[0]["bars"], &json[0]["lowest"]), (&3.into(), &49.0.into()));
    assert_eq!(json[0]["jumps"]["first"][0]["looks_like"], "2:1");
    assert_eq!(
        (&json[0]["missing_days"], &json[0]["symbol"], &json[0]["size"]),
        (&3.into(), &"AAPL".into(), &"1 day".into())
    );
}

/// Weeks are dated by their first trading day: holidays make the steps between them six or eight days
/// long, and that of Christmas, of three days and a half, is a week as any other.
#[test]
fn missing_weeks_and_months_are_gaps_and_holidays_are_none() {
    let place = Place::new();
    let rows = |dates: &[&str]| dates.iter().map(|date| format!("{date},10,10,10,10,5\n")).collect::<String>();
    let weeks = [
        "2024-12-09",
        "2024-12-16",
        "2024-12-23",
        "2024-12-30",
        "2025-01-06",
        "2025-01-13",
        "2025-01-21",
        "2025-01-27",
    ];
    let months = ["2024-11-01", "2024-12-02", "2025-01-02", "2025-02-03"];
    let without = |dates: &[&str], left_out: &[&str]| {
        let kept = dates.iter().filter(|date| !left_out.contains(date)).copied().collect::<Vec<_>>();
        rows(&kept)
    };
    place.file("A-1week.csv", &format!("{HEAD}{}", rows(&weeks)));
    place.file("A-1month.csv", &format!("{HEAD}{}", rows(&months)));
    for name in ["A-1week.csv", "A-1month.csv"] {
        let told = place.tell(&["bars", "validate", name, "--strict"]).ends(0, &[]);
        assert!(told.out.contains("no faults, no warnings"), "{told:#?}");
    }
    place.file("B-1week.csv", &format!("{HEAD}{}", without(&weeks, &["2024-12-23", "2025-01-13", "2025-01-21"])));
    place.file("B-1month.csv", &format!("{HEAD}{}", without(&months, &["2024-12-02"])));
    for (name, gaps) in [
        (
            "B-1week.csv",
            &[
                "gap: the bar of 2024-12-23T14:30:00Z missing",
                "gap: 2 bars missing from 2025-01-13T14:30:00Z to 2025-01-24T21:00:00Z",
            ][..],
        ),
        ("B-1month.csv", &["gap: the bar of 2024-12-02T14:30:00Z missing"]),
    ] {
        let told = place.tell(&["bars", "validate", name, "--strict"]).ends(2, &[]);
        assert!(told.out.matches("gap:").count() == gaps.len(), "{told:#?}");
        assert!(gaps.iter().all(|gap| told.out.contains(gap)), "{told:#?}");
    }
    let told = place.tell(&["bars", "inspect", "B-1week.csv", "--json"]).ends(0, &[]);
    let json: serde_json::Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!((&json[0]["missing_bars"], &json[0]["missing_days"]), (&3.into(), &0.into()));
    // Beyond the calendar nobody knows what is missing.
    place.file("C-1week.csv", &format!("{HEAD}{}", rows(&["1999-01-04", "1999-02-01"])));
    let told = place.tell(&["bars", "validate", "C-1week.csv"]).ends(0, &[]);
    assert!(told.out.contains("2 bars on days that it does not reach") && !told.out.contains("gap:"), "{told:#?}");
}

#[test]
fn bars_aggregate_by_the_sessions_hours() {
    let place = Place::new();
    let rows =
        "2024-06-03T13:30:00Z,10,12,9,11,5\n2024-06-03T13:34:00Z,11,13,10,10.5,6\n2024-06-03T13:35:00Z,10,10,10,10,1\n";
    place.file("AAPL-1min.csv", &format!("{HEAD}{rows}"));
    let told = place.tell(&["bars", "aggregate", "AAPL-1min.csv", "--bar-size", "5 mins", "--out", "AAPL-5mins.csv"]);
    assert_eq!(told.ends(0, &[]).out, "AAPL-5mins.csv: 2 bars of 5 mins from 3 bars of 1 min\n");
    assert_eq!(
        text(&place, "AAPL-5mins.csv"),
        format!("{HEAD}2024-06-03T13:30:00Z,10,13,9,10.5,11\n2024-06-03T13:35:00Z,10,10,10,10,1\n")
    );
    place.tell(&["bars", "aggregate", "AAPL-1min.csv", "--bar-size", "1day", "--out", "d.csv"]).ends(0, &[]);
    assert_eq!(text(&place, "d.csv"), format!("{HEAD}2024-06-03,10,13,9,10,12\n"));
    let down = ["bars", "aggregate", "AAPL-5mins.csv", "--bar-size", "1min", "--out", "x.csv"];
    place.tell(&down).ends(2, &["5 mins", "1 min", "longer"]);
    place.tell(&["bars", "aggregate", "d.csv", "--bar-size", "7 mins", "--out", "x.csv"]).ends(2, &["7 mins"]);
}

#[test]
fn other_peoples_files_are_converted() {
    let place = Place::new();
    let ours = format!("{HEAD}2024-06-03T13:30:00Z,10,12,9,11,5\n2024-06-03T13:31:00Z,11,11,11,11,\n");
    let convert = |text: &str, arguments: &[&str]| {
        place.file("theirs.csv", text);
        place.tell(&[&["bars", "convert", "theirs.csv", "--out", "A-1min.csv"], arguments].concat())
    };
    let right = |text: &str, arguments: &[&str]| {
        convert(text, arguments).ends(0, &[]);
        assert_eq!(self::text(&place, "A-1min.csv"), ours, "{arguments:?}");
    };
    let columns = "time=Date,open=O,high=H,low=L,close=C,volume=Vol";
    right(
        "Date;O;H;L;C;Vol\n06/03/2024 09:30;10;12;9;11;5.0\n06/03/2024 09:31;11;11;11;11;\n",
        &[
            "--columns",
            columns,
            "--delimiter",
            ";",
            "--time-format",
            "%m/%d/%Y %H:%M",
            "--timezone",
            "America/New_York",
        ],
    );
    right(
        "time\topen\thigh\tlow\tclose\tvolume\n2024-06-03 09:30:00\t10\t12\t9\t11\t5\n2024-06-03 09:31:00\t11\t11\t11\t11\t\n",
        &["--delimiter", "tab", "--timezone", "America/New_York"],
    );
    right(
        "time,open,high,low,close,volume\n1717421400,10,12,9,11,5\n1717421460,11,11,11,11,\n",
        &["--time-format", "seconds"],
    );
    right(
        "time,open,high,low,close,volume\n1717421400000,10,12,9,11,5\n1717421460000,11,11,11,11,\n",
        &["--time-format", "millis"],
    );
    right(&ours, &[]);
    convert(&ours, &["--columns", "when=time"]).ends(2, &["when=time", "one of time, open"]);
    convert(&ours, &["--delimiter", "abc"]).ends(2, &["--delimiter"]);
    convert(&ours, &["--time-format", "guess"]).ends(2, &["guess", "millis"]);
    convert(&ours, &["--timezone", "Mars/Base"]).ends(2, &["Mars/Base"]);
    convert(&ours, &["--time-format", "%Y %H"]).ends(2, &["--timezone"]);
}

#[test]
fn arguments_without_sense_are_refused() {
    let place = Place::new();
    let generate = |more: &[&str]| place.tell(&[&["bars", "generate", "--symbols", "A", "--out", "o"], more].concat());
    generate(&["--bars", "0"]).ends(2, &["--bars"]);
    generate(&["--bars", "1", "--price", "0"]).ends(2, &["--price"]);
    generate(&["--bars", "1", "--volatility", "NaN"]).ends(2, &["--volatility"]);
    generate(&["--bars", "1", "--start", "1800-01-01"]).ends(2, &["--start"]);
    generate(&["--bars", "1", "--calendar", "moon"]).ends(2, &["moon"]);
    place.tell(&["bars", "generate", "--symbols", "A/B", "--out", "o", "--bars", "1"]).ends(2, &["A/B"]);
    place.tell(&["bars"]).ends(2, &["Usage"]);
}

#[test]
fn the_real_split_of_apple_is_found() {
    let Some(path) = shared("AAPL-1min-2014-06.csv") else { return };
    let told = Place::new().tell(&["bars", "validate", path.to_str().unwrap()]).ends(0, &[]);
    let says = "from 645.57 to 92.69 at 2014-06-09T13:30:00Z (ratio 0.1436), like a 7:1 split";
    assert!(told.out.contains(says), "{told:#?}");
}

#[test]
fn the_real_files_have_no_fault() {
    let Some(path) = shared("SPY-1day.csv") else { return };
    let told = Place::new().tell(&["bars", "validate", path.parent().unwrap().to_str().unwrap()]).ends(0, &[]);
    assert!(told.out.matches("no faults").count() >= 5, "{told:#?}");
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_goes_there_and_back() {
    let place = Place::new();
    for (size, stem) in [("1min", "A-1min"), ("1day", "A-1day")] {
        let arguments = ["--bars", "4500", "--bar-size", size, "--start", "2010-01-04", "--out", "."];
        place.tell(&[&["bars", "generate", "--symbols", "A"], arguments.as_slice()].concat()).ends(0, &[]);
        let (csv, parquet, back) = (format!("{stem}.csv"), format!("{stem}.parquet"), format!("{stem}-back.csv"));
        place.tell(&["bars", "convert", &csv, "--out", &parquet]).ends(0, &[]);
        place.tell(&["bars", "convert", &parquet, "--out", &back]).ends(0, &[]);
        assert_eq!(text(&place, &csv), text(&place, &back));
        place.tell(&["bars", "validate", &parquet, "--strict"]).ends(0, &[]);
    }
    place.file("B-1min.parquet", "no parquet at all");
    let told = place.tell(&["bars", "validate", "B-1min.parquet"]).ends(2, &[]);
    assert!(told.out.contains("B-1min.parquet"), "{told:#?}");
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_that_is_downloaded_in_pieces_is_the_same_as_csv_in_one() {
    let place = Place::new();
    let mut daemon = place.start(&[], &["run", "--simulator", "--symbols", "AAPL"]);
    daemon.says("ready:");
    let check: serde_json::Value = serde_json::from_str(&place.tell(&["check", "--connect", "--json"]).out).unwrap();
    let now = chrono::DateTime::parse_from_rfc3339(check["session"]["gateway_time"].as_str().unwrap()).unwrap();
    let at = |minutes: i64| (now - chrono::TimeDelta::minutes(minutes)).to_rfc3339();
    let (first, middle, last) = (at(40), at(25), at(5));
    let download = |more: &[&str]| {
        let words = ["history", "download", "--bar-size", "5 secs", "--set", "CALENDAR=always", "--symbols", "AAPL"];
        place.tell(&[&words, more].concat()).ends(0, &[])
    };
    download(&["--from", &first, "--until", &last]);
    for until in [&middle, &last] {
        download(&["--from", &first, "--until", until, "--format", "parquet"]);
    }
    daemon.ends_well_on("TERM");
    let calendar = ["--calendar", "always"];
    let convert = ["bars", "convert", "bars/AAPL-5secs.parquet", "--out", "back.csv"];
    place.tell(&[&convert[..], &calendar].concat()).ends(0, &[]);
    assert_eq!(text(&place, "back.csv"), text(&place, "bars/AAPL-5secs.csv"));
    assert_eq!(std::fs::read_dir(place.path("cwd").join("bars")).unwrap().count(), 2, "nothing is left beside them");
}
