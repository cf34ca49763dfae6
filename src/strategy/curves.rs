//! A strategy's indicators, for charts.

use super::Strategy;
use crate::domain::Bar;

/// Where a curve is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pane {
    /// Over the candles: it is a price, USD a share.
    Price,
    /// Below them, on a scale of its own.
    Own,
}

/// An indicator's value after a bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Curve {
    /// Its name; a strategy's names are always the same, in the same order.
    pub name: &'static str,
    /// Where it is drawn.
    pub pane: Pane,
    /// Its value; `None` before there is one.
    pub value: Option<f64>,
}

impl Curve {
    /// Over the candles.
    pub(super) fn price(name: &'static str, value: Option<f64>) -> Self {
        Self { name, pane: Pane::Price, value }
    }

    /// Below them.
    pub(super) fn own(name: &'static str, value: Option<f64>) -> Self {
        Self { name, pane: Pane::Own, value }
    }
}

/// The middle of a window, and bands so many of its deviations away.
pub(super) fn bands(width: f64, window: Option<(f64, f64)>) -> [Curve; 3] {
    let at = |side: f64| window.map(|(mean, deviation)| mean + side * width * deviation);
    [Curve::price("middle", at(0.0)), Curve::price("lower", at(-1.0)), Curve::price("upper", at(1.0))]
}

/// An indicator over a series of bars.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    /// Its name.
    pub name: &'static str,
    /// Where it is drawn.
    pub pane: Pane,
    /// One value a bar; `None` before the strategy is warm.
    pub values: Vec<Option<f64>>,
}

/// The indicators of a strategy that has seen nothing, over these bars.
pub fn drawn(strategy: &mut dyn Strategy, bars: &[Bar]) -> Vec<Drawn> {
    let mut all: Vec<Drawn> = Vec::new();
    for (index, bar) in bars.iter().enumerate() {
        strategy.on_bar(bar);
        let warm = index + 1 >= strategy.warm_up();
        let curves = strategy.curves();
        if all.is_empty() {
            let begun = |curve: &Curve| Drawn { name: curve.name, pane: curve.pane, values: Vec::new() };
            all = curves.iter().map(begun).collect();
        }
        for (drawn, curve) in all.iter_mut().zip(curves) {
            drawn.values.push(curve.value.filter(|value| warm && value.is_finite()));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::stories::flat_bar;
    use super::super::{REGISTRY, build};
    use super::*;

    fn of(name: &str, given: &[(&str, &str)], closes: &[f64]) -> BTreeMap<&'static str, Vec<Option<f64>>> {
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let bars: Vec<Bar> = closes.iter().enumerate().map(|(index, close)| flat_bar(index, *close)).collect();
        let drawn = drawn(build(name, &given).unwrap().as_mut(), &bars);
        drawn.into_iter().map(|drawn| (drawn.name, drawn.values)).collect()
    }

    #[test]
    fn every_strategy_that_measures_anything_can_be_drawn_once_it_is_warm() {
        for row in REGISTRY {
            let mut strategy = build(row.name, &BTreeMap::new()).unwrap();
            let warm_up = strategy.warm_up();
            let bars: Vec<Bar> =
                (0..warm_up + 2).map(|index| flat_bar(index, 50.0 + f64::from(index as u32 % 7))).collect();
            let drawn = drawn(strategy.as_mut(), &bars);
            assert_eq!(drawn.is_empty(), row.name == "buy-and-hold", "{}", row.name);
            for line in drawn {
                assert_eq!(line.values.len(), bars.len(), "{} {}", row.name, line.name);
                assert!(line.values[..warm_up - 1].iter().all(Option::is_none), "{} {}", row.name, line.name);
                assert!(line.values[warm_up..].iter().all(Option::is_some), "{} {}", row.name, line.name);
            }
        }
    }

    #[test]
    fn what_is_drawn_is_what_decides() {
        let averages = of("sma-cross", &[("fast", "1"), ("slow", "2")], &[10.0, 12.0, 13.0]);
        assert_eq!(averages["fast"], [None, Some(12.0), Some(13.0)]);
        assert_eq!(averages["slow"], [None, Some(11.0), Some(12.5)]);
        let bands = of("bollinger-reversion", &[("period", "2"), ("width", "2")], &[10.0, 12.0, 12.0, 14.0]);
        assert_eq!(bands["middle"], [None, None, Some(12.0), Some(13.0)], "its warm-up is a bar longer");
        assert_eq!((bands["lower"][3], bands["upper"][3]), (Some(11.0), Some(15.0)));
        let breakout = of("donchian-breakout", &[("entry_bars", "2"), ("exit_bars", "2")], &[10.0, 12.0, 11.0]);
        assert_eq!((breakout["buys above"][2], breakout["sells below"][2]), (Some(12.0), Some(11.0)));
        let change = of("momentum", &[("period", "1"), ("threshold", "3")], &[100.0, 100.0, 102.0]);
        assert_eq!((change["change, %"][2], change["rise"][2]), (Some(2.0), Some(3.0)));
    }
}
