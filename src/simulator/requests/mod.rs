//! What clients' messages mean, one file for a family of them. Nothing is met with silence: a
//! message that is not served gets TWS's error 321 with its own number.

pub mod accounts;
pub mod balances;
pub mod contracts;
pub mod executions;
pub mod history;
pub mod market_data;
pub mod order_lists;
pub mod order_reading;
pub mod order_words;
pub mod orders;
pub mod past_ticks;
pub mod real_time;
pub mod schedule;
pub mod session;
mod span;
pub mod tick_by_tick;
pub mod tick_words;

use prost::{DecodeError, Message};

use super::engine::Engine;
use super::rate::Breach;
use super::sessions::ConnectionId;
use super::wire::Numbered;
use super::wire::frame::Frame;
use super::wire::ids::request as id;

/// TWS's codes that several families use.
pub mod code {
    /// Too many messages in a second.
    pub const TOO_FAST: i32 = 100;
    /// Too many market data lines.
    pub const TOO_MANY_LINES: i32 = 101;
    /// Nothing to be had from the historical data service.
    pub const NO_HISTORY: i32 = 162;
    /// No such contract.
    pub const NO_CONTRACT: i32 = 200;
    /// A market data subscription to be cancelled does not exist.
    pub const NO_TICKER: i32 = 300;
    /// The request fails validation, or is not served.
    pub const INVALID: i32 = 321;
    /// Too many account summaries.
    pub const TOO_MANY_SUMMARIES: i32 = 322;
    /// The client id is taken.
    pub const CLIENT_ID_IN_USE: i32 = 326;
    /// A historical data request to be cancelled does not exist.
    pub const NO_HISTORY_QUERY: i32 = 366;
    /// Real-time bars are refused.
    pub const REAL_TIME: i32 = 420;
    /// Delayed market data comes instead of live.
    pub const DELAYED: i32 = 10_167;
    /// No market data comes.
    pub const NOT_SUBSCRIBED: i32 = 10_168;
    /// No single ticks come.
    pub const NO_TICK_BY_TICK: i32 = 10_189;
    /// Too many subscriptions to single ticks.
    pub const TOO_MANY_TICK_BY_TICK: i32 = 10_190;
    /// An end time that is no time.
    pub const BAD_END_TIME: i32 = 10_314;
}

/// How a message was handled; one that cannot be decoded costs the connection.
pub type Handled = Result<(), DecodeError>;

/// TWS's wording of a failed validation.
pub fn invalid(cause: &str) -> String {
    format!("Error validating request.-'bR' : cause - {cause}")
}

/// The number of any request, as far as it has one.
fn number(frame: &Frame) -> i32 {
    Numbered::decode(&frame.payload[..]).ok().and_then(|message| message.req_id).unwrap_or(-1)
}

/// A message that came too fast: refused with 100, and at the third such second the connection
/// ends.
pub fn too_fast(engine: &mut Engine, from: ConnectionId, frame: &Frame, breach: Breach) {
    let Breach { allowed, received, count } = breach;
    let text = format!("Max rate of messages per second has been exceeded:max={allowed} rec={received} ({count})");
    engine.error(from, number(frame), code::TOO_FAST, text);
    if breach.is_last() {
        tracing::warn!(client = ?from, %received, "client disconnected: too many messages for the third time");
        engine.clients.close(from);
    }
}

