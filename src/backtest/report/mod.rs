//! The report for people: one HTML file, charts drawn here, nothing asked of anybody.
//!
//! [`page`], [`table`] and [`svg`] are also what a sweep's report is made of.

use super::metrics::Metrics;
use super::metrics::words::{self, UNKNOWN, Unit, grouped};
use super::outcome::Outcome;

mod charts;
mod curves;
pub mod html;
mod months;
pub mod scale;
pub mod svg;
mod trades;

#[cfg(test)]
pub(in crate::backtest) mod sample_tests;
#[cfg(test)]
mod tests;

pub use html::{Card, Cell, Section, cards, escape, page, table};

/// The figures that are read first.
const KEY_FIGURES: [&str; 15] = [
    "total_return",
    "annual_return",
    "sharpe",
    "sortino",
    "max_drawdown",
    "longest_drawdown_days",
    "annual_volatility",
    "calmar",
    "probabilistic_sharpe",
    "trades",
    "win_rate",
    "profit_factor",
    "average_trade",
    "exposure",
    "fees",
];

/// Of these, those whose sign is good or bad.
const SIGNED: [&str; 7] =
    ["net_profit", "total_return", "annual_return", "sharpe", "sortino", "calmar", "average_trade"];

/// Settings in the head at most.
const TAGS: usize = 14;

/// The whole report as HTML. It holds no timings: the same run gives the same report.
pub fn of(outcome: &Outcome, metrics: &Metrics) -> String {
    let mut sections = vec![
        Section::head(head(outcome)),
        Section::new("Key figures", key_figures(outcome, metrics)),
        Section::new("Equity and drawdown", curves::equity(outcome)),
        Section::new("Monthly returns", months::table(outcome)),
        Section::new("Exposure", curves::exposure(outcome)),
        Section::new("Daily returns", curves::daily_returns(outcome)),
        Section::new("Trades", trades::section(outcome)),
        Section::new("Prices and fills", charts::section(outcome)),
        Section::new("All metrics", all_metrics(metrics)),
        Section::new("Settings", settings(outcome)),
    ];
    if !outcome.refusals.is_empty() {
        let rows: Vec<Vec<Cell>> = outcome
            .refusals
            .iter()
            .map(|(reason, times)| vec![Cell::text(reason), Cell::number(grouped(&times.to_string()))])
            .collect();
        sections.push(Section::new("Entries refused", table(&["Reason", "Times"], &rows)));
    }
    page(&title(outcome), &sections)
}

/// Falls below the highest value so far (and the cash), as fractions, zero or below.
pub fn drawdowns(cash: f64, values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut high = cash;
    values
        .map(|value| {
            high = high.max(value);
            if high > 0.0 { value / high - 1.0 } else { 0.0 }
        })
        .collect()
}

/// A place for a chart where there is nothing to draw.
fn nothing(why: &str) -> String {
    format!("<p class=\"soft\">{}</p>\n", escape(why))
}

fn told<'a>(outcome: &'a Outcome, name: &str) -> Option<&'a str> {
    outcome.described.iter().find(|(told, _)| told.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

fn title(outcome: &Outcome) -> String {
    told(outcome, "strategy").map_or_else(|| "Backtest".to_owned(), |strategy| format!("Backtest of {strategy}"))
}

fn head(outcome: &Outcome) -> String {
    let span = outcome.span.map_or_else(
        || "no bars".to_owned(),
        |(from, until)| format!("{} to {}", from.utc().format("%Y-%m-%d"), until.utc().format("%Y-%m-%d")),
    );
    let symbols: Vec<&str> = outcome.symbols.iter().map(crate::domain::Symbol::as_str).collect();
    let shown = symbols.get(..12.min(symbols.len())).unwrap_or_default().join(", ");
    let more = symbols.len().saturating_sub(12);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let shown = if symbols.is_empty() { "no symbols".to_owned() } else { shown };
    let others = outcome.described.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("strategy"));
    let hidden = others.clone().count().saturating_sub(TAGS);
    let hidden =
        if hidden > 0 { format!("<li class=\"soft\">{hidden} more under Settings</li>") } else { String::new() };
    let tags: String =
        others.take(TAGS).map(|(name, value)| format!("<li><b>{}</b>{}</li>", escape(name), escape(value))).collect();
    let warnings = html::read_first(&outcome.warnings);
    format!(
        "<h1>{}</h1>\n<p class=\"soft\">{} &middot; {} &middot; {} bars of {}</p>\n<ul class=\"tags\">{tags}{hidden}</ul>\n{warnings}",
        escape(&title(outcome)),
        escape(&format!("{shown}{more}")),
        escape(&span),
        grouped(&outcome.bars.to_string()),
        escape(&outcome.sizes_in_words()),
    )
}

