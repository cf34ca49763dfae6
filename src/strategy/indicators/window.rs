//! Indicators that know the bars of a window and nothing before it.

use super::ring::Ring;

/// A price in whole millionths of a dollar: sums of these are exact, whatever the order of
/// additions and however many bars pass.
///
/// Rounds half away from zero, as `f64::round`, which is a call into the C library on most builds.
#[inline]
fn micros(price: f64) -> i64 {
    /// The greatest number below a half. Added instead of a half it lifts neither what is below a half to a whole nor an
    /// odd whole number beyond 2^52 to the next one, and a half itself becomes a whole as the sum is rounded.
    const HALF: f64 = 0.5_f64.next_down();
    // Prices are checked finite and positive; above nine trillion dollars a share it saturates.
    let scaled = price * 1e6;
    (scaled + HALF.copysign(scaled)) as i64
}

/// How far the mean of the last few closes is from that of the last many, exact to a millionth of a dollar.
#[derive(Debug, Clone)]
pub struct MeansApart {
    window: Ring<i64>,
    few: usize,
    /// The sum of the few times the number of the many, less that of the many times the number of the few; what is not
    /// there yet counts as nothing.
    apart: i128,
    /// The sum of the many.
    sum: i128,
}

impl MeansApart {
    /// Of the last `few` (at least 1) and the last `many` (more than few).
    pub fn new(few: usize, many: usize) -> Self {
        Self { window: Ring::new(many), few: few.max(1), apart: 0, sum: 0 }
    }

    /// Takes a price in; the difference once the window is full.
    #[inline]
    pub fn push(&mut self, price: f64) -> Option<i128> {
        let (value, few, many) = (micros(price), self.few as i64, self.window.length() as i64);
        // What leaves the few stays among the many.
        let passing = self.window.back(self.few).unwrap_or(0);
        let leaving = self.window.push(value).unwrap_or(0);
        self.apart += i128::from(value) * i128::from(many - few) - i128::from(passing) * i128::from(many)
            + i128::from(leaving) * i128::from(few);
        self.sum += i128::from(value) - i128::from(leaving);
        self.window.is_full().then_some(self.apart)
    }

    /// A difference of the means of a millionth of a dollar.
    #[inline]
    pub fn micro(&self) -> i128 {
        self.few as i128 * self.window.length() as i128
    }

    /// Bars it covers.
    #[inline]
    pub fn length(&self) -> usize {
        self.window.length()
    }

    /// Both means, USD, that of the few first: once there are as many.
    pub fn means(&self) -> [Option<f64>; 2] {
        let (few, many) = (self.few as i128, self.window.length() as i128);
        let sums = [((self.apart + self.sum * few) / many, self.few), (self.sum, self.window.length())];
        sums.map(|(sum, length)| self.window.back(length).map(|_| sum as f64 / (length as f64 * 1e6)))
    }
}

/// A moving sum of closes over a fixed number of bars, exact to a millionth of a dollar.
#[derive(Debug, Clone)]
pub struct MovingSum {
    window: Ring<i64>,
    sum: i128,
}

impl MovingSum {
    /// Over `length` bars (at least 1).
    pub fn new(length: usize) -> Self {
        Self { window: Ring::new(length), sum: 0 }
    }

    /// Takes a price in; the sum in millionths once the window is full.
    #[inline]
    pub fn push(&mut self, price: f64) -> Option<i128> {
        let value = micros(price);
        let left = self.window.push(value).unwrap_or(0);
        self.sum += i128::from(value) - i128::from(left);
        self.window.is_full().then_some(self.sum)
    }

    /// The mean of the window as it is, USD, once it is full.
    pub fn mean(&self) -> Option<f64> {
        self.window.is_full().then(|| self.sum as f64 / (self.window.length() as f64 * 1e6))
    }

    /// Bars it covers.
    #[inline]
    pub fn length(&self) -> usize {
        self.window.length()
    }
}

/// Beyond a billion dollars a value counts as a billion: then no square and no sum of
/// [`Deviation`] overflows, whatever its length.
const FAR: i64 = 1_000_000_000_000_000;

/// The mean and the standard deviation over a window, from exact sums: they neither drift nor lose
/// digits where the deviation is small beside the price.
#[derive(Debug, Clone)]
pub struct Deviation {
    window: Ring<i64>,
    sum: i128,
    squares: i128,
}

/// What [`Deviation`] says of the newest value and the window that ends with it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The mean, USD.
    pub mean: f64,
    /// The standard deviation of the population (divided by the number of values), USD.
    pub deviation: f64,
    /// The newest value's distance from the mean in standard deviations; 0 where nothing moved.
    pub score: f64,
}

impl Deviation {
    /// The longest window.
    pub const LONGEST: usize = 10_000;

    /// Over `length` values (1 to [`Deviation::LONGEST`]).
    pub fn new(length: usize) -> Self {
        Self { window: Ring::new(length.min(Self::LONGEST)), sum: 0, squares: 0 }
    }

