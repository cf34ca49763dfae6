//! Charts as SVG that needs no script and fits any width.
//!
//! A chart's lines are stretched to the width of the page, so texts and dots are not part of what is
//! stretched: labels are HTML beside it, dots are round ends of lines without length.

use std::fmt::Write as _;

use serde_json::json;

use super::html::escape;
use super::scale::{Scale, time_ticks};
use crate::backtest::metrics::words::Unit;

pub use super::html::{Colours, HeatMap, heat_map};

/// Width and height of the stretched drawing.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 400.0;

/// Points that a line keeps at most.
const POINTS: usize = 1200;

/// What the horizontal axis is.
#[derive(Debug, Clone, PartialEq)]
pub enum Across {
    /// Seconds since 1970, UTC.
    Time,
    /// Numbers of a unit.
    Numbers(Unit),
    /// Places with texts of their own, on a scale from 0 to so many; the texts of all places for
    /// the tooltip.
    Places {
        /// Ticks.
        ticks: Vec<(f64, String)>,
        /// How many places there are.
        count: usize,
        /// Every place's instant, seconds since 1970.
        seconds: Vec<i64>,
    },
}

/// A chart's frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Plot {
    /// What it shows, for those who cannot see it.
    pub label: String,
    /// The horizontal axis.
    pub across: Across,
    /// The unit upwards.
    pub unit: Unit,
    /// `tall`, `low` or nothing.
    pub size: &'static str,
    /// Whether zero is on the vertical axis in any case.
    pub zero: bool,
}

/// A line.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// Its colour: `c1` to `c4`, `good`, `bad`.
    pub class: &'static str,
    /// Its points from left to right.
    pub points: Vec<(f64, f64)>,
    /// Whether the area to zero (or the bottom) is filled.
    pub filled: bool,
}

/// Draws lines. Lines of many points are thinned: of neighbours the lowest and highest stay.
pub fn line_chart(plot: &Plot, lines: &[Line]) -> String {
    let lines: Vec<Line> = lines.iter().map(|line| Line { points: thin(&line.points), ..line.clone() }).collect();
    let x = across(plot, lines.iter().flat_map(|line| line.points.iter().map(|point| point.0)));
    let y = upwards(plot, lines.iter().flat_map(|line| line.points.iter().map(|point| point.1)));
    let mut drawing = String::new();
    for line in &lines {
        let path = path(&line.points, x, y);
        if line.filled && line.points.len() > 1 {
            let base = HEIGHT * (1.0 - y.place(0.0).clamp(0.0, 1.0));
            let first = x.place(line.points[0].0) * WIDTH;
            let last = x.place(line.points[line.points.len() - 1].0) * WIDTH;
            let _ = write!(
                drawing,
                "<path class=\"area {}\" d=\"{path}L{last:.1} {base:.1}L{first:.1} {base:.1}Z\"/>",
                line.class
            );
        }
        let _ = writeln!(drawing, "<path class=\"line {}\" d=\"{path}\"/>", line.class);
    }
    let names: Vec<(&str, &str)> = lines.iter().map(|line| (line.class, line.name.as_str())).collect();
    frame(plot, x, y, &drawing, &legend(plot.unit, &names), &data(plot, x, &lines))
}

/// A column of a histogram.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Where it begins and ends.
    pub from: f64,
    /// See `from`.
    pub until: f64,
    /// Its height.
    pub count: u64,
    /// Its colour, as a line's.
    pub class: &'static str,
}

/// Draws columns; `unit` of the plot is that of the heights.
pub fn columns(plot: &Plot, columns: &[Column]) -> String {
    let x = across(plot, columns.iter().flat_map(|column| [column.from, column.until]));
    let y = Scale::exactly(columns.iter().map(|column| column.count as f64)).with(0.0).with(1.0);
    let y = Scale { until: y.until * 1.04, ..y };
    let text = |value: f64| if let Across::Numbers(unit) = &plot.across { unit.show(value) } else { value.to_string() };
    let mut drawing = String::new();
    for column in columns.iter().filter(|column| column.count > 0) {
        let (left, right) = (x.place(column.from) * WIDTH, x.place(column.until) * WIDTH);
        let top = HEIGHT * (1.0 - y.place(column.count as f64));
        let _ = writeln!(
            drawing,
            "<rect class=\"{}\" x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\"><title>{}</title></rect>",
            column.class,
            left + 0.8,
            (right - left - 1.6).max(0.5),
            HEIGHT - top,
            escape(&format!("{} to {}: {}", text(column.from), text(column.until), column.count)),
        );
    }
    frame(plot, x, y, &drawing, "", "")
}

