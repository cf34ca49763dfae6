//! `positions`, `orders`, `fills`, `signals`, `pnl`, `incidents`: what the journal says, read beside the daemon that
//! writes it. Prices of now come from the daemon; with none running the journal alone speaks, and says so.

mod at_rest;
mod listing;
mod lists;
mod pnl;
mod source;
mod trips;
mod words;

use std::collections::BTreeSet;
use std::process::ExitCode;

use chrono::NaiveDate;
use clap::Args;

use crate::calendar::Calendar;
use crate::domain::{MarketTime, Symbol};
pub(super) use at_rest::{at_rest, lines};
use listing::Listing;
pub(super) use listing::{Column, left, right, table, words as shown};
pub(super) use lists::{FILLS, INCIDENTS, name};
pub(super) use pnl::{Figures, Period, by_period, row as figures_row, totals};
pub(super) use source::{Source, SourceArgs, SourceError, book_of, ledgers};
pub(super) use words::When;

/// Flags of every list.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Only this symbol.
    #[arg(long, value_name = "SYMBOL")]
    symbol: Option<Symbol>,
    /// Print everything as JSON.
    #[arg(long)]
    json: bool,
}

/// Flags of lists in time.
#[derive(Debug, Args)]
pub(super) struct RangeArgs {
    #[command(flatten)]
    list: ListArgs,
    #[command(flatten)]
    span: SpanArgs,
    /// The latest so many; 0 for all.
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

/// From when until when.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct SpanArgs {
    /// Not before: an instant (2026-11-24T15:00:00Z), a day (2026-11-24), or back from the newest fact (30m, 12h, 7d).
    #[arg(long, value_name = "WHEN")]
    since: Option<When>,
    /// Before: likewise.
    #[arg(long, value_name = "WHEN")]
    until: Option<When>,
}

impl SpanArgs {
    /// The bounds, where the newest fact is of `now`.
    pub(super) fn bounds(&self, now: MarketTime) -> (MarketTime, MarketTime) {
        let at = |when: Option<When>, otherwise| when.map_or(otherwise, |when| when.before(now));
        (at(self.since, MarketTime::MIN), at(self.until, MarketTime::MAX))
    }
}

/// Flags of `orders`.
#[derive(Debug, Args)]
pub(super) struct OrdersArgs {
    #[command(flatten)]
    range: RangeArgs,
    /// Only orders that may still trade.
    #[arg(long)]
    open: bool,
}

/// Flags of `pnl`.
#[derive(Debug, Args)]
pub(super) struct PnlArgs {
    #[command(flatten)]
    list: ListArgs,
    #[command(flatten)]
    span: SpanArgs,
    /// The length of a row.
    #[arg(value_enum, default_value_t = Period::Day)]
    by: Period,
    /// The latest so many; 0 for all.
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

pub(super) fn positions(args: &ListArgs) -> ExitCode {
    tell(args, usize::MAX, lists::positions)
}

pub(super) fn orders(args: &OrdersArgs) -> ExitCode {
    tell_range(&args.range, |source, take| lists::orders(source, args.open, take))
}

pub(super) fn fills(args: &RangeArgs) -> ExitCode {
    tell_range(args, lists::fills)
}

pub(super) fn signals(args: &RangeArgs) -> ExitCode {
    tell_range(args, lists::signals)
}

pub(super) fn incidents(args: &RangeArgs) -> ExitCode {
    tell_range(args, lists::incidents)
}

pub(super) fn pnl(args: &PnlArgs) -> ExitCode {
    let limit = if args.limit == 0 { usize::MAX } else { args.limit };
    tell(&args.list, limit, |source, symbol| pnl::listing(source, args.by, &args.span, symbol))
}

/// Executions in a time, as rows of `FILLS`.
pub(super) fn fill_rows(source: &Source, take: &Taken) -> Vec<serde_json::Value> {
    lists::fills(source, take).rows
}

/// Incidents in a time, as rows of `INCIDENTS`.
pub(super) fn incident_rows(source: &Source, take: &Taken) -> Vec<serde_json::Value> {
    lists::incidents(source, take).rows
}

/// What a list takes in.
pub(super) struct Taken {
    since: MarketTime,
    until: MarketTime,
    symbol: Option<Symbol>,
}

impl Taken {
    /// What lies within two dates, the second one included, by the market's calendar.
    pub(super) fn dates(source: &Source, within: impl Fn(NaiveDate) -> bool) -> Self {
        // Both ends by the exchange's own days.
        let dates: BTreeSet<NaiveDate> = source
            .records
            .iter()
            .map(|record| source.calendar.date_of(record.at))
            .filter(|date| within(*date))
            .collect();
        let open = |date: NaiveDate| Calendar::Always.nominal_session(date).open;
        let (first, last) = (dates.first().copied(), dates.last().copied());
        Self {
            since: first.map_or(MarketTime::MAX, open),
            until: last.map_or(MarketTime::MAX, |date| Calendar::Always.nominal_session(date).close),
            symbol: None,
        }
    }

    fn takes(&self, at: MarketTime, symbol: Option<&Symbol>) -> bool {
        self.since <= at && at < self.until && self.symbol.as_ref().is_none_or(|wanted| Some(wanted) == symbol)
    }
}

fn tell_range(args: &RangeArgs, make: impl FnOnce(&Source, &Taken) -> Listing) -> ExitCode {
    let limit = if args.limit == 0 { usize::MAX } else { args.limit };
    tell(&args.list, limit, |source, symbol| {
        let (since, until) = args.span.bounds(source.as_of());
        make(source, &Taken { since, until, symbol: symbol.cloned() })
    })
}

fn tell(args: &ListArgs, limit: usize, make: impl FnOnce(&Source, Option<&Symbol>) -> Listing) -> ExitCode {
    let source = match args.source.open() {
        Ok(source) => source,
        Err(error) => {
            return super::refuse(args.json, &error, error.code());
        }
    };
    source.say_if_alone();
    let mut listing = make(&source, args.symbol.as_ref());
    listing.keep_latest(limit);
    if args.json { super::say(&format!("{:#}", listing.json(&source))) } else { super::say(&listing.text(&source)) }
}
