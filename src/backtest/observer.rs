//! Watches a backtest and remembers what reports are made of. It decides nothing.

mod charting;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::outcome::{Chart, DayPoint, EquityPoint, ExitReason, Running, Trade};
use super::trades::Trades;
use crate::calendar::Calendar;
use crate::desk::Desk;
use crate::domain::book::{Disarm, Fact, Record, TargetFact};
use crate::domain::order::Role;
use crate::domain::{Ascending, Bar, ContractId, MarketTime, Price, Shares, Symbol, Usd};
use crate::exchange::Fill;
use charting::Charting;

/// Points of the equity curve that are kept; beyond twice as many, every other one goes.
const CURVE: usize = 4_000;

/// One side of a round trip.
#[derive(Debug, Clone, Default)]
struct Leg {
    /// Signed.
    shares: Shares,
    value: Usd,
    /// The price of its only fill; `None` of more.
    only: Option<Price>,
}

impl Leg {
    fn add(&mut self, shares: Shares, price: Price) {
        self.only = self.shares.is_zero().then_some(price);
        self.shares += shares;
        self.value += price * shares.abs();
    }

    /// USD a share.
    fn average(&self) -> Price {
        let count = || Decimal::from(self.shares.abs().0);
        let divided = || Price::of(self.value.decimal().checked_div(count()).unwrap_or_default());
        self.only.unwrap_or_else(divided).rounded(8).normalized()
    }
}

/// A round trip that is not over.
#[derive(Debug, Clone)]
struct Open {
    entry_time: MarketTime,
    entry: Leg,
    exit: Leg,
    fees: Usd,
    bars: u32,
}

/// One symbol as it is watched.
#[derive(Debug)]
struct Watched {
    symbol: Symbol,
    held: i64,
    close: f64,
    open: Option<Open>,
    /// Shares that the benchmark holds since the first open, and what they are marked at.
    benchmark: Option<f64>,
    marked: f64,
    /// Where charts are asked for.
    chart: Option<Charting>,
}

/// See the module.
#[derive(Debug)]
pub struct Observer {
    calendar: Calendar,
    /// What was before it only warmed the strategies.
    from: MarketTime,
    start: f64,
    cash: f64,
    watched: Vec<Watched>,
    /// Worth of all positions, signed and absolute, USD.
    worth: f64,
    exposure: f64,
    /// Symbols that are held.
    holding: usize,
    bars: u64,
    first_bar: Option<MarketTime>,
    last_end: MarketTime,
    trades: Trades,
    fills: u64,
    refusals: BTreeMap<String, u64>,
    curve: Vec<EquityPoint>,
    /// Instants from one point of the curve to the next, a power of two.
    curve_stride: u64,
    days: Vec<DayPoint>,
    day_ends: MarketTime,
    today: Option<chrono::NaiveDate>,
    running: Running,
    peak: f64,
    peak_at: Option<MarketTime>,
    /// Whether equity is below its highest.
    below: bool,
    last: Option<EquityPoint>,
    /// Equal parts of the cash in each symbol from its first open on; now, and at the last instant.
    benchmark: Option<f64>,
    last_benchmark: Option<f64>,
}

/// What was watched.
#[derive(Debug)]
pub struct Seen {
    /// See [`super::outcome::Outcome`].
    pub bars: u64,
    /// Likewise.
    pub span: Option<(MarketTime, MarketTime)>,
    /// Likewise.
    pub trades: Trades,
    /// Round trips that are not over.
    pub open_positions: u32,
    /// Likewise.
    pub fills: u64,
    /// Likewise.
    pub refusals: BTreeMap<String, u64>,
    /// Likewise.
    pub equity: Vec<EquityPoint>,
    /// Likewise.
    pub days: Vec<DayPoint>,
    /// Likewise.
    pub running: Running,
    /// Likewise.
    pub charts: Vec<Chart>,
}

