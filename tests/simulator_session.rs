//! Sessions: the golden bytes, and the real client's handshake.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod simulator_support;

use prost::Message;
use robo_trader::simulator::tap::{Tap, What};
use robo_trader::simulator::{SimulatorConfig, start};
use simulator_support::{ErrorMessage, Number, PATIENCE, Raw, config, hex, ibapi, simulator};
use tokio::time::timeout;

#[tokio::test]
async fn the_golden_session_byte_for_byte() {
    let running = simulator().await;
    let mut raw = Raw::connect(&running).await;
    raw.write(&hex("4150490000000009763231332e2e323236")).await;
    let reply = String::from_utf8(raw.reply().await.unwrap()).unwrap();
    let fields: Vec<&str> = reply.split('\0').collect();
    assert_eq!((fields.len(), fields[0], fields[2]), (3, "226", ""));
    assert!(fields[1].ends_with(" US/Eastern"), "{reply}");
    // StartApi of client 700: next id 1, the account, three farms.
    raw.write(&hex("000000070000010f08bc05")).await;
    assert_eq!(raw.next().await.unwrap(), (9, hex("0801")));
    assert_eq!(raw.next().await.unwrap(), (15, hex("0a09445531323334353637")));
    for code in [2104, 2106, 2158] {
        let (id, payload) = raw.next().await.unwrap();
        let notice = ErrorMessage::decode(&payload[..]).unwrap();
        assert_eq!((id, notice.id, notice.error_code), (4, Some(-1), Some(code)));
    }
    raw.write(&hex("00000004000000f9")).await;
    assert_eq!(raw.next().await.unwrap().0, 49);
    raw.write(&hex("00000006000000d00800")).await;
    assert_eq!(raw.next().await.unwrap(), (9, hex("0801")));
    running.stop().await.unwrap();
}

