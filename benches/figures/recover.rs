//! From the simulator accepting connections again to the first permitted order.

use std::time::{Duration, Instant};

use robo_trader::domain::{Price, Shares, Side, Usd};
use robo_trader::exchange::{Kind, Tif};
use robo_trader::simulator::Act;
use robo_trader::simulator::tap::What;

use super::Form;
use super::live::{Live, name};
use super::page::{Outcome, Target, median, number, table};
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
    let mut accepted = None;
    world.until(PATIENCE, |seen| {
        if seen.what == What::Accepted {
            accepted = Some(seen.at.into_std());
        }
        accepted.is_some()
    });
    let accepted = accepted.expect("it dials again");
    let ready = live.says_after(accepted, " ready: ");
    let ms = |since: Instant| ready.saturating_duration_since(since).as_secs_f64() * 1e3;
    Back { opened: ms(opened), accepted: ms(accepted) }
}

/// A daemon with so many symbols and so many orders of somebody else's that work.
fn live(world: &World, dir: &std::path::Path, symbols: usize, orders: usize, backoff: &[(&str, &str)]) -> Live {
    let more: Vec<(&str, &str)> =
        [("CIRCUIT_BREAKER_THRESHOLD", "1000"), ("RISK_COOL_DOWN", "")].iter().chain(backoff).copied().collect();
    let mut live = Live::start(world.address, dir, symbols, &more);
    live.says(" ready: ");
    live.warm(symbols);
    for order in 0..orders {
        let limit = Price(Usd(1.into()).0);
        world.act(by_hand(order % symbols, Side::Buy, Kind::Limit { limit }));
    }
    live
}

pub fn measure(form: Form) -> Outcome {
    let quick = [("BACKOFF_BASE", "0.02"), ("BACKOFF_CAP", "0.02"), ("BACKOFF_JITTER", "0")];
    let cuts = form.of(1, 4, 20);
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
            let later: Vec<f64> = (0..cuts).map(|_| cut(&mut world, &mut live, |_| ()).accepted).collect();
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
                    why: "see the section".into(),
                });
            }
            let row = [symbols.to_string(), orders.to_string(), number(first.accepted), number(known), number(most)];
            println!("{}", row.join("  "));
            rows.push(row.to_vec());
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
    Outcome { text: text(&rows, &waits), targets, plots: Vec::new() }
}

fn text(rows: &[Vec<String>], waits: &[Vec<String>]) -> String {
    let head = ["symbols", "open orders", "1,000 new executions", "1,000 known ones, median", "the longest"];
    let waited = ["symbols", "from the open door, with the backoff's wait", "of it from the accepted connection"];
    format!(
        "The connection is cut and the port shut, things happen at the exchange, the port opens again. Milliseconds from \
         the accepted connection to the line `ready:` of the log, with which orders are permitted: handshake, checks, \
         contracts (known ones are not asked for again), the read of open orders, completed orders, executions, \
         positions and account, and what the book makes of it. Open orders and executions are placed by hand at the \
         exchange: the daemon reads, compares and shows them.\n\n{}\n\
         With the default backoff (1 s, doubled, with jitter) and a port that is shut for 2 s; milliseconds, one cut \
         each:\n\n{}\n\
         What limits it: round trips (about a dozen, one after the other, since each answer decides on the next \
         question), and the rows to be read.",
        table(&head, rows),
        table(&waited, waits)
    )
}
