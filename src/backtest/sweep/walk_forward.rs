//! Walk-forward: the best point of a window is traded in the days after it, again and again.

use chrono::NaiveDate;
use serde::Serialize;

use super::space::Space;
use super::{Row, Shard, Trial, best, run};
use crate::backtest::metrics::DAYS_A_YEAR;
use crate::backtest::metrics::series::day_returns;
use crate::backtest::metrics::sharpe::{daily_sharpe, riskless_a_day};
use crate::backtest::outcome::DayPoint;

/// Exchange days to choose in, and days to trade the choice in after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Lengths {
    /// In-sample days.
    pub inside: usize,
    /// Out-of-sample days.
    pub outside: usize,
}

impl std::str::FromStr for Lengths {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let days = |part: &str| part.trim().parse().ok().filter(|days| (1..=100_000).contains(days));
        let parts = text.split_once(':').and_then(|(inside, outside)| Some((days(inside)?, days(outside)?)));
        let (inside, outside) =
            parts.ok_or_else(|| format!("{text:?} is not IN:OUT, two numbers of exchange days such as 250:60"))?;
        Ok(Self { inside, outside })
    }
}

/// One window: days to choose in from the first to before the second date, to trade in up to before the
/// third (or to the end).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first day to choose in.
    pub from: NaiveDate,
    /// The first day to trade in.
    pub trade: NaiveDate,
    /// The last day to trade in.
    pub last: NaiveDate,
}

/// The windows of these days; the last one may be shorter. None where there are too few days.
pub fn windows(dates: &[NaiveDate], lengths: Lengths) -> Vec<Window> {
    let mut windows = Vec::new();
    let mut begin = 0;
    while let (Some(from), Some(trade)) = (dates.get(begin), dates.get(begin + lengths.inside)) {
        let last = (begin + lengths.inside + lengths.outside).min(dates.len()) - 1;
        windows.push(Window { from: *from, trade: *trade, last: dates[last] });
        begin += lengths.outside;
    }
    windows
}

/// What a window came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// The first day to choose in.
    pub from: NaiveDate,
    /// The first day to trade in.
    pub trade: NaiveDate,
    /// The last one.
    pub last: NaiveDate,
    /// The chosen point.
    pub chosen: Option<u64>,
    /// Its values.
    pub values: Vec<(String, String)>,
    /// Its figure where it was chosen.
    pub inside: Option<f64>,
    /// Its figure in the days after.
    pub outside: Option<f64>,
    /// Why it could not be traded then, where it could not: its days are missing in the curve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// A whole walk.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Walk {
    /// Its windows.
    pub steps: Vec<Step>,
    /// Worth of one dollar at the end of each out-of-sample day, one window after the other.
    pub stitched: Vec<(NaiveDate, f64)>,
    /// Sharpe ratio of that curve's days, a year.
    pub sharpe: Option<f64>,
    /// Its deepest fall from a day's end to a later one's, as a fraction of the higher; `None` without days.
    pub max_drawdown: Option<f64>,
    /// Round trips that were closed out of sample.
    pub trades: u64,
    /// Mean of the figures out of sample as a part of the mean in sample; `None` where that is no gain.
    pub decay: Option<f64>,
}

/// A run of a point over days, of which those before the second date only warm it.
pub type RunWithin<'a> = &'a (dyn Fn(&super::space::Point, Window, bool) -> Result<Trial, String> + Sync);

/// Chooses by a figure in each window and trades on. `run_within` runs a point in the days to choose in
/// (`false`) or to trade in (`true`), on so much cash, USD; the Sharpe ratio is above the riskless return a
/// year (0.02 is 2 %). `tick` hears of each window that is done.
pub fn walk(
    space: &Space,
    windows: &[Window],
    metric: &str,
    (cash, risk_free): (f64, f64),
    run_within: RunWithin<'_>,
    tick: &dyn Fn(),
) -> Walk {
    let mut steps = Vec::new();
    let mut stitched = Vec::new();
    let (mut worth, mut trades) = (1.0, 0);
    for window in windows {
        let rows = std::sync::Mutex::new(Vec::new());
        let keep = |row: Row| {
            if let Ok(mut rows) = rows.lock() {
                rows.push(row);
            }
        };
        let inside = |point: &super::space::Point| run_within(point, *window, false);
        run(space, Shard::WHOLE, &Default::default(), &inside, &keep);
        let rows = rows.into_inner().unwrap_or_default();
        let chosen = best(&rows, metric);
        let traded = chosen.map(|row| run_within(&space.point(row.index), *window, true));
        let refused = traded.as_ref().and_then(|traded| traded.as_ref().err().cloned());
        let traded = traded.and_then(Result::ok);
        if let Some(trial) = &traded {
            trades += trial.scores.get("trades").copied().flatten().map_or(0, |trades| trades as u64);
            let begun = worth;
            for DayPoint { date, equity, .. } in &trial.days {
                worth = begun * equity / cash;
                stitched.push((*date, worth));
            }
        }
        steps.push(Step {
            from: window.from,
            trade: window.trade,
            last: window.last,
            chosen: chosen.map(|row| row.index),
            values: chosen.map(|row| row.values.clone()).unwrap_or_default(),
            inside: chosen.and_then(|row| row.score(metric)),
            outside: traded.and_then(|trial| trial.scores.get(metric).copied().flatten()),
            refused,
        });
        tick();
    }
    let decay = decay(&steps);
    let (sharpe, max_drawdown) = (sharpe(&stitched, risk_free), max_drawdown(&stitched));
    Walk { steps, stitched, sharpe, max_drawdown, trades, decay }
}

