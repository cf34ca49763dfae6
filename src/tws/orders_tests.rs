//! What goes out comes back the same, and what comes in is read with suspicion.

use ibapi::orders::{Execution as ApiExecution, OrderState};
use proptest::prelude::*;

use super::*;
use crate::domain::order::Role;
use crate::domain::{Hours, PriceRule};

fn contract() -> Contract {
    Contract {
        id: ContractId(265_598),
        symbol: "AAPL".parse().unwrap(),
        security_type: "STK".into(),
        exchange: "SMART".into(),
        primary_exchange: "NASDAQ".into(),
        currency: "USD".into(),
        local_symbol: "AAPL".into(),
        trading_class: "NMS".into(),
        price_rule: PriceRule::new(vec![]),
        time_zone: "US/Eastern".into(),
        trading_hours: Hours::default(),
        liquid_hours: Hours::default(),
    }
}

fn ticket(kind: OrderKind) -> Ticket {
    Ticket {
        order_id: 7,
        order_ref: "rt-k3x9-42".parse().unwrap(),
        account: AccountId("DU1234567".into()),
        contract: ContractId(265_598),
        role: Role::Entry,
        side: Side::Sell,
        quantity: Shares(10),
        kind,
        tif: TimeInForce::Gtc,
        outside_rth: true,
        oca_group: Some("rt-k3x9-41".into()),
        parent_id: Some(6),
        transmit: false,
    }
}

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

#[test]
fn a_ticket_states_everything_and_reads_back() {
    let kinds = [
        OrderKind::Market,
        OrderKind::Limit { limit: price("228.22") },
        OrderKind::Stop { trigger: price("158.17") },
        OrderKind::StopLimit { trigger: price("158.17"), limit: price("155.91") },
        OrderKind::Trail { by: TrailBy::Amount(price("1.5")), trigger: Some(price("150.1")) },
        OrderKind::Trail { by: TrailBy::Percent(Decimal::from(10)), trigger: None },
    ];
    for kind in kinds {
        let ticket = ticket(kind);
        let order = api_order(&ticket, &contract()).unwrap();
        assert_eq!(order.oca_type, OcaType::CancelWithBlock);
        assert!(!order.transmit);
        let data = OrderData {
            order_id: 7,
            contract: api_contract(&contract()),
            order,
            order_state: OrderState { status: "Submitted".parse().unwrap(), ..OrderState::default() },
        };
        let back = open_order(&data);
        assert_eq!(back.kind, Some(ticket.kind));
        assert_eq!((back.side, back.quantity, back.tif), (ticket.side, ticket.quantity, Some(ticket.tif)));
        assert_eq!((back.account, back.order_ref), (ticket.account, ticket.order_ref.to_string().into()));
        assert_eq!((back.oca_group, back.parent_id, back.outside_rth), ("rt-k3x9-41".into(), 6, true));
        assert_eq!((back.contract, back.status), (ContractId(265_598), BrokerStatus::Submitted));
    }
}

#[test]
fn what_cannot_be_ordered_is_refused_before_it_leaves() {
    let none = Ticket { quantity: Shares(0), ..ticket(OrderKind::Market) };
    assert_eq!(api_order(&none, &contract()).unwrap_err(), BadTicket::Quantity(Shares(0)));
    let free = ticket(OrderKind::Limit { limit: Price::ZERO });
    assert_eq!(api_order(&free, &contract()).unwrap_err(), BadTicket::Price(Decimal::ZERO));
    let other = Ticket { contract: ContractId(1), ..ticket(OrderKind::Market) };
    assert!(matches!(api_order(&other, &contract()), Err(BadTicket::Contract { .. })));
}

#[test]
fn a_completed_orders_quantity_is_what_was_filled_and_what_was_left() {
    let order =
        Order { order_id: 9, total_quantity: 4.0, filled_quantity: 6.0, order_type: "LOC".into(), ..Order::default() };
    let data = OrderData {
        order_id: -1,
        contract: api_contract(&contract()),
        order,
        order_state: OrderState {
            status: "Cancelled".parse().unwrap(),
            completed_status: "Cancelled by Trader".into(),
            ..OrderState::default()
        },
    };
    let back = completed_order(&data);
    assert_eq!((back.order_id, back.quantity, back.filled), (9, Shares(10), Some(Shares(6))));
    assert_eq!((back.kind, back.note.as_str()), (None, "Cancelled by Trader"));
}

fn fill(time: &str, shares: f64, price: f64) -> ExecutionData {
    ExecutionData {
        request_id: -1,
        contract: api_contract(&contract()),
        execution: ApiExecution {
            execution_id: "0000e0d5.00000001.01.01".into(),
            time: time.into(),
            account_number: "DU1234567".into(),
            side: ExecutionSide::Sold,
            shares,
            price,
            ..ApiExecution::default()
        },
    }
}

#[test]
fn a_fill_is_not_lost_for_want_of_a_readable_time() {
    let latest = LatestTime::default();
    latest.saw(MarketTime::from_secs(1_000));
    latest.saw(MarketTime::from_secs(900));
    let odd = execution(&fill("tea time", 10.0, 226.08), &latest).unwrap();
    assert_eq!((odd.at, odd.price, odd.side), (MarketTime::from_secs(1_000), price("226.08"), Side::Sell));
    let good = execution(&fill("20261123 10:30:00 US/Eastern", 10.0, 226.08), &latest).unwrap();
    assert_eq!(good.at.to_string(), "2026-11-23T15:30:00Z");
    assert_eq!(execution(&fill("", 0.4, 226.08), &latest), None);
    assert_eq!(execution(&fill("", 10.0, f64::NAN), &latest), None);
}

#[test]
fn any_text_becomes_a_label() {
    for (text, expected) in
        [("AAPL", "AAPL"), ("eur.usd", "EUR.USD"), ("", "UNKNOWN"), ("日経", "--"), ("  ", "UNKNOWN")]
    {
        assert_eq!(label(text).as_str(), expected);
    }
}

proptest! {
    #[test]
    fn prices_survive_the_way_out_and_back(mantissa in 1i64..1_000_000_000_000, scale in 0u32..9) {
        let limit = Price::of(Decimal::new(mantissa, scale).normalize());
        let order = api_order(&ticket(OrderKind::Limit { limit }), &contract()).unwrap();
        prop_assert_eq!(kind(&order), Some(OrderKind::Limit { limit }));
    }
}
