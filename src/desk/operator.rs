//! What an operator may order: halt, resume, flatten, accept a difference, park. Each is an event
//! with an answer, and every lock of it is a fact.

use super::locks::Until;
use super::{Action, Desk, Guards, Trigger};
use crate::domain::book::{DayFact, Disarm, Fact, LedgerFact, LockCause, LockScope};
use crate::domain::order::OrderState;
use crate::domain::{ContractId, Price, Shares, Symbol};
use crate::risk::Limits;

/// An operator's order.
#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    /// No entries; exits pass.
    Halt {
        /// In one symbol; `None`: in the account.
        symbol: Option<Symbol>,
        /// Why.
        reason: String,
    },
    /// Entries are allowed again.
    Resume {
        /// In one symbol; `None`: in the account.
        symbol: Option<Symbol>,
        /// Why; needed where a lock set itself.
        reason: String,
    },
    /// No entries, our orders cancelled, our positions closed.
    Flatten {
        /// In one symbol; `None`: in the account.
        symbol: Option<Symbol>,
        /// Why.
        reason: String,
        /// Also cancels every order of every client in the account.
        everything: bool,
    },
    /// What the broker states of a symbol is right.
    Accept {
        /// Which.
        symbol: Symbol,
        /// Why.
        reason: String,
        /// What it is taken for.
        how: Acceptance,
    },
    /// A symbol's bars stay away: no entries until they come again.
    Park {
        /// Which.
        symbol: Symbol,
        /// Why.
        reason: String,
    },
    /// A parked symbol's bars have come again.
    Unpark {
        /// Which.
        symbol: Symbol,
    },
    /// An operator parks a symbol: no entries until they take it back.
    Shelve {
        /// Which.
        symbol: Symbol,
        /// Why.
        reason: String,
    },
    /// An operator takes a symbol's parking back, whoever parked it.
    Unshelve {
        /// Which.
        symbol: Symbol,
    },
    /// Other limits, and other locks that set themselves, from now on.
    Retune {
        /// The limits.
        limits: Limits,
        /// The locks; what concerns the broker's outages and others' holdings stays as it was.
        guards: Box<Guards>,
        /// What has changed, by name.
        changed: String,
    },
    /// One order of ours is cancelled.
    Cancel {
        /// Its number in the ledger.
        intent: u64,
        /// Why.
        reason: String,
    },
}

/// What an accepted difference is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acceptance {
    /// The book's: its quantity becomes the broker's.
    Ours,
    /// Others': the book's quantity stays, the rest is on record as foreign and left alone.
    Foreign,
    /// A split: every `old` shares became `new` ones.
    Split {
        /// New shares.
        new: u32,
        /// For so many old ones.
        old: u32,
    },
}

/// Why an operator's order was not carried out; nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unable {
    /// No such symbol.
    #[error("{symbol} is neither in SYMBOLS nor held: {known}")]
    UnknownSymbol {
        /// As given.
        symbol: Symbol,
        /// What there is.
        known: String,
    },
    /// A lock that set itself is not lifted without a reason.
    #[error("locked by itself ({why}): say why it may be resumed, with --reason")]
    ReasonNeeded {
        /// The lock's words.
        why: String,
    },
    /// Nothing is locked.
    #[error("nothing is locked there")]
    NotLocked,
    /// Broker and book differ: that is not resumed but accepted.
    #[error(
        "broker and book differ on {symbol}: see robo-trader reconcile, then robo-trader reconcile accept {symbol} --reason"
    )]
    Differs {
        /// Which.
        symbol: Symbol,
    },
    /// Nothing to accept.
    #[error("broker and book agree on {symbol}: there is nothing to accept")]
    Agrees {
        /// Which.
        symbol: Symbol,
    },
    /// The broker's state is not known well enough.
    #[error("{why}: try again once robo-trader status says ready")]
    NotNow {
        /// Why not.
        why: String,
    },
    /// The split does not explain the difference.
    #[error("{held} shares split {new}:{old} make {makes}, the broker holds {at_broker}: the book stays as it is")]
    NotThatSplit {
        /// Shares of book and others before.
        held: Shares,
        /// New shares.
        new: u32,
        /// Old shares.
        old: u32,
        /// What it would make.
        makes: Shares,
        /// What the broker holds.
        at_broker: Shares,
    },
    /// No such order.
    #[error("order {intent} is not in the ledger: robo-trader orders lists them")]
    UnknownOrder {
        /// As given.
        intent: u64,
    },
    /// None that may be cancelled alone.
    #[error("order {intent} {why}")]
    NotCancelled {
        /// Its number in the ledger.
        intent: u64,
        /// Why not.
        why: &'static str,
    },
    /// No price is known to book the change at.
    #[error("no price of {symbol} is known to book the change at")]
    NoPrice {
        /// Which.
        symbol: Symbol,
    },
}

