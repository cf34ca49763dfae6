//! From the simulator accepting connections again to the first permitted order.

use std::time::{Duration, Instant};

use robo_trader::domain::{Price, Shares, Side};
use robo_trader::exchange::{Kind, Tif};
use robo_trader::simulator::Act;
use robo_trader::simulator::tap::What;

use super::Form;
use super::live::{Live, name};
use super::page::{self, Outcome, Target, median, number, table};
use super::simulator::questions;
use super::world::{World, config};

/// Executions that are new at the first cut.
const EXECUTIONS: usize = 1_000;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

fn by_hand(symbol: usize, side: Side, kind: Kind) -> Act {
    let tif = if matches!(kind, Kind::Market) { Tif::Day } else { Tif::Gtc };
    Act::ByHand { symbol: name(symbol).parse().unwrap(), side, quantity: Shares(1), kind, tif }
}

/// Milliseconds from a door that opens, and from the connection that it lets in, to the first permitted order.
struct Back {
    opened: f64,
    accepted: f64,
    /// What the daemon asked in between.
    asked: usize,
}

/// Cuts the connection, lets `meanwhile` happen, and opens the door again.
fn cut(world: &mut World, live: &mut Live, meanwhile: impl FnOnce(&World)) -> Back {
    world.take(&mut |_| {});
    world.tell("refuse = {}");
    world.tell("close = {}");
    let left = world.until(PATIENCE, |seen| seen.what == What::Ended);
    assert!(left, "the connection was cut");
    meanwhile(world);
    let opened = Instant::now();
    world.tell("clear");
    let (mut accepted, mut asked) = (None, 0);
    world.until(PATIENCE, |seen| {
        if seen.what == What::Accepted {
            accepted = Some(seen.at.into_std());
        }
        asked += usize::from(accepted.is_some() && matches!(seen.what, What::Came { .. }));
        accepted.is_some()
    });
    let accepted = accepted.expect("it dials again");
    let ready = live.says_after(accepted, " ready: ");
    let ms = |since: Instant| ready.saturating_duration_since(since).as_secs_f64() * 1e3;
    world.take(&mut |seen| asked += usize::from(matches!(seen.what, What::Came { .. }) && seen.at.into_std() <= ready));
    Back { opened: ms(opened), accepted: ms(accepted), asked }
}

/// A daemon with so many symbols and so many orders of somebody else's that work.
fn live(world: &World, dir: &std::path::Path, symbols: usize, orders: usize, backoff: &[(&str, &str)]) -> Live {
    let more: Vec<(&str, &str)> =
        [("CIRCUIT_BREAKER_THRESHOLD", "1000"), ("RISK_COOL_DOWN", "")].iter().chain(backoff).copied().collect();
    let mut live = Live::start(world.address, dir, symbols, &more);
    live.says(" ready: ");
    live.warm(symbols);
    for order in 0..orders {
        let limit = Price::of(1.into());
        world.act(by_hand(order % symbols, Side::Buy, Kind::Limit { limit }));
    }
    live
}

pub fn measure(form: Form) -> Outcome {
    let quick = [("BACKOFF_BASE", "0.02"), ("BACKOFF_CAP", "0.02"), ("BACKOFF_JITTER", "0")];
    let cuts = form.of(1, 4, 20);
    let round_trip = 1e3 / questions(form.seconds(1, 3, 10));
    let (mut rows, mut targets) = (Vec::new(), Vec::new());
    for symbols in [3, 24, 100] {
        for orders in [0, 10, 200] {
            let dir = tempfile::tempdir().unwrap();
            let mut world = World::start(config(1.0));
            let mut live = live(&world, dir.path(), symbols, orders, &quick);
            let executed = |world: &World| {
                for order in 0..EXECUTIONS {
                    let side = if order % 2 == 0 { Side::Buy } else { Side::Sell };
                    world.act(by_hand(order / 2 % symbols, side, Kind::Market));
                }
                // They fill with the market's next look at them.
                std::thread::sleep(Duration::from_secs(1));
            };
            let first = cut(&mut world, &mut live, executed);
            let backs: Vec<Back> = (0..cuts).map(|_| cut(&mut world, &mut live, |_| ())).collect();
            let later: Vec<f64> = backs.iter().map(|back| back.accepted).collect();
            let asked = median(backs.iter().map(|back| back.asked as f64));
            let live_says = live.status()["measured"]["dial_to_ready"].take();
            live.stop();
            world.stop();
            let known = median(later.iter().copied());
            let most = later.iter().copied().fold(0.0, f64::max);
            if orders == 10 {
                let aim = 400.0 + 20.0 * ((symbols as f64 / 24.0).ceil() - 1.0);
                let worst = first.accepted.max(known);
                targets.push(Target {
                    what: format!("recover, {symbols} symbols"),
                    aim: format!("at most {aim:.0} ms"),
                    measured: format!("{} ms", number(worst)),
                    met: Some(worst <= aim),
                    why: format!(
                        "{} questions, each of a round trip of {} ms at least, are {} ms; the rest is rows to be read",
                        number(asked),
                        number(round_trip),
                        number(asked * round_trip)
                    ),
                });
            }
            let mut row = vec![symbols.to_string(), orders.to_string()];
            row.extend([first.accepted, known, most].map(number));
            row.extend(["p50_ms", "max_ms"].map(|figure| page::known(live_says[figure].as_f64())));
            row.extend([asked, asked * round_trip].map(number));
            println!("{}", row.join("  "));
            rows.push(row);
        }
    }
    let mut waits = Vec::new();
    for symbols in [3, 24, 100] {
        let dir = tempfile::tempdir().unwrap();
        let mut world = World::start(config(1.0));
        let mut live = live(&world, dir.path(), symbols, 10, &[]);
        let back = cut(&mut world, &mut live, |_| std::thread::sleep(Duration::from_secs(2)));
        live.stop();
        world.stop();
        waits.push(vec![symbols.to_string(), number(back.opened), number(back.accepted)]);
    }
    Outcome { text: text(&rows, &waits, round_trip), targets, plots: Vec::new() }
}

fn text(rows: &[Vec<String>], waits: &[Vec<String>], round_trip: f64) -> String {
    let head = [
        "symbols",
        "open orders",
        "1,000 new executions",
        "1,000 known ones, median",
        "the longest",
        "daemon: dial to Ready, p50",
        "its longest",
        "questions",
        "their round trips",
    ];
    let waited = ["symbols", "from the open door, with the backoff's wait", "of it from the accepted connection"];
    format!(
        "The connection is cut and the port shut, things happen at the exchange, the port opens again. Milliseconds from \
         the accepted connection to the line `ready:` of the log, with which orders are permitted: handshake, checks, \
         contracts (known ones are not asked for again), the read of open orders, completed orders, executions, \
         positions and account, and what the book makes of it. Open orders and executions are placed by hand at the \
         exchange: the daemon reads, compares and shows them. Beside them stands what the daemon itself counts (`dial_to_ready` of its \
         status) over its first session and all of these: from the beginning of the attempt.\n\n{}\n\
         With the default backoff (1 s, doubled, with jitter) and a port that is shut for 2 s; milliseconds, one cut \
         each:\n\n{}\n\
         What limits it: round trips (the questions between the accepted connection and Ready stand in the table, median \
         of the cuts; one at a time is answered within {} ms, measured beside them), and the rows to be read.",
        table(&head, rows),
        table(&waited, waits),
        number(round_trip)
    )
}
