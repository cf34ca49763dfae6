//! What stands on the board: bounded, and shared piece by piece.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Snapshot;
use super::positions::{AccountView, PositionView};
use super::views::{BarView, EquityView, FillView, LinkView, OrderView, RefusalView, SignalView, StepView};
use crate::domain::book::OrderRecord;
use crate::domain::{MarketTime, Symbol};
use crate::runner::view::{IncidentView, LockView};

/// Orders and fills kept; live orders are kept beside them.
pub(super) const ORDERS: usize = 2_000;
/// Ended orders, fills, refusals and incidents that the feed's snapshot begins with, of each: it goes to every client
/// that comes, in one message, which many of them do not take beyond 1 MiB.
const SHOWN: usize = 200;
/// Steps of the lives of ended orders in it.
const STEPS_SHOWN: usize = 2_000;
/// Signals, refusals and incidents kept, of each.
const NOTES: usize = 1_000;
/// Bars kept of a symbol.
const BARS: usize = 2_000;
/// Points of the equity curve; beyond them every second one goes.
const POINTS: usize = 4_000;
/// Steps of an order's life kept.
pub(super) const STEPS: usize = 60;

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) orders: BTreeMap<u64, Arc<OrderView>>,
    pub(super) fills: VecDeque<Arc<FillView>>,
    /// The number of each of them by what its corrections keep of its id, counted from the first there ever was:
    /// looking through them all took most of a journal's replay.
    fill_numbers: BTreeMap<Box<str>, usize>,
    /// Fills that are kept no more.
    fills_gone: usize,
    pub(super) signals: VecDeque<Arc<SignalView>>,
    targets: BTreeMap<Symbol, Arc<SignalView>>,
    pub(super) refusals: VecDeque<Arc<RefusalView>>,
    pub(super) refused: BTreeMap<&'static str, u64>,
    pub(super) incidents: VecDeque<Arc<IncidentView>>,
    pub(super) curve: Vec<EquityView>,
    /// How many looks make a point, doubled whenever the curve is thinned.
    stride: u32,
    pub(super) bars: BTreeMap<Symbol, VecDeque<BarView>>,
    pub(super) positions: BTreeMap<Symbol, Arc<PositionView>>,
    pub(super) locks: Arc<Vec<LockView>>,
    pub(super) account: Option<Arc<AccountView>>,
    pub(super) accounted_at: Option<Instant>,
    /// The newest market time, and when it came.
    pub(super) market: Option<(MarketTime, Instant)>,
    pub(super) link: Option<Arc<LinkView>>,
}

/// What a bar changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    /// It is the newest.
    Newest,
    /// It stands where another one stood.
    Instead,
    /// Nothing: it was known, or is too old.
    ForNothing,
}

fn push<T>(ring: &mut VecDeque<Arc<T>>, at_most: usize, value: T) -> Arc<T> {
    if ring.len() == at_most {
        ring.pop_front();
    }
    let shared = Arc::new(value);
    ring.push_back(Arc::clone(&shared));
    shared
}

/// The part of an execution's id that a correction keeps.
fn stem(execution: &str) -> &str {
    execution.rsplit_once('.').map_or(execution, |(stem, _)| stem)
}

/// Leaves the newest so many.
fn newest<T>(list: &mut Option<Vec<T>>, at_most: usize) {
    if let Some(list) = list {
        list.drain(..list.len().saturating_sub(at_most));
    }
}

impl Snapshot {
    /// Leaves what a client begins with: every live order, the newest of those that have ended (fewer where their lives
    /// are long), and of each other list the newest. The API's lists tell the rest.
    pub fn shorten(&mut self) {
        let (mut ended, mut steps) = (0, 0);
        let is_shown = |order: &Arc<OrderView>| {
            if order.is_live {
                return true;
            }
            ended += 1;
            steps += order.life.len();
            ended <= SHOWN && steps <= STEPS_SHOWN
        };
        if let Some(all) = &mut self.orders {
            let mut orders: Vec<_> = all.drain(..).rev().filter(is_shown).collect();
            orders.reverse();
            *all = orders;
        }
        newest(&mut self.fills, SHOWN);
        newest(&mut self.refusals, SHOWN);
        newest(&mut self.incidents, SHOWN);
    }
}

