//! Three measures of having fallen too far, blended into one score.
//!
//! Each measure is -1 where it alone would call the price too low: the close at the lower Bollinger
//! band, the relative strength index at `rsi_low`, the z-score at minus `z_limit`. The score is their
//! mean by weight, 40 % Bollinger, 30 % each of the others, so that -1 means: too low by all of them
//! together.

use super::crossing::Swing;
use super::curves::bands;
use super::indicators::smoothed::wilder_memory;
use super::indicators::{Deviation, Rsi};
use super::params::{Kind, ParamError, ParamSpec, Params};
use super::{Curve, ENTRY, Row, SHORT, Strategy, Target};
use crate::domain::Bar;

pub(super) const ROW: Row = Row {
    name: "mean-reversion",
    summary: "long when a blend of Bollinger band, relative strength index and z-score says too low, flat again above the middle",
    params: &[
        ParamSpec { name: "period", kind: Kind::Whole(2, 2_000), default: "20", help: "bars of the Bollinger bands" },
        ParamSpec {
            name: "width",
            kind: Kind::Number(0.1, 10.0),
            default: "2",
            help: "distance of a band from the middle, in standard deviations",
        },
        ParamSpec { name: "rsi", kind: Kind::Whole(2, 500), default: "14", help: "changes that the index covers" },
        ParamSpec { name: "rsi_low", kind: Kind::Number(1.0, 49.0), default: "25", help: "the index's oversold" },
        ParamSpec { name: "z_period", kind: Kind::Whole(2, 2_000), default: "20", help: "bars of the z-score" },
        ParamSpec { name: "z_limit", kind: Kind::Number(0.1, 10.0), default: "2", help: "the z-score's too far" },
        ParamSpec {
            name: "score",
            kind: Kind::Number(0.1, 5.0),
            default: "1",
            help: "long below minus this of the blend, which is -1 where all three are at their limit",
        },
        ENTRY,
        SHORT,
    ],
    build,
};

const BOLLINGER: f64 = 0.4;
const RSI: f64 = 0.3;
const Z_SCORE: f64 = 0.3;

fn build(params: &Params) -> Result<Box<dyn Strategy>, ParamError> {
    let (period, rsi, z_period) = (params.whole("period"), params.whole("rsi"), params.whole("z_period"));
    Ok(Box::new(MeanReversion {
        bands: Deviation::new(period),
        width: params.number("width"),
        rsi: Rsi::new(rsi),
        rsi_low: params.number("rsi_low"),
        z: Deviation::new(z_period),
        z_limit: params.number("z_limit"),
        warm_up: period.max(z_period).max(wilder_memory(rsi)) + 1,
        seen: 0,
        swing: Swing::of(params.number("score"), params),
    }))
}

struct MeanReversion {
    bands: Deviation,
    width: f64,
    rsi: Rsi,
    rsi_low: f64,
    z: Deviation,
    z_limit: f64,
    warm_up: usize,
    seen: usize,
    swing: Swing,
}

impl Strategy for MeanReversion {
    fn warm_up(&self) -> usize {
        self.warm_up
    }

    fn on_bar(&mut self, bar: &Bar) -> Option<Target> {
        self.seen += 1;
        let (bands, rsi, z) = (self.bands.push(bar.close), self.rsi.push(bar.close), self.z.push(bar.close));
        let bollinger = bands?.score / self.width;
        let strength = (rsi? - 50.0) / (50.0 - self.rsi_low);
        let score = BOLLINGER * bollinger + RSI * strength + Z_SCORE * z?.score / self.z_limit;
        let said = self.swing.hear(score);
        said.filter(|_| self.seen >= self.warm_up)
    }

    fn curves(&self) -> Vec<Curve> {
        let mut curves: Vec<Curve> = bands(self.width, self.bands.window()).into();
        curves.push(Curve::own("blend", self.swing.last()));
        curves.push(Curve::own("too low", Some(-self.swing.edge())));
        curves
    }
}

#[cfg(test)]
mod tests {
    use super::super::stories::signals;

    #[test]
    fn a_fall_by_all_three_measures_is_bought_and_sold_on_the_recovery() {
        // The index over 2 changes has forgotten its beginning after 12 bars.
        let mut closes = vec![10.0, 10.1, 9.9, 10.0, 10.1, 9.9, 10.0, 10.1, 9.9, 10.0, 10.1, 10.0, 10.0];
        closes.extend([9.0, 8.0, 7.5, 8.5, 9.5]);
        let given = [("period", "5"), ("width", "1.5"), ("rsi", "2"), ("z_period", "5"), ("z_limit", "1.5")];
        assert_eq!(signals("mean-reversion", &given, &closes), [(13, 1.0), (16, 0.0)]);
        // A single measure at its limit is not enough.
        let given = [("period", "5"), ("width", "9"), ("rsi", "2"), ("z_period", "5"), ("z_limit", "9")];
        assert_eq!(signals("mean-reversion", &given, &closes), [(16, 0.0)]);
    }
}
