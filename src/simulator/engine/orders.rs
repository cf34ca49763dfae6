//! What happened at the exchange, told to those whose orders it happened to.

use tracing::info;

use super::Engine;
use crate::domain::{ContractId, MarketTime};
use crate::exchange::{Event, Fill, Order, OrderKey, Status};
use crate::simulator::requests::orders::{CANCELLED, REJECTED};
use crate::simulator::sessions::ConnectionId;
use crate::simulator::words;

/// An order that is taken while its market is closed.
const CLOSED: i32 = 399;

impl Engine {
    /// Delivers the exchange's events in their order. Each order's events go to the client that
    /// placed it and to the master client, and to nobody if they are away; positions go to all
    /// who follow them.
    pub(in crate::simulator) fn deliver(&mut self, events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        self.dirty = true;
        // A fill's cost follows the status that the fill led to, as on the real wire.
        let mut costs: Vec<Fill> = Vec::new();
        let mut moved: Vec<ContractId> = Vec::new();
        for event in events {
            match event {
                Event::Changed(change) => {
                    if let Some(order) = self.exchange.order(change.key).map(|order| order.as_of(&change)) {
                        self.driver.counts.changed(&order);
                        self.tell_change(order);
                    }
                    let (due, later) = costs.into_iter().partition(|fill| fill.key == change.key);
                    costs = later;
                    self.tell_costs(due);
                }
                Event::Filled(place) => {
                    let Some(fill) = self.exchange.fills().get(place).cloned() else { continue };
                    self.driver.counts.filled(&fill);
                    self.tell_fill(&fill);
                    moved.push(fill.contract);
                    costs.push(fill);
                }
                Event::CancelledByRule { key, reason } => {
                    self.tell(key, CANCELLED, format!("Order Canceled - reason:{reason}"))
                }
                Event::Adjusted { account, amount, reason } => {
                    info!(%account, %amount, reason, "cash moved");
                    self.balances_moved = true;
                }
            }
        }
        self.tell_costs(costs);
        moved.sort_unstable();
        moved.dedup();
        if !moved.is_empty() {
            self.balances_moved = true;
            self.publish_positions(&moved);
        }
    }

    /// Who hears of an order: its client, client 0 of one placed by hand if it binds those, and
    /// the master client.
    pub(in crate::simulator) fn followers(&self, key: OrderKey) -> Vec<ConnectionId> {
        let by_hand = key.client_id == 0 && key.order_id < 0;
        let bound = !by_hand || self.exchange.order(key).is_some_and(|order| order.bound);
        let owner = self.clients.started(key.client_id).filter(|_| bound);
        let master = self.config.master_client.and_then(|id| self.clients.started(id));
        let mut all: Vec<ConnectionId> = owner.into_iter().chain(master).collect();
        all.dedup();
        all
    }

    /// Where an order stands for its client: one that nothing but closed hours keeps from working
    /// is not at the exchange yet.
    pub(in crate::simulator) fn stands(&self, order: &Order) -> Status {
        match order.status {
            Status::Submitted if self.opens_for(order.order.outside_rth).is_some() => Status::PreSubmitted,
            other => other,
        }
    }

    fn tell(&mut self, key: OrderKey, code: i32, text: String) {
        if let Some(owner) = self.clients.started(key.client_id) {
            self.error(owner, key.order_id, code, text);
        }
    }

    fn tell_change(&mut self, mut order: Order) {
        let key = order.order.key;
        self.bind_if_wished(&order);
        // As it is known now: it may just have been bound.
        order.bound = self.exchange.order(key).is_some_and(|known| known.bound);
        let order = &order;
        for to in self.followers(key) {
            self.send_order(to, order);
        }
        self.tell_hours(order);
        match order.status {
            Status::Rejected => self.tell(key, REJECTED, format!("Order rejected - reason:{}", order.reason)),
            // A cancel that was asked for; one by a rule is followed by its own event.
            Status::Cancelled if order.reason.is_empty() => {
                self.tell(key, CANCELLED, "Order Canceled - reason:".to_owned());
            }
            Status::Cancelled | Status::Untransmitted | Status::PreSubmitted | Status::Submitted | Status::Filled => {}
        }
    }

    /// Says once of an order that came while its market is closed until when it waits.
    fn tell_hours(&mut self, order: &Order) {
        let key = order.order.key;
        let waits = matches!(order.status, Status::PreSubmitted | Status::Submitted);
        let opens = self.opens_for(order.order.outside_rth).filter(|_| waits);
        let Some(opens) = opens else {
            self.recent.sleeping.remove(&key);
            return;
        };
        if !self.recent.sleeping.insert(key) {
            return;
        }
        let placed = &order.order;
        let what = self.market.listing(placed.contract).map(|listing| {
            let contract = &listing.contract;
            format!("{} {}.{}", contract.symbol, contract.primary_exchange, contract.trading_class)
        });
        let text = format!(
            "Order Message:\n{} {} {}\nWarning: Your order will not be placed at the exchange until {}.",
            placed.side,
            placed.quantity,
            what.unwrap_or_default(),
            words::dashed_date_time(opens),
        );
        self.tell(key, CLOSED, text);
    }

    /// The market is about to open for a contract: orders that waited for it are at the exchange.
    pub(super) fn wake_sleeping(&mut self, contract: ContractId) {
        if self.recent.sleeping.is_empty() {
            return;
        }
        let keys: Vec<OrderKey> = self.recent.sleeping.iter().copied().collect();
        for key in keys {
            let Some(order) = self.exchange.order(key).filter(|order| order.status.is_live()).cloned() else {
                self.recent.sleeping.remove(&key);
                continue;
            };
            if order.order.contract != contract || self.opens_for(order.order.outside_rth).is_some() {
                continue;
            }
            self.recent.sleeping.remove(&key);
            if order.status == Status::Submitted {
                for to in self.followers(key) {
                    self.send_order(to, &order);
                }
            }
        }
    }

    /// When an order could first trade, where that is later than now.
    pub(in crate::simulator) fn opens_for(&self, outside_rth: bool) -> Option<MarketTime> {
        super::hours::opens_for(self.calendar, self.now, outside_rth)
    }

    fn tell_fill(&mut self, fill: &Fill) {
        info!(
            client_id = fill.key.client_id,
            order_id = fill.key.order_id,
            side = %fill.side,
            quantity = %fill.quantity,
            symbol = self.listed.get(&fill.contract).map(ToString::to_string),
            price = %fill.price,
            at = %fill.at,
            "filled"
        );
        for to in self.followers(fill.key) {
            self.send_execution(to, -1, fill);
        }
    }

    fn tell_costs(&mut self, fills: Vec<Fill>) {
        for fill in fills {
            for to in self.followers(fill.key) {
                self.send_commission(to, &fill);
            }
        }
    }
}
