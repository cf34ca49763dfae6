//! Live bars.

use super::error::StreamEnd;
use crate::domain::Bar;

/// One item of a bar stream.
#[derive(Debug, Clone, PartialEq)]
pub enum BarItem {
    /// The history asked for, once and first, ascending; the last may still be forming.
    History(Vec<Bar>),
    /// The bar now forming, as it is so far; a later open instant means the one before it ended.
    /// Real-time bars are whole when they come.
    Update(Bar),
}

/// Bars as they happen. Dropping it cancels the subscription.
pub struct BarStream {}

impl BarStream {
    /// The next item; after the end, the end again. Cancel-safe.
    ///
    /// # Errors
    /// Why the stream ended.
    pub async fn next(&mut self) -> Result<BarItem, StreamEnd> {
        std::future::pending().await
    }
}
