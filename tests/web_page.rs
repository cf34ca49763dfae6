//! The page in a browser, against a daemon that trades: headless Chromium, driven by its own protocol.
//!
//! Skipped, with a message, where no Chromium is installed; `BROWSER_TESTS=required` makes that a failure.
//! `SHOTS=DIRECTORY` keeps pictures.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod support;
mod web_support;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use robo_trader::runner::board::Board;
use robo_trader::web::log_tail::LogTail;
use serde_json::{Value, json};
use support::{Daemon, Start, settings, synthetic};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio_tungstenite::tungstenite::Message;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use web_support::{PATIENCE, Served, config};

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

fn browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    std::env::split_paths(&path).flat_map(|dir| names.map(|name| dir.join(name))).find(|file| file.exists())
}

/// A browser with one page.
struct Page {
    socket: Socket,
    session: String,
    next: u64,
    /// What the page did besides: requests, lines of its console.
    events: VecDeque<Value>,
    _process: Child,
    _profile: tempfile::TempDir,
}

impl Page {
    async fn open(browser: &Path, url: &str, width: u32, height: u32) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut process = Command::new(browser)
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-port=0"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let address = loop {
            let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("the browser is silent");
            let line = line.unwrap().expect("the browser ended");
            if let Some(address) = line.strip_prefix("DevTools listening on ") {
                break address.to_owned();
            }
        };
        let (socket, _) = tokio_tungstenite::connect_async(address).await.unwrap();
        let (session, events) = (String::new(), VecDeque::new());
        let mut page = Self { socket, session, next: 0, events, _process: process, _profile: profile };
        let target = page.call("Target.createTarget", json!({ "url": "about:blank" })).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        page.session = page.call("Target.attachToTarget", attach).await["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            page.call(&format!("{domain}.enable"), json!({})).await;
        }
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        page.call("Emulation.setDeviceMetricsOverride", size).await;
        page.call("Page.navigate", json!({ "url": url })).await;
        page
    }

    async fn call(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let id = self.next;
        let mut message = json!({ "id": id, "method": method, "params": params });
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        self.socket.send(Message::text(message.to_string())).await.unwrap();
        loop {
            let heard = tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("the browser is silent");
            let Message::Text(text) = heard.expect("the browser ended").unwrap() else { continue };
            let answer: Value = serde_json::from_str(&text).unwrap();
            if answer["id"] == id {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].clone();
            }
            self.events.push_back(answer);
        }
    }

    async fn value(&mut self, script: &str) -> Value {
        let ask = json!({ "expression": script, "returnByValue": true, "awaitPromise": true });
        let answer = self.call("Runtime.evaluate", ask).await;
        assert!(answer.get("exceptionDetails").is_none(), "{script}: {answer}");
        answer["result"]["value"].clone()
    }

    async fn text(&mut self, selector: &str) -> String {
        let selector = json!(selector);
        let value = self.value(&format!("document.querySelector({selector})?.textContent ?? ''")).await;
        value.as_str().unwrap().to_owned()
    }

    /// Looks again and again until it is so.
    async fn until(&mut self, script: &str) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            if self.value(script).await == json!(true) {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "never: {script}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn picture(&mut self, name: &str) {
        let Some(dir) = std::env::var_os("SHOTS") else { return };
        let shot = self.call("Page.captureScreenshot", json!({ "captureBeyondViewport": true })).await;
        let data = shot["data"].as_str().unwrap();
        std::fs::write(Path::new(&dir).join(format!("{name}.png")), decoded(data)).unwrap();
    }

    /// Says a command on the page, with this token where it asks for one.
    async fn command(&mut self, what: &str, word: &str, token: &str) -> String {
        let (word, token) = (json!(word), json!(token));
        self.value(&format!(
            "document.getElementById('{what}').click(); document.getElementById('ask-word').value = {word}; \
             document.getElementById('ask-token').value = {token}; document.getElementById('ask-reason').value = 'a test'; \
             document.getElementById('ask-yes').click(); true"
        ))
        .await;
        self.until("document.getElementById('ask-answer').textContent !== ''").await;
        let said = self.text("#ask-answer").await;
        self.value("document.getElementById('ask-no').click(); true").await;
        said
    }
}

