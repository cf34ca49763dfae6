//! Scenarios: lists of rules, as TOML or from code.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::rule::{BadRule, Rule};

/// What goes wrong in a run, and when.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Scenario {
    /// The rules, in the order in which they act where several match.
    #[serde(default, rename = "rule", skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
}

/// Why a scenario cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// The file cannot be read.
    #[error("cannot read the scenario {path}: {why}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// It is no TOML.
    #[error("the scenario {name} is no TOML: {why}")]
    Toml {
        /// Which scenario.
        name: String,
        /// Why.
        why: String,
    },
    /// It has something beside rules.
    #[error("the scenario {name}: {key:?} is nothing that it can have; use [[rule]] only")]
    Unknown {
        /// Which scenario.
        name: String,
        /// What.
        key: String,
    },
    /// A rule will not do.
    #[error("the scenario {name}, rule {number}: {bad}")]
    Rule {
        /// Which scenario.
        name: String,
        /// Its rule, from 1.
        number: usize,
        /// What is wrong.
        bad: BadRule,
    },
}

impl Scenario {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or is no scenario: file, rule, field, value and range.
    pub fn read(path: &Path) -> Result<Self, ScenarioError> {
        let unreadable = |why: std::io::Error| ScenarioError::Unreadable { path: path.into(), why: why.to_string() };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// Reads a text; `name` is what errors call it.
    ///
    /// # Errors
    /// It is no scenario: rule, field, value and range.
    pub fn parse(name: &str, text: &str) -> Result<Self, ScenarioError> {
        let name = name.to_owned();
        let table: Result<Table, toml::de::Error> = toml::from_str(text);
        let mut table = table
            .map_err(|error| ScenarioError::Toml { name: name.clone(), why: error.to_string().trim().to_owned() })?;
        let rules = table.remove("rule").unwrap_or(Value::Array(Vec::new()));
        if let Some(key) = table.keys().next() {
            return Err(ScenarioError::Unknown { name, key: key.clone() });
        }
        let not_rules = || ScenarioError::Unknown { name: name.clone(), key: "rule".to_owned() };
        let Value::Array(rules) = rules else { return Err(not_rules()) };
        let mut scenario = Self::default();
        for (index, rule) in rules.into_iter().enumerate() {
            let Value::Table(rule) = rule else { return Err(not_rules()) };
            let rule = Rule::from_table(rule);
            let rule = rule.map_err(|bad| ScenarioError::Rule { name: name.clone(), number: index + 1, bad })?;
            scenario.rules.push(rule);
        }
        Ok(scenario)
    }

    /// Checks rules that were made by code.
    ///
    /// # Errors
    /// The first rule that will not do.
    pub fn check(&self) -> Result<(), ScenarioError> {
        for (index, rule) in self.rules.iter().enumerate() {
            let name = "given".to_owned();
            rule.check().map_err(|bad| ScenarioError::Rule { name, number: index + 1, bad })?;
        }
        Ok(())
    }

    /// As a file that reads back as the same.
    pub fn to_toml(&self) -> String {
        // One inline table a rule would do, but people read these: tables, with the fault last.
        toml::to_string(self).unwrap_or_else(|error| format!("# cannot be written: {error}\n"))
    }
}

impl FromStr for Rule {
    type Err = ScenarioError;
    /// Reads one line: `close`, `refuse = "30s"`, `error = { code = 1100 }, after = "5s"`.
    fn from_str(line: &str) -> Result<Self, ScenarioError> {
        let line = line.trim();
        let name = "line".to_owned();
        let is_word = !line.is_empty() && line.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let text = if is_word { format!("rule = {{ {line} = true }}") } else { format!("rule = {{ {line} }}") };
        let mut table: Table = toml::from_str(&text).map_err(|error: toml::de::Error| ScenarioError::Toml {
            name: name.clone(),
            why: error.message().to_owned(),
        })?;
        let rule = match table.remove("rule") {
            Some(Value::Table(rule)) => rule,
            _ => Table::new(),
        };
        Self::from_table(rule).map_err(|bad| ScenarioError::Rule { name, number: 1, bad })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::kinds::KINDS;
    use super::*;

    fn error(text: &str) -> String {
        Scenario::parse("storm.toml", text).unwrap_err().to_string()
    }

    #[test]
    fn a_scenario_is_read_and_written() {
        let text = r#"
            [[rule]]
            at = "+90s"
            refuse = "30s"

            [[rule]]
            on = "place-order"
            nth = 3
            client = 1
            close = {}

            [[rule]]
            at = "23:45"
            repeat_market = "24h"
            for_market = "90s"
            restart = { lose_orders = "300ms" }

            [[rule]]
            on = "order-status"
            probability = 0.1
            duplicate = { copies = 2 }
        "#;
        let scenario = Scenario::parse("storm.toml", text).unwrap();
        assert_eq!(scenario.rules.len(), 4);
        assert_eq!(scenario.rules.iter().map(Rule::limit).collect::<Vec<_>>(), [1, 1, u64::MAX, u64::MAX]);
        let written = scenario.to_toml();
        assert_eq!(Scenario::parse("written", &written).unwrap(), scenario, "{written}");
        for rule in &scenario.rules {
            assert_eq!(rule.to_string().parse::<Rule>().unwrap(), *rule, "{rule}");
        }
    }

    #[test]
    fn errors_name_file_rule_field_value_and_range() {
        for (text, parts) in [
            ("rule = 1", vec!["storm.toml", "rule"]),
            ("x = 1", vec!["\"x\"", "[[rule]]"]),
            ("[[rule]]\nclose = {}\n[[rule]]\nclos = {}", vec!["rule 2", "clos", "close"]),
            ("[[rule]]\nclose = {}\nreset = {}", vec!["rule 1", "exactly one fault"]),
            ("[[rule]]\nclose = {}\nprobability = 2.0\non=\"open-order\"", vec!["probability = 2", "from 0 to 1"]),
            ("[[rule]]\nclose = {}\nat = \"soon\"", vec!["at = \"soon\"", "+30s"]),
            ("[[rule]]\nclose = {}\non = \"place_order\"", vec!["on = \"place_order\"", "place-order"]),
            ("[[rule]]\nerror = { code = 77 }", vec!["error.text", "77"]),
            ("[[rule]]\nerror = { code = 162, meaning = \"x\" }", vec!["error.meaning = x", "pacing"]),
            ("[[rule]]\nerror = { cod = 162 }", vec!["error", "cod", "code"]),
            ("[[rule]]\nreject = {}", vec!["on = nothing", "place-order"]),
            ("[[rule]]\non = \"place-order\"\nduplicate = { copies = 0 }", vec!["duplicate", "order-status"]),
            ("[[rule]]\non = \"open-order\"\nduplicate = { copies = 0 }", vec!["duplicate.copies = 0", "from 1"]),
            ("[[rule]]\nhalt = 3", vec!["halt = 3", "how long"]),
            ("[[rule]]\nhalt = \"1 week\"", vec!["halt", "duration"]),
            ("[[rule]]\ntrade = { side = \"BUY\", quantity = 1 }", vec!["symbol", "trade needs one"]),
            ("[[rule]]\nnth = 0\non = \"open-order\"\ndrop = {}", vec!["nth = 0", "from 1"]),
            ("[[rule]\n", vec!["no TOML"]),
        ] {
            let error = error(text);
            for part in parts {
                assert!(error.contains(part), "{text}\n{error}\n{part}");
            }
        }
    }

    #[test]
    fn a_line_is_a_rule() {
        for line in ["close", "refuse = \"30s\"", "error = { code = 1100 }", "halt = true, symbol = \"AAPL\""] {
            let rule: Rule = line.parse().unwrap();
            assert_eq!(rule.to_string().parse::<Rule>().unwrap(), rule, "{line}");
        }
        for line in ["", "clos", "close = ", "close, refuse", "}", "close = true } x = { y = 1"] {
            assert!(line.parse::<Rule>().is_err(), "{line}");
        }
    }

    #[test]
    fn every_listed_example_makes_a_rule() {
        for kind in KINDS {
            let fields = ["", "symbol = \"AAPL\"", "on = \"place-order\"", "on = \"order-status\""];
            let lines = fields.map(|field| {
                let comma = if field.is_empty() { "" } else { ", " };
                format!("{} = {}{comma}{field}", kind.name, kind.example)
            });
            assert!(lines.iter().any(|line| line.parse::<Rule>().is_ok()), "{}", kind.name);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,300}") {
            drop(Scenario::parse("x", &text));
            drop(text.parse::<Rule>());
        }

        #[test]
        fn no_rule_of_odd_values_makes_it_panic(
            kind in 0..KINDS.len(),
            field in "[a-z_]{1,12}",
            value in prop_oneof!["-?[0-9]{1,12}", "\"[a-z0-9:+]{0,8}\"", Just("[]".to_owned()), Just("{}".to_owned())],
        ) {
            let text = format!("[[rule]]\n{field} = {value}\n{} = {{ {field} = {value} }}", KINDS[kind].name);
            drop(Scenario::parse("x", &text));
        }
    }
}
