//! `robo-trader config`: the effective settings with the source of each.

use std::fmt::Write;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::settings_args::SettingsArgs;
use crate::config::{Layers, Settings, Source};
use crate::domain::Symbol;
use crate::runner::exit::USAGE;

/// Flags of `config`.
#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Print everything as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn main(args: &ConfigArgs) -> ExitCode {
    let layers = match args.settings.layers() {
        Ok(layers) => layers,
        Err(error) => {
            super::complain(&error);
            return ExitCode::from(USAGE);
        }
    };
    super::state_dir::tell_of_daemon(&layers);
    let resolved = Settings::resolve(&layers);
    let shown = if args.json {
        let wrong = resolved.as_ref().err().map(|error| error.0.iter().map(ToString::to_string).collect::<Vec<_>>());
        let warnings: Vec<String> = layers.warnings().iter().map(ToString::to_string).collect();
        let all = json!({"settings": rows(&layers), "warnings": warnings, "wrong": wrong.unwrap_or_default()});
        super::say(&format!("{all:#}"))
    } else {
        super::say(&listing(&layers).trim_end())
    };
    for warning in layers.warnings() {
        super::complain(warning);
    }
    match resolved {
        Ok(_) => shown,
        Err(error) => {
            super::complain(&error);
            ExitCode::from(USAGE)
        }
    }
}

/// Name, symbol where it is for one, value (masked where secret) and source.
fn each(layers: &Layers, mut row: impl FnMut(&str, Option<&Symbol>, &str, &Source)) {
    for (name, value, source) in layers.shown() {
        row(name, None, &value, &source);
    }
    for symbol in layers.symbols() {
        for (name, value, source) in layers.shown_for(symbol) {
            row(name, Some(symbol), &value, &source);
        }
    }
}

fn rows(layers: &Layers) -> Vec<Value> {
    let mut rows = Vec::new();
    each(layers, |name, symbol, value, source| {
        rows.push(json!({"name": name, "symbol": symbol, "value": value, "source": source.to_string()}));
    });
    rows
}

fn listing(layers: &Layers) -> String {
    let mut text = String::new();
    each(layers, |name, symbol, value, source| {
        let name = symbol.map_or_else(|| name.to_owned(), |symbol| format!("{symbol}.{name}"));
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name:<28} {value:<24} {source}");
    });
    text
}
