//! The routes, and what stands before and behind each of them.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};

use super::guard::Claims;
use super::{Shared, commands, feed, openapi, page, reads};

/// Bytes of a command at most.
const LONGEST_BODY: usize = 16 << 10;
/// How long an answer may take: longer than the desk may.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// What can be read: path, summary, and what narrows it.
pub const READS: &[(&str, &str, &[&str])] = &[
    ("/api/v1/version", "Name, version, and this process: boot (a word of its own) and started_at.", &[]),
    ("/api/v1/health", "The connection, its breaker and every layer: up or down, since when, what it blocks.", &[]),
    ("/api/v1/status", "Everything that robo-trader status tells.", &[]),
    ("/api/v1/account", "Money, counts, drawdown and limits.", &[]),
    ("/api/v1/positions", "Each symbol: shares, worth, target, stop, last bar, lock.", &["symbol", "limit"]),
    ("/api/v1/orders", "Orders with their life, oldest first.", &["symbol", "live", "limit"]),
    ("/api/v1/fills", "Executions with their cost, oldest first.", &["symbol", "limit"]),
    ("/api/v1/signals", "Targets accepted, disarmed and deferred, oldest first.", &["symbol", "limit"]),
    ("/api/v1/refusals", "Orders that risk refused, with the numbers, oldest first.", &["symbol", "limit"]),
    ("/api/v1/incidents", "What a human may want to know about, oldest first.", &["symbol", "limit"]),
    ("/api/v1/locks", "What stops entries, since when, and how it ends.", &[]),
    ("/api/v1/strategies", "How each symbol is traded.", &[]),
    ("/api/v1/limits", "Limits with their use.", &[]),
    ("/api/v1/config", "Settings in force with their sources; secrets are masked.", &[]),
    ("/api/v1/equity", "The equity curve, oldest first.", &[]),
    ("/api/v1/bars", "Closed bars of a symbol, oldest first.", &["symbol", "limit"]),
    ("/api/v1/indicators", "Indicators of a symbol's strategy, a value a bar, oldest first.", &["symbol", "limit"]),
    ("/api/v1/log", "The log's last lines, oldest first.", &["level", "limit"]),
    ("/api/v1/openapi.json", "This document.", &[]),
    ("/api/v1/ws", "The feed, by WebSocket: a snapshot, then numbered deltas.", &["types", "symbols", "boot", "from"]),
    ("/metrics", "Metrics for Prometheus.", &[]),
];

/// Everything that is served.
pub fn router(shared: Arc<Shared>) -> Router {
    let page = page::FILES.iter().fold(Router::new(), |router, file| {
        let file: &'static page::PageFile = file;
        router.route(file.path, get(move || async move { file.answer() }))
    });
    page.route("/api/v1/version", get(reads::version))
        .route("/api/v1/health", get(reads::health))
        .route("/api/v1/status", get(reads::status))
        .route("/api/v1/account", get(reads::account))
        .route("/api/v1/positions", get(reads::positions))
        .route("/api/v1/orders", get(reads::orders))
        .route("/api/v1/fills", get(reads::fills))
        .route("/api/v1/signals", get(reads::signals))
        .route("/api/v1/refusals", get(reads::refusals))
        .route("/api/v1/incidents", get(reads::incidents))
        .route("/api/v1/locks", get(reads::locks))
        .route("/api/v1/strategies", get(reads::strategies))
        .route("/api/v1/limits", get(reads::limits))
        .route("/api/v1/config", get(reads::config))
        .route("/api/v1/equity", get(reads::equity))
        .route("/api/v1/bars", get(reads::bars))
        .route("/api/v1/indicators", get(reads::indicators))
        .route("/api/v1/log", get(reads::log))
        .route("/api/v1/openapi.json", get(openapi::document))
        .route("/api/v1/ws", get(feed::upgrade))
        .route("/api/v1/commands/{name}", post(commands::command))
        .route("/metrics", get(reads::prometheus))
        .fallback(reads::unknown)
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), guarded))
        .with_state(shared)
}

/// Lets requests in by the guard's rules, bounds how long they take, and gives every answer its headers.
async fn guarded(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let headers = request.headers();
    let claims = Claims {
        path: request.uri().path(),
        reads,
        host: text(headers, header::HOST),
        origin: text(headers, header::ORIGIN),
        fetch_site: text(headers, HeaderName::from_static("sec-fetch-site")),
        token: token(headers),
    };
    let mut response = match shared.guard.admit(&claims) {
        Ok(()) => match tokio::time::timeout(ANSWER_WITHIN, next.run(request)).await {
            Ok(response) => response,
            Err(_) => reads::fault(StatusCode::GATEWAY_TIMEOUT, "no answer in time; it may still act"),
        },
        Err(denied) => {
            let status = StatusCode::from_u16(denied.status()).unwrap_or(StatusCode::FORBIDDEN);
            reads::fault(status, denied.to_string())
        }
    };
    for (name, value) in ANSWERED {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

/// Headers of every answer.
const ANSWERED: &[(&str, &str)] = &[
    ("content-security-policy", page::CSP),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
];

/// A header that is there once and is text; one that is there twice says nothing.
fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    // What cannot be read is not taken for absent: it is no name or origin that is known.
    Some(if values.next().is_some() { "?" } else { first.to_str().unwrap_or("?") })
}

/// The token that a request carries: as a bearer, or among the protocols of a WebSocket, where browsers can say
/// nothing else.
pub(super) fn token(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if let Some(bearer) = bearer {
        let (scheme, token) = bearer.split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then(|| token.trim());
    }
    let protocols = headers.get(header::SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    protocols.split(',').find_map(|protocol| protocol.trim().strip_prefix(feed::TOKEN_PREFIX))
}
