//! An operator speaks to a running daemon: what it answers, what it does, what it remembers.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod cli_support;

use cli_support::{Daemon, PATIENCE, Place, Told};
use serde_json::Value;

/// A daemon on its own simulator that trades often.
const BUSY: [&str; 14] = [
    "run",
    "--simulator",
    "--symbols",
    "AAPL,NVDA",
    "--speed",
    "60",
    "--param",
    "fast=2",
    "--param",
    "slow=5",
    "--set",
    "RISK_MAX_LOSSES=1000000",
    "--set",
    "RISK_STOP_LOSS_PCT=0.1",
];

/// What a daemon trades often with, at a simulator of its own process.
const AT_A_SIMULATOR: [(&str, &str); 6] = [
    ("SYMBOLS", "AAPL,NVDA"),
    ("DATA_BAR_SIZE", "5 secs"),
    ("DATA_DURATION", "3600 S"),
    ("CALENDAR", "always"),
    ("STRATEGY_PARAMS", "fast=2,slow=5"),
    ("SETTLE_TIME", "0.2"),
];

fn busy(place: &Place) -> Daemon {
    place.start(&[], &BUSY)
}

/// The status as a value.
fn status(place: &Place) -> Value {
    let told = place.tell(&["status", "--json"]);
    let status: Value = serde_json::from_str(&told.out).unwrap();
    let code = if status["ready"] == true { 0 } else { 5 };
    told.ends(code, &[]);
    status
}

/// Asks for the status until it is so; the commands themselves take the time.
#[track_caller]
fn until(place: &Place, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..2_000 {
        let now = status(place);
        if is_so(&now) {
            return now;
        }
    }
    panic!("never: {what}; last {:#}", status(place));
}

fn says(told: &Told, parts: &[&str]) {
    for part in parts {
        assert!(told.out.contains(part), "{part:?} is not in {}", told.out);
    }
}

/// A port that nobody listens at.
fn free_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port().to_string()
}

fn held(status: &Value) -> i64 {
    let symbols = status["desk"]["symbols"].as_array().unwrap();
    symbols.iter().map(|symbol| symbol["held_shares"].as_i64().unwrap().abs()).sum()
}

#[test]
fn a_halt_is_told_kept_over_a_restart_explained_there_and_lifted() {
    let place = Place::new();
    let mut daemon = busy(&place);
    daemon.says("fill: ");
    says(&place.tell(&["halt", "--reason", "earnings"]).ends(0, &[]), &["every symbol", "exits pass"]);
    says(
        &place.tell(&["status"]).ends(0, &[]),
        &[
            "trading      exits only: locked",
            "halted by an operator: earnings",
            "ends: robo-trader resume",
            "layer        link",
        ],
    );
    daemon.says("entries locked");
    daemon.ends_well_on("TERM");
    let mut daemon = busy(&place);
    let explained = daemon.says("still locked");
    assert!(explained.contains("earnings") && explained.contains("robo-trader resume"), "{explained}");
    daemon.says("ready:");
    says(&place.tell(&["resume"]).ends(0, &[]), &["entries are allowed again", "earnings"]);
    let now = status(&place);
    assert_eq!(now["desk"]["locks"], serde_json::json!([]));
    says(&place.tell(&["resume"]).ends(0, &[]), &["nothing is locked"]);
    daemon.ends_well_on("TERM");
}

#[test]
fn one_that_observes_sends_no_order_and_its_status_says_so_by_its_exit_code() {
    let place = Place::new();
    let mut daemon = place.start(&[("EXECUTION_MODE", "observe")], &BUSY);
    daemon.says("ready:");
    // The commands themselves take the time.
    let mut looks = (0..2_000).map(|_| place.tell(&["status"]));
    looks.find(|told| told.out.contains("trading      no: it observes")).expect("it says so").ends(5, &[]);
    daemon.ends_well_on("TERM");
}

