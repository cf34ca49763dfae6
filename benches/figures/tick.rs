//! From tick to order: from the last byte of the bar's frame leaving the simulator's socket to the first byte of the
//! resulting order's frame arriving there.

use std::time::Duration;

use futures::StreamExt;
use hdrhistogram::Histogram;
use robo_trader::web::thread::WebThread;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Form;
use super::floors;
use super::live::Live;
use super::matching::Orders;
use super::page::{Outcome, Target, median, number, table};
use super::plot::percentiles;
use super::world::{World, config};

/// How long a case is run before it is measured, and how long it is measured.
const WARM: Duration = Duration::from_secs(3);
/// Bars of five seconds, so many times as fast: 30 bars a second.
const ALONE: f64 = 150.0;
/// How often the daemon alone is measured, so that one bad moment decides nothing.
const RUNS: usize = 3;

/// What a daemon trades, and who looks on.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub name: &'static str,
    pub symbols: usize,
    pub speed: f64,
    /// Of the crossing averages.
    pub params: &'static str,
    /// Feed clients, one of ten of whom never reads.
    pub clients: usize,
    pub durability: &'static str,
}

const CASES: [Case; 4] = [
    Case { name: "alone", symbols: 1, speed: ALONE, params: "fast=1,slow=2", clients: 0, durability: "process" },
    Case { name: "24 symbols", symbols: 24, speed: 50.0, params: "fast=5,slow=20", clients: 0, durability: "process" },
    Case {
        name: "100 symbols",
        symbols: 100,
        speed: 20.0,
        params: "fast=5,slow=20",
        clients: 0,
        durability: "process",
    },
    Case {
        name: "24 symbols, 200 clients",
        symbols: 24,
        speed: 50.0,
        params: "fast=5,slow=20",
        clients: 200,
        durability: "process",
    },
];

/// A case as it was measured.
pub struct Measured {
    pub case: Case,
    pub seen: Orders,
    pub status: Value,
    pub time: Duration,
}

/// Feed clients until dropped.
async fn clients(address: String, count: usize, there: watch::Sender<bool>) {
    let (mut readers, mut idle) = (JoinSet::new(), Vec::new());
    for index in 0..count {
        let (mut socket, _) = tokio_tungstenite::connect_async(format!("ws://{address}/api/v1/ws")).await.unwrap();
        if index % 10 == 0 {
            idle.push(socket);
        } else {
            readers.spawn(async move { while socket.next().await.is_some_and(|message| message.is_ok()) {} });
        }
    }
    there.send_replace(true);
    readers.join_all().await;
}

/// Runs a daemon, and says what the tap has seen.
pub fn run(case: Case, time: Duration) -> Measured {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::start(config(case.speed));
    // Without a protective stop each change of the target is one order: an exit behind a stop waits for its cancel.
    let more = [("STRATEGY_PARAMS", case.params), ("JOURNAL_DURABILITY", case.durability), ("RISK_STOP", "none")];
    let mut live = Live::start(world.address, dir.path(), case.symbols, &more);
    live.says(" ready: ");
    live.warm(case.symbols);
    let clients = (case.clients > 0).then(|| {
        let (tell, there) = watch::channel(false);
        let thread = WebThread::start(clients(live.dashboard(), case.clients, tell)).unwrap();
        while !*there.borrow() {
            std::thread::sleep(Duration::from_millis(10));
        }
        thread
    });
    let mut seen = Orders::default();
    world.watch(WARM, |event| seen.hear(&event));
    seen.begin();
    world.watch(time, |event| seen.hear(&event));
    let status = live.status();
    drop(clients);
    live.stop();
    world.stop();
    Measured { case, seen, status, time }
}

fn us(histogram: &Histogram<u64>, part: f64) -> f64 {
    histogram.value_at_quantile(part) as f64 / 1e3
}

/// p50, p90, p99, p99.9 and the longest, microseconds.
fn quantiles(histogram: &Histogram<u64>) -> Vec<String> {
    if histogram.is_empty() {
        return vec!["none".to_owned(); 5];
    }
    let parts = [0.5, 0.9, 0.99, 0.999].map(|part| us(histogram, part));
    parts.into_iter().chain([histogram.max() as f64 / 1e3]).map(number).collect()
}

impl Measured {
    fn p50(&self) -> f64 {
        us(&self.seen.latency, 0.5)
    }

