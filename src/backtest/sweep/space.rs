//! The space of a sweep: which parameters take which values, and its points by number.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// Points of a grid at most: numbers stay small, and nobody waits for more.
const POINTS_AT_MOST: u64 = 10_000_000;
/// Values of one axis at most.
const VALUES_AT_MOST: usize = 10_000;

/// A parameter and its values: `fast=5,10,15` or `fast=5:50:5` (from, to, step).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Axis {
    /// The parameter: in lower case the strategy's, in upper case a setting.
    pub name: String,
    /// Its values, in the order given.
    pub values: Vec<String>,
}

/// A text that is no axis.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no axis: {why}; use name=a,b,c or name=from:to:step")]
pub struct BadAxis {
    /// As given.
    pub text: String,
    /// What is wrong.
    pub why: &'static str,
}

impl FromStr for Axis {
    type Err = BadAxis;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = |why| BadAxis { text: text.to_owned(), why };
        let (name, values) = text.split_once('=').ok_or_else(|| bad("there is no ="))?;
        let name = name.trim().to_owned();
        let values = match values.split(':').collect::<Vec<_>>().as_slice() {
            [from, to, step] => span(from, to, step).ok_or_else(|| {
                bad("from, to and step are numbers, step is above zero, and they make at most 10000 values")
            })?,
            [list] => list.split(',').map(|value| value.trim().to_owned()).filter(|value| !value.is_empty()).collect(),
            _ => return Err(bad("a span has three parts")),
        };
        let distinct: BTreeSet<&String> = values.iter().collect();
        if name.is_empty() || values.is_empty() {
            return Err(bad("the name or the values are missing"));
        }
        if distinct.len() != values.len() {
            return Err(bad("a value is there twice"));
        }
        Ok(Self { name, values })
    }
}

/// The numbers from one to another.
fn span(from: &str, to: &str, step: &str) -> Option<Vec<String>> {
    let number = |text: &str| text.trim().parse::<Decimal>().ok();
    let (from, to, step) = (number(from)?, number(to)?, number(step)?);
    if step <= Decimal::ZERO || to < from || (to - from) / step >= Decimal::from(VALUES_AT_MOST) {
        return None;
    }
    let mut values = Vec::new();
    let mut value = from;
    while value <= to {
        values.push(value.normalize().to_string());
        value += step;
    }
    Some(values)
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.values.join(","))
    }
}

impl TryFrom<String> for Axis {
    type Error = BadAxis;
    fn try_from(text: String) -> Result<Self, BadAxis> {
        text.parse()
    }
}

impl From<Axis> for String {
    fn from(axis: Axis) -> Self {
        axis.to_string()
    }
}

/// A grid, or points drawn from one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Space {
    axes: Vec<Axis>,
    /// Points of the grid that take part, ascending; `None`: all.
    drawn: Option<Vec<u64>>,
}

/// Why there is no space.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSpace {
    /// Nothing varies.
    #[error("nothing varies: say --vary name=a,b,c at least once")]
    Empty,
    /// A name is there twice.
    #[error("--vary {name} is there twice; give all of its values at once")]
    Twice {
        /// The name.
        name: String,
    },
    /// Too many points.
    #[error("the grid has more than {POINTS_AT_MOST} points; take fewer values, or --random N of a smaller grid")]
    TooLarge,
}

/// One choice of values, with its number in the grid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// Its number: the same in every shard.
    pub index: u64,
    /// A value of each axis, in their order.
    pub values: Vec<(String, String)>,
}

impl Space {
    /// The grid of these axes.
    ///
    /// # Errors
    /// Nothing varies, a name is there twice, or the grid is too large.
    pub fn grid(axes: Vec<Axis>) -> Result<Self, BadSpace> {
        let mut names = BTreeSet::new();
        if let Some(axis) = axes.iter().find(|axis| !names.insert(axis.name.clone())) {
            return Err(BadSpace::Twice { name: axis.name.clone() });
        }
        if axes.is_empty() {
            return Err(BadSpace::Empty);
        }
        let size = axes.iter().try_fold(1_u64, |size, axis| size.checked_mul(axis.values.len() as u64));
        match size {
            Some(size) if size <= POINTS_AT_MOST => Ok(Self { axes, drawn: None }),
            Some(_) | None => Err(BadSpace::TooLarge),
        }
    }

    /// So many different points of it, drawn by a seed; all of it where there are no more.
    #[must_use]
    pub fn drawn(mut self, count: u64, seed: u64) -> Self {
        let size = self.size();
        if count < size {
            let mut random = SmallRng::seed_from_u64(seed);
            let mut drawn = BTreeSet::new();
            // Floyd's way: each subset is as likely, without a list of all points.
            for last in size - count..size {
                let pick = random.random_range(0..=last);
                if !drawn.insert(pick) {
                    drawn.insert(last);
                }
            }
            self.drawn = Some(drawn.into_iter().collect());
        }
        self
    }

