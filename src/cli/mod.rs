//! cli.

pub mod simulator;