#[test]
fn flatten_closes_what_is_held_and_says_when_it_is_flat() {
    let place = Place::new();
    let mut daemon = busy(&place);
    daemon.says("fill: ");
    until(&place, "something is held", |status| held(status) > 0);
    says(&place.tell(&["flatten", "--reason", "enough"]).ends(0, &[]), &["entries are blocked", "robo-trader status"]);
    let flat = until(&place, "everything is flat", |status| held(status) == 0 && status["desk"]["working_orders"] == 0);
    assert_eq!(flat["desk"]["locks"][0]["cause"], "flatten");
    let orders = flat["desk"]["counts"]["orders"].clone();
    until(&place, "bars go on", |status| status["desk"]["market_time"] != flat["desk"]["market_time"]);
    assert_eq!(status(&place)["desk"]["counts"]["orders"], orders, "nothing is sent after that");
    daemon.ends_well_on("TERM");
}

#[test]
fn everything_is_cancelled_only_for_who_names_the_account_twice() {
    let place = Place::new();
    let mut daemon = busy(&place);
    daemon.says("ready:");
    place.tell(&["flatten", "--everything"]).ends(3, &["EVERY order", "--confirm DU1234567 --confirm-again DU1234567"]);
    place.tell(&["flatten", "--everything", "--confirm", "DU1234567"]).ends(3, &["confirm it twice"]);
    assert_eq!(status(&place)["desk"]["locks"], serde_json::json!([]), "nothing has happened");
    let twice = ["flatten", "--everything", "--confirm", "DU1234567", "--confirm-again", "DU1234567"];
    says(&place.tell(&twice).ends(0, &[]), &["every order of every client"]);
    place.tell(&["flatten", "AAPL", "--everything"]).ends(2, &["--everything"]);
    daemon.ends_well_on("TERM");
}

#[test]
fn reconcile_compares_now_and_has_nothing_to_accept_where_both_agree() {
    let place = Place::new();
    let mut daemon = busy(&place);
    daemon.says("fill: ");
    until(&place, "it is ready", |status| status["desk"]["ready"] == true);
    let before = status(&place)["desk"]["reads"].as_u64().unwrap();
    says(&place.tell(&["reconcile"]).ends(0, &[]), &["broker and book agree", "cash"]);
    assert!(status(&place)["desk"]["reads"].as_u64().unwrap() > before, "it was read anew");
    says(&place.tell(&["reconcile", "accept", "AAPL", "--reason", "x"]).ends(0, &[]), &["there is nothing to accept"]);
    place.tell(&["reconcile", "accept", "AAPL", "--reason", " "]).ends(2, &["--reason"]);
    place.tell(&["reconcile", "accept", "AAPL", "--reason", "x", "--split", "2"]).ends(2, &["NEW:OLD"]);
    place.tell(&["reconcile", "accept", "AAPL"]).ends(2, &["--reason"]);
    place.tell(&["halt", "MSFT"]).ends(2, &["MSFT is neither in SYMBOLS nor held: AAPL, NVDA"]);
    daemon.ends_well_on("TERM");
}

#[test]
fn without_a_daemon_and_before_the_first_session_the_answer_says_so() {
    let place = Place::new();
    for command in [&["status"][..], &["halt"], &["resume"], &["flatten"], &["logs"]] {
        place.tell(command).ends(1, &["nothing answers at", "control.sock"]);
    }
    place.tell(&["reconcile"]).ends(1, &["no session after"]);
    says(&place.tell(&["status"]), &["trading      no: no daemon runs", "none yet: nothing has traded"]);
    // Nobody listens at the gateway's port: the daemon lives, and has no ledger yet.
    let port = free_port();
    let mut daemon = place.start(&[("BACKOFF_BASE", "0.05"), ("BACKOFF_CAP", "0.1")], &["run", "--port", &port]);
    daemon.says("attempt failed");
    says(
        &place.tell(&["status"]).ends(5, &[]),
        &["trading      no: no session was Ready yet", "why ", "socket", "DOWN", "nothing listens"],
    );
    place.tell(&["flatten"]).ends(3, &["no ledger is open yet"]);
    daemon.ends_well_on("TERM");
}

