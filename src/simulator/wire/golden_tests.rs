//! Whole frames as `ibapi` 5.5.0 sends and reads them, byte for byte.

use prost::Message;

use super::frame::{Deframer, Frame, encode};
use super::ids::{answer, request};
use super::*;

const CONTRACT: &str =
    "122e08fe9a1012044141504c1a0353544b4205534d4152544a064e415344415152035553445a044141504c62034e4d53";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

fn aapl() -> contracts::Contract {
    contracts::Contract {
        con_id: Some(265_598),
        symbol: Some("AAPL".into()),
        sec_type: Some("STK".into()),
        exchange: Some("SMART".into()),
        primary_exch: Some("NASDAQ".into()),
        currency: Some("USD".into()),
        local_symbol: Some("AAPL".into()),
        trading_class: Some("NMS".into()),
        ..Default::default()
    }
}

/// The frame is what we write for this message, and reads back as it.
#[track_caller]
fn check<M: Message + Default + PartialEq + std::fmt::Debug>(id: i32, message: M, hex: &str) {
    let frame = bytes(hex);
    assert_eq!(encode(id, &message), frame, "written");
    let mut deframer = Deframer::default();
    deframer.push(&frame);
    let Frame { id: read, payload } = deframer.next_frame().unwrap().unwrap();
    assert_eq!(read, id);
    assert_eq!(M::decode(&payload[..]).unwrap(), message, "read");
}

#[test]
fn hello() {
    let hello = bytes("4150490000000009763231332e2e323236");
    assert_eq!(hello[..4], super::hello::MARK);
    assert_eq!(super::hello::parse(&hello[8..]).map(|h| h.version), Ok(226));
    let ten = crate::domain::MarketTime::from_secs(1_795_446_000);
    let reply = bytes("000000213232360032303236313132332031303a30303a30302055532f4561737465726e00");
    assert_eq!(super::hello::reply(226, ten), reply);
}

#[test]
fn session() {
    check(
        request::START_API,
        session::StartApiRequest { client_id: Some(700), optional_capabilities: None },
        "000000070000010f08bc05",
    );
    check(
        answer::MANAGED_ACCOUNTS,
        session::ManagedAccounts { accounts_list: Some("DU1234567".into()) },
        "0000000f000000d70a09445531323334353637",
    );
    check(answer::NEXT_VALID_ID, session::NextValidId { order_id: Some(1) }, "00000006000000d10801");
    check(
        answer::ERROR,
        session::ErrorMessage {
            id: Some(-1),
            error_time: Some(1_795_452_717_358),
            error_code: Some(2_104),
            error_msg: Some("Market data farm connection is OK:usfarm".into()),
            advanced_order_reject_json: None,
        },
        "00000043000000cc08ffffffffffffffffff0110ae92c9caa03418b81022284d61726b65742064617461206661726d20636f6e6e656374696f6e206973204f4b3a75736661726d",
    );
    check(request::CURRENT_TIME, Empty {}, "00000004000000f9");
    check(request::IDS, Numbered { req_id: Some(0) }, "00000006000000d00800");
}

#[test]
fn contracts_and_history() {
    check(
        request::CONTRACT_DATA,
        contracts::ContractDataRequest {
            req_id: Some(1_500_000_000),
            contract: Some(contracts::Contract {
                con_id: None,
                primary_exch: None,
                local_symbol: None,
                trading_class: None,
                ..aapl()
            }),
        },
        "00000023000000d10880dea0cb05121712044141504c1a0353544b4205534d4152545203555344",
    );
    check(
        request::HISTORICAL_DATA,
        history::HistoricalDataRequest {
            req_id: Some(1_500_000_023),
            contract: Some(aapl()),
            bar_size_setting: Some("1 min".into()),
            duration: Some("1 D".into()),
            use_rth: Some(true),
            what_to_show: Some("TRADES".into()),
            format_date: Some(2),
            ..Default::default()
        },
        &format!("00000052000000dc0897dea0cb05{CONTRACT}220531206d696e2a0331204430013a065452414445534002"),
    );
    check(
        answer::HISTORICAL_DATA_END,
        history::HistoricalDataEnd {
            req_id: Some(1_500_000_023),
            start_date_str: Some("20261122 11:51:59 US/Eastern".into()),
            end_date_str: Some("20261123 11:51:59 US/Eastern".into()),
        },
        "00000046000001340897dea0cb05121c32303236313132322031313a35313a35392055532f4561737465726e1a1c32303236313132332031313a35313a35392055532f4561737465726e",
    );
    check(
        answer::HEAD_TIMESTAMP,
        history::HeadTimestamp { req_id: Some(1_500_000_043), head_timestamp: Some("345479400".into()) },
        "000000150000012008abdea0cb051209333435343739343030",
    );
    check(
        answer::HISTORICAL_DATA_UPDATE,
        history::HistoricalDataUpdate {
            req_id: Some(1_500_000_045),
            historical_data_bar: Some(history::HistoricalDataBar {
                date: Some("1795452720".into()),
                open: Some(226.01),
                high: Some(226.01),
                low: Some(225.82),
                close: Some(225.82),
                volume: Some("520".into()),
                wap: Some("225.9060".into()),
                bar_count: Some(52),
            }),
        },
        "0000004d0000012208addea0cb0512410a0a3137393534353237323011b81e85eb51406c4019b81e85eb51406c40210ad7a3703d3a6c40290ad7a3703d3a6c4032033532303a083232352e393036304034",
    );
}

