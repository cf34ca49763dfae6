//! Backtests: the code that trades, on bars of the past.
//!
//! Strategy, sizing, risk, desk, ledger and exchange are the daemon's and the simulator's own; what
//! is left out is the shell: no session, no wire, no clock.

mod broker;
pub mod data;
pub mod engine;
pub mod files;
pub mod metrics;
pub mod observer;
pub mod outcome;
pub mod report;
pub mod stream;
pub mod summary_text;
pub mod sweep;
pub mod trades;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::clock::Stopwatch;
use crate::desk::{Desk, Plan};
use crate::domain::book::{OrderRecord, Record};
use crate::domain::{BarSize, MarketTime, Symbol, Usd};
use crate::exchange;
use crate::strategy::Strategy;
use crate::tape::streamed::Streamed;
use crate::tape::{Series, Tape};
use data::{Data, DataError};
use engine::{Ended, Engine, Parts};
use observer::Observer;
use outcome::{Described, Outcome, Trade};
use stream::Streams;

/// What a backtest is told beside its bars.
#[derive(Debug, Clone)]
pub struct Setup {
    /// What the desk is told.
    pub plan: Plan,
    /// What kind of exchange.
    pub exchange: exchange::Config,
    /// Cash at the beginning, USD.
    pub cash: Usd,
    /// Seed of the ledger's id.
    pub seed: u64,
    /// Bars that end before this instant only warm the strategies.
    pub trade_from: MarketTime,
    /// Whether orders leave the book some time after they have ended, and fills with them: memory does
    /// not grow with the run then, and the book at its end tells of its latest orders only. The
    /// listener hears of all.
    pub forgets: bool,
    /// Whether prices and fills are kept for the report's charts.
    pub charts: bool,
    /// The run in words.
    pub described: Described,
    /// What has to be known before the results are read.
    pub warnings: Vec<String>,
}

/// Who hears of a run while it is played.
pub trait Listener {
    /// A fact was made.
    fn fact(&mut self, record: &Record);

    /// A round trip was closed.
    fn trade(&mut self, trade: &Trade) {
        let _ = trade;
    }

    /// An order of ours has ended, or the run has. By intent number, sessions apart.
    fn order(&mut self, order: &OrderRecord) {
        let _ = order;
    }
}

/// Nobody.
impl Listener for () {
    fn fact(&mut self, _record: &Record) {}
}

/// Whoever only wants the facts.
impl<F: FnMut(&Record)> Listener for F {
    fn fact(&mut self, record: &Record) {
        self(record);
    }
}

/// A backtest that has been played.
pub struct Played {
    /// What it has come to.
    pub outcome: Outcome,
    /// The desk with its book.
    pub desk: Desk,
    /// What strategies have failed at; among the outcome's warnings, too.
    pub faults: Vec<String>,
}

/// Plays the bars; the listener hears every fact as it is made.
pub fn run(
    setup: &Setup,
    data: &Data,
    strategies: BTreeMap<Symbol, Box<dyn Strategy>>,
    listener: &mut dyn Listener,
) -> Played {
    let began = Stopwatch::start();
    let start = data.series.values().filter_map(|bars| bars.first()).map(|bar| bar.time).min();
    let start = start.unwrap_or(MarketTime::MIN);
    let symbols: Vec<Symbol> = data.series.keys().cloned().collect();
    let finer = !data.inside.sizes.is_empty();
    let engine = engine(setup, data.size, &symbols, start, finer, strategies, listener);
    let series = engine.contracts().filter_map(|(symbol, contract)| {
        let bars = data.series.get(symbol)?.clone();
        Some(Series { contract, symbol: *symbol, bars })
    });
    let mut tape = Tape::new(series.collect::<Vec<_>>());
    let ended = engine.play(&mut tape);
    let mut played = played(setup, symbols, data.size, ended);
    played.outcome.inside = data.inside.sizes.clone();
    (played.outcome.load, played.outcome.run) = (data.load, began.elapsed());
    played
}

/// Plays bars while they are read. Reading counts as playing.
///
/// # Errors
/// What is wrong with the bars; nothing that was heard before is a result then.
pub fn run_streamed(
    setup: &Setup,
    streams: Streams,
    strategies: BTreeMap<Symbol, Box<dyn Strategy>>,
    listener: &mut dyn Listener,
) -> Result<Played, DataError> {
    let began = Stopwatch::start();
    let Streams { mut series, size, start, notes } = streams;
    let symbols: Vec<Symbol> = series.keys().cloned().collect();
    let engine = engine(setup, size, &symbols, start, false, strategies, listener);
    let bars: Vec<_> =
        engine.contracts().filter_map(|(symbol, contract)| Some((contract, series.remove(symbol)?))).collect();
    let ended = engine.play(&mut Streamed::new(bars));
    let warnings = notes.finish()?;
    let mut played = played(setup, symbols, size, ended);
    // Before what strategies have failed at.
    let known = setup.warnings.len();
    played.outcome.warnings.splice(known..known, warnings);
    played.outcome.run = began.elapsed();
    Ok(played)
}

fn engine<'a>(
    setup: &Setup,
    size: BarSize,
    symbols: &[Symbol],
    start: MarketTime,
    finer: bool,
    strategies: BTreeMap<Symbol, Box<dyn Strategy>>,
    listener: &'a mut dyn Listener,
) -> Engine<'a> {
    let trades_at_close = setup.exchange.trades_at_close;
    let plan = Plan { bar_size: size, trades_at_close, ..setup.plan.clone() };
    let observer = Observer::new(plan.calendar, setup.cash, setup.trade_from, symbols);
    let observer = if setup.charts { observer.with_charts() } else { observer };
    let parts = Parts {
        plan,
        exchange: setup.exchange.clone(),
        cash: setup.cash,
        seed: setup.seed,
        strategies,
        finer,
        trade_from: setup.trade_from,
        forgets: setup.forgets,
    };
    Engine::new(parts, start, observer, listener)
}

fn played(setup: &Setup, symbols: Vec<Symbol>, size: BarSize, ended: Ended) -> Played {
    let Ended { desk, broker, observer, faults } = ended;
    let seen = observer.seen();
    let book = desk.book();
    let final_equity = broker.account().map_or(setup.cash, |view| view.equity);
    let (realized, fees) = (book.realized(), book.fees());
    let outcome = Outcome {
        described: setup.described.clone(),
        warnings: setup.warnings.iter().chain(&faults).cloned().collect(),
        symbols,
        bar_size: size,
        inside: BTreeSet::new(),
        bars: seen.bars,
        span: seen.span,
        cash: setup.cash,
        final_equity,
        realized,
        // What the broker states goes by average cost: the book's own lots have realized the rest.
        unrealized: final_equity - setup.cash - realized + fees,
        fees,
        trades: seen.trades,
        open_positions: seen.open_positions,
        orders: book.counts().orders,
        fills: seen.fills,
        refusals: seen.refusals,
        ambiguous: broker.exchange().ambiguous(),
        equity: seen.equity,
        days: seen.days,
        running: seen.running,
        charts: seen.charts,
        load: Duration::ZERO,
        run: Duration::ZERO,
    };
    Played { outcome, desk, faults }
}