#[test]
fn while_no_daemon_runs_reconcile_reads_the_broker_itself_and_journals_nothing() {
    let place = Place::new();
    let other = place.path("exchange");
    let simulator = ["simulator", "--port", "0", "--symbols", "AAPL,NVDA", "--speed", "50", "--state-dir"];
    let mut gateway = place.start(&[], &[&simulator[..], &[other.to_str().unwrap()]].concat());
    let line = gateway.says("127.0.0.1:");
    let port = line.split("127.0.0.1:").nth(1).unwrap();
    let port: String = port.chars().take_while(char::is_ascii_digit).collect();
    let variables = [&[("IBKR_PORT", port.as_str())], &AT_A_SIMULATOR[..]].concat();
    let mut daemon = place.start(&variables, &["run"]);
    daemon.says("fill: ");
    until(&place, "something is held", |status| held(status) > 0);
    daemon.signal("KILL");
    daemon.ends_within(PATIENCE);
    let facts = |place: &Place| {
        let status: Value = serde_json::from_str(&place.tell(&["status", "--json"]).out).unwrap();
        status["ledgers"][0]["source"]["records"].clone()
    };
    let before = facts(&place);
    let reconcile = |words: &[&str]| place.tell_with(&variables, words).ends(0, &[]);
    says(&reconcile(&["reconcile"]), &["no daemon runs: read once", "the broker states", "DU1234567 (simulator)"]);
    let told: Value = serde_json::from_str(&reconcile(&["reconcile", "--json"]).out).unwrap();
    let desk = &told["desk"];
    assert!(desk["broker_cash_usd"].is_string() && desk["foreign_orders"] == serde_json::json!([]), "{told:#}");
    assert_eq!((facts(&place), &told["daemon"]), (before, &false.into()));
    // Without the journal nobody knows whose the shares are; what works at the broker is of a ledger that is not here.
    std::fs::rename(place.state().join("simulator"), place.path("away")).unwrap();
    let told = place.tell_with(&variables, &["reconcile"]).ends(3, &[]);
    says(&told, &["none of this account", "the broker holds", "others' order"]);
    gateway.signal("TERM");
    gateway.ends_within(PATIENCE);
}

#[test]
fn a_halt_before_the_first_session_is_in_force_when_it_comes() {
    let place = Place::new();
    // A gateway that comes later, at a port that is known before.
    let port = free_port();
    let soon = [("BACKOFF_BASE", "0.05"), ("BACKOFF_CAP", "0.1"), ("CIRCUIT_BREAKER_THRESHOLD", "1000")];
    let variables = [&soon, &AT_A_SIMULATOR[..]].concat();
    let mut daemon = place.start(&variables, &["run", "--port", &port]);
    daemon.says("attempt failed");
    place.tell(&["halt", "MSFT"]).ends(2, &["MSFT is not in SYMBOLS: AAPL, NVDA"]);
    says(&place.tell(&["halt", "--reason", "not today"]).ends(0, &[]), &["from the first session on"]);
    says(&place.tell(&["halt", "AAPL", "--reason", "never"]).ends(0, &[]), &["entries in AAPL"]);
    says(&place.tell(&["resume", "AAPL"]).ends(0, &[]), &["taken back"]);
    // The daemon is killed meanwhile: the next one knows of it.
    daemon.signal("KILL");
    daemon.ends_within(PATIENCE);
    let mut daemon = place.start(&variables, &["run", "--port", &port]);
    daemon.says("attempt failed");
    says(&place.tell(&["status"]).ends(5, &[]), &["halted       account, from the first session on: not today"]);
    let other = place.path("exchange");
    let simulator = ["simulator", "--port", &port, "--symbols", "AAPL,NVDA", "--speed", "50", "--state-dir"];
    let mut gateway = place.start(&[], &[&simulator[..], &[other.to_str().unwrap()]].concat());
    daemon.says("entries locked");
    daemon.says("ready:");
    let begun = until(&place, "a bar has come", |status| !status["desk"]["symbols"][0]["last_bar_end"].is_null());
    until(&place, "bars go on", |status| status["desk"]["market_time"] != begun["desk"]["market_time"]);
    let now = status(&place);
    assert_eq!(now["desk"]["locks"][0]["why"], "halted by an operator: not today");
    assert_eq!((&now["desk"]["counts"]["orders"], &now["halts_waiting"]), (&0.into(), &serde_json::json!([])));
    daemon.ends_well_on("TERM");
    gateway.signal("TERM");
    gateway.ends_within(PATIENCE);
}