fn key_figures(outcome: &Outcome, metrics: &Metrics) -> String {
    let values = words::values(metrics);
    let profit = (outcome.final_equity - outcome.cash).to_f64();
    let equity = Unit::Usd.show(outcome.final_equity.to_f64());
    let mut all = vec![Card { label: "Final equity".to_owned(), text: equity, sign: Some(profit) }];
    for (word, value) in KEY_FIGURES.iter().filter_map(|key| values.iter().find(|(word, _)| word.key == *key)) {
        let sign = value.filter(|_| SIGNED.contains(&word.key));
        all.push(Card { label: word.label.to_owned(), text: words::shown(word.unit, *value), sign });
    }
    let benchmark = metrics.benchmark_return.map_or_else(|| UNKNOWN.to_owned(), |value| Unit::Percent.show(value));
    all.push(Card { label: "Benchmark return".to_owned(), text: benchmark, sign: metrics.benchmark_return });
    let open = if outcome.open_positions == 0 {
        String::new()
    } else {
        format!("<p class=\"note\">Still open at the end, at the last prices: {}.</p>\n", outcome.open_positions)
    };
    format!("{}{open}", cards(&all))
}

fn all_metrics(metrics: &Metrics) -> String {
    let rows: String = words::values(metrics)
        .iter()
        .map(|(word, value)| {
            format!(
                "<tr><td class=\"name\">{}</td><td class=\"n{}\">{}</td><td class=\"formula\">{}</td></tr>\n",
                escape(word.label),
                if value.is_some() { "" } else { " none" },
                escape(&words::shown(word.unit, *value)),
                escape(word.formula),
            )
        })
        .collect();
    format!(
        "<p class=\"note\">E is equity (cash and positions at the last prices), r_t the return of exchange day t by E at \
         its last bar. Phi is the cumulative normal distribution.</p>\n<div class=\"scroll\"><table>\n<thead><tr><th>Metric</th>\
         <th class=\"n\">Value</th><th>Formula</th></tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n"
    )
}

fn settings(outcome: &Outcome) -> String {
    let count = |number: u64| Cell::number(grouped(&number.to_string()));
    let told: Vec<Vec<Cell>> =
        outcome.described.iter().map(|(name, value)| vec![Cell::text(name), Cell::text(value)]).collect();
    let counts = [
        ("Bars", outcome.bars),
        ("Orders", outcome.orders),
        ("Fills", outcome.fills),
        ("Entries refused", outcome.refusals.values().sum()),
        ("Ambiguous bars (the stop was taken)", outcome.ambiguous),
        ("Open positions", u64::from(outcome.open_positions)),
    ];
    let mut rows: Vec<Vec<Cell>> =
        counts.into_iter().map(|(name, number)| vec![Cell::text(name), count(number)]).collect();
    for (name, amount) in [
        ("Cash at the beginning", outcome.cash),
        ("Realized, before fees", outcome.realized),
        ("Unrealized", outcome.unrealized),
        ("Fees", outcome.fees),
        ("Final equity", outcome.final_equity),
    ] {
        rows.push(vec![Cell::text(name), Cell::value(Unit::Usd, Some(amount.to_f64()))]);
    }
    format!(
        "<div class=\"two\"><div><h3>What the run was told</h3>{}</div><div><h3>What happened</h3>{}</div></div>\n",
        table(&["Setting", "Value"], &told),
        table(&["Count", "Value"], &rows)
    )
}
