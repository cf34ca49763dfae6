//! Strategy parameters: named, typed, ranged, with defaults.

use std::collections::BTreeMap;

/// What values a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A whole number within a range, ends included.
    Whole(u32, u32),
    /// A number within a range, ends included.
    Number(f64, f64),
    /// One of some words.
    Choice(&'static [&'static str]),
}

/// A parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ParamSpec {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Its value where none is given.
    pub default: &'static str,
    /// What it means.
    pub help: &'static str,
}

impl ParamSpec {
    /// The values it takes, in words.
    pub fn range(&self) -> String {
        match self.kind {
            Kind::Whole(low, high) => format!("a whole number from {low} to {high}"),
            Kind::Number(low, high) => format!("a number from {low} to {high}"),
            Kind::Choice(words) => format!("one of {}", words.join(", ")),
        }
    }

    fn accepts(&self, value: &str) -> bool {
        match self.kind {
            Kind::Whole(low, high) => value.parse::<u32>().is_ok_and(|n| (low..=high).contains(&n)),
            Kind::Number(low, high) => value.parse::<f64>().is_ok_and(|n| (low..=high).contains(&n)),
            Kind::Choice(words) => words.contains(&value),
        }
    }
}

/// Why parameters are wrong.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ParamError {
    /// No such parameter.
    #[error("parameter {name:?} does not exist; it has: {known}")]
    Unknown {
        /// As given.
        name: String,
        /// What exists.
        known: String,
    },
    /// A value outside its range.
    #[error("parameter {name} is {value:?}; use {range}")]
    Range {
        /// Its name.
        name: String,
        /// As given.
        value: String,
        /// What it takes.
        range: String,
    },
    /// Two values do not go together.
    #[error("{0}")]
    Conflict(String),
}

/// Values of all of a strategy's parameters, each within its range.
#[derive(Debug, Clone, PartialEq)]
pub struct Params(BTreeMap<&'static str, String>);

impl Params {
    /// Fills in defaults and checks every value.
    ///
    /// # Errors
    /// The first unknown name or value out of range.
    pub fn resolve(specs: &'static [ParamSpec], given: &BTreeMap<String, String>) -> Result<Self, ParamError> {
        if let Some(name) = given.keys().find(|name| !specs.iter().any(|spec| spec.name == name.as_str())) {
            let known = specs.iter().map(|spec| spec.name).collect::<Vec<_>>().join(", ");
            return Err(ParamError::Unknown { name: name.clone(), known });
        }
        let mut values = BTreeMap::new();
        for spec in specs {
            let value = given.get(spec.name).map_or(spec.default, |value| value.trim());
            if !spec.accepts(value) {
                return Err(ParamError::Range {
                    name: spec.name.to_owned(),
                    value: value.to_owned(),
                    range: spec.range(),
                });
            }
            values.insert(spec.name, value.to_owned());
        }
        Ok(Self(values))
    }

    fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// A whole number. The range check in `resolve` has parsed it before, so the fallback is never
    /// taken for a parameter of kind `Whole`.
    pub fn whole(&self, name: &str) -> usize {
        self.text(name).parse().unwrap_or(usize::MAX)
    }

    /// A number; likewise.
    pub fn number(&self, name: &str) -> f64 {
        self.text(name).parse().unwrap_or(f64::NAN)
    }

    /// Two whole numbers, of which the first must be less than the second.
    ///
    /// # Errors
    /// It is not.
    pub fn ordered(&self, less: &str, more: &str) -> Result<(usize, usize), ParamError> {
        let (low, high) = (self.whole(less), self.whole(more));
        if low >= high {
            return Err(ParamError::Conflict(format!("{less} ({low}) must be less than {more} ({high})")));
        }
        Ok((low, high))
    }

    /// Whether a choice has this value.
    pub fn is(&self, name: &str, word: &str) -> bool {
        self.text(name) == word
    }
}
