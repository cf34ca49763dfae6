//! Orders told as lines of text.

use std::path::Path;

use futures::StreamExt;
use ibapi::Client;
use ibapi::contracts::Contract;
use ibapi::market_data::historical::{BarSize, ToDuration};
use ibapi::orders::{Action, Order, OrderUpdate, order_builder};
use ibapi::prelude::SubscriptionItem;
use ibapi::subscriptions::Subscription;
use robo_trader::simulator::{Running, start};
use tokio::time::timeout;

/// One line for each order event, up to and including the one that begins with `until`.
pub async fn story(updates: &mut Subscription<OrderUpdate>, until: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let reading = async {
        while !lines.last().is_some_and(|line| line.starts_with(until)) {
            let line = match updates.next().await.expect("the stream ended").expect("the stream failed") {
                SubscriptionItem::Data(OrderUpdate::OpenOrder(open)) => {
                    format!("open {} {}", open.order_id, open.order_state.status)
                }
                SubscriptionItem::Data(OrderUpdate::OrderStatus(status)) => {
                    format!("status {} {} {}/{}", status.order_id, status.status, status.filled, status.remaining)
                }
                SubscriptionItem::Data(OrderUpdate::ExecutionData(fill)) => {
                    let fill = fill.execution;
                    format!("fill {} {} at {}", fill.order_id, fill.shares, fill.price)
                }
                SubscriptionItem::Data(OrderUpdate::CommissionReport(cost)) => format!("cost {}", cost.commission),
                SubscriptionItem::Data(OrderUpdate::OrderBound(bound)) => format!("bound {}", bound.order_id),
                SubscriptionItem::Notice(notice) => format!("notice {}", notice.code),
            };
            lines.push(line);
        }
    };
    if timeout(super::PATIENCE, reading).await.is_err() {
        panic!("{until:?} did not come; {lines:?} did");
    }
    lines
}

/// A simulator that replays AAA at 100.00, 100.00, ..., and a client with its order stream open.
pub async fn table(dir: &Path, closes: &[f64]) -> (Running, Client, Subscription<OrderUpdate>, Contract) {
    super::write_minutes(dir, "AAA", closes);
    let running = start(super::replay(dir)).await.unwrap();
    let client = super::ibapi(&running, 7).await;
    let updates = client.order_update_stream().await.unwrap();
    let contract = client.contract_details(&Contract::stock("AAA").build()).await.unwrap()[0].contract.clone();
    (running, client, updates, contract)
}

/// Sets the tape moving.
pub async fn watch(
    client: &Client,
    contract: &Contract,
) -> Subscription<ibapi::market_data::historical::HistoricalBarUpdate> {
    client.historical_data(contract, BarSize::Min).duration(1.days()).stream().await.unwrap()
}

/// An order that is transmitted.
pub fn order(action: Action, quantity: f64, kind: &str) -> Order {
    Order { transmit: true, order_type: kind.into(), ..order_builder::market_order(action, quantity) }
}
