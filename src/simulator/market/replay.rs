//! A market that repeats what bar files say.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::MarketError;
use crate::calendar::Calendar;
use crate::domain::{Bar, BarSize, ContractId, MarketTime, Symbol};
use crate::tape::{self, Step, Tape, aggregate};

/// One file's, or several files', bars of one symbol and size.
#[derive(Debug, Clone)]
pub struct Series {
    /// Of what.
    pub symbol: Symbol,
    /// Size of the bars.
    pub size: BarSize,
    /// The bars, ascending.
    pub bars: Vec<Bar>,
}

/// A symbol's bars by size; the finest are its tape.
pub(super) type Sizes = BTreeMap<BarSize, Arc<[Bar]>>;

/// The files' bars and the tape made of them.
#[derive(Debug)]
pub(super) struct Replay {
    calendar: Calendar,
    contracts: BTreeMap<ContractId, Sizes>,
    /// What takes part in the tape.
    active: BTreeMap<ContractId, Symbol>,
    tape: Tape,
    /// Where an earlier run stopped: the steps of that instant have been taken.
    resumed: Option<MarketTime>,
}

/// Joins the files of each symbol and size.
pub(super) fn join(series: Vec<Series>) -> Result<BTreeMap<Symbol, Sizes>, MarketError> {
    let mut joined: BTreeMap<Symbol, BTreeMap<BarSize, Vec<Bar>>> = BTreeMap::new();
    for Series { symbol, size, bars } in series {
        joined.entry(symbol).or_default().entry(size).or_default().extend(bars);
    }
    for (symbol, sizes) in &mut joined {
        for (size, bars) in sizes.iter_mut() {
            bars.sort_by_key(|bar| bar.time);
            if let Some(pair) = bars.windows(2).find(|pair| pair[1].time < pair[0].end) {
                return Err(MarketError::Overlap { symbol: *symbol, size: *size, at: pair[1].time });
            }
        }
        sizes.retain(|_, bars| !bars.is_empty());
    }
    joined.retain(|_, sizes| !sizes.is_empty());
    if joined.is_empty() {
        return Err(MarketError::Empty);
    }
    let share =
        |sizes: BTreeMap<BarSize, Vec<Bar>>| sizes.into_iter().map(|(size, bars)| (size, bars.into())).collect();
    Ok(joined.into_iter().map(|(symbol, sizes)| (symbol, share(sizes))).collect())
}

impl Replay {
    pub(super) fn new(calendar: Calendar, contracts: BTreeMap<ContractId, Sizes>) -> Self {
        Self { calendar, contracts, active: BTreeMap::new(), tape: Tape::default(), resumed: None }
    }

    pub(super) fn calendar(&self) -> Calendar {
        self.calendar
    }

    fn base(&self, contract: ContractId) -> Option<(BarSize, &[Bar])> {
        self.contracts.get(&contract)?.first_key_value().map(|(size, bars)| (*size, &**bars))
    }

    pub(super) fn base_size(&self, contract: ContractId) -> Option<BarSize> {
        self.base(contract).map(|(size, _)| size)
    }

    /// The first instant of these contracts' tapes.
    pub(super) fn first_instant(&self, contracts: impl IntoIterator<Item = ContractId>) -> Option<MarketTime> {
        contracts.into_iter().filter_map(|contract| self.base(contract)?.1.first().map(|bar| bar.time)).min()
    }

    pub(super) fn contracts(&self) -> impl Iterator<Item = ContractId> {
        self.contracts.keys().copied()
    }

    pub(super) fn is_still(&self) -> bool {
        self.active.is_empty()
    }

    pub(super) fn resume_at(&mut self, at: MarketTime) {
        self.resumed = Some(at);
    }

    pub(super) fn activate(&mut self, contract: ContractId, symbol: Symbol, clock: MarketTime) {
        let Some(bars) = self.contracts.get(&contract).and_then(|sizes| sizes.first_key_value()) else { return };
        if self.active.insert(contract, symbol).is_some() {
            return;
        }
        let series = tape::Series { contract, symbol, bars: Arc::clone(bars.1) };
        if self.resumed == Some(clock) {
            self.tape.rejoin(series, clock);
        } else {
            self.tape.add(series, clock);
        }
    }

    pub(super) fn next_instant(&self) -> Option<MarketTime> {
        self.tape.next_at()
    }

    pub(super) fn steps(&mut self) -> Vec<Step> {
        let Some(at) = self.tape.next_at() else { return Vec::new() };
        let mut steps = Vec::new();
        while self.tape.next_at() == Some(at) {
            steps.extend(self.tape.next());
        }
        steps
    }

    /// The bar of the tape that contains `at`.
    pub(super) fn base_bar(&self, contract: ContractId, at: MarketTime) -> Option<Bar> {
        let (_, bars) = self.base(contract)?;
        let before = bars.partition_point(|bar| bar.time <= at).checked_sub(1)?;
        bars.get(before).copied().filter(|bar| at < bar.end)
    }

    /// Bars known at `to`. Where the finest series begins too late, coarser files say what was
    /// before, with bars that had ended by then.
    pub(super) fn bars(
        &self,
        contract: ContractId,
        size: BarSize,
        from: MarketTime,
        to: MarketTime,
        forming: Option<Bar>,
    ) -> Vec<Bar> {
        let Some(sizes) = self.contracts.get(&contract) else { return Vec::new() };
        let mut known: BTreeMap<MarketTime, Bar> = BTreeMap::new();
        let finest = self.base_size(contract);
        for (own, bars) in sizes.range(..=size).rev() {
            let reach = bars.first().map_or(MarketTime::MAX, |bar| bar.time);
            let begin = bars.partition_point(|bar| bar.time < from);
            let end = bars.partition_point(|bar| bar.end <= to);
            let whole = bars.get(begin..end).unwrap_or_default().iter().copied();
            let last = forming.filter(|bar| Some(*own) == finest && bar.time >= from);
            for bar in aggregate(whole.chain(last), self.calendar, size) {
                // A finer series knows better, but for the bar in whose midst it begins.
                if bar.time >= reach || !known.contains_key(&bar.time) {
                    known.insert(bar.time, bar);
                }
            }
        }
        known.into_values().filter(|bar| bar.time >= from).collect()
    }

    /// The last bar of any size that had ended by `at`.
    pub(super) fn last_bar(&self, contract: ContractId, at: MarketTime) -> Option<Bar> {
        let last = |bars: &Arc<[Bar]>| {
            let ended = bars.partition_point(|bar| bar.end <= at);
            bars.get(ended.checked_sub(1)?).copied()
        };
        self.contracts.get(&contract)?.values().filter_map(last).max_by_key(|bar| bar.end)
    }
}