/// Base 64, as the browser sends pictures.
fn decoded(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (mut bits, mut held, mut bytes) = (0_u32, 0, Vec::new());
    for six in text.bytes().filter_map(digit) {
        bits = (bits << 6) | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from((bits >> held) & 0xff).unwrap());
        }
    }
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_tells_what_the_api_tells_obeys_the_token_and_heals() {
    let Some(browser) = browser() else {
        assert!(std::env::var("BROWSER_TESTS").as_deref() != Ok("required"), "no Chromium is installed");
        eprintln!("skipped: no Chromium is installed");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let simulator = synthetic(None, 0).await;
    let board = Board::new();
    let busy = [
        ("SYMBOLS", "AAPL,NVDA,TSLA"),
        ("STRATEGY_PARAMS", "fast=3,slow=8"),
        ("RISK_MAX_DAILY_NOTIONAL", "1000000000"),
    ];
    // The only test of this binary: the log is its own.
    tracing_subscriber::registry().with(LogTail(Arc::clone(&board))).init();
    let how = Start { board: Some(Arc::clone(&board)), ..Start::default() };
    let mut daemon = Daemon::start(settings(simulator.address, &busy), dir.path(), how);
    let served = Served::of(Arc::clone(&board), config(dir.path())).await;
    let address = served.address;
    let mut page = Page::open(&browser, &format!("http://{address}/"), 1400, 1000).await;
    daemon.until("some fills", |progress| progress.executions >= 40).await;
    page.until("!document.body.classList.contains('stale')").await;
    page.value("window.sameDocument = true").await;
    page.until("document.querySelectorAll('#fills tr').length > 5").await;
    page.until("Number(document.getElementById('chart').dataset.fills) > 0").await;
    page.until("document.querySelectorAll('#health .chip.good').length > 3").await;
    page.until("document.getElementById('health').textContent.includes('entries permitted since')").await;
    // Indicators by the strategy's own code, over the candles.
    page.until("document.getElementById('chart').dataset.curves === 'fast,slow'").await;
    // The keyboard's focus stays where it is while rows are drawn anew.
    page.value("document.querySelectorAll('#positions button')[1].focus(); document.activeElement.click(); true").await;
    page.until("document.getElementById('h-chart').textContent.includes('NVDA')").await;
    assert_eq!(page.value("document.activeElement.textContent").await, json!("NVDA"));

    page.until("document.querySelectorAll('#log li').length > 10").await;
    page.until("[...document.querySelectorAll('#positions tr')].some((row) => Number(row.cells[7].textContent) > 0)")
        .await;
    page.picture("trading").await;

    obeys_the_token(&mut page, &served).await;

    // Nothing moves any more: the page has the API's numbers.
    daemon.stop().await.1.unwrap();
    simulator.stop().await.unwrap();
    let account = served.get("/api/v1/account").await["account"].clone();
    let equity = json!(account["equity_usd"].as_str().unwrap());
    page.until(&format!("document.querySelector('#money dd').title === {equity}")).await;
    let (orders, fills) = (served.list("orders").await.len(), served.list("fills").await.len());
    page.until(&format!("document.getElementById('orders-count').textContent === '({orders})'")).await;
    page.until(&format!("document.getElementById('fills-count').textContent === '({fills})'")).await;

    // Phone and dark.
    let phone = json!({ "width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": true });
    page.call("Emulation.setDeviceMetricsOverride", phone).await;
    let dark = json!({ "features": [{ "name": "prefers-color-scheme", "value": "dark" }] });
    page.call("Emulation.setEmulatedMedia", dark).await;
    page.until("document.documentElement.scrollWidth <= 390").await;
    page.picture("phone-dark").await;

    // The daemon goes: visibly stale; it comes again: healed without a reload.
    served.stop().await;
    page.until("document.body.classList.contains('stale')").await;
    assert!(page.text("#stale").await.contains("what you see is old"));
    page.picture("stale").await;
    let mut config = config(dir.path());
    config.port = address.port();
    let served = Served::of(board, config).await;
    page.until("!document.body.classList.contains('stale')").await;
    assert_eq!(page.value("window.sameDocument").await, json!(true), "it was not loaded anew");
    quiet(&page, &format!("http://{address}/"));
    served.stop().await;
    indicators_below_the_candles(&browser).await;
}

/// Indicators that are no prices are drawn below the candles, on a scale of their own.
async fn indicators_below_the_candles(browser: &Path) {
    let dir = tempfile::tempdir().unwrap();
    let simulator = synthetic(None, 0).await;
    let board = Board::new();
    let how = Start { board: Some(Arc::clone(&board)), ..Start::default() };
    let blend = [("SYMBOLS", "AAPL"), ("STRATEGY", "mean-reversion")];
    let daemon = Daemon::start(settings(simulator.address, &blend), dir.path(), how);
    let served = Served::of(board, config(dir.path())).await;
    let mut page = Page::open(browser, &format!("http://{}/", served.address), 1400, 1000).await;
    page.until("document.getElementById('chart').dataset.curves === 'middle,lower,upper,blend,too low'").await;
    page.picture("indicators").await;
    quiet(&page, &format!("http://{}/", served.address));
    served.stop().await;
    daemon.stop().await.1.unwrap();
    simulator.stop().await.unwrap();
}

/// Halt, resume and flatten by the page: with the token, after a confirmation.
async fn obeys_the_token(page: &mut Page, served: &Served) {
    // Halt, refused with a wrong token, done with the right one.
    let refused = page.command("halt", "", "0123456789abcdef0123456789abcdef").await;
    assert!(refused.contains("not the token"), "{refused}");
    assert!(served.list("locks").await.is_empty());
    let halted = page.command("halt", "", &served.token).await;
    assert!(halted.contains("no entries"), "{halted}");
    page.until("document.getElementById('trading').textContent.includes('exits only: locked')").await;
    let resumed = page.command("resume", "", "").await;
    assert!(resumed.contains("entries"), "{resumed}");
    page.until("document.getElementById('trading').textContent === 'trading: yes'").await;
    page.picture("desktop").await;
    let unsure = page.command("flatten", "yes", "").await;
    assert!(unsure.contains("Type flatten"), "{unsure}");
    let flat = page.command("flatten", "flatten", "").await;
    // Whether anything is held right now is the market's matter.
    assert!(flat.contains("entries are blocked"), "{flat}");
    page.until("[...document.querySelectorAll('#positions tr')].every((row) => row.cells[5].textContent === '0')")
        .await;
}

/// No error in the console but those of a daemon that was gone, and no request to anywhere else.
fn quiet(page: &Page, own: &str) {
    for event in &page.events {
        let params = &event["params"];
        match event["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" => panic!("{event}"),
            "Log.entryAdded" => {
                let entry = &params["entry"];
                let gone = entry["source"] == "network" || entry["text"].as_str().unwrap().contains("WebSocket");
                assert!(entry["level"] != "error" || gone, "{entry}");
                assert!(!entry["text"].as_str().unwrap().contains("Content Security Policy"), "{entry}");
            }
            "Network.requestWillBeSent" => {
                let url = params["request"]["url"].as_str().unwrap();
                assert!(url.starts_with(own) || url.starts_with("data:") || url.starts_with("blob:"), "{url}");
            }
            _ => {}
        }
    }
}
