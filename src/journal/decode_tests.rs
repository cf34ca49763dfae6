//! However a body is read, it says the same: bodies as they are written, and bodies that somebody has changed.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::*;
use crate::domain::book::{
    DayFact, Disarm, FillFact, IncidentFact, LedgerFact, LockCause, LockFact, LockScope, OrderFact, RefusedFact,
    SessionFact, TargetFact,
};
use crate::domain::broker::{Commission, Execution, ExecutionId, Venue};
use crate::domain::order::{OrderEvent, Role, TrailBy};
use crate::domain::refusal::Refusal;
use crate::domain::{OrderKind, Price, Shares, Side, Ticket, TimeInForce, Usd};

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

fn ticket(kind: OrderKind) -> Arc<Ticket> {
    Arc::new(Ticket {
        order_id: 17,
        order_ref: "rt-k3x9-42".parse().unwrap(),
        account: crate::domain::broker::AccountId("DU1234567".into()),
        contract: ContractId(101),
        role: Role::Entry,
        side: Side::Buy,
        quantity: Shares(100),
        kind,
        tif: TimeInForce::Day,
        outside_rth: false,
        oca_group: Some("rt-k3x9-oca-1".into()),
        parent_id: Some(16),
        transmit: true,
    })
}

fn execution() -> Arc<Execution> {
    Arc::new(Execution {
        id: ExecutionId("0000e0d5.6740a1b2.01.01".into()),
        at: MarketTime::from_millis(1_780_675_220_123),
        account: crate::domain::broker::AccountId("DU1234567".into()),
        contract: ContractId(101),
        symbol: "BRK B".parse().unwrap(),
        side: Side::Sell,
        quantity: Shares(100),
        price: price("50.10"),
        client_id: 7,
        order_id: 17,
        perm_id: 1_234_567_890_123,
        order_ref: "rt-k3x9-42".into(),
        is_liquidation: false,
    })
}

fn orders() -> Vec<Fact> {
    let all = [
        OrderFact::Intended { ticket: ticket(OrderKind::Market), session: 3, reference: price("50.1") },
        OrderFact::Intended {
            ticket: ticket(OrderKind::StopLimit { trigger: price("49.90"), limit: price("49.5") }),
            session: 3,
            reference: price("50.1"),
        },
        OrderFact::Intended {
            ticket: Arc::new(Ticket { oca_group: None, parent_id: None, ..(*ticket(OrderKind::Market)).clone() }),
            session: u64::MAX,
            reference: price("0"),
        },
        OrderFact::Changed { intent: 42, event: OrderEvent::Acknowledged, perm_id: Some(1), note: String::new() },
        OrderFact::Changed { intent: 42, event: OrderEvent::Rejected, perm_id: None, note: "no \"margin\"\n".into() },
        OrderFact::Amended {
            intent: 42,
            ticket: ticket(OrderKind::Trail { by: TrailBy::Percent(10.into()), trigger: Some(price("45.09")) }),
        },
        OrderFact::Adopted { ticket: ticket(OrderKind::Limit { limit: price("50") }), perm_id: 1 },
        OrderFact::Observed { ticket: ticket(OrderKind::Stop { trigger: price("50") }) },
    ];
    all.into_iter().map(Fact::Order).collect()
}

fn ledger_and_locks() -> Vec<Fact> {
    let account = crate::domain::broker::AccountId("DU1234567".into());
    let venue = Venue::Simulator { exchange: "an-exchange".into() };
    let day = chrono::NaiveDate::from_ymd_opt(2026, 6, 5);
    let ledger = [
        LedgerFact::Opened { ledger: "k3x9".into(), venue, account },
        LedgerFact::LimitsChanged { limits: json!({"RISK_MAX_ORDERS": "10"}) },
        LedgerFact::Funded { cash: usd("100000") },
        LedgerFact::CashAdjusted { amount: usd("-12.50"), reason: "a fee".into() },
        LedgerFact::ForeignHolding { quantity: Shares(-3) },
        LedgerFact::PositionAccepted {
            change: Shares(1),
            from_foreign: Shares(1),
            price: price("7"),
            reason: "mine".into(),
        },
        LedgerFact::CorporateAction { new: 2, old: 1, reason: "a split".into() },
    ];
    let lock = LockFact::Set {
        scope: LockScope::Contract(ContractId(101)),
        cause: LockCause::DailyLoss,
        why: "loss".into(),
        until: day,
        until_at: None,
    };
    let cleared = LockFact::Cleared { scope: LockScope::Account, cause: None, why: "over".into() };
    let days =
        [DayFact::Opened { day: day.unwrap(), equity: usd("99") }, DayFact::PeakRaised { equity: usd("100.10") }];
    let ledger = ledger.into_iter().map(Fact::Ledger).chain([lock, cleared].map(Fact::Lock));
    ledger.chain(days.map(Fact::Day)).collect()
}

