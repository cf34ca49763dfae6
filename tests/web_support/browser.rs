//! A browser: headless Chromium with one page, driven by its own protocol.
//!
//! `SHOTS=DIRECTORY` keeps pictures.

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio_tungstenite::tungstenite::Message;

use super::PATIENCE;

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

/// Where Chromium is; says so where it is not, and fails there if `BROWSER_TESTS=required`. `BROWSER_TESTS=skip`: nowhere.
pub fn browser() -> Option<PathBuf> {
    let wanted = std::env::var("BROWSER_TESTS").unwrap_or_default();
    if wanted == "skip" {
        eprintln!("skipped: BROWSER_TESTS=skip");
        return None;
    }
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found =
        std::env::split_paths(&path).flat_map(|dir| names.map(|name| dir.join(name))).find(|file| file.exists());
    if found.is_none() {
        assert!(wanted != "required", "no Chromium is installed");
        eprintln!("skipped: no Chromium is installed");
    }
    found
}

/// A browser with one page.
pub struct Page {
    socket: Socket,
    session: String,
    next: u64,
    /// What the page did besides: requests, lines of its console.
    pub events: VecDeque<Value>,
    /// Statuses of paths that the test brings about.
    provoked: BTreeSet<(u16, String)>,
    /// How many events there were each time the daemon went or was back.
    turns: Vec<usize>,
    _process: Child,
    _profile: tempfile::TempDir,
}

impl Page {
    pub async fn open(browser: &Path, url: &str, width: u32, height: u32) -> Self {
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
        let (provoked, turns) = (BTreeSet::new(), Vec::new());
        let mut page = Self { socket, session, next: 0, events, provoked, turns, _process: process, _profile: profile };
        let target = page.call("Target.createTarget", json!({ "url": "about:blank" })).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        page.session = page.call("Target.attachToTarget", attach).await["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            page.call(&format!("{domain}.enable"), json!({})).await;
        }
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        page.call("Emulation.setDeviceMetricsOverride", size).await;
        // Its times of day are those of the API.
        page.call("Emulation.setTimezoneOverride", json!({ "timezoneId": "UTC" })).await;
        page.call("Page.navigate", json!({ "url": url })).await;
        page
    }

