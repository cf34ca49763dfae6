//! A TWS *server*: the real wire protocol over TCP, a market behind it, and a pure exchange that
//! fills orders. For every client it is a gateway; only `user_info` tells what it is.
//!
//! - `wire` is bytes: hello, frames, messages. Nothing in it knows what a message means.
//! - `sessions` is connections: one reading and one writing task each, bounded outboxes.
//! - `engine` is one task that owns exchange, market and the table of clients, and takes turns:
//!   one input, or one piece of the tape.
//! - `requests` is what each message means, one file for a family of them.
//! - `market` is where prices come from; `state` is what survives a restart.
//!
//! State outlives connections: orders fill and executions accumulate while no client is there.

mod archive;
mod bar_words;
mod config;
mod door;
mod engine;
pub mod faults;
pub mod market;
mod outbox;
mod pacing;
mod prices;
mod rate;
mod requests;
mod running;
mod sessions;
mod state;
mod summary;
pub mod tap;
mod wire;
mod words;

pub use config::{BadSpeed, SimulatorConfig, SimulatorError, Source, Speed};
pub use engine::acts::Act;
pub use running::{Running, start};
pub use summary::{HoldingSummary, Summary};
