//! The page of the binary, as its operator meets it: killed, stopped, bound beyond this machine, without a gateway, and
//! told what to do with and without the token.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]
#![cfg(unix)]

mod cli_support;
mod support;
mod web_support;

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use cli_support::{Daemon, PATIENCE, Place};
use robo_trader::domain::book::{Fact, Record};
use robo_trader::journal::Journal;
use robo_trader::journal::sqlite::SqliteJournal;
use serde_json::{Value, json};
use web_support::Served;
use web_support::browser::{Page, browser, quiet};

const RUN: [&str; 4] = ["run", "--simulator", "--speed", "50"];
/// A daemon that trades often, and that nothing but its operator locks.
const BUSY: [(&str, &str); 9] = [
    ("SYMBOLS", "AAPL,NVDA"),
    ("STRATEGY_PARAMS", "fast=2,slow=5"),
    ("DATA_BAR_SIZE", "5 secs"),
    ("DATA_DURATION", "1800 S"),
    ("CALENDAR", "always"),
    ("RISK_MAX_DAILY_NOTIONAL", "1000000000"),
    ("RISK_MAX_LOSSES", "1000000"),
    ("RISK_MAX_DRAWDOWN_PCT", "1"),
    ("RISK_MAX_SESSIONS_LOST", "1000000"),
];

/// Starts it, at a port of its own or at this one.
fn start(place: &Place, port: Option<u16>, more: &[&str]) -> (Daemon, Served) {
    let port = port.unwrap_or_default().to_string();
    let mut daemon = place.start(&[&BUSY[..], &[("DASH_PORT", &port)]].concat(), &[&RUN[..], more].concat());
    let served = served(place, &mut daemon);
    (daemon, served)
}

/// Waits until it is served.
fn served(place: &Place, daemon: &mut Daemon) -> Served {
    let line = daemon.says("dashboard, API and feed: http://");
    let at: SocketAddr = line.split("address=").nth(1).unwrap().trim().parse().unwrap();
    let token = std::fs::read_to_string(place.state().join("web.token")).unwrap().trim().to_owned();
    Served::elsewhere(SocketAddr::from(([127, 0, 0, 1], at.port())), token)
}

fn url(served: &Served) -> String {
    format!("http://{}/", served.address)
}

async fn open(browser: &Path, served: &Served) -> Page {
    let mut page = Page::open(browser, &url(served), 1400, 1000).await;
    page.until("document.readyState === 'complete'").await;
    page.value("window.sameDocument = true").await;
    page
}

/// What an operator sees at a glance.
const LIVE: &str = "!document.body.classList.contains('stale') && document.title === 'robo-trader' && \
    getComputedStyle(document.getElementById('stale')).display === 'none' && \
    getComputedStyle(document.querySelector('main')).filter === 'none' && \
    document.getElementById('trading').textContent === 'trading: yes'";
const STALE: &str = "(() => { \
    const red = document.createElement('p'); red.className = 'badge bad'; document.body.append(red); \
    const bad = getComputedStyle(red).color; red.remove(); \
    const bar = document.getElementById('stale'); const box = bar.getBoundingClientRect(); \
    return getComputedStyle(bar).display === 'block' && getComputedStyle(bar).backgroundColor === bad && \
        box.height > 20 && box.width === innerWidth && bar.textContent.includes('what you see is old') && \
        ['main', '#health'].every((part) => getComputedStyle(document.querySelector(part)).filter === 'grayscale(1)') && \
        document.getElementById('trading').textContent === 'trading: unknown' && \
        document.getElementById('trading').classList.contains('bad') && document.title.startsWith('(no connection)'); })()";

