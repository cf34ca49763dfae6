//! What the bench runs on, and what a process uses of it.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

/// Clock ticks of the kernel in a second, as /proc counts them.
const TICKS: f64 = 100.0;

fn first_line(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").trim().to_owned()
}

/// A value of a file of `NAME: value` lines.
fn value(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.split(':').next().is_some_and(|found| found.trim() == name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The machine, in words.
pub fn words() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpu = value(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown".to_owned());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = value(&read("/proc/meminfo"), "MemTotal").and_then(|kb| kb.split(' ').next()?.parse::<f64>().ok());
    let memory = memory.map_or_else(|| "unknown".to_owned(), |kb| format!("{:.0} GB", kb / 1e6));
    format!(
        "{cores} cores of {cpu}, {memory} of memory, Linux {}, {}",
        first_line("uname", &["-r"]),
        first_line("rustc", &["--version"])
    )
}

/// The commit of the sources, and whether they differ from it (the page and its figures aside).
pub fn commit() -> String {
    let git = |words: &[&str]| {
        let all: Vec<&str> = ["-C", env!("CARGO_MANIFEST_DIR")].iter().chain(words).copied().collect();
        first_line("git", &all)
    };
    let (commit, changed) = (git(&["rev-parse", "--short=9", "HEAD"]), git(&["status", "--porcelain", "--", ":!docs"]));
    // No line at all says that nothing differs.
    if commit == "unknown" || changed == "unknown" { commit } else { format!("{commit} and changes of its sources") }
}

/// The date, and the time of day.
pub fn date() -> String {
    first_line("date", &["-u", "+%Y-%m-%d %H:%M UTC"])
}

/// The load of the last minute: what else the machine was doing.
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("unknown").to_owned()
}

/// What a process uses, at a moment.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    at: Instant,
    /// Resident memory, bytes.
    pub rss: u64,
    /// The most of it ever, bytes.
    pub peak: u64,
    /// Time on a core so far.
    cpu: Duration,
    pub threads: u64,
    pub descriptors: u64,
}

impl Usage {
    /// Of a process.
    pub fn of(id: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let number = |name| value(&status, name).unwrap().split_whitespace().next().unwrap().parse::<u64>().unwrap();
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
        // Behind the name, which may hold anything: fields 14 and 15 of the line.
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
        Self {
            at: Instant::now(),
            rss: number("VmRSS") * 1024,
            peak: number("VmHWM") * 1024,
            cpu: Duration::from_secs_f64(ticks / TICKS),
            threads: number("Threads"),
            descriptors: fs::read_dir(format!("/proc/{id}/fd")).unwrap().count() as u64,
        }
    }

    /// Percent of a core since then.
    pub fn cpu_since(&self, before: &Self) -> f64 {
        100.0 * (self.cpu - before.cpu).as_secs_f64() / (self.at - before.at).as_secs_f64()
    }
}