/// Prices: high to low and close of each place, and dots where it was bought and sold.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Prices {
    /// Open, high, low, close by place.
    pub bars: Vec<[f64; 4]>,
    /// Place and price of purchases.
    pub bought: Vec<(f64, f64)>,
    /// Place and price of sales.
    pub sold: Vec<(f64, f64)>,
}

/// More bars than these are a line with a band, not candles.
const CANDLES: usize = 160;

/// Draws prices with fills.
pub fn price_chart(plot: &Plot, prices: &Prices) -> String {
    let places = prices.bars.iter().enumerate();
    let closes: Vec<(f64, f64)> = places.clone().map(|(place, bar)| (place as f64, bar[3])).collect();
    let x = across(plot, std::iter::empty());
    let marks = prices.bought.iter().chain(&prices.sold).map(|mark| mark.1);
    let y = upwards(plot, prices.bars.iter().flat_map(|bar| [bar[1], bar[2]]).chain(marks));
    let (left, up) = (|place: f64| x.place(place) * WIDTH, |price: f64| HEIGHT * (1.0 - y.place(price)));
    let mut drawing = String::new();
    if prices.bars.len() <= CANDLES {
        for (class, rising) in [("good", true), ("bad", false)] {
            let (mut wicks, mut bodies) = (String::new(), String::new());
            for (place, [open, high, low, close]) in places.clone().filter(|(_, bar)| (bar[3] >= bar[0]) == rising) {
                let middle = left(place as f64);
                let half = (WIDTH / x.until * 0.32).min(8.0);
                let _ = write!(wicks, "M{middle:.1} {:.1}V{:.1}", up(*high), up(*low));
                let (top, bottom) = (up(open.max(*close)), up(open.min(*close)).max(up(open.max(*close)) + 0.8));
                let _ =
                    write!(bodies, "M{:.1} {top:.1}h{:.1}V{bottom:.1}h-{:.1}Z", middle - half, half * 2.0, half * 2.0);
            }
            let _ = writeln!(
                drawing,
                "<path class=\"wick {class}\" d=\"{wicks}\"/><path class=\"body {class}\" d=\"{bodies}\"/>"
            );
        }
    } else {
        let highs: Vec<(f64, f64)> = places.clone().map(|(place, bar)| (place as f64, bar[1])).collect();
        let lows = places.rev().map(|(place, bar)| (place as f64, bar[2]));
        let band: Vec<(f64, f64)> = highs.into_iter().chain(lows).collect();
        let _ = writeln!(drawing, "<path class=\"area c1\" d=\"{}Z\"/>", path(&band, x, y));
        let _ = writeln!(drawing, "<path class=\"line thin c1\" d=\"{}\"/>", path(&closes, x, y));
    }
    for (class, marks) in [("bought", &prices.bought), ("sold", &prices.sold)] {
        let mut dots: Vec<String> =
            marks.iter().map(|(place, price)| format!("M{:.0} {:.0}h0", left(*place), up(*price))).collect();
        dots.dedup();
        let many = if prices.bought.len() + prices.sold.len() > 120 { " many" } else { "" };
        let _ = writeln!(drawing, "<path class=\"dot {class}{many}\" d=\"{}\"/>", dots.concat());
    }
    let closes = [Line { name: "Close".to_owned(), class: "c1", points: closes, filled: false }];
    frame(
        plot,
        x,
        y,
        &drawing,
        &legend(plot.unit, &[("c1", "Price"), ("bought", "Bought"), ("sold", "Sold")]),
        &data(plot, x, &closes),
    )
}

fn across(plot: &Plot, values: impl Iterator<Item = f64>) -> Scale {
    match &plot.across {
        Across::Time | Across::Numbers(_) => Scale::exactly(values),
        // Half a place of room at each end, for the first and the last candle.
        Across::Places { count, .. } => Scale { from: -0.5, until: (*count).max(1) as f64 - 0.5 },
    }
}

fn upwards(plot: &Plot, values: impl Iterator<Item = f64>) -> Scale {
    if !plot.zero {
        return Scale::around(values);
    }
    let all: Vec<f64> = values.chain([0.0]).collect();
    let scale = Scale::around(all.iter().copied());
    // No room beyond zero where nothing is there.
    let inner = Scale::exactly(all.into_iter());
    Scale {
        from: if inner.from == 0.0 { 0.0 } else { scale.from },
        until: if inner.until == 0.0 { 0.0 } else { scale.until },
    }
}

fn path(points: &[(f64, f64)], x: Scale, y: Scale) -> String {
    let mut path = String::with_capacity(points.len() * 12);
    for (value_x, value_y) in points.iter().filter(|point| point.1.is_finite()) {
        let command = if path.is_empty() { 'M' } else { 'L' };
        let _ = write!(path, "{command}{:.1} {:.1}", x.place(*value_x) * WIDTH, HEIGHT * (1.0 - y.place(*value_y)));
    }
    path
}

