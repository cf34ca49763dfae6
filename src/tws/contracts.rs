//! Which contract a symbol means.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use chrono_tz::Tz;
use ibapi::Client;
use ibapi::contracts::{Contract as ApiContract, ContractDetails, SecurityType};
use tracing::warn;

use super::error::{ContractError, RequestError};
use super::limiter::Priority;
use super::requests::Desk;
use super::{hours, zones};
use crate::domain::{Contract, ContractId, Price, PriceRule, Symbol};

const EXCHANGE: &str = "SMART";
const CURRENCY: &str = "USD";
/// IBKR: no security definition has been found.
const NO_DEFINITION: i32 = 200;

/// Market rules asked for in this session, by their ids: few, and the same for most stocks.
#[derive(Debug, Default)]
pub(super) struct Rules(Mutex<BTreeMap<i32, PriceRule>>);

impl Rules {
    fn get(&self, id: i32) -> Option<PriceRule> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    fn put(&self, id: i32, rule: PriceRule) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id, rule);
    }
}

/// The contract of a US stock or ETF.
pub(super) async fn look_up(
    client: &Client,
    desk: &Desk<'_>,
    rules: &Rules,
    symbol: &Symbol,
) -> Result<Contract, ContractError> {
    let asked = ApiContract {
        symbol: symbol.as_str().into(),
        security_type: SecurityType::Stock,
        exchange: EXCHANGE.into(),
        currency: CURRENCY.into(),
        ..ApiContract::default()
    };
    let what = format!("contract of {symbol}");
    let found = desk.ask(&what, Priority::Data, client.contract_details(&asked)).await;
    let details = the_one(symbol, found)?;
    let rule = price_rule(client, desk, rules, &details).await;
    Ok(contract(symbol, &details, rule))
}

/// The only match, or why there is none.
fn the_one(
    symbol: &Symbol,
    found: Result<Vec<ContractDetails>, RequestError>,
) -> Result<ContractDetails, ContractError> {
    let mut found = match found {
        Ok(found) => found,
        Err(RequestError::Refused { code: NO_DEFINITION, text, .. }) => {
            // The same code for a symbol that several contracts bear.
            return Err(if text.to_ascii_lowercase().contains("ambiguous") {
                ContractError::Ambiguous { symbol: *symbol, candidates: vec![text] }
            } else {
                ContractError::Unknown { symbol: *symbol }
            });
        }
        Err(source) => return Err(ContractError::Request { symbol: *symbol, source }),
    };
    found.sort_by_key(|details| details.contract.contract_id);
    found.dedup_by_key(|details| details.contract.contract_id);
    match found.len() {
        0 => Err(ContractError::Unknown { symbol: *symbol }),
        1 => Ok(found.remove(0)),
        _ => Err(ContractError::Ambiguous { symbol: *symbol, candidates: found.iter().map(describe).collect() }),
    }
}

fn describe(details: &ContractDetails) -> String {
    let ApiContract { contract_id, local_symbol, primary_exchange, .. } = &details.contract;
    format!("{local_symbol} on {} ({}, conId {contract_id})", primary_exchange.as_str(), details.long_name)
}

/// The market rule's id at our exchange: the ids stand in the order of the exchanges.
fn rule_id(details: &ContractDetails) -> Option<i32> {
    let at = details.valid_exchanges.iter().position(|exchange| exchange == EXCHANGE);
    let id = at.and_then(|at| details.market_rule_ids.get(at)).or(details.market_rule_ids.first());
    id.and_then(|id| id.trim().parse().ok())
}

/// The price steps: by the market rule, or where it cannot be had by the smallest step.
async fn price_rule(client: &Client, desk: &Desk<'_>, rules: &Rules, details: &ContractDetails) -> PriceRule {
    let fallback = || PriceRule::flat(Price::from_f64(details.min_tick).unwrap_or(Price::ZERO));
    let Some(id) = rule_id(details) else { return fallback() };
    if let Some(rule) = rules.get(id) {
        return rule;
    }
    match desk.ask("market rule", Priority::Data, client.market_rule(id)).await {
        Ok(answer) => {
            let price = |value| Price::from_f64(value).unwrap_or(Price::ZERO);
            let steps: Vec<_> =
                answer.price_increments.iter().map(|step| (price(step.low_edge), price(step.increment))).collect();
            if steps.is_empty() {
                return fallback();
            }
            let rule = PriceRule::new(steps);
            rules.put(id, rule.clone());
            rule
        }
        Err(error) => {
            let symbol = details.contract.symbol.as_str();
            warn!(symbol, rule = id, %error, min_tick = details.min_tick, "no market rule; using the smallest step");
            fallback()
        }
    }
}

