//! Settings: defaults < `robo-trader.toml` < `.env` < environment < flags.
//!
//! [`table::TABLE`] names every setting once. [`Layers`] collects texts with where they came from;
//! [`Settings::resolve`] turns them into checked values, and reports every bad one at once.

mod guards;
pub mod layers;
mod notify;
mod plan;
mod reader;
mod script;
mod settings;
mod sizing;
pub mod table;
#[cfg(test)]
mod tests;
mod unknown;
mod warm_up;
mod web;
mod wide;
pub mod words;

pub use layers::{Layers, LoadError, Source};
pub use notify::NotifySettings;
pub use reader::{BadSetting, BadSettings};
pub use settings::{ConnectionSettings, Durability, FeedKind, LogFormat, Settings};
pub use web::WebSettings;
pub use wide::WIDE_LIMITS;
