//! A decimal as money mostly is: a whole number that an `i64` holds, and where its point stands.
//!
//! Sums, products and order are those of [`rust_decimal`], to the last digit; an order passes some seventy of them. Two
//! words hold a number, as two registers do, and two numbers with the same digits after the point differ in one of them
//! only: most of what is asked is answered in line, by one comparison and one instruction on whole numbers. The rest is
//! in functions of its own.

#![deny(clippy::float_arithmetic)]

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU64;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// Powers of ten, as far as digits after the point commonly differ.
const POWERS: [i64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// Powers of ten that an `f64` holds exactly, as far as digits after the point are common.
const EXACT_POWERS: [f64; 11] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10];

/// Marks in [`Exact::head`]: more digits than an `i64` holds, or a zero below zero, of which the other word has the lower
/// 64 binary digits alone; and that such a number is below zero. What an `i64` holds is never marked so.
const LONG: u64 = 1 << 1;
const BELOW: u64 = 1 << 2;
/// From where on it has the digits after the point, and a long number's upper digits.
const SCALE: u32 = 8;
const UPPER: u32 = 32;

/// See the module.
#[derive(Clone, Copy)]
pub(super) struct Exact {
    /// What kind of number this is. Its lowest bit is set in all of them, which leaves room for a number that is not there.
    head: NonZeroU64,
    digits: i64,
}

impl Exact {
    pub(super) const ZERO: Self = Self::new(0, 0);

    /// A whole number with so many of its digits (28 at most) after the point.
    #[inline]
    pub(super) const fn new(digits: i64, scale: u32) -> Self {
        debug_assert!(scale <= Decimal::MAX_SCALE);
        Self { head: head((scale as u64) << SCALE), digits }
    }

    #[inline(never)]
    pub(super) const fn of(value: Decimal) -> Self {
        let parts = value.unpack();
        let digits = (parts.mid as u64) << 32 | parts.lo as u64;
        // One more is below zero than above it.
        let most = i64::MAX as u64 + parts.negative as u64;
        if parts.hi == 0 && digits <= most && !(parts.negative && digits == 0) {
            let digits = digits as i64;
            return Self::new(if parts.negative { digits.wrapping_neg() } else { digits }, parts.scale);
        }
        let below = if parts.negative { BELOW } else { 0 };
        let head = head(LONG | below | (parts.scale as u64) << SCALE | (parts.hi as u64) << UPPER);
        Self { head, digits: digits as i64 }
    }

    #[inline(never)]
    pub(super) fn decimal(self) -> Decimal {
        let Some((digits, scale)) = self.short() else { return self.long() };
        Decimal::new(digits, scale)
    }

    #[cold]
    fn long(self) -> Decimal {
        let (head, digits) = (self.head.get(), self.digits as u64);
        let mut decimal =
            Decimal::from_parts(digits as u32, (digits >> 32) as u32, (head >> UPPER) as u32, false, self.scale());
        decimal.set_sign_negative(head & BELOW != 0);
        decimal
    }

    #[inline]
    fn scale(self) -> u32 {
        self.head.get() as u32 >> SCALE & 0xff
    }

    /// The number and its digits after the point, if it is a short one.
    #[inline]
    pub(super) fn short(self) -> Option<(i64, u32)> {
        if self.head.get() & LONG == 0 { Some((self.digits, self.scale())) } else { None }
    }

    /// Whether both are short and have as many digits after the point.
    #[inline(always)]
    fn is_like(self, other: Self) -> bool {
        // In plain words: builds that optimise nothing pass here as often.
        let head = self.head.get();
        head == other.head.get() && head & LONG == 0
    }