#[test]
fn market_data() {
    check(
        request::MARKET_DATA_TYPE,
        market_data::MarketDataTypeRequest { market_data_type: Some(1) },
        "00000006000001030801",
    );
    check(
        request::MARKET_DATA,
        market_data::MarketDataRequest {
            req_id: Some(1_500_000_097),
            contract: Some(aapl()),
            generic_tick_list: None,
            snapshot: None,
            regulatory_snapshot: None,
        },
        &format!("0000003a000000c908e1dea0cb05{CONTRACT}"),
    );
    check(
        answer::MARKET_DATA_TYPE,
        market_data::MarketDataType { req_id: Some(1_500_000_097), market_data_type: Some(1) },
        "0000000c0000010208e1dea0cb051001",
    );
    check(
        answer::TICK_PRICE,
        market_data::TickPrice {
            req_id: Some(1_500_000_097),
            tick_type: Some(9),
            price: Some(226.0),
            size: None,
            attr_mask: Some(0),
        },
        "00000017000000c908e1dea0cb051009190000000000406c402800",
    );
}

/// An order as `ibapi` sends it: some zeros are always written.
fn order(action: &str, kind: &str) -> orders::Order {
    orders::Order {
        action: Some(action.into()),
        total_quantity: Some("10".into()),
        display_size: Some(0),
        order_type: Some(kind.into()),
        tif: Some("DAY".into()),
        exempt_code: Some(-1),
        pegged_change_amount: Some(0.0),
        reference_change_amount: Some(0.0),
        ref_futures_con_id: Some(0),
        transmit: Some(true),
        ..Default::default()
    }
}

#[track_caller]
fn check_order(order_id: i32, order: orders::Order, head: &str, tail: &str) {
    let request = orders::PlaceOrderRequest {
        order_id: Some(order_id),
        contract: Some(aapl()),
        order: Some(order),
        attached_orders: None,
    };
    check(request::PLACE_ORDER, request, &format!("{head}{CONTRACT}{tail}"));
}

#[test]
fn orders_placed() {
    const TAIL: &str = "900401c004ffffffffffffffffff01c9050000000000000000d9050000000000000000a00700";
    const HELD: &str = "c004ffffffffffffffffff01c9050000000000000000d9050000000000000000a00700";
    check_order(
        1,
        order("BUY", "MKT"),
        "00000073000000cb0801",
        &format!("1a3b2a0342555932023130380042034d4b545a03444159{TAIL}"),
    );
    check_order(
        6,
        orders::Order { aux_price: Some(158.17), ..order("SELL", "STP") },
        "0000007d000000cb0806",
        &format!("1a452a0453454c4c3202313038004203535450513d0ad7a370c563405a03444159{TAIL}"),
    );
    check_order(
        8,
        orders::Order { lmt_price: Some(155.91), aux_price: Some(158.17), ..order("SELL", "STP LMT") },
        "0000008a000000cb0808",
        &format!("1a522a0453454c4c3202313038004207535450204c4d544985eb51b81e7d6340513d0ad7a370c563405a03444159{TAIL}"),
    );
    check_order(
        9,
        orders::Order { trailing_percent: Some(10.0), ..order("SELL", "TRAIL") },
        "00000080000000cb0809",
        &format!("1a482a0453454c4c3202313038004205545241494c5a03444159b1010000000000002440{TAIL}"),
    );
    check_order(
        10,
        orders::Order { lmt_price: Some(228.22), transmit: None, ..order("BUY", "LMT") },
        "00000079000000cb080a",
        &format!("1a412a0342555932023130380042034c4d5449d7a3703d0a876c405a03444159{HELD}"),
    );
    check_order(
        11,
        orders::Order { parent_id: Some(10), lmt_price: Some(338.94), transmit: None, ..order("SELL", "LMT") },
        "0000007c000000cb080b",
        &format!("1a44200a2a0453454c4c32023130380042034c4d5449d7a3703d0a2f75405a03444159{HELD}"),
    );
}

