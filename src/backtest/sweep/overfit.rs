//! How much of the best point is luck: what its neighbours do, and how the points lie.

use serde::Serialize;

use super::space::Space;
use super::{Row, best};

/// One neighbour says nothing of the hill.
const NEIGHBOURS_FOR_STABILITY: usize = 2;

/// What is to be known of a choice from many.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Overfit {
    /// The figure that was chosen by.
    pub metric: String,
    /// Points that were run.
    pub trials: u64,
    /// Points that could not be run.
    pub refused: u64,
    /// The best point's number and values.
    pub best: Option<u64>,
    /// Its figure.
    pub best_score: Option<f64>,
    /// The middle of all points' figures.
    pub median_score: Option<f64>,
    /// Variance over the points of the Sharpe ratio of one day.
    pub variance_of_trials: Option<f64>,
    /// Probability that the best point's true Sharpe ratio is above zero, with its choice from so many
    /// taken into account (Bailey and Lopez de Prado, 2014); `None` where it is not defined.
    pub deflated_sharpe: Option<f64>,
    /// Points one step from the best one.
    pub neighbours: u64,
    /// Those of them that were run and have a figure: a random search runs few.
    pub neighbours_run: u64,
    /// Mean figure of those.
    pub neighbours_score: Option<f64>,
    /// That as a part of the best one's figure: near 1 the hill is broad, near 0 it is a needle;
    /// `None` of fewer than two neighbours.
    pub stability: Option<f64>,
}

/// A Sharpe ratio that is deflated: of one day, with the moments of the days and what it was chosen from.
pub type Deflate<'a> = &'a dyn Fn(&Row, u64, f64) -> Option<f64>;

impl Overfit {
    /// Of all rows of a sweep. `daily` says the Sharpe ratio of one day of a row, `deflate` deflates
    /// the best one's.
    pub fn of(
        space: &Space,
        rows: &[Row],
        metric: &str,
        daily: &dyn Fn(&Row) -> Option<f64>,
        deflate: Deflate<'_>,
    ) -> Self {
        let mut scores: Vec<f64> = rows.iter().filter_map(|row| row.score(metric)).collect();
        scores.sort_by(f64::total_cmp);
        let refused = rows.iter().filter(|row| row.refused.is_some()).count() as u64;
        let trials = rows.len() as u64 - refused;
        let chosen = best(rows, metric);
        let best_score = chosen.and_then(|row| row.score(metric));
        let variance_of_trials = variance(&rows.iter().filter_map(daily).collect::<Vec<_>>());
        let deflated_sharpe = chosen.zip(variance_of_trials).and_then(|(row, variance)| deflate(row, trials, variance));
        let neighbours = chosen.map(|row| space.neighbours(row.index)).unwrap_or_default();
        let near: Vec<f64> =
            rows.iter().filter(|row| neighbours.contains(&row.index)).filter_map(|row| row.score(metric)).collect();
        let neighbours_score = mean(&near);
        let known = neighbours_score.filter(|_| near.len() >= NEIGHBOURS_FOR_STABILITY);
        let stability = known.zip(best_score).filter(|(_, best)| *best > 0.0).map(|(near, best)| near / best);
        Self {
            metric: metric.to_owned(),
            trials,
            refused,
            best: chosen.map(|row| row.index),
            best_score,
            median_score: scores.get(scores.len() / 2).copied(),
            variance_of_trials,
            deflated_sharpe,
            neighbours: neighbours.len() as u64,
            neighbours_run: near.len() as u64,
            neighbours_score,
            stability,
        }
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn variance(values: &[f64]) -> Option<f64> {
    let mean = mean(values)?;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (values.len() > 1).then(|| squares / (values.len() - 1) as f64)
}

#[cfg(test)]
mod tests {
    use super::super::Scores;
    use super::*;

    #[test]
    fn a_needle_is_told_from_a_hill() {
        let space = Space::grid(vec!["a=1:5:1".parse().unwrap()]).unwrap();
        let rows = |scores: [f64; 5]| -> Vec<Row> {
            let row = |(index, score): (usize, f64)| Row {
                index: index as u64,
                values: space.point(index as u64).values,
                refused: None,
                scores: Scores::from([("sharpe".to_owned(), Some(score))]),
            };
            scores.into_iter().enumerate().map(row).collect()
        };
        let of = |scores| {
            Overfit::of(&space, &rows(scores), "sharpe", &|row| row.score("sharpe"), &|_, trials, variance| {
                Some(trials as f64 * variance)
            })
        };
        let hill = of([0.0, 0.8, 1.0, 0.6, 0.0]);
        assert_eq!((hill.best, hill.best_score, hill.median_score), (Some(2), Some(1.0), Some(0.6)));
        assert!(hill.stability.is_some_and(|part| (part - 0.7).abs() < 1e-12));
        // Mean 0.48; squares 0.2304 x 2, 0.1024, 0.2704, 0.0144; their sum 0.848 over 4 is 0.212.
        assert!(hill.variance_of_trials.is_some_and(|variance| (variance - 0.212).abs() < 1e-12));
        assert!(hill.deflated_sharpe.is_some_and(|value| (value - 1.06).abs() < 1e-12));
        assert_eq!(of([0.0, 0.0, 1.0, 0.0, 0.0]).stability, Some(0.0));
        assert_eq!(of([-1.0, -2.0, -0.5, -1.0, -1.0]).stability, None, "of a loss nothing is a part");
        // At the edge there is one neighbour only: its mean is known, the hill is not.
        let edge = of([1.0, 0.9, 0.0, 0.0, 0.0]);
        assert_eq!((edge.neighbours, edge.neighbours_run, edge.neighbours_score), (1, 1, Some(0.9)));
        assert_eq!(edge.stability, None);
    }
}
