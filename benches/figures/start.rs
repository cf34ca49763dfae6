//! From the start of the process to Ready and to the first bars; what a journal's replay costs.

use robo_trader::journal::sqlite::SqliteJournal;
use robo_trader::simulator::SimulatorConfig;

use super::Form;
use super::facts::{self, ACCOUNT};
use super::live::{Live, SESSION};
use super::page::{Outcome, Target, median, number, table};
use super::world::{World, config};

/// As a gateway has them, and as an operator leaves them: one-minute bars, two days of them, IBKR's pacing.
const LIFE: &[(&str, &str)] =
    &[("HISTORICAL_PACING", "yes"), ("MESSAGE_RATE", "45"), ("DATA_BAR_SIZE", "1 min"), ("DATA_DURATION", "2 D")];

/// Stands for the exchange's id until it is known.
const EXCHANGE: &str = "an-exchange";

/// Milliseconds from the start to Ready, to the first symbol's bars and to the last one's.
fn paced(symbols: usize) -> [f64; 3] {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(SimulatorConfig { message_rate: 50, pacing: true, ..config(1.0) });
    let mut live = Live::start(world.address, dir.path(), symbols, LIFE);
    let ready = live.says(" ready: ");
    let first = live.warm(1);
    let last = if symbols > 1 { live.warm(symbols - 1) } else { first };
    let ms = [ready, first, last].map(|at| at.saturating_duration_since(live.spawned).as_secs_f64() * 1e3);
    live.stop();
    world.stop();
    ms
}

/// A start with a journal.
pub struct WithJournal {
    pub facts: u64,
    pub bytes: u64,
    /// Milliseconds from the start to the first line of the log, to the session, to Ready.
    pub first: f64,
    pub session: f64,
    pub ready: f64,
    /// Milliseconds to check its file, and to open it checked and replayed into a book, measured apart.
    pub checked: f64,
    pub replayed: f64,
    /// Resident memory once Ready.
    pub rss: u64,
}

/// Writes a journal of so many facts and starts a daemon with it, several times.
pub fn with_journal(count: usize, times: usize) -> WithJournal {
    let dir = tempfile::tempdir().unwrap();
    let path = SqliteJournal::path(dir.path(), "simulator", ACCOUNT);
    let (facts, cash) = facts::write(&path, EXCHANGE, count);
    // The exchange keeps its id, and its account has what the journal says.
    let kept = SimulatorConfig { state_dir: Some(dir.path().join("exchange")), cash, ..config(1.0) };
    let world = World::start(kept.clone());
    let journal = rusqlite::Connection::open(&path).unwrap();
    let identified = journal
        .execute("UPDATE facts SET body = replace(body, ?1, ?2) WHERE seq = 1", [EXCHANGE, world.exchange()])
        .unwrap();
    assert_eq!(identified, 1, "the ledger is that exchange's");
    drop(journal);
    world.stop();
    let mut started = Vec::new();
    for _ in 0..times {
        let world = World::start(kept.clone());
        let mut live = Live::start(world.address, dir.path(), 1, &[]);
        let told = [live.says(""), live.says(SESSION), live.says(" ready: ")];
        let ms = told.map(|at| at.saturating_duration_since(live.spawned).as_secs_f64() * 1e3);
        let usage = live.usage();
        live.stop();
        world.stop();
        started.push((ms, usage));
    }
    let bytes = std::fs::metadata(&path).unwrap().len();
    let usage = started.last().unwrap().1;
    let [first, session, ready] = [0, 1, 2].map(|which| median(started.iter().map(|(ms, _)| ms[which])));
    let (checked, replayed) = facts::replay(&path);
    let (checked, replayed) = (checked * 1e3, replayed * 1e3);
    WithJournal { facts, bytes, first, session, ready, checked, replayed, rss: usage.rss }
}

impl WithJournal {
    /// What the start consists of.
    fn parts(&self) -> String {
        format!(
            "{} ms to the first line of the log, {} to the session (handshake and checks), {} to open the journal, check \
             its file and replay it into a book (all at once; the check alone takes {}), {} for the rest (what a session \
             is asked for, what the desk and the pages make of the journal)",
            number(self.first),
            number(self.session - self.first),
            number(self.replayed),
            number(self.checked),
            number(self.ready - self.session - self.replayed)
        )
    }
}

pub fn measure(form: Form) -> Outcome {
    let times = form.of(1, 3, 9);
    let mut rows = Vec::new();
    for symbols in [1, 24, 100] {
        let runs: Vec<[f64; 3]> = (0..times).map(|_| paced(symbols)).collect();
        let middle = |what: usize| number(median(runs.iter().map(|run| run[what])));
        rows.push(vec![symbols.to_string(), middle(0), middle(1), middle(2)]);
        println!("{}", rows.last().unwrap().join("  "));
    }
    let mut replays = Vec::new();
    let mut million = 0.0;
    for count in form.of([1_000, 3_000, 10_000], [10_000, 100_000, 1_000_000], [10_000, 100_000, 1_000_000]) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let (facts, _) = facts::write(&path, "bench", count);
        let runs: Vec<(f64, f64)> = (0..times).map(|_| facts::replay(&path)).collect();
        let (checked, replayed) = (median(runs.iter().map(|run| run.0)), median(runs.iter().map(|run| run.1)));
        let each = replayed / facts as f64 * 1e6;
        million = each;
        replays.push(vec![number(facts as f64), number(checked * 1e3), number(replayed * 1e3), number(each)]);
        println!("{}", replays.last().unwrap().join("  "));
    }
    let long = with_journal(form.of(10_000, 100_000, 100_000), times);
    let targets = vec![
        Target {
            what: "start to Ready with 10^5 facts".into(),
            aim: "at most 300 ms".into(),
            measured: format!("{} ms", number(long.ready)),
            met: Some(long.ready <= 300.0),
            why: long.parts(),
        },
        Target {
            what: "replay of a million facts".into(),
            aim: "under 2 s".into(),
            measured: format!("{} s", number(million)),
            met: Some(million < 2.0),
            why: format!("it is {} us a fact, the file's check among it", number(million)),
        },
    ];
    let head = ["symbols", "to Ready, ms", "to the first symbol's bars, ms", "to the last symbol's bars, ms"];
    let replay_head = ["facts", "the check alone, ms", "open, check and replay, ms", "us a fact"];
    let text = format!(
        "From the start of the process, with default settings: one-minute bars, two days of them, 45 messages a second, \
         IBKR's pacing of history on both sides; medians of {times}. From there on a symbol's next bar decides. What \
         limits it is the message limit: each symbol needs its contract, its market rule and its bars, and 45 messages \
         may leave in any 1.1 s. Of 100 symbols, which come as real-time bars, IBKR lets 60 be subscribed in ten \
         minutes: the others have their history meanwhile, and wait for their live bars.\n\n{}\n\
         Opening a journal as a start does, its file checked while it is replayed into a book, medians of {times}:\n\n{}\n\
         From the start of the process to Ready with a journal of {} facts ({} MB): {} ms, median of {times}: {} (opening \
         and replaying are measured apart, on the same file; the rest is what that leaves).",
        table(&head, &rows),
        table(&replay_head, &replays),
        number(long.facts as f64),
        number(long.bytes as f64 / 1e6),
        number(long.ready),
        long.parts(),
    );
    Outcome { text, targets, plots: Vec::new() }
}
