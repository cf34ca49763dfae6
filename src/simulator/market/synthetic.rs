//! A market of seeded random walks: any symbol, any instant, in any order of asking.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{Days, NaiveDate};

use super::SyntheticConfig;
use super::walk::{Character, Packed, STEP_SECS};
use crate::calendar::Calendar;
use crate::domain::{Bar, BarSize, ContractId, MarketTime, Symbol, Window};
use crate::tape::{Step, aggregate};

/// Length of a bar.
const STEP: Duration = Duration::from_secs(STEP_SECS as u64);

/// Days of bars that are kept at least: a day of a market that never closes takes 345 kB.
const KEPT_BLOCKS: usize = 128;
/// Days that are kept of each symbol, where that is more: today's is looked at with every step of the tape, and a
/// history reaches into the day before. With fewer, every step would make the day's bars of every symbol anew.
const KEPT_DAYS: usize = 2;

/// Longest closure that is looked past.
const LOOK_DAYS: u64 = 14;

/// One session's bars.
#[derive(Debug)]
struct Block {
    session: Window,
    bars: Vec<Packed>,
}

/// What was made already: it can always be made again.
#[derive(Debug, Default)]
struct Cache {
    blocks: BTreeMap<(ContractId, NaiveDate), Arc<Block>>,
    /// Keys of the blocks, oldest first.
    ages: std::collections::VecDeque<(ContractId, NaiveDate)>,
    days: BTreeMap<(ContractId, NaiveDate), Bar>,
}

/// The market's prices and its tape.
#[derive(Debug)]
pub(super) struct Synthetic {
    config: SyntheticConfig,
    symbols: BTreeMap<ContractId, Character>,
    active: BTreeSet<(Symbol, ContractId)>,
    /// Contracts whose bar is open on the tape.
    opened: BTreeSet<ContractId>,
    cache: Mutex<Cache>,
}

impl Synthetic {
    pub(super) fn new(config: SyntheticConfig) -> Self {
        let (symbols, active, opened) = Default::default();
        Self { config, symbols, active, opened, cache: Mutex::default() }
    }

    pub(super) fn calendar(&self) -> Calendar {
        if self.config.always_open { Calendar::Always } else { Calendar::Xnys }
    }

    /// Makes a symbol known.
    pub(super) fn know(&mut self, id: ContractId, symbol: &Symbol) {
        self.symbols.entry(id).or_insert_with(|| Character::of(self.config.seed, symbol.as_str()));
    }

    pub(super) fn activate(&mut self, id: ContractId, symbol: Symbol) {
        self.active.insert((symbol, id));
    }

    /// The next instant after `clock` at which a bar of the tape ends or opens.
    pub(super) fn next_instant(&self, clock: MarketTime) -> Option<MarketTime> {
        if self.active.is_empty() {
            return None;
        }
        let calendar = self.calendar();
        let first = calendar.date_of(clock);
        let dates = (0..=LOOK_DAYS).filter_map(|ahead| first.checked_add_days(Days::new(ahead)));
        let sessions = dates.filter_map(|date| calendar.session(date));
        let mut next = sessions.filter(|session| clock < session.close);
        next.next().map(|session| if clock < session.open { session.open } else { floor(clock) + STEP })
    }

    /// What happens at an instant that [`Self::next_instant`] named.
    pub(super) fn steps(&mut self, at: MarketTime) -> Vec<Step> {
        let mut steps = Vec::with_capacity(self.active.len() * 2);
        for (_, contract) in &self.active {
            if self.opened.remove(contract)
                && let Some(bar) = self.base_bar(*contract, at - Duration::from_millis(1))
            {
                steps.push(Step::End { contract: *contract, bar });
            }
        }
        for (_, contract) in &self.active {
            if let Some(bar) = self.base_bar(*contract, at) {
                self.opened.insert(*contract);
                steps.push(Step::Open { contract: *contract, at, price: bar.open });
            }
        }
        steps
    }

    /// The five seconds that contain `at`, if the market is open then.
    pub(super) fn base_bar(&self, contract: ContractId, at: MarketTime) -> Option<Bar> {
        let block = self.block(contract, self.calendar().date_of(at))?;
        if at < block.session.open || at >= block.session.close {
            return None;
        }
        let index = at.since(block.session.open).as_secs() / u64::from(STEP_SECS);
        block.bar(usize::try_from(index).ok()?)
    }

    /// Bars that had ended by `to`, of a size up to a day or longer, with the one being formed
    /// then as far as `forming` says.
    pub(super) fn bars(
        &self,
        contract: ContractId,
        size: BarSize,
        from: MarketTime,
        to: MarketTime,
        forming: Option<Bar>,
    ) -> Vec<Bar> {
        let calendar = self.calendar();
        let reach = self.config.start - self.config.history;
        let from = from.max(reach);
        if from >= to {
            return Vec::new();
        }
        let (first, last) = (calendar.date_of(from), calendar.date_of(to));
        let dates = first.iter_days().take_while(|date| *date <= last);
        let mut base: Vec<Bar> = Vec::new();
        for date in dates {
            let Some(session) = calendar.session(date) else { continue };
            // A whole day needs no look at its seconds, unless they are what is asked for.
            if !size.is_intraday() && session.close <= to && session.open >= reach {
                base.extend(self.whole_day(contract, date));
            } else if let Some(block) = self.block(contract, date) {
                base.extend(block.between(from, to));
            }
        }
        base.extend(forming);
        if size == BarSize::Secs5 {
            return base;
        }
        aggregate(base, calendar, size).filter(|bar| bar.time >= from).collect()
    }

