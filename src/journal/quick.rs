//! The bodies of the usual facts, read at once. Their enums carry their tag among the fields, and serde keeps such a body
//! in parts until it has met the tag: here the row's kind says beforehand what it is, and every field is looked for where
//! this program writes it. Whatever is not quite so is left to the general reading.

use std::str::FromStr;
use std::sync::Arc;

use compact_str::CompactString;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde::de::value::{Error, StrDeserializer};

use crate::domain::book::{DayFact, Fact, FillFact, OrderFact, TargetFact};
use crate::domain::broker::{AccountId, Commission, Execution, ExecutionId};
use crate::domain::{ContractId, OrderRef, Shares, Symbol, Ticket};

/// What is left of a body, from where it has been read to. `None` of any of its methods: it is not as it is written here,
/// or no JSON at all.
struct Body<'a> {
    rest: &'a str,
    /// No field of the object was read yet.
    first: bool,
}

impl<'a> Body<'a> {
    /// The body after the tags of its kind, `subject.what`.
    fn of(kind: &str, body: &'a str) -> Option<Self> {
        let (subject, what) = kind.split_once('.')?;
        let rest = body.strip_prefix(r#"{"subject":""#)?.strip_prefix(subject)?;
        let rest = rest.strip_prefix(r#"","what":""#)?.strip_prefix(what)?.strip_prefix('"')?;
        Some(Self { rest, first: false })
    }

    /// `fact`, where nothing is left.
    fn whole(&self, fact: Fact) -> Option<Fact> {
        (self.rest == "}").then_some(fact)
    }

    fn skip(&mut self, words: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(words)?;
        Some(())
    }

    /// The next field's name.
    fn name(&mut self, name: &str) -> Option<()> {
        if !std::mem::take(&mut self.first) {
            self.skip(",")?;
        }
        self.rest = self.rest.strip_prefix('"')?.strip_prefix(name)?.strip_prefix("\":")?;
        Some(())
    }

    /// A text without escapes.
    fn text(&mut self) -> Option<&'a str> {
        let rest = self.rest.strip_prefix('"')?;
        let end = rest.bytes().position(|byte| byte == b'"' || byte == b'\\' || byte < b' ')?;
        let (text, rest) = (rest.get(..end)?, rest.get(end..)?);
        self.rest = rest.strip_prefix('"')?;
        Some(text)
    }

    /// A whole number.
    fn number<T: FromStr>(&mut self) -> Option<T> {
        let digits = self.rest.strip_prefix('-').unwrap_or(self.rest);
        let count = digits.bytes().take_while(u8::is_ascii_digit).count();
        // One that JSON does not have, or no whole one in its eyes.
        if count > 1 && digits.starts_with('0') || self.rest.starts_with("-0") {
            return None;
        }
        let (number, rest) = self.rest.split_at_checked(self.rest.len() - digits.len() + count)?;
        self.rest = rest;
        number.parse().ok()
    }

    fn is(&mut self) -> Option<bool> {
        let is = self.rest.starts_with("true");
        self.skip(if is { "true" } else { "false" })?;
        Some(is)
    }

    /// Nothing, or what `read` reads.
    fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        if self.skip("null").is_some() {
            return Some(None);
        }
        read(self).map(Some)
    }

