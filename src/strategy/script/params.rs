//! Parameters of scripts: named by the script, typed by their defaults.

use std::collections::BTreeMap;

use rhai::{Dynamic, Map};

use super::super::ParamError;

/// What `params()` returned, checked: a map of numbers, texts, and truths.
pub(super) fn defaults(returned: Dynamic) -> Result<Map, String> {
    let kind = returned.type_name();
    let map = returned
        .try_cast::<Map>()
        .ok_or_else(|| format!("params returned a {kind}, not a map like #{{ fast: 10 }}"))?;
    match map.iter().find(|(_, value)| !(value.is_int() || value.is_float() || value.is_bool() || value.is_string())) {
        Some((name, value)) => {
            Err(format!("parameter {name} is a {}; use a number, a text, true or false", value.type_name()))
        }
        None => Ok(map),
    }
}

/// The defaults, and what was given in their place.
pub(super) fn resolve(defaults: &Map, given: &BTreeMap<String, String>) -> Result<Map, ParamError> {
    let mut params = defaults.clone();
    for (name, text) in given {
        let Some(value) = params.get_mut(name.as_str()) else {
            let known = defaults.keys().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
            let known = if known.is_empty() { "none".to_owned() } else { known };
            return Err(ParamError::Unknown { name: name.clone(), known });
        };
        let text = text.trim();
        let range = |range: &str| ParamError::Range {
            name: name.clone(),
            value: text.to_owned(),
            range: format!("{range} (its default is {value})"),
        };
        let new = if value.is_int() {
            text.parse::<i64>().map(Dynamic::from_int).map_err(|_| range("a whole number"))?
        } else if value.is_float() {
            let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
            number.map(Dynamic::from_float).ok_or_else(|| range("a number"))?
        } else if value.is_bool() {
            text.parse::<bool>().map(Dynamic::from_bool).map_err(|_| range("true or false"))?
        } else {
            Dynamic::from(text.to_owned())
        };
        *value = new;
    }
    Ok(params)
}
