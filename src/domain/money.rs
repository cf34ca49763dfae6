//! Money and quantities, each in a type of its own so that they cannot be mixed up.
//!
//! Prices, cash and profit are exact decimals, as [`rust_decimal`] has them; quantities are whole shares.
//! Binary floating point appears only at the border (the API and bar files speak `f64`) and is
//! converted by its shortest round-trip text: `0.1_f64` becomes exactly `0.1`.

#![deny(clippy::float_arithmetic)]

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul, Neg, Sub, SubAssign};
use std::str::FromStr;

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

use super::exact::Exact;

/// What [`short`] looks at lies below this, and so within every range of a type here.
const SHORT: f64 = 1e11;

/// A number of at most four digits after the point, as nearly all prices are, as its digits and how many of them are
/// after the point; `None` for others. A whole number below 2^53 divided by a power of ten is rounded once, so if the
/// quotient is the value itself, these digits are its shortest text.
#[allow(clippy::float_arithmetic, reason = "it is checked to be exact")]
#[allow(clippy::float_cmp, reason = "it is the same number or it is not")]
#[inline]
fn short(value: f64) -> Option<(i64, u32)> {
    if value.abs() >= SHORT {
        return None;
    }
    let whole = (value * 100.0 + 0.5_f64.copysign(value)) as i64;
    if whole as f64 / 100.0 == value {
        // Without zeroes at its end.
        return Some(match (whole % 10, whole % 100) {
            (_, 0) => (whole / 100, 0),
            (0, _) => (whole / 10, 1),
            _ => (whole, 2),
        });
    }
    // Below 2^53: exact. Three digits or four, as fewer have been found.
    let whole = (value * 10_000.0 + 0.5_f64.copysign(value)) as i64;
    let (short, digits) = if whole % 10 == 0 { (whole / 10, 3) } else { (whole, 4) };
    (whole as f64 / 10_000.0 == value).then_some((short, digits))
}

/// Such a number in ten-thousandths, and how many digits after the point it needs.
#[inline]
pub(super) fn ten_thousandths(value: f64) -> Option<(i64, u32)> {
    const POWERS: [i64; 5] = [10_000, 1_000, 100, 10, 1];
    let (whole, digits) = short(value)?;
    // At most four digits; below 10^11 before and four after the point: no i64 is too small for it.
    Some((whole * POWERS.get(digits as usize)?, digits))
}

/// Converts by the shortest text that reads back as the same `f64`; `None` for NaN, infinities
/// and magnitudes that a decimal cannot hold.
fn decimal_from_f64(value: f64) -> Option<Decimal> {
    if !value.is_finite() {
        return None;
    }
    let text = format!("{value:?}");
    let decimal = Decimal::from_str(&text).or_else(|_| Decimal::from_scientific(&text)).ok()?;
    Some(decimal.normalize())
}

/// A number that comes from outside and is too large to be meant. Arithmetic on what is let in
/// cannot overflow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{number} is not believable: {what} is at most {most} either way")]
pub struct Unbelievable {
    number: String,
    what: &'static str,
    most: i64,
}

