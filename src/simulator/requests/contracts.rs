//! Contracts: which ones there are, when they trade, and at which prices.

use prost::Message;

use super::{Handled, code, invalid};
use crate::calendar::{Calendar, Day};
use crate::domain::{ContractId, MarketTime, Window};
use crate::simulator::engine::Engine;
use crate::simulator::market::{AFTER, BEFORE, Listing};
use crate::simulator::sessions::ConnectionId;
use crate::simulator::wire::Numbered;
use crate::simulator::wire::contracts::{
    Contract, ContractData, ContractDataRequest, ContractDescription, ContractDetails, MarketRule, MarketRuleRequest,
    MatchingSymbolsRequest, PriceIncrement, SymbolSamples,
};
use crate::simulator::wire::ids::answer;
use crate::simulator::words;

/// Where a US stock trades, as its details say. The listing exchange is added where it is none of
/// these.
const EXCHANGES: [&str; 10] = ["SMART", "AMEX", "NYSE", "NASDAQ", "ARCA", "BATS", "BYX", "EDGX", "IEX", "OVERNIGHT"];
/// Order types that are served.
const ORDER_TYPES: &str =
    "ACTIVETIM,ALGO,DAY,FOK,GAT,GTC,GTD,IOC,LIT,LMT,LOC,MIT,MKT,MOC,OCA,STP,STPLMT,TRAIL,TRAILLMT,WHATIF";
/// Days of hours that details state, from today.
const DAYS: u64 = 8;
/// Why no contract answers to a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoContract {
    /// None is known.
    Unknown,
    /// The description says too little.
    Invalid(&'static str),
}

impl NoContract {
    /// TWS's code and words.
    pub fn message(&self) -> (i32, String) {
        match self {
            Self::Unknown => (code::NO_CONTRACT, "No security definition has been found for the request".to_owned()),
            Self::Invalid(cause) => (code::INVALID, invalid(cause)),
        }
    }
}

fn exchanges(listing: &Listing) -> Vec<&str> {
    let mut all = EXCHANGES.to_vec();
    let primary = listing.contract.primary_exchange.as_str();
    if !primary.is_empty() && !all.contains(&primary) {
        all.push(primary);
    }
    all
}

/// Finds the one contract that a description means. Empty and zero fields say nothing, as IBKR's
/// own clients send them.
pub fn resolve(engine: &mut Engine, wanted: Option<&Contract>) -> Result<Listing, NoContract> {
    let wanted = wanted.ok_or(NoContract::Invalid("Invalid contract"))?;
    let said = |field: &Option<String>| field.clone().filter(|text| !text.is_empty());
    let listing = match wanted.con_id.filter(|id| *id != 0) {
        Some(id) => engine.market.listing(ContractId(id)).cloned().ok_or(NoContract::Unknown)?,
        None => {
            let kind = said(&wanted.sec_type).ok_or(NoContract::Invalid("Please enter a valid security type"))?;
            if kind != "STK" {
                return Err(NoContract::Unknown);
            }
            let name = said(&wanted.symbol).or_else(|| said(&wanted.local_symbol));
            let name = name.ok_or(NoContract::Invalid("Please enter a valid symbol"))?;
            let symbol = name.parse().map_err(|_| NoContract::Unknown)?;
            engine.find(&symbol).ok_or(NoContract::Unknown)?
        }
    };
    if !engine.listed.contains_key(&listing.contract.id) {
        // Found by number alone: it must still be listed at the exchange.
        engine.find(&listing.contract.symbol.clone());
    }
    let contract = &listing.contract;
    let differs = |field: &Option<String>, is: &str| said(field).is_some_and(|text| !text.eq_ignore_ascii_case(is));
    let elsewhere = |field: &Option<String>| said(field).is_some_and(|e| !exchanges(&listing).contains(&e.as_str()));
    let other = differs(&wanted.currency, &contract.currency)
        || differs(&wanted.symbol, contract.symbol.as_str())
        || differs(&wanted.local_symbol, &contract.local_symbol)
        || differs(&wanted.sec_type, &contract.security_type)
        || differs(&wanted.trading_class, &contract.trading_class)
        || differs(&wanted.primary_exch, &contract.primary_exchange)
        || elsewhere(&wanted.exchange);
    if other { Err(NoContract::Unknown) } else { Ok(listing) }
}

/// A contract as messages carry it.
pub fn wire_contract(listing: &Listing, exchange: Option<&str>) -> Contract {
    let contract = &listing.contract;
    Contract {
        con_id: Some(contract.id.0),
        symbol: Some(contract.symbol.to_string()),
        sec_type: Some(contract.security_type.clone()),
        exchange: Some(exchange.unwrap_or(&contract.exchange).to_owned()),
        primary_exch: Some(contract.primary_exchange.clone()),
        currency: Some(contract.currency.clone()),
        local_symbol: Some(contract.local_symbol.clone()),
        trading_class: Some(contract.trading_class.clone()),
        ..Contract::default()
    }
}

/// The smallest price step of a contract at a price.
pub fn tick_at(listing: &Listing, price: f64) -> f64 {
    let price = crate::domain::Price::from_f64(price).unwrap_or_default();
    listing.contract.price_rule.increment(price).to_f64()
}

