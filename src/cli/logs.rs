//! `logs`: the end of the log file, and with `-f` whatever is written from then on, through rotations. Where no file is
//! named, the running daemon is asked.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::operate::{self, Silence};
use super::settings_args::SettingsArgs;
use super::state_dir;
use crate::runner::operate::Request;
use crate::runner::{CONTROL_SOCKET, exit};

/// Time between two looks at the file.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How far back its last lines are looked for, bytes.
const BACK: u64 = 4 << 20;

/// Flags of `logs`.
#[derive(Debug, Args)]
pub(super) struct LogsArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Go on with what is written from now on, through rotations, until a signal.
    #[arg(short, long)]
    follow: bool,
    /// The last so many lines.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50)]
    lines: usize,
    /// Only lines that contain this.
    #[arg(long, value_name = "TEXT")]
    grep: Option<String>,
    /// Only lines that are JSON (LOG_FORMAT=json), as they are.
    #[arg(long)]
    json: bool,
}

impl LogsArgs {
    fn wants(&self, line: &str) -> bool {
        self.grep.as_ref().is_none_or(|wanted| line.contains(wanted)) && (!self.json || is_json(line))
    }
}

fn is_json(line: &str) -> bool {
    serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(line).is_ok()
}

pub(super) fn main(args: &LogsArgs) -> ExitCode {
    match place(args) {
        Ok(Place::File(path)) => of_file(args, &path),
        Ok(Place::Daemon(socket)) => match of_daemon(args, &socket) {
            Ok(code) => code,
            Err(error) => {
                super::complain(&format_args!(
                    "{error}; LOG_FILE is not set here: name a service's own by --log-file (systemctl cat robo-trader); \
                     without one its log is in journalctl -u robo-trader"
                ));
                ExitCode::from(error.code())
            }
        },
        Err(error) => {
            super::complain(&error);
            ExitCode::from(exit::USAGE)
        }
    }
}

/// Where the log is read from.
enum Place {
    /// The file that the settings name.
    File(PathBuf),
    /// The daemon, by its socket: where it has a file, it says so.
    Daemon(PathBuf),
}

fn place(args: &LogsArgs) -> Result<Place, String> {
    let layers = args.settings.layers().map_err(|error| error.to_string())?;
    let set = |name: &str| Some(PathBuf::from(layers.get(name).0)).filter(|path| !path.as_os_str().is_empty());
    match set("LOG_FILE") {
        Some(path) => Ok(Place::File(path)),
        None => Ok(Place::Daemon(state_dir::daemons(set("STATE_DIR"))?.join(CONTROL_SOCKET))),
    }
}

fn of_file(args: &LogsArgs, path: &Path) -> ExitCode {
    match show(args, path) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            super::complain(&format_args!("{}: {error}", path.display()));
            let text = error.kind() == io::ErrorKind::InvalidData;
            ExitCode::from(if text { exit::USAGE } else { exit::RESTART })
        }
    }
}

/// What the daemon itself keeps of its log, or the file that it names.
fn of_daemon(args: &LogsArgs, socket: &Path) -> Result<ExitCode, Silence> {
    let (mut after, mut at_most) = (None, args.lines.max(1));
    loop {
        let told = operate::asked_at(socket, &Request::Log { after, at_most })?.status.unwrap_or_default();
        if let Some(file) = told["file"].as_str() {
            return Ok(of_file(args, Path::new(file)));
        }
        let Some(kept) = told.get("kept").filter(|kept| !kept.is_null()) else {
            super::complain(
                &"this daemon keeps no lines (it has no dashboard) and no LOG_FILE: its log is where its standard error goes (journalctl -u robo-trader)",
            );
            return Ok(ExitCode::from(exit::USAGE));
        };
        let missed = kept["missed"].as_u64().unwrap_or(0);
        if missed > 0 {
            super::complain(&format_args!("{missed} lines came too fast to be kept: set LOG_FILE to have all of them"));
        }
        for line in kept["lines"].as_array().into_iter().flatten() {
            let text = if args.json { line.to_string() } else { words(line) };
            let wanted = args.grep.as_ref().is_none_or(|wanted| text.contains(wanted));
            // Whoever read them reads no more.
            if wanted && writeln!(io::stdout().lock(), "{text}").is_err() {
                return Ok(ExitCode::SUCCESS);
            }
        }
        if !args.follow {
            return Ok(ExitCode::SUCCESS);
        }
        (after, at_most) = (kept["last"].as_u64(), usize::MAX);
        std::thread::sleep(LOOK_EVERY);
    }
}

/// A line as it stands in a log of text.
fn words(line: &Value) -> String {
    let [at, level, message, fields] =
        ["at", "level", "message", "fields"].map(|key| line[key].as_str().unwrap_or_default());
    format!("{at} {level:>5} {message} {fields}").trim_end().to_owned()
}

