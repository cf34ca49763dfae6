//! The ledger itself: whose it is, its cash, and what came into it or left it by no trade of ours.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::{Book, Record};
use crate::domain::broker::{AccountId, Execution, Venue};
use crate::domain::position::Position;
use crate::domain::{ContractId, MarketTime, Price, Shares, Usd};

/// Whose book it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// The ledger's id.
    pub ledger: CompactString,
    /// Where its orders go.
    pub venue: Venue,
    /// Whose account.
    pub account: AccountId,
}

/// The ledger itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum LedgerFact {
    /// Fact 0: whose ledger this is.
    Opened {
        /// Its id, in every order reference.
        ledger: CompactString,
        /// Where its orders go.
        venue: Venue,
        /// Whose account.
        account: AccountId,
    },
    /// The limits in force from here on (for the reader; replay does not depend on them).
    LimitsChanged {
        /// The limits, as configuration text.
        limits: serde_json::Value,
    },
    /// The account's cash as the broker stated it when the ledger began.
    Funded {
        /// USD.
        cash: Usd,
    },
    /// Cash moved for a reason other than a trade of ours.
    CashAdjusted {
        /// USD, negative for a payment.
        amount: Usd,
        /// Why.
        reason: String,
    },
    /// Shares in the account that are not the book's: bought by hand, or before the ledger began.
    ForeignHolding {
        /// Signed shares, in all.
        quantity: Shares,
    },
    /// Shares become the book's (or cease to be) by somebody's decision, at a stated price: an
    /// accepted difference, an adopted holding. They are a contribution in kind: cash stays.
    PositionAccepted {
        /// Signed change of the book's shares.
        change: Shares,
        /// Of these, signed shares that were on record as foreign.
        from_foreign: Shares,
        /// USD a share.
        price: Price,
        /// Why.
        reason: String,
    },
    /// Every `old` shares became `new` ones (a split of 2:1 is new 2, old 1).
    CorporateAction {
        /// New shares.
        new: u32,
        /// For so many old ones.
        old: u32,
        /// Why.
        reason: String,
    },
}

/// A change of a position that is no trade, with its place among the contract's fills.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Change {
    /// Fills of the contract on record before it.
    after: usize,
    at: MarketTime,
    kind: ChangeKind,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum ChangeKind {
    Accepted { change: Shares, price: Price },
    Split { new: u32, old: u32 },
}

impl Change {
    fn apply(&self, position: &mut Position) {
        match self.kind {
            ChangeKind::Accepted { change, price } => {
                position.trade(change, price, self.at);
            }
            ChangeKind::Split { new, old } => position.split(new, old),
        }
    }
}

/// An execution of somebody else, as last reported.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct ForeignTrade {
    pub(super) revision: u32,
    change: Shares,
    price: Price,
    /// Whether it counts among the foreign shares, and in the foreign cash.
    in_shares: bool,
    in_cash: bool,
}

impl Book {
    #[cold]
    pub(super) fn apply_ledger(&mut self, fact: &LedgerFact, record: &Record) {
        match fact {
            LedgerFact::Opened { ledger, venue, account } => {
                self.identity =
                    Some(Identity { ledger: ledger.clone(), venue: venue.clone(), account: account.clone() });
            }
            LedgerFact::LimitsChanged { .. } => {}
            LedgerFact::Funded { cash } => {
                self.started_with = Some(*cash);
                self.funded_at = record.at;
            }
            LedgerFact::CashAdjusted { amount, .. } => self.adjust(*amount),
            LedgerFact::ForeignHolding { quantity } => {
                if let Some(contract) = record.contract {
                    self.foreign.insert(contract, *quantity);
                    self.foreign_since.insert(contract, record.at);
                }
            }
            LedgerFact::PositionAccepted { change, from_foreign, price, .. } => {
                if let Some(contract) = record.contract {
                    self.traded_cash -= *price * *change;
                    self.adjust(*price * *change);
                    *self.foreign.entry(contract).or_default() -= *from_foreign;
                    self.note_change(contract, record.at, ChangeKind::Accepted { change: *change, price: *price });
                }
            }
            LedgerFact::CorporateAction { new, old, .. } => {
                if let Some(contract) = record.contract {
                    self.note_change(contract, record.at, ChangeKind::Split { new: *new, old: *old });
                    if let Some(foreign) = self.foreign.get_mut(&contract) {
                        *foreign = foreign.scaled(*new, *old);
                    }
                    for target in self.targets.or_default(contract).values_mut() {
                        target.size = target.size.scaled(*new, *old);
                    }
                }
            }
        }
    }

