//! Faults on demand: what goes wrong at a gateway, when somebody says so.
//!
//! A [`Scenario`] is a list of [`Rule`]s, each a trigger and a [`Fault`]; it comes from a TOML
//! file, from code, or line by line from an operator. Without rules nothing here does anything.
//!
//! - `fault` and `kinds` are the faults, `rule` and `scenario` how they are written and checked;
//!   `span` is times, `names` messages, `canned` IBKR's words.
//! - `book` keeps the rules: which are in force, how often each fired, what lasts.
//! - `acts` does what a fired rule says; `links` is what lies behind the gateway, `account` what
//!   happens to orders and money.
//! - `incoming` and `outgoing` look at every message that passes, `rewrite` changes some.
//! - `control` is the operator's way in.
//!
//! All chance comes from the simulator's seed and the rule's number.

mod account;
mod acts;
mod book;
mod canned;
pub mod control;
pub mod fault;
mod incoming;
pub mod kinds;
mod links;
pub mod names;
mod outgoing;
mod reading;
mod rewrite;
mod rule;
mod scenario;
pub mod span;

pub use book::{Faults, RuleStatus};
pub use fault::Fault;
pub use rule::{BadRule, Rule};
pub use scenario::{Scenario, ScenarioError};
pub use span::{At, Span};
