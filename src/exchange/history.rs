//! What has ended: how long it is known, and how it is kept apart from what still works.
//!
//! The whole of an exchange is [`Core`] (small: accounts, markets, working orders) and entries
//! that hardly ever change again: orders that have ended, and fills. (A correction changes one; then
//! all are archived anew.) A keeper writes the core anew and
//! appends the entries, so that writing costs the same after a day and after a year.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize, Serializer};

use super::state::Slot;
use super::{Config, Event, Exchange, Fill, MarketTime, Order, OrderKey, Scene, Status};

/// Counts that outlive what they count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tallies {
    /// Orders placed, refused ones included.
    pub orders: u64,
    /// Orders refused.
    pub rejected: u64,
    /// Fills.
    pub fills: u64,
    /// Orders that have ended.
    ended: u64,
    /// How often what had ended was changed after all, by a correction.
    #[serde(default)]
    rewritten: u64,
}

/// How far somebody has archived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ArchiveMark {
    ended: u64,
    fills: u64,
    rewritten: u64,
}

/// What never changes again, as it is kept.
#[derive(Debug, Deserialize)]
pub struct Entry(Kept);

#[derive(Debug, Deserialize)]
enum Kept {
    Ended(Box<Slot>),
    Filled(Box<Fill>),
}

impl Entry {
    /// When it came to its end; `None` for what should not be here.
    pub fn at(&self) -> Option<MarketTime> {
        match &self.0 {
            Kept::Ended(slot) => slot.order.ended_at,
            Kept::Filled(fill) => Some(fill.at),
        }
    }
}

/// [`Entry`], borrowed from an exchange.
#[derive(Debug, Serialize)]
pub struct EntryRef<'a>(KeptRef<'a>);

#[derive(Debug, Serialize)]
enum KeptRef<'a> {
    Ended(&'a Slot),
    Filled(&'a Fill),
}

/// An exchange without what has ended. It reads back as an [`Exchange`].
#[derive(Debug, Serialize)]
pub struct Core<'a> {
    config: &'a Config,
    accounts: &'a std::collections::BTreeMap<super::AccountId, super::account::Account>,
    markets: &'a crate::domain::Ascending<super::ContractId, super::state::Market>,
    #[serde(serialize_with = "live_only")]
    orders: &'a Exchange,
    fills: [Fill; 0],
    last_perm_id: i64,
    ambiguous: u64,
    forgotten: &'a std::collections::BTreeMap<i32, i32>,
    tallies: Tallies,
}

fn live_only<S: Serializer>(exchange: &&Exchange, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(exchange.live_keys().filter_map(|key| exchange.orders.get(&key)))
}

impl Exchange {
    /// Counts over its whole life.
    pub fn tallies(&self) -> Tallies {
        self.tallies
    }

    /// Everything but what has ended.
    pub fn core(&self) -> Core<'_> {
        Core {
            config: &self.config,
            accounts: &self.accounts,
            markets: &self.markets,
            orders: self,
            fills: [],
            last_perm_id: self.last_perm_id,
            ambiguous: self.ambiguous,
            forgotten: &self.forgotten,
            tallies: self.tallies,
        }
    }

    /// Puts what was kept together again.
    pub fn restore(core: Self, entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut exchange = core;
        for Entry(kept) in entries {
            match kept {
                Kept::Ended(slot) => {
                    let key = slot.order.order.key;
                    exchange.ended.push_back(key);
                    exchange.orders.insert(key, *slot);
                }
                Kept::Filled(fill) => exchange.fills.push(*fill),
            }
        }
        if exchange.tallies == Tallies::default() {
            exchange.count_anew();
        }
        exchange
    }

    /// An exchange of before there were tallies: what it holds is all there ever was.
    fn count_anew(&mut self) {
        let mut ended: Vec<&Order> =
            self.orders.values().map(|slot| &slot.order).filter(|order| !order.status.is_live()).collect();
        ended.sort_by_key(|order| (order.ended_at, order.perm_id));
        self.ended = ended.iter().map(|order| order.order.key).collect();
        let rejected = ended.iter().filter(|order| order.status == Status::Rejected).count();
        self.tallies = Tallies {
            orders: self.orders.len() as u64,
            rejected: rejected as u64,
            fills: self.fills.len() as u64,
            ended: self.ended.len() as u64,
            rewritten: 0,
        };
    }

    /// Up to where there is something to archive now.
    pub fn archive_mark(&self) -> ArchiveMark {
        let Tallies { ended, fills, rewritten, .. } = self.tallies;
        ArchiveMark { ended, fills, rewritten }
    }

    /// Whether something that was archived up to `mark` has been changed since: then all of it must
    /// be archived anew.
    pub fn has_rewritten_since(&self, mark: ArchiveMark) -> bool {
        self.tallies.rewritten != mark.rewritten
    }

    /// A fill that may have been archived is changed.
    pub(super) fn count_rewrite(&mut self) {
        self.tallies.rewritten += 1;
    }

    /// What has come to its end since `mark`, as far as it is still known.
    pub fn archive_since(&self, mark: ArchiveMark) -> impl Iterator<Item = EntryRef<'_>> {
        let newest = |all: usize, new: u64| all - usize::try_from(new).unwrap_or(all).min(all);
        let orders = newest(self.ended.len(), self.tallies.ended.saturating_sub(mark.ended));
        let fills = newest(self.fills.len(), self.tallies.fills.saturating_sub(mark.fills));
        let ended = self.ended.iter().skip(orders).filter_map(|key| self.slot(*key));
        let ended = ended.map(|slot| EntryRef(KeptRef::Ended(slot)));
        self.fills[fills..].iter().map(|fill| EntryRef(KeptRef::Filled(fill))).chain(ended)
    }

    /// Forgets orders that ended before this instant with their fills; the parents of working
    /// orders stay. Counts are not touched.
    pub fn forget_before(&mut self, before: MarketTime) {
        let parents: BTreeSet<OrderKey> =
            self.live_keys().filter_map(|key| self.slot(key).and_then(Slot::parent)).collect();
        let stays = |key: &OrderKey, slot: &Slot| {
            let order = &slot.order;
            order.status.is_live() || order.ended_at.is_some_and(|at| at >= before) || parents.contains(key)
        };
        let forgotten = &mut self.forgotten;
        self.orders.retain(|key, slot| {
            let stays = stays(key, slot);
            if !stays {
                let highest = forgotten.entry(key.client_id).or_insert(key.order_id);
                *highest = (*highest).max(key.order_id);
            }
            stays
        });
        let orders = &self.orders;
        self.ended.retain(|key| orders.contains_key(key));
        self.fills.retain(|fill| orders.contains_key(&fill.key));
    }

    /// Whether an id that is not known was used by an order that is forgotten.
    pub(super) fn is_forgotten(&self, key: OrderKey) -> bool {
        self.forgotten.get(&key.client_id).is_some_and(|highest| key.order_id > 0 && key.order_id <= *highest)
    }

    /// An order that has ended joins the past.
    pub(super) fn bury(&mut self, key: OrderKey) {
        self.ended.push_back(key);
        self.tallies.ended += 1;
    }

    /// A fill enters the record and is told.
    pub(super) fn record(&mut self, fill: Fill, scene: &mut Scene) {
        scene.events.push(Event::Filled(self.fills.len()));
        self.fills.push(fill);
        self.tallies.fills += 1;
    }

    /// A new order is counted.
    pub(super) fn count_order(&mut self, rejected: bool) {
        self.tallies.orders += 1;
        self.tallies.rejected += u64::from(rejected);
    }
}