impl Desk {
    /// Carries out an operator's order.
    #[cold]
    pub(super) fn operate(&mut self, order: Order) -> Result<String, Unable> {
        match order {
            Order::Halt { symbol, reason } => self.halt(symbol, reason),
            Order::Resume { symbol, reason } => self.resume(symbol, &reason),
            Order::Flatten { symbol, reason, everything } => self.flatten(symbol, reason, everything),
            Order::Accept { symbol, reason, how } => self.accept_difference(&symbol, reason, how),
            Order::Park { symbol, reason } => {
                let contract = self.contract_named(&symbol)?;
                self.lock(LockScope::Contract(contract), LockCause::Parked, reason, Until::Resumed);
                Ok(format!("{symbol} is parked"))
            }
            Order::Unpark { symbol } => {
                let contract = self.contract_named(&symbol)?;
                self.unpark(contract);
                Ok(format!("{symbol} is not parked"))
            }
            Order::Shelve { symbol, reason } => {
                let contract = self.contract_named(&symbol)?;
                let new = self.lock(LockScope::Contract(contract), LockCause::Shelved, reason, Until::Resumed);
                self.cancel_entries_that_wait();
                let word = if new { "is parked" } else { "was parked already: its first reason stands" };
                Ok(format!("{symbol} {word}; no entries until robo-trader unpark {symbol}, exits pass"))
            }
            Order::Unshelve { symbol } => {
                let contract = self.contract_named(&symbol)?;
                let scope = LockScope::Contract(contract);
                let parked: Vec<LockCause> = [LockCause::Shelved, LockCause::Parked]
                    .into_iter()
                    .filter(|cause| self.book.lock(&scope, *cause).is_some())
                    .collect();
                for cause in &parked {
                    self.unlock(scope.clone(), Some(*cause), "unparked by an operator");
                }
                let word = if parked.is_empty() { "was not parked" } else { "is parked no more" };
                Ok(format!("{symbol} {word}"))
            }
            Order::Retune { limits, guards, changed } => self.retune(limits, *guards, &changed),
            Order::Cancel { intent, reason } => self.cancel_one(intent, &reason),
        }
    }

    /// The contract of a name: of the plan, or held.
    fn contract_named(&self, symbol: &Symbol) -> Result<ContractId, Unable> {
        let planned = self.marks.listed().find(|id| self.marks.symbol(*id).as_ref() == Some(symbol));
        let held = || {
            let known = self.book.positions().map(|(id, _)| id).chain(self.book.foreign_holdings().map(|(id, _)| id));
            known.into_iter().find(|id| self.book.symbol(*id) == Some(symbol))
        };
        planned.or_else(held).ok_or_else(|| {
            let known: Vec<String> = self.plan.symbols.keys().map(ToString::to_string).collect();
            Unable::UnknownSymbol { symbol: *symbol, known: known.join(", ") }
        })
    }

    fn scope_of(&self, symbol: Option<&Symbol>) -> Result<LockScope, Unable> {
        symbol.map_or(Ok(LockScope::Account), |symbol| self.contract_named(symbol).map(LockScope::Contract))
    }

