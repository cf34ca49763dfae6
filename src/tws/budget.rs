//! What IBKR's rules leave, for whoever looks.

use std::sync::Arc;

use super::limiter::Limiter;
use super::pacer::Pacer;

/// A look at the log-in's message limit and pacing. Clones look at the same.
#[derive(Debug, Clone)]
pub struct Budget {
    pub(super) limiter: Arc<Limiter>,
    pub(super) pacer: Arc<Pacer>,
}

impl Budget {
    /// Messages that may leave now before the limit holds one back.
    pub fn messages_left(&self) -> usize {
        self.limiter.left()
    }

    /// Messages that wait for the limit.
    pub fn messages_waiting(&self) -> usize {
        self.limiter.waiting()
    }

    /// Orders that it has held back so far.
    pub fn orders_held_back(&self) -> u64 {
        self.limiter.orders_held_back()
    }

    /// Requests for bars of 30 seconds or less that the rule of ten minutes still allows; `None` where nothing is
    /// paced.
    pub fn small_bar_requests_left(&self) -> Option<u32> {
        self.pacer.left()
    }

    /// Historical requests that may be opened beside those that are open.
    pub fn open_requests_left(&self) -> usize {
        self.pacer.open_left()
    }

    /// The same for those that stay open.
    pub fn streams_left(&self) -> usize {
        self.pacer.streams_left()
    }
}
