//! Reads texts as values, and remembers every one that is wrong.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::{Layers, Source};
use crate::config::table;
use crate::domain::Symbol;

/// A setting that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadSetting {
    /// Its name, with the symbol where it is for one.
    pub name: String,
    /// As given (masked where secret).
    pub value: String,
    /// Where it came from.
    pub source: Source,
    /// What is wrong, with the range.
    pub why: String,
}

impl fmt::Display for BadSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {:?} (from {}): {}", self.name, self.value, self.source, self.why)
    }
}

/// Every setting that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadSettings(pub Vec<BadSetting>);

impl fmt::Display for BadSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} setting(s) are wrong; nothing was started:", self.0.len())?;
        for bad in &self.0 {
            write!(f, "\n  {bad}")?;
        }
        Ok(())
    }
}

impl std::error::Error for BadSettings {}

/// Reads settings, for one symbol or for all.
pub(super) struct Reader<'a> {
    layers: &'a Layers,
    symbol: Option<&'a Symbol>,
    pub(super) bad: Vec<BadSetting>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(layers: &'a Layers, symbol: Option<&'a Symbol>) -> Self {
        Self { layers, symbol, bad: Vec::new() }
    }

    pub(super) fn text(&self, name: &str) -> String {
        self.get(name).0.trim().to_owned()
    }

    fn get(&self, name: &str) -> (String, Source) {
        match self.symbol {
            Some(symbol) => self.layers.get_for(symbol, name),
            None => self.layers.get(name),
        }
    }

    /// Notes that a setting is wrong.
    pub(super) fn reject(&mut self, name: &str, why: impl Into<String>) {
        let (value, source) = self.get(name);
        let secret = table::find(name).is_some_and(|spec| spec.secret);
        let value = if secret { "********".to_owned() } else { value };
        let name = self.symbol.map_or_else(|| name.to_owned(), |symbol| format!("{symbol}: {name}"));
        self.bad.push(BadSetting { name, value, source, why: why.into() });
    }

    /// A whole number from `low` to `high`.
    pub(super) fn whole(&mut self, name: &str, low: u64, high: u64) -> u64 {
        match self.text(name).parse::<u64>() {
            Ok(number) if (low..=high).contains(&number) => number,
            Ok(_) | Err(_) => {
                self.reject(name, format!("use a whole number from {low} to {high}"));
                low
            }
        }
    }

    /// A whole number, or nothing where the text is empty.
    pub(super) fn optional_whole(&mut self, name: &str, low: u64, high: u64) -> Option<u64> {
        (!self.text(name).is_empty()).then(|| self.whole(name, low, high))
    }

    /// A decimal number from `low` to `high`.
    pub(super) fn decimal(&mut self, name: &str, low: &str, high: &str) -> Decimal {
        // The bounds are literals of this module's callers: they parse.
        let bound = |text: &str| Decimal::from_str(text).unwrap_or_default();
        let (min, max) = (bound(low), bound(high));
        match Decimal::from_str(&self.text(name)) {
            Ok(number) if min <= number && number <= max => number,
            Ok(_) | Err(_) => {
                self.reject(name, format!("use a number from {low} to {high}"));
                max
            }
        }
    }

    /// A decimal number, or nothing where the text is empty.
    pub(super) fn optional_decimal(&mut self, name: &str, low: &str, high: &str) -> Option<Decimal> {
        (!self.text(name).is_empty()).then(|| self.decimal(name, low, high))
    }

    /// Seconds (or `unit` seconds) from `low` to `high`.
    pub(super) fn span(&mut self, name: &str, unit: u64, low: &str, high: &str) -> Duration {
        let number = self.decimal(name, low, high) * Decimal::from(unit * 1_000);
        Duration::from_millis(number.to_u64().unwrap_or(0))
    }

    /// Seconds, or nothing where the text is empty.
    pub(super) fn optional_span(&mut self, name: &str, unit: u64, low: &str, high: &str) -> Option<Duration> {
        (!self.text(name).is_empty()).then(|| self.span(name, unit, low, high))
    }

    /// Yes or no.
    pub(super) fn yes(&mut self, name: &str) -> bool {
        match self.text(name).to_ascii_lowercase().as_str() {
            "yes" | "true" | "1" | "on" => true,
            "no" | "false" | "0" | "off" => false,
            _ => {
                self.reject(name, "use yes or no");
                false
            }
        }
    }

    /// One of some words.
    pub(super) fn choice<T: Copy>(&mut self, name: &str, words: &[(&str, T)], fallback: T) -> T {
        let text = self.text(name).to_ascii_lowercase();
        if let Some((_, value)) = words.iter().find(|(word, _)| word.to_ascii_lowercase() == text) {
            return *value;
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        self.reject(name, format!("use one of {}", known.join(", ")));
        fallback
    }

    /// Anything that reads itself from text.
    pub(super) fn parsed<T: FromStr>(&mut self, name: &str, fallback: T) -> T
    where
        T::Err: fmt::Display,
    {
        match self.text(name).parse() {
            Ok(value) => value,
            Err(error) => {
                let why = T::Err::to_string(&error);
                self.reject(name, why);
                fallback
            }
        }
    }
}
