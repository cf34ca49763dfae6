//! A pure exchange with one clearing account book: orders and market steps in, events out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::broker::AccountId;
use crate::domain::{Bar, ContractId, MarketTime, Price, PriceRule, Usd};

mod account;
mod commission;
mod config;
pub mod types;

pub use account::{AccountView, Holding};
pub use commission::{CommissionPlan, UnknownPlan};
pub use config::{ChildRule, Config, MarginPlan};
pub use types::{CancelRefusal, Event, Fill, NewOrder, Order, OrderKey, Refusal, Status};

/// The exchange and its accounts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    config: Config,
    accounts: BTreeMap<AccountId, account::Account>,
    fills: Vec<Fill>,
    ambiguous: u64,
}

impl Exchange {
    /// An exchange without accounts and contracts.
    pub fn new(config: Config) -> Self {
        Self { config, accounts: BTreeMap::new(), fills: Vec::new(), ambiguous: 0 }
    }

    /// Its configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Opens an account with cash; one that is open already stays as it is.
    pub fn open_account(&mut self, account: AccountId, cash: Usd) {
        self.accounts.entry(account).or_insert_with(|| account::Account::new(cash));
    }

    /// Makes a contract tradable, or changes the price rule of one that is.
    pub fn list(&mut self, _contract: ContractId, _rule: PriceRule) {}

    /// Places an order, or modifies the live order with the same key (it keeps its permanent id).
    ///
    /// # Errors
    /// Why it is refused. A live order whose modification is refused stays as it was; a new order
    /// that is refused is kept as [`Status::Rejected`], and its number is used up.
    pub fn place(&mut self, _now: MarketTime, _order: NewOrder) -> Result<Vec<Event>, Refusal> {
        Ok(Vec::new())
    }

    /// Cancels an order, and its children with it where it never filled.
    ///
    /// # Errors
    /// It is not known or not live.
    pub fn cancel(&mut self, _now: MarketTime, _key: OrderKey) -> Result<Vec<Event>, CancelRefusal> {
        Ok(Vec::new())
    }

    /// Cancels every live order of every client.
    pub fn cancel_all(&mut self, _now: MarketTime) -> Vec<Event> {
        Vec::new()
    }

    /// A bar opens at `price` (USD a share).
    pub fn open(&mut self, _contract: ContractId, _now: MarketTime, _price: f64, _regular: bool) -> Vec<Event> {
        Vec::new()
    }

    /// A forming update at `price` (USD a share): moves the last price, and is seen by orders that
    /// arrived since the bar opened; those that rested already wait for the bar's end.
    pub fn touch(&mut self, _contract: ContractId, _now: MarketTime, _price: f64) -> Vec<Event> {
        Vec::new()
    }

    /// A bar ends.
    pub fn close(&mut self, _contract: ContractId, _bar: &Bar, _regular: bool) -> Vec<Event> {
        Vec::new()
    }

    /// The contract's session has ended: its DAY orders placed before `now` expire. (What is
    /// decided on the session's last bar, at that same instant, is for the next session.)
    pub fn end_of_session(&mut self, _contract: ContractId, _now: MarketTime) -> Vec<Event> {
        Vec::new()
    }

    /// An order, live or ended.
    pub fn order(&self, _key: OrderKey) -> Option<&Order> {
        None
    }

    /// All orders, live and ended, by key.
    pub fn orders(&self) -> impl Iterator<Item = &Order> {
        std::iter::empty()
    }

    /// All fills, oldest first.
    pub fn fills(&self) -> &[Fill] {
        &self.fills
    }

    /// An account at the present marks; `None` where it was never opened.
    pub fn account(&self, account: &AccountId) -> Option<AccountView> {
        Some(self.accounts.get(account)?.view(self.config.margin, |contract| self.mark(contract)))
    }

    /// The latest price of a contract.
    pub fn mark(&self, _contract: ContractId) -> Option<Price> {
        None
    }

    /// How often a bar touched both a stop and the target beside it, so that the stop was taken.
    pub fn ambiguous(&self) -> u64 {
        self.ambiguous
    }
}
