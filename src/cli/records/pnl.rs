//! Profit and loss by day, week, month or in all: what the facts of each period changed in the book.

use std::collections::BTreeMap;

use chrono::{Datelike, Days, NaiveDate};
use clap::ValueEnum;
use serde_json::{Value, json};

use super::SpanArgs;
use super::listing::{Column, Listing, left, right};
use super::lists::cents;
use super::source::Source;
use crate::domain::book::{Book, DayFact, Fact, FillFact, Record};
use crate::domain::{ContractId, Symbol, Usd};

/// The length of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Period {
    /// An exchange day.
    Day,
    /// Monday to Sunday.
    Week,
    /// A calendar month.
    Month,
    /// Since the ledger began.
    All,
}

impl Period {
    /// The period of a date: its first day, and its name.
    pub(in crate::cli) fn of(self, date: NaiveDate) -> (NaiveDate, String) {
        let first = match self {
            Self::Day => date,
            Self::Week => date - Days::new(u64::from(date.weekday().num_days_from_monday())),
            Self::Month => date.with_day(1).unwrap_or(date),
            Self::All => NaiveDate::MIN,
        };
        let name = match self {
            Self::Day => first.to_string(),
            Self::Week => first.format("%G-W%V").to_string(),
            Self::Month => first.format("%Y-%m").to_string(),
            Self::All => "all".to_owned(),
        };
        (first, name)
    }
}

/// What happened in a period.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct Figures {
    pub(in crate::cli) name: String,
    pub(in crate::cli) realized: Usd,
    pub(in crate::cli) fees: Usd,
    pub(in crate::cli) orders: u64,
    pub(in crate::cli) fills: u64,
    pub(in crate::cli) refusals: u64,
    pub(in crate::cli) incidents: u64,
    pub(in crate::cli) trips: u64,
    pub(in crate::cli) won: u64,
    pub(in crate::cli) turnover: Usd,
    /// Equity when its first exchange day began, where a day began in it.
    pub(in crate::cli) equity: Option<Usd>,
}

/// Replays the records and tells what each period of them changed, of one symbol or of all.
pub(in crate::cli) fn by_period(
    source: &Source,
    by: Period,
    wanted: impl Fn(&Record) -> bool,
) -> BTreeMap<NaiveDate, Figures> {
    let mut book = Book::default();
    let mut settled: BTreeMap<ContractId, Usd> = BTreeMap::new();
    let mut found: BTreeMap<NaiveDate, Figures> = BTreeMap::new();
    for record in &source.records {
        let before = Before::of(&book, record);
        book.apply(record);
        if !wanted(record) {
            continue;
        }
        let (first, name) = by.of(source.calendar.date_of(record.at));
        let figures = found.entry(first).or_insert_with(|| Figures { name, ..Figures::default() });
        before.add_to(figures, &book, record, &mut settled);
    }
    found.retain(|_, figures| figures.orders + figures.fills + figures.refusals > 0 || figures.equity.is_some());
    found
}

/// What the book said before a fact.
struct Before {
    counts: crate::domain::book::Counts,
    realized: Usd,
    fees: Usd,
    trips: u64,
}

/// Realized profit, fees and round trips of one contract.
fn of_contract(book: &Book, contract: Option<ContractId>) -> (Usd, Usd, u64) {
    let position = contract.and_then(|id| book.position(id));
    position.map_or_else(Default::default, |held| (held.realized, held.fees, held.round_trips))
}

impl Before {
    fn of(book: &Book, record: &Record) -> Self {
        let (realized, fees, trips) = of_contract(book, record.contract);
        Self { counts: book.counts(), realized, fees, trips }
    }

