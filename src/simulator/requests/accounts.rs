//! Positions, balances and profit: first all of them, then what changes.

use std::collections::BTreeMap;

use prost::Message;

use super::balances::{Row, is_ledger, is_wanted, portfolio, position, rows};
use super::{Handled, code, invalid};
use crate::domain::{ContractId, Usd};
use crate::exchange::AccountView;
use crate::simulator::engine::Engine;
use crate::simulator::engine::clients::{Profit, Rows};
use crate::simulator::sessions::ConnectionId;
use crate::simulator::wire::accounts::{
    AccountDataEnd, AccountDataRequest, AccountSummary, AccountSummaryRequest, AccountUpdateMulti, AccountUpdateTime,
    AccountUpdatesMultiRequest, AccountValue, PnL, PnLRequest, PnLSingle, PnLSingleRequest, PositionMulti,
    PositionsMultiRequest,
};
use crate::simulator::wire::ids::answer;
use crate::simulator::wire::{Empty, Numbered};
use crate::simulator::words;

/// Account summaries of one client at once (TWS: 2).
const MOST_SUMMARIES: usize = 2;

/// All positions now, and each that changes from now on.
pub fn positions(engine: &mut Engine, from: ConnectionId) -> Handled {
    if let Some(client) = engine.clients.get(from) {
        client.positions = true;
    }
    let account = engine.own_account().0;
    for (contract, held) in engine.view().positions {
        if let Some(contract) = engine.wire_contract(contract) {
            engine.send(from, answer::POSITION, &position(&account, contract, Some(&held)));
        }
    }
    engine.send(from, answer::POSITION_END, &Empty {});
    Ok(())
}

/// No more positions.
pub fn cancel_positions(engine: &mut Engine, from: ConnectionId) -> Handled {
    if let Some(client) = engine.clients.get(from) {
        client.positions = false;
    }
    Ok(())
}

/// Positions under a request id.
pub fn positions_multi(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let request = PositionsMultiRequest::decode(payload)?;
    let req_id = request.req_id.unwrap_or(-1);
    if !engine.is_own(from, req_id, request.account.as_deref(), request.model_code.as_deref()) {
        return Ok(());
    }
    if let Some(client) = engine.clients.get(from) {
        client.positions_multi.retain(|id| *id != req_id);
        client.positions_multi.push(req_id);
    }
    for contract in engine.view().positions.keys() {
        engine.send_position_multi(from, req_id, *contract);
    }
    engine.send(from, answer::POSITION_MULTI_END, &Numbered { req_id: Some(req_id) });
    Ok(())
}

/// No more positions under a request id.
pub fn cancel_positions_multi(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let req_id = Numbered::decode(payload)?.req_id.unwrap_or(-1);
    if let Some(client) = engine.clients.get(from) {
        client.positions_multi.retain(|id| *id != req_id);
    }
    Ok(())
}

/// The figures asked for by tag, and each that changes.
pub fn summary(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let request = AccountSummaryRequest::decode(payload)?;
    let req_id = request.req_id.unwrap_or(-1);
    let group = request.group.unwrap_or_default();
    if !matches!(group.as_str(), "" | "All") && *group != *engine.config.account.0 {
        engine.error(from, req_id, code::INVALID, invalid(&format!("Invalid account group '{group}'")));
        return Ok(());
    }
    let tags: Vec<String> = request.tags.unwrap_or_default().split(',').map(|tag| tag.trim().to_owned()).collect();
    let Some(client) = engine.clients.get(from) else { return Ok(()) };
    if client.summaries.len() >= MOST_SUMMARIES && !client.summaries.contains_key(&req_id) {
        let text = "Error processing request.-'bS' : cause - Maximum number of account summary requests exceeded; \
                    desubscribe to previous request first";
        engine.error(from, req_id, code::TOO_MANY_SUMMARIES, text);
        return Ok(());
    }
    client.summaries.insert(req_id, Rows { tags, sent: BTreeMap::new() });
    engine.send_summary(from, req_id);
    engine.send(from, answer::ACCOUNT_SUMMARY_END, &Numbered { req_id: Some(req_id) });
    Ok(())
}

/// No more figures.
pub fn cancel_summary(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let req_id = Numbered::decode(payload)?.req_id.unwrap_or(-1);
    if let Some(client) = engine.clients.get(from) {
        client.summaries.remove(&req_id);
    }
    Ok(())
}

