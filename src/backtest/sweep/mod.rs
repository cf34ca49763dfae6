//! Sweeps: the same bars with many choices of parameters, on all cores; which of them did best, and
//! how much of that is luck.

pub mod overfit;
pub mod space;
pub mod walk_forward;

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::outcome::DayPoint;
use space::{Point, Space};

/// Figures of one run by their keys; `None` where a figure is not defined for it.
pub type Scores = BTreeMap<String, Option<f64>>;

/// What one run came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Its figures.
    pub scores: Scores,
    /// Its days.
    pub days: Vec<DayPoint>,
}

/// One point of a sweep and what came of it: a line of `points.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its number in the grid.
    pub index: u64,
    /// Its values.
    pub values: Vec<(String, String)>,
    /// Why it could not be run, where it could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Its figures.
    #[serde(default)]
    pub scores: Scores,
}

impl Row {
    /// One of its figures.
    pub fn score(&self, metric: &str) -> Option<f64> {
        self.scores.get(metric).copied().flatten()
    }
}

/// Part of a sweep that one machine does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which, from 0.
    pub number: u64,
    /// Of how many.
    pub of: u64,
}

impl Shard {
    /// All of it.
    pub const WHOLE: Self = Self { number: 0, of: 1 };
}

/// Runs every point of a shard that is not `done` yet, on all cores; `hear` gets each row as it is
/// there, in no order.
pub fn run(
    space: &Space,
    shard: Shard,
    done: &BTreeSet<u64>,
    trial: &(dyn Fn(&Point) -> Result<Trial, String> + Sync),
    hear: &(dyn Fn(Row) + Sync),
) {
    let points: Vec<Point> =
        space.points(shard.number, shard.of).filter(|point| !done.contains(&point.index)).collect();
    points.into_par_iter().for_each(|point| hear(row(&point, trial)));
}

fn row(point: &Point, trial: &(dyn Fn(&Point) -> Result<Trial, String> + Sync)) -> Row {
    let (index, values) = (point.index, point.values.clone());
    match trial(point) {
        Ok(trial) => Row { index, values, refused: None, scores: trial.scores },
        Err(why) => Row { index, values, refused: Some(why), scores: Scores::new() },
    }
}

/// The row with the highest value of a figure; of equals, the first.
pub fn best<'a>(rows: impl IntoIterator<Item = &'a Row>, metric: &str) -> Option<&'a Row> {
    let mut best: Option<(&Row, f64)> = None;
    for row in rows {
        if let Some(score) = row.score(metric)
            && best.is_none_or(|(former, highest)| score > highest || (score >= highest && row.index < former.index))
        {
            best = Some((row, score));
        }
    }
    best.map(|(row, _)| row)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn trial(point: &Point) -> Result<Trial, String> {
        let number: f64 = point.values[0].1.parse().map_err(|_| "no number".to_owned())?;
        let scores = Scores::from([("sharpe".to_owned(), Some(-(number - 3.0).powi(2)))]);
        Ok(Trial { scores, days: Vec::new() })
    }

    #[test]
    fn all_points_are_run_once_whatever_the_shards_and_what_was_done_before() {
        let space = Space::grid(vec!["a=1,2,3,x,4".parse().unwrap()]).unwrap();
        let rows = Mutex::new(Vec::new());
        let hear = |row: Row| rows.lock().unwrap().push(row);
        run(&space, Shard { number: 0, of: 2 }, &BTreeSet::new(), &trial, &hear);
        let done = rows.lock().unwrap().iter().map(|row| row.index).collect();
        run(&space, Shard::WHOLE, &done, &trial, &hear);
        let mut rows = rows.into_inner().unwrap();
        rows.sort_by_key(|row| row.index);
        assert_eq!(rows.iter().map(|row| row.index).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        assert_eq!(rows[3].refused.as_deref(), Some("no number"));
        assert_eq!(best(&rows, "sharpe").map(|row| row.index), Some(2));
        assert_eq!(best(&rows, "calmar"), None);
    }
}
