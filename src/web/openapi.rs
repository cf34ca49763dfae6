//! The API's own description: every answer and every body with its fields, by the types that they are written and
//! read by.

use axum::Json;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use super::StrategyView;
use super::commands::COMMANDS;
use super::reads::{Bars, Health, Indicators, Version};
use super::routes::READS;
use crate::runner::board::Snapshot;
use crate::runner::board::positions::{AccountView, LimitView, PositionView};
use crate::runner::board::told::Kind;
use crate::runner::board::views::{
    BarView, EquityView, FillView, HistoryView, LinkView, LogView, OrderView, RefusalView, SettingView, SignalView,
};
use crate::runner::operate::{Reply, Request};
use crate::runner::outlook::Status;
use crate::runner::view::{IncidentView, LockView};

fn parameter(path: &str, name: &str) -> Value {
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
    let required = name == "symbol" && (path.ends_with("/bars") || path.ends_with("/indicators"));
    json!({ "name": name, "in": "query", "required": required, "description": what, "schema": { "type": kind } })
}

/// A generator of schemas that stand among the document's components.
fn generator(settings: SchemaSettings) -> SchemaGenerator {
    settings.with(|settings| settings.definitions_path = "/components/schemas".into()).into_generator()
}

fn object(properties: Value) -> Value {
    let required: Vec<&String> = properties.as_object().map(|map| map.keys().collect()).unwrap_or_default();
    json!({ "type": "object", "required": required, "properties": properties })
}

/// An object with one field.
fn field<T: JsonSchema>(schemas: &mut SchemaGenerator, name: &str) -> Value {
    object(json!({ name: schemas.subschema_for::<T>() }))
}

/// What a path answers with; `None` where it is no JSON.
fn answer(schemas: &mut SchemaGenerator, path: &str) -> Option<Value> {
    let whole = |schema: Schema| schema.to_value();
    Some(match path.rsplit('/').next()? {
        "version" => whole(schemas.subschema_for::<Version>()),
        "health" => whole(schemas.subschema_for::<Health>()),
        "status" => whole(schemas.subschema_for::<Status>()),
        "account" => field::<Option<AccountView>>(schemas, "account"),
        "positions" => field::<Option<Vec<PositionView>>>(schemas, "positions"),
        "orders" => field::<Option<Vec<OrderView>>>(schemas, "orders"),
        "fills" => field::<Option<Vec<FillView>>>(schemas, "fills"),
        "signals" => field::<Option<Vec<SignalView>>>(schemas, "signals"),
        "refusals" => field::<Option<Vec<RefusalView>>>(schemas, "refusals"),
        "incidents" => field::<Option<Vec<IncidentView>>>(schemas, "incidents"),
        "locks" => field::<Option<Vec<LockView>>>(schemas, "locks"),
        "strategies" => field::<Vec<StrategyView>>(schemas, "strategies"),
        "limits" => field::<Option<Vec<LimitView>>>(schemas, "limits"),
        "config" => field::<Vec<SettingView>>(schemas, "settings"),
        "equity" => field::<Option<Vec<EquityView>>>(schemas, "equity"),
        "bars" => whole(schemas.subschema_for::<Bars>()),
        "indicators" => whole(schemas.subschema_for::<Indicators>()),
        "log" => field::<Vec<LogView>>(schemas, "log"),
        "openapi.json" => json!({ "type": "object", "description": "This document." }),
        _ => return None,
    })
}

/// What a message of the feed holds under `data`.
fn told(schemas: &mut SchemaGenerator, kind: Kind) -> Value {
    match kind {
        Kind::Connection => schemas.subschema_for::<LinkView>(),
        Kind::Bar => schemas.subschema_for::<BarView>(),
        Kind::History => schemas.subschema_for::<HistoryView>(),
        Kind::Target => schemas.subschema_for::<SignalView>(),
        Kind::Order => schemas.subschema_for::<OrderView>(),
        Kind::Fill => schemas.subschema_for::<FillView>(),
        Kind::Position => schemas.subschema_for::<PositionView>(),
        Kind::Account => schemas.subschema_for::<AccountView>(),
        Kind::Lock => schemas.subschema_for::<Vec<LockView>>(),
        Kind::Refusal => schemas.subschema_for::<RefusalView>(),
        Kind::Incident => schemas.subschema_for::<IncidentView>(),
        Kind::Log => schemas.subschema_for::<LogView>(),
    }
    .to_value()
}

/// What the feed says.
fn feed(schemas: &mut SchemaGenerator) -> Value {
    let (number, text) = (json!({ "type": "integer", "minimum": 0 }), json!({ "type": "string" }));
    let is = |kind: &str| json!({ "const": kind });
    let mut messages = vec![
        object(json!({ "type": is("hello"), "boot": text, "version": text, "resumed": { "type": "boolean" } })),
        object(json!({ "type": is("snapshot"), "seq": number, "data": schemas.subschema_for::<Snapshot>() })),
        object(json!({ "type": is("pong") })),
        object(json!({ "type": is("error"), "text": text })),
    ];
    for kind in Kind::ALL {
        let (data, symbol) = (told(schemas, kind), json!({ "type": ["string", "null"] }));
        messages.push(object(json!({ "type": is(kind.as_str()), "seq": number, "symbol": symbol, "data": data })));
    }
    json!({
        "description": "A message of the feed. A snapshot that was narrowed has only the sections that were asked for.",
        "oneOf": messages,
    })
}

