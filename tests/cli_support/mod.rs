//! What the command line's tests share: a place of its own for each test, and a running daemon
//! whose log can be waited for.
#![allow(dead_code, reason = "every test binary uses a part of it")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tempfile::TempDir;

/// The binary under test.
pub const ROBO_TRADER: &str = env!("CARGO_BIN_EXE_robo-trader");

/// No test waits longer for anything; it is never reached where all is well.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// More lines than any wait of these tests sees.
const LINES_AT_MOST: usize = 20_000;

/// What a command that ended has left.
#[derive(Debug)]
pub struct Told {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Told {
    /// Checks the exit code, and that standard error says each part.
    #[track_caller]
    pub fn ends(self, code: i32, parts: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        for part in parts {
            assert!(self.err.contains(part), "{part:?} is not in {self:#?}");
        }
        self
    }
}

/// A working directory, home, state and runtime directory of one test, and nothing of the
/// environment it was started in.
pub struct Place {
    dir: TempDir,
}

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["cwd", "home", "state", "runtime"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        Self { dir }
    }

    /// A path within the place.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file into the working directory.
    pub fn file(&self, name: &str, text: &str) -> &Self {
        std::fs::write(self.path("cwd").join(name), text).unwrap();
        self
    }

    /// The state directory that the platform's convention gives.
    pub fn state(&self) -> PathBuf {
        self.path("state").join("robo-trader")
    }

    /// The simulated account's journal.
    pub fn journal(&self) -> PathBuf {
        self.state().join("simulator").join("DU1234567").join("journal.db")
    }

    fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        vec![
            // Daemons of several tests run at a time: each gets a port of its own.
            ("DASH_PORT", PathBuf::from("0")),
            ("HOME", self.path("home")),
            ("XDG_STATE_HOME", self.path("state")),
            ("XDG_RUNTIME_DIR", self.path("runtime")),
        ]
    }

    /// Runs a command to its end.
    pub fn tell(&self, arguments: &[&str]) -> Told {
        self.tell_with(&[], arguments)
    }

    /// Runs a command with these variables to its end.
    pub fn tell_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Told {
        let mut command = assert_cmd::Command::new(ROBO_TRADER);
        command.env_clear().envs(self.environment()).envs(variables.iter().copied());
        let output = command.current_dir(self.path("cwd")).args(arguments).timeout(PATIENCE).output().unwrap();
        Told {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// A command of this place, to be started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(ROBO_TRADER);
        command.env_clear().envs(self.environment()).current_dir(self.path("cwd")).args(arguments);
        command
    }

    /// Starts a daemon.
    pub fn start(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Daemon {
        let mut command = self.command(arguments);
        command.envs(variables.iter().copied()).stdout(Stdio::null()).stderr(Stdio::piped());
        Daemon::of(command.spawn().unwrap())
    }
}

/// A daemon that runs; it is killed where a test fails before its end.
pub struct Daemon {
    child: Child,
    lines: Receiver<String>,
    reader: Option<JoinHandle<()>>,
    /// Every line of its log that was waited over.
    pub log: Vec<String>,
}

impl Daemon {
    fn of(mut child: Child) -> Self {
        let log = child.stderr.take().unwrap();
        let (tell, lines) = sync_channel(LINES_AT_MOST);
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(log).lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines, reader: Some(reader), log: Vec::new() }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line of the log that says this.
    #[track_caller]
    pub fn says(&mut self, part: &str) -> String {
        while self.log.len() < LINES_AT_MOST {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.log.push(line.clone());
                    if line.contains(part) {
                        return line;
                    }
                }
                Err(error) => panic!("{part:?} was never said ({error}):\n{}", self.log.join("\n")),
            }
        }
        panic!("{part:?} is not among the first {LINES_AT_MOST} lines")
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Waits for the end, which comes with the log's; no single wait for a line may exceed `within`.
    #[track_caller]
    pub fn ends_within(&mut self, within: Duration) -> ExitStatus {
        loop {
            match self.lines.recv_timeout(within) {
                Ok(line) => self.log.push(line),
                Err(RecvTimeoutError::Disconnected) => return self.child.wait().unwrap(),
                Err(RecvTimeoutError::Timeout) => panic!("it goes on and on:\n{}", self.log.join("\n")),
            }
        }
    }

    /// Sends a signal, waits for the end, and checks that all was well.
    #[track_caller]
    pub fn ends_well_on(&mut self, signal: &str) {
        self.signal(signal);
        let status = self.ends_within(PATIENCE);
        assert_eq!(status.code(), Some(0), "{}", self.log.join("\n"));
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It has ended by itself where all is well; then there is nothing to kill.
        if self.child.kill().is_err() || self.child.wait().is_err() {
            eprintln!("process {} could not be ended", self.child.id());
        }
        if let Some(reader) = self.reader.take()
            && reader.join().is_err()
        {
            eprintln!("the reader of the log panicked");
        }
    }
}

/// A JSON file.
pub fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}
