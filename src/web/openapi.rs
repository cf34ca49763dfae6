//! The API's own description.

use axum::Json;
use serde_json::{Map, Value, json};

use super::commands::COMMANDS;
use super::routes::READS;

fn parameter(name: &str) -> Value {
    let (kind, what) = match name {
        "limit" => ("integer", "the newest so many, at most 5000"),
        "live" => ("boolean", "only orders that may still trade"),
        "symbol" => ("string", "of this symbol only"),
        "level" => ("string", "error, warn or info: lines at this level or above"),
        "types" => ("string", "kinds of messages, comma separated; all without it"),
        "symbols" => ("string", "symbols, comma separated; all without it"),
        "boot" => ("string", "the process that `from` is a number of, as hello tells it"),
        _ => ("integer", "the number of the last message seen: the feed goes on from there where it can"),
    };
    json!({ "name": name, "in": "query", "description": what, "schema": { "type": kind } })
}

/// Answers that any request may get.
fn answers(done: &str, kind: &str) -> Value {
    let schema = json!({ "type": if kind == "text/plain" { "string" } else { "object" } });
    json!({
        "200": { "description": done, "content": { kind: { "schema": schema } } },
        "401": { "description": "The token is missing or wrong." },
        "403": { "description": "Asked by another site, or the daemon has no token." },
        "421": { "description": "A host name that is not served here." },
        "429": { "description": "Too many requests." },
    })
}

/// The document.
pub fn api() -> Value {
    let mut paths = Map::new();
    for (path, summary, parameters) in READS {
        let kind = if *path == "/metrics" { "text/plain" } else { "application/json" };
        let parameters: Vec<Value> = parameters.iter().map(|name| parameter(name)).collect();
        let operation = json!({
            "summary": summary,
            "parameters": parameters,
            "security": [{}, { "token": [] }],
            "responses": answers("Read.", kind),
        });
        paths.insert((*path).to_owned(), json!({ "get": operation }));
    }
    for (name, summary) in COMMANDS {
        let mut answers = answers("Done: ok is true, text says what.", "application/json");
        answers["409"] = json!({ "description": "Not done: ok is false, text says why." });
        answers["422"] = json!({ "description": "The body is no such command." });
        let operation = json!({
            "summary": summary,
            "security": [{ "token": [] }],
            "requestBody": { "required": true, "content": { "application/json": { "schema": { "type": "object" } } } },
            "responses": answers,
        });
        paths.insert(format!("/api/v1/commands/{name}"), json!({ "post": operation }));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "robo-trader",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What a running daemon shows, and what an operator may say. Money and prices are decimals \
                as text with _usd in their names, unknown is null, instants are RFC 3339 in UTC. \
                Reads need the token only beyond loopback; commands always do.",
        },
        "components": { "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } } },
        "paths": paths,
    })
}

pub(super) async fn document() -> Json<Value> {
    Json(api())
}
