//! TWS and IB Gateway on our terms: the only module that names `ibapi`.
//!
//! One [`Session`] is one socket. It is never repaired: on loss its owner drops it and asks
//! `robust_connection` for another, which [`Gateway`] dials. Every wait here has a deadline of
//! ours, every message passes the limiter, every historical request the pacer, and every answer
//! is turned into the words of `domain` before it leaves this module.

pub mod bars;
mod budget;
pub mod codes;
mod contracts;
pub mod dial;
pub mod error;
mod history;
pub mod holdings;
mod hours;
pub mod limiter;
pub mod order_stream;
mod orders;
pub mod pacer;
mod requests;
pub mod session;
mod snapshot;
pub mod sockets;
pub mod turns;
mod zones;

pub use bars::{BarItem, BarStream};
pub use budget::Budget;
pub use codes::{Farm, FarmKind, FarmState, Link, Notice};
pub use dial::{Gateway, Planned, TwsConfig};
pub use error::{ContractError, DialError, RequestError, SendError, StreamEnd};
pub use holdings::HoldingStream;
pub use limiter::Priority;
pub use order_stream::{Notices, OrderItem, OrderStream};
pub use session::Session;
pub use turns::{Turn, Waiting};
