//! The contracts of the plan's symbols, kept from session to session.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::NaiveDate;
use futures::StreamExt;
use tracing::{error, info, warn};

use crate::calendar::Calendar;
use crate::domain::{Contract, MarketTime, Symbol};
use crate::tws::{ContractError, RequestError, Session};

/// How often an unknown contract is asked for before that is believed, and the time between.
const ASKED_AT_MOST: u32 = 3;
/// See above.
const ASKED_AGAIN_AFTER: Duration = Duration::from_millis(700);

/// Every contract that was ever resolved, with the exchange day on which it was.
#[derive(Debug, Default)]
pub(super) struct Contracts {
    known: BTreeMap<Symbol, (Contract, NaiveDate)>,
}

/// Why there are no contracts to trade.
#[derive(Debug)]
pub(super) enum Unresolved {
    /// The session answers nothing.
    Lost(String),
    /// A symbol of the settings means nothing, at the first start.
    Wrong(ContractError),
}

impl Contracts {
    /// The contracts of a session, in the order of `symbols`. What is known of this exchange day
    /// is not asked again; the rest is asked for, `at_most` at a time. A symbol that is not
    /// answered keeps its earlier contract or is left out of the session; on the `first` start,
    /// one that does not exist stops the start.
    pub(super) async fn resolve(
        &mut self,
        session: &Session,
        symbols: impl Iterator<Item = &Symbol>,
        calendar: Calendar,
        now: MarketTime,
        at_most: usize,
        first: bool,
    ) -> Result<Vec<Contract>, Unresolved> {
        let symbols: Vec<Symbol> = symbols.cloned().collect();
        let today = calendar.date_of(now);
        let asked: Vec<Symbol> = symbols.iter().filter(|symbol| !self.is_fresh(symbol, today, now)).cloned().collect();
        let answers = futures::stream::iter(asked)
            .map(|symbol| async move {
                let mut answer = session.contract(&symbol).await;
                for _ in 1..ASKED_AT_MOST {
                    if !matches!(answer, Err(ContractError::Unknown { .. })) {
                        break;
                    }
                    // While a definitions farm reconnects TWS knows no contract at all (200).
                    tokio::time::sleep(ASKED_AGAIN_AFTER).await;
                    answer = session.contract(&symbol).await;
                }
                (symbol, answer)
            })
            .buffer_unordered(at_most.max(1));
        let answers: Vec<(Symbol, Result<Contract, ContractError>)> = answers.collect().await;
        for (symbol, answer) in answers {
            self.take(symbol, answer, today, first)?;
        }
        let contracts: Vec<Contract> =
            symbols.iter().filter_map(|symbol| self.known.get(symbol)).map(|(contract, _)| contract.clone()).collect();
        if contracts.is_empty() {
            return Err(Unresolved::Lost("no symbol has a contract".to_owned()));
        }
        info!(symbols = contracts.len(), of = symbols.len(), "contracts resolved");
        Ok(contracts)
    }

    fn is_fresh(&self, symbol: &Symbol, today: NaiveDate, now: MarketTime) -> bool {
        self.known.get(symbol).is_some_and(|(contract, day)| {
            let covers = contract.liquid_hours.covers;
            *day == today && covers.is_none_or(|covers| covers.open <= now && now < covers.close)
        })
    }

    fn take(
        &mut self,
        symbol: Symbol,
        answer: Result<Contract, ContractError>,
        today: NaiveDate,
        first: bool,
    ) -> Result<(), Unresolved> {
        match answer {
            Ok(contract) => {
                self.known.insert(symbol, (contract, today));
            }
            Err(ContractError::Request { source: RequestError::SessionLost { reason }, .. }) => {
                return Err(Unresolved::Lost(format!("contract of {symbol}: {reason}")));
            }
            Err(error @ ContractError::Request { .. }) if self.known.contains_key(&symbol) => {
                warn!(%symbol, "its contract stays as it was: {error}");
            }
            Err(error @ ContractError::Request { .. }) => {
                error!(%symbol, "not traded in this session, asked again in the next: {error}");
            }
            Err(error) if first => return Err(Unresolved::Wrong(error)),
            Err(error) => {
                error!(%symbol, "not traded in this session: {error}");
                self.known.remove(&symbol);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ContractId, Hours, PriceRule, Window};

    fn contract(covers: Option<Window>) -> Contract {
        let hours = Hours { windows: Vec::new(), covers };
        Contract {
            id: ContractId(1),
            symbol: symbol(),
            security_type: "STK".into(),
            exchange: "SMART".into(),
            primary_exchange: "NASDAQ".into(),
            currency: "USD".into(),
            local_symbol: "AAPL".into(),
            trading_class: "NMS".into(),
            price_rule: PriceRule::new(vec![]),
            time_zone: "US/Eastern".into(),
            trading_hours: hours.clone(),
            liquid_hours: hours,
        }
    }

    fn symbol() -> Symbol {
        "AAPL".parse().unwrap()
    }

    fn silent() -> ContractError {
        let source = RequestError::Deadline { what: "contract".into(), within: Duration::from_secs(1) };
        ContractError::Request { symbol: symbol(), source }
    }

    #[test]
    fn a_contract_is_asked_for_once_a_day_or_when_its_hours_end() {
        let (now, day) = (MarketTime::from_secs(1_780_000_000), Duration::from_secs(86_400));
        let today = Calendar::Xnys.date_of(now);
        let covers = Window { open: now, close: now + day };
        let mut contracts = Contracts::default();
        assert!(!contracts.is_fresh(&symbol(), today, now));
        contracts.take(symbol(), Ok(contract(Some(covers))), today, true).unwrap();
        assert!(contracts.is_fresh(&symbol(), today, now));
        assert!(!contracts.is_fresh(&symbol(), today, now + day), "its hours end");
        assert!(!contracts.is_fresh(&symbol(), today.succ_opt().unwrap(), now), "another day");
        contracts.take(symbol(), Ok(contract(None)), today, true).unwrap();
        assert!(contracts.is_fresh(&symbol(), today, now), "hours that are unknown are asked for once a day");
    }

    #[test]
    fn silence_costs_a_symbol_at_most_the_session_and_a_wrong_name_only_the_first_start() {
        let today = Calendar::Xnys.date_of(MarketTime::from_secs(1_780_000_000));
        let mut contracts = Contracts::default();
        contracts.take(symbol(), Err(silent()), today, true).unwrap();
        assert!(contracts.known.is_empty());
        contracts.take(symbol(), Ok(contract(None)), today, true).unwrap();
        contracts.take(symbol(), Err(silent()), today, false).unwrap();
        assert_eq!(contracts.known.len(), 1, "it stays as it was");
        let unknown = || Err(ContractError::Unknown { symbol: symbol() });
        assert!(matches!(contracts.take(symbol(), unknown(), today, true), Err(Unresolved::Wrong(_))));
        contracts.take(symbol(), unknown(), today, false).unwrap();
        assert!(contracts.known.is_empty());
        let lost = RequestError::SessionLost { reason: "gone".into() };
        let lost = Err(ContractError::Request { symbol: symbol(), source: lost });
        assert!(matches!(contracts.take(symbol(), lost, today, true), Err(Unresolved::Lost(_))));
    }
}
