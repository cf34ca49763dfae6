//! The dashboard of a daemon on the command line: where it is, what it leaves, and settings read anew.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod cli_support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;

use cli_support::{Daemon, PATIENCE, Place};
use serde_json::{Value, json};

const RUN: [&str; 4] = ["run", "--simulator", "--symbols", "AAPL"];

/// Where the daemon says that it is served.
fn address(daemon: &mut Daemon) -> String {
    let line = daemon.says("dashboard, API and feed: http://");
    line.split("address=").nth(1).unwrap().trim().to_owned()
}

/// Status and body of an answer.
fn ask(address: &str, method: &str, path: &str, token: &str, body: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} /api/v1/{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap())
}

#[test]
fn limits_are_read_anew_and_what_wants_a_restart_or_is_wrong_changes_nothing() {
    let place = Place::new();
    place.file("robo-trader.toml", "risk_max_leverage = 1\n");
    let mut daemon = place.start(&[], &RUN);
    let at = address(&mut daemon);
    daemon.says("ready:");
    let path = place.state().join("web.token");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let token = std::fs::read_to_string(&path).unwrap().trim().to_owned();
    let reload = || ask(&at, "POST", "commands/reload", &token, "{}");
    let setting = |name: &str| {
        let (_, config) = ask(&at, "GET", "config", "", "");
        let rows = config["settings"].as_array().unwrap().clone();
        rows.into_iter().find(|row| row["name"] == name).unwrap()["value"].clone()
    };
    let said = |answer: &(u16, Value)| answer.1["text"].as_str().unwrap().to_owned();
    let same = reload();
    assert_eq!((same.0, said(&same).as_str()), (200, "nothing has changed"));
    for (text, part) in [
        ("risk_max_leverage = 2\ndata_bar_size = \"1 min\"\n", "DATA_BAR_SIZE can only change with a restart"),
        ("risk_max_leverage = 9\n", "RISK_MAX_LEVERAGE"),
        ("risk_max_leverage = \n", "not valid TOML"),
    ] {
        place.file("robo-trader.toml", text);
        let refused = reload();
        assert!(refused.0 == 409 && said(&refused).contains(part), "{text}: {refused:?}");
        assert_eq!(setting("RISK_MAX_LEVERAGE"), "1", "{text}");
    }
    place.file("robo-trader.toml", "risk_max_leverage = 2\nrisk_max_order_notional = 50\n");
    let done = reload();
    assert_eq!(done.0, 200, "{done:?}");
    assert_eq!(said(&done), "in force from now: RISK_MAX_LEVERAGE, RISK_MAX_ORDER_NOTIONAL");
    assert_eq!((setting("RISK_MAX_LEVERAGE"), setting("RISK_MAX_ORDER_NOTIONAL")), (json!("2"), json!("50")));
    let (_, status) = ask(&at, "GET", "status", "", "");
    assert_eq!(status["dashboard"], format!("http://{at}/"));
    daemon.ends_well_on("TERM");
}

#[test]
fn a_second_daemon_at_the_same_port_says_so_and_trades_on() {
    let (place, other) = (Place::new(), Place::new());
    let mut first = place.start(&[], &RUN);
    let at = address(&mut first);
    let port = at.rsplit(':').next().unwrap();
    let mut second = other.start(&[("DASH_PORT", port)], &RUN);
    let told = second.says("the daemon trades on and tries again");
    assert!(told.contains("ERROR") && told.contains("DASH_PORT"), "{told}");
    second.says("ready:");
    second.ends_well_on("TERM");
    first.ends_well_on("TERM");
}

#[test]
fn without_the_web_nothing_listens_and_no_token_is_made() {
    let place = Place::new();
    let mut daemon = place.start(&[], &[&RUN[..], &["--no-web"]].concat());
    daemon.says("ready:");
    daemon.ends_well_on("TERM");
    assert!(!daemon.log.iter().any(|line| line.contains("dashboard")), "{:#?}", daemon.log);
    assert!(!place.state().join("web.token").exists());
    place.tell(&["run", "--simulator", "--bind", "here"]).ends(2, &["DASH_BIND"]);
}
