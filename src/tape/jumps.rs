//! Jumps between bars that look like a split which the prices are not adjusted for.

use std::fmt;

use crate::domain::{Bar, MarketTime};

/// From the close of one bar to the open of the next, a price that grows or shrinks by more than
/// this factor has jumped. No usual night moves a stock that far; a 3:2 split does.
pub const JUMP: f64 = 1.4;

/// How near a split's ratio the jump must be to be called one, as a part of it.
const NEAR: f64 = 0.04;

/// The splits that happen: new shares for old ones. Reverse splits are these upside down.
const SPLITS: [(u32, u32); 17] = [
    (3, 2),
    (5, 3),
    (2, 1),
    (5, 2),
    (3, 1),
    (4, 1),
    (5, 1),
    (6, 1),
    (7, 1),
    (8, 1),
    (10, 1),
    (15, 1),
    (20, 1),
    (25, 1),
    (30, 1),
    (50, 1),
    (100, 1),
];

/// A price that jumped between two adjacent bars.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Jump {
    /// Open instant of the later bar.
    pub at: MarketTime,
    /// Close of the earlier bar, USD a share.
    pub before: f64,
    /// Open of the later bar, USD a share.
    pub after: f64,
    /// `after / before`.
    pub ratio: f64,
    /// The split that explains it within 4 %: new shares for old ones, `(7, 1)` where a price falls
    /// to a seventh.
    pub looks_like: Option<(u32, u32)>,
}

impl fmt::Display for Jump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from {} to {} at {} (ratio {:.4})", self.before, self.after, self.at, self.ratio)?;
        match self.looks_like {
            Some((new, old)) => write!(f, ", like a {new}:{old} split"),
            None => Ok(()),
        }
    }
}

/// Sees a series' bars pass, and says where their price jumps.
#[derive(Debug, Clone, Copy, Default)]
pub struct JumpWatch {
    close: Option<f64>,
}

impl JumpWatch {
    /// Takes the next bar; the jump from the one before to it, if there is one.
    pub fn see(&mut self, bar: &Bar) -> Option<Jump> {
        let before = self.close.replace(bar.close)?;
        // Two products are cheaper than a quotient, and nearly every bar ends here.
        if bar.open <= before * JUMP && before <= bar.open * JUMP {
            return None;
        }
        let ratio = bar.open / before;
        Some(Jump { at: bar.time, before, after: bar.open, ratio, looks_like: split(ratio) })
    }
}

/// All jumps of a series.
pub fn jumps(bars: &[Bar]) -> Vec<Jump> {
    let mut watch = JumpWatch::default();
    bars.iter().filter_map(|bar| watch.see(bar)).collect()
}

/// The nearest split that makes prices change by this ratio, if one is near.
fn split(ratio: f64) -> Option<(u32, u32)> {
    let distance = |(new, old): (u32, u32)| (ratio * f64::from(new) / f64::from(old) - 1.0).abs();
    SPLITS
        .into_iter()
        .flat_map(|(many, few)| [(many, few), (few, many)])
        .filter(|split| distance(*split) <= NEAR)
        .min_by(|a, b| distance(*a).total_cmp(&distance(*b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bars(prices: &[(f64, f64)]) -> Vec<Bar> {
        let bar = |(day, (open, close)): (i64, &(f64, f64))| {
            let (open, close) = (*open, *close);
            let time = MarketTime::from_secs(day * 86_400);
            let end = MarketTime::from_secs(day * 86_400 + 60);
            Bar { time, end, open, high: open.max(close), low: open.min(close), close, volume: None }
        };
        (0..).zip(prices).map(bar).collect()
    }

    #[test]
    fn jumps_are_told_with_the_split_they_look_like() {
        for (before, after, says) in [
            (645.57, 92.69, Some((7, 1))),
            (100.0, 50.5, Some((2, 1))),
            (100.0, 66.0, Some((3, 2))),
            (0.5, 5.1, Some((1, 10))),
            (100.0, 45.0, None),
        ] {
            let found = jumps(&bars(&[(before, before), (after, after), (after, after)]));
            assert_eq!(found.len(), 1, "{before} {after}");
            assert_eq!((found[0].before, found[0].after, found[0].looks_like), (before, after, says));
            assert_eq!(found[0].at, MarketTime::from_secs(86_400));
        }
        assert_eq!(jumps(&bars(&[(100.0, 139.0), (100.0, 100.0), (139.0, 71.5)])), []);
        assert_eq!(
            jumps(&bars(&[(1.0, 100.0), (50.0, 50.0)]))[0].to_string(),
            "from 100 to 50 at 1970-01-02T00:00:00Z (ratio 0.5000), like a 2:1 split"
        );
    }
}
