//! A rule: when something goes wrong, and what.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};
use toml::{Table, Value};

use super::canned;
use super::fault::{Fault, LinkData};
use super::kinds::KINDS;
use super::names::{Direction, On};
use super::span::{At, Span};
use crate::domain::{Shares, Symbol};

/// What is wrong with a rule: the field, its value, and what would do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} = {value}: {wanted}")]
pub struct BadRule {
    /// Which field.
    pub field: String,
    /// Its value.
    pub value: String,
    /// What would do.
    pub wanted: String,
}

fn bad(field: impl Into<String>, value: impl fmt::Display, wanted: impl Into<String>) -> BadRule {
    BadRule { field: field.into(), value: value.to_string(), wanted: wanted.into() }
}

/// When a fault happens, to whom, and which.
///
/// A rule comes into force at `at` or `after` (at once where neither is said). If it names a
/// message (`on`) or a count (`after_frames`), it then waits for those, and its fault happens each
/// time; otherwise the fault happens as it comes into force. All conditions must hold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rule {
    /// In force from then on, market time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<At>,
    /// In force so much real time after the simulator's start, or after it was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Span>,
    /// Waits for this message, or event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<On>,
    /// Only the so-manieth match counts, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nth: Option<u64>,
    /// Waits until so many messages have passed since it came into force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_frames: Option<u64>,
    /// Which way they went; to clients where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// Each match counts with this probability, drawn from the simulator's seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// Only this client id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<i32>,
    /// Only this symbol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symbol: Option<Symbol>,
    /// How often it happens at most. Once where only time triggers it and it does not repeat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// Comes into force again so much real time later, and again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Span>,
    /// Comes into force again so much market time later, and again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_market: Option<Span>,
    /// How long it lasts, real time: the fault where it lasts, else the rule.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Span>,
    /// The same in market time.
    #[serde(rename = "for_market", skip_serializing_if = "Option::is_none")]
    pub lasts_market: Option<Span>,
    /// What goes wrong.
    #[serde(flatten)]
    pub fault: Fault,
}

/// The fields that are not the fault.
const FIELDS: [&str; 14] = [
    "at",
    "after",
    "on",
    "nth",
    "after_frames",
    "direction",
    "probability",
    "client",
    "symbol",
    "times",
    "repeat",
    "repeat_market",
    "for",
    "for_market",
];

impl From<Fault> for Rule {
    /// The fault, now, to everyone.
    fn from(fault: Fault) -> Self {
        Self {
            at: None,
            after: None,
            on: None,
            nth: None,
            after_frames: None,
            direction: None,
            probability: None,
            client: None,
            symbol: None,
            times: None,
            repeat: None,
            repeat_market: None,
            lasts: None,
            lasts_market: None,
            fault,
        }
    }
}

/// Takes a field out of a table.
fn take<T: de::DeserializeOwned>(table: &mut Table, field: &str) -> Result<Option<T>, BadRule> {
    let Some(value) = table.remove(field) else { return Ok(None) };
    let shown = value.to_string();
    value.try_into().map(Some).map_err(|error: toml::de::Error| bad(field, shown, error.message()))
}

impl Rule {
    /// Reads a rule.
    ///
    /// # Errors
    /// The field that is wrong, and what would do.
    pub fn from_table(mut table: Table) -> Result<Self, BadRule> {
        let known = |key: &String| !FIELDS.contains(&key.as_str());
        let names: Vec<String> = table.keys().filter(|key| known(key)).cloned().collect();
        let is_fault = |name: &&String| KINDS.iter().any(|kind| kind.name == name.as_str());
        if let Some(unknown) = names.iter().find(|name| !is_fault(name)) {
            let faults = KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ");
            let wanted = format!("no such field; fields are {}; faults are {faults}", FIELDS.join(", "));
            let value = table.get(unknown).map(ToString::to_string).unwrap_or_default();
            return Err(bad(unknown, value, wanted));
        }
        let [name] = names.as_slice() else {
            return Err(bad("fault", format!("[{}]", names.join(", ")), "a rule has exactly one fault"));
        };
        let parameters = table.remove(name).unwrap_or(Value::Boolean(true));
        let mut lasts: Option<Span> = take(&mut table, "for")?;
        let fault = read_fault(name, parameters, &mut lasts)?;
        let rule = Self {
            at: take(&mut table, "at")?,
            after: take(&mut table, "after")?,
            on: take(&mut table, "on")?,
            nth: take(&mut table, "nth")?,
            after_frames: take(&mut table, "after_frames")?,
            direction: take(&mut table, "direction")?,
            probability: take(&mut table, "probability")?,
            client: take(&mut table, "client")?,
            symbol: take(&mut table, "symbol")?,
            times: take(&mut table, "times")?,
            repeat: take(&mut table, "repeat")?,
            repeat_market: take(&mut table, "repeat_market")?,
            lasts,
            lasts_market: take(&mut table, "for_market")?,
            fault,
        };
        rule.check()?;
        Ok(rule)
    }