/// Account updates on or off.
pub fn updates(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let request = AccountDataRequest::decode(payload)?;
    let account = engine.own_account().0;
    let asked = request.acct_code.unwrap_or_default();
    if !asked.is_empty() && *asked != *account {
        // The request has no number: -1 ends the client's wait.
        engine.error(from, -1, code::INVALID, invalid(&format!("Invalid account code '{asked}'")));
        return Ok(());
    }
    let on = request.subscribe.unwrap_or(false);
    let Some(client) = engine.clients.get(from) else { return Ok(()) };
    client.account = on.then(Rows::default);
    if !on {
        return Ok(());
    }
    engine.send_account_values(from);
    for contract in engine.view().positions.keys() {
        engine.send_portfolio(from, *contract);
    }
    engine.send_update_time(from);
    engine.send(from, answer::ACCOUNT_DATA_END, &AccountDataEnd { account_name: Some(account.to_string()) });
    Ok(())
}

/// All figures under a request id (or the ledger's and the net liquidation), and each that changes.
pub fn updates_multi(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let request = AccountUpdatesMultiRequest::decode(payload)?;
    let req_id = request.req_id.unwrap_or(-1);
    if !engine.is_own(from, req_id, request.account.as_deref(), request.model_code.as_deref()) {
        return Ok(());
    }
    let ledger_only = request.ledger_and_nlv.unwrap_or(false);
    let all = rows(&engine.view());
    let tags = all.iter().map(|row| row.tag).filter(|tag| !ledger_only || is_ledger(tag) || *tag == "NetLiquidation");
    let tags = tags.map(str::to_owned).collect();
    if let Some(client) = engine.clients.get(from) {
        client.wishes.balances.insert(req_id, Rows { tags, sent: BTreeMap::new() });
    }
    engine.send_balances_multi(from, req_id);
    engine.send(from, answer::ACCOUNT_UPDATE_MULTI_END, &Numbered { req_id: Some(req_id) });
    Ok(())
}

/// No more figures under a request id.
pub fn cancel_updates_multi(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let req_id = Numbered::decode(payload)?.req_id.unwrap_or(-1);
    if let Some(client) = engine.clients.get(from) {
        client.wishes.balances.remove(&req_id);
    }
    Ok(())
}

/// The account's profit now, and about once a second when it changes.
pub fn profit(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let request = PnLRequest::decode(payload)?;
    let req_id = request.req_id.unwrap_or(-1);
    if engine.is_own(from, req_id, request.account.as_deref(), request.model_code.as_deref()) {
        subscribe_profit(engine, from, req_id, None);
    }
    Ok(())
}

/// One holding's profit.
pub fn profit_of_one(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let request = PnLSingleRequest::decode(payload)?;
    let req_id = request.req_id.unwrap_or(-1);
    let contract = ContractId(request.con_id.unwrap_or(0));
    if engine.is_own(from, req_id, request.account.as_deref(), request.model_code.as_deref()) {
        subscribe_profit(engine, from, req_id, Some(contract));
    }
    Ok(())
}

fn subscribe_profit(engine: &mut Engine, from: ConnectionId, req_id: i32, contract: Option<ContractId>) {
    if let Some(client) = engine.clients.get(from) {
        client.profits.insert(req_id, Profit { contract, sent: Vec::new() });
    }
    engine.publish_profits();
}

/// No more profit.
pub fn cancel_profit(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let req_id = Numbered::decode(payload)?.req_id.unwrap_or(-1);
    if let Some(client) = engine.clients.get(from) {
        client.profits.remove(&req_id);
    }
    Ok(())
}

impl Engine {
    /// The account at the present prices.
    pub fn view(&self) -> AccountView {
        let view = self.exchange.account(&self.config.account);
        // `state.rs` opens the account in every new exchange, and refuses a kept one of another.
        view.unwrap_or_else(|| unreachable!("the account was opened with the exchange"))
    }

    /// Whether a request is about the one account and no model of it; refuses it if not.
    fn is_own(&mut self, from: ConnectionId, req_id: i32, account: Option<&str>, model: Option<&str>) -> bool {
        let cause = match (account.unwrap_or_default(), model.unwrap_or_default()) {
            (account, "") if matches!(account, "" | "All") || *account == *self.config.account.0 => return true,
            (_, model) if !model.is_empty() => format!("The simulator does not serve models ('{model}')"),
            (account, _) => format!("Invalid account code '{account}'"),
        };
        self.error(from, req_id, code::INVALID, invalid(&cause));
        false
    }

