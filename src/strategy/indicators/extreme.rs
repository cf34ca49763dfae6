//! Highest and lowest of a window.

use std::collections::VecDeque;

/// Highest or lowest of the last bars, by a monotonic queue.
#[derive(Debug, Clone)]
pub struct Extreme {
    length: usize,
    seen: usize,
    highest: bool,
    queue: VecDeque<(usize, f64)>,
}

impl Extreme {
    /// The highest of `length` values.
    pub fn highest(length: usize) -> Self {
        Self { length: length.max(1), seen: 0, highest: true, queue: VecDeque::new() }
    }

    /// The lowest of `length` values.
    pub fn lowest(length: usize) -> Self {
        Self { highest: false, ..Self::highest(length) }
    }

    /// The extreme of the values so far in the window, once it is full.
    pub fn value(&self) -> Option<f64> {
        if self.seen < self.length { None } else { self.queue.front().map(|(_, value)| *value) }
    }

    /// Takes a value in.
    pub fn push(&mut self, value: f64) {
        let beaten = |old: f64| if self.highest { old <= value } else { old >= value };
        while self.queue.back().is_some_and(|(_, old)| beaten(*old)) {
            self.queue.pop_back();
        }
        self.queue.push_back((self.seen, value));
        self.seen += 1;
        while self.queue.front().is_some_and(|(index, _)| index + self.length < self.seen) {
            self.queue.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn extremes_agree_with_their_definition(
            cents in prop::collection::vec(1_u32..1_000_000, 1..200), length in 1_usize..30,
        ) {
            let prices: Vec<f64> = cents.iter().map(|c| f64::from(*c) / 100.0).collect();
            let (mut high, mut low) = (Extreme::highest(length), Extreme::lowest(length));
            for (index, price) in prices.iter().enumerate() {
                high.push(*price);
                low.push(*price);
                let full = index + 1 >= length;
                let window = &prices[(index + 1).saturating_sub(length)..=index];
                prop_assert_eq!(high.value(), window.iter().copied().reduce(f64::max).filter(|_| full));
                prop_assert_eq!(low.value(), window.iter().copied().reduce(f64::min).filter(|_| full));
            }
        }
    }
}
