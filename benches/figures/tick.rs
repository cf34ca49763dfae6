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
use super::floors::{self, Disk};
use super::live::Live;
use super::matching::{Orders, histogram, quantile};
use super::page::{Outcome, Target, known, median, number, table};
use super::plot::percentiles;
use super::world::{World, config};

/// How long a case is run before it is measured.
const WARM: Duration = Duration::from_secs(3);
/// How often the daemon alone is measured at each durability, so that one bad moment decides nothing.
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

/// Ten bars a second: fewer would give too few orders of one symbol.
const ALONE: Case =
    Case { name: "alone", symbols: 1, speed: 50.0, params: "fast=1,slow=2", clients: 0, durability: "process" };

/// 24 symbols with 20 updates a second each; 100 by real-time bars.
const LOADED: [Case; 3] = [
    Case { name: "24 symbols", symbols: 24, params: "fast=5,slow=20", ..ALONE },
    Case { name: "100 symbols", symbols: 100, speed: 20.0, params: "fast=5,slow=20", ..ALONE },
    Case { name: "24 symbols, 200 clients", symbols: 24, params: "fast=5,slow=20", clients: 200, ..ALONE },
];

impl Case {
    /// Milliseconds between two bars of a symbol: of an order that takes longer the bench sees the later bar.
    fn cut(&self) -> f64 {
        5e3 / self.speed
    }

    /// The same as a duration.
    fn pause(&self) -> Duration {
        Duration::from_secs_f64(self.cut() / 1e3)
    }
}

/// A case as it was measured, in one run or several.
pub struct Measured {
    pub case: Case,
    pub seen: Orders,
    /// What the daemon said of itself at the end of each run.
    pub status: Vec<Value>,
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
    Measured { case, seen, status: vec![status], time }
}

/// p50, p90, p99, p99.9 and the longest, microseconds.
fn quantiles(histogram: &Histogram<u64>) -> Vec<String> {
    let parts = [0.5, 0.9, 0.99, 0.999].map(|part| quantile(histogram, part));
    let max = (!histogram.is_empty()).then(|| histogram.max() as f64 / 1e3);
    parts.into_iter().chain([max]).map(known).collect()
}

/// Figures of each run, by a path through its status, milliseconds as microseconds.
fn each<'a>(runs: &'a [Value], path: &'a str, figure: &'a str) -> impl Iterator<Item = f64> + 'a {
    let ms = move |status: &Value| status.pointer(&format!("/measured/{path}/{figure}")).and_then(Value::as_f64);
    runs.iter().filter_map(ms).map(|ms| ms * 1e3)
}

/// The median of the runs.
fn middle(runs: &[Value], path: &str, figure: &str) -> Option<f64> {
    let all: Vec<f64> = each(runs, path, figure).collect();
    (!all.is_empty()).then(|| median(all))
}

impl Measured {
    fn name(&self) -> Vec<String> {
        vec![self.case.name.to_owned(), self.case.durability.to_owned()]
    }

    fn row(&self) -> Vec<String> {
        let mut row = self.name();
        row.extend(quantiles(&self.seen.latency));
        row.extend(counted(&self.seen, self.case.cut(), self.time));
        row.push(self.limiter());
        row
    }

    /// What the daemon itself says, beside what the sockets saw.
    fn beside(&self) -> Vec<String> {
        let live = |figure| middle(&self.status, "tick_to_order", figure);
        let longest = each(&self.status, "tick_to_order", "max_ms").reduce(f64::max);
        let orders: u64 = self.status.iter().filter_map(|it| it["measured"]["tick_to_order"]["count"].as_u64()).sum();
        let cut = self.case.cut();
        let beyond = longest.map_or("unknown", |us| if us > cut * 1e3 { "yes" } else { "no" });
        let mut row = self.name();
        let figures =
            [self.seen.us(0.5), live("p50_ms"), self.seen.us(0.99), live("p99_ms").filter(|_| orders >= 100), longest];
        row.extend(figures.map(known));
        row.extend([number(cut), beyond.to_owned(), self.seen.latency.len().to_string(), orders.to_string()]);
        row
    }

    /// Whether an order waited for the message limit, in any run.
    fn limiter(&self) -> String {
        let held = |status: &Value| status["measured"]["pacing"]["orders_held_back"].as_u64();
        match self.status.iter().map(held).sum::<Option<u64>>() {
            Some(0) => "no".to_owned(),
            Some(orders) => format!("{orders} orders"),
            // The limit is 1,000 in any 1.1 s: with fewer than that it cannot have held anything back.
            None if self.seen.seen.peak < 1_000 => format!("no ({} of 1,000)", self.seen.seen.peak),
            None => "unknown".to_owned(),
        }
    }

