//! `report`: a day, a week or a month by the journal, as text, JSON or one HTML page that needs nothing else.

mod html;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use chrono::NaiveDate;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::records::{self, Column, Figures, Period, Source, SourceArgs, left, right};
use crate::domain::book::{Book, Fact, Record};
use crate::runner::exit;

/// Flags of `report`.
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// How long a time it is about.
    #[arg(value_enum, default_value_t = Length::Day)]
    length: Length,
    /// A date in it; the newest fact's without it.
    #[arg(long, value_name = "DATE")]
    date: Option<NaiveDate>,
    /// The form.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The same as --format json.
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// The file; standard output without it.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Length {
    Day,
    Week,
    Month,
}

impl Length {
    fn period(self) -> Period {
        match self {
            Self::Day => Period::Day,
            Self::Week => Period::Week,
            Self::Month => Period::Month,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Html,
}

pub(super) fn main(args: &ReportArgs) -> ExitCode {
    let source = match args.source.open() {
        Ok(source) => source,
        Err(error) => {
            return super::refuse(args.json, &error, error.code());
        }
    };
    let report = Report::of(&source, args.length.period(), args.date);
    let text = match (args.format, args.json) {
        (Format::Json, _) | (_, true) => format!("{:#}", report.json(&source)),
        (Format::Text, false) => report.text(),
        (Format::Html, false) => html::page(&report),
    };
    match &args.out {
        None => super::say(&text),
        Some(path) => match crate::private_dir::write(path, (text + "\n").as_bytes()) {
            Ok(()) => super::say(&path.display()),
            Err(error) => {
                super::complain(&format_args!("{}: {error}; choose a file that can be written", path.display()));
                ExitCode::from(exit::USAGE)
            }
        },
    }
}

/// What is told.
struct Report {
    title: String,
    about: String,
    sum: Figures,
    days: Vec<Value>,
    symbols: Vec<Value>,
    held: Vec<Value>,
    fills: Vec<Value>,
    refusals: Vec<Value>,
    incidents: Vec<Value>,
    /// Equity when each of its days began.
    equity: Vec<f64>,
}

const DAYS: &[Column] = &[
    left("period", "day"),
    right("equity_change_usd", "equity change USD"),
    right("realized_net_usd", "realized net USD"),
    right("realized_usd", "realized USD"),
    right("fees_usd", "fees USD"),
    right("round_trips", "trips"),
    right("won", "won"),
    right("fills", "fills"),
    right("refusals", "refusals"),
    right("equity_at_start_usd", "equity before USD"),
];
const SYMBOLS: &[Column] = &[
    left("period", "symbol"),
    right("realized_net_usd", "realized net USD"),
    right("realized_usd", "realized USD"),
    right("fees_usd", "fees USD"),
    right("round_trips", "trips"),
    right("won", "won"),
    right("fills", "fills"),
    right("turnover_usd", "turnover USD"),
];
const HELD: &[Column] =
    &[left("symbol", "symbol"), right("quantity_shares", "shares"), right("average_price_usd", "average USD")];
const REFUSALS: &[Column] = &[left("name", "refusal"), left("symbol", "symbol"), right("times", "times")];

impl Report {
    fn of(source: &Source, period: Period, date: Option<NaiveDate>) -> Self {
        let day = date.unwrap_or_else(|| source.calendar.date_of(source.as_of()));
        let (first, name) = period.of(day);
        let within = |record: &Record| period.of(source.calendar.date_of(record.at)).0 == first;
        let by_day = records::by_period(source, Period::Day, within);
        let mut symbols: Vec<_> =
            source.records.iter().filter(|record| within(record)).filter_map(|r| r.symbol).collect();
        symbols.sort();
        symbols.dedup();
        let of_symbol = |symbol: crate::domain::Symbol| {
            let own = records::by_period(source, Period::All, |r| within(r) && r.symbol.as_ref() == Some(&symbol));
            let figures = Figures { name: symbol.to_string(), ..records::totals(own.values()) };
            (figures.orders + figures.fills > 0).then(|| records::figures_row(&figures))
        };
        let mut book = Book::default();
        let upto = source.records.iter().filter(|record| period.of(source.calendar.date_of(record.at)).0 <= first);
        upto.for_each(|record| book.apply(record));
        let taken = records::Taken::dates(source, |date| period.of(date).0 == first);
        let equity = by_day.values().filter_map(|figures| figures.equity).map(crate::domain::Usd::to_f64);
        Self {
            title: format!("robo-trader: {name}"),
            about: format!("account {} ({}), up to {}", source.ledger.account, source.ledger.venue, source.as_of()),
            sum: records::totals(by_day.values()),
            equity: equity.collect(),
            days: by_day.values().map(records::figures_row).collect(),
            symbols: symbols.into_iter().filter_map(of_symbol).collect(),
            held: held(&book),
            fills: records::fill_rows(source, &taken),
            incidents: records::incident_rows(source, &taken),
            refusals: refusals(source, within),
        }
    }

    /// Its tables with their headings.
    fn tables(&self) -> [(&'static str, &'static [Column], &[Value]); 6] {
        [
            ("Days", DAYS, &self.days),
            ("Symbols", SYMBOLS, &self.symbols),
            ("Held at its end", HELD, &self.held),
            ("Refusals", REFUSALS, &self.refusals),
            ("Incidents, lost sessions, locks", records::INCIDENTS, &self.incidents),
            ("Fills", records::FILLS, &self.fills),
        ]
    }

    fn headline(&self) -> String {
        let row = records::figures_row(&self.sum);
        let word = |key: &str| row[key].as_str().map_or_else(|| row[key].to_string(), str::to_owned);
        format!(
            "{} USD realized net ({} realized, {} fees), equity change {}; {} round trips, {} won; {} fills, {} orders, \
             {} refusals, {} incidents",
            word("realized_net_usd"),
            word("realized_usd"),
            word("fees_usd"),
            row["equity_change_usd"].as_str().map_or_else(|| "unknown".to_owned(), |usd| format!("{usd} USD")),
            word("round_trips"),
            word("won"),
            word("fills"),
            word("orders"),
            word("refusals"),
            word("incidents"),
        )
    }

    fn text(&self) -> String {
        let mut out = format!("{}\n{}\n{}\n", self.title, self.about, self.headline());
        for (title, columns, rows) in self.tables() {
            if !rows.is_empty() {
                out += &format!("\n{title}\n{}\n", records::table(columns, rows, false));
            }
        }
        out.trim_end().to_owned()
    }

    fn json(&self, source: &Source) -> Value {
        json!({
            "source": source.json(), "title": self.title, "in_all": records::figures_row(&self.sum), "days": self.days,
            "symbols": self.symbols, "held": self.held, "refusals": self.refusals, "incidents": self.incidents,
            "fills": self.fills,
        })
    }
}

fn held(book: &Book) -> Vec<Value> {
    let held = book.positions().filter(|(_, position)| !position.quantity().is_zero());
    let row = |(id, position): (crate::domain::ContractId, &crate::domain::position::Position)| {
        json!({
            "symbol": records::name(book, id), "quantity_shares": position.quantity(),
            "average_price_usd": position.average_price().map(|price| price.rounded(4).normalized().to_string()),
        })
    };
    held.map(row).collect()
}

fn refusals(source: &Source, within: impl Fn(&Record) -> bool) -> Vec<Value> {
    let mut counted: BTreeMap<(&str, String), u64> = BTreeMap::new();
    for record in source.records.iter().filter(|record| within(record)) {
        if let Fact::Refused(refused) = &record.fact {
            let symbol = record.symbol.as_ref().map(ToString::to_string).unwrap_or_default();
            *counted.entry((refused.refusal.name(), symbol)).or_default() += 1;
        }
    }
    let row = |((name, symbol), times): ((&str, String), u64)| json!({"name": name, "symbol": symbol, "times": times});
    counted.into_iter().map(row).collect()
}
