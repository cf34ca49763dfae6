//! What the exchange lists, and when it trades.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::calendar::Calendar;
use crate::domain::{Contract, ContractId, Hours, MarketTime, PriceRule, Symbol};

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
            None => ContractId::simulated(symbol, |id| self.by_id.contains_key(&id)),
        };
        self.ids.insert(*symbol, id);
        let listing = self.by_id.entry(id).or_insert_with(|| listing(id, symbol));
        listing.contract.liquid_hours = calendar.hours(at, Duration::ZERO, Duration::ZERO);
        listing.contract.trading_hours = calendar.hours(at, BEFORE, AFTER);
        listing
    }

    /// States the hours of everything listed as of `at`.
    pub(super) fn refresh(&mut self, calendar: Calendar, at: MarketTime) {
        let (liquid, trading) = (calendar.hours(at, Duration::ZERO, Duration::ZERO), calendar.hours(at, BEFORE, AFTER));
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
}

fn listing(id: ContractId, symbol: &Symbol) -> Listing {
    let fund = FUNDS.contains(&symbol.as_str());
    Listing {
        contract: Contract {
            id,
            symbol: *symbol,
            security_type: "STK".into(),
            exchange: "SMART".into(),
            primary_exchange: if fund { "ARCA" } else { "NASDAQ" }.into(),
            currency: "USD".into(),
            local_symbol: symbol.to_string(),
            trading_class: if fund { symbol.to_string() } else { "NMS".into() },
            price_rule: PriceRule::us_stock(),
            time_zone: "US/Eastern".into(),
            trading_hours: Hours::default(),
            liquid_hours: Hours::default(),
        },
        long_name: format!("{symbol} (simulated)"),
        stock_type: if fund { "ETF" } else { "COMMON" }.into(),
    }
}
