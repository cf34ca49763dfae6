//! Plots as SVG, readable on light and on dark pages.

use std::fmt::Write;

use hdrhistogram::Histogram;

use super::page::number;

const SIZE: (f64, f64) = (860.0, 400.0);
/// Room around the drawing: left, top, right (for the names of lines), bottom.
const ROOM: (f64, f64, f64, f64) = (70.0, 40.0, 250.0, 50.0);

const STYLE: &str = "\
text{font:12px system-ui,sans-serif;fill:#333}.title{font-weight:600;font-size:14px}.grid{stroke:#8884;fill:none}\
.line{fill:none;stroke-width:1.8}.floor{stroke-dasharray:5 4}\
.c0{stroke:#0b66c3}.c1{stroke:#c2410c}.c2{stroke:#15803d}.c3{stroke:#9333ea}.c4{stroke:#b8860b}.c5{stroke:#0e7490}\
.c6{stroke:#be185d}.c7{stroke:#57534e}\
@media (prefers-color-scheme:dark){text{fill:#ddd}.c0{stroke:#6cb2ff}.c1{stroke:#ff9a66}.c2{stroke:#5ed68a}\
.c3{stroke:#c99bff}.c4{stroke:#e8c35a}.c5{stroke:#5fd0e6}.c6{stroke:#ff86b8}.c7{stroke:#b8b2ac}}";

/// A line of a plot.
pub struct Line {
    pub name: String,
    /// Drawn broken: what others are compared with.
    pub floor: bool,
    pub points: Vec<(f64, f64)>,
    /// Whether each point is marked.
    pub marks: bool,
}

/// A plot with logarithms on both axes.
pub struct Plot<'a> {
    pub title: &'a str,
    pub x: &'a str,
    pub y: &'a str,
    /// Values of x that are written, with their texts; none: powers of ten.
    pub ticks: Vec<(f64, String)>,
    pub lines: Vec<Line>,
}

fn powers(from: f64, until: f64) -> Vec<(f64, String)> {
    let steps: &[f64] = if until / from > 300.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let tens = (from.log10().floor() as i32)..=(until.log10().ceil() as i32);
    let all = tens.flat_map(|ten| steps.iter().map(move |step| step * 10_f64.powi(ten)));
    let within = all.filter(|value| (from * 0.999..=until * 1.001).contains(value));
    within.map(|value| (value, short(value))).collect()
}