impl State {
    /// An order's life moves on.
    pub(super) fn step(&mut self, order: &OrderRecord, step: StepView) -> Arc<OrderView> {
        let intent = order.ticket.order_ref.intent;
        let mut life = self.orders.get(&intent).map(|known| known.life.clone()).unwrap_or_default();
        if life.len() < STEPS {
            life.push(step);
        }
        let view = Arc::new(OrderView::of(order, life));
        self.orders.insert(intent, Arc::clone(&view));
        if self.orders.len() > ORDERS
            && let Some(oldest) = self.orders.iter().find(|(_, order)| !order.is_live).map(|(intent, _)| *intent)
        {
            self.orders.remove(&oldest);
        }
        view
    }

    /// An execution, or what has become known of it: a correction replaces the former report.
    pub(super) fn fill(&mut self, fill: FillView) -> Arc<FillView> {
        let known = self.fill_numbers.get(stem(&fill.execution)).and_then(|number| number.checked_sub(self.fills_gone));
        if let Some(place) = known.and_then(|place| self.fills.get_mut(place)) {
            *place = Arc::new(fill);
            return Arc::clone(place);
        }
        if self.fills.len() == ORDERS
            && let Some(oldest) = self.fills.pop_front()
        {
            self.fill_numbers.remove(stem(&oldest.execution));
            self.fills_gone += 1;
        }
        self.fill_numbers.insert(stem(&fill.execution).into(), self.fills_gone + self.fills.len());
        push(&mut self.fills, ORDERS, fill)
    }

    pub(super) fn signal(&mut self, signal: SignalView) -> Arc<SignalView> {
        let shared = push(&mut self.signals, NOTES, signal);
        if let Some(symbol) = &shared.symbol {
            self.targets.insert(*symbol, Arc::clone(&shared));
        }
        shared
    }

    pub(super) fn refusal(&mut self, refusal: RefusalView) -> Arc<RefusalView> {
        *self.refused.entry(refusal.name).or_default() += 1;
        push(&mut self.refusals, NOTES, refusal)
    }

    pub(super) fn incident(&mut self, incident: IncidentView) -> Arc<IncidentView> {
        push(&mut self.incidents, NOTES, incident)
    }

    /// Adds a point to the equity curve; the last one stays the newest.
    pub(super) fn equity(&mut self, point: EquityView) {
        if self.curve.last().is_some_and(|last| last.at >= point.at) {
            return;
        }
        if self.curve.len() == POINTS {
            let mut index = 0;
            self.curve.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            self.stride = self.stride.max(1).saturating_mul(2);
        }
        self.curve.push(point);
    }

    /// The same once in so long, longer the longer the curve already reaches.
    pub(super) fn equity_every(&mut self, point: EquityView, every: Duration) {
        let every = every.saturating_mul(self.stride.max(1));
        if self.curve.last().is_none_or(|last| point.at.since(last.at) >= every) {
            self.equity(point);
        }
    }

    /// Adds a bar; one that is known already is replaced in its place.
    pub(super) fn bar(&mut self, symbol: &Symbol, bar: BarView) -> Came {
        let bars = self.bars.entry(*symbol).or_default();
        if bars.back().is_none_or(|last| last.time_ms < bar.time_ms) {
            if bars.len() == BARS {
                bars.pop_front();
            }
            bars.push_back(bar);
            return Came::Newest;
        }
        match bars.binary_search_by_key(&bar.time_ms, |known| known.time_ms) {
            Ok(place) if bars[place] != bar => {
                bars[place] = bar;
                Came::Instead
            }
            Ok(_) | Err(_) => Came::ForNothing,
        }
    }