    fn add_to(self, figures: &mut Figures, book: &Book, record: &Record, settled: &mut BTreeMap<ContractId, Usd>) {
        let counts = book.counts();
        figures.orders += counts.orders - self.counts.orders;
        figures.fills += counts.executions - self.counts.executions;
        figures.refusals += counts.refusals - self.counts.refusals;
        figures.incidents += counts.incidents - self.counts.incidents;
        let (realized, fees, trips) = of_contract(book, record.contract);
        figures.realized += realized - self.realized;
        figures.fees += fees - self.fees;
        if let (Fact::Fill(FillFact::Executed { execution, .. }), true) =
            (&record.fact, counts.executions > self.counts.executions)
        {
            figures.turnover += execution.price * execution.quantity;
        }
        if let (Some(contract), true) = (record.contract, trips > self.trips) {
            let former = settled.insert(contract, realized - fees).unwrap_or_default();
            figures.trips += trips - self.trips;
            figures.won += u64::from(realized - fees > former);
        }
        if let (Fact::Day(DayFact::Opened { equity, .. }), None) = (&record.fact, figures.equity) {
            figures.equity = Some(*equity);
        }
    }
}

/// Everything added up.
pub(in crate::cli) fn totals<'a>(all: impl Iterator<Item = &'a Figures>) -> Figures {
    let mut sum = Figures { name: "in all".to_owned(), ..Figures::default() };
    for one in all {
        sum.realized += one.realized;
        sum.fees += one.fees;
        sum.orders += one.orders;
        sum.fills += one.fills;
        sum.refusals += one.refusals;
        sum.incidents += one.incidents;
        sum.trips += one.trips;
        sum.won += one.won;
        sum.turnover += one.turnover;
        sum.equity = sum.equity.or(one.equity);
    }
    sum
}

/// A period as an object.
pub(in crate::cli) fn row(figures: &Figures) -> Value {
    json!({
        "period": figures.name, "realized_usd": cents(figures.realized), "fees_usd": cents(figures.fees),
        "net_usd": cents(figures.realized - figures.fees), "orders": figures.orders, "fills": figures.fills,
        "round_trips": figures.trips, "won": figures.won, "turnover_usd": cents(figures.turnover),
        "refusals": figures.refusals, "incidents": figures.incidents, "equity_at_start_usd": figures.equity.map(cents),
    })
}

const PNL: &[Column] = &[
    left("period", "period"),
    right("net_usd", "net USD"),
    right("realized_usd", "realized USD"),
    right("fees_usd", "fees USD"),
    right("round_trips", "trips"),
    right("won", "won"),
    right("fills", "fills"),
    right("orders", "orders"),
    right("refusals", "refusals"),
    right("equity_at_start_usd", "equity before USD"),
];

pub(super) fn listing(source: &Source, by: Period, span: &SpanArgs, symbol: Option<&Symbol>) -> Listing {
    let (since, until) = span.bounds(source.as_of());
    let wanted = |record: &Record| {
        since <= record.at && record.at < until && symbol.is_none_or(|wanted| record.symbol.as_ref() == Some(wanted))
    };
    let periods = by_period(source, by, wanted);
    let mut listing = Listing::new("pnl", PNL, periods.values().map(row).collect());
    let sum = totals(periods.values());
    let total = format!(
        "in all: {} net ({} realized, {} fees)",
        cents(sum.realized - sum.fees),
        cents(sum.realized),
        cents(sum.fees)
    );
    listing.also.push(("in_all", row(&sum), total));
    let desk = source.daemon.as_ref().map(|status| &status["desk"]);
    let said = |key: &str| desk.map_or(Value::Null, |desk| desk[key].clone());
    let now = json!({
        "equity_usd": said("equity_usd"), "unrealized_usd": said("unrealized_usd"), "day_pnl_usd": said("day_pnl_usd"),
    });
    let word = |key: &str| now[key].as_str().map_or_else(|| "unknown".to_owned(), |text| format!("{text} USD"));
    let line = format!(
        "now: equity {}, unrealized {}, this day {}",
        word("equity_usd"),
        word("unrealized_usd"),
        word("day_pnl_usd")
    );
    listing.also.push(("now", now, line));
    listing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_has_its_day_its_iso_week_and_its_month() {
        let date = NaiveDate::from_ymd_opt(2027, 1, 1).unwrap();
        let names: Vec<String> = [Period::Day, Period::Week, Period::Month, Period::All].map(|by| by.of(date).1).into();
        assert_eq!(names, ["2027-01-01", "2026-W53", "2027-01", "all"]);
    }
}
