//! Holds from the first bar on: what every other strategy is measured against.

use super::params::{ParamError, Params};
use super::{Row, Strategy, Target};
use crate::domain::Bar;

pub(super) const ROW: Row =
    Row { name: "buy-and-hold", summary: "long from its first bar on: a benchmark", params: &[], build };

fn build(_: &Params) -> Result<Box<dyn Strategy>, ParamError> {
    Ok(Box::new(BuyAndHold))
}

struct BuyAndHold;

impl Strategy for BuyAndHold {
    fn warm_up(&self) -> usize {
        1
    }

    fn on_bar(&mut self, _: &Bar) -> Option<Target> {
        // On every bar: said once, it would be said to the history that only warms.
        Some(Target::LONG)
    }
}

#[cfg(test)]
mod tests {
    use super::super::stories::signals;

    #[test]
    fn it_is_long_whatever_happens() {
        assert_eq!(signals("buy-and-hold", &[], &[3.0, 2.0, 1.0]), [(0, 1.0), (1, 1.0), (2, 1.0)]);
    }
}
