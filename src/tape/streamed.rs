//! A tape of bars that come as they are needed: nothing but one bar of each series is in memory.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use super::{Part, Step, Steps, Turn};
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
    coming: BinaryHeap<Reverse<(MarketTime, Turn)>>,
}

impl<'a> Streamed<'a> {
    /// Merges series, given in the order of their symbols. One without bars is left out.
    pub fn new(series: impl IntoIterator<Item = (ContractId, Bars<'a>)>) -> Self {
        let (mut heads, mut coming) = (Vec::new(), BinaryHeap::new());
        for (contract, mut rest) in series {
            if let Some(bar) = rest.next() {
                coming.push(Reverse((bar.time, Turn::new(Part::Open, heads.len()))));
                heads.push(Head { contract, bar, rest });
            }
        }
        Self { heads, coming }
    }
}

impl Steps for Streamed<'_> {
    fn next_at(&self) -> Option<MarketTime> {
        self.coming.peek().map(|Reverse((at, ..))| *at)
    }
}

impl Iterator for Streamed<'_> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let mut top = self.coming.peek_mut()?;
        let Reverse((at, turn)) = *top;
        let place = turn.series();
        let head = self.heads.get_mut(place)?;
        let (contract, bar) = (head.contract, head.bar);
        match turn.part() {
            Part::Open => {
                *top = Reverse((bar.end, Turn::new(Part::End, place)));
                Some(Step::Open { contract, at, price: bar.open })
            }
            Part::End => {
                match head.rest.next() {
                    Some(next) => {
                        head.bar = next;
                        *top = Reverse((next.time, Turn::new(Part::Open, place)));
                    }
                    None => {
                        PeekMut::pop(top);
                    }
                }
                Some(Step::End { contract, bar })
            }
        }
    }
}