    /// The digits of both with as many after the point, and how many these are.
    #[inline]
    fn aligned(self, other: Self) -> Option<(i64, i64, u32)> {
        let ((digits, scale), (others, other_scale)) = (self.short()?, other.short()?);
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

    #[inline]
    pub(super) fn is_zero(self) -> bool {
        self.digits == 0 && self.head.get() >> UPPER == 0
    }

    #[inline(always)]
    pub(super) fn plus(self, other: Self) -> Self {
        if self.is_like(other)
            && let Some(digits) = self.digits.checked_add(other.digits)
        {
            return Self { head: self.head, digits };
        }
        self.plus_otherwise(other)
    }

    /// Mostly one of both is nothing, which leaves the other as it is.
    #[inline(never)]
    fn plus_otherwise(self, other: Self) -> Self {
        if self.is_zero() {
            return other;
        }
        if other.is_zero() {
            return self;
        }
        let sum = self.aligned(other).and_then(|(one, other, scale)| Some((one.checked_add(other)?, scale)));
        sum.map_or_else(|| Self::of(self.decimal() + other.decimal()), |(digits, scale)| Self::new(digits, scale))
    }

    #[inline(always)]
    pub(super) fn minus(self, other: Self) -> Self {
        if self.is_like(other)
            && let Some(digits) = self.digits.checked_sub(other.digits)
        {
            return Self { head: self.head, digits };
        }
        self.minus_otherwise(other)
    }

    #[inline(never)]
    fn minus_otherwise(self, other: Self) -> Self {
        match (self.is_zero(), other.is_zero()) {
            (true, true) => other,
            (false, true) => self,
            (_, false) => self.plus_otherwise(other.turned()),
        }
    }

    /// The same on the other side of zero.
    #[inline]
    pub(super) fn turned(self) -> Self {
        match self.short().filter(|(digits, _)| *digits != 0).and_then(|(digits, _)| digits.checked_neg()) {
            Some(digits) => Self { digits, ..self },
            None => Self::of(-self.decimal()),
        }
    }

    #[inline]
    pub(super) fn abs(self) -> Self {
        match self.short().and_then(|(digits, _)| digits.checked_abs()) {
            Some(digits) => Self { digits, ..self },
            None => Self::of(self.decimal().abs()),
        }
    }

    /// With no more than so many digits after the point, half a digit to the even one.
    #[inline]
    pub(super) fn rounded(self, digits: u32) -> Self {
        if self.short().is_some_and(|(_, scale)| scale <= digits) {
            return self;
        }
        Self::of(self.decimal().round_dp(digits))
    }

    /// Without zeroes at the end of its digits after the point.
    #[inline]
    pub(super) fn normalized(self) -> Self {
        if self.short().is_some_and(|(digits, scale)| scale == 0 || digits % 10 != 0) {
            return self;
        }
        Self::of(self.decimal().normalize())
    }

    #[inline(always)]
    pub(super) fn times(self, factor: i64) -> Self {
        if self.head.get() & LONG == 0
            && let Some(digits) = self.digits.checked_mul(factor)
            && digits != 0
        {
            return Self { head: self.head, digits };
        }
        self.times_otherwise(factor)
    }

    #[inline(never)]
    fn times_otherwise(self, factor: i64) -> Self {
        match self.short().and_then(|(digits, _)| digits.checked_mul(factor)) {
            Some(0) => Self::ZERO,
            _ => Self::of(self.decimal() * Decimal::from(factor)),
        }
    }

    #[inline(never)]
    pub(super) fn multiplied(self, factor: Decimal) -> Self {
        self.short_product(Self::of(factor)).unwrap_or_else(|| Self::of(self.decimal() * factor))
    }

    fn short_product(self, other: Self) -> Option<Self> {
        let ((digits, scale), (others, other_scale)) = (self.short()?, other.short()?);
        let (product, scale) = (digits.checked_mul(others)?, scale + other_scale);
        (product != 0 && scale <= Decimal::MAX_SCALE).then(|| Self::new(product, scale))
    }

    #[inline(never)]
    fn cmp_otherwise(self, other: Self) -> Ordering {
        match self.aligned(other) {
            Some((digits, others, _)) => digits.cmp(&others),
            None => self.decimal().cmp(&other.decimal()),
        }
    }

    /// The nearest `f64`; of either zero, that above it. Digits within 2^53 and a power of ten are exact, so their quotient
    /// is rounded once.
    #[allow(clippy::float_arithmetic, reason = "it is exact but for the one rounding that is asked for")]
    #[inline]
    pub(super) fn to_f64(self) -> f64 {
        const EXACT: u64 = 1 << 53;
        let short = self.short().filter(|(digits, _)| digits.unsigned_abs() <= EXACT);
        match short.and_then(|(digits, scale)| Some((digits, EXACT_POWERS.get(scale as usize)?))) {
            Some((digits, power)) => digits as f64 / power,
            None if self.is_zero() => 0.0,
            None => self.decimal().to_f64().unwrap_or(f64::NAN),
        }
    }
}

/// With the bit that all have.
#[inline(always)]
const fn head(bits: u64) -> NonZeroU64 {
    match NonZeroU64::new(bits | 1) {
        Some(head) => head,
        None => NonZeroU64::MIN,
    }
}

impl Default for Exact {
    fn default() -> Self {
        Self::ZERO
    }
}

impl PartialEq for Exact {
    #[inline(always)]
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Exact {}

impl PartialOrd for Exact {
    #[inline(always)]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Exact {
    #[inline(always)]
    fn cmp(&self, other: &Self) -> Ordering {
        if self.is_like(*other) { self.digits.cmp(&other.digits) } else { self.cmp_otherwise(*other) }
    }
}

impl Hash for Exact {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.decimal().hash(state);
    }
}

impl fmt::Debug for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.decimal(), f)
    }
}

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.decimal(), f)
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
            // Where an `i64` ends, and where half of one does.
            (-3_i128..=3, prop_oneof![Just(1_i128 << 63), Just(-1 << 63), Just(1 << 62), Just(-1 << 62)])
                .prop_map(|(beside, edge)| edge + beside),
            -79_228_162_514_264_337_593_543_950_335_i128..=79_228_162_514_264_337_593_543_950_335,
        ];
        let scale = prop_oneof![2_u32..=2, 0_u32..5, 0_u32..=28];
        (digits, scale, any::<bool>()).prop_map(|(digits, scale, turned)| {
            let decimal = Decimal::from_i128_with_scale(digits, scale);
            // There is a zero below zero, too.
            if turned { -decimal } else { decimal }
        })
    }

    /// To the last digit, as a text shows it.
    fn same(expected: Decimal, exact: Exact) -> bool {
        let decimal = exact.decimal();
        expected.serialize() == decimal.serialize()
            && expected.to_string() == exact.to_string()
            && Exact::of(decimal).head == exact.head
    }

    /// As its text reads, where its digits are few; else as the library has it.
    fn nearest(decimal: Decimal) -> f64 {
        if decimal.is_zero() {
            return 0.0;
        }
        let few = decimal.mantissa().unsigned_abs() <= 1 << 53 && decimal.scale() <= 10;
        if few { decimal.to_string().parse().unwrap() } else { decimal.to_f64().unwrap() }
    }

    fn hash(value: impl Hash) -> u64 {
        let mut hasher = std::hash::DefaultHasher::new();
        value.hash(&mut hasher);
        hasher.finish()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8_192))]

        #[test]
        fn they_are_what_the_library_makes_of_them(
            first in decimal(),
            second in decimal(),
            factor in prop_oneof![Just(0_i64), -1_000_i64..1_000, any::<i64>()],
        ) {
            let (one, other) = (Exact::of(first), Exact::of(second));
            prop_assert!(same(first, one), "{first}: {one}");
            prop_assert!(same(-first, one.turned()), "-{first}: {}", one.turned());
            prop_assert!(same(first.abs(), one.abs()), "|{first}|: {}", one.abs());
            prop_assert!(same(first.normalize(), one.normalized()), "{first} normalized: {}", one.normalized());
            for digits in [0, 2, 8] {
                let rounded = one.rounded(digits);
                prop_assert!(same(first.round_dp(digits), rounded), "{first} rounded to {digits}: {rounded}");
            }
            prop_assert_eq!(one.is_zero(), first.is_zero());
            prop_assert_eq!(one.to_f64().to_bits(), nearest(first).to_bits(), "{} as {}", first, one.to_f64());
            // What the library cannot hold, it stops at: so do these.
            if let Some(expected) = first.checked_add(second) {
                prop_assert!(same(expected, one.plus(other)), "{first} + {second}: {}", one.plus(other));
            }
            if let Some(expected) = first.checked_sub(second) {
                prop_assert!(same(expected, one.minus(other)), "{first} - {second}: {}", one.minus(other));
            }
            if let Some(expected) = first.checked_mul(Decimal::from(factor)) {
                prop_assert!(same(expected, one.times(factor)), "{first} * {factor}: {}", one.times(factor));
            }
            if let Some(expected) = first.checked_mul(second) {
                prop_assert!(same(expected, one.multiplied(second)), "{first} * {second}: {}", one.multiplied(second));
            }
            prop_assert!(same(first - first, one.minus(one)), "{first} less itself");
            prop_assert_eq!(one.cmp(&other), first.cmp(&second));
            prop_assert_eq!(one == other, first == second);
            prop_assert_eq!(one.cmp(&one), Ordering::Equal);
            prop_assert_eq!(hash(one), hash(first));
        }
    }

    #[test]
    fn one_that_is_not_there_takes_no_room() {
        assert_eq!(size_of::<Option<Exact>>(), 16);
    }
}