#[tokio::test]
async fn the_real_client_gets_a_session() {
    let running = simulator().await;
    let client = ibapi(&running, 7).await;
    assert_eq!((client.server_version(), client.next_order_id()), (226, 1));
    assert_eq!(client.handshake_managed_accounts(), ["DU1234567"]);
    assert!(client.time_zone().is_some() && client.connection_time().is_some());
    assert_eq!(client.managed_accounts().await.unwrap(), ["DU1234567"]);
    let seconds = client.server_time().await.unwrap();
    let millis = client.server_time_millis().await.unwrap();
    assert!((millis - seconds).whole_seconds() < 60);
    let info = client.user_info().await.unwrap();
    assert_eq!(info.white_branding_id, format!("robo-trader-simulator/{}", running.exchange_id));
    client.disconnect().await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn versions_before_protobuf_and_other_services_are_turned_away() {
    let running = simulator().await;
    for versions in ["v157..178", "v300..400", "nonsense"] {
        let mut raw = Raw::connect(&running).await;
        raw.hello(versions).await;
        assert_eq!(raw.reply().await, None, "{versions}");
    }
    let mut http = Raw::connect(&running).await;
    http.write(b"GET / HTTP/1.1\r\n\r\n").await;
    assert_eq!(http.reply().await, None);
    let mut ibkrs_own = Raw::connect(&running).await;
    ibkrs_own.hello("v100..226 +PACEAPI").await;
    assert!(ibkrs_own.reply().await.is_some());
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_client_id_has_one_holder_and_is_free_when_it_leaves() {
    let running = simulator().await;
    let mut first = Raw::started(&running, 7).await;
    first.until(15).await;
    let mut second = Raw::started(&running, 7).await;
    let (id, code, text) = second.error().await;
    assert_eq!((id, code), (-1, 326));
    assert!(text.contains("already in use"), "{text}");
    second.closed().await;
    // The first is untouched.
    first.write(&hex("00000004000000f9")).await;
    first.until(49).await;
    drop(first);
    // Its id is free once the server has seen it leave.
    let free = async {
        loop {
            let mut again = Raw::started(&running, 7).await;
            if again.next().await.unwrap().0 == 9 {
                break;
            }
        }
    };
    timeout(PATIENCE, free).await.unwrap();
    running.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_not_served_is_answered_with_its_number() {
    let running = simulator().await;
    let mut raw = Raw::started(&running, 1).await;
    // Market depth, scanner, fundamental data, an id that nobody knows.
    for id in [10, 22, 52, 180] {
        raw.send(id, &Number { id: Some(id + 1_000) }).await;
        let (req_id, code, _) = raw.error().await;
        assert_eq!((req_id, code), (id + 1_000, 321));
    }
    running.stop().await.unwrap();
}

#[tokio::test]
async fn garbage_costs_only_the_connection_that_sent_it() {
    let running = simulator().await;
    let mut good = Raw::started(&running, 1).await;
    // A payload that is no protobuf; a text message; impossible lengths.
    for bytes in ["00000006000000c9ffff", "0000000400000047", "00000003000000", "ffffffff00000000"] {
        let mut bad = Raw::started(&running, 2).await;
        bad.write(&hex(bytes)).await;
        bad.closed().await;
        // Wait until its id is free, so that the next round finds it so.
        good.write(&hex("00000004000000f9")).await;
        good.until(49).await;
    }
    running.stop().await.unwrap();
}

#[tokio::test]
async fn the_51st_message_of_a_second_is_refused() {
    let running =
        robo_trader::simulator::start(robo_trader::simulator::SimulatorConfig { message_rate: 50, ..config() })
            .await
            .unwrap();
    let mut raw = Raw::started(&running, 1).await;
    let burst: Vec<u8> = (0..60).flat_map(|_| hex("00000004000000f9")).collect();
    raw.write(&burst).await;
    let (id, code, text) = raw.error().await;
    assert_eq!((id, code), (-1, 100));
    assert!(text.contains("max=50 rec=51 (1)"), "{text}");
    running.stop().await.unwrap();
}

/// An execution request as IBKR's own client writes it: zeros and "unset" marks instead of nothing.
#[derive(Clone, PartialEq, Message)]
struct Executions {
    #[prost(int32, optional, tag = "1")]
    req_id: Option<i32>,
    #[prost(message, optional, tag = "2")]
    filter: Option<Filter>,
}

#[derive(Clone, PartialEq, Message)]
struct Filter {
    #[prost(int32, optional, tag = "1")]
    client_id: Option<i32>,
    #[prost(string, optional, tag = "4")]
    symbol: Option<String>,
    #[prost(int32, optional, tag = "8")]
    last_n_days: Option<i32>,
}

#[derive(Clone, PartialEq, Message)]
struct Details {
    #[prost(int32, optional, tag = "1")]
    req_id: Option<i32>,
    #[prost(message, optional, tag = "2")]
    contract: Option<Contract>,
}

#[derive(Clone, PartialEq, Message)]
struct Contract {
    #[prost(int32, optional, tag = "1")]
    con_id: Option<i32>,
    #[prost(string, optional, tag = "2")]
    symbol: Option<String>,
    #[prost(string, optional, tag = "3")]
    sec_type: Option<String>,
    #[prost(double, optional, tag = "5")]
    strike: Option<f64>,
    #[prost(string, optional, tag = "6")]
    right: Option<String>,
    #[prost(string, optional, tag = "8")]
    exchange: Option<String>,
    #[prost(string, optional, tag = "9")]
    primary_exch: Option<String>,
    #[prost(bool, optional, tag = "18")]
    include_expired: Option<bool>,
}

#[tokio::test]
async fn explicit_zeros_mean_nothing() {
    let running = simulator().await;
    let mut raw = Raw::started(&running, 0).await;
    let contract = Contract {
        con_id: Some(0),
        symbol: Some("AAPL".into()),
        sec_type: Some("STK".into()),
        strike: Some(0.0),
        right: Some(String::new()),
        exchange: Some("SMART".into()),
        primary_exch: Some(String::new()),
        include_expired: Some(false),
    };
    raw.send(9, &Details { req_id: Some(1), contract: Some(contract) }).await;
    raw.until(10).await;
    raw.until(52).await;
    let filter = Filter { client_id: Some(0), symbol: Some(String::new()), last_n_days: Some(i32::MAX) };
    raw.send(7, &Executions { req_id: Some(2), filter: Some(filter) }).await;
    raw.until(55).await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_tap_sees_each_frame_at_the_socket_in_its_order() {
    let (tap, mut seen) = Tap::new(1_000);
    let running = start(SimulatorConfig { tap: Some(tap.clone()), ..config() }).await.unwrap();
    let mut raw = Raw::started(&running, 7).await;
    raw.until(15).await;
    // A frame in two pieces, and two frames in one.
    raw.write(&hex("0000000400")).await;
    raw.write(&hex("0000f900000004000000f9")).await;
    raw.until(49).await;
    raw.until(49).await;
    drop(raw);
    let mut story = Vec::new();
    let mut last = None;
    let took = async {
        while let Some(seen) = seen.recv().await {
            // The first byte of a frame may have come before what was written meanwhile.
            let may_be_earlier = matches!(seen.what, What::Came { .. });
            assert!(seen.connection == 1 && (may_be_earlier || last <= Some(seen.at)), "{seen:?} after {last:?}");
            last = last.max(Some(seen.at));
            match seen.what {
                What::Ended => break,
                // Farms come and go as they like.
                What::Left { id: 4, .. } => {}
                What::Accepted => story.push("accepted".to_owned()),
                What::Came { id, head } => story.push(format!("{id} came {head:?}")),
                What::Left { id, .. } => story.push(format!("{id} left")),
            }
        }
    };
    timeout(PATIENCE, took).await.unwrap();
    let after_hello = ["accepted", "71 came [8, 7]", "9 left", "15 left", "49 came []"];
    assert_eq!(story[..5], after_hello, "{story:?}");
    assert_eq!(story.iter().filter(|line| *line == "49 came []").count(), 2, "{story:?}");
    assert_eq!((story.iter().filter(|line| *line == "49 left").count(), tap.lost()), (2, 0), "{story:?}");
    running.stop().await.unwrap();
}
