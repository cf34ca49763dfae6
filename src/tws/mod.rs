//! TWS and IB Gateway on our terms: the only module that names `ibapi`.
//!
//! One [`Session`] is one socket. It is never repaired: on loss its owner drops it and asks
//! `robust_connection` for another, which [`Gateway`] dials.

pub mod bars;
pub mod codes;
pub mod dial;
pub mod error;
pub mod limiter;
pub mod order_stream;
pub mod session;

pub use bars::{BarItem, BarStream};
pub use codes::{Farm, FarmKind, FarmState, Link, Notice};
pub use dial::{Gateway, TwsConfig};
pub use error::{ContractError, DialError, RequestError, SendError, StreamEnd};
pub use limiter::Priority;
pub use order_stream::{Notices, OrderItem, OrderStream};
pub use session::Session;
