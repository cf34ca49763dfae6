//! Backtests: the code that trades, on bars of the past.
//!
//! Strategy, sizing, risk, desk, ledger and exchange are the daemon's and the simulator's own; what
//! is left out is the shell: no session, no wire, no clock.

pub mod files;
pub mod metrics;
pub mod outcome;
pub mod report;
pub mod summary_text;
