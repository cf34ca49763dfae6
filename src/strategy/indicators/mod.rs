//! Indicators, constant time a bar.
//!
//! Those over a window remember exactly their window. Those that smooth
//! ([`smoothed`]) remember every bar, ever less: how long a strategy must warm such a one up says
//! [`smoothed::memory`].

mod extreme;
mod ring;
pub mod smoothed;
mod volatility;
mod window;

pub use extreme::Extreme;
pub use smoothed::{Atr, Ema, Macd, Rsi};
pub use volatility::{Moves, Volatility};
pub use window::{Change, Deviation, MeansApart, MovingSum, Spread};
