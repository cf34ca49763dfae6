//! Risk: how much, and whether at all.
//!
//! [`review`] is the only maker of [`ApprovedOrder`], and the outbox takes nothing else. Limits
//! bind entries; an exit is never trapped by one (rule 13), it only has to be a sane number.

mod limits;
mod review;
mod sizing;

pub use crate::domain::refusal::Refusal;
pub use limits::{Limits, OnDailyLoss};
pub use review::{ApprovedOrder, Exposure, Proposal, review};
pub use sizing::{Sizing, SizingInput, TripRecord, size};
