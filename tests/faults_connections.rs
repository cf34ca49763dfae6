//! Faults of connections, as a client meets them on the wire: nobody there, silence, cuts, damage.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod simulator_support;

use robo_trader::simulator::faults::Rule;
use robo_trader::simulator::{Running, start};
use simulator_support::{ErrorMessage, Number, PATIENCE, Raw, config, simulator};
use tokio::net::TcpStream;
use tokio::time::timeout;

async fn told(running: &Running, line: &str) {
    running.inject(line.parse::<Rule>().unwrap()).await.unwrap();
}

/// A client that hears from the gateway, whatever it is.
async fn talks(raw: &mut Raw) {
    raw.send(49, &Number { id: None }).await;
    raw.until(49).await;
}

#[tokio::test]
async fn refused_means_nobody_listens_and_later_somebody_does() {
    let running = simulator().await;
    let mut old = Raw::started(&running, 1).await;
    for _ in 0..3 {
        told(&running, "refuse").await;
        let refused = TcpStream::connect(running.address).await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        talks(&mut old).await;
        running.clear().await.unwrap();
        talks(&mut Raw::started(&running, 2).await).await;
    }
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_refusal_ends_by_itself() {
    let running = simulator().await;
    told(&running, "refuse = \"50ms\"").await;
    let mut refusals = 0;
    let came = async {
        loop {
            match TcpStream::connect(running.address).await {
                Ok(_) => break,
                Err(_) => refusals += 1,
            }
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, came).await.unwrap();
    assert!(refusals > 0);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn accepted_and_closed_and_accepted_and_not_answered() {
    let running = simulator().await;
    told(&running, "accept_close").await;
    assert_eq!(Raw::connect(&running).await.reply().await, None);
    running.clear().await.unwrap();
    told(&running, "blackhole").await;
    let mut raw = Raw::connect(&running).await;
    raw.hello("v213..226").await;
    running.clear().await.unwrap();
    assert_eq!(raw.reply().await, None, "never answered, and gone with the fault");
    running.stop().await.unwrap();
}

#[tokio::test]
async fn an_old_gateway_says_its_version() {
    let running = simulator().await;
    told(&running, "old_version").await;
    let mut raw = Raw::connect(&running).await;
    raw.hello("v213..226").await;
    assert!(raw.reply().await.unwrap().starts_with(b"178\0"));
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_session_begins_without_an_order_id_or_accounts() {
    let running = simulator().await;
    told(&running, "omit = { accounts = false }").await;
    let mut raw = Raw::started(&running, 1).await;
    let mut farms = 0;
    loop {
        let (id, payload) = raw.next().await.unwrap();
        assert_ne!(id, 9, "the next order id");
        if id == 15 {
            break;
        }
        farms += u32::from(ErrorMessage::decode_code(&payload) == 2_104);
    }
    assert_eq!(farms, 101);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_client_id_stays_taken_for_a_while_after_its_client_was_dropped() {
    let running = simulator().await;
    told(&running, "hold_client_id = true, on = \"leave\"").await;
    drop(Raw::started(&running, 7).await);
    let taken = async {
        loop {
            // Whether the first has been missed yet is the system's affair.
            let mut raw = Raw::started(&running, 7).await;
            if let Some((_, 326, _)) = raw.first_error().await {
                raw.closed().await;
                break;
            }
            drop(raw);
        }
    };
    timeout(PATIENCE, taken).await.unwrap();
    talks(&mut Raw::started(&running, 8).await).await;
    running.clear().await.unwrap();
    talks(&mut Raw::started(&running, 7).await).await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn dead_connections_fill_a_gateway_until_it_says_nothing() {
    let running = simulator().await;
    told(&running, "zombies").await;
    for client in 0..32 {
        let mut raw = Raw::started(&running, client).await;
        talks(&mut raw).await;
    }
    let mut raw = Raw::connect(&running).await;
    raw.hello("v213..226").await;
    running.clear().await.unwrap();
    assert_eq!(raw.reply().await, None, "no acknowledgement came");
    let free = async {
        loop {
            let mut raw = Raw::started(&running, 3).await;
            if raw.first_error().await.is_some_and(|(_, code, _)| code == 2_104) {
                break;
            }
        }
    };
    timeout(PATIENCE, free).await.unwrap();
    running.stop().await.unwrap();
}

#[tokio::test]
async fn connections_end_with_fin_or_rst_between_frames_or_in_one() {
    let running = simulator().await;
    for (line, how) in [
        ("close", std::io::ErrorKind::UnexpectedEof),
        ("reset", std::io::ErrorKind::ConnectionReset),
        ("close = { mid_frame = true }", std::io::ErrorKind::UnexpectedEof),
        ("reset = { mid_frame = true }", std::io::ErrorKind::ConnectionReset),
    ] {
        let mut raw = Raw::started(&running, 1).await;
        talks(&mut raw).await;
        told(&running, line).await;
        assert_eq!(raw.end().await, how, "{line}");
    }
    running.stop().await.unwrap();
}

#[tokio::test]
async fn the_port_is_reset_with_1300() {
    let running = simulator().await;
    let mut raw = Raw::started(&running, 1).await;
    told(&running, "port_reset = { port = 4009 }").await;
    let (id, code, text) = raw.error().await;
    assert_eq!((id, code), (-1, 1_300));
    assert!(text.ends_with("4009"), "{text}");
    raw.closed().await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_mute_connection_stays_open_and_never_speaks_again() {
    let running = simulator().await;
    let mut mute = Raw::started(&running, 1).await;
    talks(&mut mute).await;
    told(&running, "mute = true, client = 1").await;
    let mut other = Raw::started(&running, 2).await;
    talks(&mut other).await;
    mute.send(49, &Number { id: None }).await;
    talks(&mut other).await;
    running.clear().await.unwrap();
    mute.send(49, &Number { id: None }).await;
    talks(&mut other).await;
    told(&running, "close").await;
    assert_eq!(mute.reply().await, None, "not a word before the end");
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_gateway_greets_and_then_answers_nothing() {
    let running = simulator().await;
    told(&running, "mute = { after_handshake = true }").await;
    let mut raw = Raw::started(&running, 1).await;
    raw.until(9).await;
    raw.until(15).await;
    raw.send(49, &Number { id: None }).await;
    raw.send(61, &Number { id: None }).await;
    told(&running, "close").await;
    let mut rest = Vec::new();
    while let Some((id, _)) = raw.next().await {
        rest.push(id);
    }
    assert!(rest.iter().all(|id| *id == 4), "farms of the handshake only: {rest:?}");
    running.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_frozen_comes_later_whole_and_in_order() {
    let running = simulator().await;
    let mut raw = Raw::started(&running, 1).await;
    talks(&mut raw).await;
    told(&running, "freeze").await;
    for request in [49, 61, 5, 17] {
        raw.send(request, &Number { id: None }).await;
    }
    // Its answers are under way when another client's have come.
    let mut ids = Vec::new();
    told(&running, "error = { code = 2119 }").await;
    running.clear().await.unwrap();
    while ids.last() != Some(&15) {
        ids.push(raw.next().await.unwrap().0);
    }
    ids.retain(|id| *id != 4);
    assert_eq!(ids, [49, 62, 53, 15]);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn writes_come_in_pieces_or_together_and_mean_the_same() {
    for line in ["split_writes = { bytes = 1 }", "coalesce = { within = \"5ms\" }"] {
        let scenario = robo_trader::simulator::faults::Scenario { rules: vec![line.parse().unwrap()] };
        let running = start(robo_trader::simulator::SimulatorConfig { scenario, ..config() }).await.unwrap();
        let mut raw = Raw::started(&running, 1).await;
        raw.until(15).await;
        talks(&mut raw).await;
        raw.send(61, &Number { id: None }).await;
        raw.until(62).await;
        running.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_slow_reader_is_reset_when_too_much_waits_for_it() {
    let running = simulator().await;
    let mut raw = Raw::started(&running, 1).await;
    talks(&mut raw).await;
    told(&running, "slow_reader = { bytes_per_second = 50, outbox = 2000, then = \"reset\" }").await;
    // Small questions in one piece: the answers are more than what may wait.
    let question = [0, 0, 0, 4, 0, 0, 0, 249];
    raw.write(&question.repeat(400)).await;
    assert_eq!(raw.end().await, std::io::ErrorKind::ConnectionReset);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_slow_reader_loses_the_older_half_of_what_waits_for_it() {
    let running = simulator().await;
    let mut raw = Raw::started(&running, 1).await;
    talks(&mut raw).await;
    told(&running, "slow_reader = { bytes_per_second = 2000, outbox = 400, then = \"drop-half\" }").await;
    let asked = 200;
    for _ in 0..asked {
        raw.send(49, &Number { id: None }).await;
    }
    // The last answer comes; many before it do not.
    raw.send(61, &Number { id: None }).await;
    running.account().await.unwrap();
    raw.send(17, &Number { id: None }).await;
    let mut answers = 0;
    while let (id, _) = raw.next().await.unwrap()
        && id != 15
    {
        answers += u32::from(id == 49);
    }
    assert!(answers < asked, "{answers} of {asked}");
    running.stop().await.unwrap();
}

#[tokio::test]
async fn bytes_that_are_no_message_are_sent_as_asked() {
    let running = simulator().await;
    let mut raw = Raw::started(&running, 1).await;
    talks(&mut raw).await;
    for (line, bytes) in [
        ("malformed = { what = \"unknown-id\" }", &[0, 0, 1, 143, 8, 1][..]),
        ("malformed = { what = \"bad-status\" }", &[0, 0, 0, 203, 255, 255, 255, 255, 255, 255, 255, 255]),
    ] {
        told(&running, line).await;
        assert_eq!(raw.reply().await.unwrap(), bytes, "{line}");
    }
    told(&running, "malformed = { what = \"text-id\" }").await;
    assert_eq!(raw.reply().await.unwrap()[..4], [0, 0, 0, 4]);
    told(&running, "malformed = { what = \"short\" }").await;
    assert_eq!(raw.reply().await.unwrap(), [0, 0]);
    told(&running, "malformed = { what = \"long\" }").await;
    assert_eq!(raw.length().await, 0x7f00_0000);
    running.stop().await.unwrap();
}
