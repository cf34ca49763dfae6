//! Targets: what strategies want, and what that means for a symbol right now (rules 1 to 4).

use rust_decimal::Decimal;

use super::{Desk, Trigger};
use crate::domain::book::{Disarm, Fact, RefusedFact, TargetFact, TargetState};
use crate::domain::{BarSize, ContractId, MarketTime, Price, Shares};
use crate::risk::{Refusal, Sizing, SizingInput, TripRecord, size};
use crate::strategy::Target;

impl Desk {
    /// Whether a bar that ended at `end` is young enough to trade on, by gateway time (rule 3).
    #[inline]
    pub(super) fn is_fresh(&self, end: MarketTime) -> bool {
        match self.fresh_for {
            Some(limit) => self.now.is_within(limit, end),
            None => self.is_latest(end),
        }
    }

    /// The same of a bar of a day or more, where nothing else is set.
    fn is_latest(&self, end: MarketTime) -> bool {
        let size = self.plan.bar_size;
        // A daily bar stays young until the next one ends, over weekends and holidays.
        let next = self.plan.calendar.next_open(end).map(|open| self.plan.calendar.bar_end(open, size));
        next.map_or(self.now.since(end) < BarSize::Day1.duration(), |next_end| self.now < next_end)
    }

    /// Takes a strategy's target in: sized now if it changed, nothing if it repeats.
    pub(super) fn accept(&mut self, contract: ContractId, target: Target, stale: bool) {
        let Some(strategy) = self.strategy_of(contract) else { return };
        let former = self.book.target(contract, strategy);
        #[allow(clippy::float_cmp, reason = "a repeated target is the same number, not a close one")]
        if former.is_some_and(|former| former.value == target.value()) {
            return;
        }
        let Some(sized) = self.sized(contract, target.value()) else { return };
        let shares = sized.as_ref().copied().unwrap_or(Shares::ZERO);
        self.record(Some(contract), Fact::Target(TargetFact::Accepted { value: target.value(), size: shares, stale }));
        if let Err(refusal) = sized {
            let transient = refusal.is_transient();
            self.record(Some(contract), Fact::Refused(RefusedFact { change: Shares::ZERO, refusal }));
            if !transient {
                self.disarm(contract, Disarm::Refused);
            }
        }
    }

    /// The frozen size of a target: whole shares, at least one where the target is not flat.
    fn sized(&self, contract: ContractId, target: f64) -> Option<Result<Shares, Refusal>> {
        let sizing = self.plan_of(contract)?.sizing;
        let price = self.last_price(contract)?;
        let by_equity = !matches!(sizing, Sizing::FixedShares(_) | Sizing::FixedNotional(_));
        let bars = sizing.by_volatility().then(|| self.plan.calendar.bars_a_year(self.plan.bar_size));
        let trips = matches!(sizing, Sizing::Kelly { .. }).then(|| self.book.trips(contract));
        let input = SizingInput {
            price,
            equity: by_equity.then(|| self.equity()).flatten(),
            atr: sizing.by_range().then(|| self.marks.range(contract)).flatten(),
            volatility: bars.and_then(|bars| self.marks.volatility(contract, bars)),
            record: TripRecord::of(trips.into_iter().flatten()),
        };
        #[allow(clippy::float_cmp, reason = "the whole size is asked for by one itself, none by zero")]
        let value = if target == 1.0 {
            Decimal::ONE
        } else if target == 0.0 {
            Decimal::ZERO
        } else {
            Price::from_f64(target).map_or(Decimal::ZERO, |value| value.decimal())
        };
        Some(size(sizing, value, input).and_then(|shares| {
            let vanishes = shares.is_zero() && !value.is_zero();
            if vanishes { Err(Refusal::TooSmall { price }) } else { Ok(shares) }
        }))
    }

    /// A fresh bar confirms a target that was accepted on an old one: exits may go out now; an
    /// entry that old is not made (its moment has passed).
    pub(super) fn refresh(&mut self, contract: ContractId) {
        let Some(target) = self.target_of(contract) else { return };
        #[allow(clippy::float_cmp, reason = "flat is exactly zero")]
        let unsized_yet = target.size.is_zero() && target.value != 0.0 && target.disarmed.is_none();
        if unsized_yet && !target.stale {
            // A value that sizing needed was not known then; it may be now.
            let (value, stale) = (target.value, false);
            if let Some(Ok(size)) = self.sized(contract, value) {
                self.record(Some(contract), Fact::Target(TargetFact::Accepted { value, size, stale }));
            }
            return;
        }
        if !target.stale {
            return;
        }
        let confirmed = TargetFact::Accepted { value: target.value, size: target.size, stale: false };
        self.record(Some(contract), Fact::Target(confirmed));
        self.disarm(contract, Disarm::Stale);
    }

    /// No entry until the target changes (rule 2). Nothing where the symbol is disarmed already.
    #[cold]
    pub(super) fn disarm(&mut self, contract: ContractId, why: Disarm) {
        let Some(strategy) = self.strategy_of(contract) else { return };
        let former = self.book.target(contract, strategy).map(|target| target.disarmed.clone());
        // Those that close a position ask for more than the others: they replace them, and need no target.
        let asks = |why: &Disarm| match why {
            Disarm::Flattened => 2,
            Disarm::Timed => 1,
            _ => 0,
        };
        let replaces = match former {
            None => asks(&why) > 0,
            Some(None) => true,
            Some(Some(former)) => asks(&why) > asks(&former),
        };
        if replaces {
            self.record(Some(contract), Fact::Target(TargetFact::Disarmed { why }));
        }
    }

    /// What the symbol should hold now, signed shares.
    pub(super) fn desired(&self, contract: ContractId, target: Option<&TargetState>, trigger: Trigger) -> Shares {
        let held = self.book.held(contract);
        if self.must_be_flat(contract) || self.must_flatten(contract) {
            return Shares::ZERO;
        }
        let Some(target) = target else { return held };
        if target.stale && trigger != Trigger::FreshBar {
            return held;
        }
        match &target.disarmed {
            None => target.size,
            Some(Disarm::Flattened | Disarm::Timed) => Shares::ZERO,
            Some(_) => no_more_than(target.size, held),
        }
    }

    /// Whether the position has to be closed before the session ends.
    fn must_be_flat(&self, contract: ContractId) -> bool {
        let Some(before) = self.plan.flat_by_close else { return false };
        self.session_window(contract).is_some_and(|window| self.now + before >= window.close)
    }
}

/// The part of `wanted` that needs no entry from `held`: nothing across zero, nothing beyond.
fn no_more_than(wanted: Shares, held: Shares) -> Shares {
    if held.0 >= 0 { Shares(wanted.0.clamp(0, held.0)) } else { Shares(wanted.0.clamp(held.0, 0)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disarmed_symbol_only_shrinks() {
        let cases = [(100, 40, 40), (100, 0, 0), (0, 40, 0), (20, 40, 20), (-50, 40, 0), (-50, -20, -20), (50, -20, 0)];
        for (wanted, held, expected) in cases {
            assert_eq!(no_more_than(Shares(wanted), Shares(held)), Shares(expected), "{wanted} from {held}");
        }
    }
}