    /// Takes a value in (USD); what the window then is, once it is full.
    #[inline]
    pub fn push(&mut self, value: f64) -> Option<Spread> {
        let new = micros(value).clamp(-FAR, FAR);
        let old = self.window.push(new).unwrap_or(0);
        let (newest, left) = (i128::from(new), i128::from(old));
        self.sum += newest - left;
        self.squares += newest * newest - left * left;
        if !self.window.is_full() {
            return None;
        }
        let (root, scale) = (self.root(), self.scale());
        let distance = (self.window.length() as i128 * newest - self.sum) as f64;
        let score = if root > 0.0 { distance / root } else { 0.0 };
        Some(Spread { mean: self.sum as f64 / scale, deviation: root / scale, score })
    }

    /// The mean and the standard deviation of the window as it is, USD, once it is full.
    pub fn window(&self) -> Option<(f64, f64)> {
        self.window.is_full().then(|| (self.sum as f64 / self.scale(), self.root() / self.scale()))
    }

    /// n times the deviation, in millionths: the root of a whole number.
    #[inline]
    fn root(&self) -> f64 {
        ((self.window.length() as i128 * self.squares - self.sum * self.sum) as f64).sqrt()
    }

    /// n dollars in millionths.
    #[inline]
    fn scale(&self) -> f64 {
        self.window.length() as f64 * 1e6
    }
}

/// The rate of change over a number of bars.
#[derive(Debug, Clone)]
pub struct Change {
    window: Ring<f64>,
}

impl Change {
    /// Over `length` bars (at least 1).
    pub fn new(length: usize) -> Self {
        Self { window: Ring::new(length) }
    }

    /// Takes a price in; its change since the price `length` bars before, in percent. 0 where that
    /// price was none.
    #[inline]
    pub fn push(&mut self, price: f64) -> Option<f64> {
        let before = self.window.push(price)?;
        #[allow(clippy::float_cmp, reason = "only zero itself cannot be divided by")]
        let none = before == 0.0;
        Some(if none { 0.0 } else { 100.0 * (price - before) / before })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_moving_sum_is_exact(cents in prop::collection::vec(1_u32..1_000_000, 1..200), length in 1_usize..30) {
            let mut sum = MovingSum::new(length);
            for (index, cent) in cents.iter().enumerate() {
                let total = sum.push(f64::from(*cent) / 100.0);
                let full = index + 1 >= length;
                let window = &cents[(index + 1).saturating_sub(length)..=index];
                let exact: i128 = window.iter().map(|c| i128::from(*c) * 10_000).sum();
                prop_assert_eq!(total, full.then_some(exact));
            }
        }

        #[test]
        fn means_are_as_far_apart_as_two_sums_say(
            prices in prop::collection::vec(prop_oneof![0.01..1e4, 1e12..1e15_f64], 1..200),
            few in 1_usize..20,
            more in 1_usize..20,
        ) {
            let many = few + more;
            let (mut fast, mut slow, mut means) = (MovingSum::new(few), MovingSum::new(many), MeansApart::new(few, many));
            for price in prices {
                let sums = (fast.push(price), slow.push(price));
                let apart = sums.0.zip(sums.1).map(|(fast, slow)| fast * many as i128 - slow * few as i128);
                prop_assert_eq!(means.push(price), apart);
                prop_assert_eq!(means.means(), [fast.mean(), slow.mean()]);
            }
            prop_assert_eq!((means.length(), means.micro()), (many, (few * many) as i128));
        }

        #[test]
        fn millionths_round_as_the_library_does(price in prop_oneof![-1e4..1e4, -1e15..1e15, 4.6e9..9e9, -1e-5..1e-5_f64]) {
            prop_assert_eq!(micros(price), (price * 1e6).round() as i64);
        }
    }

    #[test]
    fn millionths_of_the_strangest_numbers_are_the_librarys() {
        let small = [0.0, -0.0, 5e-7, -5e-7, 4.999_999_999_999_999e-7, 1.5e-6];
        let large = [1e13, f64::MAX, f64::MIN, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
        // An odd number of millionths beyond 2^52.
        let odd = [4_503_599_627.370_497, -4_503_599_627.370_497];
        for price in small.into_iter().chain(large).chain(odd) {
            assert_eq!(micros(price), (price * 1e6).round() as i64, "{price}");
        }
    }

    #[test]
    fn a_deviation_keeps_its_digits_for_ever() {
        let mut spread = Deviation::new(4);
        // A million values a thousand times as large as the deviation that is asked for after them.
        for index in 0..1_000_000 {
            spread.push(900_000.0 + f64::from(index % 7) * 1_000.0);
        }
        let last = [10.0, 12.0, 14.0, 16.0].map(|value| spread.push(value))[3].unwrap();
        let near = |is: f64, should_be: f64| (is - should_be).abs() < 1e-14;
        assert!(near(last.mean, 13.0) && near(last.deviation, 5_f64.sqrt()), "{last:?}");
        assert!(near(last.score, 3.0 / 5_f64.sqrt()), "{last:?}");
        assert_eq!([7.0; 4].map(|value| spread.push(value))[3].unwrap().score, 0.0);
    }

    #[test]
    fn the_farthest_values_overflow_nothing() {
        let mut spread = Deviation::new(Deviation::LONGEST);
        let last = (0..Deviation::LONGEST).filter_map(|i| spread.push(if i % 2 == 0 { 1e300 } else { -1e300 })).last();
        assert_eq!(last, Some(Spread { mean: 0.0, deviation: 1e9, score: -1.0 }));
    }
}
