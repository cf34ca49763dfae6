//! Whether a value is what a schema says: the words of JSON Schema that the document uses, and no leniency beside
//! them. A word that is not known here, or a field that the schema does not name, is a fault.

use std::collections::BTreeSet;

use serde_json::Value;

/// Words that say nothing of a value, or nothing that is looked at.
const NOTES: [&str; 3] = ["description", "format", "default"];

/// A document's schemas, and which of them were met.
pub struct Schemas<'a> {
    document: &'a Value,
    pub met: BTreeSet<String>,
}

impl<'a> Schemas<'a> {
    pub fn of(document: &'a Value) -> Self {
        Self { document, met: BTreeSet::new() }
    }

    /// Why the value is not what the schema says.
    pub fn faults(&mut self, at: &str, value: &Value, schema: &Value) -> Vec<String> {
        let Some(words) = schema.as_object() else { return vec![format!("{at}: {schema} is no schema")] };
        let mut faults = Vec::new();
        for (word, said) in words {
            faults.extend(self.word(at, value, schema, word, said));
        }
        faults
    }

    fn word(&mut self, at: &str, value: &Value, schema: &Value, word: &str, said: &Value) -> Vec<String> {
        let fault = |is: bool, why: String| if is { Vec::new() } else { vec![format!("{at}: {why}, not {value}")] };
        match word {
            word if NOTES.contains(&word) => Vec::new(),
            "$ref" => {
                let name = said.as_str().unwrap().rsplit('/').next().unwrap().to_owned();
                let target = &self.document["components"]["schemas"][&name];
                assert!(!target.is_null(), "{at}: there is no {name}");
                self.met.insert(name);
                let target: &'a Value = target;
                self.faults(at, value, target)
            }
            "type" => {
                let one = |kind: &Value| is_a(value, kind.as_str().unwrap());
                fault(said.as_array().map_or_else(|| one(said), |kinds| kinds.iter().any(one)), format!("{said}"))
            }
            "const" => fault(value == said, format!("{said}")),
            "enum" => fault(said.as_array().unwrap().contains(value), format!("one of {said}")),
            "minimum" => fault(value.is_null() || value.as_f64() >= said.as_f64(), format!("at least {said}")),
            // The only pattern there is.
            "pattern" => {
                assert_eq!(said, "^-?[0-9]+([.][0-9]+)?$", "{at}");
                let text = value.as_str().unwrap_or_default();
                let parts: Vec<&str> = text.strip_prefix('-').unwrap_or(text).split('.').collect();
                let digits = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
                fault(parts.len() <= 2 && parts.iter().all(digits), "a decimal".to_owned())
            }
            "items" => {
                let rows = value.as_array().into_iter().flatten().enumerate();
                rows.flat_map(|(index, row)| self.faults(&format!("{at}[{index}]"), row, said)).collect()
            }
            "anyOf" | "oneOf" => {
                let any = said.as_array().unwrap();
                let whys: Vec<Vec<String>> = any.iter().map(|one| self.faults(at, value, one)).collect();
                let fit = whys.iter().filter(|why| why.is_empty()).count();
                if fit == 1 || (word == "anyOf" && fit > 1) { Vec::new() } else { whys.concat() }
            }
            "properties" => {
                let fields = value.as_object().into_iter().flatten();
                let of = |(name, field): (&String, &Value)| match said.get(name) {
                    Some(schema) => self.faults(&format!("{at}.{name}"), field, schema),
                    None => vec![format!("{at}: {name} is not in the document")],
                };
                fields.flat_map(of).collect()
            }
            "required" => {
                let lacks = |name: &&Value| value.is_object() && value.get(name.as_str().unwrap()).is_none();
                said.as_array().unwrap().iter().filter(lacks).map(|name| format!("{at}: {name} is missing")).collect()
            }
            "additionalProperties" => {
                if said == &Value::Bool(false) {
                    return Vec::new();
                }
                assert!(schema.get("properties").is_none(), "{at}: named fields and others");
                let fields = value.as_object().into_iter().flatten();
                fields.flat_map(|(name, field)| self.faults(&format!("{at}.{name}"), field, said)).collect()
            }
            other => panic!("{at}: the word {other} is not known here"),
        }
    }
}

fn is_a(value: &Value, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other} is no type"),
    }
}
