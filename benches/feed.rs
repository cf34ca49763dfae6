//! What feed clients cost the desk: the time from a closed bar's arrival to its order at the socket, with 200 clients
//! of which 20 never read, and without any; rounds of both alternate. `cargo bench --bench feed`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench that cannot go on fails")]

#[path = "../tests/support/mod.rs"]
mod support;
#[path = "../tests/web_support/mod.rs"]
mod web_support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use robo_trader::runner::board::Board;
use robo_trader::runner::histogram::Counted;
use robo_trader::web::Shared;
use robo_trader::web::thread::WebThread;
use support::{Daemon, Start, settings, synthetic};
use tokio::sync::watch;
use tokio::task::JoinSet;
use web_support::config;

const CLIENTS: usize = 200;
const IDLE: usize = 20;
const ROUNDS: usize = 3;
/// Executions of a round.
const EXECUTIONS: u64 = 60;
/// The most that clients may slow the desk's median.
const AT_MOST: f64 = 1.5;

/// The median of what a round has counted, microseconds.
fn median(before: &Counted, mut after: Counted) -> f64 {
    after.subtract(before).unwrap();
    Duration::from_nanos(after.value_at_quantile(0.5)).as_secs_f64() * 1e6
}

/// Clients until dropped.
async fn clients(address: SocketAddr, there: watch::Sender<bool>) {
    let (mut readers, mut idle) = (JoinSet::new(), Vec::new());
    for index in 0..CLIENTS {
        let (mut socket, _) = tokio_tungstenite::connect_async(format!("ws://{address}/api/v1/ws")).await.unwrap();
        if index < IDLE {
            idle.push(socket);
        } else {
            readers.spawn(async move { while socket.next().await.is_some_and(|message| message.is_ok()) {} });
        }
    }
    there.send_replace(true);
    readers.join_all().await;
}

async fn round(daemon: &mut Daemon, board: &Board) -> f64 {
    let before = board.stats().tick_to_order.copy();
    let executions = daemon.progress.borrow().executions;
    daemon.until("a round", |progress| progress.executions >= executions + EXECUTIONS).await;
    median(&before, board.stats().tick_to_order.copy())
}

#[tokio::main]
async fn main() {
    let dir = tempfile::tempdir().unwrap();
    let simulator = synthetic(None, 0).await;
    let board = Board::new();
    let busy = [
        ("SYMBOLS", "AAPL,NVDA,TSLA,MSFT"),
        ("STRATEGY_PARAMS", "fast=2,slow=5"),
        ("RISK_MAX_DAILY_NOTIONAL", "1000000000"),
        // Its fees are a loss, too.
        ("RISK_MAX_DAILY_LOSS_PCT", "1"),
    ];
    let how = Start { board: Some(Arc::clone(&board)), ..Start::default() };
    let mut daemon = Daemon::start(settings(simulator.address, &busy), dir.path(), how);
    let shared = Shared::new(config(dir.path()), Arc::clone(&board)).unwrap();
    let mut address = shared.address();
    let _web = WebThread::start(robo_trader::web::served(shared)).unwrap();
    let address = address.wait_for(Option::is_some).await.unwrap().unwrap();
    round(&mut daemon, &board).await;
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        without.push(round(&mut daemon, &board).await);
        // Elsewhere, as real ones are: what they compute is no work of the daemon's workers.
        let (tell, mut there) = watch::channel(false);
        let clients = WebThread::start(clients(address, tell)).unwrap();
        there.wait_for(|there| *there).await.unwrap();
        with.push(round(&mut daemon, &board).await);
        drop(clients);
    }
    daemon.stop().await.1.unwrap();
    simulator.stop().await.unwrap();
    without.sort_by(f64::total_cmp);
    with.sort_by(f64::total_cmp);
    let ratio = with[ROUNDS / 2] / without[ROUNDS / 2];
    println!(
        "median time from tick to order, us: {:.0} alone, {:.0} with {CLIENTS} clients of which {IDLE} never read",
        without[ROUNDS / 2],
        with[ROUNDS / 2]
    );
    println!("ratio {ratio:.2}, at most {AT_MOST}");
    assert!(ratio <= AT_MOST, "clients slow the desk");
}
