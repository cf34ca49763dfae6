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
pub mod summary_text;
pub mod sweep;

use std::collections::BTreeMap;

use crate::clock::Stopwatch;
use crate::desk::{Desk, Plan};
use crate::domain::book::{OrderRecord, Record};
use crate::domain::{MarketTime, Symbol, Usd};
use crate::exchange;
use crate::strategy::Strategy;
use crate::tape::{Series, Tape};
use data::Data;
use engine::{Ended, Engine, Parts};
use observer::Observer;
use outcome::{Described, Outcome};

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
    /// Whether orders leave the book once they have ended and their session is over, and fills with
    /// them: memory does not grow with the run then, and the book at its end tells of the last
    /// session's orders only. The listener hears of all.
    pub forgets: bool,
    /// The run in words.
    pub described: Described,
    /// What has to be known before the results are read.
    pub warnings: Vec<String>,
}

/// Who hears of a run while it is played.
pub trait Listener {
    /// A fact was made.
    fn fact(&mut self, record: &Record);

    /// An order of ours has ended, or the run has. In order of their ends, sessions apart.
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
    let trades_at_close = setup.exchange.trades_at_close;
    let plan = Plan { bar_size: data.size, trades_at_close, ..setup.plan.clone() };
    let observer = Observer::new(plan.calendar, setup.cash, setup.trade_from, data.series.keys());
    let parts = Parts {
        plan,
        exchange: setup.exchange.clone(),
        cash: setup.cash,
        seed: setup.seed,
        strategies,
        finer: !data.inside.sizes.is_empty(),
        trade_from: setup.trade_from,
        forgets: setup.forgets,
    };
    let engine = Engine::new(parts, start, observer, listener);
    let series = engine.contracts().filter_map(|(symbol, contract)| {
        let bars = data.series.get(symbol)?.clone();
        Some(Series { contract, symbol: symbol.clone(), bars })
    });
    let mut tape = Tape::new(series.collect::<Vec<_>>());
    let Ended { desk, broker, observer, faults } = engine.play(&mut tape);
    let run = began.elapsed();
    let seen = observer.seen();
    let book = desk.book();
    let final_equity = broker.account().map_or(setup.cash, |view| view.equity);
    let (realized, fees) = (book.realized(), book.fees());
    let outcome = Outcome {
        described: setup.described.clone(),
        warnings: setup.warnings.iter().cloned().chain(faults).collect(),
        symbols: data.series.keys().cloned().collect(),
        bar_size: data.size,
        inside: data.inside.sizes.clone(),
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
        load: data.load,
        run,
    };
    Played { outcome, desk }
}
