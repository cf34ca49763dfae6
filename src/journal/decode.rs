//! Rows of the journal become records again. A start reads every row there is: texts are looked at
//! where they lie, and names that the last row had, too, are not read again.

use compact_str::CompactString;
use rusqlite::Row;

use super::JournalError;
use super::quick;
use crate::domain::book::{Fact, Record};
use crate::domain::contract::BadSymbol;
use crate::domain::{ContractId, MarketTime, Symbol};

/// The version of fact bodies that this program writes.
pub(super) const BODY_VERSION: i64 = 1;

/// What [`Decoder::record`] reads, in this order.
pub(super) const COLUMNS: &str = "seq, at, strategy, symbol, con_id, kind, version, body";

/// Reads rows; remembers the names in the last one, which the next mostly has, too.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    strategy: Option<CompactString>,
    symbol: Option<Symbol>,
}

impl Decoder {
    /// The record in a row with this number.
    ///
    /// # Errors
    /// A kind or version that this program does not know, or a text that cannot be what it should.
    pub(super) fn record(&mut self, row: &Row<'_>, seq: u64) -> Result<Record, JournalError> {
        let unreadable = |why: String| JournalError::Unreadable { seq, why };
        let text = |column: usize| {
            let value = row.get_ref(column).map_err(|error| unreadable(error.to_string()))?;
            value.as_str_or_null().map_err(|error| unreadable(format!("column {column}: {error}")))
        };
        let needed = |column: usize| text(column)?.ok_or_else(|| unreadable(format!("column {column} is empty")));
        let wrong = |error: rusqlite::Error| unreadable(error.to_string());
        let kind = needed(5)?;
        let version: i64 = row.get(6).map_err(wrong)?;
        if version != BODY_VERSION || !Fact::KINDS.contains(&kind) {
            return Err(JournalError::UnknownKind { seq, kind: kind.to_owned(), version });
        }
        let at: MarketTime = needed(1)?.parse().map_err(unreadable)?;
        let (strategy, symbol) = (text(2)?, text(3)?);
        if self.strategy.as_deref() != strategy {
            self.strategy = strategy.map(CompactString::new);
        }
        if self.symbol.as_ref().map(Symbol::as_str) != symbol {
            self.symbol =
                symbol.map(str::parse).transpose().map_err(|error: BadSymbol| unreadable(error.to_string()))?;
        }
        let body = needed(7)?;
        let fact = match quick::fact(kind, body, self.symbol.as_ref()) {
            Some(fact) => fact,
            None => fact(kind, body).map_err(|error| unreadable(error.to_string()))?,
        };
        if fact.kind() != kind {
            return Err(unreadable(format!("it is filed as {kind}, its body is of kind {}", fact.kind())));
        }
        Ok(Record {
            at,
            strategy: self.strategy.clone(),
            symbol: self.symbol,
            contract: row.get::<_, Option<i32>>(4).map_err(wrong)?.map(ContractId),
            fact,
        })
    }
}

/// The fact of a body. Where its beginning says what its kind says, that subject is read from it at once: reading any fact
/// means to keep the whole body in parts until its subject is known, and a start reads very many.
fn fact(kind: &str, body: &str) -> serde_json::Result<Fact> {
    let subject = kind.split_once('.').map_or(kind, |(subject, _)| subject);
    let begins = body.strip_prefix(r#"{"subject":""#).and_then(|rest| rest.strip_prefix(subject));
    if !begins.is_some_and(|rest| rest.starts_with("\",")) {
        return serde_json::from_str(body);
    }
    Ok(match subject {
        "ledger" => Fact::Ledger(serde_json::from_str(body)?),
        "session" => Fact::Session(serde_json::from_str(body)?),
        "day" => Fact::Day(serde_json::from_str(body)?),
        "target" => Fact::Target(serde_json::from_str(body)?),
        "order" => Fact::Order(serde_json::from_str(body)?),
        "fill" => Fact::Fill(serde_json::from_str(body)?),
        "lock" => Fact::Lock(serde_json::from_str(body)?),
        "refused" => Fact::Refused(serde_json::from_str(body)?),
        "incident" => Fact::Incident(serde_json::from_str(body)?),
        _ => serde_json::from_str(body)?,
    })
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