macro_rules! decimal_type {
    ($(#[$doc:meta])* $name:ident, $what:literal, $most:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(try_from = "Decimal", into = "Decimal")]
        pub struct $name(Exact);

        impl TryFrom<Decimal> for $name {
            type Error = Unbelievable;
            fn try_from(value: Decimal) -> Result<Self, Unbelievable> {
                let most: i64 = $most;
                // Mostly its digits alone, read as a whole number, are not so many.
                if value.mantissa().unsigned_abs() > u128::from(most.unsigned_abs()) && value.abs() > Decimal::from(most) {
                    return Err(Unbelievable { number: value.to_string(), what: $what, most });
                }
                Ok(Self::of(value))
            }
        }

        impl From<$name> for Decimal {
            fn from(value: $name) -> Self {
                value.decimal()
            }
        }

        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(Exact::ZERO);

            /// Of a decimal, whatever its size.
            #[inline]
            pub const fn of(value: Decimal) -> Self {
                Self(Exact::of(value))
            }

            /// As a decimal, with as many digits after the point as it has come to have.
            #[inline]
            pub fn decimal(self) -> Decimal {
                self.0.decimal()
            }

            /// With no more than so many digits after the point; half a digit goes to the even one.
            #[inline]
            pub fn rounded(self, digits: u32) -> Self {
                Self(self.0.rounded(digits))
            }

            /// The same number without zeroes at the end of its digits after the point.
            #[inline]
            pub fn normalized(self) -> Self {
                Self(self.0.normalized())
            }

            /// Whether there is nothing.
            #[inline]
            pub fn is_zero(self) -> bool {
                self.0.is_zero()
            }

            /// From an API or file number, by its shortest round-trip text; `None` where it is
            /// not finite or no believable size.
            pub fn from_f64(value: f64) -> Option<Self> {
                match short(value) {
                    Some((whole, digits)) => Some(Self(Exact::new(whole, digits))),
                    None => decimal_from_f64(value)?.try_into().ok(),
                }
            }

            /// The nearest `f64`, for the wire, for indicators and for statistics only.
            #[inline]
            pub fn to_f64(self) -> f64 {
                self.0.to_f64()
            }

            /// The magnitude.
            pub fn abs(self) -> Self {
                Self(self.0.abs())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = rust_decimal::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Decimal::from_str(text.trim()).map(Self::of)
            }
        }

        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0.plus(other.0))
            }
        }

        impl Sub for $name {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                Self(self.0.minus(other.0))
            }
        }

        impl Neg for $name {
            type Output = Self;
            fn neg(self) -> Self {
                Self(self.0.turned())
            }
        }

        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                self.0 = self.0.plus(other.0);
            }
        }

        impl SubAssign for $name {
            fn sub_assign(&mut self, other: Self) {
                self.0 = self.0.minus(other.0);
            }
        }

        impl Mul<Decimal> for $name {
            type Output = Self;
            fn mul(self, factor: Decimal) -> Self {
                Self(self.0.multiplied(factor))
            }
        }

        impl Sum for $name {
            fn sum<I: Iterator<Item = Self>>(values: I) -> Self {
                values.fold(Self::ZERO, Add::add)
            }
        }
    };
}

decimal_type! {
    /// An amount of money in US dollars (the account's base currency), exact.
    Usd, "an amount in USD", 1_000_000_000_000_000_000
}

decimal_type! {
    /// A price in US dollars per share, exact.
    Price, "a price", 1_000_000_000_000
}

impl Usd {
    /// The number of these digits, so many of them (28 at most) after the point.
    #[inline]
    pub(super) const fn of_digits(digits: i64, scale: u32) -> Self {
        Self(Exact::new(digits, scale))
    }

    /// Rounded half-up (away from zero) to the cent, as commissions are.
    pub fn to_cent(self) -> Self {
        const DIGITS: u32 = 2;
        if self.0.short().is_some_and(|(_, scale)| scale <= DIGITS) {
            return self;
        }
        Self::of(self.decimal().round_dp_with_strategy(DIGITS, RoundingStrategy::MidpointAwayFromZero))
    }
}

/// A whole number of shares. Negative means sold short, or a sale where a signed change is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Shares(pub i64);

impl TryFrom<i64> for Shares {
    type Error = Unbelievable;
    fn try_from(value: i64) -> Result<Self, Unbelievable> {
        let most = Self::MOST;
        if value.unsigned_abs() > most.unsigned_abs() {
            return Err(Unbelievable { number: value.to_string(), what: "a number of shares", most });
        }
        Ok(Self(value))
    }
}

impl From<Shares> for i64 {
    fn from(shares: Shares) -> Self {
        shares.0
    }
}

impl Shares {
    /// More than anybody holds of anything; nothing larger is let in from outside.
    pub const MOST: i64 = 1_000_000_000_000;

    /// No shares.
    pub const ZERO: Self = Self(0);

    /// The magnitude.
    pub fn abs(self) -> Self {
        Self(self.0.abs())
    }

