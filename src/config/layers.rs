//! The layers that settings come from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::table::{TABLE, find};
use super::unknown;
use crate::domain::Symbol;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Built in.
    Default,
    /// A settings file.
    File(PathBuf),
    /// A `.env` file.
    DotEnv(PathBuf),
    /// The environment.
    Environment,
    /// A flag, by its name.
    Flag(&'static str),
    /// The embedded simulator needs it so.
    Simulator,
    /// A backtest needs it so, or its bars say so.
    Backtest,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) | Self::DotEnv(path) => write!(f, "{}", path.display()),
            Self::Environment => f.write_str("environment"),
            Self::Flag(flag) => f.write_str(flag),
            Self::Simulator => f.write_str("run --simulator"),
            Self::Backtest => f.write_str("backtest"),
        }
    }
}

/// Why a layer cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A settings file is not TOML.
    #[error("{path} is not valid TOML: {source}")]
    Toml {
        /// Which.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A `.env` file has a line that is no assignment. The line itself is not told: it may hold a
    /// secret, and what is told ends in logs.
    #[error("{path}, line {line}: each line must be NAME=value, with quotes around values that contain spaces")]
    DotEnv {
        /// Which.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A settings file names what does not exist, or gives it a table or list.
    #[error("{path} has keys that are wrong:{}", listed(.wrong))]
    Keys {
        /// Which.
        path: PathBuf,
        /// Each key with what is wrong.
        wrong: Vec<String>,
    },
}

fn listed(wrong: &[String]) -> String {
    wrong.iter().map(|wrong| format!("\n  {wrong}")).collect()
}

/// The settings that may be given for a symbol alone, in `[symbol.NAME]` (or `[symbols.NAME]`).
pub const PER_SYMBOL: &[&str] = &[
    "STRATEGY",
    "STRATEGY_PARAMS",
    "RISK_POSITION_SIZING",
    "RISK_FIXED_SHARES",
    "RISK_FIXED_NOTIONAL",
    "RISK_MAX_POSITION_PCT",
    "RISK_ATR_RISK_PCT",
    "RISK_ATR_MULTIPLE",
    "RISK_TARGET_VOLATILITY",
    "RISK_KELLY_PART",
    "RISK_KELLY_TRIPS",
    "RISK_KELLY_START",
    "RISK_STOP",
    "RISK_STOP_LOSS_PCT",
    "RISK_STOP_ATR",
    "RISK_TRAILING_STOP_PCT",
    "RISK_TAKE_PROFIT_PCT",
    "RISK_TIME_EXIT",
    "ORDER_STYLE",
    "ORDER_LIMIT_OFFSET_PCT",
    "AFTER_CLOSE",
];

/// Texts of settings with their sources; a later layer replaces an earlier one's.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    values: BTreeMap<&'static str, (String, Source)>,
    symbols: BTreeMap<Symbol, BTreeMap<&'static str, (String, Source)>>,
    warnings: Vec<String>,
}

impl Layers {
    /// Nothing but defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a value by name; names that are no settings are ignored (an environment is full of
    /// them), with a warning where they look like ours.
    pub fn set(&mut self, name: &str, value: impl Into<String>, source: Source) {
        match find(name) {
            Some(spec) => {
                self.values.insert(spec.name, (value.into(), source));
            }
            None => self.warnings.extend(unknown::complaint(name, &source)),
        }
    }

    /// What an operator should know about names that were ignored, a line each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Sets a value only where no layer gave one.
    pub fn set_default(&mut self, name: &str, value: impl Into<String>, source: Source) {
        if let Some(spec) = find(name)
            && !self.values.contains_key(spec.name)
        {
            self.values.insert(spec.name, (value.into(), source));
        }
    }

