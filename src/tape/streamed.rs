//! A tape of bars that come as they are needed: nothing but one bar of each series is in memory, and
//! the one that ended last.

use super::agenda::{Agenda, Part, Turn};
use super::{End, Open, Steps};
use crate::domain::{Bar, ContractId, MarketTime};

/// Where a series' bars come from: ascending, not overlapping.
pub type Bars<'a> = Box<dyn Iterator<Item = Bar> + 'a>;

struct Head<'a> {
    contract: ContractId,
    /// The bar whose step comes next.
    bar: Bar,
    rest: Bars<'a>,
}

/// As [`super::Tape`], of bars that are read as it is played.
pub struct Streamed<'a> {
    /// By symbol: a place says its turn within an instant.
    heads: Vec<Head<'a>>,
    coming: Agenda,
    /// The bar that ended last.
    ended: Option<Bar>,
}

impl<'a> Streamed<'a> {
    /// Merges series, given in the order of their symbols. One without bars is left out.
    pub fn new(series: impl IntoIterator<Item = (ContractId, Bars<'a>)>) -> Self {
        let (mut heads, mut coming) = (Vec::new(), Agenda::default());
        for (contract, mut rest) in series {
            if let Some(bar) = rest.next() {
                coming.push(bar.time, Turn::new(Part::Open, heads.len()));
                heads.push(Head { contract, bar, rest });
            }
        }
        Self { heads, coming, ended: None }
    }
}

impl Steps for Streamed<'_> {
    fn contracts(&self) -> Vec<ContractId> {
        self.heads.iter().map(|head| head.contract).collect()
    }

    #[inline]
    fn next_at(&self) -> Option<MarketTime> {
        self.coming.next_at()
    }

    #[inline]
    fn end_at(&mut self, at: MarketTime) -> Option<End<'_>> {
        let place = self.coming.due(at, Part::End)?;
        let head = self.heads.get_mut(place)?;
        let ended = head.bar;
        let successor = head.rest.next();
        if let Some(next) = successor {
            head.bar = next;
        }
        self.coming.go_on(successor.map(|next| (next.time, Turn::new(Part::Open, place))));
        Some(End { place, bar: self.ended.insert(ended), followed: successor.is_some_and(|next| next.time == at) })
    }

    #[inline]
    fn open_at(&mut self, at: MarketTime) -> Option<Open> {
        let place = self.coming.due(at, Part::Open)?;
        let bar = &self.heads.get(place)?.bar;
        self.coming.go_on(Some((bar.end, Turn::new(Part::End, place))));
        Some(Open { place, price: bar.open })
    }
}