#[test]
fn while_no_daemon_runs_status_tells_what_its_journal_says_and_so_does_one_without_a_session() {
    let place = Place::new();
    let holds = ["run", "--simulator", "--symbols", "AAPL", "--speed", "20", "--set", "STRATEGY=buy-and-hold"];
    let mut daemon = place.start(&[], &holds);
    daemon.says("fill: ");
    let seen = until(&place, "it is protected", |status| held(status) > 0 && status["desk"]["working_orders"] == 1);
    says(&place.tell(&["halt", "--reason", "earnings"]).ends(0, &[]), &["every symbol"]);
    daemon.signal("KILL");
    daemon.ends_within(PATIENCE);
    let told = place.tell(&["status", "--json"]).ends(1, &[]);
    let now: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!((&now["trading"], &now["desk"]), (&"no: no daemon runs".into(), &Value::Null));
    let [ledger] = now["ledgers"].as_array().unwrap().as_slice() else { panic!("{now:#}") };
    assert_eq!(ledger["source"]["account"], "DU1234567");
    assert_eq!(ledger["locks"][0]["why"], "halted by an operator: earnings");
    let positions: Value = serde_json::from_str(&place.tell(&["positions", "--json"]).out).unwrap();
    let orders: Value = serde_json::from_str(&place.tell(&["orders", "--open", "--limit", "0", "--json"]).out).unwrap();
    assert_eq!((&ledger["positions"], &ledger["orders"]), (&positions["positions"], &orders["orders"]));
    assert!(!ledger["orders"].as_array().unwrap().is_empty(), "stops work at the broker: {seen:#}");
    let in_words = [
        "account      DU1234567 (simulator)",
        "equity unknown",
        "held ",
        "STP ",
        "locked       account (operator) since",
        "ends: robo-trader resume",
    ];
    let told = place.tell(&["status"]).ends(1, &["nothing answers at"]);
    says(&told, &in_words);
    // One that runs, and has no session yet, has no book: its status tells the same.
    let port = free_port();
    let mut waiting = place.start(&[("BACKOFF_BASE", "0.05"), ("BACKOFF_CAP", "0.1")], &["run", "--port", &port]);
    waiting.says("attempt failed");
    says(&place.tell(&["status"]).ends(5, &[]), &in_words);
    waiting.ends_well_on("TERM");
}

