//! What comes next on a tape, of many series.
//!
//! Bars of different symbols mostly open and end at the same instants. What comes is therefore kept as a list in order:
//! the next step is its first, and a new one mostly belongs at its end. Only where it would belong far from there does
//! it go to a heap beside the list, so that no market, however ragged, costs more than a heap does.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::domain::MarketTime;

/// How far from the end of the list a new step may belong.
const NEAR: usize = 16;

/// What comes next of a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    End,
    Open,
}

/// Ends before opens, each by the place of its series: one number, for it is compared a lot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn(u64);

impl Turn {
    const OPEN: u64 = 1 << 63;

    pub(super) fn new(part: Part, series: usize) -> Self {
        // No tape has so many series.
        let place = series as u64;
        Self(if part == Part::Open { place | Self::OPEN } else { place })
    }

    fn part(self) -> Part {
        if self.0 & Self::OPEN == 0 { Part::End } else { Part::Open }
    }

    fn series(self) -> usize {
        (self.0 & !Self::OPEN) as usize
    }

    /// Where a series comes between others, at this place.
    fn moved(self, place: usize) -> Self {
        if self.series() >= place { Self(self.0 + 1) } else { self }
    }
}

/// A step to come: when, and its turn at that instant.
pub(super) type Coming = (MarketTime, Turn);

/// Later than all steps.
const NEVER: Coming = (MarketTime::MAX, Turn(u64::MAX));

/// At most one step of each series.
#[derive(Debug, Clone)]
pub(super) struct Agenda {
    /// The first of all; [`NEVER`] where there is none.
    next: Coming,
    /// Ascending.
    near: VecDeque<Coming>,
    /// Each comes before more than [`NEAR`] of the near ones: where none is near, none is far.
    far: BinaryHeap<Reverse<Coming>>,
}

impl Default for Agenda {
    fn default() -> Self {
        Self { next: NEVER, near: VecDeque::new(), far: BinaryHeap::new() }
    }
}

impl Agenda {
    /// When the next step happens; `None` at the end.
    #[inline]
    pub(super) fn next_at(&self) -> Option<MarketTime> {
        (self.next.1 != NEVER.1).then_some(self.next.0)
    }

    /// The place of the next step's series, where that step is of this kind and at this instant. It stays the next one
    /// until the agenda has to [`Self::go_on`].
    #[inline]
    pub(super) fn due(&self, at: MarketTime, part: Part) -> Option<usize> {
        let (next_at, turn) = self.next;
        (next_at == at && turn.part() == part && turn != NEVER.1).then(|| turn.series())
    }

    /// The next step is over, and this is the one that comes after it in its series, if there is one.
    #[inline(always)]
    pub(super) fn go_on(&mut self, after: Option<Coming>) {
        if self.near.is_empty() {
            debug_assert!(self.far.is_empty(), "what is far comes before what is near, and leaves before it");
            self.next = after.unwrap_or(NEVER);
            return;
        }
        self.go_on_among_others(after);
    }

    /// The same where other series have steps to come.
    fn go_on_among_others(&mut self, after: Option<Coming>) {
        // Where bars are alike, what comes after a step comes after all others, too.
        if let Some(after) = after
            && self.far.is_empty()
            && self.near.back().is_some_and(|last| *last <= after)
        {
            self.next = self.near.pop_front().unwrap_or(NEVER);
            self.near.push_back(after);
            return;
        }
        let is_near = self.far.peek().is_none_or(|Reverse(far)| self.near.front().is_some_and(|near| near <= far));
        let next = if is_near { self.near.pop_front() } else { self.far.pop().map(|Reverse(far)| far) };
        self.next = next.unwrap_or(NEVER);
        if let Some((at, turn)) = after {
            self.push(at, turn);
        }
    }

    /// Adds a step.
    #[inline]
    pub(super) fn push(&mut self, at: MarketTime, turn: Turn) {
        let coming = (at, turn);
        if coming < self.next {
            let other = std::mem::replace(&mut self.next, coming);
            if other != NEVER {
                self.near.push_front(other);
            }
        } else if self.near.back().is_none_or(|last| *last <= coming) {
            self.near.push_back(coming);
        } else {
            self.squeeze_in(coming);
        }
    }

    fn squeeze_in(&mut self, coming: Coming) {
        let later = self.near.iter().rev().take(NEAR + 1).take_while(|other| **other > coming).count();
        if later > NEAR {
            self.far.push(Reverse(coming));
        } else {
            self.near.insert(self.near.len() - later, coming);
        }
    }

    /// A series comes between others: those from its place on move by one.
    pub(super) fn make_room(&mut self, place: usize) {
        let moved = |(at, turn): Coming| (at, turn.moved(place));
        if self.next != NEVER {
            self.next = moved(self.next);
        }
        self.near.iter_mut().for_each(|coming| *coming = moved(*coming));
        self.far = self.far.drain().map(|Reverse(coming)| Reverse(moved(coming))).collect();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Each series' next step comes some time after its last one, as on a tape, and some series come later, between
        /// others; the model is a sorted set.
        #[test]
        fn the_first_of_all_comes_next(
            gaps in prop::collection::vec(0_u16..60, 1..600),
            series in 1_usize..80,
            joining in prop::collection::vec((0_usize..600, any::<prop::sample::Index>(), 1_u16..60), 0..8),
        ) {
            let (mut agenda, mut model) = (Agenda::default(), BTreeSet::new());
            let (mut gaps, mut series) = (gaps.into_iter(), series);
            for place in 0..series {
                let at = MarketTime::from_secs(i64::from(gaps.next().unwrap_or(0)));
                agenda.push(at, Turn::new(Part::Open, place));
                model.insert((at, Turn::new(Part::Open, place)));
            }
            let mut count = 0;
            while let Some((at, turn)) = model.pop_first() {
                prop_assert_eq!(agenda.next_at(), Some(at));
                let other = if turn.part() == Part::End { Part::Open } else { Part::End };
                prop_assert_eq!(agenda.due(at, other), None);
                prop_assert_eq!(agenda.due(at + Duration::from_secs(1), turn.part()), None);
                prop_assert_eq!(agenda.due(at, turn.part()), Some(turn.series()));
                let after = gaps.next().map(|gap| {
                    let next = at + Duration::from_secs(u64::from(gap));
                    // At the same instant only an open follows an end.
                    let part = if turn.part() == Part::End || gap == 0 { Part::Open } else { Part::End };
                    (next, Turn::new(part, turn.series()))
                });
                agenda.go_on(after);
                model.extend(after);
                for (_, between, gap) in joining.iter().filter(|(when, ..)| *when == count) {
                    let place = between.index(series + 1);
                    agenda.make_room(place);
                    model = model.into_iter().map(|(at, turn)| (at, turn.moved(place))).collect();
                    let first = (at + Duration::from_secs(u64::from(*gap)), Turn::new(Part::Open, place));
                    agenda.push(first.0, first.1);
                    model.insert(first);
                    series += 1;
                }
                count += 1;
            }
            prop_assert_eq!(agenda.next_at(), None);
            prop_assert_eq!(agenda.due(MarketTime::MAX, Part::Open), None);
        }
    }
}
