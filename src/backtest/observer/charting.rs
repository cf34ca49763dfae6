//! Charts of prices and fills, for the report: however many bars come, a chart keeps some thousand.

use super::super::outcome::{Chart, FillMark};
use crate::domain::{Bar, Symbol};
use crate::exchange::Fill;

/// Bars of a chart that are kept; beyond twice as many, neighbours are joined.
const CHART: usize = 1_500;
/// Fills of a chart that are kept.
const MARKS: usize = 4_000;

/// A chart that grows.
#[derive(Debug)]
pub(super) struct Charting {
    chart: Chart,
    /// Bars joined into each bar of the chart.
    stride: u64,
    /// Bars that the chart's last one holds.
    joined: u64,
}

impl Charting {
    /// An empty one.
    pub(super) fn of(symbol: Symbol) -> Self {
        let chart = Chart { symbol, bars: Vec::new(), fills: Vec::new(), fills_left_out: 0 };
        Self { chart, stride: 1, joined: 0 }
    }

    /// A bar that was decided on.
    pub(super) fn bar(&mut self, bar: &Bar) {
        let bars = &mut self.chart.bars;
        match bars.last_mut() {
            Some(last) if self.joined < self.stride => {
                last.absorb(bar);
                last.end = bar.end;
                self.joined += 1;
                return;
            }
            _ => {}
        }
        bars.push(*bar);
        self.joined = 1;
        if bars.len() >= 2 * CHART {
            let pairs = bars.chunks(2).map(|pair| {
                let mut one = pair[0];
                if let Some(other) = pair.get(1) {
                    one.absorb(other);
                    one.end = other.end;
                }
                one
            });
            *bars = pairs.collect();
            self.stride *= 2;
            self.joined = self.stride;
        }
    }

    /// A fill; beyond a number of them they are counted only.
    pub(super) fn fill(&mut self, fill: &Fill) {
        if self.chart.fills.len() < MARKS {
            let mark = FillMark { at: fill.at, side: fill.side, quantity: fill.quantity, price: fill.price };
            self.chart.fills.push(mark);
        } else {
            self.chart.fills_left_out += 1;
        }
    }

    /// What has grown.
    pub(super) fn chart(self) -> Chart {
        self.chart
    }
}