    fn send_position_multi(&mut self, to: ConnectionId, req_id: i32, contract: ContractId) {
        let (account, view) = (self.own_account().0, self.view());
        let Some(words) = self.wire_contract(contract) else { return };
        let position = position(&account, words, view.positions.get(&contract));
        let message = PositionMulti {
            req_id: Some(req_id),
            account: position.account,
            contract: position.contract,
            position: position.position,
            avg_cost: position.avg_cost,
            model_code: None,
        };
        self.send(to, answer::POSITION_MULTI, &message);
    }

    fn send_portfolio(&mut self, to: ConnectionId, contract: ContractId) {
        let (account, view) = (self.own_account().0, self.view());
        let Some(words) = self.wire_contract(contract) else { return };
        let today = view.today.get(&contract).copied().unwrap_or_default();
        self.send(to, answer::PORTFOLIO_VALUE, &portfolio(&account, words, view.positions.get(&contract), today));
    }

    fn send_update_time(&mut self, to: ConnectionId) {
        let time_stamp = Some(words::clock(self.now));
        self.send(to, answer::ACCOUNT_UPDATE_TIME, &AccountUpdateTime { time_stamp });
    }

    /// Account values that have changed since they were last sent to this client.
    fn send_account_values(&mut self, to: ConnectionId) {
        let (account, all) = (self.own_account().0, rows(&self.view()));
        let Some(sent) = self.clients.get(to).and_then(|client| client.account.as_mut()) else { return };
        let changed: Vec<Row> = all.into_iter().filter(|row| news(sent, row)).collect();
        for Row { tag, value, currency } in changed {
            let message = AccountValue {
                key: Some(tag.to_owned()),
                value: Some(value),
                currency: Some(currency.to_owned()).filter(|c| !c.is_empty()),
                account_name: Some(account.to_string()),
            };
            self.send(to, answer::ACCOUNT_VALUE, &message);
        }
    }

    /// Summary figures that have changed since they were last sent under this request.
    fn send_summary(&mut self, to: ConnectionId, req_id: i32) {
        let (account, all) = (self.own_account().0, rows(&self.view()));
        let Some(sent) = self.clients.get(to).and_then(|client| client.summaries.get_mut(&req_id)) else { return };
        let changed: Vec<Row> =
            all.into_iter().filter(|row| is_wanted(&sent.tags, row.tag) && news(sent, row)).collect();
        for Row { tag, value, currency } in changed {
            let message = AccountSummary {
                req_id: Some(req_id),
                account: Some(account.to_string()),
                tag: Some(tag.to_owned()),
                value: Some(value),
                currency: Some(currency.to_owned()).filter(|c| !c.is_empty()),
            };
            self.send(to, answer::ACCOUNT_SUMMARY, &message);
        }
    }

    /// Figures that have changed since they were last sent under this request.
    fn send_balances_multi(&mut self, to: ConnectionId, req_id: i32) {
        let (account, all) = (self.own_account().0, rows(&self.view()));
        let sent = self.clients.get(to).and_then(|client| client.wishes.balances.get_mut(&req_id));
        let Some(sent) = sent else { return };
        let wanted = |sent: &Rows, row: &Row| sent.tags.iter().any(|tag| tag == row.tag);
        let changed: Vec<Row> = all.into_iter().filter(|row| wanted(sent, row) && news(sent, row)).collect();
        for Row { tag, value, currency } in changed {
            let message = AccountUpdateMulti {
                req_id: Some(req_id),
                account: Some(account.to_string()),
                model_code: None,
                key: Some(tag.to_owned()),
                value: Some(value),
                currency: Some(currency.to_owned()).filter(|c| !c.is_empty()),
            };
            self.send(to, answer::ACCOUNT_UPDATE_MULTI, &message);
        }
    }