    /// Has what the other one has of targets, refusals, incidents and equity.
    pub(super) fn take_notes(&mut self, from: Self) {
        (self.signals, self.targets) = (from.signals, from.targets);
        (self.refusals, self.refused, self.incidents) = (from.refusals, from.refused, from.incidents);
        (self.curve, self.stride) = (from.curve, from.stride);
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        // With the first account everything of its ledger is here.
        let is_open = self.account.is_some();
        Snapshot {
            connection: self.link.clone(),
            account: self.account.clone(),
            positions: is_open.then(|| self.positions.values().cloned().collect()),
            locks: is_open.then(|| Arc::clone(&self.locks)),
            orders: is_open.then(|| self.orders.values().cloned().collect()),
            fills: is_open.then(|| self.fills.iter().cloned().collect()),
            targets: is_open.then(|| self.targets.values().cloned().collect()),
            refusals: is_open.then(|| self.refusals.iter().cloned().collect()),
            incidents: is_open.then(|| self.incidents.iter().cloned().collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{MarketTime, Usd};

    fn bar(time_ms: i64, close_usd: f64) -> BarView {
        BarView {
            time_ms,
            end_ms: time_ms + 1,
            open_usd: 1.0,
            high_usd: 2.0,
            low_usd: 1.0,
            close_usd,
            volume_shares: None,
        }
    }

    #[test]
    fn bars_are_bounded_and_a_known_one_is_replaced() {
        let (mut state, symbol) = (State::default(), "AAPL".parse().unwrap());
        for time in 0..i64::try_from(BARS).unwrap() + 5 {
            assert_eq!(state.bar(&symbol, bar(time, 1.0)), Came::Newest);
        }
        assert_eq!(state.bar(&symbol, bar(10, 1.5)), Came::Instead);
        assert_eq!(state.bar(&symbol, bar(10, 1.5)), Came::ForNothing, "it is known");
        assert_eq!(state.bar(&symbol, bar(1, 1.5)), Came::ForNothing, "it is older than what is kept");
        let bars = &state.bars[&symbol];
        assert_eq!((bars.len(), bars[0].time_ms, bars[5].close_usd), (BARS, 5, 1.5));
    }

    fn order(intent: u64, is_live: bool, steps: usize) -> OrderView {
        let step = StepView {
            at: MarketTime::from_secs(1_800_000_000),
            what: "submitted",
            note: "100 at 123.45 USD, what the broker said".to_owned(),
        };
        OrderView {
            intent,
            order_ref: format!("rt-k3x9-{intent}"),
            order_id: 1_000_000,
            perm_id: Some(1_234_567_890),
            symbol: Some("AAPL".parse().unwrap()),
            strategy: Some("bollinger-reversion".into()),
            role: "entry",
            side: "BUY",
            order_type: "MKT",
            tif: "DAY",
            quantity_shares: crate::domain::Shares(100),
            filled_shares: crate::domain::Shares(100),
            limit_usd: None,
            trigger_usd: None,
            trail_pct: None,
            state: if is_live { "working" } else { "filled" },
            is_live,
            at: step.at,
            reference_usd: crate::domain::Price::of(123.into()),
            note: step.note.clone(),
            life: vec![step; steps],
        }
    }

    fn fill(number: u64, revision: u64) -> FillView {
        FillView {
            execution: format!("0000e0d5.6740a1b2.{number}.0{revision}"),
            at: MarketTime::from_secs(1_800_000_000),
            symbol: "AAPL".parse().unwrap(),
            side: "BUY",
            quantity_shares: crate::domain::Shares(100),
            price_usd: crate::domain::Price::of(123.into()),
            commission_usd: Some(Usd::of(1.into())),
            intent: number,
            role: Some("entry"),
        }
    }

    #[test]
    fn a_correction_takes_the_place_of_its_fill_wherever_that_stands_now() {
        let mut state = State::default();
        let all = ORDERS as u64 + 10;
        for number in 0..all {
            state.fill(fill(number, 1));
        }
        assert_eq!((state.fills.len(), state.fills[0].intent), (ORDERS, 10), "the oldest have gone");
        for number in [10, 11, all - 1] {
            assert_eq!(state.fill(fill(number, 2)).execution, fill(number, 2).execution);
        }
        let revised = |number: u64| state.fills.iter().filter(|known| known.intent == number).collect::<Vec<_>>();
        for number in [10, 11, all - 1] {
            assert_eq!(
                revised(number).iter().map(|fill| fill.execution.as_str()).collect::<Vec<_>>(),
                [fill(number, 2).execution]
            );
        }
        assert_eq!((state.fills.len(), state.fill_numbers.len()), (ORDERS, ORDERS));
        // Of one that is kept no more it is the newest.
        state.fill(fill(3, 2));
        assert_eq!(state.fills.back().map(|fill| fill.intent), Some(3));
        assert_eq!((state.fills.len(), state.fill_numbers.len()), (ORDERS, ORDERS));
    }

    fn account() -> AccountView {
        AccountView {
            market_time: MarketTime::from_secs(1_800_000_000),
            account: None,
            ready: true,
            mode: crate::desk::Mode::Paper,
            bar_s: 60,
            equity_usd: None,
            cash_usd: None,
            realized_usd: Usd::of(0.into()),
            unrealized_usd: None,
            fees_usd: Usd::of(0.into()),
            day_pnl_usd: None,
            exposure_usd: None,
            peak_usd: None,
            drawdown: None,
            counts: Default::default(),
            working_orders: 0,
            unknown_orders: 0,
            broker_cash_usd: None,
            limits: Vec::new(),
        }
    }

    #[test]
    fn a_snapshot_of_all_that_is_kept_fits_into_a_message_and_no_live_order_is_missing_in_it() {
        for steps in [5, STEPS] {
            let mut state = State::default();
            for intent in 0..ORDERS as u64 {
                state.orders.insert(intent, Arc::new(order(intent, intent % 200 == 0, steps)));
                state.fill(fill(intent, 1));
            }
            assert!(state.snapshot().orders.is_none(), "nothing is known before there is an account");
            let lists = |all: &Snapshot| (all.orders.clone().unwrap(), all.fills.clone().unwrap());
            state.account = Some(Arc::new(account()));
            let mut shown = state.snapshot();
            let (all_orders, all_fills) = lists(&shown);
            shown.shorten();
            let (orders, fills) = lists(&shown);
            let bytes = serde_json::to_string(&shown).unwrap().len();
            assert!(bytes < 1 << 19, "{bytes} bytes, and positions and notes come beside them");
            assert_eq!((all_orders.len(), all_fills.len()), (ORDERS, ORDERS), "the API's lists have everything");
            let live = |orders: &[Arc<OrderView>]| orders.iter().filter(|order| order.is_live).count();
            assert_eq!((live(&all_orders), live(&orders)), (ORDERS / 200, ORDERS / 200));
            assert_eq!(orders.last(), all_orders.last(), "the newest ones, in their order");
            assert!(orders.windows(2).all(|pair| pair[0].intent < pair[1].intent));
            let ended = if steps == STEPS { STEPS_SHOWN / STEPS } else { SHOWN };
            assert_eq!((orders.len(), fills.len()), (ended + ORDERS / 200, SHOWN));
        }
    }

    #[test]
    fn a_long_equity_curve_is_thinned_and_never_longer_than_its_bound() {
        let mut state = State::default();
        for second in 0..20_000 {
            let at = MarketTime::from_secs(second);
            let point = EquityView { at, equity_usd: Usd::of(second.into()), peak_usd: None, source: "measured" };
            state.equity_every(point, Duration::from_secs(1));
        }
        assert!((POINTS / 2..=POINTS).contains(&state.curve.len()), "{}", state.curve.len());
        assert_eq!(state.curve[0].at, MarketTime::from_secs(0));
        assert!(state.curve.windows(2).all(|pair| pair[0].at < pair[1].at));
    }
}
