//! The book's locks: what stops entries, since when, why, and until when.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{Book, Record};
use crate::domain::{ContractId, MarketTime};

/// What is locked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockScope {
    /// Every entry.
    Account,
    /// Entries in one contract.
    Contract(ContractId),
    /// Everything in one contract: broker and book differ on its position and nobody knows why.
    Unexplained(ContractId),
}

impl LockScope {
    /// The contract that is locked; `None`: all of them.
    pub fn contract(&self) -> Option<ContractId> {
        match self {
            Self::Account => None,
            Self::Contract(id) | Self::Unexplained(id) => Some(*id),
        }
    }
}

/// Who or what locked it. Locks of several causes stand beside each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockCause {
    /// Not stated: written by a version that knew no causes.
    #[default]
    Unstated,
    /// An operator's `halt`.
    Operator,
    /// An operator's `flatten`.
    Flatten,
    /// The day's loss (rule 21).
    DailyLoss,
    /// The loss since the highest equity (rule 21).
    Drawdown,
    /// Too many losing round trips in a row.
    Losses,
    /// Too many orders in a minute, of all roles.
    OrderRate,
    /// Too many orders rejected by the broker.
    Rejects,
    /// Too many sessions lost.
    Flapping,
    /// The market has passed a missing stop (rule 10).
    StopBreached,
    /// Broker and book differ on a position (rule 17).
    Mismatch,
    /// IBKR liquidated a position (rule 20).
    Liquidation,
    /// More cash moved than may move unasked (rule 20).
    Cash,
    /// Its bars stay away although others have theirs.
    Parked,
    /// An operator has parked it.
    Shelved,
    /// Its protective stop has filled a short while ago.
    CoolDown,
    /// Too many protective stops have filled, of all symbols.
    StopGuard,
    /// Its last round trips lost money together.
    LowProfit,
}

impl LockCause {
    /// How it ends, for whoever reads it.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Operator | Self::Flatten => "robo-trader resume",
            Self::DailyLoss => "by itself on the next exchange day, or robo-trader resume --reason",
            Self::Losses | Self::Flapping | Self::CoolDown | Self::StopGuard | Self::LowProfit => {
                "by itself after its time, or robo-trader resume --reason"
            }
            Self::Drawdown => {
                "by itself after RISK_DRAWDOWN_PAUSE where that is set, or robo-trader resume --reason, after a look \
                 at the account in TWS"
            }
            Self::Mismatch => "when both agree again, or robo-trader reconcile accept SYMBOL --reason",
            Self::Parked => "when its bars come again, or robo-trader unpark SYMBOL",
            Self::Shelved => "robo-trader unpark SYMBOL",
            Self::Unstated | Self::OrderRate | Self::Rejects | Self::StopBreached | Self::Liquidation | Self::Cash => {
                "robo-trader resume --reason, after a look at the account in TWS"
            }
        }
    }
}

/// What stops entries, and until when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum LockFact {
    /// No more entries within the scope.
    Set {
        /// What is locked.
        scope: LockScope,
        /// Who or what locks it.
        #[serde(default)]
        cause: LockCause,
        /// Why, with its numbers.
        why: String,
        /// The exchange day on which it clears by itself; `None`: not by a day.
        until: Option<NaiveDate>,
        /// The market time at which it clears by itself; `None`: not by a time.
        #[serde(default)]
        until_at: Option<MarketTime>,
    },
    /// Entries are allowed again.
    Cleared {
        /// What was locked.
        scope: LockScope,
        /// Which of its locks; `None`: all of them.
        #[serde(default)]
        cause: Option<LockCause>,
        /// Why.
        why: String,
    },
}

/// A lock in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lock {
    /// Why.
    pub why: String,
    /// Since when.
    pub since: MarketTime,
    /// The exchange day on which it clears by itself.
    pub until: Option<NaiveDate>,
    /// The market time at which it clears by itself.
    pub until_at: Option<MarketTime>,
}

impl Lock {
    /// Whether it only ends by somebody's deed.
    fn is_endless(&self) -> bool {
        self.until.is_none() && self.until_at.is_none()
    }
}

impl Book {
    #[cold]
    pub(super) fn apply_lock(&mut self, fact: &LockFact, record: &Record) {
        match fact {
            LockFact::Set { scope, cause, why, until, until_at } => {
                let lock = Lock { why: why.clone(), since: record.at, until: *until, until_at: *until_at };
                let key = (scope.clone(), *cause);
                // Of two locks of one cause the longer one stands; one without an end is the longest.
                let longer = |former: &Lock| {
                    !former.is_endless()
                        && (lock.is_endless() || (lock.until, lock.until_at) > (former.until, former.until_at))
                };
                if self.locks.get(&key).is_none_or(longer) {
                    self.locks.insert(key, lock);
                }
                self.streaks.locked(scope, *cause);
            }
            LockFact::Cleared { scope, cause, .. } => {
                let cleared = |held: &LockCause| cause.is_none_or(|cause| cause == *held);
                if self.locks.keys().any(|(held, by)| held == scope && cleared(by) && *by == LockCause::Drawdown) {
                    self.streaks.peak = None;
                }
                self.locks.retain(|(held, by), _| !(held == scope && cleared(by)));
            }
        }
    }

    /// The lock that stops entries in a contract, the account's before its own.
    pub fn lock_on(&self, contract: ContractId) -> Option<&Lock> {
        let within =
            |wanted: LockScope| self.locks.iter().find(move |((scope, _), _)| *scope == wanted).map(|(_, lock)| lock);
        within(LockScope::Account)
            .or_else(|| within(LockScope::Contract(contract)))
            .or_else(|| self.unexplained(contract))
    }

    /// Whether anything is locked.
    pub fn is_locked(&self) -> bool {
        !self.locks.is_empty()
    }

    /// The lock of one scope and cause.
    pub fn lock(&self, scope: &LockScope, cause: LockCause) -> Option<&Lock> {
        self.locks.get(&(scope.clone(), cause))
    }

    /// The unexplained difference of a contract's position, if there is one.
    pub fn unexplained(&self, contract: ContractId) -> Option<&Lock> {
        let wanted = LockScope::Unexplained(contract);
        self.locks.iter().find(|((scope, _), _)| *scope == wanted).map(|(_, lock)| lock)
    }

    /// Every lock, with its scope and cause.
    pub fn locks(&self) -> impl Iterator<Item = (&LockScope, LockCause, &Lock)> {
        self.locks.iter().map(|((scope, cause), lock)| (scope, *cause, lock))
    }
}
