//! Follows what has risen.

use super::crossing::Swing;
use super::indicators::Change;
use super::params::{Kind, ParamError, ParamSpec, Params};
use super::{Curve, ENTRY, Row, SHORT, Strategy, Target};
use crate::domain::Bar;

pub(super) const ROW: Row = Row {
    name: "momentum",
    summary: "long when the close has risen by more than a threshold over the last bars, flat when it has fallen over them",
    params: &[
        ParamSpec { name: "period", kind: Kind::Whole(1, 5_000), default: "20", help: "bars that the change covers" },
        ParamSpec { name: "threshold", kind: Kind::Number(0.0, 100.0), default: "0.5", help: "the rise, in percent" },
        ENTRY,
        SHORT,
    ],
    build,
};

fn build(params: &Params) -> Result<Box<dyn Strategy>, ParamError> {
    let period = params.whole("period");
    let swing = Swing::of(params.number("threshold"), params);
    Ok(Box::new(Momentum { change: Change::new(period), warm_up: period + 2, swing }))
}

struct Momentum {
    change: Change,
    warm_up: usize,
    swing: Swing,
}

impl Strategy for Momentum {
    fn warm_up(&self) -> usize {
        self.warm_up
    }

    fn on_bar(&mut self, bar: &Bar) -> Option<Target> {
        // A swing is entered deep below zero: a rise is the opposite of a fall.
        let change = self.change.push(bar.close)?;
        self.swing.hear(-change)
    }

    fn curves(&self) -> Vec<Curve> {
        // It is heard upside down: a rise is what a swing calls deep.
        let edge = self.swing.edge();
        vec![Curve::own("change, %", self.swing.last().map(|value| -value)), Curve::own("rise", Some(edge))]
    }
}

#[cfg(test)]
mod tests {
    use super::super::stories::signals;

    #[test]
    fn a_rise_beyond_the_threshold_is_followed_until_it_is_a_fall() {
        // Over two bars: +1 %, +2 %, +5 %, +4 %, 0 %, -3 %, -9 %.
        let closes = [100.0, 100.0, 101.0, 102.0, 106.05, 106.08, 106.05, 102.9, 96.5];
        let given = [("period", "2"), ("threshold", "3")];
        assert_eq!(signals("momentum", &given, &closes), [(4, 1.0), (7, 0.0)]);
        let short = [("period", "2"), ("threshold", "3"), ("short", "yes")];
        assert_eq!(signals("momentum", &short, &closes), [(4, 1.0), (7, 0.0), (8, -1.0)]);
    }
}
