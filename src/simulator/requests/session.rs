//! Starting the API, ids, accounts, time.

use prost::Message;
use tracing::{info, warn};

use super::{Handled, code};
use crate::domain::broker::SIMULATOR_MARK;
use crate::simulator::engine::Engine;
use crate::simulator::sessions::ConnectionId;
use crate::simulator::wire::ids::answer;
use crate::simulator::wire::session::{
    CurrentTime, CurrentTimeInMillis, FamilyCode, FamilyCodes, ManagedAccounts, NextValidId, StartApiRequest, UserInfo,
    UserInfoRequest,
};

/// What TWS says of its data farms to every new client.
const FARMS: [(i32, &str); 3] = [
    (2104, "Market data farm connection is OK:usfarm"),
    (2106, "HMDS data farm connection is OK:ushmds"),
    (2158, "Sec-def data farm connection is OK:secdefnj"),
];

/// A connection says which client it is.
pub fn start_api(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let client_id = StartApiRequest::decode(payload)?.client_id.unwrap_or(0);
    if let Some(holder) = engine.clients.started(client_id) {
        if holder == from {
            return Ok(());
        }
        warn!(client_id, "client refused: its id is in use");
        let text = "Unable to connect as the client id is already in use. Retry with a unique client id.";
        engine.error(from, -1, code::CLIENT_ID_IN_USE, text);
        engine.clients.close(from);
        return Ok(());
    }
    let Some(client) = engine.clients.get(from) else { return Ok(()) };
    client.id = Some(client_id);
    info!(peer = %client.peer, client_id, "client started the API");
    next_id(engine, from)?;
    managed_accounts(engine, from)?;
    for (code, text) in FARMS {
        engine.error(from, -1, code, text);
    }
    Ok(())
}

/// The next order id. It belongs to the client id, only grows, and survives connections.
pub fn next_id(engine: &mut Engine, from: ConnectionId) -> Handled {
    let client_id = engine.clients.get(from).and_then(|client| client.id).unwrap_or(0);
    let order_id = engine.next_ids.get(&client_id).copied().unwrap_or(1);
    engine.send(from, answer::NEXT_VALID_ID, &NextValidId { order_id: Some(order_id) });
    Ok(())
}

/// The accounts: one.
pub fn managed_accounts(engine: &mut Engine, from: ConnectionId) -> Handled {
    let accounts_list = Some(engine.config.account.to_string());
    engine.send(from, answer::MANAGED_ACCOUNTS, &ManagedAccounts { accounts_list });
    Ok(())
}

/// Market time, seconds.
pub fn time(engine: &mut Engine, from: ConnectionId) -> Handled {
    let current_time = Some(engine.now.secs());
    engine.send(from, answer::CURRENT_TIME, &CurrentTime { current_time });
    Ok(())
}

/// Market time, milliseconds.
pub fn time_in_millis(engine: &mut Engine, from: ConnectionId) -> Handled {
    let current_time_in_millis = Some(engine.now.millis());
    engine.send(from, answer::CURRENT_TIME_IN_MILLIS, &CurrentTimeInMillis { current_time_in_millis });
    Ok(())
}

/// Who this is: the one answer that TWS would give otherwise.
pub fn user_info(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let req_id = UserInfoRequest::decode(payload)?.req_id;
    let white_branding_id = Some(format!("{SIMULATOR_MARK}{}", engine.exchange_id));
    engine.send(from, answer::USER_INFO, &UserInfo { req_id, white_branding_id });
    Ok(())
}

/// The account belongs to no family.
pub fn family_codes(engine: &mut Engine, from: ConnectionId) -> Handled {
    let code = FamilyCode { account_id: Some(engine.config.account.to_string()), family_code: None };
    engine.send(from, answer::FAMILY_CODES, &FamilyCodes { family_codes: vec![code] });
    Ok(())
}
