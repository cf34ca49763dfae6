use super::*;

fn file(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn error(text: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), "A-1min.csv", text);
    let error = read(&path, BarSize::Min1, Calendar::Xnys).unwrap_err().to_string();
    error.replace(&path.display().to_string(), "FILE")
}

#[test]
fn minutes_read_by_instant_and_days_by_date() {
    let dir = tempfile::tempdir().unwrap();
    let minutes = file(
        dir.path(),
        "A-1min.csv",
        "time,open,high,low,close,volume\n2025-11-28T17:59:00Z,1,1.5,0.5,1.25,7\n2025-12-01T14:30:00Z,1,1,1,1,\n",
    );
    let bars = read(&minutes, BarSize::Min1, Calendar::Xnys).unwrap();
    assert_eq!(bars[0].end.to_string(), "2025-11-28T18:00:00Z");
    assert_eq!((bars[0].open, bars[0].high, bars[0].low, bars[0].close), (1.0, 1.5, 0.5, 1.25));
    assert_eq!((bars[0].volume, bars[1].volume), (Some(7), None));
    let days = file(dir.path(), "A-1day.csv", "close,low,high,open,time\n1,1,1,1,2025-11-28\n2,2,2,2,2025-12-01\n");
    let bars = read(&days, BarSize::Day1, Calendar::Xnys).unwrap();
    assert_eq!(bars[0].time.to_string(), "2025-11-28T14:30:00Z");
    assert_eq!(bars[0].end.to_string(), "2025-11-28T18:00:00Z");
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    let head = "time,open,high,low,close,volume\n";
    let good = "2025-12-01T14:30:00Z,1,1,1,1,1\n";
    for (text, says) in [
        (
            "time,open,high,low,volume\n".to_owned(),
            r#"FILE: there is no column "close"; the first line must name time,open,high,low,close,volume"#,
        ),
        (
            format!("{head}{good}2025-12-01,1,1,1,1,1\n"),
            r#"FILE, line 3: time "2025-12-01" names no timezone: it needs a Z or an offset like -05:00 (robo-trader bars convert --timezone writes such a file)"#,
        ),
        (
            format!("{head}{good}soon,1,1,1,1,1\n"),
            r#"FILE, line 3: time is "soon", not an instant like 2013-10-04T13:30:00Z"#,
        ),
        (
            format!("{head}2025-12-01T09:30:00,1,1,1,1,1\n"),
            r#"FILE, line 2: time "2025-12-01T09:30:00" names no timezone: it needs a Z or an offset like -05:00 (robo-trader bars convert --timezone writes such a file)"#,
        ),
        (
            format!("{head}2025-12-01T14:30:00Z,1,NaN,1,1,1\n"),
            "FILE, line 2: high is NaN, not a price between 0 and 1e12 USD",
        ),
        (
            format!("{head}2025-12-01T14:30:00Z,-1,1,1,1,1\n"),
            "FILE, line 2: open is -1, not a price between 0 and 1e12 USD",
        ),
        (
            format!("{head}2025-12-01T14:30:00Z,1,1,1,0,1\n"),
            "FILE, line 2: close is 0, not a price between 0 and 1e12 USD",
        ),
        (
            format!("{head}2025-12-01T14:30:00Z,1,inf,1,1,1\n"),
            "FILE, line 2: high is inf, not a price between 0 and 1e12 USD",
        ),
        (format!("{head}2025-12-01T14:30:00Z,1,1,1,1,-5\n"), r#"FILE, line 2: volume is "-5", not a number of shares"#),
        (
            format!("{head}2025-12-01T14:30:00Z,1,1,1,1,99999999999999999\n"),
            r#"FILE, line 2: volume is "99999999999999999", not a number of shares"#,
        ),
        (
            format!("{head}{good}2025-12-01T14:29:00Z,1,1,1,1,1\n"),
            "FILE, line 3: its open 2025-12-01T14:29:00Z is not after the previous bar's, 2025-12-01T14:30:00Z",
        ),
        (format!("{head}1,2\n"), "FILE, line 2: 2 fields, but the header names 6"),
        (format!("{head}2025-12-01T14:30:00Z,1,1,1,1,1,1\n"), "FILE, line 2: 7 fields, but the header names 6"),
        (
            format!("{head}{}\n{good}", "9".repeat(LINE_AT_MOST + 1)),
            "FILE, line 2: longer than 65536 bytes; this is no file of bars",
        ),
        (String::new(), "FILE: the file is empty; the first line must name time,open,high,low,close,volume"),
        (head.to_owned(), "FILE: there are no bars in it"),
        (format!("{head}2025-12-01T14:30:00Z,1,x,1,1,1\n"), r#"FILE, line 2: high is "x", not a price"#),
        (
            format!("{head}2025-12-01T14:30:00Z,1,1,1,1,many\n"),
            r#"FILE, line 2: volume is "many", not a number of shares"#,
        ),
        (
            format!("{head}2025-12-01T14:30:00Z,1,1,1,2,1\n"),
            "FILE, line 2: low 1 and high 1 do not enclose open 1 and close 2",
        ),
        (format!("{head}{good}{good}"), "FILE, line 3: a second bar of 2025-12-01T14:30:00Z"),
        (
            format!("{head}{good}2025-12-01T14:30:05Z,1,1,1,1,1\n"),
            "FILE, line 3: the bar of 2025-12-01T14:30:05Z begins before the one before it ends at 2025-12-01T14:31:00Z; are these bars of 1 min?",
        ),
    ] {
        assert_eq!(error(&text), says);
    }
    assert!(read(Path::new("/nowhere/A-1min.csv"), BarSize::Min1, Calendar::Xnys).is_err());
}

#[test]
fn names_say_symbol_and_size() {
    let read = |stem| name(stem).map(|(symbol, size)| format!("{symbol} {size}"));
    assert_eq!(read("SPY-1min-2013-10").as_deref(), Some("SPY 1 min"));
    assert_eq!(read("SPY-1day").as_deref(), Some("SPY 1 day"));
    assert_eq!(read("SPY-1day_adjusted").as_deref(), Some("SPY 1 day"));
    assert_eq!(read("BRK-B-5mins").as_deref(), Some("BRK-B 5 mins"));
    assert_eq!(read("A-5secs-x").as_deref(), Some("A 5 secs"));
    for bad in ["SPY", "1min-SPY", "SPY-daily", "SPY-7min", "-1min", ""] {
        assert_eq!(read(bad), None, "{bad}");
    }
}

#[test]
fn a_folder_is_listed_in_order_and_a_nameless_csv_refused() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["SPY-1min-2.csv", "BAC-1day.csv", "SPY-1min-1.csv", "SPY-1day.csv", "README.md"] {
        file(dir.path(), name, "");
    }
    let found: Vec<_> = discover(dir.path()).unwrap().iter().map(|f| f.path.file_name().unwrap().to_owned()).collect();
    assert_eq!(found, ["BAC-1day.csv", "SPY-1min-1.csv", "SPY-1min-2.csv", "SPY-1day.csv"]);
    file(dir.path(), "notes.csv", "");
    assert!(matches!(discover(dir.path()), Err(BarFileError::Name { .. })));
    assert!(discover(&dir.path().join("none")).is_err());
    // Whoever looks at all of them hears of the misnamed one beside the others.
    let (files, faulty) = find(&[dir.path().to_owned()], None).unwrap();
    assert_eq!((files.len(), faulty.len()), (found.len(), 1));
}

#[test]
fn columns_stand_in_any_order_and_files_come_from_any_system() {
    let dir = tempfile::tempdir().unwrap();
    let text = "\u{feff}Close,Name,Low,\"High\",OPEN,Time\r\n1.25,\"a, \"\"b\"\"\", .5 ,1.5,1,2025-12-01 09:30:00-05:00\r\n\r\n2,c,2,2,2,2025-12-01T14:31:00Z";
    let bars = read(&file(dir.path(), "A-1min.csv", text), BarSize::Min1, Calendar::Xnys).unwrap();
    assert_eq!(bars.len(), 2);
    assert_eq!(bars[0].time.to_string(), "2025-12-01T14:30:00Z");
    assert_eq!((bars[0].open, bars[0].high, bars[0].low, bars[0].close, bars[0].volume), (1.0, 1.5, 0.5, 1.25, None));
}

#[test]
fn a_reader_goes_on_behind_faulty_lines() {
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        "time,open,high,low,close\n2025-12-01T14:30:00Z,1,1,1,1\nx\n{}\n2025-12-01T14:31:00Z,1,1,1,1\n2025-12-01T14:31:00Z,1,1,1,1\n",
        "9".repeat(1_000_000)
    );
    let path = file(dir.path(), "A-1min.csv", &text);
    let read: Vec<bool> = Reader::open(&path, BarSize::Min1, Calendar::Xnys).unwrap().map(|bar| bar.is_ok()).collect();
    assert_eq!(read, [true, false, false, true, false]);
}

