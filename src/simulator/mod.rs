//! simulator.

pub mod market;
