//! The name of a ledger.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// Letters of a ledger's id.
const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// A ledger's id: 8 letters and digits, drawn from a seed.
pub fn ledger_id(seed: u64) -> String {
    let mut random = SmallRng::seed_from_u64(seed);
    (0..8).map(|_| char::from(LETTERS[random.random_range(0..LETTERS.len())])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_id_is_a_function_of_its_seed_and_fits_an_order_reference() {
        assert_eq!(ledger_id(7), ledger_id(7));
        assert_ne!(ledger_id(7), ledger_id(8));
        let reference = format!("rt-{}-{}", ledger_id(7), u64::MAX);
        assert!(reference.parse::<crate::domain::OrderRef>().is_ok() && reference.len() <= 40);
    }
}
