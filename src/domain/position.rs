//! Positions: lots, first in first out.