/// Live again, in the same document, and with everything that the daemon knows.
async fn healed(page: &mut Page, served: &Served) {
    page.until(LIVE).await;
    assert_eq!(page.value("window.sameDocument").await, json!(true), "it was not loaded anew");
    let known = served.list("fills").await.len();
    let all = format!("Number(document.getElementById('fills-count').textContent.slice(1, -1)) >= {known}");
    page.until(&all).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_is_killed_or_hangs_leaves_a_page_that_says_so_and_heals() {
    let Some(browser) = browser() else { return };
    let place = Place::new();
    let (mut daemon, served) = start(&place, None, &[]);
    let mut page = open(&browser, &served).await;
    page.until(LIVE).await;
    page.until("document.querySelectorAll('#fills tr').length > 5").await;
    let before = served.list("fills").await.len();
    page.turns().await;
    daemon.signal("KILL");
    assert_eq!(daemon.ends_within(PATIENCE).code(), None, "it was killed");
    page.until(STALE).await;
    page.picture("killed").await;
    let (mut daemon, served) = start(&place, Some(served.address.port()), &[]);
    healed(&mut page, &served).await;
    page.turns().await;
    assert!(served.list("fills").await.len() >= before, "the journal has what was before");
    // A process that hangs keeps its sockets: the page finds out by itself that nothing comes.
    page.turns().await;
    daemon.signal("STOP");
    page.until(STALE).await;
    daemon.signal("CONT");
    healed(&mut page, &served).await;
    page.turns().await;
    quiet(&mut page, &url(&served)).await;
    daemon.ends_well_on("TERM");
}

fn records(place: &Place) -> Vec<Record> {
    let mut records = Vec::new();
    let mut journal = SqliteJournal::open_read_only(&place.journal()).unwrap();
    journal.replay(1, &mut |row| records.push(row.record)).unwrap();
    records
}

/// The locks of a journal: their reasons as they were set, `None` where one was lifted.
fn locks(place: &Place) -> Vec<String> {
    let of = |record: Record| match record.fact {
        Fact::Lock(fact) => Some(format!("{fact:?}")),
        _ => None,
    };
    records(place).into_iter().filter_map(of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_without_the_token_are_refused_where_one_sees_it_and_leave_no_trace() {
    let Some(browser) = browser() else { return };
    let place = Place::new();
    let (mut daemon, served) = start(&place, None, &[]);
    let mut page = open(&browser, &served).await;
    page.until(LIVE).await;
    page.until("document.querySelectorAll('#fills tr').length > 2").await;
    let wrong = "0".repeat(served.token.len());
    for (command, word) in [("halt", ""), ("resume", ""), ("flatten", "flatten")] {
        page.provokes(401, &format!("/api/v1/commands/{command}"));
        for (token, why) in [("", "the token is needed"), (wrong.as_str(), "not the token")] {
            let said = page.command(command, word, token).await;
            assert!(said.contains(why), "{command}: {said}");
            assert_eq!(page.value("document.getElementById('ask-answer').className").await, json!("bad"));
            assert_eq!(page.value("sessionStorage.getItem('token')").await, Value::Null, "a wrong one is forgotten");
        }
    }
    assert_eq!(served.get("/api/v1/locks").await["locks"], json!([]));
    assert_eq!(locks(&place), Vec::<String>::new());
    let words: Vec<String> = records(&place).iter().map(|record| format!("{record:?}")).collect();
    assert!(!words.is_empty() && !words.iter().any(|fact| fact.contains("a test")), "nothing of it is in the journal");
    page.until("document.getElementById('trading').textContent === 'trading: yes'").await;
    // The right one, once: it is kept for the others.
    let halted = page.command("halt", "", &served.token).await;
    assert!(halted.contains("no entries"), "{halted}");
    page.until("document.getElementById('trading').textContent === 'trading: exits only: locked'").await;
    page.until("document.getElementById('locks').textContent.includes('a test')").await;
    let set = locks(&place);
    assert!(set.len() == 1 && set[0].contains("a test"), "{set:?}");
    let resumed = page.command("resume", "", "").await;
    assert!(resumed.contains("entries"), "{resumed}");
    page.until("document.getElementById('trading').textContent === 'trading: yes'").await;
    assert_eq!(locks(&place).len(), 2, "{:#?}", locks(&place));
    let flat = page.command("flatten", "flatten", "").await;
    assert!(flat.contains("entries are blocked"), "{flat}");
    page.until("[...document.querySelectorAll('#positions tr')].every((row) => row.cells[5].textContent === '0')")
        .await;
    assert!(served.list("positions").await.iter().all(|row| row["held_shares"] == 0));
    assert_eq!(locks(&place).len(), 3, "{:#?}", locks(&place));
    quiet(&mut page, &url(&served)).await;
    daemon.ends_well_on("TERM");
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_this_machine_the_page_loads_whole_and_asks_for_the_token() {
    let Some(browser) = browser() else { return };
    let place = Place::new();
    let (mut daemon, served) = start(&place, None, &["--bind", "0.0.0.0"]);
    let refused = served.raw("GET", "/api/v1/status", &[], "").await;
    assert_eq!(refused.status, 401, "{refused:?}");
    let mut page = open(&browser, &served).await;
    for path in ["/api/v1/ws", "/api/v1/version"] {
        page.provokes(401, path);
    }
    // Its scripts run: without all of them it could not even ask.
    page.until("document.getElementById('ask').open && document.getElementById('ask-title').textContent === 'Token'")
        .await;
    page.until("document.getElementById('ask-token').getBoundingClientRect().height > 0").await;
    let awaited = "document.getElementById('orders').textContent === 'unknown' && \
        document.getElementById('money').textContent === 'unknown'";
    page.until(awaited).await;
    page.until("document.getElementById('stale').textContent === 'This daemon shows nothing without its token.'").await;
    page.picture("asks").await;
    let give = async |page: &mut Page, token: &str| {
        let token = json!(token);
        page.value(&format!(
            "document.getElementById('ask-token').value = {token}; document.getElementById('ask-yes').click(); true"
        ))
        .await;
    };
    // Another one is not good enough: it asks again, and shows nothing.
    give(&mut page, &"0".repeat(64)).await;
    page.until("document.getElementById('ask').open && document.getElementById('ask-answer').textContent === 'This is not the token.'")
        .await;
    assert_eq!(page.value("sessionStorage.getItem('token')").await, Value::Null, "it is forgotten");
    assert_eq!(page.value(awaited).await, json!(true));
    give(&mut page, &served.token).await;
    page.until(LIVE).await;
    page.until("!document.getElementById('ask').open && document.querySelectorAll('#fills tr').length > 2").await;
    page.until("Number(document.querySelector('#money dd').title) > 0").await;
    page.until("document.getElementById('version').textContent.startsWith('robo-trader ')").await;
    assert_eq!(page.value("window.sameDocument").await, json!(true));
    quiet(&mut page, &url(&served)).await;
    daemon.ends_well_on("TERM");
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_session_nothing_is_said_to_be_none() {
    let Some(browser) = browser() else { return };
    let place = Place::new();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    // It tries once, and waits: what the page shows stands still.
    let slow = [("BACKOFF_BASE", "600"), ("BACKOFF_CAP", "3600"), ("BACKOFF_JITTER", "0")];
    let mut daemon = place.start(&slow, &["run", "--symbols", "AAPL,NVDA", "--port", &nobody]);
    let served = served(&place, &mut daemon);
    assert_eq!(served.get("/api/v1/orders").await["orders"], Value::Null);
    let mut page = open(&browser, &served).await;
    let awaited = json!("unknown until the first session");
    for id in ["money", "limits", "positions", "orders", "fills", "locks", "refusals", "incidents"] {
        page.tells(&format!("document.getElementById('{id}').textContent"), &awaited).await;
    }
    page.until("document.getElementById('trading').textContent === 'trading: no: no session was Ready yet'").await;
    page.until("document.getElementById('health').textContent.includes('nothing listens')").await;
    for id in ["orders", "fills"] {
        assert_eq!(page.text(&format!("#{id}-count")).await, "", "{id} are not counted");
    }
    let said = page.value("document.querySelector('main').innerText").await;
    let words = said.as_str().unwrap().split(|c: char| !c.is_ascii_alphanumeric());
    assert!(words.clone().all(|word| !["none", "allowed", "null", "undefined", "NaN"].contains(&word)), "{said}");
    page.picture("no-session").await;
    page.on_a_phone_in_the_dark().await;
    page.picture("no-session-phone").await;
    // A halt waits, and one sees that it does; nothing else of the locks is known for that.
    let halted = page.command("halt", "", &served.token).await;
    assert!(halted.contains("from the first session on"), "{halted}");
    let waits = "account, from the first session on: a test";
    page.tells(
        "[...document.querySelectorAll('#health .chip.warn')].map((chip) => chip.textContent).filter((text) => \
         text.includes('halt'))",
        &json!([format!("a halt waits, {waits}")]),
    )
    .await;
    let locks = "[...document.querySelectorAll('#locks li')].map((row) => row.textContent)";
    page.tells(locks, &json!([format!("a halt waits {waits}. Ends: resume"), awaited])).await;
    page.picture("halt-waits").await;
    let resumed = page.command("resume", "", "").await;
    assert!(resumed.contains("taken back"), "{resumed}");
    page.tells(locks, &json!([awaited])).await;
    page.until("!document.getElementById('health').textContent.includes('halt')").await;
    quiet(&mut page, &url(&served)).await;
    daemon.ends_well_on("TERM");
}