#[test]
fn other_layouts_give_the_same_bars() {
    let dir = tempfile::tempdir().unwrap();
    let read = |text: &str, size, times: Times| {
        let names = ["t", "o", "h", "l", "c", "v"].map(str::to_owned);
        let path = file(dir.path(), "x.csv", text);
        let layout = Layout { names, delimiter: b';', times };
        let mut bars = Reader::open_laid_out(&path, size, Calendar::Xnys, layout).unwrap();
        bars.next().unwrap().map(|bar| bar.time.to_string()).map_err(|error| error.to_string())
    };
    let zone = chrono_tz::America::New_York;
    let local = |format: Option<&str>| Times::Local { zone, format: format.map(str::to_owned) };
    let at = Ok("2025-12-01T14:30:00Z".to_owned());
    let row = |time: &str| format!("t;o;h;l;c\n{time};1;1;1;1\n");
    assert_eq!(read(&row("1764599400"), BarSize::Min1, Times::EpochSeconds), at);
    assert_eq!(read(&row("1764599400000"), BarSize::Min1, Times::EpochMillis), at);
    assert_eq!(read(&row("2025-12-01 09:30"), BarSize::Min1, local(None)), at);
    assert_eq!(read(&row("12/01/2025 09:30"), BarSize::Min1, local(Some("%m/%d/%Y %H:%M"))), at);
    assert_eq!(read(&row("20251201"), BarSize::Day1, local(Some("%Y%m%d"))), at);
    assert_eq!(read(&row("1764547200"), BarSize::Day1, Times::EpochSeconds), at);
    assert!(read(&row("99999999999999999"), BarSize::Min1, Times::EpochSeconds).unwrap_err().contains("line 2: time"));
}

