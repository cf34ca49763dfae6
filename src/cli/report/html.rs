//! The report as one page: no script, nothing fetched, every text escaped.

use serde_json::Value;

use super::Report;
use crate::cli::records::{self, Column};

const STYLE: &str = "body{font:14px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1a1a1a;background:#fff}\
h1{font-size:1.4rem}h2{font-size:1.05rem;margin-top:2rem}table{border-collapse:collapse;width:100%}\
th,td{padding:.2rem .6rem;border-bottom:1px solid #ccc;text-align:left;vertical-align:top}\
.n{text-align:right;font-variant-numeric:tabular-nums}svg{width:100%;height:9rem}polyline{fill:none;stroke:#06c;stroke-width:2}\
@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#16181c}th,td{border-color:#444}polyline{stroke:#6af}}";

/// The whole page.
pub(super) fn page(report: &Report) -> String {
    let title = escaped(&report.title);
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<p>{}</p>\n<p>{}</p>\n",
        escaped(&report.about),
        escaped(&report.headline())
    );
    out += &curve(&report.equity);
    for (title, columns, rows) in report.tables() {
        if !rows.is_empty() {
            out += &format!("<h2>{title}</h2>\n{}", table(columns, rows));
        }
    }
    out + "</body>\n</html>"
}

fn table(columns: &[Column], rows: &[Value]) -> String {
    let class = |column: &Column| if column.is_right() { " class=\"n\"" } else { "" };
    let heads = columns.iter().map(|column| format!("<th{}>{}</th>", class(column), escaped(column.title())));
    let mut out = format!("<table>\n<tr>{}</tr>\n", heads.collect::<String>());
    for row in rows {
        let cells = columns
            .iter()
            .map(|column| format!("<td{}>{}</td>", class(column), escaped(&records::shown(&row[column.key()]))));
        out += &format!("<tr>{}</tr>\n", cells.collect::<String>());
    }
    out + "</table>\n"
}

/// Equity at the beginning of each day; nothing where it is known of fewer than two.
fn curve(equity: &[f64]) -> String {
    let (low, high) =
        equity.iter().fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(*value), high.max(*value)));
    if equity.len() < 2 {
        return String::new();
    }
    let (span, last) = ((high - low).max(f64::MIN_POSITIVE), equity.len() - 1);
    let point = |(index, value): (usize, &f64)| {
        format!("{:.1},{:.1}", index as f64 * 1_000.0 / last as f64, 95.0 - (value - low) / span * 90.0)
    };
    let points: Vec<String> = equity.iter().enumerate().map(point).collect();
    format!(
        "<h2>Equity at the beginning of each day: {low:.2} to {high:.2} USD</h2>\n\
         <svg viewBox=\"0 0 1000 100\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"equity\">\
         <polyline points=\"{}\"/></svg>\n",
        points.join(" ")
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_curve_spans_the_picture_and_text_is_escaped() {
        assert_eq!(super::curve(&[1.0]), "");
        let svg = super::curve(&[100.0, 300.0, 200.0]);
        assert!(svg.contains("points=\"0.0,95.0 500.0,5.0 1000.0,50.0\""), "{svg}");
        assert!(super::curve(&[5.0, 5.0]).contains("0.0,95.0"));
        assert_eq!(super::escaped("<a href=\"x\">&"), "&lt;a href=&quot;x&quot;&gt;&amp;");
    }
}
