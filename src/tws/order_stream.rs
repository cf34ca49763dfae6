//! The session's order stream and its notices.

use super::codes::Notice;
use super::error::StreamEnd;
use crate::domain::broker::OrderUpdate;

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
pub struct OrderStream {}

impl OrderStream {
    /// The next item; after the end, the end again. Cancel-safe.
    ///
    /// # Errors
    /// Why the stream ended.
    pub async fn next(&mut self) -> Result<OrderItem, StreamEnd> {
        std::future::pending().await
    }
}

/// The session's notices.
pub struct Notices {}

impl Notices {
    /// The next notice; `None` when the session is gone. Cancel-safe.
    pub async fn next(&mut self) -> Option<Notice> {
        None
    }
}