fn contract(symbol: &Symbol, details: &ContractDetails, price_rule: PriceRule) -> Contract {
    let api = &details.contract;
    let zone = zones::zone(&details.time_zone_id);
    if zone.is_none() {
        warn!(%symbol, zone = %details.time_zone_id, "unknown time zone; the contract's hours are unknown");
    }
    let hours = |segments: &[String]| zone.map(|zone: Tz| hours::parse(segments, zone)).unwrap_or_default();
    Contract {
        id: ContractId(api.contract_id),
        symbol: *symbol,
        security_type: api.security_type.to_string(),
        // The details name the exchange asked for; orders and data use the same.
        exchange: EXCHANGE.to_owned(),
        primary_exchange: api.primary_exchange.as_str().to_owned(),
        currency: api.currency.as_str().to_owned(),
        local_symbol: api.local_symbol.clone(),
        trading_class: api.trading_class.clone(),
        price_rule,
        time_zone: details.time_zone_id.clone(),
        trading_hours: hours(&details.trading_hours),
        liquid_hours: hours(&details.liquid_hours),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn details(id: i32, exchange: &str) -> ContractDetails {
        ContractDetails {
            contract: ApiContract {
                contract_id: id,
                symbol: "AAPL".into(),
                local_symbol: "AAPL".into(),
                primary_exchange: exchange.into(),
                currency: "USD".into(),
                ..ApiContract::default()
            },
            long_name: "APPLE INC".into(),
            valid_exchanges: vec!["AMEX".into(), "SMART".into()],
            market_rule_ids: vec!["25".into(), "26".into()],
            time_zone_id: "US/Eastern".into(),
            trading_hours: vec!["20261123:0400-20261123:2000".into()],
            liquid_hours: vec!["20261123:0930-20261123:1600".into(), "20261124:CLOSED".into()],
            ..ContractDetails::default()
        }
    }

    fn refused(text: &str) -> RequestError {
        RequestError::Refused { what: "contract".into(), code: 200, text: text.into() }
    }

    #[test]
    fn unknown_and_ambiguous_symbols_are_told_apart() {
        let aapl: Symbol = "AAPL".parse().unwrap();
        let unknown = the_one(&aapl, Err(refused("No security definition has been found for the request")));
        assert_eq!(unknown.unwrap_err(), ContractError::Unknown { symbol: aapl });
        let ambiguous = the_one(&aapl, Err(refused("The contract description specified for AAPL is ambiguous")));
        assert!(matches!(ambiguous, Err(ContractError::Ambiguous { .. })));
        let two = the_one(&aapl, Ok(vec![details(2, "MEXI"), details(1, "NASDAQ"), details(1, "NASDAQ")]));
        let Err(ContractError::Ambiguous { candidates, .. }) = two else { panic!("two contracts are not one") };
        assert_eq!(candidates[0], "AAPL on NASDAQ (APPLE INC, conId 1)");
        assert_eq!(candidates.len(), 2);
        assert_eq!(the_one(&aapl, Ok(vec![details(1, "NASDAQ")])).unwrap().contract.contract_id, 1);
    }

    #[test]
    fn the_market_rule_is_that_of_our_exchange() {
        assert_eq!(rule_id(&details(1, "NASDAQ")), Some(26));
        let first = ContractDetails { valid_exchanges: vec![], ..details(1, "NASDAQ") };
        assert_eq!(rule_id(&first), Some(25));
        let none = ContractDetails { market_rule_ids: vec![], ..details(1, "NASDAQ") };
        assert_eq!(rule_id(&none), None);
    }

    #[test]
    fn details_become_a_contract_with_its_hours() {
        let aapl: Symbol = "AAPL".parse().unwrap();
        let found = contract(&aapl, &details(265_598, "NASDAQ"), PriceRule::new(vec![]));
        assert_eq!(
            (found.id, found.exchange.as_str(), found.security_type.as_str()),
            (ContractId(265_598), "SMART", "STK")
        );
        assert_eq!(found.liquid_hours.windows.len(), 1);
        assert!(found.liquid_hours.covers.is_some());
        let odd = ContractDetails { time_zone_id: "Mars/Olympus".into(), ..details(1, "NASDAQ") };
        assert_eq!(
            contract(&aapl, &odd, PriceRule::new(vec![])).liquid_hours.is_open(crate::domain::MarketTime::MIN),
            None
        );
    }
}
