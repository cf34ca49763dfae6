//! `robo-trader strategies`: what can be chosen, and with which parameters.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use crate::strategy::{REGISTRY, build};

/// Flags of `strategies`.
#[derive(Debug, Args)]
pub(super) struct StrategiesArgs {
    /// Print everything as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn main(args: &StrategiesArgs) -> ExitCode {
    if args.json {
        super::say(&format!("{:#}", json!({ "strategies": rows() })))
    } else {
        super::say(&listing().trim_end())
    }
}

/// Bars that a strategy needs with its defaults.
fn warm_up(name: &str) -> Option<usize> {
    build(name, &BTreeMap::new()).map(|strategy| strategy.warm_up()).ok()
}

fn rows() -> Vec<Value> {
    let params = |row: &crate::strategy::Row| -> Vec<Value> {
        let param = |spec: &crate::strategy::ParamSpec| json!({"name": spec.name, "default": spec.default, "help": spec.help, "range": spec.range()});
        row.params.iter().map(param).collect()
    };
    let row = |row: &crate::strategy::Row| {
        json!({
            "strategy": row.name, "summary": row.summary, "warm_up_bars": warm_up(row.name), "params": params(row),
        })
    };
    REGISTRY.iter().map(row).collect()
}

fn listing() -> String {
    let mut text = String::new();
    for row in REGISTRY {
        let warm_up = warm_up(row.name).map_or_else(|| "unknown".to_owned(), |bars| format!("{bars} bars"));
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}\n    {}\n    warm-up with defaults: {warm_up}", row.name, row.summary);
        for spec in row.params {
            let _ = writeln!(text, "    {}={}  {} ({})", spec.name, spec.default, spec.help, spec.range());
        }
    }
    text += "script:FILE\n    a rule of your own in the Rhai language; see docs/strategies.md and examples/sma-cross.rhai\n";
    text
}
