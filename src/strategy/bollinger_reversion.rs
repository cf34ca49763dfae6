//! Buys what lies far below its average, measured by how far it usually lies from it.

use super::crossing::Swing;
use super::curves::bands;
use super::indicators::Deviation;
use super::params::{Kind, ParamError, ParamSpec, Params};
use super::{Curve, ENTRY, Row, SHORT, Strategy, Target};
use crate::domain::Bar;

pub(super) const ROW: Row = Row {
    name: "bollinger-reversion",
    summary: "long when the close falls below the lower Bollinger band, flat again when it rises above the middle",
    params: &[
        ParamSpec { name: "period", kind: Kind::Whole(2, 2_000), default: "20", help: "bars of the bands" },
        ParamSpec {
            name: "width",
            kind: Kind::Number(0.1, 10.0),
            default: "2",
            help: "distance of a band from the middle, in standard deviations",
        },
        ENTRY,
        SHORT,
    ],
    build,
};

fn build(params: &Params) -> Result<Box<dyn Strategy>, ParamError> {
    let period = params.whole("period");
    let spread = Deviation::new(period);
    Ok(Box::new(BollingerReversion { spread, warm_up: period + 1, swing: Swing::of(params.number("width"), params) }))
}

struct BollingerReversion {
    spread: Deviation,
    warm_up: usize,
    swing: Swing,
}

impl Strategy for BollingerReversion {
    fn warm_up(&self) -> usize {
        self.warm_up
    }

    fn on_bar(&mut self, bar: &Bar) -> Option<Target> {
        // Below the lower band is a score below minus the width; above the middle, one above zero.
        let spread = self.spread.push(bar.close)?;
        self.swing.hear(spread.score)
    }

    fn curves(&self) -> Vec<Curve> {
        bands(self.swing.edge(), self.spread.window()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::super::stories::signals;

    #[test]
    fn a_fall_below_the_band_is_bought_and_sold_above_the_middle() {
        let closes = [10.0, 10.1, 9.9, 10.0, 9.0, 8.9, 9.2, 9.3, 9.4, 11.0];
        let given = [("period", "4"), ("width", "1.5")];
        assert_eq!(signals("bollinger-reversion", &given, &closes), [(4, 1.0), (7, 0.0)]);
    }
}