impl Observer {
    /// Watches these symbols, in this order, from this instant and cash on.
    pub fn new<'a>(
        calendar: Calendar,
        cash: Usd,
        from: MarketTime,
        symbols: impl IntoIterator<Item = &'a Symbol>,
    ) -> Self {
        let watched = |symbol: &Symbol| Watched {
            symbol: *symbol,
            held: 0,
            close: 0.0,
            open: None,
            benchmark: None,
            marked: 0.0,
            chart: None,
        };
        Self {
            calendar,
            from,
            start: cash.to_f64(),
            cash: cash.to_f64(),
            watched: symbols.into_iter().map(watched).collect(),
            worth: 0.0,
            exposure: 0.0,
            holding: 0,
            bars: 0,
            first_bar: None,
            last_end: MarketTime::MIN,
            trades: Trades::default(),
            fills: 0,
            refusals: BTreeMap::new(),
            curve: Vec::new(),
            curve_stride: 1,
            days: Vec::new(),
            day_ends: MarketTime::MIN,
            today: None,
            running: Running::default(),
            peak: cash.to_f64(),
            peak_at: None,
            below: false,
            last: None,
            benchmark: None,
            last_benchmark: None,
        }
    }

    /// The same, with prices and fills kept for charts.
    pub fn with_charts(mut self) -> Self {
        for one in &mut self.watched {
            one.chart = Some(Charting::of(one.symbol));
        }
        self
    }

    /// A bar of the tape opened at this price.
    pub(super) fn open(&mut self, place: usize, at: MarketTime, price: f64) {
        if at < self.from {
            return;
        }
        let symbols = self.watched.len();
        let watched = &mut self.watched[place];
        if watched.benchmark.is_none() {
            let part = self.start / symbols as f64;
            (watched.benchmark, watched.marked) = (Some(part / price), price);
            self.benchmark.get_or_insert(self.start);
        }
    }

    /// A bar of the tape ended.
    pub(super) fn bar(&mut self, place: usize, bar: &Bar) {
        self.bars += 1;
        if bar.end < self.from {
            return;
        }
        self.last_end = bar.end;
        self.first_bar.get_or_insert(bar.time);
        let watched = &mut self.watched[place];
        if let (Some(shares), Some(benchmark)) = (watched.benchmark, &mut self.benchmark) {
            *benchmark += shares * (bar.close - watched.marked);
            watched.marked = bar.close;
        }
        if watched.held != 0 {
            let held = watched.held as f64;
            let moved = held * (bar.close - watched.close);
            self.worth += moved;
            self.exposure += moved * held.signum();
        }
        watched.close = bar.close;
    }

    /// A bar was decided on.
    pub(super) fn decided(&mut self, place: usize, bar: &Bar) {
        if bar.end < self.from {
            return;
        }
        let watched = &mut self.watched[place];
        if let Some(open) = &mut watched.open {
            open.bars += 1;
        }
        if let Some(chart) = &mut watched.chart {
            chart.bar(bar);
        }
    }

    /// Everything of an instant's ended bars has been seen.
    pub(super) fn instant(&mut self, at: MarketTime) {
        if at < self.from {
            return;
        }
        let point = EquityPoint { at, equity: self.cash + self.worth, exposure: self.exposure };
        if at > self.day_ends {
            self.close_day();
            // A session that ends at midnight belongs to the day before.
            let date = self.calendar.date_of(at - std::time::Duration::from_millis(1));
            self.today = Some(date);
            self.day_ends = Calendar::Always.nominal_session(date).close;
        }
        (self.last, self.last_benchmark) = (Some(point), self.benchmark);
        self.measure(point);
        if self.running.instants & (self.curve_stride - 1) == 0 {
            self.curve.push(point);
            if self.curve.len() >= 2 * CURVE {
                let mut index = 0;
                self.curve.retain(|_| {
                    index += 1;
                    index % 2 == 0
                });
                self.curve_stride *= 2;
            }
        }
    }

    fn measure(&mut self, point: EquityPoint) {
        let running = &mut self.running;
        running.instants += 1;
        if self.holding > 0 {
            running.exposed += 1;
            if point.equity > 0.0 {
                let leverage = point.exposure / point.equity;
                running.leverage_sum += leverage;
                if leverage > running.leverage_most {
                    running.leverage_most = leverage;
                }
            }
        }
        self.peak_at.get_or_insert(point.at);
        if point.equity >= self.peak {
            if std::mem::take(&mut self.below) {
                self.end_fall(point.at);
            }
            self.peak = point.equity;
            self.peak_at = Some(point.at);
            return;
        }
        self.below = true;
        let fall = self.peak - point.equity;
        if fall > running.drawdown_usd {
            running.drawdown_usd = fall;
        }
        // A product says already, to less than the quotient's rounding, that most falls are not the deepest.
        if self.peak > 0.0 && fall > running.drawdown * self.peak * (1.0 - 1e-9) {
            running.drawdown = running.drawdown.max(fall / self.peak);
        }
    }

    /// How long equity has been below its highest, up to this instant.
    fn end_fall(&mut self, at: MarketTime) {
        let seconds = at.since(self.peak_at.unwrap_or(at)).as_secs();
        self.running.drawdown_seconds = self.running.drawdown_seconds.max(seconds);
    }

    fn close_day(&mut self) {
        let (Some(date), Some(last)) = (self.today, self.last) else { return };
        // The sums are made anew, so that the rounding of many bars never adds up.
        self.worth = self.watched.iter().map(|one| one.held as f64 * one.close).sum();
        self.exposure = self.watched.iter().map(|one| (one.held as f64 * one.close).abs()).sum();
        // The bars of the instant that tells of the day's end belong to the next one.
        self.days.push(DayPoint { date, equity: last.equity, benchmark: self.last_benchmark });
    }

    pub(super) fn fact(&mut self, record: &Record) {
        let name = match &record.fact {
            Fact::Refused(refused) => refused.refusal.name(),
            Fact::Target(TargetFact::Disarmed { why: Disarm::Dropped }) => "dropped_after_close",
            _ => return,
        };
        *self.refusals.entry(name.to_owned()).or_default() += 1;
    }

    /// An order has traded, and the desk knows it. `ended` hears of the round trip that this ended, if it did.
    pub(super) fn fill(
        &mut self,
        places: &Ascending<ContractId, usize>,
        desk: &Desk,
        fill: &Fill,
        ended: impl FnOnce(&Trade),
    ) {
        let Some(place) = places.get(&fill.contract).copied() else { return };
        self.fills += 1;
        let value = (fill.price * fill.quantity).to_f64();
        self.running.traded += value;
        self.running.slippage += fill.friction.to_f64();
        let change = fill.side.signed(fill.quantity);
        self.cash -= fill.side.signed(Shares(1)).0 as f64 * value + fill.commission.to_f64();
        let watched = &mut self.watched[place];
        let before = watched.held;
        watched.held += change.0;
        if watched.close == 0.0 {
            watched.close = fill.price.to_f64();
        }
        let worth = |held: i64| held as f64 * watched.close;
        self.worth += worth(watched.held) - worth(before);
        self.exposure += worth(watched.held).abs() - worth(before).abs();
        self.holding = self.holding + usize::from(watched.held != 0) - usize::from(before != 0);
        if self.holding == 0 {
            // Nothing is worth nothing; sums of rounded numbers may say otherwise.
            (self.worth, self.exposure) = (0.0, 0.0);
        }
        if let Some(chart) = &mut watched.chart {
            chart.fill(fill);
        }
        if let Some(trade) = watched.trade(fill, before, || reason(desk, fill, before)) {
            ended(&trade);
            self.trades.push(trade);
        }
    }

    /// The last day and the chart's last bars are taken in.
    pub(super) fn finish(&mut self) {
        self.close_day();
        if let Some(last) = self.last.filter(|_| self.below) {
            self.end_fall(last.at);
        }
        if let Some(last) = self.last.filter(|last| self.curve.last().is_none_or(|kept| kept.at < last.at)) {
            self.curve.push(last);
        }
    }

    /// What was watched.
    pub fn seen(self) -> Seen {
        Seen {
            bars: self.bars,
            span: self.first_bar.map(|first| (first, self.last_end)),
            trades: self.trades,
            open_positions: u32::try_from(self.watched.iter().filter(|one| one.held != 0).count()).unwrap_or(u32::MAX),
            fills: self.fills,
            refusals: self.refusals,
            equity: self.curve,
            days: self.days,
            running: self.running,
            charts: self.watched.into_iter().filter_map(|one| Some(one.chart?.chart())).collect(),
        }
    }
}

