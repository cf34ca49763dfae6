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
            r#"FILE, line 3: time is "2025-12-01", not an instant like 2013-10-04T13:30:00Z"#,
        ),
        (format!("{head}2025-12-01T14:30:00Z,1,x,1,1,1\n"), r#"FILE, line 2: high is "x", not a price"#),
        (
            format!("{head}2025-12-01T14:30:00Z,1,1,1,1,many\n"),
            r#"FILE, line 2: volume is "many", not a number of shares"#,
        ),
        (
            format!("{head}2025-12-01T14:30:00Z,1,1,1,2,1\n"),
            "FILE, line 2: low 1 and high 1 do not enclose open 1 and close 2",
        ),
        (
            format!("{head}{good}{good}"),
            "FILE, line 3: its open 2025-12-01T14:30:00Z is not after the previous bar's, 2025-12-01T14:30:00Z",
        ),
        (
            format!("{head}{good}2025-12-01T14:30:05Z,1,1,1,1,1\n"),
            "FILE, line 3: the bar of 2025-12-01T14:30:05Z begins before the one before it ends at 2025-12-01T14:31:00Z; are these bars of 1 min?",
        ),
    ] {
        assert_eq!(error(&text), says);
    }
    assert!(error(&format!("{head}1,2\n")).contains("line: 2"));
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
}