#[test]
fn orders_reported_and_cancelled() {
    check(
        answer::ORDER_STATUS,
        orders::OrderStatus {
            order_id: Some(1),
            status: Some("PreSubmitted".into()),
            filled: Some("0".into()),
            remaining: Some("10".into()),
            avg_fill_price: Some(0.0),
            perm_id: Some(700_000_001),
            parent_id: Some(0),
            last_fill_price: Some(0.0),
            client_id: Some(700),
            why_held: None,
            mkt_cap_price: Some(0.0),
        },
        "00000041000000cb0801120c5072655375626d69747465641a0130220231302900000000000000003081cee4cd02380041000000000000000048bc05590000000000000000",
    );
    check(
        answer::COMMISSION_AND_FEES,
        executions::CommissionAndFeesReport {
            exec_id: Some("0000e0d5.00000001.01.01".into()),
            commission_and_fees: Some(1.0),
            currency: Some("USD".into()),
            realized_pnl: Some(f64::MAX),
            bond_yield: None,
            yield_redemption_date: None,
        },
        "00000034000001030a1730303030653064352e30303030303030312e30312e303111000000000000f03f1a0355534421ffffffffffffef7f",
    );
    let cancel = orders::OrderCancel::default;
    check(request::GLOBAL_CANCEL, orders::GlobalCancelRequest { order_cancel: Some(cancel()) }, "00000006000001020a00");
    check(
        request::CANCEL_ORDER,
        orders::CancelOrderRequest { order_id: Some(3), order_cancel: Some(cancel()) },
        "00000008000000cc08031200",
    );
    check(request::OPEN_ORDERS, Empty {}, "00000004000000cd");
    check(
        request::EXECUTIONS,
        executions::ExecutionRequest { req_id: Some(1_500_000_000), execution_filter: Some(Default::default()) },
        "0000000c000000cf0880dea0cb051200",
    );
}

#[test]
fn accounts() {
    check(request::POSITIONS, Empty {}, "0000000400000105");
    check(
        answer::POSITION,
        accounts::Position {
            account: Some("DU1234567".into()),
            contract: Some(aapl()),
            position: Some("10".into()),
            avg_cost: Some(226.079_999_999_999_98),
        },
        &format!("0000004c000001050a09445531323334353637{CONTRACT}1a02313021c2f5285c8f426c40"),
    );
    check(
        request::ACCOUNT_SUMMARY,
        accounts::AccountSummaryRequest {
            req_id: Some(1_500_000_201),
            group: Some("All".into()),
            tags: Some("TotalCashValue,NetLiquidation".into()),
        },
        "0000002e0000010608c9dfa0cb051203416c6c1a1d546f74616c4361736856616c75652c4e65744c69717569646174696f6e",
    );
    check(
        request::ACCOUNT_DATA,
        accounts::AccountDataRequest { subscribe: Some(true), acct_code: Some("DU1234567".into()) },
        "00000011000000ce08011209445531323334353637",
    );
    check(
        request::PNL,
        accounts::PnLRequest { req_id: Some(1_500_000_204), account: Some("DU1234567".into()), model_code: None },
        "000000150000012408ccdfa0cb051209445531323334353637",
    );
}

#[test]
fn fields_not_listed_are_skipped() {
    // Field 105 (a message) and field 145 are not in our `Order`.
    let with_more = bytes("2a03425559ca06060a0161120162880901");
    let order = orders::Order::decode(&with_more[..]).unwrap();
    assert_eq!(order, orders::Order { action: Some("BUY".into()), ..Default::default() });
}
