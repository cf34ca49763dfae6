//! Two simple moving averages of the close; their crossing is the signal.
//!
//! A tie (the averages differ by less than a millionth of a dollar) neither triggers nor resets:
//! the last side counts. Sums are exact integers, so that a trade list is the same on any machine.

use super::crossing::Crossing;
use super::indicators::MeansApart;
use super::params::{Kind, ParamError, ParamSpec, Params};
use super::{Curve, ENTRY, Row, SHORT, Strategy, Target};
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
    let (fast, slow) = params.ordered("fast", "slow")?;
    Ok(Box::new(SmaCross { means: MeansApart::new(fast, slow), crossing: Crossing::of(params) }))
}

struct SmaCross {
    means: MeansApart,
    crossing: Crossing,
}

impl Strategy for SmaCross {
    fn warm_up(&self) -> usize {
        self.means.length()
    }

    fn on_bar(&mut self, bar: &Bar) -> Option<Target> {
        let apart = self.means.push(bar.close)?;
        let tie = apart.abs() < self.means.micro();
        self.crossing.hear((!tie).then_some(apart > 0))
    }

    fn curves(&self) -> Vec<Curve> {
        let [fast, slow] = self.means.means();
        vec![Curve::price("fast", fast), Curve::price("slow", slow)]
    }
}

#[cfg(test)]
mod tests {
    use super::super::stories;

    fn signals(closes: &[f64], entry: &str) -> Vec<(usize, f64)> {
        stories::signals("sma-cross", &[("fast", "2"), ("slow", "3"), ("entry", entry)], closes)
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