    /// Points of the whole grid.
    pub fn size(&self) -> u64 {
        self.axes.iter().map(|axis| axis.values.len() as u64).product()
    }

    /// Points that take part.
    pub fn count(&self) -> u64 {
        self.drawn.as_ref().map_or_else(|| self.size(), |drawn| drawn.len() as u64)
    }

    /// The axes.
    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// Every point that takes part, of the shard `shard` of `shards` (from 0).
    pub fn points(&self, shard: u64, shards: u64) -> impl Iterator<Item = Point> + '_ {
        let mine = (0..self.count()).filter(move |place| place % shards.max(1) == shard);
        mine.filter_map(|place| match &self.drawn {
            None => Some(self.point(place)),
            Some(drawn) => Some(self.point(*drawn.get(usize::try_from(place).ok()?)?)),
        })
    }

    /// The point of a number.
    pub fn point(&self, index: u64) -> Point {
        let values = self.axes.iter().zip(self.places(index));
        let values = values.filter_map(|(axis, place)| Some((axis.name.clone(), axis.values.get(place)?.clone())));
        Point { index, values: values.collect() }
    }

    /// Which value of each axis a number means.
    pub fn places(&self, index: u64) -> Vec<usize> {
        let mut rest = index;
        let mut places: Vec<usize> = self
            .axes
            .iter()
            .rev()
            .map(|axis| {
                let length = axis.values.len() as u64;
                let place = usize::try_from(rest % length).unwrap_or(0);
                rest /= length;
                place
            })
            .collect();
        places.reverse();
        places
    }

    /// The points one step away from a point, along each axis.
    pub fn neighbours(&self, index: u64) -> Vec<u64> {
        let places = self.places(index);
        let mut found = Vec::new();
        let mut stride = 1_u64;
        for (axis, place) in self.axes.iter().zip(places).rev() {
            if place > 0 {
                found.push(index - stride);
            }
            if place + 1 < axis.values.len() {
                found.push(index + stride);
            }
            stride *= axis.values.len() as u64;
        }
        found
    }
}

/// Whether a name means a setting and no parameter: those have a letter in lower case.
pub fn is_setting(name: &str) -> bool {
    name.chars().all(|c| !c.is_ascii_lowercase())
}

impl Point {
    /// The values of the strategy's parameters, and those of settings.
    pub fn split(&self) -> (BTreeMap<String, String>, Vec<(String, String)>) {
        let (settings, params): (Vec<_>, Vec<_>) = self.values.iter().cloned().partition(|(name, _)| is_setting(name));
        (params.into_iter().collect(), settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space() -> Space {
        Space::grid(vec!["fast=1:3:1".parse().unwrap(), "slow=10,20".parse().unwrap()]).unwrap()
    }

    #[test]
    fn a_grid_counts_through_its_last_axis_first() {
        let words = |point: Point| point.values.iter().map(|(_, value)| value.clone()).collect::<Vec<_>>().join(" ");
        let all: Vec<String> = space().points(0, 1).map(words).collect();
        assert_eq!(all, ["1 10", "1 20", "2 10", "2 20", "3 10", "3 20"]);
        assert_eq!(space().point(3).split().0["fast"], "2");
        assert_eq!(space().neighbours(3), [2, 1, 5]);
    }

    #[test]
    fn shards_share_the_points_and_leave_none() {
        let indexes = |shard| space().points(shard, 4).map(|point| point.index).collect::<Vec<_>>();
        let mut all: Vec<u64> = (0..4).flat_map(indexes).collect();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_draw_is_of_different_points_and_the_same_for_a_seed() {
        let big = || Space::grid(vec!["a=1:100:1".parse().unwrap(), "b=1:100:1".parse().unwrap()]).unwrap();
        let drawn = |seed| big().drawn(50, seed).points(0, 1).map(|point| point.index).collect::<BTreeSet<_>>();
        assert_eq!(drawn(7).len(), 50);
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
        assert_eq!(space().drawn(99, 1).count(), 6);
    }

    #[test]
    fn what_is_no_axis_is_told() {
        for (text, part) in [
            ("fast", "no ="),
            ("=1", "missing"),
            ("fast=", "missing"),
            ("fast=1,1", "twice"),
            ("fast=1:2", "three parts"),
            ("fast=5:1:1", "numbers"),
            ("fast=1:9:0", "numbers"),
            ("fast=1:99999999:1", "10000"),
        ] {
            let error = text.parse::<Axis>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        let twice = Space::grid(vec!["a=1".parse().unwrap(), "a=2".parse().unwrap()]);
        assert_eq!(twice, Err(BadSpace::Twice { name: "a".into() }));
        let axis = |name: &str| format!("{name}=1:10000:1").parse().unwrap();
        assert_eq!(Space::grid(vec![axis("a"), axis("b")]), Err(BadSpace::TooLarge));
    }
}
