//! What a sweep is of: two parts with the same are parts of one, and an interrupted one goes on only as what
//! it was.

use serde::{Deserialize, Serialize};

use super::super::backtest::Prepared;
use crate::backtest::sweep::space::Space;
use crate::domain::Bar;

/// See the module.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct About {
    /// Which points.
    pub(super) space: Space,
    /// The figure to choose by.
    pub(super) metric: String,
    /// The run in words, with every setting that is no default.
    pub(super) described: Vec<(String, String)>,
    /// What has to be known before the results are read.
    pub(super) warnings: Vec<String>,
    /// Scripts that strategies are, by their files: numbers of their texts.
    scripts: Vec<(String, String)>,
    /// The bars of each symbol.
    bars: Vec<BarsOf>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct BarsOf {
    symbol: String,
    bars: usize,
    first: String,
    last: String,
    /// A number of all times, prices and volumes (FNV-1a, 64 bits, in hexadecimal).
    fingerprint: String,
}

impl About {
    pub(super) fn of(space: &Space, metric: &str, prepared: &Prepared) -> Self {
        let bars = prepared.data.series.iter().map(|(symbol, bars)| {
            let time = |bar: Option<&Bar>| bar.map(|bar| bar.time.to_string()).unwrap_or_default();
            BarsOf {
                symbol: symbol.to_string(),
                bars: bars.len(),
                first: time(bars.first()),
                last: time(bars.last()),
                fingerprint: fingerprint(bars),
            }
        });
        Self {
            space: space.clone(),
            metric: metric.to_owned(),
            described: prepared.setup.described.clone(),
            warnings: prepared.setup.warnings.clone(),
            scripts: scripts(space, prepared),
            bars: bars.collect(),
        }
    }

    /// What differs, in words.
    pub(super) fn differs(&self, other: &Self) -> String {
        let parts = [
            (self.space != other.space, "the values that vary"),
            (self.metric != other.metric, "the metric"),
            (self.scripts != other.scripts, "a script's text"),
            (self.bars != other.bars, "the bars"),
            (self.described != other.described, "the settings"),
        ];
        let parts: Vec<&str> = parts.into_iter().filter_map(|(other, name)| other.then_some(name)).collect();
        if parts.is_empty() { "the shard or the warnings".to_owned() } else { parts.join(", ") }
    }
}

/// The scripts of the settings, and those that the points choose.
fn scripts(space: &Space, prepared: &Prepared) -> Vec<(String, String)> {
    let mut scripts: Vec<(String, String)> = Vec::new();
    let varied = super::vary::strategies(space, prepared);
    for (_, plan) in prepared.settings.symbols.iter().chain(varied.iter().flat_map(|settings| &settings.symbols)) {
        let script = plan.script.as_ref().map(|script| (script.file().to_owned(), script.fingerprint()));
        scripts.extend(script.filter(|script| !scripts.contains(script)));
    }
    scripts
}

fn fingerprint(bars: &[Bar]) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut mix = |word: [u8; 8]| {
        for byte in word {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    for bar in bars {
        mix(bar.time.millis().to_le_bytes());
        mix(bar.end.millis().to_le_bytes());
        for price in [bar.open, bar.high, bar.low, bar.close] {
            mix(price.to_bits().to_le_bytes());
        }
        // No volume is another thing than none traded.
        mix(bar.volume.map_or(u64::MAX, |volume| volume).to_le_bytes());
    }
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::MarketTime;

    #[test]
    fn every_part_of_a_bar_counts() {
        let at = MarketTime::from_secs;
        let bar = Bar { time: at(0), end: at(60), open: 2.0, high: 3.0, low: 1.0, close: 2.0, volume: Some(0) };
        let others = [
            Bar { time: at(1), ..bar },
            Bar { end: at(61), ..bar },
            Bar { open: 2.5, ..bar },
            Bar { high: 3.5, ..bar },
            Bar { low: 0.5, ..bar },
            Bar { close: 2.5, ..bar },
            Bar { volume: None, ..bar },
        ];
        assert_eq!(fingerprint(&[bar]), fingerprint(&[bar]));
        for other in others {
            assert_ne!(fingerprint(&[bar]), fingerprint(&[other]), "{other:?}");
        }
    }
}