#[test]
fn without_a_log_file_the_daemon_tells_its_log_and_what_follows() {
    let place = Place::new();
    let mut daemon = busy(&place);
    daemon.says("fill: ");
    let told = place.tell(&["logs", "-n", "1000"]).ends(0, &[]);
    says(&told, &["INFO ready: the broker's state is reconciled", "fill: "]);
    assert!(told.out.lines().all(|line| line.starts_with("20")), "every line has its moment: {}", told.out);
    assert_eq!(place.tell(&["logs", "-n", "3"]).ends(0, &[]).out.lines().count(), 3);
    let line = place.tell(&["logs", "-n", "1", "--json"]).ends(0, &[]).out;
    assert!(serde_json::from_str::<Value>(&line).unwrap()["level"].is_string(), "{line}");
    // Of what is written later, each line once and in its order; it ends with the daemon.
    let mut follows = place.command(&["logs", "-f", "-n", "1"]);
    let follows = follows.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let fills = daemon.log.iter().filter(|line| line.contains("fill: ")).count();
    for _ in 0..5 {
        daemon.says("fill: ");
    }
    daemon.ends_well_on("TERM");
    let all: Vec<&String> = daemon.log.iter().filter(|line| line.contains("fill: ")).collect();
    let output = follows.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let followed = String::from_utf8(output.stdout).unwrap();
    let seen: Vec<&str> = followed.lines().filter(|line| line.contains("fill: ")).collect();
    let words = |line: &str| line.split_once("fill: ").unwrap().1.replace('"', "");
    let seen: Vec<String> = seen.into_iter().map(words).collect();
    let all: Vec<String> = all.into_iter().map(|line| words(line)).collect();
    assert!(fills < all.len() && seen.len() >= 3, "{seen:#?}");
    assert!(all.windows(seen.len()).any(|lines| lines == seen), "{seen:#?} is no part of {all:#?}");
    // A daemon with a file names it.
    let file = place.path("cwd").join("trade.log");
    let mut daemon = place.start(&[("LOG_FILE", file.to_str().unwrap())], &BUSY);
    // The commands themselves take the time.
    let mut looks = (0..2_000).map(|_| place.tell(&["logs", "-n", "1000", "--grep", "ready:"]));
    let told = looks.find(|told| !told.out.is_empty()).expect("it is ready");
    assert_eq!((told.code, told.out.lines().count()), (Some(0), 1), "{told:#?}");
    assert!(std::fs::read_to_string(&file).unwrap().contains(told.out.trim_end()), "it is the file's own line");
    daemon.signal("TERM");
    daemon.ends_within(PATIENCE);
}

#[test]
fn a_symbol_is_parked_and_unparked_limits_are_read_anew_and_the_daemon_ends_without_a_signal() {
    let place = Place::new();
    for command in [&["reload"][..], &["park", "AAPL"], &["unpark", "AAPL"], &["shutdown"]] {
        place.tell(command).ends(1, &["nothing answers at", "control.sock"]);
    }
    place.file("robo-trader.toml", "risk_max_leverage = 2\n");
    let mut daemon = busy(&place);
    daemon.says("ready:");
    says(&place.tell(&["park", "AAPL", "--reason", "news"]).ends(0, &[]), &["AAPL is parked"]);
    let parked = status(&place);
    assert_eq!(parked["desk"]["locks"][0]["cause"], "shelved");
    until(&place, "bars go on", |status| status["desk"]["market_time"] != parked["desk"]["market_time"]);
    says(&place.tell(&["status"]), &["locked       AAPL (shelved)", "ends: robo-trader unpark SYMBOL"]);
    says(&place.tell(&["unpark", "AAPL"]).ends(0, &[]), &["AAPL is parked no more"]);
    let forged = "x\n2026-11-28T23:59:59Z ERROR forged\u{1b}[2J";
    says(&place.tell(&["halt", "NVDA", "--reason", forged]).ends(0, &[]), &["NVDA: no entries from now"]);
    let told = place.tell(&["halt", "NVDA", "--reason", "another"]).ends(0, &[]).out;
    assert!(
        told.contains("its first reason stands: halted by an operator: x 2026") && !told.contains('\u{1b}'),
        "{told}"
    );
    let shown = place.tell(&["status"]).ends(0, &[]).out;
    assert!(!shown.contains('\u{1b}') && !shown.lines().any(|line| line.starts_with("2026")), "{shown}");
    place.tell(&["halt", "--reason", &"x".repeat(501)]).ends(2, &["501 characters"]);
    says(&place.tell(&["resume", "NVDA"]).ends(0, &[]), &["entries are allowed again"]);
    place.tell(&["park"]).ends(2, &["<SYMBOL>"]);
    place.tell(&["park", "MSFT"]).ends(2, &["MSFT is neither in SYMBOLS nor held"]);
    says(&place.tell(&["reload"]).ends(0, &[]), &["nothing has changed"]);
    place.file("robo-trader.toml", "risk_max_leverage = 3\n");
    let told = place.tell(&["reload", "--json"]).ends(0, &[]);
    let answer: Value = serde_json::from_str(&told.out).unwrap();
    assert!(answer["ok"] == true && answer["text"].as_str().unwrap().contains("RISK_MAX_LEVERAGE"), "{answer}");
    says(&place.tell(&["shutdown", "--reason", "enough"]).ends(0, &[]), &["stops stay"]);
    assert_eq!(daemon.ends_within(PATIENCE).code(), Some(0), "{:#?}", daemon.log);
}

