//! Commands: what an operator may say, by the same path as on the control socket.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use tracing::info;

use super::Shared;
use crate::runner::operate::{Reply, Request};

/// The commands, with what each does.
pub const COMMANDS: &[(&str, &str)] = &[
    ("halt", "No entries; exits pass. symbol (optional), reason."),
    ("resume", "Entries again. symbol (optional), reason (needed where a lock set itself)."),
    (
        "flatten",
        "No entries, our orders cancelled, our positions closed. symbol (optional), reason; everything: the orders of \
         every client, too, where confirm names the account twice.",
    ),
    ("reconcile", "Broker and book compared now; the answer has the status."),
    ("accept", "What the broker states of a symbol is right. symbol, reason, split (NEW:OLD) or foreign."),
    ("park", "No entries in a symbol until it is unparked. symbol, reason."),
    ("unpark", "A parked symbol may be entered again. symbol."),
    ("cancel", "One order of ours is cancelled. intent, reason."),
    ("reload", "Limits and locks by the settings as they are now: all of them, or none where anything is wrong."),
    ("acknowledge", "A human has taken notice of what alerts tell: what stands is not told again."),
    ("shutdown", "The daemon ends, as on SIGTERM: entries are cancelled, stops stay. reason."),
];

fn said(status: StatusCode, ok: bool, text: impl Into<String>) -> Response {
    (status, Json(json!({ "ok": ok, "text": text.into() }))).into_response()
}

/// Turns a command's name and body into what the control socket would hear.
fn request(name: &str, mut body: Map<String, Value>) -> Result<Request, String> {
    if !COMMANDS.iter().any(|(known, _)| *known == name) {
        return Err(format!("{name:?} is no command"));
    }
    if body.contains_key("command") {
        return Err("the command is in the address, not in the body".to_owned());
    }
    body.insert("command".to_owned(), Value::from(name));
    serde_json::from_value(Value::Object(body)).map_err(|error| format!("{name}: {error}"))
}

pub(super) async fn command(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    body: Result<Json<Map<String, Value>>, JsonRejection>,
) -> Response {
    let body = match body {
        Ok(Json(body)) => body,
        Err(error) => return said(error.status(), false, error.body_text()),
    };
    let request = match request(&name, body) {
        Ok(request) => request,
        Err(why) => return said(StatusCode::UNPROCESSABLE_ENTITY, false, why),
    };
    info!(command = %name, "an operator speaks by the dashboard's API");
    answered(shared.board.ask(&request).await)
}

/// A reply as HTTP tells it: what the control socket hints beside a refusal is the answer's status here.
fn answered(reply: Reply) -> Response {
    let status = match &reply {
        reply if reply.ok => StatusCode::OK,
        reply if reply.is_mistaken() => StatusCode::NOT_FOUND,
        reply if reply.is_later() => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::CONFLICT,
    };
    let told = if reply.ok { reply } else { Reply { status: None, ..reply } };
    (status, Json(told)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_refusal_is_told_by_its_status_and_its_words_and_by_no_hint_of_the_control_sockets() {
        let whole = Reply { status: Some(json!({ "ready": true })), ..yes() };
        let later = Reply::later("too much waits");
        let mistaken: Reply =
            serde_json::from_value(json!({ "ok": false, "text": "no X", "status": { "mistaken": true } })).unwrap();
        for (reply, status, body) in [
            (yes(), 200, json!({ "ok": true, "text": "done" })),
            (whole, 200, json!({ "ok": true, "text": "done", "status": { "ready": true } })),
            (later, 503, json!({ "ok": false, "text": "too much waits" })),
            (mistaken, 404, json!({ "ok": false, "text": "no X" })),
            (Reply { ok: false, ..yes() }, 409, json!({ "ok": false, "text": "done" })),
        ] {
            let answer = answered(reply);
            let told = answer.status().as_u16();
            let bytes = axum::body::to_bytes(answer.into_body(), 1 << 10).await.unwrap();
            assert_eq!((told, serde_json::from_slice::<Value>(&bytes).unwrap()), (status, body));
        }
    }

    fn yes() -> Reply {
        Reply { ok: true, text: "done".to_owned(), status: None }
    }

    #[test]
    fn every_command_is_one_of_the_control_sockets() {
        let body = |text: &str| serde_json::from_str::<Map<String, Value>>(text).unwrap();
        let whole = [
            ("halt", "{}"),
            ("resume", r#"{"symbol":"AAPL","reason":"ok"}"#),
            ("flatten", r#"{"reason":"enough"}"#),
            ("reconcile", "{}"),
            ("accept", r#"{"symbol":"AAPL","reason":"split","split":"2:1"}"#),
            ("park", r#"{"symbol":"AAPL"}"#),
            ("unpark", r#"{"symbol":"AAPL"}"#),
            ("cancel", r#"{"intent":7}"#),
            ("reload", "{}"),
            ("acknowledge", "{}"),
            ("shutdown", "{}"),
        ];
        assert_eq!(whole.map(|(name, _)| name).to_vec(), COMMANDS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        for (name, text) in whole {
            assert!(request(name, body(text)).is_ok(), "{name}");
        }
        for (name, text) in [
            ("sell", "{}"),
            ("status", "{}"),
            ("halt", r#"{"command":"flatten"}"#),
            ("halt", r#"{"now":true}"#),
            ("cancel", "{}"),
            ("cancel", r#"{"intent":-1}"#),
            ("park", r#"{"symbol":"A;B"}"#),
        ] {
            assert!(request(name, body(text)).is_err(), "{name} {text}");
        }
    }
}