    /// Whether it waits for messages, counts or events.
    pub fn waits(&self) -> bool {
        self.on.is_some() || self.after_frames.is_some() || self.fault.is_of_messages()
    }

    /// How often it may happen.
    pub fn limit(&self) -> u64 {
        let repeats = self.repeat.is_some() || self.repeat_market.is_some();
        let once = self.after_frames.is_some() || self.nth.is_some() || !self.waits();
        self.times.unwrap_or(if once && !repeats { 1 } else { u64::MAX })
    }

    /// Checks every number and every combination.
    ///
    /// # Errors
    /// The first that will not do.
    pub fn check(&self) -> Result<(), BadRule> {
        let positive = |field: &str, value: Option<u64>| match value {
            Some(0) => Err(bad(field, 0, "from 1")),
            _ => Ok(()),
        };
        positive("nth", self.nth)?;
        positive("after_frames", self.after_frames)?;
        positive("times", self.times)?;
        if let Some(p) = self.probability.filter(|p| !(0.0..=1.0).contains(p)) {
            return Err(bad("probability", p, "from 0 to 1"));
        }
        for (field, span) in [("repeat", self.repeat), ("repeat_market", self.repeat_market)] {
            if let Some(span) = span.filter(|span| span.0.as_millis() < 10) {
                return Err(bad(field, span, "at least 10ms"));
            }
        }
        if self.at.is_some() && self.after.is_some() {
            return Err(bad(
                "after",
                self.after.map_or(String::new(), |span| span.to_string()),
                "at or after, not both",
            ));
        }
        if (self.nth.is_some() || self.probability.is_some()) && !self.waits() {
            return Err(bad("on", "nothing", "nth and probability need a message to wait for"));
        }
        if self.direction.is_some() && self.after_frames.is_none() {
            return Err(bad("direction", "set", "it belongs to after_frames; with on, the message's name tells"));
        }
        self.check_message()?;
        self.check_fault()
    }

    fn check_message(&self) -> Result<(), BadRule> {
        let direction = self.on.and_then(On::direction);
        let on = self.on.map_or_else(|| "nothing".to_owned(), |on| on.to_string());
        if self.fault.is_of_requests() && direction != Some(Direction::In) {
            return Err(bad("on", on, format!("{} needs a request, such as place-order", self.fault.name())));
        }
        let orders = matches!(self.fault, Fault::LoseAnswers { .. } | Fault::Reject { .. } | Fault::ChangeTif { .. });
        if orders && on != "place-order" {
            return Err(bad("on", on, format!("{} needs place-order", self.fault.name())));
        }
        if self.fault.is_of_messages() && self.on.is_some() && direction.is_none() {
            return Err(bad("on", on, format!("{} needs a message", self.fault.name())));
        }
        let damages = matches!(self.fault, Fault::Corrupt { .. } | Fault::Reorder {} | Fault::Duplicate { .. });
        if damages && direction == Some(Direction::In) {
            let wanted = format!("{} is done to messages to a client, such as order-status", self.fault.name());
            return Err(bad("on", on, wanted));
        }
        Ok(())
    }

