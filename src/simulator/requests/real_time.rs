//! 5-second bars.

use prost::Message;
use tokio::time::Instant;

use super::contracts::{resolve, tick_at};
use super::history::{Refused, show};
use super::market_data::{line_is_free, unknown};
use super::{Handled, code, invalid};
use crate::simulator::engine::Engine;
use crate::simulator::engine::streams::RealTimeBars;
use crate::simulator::market::Listing;
use crate::simulator::sessions::ConnectionId;
use crate::simulator::wire::Numbered;
use crate::simulator::wire::market_data::RealTimeBarsRequest;

/// Subscribes to 5-second bars.
pub fn subscribe(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let request = RealTimeBarsRequest::decode(payload)?;
    let req_id = request.req_id.unwrap_or(-1);
    if let Err((code, text)) = begin(engine, from, req_id, &request) {
        engine.error(from, req_id, code, text);
    }
    Ok(())
}

fn begin(engine: &mut Engine, from: ConnectionId, req_id: i32, request: &RealTimeBarsRequest) -> Result<(), Refused> {
    let listing = resolve(engine, request.contract.as_ref()).map_err(|error| error.message())?;
    let show = show(request.what_to_show.as_deref())?;
    let contract = listing.contract.id;
    let tick = tick_now(engine, &listing);
    if engine.clients.get(from).is_some_and(|client| client.real_time.contains_key(&req_id)) {
        return Err((code::INVALID, invalid("Duplicate ticker id")));
    }
    line_is_free(engine)?;
    if engine.config.pacing && !engine.recent.pacing.real_time(Instant::now()) {
        let text = "Invalid Real-time Query:Historical data request pacing violation";
        return Err((code::REAL_TIME, text.to_owned()));
    }
    let regular_only = request.use_rth.unwrap_or(false);
    if let Some(client) = engine.clients.get(from) {
        client.real_time.insert(req_id, RealTimeBars { contract, show, regular_only, tick });
    }
    engine.activate(contract);
    Ok(())
}

/// A contract's price step at its latest price.
pub fn tick_now(engine: &Engine, listing: &Listing) -> f64 {
    tick_at(listing, engine.market.quote(listing.contract.id).map_or(1.0, |quote| quote.last))
}

/// Ends 5-second bars.
pub fn cancel(engine: &mut Engine, from: ConnectionId, payload: &[u8]) -> Handled {
    let req_id = Numbered::decode(payload)?.req_id.unwrap_or(-1);
    if engine.clients.get(from).is_some_and(|client| client.real_time.remove(&req_id).is_some()) {
        return Ok(());
    }
    unknown(engine, from, req_id, code::NO_TICKER)
}
