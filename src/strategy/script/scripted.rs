//! A script at work.

use rhai::Dynamic;

use super::super::{Strategy, Target};
use super::Script;
use super::offered::ScriptBar;
use crate::domain::Bar;

/// Values that a script may remember, texts counted by length; looked at every so many bars, since
/// what one call can add is bounded already.
const REMEMBERS: usize = 20_000;
const LOOKED_AT_EVERY: i64 = 64;

/// A script with what it remembers.
pub(super) struct Scripted {
    script: Script,
    warm_up: usize,
    /// What the script calls `this`.
    state: Dynamic,
    seen: i64,
    fault: Option<String>,
}

impl Scripted {
    pub(super) fn new(script: Script, warm_up: usize, state: Dynamic) -> Self {
        Self { script, warm_up, state, seen: 0, fault: None }
    }

    fn call(&mut self, bar: &Bar) -> Result<Option<Target>, String> {
        let compiled = &self.script.0;
        let bar = Dynamic::from(ScriptBar { bar: *bar, index: self.seen });
        let said = compiled.call("on_bar", Some(&mut self.state), vec![bar]).map_err(|error| error.to_string())?;
        if self.seen % LOOKED_AT_EVERY == 0 && size(&self.state) > REMEMBERS {
            let reason = format!("it remembers more than {REMEMBERS} values, and ever more: forget the old ones");
            return Err(compiled.wrong("on_bar", reason).to_string());
        }
        if said.is_unit() {
            return Ok(None);
        }
        let number = said.as_float().ok().or_else(|| said.as_int().ok().map(|whole| whole as f64));
        match number.map(Target::new) {
            Some(Some(target)) => Ok(Some(target)),
            Some(None) | None => {
                let what = if number.is_some() { said.to_string() } else { format!("a {}", said.type_name()) };
                let reason = format!("on_bar returned {what}; use a number from -1 to 1, or () for no opinion");
                Err(compiled.wrong("on_bar", reason).to_string())
            }
        }
    }
}

/// Values within a value, itself included.
fn size(value: &Dynamic) -> usize {
    if let Ok(map) = value.as_map_ref() {
        1 + map.values().map(size).sum::<usize>()
    } else if let Ok(array) = value.as_array_ref() {
        1 + array.iter().map(size).sum::<usize>()
    } else {
        1 + value.as_immutable_string_ref().map_or(0, |text| text.len())
    }
}

impl Strategy for Scripted {
    fn warm_up(&self) -> usize {
        self.warm_up
    }

    fn on_bar(&mut self, bar: &Bar) -> Option<Target> {
        if self.fault.is_some() {
            return None;
        }
        let said = self.call(bar);
        self.seen += 1;
        match said {
            // As the registered ones, it has no opinion before it is warm.
            Ok(target) => target.filter(|_| usize::try_from(self.seen).is_ok_and(|seen| seen >= self.warm_up)),
            Err(reason) => {
                self.fault = Some(reason);
                None
            }
        }
    }

    fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }
}