    /// Medians by stage, microseconds: first what is left of the whole, which is the wire and decoding before the
    /// feed, and the socket behind it.
    fn stages(&self) -> [Option<f64>; 5] {
        let stage = |name: &str| middle(&self.status, &format!("tick_to_order_by_stage/{name}"), "p50_ms");
        let within = middle(&self.status, "tick_to_order", "p50_ms");
        let rest = self.seen.us(0.5).zip(within).map(|(whole, within)| whole - within);
        [rest, stage("strategy"), stage("desk"), stage("journal"), stage("send")]
    }

    fn stage_row(&self) -> Vec<String> {
        let mut row = self.name();
        row.push(known(self.seen.us(0.5)));
        row.extend(self.stages().map(known));
        row
    }

    /// What most of the median goes into.
    fn limit(&self) -> String {
        let stages = STAGES.into_iter().zip(self.stages());
        let longest = stages.filter_map(|(name, us)| Some((name, us?))).max_by(|one, other| one.1.total_cmp(&other.1));
        longest.map_or_else(
            || "its stages are unknown".to_owned(),
            |(name, us)| format!("most of {} us is *{name}* with {} us", known(self.seen.us(0.5)), number(us)),
        )
    }
}

const STAGES: [&str; 5] = ["wire, decode, write", "strategy", "desk", "journal", "send"];

/// The cut, and what was counted.
fn counted(seen: &Orders, cut: f64, time: Duration) -> [String; 5] {
    let rate = seen.seen.frames as f64 / time.as_secs_f64();
    [
        number(cut),
        seen.latency.len().to_string(),
        seen.seen.others.to_string(),
        seen.seen.timed.to_string(),
        number(rate),
    ]
}

/// Everything that was measured.
struct Found {
    /// The daemon alone at each durability, all runs together.
    alone: [Measured; 2],
    /// p50 and p99 of it, as medians of the runs.
    parts: [[Option<f64>; 2]; 2],
    loaded: Vec<Measured>,
    bare: Orders,
    ibapi: Orders,
    /// Pauses as long as bars of *alone* are apart.
    disk: Disk,
    /// How long each floor was measured in all.
    floors: Duration,
}

/// The floors, then the daemon alone at both durabilities by turns, then the floors again.
fn found(form: Form) -> Found {
    let (time, loaded, floor) = (form.seconds(2, 25, 300), form.seconds(2, 15, 120), form.seconds(2, 10, 100));
    let writes = form.of(10, 100, 1_000);
    let (mut bare, mut ibapi, mut disk) = (Orders::default(), Orders::default(), None::<Disk>);
    let mut floors = || {
        let measured = Disk::measure(writes, ALONE.pause());
        match &mut disk {
            Some(all) => all.add(&measured),
            None => disk = Some(measured),
        }
        bare.add(&floors::bare(ALONE.speed, WARM, floor));
        ibapi.add(&floors::ibapi(ALONE.speed, WARM, floor));
    };
    floors();
    let mut runs: [Vec<Measured>; 2] = [Vec::new(), Vec::new()];
    for _ in 0..RUNS {
        for (durability, runs) in DURABILITIES.into_iter().zip(&mut runs) {
            runs.push(run(Case { durability, ..ALONE }, time));
        }
    }
    floors();
    let parts = [0, 1].map(|which| [0.5, 0.99].map(|part| middle_of(&runs[which], part)));
    let alone = runs.map(together);
    let both = |case: &Case| DURABILITIES.map(|durability| run(Case { durability, ..*case }, loaded));
    let loaded: Vec<Measured> = LOADED.iter().flat_map(both).collect();
    // Both rounds of the floors are over.
    let found = Found { alone, parts, loaded, bare, ibapi, disk: disk.unwrap(), floors: floor * 2 };
    found.all().for_each(|measured| println!("{}", measured.row().join("  ")));
    found
}

const DURABILITIES: [&str; 2] = ["process", "full"];

/// The median of the runs; where each has too few orders, that of all orders together.
fn middle_of(runs: &[Measured], part: f64) -> Option<f64> {
    let each: Option<Vec<f64>> = runs.iter().map(|run| run.seen.us(part)).collect();
    each.map(median).or_else(|| {
        let mut all = histogram();
        runs.iter().for_each(|run| all.add(&run.seen.latency).unwrap());
        quantile(&all, part)
    })
}

