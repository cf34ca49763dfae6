//! Prices with entries and exits, a chart a symbol.

use super::html::escape;
use super::nothing;
use super::scale::index_ticks;
use super::svg::{Across, Plot, Prices, price_chart};
use crate::backtest::metrics::words::{Unit, grouped};
use crate::backtest::outcome::{Chart, Outcome};
use crate::domain::{Bar, MarketTime, Side};

/// Bars of all charts together, and of one, at most: a page has to stay small.
const ALL_BARS: usize = 12_000;
const ONE_BARS: usize = 900;
/// Fills of all charts together, at most.
const ALL_FILLS: usize = 40_000;
/// Charts that are open at first; the others open at a click.
const OPEN: usize = 4;

pub(super) fn section(outcome: &Outcome) -> String {
    let charts: Vec<&Chart> = outcome.charts.iter().filter(|chart| !chart.bars.is_empty()).collect();
    if charts.is_empty() {
        return nothing("There are no prices to draw.");
    }
    let bars = (ALL_BARS / charts.len()).clamp(60, ONE_BARS);
    let fills = ALL_FILLS / charts.len();
    charts
        .iter()
        .enumerate()
        .map(|(index, chart)| {
            let open = if index < OPEN { " open" } else { "" };
            format!(
                "<details{open}><summary>{}</summary>\n{}</details>\n",
                escape(chart.symbol.as_str()),
                one(chart, bars, fills)
            )
        })
        .collect()
}

fn one(chart: &Chart, most: usize, fills_most: usize) -> String {
    let joined = join(&chart.bars, most);
    let times: Vec<MarketTime> = joined.iter().map(|bar| bar.time).collect();
    let mut prices = Prices {
        bars: joined.iter().map(|bar| [bar.open, bar.high, bar.low, bar.close]).collect(),
        ..Prices::default()
    };
    for fill in chart.fills.iter().take(fills_most) {
        // The bar in which it was filled: the last that had begun.
        let place = times.partition_point(|time| *time <= fill.at).saturating_sub(1) as f64;
        let mark = (place, fill.price.to_f64());
        match fill.side {
            Side::Buy => prices.bought.push(mark),
            Side::Sell => prices.sold.push(mark),
        }
    }
    let plot = Plot {
        label: format!("Prices and fills of {}", chart.symbol),
        across: Across::Places {
            ticks: index_ticks(&times),
            count: joined.len(),
            seconds: times.iter().map(|time| time.secs()).collect(),
        },
        unit: Unit::Usd,
        size: "",
        zero: false,
    };
    let left_out = chart.fills_left_out + chart.fills.len().saturating_sub(fills_most) as u64;
    let note = if left_out == 0 {
        String::new()
    } else {
        format!("<p class=\"note\">Later fills that are not drawn: {}.</p>\n", grouped(&left_out.to_string()))
    };
    format!("{}{note}", price_chart(&plot, &prices))
}

/// Neighbouring bars joined to at most so many.
fn join(bars: &[Bar], most: usize) -> Vec<Bar> {
    let run = bars.len().div_ceil(most.max(1)).max(1);
    bars.chunks(run)
        .filter_map(|run| {
            let (first, last) = (run.first()?, run.last()?);
            let high = run.iter().map(|bar| bar.high).fold(f64::NEG_INFINITY, f64::max);
            let low = run.iter().map(|bar| bar.low).fold(f64::INFINITY, f64::min);
            // Volume is not drawn.
            Some(Bar { time: first.time, end: last.end, open: first.open, high, low, close: last.close, volume: None })
        })
        .collect()
}
