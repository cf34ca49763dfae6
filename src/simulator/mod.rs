//! simulator.

mod wire;
mod words;
