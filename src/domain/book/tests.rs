//! Facts survive being written down, and every kind of them has its name.

use super::*;
use crate::domain::broker::{AccountId, Commission, Execution, ExecutionId, Venue};
use crate::domain::order::Role;
use crate::domain::refusal::Refusal;
use crate::domain::{OrderKind, Side, TimeInForce};

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

/// Ten shares at 5 USD.
fn execution(number: u32, side: Side, at: i64) -> Execution {
    Execution {
        id: ExecutionId(format!("0001.{number:04}.01.01").into()),
        at: MarketTime::from_secs(at),
        account: AccountId("DU1".into()),
        contract: ContractId(7),
        symbol: "AAA".parse().unwrap(),
        side,
        quantity: Shares(10),
        price: Price::of(5.into()),
        client_id: 1,
        order_id: i32::try_from(number).unwrap(),
        perm_id: 0,
        order_ref: format!("rt-k3-{number}").into(),
        is_liquidation: false,
    }
}

#[test]
fn what_a_book_forgets_changes_nothing_of_what_it_holds() {
    let contract = ContractId(7);
    let ticket = |number: u32, side| Ticket {
        order_id: i32::try_from(number).unwrap(),
        order_ref: format!("rt-k3-{number}").parse().unwrap(),
        account: AccountId("DU1".into()),
        contract,
        role: Role::Entry,
        side,
        quantity: Shares(10),
        kind: OrderKind::Market,
        tif: TimeInForce::Day,
        outside_rth: false,
        oca_group: None,
        parent_id: None,
        transmit: true,
    };
    let mut book = Book::default();
    let tell = |book: &mut Book, at, fact| {
        book.apply(&Record {
            at: MarketTime::from_secs(at),
            strategy: None,
            symbol: None,
            contract: Some(contract),
            fact,
        });
    };
    let (account, venue) = (AccountId("DU1".into()), Venue::Simulator { exchange: "x".into() });
    tell(&mut book, 0, Fact::Ledger(LedgerFact::Opened { ledger: "k3".into(), venue, account }));
    tell(&mut book, 0, Fact::Ledger(LedgerFact::Funded { cash: Usd::of(1_000.into()) }));
    for (number, side) in [(1, Side::Buy), (2, Side::Sell), (3, Side::Buy)] {
        let at = i64::from(number) * 100;
        let (session, reference) = (1, Price::of(5.into()));
        tell(
            &mut book,
            at,
            Fact::Order(OrderFact::Intended { ticket: ticket(number, side).into(), session, reference }),
        );
        let execution = execution(number, side, at + 1);
        let commission =
            Commission { execution: execution.id.clone(), amount: Usd::of(1.into()), currency: "USD".into() };
        tell(&mut book, at + 1, Fact::Fill(FillFact::Executed { intent: number.into(), execution: execution.into() }));
        tell(&mut book, at + 1, Fact::Fill(FillFact::Costed { commission }));
    }
    let session = 1;
    let working = OrderFact::Intended { ticket: ticket(4, Side::Buy).into(), session, reference: Price::of(5.into()) };
    tell(&mut book, 150, Fact::Order(working));
    let state = |book: &Book| (book.cash(), book.held(contract), book.fees(), book.counts(), book.next_intent());
    let before = state(&book);
    let forgotten: Vec<u64> =
        book.forget_before(MarketTime::from_secs(250)).iter().map(|order| order.ticket.order_ref.intent).collect();
    assert_eq!((forgotten, state(&book)), (vec![1, 2], before), "ended and placed before; the working one stays");
    assert_eq!(book.orders().map(|order| order.ticket.order_ref.intent).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(
        ["rt-k3-1", "rt-k3-4", "rt-k4-4", "x"].map(|text| book.find(text, 0, None)),
        [None, Some(4), None, None]
    );
    assert_eq!(book.fills_in(contract).len(), 1);
    assert!(book.knows(&execution(3, Side::Buy, 301)) && !book.knows(&execution(2, Side::Sell, 201)));
}
