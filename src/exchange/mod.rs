//! A pure exchange with one clearing account book: orders and market steps in, events out.
//!
//! The simulator serves it over the wire; the backtest drives it directly. It knows no sockets,
//! no clocks and no clients' sessions: time is an argument of every call.

pub mod types;
