//! The session's order stream and its notices, in our words.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::StreamExt;
use ibapi::subscriptions::{NoticeStream, Subscription, SubscriptionItem};
use ibapi::{Error, SUBSCRIPTION_LAG_CODE, orders};
use tracing::{debug, error};

use super::codes::{self, Notice};
use super::error::StreamEnd;
use super::orders::{LatestTime, commission, execution, open_order, status};
use crate::domain::broker::{BrokerStatus, OrderUpdate};
use crate::domain::plain;

/// One item of the order stream.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "nearly every item is an update; a box each would cost more")]
pub enum OrderItem {
    /// News of an order.
    Update(OrderUpdate),
    /// News were lost on the way to us: reconcile.
    Lagged,
}

/// News of all orders of this client, in the gateway's order.
pub struct OrderStream {
    updates: Subscription<orders::OrderUpdate>,
    /// Orders that the broker has shown as live: a later refusal concerns a change of theirs.
    acknowledged: BTreeSet<i32>,
    latest: Arc<LatestTime>,
    ended: Option<StreamEnd>,
}

impl OrderStream {
    pub(super) fn new(updates: Subscription<orders::OrderUpdate>, latest: Arc<LatestTime>) -> Self {
        Self { updates, acknowledged: BTreeSet::new(), latest, ended: None }
    }

    /// The next item; after the end, the end again. Cancel-safe.
    ///
    /// # Errors
    /// Why the stream ended.
    pub async fn next(&mut self) -> Result<OrderItem, StreamEnd> {
        if let Some(end) = &self.ended {
            return Err(end.clone());
        }
        loop {
            let item = match self.updates.next().await {
                Some(Ok(SubscriptionItem::Data(update))) => self.update(&update),
                Some(Ok(SubscriptionItem::Notice(notice))) => self.news(&notice),
                Some(Err(error)) => return Err(self.end(StreamEnd::from_api(&error))),
                None => return Err(self.end(StreamEnd::from_api(&Error::Shutdown))),
            };
            if let Some(item) = item {
                return Ok(item);
            }
        }
    }

    fn end(&mut self, end: StreamEnd) -> StreamEnd {
        debug!(%end, "order stream ended");
        self.ended = Some(end.clone());
        end
    }

    fn update(&mut self, update: &orders::OrderUpdate) -> Option<OrderItem> {
        let update = match update {
            orders::OrderUpdate::OpenOrder(data) => {
                let order = open_order(data);
                self.acknowledge(order.order_id, order.status);
                order.into()
            }
            orders::OrderUpdate::OrderStatus(report) => {
                let report = status(report);
                self.acknowledge(report.order_id, report.status);
                OrderUpdate::Status(report)
            }
            orders::OrderUpdate::ExecutionData(data) => execution(data, &self.latest)?.into(),
            orders::OrderUpdate::CommissionReport(report) => OrderUpdate::Commission(commission(report)?),
            orders::OrderUpdate::OrderBound(bound) => {
                debug!(order_id = bound.order_id, perm_id = bound.perm_id, "order bound");
                return None;
            }
        };
        Some(OrderItem::Update(update))
    }

    fn acknowledge(&mut self, order_id: i32, status: BrokerStatus) {
        use BrokerStatus as S;
        match status {
            S::PreSubmitted | S::Submitted | S::PendingCancel => {
                self.acknowledged.insert(order_id);
            }
            S::ApiCancelled | S::Cancelled | S::Filled | S::Inactive => {
                self.acknowledged.remove(&order_id);
            }
            // Neither says that the broker accepted it.
            S::ApiPending | S::PendingSubmit | S::Other => {}
        }
    }

    fn news(&mut self, notice: &ibapi::Notice) -> Option<OrderItem> {
        if notice.code == SUBSCRIPTION_LAG_CODE {
            error!(text = %notice.message, "order news were lost on the way; reconcile");
            return Some(OrderItem::Lagged);
        }
        let Some(order_id) = notice.request_id else {
            debug!(code = notice.code, text = %notice.message, "message without an order");
            return None;
        };
        let acknowledged = self.acknowledged.contains(&order_id);
        let news = codes::order_news(notice.code, &notice.message, acknowledged);
        let text = plain(&notice.message.replace("<br>", "; "));
        Some(OrderItem::Update(OrderUpdate::News { order_id, code: notice.code, news, text }))
    }
}

/// The session's notices, those of the handshake included.
pub struct Notices(NoticeStream);

impl Notices {
    pub(super) fn new(stream: NoticeStream) -> Self {
        Self(stream)
    }

    /// The next notice; `None` when the session is gone. Cancel-safe.
    pub async fn next(&mut self) -> Option<Notice> {
        self.0.next().await.map(|notice| codes::notice(notice.code, &notice.message))
    }
}
