//! What the metrics are called, in what unit they are and how they are computed: one table for the
//! terminal, the report and `docs/metrics.md`.

use super::Metrics;

/// How a metric is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A fraction, written in percent.
    Percent,
    /// A plain number, two decimals.
    Ratio,
    /// Money, USD.
    Usd,
    /// Calendar days.
    Days,
    /// Years.
    Years,
    /// Decision bars.
    Bars,
    /// How many.
    Count,
    /// A multiple of equity.
    Times,
}

impl Unit {
    /// A value with its unit; a fraction, an amount and so on, as the metric has it.
    pub fn show(self, value: f64) -> String {
        // No "-0.00": what is nothing when written is written without a sign.
        let fixed = |value: f64, decimals: usize| {
            let text = format!("{value:.decimals$}");
            let nothing = text.chars().all(|c| matches!(c, '-' | '0' | '.'));
            if nothing { text.trim_start_matches('-').to_owned() } else { text }
        };
        match self {
            Self::Percent => format!("{} %", fixed(value * 100.0, 2)),
            Self::Ratio => fixed(value, 2),
            Self::Usd => format!("{} USD", grouped(&fixed(value, 2))),
            Self::Days => format!("{} days", fixed(value, 1)),
            Self::Years => format!("{} years", fixed(value, 2)),
            Self::Bars => format!("{} bars", fixed(value, 1)),
            Self::Count => grouped(&fixed(value, 0)),
            Self::Times => format!("{} x", fixed(value, 2)),
        }
    }

    /// Its word in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Percent => "fraction",
            Self::Ratio => "number",
            Self::Usd => "USD",
            Self::Days => "days",
            Self::Years => "years",
            Self::Bars => "bars",
            Self::Count => "count",
            Self::Times => "x equity",
        }
    }
}

/// Thousands set apart by commas: `-1234567.50` becomes `-1,234,567.50`.
pub fn grouped(number: &str) -> String {
    let (sign, rest) = number.strip_prefix('-').map_or(("", number), |rest| ("-", rest));
    let (whole, decimals) = rest.split_once('.').map_or((rest, None), |(whole, decimals)| (whole, Some(decimals)));
    let mut text = sign.to_owned();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if let Some(decimals) = decimals {
        text.push('.');
        text.push_str(decimals);
    }
    text
}

/// A metric's row.
#[derive(Debug, Clone, Copy)]
pub struct Word {
    /// Its field in [`Metrics`] and its key in `summary.json`.
    pub key: &'static str,
    /// Its name for people.
    pub label: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// How it is computed and when it is unknown.
    pub formula: &'static str,
}

const fn word(key: &'static str, label: &'static str, unit: Unit, formula: &'static str) -> Word {
    Word { key, label, unit, formula }
}