    /// Whether there are none.
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// `new` for every `old` ones, what is left over dropped; nothing for no old ones.
    pub fn scaled(self, new: u32, old: u32) -> Self {
        let scaled = i128::from(self.0) * i128::from(new) / i128::from(old.max(1));
        Self(i64::try_from(scaled).unwrap_or(if scaled < 0 { i64::MIN } else { i64::MAX }))
    }
}

impl fmt::Display for Shares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Add for Shares {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Shares {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Neg for Shares {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl AddAssign for Shares {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl SubAssign for Shares {
    fn sub_assign(&mut self, other: Self) {
        self.0 -= other.0;
    }
}

impl Sum for Shares {
    fn sum<I: Iterator<Item = Self>>(values: I) -> Self {
        values.fold(Self::ZERO, Add::add)
    }
}

impl Mul<Shares> for Price {
    type Output = Usd;
    fn mul(self, quantity: Shares) -> Usd {
        Usd(self.0.times(quantity.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_number_becomes_the_decimal_that_a_person_would_write() {
        for (number, text) in [
            (0.1, "0.1"),
            (226.08, "226.08"),
            (1e-7, "0.0000001"),
            (100.0, "100"),
            (13.63, "13.63"),
            (1e12, "1000000000000"),
        ] {
            assert_eq!(Price::from_f64(number).map(|p| p.to_string()).as_deref(), Some(text));
        }
    }

    proptest::proptest! {
        #[test]
        fn a_short_number_is_what_its_text_says(digits in -99_999_999_i64..99_999_999, scale in 0_u32..=6) {
            let number: f64 = Decimal::new(digits, scale).to_string().parse().unwrap();
            let (price, by_text) = (Price::from_f64(number).unwrap(), decimal_from_f64(number).unwrap());
            proptest::prop_assert_eq!(price.decimal().serialize(), by_text.serialize(), "{}: {}, {}", number, price, by_text);
        }

        #[test]
        fn a_cent_is_the_librarys(digits in -99_999_999_i64..99_999_999, scale in 0_u32..=6) {
            let (usd, strategy) = (Decimal::new(digits, scale), RoundingStrategy::MidpointAwayFromZero);
            let (cent, expected) = (Usd::of(usd).to_cent(), usd.round_dp_with_strategy(2, strategy));
            proptest::prop_assert_eq!(cent.decimal().serialize(), expected.serialize());
        }

        #[test]
        fn the_nearest_number_is_the_one_that_its_text_reads_as(digits in -(1_i64 << 53)..=1 << 53, scale in 0_u32..=10) {
            let price = Price::of(Decimal::new(digits, scale));
            proptest::prop_assert_eq!(price.to_f64(), price.to_string().parse::<f64>().unwrap());
        }
    }

    #[test]
    fn what_is_not_a_number_is_not_a_price() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, 1.000_001e12] {
            assert_eq!(Price::from_f64(bad), None);
        }
    }

    #[test]
    fn cents_round_half_up() {
        let cents = |text: &str| text.parse::<Usd>().map(Usd::to_cent).map(|usd| usd.to_string());
        assert_eq!(cents("1.005"), Ok("1.01".to_owned()));
        assert_eq!(cents("1.0049"), Ok("1.00".to_owned()));
    }

    #[test]
    fn what_nobody_could_mean_is_not_let_in() {
        assert!(serde_json::from_str::<Price>("\"1000000000000\"").is_ok());
        let error = serde_json::from_str::<Price>("\"79228162514264337593543950335\"").unwrap_err().to_string();
        assert!(error.contains("not believable"), "{error}");
        assert!(serde_json::from_str::<Usd>("\"-1000000000000000001\"").is_err());
        assert!(serde_json::from_str::<Shares>("-1000000000000").is_ok());
        assert!(serde_json::from_str::<Shares>("9223372036854775807").is_err());
        assert_eq!(serde_json::to_string(&(Usd::of(Decimal::ONE), Shares(3))).unwrap(), "[\"1\",3]");
    }
}
