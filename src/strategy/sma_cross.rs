//! Two simple moving averages of the close; their crossing is the signal.
//!
//! A tie (the averages differ by less than a millionth of a dollar) neither triggers nor resets:
//! the last side counts. Sums are exact integers, so that a trade list is the same on any machine.

use super::indicators::MovingSum;
use super::params::{Kind, ParamError, ParamSpec, Params};
use super::{ENTRY, Entry, Row, SHORT, Strategy, Target};
use crate::domain::Bar;

pub(super) const ROW: Row = Row {
    name: "sma-cross",
    summary: "long when the fast average of the close crosses above the slow one, flat when it crosses below",
    params: &[
        ParamSpec { name: "fast", kind: Kind::Whole(1, 1_000), default: "10", help: "bars of the fast average" },
        ParamSpec { name: "slow", kind: Kind::Whole(2, 2_000), default: "20", help: "bars of the slow average" },
        ENTRY,
        SHORT,
    ],
    build,
};

fn build(params: &Params) -> Result<Box<dyn Strategy>, ParamError> {
    let (fast, slow) = (params.whole("fast"), params.whole("slow"));
    if fast >= slow {
        return Err(ParamError::Conflict(format!("fast ({fast}) must be less than slow ({slow})")));
    }
    Ok(Box::new(SmaCross {
        fast: MovingSum::new(fast),
        slow: MovingSum::new(slow),
        side: None,
        entry: if params.is("entry", "level") { Entry::Level } else { Entry::Cross },
        below: if params.is("short", "yes") { Target::SHORT } else { Target::FLAT },
    }))
}

struct SmaCross {
    fast: MovingSum,
    slow: MovingSum,
    /// Whether fast was above slow when they last differed.
    side: Option<bool>,
    entry: Entry,
    below: Target,
}

impl Strategy for SmaCross {
    fn warm_up(&self) -> usize {
        self.slow.length()
    }

    fn on_bar(&mut self, bar: &Bar) -> Option<Target> {
        let (fast, slow) = (self.fast.push(bar.close), self.slow.push(bar.close));
        let (fast, slow) = (fast?, slow?);
        // Both sums times the other's length: the difference of the averages, times fast x slow,
        // in millionths of a dollar.
        let (fast_n, slow_n) = (self.fast.length() as i128, self.slow.length() as i128);
        let difference = fast * slow_n - slow * fast_n;
        let above = if difference.abs() < fast_n * slow_n { self.side? } else { difference > 0 };
        let crossed = self.side.replace(above).is_some_and(|before| before != above);
        let speaks = match self.entry {
            Entry::Cross => crossed,
            Entry::Level => true,
        };
        speaks.then_some(if above { Target::LONG } else { self.below })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::build;
    use super::*;
    use crate::domain::MarketTime;

    fn signals(closes: &[f64], entry: &str) -> Vec<(usize, f64)> {
        let given = [("fast", "2"), ("slow", "3"), ("entry", entry)];
        let given: BTreeMap<_, _> = given.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        let mut strategy = build("sma-cross", &given).unwrap();
        let bar = |index: usize, close| Bar {
            time: MarketTime::from_secs(index as i64),
            end: MarketTime::from_secs(index as i64 + 1),
            open: close,
            high: close,
            low: close,
            close,
            volume: None,
        };
        let targets = closes.iter().enumerate().map(|(i, close)| (i, strategy.on_bar(&bar(i, *close))));
        targets.filter_map(|(i, target)| target.map(|t| (i, t.value()))).collect()
    }

    #[test]
    fn only_the_crossing_bar_speaks_and_none_in_the_warm_up() {
        let closes = [10.0, 10.0, 9.0, 8.0, 9.0, 11.0, 12.0, 12.0, 9.0, 8.0];
        assert_eq!(signals(&closes, "cross"), [(5, 1.0), (8, 0.0)]);
    }

    #[test]
    fn a_tie_keeps_the_last_side() {
        // Falls, ties, falls again: no crossing in between.
        assert_eq!(signals(&[12.0, 11.0, 10.0, 10.0, 10.0, 9.0], "cross"), []);
        // A tie before any difference is no side at all: the rise after it is not a crossing.
        assert_eq!(signals(&[10.0, 10.0, 10.0, 11.0, 12.0], "cross"), []);
    }

    #[test]
    fn level_speaks_on_every_bar_once_warm() {
        assert_eq!(signals(&[1.0, 2.0, 3.0, 4.0], "level"), [(2, 1.0), (3, 1.0)]);
    }
}
