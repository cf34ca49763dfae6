//! Money and quantities, each in a type of its own so that they cannot be mixed up.
//!
//! Prices, cash and profit are exact decimals ([`rust_decimal`]); quantities are whole shares.
//! Binary floating point appears only at the border (the API and bar files speak `f64`) and is
//! converted by its shortest round-trip text: `0.1_f64` becomes exactly `0.1`.

#![deny(clippy::float_arithmetic)]

use std::cmp::Ordering;
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul, Neg, Sub, SubAssign};
use std::str::FromStr;

use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

use super::decimals;

/// What [`short_decimal`] looks at lies below this, and so within every range of a type here.
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
    for (digits, scale) in [(2, 100.0), (4, 10_000.0)] {
        // Below 2^53: exact.
        let mut whole = (value * scale + 0.5_f64.copysign(value)) as i64;
        if whole as f64 / scale == value {
            let mut digits = digits;
            while digits > 0 && whole % 10 == 0 {
                whole /= 10;
                digits -= 1;
            }
            return Some((whole, digits));
        }
    }
    None
}

/// As [`decimal_from_f64`] for such numbers.
#[inline]
fn short_decimal(value: f64) -> Option<Decimal> {
    short(value).map(|(whole, digits)| Decimal::new(whole, digits))
}

/// Such a number in ten-thousandths, and how many digits after the point it needs.
#[inline]
pub(super) fn ten_thousandths(value: f64) -> Option<(i64, u32)> {
    const POWERS: [i64; 5] = [10_000, 1_000, 100, 10, 1];
    let (whole, digits) = short(value)?;
    // At most four digits; below 10^11 before and four after the point: no i64 is too small for it.
    Some((whole * POWERS.get(digits as usize)?, digits))
}

/// Powers of ten that an `f64` holds exactly, as far as digits after the point are common.
const POWERS: [f64; 11] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10];

/// The nearest `f64` of a decimal whose digits, read as a whole number, lie within 2^53: both are
/// exact, so their quotient is rounded once. `None` for others.
#[allow(clippy::float_arithmetic, reason = "it is exact but for the one rounding that is asked for")]
#[inline]
fn short_f64(value: Decimal) -> Option<f64> {
    const EXACT: i128 = 1 << 53;
    let (digits, power) = (value.mantissa(), POWERS.get(value.scale() as usize)?);
    (-EXACT..=EXACT).contains(&digits).then(|| digits as i64 as f64 / power)
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
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
        #[serde(try_from = "Decimal", into = "Decimal")]
        pub struct $name(pub Decimal);

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                decimals::compare(self.0, other.0)
            }
        }

        impl TryFrom<Decimal> for $name {
            type Error = Unbelievable;
            fn try_from(value: Decimal) -> Result<Self, Unbelievable> {
                let most: i64 = $most;
                // Mostly its digits alone, read as a whole number, are not so many.
                if value.mantissa().unsigned_abs() > u128::from(most.unsigned_abs()) && value.abs() > Decimal::from(most) {
                    return Err(Unbelievable { number: value.to_string(), what: $what, most });
                }
                Ok(Self(value))
            }
        }

        impl From<$name> for Decimal {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(Decimal::ZERO);

            /// From an API or file number, by its shortest round-trip text; `None` where it is
            /// not finite or no believable size.
            pub fn from_f64(value: f64) -> Option<Self> {
                match short_decimal(value) {
                    Some(short) => Some(Self(short)),
                    None => decimal_from_f64(value)?.try_into().ok(),
                }
            }

            /// The nearest `f64`, for the wire, for indicators and for statistics only.
            #[inline]
            pub fn to_f64(self) -> f64 {
                short_f64(self.0).unwrap_or_else(|| self.0.to_f64().unwrap_or(f64::NAN))
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
                Decimal::from_str(text.trim()).map(Self)
            }
        }

        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(decimals::sum(self.0, other.0))
            }
        }

        impl Sub for $name {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                Self(decimals::difference(self.0, other.0))
            }
        }

        impl Neg for $name {
            type Output = Self;
            fn neg(self) -> Self {
                Self(-self.0)
            }
        }

        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                self.0 = decimals::sum(self.0, other.0);
            }
        }

        impl SubAssign for $name {
            fn sub_assign(&mut self, other: Self) {
                self.0 = decimals::difference(self.0, other.0);
            }
        }

        impl Mul<Decimal> for $name {
            type Output = Self;
            fn mul(self, factor: Decimal) -> Self {
                Self(self.0 * factor)
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
    /// Rounded half-up (away from zero) to the cent, as commissions are.
    pub fn to_cent(self) -> Self {
        Self(self.0.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero))
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
        Usd(decimals::product(self.0, quantity.0))
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
        fn the_nearest_number_is_the_one_that_its_text_reads_as(digits in -(1_i64 << 53)..=1 << 53, scale in 0_u32..=10) {
            let price = Price(Decimal::new(digits, scale));
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
        assert_eq!(serde_json::to_string(&(Usd(Decimal::ONE), Shares(3))).unwrap(), "[\"1\",3]");
    }
}
