//! What happened at the exchange, told to those whose orders it happened to.

use tracing::info;

use super::Engine;
use crate::domain::ContractId;
use crate::exchange::{Event, Fill, Order, OrderKey, Status};
use crate::simulator::requests::orders::{CANCELLED, REJECTED};

impl Engine {
    /// Delivers the exchange's events in their order. Each order's events go to the client that
    /// placed it, and to nobody if it is away; positions go to all who follow them.
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
                Event::Changed(order) => {
                    self.driver.counts.changed(&order);
                    self.tell_change(&order);
                    let (due, later) = costs.into_iter().partition(|fill| fill.key == order.order.key);
                    costs = later;
                    self.tell_costs(due);
                }
                Event::Filled(fill) => {
                    self.driver.counts.filled(&fill);
                    self.tell_fill(&fill);
                    moved.push(fill.contract);
                    costs.push(fill);
                }
                Event::CancelledByRule { key, reason } => {
                    self.tell(key, CANCELLED, format!("Order Canceled - reason:{reason}"))
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

    fn tell(&mut self, key: OrderKey, code: i32, text: String) {
        if let Some(owner) = self.clients.started(key.client_id) {
            self.error(owner, key.order_id, code, text);
        }
    }

    fn tell_change(&mut self, order: &Order) {
        let key = order.order.key;
        let Some(owner) = self.clients.started(key.client_id) else { return };
        self.send_order(owner, order);
        match order.status {
            Status::Rejected => self.tell(key, REJECTED, format!("Order rejected - reason:{}", order.reason)),
            // A cancel that was asked for; one by a rule is followed by its own event.
            Status::Cancelled if order.reason.is_empty() => {
                self.tell(key, CANCELLED, "Order Canceled - reason:".to_owned());
            }
            Status::Cancelled | Status::Untransmitted | Status::PreSubmitted | Status::Submitted | Status::Filled => {}
        }
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
        if let Some(owner) = self.clients.started(fill.key.client_id) {
            self.send_execution(owner, -1, fill);
        }
    }

    fn tell_costs(&mut self, fills: Vec<Fill>) {
        for fill in fills {
            if let Some(owner) = self.clients.started(fill.key.client_id) {
                self.send_commission(owner, &fill);
            }
        }
    }
}
