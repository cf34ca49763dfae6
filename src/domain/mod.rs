//! The desk's words: money, time, contracts, bars, orders, positions and the book.
//!
//! Everything here is pure: values in, values out. No clock, no I/O, no async.

pub mod ascending;
pub mod bar;
pub mod book;
pub mod broker;
pub mod contract;
mod exact;
pub mod history;
pub mod money;
pub mod order;
pub mod position;
pub mod progress;
pub mod refusal;
mod text;
pub mod ticket;
pub mod time;
pub mod value;

pub use ascending::Ascending;
pub use bar::{Bar, BarFault, BarSize};
pub use contract::{Contract, ContractId, Hours, PriceRule, Rounding, Symbol, Window};
pub use history::{HistoryDuration, HistoryRequest, WhatToShow};
pub use money::{Price, Shares, Usd};
pub use order::{OrderKind, OrderRef, Side, TimeInForce};
pub use text::plain;
pub use ticket::Ticket;
pub use time::MarketTime;