    fn row(&self) -> Vec<String> {
        let seconds = self.time.as_secs_f64();
        let mut row = vec![self.case.name.to_owned(), self.case.durability.to_owned()];
        row.extend(quantiles(&self.seen.latency));
        let rate = |count: u64| number(count as f64 / seconds);
        row.extend([self.seen.latency.len().to_string(), rate(self.seen.seen.frames), self.limiter()]);
        row
    }

    /// Whether an order waited for the message limit.
    fn limiter(&self) -> String {
        match self.status["measured"]["pacing"]["orders_held_back"].as_u64() {
            Some(0) => "no".to_owned(),
            Some(orders) => format!("{orders} orders"),
            // The limit is 1,000 in any 1.1 s: with fewer than that it cannot have held anything back.
            None if self.seen.seen.peak < 1_000 => format!("no ({} of 1,000)", self.seen.seen.peak),
            None => "unknown".to_owned(),
        }
    }

    /// Medians by stage, microseconds, and what is left of the whole: the wire and decoding before the feed, the
    /// socket behind it.
    fn stages(&self) -> Vec<String> {
        let measured = &self.status["measured"];
        let median = |view: &Value| view["p50_ms"].as_f64().map(|ms| ms * 1e3);
        let mut row = vec![self.case.name.to_owned(), self.case.durability.to_owned(), number(self.p50())];
        let within = median(&measured["tick_to_order"]);
        let text = |us: Option<f64>| us.map_or_else(|| "unknown".to_owned(), number);
        row.push(text(within.map(|within| self.p50() - within)));
        for stage in ["strategy", "desk", "journal", "send"] {
            row.push(text(median(&measured["tick_to_order_by_stage"][stage])));
        }
        row
    }
}

/// The daemon alone, several times: all orders together, and p50 and p99 as medians of the runs.
fn alone(durability: &'static str, time: Duration) -> (Measured, [f64; 2]) {
    let mut runs: Vec<Measured> = (0..RUNS).map(|_| run(Case { durability, ..CASES[0] }, time)).collect();
    let middle = |part| median(runs.iter().map(|run| us(&run.seen.latency, part)));
    let parts = [middle(0.5), middle(0.99)];
    let mut all = runs.pop().unwrap();
    for run in runs {
        all.seen.latency.add(&run.seen.latency).unwrap();
        all.seen.seen.frames += run.seen.seen.frames;
        all.seen.seen.peak = all.seen.seen.peak.max(run.seen.seen.peak);
        all.time += run.time;
    }
    (all, parts)
}

pub fn measure(form: Form) -> Outcome {
    let (time, loaded) = (form.seconds(2, 20, 300), form.seconds(2, 12, 120));
    let dir = tempfile::tempdir().unwrap();
    let fsync = floors::fsync(dir.path(), form.of(50, 500, 5_000));
    let bare = floors::bare(ALONE, WARM, time);
    let ibapi = floors::ibapi(ALONE, WARM, time);
    let (process, [p50, p99]) = alone("process", time);
    let (full, [full_p50, full_p99]) = alone("full", time);
    let mut all = vec![process, full];
    for case in &CASES[1..] {
        all.extend(["process", "full"].map(|durability| run(Case { durability, ..*case }, loaded)));
    }
    all.iter().for_each(|measured| println!("{}", measured.row().join("  ")));
    let floor = us(&ibapi.latency, 0.5);
    let (sync_p50, sync_p99) = (us(&fsync, 0.5), us(&fsync, 0.99));
    let aim = |what: &str, aim: String, measured: f64, most: f64, why: String| Target {
        what: what.to_owned(),
        aim,
        measured: format!("{} us", number(measured)),
        met: measured <= most,
        why,
    };
    let beneath = format!(
        "beneath it are `ibapi` alone with {} us and a bare socket with {}",
        number(floor),
        number(us(&bare.latency, 0.5))
    );
    let targets = vec![
        aim("tick to order alone, `process`, p50", "at most 250 us".into(), p50, 250.0, beneath.clone()),
        aim(
            "the same as a multiple of `ibapi` alone",
            format!("at most 3 times {} us", number(floor)),
            p50,
            3.0 * floor,
            "see the stages".into(),
        ),
        aim(
            "tick to order alone, `process`, p99",
            "at most 1,500 us".into(),
            p99,
            1_500.0,
            format!("`ibapi` alone has {} us", number(us(&ibapi.latency, 0.99))),
        ),
        aim(
            "tick to order alone, `full`, p50",
            format!("at most 250 us and an fsync ({} us)", number(sync_p50)),
            full_p50,
            250.0 + sync_p50,
            beneath,
        ),
        aim(
            "tick to order alone, `full`, p99",
            format!("at most 1,500 us and an fsync ({} us)", number(sync_p99)),
            full_p99,
            1_500.0 + sync_p99,
            "the disk's own p99 is in it, once for the order and once for each batch before it".into(),
        ),
    ];
    Outcome {
        text: text(&all, &bare, &ibapi, &fsync, [time, loaded]),
        targets,
        plots: plots(&all, &bare, &ibapi, &fsync),
    }
}