    fn halt(&mut self, symbol: Option<Symbol>, reason: String) -> Result<String, Unable> {
        let scope = self.scope_of(symbol.as_ref())?;
        let what = symbol.map_or_else(|| "every symbol".to_owned(), |symbol| symbol.to_string());
        let former = self.book.lock(&scope, LockCause::Operator).map(|lock| lock.why.clone());
        self.lock(scope, LockCause::Operator, stated(&reason, "halted by an operator"), Until::Resumed);
        self.cancel_entries_that_wait();
        let still = former.map(|why| format!("still (its first reason stands: {why})"));
        let when = still.unwrap_or_else(|| "from now".to_owned());
        Ok(format!("{what}: no entries {when} until robo-trader resume; exits pass"))
    }

    /// Entries that have not filled yet are cancelled where a lock now stops them.
    fn cancel_entries_that_wait(&mut self) {
        let stopped: Vec<u64> = self
            .book
            .live_orders()
            .filter(|order| order.ticket.role == crate::domain::order::Role::Entry)
            .filter(|order| order.state != OrderState::Cancelling && self.book.lock_on(order.ticket.contract).is_some())
            .map(|order| order.ticket.order_ref.intent)
            .collect();
        for intent in stopped {
            self.cancel(intent, "entries are locked by an operator");
        }
    }

    /// Takes other limits; they are a fact, for whoever reads why an order was refused.
    fn retune(&mut self, limits: Limits, guards: Guards, changed: &str) -> Result<String, Unable> {
        let written = serde_json::to_value(&limits)
            .map_err(|error| Unable::NotNow { why: format!("the limits cannot be written ({error})") })?;
        self.plan.limits = limits;
        let former = self.plan.guards.clone();
        self.plan.guards =
            Guards { foreign: former.foreign, expected: former.expected, hold_before: former.hold_before, ..guards };
        self.record(None, Fact::Ledger(LedgerFact::LimitsChanged { limits: written }));
        self.watch_limits();
        Ok(format!("in force from now: {changed}"))
    }

    /// Cancels an entry, exit or take-profit that works; a stop stays as long as what it protects.
    fn cancel_one(&mut self, intent: u64, reason: &str) -> Result<String, Unable> {
        let no = |why| Err(Unable::NotCancelled { intent, why });
        let Some(order) = self.book.order(intent) else { return Err(Unable::UnknownOrder { intent }) };
        if !order.state.is_live() {
            return no("works no more");
        }
        if order.state == OrderState::Cancelling {
            return no("is being cancelled already");
        }
        if order.ticket.role == crate::domain::order::Role::Stop {
            return no("protects a position: flatten the symbol instead, which closes it and cancels the stop");
        }
        if !self.ready {
            return Err(Unable::NotNow { why: "no order or cancel leaves now".to_owned() });
        }
        self.cancel(intent, &stated(reason, "cancelled by an operator"));
        Ok(format!("order {intent} is being cancelled; it may still fill until the broker confirms"))
    }

    fn resume(&mut self, symbol: Option<Symbol>, reason: &str) -> Result<String, Unable> {
        let scope = self.scope_of(symbol.as_ref())?;
        let held: Vec<(LockCause, String)> = self
            .book
            .locks()
            .filter(|(held, _, _)| **held == scope)
            .map(|(_, cause, lock)| (cause, lock.why.clone()))
            .collect();
        if let (LockScope::Contract(contract), true, Some(symbol)) = (&scope, held.is_empty(), &symbol)
            && self.book.unexplained(*contract).is_some()
        {
            return Err(Unable::Differs { symbol: *symbol });
        }
        if held.is_empty() {
            return Err(Unable::NotLocked);
        }
        let by_itself = |cause: LockCause| {
            !matches!(cause, LockCause::Operator | LockCause::Flatten | LockCause::Parked | LockCause::Shelved)
        };
        if let Some((_, why)) = held.iter().find(|(cause, _)| by_itself(*cause))
            && reason.trim().is_empty()
        {
            return Err(Unable::ReasonNeeded { why: why.clone() });
        }
        let lost = held.iter().any(|(cause, _)| *cause == LockCause::DailyLoss);
        self.unlock(scope, None, &stated(reason, "resumed by an operator"));
        if let (true, Some(equity), Some(day)) = (lost, self.equity(), self.book.day()) {
            // Resumed on purpose: the day's loss is measured from here, or the lock would come back.
            let day = day.date;
            self.record(None, Fact::Day(DayFact::Opened { day, equity }));
        }
        let lifted: Vec<String> = held.into_iter().map(|(_, why)| why).collect();
        let what = symbol.map_or_else(|| "the account".to_owned(), |symbol| symbol.to_string());
        Ok(format!("{what}: entries are allowed again; lifted: {}", lifted.join("; ")))
    }

