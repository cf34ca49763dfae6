//! The daemon as a process of its own: the real binary, or, for more symbols than it takes, this bench's.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use robo_trader::control;
use robo_trader::runner::CONTROL_SOCKET;
use serde_json::Value;

use super::child;
use super::machine::Usage;

/// The daemon's binary, built as the bench is.
pub const ROBO_TRADER: &str = env!("CARGO_BIN_EXE_robo-trader");

/// The most symbols that the binary takes.
const SYMBOLS: usize = 100;
/// How long anything may take: never reached where all is well.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is logged once a session is got: the gateway is there, and has been checked.
pub const SESSION: &str = " session ready to reconcile";

/// Lines of the log that are waited for, beside the first.
const TOLD: [&str; 5] = [SESSION, " ready: ", " warmed by history ", " WARN ", " ERROR "];

/// What every daemon is told: nothing is refused, nothing is held back, bars of five seconds.
const SETTINGS: &[(&str, &str)] = &[
    ("DASH_PORT", "0"),
    ("CALENDAR", "always"),
    ("DATA_BAR_SIZE", "5 secs"),
    ("DATA_DURATION", "1800 S"),
    ("HISTORICAL_PACING", "no"),
    ("MESSAGE_RATE", "1000"),
    ("RISK_MAX_ORDERS_PER_MINUTE", "10000"),
    ("RISK_MAX_DAILY_NOTIONAL", "1000000000"),
    ("RISK_MAX_OPEN_POSITIONS", "1000"),
    ("RISK_POSITION_SIZING", "shares"),
    ("RISK_FIXED_SHARES", "1"),
    ("RISK_MAX_DAILY_LOSS_PCT", "1"),
    ("RISK_MAX_DRAWDOWN_PCT", "1"),
    ("RISK_MAX_LOSSES", "1000000"),
    ("RISK_MAX_ORDERS", "1000000"),
    ("RISK_MAX_REJECTS", "1000000"),
    ("RISK_MAX_SESSIONS_LOST", "1000000"),
];

/// A daemon that runs.
pub struct Live {
    child: Child,
    lines: Receiver<(Instant, String)>,
    socket: std::path::PathBuf,
    /// When it was started.
    pub spawned: Instant,
}

/// So many symbols, as `SYMBOLS` has them.
pub fn symbols(count: usize) -> String {
    let names: Vec<String> = (0..count).map(name).collect();
    names.join(",")
}

/// The symbol of a number: letters alone.
pub fn name(number: usize) -> String {
    let letter = |value: usize| char::from(b'A' + u8::try_from(value % 26).unwrap());
    [number / 676, number / 26, number].map(letter).iter().collect()
}

impl Live {
    /// A daemon for so many symbols at a simulator, with these settings beside the bench's own.
    pub fn start(address: SocketAddr, dir: &Path, symbols: usize, more: &[(&str, &str)]) -> Self {
        let names = self::symbols(symbols.min(SYMBOLS));
        let port = address.port().to_string();
        let own = [("IBKR_PORT", port.as_str()), ("SYMBOLS", names.as_str())];
        let all: Vec<String> =
            SETTINGS.iter().chain(&own).chain(more).map(|(name, value)| format!("{name}={value}")).collect();
        let mut command = if symbols <= SYMBOLS {
            let mut command = Command::new(ROBO_TRADER);
            command.arg("run").arg("--state-dir").arg(dir);
            command.args(all.iter().flat_map(|setting| ["--set", setting]));
            command
        } else {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.arg(child::DAEMON).arg(dir).arg(symbols.to_string()).args(&all);
            command
        };
        let spawned = Instant::now();
        command.env_clear().env("HOME", dir).env("XDG_RUNTIME_DIR", dir).current_dir(dir);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = child.stderr.take().unwrap();
        let (tell, lines) = sync_channel(100_000);
        std::thread::spawn(move || {
            let show = std::env::var_os("SHOW").is_some();
            for (number, line) in BufReader::new(log).lines().map_while(Result::ok).enumerate() {
                if show {
                    eprintln!("{line}");
                }
                let told = number == 0 || TOLD.iter().any(|part| line.contains(part));
                if told && tell.try_send((Instant::now(), line)).is_err() {
                    break;
                }
            }
        });
        Self { child, lines, socket: dir.join(CONTROL_SOCKET), spawned }
    }

    /// Waits for a line of the log that says this, among those that are told; says when it was written.
    pub fn says(&mut self, part: &str) -> Instant {
        let mut others = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok((at, line)) if line.contains(part) => return at,
                Ok((_, line)) => others.push(line),
                Err(error) => panic!("the daemon never said {part:?} ({error}):\n{}", others.join("\n")),
            }
        }
    }

    /// The same, of what was written after that.
    pub fn says_after(&mut self, after: Instant, part: &str) -> Instant {
        loop {
            let at = self.says(part);
            if at >= after {
                return at;
            }
        }
    }

    /// Waits until the bars of so many symbols have come.
    pub fn warm(&mut self, symbols: usize) -> Instant {
        (0..symbols).map(|_| self.says(" warmed by history ")).last().unwrap()
    }

    /// Everything that it says of itself.
    pub fn status(&self) -> Value {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let asked = control::ask(&self.socket, r#"{"command":"status"}"#, PATIENCE);
        let reply: Value = serde_json::from_str(&runtime.block_on(asked).unwrap()).unwrap();
        assert!(reply["status"].is_object(), "{reply:#}");
        reply["status"].clone()
    }

    /// Where its dashboard is.
    pub fn dashboard(&self) -> String {
        let status = self.status();
        let url = status["dashboard"].as_str().unwrap_or_else(|| panic!("no dashboard: {status:#}"));
        url.trim_start_matches("http://").trim_end_matches('/').to_owned()
    }

    /// What it uses.
    pub fn usage(&self) -> Usage {
        Usage::of(self.child.id())
    }

    /// Ends it as SIGTERM does.
    pub fn stop(mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
        let end = Instant::now() + PATIENCE;
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < end, "it goes on and on");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // It has ended where all is well; then there is nothing to kill.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