    /// What is written as a text, and read from it as serde does.
    fn word<T: Deserialize<'a>>(&mut self) -> Option<T> {
        T::deserialize(StrDeserializer::<Error>::new(self.text()?)).ok()
    }

    /// Anything that has a reading of its own.
    fn value<T: DeserializeOwned>(&mut self) -> Option<T> {
        let mut values = serde_json::Deserializer::from_str(self.rest).into_iter();
        let value = values.next()?.ok()?;
        self.rest = self.rest.get(values.byte_offset()..)?;
        Some(value)
    }

    fn object<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.skip("{")?;
        self.first = true;
        let value = read(self)?;
        self.skip("}")?;
        Some(value)
    }

    /// The next field, which has this name.
    fn field<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.name(name)?;
        read(self)
    }

    fn shares(&mut self) -> Option<Shares> {
        Shares::try_from(self.number::<i64>()?).ok()
    }

    fn contract(&mut self) -> Option<ContractId> {
        self.number().map(ContractId)
    }

    // Fields are read in the order in which they stand here: it is that in which they are written.

    fn ticket(&mut self) -> Option<Arc<Ticket>> {
        self.object(|body| {
            Some(Arc::new(Ticket {
                order_id: body.field("order_id", Self::number)?,
                order_ref: body
                    .field("order_ref", Self::text)
                    .and_then(OrderRef::parts)
                    .map(|(ledger, intent)| OrderRef { ledger: ledger.into(), intent })?,
                account: AccountId(body.field("account", Self::text)?.into()),
                contract: body.field("contract", Self::contract)?,
                role: body.field("role", Self::word)?,
                side: body.field("side", Self::word)?,
                quantity: body.field("quantity", Self::shares)?,
                kind: body.field("kind", Self::value)?,
                tif: body.field("tif", Self::word)?,
                outside_rth: body.field("outside_rth", Self::is)?,
                oca_group: body.field("oca_group", |body| body.option(Self::text))?.map(CompactString::new),
                parent_id: body.field("parent_id", |body| body.option(Self::number))?,
                transmit: body.field("transmit", Self::is)?,
            }))
        })
    }

    /// `symbol`: what the row is filed under, which is mostly the same.
    fn execution(&mut self, symbol: Option<&Symbol>) -> Option<Arc<Execution>> {
        let named = |text: &str| match symbol {
            Some(symbol) if symbol.as_str() == text => Some(*symbol),
            Some(_) | None => text.parse().ok(),
        };
        self.object(|body| {
            Some(Arc::new(Execution {
                id: ExecutionId(body.field("id", Self::text)?.into()),
                at: body.field("at", Self::word)?,
                account: AccountId(body.field("account", Self::text)?.into()),
                contract: body.field("contract", Self::contract)?,
                symbol: body.field("symbol", Self::text).and_then(named)?,
                side: body.field("side", Self::word)?,
                quantity: body.field("quantity", Self::shares)?,
                price: body.field("price", Self::word)?,
                client_id: body.field("client_id", Self::number)?,
                order_id: body.field("order_id", Self::number)?,
                perm_id: body.field("perm_id", Self::number)?,
                order_ref: body.field("order_ref", Self::text)?.into(),
                is_liquidation: body.field("is_liquidation", Self::is)?,
            }))
        })
    }

    fn commission(&mut self) -> Option<Commission> {
        self.object(|body| {
            Some(Commission {
                execution: ExecutionId(body.field("execution", Self::text)?.into()),
                amount: body.field("amount", Self::word)?,
                currency: body.field("currency", Self::text)?.into(),
            })
        })
    }
}

/// The fact of a body that is filed under `kind` and `symbol`, where it is a usual one and as this program writes it.
pub(super) fn fact(kind: &str, body: &str, symbol: Option<&Symbol>) -> Option<Fact> {
    let mut body = Body::of(kind, body)?;
    let fact = match kind {
        "order.intended" => Fact::Order(OrderFact::Intended {
            ticket: body.field("ticket", Body::ticket)?,
            session: body.field("session", Body::number)?,
            reference: body.field("reference", Body::word)?,
        }),
        "order.changed" => Fact::Order(OrderFact::Changed {
            intent: body.field("intent", Body::number)?,
            event: body.field("event", Body::word)?,
            perm_id: body.field("perm_id", |body| body.option(Body::number))?,
            note: body.field("note", Body::text)?.to_owned(),
        }),
        "order.amended" => Fact::Order(OrderFact::Amended {
            intent: body.field("intent", Body::number)?,
            ticket: body.field("ticket", Body::ticket)?,
        }),
        "fill.executed" => Fact::Fill(FillFact::Executed {
            intent: body.field("intent", Body::number)?,
            execution: body.field("execution", |body| body.execution(symbol))?,
        }),
        "fill.costed" => Fact::Fill(FillFact::Costed { commission: body.field("commission", Body::commission)? }),
        "target.accepted" => Fact::Target(TargetFact::Accepted {
            value: body.field("value", Body::value)?,
            size: body.field("size", Body::shares)?,
            stale: body.field("stale", Body::is)?,
        }),
        "target.disarmed" => Fact::Target(TargetFact::Disarmed { why: body.field("why", Body::word)? }),
        "day.peak_raised" => Fact::Day(DayFact::PeakRaised { equity: body.field("equity", Body::word)? }),
        _ => return None,
    };
    body.whole(fact)
}
