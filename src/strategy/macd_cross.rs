//! The difference of two exponential averages, and its own average: their crossing is the signal.

use super::crossing::Crossing;
use super::indicators::Macd;
use super::indicators::smoothed::memory;
use super::params::{Kind, ParamError, ParamSpec, Params};
use super::{Curve, ENTRY, Row, SHORT, Strategy, Target};
use crate::domain::Bar;

pub(super) const ROW: Row = Row {
    name: "macd-cross",
    summary: "long when the fast less the slow exponential average crosses above its own average (the signal), flat when it crosses below",
    params: &[
        ParamSpec { name: "fast", kind: Kind::Whole(1, 500), default: "12", help: "bars of the fast average" },
        ParamSpec { name: "slow", kind: Kind::Whole(2, 1_000), default: "26", help: "bars of the slow average" },
        ParamSpec { name: "signal", kind: Kind::Whole(2, 500), default: "9", help: "bars of the signal" },
        ENTRY,
        SHORT,
    ],
    build,
};

fn build(params: &Params) -> Result<Box<dyn Strategy>, ParamError> {
    let (fast, slow) = params.ordered("fast", "slow")?;
    let signal = params.whole("signal");
    Ok(Box::new(MacdCross {
        macd: Macd::new(fast, slow, signal),
        // The signal averages what must have settled before.
        warm_up: memory(slow) + memory(signal),
        seen: 0,
        crossing: Crossing::of(params),
    }))
}

struct MacdCross {
    macd: Macd,
    warm_up: usize,
    seen: usize,
    crossing: Crossing,
}

impl Strategy for MacdCross {
    fn warm_up(&self) -> usize {
        self.warm_up
    }

    fn on_bar(&mut self, bar: &Bar) -> Option<Target> {
        self.seen += 1;
        let (difference, signal) = self.macd.push(bar.close)?;
        let said = self.crossing.hear_difference(difference - signal);
        said.filter(|_| self.seen >= self.warm_up)
    }

    fn curves(&self) -> Vec<Curve> {
        let (difference, signal) = self.macd.values();
        vec![Curve::own("difference", difference), Curve::own("signal", signal)]
    }
}

#[cfg(test)]
mod tests {
    use super::super::stories::signals;

    #[test]
    fn a_turn_of_the_difference_is_told_on_its_bar() {
        // A steady rise for the warm-up of 4 x 3 + 4 x 2 bars, then a fall, then a rise.
        let mut closes: Vec<f64> = (0..20).map(|bar| 50.0 + f64::from(bar)).collect();
        closes.extend([68.0, 66.0, 64.0, 65.0, 70.0]);
        let given = [("fast", "2"), ("slow", "3"), ("signal", "2")];
        assert_eq!(signals("macd-cross", &given, &closes), [(20, 0.0), (23, 1.0)]);
    }
}
