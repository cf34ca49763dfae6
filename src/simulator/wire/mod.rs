//! The bytes on the wire: hello, frames and messages of TWS's protobuf API, server versions
//! 213 to 226. Nothing here knows what a message means.
//!
//! The message structs are our own, written from the names, tags and types of IBKR's public
//! message descriptors; `golden_tests.rs` pins whole frames byte for byte.

pub mod accounts;
pub mod contracts;
pub mod executions;
pub mod frame;
#[cfg(test)]
mod golden_tests;
pub mod hello;
pub mod history;
pub mod ids;
pub mod market_data;
pub mod orders;
pub mod session;
pub mod ticks;

/// Any request whose first field is its number, or its whole content: cancels, and requests that
/// are not served.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Numbered {
    #[prost(int32, optional, tag = "1")]
    pub req_id: Option<i32>,
}

/// A message without fields.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Empty {}
