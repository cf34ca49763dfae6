//! What can happen next. A step means something in whatever state the world is in, so that a trace
//! stays a trace when steps are taken out of it.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// Where a crash hits the next batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// Now, between two batches.
    Now,
    /// Before the batch's facts are durable: it never happened.
    BeforeAppend,
    /// After they are durable, when so many of its actions have been released.
    Releasing(u8),
    /// The power goes, too: facts behind the last synced commit are lost, as many as said.
    PowerCut(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The market moves by so many cents and a bar closes; perhaps its strategy has a new opinion
    /// (in halves). Whatever is touched trades, `part` of 256 of it (0: all).
    Bar { symbol: u8, cents: i16, target: Option<i8>, part: u8 },
    /// A heartbeat after so many seconds.
    Clock(u8),
    /// So many messages on the line reach the broker.
    Arrive(u8),
    /// An order trades in part (of 256; 0: all).
    Fill { pick: u8, part: u8 },
    /// The next new order is refused.
    Refuse,
    /// The next new order is taken without a word.
    Silent,
    /// The next new order gets another time in force.
    Preset,
    /// What the gateway holds reaches IBKR.
    Deepen,
    /// The outbox sends so many.
    Send(u8),
    /// So many of the broker's messages reach the order stream.
    Hear(u8),
    /// The desk takes up to so many inputs in one batch.
    Desk(u8),
    /// The runner starts the process, connects, or reads so many parts of the broker's state.
    Read(u8),
    /// An answer is overdue.
    Overdue(u8),
    /// The broker repeats an order, or an execution with its cost.
    Echo(u8),
    /// A status on its way is overtaken by what follows it.
    Overtaken(u8),
    /// A status on its way is lost.
    Skipped(u8),
    /// So many messages are lost on the way, and the stream says so.
    Lag(u8),
    /// Some costs are told.
    Costs(u8),
    /// A price is corrected.
    Correct(u8),
    /// Somebody trades by hand.
    ByHand { symbol: u8, change: i8 },
    /// The session ends; so many messages on the line still arrive.
    Lose(u8),
    /// The session hangs: nothing passes, and nobody has noticed yet.
    Hang,
    /// The gateway restarts: in-flight orders are lost, ids go back.
    Restart,
    /// The link between TWS and IBKR.
    Link(bool),
    /// The next so many position statements are as of now.
    OldPositions(u8),
    /// The next account statement is not complete.
    NoAccount,
    /// The broker's state is read and compared for safety's sake.
    Compare,
    /// Broker and book are compared while trading goes on.
    Steady,
    /// An operator halts, resumes or flattens, the account or a symbol.
    Operate(u8),
    /// A contract's trading is halted, or goes on.
    MarketHalt(u8),
    /// Night falls.
    Night,
    /// The daemon is told to stop.
    Stop,
    /// The process dies.
    Die(Crash),
}

impl Step {
    /// Its name without its numbers.
    pub fn kind(self) -> String {
        let whole = format!("{self:?}");
        whole.split([' ', '(']).next().unwrap_or_default().to_owned()
    }
}

/// The trace of a seed: a calm beginning, so that something is at stake, then everything.
pub fn trace(seed: u64, length: usize) -> Vec<Step> {
    let mut random = SmallRng::seed_from_u64(seed);
    // Each seed has its own weather: how often things go wrong.
    let weather = random.random_range(1..=20_u32);
    (0..length).map(|_| step(&mut random, weather)).collect()
}

fn step(random: &mut SmallRng, weather: u32) -> Step {
    if random.random_range(0..100_u32) < weather {
        return trouble(random);
    }
    let byte = |random: &mut SmallRng| random.random::<u8>();
    match random.random_range(0..100_u32) {
        0..14 => Step::Bar {
            symbol: byte(random) % 3,
            cents: random.random_range(-120..=120),
            target: random.random_bool(0.5).then(|| random.random_range(-2..=2)),
            part: if random.random_bool(0.7) { 0 } else { byte(random) },
        },
        14..20 => Step::Clock(random.random_range(1..=40)),
        20..34 => Step::Arrive(random.random_range(1..=4)),
        34..44 => Step::Fill { pick: byte(random), part: if random.random_bool(0.5) { 0 } else { byte(random) } },
        44..60 => Step::Send(random.random_range(1..=6)),
        60..72 => Step::Hear(random.random_range(1..=8)),
        72..90 => Step::Desk(random.random_range(1..=10)),
        90..97 => Step::Read(random.random_range(1..=8)),
        97 => Step::Steady,
        _ => Step::Costs(random.random_range(1..=4)),
    }
}

fn trouble(random: &mut SmallRng) -> Step {
    let byte = random.random::<u8>();
    match random.random_range(0..100_u32) {
        0..7 => Step::Refuse,
        7..12 => Step::Silent,
        12..15 => Step::Preset,
        15..20 => Step::Deepen,
        20..30 => Step::Overdue(byte),
        30..40 => Step::Echo(byte),
        40..48 => Step::Overtaken(byte),
        48..56 => Step::Skipped(byte),
        56..60 => Step::Lag(byte % 6),
        60..63 => Step::Correct(byte),
        63..66 => Step::ByHand { symbol: byte % 3, change: random.random_range(-80..=80) },
        66..70 => Step::Lose(byte % 6),
        70..72 => Step::Hang,
        72..75 => Step::Restart,
        75..81 => Step::Link(byte.is_multiple_of(2)),
        81..84 => Step::OldPositions(byte % 4),
        84..86 => Step::NoAccount,
        86 => Step::Compare,
        87 => Step::Operate(byte),
        88 => Step::MarketHalt(byte % 3),
        89..91 => Step::Night,
        91 => Step::Stop,
        92 => Step::Die(Crash::Now),
        93..95 => Step::Die(Crash::BeforeAppend),
        95..97 => Step::Die(Crash::Releasing(byte % 5)),
        97..99 => Step::Steady,
        _ => Step::Die(Crash::PowerCut(byte % 12)),
    }
}
