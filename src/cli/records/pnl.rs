//! Profit and loss by day, week, month or in all: what the facts of each period changed in the book.

use std::collections::BTreeMap;

use chrono::{Datelike, Days, NaiveDate};
use clap::ValueEnum;
use serde_json::{Value, json};

use super::SpanArgs;
use super::listing::{Column, Listing, left, right};
use super::lists::cents;
use super::source::Source;
use super::trips::Trips;
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
    /// Round trips that brought more than they cost.
    pub(in crate::cli) won: u64,
    /// Round trips of which a cost is not known yet: neither won nor lost.
    pub(in crate::cli) undecided: u64,
    pub(in crate::cli) turnover: Usd,
    /// Equity when its first exchange day began, where a day began in it.
    pub(in crate::cli) equity: Option<Usd>,
    /// Equity when the next period began, or now, less `equity` and what was paid in: open positions count. `None`
    /// where one of them is not known.
    pub(in crate::cli) equity_change: Option<Usd>,
    /// What had been paid in when `equity` was stated.
    pub(in crate::cli) paid_in: Usd,
    /// Only a part of it was asked about.
    pub(in crate::cli) is_cut: bool,
}

/// Replays the records and tells what each period of them changed, of one symbol or of all.
pub(in crate::cli) fn by_period(
    source: &Source,
    by: Period,
    wanted: impl Fn(&Record) -> bool,
) -> BTreeMap<NaiveDate, Figures> {
    let now = source.daemon.as_ref().and_then(|status| status["desk"]["equity_usd"].as_str()?.parse().ok());
    added_up(&source.records, |record| by.of(source.calendar.date_of(record.at)), wanted, now)
}

/// The same of records; `of` gives the period of one, `now` is what the account is worth now.
fn added_up(
    records: &[Record],
    of: impl Fn(&Record) -> (NaiveDate, String),
    wanted: impl Fn(&Record) -> bool,
    now: Option<Usd>,
) -> BTreeMap<NaiveDate, Figures> {
    let (mut book, mut trips) = (Book::default(), Trips::default());
    let mut found: BTreeMap<NaiveDate, Figures> = BTreeMap::new();
    for record in records {
        let before = Before::of(&book, record);
        book.apply(record);
        let (first, name) = of(record);
        let is_wanted = wanted(record);
        let (realized, _, ended) = of_contract(&book, record.contract);
        trips.take(&book, record, realized - before.realized, ended - before.trips, is_wanted.then_some(first));
        if let Fact::Day(DayFact::Opened { equity, .. }) = &record.fact {
            closed(&mut found, Some(first), *equity, book.adjustments());
        }
        if is_wanted {
            let figures = found.entry(first).or_insert_with(|| Figures { name, ..Figures::default() });
            before.add_to(figures, &book, record);
        } else if let Some(figures) = found.get_mut(&first) {
            figures.is_cut = true;
        }
    }
    if let Some(now) = now {
        closed(&mut found, None, now, book.adjustments());
    }
    for (period, net) in trips.judged(&book) {
        if let Some(figures) = found.get_mut(&period) {
            figures.trips += 1;
            figures.won += u64::from(net.is_some_and(|net| net > Usd::ZERO));
            figures.undecided += u64::from(net.is_none());
        }
    }
    found.retain(|_, figures| figures.orders + figures.fills + figures.refusals > 0 || figures.equity.is_some());
    found
}

/// Equity at the beginning of another period (or now): that is what the one before it ended with.
fn closed(found: &mut BTreeMap<NaiveDate, Figures>, next: Option<NaiveDate>, equity: Usd, paid_in: Usd) {
    let Some((first, figures)) = found.iter_mut().next_back() else { return };
    if next == Some(*first) || figures.is_cut || figures.equity_change.is_some() {
        return;
    }
    figures.equity_change = figures.equity.map(|began| equity - began - (paid_in - figures.paid_in));
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

    fn add_to(self, figures: &mut Figures, book: &Book, record: &Record) {
        let counts = book.counts();
        figures.orders += counts.orders - self.counts.orders;
        figures.fills += counts.executions - self.counts.executions;
        figures.refusals += counts.refusals - self.counts.refusals;
        figures.incidents += counts.incidents - self.counts.incidents;
        let (realized, fees, _) = of_contract(book, record.contract);
        figures.realized += realized - self.realized;
        figures.fees += fees - self.fees;
        if let (Fact::Fill(FillFact::Executed { execution, .. }), true) =
            (&record.fact, counts.executions > self.counts.executions)
        {
            figures.turnover += execution.price * execution.quantity;
        }
        if let (Fact::Day(DayFact::Opened { equity, .. }), None) = (&record.fact, figures.equity) {
            figures.equity = Some(*equity);
            figures.paid_in = book.adjustments();
        }
    }
}

/// Everything added up.
pub(in crate::cli) fn totals<'a>(all: impl Iterator<Item = &'a Figures>) -> Figures {
    let mut sum = Figures { name: "in all".to_owned(), equity_change: Some(Usd::ZERO), ..Figures::default() };
    for one in all {
        sum.realized += one.realized;
        sum.fees += one.fees;
        sum.orders += one.orders;
        sum.fills += one.fills;
        sum.refusals += one.refusals;
        sum.incidents += one.incidents;
        sum.trips += one.trips;
        sum.won += one.won;
        sum.undecided += one.undecided;
        sum.turnover += one.turnover;
        sum.equity = sum.equity.or(one.equity);
        sum.equity_change = sum.equity_change.zip(one.equity_change).map(|(sum, one)| sum + one);
    }
    // Of nothing, nothing is known.
    sum.equity_change = sum.equity_change.filter(|_| sum.equity.is_some());
    sum
}

/// A period as an object.
pub(in crate::cli) fn row(figures: &Figures) -> Value {
    json!({
        "period": figures.name, "realized_usd": cents(figures.realized), "fees_usd": cents(figures.fees),
        "realized_net_usd": cents(figures.realized - figures.fees), "equity_change_usd": figures.equity_change.map(cents),
        "orders": figures.orders, "fills": figures.fills,
        "round_trips": figures.trips, "won": figures.won, "undecided": figures.undecided, "turnover_usd": cents(figures.turnover),
        "refusals": figures.refusals, "incidents": figures.incidents, "equity_at_start_usd": figures.equity.map(cents),
    })
}

const PNL: &[Column] = &[
    left("period", "period"),
    right("equity_change_usd", "equity change USD"),
    right("realized_net_usd", "realized net USD"),
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
        "in all: {} realized net ({} realized, {} fees)",
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
mod tests;