    pub async fn call(&mut self, method: &str, params: Value) -> Value {
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

    pub async fn value(&mut self, script: &str) -> Value {
        let ask = json!({ "expression": script, "returnByValue": true, "awaitPromise": true });
        let answer = self.call("Runtime.evaluate", ask).await;
        assert!(answer.get("exceptionDetails").is_none(), "{script}: {answer}");
        answer["result"]["value"].clone()
    }

    pub async fn text(&mut self, selector: &str) -> String {
        let selector = json!(selector);
        let value = self.value(&format!("document.querySelector({selector})?.textContent ?? ''")).await;
        value.as_str().unwrap().to_owned()
    }

    /// Says that the test has this path answered with this status, at least once.
    pub fn provokes(&mut self, status: u16, path: &str) {
        self.provoked.insert((status, path.to_owned()));
    }

    /// Says that the daemon is about to go, or is back and the page knows: in between connections to it fail.
    pub async fn turns(&mut self) {
        // What is on its way is heard first.
        self.value("true").await;
        self.turns.push(self.events.len());
    }

    /// Whether it is so within a second: an input may be lost before the page has been drawn, and is then made anew.
    pub async fn soon(&mut self, script: &str) -> bool {
        for _ in 0..20 {
            if self.value(script).await == json!(true) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    }

    /// Reads a table: the text of every cell of every row.
    pub async fn table(&mut self, id: &str) -> Value {
        self.value(&format!(
            "[...document.querySelectorAll('#{id} tr')].map((row) => [...row.cells].map((cell) => cell.textContent))"
        ))
        .await
    }

    /// Looks again and again until a script tells this.
    pub async fn tells(&mut self, script: &str, what: &Value) {
        let (deadline, what) = (tokio::time::Instant::now() + PATIENCE, floats(what));
        loop {
            let told = floats(&self.value(script).await);
            if told == what {
                return;
            }
            if tokio::time::Instant::now() >= deadline {
                assert_eq!(told, what, "{script}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Looks again and again until it is so.
    pub async fn until(&mut self, script: &str) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            if self.value(script).await == json!(true) {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "never: {script}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The page on a phone, in the dark: nothing of it is wider than the phone.
    pub async fn on_a_phone_in_the_dark(&mut self) {
        let phone = json!({ "width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": true });
        self.call("Emulation.setDeviceMetricsOverride", phone).await;
        let dark = json!({ "features": [{ "name": "prefers-color-scheme", "value": "dark" }] });
        self.call("Emulation.setEmulatedMedia", dark).await;
        self.until("document.documentElement.scrollWidth <= 390").await;
    }

    pub async fn picture(&mut self, name: &str) {
        let Some(dir) = std::env::var_os("SHOTS") else { return };
        let shot = self.call("Page.captureScreenshot", json!({ "captureBeyondViewport": true })).await;
        let data = shot["data"].as_str().unwrap();
        std::fs::write(Path::new(&dir).join(format!("{name}.png")), decoded(data)).unwrap();
    }

    /// Says a command on the page, with this token where it asks for one.
    pub async fn command(&mut self, what: &str, word: &str, token: &str) -> String {
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

/// The same with numbers as JavaScript has them: 1 and 1.0 are one.
fn floats(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.iter().map(floats).collect(),
        Value::Object(fields) => fields.iter().map(|(name, field)| (name.clone(), floats(field))).collect(),
        other => other.clone(),
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

/// What a page has done that it must not do: exceptions, lines in its console but those that the test provokes, requests
/// to anywhere else; and what was to be provoked and was not.
pub async fn faults(page: &mut Page, own: &str) -> Vec<String> {
    // What is on its way is heard first.
    page.value("true").await;
    let (mut faults, mut met) = (Vec::new(), BTreeSet::new());
    for (index, event) in page.events.iter().enumerate() {
        let params = &event["params"];
        match event["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" | "Runtime.consoleAPICalled" => faults.push(event.to_string()),
            "Log.entryAdded" => {
                let (entry, text) = (&params["entry"], params["entry"]["text"].as_str().unwrap());
                let is_excused = match failed(entry, own) {
                    Some((path, Some(status))) => {
                        met.insert((status, path.clone()));
                        page.provoked.contains(&(status, path))
                    }
                    // As often as it went or came before: an odd number while it is gone.
                    Some((_, None)) => page.turns.iter().filter(|turn| **turn <= index).count() % 2 == 1,
                    None => false,
                };
                if (entry["level"] == "error" && !is_excused) || text.contains("Content Security Policy") {
                    faults.push(entry.to_string());
                }
            }
            "Network.requestWillBeSent" => {
                let url = params["request"]["url"].as_str().unwrap();
                if ![own, "data:", "blob:"].iter().any(|start| url.starts_with(start)) {
                    faults.push(format!("a request to {url}"));
                }
            }
            _ => {}
        }
    }
    faults.extend(page.provoked.difference(&met).map(|(status, path)| format!("{path} was never answered {status}")));
    faults
}

/// Nothing of that kind.
pub async fn quiet(page: &mut Page, own: &str) {
    let faults = faults(page, own).await;
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The path of this daemon that a line of the console says to have failed, and the status that it was answered with;
/// without one there was no answer. `None`: the line tells of something else.
fn failed(entry: &Value, own: &str) -> Option<(String, Option<u16>)> {
    let text = entry["text"].as_str()?;
    let after = |mark: &str| text.split_once(mark).map(|(_, rest)| rest);
    let (url, why) = match after("WebSocket connection to 'ws") {
        Some(rest) => rest.split_once('\'').map(|(url, why)| (format!("http{url}"), why))?,
        None => (entry["url"].as_str()?.to_owned(), after("Failed to load resource: ")?),
    };
    let path = format!("/{}", url.strip_prefix(own)?.split('?').next()?);
    let status = ["a status of ", "response code: "].iter().find_map(|mark| Some(why.split_once(mark)?.1));
    let status = status.map(|rest| rest.split(' ').next().unwrap().parse().unwrap());
    // What it says where a WebSocket is answered so.
    let is_401 = why.contains("HTTP Authentication failed");
    Some((path, if is_401 { Some(401) } else { status }))
}
