//! How values of the pure rooms look in JSON, for the API's description. The rooms themselves know nothing of it.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::desk::Mode;
use crate::domain::book::{Counts, Disarm, LockCause};
use crate::domain::{MarketTime, Price, Shares, Symbol, Usd};

/// A type whose JSON is one plain value.
macro_rules! plain {
    ($type:ty, $name:literal, $schema:tt) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

plain!(MarketTime, "Instant", {
    "type": "string", "format": "date-time", "description": "RFC 3339 in UTC, to the millisecond.",
});
plain!(Usd, "Usd", {
    "type": "string", "pattern": DECIMAL, "description": "US dollars, a decimal as text.",
});
plain!(Price, "Price", {
    "type": "string", "pattern": DECIMAL, "description": "US dollars a share, a decimal as text.",
});
plain!(Shares, "Shares", { "type": "integer", "description": "Whole shares; below 0 is short." });
plain!(Symbol, "Symbol", { "type": "string", "description": "A ticker as IBKR writes it." });
plain!(Disarm, "Disarm", {
    "type": "string", "description": "Why a symbol may not be entered before its target changes, in a word.",
});
plain!(LockCause, "LockCause", { "type": "string", "description": "Who or what locked it, in a word." });
plain!(Mode, "Mode", {
    "type": "string", "enum": ["observe", "paper", "live"], "description": "Whether orders leave, and to what account.",
});

/// A decimal as text.
const DECIMAL: &str = "^-?[0-9]+([.][0-9]+)?$";

impl JsonSchema for Counts {
    fn schema_name() -> Cow<'static, str> {
        "Counts".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let counts = ["orders", "executions", "costed", "refusals", "incidents", "sessions", "observed"];
        let count = serde_json::json!({ "type": "integer", "minimum": 0 });
        let properties: serde_json::Map<String, serde_json::Value> =
            counts.iter().map(|name| ((*name).to_owned(), count.clone())).collect();
        json_schema!({
            "type": "object",
            "description": "How often things have happened since the ledger began.",
            "properties": properties,
            "required": counts,
        })
    }
}
