//! `robo-trader strategies`: what can be chosen, and with which parameters.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::ExitCode;

use crate::strategy::{REGISTRY, build};

pub(super) fn main() -> ExitCode {
    super::say(&listing().trim_end())
}

fn listing() -> String {
    let mut text = String::new();
    for row in REGISTRY {
        let warm_up = build(row.name, &BTreeMap::new()).map(|strategy| strategy.warm_up()).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}\n    {}\n    warm-up with defaults: {warm_up} bars", row.name, row.summary);
        for spec in row.params {
            let _ = writeln!(text, "    {}={}  {} ({})", spec.name, spec.default, spec.help, spec.range());
        }
    }
    text += "script:FILE\n    a rule of your own in the Rhai language; see docs/strategies.md and examples/sma-cross.rhai\n";
    text
}
