//! What the daemon uses of a machine.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use robo_trader::journal::sqlite::SqliteJournal;
use rusqlite::{Connection, OpenFlags};

use super::facts::ACCOUNT;
use super::live::{Live, ROBO_TRADER};
use super::machine::Usage;
use super::page::{Outcome, Target, known, number, table};
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
    written: Written,
    /// Bytes of the closed journal, and its facts.
    closed: (u64, u64),
}

/// Facts of a journal, and how many of them are orders.
#[derive(Clone, Copy)]
struct Written {
    facts: u64,
    orders: u64,
}

impl Written {
    /// Of the journal below a state directory, whoever writes it.
    fn of(dir: &Path) -> Self {
        let path = SqliteJournal::path(dir, "simulator", ACCOUNT);
        let journal = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let count = "SELECT count(*), sum(kind = 'order.intended') FROM facts";
        let (facts, orders): (i64, i64) = journal.query_row(count, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        Self { facts: u64::try_from(facts).unwrap(), orders: u64::try_from(orders).unwrap() }
    }
}

/// Bytes of a journal that nobody has open, everything in its one file, and its facts.
fn closed(dir: &Path) -> (u64, u64) {
    let path = SqliteJournal::path(dir, "simulator", ACCOUNT);
    let journal = Connection::open(&path).unwrap();
    journal.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(journal);
    (std::fs::metadata(&path).unwrap().len(), Written::of(dir).facts)
}

/// Seconds of a market day: 9:30 to 16:00.
const MARKET_DAY: f64 = 23_400.0;
/// Facts below which nothing is said of their rate, or of their size.
const FEW: u64 = 10;

fn measured(symbols: usize, load: Load, time: Duration) -> Used {
    let dir = tempfile::tempdir().unwrap();
    let other = Other::start(load.speed);
    let mut live = Live::start(other.address, dir.path(), symbols, &[("STRATEGY_PARAMS", load.params)]);
    live.says(" ready: ");
    live.warm(symbols);
    std::thread::sleep(Duration::from_secs(3));
    let (before, kept) = (live.usage(), Written::of(dir.path()));
    std::thread::sleep(time);
    let (after, all) = (live.usage(), Written::of(dir.path()));
    live.stop();
    Used {
        rss: after.rss as f64 / 1e6,
        peak: after.peak as f64 / 1e6,
        cpu: after.cpu_since(&before),
        threads: after.threads,
        descriptors: after.descriptors,
        written: Written { facts: all.facts - kept.facts, orders: all.orders - kept.orders },
        closed: closed(dir.path()),
    }
}

/// Megabytes of a process that is `ibapi` and nothing else, with one symbol.
fn client() -> f64 {
    let other = Other::start(1.0);
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([child::CLIENT, &other.address.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
    let mut client = command.spawn().unwrap();
    std::thread::sleep(Duration::from_secs(5));
    let rss = Usage::of(client.id()).rss;
    drop(client.kill());
    drop(client.wait());
    rss as f64 / 1e6
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

const HEAD: [&str; 13] = [
    "symbols",
    "",
    "for",
    "RSS, MB",
    "its peak, MB",
    "CPU, % of a core",
    "threads",
    "descriptors",
    "facts meanwhile",
    "bytes a fact",
    "bytes an order",
    "facts a market day",
    "disk, MB a market day",
];

pub fn measure(form: Form) -> Outcome {
    let idle = form.seconds(3, 30, 3_600);
    let busy = form.seconds(3, 30, 600);
    let client = client();
    let floor = format!("a process that is `ibapi` alone, with one symbol, takes {} MB", number(client));
    let (mut rows, mut targets) = (Vec::new(), Vec::new());
    let mut fact = None;
    let mut add = |symbols: usize, load: Load, time: Duration| {
        let used = measured(symbols, load, time);
        // Few facts are little beside the empty file: then the size is that of those measured before.
        let (bytes, facts) = used.closed;
        fact = (facts >= 1_000).then(|| bytes as f64 / facts as f64).or(fact);
        if symbols == 24 && load.name == "idle" {
            targets.push(target("resident memory, 24 symbols of 5-second bars", "MB", used.rss, 40.0, &floor));
            targets.push(target("CPU, 24 symbols of 5-second bars", "% of a core", used.cpu, 2.0, "see the section"));
        }
        let mut row = vec![symbols.to_string(), load.name.to_owned(), format!("{} s", time.as_secs())];
        row.extend([used.rss, used.peak, used.cpu].map(number));
        row.extend([used.threads.to_string(), used.descriptors.to_string()]);
        let days = time.as_secs_f64() * load.speed / MARKET_DAY;
        let Written { facts, orders } = used.written;
        let a_day = (facts >= FEW).then(|| facts as f64 / days);
        let an_order = (orders >= FEW).then(|| facts as f64 / orders as f64);
        let times = |one: Option<f64>, other: Option<f64>| one.zip(other).map(|(one, other)| one * other);
        row.push(facts.to_string());
        row.extend([fact, times(fact, an_order), a_day].map(|figure| known(figure.map(f64::round))));
        row.push(known(times(fact, a_day).map(|bytes| bytes / 1e6)));
        println!("{}", row.join("  "));
        rows.push(row);
    };
    for symbols in [24, 100] {
        add(symbols, BUSY, busy);
        add(symbols, IDLE, idle);
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
    let text = format!(
        "Five-second bars of a simulator in a process of its own; durability `full`, dashboard and API served, nobody \
         looks on. *Idle* is real time, the default strategy; *busy* 50 times as fast with averages that cross often. \
         From /proc, after 3 s of running. The disk is what the journal takes: the facts that were written meanwhile, as \
         if all 6.5 hours of a market day were like it (of market time: busy has 50 times as much of it), times the bytes \
         that a fact took in the journal once that was closed, with everything in its one file (where it has fewer than \
         1,000 facts, those of the row above); bytes an order are those of all facts divided by the orders. Unknown is \
         what fewer than {FEW} facts or orders would have to tell. Logs are not counted (the service manager or \
         `LOG_FILE` keeps and rotates them). RSS is what \
         the code and its libraries take for the most part, then 720 bars of each symbol for the dashboard; {floor}.\n\n{}\n\
         The binary has {} MB; {built}.",
        table(&HEAD, &rows),
        number(size),
    );
    Outcome { text, targets, plots: Vec::new() }
}

fn target(what: &str, unit: &str, measured: f64, most: f64, why: &str) -> Target {
    Target {
        what: what.to_owned(),
        aim: format!("at most {most} {unit}"),
        measured: format!("{} {unit}", number(measured)),
        met: Some(measured <= most),
        why: why.to_owned(),
    }
}
