//! Sums, products and order of decimals as [`rust_decimal`] has them, to the last digit, and faster for what money
//! mostly is: numbers of a few digits after the point, of which all digits fit in an `i64`.
//!
//! None of the four is inlined: an order passes them some fifty times, and written out in each place they made a tenth of
//! all the code that it runs.

use std::cmp::Ordering;

use rust_decimal::Decimal;

/// Powers of ten, as far as digits after the point commonly differ.
const POWERS: [i64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// The upper half of what an `i64` holds.
const HALF: u32 = 0x7fff_ffff;

/// All digits as a whole number, and how many of them are after the point.
#[inline]
fn short(value: Decimal) -> Option<(i64, u32)> {
    // Plain words here and below: builds that optimise nothing pass here as often.
    let parts = value.unpack();
    if parts.hi != 0 || parts.mid > HALF {
        return None;
    }
    let digits = i64::from(parts.mid) << 32 | i64::from(parts.lo);
    Some((if parts.negative { -digits } else { digits }, parts.scale))
}

/// The digits of both with as many after the point, and how many these are.
#[inline]
fn aligned(one: Decimal, other: Decimal) -> Option<(i64, i64, u32)> {
    let (Some((digits, scale)), Some((others, other_scale))) = (short(one), short(other)) else { return None };
    if scale == other_scale {
        return Some((digits, others, scale));
    }
    let power = POWERS.get(scale.abs_diff(other_scale) as usize)?;
    if scale < other_scale {
        Some((digits.checked_mul(*power)?, others, other_scale))
    } else {
        Some((digits, others.checked_mul(*power)?, scale))
    }
}

/// Mostly one of both is nothing, which leaves the other as it is.
#[inline(never)]
pub(super) fn sum(one: Decimal, other: Decimal) -> Decimal {
    if one.is_zero() {
        other
    } else if other.is_zero() {
        one
    } else {
        short_sum(one, other)
    }
}

#[inline(never)]
pub(super) fn difference(one: Decimal, other: Decimal) -> Decimal {
    match (one.is_zero(), other.is_zero()) {
        (true, true) => other,
        (false, true) => one,
        (_, false) => sum(one, -other),
    }
}

#[inline]
fn short_sum(one: Decimal, other: Decimal) -> Decimal {
    if let Some((digits, others, scale)) = aligned(one, other)
        && let Some(digits) = digits.checked_add(others)
    {
        return Decimal::new(digits, scale);
    }
    long_sum(one, other)
}

#[cold]
#[inline(never)]
fn long_sum(one: Decimal, other: Decimal) -> Decimal {
    one + other
}

#[inline(never)]
pub(super) fn product(one: Decimal, factor: i64) -> Decimal {
    if let Some((digits, scale)) = short(one)
        && let Some(digits) = digits.checked_mul(factor)
    {
        return if digits == 0 { Decimal::ZERO } else { Decimal::new(digits, scale) };
    }
    long_product(one, factor)
}

#[cold]
#[inline(never)]
fn long_product(one: Decimal, factor: i64) -> Decimal {
    one * Decimal::from(factor)
}

#[inline(never)]
pub(super) fn compare(one: Decimal, other: Decimal) -> Ordering {
    match aligned(one, other) {
        Some((digits, others, _)) => digits.cmp(&others),
        None => one.cmp(&other),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decimal() -> impl Strategy<Value = Decimal> {
        let digits = prop_oneof![
            Just(0_i128),
            -1_000_000_i128..1_000_000,
            i128::from(i64::MIN)..=i128::from(i64::MAX),
            -79_228_162_514_264_337_593_543_950_335_i128..=79_228_162_514_264_337_593_543_950_335,
        ];
        let scale = prop_oneof![0_u32..5, 0_u32..=28];
        (digits, scale, any::<bool>()).prop_map(|(digits, scale, turned)| {
            let decimal = Decimal::from_i128_with_scale(digits, scale);
            // There is a zero below zero, too.
            if turned { -decimal } else { decimal }
        })
    }

    /// To the last digit, as a text shows it.
    fn same(one: Option<Decimal>, other: Decimal) -> bool {
        one.is_none_or(|one| one.serialize() == other.serialize() && one.to_string() == other.to_string())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8_192))]

        #[test]
        fn they_are_what_the_library_makes_of_them(
            one in decimal(),
            other in decimal(),
            factor in prop_oneof![Just(0_i64), -1_000_i64..1_000, any::<i64>()],
        ) {
            // What the library cannot hold, it stops at: so do these.
            if let Some(expected) = one.checked_add(other) {
                prop_assert!(same(Some(expected), sum(one, other)), "{one} + {other}: {}", sum(one, other));
            }
            if let Some(expected) = one.checked_sub(other) {
                let difference = difference(one, other);
                prop_assert!(same(Some(expected), difference), "{one} - {other}: {difference}");
            }
            if let Some(expected) = one.checked_mul(Decimal::from(factor)) {
                prop_assert!(same(Some(expected), product(one, factor)), "{one} * {factor}: {}", product(one, factor));
            }
            prop_assert!(same(Some(one - one), difference(one, one)), "{one} less itself");
            prop_assert_eq!(compare(one, other), one.cmp(&other));
            prop_assert_eq!(compare(one, one), Ordering::Equal);
        }
    }
}