    fn adjust(&mut self, amount: Usd) {
        self.adjustments += amount;
        // Money paid in is no profit, and money paid out no loss.
        if let Some(peak) = &mut self.streaks.peak {
            *peak += amount;
        }
        if let Some(day) = &mut self.day {
            day.adjusted += amount;
        }
    }

    fn note_change(&mut self, contract: ContractId, at: MarketTime, kind: ChangeKind) {
        let change = Change { after: self.fills.get(&contract).map_or(0, Vec::len), at, kind };
        self.change_position(contract, |held| change.apply(held));
        self.changes.entry(contract).or_default().push(change);
    }

    /// The position that a contract's fills and other changes add up to.
    pub(super) fn rebuilt(&self, contract: ContractId) -> Position {
        let mut position = Position::default();
        let mut changes = self.changes.get(&contract).into_iter().flatten().peekable();
        for (index, fill) in self.fills.get(&contract).into_iter().flatten().enumerate() {
            while let Some(change) = changes.next_if(|change| change.after <= index) {
                change.apply(&mut position);
            }
            let Execution { side, quantity, price, at, .. } = &*fill.execution;
            position.trade(side.signed(*quantity), *price, *at);
            position.fees += fill.commission.unwrap_or_default();
        }
        changes.for_each(|change| change.apply(&mut position));
        position
    }

    /// Somebody else's order traded: their shares, their cash. What a stated baseline already
    /// contains (it is older, or was told before it) is only remembered. A correction replaces the
    /// former report.
    #[cold]
    pub(super) fn foreign_execution(&mut self, execution: &Execution) {
        let change = execution.side.signed(execution.quantity);
        let former = self.foreign_executions.get(execution.id.stem()).copied();
        if former.is_some_and(|former| execution.id.revision() <= former.revision) {
            return;
        }
        let since = self.foreign_since.get(&execution.contract);
        let in_shares = former.map_or_else(|| since.is_none_or(|at| execution.at >= *at), |former| former.in_shares);
        let begun = self.started_with.is_some() && execution.at >= self.funded_at;
        let in_cash = former.map_or(begun, |former| former.in_cash);
        let (was, paid) =
            former.map_or((Shares::ZERO, Usd::ZERO), |former| (former.change, former.price * former.change));
        if in_shares {
            *self.foreign.entry(execution.contract).or_default() += change - was;
        }
        if in_cash {
            self.foreign_cash -= execution.price * change - paid;
        }
        let (revision, price) = (execution.id.revision(), execution.price);
        let trade = ForeignTrade { revision, change, price, in_shares, in_cash };
        self.foreign_executions.insert(execution.id.stem().into(), trade);
    }

    /// Whose book it is; `None` before its first fact.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Cash by the ledger: what the account began with, adjustments, and every trade and fee;
    /// `None` before the account's cash was stated.
    pub fn cash(&self) -> Option<Usd> {
        Some(self.started_with? + self.adjustments + self.traded_cash - self.fees())
    }

    /// The cash that the broker should state: the ledger's, and what others' trades moved, their
    /// fees not known.
    pub fn cash_at_broker(&self) -> Option<Usd> {
        Some(self.cash()? + self.foreign_cash)
    }

    /// What the book's own trades brought (negative: cost), USD, fees not deducted.
    pub fn traded_cash(&self) -> Usd {
        self.traded_cash
    }

    /// What the account began with.
    pub fn started_with(&self) -> Option<Usd> {
        self.started_with
    }

    /// Cash movements that were no trades, USD.
    pub fn adjustments(&self) -> Usd {
        self.adjustments
    }

    /// Signed shares in the account that are not the book's.
    pub fn foreign(&self, contract: ContractId) -> Option<Shares> {
        self.foreign.get(&contract).copied()
    }

    /// Contracts with a foreign holding on record.
    pub fn foreign_holdings(&self) -> impl Iterator<Item = (ContractId, Shares)> {
        self.foreign.iter().map(|(contract, quantity)| (*contract, *quantity))
    }
}
