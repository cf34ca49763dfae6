//! What many positions are worth together, by prices as they come from bars.
//!
//! A price of at most four digits after the point, as nearly all are, is a whole number of ten-thousandths of a dollar:
//! products and sums of these are exact, and take a tenth of the time that decimals take.

#![deny(clippy::float_arithmetic)]

use rust_decimal::Decimal;

use super::money::ten_thousandths;
use super::{Price, Shares, Usd};

/// Digits after the point of a ten-thousandth.
const DIGITS: u32 = 4;

/// A price, ready to be multiplied.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quote(Form);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    /// Ten-thousandths of a USD a share, and digits after the point that the price needs.
    Short(i64, u32),
    Long(Price),
}

impl Quote {
    /// Of an API or file number, USD a share; `None` for what is no price (see [`Price::from_f64`]).
    #[inline]
    pub fn from_f64(price: f64) -> Option<Self> {
        match ten_thousandths(price) {
            Some((whole, digits)) => Some(Self(Form::Short(whole, digits))),
            None => Price::from_f64(price).map(|price| Self(Form::Long(price))),
        }
    }
}

impl From<Price> for Quote {
    fn from(price: Price) -> Self {
        Self(Form::Long(price))
    }
}

/// A sum of prices times shares, USD, exact.
#[derive(Debug, Clone, Copy, Default)]
pub struct Value {
    /// Ten-thousandths of a USD, and the most digits after the point that a price of them needed.
    short: i128,
    digits: u32,
    long: Usd,
}

impl Value {
    /// Adds so many shares at this price; fewer than none take away.
    #[inline]
    pub fn add(&mut self, price: Quote, shares: Shares) {
        match price.0 {
            Form::Short(whole, digits) => {
                // 10^15 at most, times as many shares as an i64 holds: an i128 holds thousands of millions of these.
                self.short += i128::from(whole) * i128::from(shares.0);
                self.digits = self.digits.max(digits);
            }
            Form::Long(price) => self.long += price * shares,
        }
    }

    /// Adds an amount that is known.
    pub fn add_known(&mut self, amount: Usd) {
        self.long += amount;
    }

    /// All of it, USD.
    pub fn usd(self) -> Usd {
        let sum = match i64::try_from(self.short) {
            Ok(short) => {
                // By constants: a division by a number that is not known takes several times as long.
                let whole = match self.digits {
                    0 => short / 10_000,
                    1 => short / 1_000,
                    2 => short / 100,
                    3 => short / 10,
                    _ => short,
                };
                Usd::of_digits(whole, self.digits)
            }
            Err(_) => Usd::of(self.large()),
        };
        if self.long.is_zero() { sum } else { sum + self.long }
    }

    /// A sum of hundreds of millions of millions of USD.
    #[cold]
    fn large(self) -> Decimal {
        let unused = 10_i128.pow(DIGITS - self.digits.min(DIGITS));
        // Of what is beyond 10^24 USD the cents go, as they do from a decimal of that size.
        Decimal::try_from_i128_with_scale(self.short / unused, self.digits)
            .unwrap_or_else(|_| Decimal::from_i128_with_scale(self.short / 10_i128.pow(DIGITS), 0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_sum_that_decimals_give(
            held in prop::collection::vec((1_i64..1_000_000_000, 0_u32..8, -1_000_000_i64..1_000_000), 0..12),
            known in -1_000_000_i64..1_000_000,
        ) {
            let (mut value, mut expected) = (Value::default(), Usd::of(Decimal::new(known, 2)));
            value.add_known(expected);
            for (digits, scale, shares) in held {
                let price = Price::of(Decimal::new(digits, scale).normalize());
                value.add(Quote::from_f64(price.to_f64()).unwrap(), Shares(shares));
                value.add(price.into(), Shares(shares / 2));
                expected += price * Shares(shares) + price * Shares(shares / 2);
            }
            prop_assert_eq!(value.usd(), expected);
            prop_assert_eq!(value.usd().decimal().normalize().to_string(), expected.decimal().normalize().to_string());
        }
    }

    #[test]
    fn what_is_no_price_is_none() {
        for number in [f64::NAN, f64::INFINITY, 1e30] {
            assert_eq!(Quote::from_f64(number), None, "{number}");
        }
    }

    #[test]
    fn sums_beyond_all_belief_are_sums() {
        let mut value = Value::default();
        for _ in 0..2 {
            value.add(Quote::from_f64(99_999_999_999.25).unwrap(), Shares(Shares::MOST));
        }
        assert_eq!(value.usd().to_string(), "199999999998500000000000.00");
        for _ in 0..100 {
            value.add(Quote::from_f64(99_999_999_999.250_1).unwrap(), Shares(Shares::MOST));
        }
        assert_eq!(value.usd().to_string(), "10199999999923510000000000");
    }
}