#[test]
fn the_steps_between_bars_tell_their_size() {
    let dir = tempfile::tempdir().unwrap();
    let guess = |times: &[&str]| {
        let rows: String = times.iter().map(|time| format!("{time},1,1,1,1\n")).collect();
        let path = file(dir.path(), "a b.csv", &format!("time,open,high,low,close\n{rows}"));
        guess_size(&path, &Layout::default()).ok()
    };
    let minutes = ["2025-12-01T14:30:00Z", "2025-12-01T14:31:00Z", "2025-12-01T14:35:00Z"];
    assert_eq!(guess(&minutes), Some(BarSize::Min1));
    assert_eq!(guess(&["2025-12-01T14:30:00Z", "2025-12-01T14:35:00Z", "2025-12-01T14:40:00Z"]), Some(BarSize::Mins5));
    assert_eq!(guess(&["2025-11-26", "2025-11-28", "2025-12-01", "2025-12-02"]), Some(BarSize::Day1));
    assert_eq!(guess(&["2025-11-03", "2025-11-10", "2025-11-17"]), Some(BarSize::Week1));
    assert_eq!(guess(&["2025-11-03", "2025-12-01", "2026-01-02"]), Some(BarSize::Month1));
    assert_eq!(guess(&["2025-12-01T14:30:00Z"]), None);
    assert_eq!(guess(&["2025-12-01T14:30:00Z", "2025-12-01T14:30:07Z"]), None);
    let told = |rows: &str| {
        let path = file(dir.path(), "a b.csv", &format!("time,open,high,low,close\n{rows}"));
        guess_size(&path, &Layout::default()).unwrap_err().to_string()
    };
    assert!(
        told("2025-12-01 09:30,1,1,1,1\n2025-12-01 09:31,1,1,1,1\n")
            .contains("line 2: time \"2025-12-01 09:30\" names no")
    );
    assert!(told("2025-12-01T14:30:00Z,1,1,1,1\n").contains("--bar-size"));
    assert!(told("").contains("there are no bars in it"));
    let nameless = file(dir.path(), "spy.csv", "time,open,high,low,close\n2025-12-01,1,1,1,1\n2025-12-02,1,1,1,1\n");
    let told = BarFile::of(&nameless, None, None).unwrap();
    assert_eq!((told.symbol.as_str(), told.size), ("SPY", BarSize::Day1));
    let told = BarFile::of(&nameless, "QQQ".parse().ok(), Some(BarSize::Week1)).unwrap();
    assert_eq!((told.symbol.as_str(), told.size), ("QQQ", BarSize::Week1));
}

