//! Follows a bar that moved more than bars of late do.

use super::indicators::Atr;
use super::indicators::smoothed::wilder_memory;
use super::params::{Kind, ParamError, ParamSpec, Params};
use super::{Curve, Row, SHORT, Strategy, Target};
use crate::domain::Bar;

pub(super) const ROW: Row = Row {
    name: "volatility-breakout",
    summary: "long when the close exceeds the previous close by a multiple of the average true range, flat when it undercuts it by as much",
    params: &[
        ParamSpec { name: "period", kind: Kind::Whole(2, 500), default: "14", help: "bars of the average true range" },
        ParamSpec {
            name: "multiple",
            kind: Kind::Number(0.1, 20.0),
            default: "1.5",
            help: "average true ranges away from the previous close that are a breakout",
        },
        SHORT,
    ],
    build,
};

fn build(params: &Params) -> Result<Box<dyn Strategy>, ParamError> {
    let period = params.whole("period");
    Ok(Box::new(VolatilityBreakout {
        atr: Atr::new(period),
        before: None,
        multiple: params.number("multiple"),
        below: if params.is("short", "yes") { Target::SHORT } else { Target::FLAT },
        warm_up: wilder_memory(period) + 1,
        seen: 0,
    }))
}

struct VolatilityBreakout {
    atr: Atr,
    /// The previous bar's close, and the average true range up to it.
    before: Option<(f64, f64)>,
    multiple: f64,
    below: Target,
    warm_up: usize,
    seen: usize,
}

impl Strategy for VolatilityBreakout {
    fn warm_up(&self) -> usize {
        self.warm_up
    }

    fn on_bar(&mut self, bar: &Bar) -> Option<Target> {
        self.seen += 1;
        let range = self.atr.push(bar);
        // The range is of the bars before: a bar that breaks out must not raise its own bar.
        let before = std::mem::replace(&mut self.before, range.map(|range| (bar.close, range)));
        let (close, range) = before.filter(|_| self.seen >= self.warm_up)?;
        let (moved, far) = (bar.close - close, self.multiple * range);
        if moved > far { Some(Target::LONG) } else { (moved < -far).then_some(self.below) }
    }

    fn curves(&self) -> Vec<Curve> {
        // What the next close is held against.
        let edge = |side: f64| self.before.map(|(close, range)| close + side * self.multiple * range);
        vec![Curve::price("buys above", edge(1.0)), Curve::price("sells below", edge(-1.0))]
    }
}

#[cfg(test)]
mod tests {
    use super::super::stories::signals;

    #[test]
    fn a_move_beyond_the_usual_range_is_followed() {
        // A range of 2 bars has forgotten its beginning after 12.
        let mut closes: Vec<f64> = (0..14).map(|bar| 10.0 + f64::from(bar % 2)).collect();
        closes.extend([12.0, 15.0, 14.0, 8.0]);
        assert_eq!(signals("volatility-breakout", &[("period", "2")], &closes), [(15, 1.0), (17, 0.0)]);
        let short = [("period", "2"), ("short", "yes")];
        assert_eq!(signals("volatility-breakout", &short, &closes), [(15, 1.0), (17, -1.0)]);
    }
}