fn sharpe(stitched: &[(NaiveDate, f64)], risk_free: f64) -> Option<f64> {
    let days = stitched.iter().map(|(date, equity)| DayPoint { date: *date, equity: *equity, benchmark: None });
    let returns = day_returns(1.0, &days.collect::<Vec<_>>());
    let returns: Vec<f64> = returns.iter().map(|day| day.own).collect();
    Some(daily_sharpe(&returns, riskless_a_day(risk_free))? * DAYS_A_YEAR.sqrt())
}

fn max_drawdown(stitched: &[(NaiveDate, f64)]) -> Option<f64> {
    let mut high = 1.0_f64;
    let falls = stitched.iter().map(|(_, worth)| {
        high = high.max(*worth);
        1.0 - worth / high
    });
    falls.reduce(f64::max)
}

fn decay(steps: &[Step]) -> Option<f64> {
    let pairs: Vec<(f64, f64)> = steps.iter().filter_map(|step| step.inside.zip(step.outside)).collect();
    let inside: f64 = pairs.iter().map(|(inside, _)| inside).sum();
    let outside: f64 = pairs.iter().map(|(_, outside)| outside).sum();
    (inside > 0.0).then(|| outside / inside)
}

#[cfg(test)]
mod tests {
    use super::super::Scores;
    use super::*;

    fn day(number: u64) -> NaiveDate {
        NaiveDate::from_ymd_opt(2024, 1, 1).unwrap() + chrono::Days::new(number)
    }

    #[test]
    fn windows_roll_by_what_they_trade() {
        let days: Vec<NaiveDate> = (0..10).map(day).collect();
        let lengths = "4:3".parse().unwrap();
        let found = windows(&days, lengths);
        let as_numbers = |date: NaiveDate| date.signed_duration_since(day(0)).num_days();
        let found: Vec<_> =
            found.iter().map(|w| (as_numbers(w.from), as_numbers(w.trade), as_numbers(w.last))).collect();
        assert_eq!(found, [(0, 4, 6), (3, 7, 9)]);
        assert!(windows(&days[..4], lengths).is_empty());
        assert!("4".parse::<Lengths>().is_err() && "0:4".parse::<Lengths>().is_err());
    }

    #[test]
    fn the_choice_of_each_window_is_traded_after_it_and_the_days_are_stitched() {
        let days: Vec<NaiveDate> = (0..6).map(day).collect();
        let found = windows(&days, "2:2".parse().unwrap());
        let space = Space::grid(vec!["a=1,2".parse().unwrap()]).unwrap();
        // In the first window 2 is best, in the second 1; each gains 10 % in its days out of sample.
        let run_within = |point: &super::super::space::Point, window: Window, outside: bool| {
            let first = window.from == day(0);
            let score = if (point.index == 1) == first { 2.0 } else { 1.0 };
            let score = if outside { score / 4.0 } else { score };
            let days = vec![DayPoint { date: window.trade, equity: 110.0, benchmark: None }];
            let scores =
                [("sharpe".to_owned(), Some(score)), ("trades".to_owned(), Some(if first { 2.0 } else { 3.0 }))];
            Ok(Trial { scores: Scores::from(scores), days })
        };
        let walk = walk(&space, &found, "sharpe", (100.0, 0.0), &run_within, &|| {});
        assert_eq!(walk.steps.iter().map(|step| step.chosen).collect::<Vec<_>>(), [Some(1), Some(0)]);
        assert_eq!(walk.decay, Some(0.25));
        let worths: Vec<String> = walk.stitched.iter().map(|(_, worth)| format!("{worth:.4}")).collect();
        assert_eq!(worths, ["1.1000", "1.2100"]);
        assert_eq!((walk.trades, walk.max_drawdown), (5, Some(0.0)));
        assert_eq!(walk.sharpe, None, "two days of 10 % do not differ");
    }

    #[test]
    fn the_stitched_curve_is_measured_as_a_curve() {
        let curve = [(day(0), 1.1), (day(1), 1.155), (day(2), 1.0395)];
        // Returns 0.1, 0.05 and -0.1: mean 1/60; squares of the differences 0.00694444, 0.00111111 and
        // 0.01361111, their sum 0.02166667 over 2; the root 0.10408330; ratio 0.16012815; times root 252.
        assert!(sharpe(&curve, 0.0).is_some_and(|ratio| (ratio - 2.541_956).abs() < 1e-5), "{:?}", sharpe(&curve, 0.0));
        assert!(sharpe(&curve, 0.04) < sharpe(&curve, 0.0));
        // From 1.155 to 1.0395.
        assert!(max_drawdown(&curve).is_some_and(|fall| (fall - 0.1).abs() < 1e-12));
        // The first day is measured against the dollar.
        assert!(max_drawdown(&[(day(0), 0.75)]).is_some_and(|fall| (fall - 0.25).abs() < 1e-12));
        assert_eq!((sharpe(&[], 0.0), max_drawdown(&[])), (None, None));
    }

    #[test]
    fn a_choice_that_fails_out_of_sample_leaves_its_reason() {
        let days: Vec<NaiveDate> = (0..4).map(day).collect();
        let found = windows(&days, "2:2".parse().unwrap());
        let space = Space::grid(vec!["a=1".parse().unwrap()]).unwrap();
        let run_within = |_: &super::super::space::Point, _: Window, outside: bool| {
            let scores = Scores::from([("sharpe".to_owned(), Some(1.0))]);
            if outside { Err("the script failed".to_owned()) } else { Ok(Trial { scores, days: Vec::new() }) }
        };
        let walk = walk(&space, &found, "sharpe", (100.0, 0.0), &run_within, &|| {});
        assert_eq!(walk.steps[0].refused.as_deref(), Some("the script failed"));
        assert_eq!((walk.steps[0].outside, walk.sharpe, walk.stitched.len()), (None, None, 0));
    }
}