/// Contract details.
pub fn details(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let request = ContractDataRequest::decode(payload)?;
    let req_id = request.req_id.unwrap_or(-1);
    let listing = match resolve(engine, request.contract.as_ref()) {
        Ok(listing) => listing,
        Err(error) => {
            let (code, text) = error.message();
            engine.error(from, req_id, code, text);
            return Ok(());
        }
    };
    let asked = request.contract.and_then(|contract| contract.exchange).filter(|exchange| !exchange.is_empty());
    let message = ContractData {
        req_id: Some(req_id),
        contract: Some(wire_contract(&listing, asked.as_deref())),
        contract_details: Some(contract_details(engine, &listing)),
    };
    engine.send(from, answer::CONTRACT_DATA, &message);
    engine.send(from, answer::CONTRACT_DATA_END, &Numbered { req_id: Some(req_id) });
    Ok(())
}

fn contract_details(engine: &mut Engine, listing: &Listing) -> ContractDetails {
    let rule = engine.market_rules.number(&listing.contract.price_rule).to_string();
    let exchanges = exchanges(listing);
    let steps = listing.contract.price_rule.steps();
    let smallest = steps.iter().map(|(_, increment)| *increment).min().unwrap_or_default();
    let text = |text: &str| Some(text.to_owned());
    ContractDetails {
        market_name: Some(listing.contract.trading_class.clone()),
        min_tick: Some(smallest.to_string()),
        order_types: text(ORDER_TYPES),
        valid_exchanges: Some(exchanges.join(",")),
        price_magnifier: Some(1),
        under_con_id: Some(0),
        long_name: Some(listing.long_name.clone()),
        industry: None,
        category: None,
        subcategory: None,
        time_zone_id: text(words::ZONE_NAME),
        trading_hours: Some(hours(engine.calendar, engine.now, true)),
        liquid_hours: Some(hours(engine.calendar, engine.now, false)),
        agg_group: Some(1),
        market_rule_ids: Some(vec![rule; exchanges.len()].join(",")),
        stock_type: Some(listing.stock_type.clone()),
        min_size: text("1"),
        size_increment: text("1"),
        suggested_size_increment: text("100"),
    }
}

/// `20261123:0930-20261123:1600;20261124:CLOSED`, from today's date on. A date that the calendar
/// does not cover is left out.
fn hours(calendar: Calendar, now: MarketTime, extended: bool) -> String {
    let dates = calendar.date_of(now).iter_days().take(usize::try_from(DAYS).unwrap_or(1));
    let days = dates.filter_map(|date| match calendar.day(date) {
        Day::Open(session) => {
            let around = extended && calendar == Calendar::Xnys;
            // From 04:00; an early close at 13:00 ends the evening at 17:00.
            let Window { open, close } =
                if around { Window { open: session.open - BEFORE, close: session.close + AFTER } } else { session };
            Some(format!("{}-{}", words::hours_edge(open), words::hours_edge(close)))
        }
        Day::Closed => Some(format!("{}:CLOSED", words::date(date))),
        Day::Unknown => None,
    });
    days.collect::<Vec<_>>().join(";")
}

/// A price grid by its number.
pub fn market_rule(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let number = MarketRuleRequest::decode(payload)?.market_rule_id.unwrap_or(0);
    let Some(rule) = engine.market_rules.get(number) else {
        // No request id to answer to: -1 ends the client's wait.
        engine.error(from, -1, code::INVALID, invalid(&format!("Invalid market rule id {number}")));
        return Ok(());
    };
    let step = |(edge, increment): &(crate::domain::Price, crate::domain::Price)| PriceIncrement {
        low_edge: Some(edge.to_f64()),
        increment: Some(increment.to_f64()),
    };
    let price_increments = rule.steps().iter().map(step).collect();
    engine.send(from, answer::MARKET_RULE, &MarketRule { market_rule_id: Some(number), price_increments });
    Ok(())
}

/// Contracts that one search tells of (TWS: 16).
const MOST_MATCHES: usize = 16;

/// Contracts whose symbols begin with a pattern.
pub fn matching(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let request = MatchingSymbolsRequest::decode(payload)?;
    let mut found = engine.market.matching(request.pattern.as_deref().unwrap_or_default());
    found.truncate(MOST_MATCHES);
    let description = |listing: Listing| ContractDescription {
        contract: Some(Contract { exchange: None, ..wire_contract(&listing, None) }),
        derivative_sec_types: Vec::new(),
    };
    let listings = found.iter().filter_map(|symbol| engine.market.lookup(symbol));
    let contract_descriptions = listings.map(description).collect();
    engine.send(from, answer::SYMBOL_SAMPLES, &SymbolSamples { req_id: request.req_id, contract_descriptions });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_name_holidays_and_early_closes() {
        let monday = MarketTime::from_secs(1_795_446_000); // 2026-11-23 10:00 New York
        let liquid = hours(Calendar::Xnys, monday, false);
        assert!(liquid.starts_with("20261123:0930-20261123:1600;20261124:0930-20261124:1600;"), "{liquid}");
        assert!(liquid.contains(";20261126:CLOSED;20261127:0930-20261127:1300;20261128:CLOSED;"), "{liquid}");
        let trading = hours(Calendar::Xnys, monday, true);
        assert!(trading.starts_with("20261123:0400-20261123:2000;"), "{trading}");
        let always = hours(Calendar::Always, monday, true);
        assert!(always.starts_with("20261123:0000-20261124:0000;20261124:0000-"), "{always}");
    }
}
