//! What may vary from point to point: parameters that the strategies have, and settings that leave bars and
//! cash as they are, which all points share.

use std::collections::BTreeMap;

use super::super::backtest::{Prepared, WITHOUT_EFFECT};
use crate::backtest::sweep::space::{Axis, Space, is_setting};
use crate::config::{Layers, Settings, Source};
use crate::strategy::{BuildError, ParamError, build_with};

/// Settings that may be varied, beside those that begin with `RISK_`.
const SETTINGS: [&str; 10] = [
    "STRATEGY",
    "EXECUTION_SHORT_SELLING",
    "ORDER_STYLE",
    "ORDER_LIMIT_OFFSET_PCT",
    "AFTER_CLOSE",
    "NO_ENTRY_AFTER_OPEN",
    "NO_ENTRY_BEFORE_CLOSE",
    "FLAT_BY_CLOSE",
    "CASH_LIMIT",
    "DATA_FRESHNESS",
];

/// Why a name cannot be varied.
#[derive(Debug, thiserror::Error)]
pub enum BadVary {
    /// It is none.
    #[error(
        "--vary {name}: there is no such setting; a strategy's parameter is in lower case, robo-trader config lists the settings"
    )]
    Unknown {
        /// As given.
        name: String,
    },
    /// It would change what all points share, or nothing.
    #[error("--vary {name}: it cannot vary: all points share their bars, calendar and cash, or a backtest has no use for it; what can vary: the strategy's parameters, RISK_..., {}", SETTINGS.join(", "))]
    Shared {
        /// The setting.
        name: String,
    },
    /// A symbol has its own.
    #[error(
        "--vary {name}: {symbol} has a {setting} of its own, which no point would replace; take it out of the settings file"
    )]
    Own {
        /// The axis.
        name: String,
        /// The symbol.
        symbol: String,
        /// The setting.
        setting: &'static str,
    },
    /// The strategy has no such parameter.
    #[error("--vary {name}: {source}; a setting is in upper case")]
    Parameter {
        /// As given.
        name: String,
        /// What exists.
        source: BuildError,
    },
}

/// Checks every axis before anything runs.
pub(super) fn check(space: &Space, prepared: &Prepared) -> Result<(), BadVary> {
    space.axes().iter().try_for_each(|axis| {
        if is_setting(&axis.name) { setting(axis, prepared) } else { parameter(axis, space, prepared) }
    })
}

fn setting(axis: &Axis, prepared: &Prepared) -> Result<(), BadVary> {
    let name = axis.name.clone();
    let Some(spec) = crate::config::table::find(&name) else { return Err(BadVary::Unknown { name }) };
    let may = spec.name.starts_with("RISK_") || SETTINGS.contains(&spec.name);
    if !may || WITHOUT_EFFECT.contains(&spec.name) {
        return Err(BadVary::Shared { name });
    }
    own(&name, spec.name, prepared)
}

/// Refuses what a symbol's own setting would hide.
fn own(axis: &str, setting: &'static str, prepared: &Prepared) -> Result<(), BadVary> {
    let has = |layers: &Layers, symbol| layers.shown_for(symbol).iter().any(|(name, ..)| *name == setting);
    let hidden = prepared.settings.symbols.iter().find(|(symbol, _)| has(&prepared.layers, symbol));
    hidden
        .map_or(Ok(()), |(symbol, _)| Err(BadVary::Own { name: axis.to_owned(), symbol: symbol.to_string(), setting }))
}

/// A parameter that none of the strategies knows is a slip of the pen.
fn parameter(axis: &Axis, space: &Space, prepared: &Prepared) -> Result<(), BadVary> {
    own(&axis.name, "STRATEGY_PARAMS", prepared)?;
    let varied = strategies(space, prepared);
    let chosen = if varied.is_empty() { std::slice::from_ref(&prepared.settings) } else { &varied };
    let mut unknown = None;
    for (_, plan) in chosen.iter().flat_map(|settings: &Settings| &settings.symbols) {
        let value = axis.values.first().cloned().unwrap_or_default();
        let given = BTreeMap::from([(axis.name.clone(), value)]);
        match build_with(&plan.strategy, &given, plan.script.as_ref()) {
            Err(error @ BuildError::Param { source: ParamError::Unknown { .. }, .. }) => unknown = Some(error),
            // Its value may be wrong: that is for the points to say.
            Ok(_) | Err(_) => return Ok(()),
        }
    }
    unknown.map_or(Ok(()), |source| Err(BadVary::Parameter { name: axis.name.clone(), source }))
}

/// The settings with each of the strategies that vary; none where they do not.
pub(super) fn strategies(space: &Space, prepared: &Prepared) -> Vec<Settings> {
    let names = space.axes().iter().filter(|axis| axis.name == "STRATEGY").flat_map(|axis| &axis.values);
    names.filter_map(|name| with_strategy(prepared, name)).collect()
}

fn with_strategy(prepared: &Prepared, name: &str) -> Option<Settings> {
    let mut layers = prepared.layers.clone();
    layers.set("STRATEGY", name, Source::Flag("--vary"));
    Settings::resolve(&layers).ok()
}
