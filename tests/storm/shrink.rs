//! The smallest trace that still fails: ever smaller pieces are left out while it does.

use super::play;
use super::step::Step;

/// Plays at most so many variations.
const TRIES: u32 = 6_000;

pub fn smallest(seed: u64, trace: Vec<Step>) -> Vec<Step> {
    let mut best = trace;
    let mut tries = 0;
    let mut piece = best.len().div_ceil(2);
    while piece >= 1 {
        let mut from = 0;
        let mut shorter = false;
        while from < best.len() && tries < TRIES {
            let to = (from + piece).min(best.len());
            let mut candidate = best.clone();
            candidate.drain(from..to);
            tries += 1;
            if play(seed, &candidate, false).0.is_err() {
                best = candidate;
                shorter = true;
            } else {
                from = to;
            }
        }
        if tries >= TRIES || (piece == 1 && !shorter) {
            break;
        }
        piece = if shorter && piece == 1 { 1 } else { (piece / 2).max(1) };
    }
    best
}
