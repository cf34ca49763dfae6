//! `check`, `history download`, `logs`, `completions` and `man`, as an operator uses them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod cli_support;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use cli_support::{Place, ROBO_TRADER, Told};
use robo_trader::simulator::{SimulatorConfig, Source, Speed, start};
use serde_json::Value;

fn read(told: &Told) -> Value {
    serde_json::from_str(&told.out).unwrap_or_else(|error| panic!("{error}: {told:#?}"))
}

/// The state of one thing that was looked at.
fn state<'a>(check: &'a Value, name: &str) -> &'a str {
    let checks = check["checks"].as_array().unwrap();
    checks.iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("{name}: {check:#}"))["state"]
        .as_str()
        .unwrap()
}

/// A simulator on a thread of its own, and its port.
struct Simulator {
    _runtime: tokio::runtime::Runtime,
    port: String,
}

impl Simulator {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let config = SimulatorConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            source: Source::Synthetic { always_open: true },
            speed: Speed::Times(10.0),
            symbols: vec!["AAPL".parse().unwrap(), "NVDA".parse().unwrap()],
            message_rate: 0,
            pacing: false,
            ..SimulatorConfig::default()
        };
        let running = runtime.block_on(start(config)).unwrap();
        let port = running.address.port().to_string();
        // It serves until the runtime goes.
        std::mem::forget(running);
        Self { _runtime: runtime, port }
    }
}

#[test]
fn check_names_what_is_wrong_what_to_do_and_what_only_a_human_can_see() {
    let place = Place::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port().to_string();
    // Somebody listens: looked up in the kernel's list, for nobody would answer a connection here.
    let check = read(&place.tell(&["check", "--json", "--port", &port]).ends(0, &[]));
    assert_eq!((state(&check, "listens"), state(&check, "port"), state(&check, "settings")), ("ok", "warn", "ok"));
    assert!(["state", "disk", "calendar"].iter().all(|name| state(&check, name) != "fail"), "{check:#}");
    assert!(free.set_nonblocking(true).is_ok() && free.accept().is_err(), "nothing has connected");
    drop(free);
    let told = place.tell(&["check", "--port", &port]).ends(3, &[]);
    assert!(
        told.out.contains(&format!("nobody listens on {port}")) && told.out.contains("-> start TWS"),
        "{}",
        told.out
    );
    for by_hand in
        ["Read-Only API", "ActiveX and Socket Clients", "Trusted IPs", "Bypass Order Precautions", "Auto restart"]
    {
        assert!(told.out.contains(by_hand), "{by_hand}");
    }
    let told = place.tell(&["check", "--json", "--set", "RISK_MAX_LEVERAGE=x"]).ends(3, &[]);
    assert_eq!(state(&read(&told), "settings"), "fail");
    assert_eq!(state(&read(&place.tell(&["check", "--json", "--port", "4001"])), "port"), "fail");
}

#[test]
fn check_looks_into_journals_and_at_who_may_read_them() {
    let place = Place::new();
    place.tell(&["run", "--simulator", "--once", "--symbols", "AAPL"]).ends(0, &[]);
    let mode = |mode| std::fs::set_permissions(place.state(), std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o755);
    let check = read(&place.tell(&["check", "--json"]));
    assert_eq!((state(&check, "journal"), state(&check, "state")), ("ok", "warn"));
    mode(0o700);
    let journal = rusqlite::Connection::open(place.journal()).unwrap();
    journal.execute("UPDATE facts SET recorded_at = '2099-01-01T00:00:00Z' WHERE seq = 1", []).unwrap();
    journal.execute("UPDATE facts SET kind = 'nonsense' WHERE seq = 2", []).unwrap();
    let check = read(&place.tell(&["check", "--json"]).ends(3, &[]));
    assert_eq!((state(&check, "journal"), state(&check, "clock"), state(&check, "state")), ("fail", "fail", "ok"));
}

#[test]
fn check_asks_the_system_whether_the_clock_is_right() {
    let place = Place::new();
    let program = place.path("home").join("timedatectl");
    let path = place.path("home");
    let clock = |says: &str| {
        std::fs::write(&program, format!("#!/bin/sh\n[ \"$*\" = 'show -p NTPSynchronized --value' ] && {says}\n"))
            .unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
        let told = place.tell_with(&[("PATH", path.to_str().unwrap())], &["check", "--json"]);
        state(&read(&told), "clock").to_owned()
    };
    assert_eq!([clock("echo yes"), clock("echo no"), clock("echo 1>&2")], ["ok", "warn", "unknown"]);
}

