//! Market rules: price grids by number, as contract details name them.

use crate::domain::PriceRule;

/// The number that IBKR gives to "one cent at every price".
const ONE_CENT: i32 = 26;
/// The first number for any other grid.
const FIRST_OTHER: i32 = 500;

/// The grids seen so far.
#[derive(Debug, Default)]
pub struct MarketRules {
    others: Vec<PriceRule>,
}

impl MarketRules {
    /// The number of a grid.
    pub fn number(&mut self, rule: &PriceRule) -> i32 {
        if *rule == one_cent() {
            return ONE_CENT;
        }
        let known = self.others.iter().position(|other| other == rule);
        let place = known.unwrap_or_else(|| {
            self.others.push(rule.clone());
            self.others.len() - 1
        });
        // Grids are few: one for each way in which contracts are priced.
        FIRST_OTHER + i32::try_from(place).unwrap_or(i32::MAX - FIRST_OTHER)
    }

    /// The grid of a number.
    pub fn get(&self, number: i32) -> Option<PriceRule> {
        if number == ONE_CENT {
            return Some(one_cent());
        }
        let place = usize::try_from(number.checked_sub(FIRST_OTHER)?).ok()?;
        self.others.get(place).cloned()
    }
}

fn one_cent() -> PriceRule {
    // Without any step the rule is one cent.
    PriceRule::new(Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Price;

    #[test]
    fn grids_keep_their_numbers() {
        let mut rules = MarketRules::default();
        let fine = PriceRule::flat(Price::of(rust_decimal::Decimal::new(1, 4)));
        assert_eq!(rules.number(&one_cent()), 26);
        assert_eq!(rules.number(&fine), 500);
        assert_eq!(rules.number(&fine), 500);
        assert_eq!(rules.get(500), Some(fine));
        assert_eq!((rules.get(501), rules.get(-1), rules.get(i32::MIN)), (None, None, None));
    }
}