fn show(args: &LogsArgs, path: &Path) -> io::Result<()> {
    let mut tail = Tail::open(path)?;
    let text = tail.last(args.lines.max(1))?;
    if args.json && !text.is_empty() && !text.lines().any(is_json) {
        let why = "its lines are no JSON: LOG_FORMAT=json writes such";
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    let wants = |line: &str| args.wants(line);
    let mut out = io::stdout().lock();
    let mut rest = String::new();
    print(&mut out, &mut rest, &text, wants)?;
    out.flush()?;
    if !args.follow {
        return if rest.is_empty() || !wants(&rest) { Ok(()) } else { writeln!(out, "{rest}") };
    }
    loop {
        let text = tail.more()?;
        print(&mut out, &mut rest, &text, wants)?;
        out.flush()?;
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Prints whole lines; what is not whole yet waits in `rest`.
fn print(out: &mut impl Write, rest: &mut String, text: &str, wants: impl Fn(&str) -> bool) -> io::Result<()> {
    rest.push_str(text);
    while let Some(end) = rest.find('\n') {
        let line: String = rest.drain(..=end).collect();
        if wants(&line) {
            out.write_all(line.as_bytes())?;
        }
    }
    Ok(())
}

/// The end of a file that grows, is moved away and begun anew.
struct Tail {
    path: PathBuf,
    file: File,
    /// Bytes at the end that are no whole character yet.
    torn: Vec<u8>,
}

impl Tail {
    fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: File::open(path)?, torn: Vec::new() })
    }

    /// The last lines; what follows is read from there on.
    fn last(&mut self, lines: usize) -> io::Result<String> {
        let length = self.file.metadata()?.len();
        self.file.seek(SeekFrom::Start(length.saturating_sub(BACK)))?;
        let text = self.read()?;
        let ends: Vec<usize> =
            text.match_indices('\n').map(|(place, _)| place + 1).filter(|end| *end < text.len()).collect();
        let from = ends.len().checked_sub(lines).map_or(0, |skip| ends[skip]);
        Ok(text[from..].to_owned())
    }

    /// What has been written since: first what the old file still got, then the new one from its beginning.
    fn more(&mut self) -> io::Result<String> {
        let mut text = self.read()?;
        // Between being moved away and begun anew there is none: it will come.
        let Ok(now) = std::fs::metadata(&self.path) else { return Ok(text) };
        let ours = self.file.metadata()?;
        let place = self.file.stream_position()?;
        if (now.ino(), now.dev()) != (ours.ino(), ours.dev()) {
            text += &self.read()?;
            self.file = File::open(&self.path)?;
            text += &self.read()?;
        } else if ours.len() < place {
            self.file.seek(SeekFrom::Start(0))?;
            text += &self.read()?;
        }
        Ok(text)
    }

    fn read(&mut self) -> io::Result<String> {
        let mut bytes = std::mem::take(&mut self.torn);
        self.file.read_to_end(&mut bytes)?;
        // A character of which only the beginning is there waits for its end.
        if let Err(error) = std::str::from_utf8(&bytes)
            && error.error_len().is_none()
        {
            self.torn = bytes.split_off(error.valid_up_to());
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use super::*;

    fn add(path: &Path, text: &[u8]) {
        OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(text).unwrap();
    }

    #[test]
    fn nothing_is_lost_or_repeated_over_a_rotation() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        add(&path, b"one\ntwo\nthree\n");
        let mut tail = Tail::open(&path).unwrap();
        assert_eq!(tail.last(2).unwrap(), "two\nthree\n");
        assert_eq!(tail.more().unwrap(), "");
        add(&path, "four\nf\u{e9}".as_bytes().split_last().unwrap().1);
        assert_eq!(tail.more().unwrap(), "four\nf", "half a character waits");
        add(&path, "\u{e9}ve\n".as_bytes().split_first().unwrap().1);
        // Moved away with news in it, and for a moment there is none.
        let old = dir.path().join("log.1");
        std::fs::rename(&path, &old).unwrap();
        assert_eq!(tail.more().unwrap(), "\u{e9}ve\n");
        add(&old, b"last of the old\n");
        add(&path, b"first of the new\n");
        assert_eq!(tail.more().unwrap(), "last of the old\nfirst of the new\n");
        add(&path, b"more\n");
        assert_eq!(tail.more().unwrap(), "more\n");
        // Emptied in its place.
        std::fs::write(&path, "anew\n").unwrap();
        assert_eq!(tail.more().unwrap(), "anew\n");
        assert_eq!(Tail::open(&path).unwrap().last(9).unwrap(), "anew\n");
    }

    #[test]
    fn only_whole_lines_that_are_wanted_are_printed() {
        let (mut out, mut rest) = (Vec::new(), String::new());
        let fills = |line: &str| line.contains("fill");
        print(&mut out, &mut rest, "fill: a\nother\nfill", fills).unwrap();
        print(&mut out, &mut rest, ": b\n", fills).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "fill: a\nfill: b\n");
    }
}
