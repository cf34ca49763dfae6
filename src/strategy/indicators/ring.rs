//! The last values of a series, in a fixed number of places.

/// A ring of the last `length` values. It grows with what it is given and no further, so that a
/// long one that is never filled costs nothing.
#[derive(Debug, Clone)]
pub(super) struct Ring<T> {
    values: Vec<T>,
    length: usize,
    /// Where the oldest value stands, once it is full.
    oldest: usize,
}

impl<T: Copy> Ring<T> {
    /// Of `length` values (at least 1).
    pub(super) fn new(length: usize) -> Self {
        Self { values: Vec::new(), length: length.max(1), oldest: 0 }
    }

    /// Takes a value in; the one whose place it takes, once all places are taken.
    #[inline]
    pub(super) fn push(&mut self, value: T) -> Option<T> {
        if self.values.len() < self.length {
            self.values.push(value);
            return None;
        }
        let left = std::mem::replace(&mut self.values[self.oldest], value);
        self.oldest += 1;
        if self.oldest == self.length {
            self.oldest = 0;
        }
        Some(left)
    }

    /// The value that was taken in so many pushes ago, 1 for the newest, at most as many as there are places.
    #[inline]
    pub(super) fn back(&self, pushes: usize) -> Option<T> {
        let newest = self.oldest + self.values.len();
        let place = newest.checked_sub(pushes)?;
        self.values.get(if place >= self.values.len() { place - self.values.len() } else { place }).copied()
    }

    /// Whether all places are taken.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.values.len() == self.length
    }

    /// Places.
    pub(super) fn length(&self) -> usize {
        self.length
    }
}
