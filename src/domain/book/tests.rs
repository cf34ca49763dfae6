//! Facts survive being written down, and every kind of them has its name.

use super::*;
use crate::domain::broker::{AccountId, Venue};
use crate::domain::refusal::Refusal;

fn written(fact: Fact) -> Fact {
    let text = serde_json::to_string(&fact).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn facts_read_back_from_their_text() {
    let account = AccountId("DU1".into());
    let venue = Venue::Simulator { exchange: "x".into() };
    let facts = [
        Fact::Ledger(LedgerFact::Opened { ledger: "k3".into(), venue, account }),
        Fact::Ledger(LedgerFact::Funded { cash: "100000.10".parse().unwrap() }),
        Fact::Ledger(LedgerFact::ForeignHolding { quantity: Shares(-5) }),
        Fact::Session(SessionFact::Ready { number: 3, client_id: 1, next_order_id: 9 }),
        Fact::Day(DayFact::Opened { day: NaiveDate::from_ymd_opt(2026, 11, 23).unwrap(), equity: Usd::ZERO }),
        Fact::Target(TargetFact::Accepted { value: 0.1 + 0.2, size: Shares(7), stale: true }),
        Fact::Target(TargetFact::Disarmed { why: Disarm::Protected }),
        Fact::Target(TargetFact::Deferred),
        Fact::Lock(LockFact::Set {
            scope: LockScope::Contract(ContractId(3)),
            cause: LockCause::StopBreached,
            why: "x".into(),
            until: None,
            until_at: None,
        }),
        Fact::Lock(LockFact::Cleared { scope: LockScope::Account, cause: None, why: "resume".into() }),
        Fact::Refused(RefusedFact { change: Shares(5), refusal: Refusal::OrderRate { sent: 60, limit: 60 } }),
        Fact::Incident(IncidentFact::new("link_down", "…")),
    ];
    for fact in facts {
        assert!(Fact::KINDS.contains(&fact.kind()));
        assert_eq!(written(fact.clone()), fact);
    }
}

#[test]
fn a_lock_with_a_day_clears_when_that_day_begins_and_one_without_stays() {
    let mut book = Book::default();
    let day = |day| NaiveDate::from_ymd_opt(2026, 11, day).unwrap();
    let at = |secs| MarketTime::from_secs(secs);
    let mut tell = |secs, fact| {
        book.apply(&Record { at: at(secs), strategy: None, symbol: None, contract: None, fact });
        book.locks().count()
    };
    let scope = LockScope::Account;
    assert_eq!(
        tell(
            1,
            Fact::Lock(LockFact::Set {
                scope,
                cause: LockCause::DailyLoss,
                why: "loss".into(),
                until: Some(day(24)),
                until_at: None
            })
        ),
        1
    );
    let scope = LockScope::Contract(ContractId(1));
    assert_eq!(
        tell(
            2,
            Fact::Lock(LockFact::Set {
                scope,
                cause: LockCause::Mismatch,
                why: "differs".into(),
                until: None,
                until_at: None
            })
        ),
        2
    );
    assert_eq!(tell(3, Fact::Day(DayFact::Opened { day: day(23), equity: Usd::ZERO })), 2);
    assert_eq!(tell(4, Fact::Day(DayFact::Opened { day: day(24), equity: Usd::ZERO })), 1);
}

#[test]
fn order_ids_never_go_back() {
    let mut book = Book::default();
    let mut ready = |next_order_id| {
        let fact = Fact::Session(SessionFact::Ready { number: 1, client_id: 1, next_order_id });
        book.apply(&Record { at: MarketTime::MIN, strategy: None, symbol: None, contract: None, fact });
        book.next_order_id()
    };
    assert_eq!([ready(1), ready(40), ready(7)], [1, 40, 40]);
}
