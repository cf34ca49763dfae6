//! Two exponential moving averages of the close; their crossing is the signal.
//!
//! An exponential average never quite forgets, so it stays silent until what is left of the bar it
//! began with is negligible ([`memory`]): a restart with a shorter history then says the same.

use super::crossing::Crossing;
use super::indicators::Ema;
use super::indicators::smoothed::memory;
use super::params::{Kind, ParamError, ParamSpec, Params};
use super::{Curve, ENTRY, Row, SHORT, Strategy, Target};
use crate::domain::Bar;

pub(super) const ROW: Row = Row {
    name: "ema-cross",
    summary: "long when the fast exponential average of the close crosses above the slow one, flat when it crosses below",
    params: &[
        ParamSpec { name: "fast", kind: Kind::Whole(1, 500), default: "12", help: "bars of the fast average" },
        ParamSpec { name: "slow", kind: Kind::Whole(2, 1_000), default: "26", help: "bars of the slow average" },
        ENTRY,
        SHORT,
    ],
    build,
};

fn build(params: &Params) -> Result<Box<dyn Strategy>, ParamError> {
    let (fast, slow) = params.ordered("fast", "slow")?;
    Ok(Box::new(EmaCross {
        fast: Ema::new(fast),
        slow: Ema::new(slow),
        warm_up: memory(slow),
        seen: 0,
        crossing: Crossing::of(params),
    }))
}

struct EmaCross {
    fast: Ema,
    slow: Ema,
    warm_up: usize,
    seen: usize,
    crossing: Crossing,
}

impl Strategy for EmaCross {
    fn warm_up(&self) -> usize {
        self.warm_up
    }

    fn on_bar(&mut self, bar: &Bar) -> Option<Target> {
        self.seen += 1;
        let (fast, slow) = (self.fast.push(bar.close), self.slow.push(bar.close));
        let said = self.crossing.hear_difference(fast? - slow?);
        said.filter(|_| self.seen >= self.warm_up)
    }

    fn curves(&self) -> Vec<Curve> {
        vec![Curve::price("fast", self.fast.value()), Curve::price("slow", self.slow.value())]
    }
}

#[cfg(test)]
mod tests {
    use super::super::stories::signals;

    #[test]
    fn a_crossing_is_told_once_and_none_in_the_warm_up() {
        // Falls for 12 bars, four times the slow average; a dip and a rise before are not told.
        let closes = [9.0, 12.0, 8.0, 7.0, 7.0, 6.0, 6.0, 5.0, 5.0, 4.0, 4.0, 4.0, 9.0, 9.0, 2.0, 1.0];
        assert_eq!(signals("ema-cross", &[("fast", "1"), ("slow", "3")], &closes), [(12, 1.0), (14, 0.0)]);
        let short = [("fast", "1"), ("slow", "3"), ("short", "yes")];
        assert_eq!(signals("ema-cross", &short, &closes), [(12, 1.0), (14, -1.0)]);
    }
}
