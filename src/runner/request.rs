//! What may be said to a running daemon, and what it answers: one JSON line each.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::board::views::LogLines;
use crate::domain::{HistoryRequest, Symbol};

/// What an operator may ask, as a JSON line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Everything that is known.
    Status {},
    /// The gateway, asked now by the daemon's session: its time, what the account holds and what works in it.
    #[schemars(skip)]
    Look {},
    /// The log's last lines, or those after one that was told before, and where all of them are.
    #[schemars(skip)]
    Log {
        /// The number of the last line that is known; without it the last ones are told.
        #[serde(default)]
        after: Option<u64>,
        /// So many at most.
        at_most: usize,
    },
    /// Bars of the past, asked for by the daemon's session and within its pacing.
    #[schemars(skip)]
    History {
        /// Of which symbol; it need not be one of the plan's.
        symbol: Symbol,
        /// Which bars.
        #[schemars(with = "serde_json::Value")]
        ask: HistoryRequest,
    },
    /// Broker and book, compared now.
    Reconcile {},
    /// What the broker states of a symbol is right.
    Accept {
        /// Which.
        symbol: Symbol,
        /// Why.
        reason: String,
        /// NEW:OLD, where a split explains it.
        #[serde(default)]
        split: Option<String>,
        /// The difference is others': it is left alone.
        #[serde(default)]
        foreign: bool,
    },
    /// No entries.
    Halt {
        /// In one symbol; all without it.
        #[serde(default)]
        symbol: Option<Symbol>,
        /// Why.
        #[serde(default)]
        reason: String,
    },
    /// Entries again.
    Resume {
        /// In one symbol; the account without it.
        #[serde(default)]
        symbol: Option<Symbol>,
        /// Why.
        #[serde(default)]
        reason: String,
    },
    /// Everything of ours closed, entries blocked.
    Flatten {
        /// In one symbol; all without it.
        #[serde(default)]
        symbol: Option<Symbol>,
        /// Why.
        #[serde(default)]
        reason: String,
        /// Every client's orders are cancelled, too.
        #[serde(default)]
        everything: bool,
        /// The account, twice, where everything goes.
        #[serde(default)]
        confirm: Vec<String>,
    },
    /// No entries in a symbol until it is unparked.
    Park {
        /// Which.
        symbol: Symbol,
        /// Why.
        #[serde(default)]
        reason: String,
    },
    /// A parked symbol may be entered again.
    Unpark {
        /// Which.
        symbol: Symbol,
    },
    /// One order of ours is cancelled.
    Cancel {
        /// Its number in the ledger.
        intent: u64,
        /// Why.
        #[serde(default)]
        reason: String,
    },
    /// A human has taken notice of what stands: alerts repeat it no more.
    Acknowledge {},
    /// Limits and locks by the settings as they are now.
    Reload {},
    /// The daemon ends, as on SIGTERM: entries are cancelled, stops stay.
    Shutdown {
        /// Why.
        #[serde(default)]
        reason: String,
    },
}

/// The answer, as a JSON line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// Whether it was done.
    pub ok: bool,
    /// What was done, or why not.
    pub text: String,
    /// What is known, or what the broker said, where that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<serde_json::Value>,
}

/// Where the log is, as [`Request::Log`] is answered.
#[derive(Debug, Serialize)]
pub struct LogReply {
    /// Its file (LOG_FILE); null without one.
    pub file: Option<PathBuf>,
    /// Its last lines; null where none are kept (without a dashboard).
    pub kept: Option<LogLines>,
}

impl Reply {
    pub(super) fn no(text: impl Into<String>) -> Self {
        Self { ok: false, text: text.into(), status: None }
    }

    pub(super) fn yes(text: impl Into<String>) -> Self {
        Self { ok: true, text: text.into(), status: None }
    }

    /// Nothing is wrong, but for now.
    pub fn later(text: impl Into<String>) -> Self {
        Self { status: Some(json!({ "again": true })), ..Self::no(text) }
    }

    /// What was named is not there: say it otherwise.
    pub(super) fn mistaken(text: impl Into<String>) -> Self {
        Self { status: Some(json!({ "mistaken": true })), ..Self::no(text) }
    }

    /// Whether what was asked for names what is not there.
    pub fn is_mistaken(&self) -> bool {
        !self.ok && self.status.as_ref().is_some_and(|hint| hint["mistaken"] == true)
    }

    /// Whether it may be asked again, for nothing is wrong.
    pub fn is_later(&self) -> bool {
        !self.ok && self.status.as_ref().is_some_and(|hint| hint["again"] == true)
    }

    /// Its line.
    pub fn line(&self) -> String {
        serde_json::to_string(self)
            .unwrap_or_else(|error| format!("{{\"ok\":false,\"text\":\"the answer cannot be written: {error}\"}}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_read_back_and_strangers_are_refused() {
        let halt = Request::Halt { symbol: Some("AAPL".parse().unwrap()), reason: "news".into() };
        let line = serde_json::to_string(&halt).unwrap();
        assert_eq!(line, r#"{"command":"halt","symbol":"AAPL","reason":"news"}"#);
        assert_eq!(serde_json::from_str::<Request>(&line).unwrap(), halt);
        assert_eq!(serde_json::from_str::<Request>(r#"{"command":"status"}"#).unwrap(), Request::Status {});
        for line in [
            "",
            "halt",
            r#"{"command":"sell"}"#,
            r#"{"command":"halt","now":true}"#,
            r#"{"command":"halt","symbol":"A;B"}"#,
        ] {
            assert!(serde_json::from_str::<Request>(line).is_err(), "{line}");
        }
    }
}