/// Several runs as one.
fn together(runs: Vec<Measured>) -> Measured {
    let add = |mut all: Measured, run: Measured| {
        all.seen.add(&run.seen);
        all.status.extend(run.status);
        all.time += run.time;
        all
    };
    runs.into_iter().reduce(add).unwrap()
}

impl Found {
    fn all(&self) -> impl Iterator<Item = &Measured> {
        self.alone.iter().chain(&self.loaded)
    }

    fn targets(&self) -> Vec<Target> {
        let [[p50, p99], [full_p50, full_p99]] = self.parts;
        let (floor, sync) = (self.ibapi.us(0.5), [0.5, 0.99].map(|part| quantile(&self.disk.fsync()[0], part)));
        let [process, full] = &self.alone;
        let aim = |what: &str, aim: String, measured: Option<f64>, most: Option<f64>, why: String| Target {
            what: what.to_owned(),
            aim,
            measured: format!("{} us", known(measured)),
            met: measured.zip(most).map(|(measured, most)| measured <= most),
            why,
        };
        vec![
            aim(
                "tick to order alone, `process`, p50",
                "at most 250 us".into(),
                p50,
                Some(250.0),
                self.floor(self.disk.process(), process),
            ),
            aim(
                "the same as a multiple of `ibapi` alone",
                format!("at most 3 times {} us", known(floor)),
                p50,
                floor.map(|floor| 3.0 * floor),
                format!("{}; it is {} times", process.limit(), known(p50.zip(floor).map(|(p50, floor)| p50 / floor))),
            ),
            aim(
                "tick to order alone, `process`, p99",
                "at most 1,500 us".into(),
                p99,
                Some(1_500.0),
                self.beneath(0.99),
            ),
            aim(
                "tick to order alone, `full`, p50",
                format!("at most 250 us and an fsync ({} us, bars apart)", known(sync[0])),
                full_p50,
                sync[0].map(|sync| 250.0 + sync),
                self.floor(self.disk.full(), full),
            ),
            aim(
                "tick to order alone, `full`, p99",
                format!("at most 1,500 us and an fsync ({} us, bars apart)", known(sync[1])),
                full_p99,
                sync[1].map(|sync| 1_500.0 + sync),
                format!(
                    "{}, and the journal alone {} for the facts of an order",
                    self.beneath(0.99),
                    known(quantile(&self.disk.full()[0], 0.99))
                ),
            ),
        ]
    }

    /// What is below the daemon at this part.
    fn beneath(&self, part: f64) -> String {
        let (bare, ibapi) = (self.bare.us(part), self.ibapi.us(part));
        format!("`ibapi` alone took {} us in the same run, a bare socket {}", known(ibapi), known(bare))
    }

    /// What no median can be below: `ibapi` and the journal, each alone.
    fn floor(&self, journal: &[Histogram<u64>; 2], measured: &Measured) -> String {
        let [apart, at_once] = [0, 1].map(|which| quantile(&journal[which], 0.5));
        let sum = self.ibapi.us(0.5).zip(apart).map(|(ibapi, journal)| ibapi + journal);
        format!(
            "the floor is {} us: {}, and the journal alone {} for the facts of an order (which take {} where one \
             follows the other at once: after the pause between two bars nothing is left in the processor's caches); {}",
            known(sum),
            self.beneath(0.5),
            known(apart),
            known(at_once),
            measured.limit()
        )
    }

    fn plots(&self) -> Vec<(&'static str, String)> {
        let plot = |durability: &str| {
            let mut lines: Vec<(String, bool, &Histogram<u64>)> = self
                .all()
                .filter(|measured| measured.case.durability == durability)
                .map(|measured| (measured.case.name.to_owned(), false, &measured.seen.latency))
                .collect();
            lines.push(("a bare socket".to_owned(), true, &self.bare.latency));
            lines.push(("ibapi alone".to_owned(), true, &self.ibapi.latency));
            if durability == "full" {
                lines.push(("fsync, bars apart".to_owned(), true, &self.disk.fsync()[0]));
            }
            percentiles(&format!("From tick to order, JOURNAL_DURABILITY={durability}"), &lines)
        };
        vec![("tick-process", plot("process")), ("tick-full", plot("full"))]
    }

