//! A symbol's track: its strategy and the bars it has seen. It lives as long as the process;
//! sessions come and go.

use std::sync::Arc;

use chrono::NaiveDate;

use crate::calendar::Calendar;
use crate::desk::Event;
use crate::domain::{Bar, ContractId, MarketTime, Symbol};
use crate::strategy::{Gauges, Heard, Running, Strategy};

use super::closing::Closing;
use super::pulse::Again;

/// Somebody who looks at every closed bar, and never waits.
pub type Viewer = Arc<dyn Fn(&Symbol, &[Bar]) + Send + Sync>;

/// A symbol's strategy with its place in the series of bars.
pub struct Track {
    /// The symbol.
    pub symbol: Symbol,
    running: Running,
    /// Which bars are closed.
    pub closing: Closing,
    /// When it was last subscribed anew for being silent.
    pub again: Again,
    /// Its subscription was given up as silent: what the next one brings tells whether it was.
    suspected: bool,
    /// Subscriptions that failed or were silent, in a row.
    failures: u32,
    /// Whether the book held a target of this symbol before this process saw its first bar: then
    /// the newest bar of the first history counts as one that was missed, not as warm-up.
    resumes: bool,
    /// Whether its strategy's giving up was told.
    fault_told: bool,
    viewer: Option<Viewer>,
}

impl Track {
    /// A strategy that has seen nothing.
    pub fn new(symbol: Symbol, strategy: Box<dyn Strategy>, resumes: bool) -> Self {
        Self {
            symbol,
            running: Running::new(strategy),
            closing: Closing::default(),
            again: Again::default(),
            suspected: false,
            failures: 0,
            resumes,
            fault_told: false,
            viewer: None,
        }
    }

    /// Every closed bar is shown there, too, from now on.
    pub fn show_to(&mut self, viewer: Viewer) {
        self.viewer = Some(viewer);
    }

    fn shown(&self, bars: &[Bar]) {
        if let Some(viewer) = &self.viewer {
            viewer(&self.symbol, bars);
        }
    }

    /// Why its strategy has given up: once, after it has.
    pub fn new_fault(&mut self) -> Option<String> {
        let fault = self.running.fault().filter(|_| !self.fault_told)?.to_owned();
        self.fault_told = true;
        Some(fault)
    }

    /// Its subscription is given up as silent.
    pub fn suspect(&mut self) {
        self.suspected = true;
    }

    /// A new subscription brought so many closed bars: some that were missed prove a suspected
    /// silence (a stock that nobody trades has none). The failures in a row, where it is proven.
    pub fn was_silent(&mut self, missed: usize) -> Option<u32> {
        let silent = std::mem::take(&mut self.suspected) && missed > 0;
        silent.then(|| self.failed())
    }

    /// Its subscription failed. The failures in a row.
    pub fn failed(&mut self) -> u32 {
        self.failures += 1;
        self.failures
    }

    /// A bar came live: whatever was wrong is over. The failures in a row before it.
    pub fn flows(&mut self) -> u32 {
        std::mem::take(&mut self.failures)
    }

    /// Bars that the strategy needs before it can have an opinion.
    pub fn warm_up(&self) -> usize {
        self.running.warm_up()
    }

    /// Closed bars that the strategy has seen.
    pub fn seen(&self) -> usize {
        self.running.seen()
    }

    /// Open instant of the last closed bar.
    pub fn last(&self) -> Option<MarketTime> {
        self.closing.last()
    }

    /// Shows a live closed bar to the strategy.
    pub fn live(&mut self, contract: ContractId, bar: Bar, newest: bool) -> Event {
        self.shown(&[bar]);
        let Heard { target, gauges } = self.running.show(&bar);
        Event::Bar { contract, bar, target, gauges, newest }
    }

    /// The exchange day of `bars`' last one, and the close of the last bar before that day, USD a
    /// share: what the day's loss is measured from (rule 21). `None` where they do not reach back so far.
    pub fn prior_close(calendar: Calendar, bars: &[Bar]) -> Option<(NaiveDate, f64)> {
        let today = calendar.date_of(bars.last()?.time);
        let before = bars.iter().rev().find(|bar| calendar.date_of(bar.time) < today);
        before.map(|bar| (today, bar.close))
    }

