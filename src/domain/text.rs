//! Values that are written as text and read back by parsing it, where it lies.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserializer, de};

/// Words from elsewhere as one line that may be shown anywhere: no character in it moves a cursor, begins a line or turns
/// the direction of writing.
pub fn plain(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
        c if c.is_control() => '\u{fffd}',
        '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c => c,
    };
    text.chars().map(shown).collect()
}

struct Parsed<T> {
    what: &'static str,
    value: PhantomData<T>,
}

impl<T: FromStr<Err: fmt::Display>> de::Visitor<'_> for Parsed<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

/// Reads `what`, a text.
pub(super) fn parsed<'de, T, D>(deserializer: D, what: &'static str) -> Result<T, D::Error>
where
    T: FromStr<Err: fmt::Display>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_str(Parsed { what, value: PhantomData })
}

#[cfg(test)]
mod tests {
    #[test]
    fn words_from_elsewhere_are_one_line_and_move_nothing() {
        let shown = super::plain("x\n2026 ERROR forged\u{1b}[2J\0 \u{202e}txt\u{2028}é");
        assert_eq!(shown, "x 2026 ERROR forged\u{fffd}[2J\u{fffd} \u{fffd}txt é");
    }
}
