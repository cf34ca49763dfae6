//! A pure exchange with one clearing account book: orders and market steps in, events out.
//!
//! The simulator serves it over the wire; the backtest drives it directly. It knows no sockets, no
//! clocks and no clients' sessions: time is an argument of every call. The same calls give the
//! same events, always.
//!
//! # The market's two phases
//!
//! A contract is either *between* bars or *in* one. [`Exchange::open`] begins a bar at its first
//! price; [`Exchange::close`] ends it. Between bars nothing trades: what arrives waits for the next
//! open. In a bar, what arrives and can trade at the last price does so at once.
//!
//! # When an order fills, and at which price
//!
//! The exchange sees a bar's open, high, low and close, and never invents a path between them.
//!
//! | order | at the open (or on arrival, at the last price) | over the bar's range, at its end |
//! |---|---|---|
//! | market | at that price | - |
//! | limit | at that price, if it is the limit or better | at the limit, if the range touches it |
//! | stop | at that price, if it is at or past the trigger (a gap) | at the trigger, if the range reaches it |
//! | stop-limit | triggered as a stop; fills there if that is within its limit, else rests as a limit order | triggered as a stop; fills at the trigger if that is within its limit, else rests from the next bar on |
//! | if touched | at that price, if it is as good as the trigger; with a limit, within that | at the trigger, if the range is as good; with a limit, as a triggered stop-limit |
//! | trail | as a stop at its trigger of before the open; then follows the open | as a stop at its trigger of before the range; then follows the range's better end |
//!
//! - An order that rested since the bar's open is evaluated over the whole range **once**, at the
//!   bar's end, and fills with the bar's end as its time. One that arrived after the market had
//!   moved inside the bar ([`Exchange::touch`]) is compared only with the prices shown since, the
//!   close being the last of them; resting ones are not compared with such prices.
//! - Where a bar touches both a stop and the target beside it, the stop is taken; [`Exchange::ambiguous`]
//!   counts how often. In general everything that a worse price sets off is evaluated first, in
//!   order of arrival, then limit orders.
//! - Children of an entry that fills are first compared with its fill price, as if they arrived
//!   then; where it filled in the range, they are then evaluated over the same bar's whole range,
//!   once, the stop first.
//! - A market that has been at a price is one that traded there: a touch fills. Orders fill whole,
//!   unless [`Config::slice`] cuts them; they do not move the market.
//! - An order without `outside_rth` takes part in regular bars only.
//! - A trail-limit is a trail until it is set off, and then a limit order that stays where it is.
//! - Orders for the close trade at the session's last price, at its end; what of them cannot is
//!   cancelled then.
//! - In a halted contract nothing trades and no order is taken; what rests meets the first price
//!   after the halt.
//!
//! # Families and groups
//!
//! - Nothing of a bracket works before one order of it is transmitted; children wait until their
//!   parent fills, then work for as much of them as the parent has filled. A parent that ends
//!   without a fill takes its children with it; one that ends with a part filled leaves them by
//!   [`ChildRule`].
//! - The orders of an OCA group (one account's, by name), and the children of one parent, cancel
//!   each other: one that fills whole cancels the others, one that fills in part reduces them by as
//!   much, and in one evaluation only one of them trades. Together they never trade more than one.
//! - DAY orders end with [`Exchange::end_of_session`]; IOC ones with their first chance to trade,
//!   and FOK ones too, which trade only if they can whole. GTD ones end with the first bar or
//!   session end at their time or later.
//!
//! # Money
//!
//! Accounts are kept by average cost. An order is refused (201) if the position that it and the
//! other working orders could build, taken at the latest prices, needs more initial margin than
//! the account's equity; orders that only reduce are not. Nothing is liquidated. What an order
//! costs is settled over all its fills together (see [`CommissionPlan`]).
//!
//! # What it costs to run
//!
//! A bar costs no allocation where no order works, and looks at working orders only: what has
//! ended is kept for those who ask ([`Exchange::forget_before`] says how long) and never walked.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::domain::broker::AccountId;
use crate::domain::value::Quote;
use crate::domain::{Ascending, ContractId, MarketTime, Price, PriceRule, Usd};

mod account;
mod acts;
mod amending;
mod commission;
mod config;
mod history;
mod kind;
mod placing;
mod prices;
mod review;
mod state;
mod steps;
#[cfg(test)]
mod tests;
mod trading;
pub mod types;
mod what_if;

pub use account::{AccountView, Balances, Holding, Today};
pub use amending::closing_side;
pub use commission::{CommissionPlan, UnknownPlan};
pub use config::{ChildRule, Config, Friction, MarginPlan};
pub use history::{ArchiveMark, Core, Entry, EntryRef, Tallies};
pub use kind::{Kind, Tif};
pub use types::{Algo, Borrow, CancelRefusal, Change, Event, Fill, Held, NewOrder, Order, OrderKey, Refusal, Status};
pub use what_if::WhatIf;

