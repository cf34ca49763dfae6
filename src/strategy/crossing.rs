//! When a strategy speaks whose signal is a change of side.

use super::params::Params;
use super::{Entry, Target};

/// The side that one line was last seen on of another: above is long, below flat or short.
///
/// A tie neither triggers nor resets: the last side counts.
#[derive(Debug, Clone)]
pub(super) struct Crossing {
    /// Whether it was above when the lines last differed.
    side: Option<bool>,
    entry: Entry,
    below: Target,
}

impl Crossing {
    /// As the parameters `entry` and `short` say.
    pub(super) fn of(params: &Params) -> Self {
        let below = if params.is("short", "yes") { Target::SHORT } else { Target::FLAT };
        Self { side: None, entry: Entry::of(params), below }
    }

    /// The side on this bar, `None` for a tie; what is to be said of it.
    #[inline]
    pub(super) fn hear(&mut self, above: Option<bool>) -> Option<Target> {
        let above = above.or(self.side)?;
        let crossed = self.side.replace(above).is_some_and(|before| before != above);
        let speaks = match self.entry {
            Entry::Cross => crossed,
            Entry::Level => true,
        };
        speaks.then_some(if above { Target::LONG } else { self.below })
    }

    /// The same for a difference in USD, of which less than a millionth is a tie.
    #[inline]
    pub(super) fn hear_difference(&mut self, difference: f64) -> Option<Target> {
        let tie = difference.abs() < 1e-6;
        self.hear((!tie).then_some(difference > 0.0))
    }
}

/// A value that swings about zero: long when it lies deep below, flat again when it has come back
/// up over zero; where shorting is allowed, the mirror image of it.
#[derive(Debug, Clone)]
pub(super) struct Swing {
    edge: f64,
    entry: Entry,
    short: bool,
    before: Option<f64>,
}

impl Swing {
    /// Deep is beyond `edge` (positive); the rest as the parameters `entry` and `short` say.
    pub(super) fn of(edge: f64, params: &Params) -> Self {
        Self { edge, entry: Entry::of(params), short: params.is("short", "yes"), before: None }
    }

    /// The newest value.
    pub(super) fn last(&self) -> Option<f64> {
        self.before
    }

    /// How far is deep.
    pub(super) fn edge(&self) -> f64 {
        self.edge
    }

    /// The value on this bar; what is to be said of it.
    pub(super) fn hear(&mut self, value: f64) -> Option<Target> {
        let before = self.before.replace(value);
        let enters = |now: f64, before: Option<f64>| {
            now < -self.edge
                && match self.entry {
                    Entry::Cross => before.is_some_and(|before| before >= -self.edge),
                    Entry::Level => true,
                }
        };
        let returns = |now: f64, before: Option<f64>| before.is_some_and(|before| before <= 0.0) && now > 0.0;
        let mirrored = before.map(|before| -before);
        if enters(value, before) {
            Some(Target::LONG)
        } else if self.short && enters(-value, mirrored) {
            Some(Target::SHORT)
        } else {
            let ends = returns(value, before) || (self.short && returns(-value, mirrored));
            ends.then_some(Target::FLAT)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn swing(entry: Entry, short: bool, values: &[f64]) -> Vec<(usize, f64)> {
        let mut swing = Swing { edge: 2.0, entry, short, before: None };
        let heard = values.iter().enumerate().map(|(index, value)| (index, swing.hear(*value)));
        heard.filter_map(|(index, target)| target.map(|target| (index, target.value()))).collect()
    }

    #[test]
    fn a_swing_is_entered_deep_and_left_at_zero() {
        let values = [-3.0, -1.0, -2.5, -2.6, -0.5, 0.0, 0.5, 2.5, 0.1, -0.1, -2.1, 2.1];
        assert_eq!(swing(Entry::Cross, false, &values), [(2, 1.0), (6, 0.0), (10, 1.0), (11, 0.0)]);
        assert_eq!(
            swing(Entry::Cross, true, &values),
            [(2, 1.0), (6, 0.0), (7, -1.0), (9, 0.0), (10, 1.0), (11, -1.0)],
            "from one side to the other it goes at once"
        );
        assert_eq!(swing(Entry::Level, false, &values[..5]), [(0, 1.0), (2, 1.0), (3, 1.0)]);
    }
}
