//! Buys a new high of the last bars, sells a new low of fewer.

use super::indicators::Extreme;
use super::params::{Kind, ParamError, ParamSpec, Params};
use super::{Curve, Row, SHORT, Strategy, Target};
use crate::domain::Bar;

pub(super) const ROW: Row = Row {
    name: "donchian-breakout",
    summary: "long when the close exceeds the highest high of the bars before, flat when it undercuts their lowest low",
    params: &[
        ParamSpec { name: "entry_bars", kind: Kind::Whole(2, 1_000), default: "20", help: "bars of the entry channel" },
        ParamSpec { name: "exit_bars", kind: Kind::Whole(2, 1_000), default: "10", help: "bars of the exit channel" },
        SHORT,
    ],
    build,
};

fn build(params: &Params) -> Result<Box<dyn Strategy>, ParamError> {
    let (entry, exit) = (params.whole("entry_bars"), params.whole("exit_bars"));
    if exit > entry {
        return Err(ParamError::Conflict(format!("exit_bars ({exit}) must not exceed entry_bars ({entry})")));
    }
    Ok(Box::new(DonchianBreakout {
        entry_high: Extreme::highest(entry),
        entry_low: Extreme::lowest(entry),
        exit_high: Extreme::highest(exit),
        exit_low: Extreme::lowest(exit),
        warm_up: entry + 1,
        short: params.is("short", "yes"),
        side: 0,
    }))
}

struct DonchianBreakout {
    entry_high: Extreme,
    entry_low: Extreme,
    exit_high: Extreme,
    exit_low: Extreme,
    warm_up: usize,
    short: bool,
    /// The side of the last signal: 1 long, -1 short, 0 flat. A function of bars alone.
    side: i8,
}

impl DonchianBreakout {
    fn speak(&mut self, side: i8) -> Option<Target> {
        if self.side == side {
            return None;
        }
        self.side = side;
        Some(match side {
            1 => Target::LONG,
            -1 => Target::SHORT,
            _ => Target::FLAT,
        })
    }
}

impl Strategy for DonchianBreakout {
    fn warm_up(&self) -> usize {
        self.warm_up
    }

    fn on_bar(&mut self, bar: &Bar) -> Option<Target> {
        // The channels cover the bars before this one.
        let above = self.entry_high.value().is_some_and(|high| bar.close > high);
        let below = self.entry_low.value().is_some_and(|low| bar.close < low);
        let ends_long = self.exit_low.value().is_some_and(|low| bar.close < low);
        let ends_short = self.exit_high.value().is_some_and(|high| bar.close > high);
        self.entry_high.push(bar.high);
        self.exit_high.push(bar.high);
        self.entry_low.push(bar.low);
        self.exit_low.push(bar.low);
        match self.side {
            _ if above => self.speak(1),
            _ if below && self.short => self.speak(-1),
            1 if ends_long => self.speak(0),
            -1 if ends_short => self.speak(0),
            _ => None,
        }
    }

    fn curves(&self) -> Vec<Curve> {
        // What the next close is held against.
        vec![Curve::price("buys above", self.entry_high.value()), Curve::price("sells below", self.exit_low.value())]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::build;
    use super::*;
    use crate::domain::MarketTime;

    #[test]
    fn a_new_high_is_bought_and_a_new_low_of_fewer_bars_sold() {
        let given = [("entry_bars", "4"), ("exit_bars", "2")];
        let given: BTreeMap<_, _> = given.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        let mut strategy = build("donchian-breakout", &given).unwrap();
        let closes = [10.0, 11.0, 10.0, 9.0, 10.5, 12.0, 13.0, 12.5, 11.0, 8.0];
        let mut targets = Vec::new();
        for (index, close) in closes.into_iter().enumerate() {
            let time = MarketTime::from_secs(index as i64);
            let end = MarketTime::from_secs(index as i64 + 1);
            let bar = Bar { time, end, open: close, high: close + 0.1, low: close - 0.1, close, volume: None };
            targets.extend(strategy.on_bar(&bar).map(|t| (index, t.value())));
        }
        assert_eq!(targets, [(5, 1.0), (8, 0.0)]);
    }
}