use state::{Market, Slot};

/// The exchange and its accounts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    config: Config,
    accounts: BTreeMap<AccountId, account::Account>,
    markets: Ascending<ContractId, Market>,
    #[serde(with = "state::slots")]
    orders: Ascending<OrderKey, Slot>,
    fills: Vec<Fill>,
    last_perm_id: i64,
    ambiguous: u64,
    /// Keys of the ended orders that are still known, as they ended.
    #[serde(default)]
    ended: VecDeque<OrderKey>,
    /// The highest order id of each client that is known no more.
    #[serde(default)]
    forgotten: BTreeMap<i32, i32>,
    #[serde(default)]
    tallies: Tallies,
    /// Whether new sell orders are held back.
    #[serde(default)]
    holds_sells: bool,
    /// Room for the next call's events; empty.
    #[serde(skip)]
    spare: Vec<Event>,
}

/// Permanent ids begin above this, so that they cannot be taken for order ids.
const FIRST_PERM_ID: i64 = 1_000_000_000;

impl Exchange {
    /// An exchange without accounts and contracts.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            accounts: BTreeMap::new(),
            markets: Ascending::default(),
            orders: Ascending::default(),
            fills: Vec::new(),
            last_perm_id: FIRST_PERM_ID,
            ambiguous: 0,
            ended: VecDeque::new(),
            forgotten: BTreeMap::new(),
            tallies: Tallies::default(),
            holds_sells: false,
            spare: Vec::new(),
        }
    }

    /// Its configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Opens an account with cash; one that is open already stays as it is.
    pub fn open_account(&mut self, account: AccountId, cash: Usd) {
        self.accounts.entry(account).or_insert_with(|| account::Account::new(cash));
    }

    /// Takes back the list in which a call's events came, so that the next call need not allocate one.
    pub fn reuse(&mut self, mut events: Vec<Event>) {
        events.clear();
        if events.capacity() > self.spare.capacity() {
            self.spare = events;
        }
    }

    fn scene(&mut self, now: MarketTime) -> Scene {
        Scene { now, events: std::mem::take(&mut self.spare) }
    }

    /// Makes a contract tradable, or changes the price rule of one that is.
    pub fn list(&mut self, contract: ContractId, rule: PriceRule) {
        match self.markets.get_mut(&contract) {
            Some(market) => market.rule = rule,
            None => {
                self.markets.insert(contract, Market::new(rule));
            }
        }
    }

    /// An order, live or ended.
    pub fn order(&self, key: OrderKey) -> Option<&Order> {
        self.slot(key).map(|slot| &slot.order)
    }

    fn slot(&self, key: OrderKey) -> Option<&Slot> {
        self.orders.get(&key)
    }

    /// Live orders, by contract and in order of arrival.
    pub fn live_orders(&self) -> impl Iterator<Item = &Order> {
        self.live_keys().filter_map(|key| self.order(key))
    }

    /// All orders that are known, live and ended, by key.
    pub fn orders(&self) -> impl Iterator<Item = &Order> {
        self.orders.values().map(|slot| &slot.order)
    }

    /// The fills that are known, oldest first.
    pub fn fills(&self) -> &[Fill] {
        &self.fills
    }

    /// An account at the present marks; `None` where it was never opened.
    pub fn account(&self, account: &AccountId) -> Option<AccountView> {
        Some(self.accounts.get(account)?.view(self.config.margin, |contract| self.mark(contract)))
    }

    /// Cash, equity and available funds of an account at the present marks, USD; `None` where it was
    /// never opened. Cheaper than the whole of it.
    pub fn balances(&self, account: &AccountId) -> Option<Balances> {
        Some(self.accounts.get(account)?.balances(self.config.margin, |contract| self.quote(contract)))
    }

    /// The latest price of a contract; `None` before its first.
    pub fn mark(&self, contract: ContractId) -> Option<Price> {
        Price::from_f64(self.markets.get(&contract)?.last?)
    }

    /// The same, to be multiplied.
    fn quote(&self, contract: ContractId) -> Option<Quote> {
        Quote::from_f64(self.markets.get(&contract)?.last?)
    }

    /// How often a bar touched both a stop and the target beside it, so that the stop was taken.
    pub fn ambiguous(&self) -> u64 {
        self.ambiguous
    }

    /// Keys of a contract's live orders, in order of arrival.
    fn live_in(&self, contract: ContractId) -> &[OrderKey] {
        self.markets.get(&contract).map_or(&[], |market| &market.live)
    }

    fn live_keys(&self) -> impl Iterator<Item = OrderKey> {
        self.markets.values().flat_map(|market| market.live.iter().copied())
    }
}

/// The instant of a call, and what it has brought about so far.
#[derive(Debug)]
struct Scene {
    now: MarketTime,
    events: Vec<Event>,
}

impl Scene {
    fn at(now: MarketTime) -> Self {
        Self { now, events: Vec::new() }
    }
}