    fn text(&self) -> String {
        let floor = |name: &str, seen: &Orders| {
            let mut row = vec![name.to_owned(), "none".to_owned()];
            row.extend(quantiles(&seen.latency));
            row.extend(counted(seen, ALONE.cut(), self.floors));
            row.push("no".to_owned());
            row
        };
        let mut rows = vec![floor("floor: a bare socket", &self.bare), floor("floor: `ibapi` alone", &self.ibapi)];
        rows.extend(self.all().map(Measured::row));
        let part = |name: &str, durability: &str, times: &Histogram<u64>| {
            let mut row = vec![name.to_owned(), durability.to_owned()];
            row.extend(quantiles(times));
            row.extend(["none".to_owned(), times.len().to_string()]);
            row.extend(vec!["none".to_owned(); 4]);
            row
        };
        rows.extend(self.disk.rows().map(|(name, durability, times)| part(name, durability, times)));
        let beside: Vec<Vec<String>> = self.all().map(Measured::beside).collect();
        let stages: Vec<Vec<String>> = self.all().map(Measured::stage_row).collect();
        let stage_head: Vec<&str> =
            ["medians, microseconds", "durability", "whole"].into_iter().chain(STAGES).collect();
        format!(
            "{METHOD} *Alone* is one symbol, {RUNS} runs of {} s together at each durability, by turns, between two \
             measurements of the floors; the others run {} s.\n\n{}\n{PLOTS}{BESIDE}\n\n{}\n{BY_STAGE}\n\n{}\n\
             What limits it: alone, {}; with 24 symbols, {}; with 100, {}.",
            self.alone[0].time.as_secs() / RUNS as u64,
            self.loaded[0].time.as_secs(),
            table(&HEAD, &rows),
            table(&BESIDE_HEAD, &beside),
            table(&stage_head, &stages),
            self.alone[0].limit(),
            self.loaded[0].limit(),
            self.loaded[2].limit(),
        )
    }
}

pub fn measure(form: Form) -> Outcome {
    let found = found(form);
    Outcome { text: found.text(), targets: found.targets(), plots: found.plots() }
}

const HEAD: [&str; 13] = [
    "microseconds",
    "durability",
    "p50",
    "p90",
    "p99",
    "p99.9",
    "max",
    "cut, ms",
    "orders measured",
    "after something else",
    "closed by time",
    "frames/s",
    "limiter waited",
];

const BESIDE_HEAD: [&str; 11] = [
    "microseconds",
    "durability",
    "p50, sockets",
    "p50, daemon",
    "p99, sockets",
    "p99, daemon",
    "max, daemon",
    "cut, ms",
    "beyond it",
    "orders, sockets",
    "orders, daemon",
];

const METHOD: &str = "\
From the last byte of the bar's frame leaving the simulator's socket to the first byte of the resulting order's frame \
arriving there: through wire, `ibapi`, feed, strategy, sizing, risk, the write-ahead journal, outbox and `ibapi` again. \
A bar closes with the first frame of the next one (from 41 symbols on, with real-time bars of five seconds). Measured are \
orders that are the first thing to come of their symbol behind that frame; counted beside them are orders *after \
something else* of their symbol, and those before which the gateway had told the time after the frame, which may then be \
what closed the bar (*closed by time*). The *cut* is the time between two bars of a symbol: an order that takes longer is \
measured from the later bar, too short, and only the daemon's own figures below tell of it. (Slower markets would move \
the cut away and leave one symbol too few orders, and 24 symbols fewer updates than are wanted.) Stops are off, for an exit \
behind one waits for its cancel. The load is 24 symbols with 20 updates a second each, or 100 symbols with four bars a \
second each; bars of all symbols close at the same moment: the last order waits for those before it. HDR histograms of \
three digits; p99 is unknown below 100 orders, p99.9 below 1,000. The message limit is raised to 1,000 (as the \
simulator's), for at these rates IBKR's would be measured instead. The floors answer a fixed order on the same frames as \
*alone*: a thread that waits on a socket, and `ibapi` with nothing behind it. The journal's floor is one thread that \
appends the two facts of an order (the target, the order) to a journal, with the pause of *alone* between two orders, and \
without: that is how much of any figure here is code and data coming into the processor's caches again. The bare fsync is \
measured in both ways, too: a disk that rested a tenth of a second takes several times as long, and an order's fsync has \
such a rest before it.";

const PLOTS: &str = "\
![percentiles at process durability](benchmarks/tick-process.svg)\n\n\
![percentiles at full durability](benchmarks/tick-full.svg)\n\n";

const BESIDE: &str = "\
The same as the running daemon counts it (`robo-trader status --json`, [api](api.md)), since its start and so with the \
seconds before the measurement: from the arrival of the closed bar in its feed to the hand-over to the socket; medians of \
the runs, the longest of all. The difference is decoding, the kernel and the wire. It loses no late order: whether any \
took longer than the cut is said here.";

const BY_STAGE: &str = "\
By stage, as the daemon counts them; the first is the rest of the whole: the kernel, the wake of the reader, decoding by \
`ibapi` before, the write behind. Medians do not add up exactly.";
