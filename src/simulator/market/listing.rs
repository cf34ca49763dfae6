//! What the exchange lists, and when it trades.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{Datelike, Days, NaiveDate, Weekday};
use rust_decimal::Decimal;

use crate::calendar::{Calendar, Day};
use crate::domain::{Contract, ContractId, Hours, MarketTime, Price, PriceRule, Symbol, Window};

/// What the exchange lists.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// The contract. Its hours cover a week from the market time at which it was looked up.
    pub contract: Contract,
    /// The company's name.
    pub long_name: String,
    /// IBKR's word for the kind of stock (`COMMON`, `ETF`).
    pub stock_type: String,
}

/// Symbols that are funds; others pass for companies.
const FUNDS: [&str; 8] = ["SPY", "QQQ", "QLD", "IWM", "DIA", "VOO", "TLT", "GLD"];

/// Hours of trading before the regular session and after it (04:00 to 20:00 New York time).
pub(in crate::simulator) const BEFORE: Duration = Duration::from_secs(5 * 3_600 + 1_800);
/// See [`BEFORE`].
pub(in crate::simulator) const AFTER: Duration = Duration::from_secs(4 * 3_600);

/// Days that stated hours reach ahead, as IBKR's do.
const DAYS_AHEAD: u64 = 7;

/// The listed contracts.
#[derive(Debug, Default)]
pub(super) struct Listings {
    by_id: BTreeMap<ContractId, Listing>,
    ids: BTreeMap<Symbol, ContractId>,
}

impl Listings {
    /// The contract of a symbol, listed now if it was not, with its hours as of `at`.
    pub(super) fn list(&mut self, symbol: &Symbol, calendar: Calendar, at: MarketTime) -> &Listing {
        let id = match self.ids.get(symbol) {
            Some(id) => *id,
            None => self.free_id(symbol),
        };
        self.ids.insert(symbol.clone(), id);
        let listing = self.by_id.entry(id).or_insert_with(|| listing(id, symbol));
        listing.contract.liquid_hours = hours(calendar, at, Duration::ZERO, Duration::ZERO);
        listing.contract.trading_hours = hours(calendar, at, BEFORE, AFTER);
        listing
    }

    /// States the hours of everything listed as of `at`.
    pub(super) fn refresh(&mut self, calendar: Calendar, at: MarketTime) {
        let (liquid, trading) =
            (hours(calendar, at, Duration::ZERO, Duration::ZERO), hours(calendar, at, BEFORE, AFTER));
        for listing in self.by_id.values_mut() {
            listing.contract.liquid_hours = liquid.clone();
            listing.contract.trading_hours = trading.clone();
        }
    }

    /// The number of a symbol that is listed.
    pub(super) fn find(&self, symbol: &Symbol) -> Option<ContractId> {
        self.ids.get(symbol).copied()
    }

    /// Everything that is listed.
    pub(super) fn symbols(&self) -> impl Iterator<Item = &Symbol> {
        self.ids.keys()
    }

    pub(super) fn get(&self, id: ContractId) -> Option<&Listing> {
        self.by_id.get(&id)
    }

    /// A number that follows from the symbol, so that it is the same in every run; the next free
    /// one where another symbol has it.
    fn free_id(&self, symbol: &Symbol) -> ContractId {
        let hash = symbol
            .as_str()
            .bytes()
            .fold(0x811C_9DC5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        // Below 2^31, and above the order ids that it could be taken for.
        let mut id = ContractId(10_000_000 + i32::try_from(hash % 900_000_000).unwrap_or(0));
        while self.by_id.contains_key(&id) {
            id = ContractId(id.0 + 1);
        }
        id
    }
}

fn listing(id: ContractId, symbol: &Symbol) -> Listing {
    let fund = FUNDS.contains(&symbol.as_str());
    Listing {
        contract: Contract {
            id,
            symbol: symbol.clone(),
            security_type: "STK".into(),
            exchange: "SMART".into(),
            primary_exchange: if fund { "ARCA" } else { "NASDAQ" }.into(),
            currency: "USD".into(),
            local_symbol: symbol.to_string(),
            trading_class: if fund { symbol.to_string() } else { "NMS".into() },
            price_rule: us_stock_steps(),
            time_zone: "US/Eastern".into(),
            trading_hours: Hours::default(),
            liquid_hours: Hours::default(),
        },
        long_name: format!("{symbol} (simulated)"),
        stock_type: if fund { "ETF" } else { "COMMON" }.into(),
    }
}

/// Steps of US stocks: 0.0001 below one dollar, a cent from there on (SEC Regulation NMS, rule 612).
fn us_stock_steps() -> PriceRule {
    PriceRule::new(vec![(Price::ZERO, Price(Decimal::new(1, 4))), (Price(Decimal::ONE), Price(Decimal::new(1, 2)))])
}

/// The session of a date as this market keeps it: where the calendar does not reach, weekdays
/// trade their usual hours, for the market is its own authority.
pub(in crate::simulator) fn session(calendar: Calendar, date: NaiveDate) -> Option<Window> {
    match calendar.day(date) {
        Day::Open(session) => Some(session),
        Day::Closed => None,
        Day::Unknown if matches!(date.weekday(), Weekday::Sat | Weekday::Sun) => None,
        Day::Unknown => Some(calendar.nominal_session(date)),
    }
}

/// Sessions from the day before `at` to a week after it, widened on both sides.
fn hours(calendar: Calendar, at: MarketTime, before: Duration, after: Duration) -> Hours {
    let (before, after) = match calendar {
        Calendar::Xnys => (before, after),
        Calendar::Always => (Duration::ZERO, Duration::ZERO),
    };
    let today = calendar.date_of(at);
    let first = today.checked_sub_days(Days::new(1)).unwrap_or(today);
    let last = today.checked_add_days(Days::new(DAYS_AHEAD)).unwrap_or(today);
    let widen = |session: Window| Window { open: session.open - before, close: session.close + after };
    let windows = first.iter_days().take_while(|date| *date <= last);
    let windows = windows.filter_map(|date| session(calendar, date)).map(widen).collect();
    let covers = Window {
        open: Calendar::Always.nominal_session(first).open,
        close: Calendar::Always.nominal_session(last).close,
    };
    Hours { windows, covers: Some(covers) }
}