/// The body of every command, by its name: what the control socket hears, without the name.
fn bodies(schemas: &mut SchemaGenerator) -> Map<String, Value> {
    let mut all = schemas.root_schema_for::<Request>().to_value();
    let variants = all["oneOf"].as_array_mut().map(std::mem::take).unwrap_or_default();
    let body = |mut variant: Value| {
        let name = variant["properties"]["command"]["const"].as_str()?.to_owned();
        variant["properties"].as_object_mut()?.remove("command");
        if let Some(required) = variant["required"].as_array_mut() {
            required.retain(|field| field != "command");
        }
        Some((name, variant))
    };
    variants.into_iter().filter_map(body).collect()
}

/// The answers that a request may get besides the one that it hopes for.
fn faults(more: &[(&str, &str, &str)]) -> Map<String, Value> {
    let any = [
        ("401", "The token is missing or wrong.", "Fault"),
        ("403", "Asked by another site, or the daemon has no token.", "Fault"),
        ("421", "A host name that is not served here.", "Fault"),
        ("429", "Too many requests.", "Fault"),
    ];
    let row = |(status, what, schema): &(&str, &str, &str)| {
        let schema = json!({ "$ref": format!("#/components/schemas/{schema}") });
        let content = json!({ "application/json": { "schema": schema } });
        ((*status).to_owned(), json!({ "description": what, "content": content }))
    };
    any.iter().chain(more).map(row).collect()
}

/// Reads, by their paths.
fn reads(schemas: &mut SchemaGenerator, paths: &mut Map<String, Value>) {
    for (path, summary, parameters) in READS {
        let mut responses = faults(&match path.rsplit('/').next() {
            Some("bars" | "indicators") => {
                vec![("400", "No symbol.", "Fault"), ("404", "It is neither traded nor held.", "Fault")]
            }
            Some("status") => vec![("503", "The daemon is starting.", "Fault")],
            Some("ws") => vec![("400", "No such type or symbol.", "Fault"), ("503", "Too many clients.", "Fault")],
            _ if parameters.is_empty() => Vec::new(),
            _ => vec![("400", "It is narrowed by what is not known.", "Fault")],
        });
        let (status, done) = match (answer(schemas, path), path.ends_with("/ws")) {
            (Some(schema), _) => {
                ("200", json!({ "description": "Read.", "content": { "application/json": { "schema": schema } } }))
            }
            (None, true) => ("101", json!({ "description": "A WebSocket of messages: FeedMessage, as text." })),
            (None, false) => {
                let schema = json!({ "type": "string" });
                ("200", json!({ "description": "Read.", "content": { "text/plain": { "schema": schema } } }))
            }
        };
        responses.insert(status.to_owned(), done);
        let parameters: Vec<Value> = parameters.iter().map(|name| parameter(path, name)).collect();
        let operation = json!({
            "summary": summary,
            "parameters": parameters,
            "security": [{}, { "token": [] }],
            "responses": responses,
        });
        paths.insert((*path).to_owned(), json!({ "get": operation }));
    }
}

/// Commands, by their paths.
fn commands(bodies: &Map<String, Value>, paths: &mut Map<String, Value>) {
    for (name, summary) in COMMANDS {
        let responses = faults(&[
            ("200", "Done: ok is true, text says what.", "Reply"),
            ("400", "The body is no JSON.", "Reply"),
            ("404", "Not done: there is no such symbol or order.", "Reply"),
            ("409", "Not done: ok is false, text says why.", "Reply"),
            ("413", "The body is too long.", "Reply"),
            ("415", "The body is not said to be JSON.", "Reply"),
            ("422", "The body is no such command.", "Reply"),
            ("503", "Not done for now: it may be said again.", "Reply"),
        ]);
        let operation = json!({
            "summary": summary,
            "security": [{ "token": [] }],
            "requestBody": { "required": true, "content": { "application/json": { "schema": bodies.get(*name) } } },
            "responses": responses,
        });
        paths.insert(format!("/api/v1/commands/{name}"), json!({ "post": operation }));
    }
}

/// The document.
pub fn api() -> Value {
    let mut said = generator(SchemaSettings::draft2020_12().for_serialize());
    let mut heard = generator(SchemaSettings::draft2020_12().for_deserialize());
    let mut paths = Map::new();
    reads(&mut said, &mut paths);
    let bodies = bodies(&mut heard);
    commands(&bodies, &mut paths);
    let messages = feed(&mut said);
    // Its schema comes with its definition.
    let _ = said.subschema_for::<Reply>();
    let mut schemas = heard.take_definitions(true);
    schemas.extend(said.take_definitions(true));
    let fault = object(json!({ "error": { "type": "string", "description": "Why not." } }));
    // A client that narrows its subscription gets the sections that it asked for.
    if let Some(snapshot) = schemas.get_mut("Snapshot").and_then(Value::as_object_mut) {
        snapshot.remove("required");
    }
    schemas.extend([("Fault".to_owned(), fault), ("FeedMessage".to_owned(), messages)]);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "robo-trader",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What a running daemon shows, and what an operator may say. Money and prices are decimals \
                as text with _usd in their names, unknown is null, instants are RFC 3339 in UTC. \
                Reads need the token only beyond loopback; commands always do.",
        },
        "components": { "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } }, "schemas": schemas },
        "paths": paths,
    })
}

pub(super) async fn document() -> Json<Value> {
    Json(api())
}
