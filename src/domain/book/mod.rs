//! The book: facts, and what they add up to.
