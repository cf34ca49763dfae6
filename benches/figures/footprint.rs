//! What the daemon uses of a machine.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::live::{Live, ROBO_TRADER};
use super::machine::disk;
use super::page::{Outcome, Target, number, table};
use super::{Form, child};

/// A simulator in a process of its own.
struct Other {
    child: Child,
    address: SocketAddr,
}

impl Other {
    fn start(speed: f64) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([child::SIMULATOR, &speed.to_string()]).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit(' ').next().unwrap();
        Self { child, address: address.parse().unwrap_or_else(|_| panic!("no address: {line}")) }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // It serves until it is ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What a daemon does while it is looked at.
#[derive(Clone, Copy)]
struct Load {
    name: &'static str,
    speed: f64,
    params: &'static str,
}

/// Five-second bars as in life.
const IDLE: Load = Load { name: "idle", speed: 1.0, params: "fast=10,slow=30" };
/// The same 50 times as fast, and many orders.
const BUSY: Load = Load { name: "busy", speed: 50.0, params: "fast=5,slow=20" };

struct Used {
    rss: f64,
    peak: f64,
    cpu: f64,
    threads: u64,
    descriptors: u64,
    /// Megabytes a day at this rate.
    disk: f64,
}

fn measured(symbols: usize, load: Load, time: Duration) -> Used {
    let dir = tempfile::tempdir().unwrap();
    let other = Other::start(load.speed);
    let mut live = Live::start(other.address, dir.path(), symbols, &[("STRATEGY_PARAMS", load.params)]);
    live.says(" ready: ");
    live.warm(symbols);
    std::thread::sleep(Duration::from_secs(3));
    let (before, kept, began) = (live.usage(), disk(dir.path()), Instant::now());
    std::thread::sleep(time);
    let (after, days) = (live.usage(), began.elapsed().as_secs_f64() / 86_400.0);
    let grown = disk(dir.path()).saturating_sub(kept) as f64 / 1e6;
    live.stop();
    Used {
        rss: after.rss as f64 / 1e6,
        peak: after.peak as f64 / 1e6,
        cpu: after.cpu_since(&before),
        threads: after.threads,
        descriptors: after.descriptors,
        disk: grown / days,
    }
}

/// Seconds that a build from nothing takes.
fn build() -> f64 {
    let target = tempfile::tempdir().unwrap();
    let mut command = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    command.args(["build", "--release", "--locked"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let began = Instant::now();
    assert!(command.env("CARGO_TARGET_DIR", target.path()).status().unwrap().success());
    began.elapsed().as_secs_f64()
}

pub fn measure(form: Form) -> Outcome {
    let idle = form.seconds(3, 30, 3_600);
    let busy = form.seconds(3, 30, 600);
    let (mut rows, mut targets) = (Vec::new(), Vec::new());
    let mut add = |symbols: usize, load: Load, time: Duration| {
        let used = measured(symbols, load, time);
        if symbols == 24 && load.name == "idle" {
            targets.push(target("resident memory, 24 symbols of 5-second bars", "MB", used.rss, 40.0));
            targets.push(target("CPU, 24 symbols of 5-second bars", "% of a core", used.cpu, 2.0));
        }
        let mut row = vec![symbols.to_string(), load.name.to_owned(), format!("{} s", time.as_secs())];
        row.extend([used.rss, used.peak, used.cpu].map(number));
        row.extend([used.threads.to_string(), used.descriptors.to_string(), number(used.disk)]);
        println!("{}", row.join("  "));
        rows.push(row);
    };
    for symbols in [24, 100] {
        add(symbols, IDLE, idle);
        add(symbols, BUSY, busy);
    }
    if form == Form::Long {
        // A week of market time in 42 minutes.
        let week = Load { name: "a week, 240 times as fast", speed: 240.0, params: "fast=10,slow=30" };
        add(24, week, Duration::from_secs(7 * 86_400 / 240));
    }
    let size = std::fs::metadata(ROBO_TRADER).unwrap().len() as f64 / 1e6;
    let built = if form == Form::Long {
        format!("built from nothing in {} s", number(build()))
    } else {
        "its build time is measured in the long form".to_owned()
    };
    let head = [
        "symbols",
        "",
        "for",
        "RSS, MB",
        "its peak, MB",
        "CPU, % of a core",
        "threads",
        "descriptors",
        "disk, MB a day",
    ];
    let text = format!(
        "Five-second bars of a simulator in a process of its own; durability `full`, dashboard and API served, nobody \
         looks on. *Idle* is real time, the default strategy; *busy* 50 times as fast with averages that cross often. \
         From /proc, after 3 s of running; the disk is the growth of the state directory over the time measured, as if \
         all day were like it, logs not counted (the service manager or `LOG_FILE` keeps and rotates them). RSS is what \
         the code and its libraries take for the most part, then 720 bars of each symbol for the dashboard.\n\n{}\n\
         The binary has {} MB; {built}.",
        table(&head, &rows),
        number(size),
    );
    Outcome { text, targets, plots: Vec::new() }
}

fn target(what: &str, unit: &str, measured: f64, most: f64) -> Target {
    Target {
        what: what.to_owned(),
        aim: format!("at most {most} {unit}"),
        measured: format!("{} {unit}", number(measured)),
        met: Some(measured <= most),
        why: "see the section".to_owned(),
    }
}
