//! Names that look like settings and are none: misspelt ones, and those of a predecessor.

use super::Source;
use super::table::TABLE;

/// How settings begin, in a `.env` file.
const OURS: &[&str] =
    &["RISK_", "DATA_", "IBKR_", "EXECUTION_", "CIRCUIT_", "BACKOFF_", "PROBE_", "LOG_", "ORDER_", "STRATEGY"];

/// How settings begin that nothing else in an environment is called like.
const OURS_ALONE: &[&str] = &["RISK_", "IBKR_", "EXECUTION_"];

/// The line for people about a name that is no setting; `None` where nobody meant one.
pub(super) fn complaint(name: &str, source: &Source) -> Option<String> {
    let prefixes = match source {
        Source::DotEnv(_) => OURS,
        Source::Environment => OURS_ALONE,
        Source::Default | Source::File(_) | Source::Flag(_) | Source::Simulator | Source::Backtest => return None,
    };
    let upper = name.to_ascii_uppercase();
    prefixes.iter().any(|prefix| upper.starts_with(prefix)).then(|| {
        let nearest = nearest(&upper);
        format!("{source}: {name} is no setting and changes nothing; the nearest name is {nearest}")
    })
}

fn nearest(name: &str) -> &'static str {
    TABLE.iter().map(|spec| spec.name).min_by_key(|known| distance(name, known)).unwrap_or_default()
}

/// Letters to insert, remove or replace to make one text from the other.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (above, a) in from.chars().enumerate() {
        let mut corner = above;
        let mut left = above + 1;
        row[0] = left;
        for (cell, b) in row.iter_mut().skip(1).zip(to.chars()) {
            let best = (corner + usize::from(a != b)).min(left + 1).min(*cell + 1);
            corner = *cell;
            *cell = best;
            left = best;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_letters() {
        for (from, to, letters) in [("", "abc", 3), ("abc", "abc", 0), ("kitten", "sitting", 3), ("ab", "ba", 2)] {
            assert_eq!((distance(from, to), distance(to, from)), (letters, letters), "{from} {to}");
        }
    }

    #[test]
    fn a_misspelt_name_is_told_with_the_nearest_and_a_stranger_is_not() {
        let file = Source::DotEnv("a/.env".into());
        let line = complaint("RISK_MAX_LEVERAGES", &file).unwrap();
        assert!(line.contains("a/.env") && line.ends_with("RISK_MAX_LEVERAGE"), "{line}");
        assert!(complaint("LOG_LEVLE", &file).unwrap().ends_with("LOG_LEVEL"));
        assert_eq!(complaint("LOG_LEVLE", &Source::Environment), None, "others log, too");
        assert!(complaint("IBKR_PROT", &Source::Environment).unwrap().ends_with("IBKR_PORT"));
        assert_eq!(complaint("PATH", &file), None);
    }
}