#[test]
fn check_finds_secrets_that_others_may_read_and_a_state_directory_that_cannot_be_made() {
    let place = Place::new();
    let checked = |more: &[&str]| read(&place.tell(&[&["check", "--json"][..], more].concat()));
    assert_eq!(state(&checked(&[]), "state"), "ok", "the first start makes it");
    place.file("taken", "a file, no directory");
    assert_eq!(state(&checked(&["--state-dir", "taken/state"]), "state"), "fail");
    std::fs::create_dir(place.state()).unwrap();
    let token = place.state().join("web.token");
    std::fs::write(&token, "secret").unwrap();
    place.file(".env", "NOTIFY_LEVEL=info\n");
    let secrets = |mode| {
        for path in [&token, &place.path("cwd").join(".env")] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let all = checked(&[])["checks"].as_array().unwrap().clone();
        let found = all.into_iter().filter(|one| one["name"] == "secrets");
        found.map(|one| format!("{} {}", one["state"].as_str().unwrap(), one["remedy"].as_str().unwrap())).collect()
    };
    let chmod = [format!("warn chmod 600 {}", token.display()), "warn chmod 600 .env".to_owned()];
    let (open, closed): (Vec<String>, Vec<String>) = (secrets(0o640), secrets(0o600));
    assert_eq!((open, closed), (chmod.to_vec(), vec!["ok ".to_owned(); 2]));
}

#[test]
fn check_asks_a_real_session_and_orders_nothing() {
    let place = Place::new();
    let simulator = Simulator::start();
    let check = read(&place.tell(&["check", "--connect", "--json", "--port", &simulator.port]).ends(0, &[]));
    let session = &check["session"];
    assert_eq!((session["account"].as_str(), session["venue"].as_str()), (Some("DU1234567"), Some("simulator")));
    assert_eq!((session["positions"].as_u64(), session["open_orders"].as_u64()), (Some(0), Some(0)));
    assert!(session["server_version"].as_i64().unwrap() >= 213, "{session}");
    // Nobody there: said after a few attempts, not never.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port().to_string();
    drop(free);
    let told = place.tell_with(&[("BACKOFF_BASE", "0.05")], &["check", "--connect", "--port", &port]).ends(3, &[]);
    assert!(told.out.contains("no session after 2 attempts"), "{}", told.out);
    place.tell(&["check", "--set", "IBKR_TOOL_CLIENT_ID=1"]).ends(3, &[]);
}

#[test]
fn a_download_that_is_gone_on_with_is_the_same_as_one_in_a_piece() {
    let place = Place::new();
    let simulator = Simulator::start();
    let now =
        read(&place.tell(&["check", "--connect", "--json", "--port", &simulator.port]))["session"]["gateway_time"]
            .clone();
    let now = chrono::DateTime::parse_from_rfc3339(now.as_str().unwrap()).unwrap();
    let at = |minutes: i64| (now - chrono::TimeDelta::minutes(minutes)).to_rfc3339();
    let download = |out: &str, more: &[&str]| {
        let mut words = vec!["history", "download", "--port", &simulator.port, "--symbols", "AAPL,NVDA", "--out", out];
        words.extend(["--bar-size", "1 min", "--set", "CALENDAR=always", "--set", "HISTORICAL_PACING=no"]);
        words.extend(more);
        place.tell(&words)
    };
    download("pieces", &[]).ends(2, &["does not exist yet: say --from"]);
    let (first, middle, last) = (at(180), at(100), at(20));
    let told = download("pieces", &["--from", &first, "--until", &middle]).ends(0, &[]);
    assert!(told.out.contains("AAPL-1min.csv: ") && told.out.contains(" bars of 1 min added"), "{}", told.out);
    let path = |dir: &str, symbol: &str| place.path("cwd").join(dir).join(format!("{symbol}-1min.csv"));
    // Cut off in the middle of a line, as by a kill.
    let text = std::fs::read_to_string(path("pieces", "NVDA")).unwrap();
    assert!(text.lines().count() > 70, "{text}");
    std::fs::write(path("pieces", "NVDA"), &text[..text.len() - 9]).unwrap();
    // A beginning after the file's end leaves no hole.
    download("pieces", &["--from", &at(60), "--until", &last]).ends(0, &[]);
    download("whole", &["--from", &first, "--until", &last]).ends(0, &[]);
    for symbol in ["AAPL", "NVDA"] {
        let read = |dir| std::fs::read_to_string(path(dir, symbol)).unwrap();
        assert_eq!(read("pieces"), read("whole"), "{symbol}");
    }
    place.tell(&["bars", "validate", "pieces", "--calendar", "always", "--strict"]).ends(0, &[]);
    let again = download("whole", &["--until", &last]).ends(0, &[]);
    assert!(again.out.contains("AAPL-1min.csv: 0 bars"), "{}", again.out);
}