/// Without the zeros behind a point.
fn short(value: f64) -> String {
    let text = number(value);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn span(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.fold((f64::INFINITY, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
    if low < high { (low, high) } else { (low / 2.0, low * 2.0) }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

impl Plot<'_> {
    pub fn svg(&self) -> String {
        let points = || self.lines.iter().flat_map(|line| line.points.iter()).filter(|(x, y)| *x > 0.0 && *y > 0.0);
        let (xs, ys) = (span(points().map(|point| point.0)), span(points().map(|point| point.1)));
        let (left, top, right, bottom) = ROOM;
        let (wide, high) = (SIZE.0 - left - right, SIZE.1 - top - bottom);
        let place = |value: f64, (from, until): (f64, f64)| (value / from).ln() / (until / from).ln();
        let at_x = |value| left + wide * place(value, xs);
        let at_y = |value| top + high * (1.0 - place(value, ys));
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n<style>{STYLE}</style>\n",
            SIZE.0,
            SIZE.1,
            escape(self.title)
        );
        let mut text = |x: f64, y: f64, anchor: &str, class: &str, said: &str| {
            writeln!(
                svg,
                "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" class=\"{class}\">{}</text>",
                escape(said)
            )
            .unwrap();
        };
        text(left, 18.0, "start", "title", self.title);
        text(left + wide / 2.0, SIZE.1 - 10.0, "middle", "", self.x);
        text(left - 60.0, top - 8.0, "start", "", self.y);
        let ticks = if self.ticks.is_empty() { powers(xs.0, xs.1) } else { self.ticks.clone() };
        let mut grid = String::new();
        for (value, said) in ticks.iter().filter(|(value, _)| (xs.0..=xs.1).contains(value)) {
            text(at_x(*value), top + high + 18.0, "middle", "", said);
            write!(grid, "M{:.1} {top}v{high}", at_x(*value)).unwrap();
        }
        for (value, said) in powers(ys.0, ys.1) {
            text(left - 6.0, at_y(value) + 4.0, "end", "", &said);
            write!(grid, "M{left} {:.1}h{wide}", at_y(value)).unwrap();
        }
        writeln!(svg, "<path class=\"grid\" d=\"{grid}M{left} {top}v{high}h{wide}\"/>").unwrap();
        for (index, line) in self.lines.iter().enumerate() {
            let class = format!("line c{}{}", index % 8, if line.floor { " floor" } else { "" });
            let path: Vec<String> = line
                .points
                .iter()
                .filter(|(x, y)| *x > 0.0 && *y > 0.0)
                .map(|(x, y)| format!("{:.1} {:.1}", at_x(*x), at_y(*y)))
                .collect();
            writeln!(svg, "<path class=\"{class}\" d=\"M{}\"/>", path.join("L")).unwrap();
            for mark in path.iter().filter(|_| line.marks) {
                let (x, y) = mark.split_once(' ').unwrap();
                writeln!(svg, "<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"3\"/>").unwrap();
            }
            let (x, y) = (left + wide + 14.0, top + 10.0 + 20.0 * index as f64);
            writeln!(svg, "<path class=\"{class}\" d=\"M{x} {y}h22\"/>").unwrap();
            writeln!(svg, "<text x=\"{}\" y=\"{}\">{}</text>", x + 28.0, y + 4.0, escape(&line.name)).unwrap();
        }
        svg + "</svg>\n"
    }
}

/// How many of all took no longer: a line for each histogram of nanoseconds, in microseconds.
pub fn percentiles(title: &str, lines: &[(String, bool, &Histogram<u64>)]) -> String {
    // Rarer and rarer, each step as far as the one before: 1 of 2, of 10, of 100.
    let parts = || (0..=120).map(|step| 10_f64.powf(f64::from(step) / 40.0));
    let line = |(name, floor, histogram): &(String, bool, &Histogram<u64>)| {
        let seen = histogram.len() as f64;
        let points = parts().filter(|one_of| *one_of <= seen);
        let us = |one_of: f64| histogram.value_at_quantile(1.0 - 1.0 / one_of) as f64 / 1e3;
        Line {
            name: name.clone(),
            floor: *floor,
            points: points.map(|one_of| (one_of, us(one_of))).collect(),
            marks: false,
        }
    };
    let ticks = [(1.0, "min"), (2.0, "p50"), (10.0, "p90"), (100.0, "p99"), (1_000.0, "p99.9")];
    Plot {
        title,
        x: "share of orders that took no longer",
        y: "microseconds",
        ticks: ticks.map(|(value, text)| (value, text.to_owned())).to_vec(),
        lines: lines.iter().map(line).collect(),
    }
    .svg()
}

/// The slope of a straight line through the logarithms: y grows as x to this power. No number with fewer than two
/// points.
pub fn exponent(points: &[(f64, f64)]) -> f64 {
    let logs: Vec<(f64, f64)> =
        points.iter().filter(|(x, y)| *x > 0.0 && *y > 0.0).map(|(x, y)| (x.ln(), y.ln())).collect();
    let count = logs.len() as f64;
    let (x, y) = logs.iter().fold((0.0, 0.0), |sum, log| (sum.0 + log.0 / count, sum.1 + log.1 / count));
    let over: f64 = logs.iter().map(|log| (log.0 - x) * (log.1 - y)).sum();
    over / logs.iter().map(|log| (log.0 - x).powi(2)).sum::<f64>()
}