    fn check_fault(&self) -> Result<(), BadRule> {
        let of = |field: &str| format!("{}.{field}", self.fault.name());
        let range = |field: &str, value: i64, least: i64, most: i64| {
            if (least..=most).contains(&value) {
                return Ok(());
            }
            Err(bad(of(field), value, format!("from {least} to {most}")))
        };
        let shares = |field: &str, shares: Shares| range(field, shares.0, 1, 1_000_000_000);
        let price = |field: &str, price: Option<crate::domain::Price>| match price {
            Some(price) if price <= crate::domain::Price::ZERO => Err(bad(of(field), price, "above 0")),
            _ => Ok(()),
        };
        match &self.fault {
            Fault::OldVersion { version } => range("version", i64::from(*version), 1, 226),
            Fault::Duplicate { copies } => range("copies", i64::from(*copies), 1, 1_000),
            Fault::SplitWrites { bytes } => range("bytes", *bytes as i64, 1, 1 << 20),
            Fault::SlowReader { bytes_per_second, outbox, .. } => {
                range("bytes_per_second", i64::from(*bytes_per_second), 1, 1 << 30)?;
                range("outbox", *outbox as i64, 1, 64 << 20)
            }
            Fault::Answer { code, meaning, text, .. }
            | Fault::Reject { code, meaning, text, .. }
            | Fault::Error { code, meaning, text, .. } => {
                range("code", i64::from(*code), 0, 99_999)?;
                check_words(&self.fault.name(), *code, meaning.as_deref(), text.as_deref())
            }
            Fault::LinkLoss { code, data, missing_farm, .. } => {
                if !matches!(code, 1_100 | 2_110) {
                    return Err(bad(of("code"), code, "1100 or 2110"));
                }
                if !missing_farm.is_empty() && *data == LinkData::Lost {
                    return Err(bad(
                        of("missing_farm"),
                        missing_farm,
                        "only with data = \"kept\": 1101 lists no farms",
                    ));
                }
                Ok(())
            }
            Fault::PartialFills { shares: most } => shares("shares", *most),
            Fault::Fill { quantity, price: at } => {
                quantity.map_or(Ok(()), |quantity| shares("quantity", quantity))?;
                price("price", *at)
            }
            Fault::Correct { price: at, quantity } => {
                if at.is_none() && quantity.is_none() {
                    return Err(bad(of("price"), "nothing", "a price, a quantity or both"));
                }
                quantity.map_or(Ok(()), |quantity| shares("quantity", quantity))?;
                price("price", *at)
            }
            Fault::Trade { quantity, .. } => {
                self.needs_symbol()?;
                shares("quantity", *quantity)
            }
            Fault::Liquidate { quantity } => {
                self.needs_symbol()?;
                quantity.map_or(Ok(()), |quantity| shares("quantity", quantity))
            }
            Fault::StockSplit { new, old } => {
                self.needs_symbol()?;
                range("new", i64::from(*new), 1, 1_000)?;
                range("old", i64::from(*old), 1, 1_000)
            }
            Fault::Misstate { by } => range("by", by.0, -1_000_000_000, 1_000_000_000),
            Fault::Skew { minutes, .. } => range("minutes", i64::from(*minutes), -1_440, 1_440),
            _ => Ok(()),
        }
    }

    fn needs_symbol(&self) -> Result<(), BadRule> {
        match self.symbol {
            Some(_) => Ok(()),
            None => Err(bad("symbol", "nothing", format!("{} needs one", self.fault.name()))),
        }
    }
}

fn check_words(name: &str, code: i32, meaning: Option<&str>, text: Option<&str>) -> Result<(), BadRule> {
    if text.is_some() || canned::text(code, meaning, 0).is_some() {
        return Ok(());
    }
    match meaning {
        Some(meaning) => {
            let known = canned::meanings(code).join(", ");
            let wanted = if known.is_empty() { "this code has only one".to_owned() } else { format!("one of {known}") };
            Err(bad(format!("{name}.meaning"), meaning, wanted))
        }
        None => Err(bad(format!("{name}.text"), "nothing", format!("code {code} is not known here: say its text"))),
    }
}

/// Reads a fault. `true` stands for no fields, and a text for how long it lasts.
fn read_fault(name: &str, parameters: Value, lasts: &mut Option<Span>) -> Result<Fault, BadRule> {
    let shown = parameters.to_string();
    let fields = match parameters {
        Value::Table(fields) => fields,
        Value::Boolean(true) => Table::new(),
        Value::String(text) => {
            let span = text.parse().map_err(|error: super::span::BadTime| bad(name, &shown, error.to_string()))?;
            if lasts.replace(span).is_some() {
                return Err(bad("for", span, "it is said twice"));
            }
            Table::new()
        }
        Value::Integer(_) | Value::Float(_) | Value::Boolean(false) | Value::Datetime(_) | Value::Array(_) => {
            return Err(bad(name, shown, "use a table of its fields, true, or how long it lasts"));
        }
    };
    let mut whole = Table::new();
    whole.insert(name.to_owned(), Value::Table(fields));
    Value::Table(whole).try_into().map_err(|error: toml::de::Error| {
        let kind = KINDS.iter().find(|kind| kind.name == name);
        let example = kind.map_or(String::new(), |kind| format!("; for example {} = {}", kind.name, kind.example));
        bad(name, shown, format!("{}{example}", error.message().trim()))
    })
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_table(Table::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl fmt::Display for Rule {
    /// As one line of a scenario.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(Value::Table(table)) = Value::try_from(self) else { return f.write_str("?") };
        let mut first = true;
        for (key, value) in &table {
            if !first {
                f.write_str(", ")?;
            }
            first = false;
            write!(f, "{key} = {value}")?;
        }
        Ok(())
    }
}