    /// Shows the closed bars of a history answer. At first they warm the strategy, and none may
    /// trade (unless `resumes`: then the newest may); later they were missed, and only the newest
    /// may trade.
    pub fn history(&mut self, contract: ContractId, bars: &[Bar]) -> Vec<Event> {
        let first = self.seen() == 0;
        let live_from = match (first, self.resumes) {
            (true, false) => bars.len(),
            (true, true) => bars.len().saturating_sub(1),
            (false, _) => 0,
        };
        let (warming, missed) = bars.split_at(live_from);
        self.shown(warming);
        let mut events = Vec::new();
        let (mut opinion, mut latest) = (None, Gauges::default());
        for bar in warming {
            let Heard { target, gauges } = self.running.show(bar);
            opinion = target.map(|target| (bar.end, target)).or(opinion);
            latest.take_in(gauges);
        }
        if let Some(bar) = warming.last() {
            events.push(Event::Warmed { contract, opinion, bar: *bar, gauges: latest });
        }
        for (index, bar) in missed.iter().enumerate() {
            events.push(self.live(contract, *bar, index + 1 == missed.len()));
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::strategy::Target;

    struct Says(Vec<Option<Target>>);

    impl Strategy for Says {
        fn warm_up(&self) -> usize {
            1
        }
        fn on_bar(&mut self, _: &Bar) -> Option<Target> {
            self.0.remove(0)
        }
    }

    fn bars(minutes: std::ops::Range<i64>) -> Vec<Bar> {
        let bar = |minute: i64| {
            let time = MarketTime::from_secs(minute * 60);
            let end = time + Duration::from_secs(60);
            Bar { time, end, open: 1.0, high: 1.0, low: 1.0, close: 1.0, volume: None }
        };
        minutes.map(bar).collect()
    }

    fn shape(events: &[Event]) -> Vec<&'static str> {
        let word = |event: &Event| match event {
            Event::Warmed { opinion: None, .. } => "warmed",
            Event::Warmed { opinion: Some(_), .. } => "warmed with an opinion",
            Event::Bar { newest: true, .. } => "newest",
            Event::Bar { newest: false, .. } => "missed",
            _ => "other",
        };
        events.iter().map(word).collect()
    }

    #[test]
    fn the_prior_close_is_the_last_of_the_day_before() {
        // A bar every minute from two minutes before midnight in New York, 04:00 UTC in June.
        let midnight = 1_780_632_000 / 60;
        let mut seen = bars(midnight - 2..midnight + 2);
        for (close, bar) in [1.0, 2.0, 3.0, 4.0].into_iter().zip(&mut seen) {
            bar.close = close;
        }
        let today = NaiveDate::from_ymd_opt(2026, 6, 5);
        assert_eq!(Track::prior_close(Calendar::Xnys, &seen), today.map(|today| (today, 2.0)));
        assert_eq!(Track::prior_close(Calendar::Xnys, &seen[2..]), None);
    }

    #[test]
    fn a_first_history_only_warms_and_a_later_one_catches_up() {
        let says = Says(vec![Some(Target::LONG), None, None, None, None]);
        let mut track = Track::new("AAPL".parse().unwrap(), Box::new(says), false);
        assert_eq!(shape(&track.history(ContractId(1), &bars(0..3))), ["warmed with an opinion"]);
        assert_eq!(shape(&track.history(ContractId(1), &bars(3..5))), ["missed", "newest"]);
    }

    struct GivesUp(bool);

    impl Strategy for GivesUp {
        fn warm_up(&self) -> usize {
            1
        }
        fn on_bar(&mut self, _: &Bar) -> Option<Target> {
            self.0 = true;
            None
        }
        fn fault(&self) -> Option<&str> {
            self.0.then_some("my.rhai line 3, column 1: no")
        }
    }

    #[test]
    fn a_strategy_that_gives_up_is_told_once() {
        let mut track = Track::new("AAPL".parse().unwrap(), Box::new(GivesUp(false)), false);
        assert_eq!(track.new_fault(), None);
        track.history(ContractId(1), &bars(0..3));
        assert_eq!(track.new_fault().as_deref(), Some("my.rhai line 3, column 1: no"));
        track.live(ContractId(1), bars(3..4)[0], true);
        assert_eq!(track.new_fault(), None);
    }

    #[test]
    fn a_resumed_symbol_may_trade_on_the_newest_bar_of_its_history() {
        let says = Says(vec![None, None, Some(Target::LONG)]);
        let mut track = Track::new("AAPL".parse().unwrap(), Box::new(says), true);
        assert_eq!(shape(&track.history(ContractId(1), &bars(0..3))), ["warmed", "newest"]);
    }
}