/// Of equal runs of neighbours the lowest and the highest, in their order, and both ends.
fn thin(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Vec::new() };
    if points.len() <= POINTS {
        return points.to_vec();
    }
    let mut kept = vec![*first];
    for run in points.chunks(points.len().div_ceil(POINTS / 2)) {
        let by_height = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        if let (Some(low), Some(high)) = (run.iter().min_by(by_height), run.iter().max_by(by_height)) {
            kept.push(if low.0 <= high.0 { *low } else { *high });
            kept.push(if low.0 <= high.0 { *high } else { *low });
        }
    }
    kept.push(*last);
    kept.dedup();
    kept
}

fn legend(unit: Unit, names: &[(&str, &str)]) -> String {
    let keys = names.iter().map(|(class, name)| format!("<span class=\"key {class}\">{}</span>", escape(name)));
    // Percent and multiples stand beside every tick.
    let unit = match unit {
        Unit::Usd | Unit::Days | Unit::Years | Unit::Bars => format!("<span>in {}</span>", unit.as_str()),
        Unit::Percent | Unit::Ratio | Unit::Count | Unit::Times => String::new(),
    };
    format!("<figcaption>{}{unit}</figcaption>\n", keys.collect::<String>())
}

/// What the tooltip says; `<` is written so that no text can end the script.
fn data(plot: &Plot, x: Scale, lines: &[Line]) -> String {
    let seconds = if let Across::Places { seconds, .. } = &plot.across { Some(seconds) } else { None };
    let (factor, after, decimals) = match plot.unit {
        Unit::Percent => (100.0, " %", 2),
        Unit::Usd => (1.0, " USD", 2),
        Unit::Times => (1.0, " x", 2),
        Unit::Ratio | Unit::Days | Unit::Years | Unit::Bars | Unit::Count => (1.0, "", 3),
    };
    let rounded = |value: f64, decimals: i32| {
        let power = 10_f64.powi(decimals);
        (value * power).round() / power
    };
    let lines: Vec<_> = lines
        .iter()
        .map(|line| {
            let xs: Vec<_> =
                line.points.iter().map(|point| rounded(point.0, if seconds.is_some() { 0 } else { 3 })).collect();
            let values: Vec<_> = line.points.iter().map(|point| rounded(point.1 * factor, decimals + 2)).collect();
            json!({ "n": line.name, "x": xs, "v": values })
        })
        .collect();
    let time = plot.across == Across::Time || seconds.is_some();
    let data = json!({
        "from": x.from, "until": x.until, "time": time, "at": seconds, "after": after, "decimals": decimals,
        "lines": lines,
    });
    let data = data.to_string().replace(".0,", ",").replace(".0]", "]").replace('<', "\\u003c");
    format!("<script type=\"application/json\">{data}</script>")
}

fn frame(plot: &Plot, x: Scale, y: Scale, drawing: &str, legend: &str, data: &str) -> String {
    let (mut grid, mut labels) = (String::new(), String::new());
    for (value, text) in y.ticks(plot.unit, if plot.size == "low" { 3 } else { 6 }) {
        let top = 1.0 - y.place(value);
        let _ = write!(grid, "M0 {:.1}H{WIDTH}", top * HEIGHT);
        let _ = write!(labels, "<span class=\"y\" style=\"top:{:.2}%\">{}</span>", top * 100.0, escape(&text));
    }
    let ticks = match &plot.across {
        Across::Time => time_ticks(x),
        Across::Numbers(unit) => x.ticks(*unit, 8),
        Across::Places { ticks, .. } => ticks.clone(),
    };
    for (index, (value, text)) in ticks.iter().enumerate() {
        let left = x.place(*value);
        let odd = if index % 2 == 1 { " odd" } else { "" };
        let _ = write!(grid, "M{:.1} 0V{HEIGHT}", left * WIDTH);
        let _ = write!(labels, "<span class=\"x{odd}\" style=\"left:{:.2}%\">{}</span>", left * 100.0, escape(text));
    }
    let zero = 1.0 - y.place(0.0);
    let zero = if (0.0..=1.0).contains(&zero) {
        format!("<path class=\"zero\" d=\"M0 {:.1}H{WIDTH}\"/>", zero * HEIGHT)
    } else {
        String::new()
    };
    format!(
        "<figure>\n{legend}<div class=\"plot {}\"><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-label=\"{}\">\n<path class=\"grid\" d=\"{grid}\"/>{zero}\n{drawing}</svg>\n{labels}{data}</div>\n</figure>\n",
        plot.size,
        escape(&plot.label),
    )
}