/// A fact of every kind, some of several looks.
fn facts() -> Vec<Fact> {
    let commission = Commission { execution: execution().id.clone(), amount: usd("1.005"), currency: "USD".into() };
    let fills = [
        FillFact::Executed { intent: 42, execution: execution() },
        FillFact::Costed { commission },
        FillFact::Foreign { execution: execution() },
    ];
    let targets = [
        TargetFact::Accepted { value: -0.123_456_789_012_345_67, size: Shares(-100), stale: true },
        TargetFact::Disarmed { why: Disarm::Protected },
        TargetFact::Deferred,
    ];
    let sessions = [
        SessionFact::Ready { number: 1, client_id: 7, next_order_id: 1 },
        SessionFact::Lost { number: 1, why: "closed".into() },
    ];
    let refusal = Refusal::OrderNotional { notional: usd("2"), limit: usd("1") };
    let others = [
        Fact::Refused(RefusedFact { change: Shares(100), refusal }),
        Fact::Incident(IncidentFact { detect_ms: Some(3), ..IncidentFact::new("a", "b") }),
    ];
    let some = fills.into_iter().map(Fact::Fill).chain(targets.map(Fact::Target)).chain(sessions.map(Fact::Session));
    let all: Vec<Fact> = some.chain(others).chain(orders()).chain(ledger_and_locks()).collect();
    assert!(Fact::KINDS.iter().all(|kind| all.iter().any(|fact| fact.kind() == *kind)), "every kind is there");
    all
}

/// A body with its tags first and its fields in another order than they are written in; `twice` comes again at the end.
fn written(fields: &Map<String, Value>, twice: Option<&str>) -> String {
    let tags = ["subject", "what"].into_iter().filter(|tag| fields.contains_key(*tag));
    let others = fields.keys().map(String::as_str).filter(|name| !["subject", "what"].contains(name));
    let names: Vec<&str> = tags.chain(others.collect::<Vec<_>>().into_iter().rev()).chain(twice).collect();
    let pairs: Vec<String> = names.iter().map(|name| format!("{}:{}", json!(name), fields[*name])).collect();
    format!("{{{}}}", pairs.join(","))
}

/// What somebody may have made of a value.
fn others(value: &Value) -> Vec<Value> {
    let mut all =
        [json!(null), json!(true), json!(-1), json!(1.5), json!("x"), json!([]), json!({}), json!(u64::MAX)].to_vec();
    match value {
        Value::Number(number) => all.extend([json!(number.to_string()), json!(number.as_f64())]),
        Value::String(text) => all.extend([json!(text.to_lowercase()), json!(format!("{text} ")), json!({ text: 1 })]),
        Value::Object(fields) => {
            for (name, inner) in fields {
                let mut without = fields.clone();
                without.remove(name);
                all.push(Value::Object(without.clone()));
                without.insert(format!("{name}_"), inner.clone());
                all.push(Value::Object(without));
                all.extend(others(inner).into_iter().map(|other| {
                    let mut changed = fields.clone();
                    changed.insert(name.clone(), other);
                    Value::Object(changed)
                }));
            }
        }
        Value::Null | Value::Bool(_) | Value::Array(_) => {}
    }
    all
}

/// A body in every look that it is tried in.
fn looks(fact: &Fact) -> Vec<String> {
    let body = serde_json::to_string(fact).unwrap();
    let value: Value = serde_json::from_str(&body).unwrap();
    let fields = value.as_object().unwrap();
    let inside = &body[1..body.len() - 1];
    let mut all = vec![
        value.to_string(),
        serde_json::to_string_pretty(fact).unwrap(),
        format!("{{\"extra\":[{{}}],{inside}}}"),
        format!("{{{inside},\"extra\":{{\"deep\":[null,1.0]}}}}"),
        format!("{{{inside}}} "),
        format!("{{{inside}}}x"),
        format!("{{{inside},}}"),
        body[..body.len() - 1].to_owned(),
        // A name with an escape in it is the same name.
        body.replace("DU1", "\\u0044U1").replace("k3x9", "k\\u0033x9").replace("USD", "US\\u0044"),
        written(fields, None),
    ];
    all.extend(fields.keys().map(|name| written(fields, Some(name))));
    all.extend(others(&value).iter().filter_map(Value::as_object).map(|fields| written(fields, None)));
    all.insert(0, body);
    all
}

#[test]
fn a_body_read_at_once_says_what_the_general_reading_says() {
    let symbol = "BRK B".parse().ok();
    let mut at_once = std::collections::BTreeSet::new();
    for written in facts() {
        for body in looks(&written) {
            let general = serde_json::from_str::<Fact>(&body);
            for kind in Fact::KINDS {
                for symbol in [None, symbol.as_ref()] {
                    let Some(read) = quick::fact(kind, &body, symbol) else { continue };
                    at_once.insert(kind);
                    assert_eq!((read.kind(), general.as_ref().ok()), (kind, Some(&read)), "{body}");
                }
            }
            if let Ok(general) = general {
                let decoded = fact(general.kind(), &body);
                assert_eq!(decoded.ok(), Some(general), "{body}");
            }
        }
        let body = serde_json::to_string(&written).unwrap();
        let usual = quick::fact(written.kind(), &body, None);
        let at_once = at_once.contains(written.kind()) && !body.contains('\\');
        assert_eq!(usual.is_some(), at_once, "as it is written it is read at once, without escapes: {body}");
    }
    let usual = ["day.peak_raised", "fill.costed", "fill.executed", "order.amended", "order.changed", "order.intended"];
    assert!(at_once.into_iter().eq(usual.into_iter().chain(["target.accepted", "target.disarmed"])));
}

#[test]
fn what_is_neither_kind_nor_body_is_refused() {
    assert!(fact("order.changed", r#"{"subject":"order","what":"sold"}"#).is_err());
    assert!(fact("incident", r#"{"subject":"incident"}"#).is_err());
}