    /// Positions that fills have moved, to all who follow them.
    pub fn publish_positions(&mut self, moved: &[ContractId]) {
        let (account, view) = (self.own_account().0, self.view());
        let follows: Vec<ConnectionId> = self.clients.iter().filter(|(_, c)| c.positions).map(|(id, _)| id).collect();
        let multi = self.clients.iter().flat_map(|(to, c)| c.positions_multi.iter().map(move |id| (to, *id)));
        let multi: Vec<(ConnectionId, i32)> = multi.collect();
        let updates: Vec<ConnectionId> =
            self.clients.iter().filter(|(_, c)| c.account.is_some()).map(|(id, _)| id).collect();
        for contract in moved {
            let Some(words) = self.wire_contract(*contract) else { continue };
            let message = position(&account, words, view.positions.get(contract));
            for to in &follows {
                self.send(*to, answer::POSITION, &message);
            }
            for (to, req_id) in &multi {
                self.send_position_multi(*to, *req_id, *contract);
            }
            for to in &updates {
                self.send_portfolio(*to, *contract);
            }
        }
    }

    /// Profit that has changed, to all who follow it.
    pub fn publish_profits(&mut self) {
        if self.clients.iter().all(|(_, client)| client.profits.is_empty()) {
            return;
        }
        let view = self.view();
        let mut due = Vec::new();
        for (to, client) in self.clients.iter_mut() {
            for (req_id, profit) in &mut client.profits {
                let (id, bytes) = match profit.contract {
                    None => (answer::PNL, account_profit(*req_id, &view).encode_to_vec()),
                    Some(contract) => (answer::PNL_SINGLE, one_profit(*req_id, contract, &view).encode_to_vec()),
                };
                if bytes != profit.sent {
                    profit.sent = bytes;
                    due.push((to, id, *req_id, profit.contract));
                }
            }
        }
        for (to, id, req_id, contract) in due {
            match contract {
                None => self.send(to, id, &account_profit(req_id, &view)),
                Some(contract) => self.send(to, id, &one_profit(req_id, contract, &view)),
            }
        }
    }

    /// About once a second: balances where fills have moved them or enough time has passed, and
    /// profits.
    pub fn publish_balances(&mut self, due: bool) {
        self.publish_profits();
        if !due && !self.balances_moved {
            return;
        }
        self.balances_moved = false;
        let summaries: Vec<(ConnectionId, i32)> =
            self.clients.iter().flat_map(|(to, c)| c.summaries.keys().map(move |id| (to, *id))).collect();
        for (to, req_id) in summaries {
            self.send_summary(to, req_id);
        }
        let multi = self.clients.iter().flat_map(|(to, c)| c.wishes.balances.keys().map(move |id| (to, *id)));
        for (to, req_id) in multi.collect::<Vec<_>>() {
            self.send_balances_multi(to, req_id);
        }
        let updates: Vec<ConnectionId> =
            self.clients.iter().filter(|(_, c)| c.account.is_some()).map(|(id, _)| id).collect();
        for to in updates {
            self.send_account_values(to);
            for contract in self.view().positions.keys() {
                self.send_portfolio(to, *contract);
            }
            self.send_update_time(to);
        }
    }
}

/// Whether a figure differs from what was last sent; remembers it if so.
fn news(sent: &mut Rows, row: &Row) -> bool {
    let known = sent.sent.insert(row.tag.to_owned(), row.value.clone());
    known.as_ref() != Some(&row.value)
}

fn account_profit(req_id: i32, view: &AccountView) -> PnL {
    let amount = |amount: Usd| Some(amount.to_f64());
    PnL {
        req_id: Some(req_id),
        daily_pn_l: amount(view.daily),
        unrealized_pn_l: amount(view.unrealized),
        realized_pn_l: amount(view.today.values().map(|today| today.realized).sum()),
    }
}

fn one_profit(req_id: i32, contract: ContractId, view: &AccountView) -> PnLSingle {
    let held = view.positions.get(&contract);
    let amount = |of: fn(&crate::exchange::Holding) -> Usd| Some(held.map_or(0.0, |held| of(held).to_f64()));
    let today = view.today.get(&contract).copied().unwrap_or_default();
    PnLSingle {
        req_id: Some(req_id),
        position: Some(held.map_or_else(|| "0".to_owned(), |held| held.quantity.to_string())),
        daily_pn_l: Some(today.profit.to_f64()),
        unrealized_pn_l: amount(|held| held.unrealized),
        realized_pn_l: Some(today.realized.to_f64()),
        value: amount(|held| held.market_value),
    }
}