    /// Blocks entries first; then every symbol is on its way out: its orders are cancelled, their
    /// ends awaited, and what is ours is sold (rule 19: never more than the book's quantity).
    fn flatten(&mut self, symbol: Option<Symbol>, reason: String, everything: bool) -> Result<String, Unable> {
        let scope = self.scope_of(symbol.as_ref())?;
        let only = match &scope {
            LockScope::Contract(id) => Some(*id),
            LockScope::Account | LockScope::Unexplained(_) => None,
        };
        self.lock(scope, LockCause::Flatten, stated(&reason, "flattened by an operator"), Until::Resumed);
        if everything {
            self.decided.actions.push(Action::CancelEverything);
        }
        self.cancel_entries_that_wait();
        let wanted = |id: &ContractId| only.is_none_or(|only| only == *id);
        let contracts: Vec<ContractId> = self.marks.listed().filter(wanted).collect();
        let mut closing = Vec::new();
        let mut blocked = Vec::new();
        for contract in &contracts {
            let held = self.book.held(*contract);
            self.failed_exits.remove(contract);
            if self.book.unexplained(*contract).is_some() {
                blocked.push(self.label(*contract, held));
            }
            if !held.is_zero() {
                self.disarm(*contract, Disarm::Flattened);
                closing.push(self.label(*contract, held));
            }
            if !held.is_zero() || self.book.live_in(*contract).next().is_some() {
                self.flattening.insert(*contract);
            }
            self.drive(*contract, Trigger::Order);
        }
        let left = self
            .book
            .positions()
            .filter(|(id, position)| wanted(id) && !position.quantity().is_zero() && !contracts.contains(id));
        let left: Vec<String> = left.map(|(id, position)| self.label(id, position.quantity())).collect();
        let mut text = match closing.as_slice() {
            [] => "entries are blocked; nothing of ours is held".to_owned(),
            closing => format!("entries are blocked; closing {}", closing.join(", ")),
        };
        if !left.is_empty() {
            text += &format!("; NOT closed, because not in SYMBOLS: {}", left.join(", "));
        }
        if !blocked.is_empty() {
            text += &format!(
                "; BLOCKED until robo-trader reconcile accept, because broker and book differ: {}",
                blocked.join(", ")
            );
        }
        if !self.ready {
            text += "; no session is Ready now: it goes on as soon as one is";
        }
        if everything {
            text += "; every order of every client in the account is being cancelled";
        }
        Ok(text + "; robo-trader status tells when it is flat, robo-trader resume allows entries again")
    }

    fn label(&self, contract: ContractId, quantity: Shares) -> String {
        let name = self.marks.symbol(contract).or_else(|| self.book.symbol(contract).cloned());
        format!("{} {quantity}", name.map_or_else(|| contract.to_string(), |name| name.to_string()))
    }

    /// Tells once for each contract being flattened that nothing of ours is left in it.
    #[cold]
    pub(super) fn tell_flat(&mut self) {
        let flat: Vec<ContractId> = self
            .flattening
            .iter()
            .copied()
            .filter(|id| self.book.held(*id).is_zero() && self.book.live_in(*id).next().is_none())
            .collect();
        for contract in flat {
            self.flattening.remove(&contract);
            self.incident(Some(contract), "flat", "flattened: nothing is held and no order of ours works".to_owned());
        }
    }