impl Watched {
    /// Takes a fill in; the round trip that it ends, if it does.
    fn trade(&mut self, fill: &Fill, before: i64, reason: impl FnOnce() -> ExitReason) -> Option<Trade> {
        let change = fill.side.signed(fill.quantity).0;
        let closes = before != 0 && (before > 0) != (change > 0);
        if !closes {
            let open = self.open.get_or_insert(Open::at(fill.at));
            open.entry.add(Shares(change), fill.price);
            open.fees += fill.commission;
            return None;
        }
        let closing = Shares(before.abs().min(change.abs()));
        let beyond = fill.quantity - closing;
        let open = self.open.as_mut()?;
        open.exit.add(closing, fill.price);
        // What goes beyond flat belongs to the next round trip; the fill's fee goes where it ends one.
        open.fees += fill.commission;
        if before + change != 0 && beyond.is_zero() {
            return None;
        }
        let ended = self.open.take().map(|open| open.ended(&self.symbol, fill.at, reason()));
        if !beyond.is_zero() {
            let mut next = Open::at(fill.at);
            next.entry.add(fill.side.signed(beyond), fill.price);
            self.open = Some(next);
        }
        ended
    }
}

impl Open {
    fn at(entry_time: MarketTime) -> Self {
        Self { entry_time, entry: Leg::default(), exit: Leg::default(), fees: Usd::ZERO, bars: 0 }
    }

