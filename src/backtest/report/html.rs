//! Pieces of a page: escaped text, sections, tables, cards, heat maps.

use crate::backtest::metrics::words::{UNKNOWN, Unit};

/// A text made safe for HTML, between tags and in quoted attributes alike.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

/// A part of a page under a heading of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// Its heading, plain text; none: it has no heading and is not in the list of contents.
    pub title: Option<String>,
    /// Its HTML.
    pub body: String,
}

impl Section {
    /// With a heading.
    pub fn new(title: &str, body: String) -> Self {
        Self { title: Some(title.to_owned()), body }
    }

    /// Without one: a page's head.
    pub fn head(body: String) -> Self {
        Self { title: None, body }
    }
}

/// A whole page in one file that asks nothing of anybody: its style and script are inside.
pub fn page(title: &str, sections: &[Section]) -> String {
    let mut body = String::new();
    let links: String = sections
        .iter()
        .enumerate()
        .filter_map(|(index, section)| Some(format!("<a href=\"#s{index}\">{}</a>", escape(section.title.as_deref()?))))
        .collect();
    for (index, section) in sections.iter().enumerate() {
        if index == 1 {
            body.push_str(&format!("<nav>{links}</nav>\n"));
        }
        let heading = section.title.as_deref().map(|title| format!("<h2>{}</h2>\n", escape(title))).unwrap_or_default();
        body.push_str(&format!("<section id=\"s{index}\">\n{heading}{}\n</section>\n", section.body));
    }
    // The policy makes the browser hold the page to its word.
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'; img-src data:\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n\
         <title>{}</title>\n<style>\n{}</style>\n</head>\n<body>\n<main>\n{body}</main>\n<script>\n{}</script>\n</body>\n</html>\n",
        escape(title),
        include_str!("style.css"),
        include_str!("hover.js"),
    )
}

/// A table's cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    text: String,
    class: &'static str,
}

impl Cell {
    /// Plain text, to the left.
    pub fn text(text: impl ToString) -> Self {
        Self { text: text.to_string(), class: "" }
    }

    /// A number, to the right.
    pub fn number(text: impl ToString) -> Self {
        Self { text: text.to_string(), class: "n" }
    }

    /// A value in its unit, or the word for none; gains and losses in their colours.
    pub fn signed(unit: Unit, value: Option<f64>) -> Self {
        match value.filter(|value| value.is_finite()) {
            Some(value) if value > 0.0 => Self { text: unit.show(value), class: "n good" },
            Some(value) if value < 0.0 => Self { text: unit.show(value), class: "n bad" },
            Some(value) => Self::number(unit.show(value)),
            None => Self { text: UNKNOWN.to_owned(), class: "n none" },
        }
    }

    /// A value in its unit, or the word for none, without a colour.
    pub fn value(unit: Unit, value: Option<f64>) -> Self {
        let class = if value.is_some() { "n" } else { "n none" };
        Self { class, ..Self::signed(unit, value) }
    }
}

/// A table; a heading stands over its first row's kind of cell.
pub fn table(headings: &[&str], rows: &[Vec<Cell>]) -> String {
    let class_of = |column: usize| {
        let right = rows.first().and_then(|row| row.get(column)).is_some_and(|cell| cell.class.starts_with('n'));
        if right { " class=\"n\"" } else { "" }
    };
    let head: String = headings
        .iter()
        .enumerate()
        .map(|(column, heading)| format!("<th{}>{}</th>", class_of(column), escape(heading)))
        .collect();
    let body: String =
        rows.iter().map(|row| format!("<tr>{}</tr>\n", row.iter().map(cell).collect::<String>())).collect();
    format!("<div class=\"scroll\"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>\n")
}

fn cell(cell: &Cell) -> String {
    let class = if cell.class.is_empty() { String::new() } else { format!(" class=\"{}\"", cell.class) };
    format!("<td{class}>{}</td>", escape(&cell.text))
}

/// A figure that is read first: its name and text, and whether it is good (above zero) or bad.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    /// Its name.
    pub label: String,
    /// Its value with its unit.
    pub text: String,
    /// Above zero: good; below: bad; `None`: neither.
    pub sign: Option<f64>,
}

