//! The daemon under a service manager: what systemd hears of it, what launchd is given, what is installed where.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod cli_support;

use std::os::unix::net::UnixDatagram;
use std::process::Command;

use cli_support::{PATIENCE, Place};

/// A service manager's socket, and what it heard.
struct Manager {
    socket: UnixDatagram,
    path: String,
    heard: Vec<String>,
}

impl Manager {
    fn of(place: &Place) -> Self {
        let path = place.path("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, path: path.to_str().unwrap().to_owned(), heard: Vec::new() }
    }

    /// Listens until something begins so.
    #[track_caller]
    fn hears(&mut self, start: &str) -> String {
        let mut bytes = [0; 2_048];
        loop {
            let length =
                self.socket.recv(&mut bytes).unwrap_or_else(|error| panic!("{start}: {error}: {:#?}", self.heard));
            let words = String::from_utf8(bytes[..length].to_vec()).unwrap();
            self.heard.push(words.clone());
            if words.starts_with(start) {
                return words;
            }
        }
    }
}

#[test]
fn systemd_hears_ready_after_the_first_recovery_signs_of_life_what_blocks_trading_and_the_end() {
    let place = Place::new();
    let mut manager = Manager::of(&place);
    let variables = [("NOTIFY_SOCKET", manager.path.as_str()), ("WATCHDOG_USEC", "600000")];
    let mut daemon = place.start(&variables, &["run", "--simulator", "--symbols", "AAPL"]);
    manager.hears("READY=1");
    assert!(manager.heard.iter().any(|words| words.starts_with("STATUS=trading: ")), "{:#?}", manager.heard);
    daemon.says("ready:");
    for _ in 0..3 {
        manager.hears("WATCHDOG=1");
    }
    place.tell(&["halt", "--reason", "a word"]).ends(0, &[]);
    while !manager.hears("STATUS=").contains("locked (account: halted by an operator: a word)") {}
    daemon.ends_well_on("TERM");
    manager.hears("STOPPING=1");
    manager.hears("STATUS=ended, as asked");
    assert_eq!(manager.heard.iter().filter(|words| *words == "READY=1").count(), 1);
}

#[test]
fn a_daemon_without_a_gateway_is_not_ready_and_says_what_it_waits_for() {
    let place = Place::new();
    let mut manager = Manager::of(&place);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    drop(listener);
    let variables = [("NOTIFY_SOCKET", manager.path.as_str()), ("BACKOFF_BASE", "0.1"), ("BACKOFF_CAP", "0.2")];
    let mut daemon = place.start(&variables, &["run", "--port", &port]);
    while !manager.hears("STATUS=").contains("nothing listens") {}
    daemon.ends_well_on("TERM");
    manager.hears("STOPPING=1");
    assert!(!manager.heard.iter().any(|words| words == "READY=1" || words == "WATCHDOG=1"), "{:#?}", manager.heard);
}

#[test]
fn what_needs_a_human_stays_and_says_so_where_nobody_knows_exit_codes() {
    let place = Place::new();
    std::fs::create_dir_all(place.journal().parent().unwrap()).unwrap();
    std::fs::write(place.journal(), "this is no database, and long enough to be looked at as one").unwrap();
    let mut daemon = place.start(&[], &["run", "--simulator", "--symbols", "AAPL", "--stay"]);
    daemon.says("staying until a signal ends me");
    let told = (0..2_000).map(|_| place.tell(&["status"])).find(|told| told.code == Some(5)).expect("it answers");
    assert!(told.out.contains("no: a human is needed") && told.out.contains("exit code 4"), "{told:?}");
    place.tell(&["halt"]).ends(3, &["a human is needed"]);
    daemon.signal("TERM");
    assert_eq!(daemon.ends_within(PATIENCE).code(), Some(4));
    // Wrong settings, too, although there is not even a log; whoever is told of alerts is told again until they say that
    // they know.
    let place = Place::new();
    let told = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/hook", told.local_addr().unwrap());
    let variables = [("NOTIFY_NTFY", address.as_str()), ("NOTIFY_REPEAT", "0.1")];
    let heard = |told: &std::net::TcpListener| {
        let (mut stream, _) = told.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut text = String::new();
        while !text.contains("IBKR_PORT") {
            let mut bytes = [0; 4_096];
            let length = std::io::Read::read(&mut stream, &mut bytes).unwrap();
            assert_ne!(length, 0, "{text}");
            text += &String::from_utf8_lossy(&bytes[..length]);
        }
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        text
    };
    let mut daemon = place.start(&variables, &["run", "--stay", "--set", "IBKR_PORT=x"]);
    assert!(heard(&told).contains("has not started"));
    daemon.says("staying until a signal ends me");
    assert!(heard(&told).contains("still so; robo-trader notify ack silences it"));
    let status = place.tell(&["status"]).ends(5, &[]);
    assert!(status.out.contains("no: a human is needed") && status.out.contains("IBKR_PORT"), "{status:?}");
    let noted = place.tell(&["notify", "ack"]).ends(0, &[]);
    assert!(noted.out.contains("not told again"), "{noted:?}");
    daemon.signal("TERM");
    assert_eq!(daemon.ends_within(PATIENCE).code(), Some(2));
}

#[test]
fn a_unit_is_written_for_the_user_looked_at_and_taken_away_but_never_somebody_elses() {
    let place = Place::new();
    let file = place.path("home").join(".config/systemd/user/robo-trader.service");
    let systemd = ["--systemd", "--user"];
    let told = place.tell(&[&["service", "status"][..], &systemd].concat()).ends(1, &[]);
    assert!(told.out.contains("not installed") && told.out.contains("nothing answers"), "{}", told.out);
    let install = [&["service", "install"][..], &systemd].concat();
    let told = place.tell(&install).ends(0, &[]);
    assert!(told.out.contains("systemctl --user enable robo-trader"), "{}", told.out);
    let unit = std::fs::read_to_string(&file).unwrap();
    assert!(unit.contains(&format!("ExecStart={} run", cli_support::ROBO_TRADER)), "{unit}");
    assert_eq!(place.tell(&[&install[..], &["--print"]].concat()).ends(0, &[]).out.trim_end(), unit.trim_end());
    place.tell(&install).ends(0, &[]);
    std::fs::write(&file, "[Service]\n").unwrap();
    place.tell(&install).ends(2, &["--force"]);
    place.tell(&[&["service", "uninstall"][..], &systemd].concat()).ends(2, &["left alone"]);
    place.tell(&[&install[..], &["--force"]].concat()).ends(0, &[]);
    let told = place.tell(&[&["service", "uninstall", "--json"][..], &systemd].concat()).ends(0, &[]);
    let answer: serde_json::Value = serde_json::from_str(&told.out).unwrap();
    assert!(answer["ok"] == true && answer["text"].as_str().unwrap().starts_with("removed: "), "{answer}");
    assert!(!file.exists());
}

#[test]
fn a_launchd_job_is_printed_for_the_user_and_for_the_machine() {
    let place = Place::new();
    for (scope, state) in
        [("--user", "Library/Application Support/robo-trader"), ("--system", "/usr/local/var/robo-trader")]
    {
        let job = place.tell(&["service", "install", "--launchd", scope, "--print"]).ends(0, &[]).out;
        assert!(job.contains("<key>KeepAlive</key>") && job.contains("<string>--stay</string>"), "{job}");
        assert!(job.contains(state), "{scope}: {job}");
        let mut reader = quick_xml::Reader::from_str(&job);
        while !matches!(reader.read_event().unwrap(), quick_xml::events::Event::Eof) {}
        // Apple's own reading of it, where there is one.
        let file = place.path("job.plist");
        std::fs::write(&file, &job).unwrap();
        match Command::new("plutil").arg("-lint").arg(&file).output() {
            Ok(checked) => assert!(checked.status.success(), "{checked:?}"),
            Err(error) => eprintln!("no plutil here ({error}): read as XML only"),
        }
    }
}

#[test]
fn systemd_itself_finds_nothing_wrong_with_the_units() {
    let place = Place::new();
    for scope in ["--system", "--user"] {
        let print = ["service", "install", "--systemd", scope, "--print", "--program", "/bin/true"];
        let file = place.path("robo-trader.service");
        let unit = place.tell(&print).ends(0, &[]).out;
        // A machine's secrets are in a file of root's; a user's beside its settings.
        let secrets = unit.lines().any(|line| line == "EnvironmentFile=-/etc/robo-trader/environment");
        assert_eq!(secrets, scope == "--system", "{unit}");
        std::fs::write(&file, unit).unwrap();
        let Ok(checked) = Command::new("systemd-analyze").arg("verify").arg(&file).output() else {
            eprintln!("skipped: there is no systemd-analyze here");
            return;
        };
        let text = String::from_utf8_lossy(&checked.stderr);
        let ours: Vec<&str> = text.lines().filter(|line| line.contains("robo-trader")).collect();
        assert!(ours.is_empty(), "{scope}: {text}");
    }
}

#[test]
fn the_state_directory_of_a_service_manager_is_the_state_directory() {
    let place = Place::new();
    let dir = place.path("given");
    let given = format!("{}:/elsewhere", dir.display());
    place
        .tell_with(&[("STATE_DIRECTORY", &given)], &["run", "--simulator", "--once", "--symbols", "AAPL"])
        .ends(0, &[]);
    assert!(dir.join("simulator/DU1234567/journal.db").exists());
}

#[test]
fn commands_find_the_installed_services_daemon_and_its_ledger_and_say_so() {
    let place = Place::new();
    let state = place.path("home/Library/Application Support/robo-trader");
    let told = place.tell(&["service", "install", "--launchd", "--user"]).ends(0, &[]);
    let flag = format!("--state-dir '{}'", state.display());
    assert!(told.out.contains(&flag), "{}", told.out);
    let run = ["run", "--simulator", "--symbols", "AAPL", "--state-dir", state.to_str().unwrap()];
    let mut daemon = place.start(&[], &run);
    daemon.says("ready:");
    let used = format!("no daemon at {}: --state-dir {state:?}", place.state().display());
    place.tell(&["halt"]).ends(0, &[&used]);
    let told = place.tell(&["service", "status", "--launchd", "--user"]).ends(0, &[]);
    assert!(told.out.contains("daemon      trading: "), "{told:?}");
    // What is named is used, whoever answers elsewhere.
    place.tell(&["halt", "--state-dir", "elsewhere"]).ends(1, &["nothing answers at elsewhere"]);
    daemon.ends_well_on("TERM");
    place.tell(&["orders"]).ends(0, &[&used, "no daemon trades this ledger now"]);
}
