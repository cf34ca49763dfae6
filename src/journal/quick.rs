//! The bodies of the usual facts, read at once. Their enums carry their tag among the fields, and serde keeps such a body
//! in parts until it has met the tag: here the row's kind says beforehand what it is. Whatever is not quite as this
//! program writes it is left to the general reading.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::domain::book::{DayFact, Disarm, Fact, FillFact, OrderFact, TargetFact};
use crate::domain::broker::{AccountId, Commission, Execution, ExecutionId};
use crate::domain::order::{OrderEvent, Role};
use crate::domain::{
    ContractId, MarketTime, OrderKind, OrderRef, Price, Shares, Side, Symbol, Ticket, TimeInForce, Usd,
};

/// Names that nearly every fact repeats, as last seen: one text for all of them.
#[derive(Debug, Default)]
pub(super) struct Names {
    account: Option<Arc<str>>,
    ledger: Option<Arc<str>>,
    currency: Option<Arc<str>>,
    order_ref: Option<Arc<str>>,
}

/// The text that `kept` is, or becomes.
fn shared(kept: &mut Option<Arc<str>>, text: &str) -> Arc<str> {
    match kept {
        Some(known) if **known == *text => Arc::clone(known),
        _ => Arc::clone(kept.insert(text.into())),
    }
}

/// What a variant's body consists of: its two tags, which are known by then and must not come twice, and its fields.
macro_rules! bodies {
    ($($name:ident $(<$life:lifetime>)? { $($(#[$attribute:meta])* $field:ident: $type:ty),+ $(,)? })+) => {$(
        #[derive(Deserialize)]
        struct $name $(<$life>)? {
            #[serde(rename = "subject")]
            _subject: IgnoredAny,
            #[serde(rename = "what")]
            _what: IgnoredAny,
            $($(#[$attribute])* $field: $type,)+
        }
    )+};
}

bodies! {
    Intended<'a> { #[serde(borrow)] ticket: Terms<'a>, session: u64, reference: Price }
    Changed { intent: u64, event: OrderEvent, perm_id: Option<i64>, note: String }
    Amended<'a> { intent: u64, #[serde(borrow)] ticket: Terms<'a> }
    Executed<'a> { intent: u64, #[serde(borrow)] execution: Trade<'a> }
    Costed<'a> { #[serde(borrow)] commission: Cost<'a> }
    Accepted { value: f64, size: Shares, stale: bool }
    Disarmed { why: Disarm }
    PeakRaised { equity: Usd }
}

/// A [`Ticket`] as it lies there.
#[derive(Deserialize)]
struct Terms<'a> {
    order_id: i32,
    order_ref: &'a str,
    account: &'a str,
    contract: ContractId,
    role: Role,
    side: Side,
    quantity: Shares,
    kind: OrderKind,
    tif: TimeInForce,
    outside_rth: bool,
    #[serde(borrow)]
    oca_group: Option<&'a str>,
    parent_id: Option<i32>,
    transmit: bool,
}

impl Terms<'_> {
    fn ticket(self, names: &mut Names) -> Option<Arc<Ticket>> {
        let (ledger, intent) = OrderRef::parts(self.order_ref)?;
        Some(Arc::new(Ticket {
            order_id: self.order_id,
            order_ref: OrderRef { ledger: shared(&mut names.ledger, ledger), intent },
            account: AccountId(shared(&mut names.account, self.account)),
            contract: self.contract,
            role: self.role,
            side: self.side,
            quantity: self.quantity,
            kind: self.kind,
            tif: self.tif,
            outside_rth: self.outside_rth,
            oca_group: self.oca_group.map(Arc::from),
            parent_id: self.parent_id,
            transmit: self.transmit,
        }))
    }
}

/// An [`Execution`] as it lies there.
#[derive(Deserialize)]
struct Trade<'a> {
    id: &'a str,
    at: MarketTime,
    account: &'a str,
    contract: ContractId,
    symbol: &'a str,
    side: Side,
    quantity: Shares,
    price: Price,
    client_id: i32,
    order_id: i32,
    perm_id: i64,
    order_ref: &'a str,
    is_liquidation: bool,
}

impl Trade<'_> {
    /// `symbol`: what the row is filed under, which is mostly the same.
    fn execution(self, names: &mut Names, symbol: Option<&Symbol>) -> Option<Arc<Execution>> {
        let same = symbol.filter(|symbol| symbol.as_str() == self.symbol).cloned();
        Some(Arc::new(Execution {
            id: ExecutionId(self.id.into()),
            at: self.at,
            account: AccountId(shared(&mut names.account, self.account)),
            contract: self.contract,
            symbol: same.or_else(|| self.symbol.parse().ok())?,
            side: self.side,
            quantity: self.quantity,
            price: self.price,
            client_id: self.client_id,
            order_id: self.order_id,
            perm_id: self.perm_id,
            order_ref: shared(&mut names.order_ref, self.order_ref),
            is_liquidation: self.is_liquidation,
        }))
    }
}

/// A [`Commission`] as it lies there.
#[derive(Deserialize)]
struct Cost<'a> {
    execution: &'a str,
    amount: Usd,
    currency: &'a str,
}

/// The body, where it begins with the tags of its kind, `subject.what`.
fn read<'a, T: Deserialize<'a>>(kind: &str, body: &'a str) -> Option<T> {
    let (subject, what) = kind.split_once('.')?;
    let rest = body.strip_prefix(r#"{"subject":""#)?.strip_prefix(subject)?;
    rest.strip_prefix(r#"","what":""#)?.strip_prefix(what)?.strip_prefix(r#"","#)?;
    serde_json::from_str(body).ok()
}

/// The fact of a body that is filed under `kind` and `symbol`, where it is a usual one and as this program writes it.
pub(super) fn fact(kind: &str, body: &str, symbol: Option<&Symbol>, names: &mut Names) -> Option<Fact> {
    Some(match kind {
        "order.intended" => {
            let Intended { ticket, session, reference, .. } = read(kind, body)?;
            Fact::Order(OrderFact::Intended { ticket: ticket.ticket(names)?, session, reference })
        }
        "order.changed" => {
            let Changed { intent, event, perm_id, note, .. } = read(kind, body)?;
            Fact::Order(OrderFact::Changed { intent, event, perm_id, note })
        }
        "order.amended" => {
            let Amended { intent, ticket, .. } = read(kind, body)?;
            Fact::Order(OrderFact::Amended { intent, ticket: ticket.ticket(names)? })
        }
        "fill.executed" => {
            let Executed { intent, execution, .. } = read(kind, body)?;
            Fact::Fill(FillFact::Executed { intent, execution: execution.execution(names, symbol)? })
        }
        "fill.costed" => {
            let Costed { commission: Cost { execution, amount, currency }, .. } = read(kind, body)?;
            let (execution, currency) = (ExecutionId(execution.into()), shared(&mut names.currency, currency));
            Fact::Fill(FillFact::Costed { commission: Commission { execution, amount, currency } })
        }
        "target.accepted" => {
            let Accepted { value, size, stale, .. } = read(kind, body)?;
            Fact::Target(TargetFact::Accepted { value, size, stale })
        }
        "target.disarmed" => {
            let Disarmed { why, .. } = read(kind, body)?;
            Fact::Target(TargetFact::Disarmed { why })
        }
        "day.peak_raised" => {
            let PeakRaised { equity, .. } = read(kind, body)?;
            Fact::Day(DayFact::PeakRaised { equity })
        }
        _ => return None,
    })
}
