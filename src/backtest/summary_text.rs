//! The summary for a terminal: warnings first, then figures in two columns.

use super::metrics::Metrics;
use super::metrics::words::{UNKNOWN, Unit, Word, grouped, shown, values};
use super::outcome::Outcome;

/// The figures worth a terminal's lines, by subject; the rest is in the files.
const SUBJECTS: [(&str, &[&str]); 4] = [
    (
        "Return",
        &[
            "net_profit",
            "total_return",
            "annual_return",
            "benchmark_return",
            "benchmark_annual_return",
            "alpha",
            "beta",
            "correlation",
        ],
    ),
    (
        "Risk",
        &[
            "annual_volatility",
            "sharpe",
            "sortino",
            "calmar",
            "probabilistic_sharpe",
            "max_drawdown",
            "max_drawdown_usd",
            "longest_drawdown_days",
            "value_at_risk",
            "expected_shortfall",
            "best_day",
            "worst_day",
        ],
    ),
    (
        "Trades",
        &[
            "trades",
            "win_rate",
            "profit_factor",
            "expectancy",
            "average_trade",
            "average_bars_held",
            "average_win",
            "average_loss",
            "largest_win",
            "largest_loss",
        ],
    ),
    ("Cost and use", &["fees", "slippage", "exposure", "max_leverage", "turnover", "annual_turnover"]),
];

/// Widths of a label and of a value.
const LABEL: usize = 23;
const VALUE: usize = 20;

/// Writes the summary, ending with a new line.
pub fn summary_text(outcome: &Outcome, metrics: &Metrics) -> String {
    let mut text = String::new();
    for warning in &outcome.warnings {
        text.push_str(&format!("WARNING: {warning}\n"));
    }
    if !outcome.warnings.is_empty() {
        text.push('\n');
    }
    text.push_str(&head(outcome));
    let values = values(metrics);
    for (subject, keys) in SUBJECTS {
        text.push_str(&format!("\n{subject}\n"));
        let cells: Vec<String> = keys.iter().filter_map(|key| cell(&values, key)).collect();
        for pair in cells.chunks(2) {
            text.push_str(format!("  {}", pair.join("   ")).trim_end());
            text.push('\n');
        }
    }
    text
}

fn cell(values: &[(Word, Option<f64>)], key: &str) -> Option<String> {
    let (word, value) = values.iter().find(|(word, _)| word.key == key)?;
    Some(format!("{:<LABEL$}{:>VALUE$}", word.label, shown(word.unit, *value)))
}

fn head(outcome: &Outcome) -> String {
    let count = |number: u64| grouped(&number.to_string());
    let span = outcome.span.map_or_else(|| UNKNOWN.to_owned(), |(from, until)| format!("{from} to {until}"));
    let refused: u64 = outcome.refusals.values().sum();
    let reasons: Vec<String> =
        outcome.refusals.iter().map(|(reason, times)| format!("{reason} {}", count(*times))).collect();
    let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
    let symbols: Vec<&str> = outcome.symbols.iter().take(8).map(crate::domain::Symbol::as_str).collect();
    let more = outcome.symbols.len().saturating_sub(symbols.len());
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let rate = outcome.run.as_secs_f64();
    let rate =
        if rate > 0.0 { format!("{} bars/s", count((outcome.bars as f64 / rate) as u64)) } else { UNKNOWN.to_owned() };
    format!(
        "Symbols       {}{more}\n\
         Bars          {} of {}, {span}\n\
         Equity        {} from {}, {} open\n\
         Orders        {}, {} fills; {} ambiguous bars\n\
         Refused       {} entries{reasons}\n\
         Time          {:.3} s to load, {:.3} s to run, {rate}\n",
        symbols.join(" "),
        count(outcome.bars),
        outcome.sizes_in_words(),
        Unit::Usd.show(outcome.final_equity.to_f64()),
        Unit::Usd.show(outcome.cash.to_f64()),
        plural(u64::from(outcome.open_positions), "position"),
        count(outcome.orders),
        count(outcome.fills),
        count(outcome.ambiguous),
        count(refused),
        outcome.load.as_secs_f64(),
        outcome.run.as_secs_f64(),
    )
}

fn plural(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(&number.to_string()), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backtest::report::sample_tests::{Sample, empty, played};

    #[test]
    fn warnings_come_first_and_what_is_unknown_says_so() {
        let mut outcome = empty();
        outcome.warnings = vec!["fills are optimistic".to_owned()];
        let text = summary_text(&outcome, &Metrics::of(&outcome, 0.0));
        assert!(text.starts_with("WARNING: fills are optimistic\n\nSymbols"), "{text}");
        let sharpe = text.lines().find(|line| line.contains("Sharpe ratio")).unwrap();
        assert!(sharpe.ends_with("Sharpe ratio                        unknown"), "{sharpe}");
        assert!(text.contains("Equity        100,000.00 USD from 100,000.00 USD, 0 positions open\n"), "{text}");
    }

    #[test]
    fn it_fits_a_terminal_and_its_columns_stand_under_each_other() {
        let outcome = played(&Sample { symbols: 4, days: 300, eagerness: 0.2, drift: 0.0 });
        let text = summary_text(&outcome, &Metrics::of(&outcome, 0.0));
        let cells: Vec<&str> = text.lines().filter(|line| line.starts_with("  ")).collect();
        assert!(cells.len() > 15 && cells.iter().all(|line| [45, 91].contains(&line.chars().count())), "{text}");
        let keys = SUBJECTS.iter().flat_map(|(_, keys)| keys.iter());
        assert!(keys.clone().all(|key| crate::backtest::metrics::words::WORDS.iter().any(|word| word.key == *key)));
    }
}