    /// The broker is right about a symbol: the book's shares become what it states.
    fn accept_difference(&mut self, symbol: &Symbol, reason: String, how: Acceptance) -> Result<String, Unable> {
        let contract = self.contract_named(symbol)?;
        let Some(stated_by_broker) = self.stated_holding(contract) else {
            return Err(Unable::NotNow { why: "the broker's positions were not read yet".to_owned() });
        };
        let (held, foreign) = (self.book.held(contract), self.book.foreign(contract).unwrap_or_default());
        if stated_by_broker.quantity == held + foreign {
            return Err(Unable::Agrees { symbol: *symbol });
        }
        let at_broker = stated_by_broker.quantity;
        if self.book.live_in(contract).any(|order| order.state == OrderState::Unknown) {
            return Err(Unable::NotNow { why: format!("an order in {symbol} is in doubt") });
        }
        match how {
            Acceptance::Split { new, old } => {
                let makes = held.scaled(new, old) + foreign.scaled(new, old);
                if makes != at_broker || new == 0 || old == 0 {
                    return Err(Unable::NotThatSplit { held: held + foreign, new, old, makes, at_broker });
                }
                self.record(Some(contract), Fact::Ledger(LedgerFact::CorporateAction { new, old, reason }));
            }
            Acceptance::Foreign => {
                let quantity = at_broker - held;
                self.incident(Some(contract), "difference_foreign", format!("{quantity} shares are others': {reason}"));
                self.record(Some(contract), Fact::Ledger(LedgerFact::ForeignHolding { quantity }));
            }
            Acceptance::Ours => {
                let change = at_broker - held - foreign;
                let price = stated_by_broker.average_cost.filter(|_| change.0.signum() == at_broker.0.signum());
                let price = price.or_else(|| self.last_price(contract)).ok_or(Unable::NoPrice { symbol: *symbol })?;
                let from_foreign = Shares::ZERO;
                let fact = LedgerFact::PositionAccepted { change, from_foreign, price, reason };
                self.record(Some(contract), Fact::Ledger(fact));
            }
        }
        self.unlock(LockScope::Unexplained(contract), None, "accepted by an operator");
        self.disarm(contract, Disarm::Manual);
        // The broker's state is read again before anything is sent for it.
        self.fence();
        self.decided.wants_reconcile = true;
        self.failed_exits.remove(&contract);
        let held = self.book.held(contract);
        let wanted = self.desired(contract, self.target_of(contract), Trigger::Ready);
        let sells =
            if wanted == held { String::new() } else { format!("; its strategy wants {wanted}: the rest is closed") };
        Ok(format!("{symbol}: the book now holds {held} shares; reconciling{sells}"))
    }

    /// Holdings of planned symbols become the book's where the policy says so.
    pub(super) fn adopt_holdings(&mut self) {
        if self.plan.guards.foreign != super::ForeignPolicy::Adopt {
            return;
        }
        let foreign: Vec<(ContractId, Shares)> =
            self.book.foreign_holdings().filter(|(_, held)| !held.is_zero()).collect();
        for (contract, quantity) in foreign {
            let short = quantity.0 < 0 && !self.plan.limits.allow_short;
            if self.strategy_of(contract).is_none() || short || self.book.unexplained(contract).is_some() {
                continue;
            }
            let stated = self.stated_holding(contract).and_then(|stated| stated.average_cost);
            let Some(price) = stated.or_else(|| self.last_price(contract)).filter(|price| *price > Price::ZERO) else {
                continue;
            };
            let reason = "adopted: FOREIGN=adopt".to_owned();
            let fact = LedgerFact::PositionAccepted { change: quantity, from_foreign: quantity, price, reason };
            self.record(Some(contract), Fact::Ledger(fact));
            self.incident(
                Some(contract),
                "holding_adopted",
                format!("{quantity} shares at {price} are the book's now"),
            );
        }
    }
}

fn stated(reason: &str, otherwise: &str) -> String {
    if reason.trim().is_empty() { otherwise.to_owned() } else { format!("{otherwise}: {}", reason.trim()) }
}
