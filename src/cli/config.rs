//! `robo-trader config`: the effective settings with the source of each.

use std::fmt::Write;
use std::process::ExitCode;

use super::settings_args::SettingsArgs;
use crate::config::{Layers, Settings};
use crate::runner::exit::USAGE;

pub(super) fn main(args: &SettingsArgs) -> ExitCode {
    let layers = match args.layers() {
        Ok(layers) => layers,
        Err(error) => {
            super::complain(&error);
            return ExitCode::from(USAGE);
        }
    };
    let shown = super::say(&listing(&layers).trim_end());
    for warning in layers.warnings() {
        super::complain(warning);
    }
    match Settings::resolve(&layers) {
        Ok(_) => shown,
        Err(error) => {
            super::complain(&error);
            ExitCode::from(USAGE)
        }
    }
}

fn listing(layers: &Layers) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: &str, source: &dyn std::fmt::Display| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name:<28} {value:<24} {source}");
    };
    for (name, value, source) in layers.shown() {
        row(name, &value, &source);
    }
    for symbol in layers.symbols() {
        for (name, value, source) in layers.shown_for(symbol) {
            row(&format!("{symbol}.{name}"), &value, &source);
        }
    }
    text
}