/// All of them, in the order of [`Metrics`].
pub const WORDS: [Word; 45] = [
    word(
        "risk_free",
        "Riskless return",
        Unit::Percent,
        "R, as told (--risk-free, else 0), a year; r = (1 + R)^(1/252) - 1 a day",
    ),
    word("years", "Calendar time", Unit::Years, "T = (end - first open) / 365.25 days; unknown without bars"),
    word("days", "Exchange days", Unit::Count, "n, days with at least one bar"),
    word("net_profit", "Net profit", Unit::Usd, "final equity - cash; open positions at their last prices"),
    word("total_return", "Total return", Unit::Percent, "final equity / cash - 1; unknown without cash"),
    word(
        "annual_return",
        "Annual return",
        Unit::Percent,
        "(final equity / cash)^(1/T) - 1; unknown under 30 calendar days or with a debt",
    ),
    word(
        "annual_volatility",
        "Volatility",
        Unit::Percent,
        "s sqrt(252), s = sqrt(sum (r_t - mean)^2 / (n - 1)), r_t = E_t / E_(t-1) - 1, E_0 = cash; unknown under 2 days",
    ),
    word(
        "sharpe",
        "Sharpe ratio",
        Unit::Ratio,
        "(mean r_t - r) / s x sqrt(252); unknown under 2 days or where returns do not differ",
    ),
    word(
        "sortino",
        "Sortino ratio",
        Unit::Ratio,
        "(mean r_t - r) / sqrt(mean min(0, r_t - r)^2) x sqrt(252); unknown where no day falls short",
    ),
    word("calmar", "Calmar ratio", Unit::Ratio, "annual return / max drawdown; unknown without either"),
    word(
        "probabilistic_sharpe",
        "Probabilistic Sharpe",
        Unit::Percent,
        "Phi(S sqrt(n - 1) / sqrt(1 - g3 S + (g4 - 1) / 4 S^2)), S = daily Sharpe ratio: probability that the true one is above 0",
    ),
    word("skew", "Skew", Unit::Ratio, "g3 = m3 / m2^(3/2) of daily returns, moments over n; unknown under 3 days"),
    word("kurtosis", "Kurtosis", Unit::Ratio, "g4 = m4 / m2^2 of daily returns, normal: 3; unknown under 4 days"),
    word(
        "max_drawdown",
        "Max drawdown",
        Unit::Percent,
        "largest (H - E) / H over every decision bar, H = highest E so far",
    ),
    word("max_drawdown_usd", "Max drawdown, money", Unit::Usd, "largest H - E, not necessarily at the same time"),
    word(
        "longest_drawdown_days",
        "Longest drawdown",
        Unit::Days,
        "longest time from a high to the next as high, or to the end; calendar days",
    ),
    word(
        "value_at_risk",
        "Value at risk 95 %",
        Unit::Percent,
        "-(k-th worst daily return), k = n / 20 rounded up; unknown under 20 days",
    ),
    word(
        "expected_shortfall",
        "Expected shortfall 95 %",
        Unit::Percent,
        "-(mean of the k worst daily returns); unknown under 20 days (CVaR)",
    ),
    word("best_day", "Best day", Unit::Percent, "largest r_t"),
    word("worst_day", "Worst day", Unit::Percent, "smallest r_t"),
    word("trades", "Round trips", Unit::Count, "closed, from flat to flat or through zero"),
    word("wins", "Wins", Unit::Count, "profit after fees above 0"),
    word("losses", "Losses", Unit::Count, "profit after fees below 0"),
    word("win_rate", "Win rate", Unit::Percent, "wins / round trips"),
    word("profit_factor", "Profit factor", Unit::Ratio, "sum of wins / -(sum of losses); unknown without losses"),
    word(
        "expectancy",
        "Expectancy",
        Unit::Ratio,
        "average trade / -(average loss): what a dollar at risk brings; unknown without losses",
    ),
    word("average_trade", "Average trade", Unit::Usd, "sum of profits after fees / round trips"),
    word("average_trade_return", "Average trade return", Unit::Percent, "mean of profit / (entry price x shares)"),
    word("average_win", "Average win", Unit::Usd, "sum of wins / wins"),
    word("average_loss", "Average loss", Unit::Usd, "sum of losses / losses, below 0"),
    word("largest_win", "Largest win", Unit::Usd, "largest profit above 0"),
    word("largest_loss", "Largest loss", Unit::Usd, "smallest profit below 0"),
    word("average_bars_held", "Average bars held", Unit::Bars, "mean decision bars from entry to exit"),
    word("turnover", "Turnover", Unit::Times, "everything bought and sold / mean of E at days' ends"),
    word("annual_turnover", "Turnover a year", Unit::Times, "turnover / T; unknown under 30 calendar days"),
    word("exposure", "Time in the market", Unit::Percent, "instants at which anything is held / instants"),
    word(
        "average_leverage",
        "Average leverage",
        Unit::Times,
        "mean of exposure / E over instants; exposure = sum of |positions| at last prices",
    ),
    word("max_leverage", "Max leverage", Unit::Times, "largest exposure / E"),
    word("fees", "Fees", Unit::Usd, "of all fills"),
    word(
        "slippage",
        "Slippage and spread",
        Unit::Usd,
        "what fills cost against the prices without slippage and spread",
    ),
    word(
        "benchmark_return",
        "Benchmark return",
        Unit::Percent,
        "equal parts of the symbols bought at their first open and held: last worth / cash - 1",
    ),
    word(
        "benchmark_annual_return",
        "Benchmark a year",
        Unit::Percent,
        "(last worth / cash)^(1/T) - 1; unknown under 30 calendar days",
    ),
    word(
        "alpha",
        "Alpha",
        Unit::Percent,
        "252 x (mean (r_t - r) - beta x mean (b_t - r)), a year, not compounded; unknown under 3 days",
    ),
    word(
        "beta",
        "Beta",
        Unit::Ratio,
        "covariance(r_t, b_t) / variance(b_t), b_t = the benchmark's daily return; unknown under 3 days",
    ),
    word(
        "correlation",
        "Correlation",
        Unit::Ratio,
        "covariance(r_t, b_t) / (deviation of r_t x deviation of b_t); unknown under 3 days",
    ),
];

/// What an unknown value is written as.
pub const UNKNOWN: &str = "unknown";

/// A value with its unit, or the word for none.
pub fn shown(unit: Unit, value: Option<f64>) -> String {
    value.filter(|value| value.is_finite()).map_or_else(|| UNKNOWN.to_owned(), |value| unit.show(value))
}

/// Every metric's row and value, in order.
pub fn values(metrics: &Metrics) -> Vec<(Word, Option<f64>)> {
    // The table and the fields are held together by a test; numbers and nulls always serialize.
    let fields = serde_json::to_value(metrics).unwrap_or_default();
    WORDS.iter().map(|word| (*word, fields.get(word.key).and_then(serde_json::Value::as_f64))).collect()
}

/// One metric's label and text by its key.
pub fn text_of(metrics: &Metrics, key: &str) -> (&'static str, String) {
    let found = values(metrics).into_iter().find(|(word, _)| word.key == key);
    found.map_or((UNKNOWN, UNKNOWN.to_owned()), |(word, value)| (word.label, shown(word.unit, value)))
}

/// The table of `docs/metrics.md`.
pub fn markdown() -> String {
    let rows = WORDS.iter().map(|word| {
        format!("| `{}` | {} | {} | {} |\n", word.key, word.label, word.unit.as_str(), word.formula.replace('|', "\\|"))
    });
    format!("| key | name | unit | formula |\n|---|---|---|---|\n{}", rows.collect::<String>())
}
