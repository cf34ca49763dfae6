//! The message limiter.

/// Who goes first when messages wait for the limit (trading-rules 15).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Priority {
    Cancel,
    Exit,
    Heartbeat,
    Stop,
    Entry,
    Data,
}
