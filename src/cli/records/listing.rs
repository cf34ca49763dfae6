//! A list as a table for people and as JSON for programs: one set of rows serves both.

use comfy_table::{Cell, CellAlignment, Color, Table, presets};
use serde_json::{Value, json};

use super::source::Source;
use crate::domain::plain;

/// A column: the rows' key, and its heading.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Column {
    key: &'static str,
    title: &'static str,
    right: bool,
}

impl Column {
    pub(in crate::cli) fn key(&self) -> &'static str {
        self.key
    }

    pub(in crate::cli) fn title(&self) -> &'static str {
        self.title
    }

    pub(in crate::cli) fn is_right(&self) -> bool {
        self.right
    }
}

/// A column of words.
pub(in crate::cli) const fn left(key: &'static str, title: &'static str) -> Column {
    Column { key, title, right: false }
}

/// A column of numbers.
pub(in crate::cli) const fn right(key: &'static str, title: &'static str) -> Column {
    Column { key, title, right: true }
}

/// A list.
pub(super) struct Listing {
    /// Its name, and its key in JSON.
    pub(super) name: &'static str,
    /// What the table shows of a row; JSON has all of it.
    pub(super) columns: &'static [Column],
    /// Objects, the newest last.
    pub(super) rows: Vec<Value>,
    /// Rows before they were cut.
    total: usize,
    /// More keys of the JSON, and lines below the table.
    pub(super) also: Vec<(&'static str, Value, String)>,
}

impl Listing {
    pub(super) fn new(name: &'static str, columns: &'static [Column], rows: Vec<Value>) -> Self {
        let total = rows.len();
        Self { name, columns, rows, total, also: Vec::new() }
    }

    pub(super) fn keep_latest(&mut self, limit: usize) {
        self.rows.drain(..self.rows.len().saturating_sub(limit));
    }

    pub(super) fn json(&self, source: &Source) -> Value {
        let mut all = json!({"source": source.json(), "total": self.total});
        all[self.name] = Value::Array(self.rows.clone());
        for (key, value, _) in &self.also {
            all[*key] = value.clone();
        }
        all
    }

    pub(super) fn text(&self, source: &Source) -> String {
        let colours = crate::cli::colours(&std::io::stdout());
        let mut out = String::new();
        if !self.rows.is_empty() {
            out += &table(self.columns, &self.rows, colours);
            out.push('\n');
        }
        for (_, _, line) in &self.also {
            out += line;
            out.push('\n');
        }
        let shown = if self.rows.len() == self.total { String::new() } else { format!("{} of ", self.rows.len()) };
        out.push_str(&format!("{}: {shown}{}; {}", self.name, self.total, source.words()));
        out
    }
}

/// Rows as a table.
pub(in crate::cli) fn table(columns: &[Column], rows: &[Value], colours: bool) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if colours {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table.set_header(columns.iter().map(|column| aligned(Cell::new(column.title), column)));
    for row in rows {
        table.add_row(columns.iter().map(|column| {
            let text = words(&row[column.key]);
            let colour = colour(column, &text);
            let cell = aligned(Cell::new(text), column);
            colour.map_or_else(|| cell.clone(), |colour| cell.clone().fg(colour))
        }));
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

fn aligned(cell: Cell, column: &Column) -> Cell {
    cell.set_alignment(if column.right { CellAlignment::Right } else { CellAlignment::Left })
}

/// What is unknown says so, never nought; what does not apply is empty text.
pub(in crate::cli) fn words(value: &Value) -> String {
    match value {
        Value::Null => "unknown".to_owned(),
        Value::String(text) => plain(text),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        other => other.to_string(),
    }
}

fn colour(column: &Column, text: &str) -> Option<Color> {
    match (column.key, text) {
        (_, "unknown" | "in doubt") => Some(Color::Yellow),
        (_, "rejected" | "refused" | "never sent") => Some(Color::Red),
        (_, "BUY") => Some(Color::Green),
        (_, "SELL") => Some(Color::Red),
        (key, text) if key.ends_with("_usd") && column.right && text.starts_with('-') => Some(Color::Red),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_is_a_word_and_colours_are_for_terminals() {
        let columns = [left("symbol", "symbol"), right("price_usd", "USD")];
        let rows = [json!({"symbol": "AAPL", "price_usd": "1.50"}), json!({"symbol": "T", "price_usd": null})];
        let plain = table(&columns, &rows, false);
        assert_eq!(
            plain.lines().map(str::trim).collect::<Vec<_>>(),
            ["symbol      USD", "AAPL       1.50", "T       unknown",]
        );
        assert!(!plain.contains('\u{1b}'));
        assert!(table(&columns, &rows, true).contains('\u{1b}'));
    }
}