    /// The last bar that had ended by `at`.
    pub(super) fn last_bar(&self, contract: ContractId, at: MarketTime) -> Option<Bar> {
        let today = self.calendar().date_of(at);
        let dates = (0..=LOOK_DAYS).filter_map(|back| today.checked_sub_days(Days::new(back)));
        dates
            .filter_map(|date| self.block(contract, date))
            .find_map(|block| block.between(MarketTime::MIN, at).next_back())
    }

    fn whole_day(&self, contract: ContractId, date: NaiveDate) -> Option<Bar> {
        let known = self.cache().days.get(&(contract, date)).copied();
        if known.is_some() {
            return known;
        }
        let block = self.block(contract, date)?;
        let mut bars = block.between(MarketTime::MIN, MarketTime::MAX);
        let first = bars.next()?;
        let mut day = bars.fold(first, |mut day, bar| {
            day.absorb(&bar);
            day
        });
        day.end = block.session.close;
        self.cache().days.insert((contract, date), day);
        Some(day)
    }

    fn block(&self, contract: ContractId, date: NaiveDate) -> Option<Arc<Block>> {
        let key = (contract, date);
        if let Some(block) = self.cache().blocks.get(&key) {
            return Some(Arc::clone(block));
        }
        let calendar = self.calendar();
        let character = self.symbols.get(&contract)?;
        let session = calendar.session(date)?;
        let previous = previous_session(calendar, date);
        let count = session.close.since(session.open).as_secs() / u64::from(STEP_SECS);
        let bars = character.day(date, previous, usize::try_from(count).ok()?, !self.config.always_open);
        let block = Arc::new(Block { session, bars });
        self.cache().keep(key, &block, KEPT_BLOCKS.max(KEPT_DAYS * self.symbols.len()));
        Some(block)
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        // What a panicking thread left is whole: entries are inserted in one step.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cache {
    fn keep(&mut self, key: (ContractId, NaiveDate), block: &Arc<Block>, at_most: usize) {
        if self.blocks.insert(key, Arc::clone(block)).is_none() {
            self.ages.push_back(key);
        }
        if self.ages.len() > at_most
            && let Some(oldest) = self.ages.pop_front()
        {
            self.blocks.remove(&oldest);
        }
    }
}

impl Block {
    fn bar(&self, index: usize) -> Option<Bar> {
        let packed = self.bars.get(index)?;
        let usd = |cents: u32| f64::from(cents) / 100.0;
        // A session has at most 18,000 bars.
        let time = self.session.open + STEP * u32::try_from(index).unwrap_or(u32::MAX);
        Some(Bar {
            time,
            end: time + STEP,
            open: usd(packed.open),
            high: usd(packed.high),
            low: usd(packed.low),
            close: usd(packed.close),
            volume: Some(u64::from(packed.volume)),
        })
    }

    /// Bars that open at `from` or later and have ended by `to`.
    fn between(&self, from: MarketTime, to: MarketTime) -> impl DoubleEndedIterator<Item = Bar> {
        let steps = |at: MarketTime| usize::try_from(at.since(self.session.open).as_millis() / STEP.as_millis());
        let before = from.since(self.session.open).as_millis().div_ceil(STEP.as_millis());
        let first = usize::try_from(before).unwrap_or(usize::MAX);
        let end = steps(to).unwrap_or(usize::MAX).min(self.bars.len());
        (first..end).filter_map(|index| self.bar(index))
    }
}

fn previous_session(calendar: Calendar, date: NaiveDate) -> NaiveDate {
    let earlier = (1..=LOOK_DAYS).filter_map(|back| date.checked_sub_days(Days::new(back)));
    let mut open = earlier.filter(|date| calendar.session(*date).is_some());
    open.next().unwrap_or(date)
}

/// Down to a multiple of five seconds.
pub(super) fn floor(at: MarketTime) -> MarketTime {
    let step = i64::from(STEP_SECS);
    MarketTime::from_secs(at.secs().div_euclid(step) * step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_days_of_all_symbols_are_kept_however_many_they_are() {
        let start = MarketTime::from_secs(1_709_568_000);
        let config = SyntheticConfig { seed: 1, start, always_open: false, history: 14 * STEP * 17_280 };
        let mut market = Synthetic::new(config);
        let symbols = i32::try_from(KEPT_BLOCKS).unwrap() + 1;
        for id in 1..=symbols {
            market.know(ContractId(id), &"AAPL".parse().unwrap());
        }
        let ids = || (1..=symbols).map(ContractId);
        assert!(ids().all(|id| market.base_bar(id, start).is_some()), "the market is open");
        let (open, first) =
            (market.calendar().date_of(start), market.block(ContractId(1), market.calendar().date_of(start)));
        assert_eq!(market.cache().blocks.len(), ids().count());
        let again = market.block(ContractId(1), open);
        assert!(again.zip(first).is_some_and(|(again, first)| Arc::ptr_eq(&again, &first)), "not made anew");
    }
}