    fn ended(self, symbol: &Symbol, at: MarketTime, reason: ExitReason) -> Trade {
        let gain = self.exit.value - self.entry.value;
        let gain = if self.entry.shares.0 >= 0 { gain } else { -gain };
        Trade {
            symbol: *symbol,
            entry_time: self.entry_time,
            entry_price: self.entry.average(),
            exit_time: at,
            exit_price: self.exit.average(),
            quantity: self.entry.shares,
            pnl: gain - self.fees,
            fees: self.fees,
            reason,
            bars: self.bars,
        }
    }
}

/// Why a fill closes what was held.
fn reason(desk: &Desk, fill: &Fill, before: i64) -> ExitReason {
    let book = desk.book();
    let order = book.find("", fill.perm_id, Some(fill.key.order_id)).and_then(|intent| book.order(intent));
    let Some(order) = order else { return ExitReason::Signal };
    match order.ticket.role {
        Role::Stop => ExitReason::Stop,
        Role::Target => ExitReason::Target,
        Role::Entry | Role::Exit => {
            let target = order.strategy.as_deref().and_then(|strategy| book.target(fill.contract, strategy));
            // An exit although the strategy still wants what was held came from elsewhere.
            let wanted = target.is_some_and(|target| target.size.0.signum() == before.signum());
            match target.and_then(|target| target.disarmed.as_ref()) {
                Some(Disarm::Timed) => ExitReason::Time,
                Some(_) | None if wanted => ExitReason::Flattened,
                Some(_) | None => ExitReason::Signal,
            }
        }
    }
}
