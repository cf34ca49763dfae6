//! Buys what has fallen too fast, by the relative strength index.

use super::indicators::Rsi;
use super::params::{Kind, ParamError, ParamSpec, Params};
use super::{ENTRY, Entry, Row, SHORT, Strategy, Target};
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
        period: params.whole("period"),
        low,
        exit,
        before: None,
        entry: Entry::of(params),
        short: params.is("short", "yes"),
    }))
}

struct RsiReversion {
    rsi: Rsi,
    period: usize,
    low: f64,
    exit: f64,
    before: Option<f64>,
    entry: Entry,
    short: bool,
}

impl Strategy for RsiReversion {
    fn warm_up(&self) -> usize {
        self.period + 2
    }

    fn on_bar(&mut self, bar: &Bar) -> Option<Target> {
        let rsi = self.rsi.push(bar.close)?;
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
    use std::collections::BTreeMap;

    use super::super::build;
    use super::*;
    use crate::domain::MarketTime;

    #[test]
    fn a_fall_is_bought_once_and_sold_on_the_recovery() {
        let given = BTreeMap::from([("period".to_owned(), "3".to_owned())]);
        let mut strategy = build("rsi-reversion", &given).unwrap();
        let closes = [10.0, 10.5, 10.2, 10.6, 10.0, 9.0, 8.0, 7.5, 9.0, 11.0, 12.0];
        let mut targets = Vec::new();
        for (index, close) in closes.into_iter().enumerate() {
            let time = MarketTime::from_secs(index as i64);
            let end = MarketTime::from_secs(index as i64 + 1);
            let bar = Bar { time, end, open: close, high: close, low: close, close, volume: None };
            targets.extend(strategy.on_bar(&bar).map(Target::value));
        }
        assert_eq!(targets, [1.0, 0.0]);
    }
}