/// Cards side by side.
pub fn cards(cards: &[Card]) -> String {
    let cards = cards.iter().map(|card| {
        let class = match card.sign {
            Some(sign) if sign > 0.0 => " good",
            Some(sign) if sign < 0.0 => " bad",
            _ if card.text == UNKNOWN => " none",
            _ => "",
        };
        let long = if card.text.chars().count() > 12 { " long" } else { "" };
        format!(
            "<div class=\"card\"><span>{}</span><strong class=\"value{class}{long}\">{}</strong></div>\n",
            escape(&card.label),
            escape(&card.text)
        )
    });
    format!("<div class=\"cards\">\n{}</div>\n", cards.collect::<String>())
}

/// How a heat map's values become colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    /// Above zero good, below bad, deeper the further from it.
    AroundZero,
    /// Deeper the higher, from the lowest to the highest.
    LowToHigh,
}

/// Values in rows and columns, coloured.
#[derive(Clone)]
pub struct HeatMap<'a> {
    /// What stands in the corner: the names of rows and columns.
    pub corner: &'a str,
    /// Names of the rows.
    pub rows: &'a [String],
    /// Names of the columns.
    pub columns: &'a [String],
    /// Values by row; `None` stays empty.
    pub values: &'a [Vec<Option<f64>>],
    /// Text of a value.
    pub show: &'a dyn Fn(f64) -> String,
    /// Their colours.
    pub colours: Colours,
    /// Columns at the right that are sums: not coloured.
    pub sums: usize,
}

/// What has to be known before anything else is read; nothing where there is nothing.
pub fn read_first(warnings: &[String]) -> String {
    if warnings.is_empty() {
        return String::new();
    }
    let items: String = warnings.iter().map(|warning| format!("<li>{}</li>", escape(warning))).collect();
    format!("<div class=\"warnings\" role=\"alert\"><b>Read first</b><ul>{items}</ul></div>\n")
}

/// Draws a heat map: a table whose cells are coloured, so that it can be read, copied and printed.
pub fn heat_map(map: &HeatMap<'_>) -> String {
    let coloured = map.columns.len().saturating_sub(map.sums);
    let all: Vec<f64> = map
        .values
        .iter()
        .flat_map(|row| row.iter().take(coloured))
        .flatten()
        .copied()
        .filter(|v| v.is_finite())
        .collect();
    let low = all.iter().copied().fold(f64::INFINITY, f64::min);
    let high = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let depth = |value: f64| match map.colours {
        Colours::AroundZero => value.abs() / low.abs().max(high.abs()).max(f64::MIN_POSITIVE),
        Colours::LowToHigh if high > low => (value - low) / (high - low),
        Colours::LowToHigh => 1.0,
    };
    let head: String = map.columns.iter().map(|name| format!("<th class=\"n\">{}</th>", escape(name))).collect();
    let mut body = String::new();
    for (name, row) in map.rows.iter().zip(map.values) {
        body.push_str(&format!("<tr><th>{}</th>", escape(name)));
        for (column, value) in row.iter().enumerate() {
            body.push_str(&match value.filter(|value| value.is_finite()) {
                None => "<td class=\"n\"></td>".to_owned(),
                Some(value) if column >= coloured => cell(&Cell {
                    text: (map.show)(value),
                    class: if value > 0.0 {
                        "n sum good"
                    } else if value < 0.0 {
                        "n sum bad"
                    } else {
                        "n sum"
                    },
                }),
                Some(value) => format!(
                    "<td class=\"n heat {}\" style=\"--d:{:.0}%\">{}</td>",
                    if map.colours == Colours::AroundZero && value < 0.0 { "cold" } else { "hot" },
                    8.0 + depth(value) * 62.0,
                    escape(&(map.show)(value))
                ),
            });
        }
        body.push_str("</tr>\n");
    }
    format!(
        "<div class=\"scroll\"><table class=\"heatmap\">\n<thead><tr><th>{}</th>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>\n",
        escape(map.corner)
    )
}