#[test]
fn what_is_written_reads_back_and_is_whole_or_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let text = "time,open,high,low,close,volume\n2025-11-28T14:30:00Z,0.1,0.30000000000000004,0.1,0.2,7\n2025-12-01T14:30:00.5Z,1,1,1,1,\n";
    let path = file(dir.path(), "A-1min.csv", text);
    let bars = read(&path, BarSize::Min1, Calendar::Xnys).unwrap();
    assert_eq!(write(&path, BarSize::Min1, bars.clone()).unwrap(), 2);
    assert_eq!(read(&path, BarSize::Min1, Calendar::Xnys).unwrap(), bars);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text.replace(".5Z", ".500Z"));
    let days = dir.path().join("A-1day.csv");
    write(&days, BarSize::Day1, bars).unwrap();
    assert!(std::fs::read_to_string(&days).unwrap().contains("\n2025-12-01,1,1,1,1,\n"));
    drop(Writer::create(&dir.path().join("B-1min.csv"), BarSize::Min1).unwrap());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    assert!(matches!(write(&dir.path().join("no/B.csv"), BarSize::Min1, []), Err(BarFileError::Write { .. })));
}

#[cfg(not(feature = "parquet"))]
#[test]
fn parquet_is_refused_with_the_way_to_have_it() {
    let told = read(Path::new("A-1min.parquet"), BarSize::Min1, Calendar::Xnys).unwrap_err().to_string();
    assert_eq!(told, "A-1min.parquet: this robo-trader is built without parquet: cargo build --features parquet");
    assert!(write(Path::new("A-1min.parquet"), BarSize::Min1, []).is_err());
}

fn minute_bar(at: &str) -> Bar {
    let time = at.parse::<chrono::DateTime<chrono::Utc>>().unwrap().into();
    let end = Calendar::Xnys.bar_end(time, BarSize::Min1);
    Bar { time, end, open: 1.0, high: 1.0, low: 1.0, close: 1.0, volume: None }
}

#[test]
fn gaps_are_told_by_the_calendar() {
    let mut coverage = Coverage::new(Calendar::Xnys, BarSize::Min1);
    let mut see = |at: &str| {
        let gaps = coverage.see(&minute_bar(at));
        gaps.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    // 2025-11-27 is Thanksgiving, the day after closes at 13:00 (18:00 UTC).
    assert_eq!(see("2025-11-26T20:58:00Z"), "");
    assert_eq!(see("2025-11-26T20:59:00Z"), "");
    assert_eq!(see("2025-11-28T14:30:00Z"), "");
    assert_eq!(see("2025-11-28T14:35:00Z"), "4 bars missing from 2025-11-28T14:31:00Z to 2025-11-28T14:35:00Z");
    assert_eq!(see("2025-11-28T22:00:00Z"), "");
    assert_eq!(see("2025-11-29T15:00:00Z"), "204 bars missing from 2025-11-28T14:36:00Z to 2025-11-28T18:00:00Z");
    assert_eq!(
        see("2025-12-03T14:31:00Z"),
        "2 trading days missing from 2025-12-01 to 2025-12-02; the bar of 2025-12-03T14:30:00Z missing"
    );
    assert_eq!((coverage.outside_hours, coverage.on_closed_days, coverage.unknown_days), (1, 1, 0));
    assert_eq!(coverage.first_outside.unwrap().to_string(), "2025-11-28T22:00:00Z");
}

mod property {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::MarketTime;

    /// Instants near what makes a difference: midnights, sessions' ends, changes of the clock, early closes.
    fn instants() -> impl Strategy<Value = MarketTime> {
        let near = prop::sample::select(vec![
            1_710_054_000,
            1_730_613_600,
            1_764_352_800,
            1_764_340_200,
            1_764_306_000,
            1_719_950_400,
            0,
            1_543_971_600,
            7_258_118_400,
            -2_000_000_000,
            1_893_456_000,
        ]);
        prop_oneof![
            4 => (near, -200_000_000_i64..200_000_000).prop_map(|(secs, millis)| MarketTime::from_millis(secs * 1_000 + millis)),
            1 => any::<i64>().prop_map(|millis| MarketTime::from_millis(millis / 4)),
            2 => (0_i64..4_000_000_000).prop_map(MarketTime::from_secs),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn remembered_windows_are_the_calendars(
            instants in prop::collection::vec((instants(), 0_i64..90_000), 1..20),
            size in prop::sample::select(BarSize::all().collect::<Vec<_>>()),
            always in any::<bool>(),
        ) {
            let calendar = if always { Calendar::Always } else { Calendar::Xnys };
            let mut windows = Windows::new(calendar, size);
            for (at, step) in instants {
                for at in [at, MarketTime::from_millis(at.millis() + step), MarketTime::from_millis(at.millis() + step * 60)] {
                    prop_assert_eq!(windows.around(at), calendar.bar_window(at, size), "{} {}", at, size);
                }
            }
        }
    }
}
