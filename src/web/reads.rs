//! What can be read: the board, as JSON with units in the names; unknown is null.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Shared, metrics};
use crate::domain::{MarketTime, Symbol};
use crate::runner::board::indicators::IndicatorView;
use crate::runner::board::views::{BarView, LinkView};

/// Rows of a list where nobody says how many.
const ROWS: usize = 500;
/// Rows of a list at most.
const ROWS_AT_MOST: usize = 5_000;

/// What narrows a list.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Of this symbol only.
    symbol: Option<Symbol>,
    /// The newest so many.
    limit: Option<usize>,
    /// Orders that may still trade only.
    live: Option<bool>,
    /// Lines of the log at this level or above.
    level: Option<String>,
}

impl Wanted {
    fn rows(&self) -> usize {
        self.limit.unwrap_or(ROWS).min(ROWS_AT_MOST)
    }

    /// The newest wanted rows, oldest first; of what is not known nothing is.
    fn of<T>(&self, rows: Option<Vec<Arc<T>>>, wanted: impl Fn(&T) -> bool) -> Option<Vec<Arc<T>>> {
        let newest = rows?.into_iter().rev();
        let mut rows: Vec<Arc<T>> = newest.filter(|row| wanted(row)).take(self.rows()).collect();
        rows.reverse();
        Some(rows)
    }

