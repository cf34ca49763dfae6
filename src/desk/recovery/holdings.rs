//! Holdings at the broker against holdings of the book (rules 17, 19 and 20).

use std::collections::BTreeMap;

use rust_decimal::prelude::ToPrimitive;

use super::super::Desk;
use super::super::locks::Until;
use super::Recovered;
use crate::domain::book::{Book, Fact, LedgerFact, LockCause, LockScope};
use crate::domain::broker::BrokerPosition;
use crate::domain::order::OrderState;
use crate::domain::{ContractId, Price, Shares, Symbol};

/// The largest number in a ratio that is taken for a split's.
const SPLIT_AT_MOST: u32 = 100;

/// What broker and book say of one contract where they differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which contract.
    pub contract: ContractId,
    /// Its label, where a fact or the broker gave one.
    pub symbol: Option<Symbol>,
    /// Signed whole shares that the broker states.
    pub at_broker: Shares,
    /// Signed shares of the book.
    pub held: Shares,
    /// Signed shares on record as others'.
    pub foreign: Shares,
    /// The split that would explain it: (new, old).
    pub split: Option<(u32, u32)>,
}

/// A holding as the broker stated it last.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::desk) struct Holding {
    /// Signed whole shares: a fraction is foreign (rule 19).
    pub(in crate::desk) quantity: Shares,
    /// USD a share, IBKR's way (fees included).
    pub(in crate::desk) average_cost: Option<Price>,
}

fn whole(position: Option<&BrokerPosition>) -> Shares {
    Shares(position.map_or(0, |position| position.quantity.trunc().to_i64().unwrap_or(0)))
}

/// The split that makes `after` of `before` shares: a ratio of small whole numbers.
fn split(before: Shares, after: Shares) -> Option<(u32, u32)> {
    if before.0 == 0 || after.0 == 0 || (before.0 > 0) != (after.0 > 0) || before == after {
        return None;
    }
    let (a, b) = (after.0.unsigned_abs(), before.0.unsigned_abs());
    let common = greatest_common_divisor(a, b);
    let small = |n: u64| u32::try_from(n).ok().filter(|n| *n <= SPLIT_AT_MOST);
    let (new, old) = (small(a / common)?, small(b / common)?);
    // Splits are n:1, 1:n and the like of 3:2 and 5:4; 3:5 is somebody's sale of two fifths.
    (new == 1 || old == 1 || (new == old + 1 && old <= 4)).then_some((new, old))
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a.max(1) } else { greatest_common_divisor(b, a % b) }
}

/// Every contract that the broker, the book or the record of others' holdings knows.
fn contracts_in(book: &Book, positions: &BTreeMap<ContractId, BrokerPosition>) -> Vec<ContractId> {
    let mut contracts: Vec<ContractId> = positions.keys().copied().collect();
    contracts.extend(book.positions().map(|(id, _)| id));
    contracts.extend(book.foreign_holdings().map(|(id, _)| id));
    contracts.sort_unstable();
    contracts.dedup();
    contracts
}

/// Where the broker's statement and a book differ.
pub fn differences(book: &Book, positions: &BTreeMap<ContractId, BrokerPosition>) -> Vec<Difference> {
    let contracts = contracts_in(book, positions);
    contracts.into_iter().filter_map(|contract| difference(book, positions, contract)).collect()
}

fn difference(
    book: &Book,
    positions: &BTreeMap<ContractId, BrokerPosition>,
    contract: ContractId,
) -> Option<Difference> {
    let stated = positions.get(&contract);
    let (at_broker, held) = (whole(stated), book.held(contract));
    let foreign = book.foreign(contract).unwrap_or_default();
    (at_broker != held + foreign).then(|| Difference {
        contract,
        symbol: book.symbol(contract).or(stated.map(|stated| &stated.symbol)).cloned(),
        at_broker,
        held,
        foreign,
        split: split(held + foreign, at_broker),
    })
}

impl Desk {
    /// Remembers what the broker states of holdings. In contracts that the book never traded, what
    /// two statements agree on is others' (rule 19); what others do there meanwhile is no doubt of
    /// ours. A statement that was on its way while a trade was heard may be of before it.
    pub(super) fn note_holdings(&mut self, recovered: &Recovered) {
        self.reads += 1;
        let Some(former) = self.holdings.replace(recovered.snapshot.positions.clone()) else { return };
        let untraded = |difference: &Difference| self.book.position(difference.contract).is_none();
        let agreed: Vec<Difference> = self
            .differences()
            .into_iter()
            .filter(untraded)
            .filter(|difference| !self.book.moved_since(difference.contract, recovered.since))
            .filter(|difference| whole(former.get(&difference.contract)) == difference.at_broker)
            .collect();
        for difference in agreed {
            self.record_foreign(difference.contract, difference.at_broker, difference.symbol);
        }
    }

    /// What the broker stated last of one contract; `None` before the first read.
    pub(in crate::desk) fn stated_holding(&self, contract: ContractId) -> Option<Holding> {
        let position = self.holdings.as_ref()?.get(&contract);
        Some(Holding { quantity: whole(position), average_cost: position.and_then(|p| p.average_cost) })
    }

