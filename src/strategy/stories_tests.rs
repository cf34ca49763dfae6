//! What the strategies' stories share: closes in, targets out.

use std::collections::BTreeMap;

use super::{Strategy, build};
use crate::domain::{Bar, MarketTime};

/// A bar of one price.
pub(super) fn flat_bar(index: usize, close: f64) -> Bar {
    let time = MarketTime::from_secs(index as i64);
    let end = MarketTime::from_secs(index as i64 + 1);
    Bar { time, end, open: close, high: close, low: close, close, volume: None }
}

/// What a strategy says to bars of these closes: each time the bar's place and the target.
pub(super) fn said(strategy: &mut dyn Strategy, closes: &[f64]) -> Vec<(usize, f64)> {
    let targets = closes.iter().enumerate().map(|(i, close)| (i, strategy.on_bar(&flat_bar(i, *close))));
    targets.filter_map(|(i, target)| target.map(|t| (i, t.value()))).collect()
}

/// The same of a registered strategy with these parameters.
pub(super) fn signals(name: &str, given: &[(&str, &str)], closes: &[f64]) -> Vec<(usize, f64)> {
    let given: BTreeMap<_, _> = given.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    said(build(name, &given).unwrap().as_mut(), closes)
}