#[test]
fn a_state_directory_too_long_for_a_socket_is_refused_at_the_start() {
    let place = Place::new();
    let long = place.path(&"x".repeat(120));
    let told = place.tell(&["run", "--simulator", "--state-dir", long.to_str().unwrap()]);
    told.ends(3, &["too long for a socket", "choose a shorter directory"]);
}

#[test]
fn a_machine_gets_json_of_every_answer_however_it_ended() {
    let place = Place::new();
    let read =
        |told: &Told| -> Value { serde_json::from_str(&told.out).unwrap_or_else(|error| panic!("{error}: {told:#?}")) };
    let silent = read(&place.tell(&["halt", "--json"]).ends(1, &[]));
    assert!(silent["ok"] == false && silent["text"].as_str().unwrap().contains("nothing answers"), "{silent}");
    assert_eq!(read(&place.tell(&["service", "status", "--json"]).ends(1, &[]))["installed"], false);
    for words in [&["positions"][..], &["pnl"], &["report", "day"], &["journal", "verify"], &["reconcile"]] {
        let refused = read(&place.tell(&[words, &["--json"]].concat()).ends(1, &[]));
        assert!(refused["ok"] == false && !refused["text"].as_str().unwrap().is_empty(), "{words:?}: {refused}");
    }
    let mut daemon = busy(&place);
    daemon.says("fill: ");
    for (words, code, ok) in [
        (&["halt", "AAPL", "--reason", "a look", "--json"][..], 0, true),
        (&["resume", "AAPL", "--json"], 0, true),
        (&["flatten", "--everything", "--json"], 3, false),
        (&["cancel", "99999", "--json"], 2, false),
        (&["notify", "ack", "--json"], 0, true),
        (&["reconcile", "accept", "AAPL", "--reason", "x", "--json"], 0, true),
    ] {
        let told = place.tell(words).ends(code, &[]);
        let answer = read(&told);
        assert!(answer["ok"] == ok && answer["text"].as_str().is_some_and(|text| !text.is_empty()), "{told:#?}");
    }
    assert!(read(&place.tell(&["service", "status", "--json"]))["daemon"]["trading"].is_string());
    place.tell(&["config"]).ends(0, &["a daemon runs with state directory", "not its own"]);
    daemon.ends_well_on("TERM");
    let config = read(&place.tell_with(&[("NOTIFY_SLACK", "https://secret")], &["config", "--json"]).ends(0, &[]));
    let row =
        |name: &str| config["settings"].as_array().unwrap().iter().find(|row| row["name"] == name).unwrap().clone();
    assert_eq!(
        (&row("NOTIFY_SLACK")["value"], &row("NOTIFY_SLACK")["source"]),
        (&"********".into(), &"environment".into())
    );
    assert!(row("IBKR_PORT")["value"] == "4002" || row("IBKR_PORT")["value"] == "7497", "{}", row("IBKR_PORT"));
    let wrong = read(&place.tell(&["config", "--json", "--set", "IBKR_PORT=x"]).ends(2, &[]));
    assert!(wrong["wrong"][0].as_str().unwrap().contains("IBKR_PORT"), "{wrong:#}");
    let strategies = read(&place.tell(&["strategies", "--json"]).ends(0, &[]));
    assert!(strategies["strategies"].as_array().unwrap().iter().any(|row| row["strategy"] == "sma-cross"));
    let test =
        read(&place.tell_with(&[("NOTIFY_NTFY", "http://127.0.0.1:9/x")], &["notify", "test", "--json"]).ends(1, &[]));
    assert_eq!((&test["channels"][0]["channel"], &test["channels"][0]["taken"]), (&"ntfy".into(), &false.into()));
}
