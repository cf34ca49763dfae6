//! Round trips: what each of them brought, by the fills it was made of.

use std::collections::BTreeMap;
use std::ops::Range;

use chrono::NaiveDate;

use crate::domain::book::{Book, Fact, FillFact, Record};
use crate::domain::{ContractId, Usd};

/// What a contract had when its latest round trip ended.
#[derive(Debug, Clone, Copy, Default)]
struct Before {
    realized: Usd,
    fills: usize,
}

/// A round trip that has ended.
#[derive(Debug)]
struct Trip {
    contract: ContractId,
    /// The period in which it ended; `None` where that is not asked about.
    period: Option<NaiveDate>,
    /// Fees not deducted.
    profit: Usd,
    /// Its places among the contract's fills.
    fills: Range<usize>,
}

/// Every round trip of a replay. All of them are followed, for each begins where the one before it has ended.
#[derive(Debug, Default)]
pub(super) struct Trips {
    before: BTreeMap<ContractId, Before>,
    ended: Vec<Trip>,
}

impl Trips {
    /// A record was applied to `book`; `changed` is by how much that moved its contract's realized profit, `ended`
    /// how many round trips ended by it.
    pub(super) fn take(&mut self, book: &Book, record: &Record, changed: Usd, ended: u64, period: Option<NaiveDate>) {
        let Some((contract, position)) = record.contract.and_then(|id| Some((id, book.position(id)?))) else { return };
        let (before, fills) = (self.before.entry(contract).or_default(), book.fills_in(contract));
        if ended > 0 {
            let trip = before.fills..fills.len();
            self.ended.push(Trip { contract, period, profit: position.realized - before.realized, fills: trip });
            *before = Before { realized: position.realized, fills: fills.len() };
        } else if let (Fact::Fill(FillFact::Executed { execution, .. }), true) = (&record.fact, changed != Usd::ZERO) {
            // A correction of a trip that has ended is that trip's, not that of the next one.
            let corrected = fills.iter().position(|fill| fill.execution.id.stem() == execution.id.stem());
            let of = |trip: &&mut Trip| {
                trip.contract == contract && corrected.is_some_and(|place| trip.fills.contains(&place))
            };
            if let Some(trip) = self.ended.iter_mut().find(of) {
                trip.profit += changed;
                before.realized += changed;
            }
        }
    }

    /// Those that count in a period, each with its profit less fees; `None` while a cost of it is not known.
    pub(super) fn judged(self, book: &Book) -> impl Iterator<Item = (NaiveDate, Option<Usd>)> {
        self.ended.into_iter().filter_map(move |trip| {
            let fills = book.fills_in(trip.contract).get(trip.fills)?;
            let fees: Option<Usd> = fills.iter().map(|fill| fill.commission).sum();
            Some((trip.period?, fees.map(|fees| trip.profit - fees)))
        })
    }
}