#[test]
fn with_a_daemon_there_is_one_session_and_it_asks_for_others() {
    let place = Place::new();
    let mut daemon = place.start(&[], &["run", "--simulator", "--symbols", "AAPL"]);
    daemon.says("ready:");
    // The port is nobody's: whatever answers is the daemon's own session.
    let nobody = ["--port", "1", "--symbols", "AAPL"];
    let check = read(&place.tell(&[&["check", "--connect", "--json"][..], &nobody].concat()));
    assert_eq!(check["asked_by"].as_str(), Some("the running daemon's session"), "{check:#}");
    assert_eq!(check["session"]["account"].as_str(), Some("DU1234567"));
    let download =
        ["history", "download", "--bar-size", "5 secs", "--set", "CALENDAR=always", "--from", "10m", "--json"];
    let told = read(&place.tell(&[&download[..], &nobody].concat()).ends(0, &[]));
    let file = &told["files"][0];
    assert_eq!((told["ok"].as_bool(), file["symbol"].as_str()), (Some(true), Some("AAPL")), "{told:#}");
    assert!(file["bars_added"].as_u64().unwrap() > 100, "{told:#}");
    place.tell(&["bars", "validate", "bars", "--calendar", "always", "--strict"]).ends(0, &[]);
    // A symbol that is not of the plan.
    place.tell(&["history", "download", "--from", "10m", "--symbols", "MSFT", "--out", "other"]).ends(0, &[]);
    let other = ["history", "download", "--from", "1h", "--format", "parquet"];
    if !cfg!(feature = "parquet") {
        place.tell(&other).ends(2, &["cargo build --features parquet"]);
    }
    daemon.ends_well_on("TERM");
}

#[test]
fn a_daemon_without_a_session_is_not_gone_round() {
    let place = Place::new();
    let simulator = Simulator::start();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port().to_string();
    drop(free);
    let mut daemon = place.start(&[], &["run", "--port", &port]);
    daemon.says("attempt failed");
    // There is a gateway at this port, and nobody dials it beside the daemon.
    let told = place.tell(&["check", "--connect", "--port", &simulator.port]).ends(3, &[]);
    assert!(told.out.contains("no session that is Ready"), "{}", told.out);
    place
        .tell(&["history", "download", "--from", "1h", "--port", &simulator.port])
        .ends(1, &["no session that is Ready"]);
    daemon.ends_well_on("TERM");
}

#[test]
fn the_log_is_followed_through_rotations() {
    let place = Place::new();
    place.tell(&["logs"]).ends(1, &["nothing answers at", "LOG_FILE is not set here"]);
    let file = place.path("cwd").join("robo.log");
    std::fs::write(&file, "one\ntwo\n").unwrap();
    assert_eq!(place.tell(&["logs", "--log-file", "robo.log", "-n", "1"]).ends(0, &[]).out, "two\n");
    place.tell(&["logs", "--log-file", "robo.log", "--json"]).ends(2, &["LOG_FORMAT=json"]);
    std::fs::write(place.path("cwd").join("mixed.log"), "old text\n{\"a\":1}\n{\"b\": 2}\n").unwrap();
    let lines = |more: &[&str]| place.tell(&[&["logs", "--log-file", "mixed.log", "--json"][..], more].concat());
    assert_eq!(lines(&[]).ends(0, &[]).out, "{\"a\":1}\n{\"b\": 2}\n");
    assert_eq!(lines(&["--grep", "b"]).ends(0, &[]).out, "{\"b\": 2}\n");
    let mut command = Command::new(ROBO_TRADER);
    command.current_dir(place.path("cwd")).args(["logs", "-f", "--log-file", "robo.log"]).stdout(Stdio::piped());
    let mut follower = command.spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    assert_eq!([next(), next()], ["one", "two"]);
    std::fs::rename(&file, place.path("cwd").join("robo.log.1")).unwrap();
    std::fs::write(&file, "three\n").unwrap();
    assert_eq!(next(), "three");
    follower.kill().unwrap();
    follower.wait().unwrap();
}

#[test]
fn completions_and_pages_name_every_subcommand() {
    let place = Place::new();
    let help = place.tell(&["--help"]).ends(0, &[]).out;
    let names: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert!(names.len() > 20, "{names:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let text = place.tell(&["completions", shell]).ends(0, &[]).out;
        assert!(names.iter().all(|name| text.contains(name)), "{shell}");
    }
    place.tell(&["completions", "cmd"]).ends(2, &["possible values"]);
    let page = place.tell(&["man"]).ends(0, &[]).out;
    assert!(page.starts_with(".ie") && page.contains(".TH robo-trader 1"), "{page}");
    place.tell(&["man", "--out", "pages"]).ends(0, &[]);
    for name in &names {
        let page = place.path("cwd").join("pages").join(format!("robo-trader-{name}.1"));
        assert!(page.exists(), "{}", page.display());
    }
    // The shell itself takes what it is given.
    let file = place.path("cwd").join("completions.bash");
    std::fs::write(&file, place.tell(&["completions", "bash"]).out).unwrap();
    let checked = Command::new("bash").arg("-n").arg(&file).status().unwrap();
    assert!(checked.success());
    place.tell(&["top"]).ends(2, &["needs a terminal"]);
}