    fn is(&self, symbol: Option<&Symbol>) -> bool {
        self.symbol.is_none() || self.symbol.as_ref() == symbol
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Wanted {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let query = Query::from_request_parts(parts, state).await;
        query.map(|Query(wanted)| wanted).map_err(|error| fault(error.status(), error.body_text()))
    }
}

type Board = State<Arc<Shared>>;

/// An answer that no page can be made of.
pub(super) fn fault(status: StatusCode, error: impl Into<String>) -> Response {
    (status, Json(json!({ "error": error.into() }))).into_response()
}

pub(super) async fn unknown() -> Response {
    fault(StatusCode::NOT_FOUND, "there is nothing here: /api/v1/openapi.json lists what there is")
}

/// This process.
#[derive(Serialize, JsonSchema)]
pub(super) struct Version {
    /// The program's name.
    name: &'static str,
    /// The program's version.
    version: &'static str,
    /// The API's version.
    api: &'static str,
    /// A word that no other process of this daemon has.
    boot: String,
    /// Since when it serves, by this machine's clock.
    started_at: MarketTime,
}

pub(super) async fn version(State(shared): Board) -> Json<Version> {
    Json(Version {
        name: "robo-trader",
        version: env!("CARGO_PKG_VERSION"),
        api: "v1",
        boot: shared.boot.clone(),
        started_at: shared.started,
    })
}

/// What blocks trading.
#[derive(Serialize, JsonSchema)]
pub(super) struct Health {
    /// The connection and the layers of health; null before the runner has begun.
    connection: Option<Arc<LinkView>>,
    /// Where the dashboard is, or why it is not there; null without one.
    dashboard: Option<String>,
    /// Seconds since the desk gave its last sign of life; null before there is a desk.
    desk_heartbeat_age_s: Option<f64>,
}

pub(super) async fn health(State(shared): Board) -> Json<Health> {
    let connection = shared.board.connection();
    let desk_heartbeat_age_s = shared.board.stats().desk_heartbeat_age().map(|age| age.as_secs_f64());
    let dashboard = shared.board.status().and_then(|status| status.dashboard);
    Json(Health { connection, dashboard, desk_heartbeat_age_s })
}

pub(super) async fn status(State(shared): Board) -> Response {
    match shared.board.status() {
        Some(status) => Json(status).into_response(),
        None => fault(StatusCode::SERVICE_UNAVAILABLE, "the daemon is starting: try again"),
    }
}

pub(super) async fn account(State(shared): Board) -> Json<Value> {
    Json(json!({ "account": shared.board.account() }))
}

pub(super) async fn limits(State(shared): Board) -> Json<Value> {
    let account = shared.board.account();
    Json(json!({ "limits": account.map(|account| account.limits.clone()) }))
}

pub(super) async fn positions(State(shared): Board, wanted: Wanted) -> Json<Value> {
    let rows = wanted.of(shared.board.positions(), |row| wanted.is(Some(&row.symbol)));
    Json(json!({ "positions": rows }))
}

pub(super) async fn orders(State(shared): Board, wanted: Wanted) -> Json<Value> {
    let any = !wanted.live.unwrap_or(false);
    let rows = wanted.of(shared.board.orders(), |row| wanted.is(row.symbol.as_ref()) && (any || row.is_live));
    Json(json!({ "orders": rows }))
}

pub(super) async fn fills(State(shared): Board, wanted: Wanted) -> Json<Value> {
    let rows = wanted.of(shared.board.fills(), |row| wanted.is(Some(&row.symbol)));
    Json(json!({ "fills": rows }))
}

pub(super) async fn signals(State(shared): Board, wanted: Wanted) -> Json<Value> {
    let rows = wanted.of(shared.board.signals(), |row| wanted.is(row.symbol.as_ref()));
    Json(json!({ "signals": rows }))
}

pub(super) async fn refusals(State(shared): Board, wanted: Wanted) -> Json<Value> {
    let rows = wanted.of(shared.board.refusals(), |row| wanted.is(row.symbol.as_ref()));
    Json(json!({ "refusals": rows }))
}

pub(super) async fn incidents(State(shared): Board, wanted: Wanted) -> Json<Value> {
    let rows = wanted.of(shared.board.incidents(), |row| wanted.is(row.symbol.as_ref()));
    Json(json!({ "incidents": rows }))
}

pub(super) async fn locks(State(shared): Board) -> Json<Value> {
    Json(json!({ "locks": shared.board.locks() }))
}

pub(super) async fn strategies(State(shared): Board) -> Json<Value> {
    Json(json!({ "strategies": shared.config.strategies }))
}

pub(super) async fn config(State(shared): Board) -> Json<Value> {
    Json(json!({ "settings": shared.config.reload.in_force() }))
}

pub(super) async fn equity(State(shared): Board) -> Json<Value> {
    Json(json!({ "equity": shared.board.equity() }))
}

/// Closed bars of a symbol.
#[derive(Serialize, JsonSchema)]
pub(super) struct Bars {
    /// Which.
    symbol: Symbol,
    /// Size of a bar, seconds; null before the first session.
    bar_s: Option<u64>,
    /// Oldest first.
    bars: Vec<BarView>,
}

pub(super) async fn bars(State(shared): Board, wanted: Wanted) -> Response {
    let rows = wanted.rows();
    let Some(symbol) = wanted.symbol else {
        return fault(StatusCode::BAD_REQUEST, "say which symbol: ?symbol=AAPL");
    };
    let bar_s = shared.board.account().map(|account| account.bar_s);
    match shared.board.bars_of(&symbol, rows).or_else(|| is_listed(&shared, &symbol).then(Vec::new)) {
        Some(bars) => Json(Bars { symbol, bar_s, bars }).into_response(),
        None => stranger(&symbol),
    }
}

/// Whether a symbol is one of the daemon's, whatever has come of it.
fn is_listed(shared: &Shared, symbol: &Symbol) -> bool {
    shared.config.strategies.iter().any(|row| row.symbol == symbol.as_str()) || shared.board.is_listed(symbol)
}

fn stranger(symbol: &Symbol) -> Response {
    fault(StatusCode::NOT_FOUND, format!("{symbol} is neither traded nor held here"))
}

/// Indicators of a symbol's strategy.
#[derive(Serialize, JsonSchema)]
pub(super) struct Indicators {
    /// Which symbol.
    symbol: Symbol,
    /// Open instants of the bars, milliseconds since 1970 UTC, oldest first.
    time_ms: Vec<i64>,
    /// Each with one value a bar; empty where the strategy has none.
    indicators: Vec<IndicatorView>,
}

pub(super) async fn indicators(State(shared): Board, wanted: Wanted) -> Response {
    let rows = wanted.rows();
    let Some(symbol) = wanted.symbol else {
        return fault(StatusCode::BAD_REQUEST, "say which symbol: ?symbol=AAPL");
    };
    let none = || is_listed(&shared, &symbol).then(Default::default);
    match shared.board.indicators_of(&symbol, rows).or_else(none) {
        Some((bars, indicators)) => {
            let time_ms = bars.iter().map(|bar| bar.time_ms).collect();
            Json(Indicators { symbol, time_ms, indicators }).into_response()
        }
        None => stranger(&symbol),
    }
}

pub(super) async fn log(State(shared): Board, wanted: Wanted) -> Response {
    let rank = |level: &str| ["ERROR", "WARN", "INFO"].iter().position(|known| known.eq_ignore_ascii_case(level));
    let least = match wanted.level.as_deref() {
        None => 2,
        Some(level) => match rank(level) {
            Some(rank) => rank,
            None => return fault(StatusCode::BAD_REQUEST, "level is error, warn or info"),
        },
    };
    let lines =
        wanted.of(Some(shared.board.log(ROWS_AT_MOST)), |line| rank(line.level).is_some_and(|rank| rank <= least));
    Json(json!({ "log": lines })).into_response()
}

pub(super) async fn prometheus(State(shared): Board) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics::text(&shared)).into_response()
}