/// Serves one message.
///
/// # Errors
/// Its payload cannot be decoded.
pub fn handle(engine: &mut Engine, from: ConnectionId, frame: &Frame) -> Handled {
    let payload = &frame.payload[..];
    let started = engine.clients.get(from).is_some_and(|client| client.id.is_some());
    if !started && frame.id != id::START_API {
        engine.error(from, number(frame), code::INVALID, invalid("The API has not been started on this connection"));
        return Ok(());
    }
    match frame.id {
        id::START_API => session::start_api(engine, from, payload),
        id::IDS => session::next_id(engine, from),
        id::MANAGED_ACCOUNTS => session::managed_accounts(engine, from),
        id::CURRENT_TIME => session::time(engine, from),
        id::CURRENT_TIME_IN_MILLIS => session::time_in_millis(engine, from),
        id::USER_INFO => session::user_info(engine, from, payload),
        id::FAMILY_CODES => session::family_codes(engine, from),
        // A setting of TWS's own log: never answered, and it means nothing here.
        id::SET_SERVER_LOG_LEVEL => Ok(()),
        id::CONTRACT_DATA => contracts::details(engine, from, payload),
        id::MARKET_RULE => contracts::market_rule(engine, from, payload),
        id::MATCHING_SYMBOLS => contracts::matching(engine, from, payload),
        id::HISTORICAL_DATA => history::bars(engine, from, payload),
        id::CANCEL_HISTORICAL_DATA => history::cancel(engine, from, payload),
        id::HEAD_TIMESTAMP => history::head(engine, from, payload),
        // Answered at once, so there is nothing left to cancel; TWS says nothing either.
        id::CANCEL_HEAD_TIMESTAMP | id::CANCEL_CONTRACT_DATA | id::CANCEL_HISTOGRAM | id::CANCEL_HISTORICAL_TICKS => {
            Ok(())
        }
        id::HISTOGRAM => schedule::histogram(engine, from, payload),
        id::HISTORICAL_TICKS => past_ticks::list(engine, from, payload),
        id::REAL_TIME_BARS => real_time::subscribe(engine, from, payload),
        id::CANCEL_REAL_TIME_BARS => real_time::cancel(engine, from, payload),
        id::MARKET_DATA => market_data::ticks(engine, from, payload),
        id::CANCEL_MARKET_DATA => market_data::cancel_ticks(engine, from, payload),
        id::MARKET_DATA_TYPE => market_data::data_type(engine, from, payload),
        id::TICK_BY_TICK => tick_by_tick::subscribe(engine, from, payload),
        id::CANCEL_TICK_BY_TICK => tick_by_tick::cancel(engine, from, payload),
        id::CANCEL_MARKET_DEPTH => market_data::cancel_depth(engine, from, payload),
        id::PLACE_ORDER => orders::place(engine, from, payload),
        id::CANCEL_ORDER => orders::cancel(engine, from, payload),
        id::GLOBAL_CANCEL => orders::cancel_all(engine, payload),
        id::OPEN_ORDERS => order_lists::open(engine, from, false),
        id::ALL_OPEN_ORDERS => order_lists::open(engine, from, true),
        id::AUTO_OPEN_ORDERS => order_lists::auto_open(engine, from, payload),
        id::COMPLETED_ORDERS => order_lists::completed(engine, from, payload),
        id::EXECUTIONS => executions::list(engine, from, payload),
        id::POSITIONS => accounts::positions(engine, from),
        id::CANCEL_POSITIONS => accounts::cancel_positions(engine, from),
        id::POSITIONS_MULTI => accounts::positions_multi(engine, from, payload),
        id::CANCEL_POSITIONS_MULTI => accounts::cancel_positions_multi(engine, from, payload),
        id::ACCOUNT_SUMMARY => accounts::summary(engine, from, payload),
        id::CANCEL_ACCOUNT_SUMMARY => accounts::cancel_summary(engine, from, payload),
        id::ACCOUNT_DATA => accounts::updates(engine, from, payload),
        id::ACCOUNT_UPDATES_MULTI => accounts::updates_multi(engine, from, payload),
        id::CANCEL_ACCOUNT_UPDATES_MULTI => accounts::cancel_updates_multi(engine, from, payload),
        id::PNL => accounts::profit(engine, from, payload),
        id::PNL_SINGLE => accounts::profit_of_one(engine, from, payload),
        id::CANCEL_PNL | id::CANCEL_PNL_SINGLE => accounts::cancel_profit(engine, from, payload),
        other => {
            let text = invalid(&format!("The simulator does not serve this request (message {other})"));
            engine.error(from, number(frame), code::INVALID, text);
            Ok(())
        }
    }
}