fn plots(all: &[Measured], bare: &Orders, ibapi: &Orders, fsync: &Histogram<u64>) -> Vec<(&'static str, String)> {
    let plot = |durability: &str| {
        let mut lines: Vec<(String, bool, &Histogram<u64>)> = all
            .iter()
            .filter(|measured| measured.case.durability == durability)
            .map(|measured| (measured.case.name.to_owned(), false, &measured.seen.latency))
            .collect();
        lines.push(("a bare socket".to_owned(), true, &bare.latency));
        lines.push(("ibapi alone".to_owned(), true, &ibapi.latency));
        if durability == "full" {
            lines.push(("fsync".to_owned(), true, fsync));
        }
        percentiles(&format!("From tick to order, JOURNAL_DURABILITY={durability}"), &lines)
    };
    vec![("tick-process", plot("process")), ("tick-full", plot("full"))]
}

fn text(
    all: &[Measured],
    bare: &Orders,
    ibapi: &Orders,
    fsync: &Histogram<u64>,
    [time, loaded]: [Duration; 2],
) -> String {
    let floor = |name: &str, seen: &Orders| {
        let mut row = vec![name.to_owned(), "none".to_owned()];
        row.extend(quantiles(&seen.latency));
        let rate = number(seen.seen.frames as f64 / time.as_secs_f64());
        row.extend([seen.latency.len().to_string(), rate, "no".to_owned()]);
        row
    };
    let mut rows = vec![floor("floor: a bare socket", bare), floor("floor: `ibapi` alone", ibapi)];
    rows.extend(all.iter().map(Measured::row));
    let mut sync = vec!["floor: fsync of 8 kB".to_owned(), "none".to_owned()];
    sync.extend(quantiles(fsync));
    sync.extend([fsync.len().to_string(), "none".to_owned(), "no".to_owned()]);
    rows.push(sync);
    let head =
        ["microseconds", "durability", "p50", "p90", "p99", "p99.9", "max", "orders", "frames/s", "limiter waited"];
    let stages: Vec<Vec<String>> = all.iter().map(Measured::stages).collect();
    let stage_head =
        ["medians, microseconds", "durability", "whole", "wire, decode, write", "strategy", "desk", "journal", "send"];
    format!(
        "From the last byte of the bar's frame leaving the simulator's socket to the first byte of the resulting order's \
         frame arriving there: through wire, `ibapi`, feed, strategy, sizing, risk, the write-ahead journal, outbox and \
         `ibapi` again. A bar closes with the first frame of the next one (from 46 symbols on, with real-time bars of \
         five seconds); counted are orders that are the first thing to come of their symbol behind that frame. Stops are \
         off, for an exit behind one waits for its cancel. *Alone* is one symbol with 30 bars a second, three runs together; 24 symbols \
         have 20 updates a second each; 100 symbols four bars a second each. Bars of all symbols close at the same \
         moment: the last waits for those before it. {} s each (loaded: {}), by HDR histograms of three digits. The message limit \
         is raised to 1,000 (as the simulator's), for at these rates IBKR's would be measured instead.\n\n{}\n\
         ![percentiles at process durability](benchmarks/tick-process.svg)\n\n\
         ![percentiles at full durability](benchmarks/tick-full.svg)\n\n\
         The floors answer a fixed order on the same frames: a thread that waits on a socket, and `ibapi` with nothing \
         behind it. By stage, as the running daemon counts them since its start (`robo-trader status --json`, \
         [api](api.md)); the first column is the rest of the whole: the kernel, the wake of the reader, decoding by \
         `ibapi` before, the write behind. Medians do not add up exactly.\n\n{}",
        time.as_secs(),
        loaded.as_secs(),
        table(&head, &rows),
        table(&stage_head, &stages)
    )
}
