//! Buys what has fallen too fast, by the relative strength index.

use super::indicators::Rsi;
use super::indicators::smoothed::wilder_memory;
use super::params::{Kind, ParamError, ParamSpec, Params};
use super::{Curve, ENTRY, Entry, Row, SHORT, Strategy, Target};
use crate::domain::Bar;

pub(super) const ROW: Row = Row {
    name: "rsi-reversion",
    summary: "long when the relative strength index falls below low, flat again when it rises above exit",
    params: &[
        ParamSpec { name: "period", kind: Kind::Whole(2, 500), default: "14", help: "changes that the index covers" },
        ParamSpec { name: "low", kind: Kind::Number(1.0, 50.0), default: "30", help: "oversold below this" },
        ParamSpec {
            name: "exit",
            kind: Kind::Number(1.0, 99.0),
            default: "55",
            help: "a long ends above this, a short below 100 minus this",
        },
        ENTRY,
        SHORT,
    ],
    build,
};

fn build(params: &Params) -> Result<Box<dyn Strategy>, ParamError> {
    let (low, exit) = (params.number("low"), params.number("exit"));
    if low >= exit {
        return Err(ParamError::Conflict(format!("low ({low}) must be less than exit ({exit})")));
    }
    Ok(Box::new(RsiReversion {
        rsi: Rsi::new(params.whole("period")),
        // The index remembers every bar: what is older must have become negligible.
        warm_up: wilder_memory(params.whole("period")) + 2,
        seen: 0,
        low,
        exit,
        before: None,
        entry: Entry::of(params),
        short: params.is("short", "yes"),
    }))
}

struct RsiReversion {
    rsi: Rsi,
    warm_up: usize,
    seen: usize,
    low: f64,
    exit: f64,
    before: Option<f64>,
    entry: Entry,
    short: bool,
}

impl Strategy for RsiReversion {
    fn warm_up(&self) -> usize {
        self.warm_up
    }

    fn on_bar(&mut self, bar: &Bar) -> Option<Target> {
        self.seen += 1;
        let rsi = self.rsi.push(bar.close)?;
        self.hear(rsi).filter(|_| self.seen >= self.warm_up)
    }

    fn curves(&self) -> Vec<Curve> {
        vec![Curve::own("index", self.before), Curve::own("low", Some(self.low)), Curve::own("exit", Some(self.exit))]
    }
}

impl RsiReversion {
    fn hear(&mut self, rsi: f64) -> Option<Target> {
        let before = self.before.replace(rsi);
        let (low, high, exit) = (self.low, 100.0 - self.low, self.exit);
        let enters = |inside: fn(f64, f64) -> bool, edge: f64| match self.entry {
            Entry::Level => inside(rsi, edge),
            Entry::Cross => inside(rsi, edge) && before.is_some_and(|before| !inside(before, edge)),
        };
        if enters(|value, edge| value < edge, low) {
            Some(Target::LONG)
        } else if self.short && enters(|value, edge| value > edge, high) {
            Some(Target::SHORT)
        } else if self.short && before.is_some_and(|b| b >= 100.0 - exit) && rsi < 100.0 - exit {
            // On the way down through the middle: a short has earned its reversion. A long ended
            // on the way up, before this could be reached.
            Some(Target::FLAT)
        } else {
            (before.is_some_and(|b| b <= exit) && rsi > exit).then_some(Target::FLAT)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::stories::signals;

    #[test]
    fn a_fall_is_bought_once_and_sold_on_the_recovery() {
        // The warm-up of an index over 3 changes is 22 bars.
        let mut closes = vec![10.0; 22];
        closes.extend([9.0, 8.0, 7.5, 9.0, 11.0, 12.0]);
        assert_eq!(signals("rsi-reversion", &[("period", "3")], &closes), [(22, 1.0), (25, 0.0)]);
    }
}