    /// The broker states a holding now (rule 16: the subscription is kept open).
    pub(in crate::desk) fn position(&mut self, position: BrokerPosition) {
        let contract = position.contract;
        if position.account != self.plan.account {
            return;
        }
        let at_broker = whole(Some(&position));
        self.holdings.get_or_insert_default().insert(contract, position);
        let expected = self.book.held(contract) + self.book.foreign(contract).unwrap_or_default();
        // Its executions may be on their way: it is looked at after a while, not judged.
        self.decided.wants_compare |= at_broker != expected;
    }

    /// Where the broker's last statement and the book differ.
    pub fn differences(&self) -> Vec<Difference> {
        self.holdings.as_ref().map_or_else(Vec::new, |positions| differences(&self.book, positions))
    }

    pub(super) fn difference(
        &self,
        positions: &BTreeMap<ContractId, BrokerPosition>,
        contract: ContractId,
    ) -> Option<Difference> {
        difference(&self.book, positions, contract)
    }

    /// Compares holdings. A contract that the book never traded is foreign; any other unexplained
    /// difference, once two reads agree on it, locks its symbol. Whether nothing is left in doubt.
    pub(super) fn compare_positions(&mut self, recovered: &Recovered, new_ledger: bool, agreed: bool) -> bool {
        let mut clear = true;
        let positions = &recovered.snapshot.positions;
        for contract in contracts_in(&self.book, positions) {
            let Some(difference) = self.difference(positions, contract) else {
                if self.book.unexplained(contract).is_some() {
                    self.unlock(LockScope::Unexplained(contract), None, "broker and book agree again");
                }
                continue;
            };
            let planned = difference.symbol.as_ref().is_some_and(|symbol| self.plan.symbols.contains_key(symbol));
            if self.book.position(contract).is_none() {
                // Others' alone, once two statements agree: see `note_holdings`. What is traded here
                // waits for it; one statement may hold a trade that the executions lack.
                clear &= !(planned || new_ledger);
            } else if agreed {
                self.lock_difference(&difference);
            } else {
                clear = false;
            }
        }
        clear
    }

    fn record_foreign(&mut self, contract: ContractId, quantity: Shares, symbol: Option<Symbol>) {
        let fact = Fact::Ledger(LedgerFact::ForeignHolding { quantity });
        self.record_named(contract, symbol, fact);
    }

    fn lock_difference(&mut self, difference: &Difference) {
        let Difference { contract, at_broker, held, foreign, split, .. } = *difference;
        let hint = split.map_or_else(String::new, |(new, old)| {
            format!("; it looks like a split: robo-trader reconcile accept SYMBOL --split {new}:{old} --reason TEXT")
        });
        let why = format!(
            "the broker holds {at_broker} shares, the book {held} and foreign holdings {foreign}: unexplained;              compare the fills in TWS with the journal; nothing is sent for it until both agree again{hint}"
        );
        if self.lock(LockScope::Unexplained(contract), LockCause::Mismatch, why.clone(), Until::Resumed) {
            self.incident(Some(contract), "position_differs", why);
        }
        self.shrink_legs(difference);
    }

    /// Differences that are locked already may have grown: what rests follows them.
    pub(super) fn shrink_legs_of_locked(&mut self) {
        let locked = |difference: &Difference| self.book.unexplained(difference.contract).is_some();
        let grown: Vec<Difference> = self.differences().into_iter().filter(locked).collect();
        for difference in grown {
            self.shrink_legs(&difference);
        }
    }

    /// Resting orders that could sell more than the broker holds, or at prices of before a split,
    /// must not stay (rules 12 and 20). What both sides agree on keeps its protection.
    fn shrink_legs(&mut self, difference: &Difference) {
        let Difference { contract, at_broker, held, split, .. } = *difference;
        let same_side = (at_broker.0 > 0) == (held.0 > 0);
        let confirmed = if same_side { at_broker.abs().0.min(held.abs().0) } else { 0 };
        let legs: Vec<(u64, Shares, Shares)> = self
            .book
            .live_in(contract)
            .filter(|order| order.ticket.role.is_protective() && order.state == OrderState::Working)
            .map(|order| (order.ticket.order_ref.intent, order.filled, order.remaining()))
            .collect();
        for (intent, filled, remaining) in legs {
            if split.is_some() {
                self.cancel(intent, "its price is of before a split");
            } else if confirmed == 0 {
                self.cancel(intent, "the broker does not hold what it protects");
            } else if remaining.0 > confirmed {
                self.amend(intent, filled + Shares(confirmed), None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_simple_ratios_are_taken_for_splits() {
        let ratio = |before, after| split(Shares(before), Shares(after));
        assert_eq!(ratio(100, 700), Some((7, 1)));
        assert_eq!(ratio(100, 150), Some((3, 2)));
        assert_eq!(ratio(1_000, 100), Some((1, 10)));
        assert_eq!(ratio(-30, -60), Some((2, 1)));
        for (before, after) in [(100, 97), (100, 60), (100, 0), (0, 100), (100, -100), (100, 100), (1, 1_000)] {
            assert_eq!(ratio(before, after), None, "{before} to {after}");
        }
    }
}