    /// Reads a settings file.
    ///
    /// # Errors
    /// It cannot be read, is not TOML, or names what does not exist.
    pub fn file(&mut self, path: &Path) -> Result<(), LoadError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| LoadError::Read { path: path.to_path_buf(), source })?;
        let table: toml::Table =
            toml::from_str(&text).map_err(|e| LoadError::Toml { path: path.to_path_buf(), source: Box::new(e) })?;
        let source = Source::File(path.to_path_buf());
        let mut wrong = Vec::new();
        for (key, value) in table {
            // `symbols` is a setting and was the first name of these tables: TOML allows one of the
            // two in a file, hence `[symbol.AAPL]` beside `symbols = ...`.
            if key == "symbol" || (key == "symbols" && value.is_table()) {
                self.own_settings(&key, value, &source, &mut wrong);
                continue;
            }
            let text = if key == "symbols" { list(&value).or_else(|| scalar(&value)) } else { scalar(&value) };
            match (setting(&key), text) {
                (None, _) => {
                    wrong.push(format!("{key} is no setting; robo-trader config lists them (here in lower case)"));
                }
                (Some(_), None) => wrong.push(format!("{key} must be a text, a number or true/false")),
                (Some(name), Some(text)) => {
                    self.values.insert(name, (text, source.clone()));
                }
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(LoadError::Keys { path: path.to_path_buf(), wrong }) }
    }

    /// Reads the tables of a settings file that hold symbols' own settings.
    fn own_settings(&mut self, key: &str, symbols: toml::Value, source: &Source, wrong: &mut Vec<String>) {
        let toml::Value::Table(symbols) = symbols else {
            wrong.push(format!("{key} must hold a table for each symbol, as [{key}.AAPL]"));
            return;
        };
        for (symbol, value) in symbols {
            let place = format!("{key}.{symbol}");
            let toml::Value::Table(overrides) = value else {
                wrong.push(format!("{place} must be a table, as [{key}.AAPL]"));
                continue;
            };
            let symbol: Symbol = match symbol.parse() {
                Ok(symbol) => symbol,
                Err(error) => {
                    wrong.push(format!("{place}: {error}"));
                    continue;
                }
            };
            for (key, value) in overrides {
                let name = setting(&key).filter(|name| PER_SYMBOL.contains(name));
                match (name, scalar(&value)) {
                    (None, _) => wrong.push(format!("{place}.{key} is no setting that a symbol can have of its own")),
                    (Some(_), None) => wrong.push(format!("{place}.{key} must be a text, a number or true/false")),
                    (Some(name), Some(text)) => {
                        self.symbols.entry(symbol).or_default().insert(name, (text, source.clone()));
                    }
                }
            }
        }
    }

    /// Reads a `.env` file; the process environment stays as it is.
    ///
    /// # Errors
    /// It cannot be read, or a line is no assignment.
    pub fn dot_env(&mut self, path: &Path) -> Result<(), LoadError> {
        let unreadable = |source| LoadError::Read { path: path.to_path_buf(), source };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        for pair in dotenvy::from_read_iter(text.as_bytes()) {
            let (name, value) = pair.map_err(|error| match error {
                // What it names is a line, or a value's part of one.
                dotenvy::Error::LineParse(named, _) => {
                    let first = named.lines().next().unwrap_or_default().trim();
                    let before = text.lines().take_while(|line| !line.contains(first)).count();
                    LoadError::DotEnv { path: path.to_path_buf(), line: before + 1 }
                }
                other => unreadable(std::io::Error::other(other.to_string())),
            })?;
            self.set(&name, value, Source::DotEnv(path.to_path_buf()));
        }
        Ok(())
    }

    /// Takes the settings among some environment variables.
    pub fn environment(&mut self, variables: impl IntoIterator<Item = (String, String)>) {
        for (name, value) in variables {
            self.set(&name, value, Source::Environment);
        }
    }

    /// A setting's text and source.
    pub fn get(&self, name: &str) -> (String, Source) {
        let given = self.values.get(name).cloned();
        given.unwrap_or_else(|| (find(name).map_or("", |spec| spec.default).to_owned(), Source::Default))
    }

    /// A setting's text and source for one symbol.
    pub fn get_for(&self, symbol: &Symbol, name: &str) -> (String, Source) {
        let own = self.symbols.get(symbol).and_then(|own| own.get(name)).cloned();
        own.unwrap_or_else(|| self.get(name))
    }

    /// Symbols with settings of their own.
    pub fn symbols(&self) -> impl Iterator<Item = &Symbol> {
        self.symbols.keys()
    }

    /// Every setting with its text and source, secrets masked.
    pub fn shown(&self) -> Vec<(&'static str, String, Source)> {
        let shown = TABLE.iter().map(|spec| {
            let (value, source) = self.get(spec.name);
            let value = if spec.secret && !value.is_empty() { "********".to_owned() } else { value };
            (spec.name, value, source)
        });
        shown.collect()
    }

    /// Every setting that a symbol has of its own.
    pub fn shown_for(&self, symbol: &Symbol) -> Vec<(&'static str, String, Source)> {
        let own = self.symbols.get(symbol).into_iter().flatten();
        own.map(|(name, (value, source))| (*name, value.clone(), source.clone())).collect()
    }
}

/// The setting that a file's key names (lower case).
fn setting(key: &str) -> Option<&'static str> {
    TABLE.iter().find(|spec| spec.name.to_ascii_lowercase() == key).map(|spec| spec.name)
}

/// A list of texts, comma separated.
fn list(value: &toml::Value) -> Option<String> {
    let texts: Option<Vec<&str>> = value.as_array()?.iter().map(toml::Value::as_str).collect();
    texts.map(|texts| texts.join(","))
}

fn scalar(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(yes) => Some(if *yes { "yes" } else { "no" }.to_owned()),
        toml::Value::Datetime(_) | toml::Value::Array(_) | toml::Value::Table(_) => None,
    }
}
