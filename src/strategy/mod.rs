//! Strategies: closed bars in, targets out.
//!
//! A strategy is a function of the bars it has seen, and of nothing else: no clock, no position, no
//! account. It says how much of its allotted size it wants to hold; how many shares that is, and
//! whether an order goes out, is the desk's matter.
//!
//! To add one, write a file beside this one that implements [`Strategy`] and holds a [`Row`] (the
//! shortest example is `momentum.rs`), and add that row to [`REGISTRY`]: its parameters are then
//! checked, listed and documented, and the tests of every strategy cover it. Whoever does not want
//! to compile writes a [`Script`].

mod bollinger_reversion;
mod buy_and_hold;
mod crossing;
mod curves;
mod donchian_breakout;
mod ema_cross;
pub mod indicators;
mod macd_cross;
mod mean_reversion;
mod momentum;
mod params;
mod rsi_reversion;
mod running;
pub mod script;
mod sma_cross;
#[cfg(test)]
#[path = "stories_tests.rs"]
mod stories;
mod volatility_breakout;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::Bar;

pub use curves::{Curve, Drawn, Pane, drawn};
pub use params::{Kind, ParamError, ParamSpec, Params};
pub use running::{Asked, Gauges, Heard, Running};
pub use script::{Script, ScriptError};

/// How much of the allotted size to hold: -1.0 (all of it, short) to 1.0 (all of it, long).
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Target(f64);

impl Target {
    /// Nothing held.
    pub const FLAT: Self = Self(0.0);
    /// All of it, long.
    pub const LONG: Self = Self(1.0);
    /// All of it, short.
    pub const SHORT: Self = Self(-1.0);

    /// `None` outside -1.0 ..= 1.0 and for NaN.
    pub fn new(value: f64) -> Option<Self> {
        (-1.0..=1.0).contains(&value).then_some(Self(value))
    }

    /// The fraction.
    pub fn value(self) -> f64 {
        self.0
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:+}", self.0)
    }
}

/// A trading rule for one symbol.
///
/// What it remembers is its own fields, and those follow from the bars that it saw: after a restart
/// a new one is shown the history, and must come to say what the old one would have said. It knows
/// no position and no fill; an order that was refused or stopped out is nothing to it.
pub trait Strategy: Send {
    /// Bars that it must see before it can have an opinion: so much history is asked for, and a
    /// history too short for it is refused at the start. One that never quite forgets (an
    /// exponential average) names as many as make what came before negligible, see
    /// [`indicators::smoothed::memory`], and says nothing before.
    fn warm_up(&self) -> usize;

    /// Sees the next closed bar, in order, each once. `None` is no opinion: the last target stays.
    /// The same target again changes nothing.
    fn on_bar(&mut self, bar: &Bar) -> Option<Target>;

    /// Its indicators as they are after the newest bar, for charts: asked of an instance that nobody trades by, and
    /// told from what [`Strategy::on_bar`] works with, so that a chart shows what it decides on.
    fn curves(&self) -> Vec<Curve> {
        Vec::new()
    }

    /// Why it has given up, where it has: it has no opinion from then on, and a human must be told.
    /// What is compiled cannot fail; a script can.
    fn fault(&self) -> Option<&str> {
        None
    }
}

/// When a crossing strategy acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// On the bar that crosses, only.
    Cross,
    /// On every bar on which the condition holds.
    Level,
}

impl Entry {
    /// As the parameter [`ENTRY`] says.
    fn of(params: &Params) -> Self {
        if params.is("entry", "level") { Self::Level } else { Self::Cross }
    }
}

/// The parameter that chooses [`Entry`].
pub(crate) const ENTRY: ParamSpec = ParamSpec {
    name: "entry",
    kind: Kind::Choice(&["cross", "level"]),
    default: "cross",
    help: "act on the crossing bar only, or whenever the condition holds",
};

/// The parameter that allows the short side.
pub(crate) const SHORT: ParamSpec = ParamSpec {
    name: "short",
    kind: Kind::Choice(&["no", "yes"]),
    default: "no",
    help: "go short on the opposite signal instead of flat (also needs short selling allowed)",
};

/// A strategy that can be chosen by name.
pub struct Row {
    /// Its name in settings.
    pub name: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// Its parameters.
    pub params: &'static [ParamSpec],
    build: fn(&Params) -> Result<Box<dyn Strategy>, ParamError>,
}

/// Every strategy.
pub const REGISTRY: &[Row] = &[
    sma_cross::ROW,
    ema_cross::ROW,
    macd_cross::ROW,
    rsi_reversion::ROW,
    bollinger_reversion::ROW,
    mean_reversion::ROW,
    momentum::ROW,
    donchian_breakout::ROW,
    volatility_breakout::ROW,
    buy_and_hold::ROW,
];

/// Why a strategy cannot be built.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BuildError {
    /// No such name.
    #[error("strategy {name:?} does not exist; choose one of: {known}, or script:FILE")]
    UnknownStrategy {
        /// As asked.
        name: String,
        /// What exists.
        known: String,
    },
    /// A parameter is wrong.
    #[error("strategy {strategy}: {source}")]
    Param {
        /// The strategy.
        strategy: String,
        /// What is wrong.
        #[source]
        source: ParamError,
    },
    /// A script fails before its first bar.
    #[error("strategy script: {0}")]
    Script(#[from] ScriptError),
}

/// Builds a strategy by name with the given parameters; those not given have their defaults.
///
/// # Errors
/// An unknown name, an unknown parameter, or a value out of its range, each named.
pub fn build(name: &str, given: &BTreeMap<String, String>) -> Result<Box<dyn Strategy>, BuildError> {
    let row = REGISTRY.iter().find(|row| row.name == name).ok_or_else(|| BuildError::UnknownStrategy {
        name: name.to_owned(),
        known: REGISTRY.iter().map(|row| row.name).collect::<Vec<_>>().join(", "),
    })?;
    Params::resolve(row.params, given)
        .and_then(|params| (row.build)(&params))
        .map_err(|source| BuildError::Param { strategy: row.name.to_owned(), source })
}

/// The same, from the script where there is one: the name is then only its name.
///
/// # Errors
/// As [`build`], and what the script itself does wrong.
pub fn build_with(
    name: &str,
    given: &BTreeMap<String, String>,
    script: Option<&Script>,
) -> Result<Box<dyn Strategy>, BuildError> {
    script.map_or_else(|| build(name, given), |script| script.build(name, given))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_registered_strategy_builds_with_its_defaults_and_needs_a_warm_up() {
        for row in REGISTRY {
            let strategy = build(row.name, &BTreeMap::new()).unwrap();
            assert!(strategy.warm_up() >= 1 && strategy.fault().is_none(), "{}", row.name);
        }
    }

    #[test]
    fn wrong_names_and_values_are_named() {
        let given = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        let message = |name, given| build(name, &given).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(message("sma", BTreeMap::new()).contains("sma-cross"));
        assert!(message("sma-cross", given("fats", "3")).contains("fats"));
        let range = message("sma-cross", given("fast", "0"));
        assert!(range.contains("fast") && range.contains("\"0\"") && range.contains("1 to"), "{range}");
        let order = message("sma-cross", given("fast", "20"));
        assert!(order.contains("fast") && order.contains("slow"), "{order}");
    }
}
